//! `scupper plan`: notes in, action plans out.

mod bad;
mod judged;
mod killed;
mod known;
mod written;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::scene::{Answer, Room, seed};

const NOW: &str = "2026-02-27 10:45:30";

const PLAN: &str = "vault/Needs_Action/Plan_fix_memory_leak.md";

/// The inbox text of seed 000, as its plan quotes it.
fn seed_note() -> String {
    let plan = seed("000-action-plan.md");
    let (_, behind) = plan.split_once("## Original Request\n```\n").unwrap();
    behind.split_once("\n```\n").unwrap().0.to_owned()
}

/// A vault with the note of the seed.
fn vault() -> Room {
    let room = Room::new();
    room.write("vault/Inbox/fix_memory_leak.md", seed_note());
    room
}

fn flagged<'a>(always: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    let now: &[&str] = if flags.contains(&"--now") { &[] } else { &["--now", NOW] };
    [&["plan", "vault"], always, now, flags].concat()
}

fn plan(room: &Room, flags: &[&str]) -> Answer {
    room.answer(&flagged(&[], flags))
}

fn planned(room: &Room, flags: &[&str]) -> Value {
    room.json(&flagged(&["--json"], flags))
}

/// Every file of the vault with its text, its inode and its times.
fn state(room: &Room) -> BTreeMap<String, (Vec<u8>, u64, i64, i64)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![room.work("vault")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let text = fs::read(&path).unwrap();
                let times = (metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(), metadata.ctime_nsec());
                files.insert(path.display().to_string(), (text, metadata.ino(), times.0, times.1));
            }
        }
    }
    files
}

/// Replaces a part of a file of the vault, as an editor does.
fn edit(room: &Room, name: &str, from: &str, to: &str) {
    let text = room.read(name);
    assert!(text.contains(from), "{from:?} is not in {name}:\n{text}");
    room.write(name, text.replacen(from, to, 1));
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
