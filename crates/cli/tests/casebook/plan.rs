//! `scupper plan`: notes in, action plans out.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{Answer, PATIENCE, Room, seed, wait_for};

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

#[test]
fn r014_with_compat_and_a_frozen_clock_the_seed_is_made_again_byte_for_byte() {
    let room = vault();
    let answer = plan(&room, &["--compat"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(room.read(PLAN), seed("000-action-plan.md"));
    assert_eq!(answer.err, "");
    // The log and the registry have the form of the tool that made it.
    assert_eq!(
        room.read("vault/logs/actions.log"),
        format!("[{NOW}] Created plan for 'fix_memory_leak.md' -> 'Plan_fix_memory_leak.md'\n")
    );
    let registry: Value = serde_json::from_str(&room.read("vault/logs/processed.json")).unwrap();
    let entry = json!({"filename": "fix_memory_leak.md", "processed_at": NOW, "plan_created": "Plan_fix_memory_leak.md"});
    assert_eq!(registry, json!({"processed_files": [entry]}));
}

#[test]
fn r004_r020_a_note_is_judged_with_words_lines_and_runner_up_and_all_of_it_is_covered() {
    let room = vault();
    let said = planned(&room, &[]);
    assert_eq!(said["schema"], "scupper.plan/1");
    let note = &said["notes"][0];
    assert_eq!(
        (&note["outcome"], &note["task_type"], &note["priority"], &note["effort"], &note["needs_triage"]),
        (&json!("created"), &json!("memory_leak"), &json!("high"), &json!("Medium"), &json!(false))
    );
    assert_eq!(note["matched"][0], json!({"word": "memory leak", "lines": [1], "weight": 20}));
    assert_eq!(note["runner_up"]["task_type"], "bug_fix");
    let coverage = &note["coverage"];
    assert_eq!(
        (&coverage["bullets"], &coverage["covered"], &coverage["not_covered"]),
        (&json!(7), &json!(7), &json!([]))
    );
    let look = json!({"line": 14, "text": "Profile memory usage", "step": "Find What Leaks"});
    assert_eq!(coverage["steps"][3], look);
    assert_eq!(note["facts"]["bytes_per_hour"], json!(1e8));
    assert_eq!(note["facts"]["time_to_failure_seconds"], json!(36000));
    let text = room.read(PLAN);
    for asked in [
        "Profile memory usage",
        "Check for unclosed connections",
        "Review event listeners",
        "Analyze object retention",
    ] {
        assert!(text.contains(&format!("   - [ ] {asked} ")), "{asked}\n{text}");
    }
}

#[test]
fn r016_what_is_unchanged_is_not_written() {
    let room = vault();
    room.write("vault/Inbox/other.MD", "# Add a page\n");
    // A note that has just changed is read again: another change may have the same time.
    let first = state(&room);
    wait_for("the notes are no longer fresh", PATIENCE, || {
        let now = fs::metadata(room.write("clock", "x")).unwrap();
        let now = now.mtime() * 1_000_000_000 + now.mtime_nsec();
        let newest = first.values().map(|file| file.2).max().unwrap();
        if now - newest > 50_000_000 { Ok(()) } else { Err(String::new()) }
    });
    assert_eq!(planned(&room, &[])["counts"]["created"], 2);
    let before = state(&room);
    for flags in [&[][..], &["--now", "2026-03-01 00:00:00"]] {
        let said = room.json(&[&["plan", "vault", "--json"], flags].concat());
        assert_eq!((&said["counts"]["unchanged"], &said["notes"]), (&json!(2), &json!([])), "{said}");
        assert_eq!(state(&room), before);
    }
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_fix_memory_leak.md", "Plan_other.md"]);
}

#[test]
fn r016_an_edited_note_brings_its_plan_up_to_date() {
    let room = vault();
    plan(&room, &[]);
    edit(
        &room,
        "vault/Inbox/fix_memory_leak.md",
        "- Review event listeners",
        "- Review event listeners\n- Look at the cache",
    );
    let said = planned(&room, &["--now", "2026-03-01 00:00:00"]);
    assert_eq!(said["counts"]["updated"], 1, "{said}");
    let text = room.read(PLAN);
    assert!(
        text.contains("   - [ ] Look at the cache ") && text.contains(&format!("created_at: {NOW}\n")),
        "{text}"
    );
    assert!(room.read("vault/logs/actions.log").ends_with(
        "[2026-03-01 00:00:00] Updated plan for 'fix_memory_leak.md' -> 'Plan_fix_memory_leak.md'\n"
    ));
}

#[test]
fn r002_r017_what_people_wrote_into_a_plan_stays_when_its_note_changes() {
    let room = vault();
    plan(&room, &[]);
    edit(&room, PLAN, "status: pending", "status: blocked");
    edit(&room, PLAN, "priority: high", "priority: low\nowner: ana # on leave in May");
    edit(&room, PLAN, "   - [ ] Profile memory usage", "   - [x] Profile memory usage with ana");
    edit(
        &room,
        PLAN,
        "   - [ ] Review event listeners",
        "   - [ ] Ask the vendor\n   - [ ] Review event listeners",
    );
    edit(&room, PLAN, "## Notes\n", "## Notes\n- Seen on host 7\n");
    edit(
        &room,
        "vault/Inbox/fix_memory_leak.md",
        "- Profile memory usage",
        "- Profile memory usage\n- Look at the cache",
    );
    let said = planned(&room, &["--now", "2026-03-01 00:00:00"]);
    assert_eq!(said["counts"]["updated"], 1, "{said}");
    let text = room.read(PLAN);
    for part in [
        "status: blocked\npriority: low\nowner: ana # on leave in May\n",
        "   - [x] Profile memory usage with ana <!-- scupper:step=",
        "   - [ ] Ask the vendor\n",
        "- Seen on host 7\n",
        "   - [ ] Look at the cache <!-- scupper:step=",
    ] {
        assert!(text.contains(part), "{part:?}\n{text}");
    }
    // And then nothing more is written.
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 1);
    assert_eq!(room.read(PLAN), text);
    // Also where nobody knows any more what was made the last time.
    fs::remove_dir_all(room.work("vault/.scupper")).unwrap();
    planned(&room, &[]);
    let text = room.read(PLAN);
    assert!(
        text.contains("   - [x] Profile memory usage with ana") && text.contains("- Seen on host 7\n"),
        "{text}"
    );
}

#[test]
fn r002_a_person_decides_what_kind_of_task_it_is_and_the_steps_follow() {
    let room = Room::new();
    room.write("vault/Inbox/b.md", "Review the bug\n");
    let said = planned(&room, &[]);
    assert_eq!(
        (&said["notes"][0]["needs_triage"], &said["notes"][0]["task_type"]),
        (&json!(true), &json!("general_task"))
    );
    let name = "vault/Needs_Action/Plan_b.md";
    edit(&room, name, "task_type: general_task", "task_type: review");
    edit(&room, name, "needs_triage: true\n", "");
    edit(&room, name, "priority: medium", "priority: low");
    let said = planned(&room, &[]);
    assert_eq!(said["counts"]["updated"], 1, "{said}");
    let text = room.read(name);
    for part in [
        "priority: low\ntask_type: review\n",
        "1. **Get an Overview**",
        "set by hand",
        "with **low** priority",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("needs_triage") && !text.contains("Understand the Request"), "{text}");
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 1);
    // Still so when the note changes, and when something is ticked.
    room.write("vault/Inbox/b.md", "Review the bug\n- with ana\n");
    edit(&room, name, "- [ ] Read all of it once", "- [x] Read all of it once");
    assert_eq!(planned(&room, &[])["counts"]["updated"], 1);
    let text = room.read(name);
    assert!(
        text.contains("task_type: review\n")
            && text.contains("- [x] Read all of it once")
            && text.contains("with ana"),
        "{text}"
    );
}

#[test]
fn r017_where_both_changed_a_line_the_persons_stays_and_ours_is_noted() {
    let room = vault();
    plan(&room, &[]);
    let criterion = "- [ ] 0 OOM kills and 0 crashes in 30 h";
    edit(&room, PLAN, criterion, "- [ ] 0 OOM kills in a week");
    edit(&room, "vault/Inbox/fix_memory_leak.md", "after 8-10 hours", "after 20 hours");
    let answer = plan(&room, &[]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.err.contains("warning: Plan_fix_memory_leak.md: not taken over (Success Criteria)"),
        "{}",
        answer.err
    );
    let text = room.read(PLAN);
    assert!(text.contains("- [ ] 0 OOM kills in a week"), "{text}");
    let notes = &text[text.find("## Notes").unwrap()..];
    assert!(notes.contains("0 OOM kills and 0 crashes in 60 h"), "{notes}");
    assert!(text.contains("over a soak of at least 60 h"), "{text}");
}

#[test]
fn r016_a_renamed_note_keeps_its_plan() {
    let room = vault();
    plan(&room, &[]);
    fs::rename(room.work("vault/Inbox/fix_memory_leak.md"), room.work("vault/Inbox/leak.md")).unwrap();
    let dry = planned(&room, &["--dry-run"]);
    assert_eq!(
        (&dry["notes"][0]["outcome"], &dry["notes"][0]["renamed_from"]),
        (&json!("renamed"), &json!("fix_memory_leak.md"))
    );
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_fix_memory_leak.md"]);
    let said = planned(&room, &[]);
    assert_eq!(said["counts"]["renamed"], 1, "{said}");
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_leak.md"]);
    assert!(
        room.read("vault/Needs_Action/Plan_leak.md")
            .contains("source_file: AI_Employee_Vault/Inbox/leak.md\n")
    );
    let registry: Value = serde_json::from_str(&room.read("vault/logs/processed.json")).unwrap();
    assert_eq!(registry["processed_files"].as_array().unwrap().len(), 1, "{registry}");
    assert_eq!(registry["processed_files"][0]["filename"], "leak.md");
    assert_eq!(registry["processed_files"][0]["plan_created"], "Plan_leak.md");
}

#[test]
fn r015_a_dry_run_writes_nothing() {
    let room = vault();
    let before = state(&room);
    let answer = plan(&room, &["--dry-run"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.out.contains("created   Plan_fix_memory_leak.md  memory_leak, high, Medium"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("(dry run: nothing is written)"));
    assert_eq!(state(&room), before);
    assert_eq!(room.names("vault"), ["Inbox"]);
}

#[test]
fn r016_plans_of_the_tool_that_made_the_first_ones_are_taken_on_as_they_are() {
    let room = vault();
    room.write(PLAN, seed("000-action-plan.md"));
    let registry = r#"{"processed_files": [{"filename": "fix_memory_leak.md", "processed_at": "2026-02-27 10:45:30", "plan_created": "Plan_fix_memory_leak.md"}]}"#;
    room.write("vault/logs/processed.json", registry);
    let before = fs::metadata(room.work(PLAN)).unwrap();
    let said = planned(&room, &["--now", "2026-03-01 00:00:00"]);
    assert_eq!((&said["counts"]["unchanged"], &said["counts"]["created"]), (&json!(1), &json!(0)), "{said}");
    assert_eq!(room.read(PLAN), seed("000-action-plan.md"));
    let after = fs::metadata(room.work(PLAN)).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    assert_eq!(room.read("vault/logs/processed.json"), registry);
    // What is new in the note comes into it, and all that was there stays.
    edit(
        &room,
        "vault/Inbox/fix_memory_leak.md",
        "- Review event listeners",
        "- Review event listeners\n- Look at the cache",
    );
    planned(&room, &["--now", "2026-03-02 00:00:00"]);
    let text = room.read(PLAN);
    assert!(text.contains("   - [ ] Look at the cache "), "{text}");
    for line in
        seed("000-action-plan.md").lines().filter(|line| line.starts_with("   - ") || line.contains("**"))
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn r015_the_older_registry_is_taken_over() {
    let room = vault();
    room.write("vault/logs/processed.json", r#"{"processed": ["old.md"]}"#);
    assert_eq!(plan(&room, &[]).code, 0);
    let registry: Value = serde_json::from_str(&room.read("vault/logs/processed.json")).unwrap();
    let names: Vec<_> = registry["processed_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["filename"].clone())
        .collect();
    assert_eq!(names, ["old.md", "fix_memory_leak.md"]);
    assert_eq!(registry["processed_files"][0]["plan_created"], "Plan_old.md");
    assert!(
        room.read("vault/logs/actions.log")
            .contains(&format!("[{NOW}] Migrated 1 entries from legacy format\n"))
    );
}

#[test]
fn r016_a_corrupt_registry_is_made_again_from_the_plans_and_kept() {
    let room = vault();
    room.write("vault/Inbox/b.md", "# Add a page\n");
    plan(&room, &[]);
    let whole = room.read("vault/logs/processed.json");
    room.write("vault/logs/processed.json", &whole[..whole.len() / 2]);
    room.write("vault/Inbox/c.md", "# Review the page\n");
    let answer = plan(&room, &["--now", "2026-03-01 00:00:00"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.err.contains("kept as processed.json.corrupt-1, made again from the plans"),
        "{}",
        answer.err
    );
    assert_eq!(room.read("vault/logs/processed.json.corrupt-1"), whole[..whole.len() / 2]);
    let registry: Value = serde_json::from_str(&room.read("vault/logs/processed.json")).unwrap();
    let entries: BTreeMap<_, _> = registry["processed_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["filename"].as_str().unwrap(), entry["processed_at"].as_str().unwrap()))
        .collect();
    let expected = [("b.md", NOW), ("c.md", "2026-03-01 00:00:00"), ("fix_memory_leak.md", NOW)];
    assert_eq!(entries, BTreeMap::from(expected));
    assert_eq!(plan(&room, &[]).code, 0);
}

#[test]
fn r016_what_is_known_is_found_again_in_the_plans() {
    let room = vault();
    plan(&room, &[]);
    let before = fs::metadata(room.work(PLAN)).unwrap();
    for damage in ["", "{", "{\"schema\": \"other\", \"notes\": {}}"] {
        room.write("vault/.scupper/plans.json", damage);
        let said = planned(&room, &["--now", "2026-03-01 00:00:00"]);
        assert_eq!(
            (&said["counts"]["unchanged"], &said["counts"]["created"]),
            (&json!(1), &json!(0)),
            "{damage}: {said}"
        );
        assert!(said["remarks"][0].as_str().unwrap().contains("it is made again from the plans"), "{said}");
    }
    fs::remove_dir_all(room.work("vault/.scupper")).unwrap();
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 1);
    let after = fs::metadata(room.work(PLAN)).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn r019_each_bad_note_is_one_line_and_the_others_have_their_plans() {
    let room = vault();
    let inbox = |name: &str, text: &[u8]| room.write(&format!("vault/Inbox/{name}"), text);
    inbox("bom.md", b"\xef\xbb\xbf# With a mark\r\n\r\n- fix it\r\n");
    inbox("front.md", b"---\ntags: [a]\n---\n\n# The title\n");
    inbox("plain.md", b"no heading\n");
    inbox("ticks.md", b"# Ticks\n````\n```\n````\n");
    inbox("empty.md", b"");
    inbox("blank.md", b" \n\n");
    inbox("onlyfront.md", b"---\na: 1\n---\n");
    inbox("binary.md", b"\x7fELF\0\0\0");
    inbox("latin.md", b"# Caf\xe9\n");
    inbox("ansi.md", b"# Red \x1b[31mtitle\n\xe2\x80\xaeback\n");
    inbox("CON.md", b"# Reserved\n");
    inbox("a\\..\\b.md", b"# Path\n");
    inbox("line\nbreak.md", b"# Line\n");
    inbox("same.md", b"# One\n");
    inbox("same.MD", b"# Two\n");
    fs::File::create(room.work("vault/Inbox/huge.md")).unwrap().set_len(50 << 20).unwrap();
    fs::create_dir(room.work("vault/Inbox/folder.md")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, room.work("vault/Inbox/pipe.md"), rustix::fs::Mode::RUSR).unwrap();
    room.write("secret.md", "# Secret\n");
    symlink(room.work("secret.md"), room.work("vault/Inbox/out.md")).unwrap();
    symlink("nowhere", room.work("vault/Inbox/broken.md")).unwrap();
    room.write("vault/notes/kept.md", "# Inside\n");
    symlink("../notes/kept.md", room.work("vault/Inbox/inside.md")).unwrap();
    // None of ours to look at.
    for name in [".hidden.md", "draft.md~", ".draft.md.swp", "~$office.md", "half.tmp.md", "text.txt"] {
        inbox(name, b"# no");
    }

    let answer = plan(&room, &[]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let lines: Vec<&str> = answer.err.lines().collect();
    for (name, words) in [
        ("empty.md", "is empty"),
        ("blank.md", "is empty"),
        ("onlyfront.md", "no text behind it"),
        ("binary.md", "is binary"),
        ("latin.md", "UTF-8"),
        ("ansi.md", "2 characters that are not shown or turn text around, the first in line 1"),
        ("CON.md", "Windows cannot hold"),
        ("a\\..\\b.md", "rename it"),
        ("line\u{fffd}break.md", "rename it"),
        ("same.md", "its plan is Plan_same-2.md"),
        ("huge.md", "too large"),
        ("folder.md", "no regular file"),
        ("pipe.md", "no regular file"),
        ("out.md", "leads out of the vault"),
        ("broken.md", "leads nowhere"),
    ] {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(&format!(": {name}"))).collect();
        assert!(found.len() == 1 && found[0].contains(words), "{name}: {found:?}\n{}", answer.err);
    }
    assert_eq!(lines.len(), 15, "{}", answer.err);
    assert!(!answer.err.contains('\u{1b}') && !answer.out.contains('\u{1b}'));
    assert_eq!(
        room.names("vault/Needs_Action"),
        [
            "Plan_CON.md",
            "Plan_ansi.md",
            "Plan_bom.md",
            "Plan_fix_memory_leak.md",
            "Plan_front.md",
            "Plan_inside.md",
            "Plan_plain.md",
            "Plan_same-2.md",
            "Plan_same.md",
            "Plan_ticks.md"
        ]
    );
    let text = |name: &str| room.read(&format!("vault/Needs_Action/Plan_{name}.md"));
    assert!(text("front").contains("# Plan: The title\n"));
    assert!(text("plain").contains("# Plan: no heading\n"));
    assert!(text("bom").contains("# Plan: With a mark\n") && !text("bom").contains(['\r', '\u{feff}']));
    assert!(text("ticks").contains("\n`````\n# Ticks\n````\n```\n````\n\n`````\n"), "{}", text("ticks"));
    assert!(!text("ansi").contains(['\u{1b}', '\u{202e}']));
    // Whoever mends one has its plan.
    inbox("latin.md", "# Caf\u{e9}\n".as_bytes());
    plan(&room, &[]);
    assert!(text("latin").contains("# Plan: Caf\u{e9}\n"));
}

#[test]
fn r002_a_plan_that_is_over_moves_to_done_with_its_note() {
    let room = vault();
    room.write("vault/Inbox/b.md", "# Add a page\n");
    room.write("vault/Done/fix_memory_leak.md", "an earlier one");
    plan(&room, &[]);
    edit(&room, "vault/Needs_Action/Plan_b.md", "status: pending", "status: in_progress");
    edit(&room, PLAN, "status: pending", "status: done");
    let open = room.read(PLAN).lines().filter(|line| line.trim_start().starts_with("- [ ] ")).count();
    let open = format!("pending -> done with {open} open boxes");
    let answer = plan(&room, &["--now", "2026-03-01 00:00:00"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.out.contains("status    Plan_b.md  pending -> in_progress"), "{}", answer.out);
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_b.md"]);
    assert_eq!(room.names("vault/Inbox"), ["b.md"]);
    assert_eq!(
        room.names("vault/Done"),
        ["Plan_fix_memory_leak.md", "fix_memory_leak-2.md", "fix_memory_leak.md"]
    );
    let history =
        format!("fix_memory_leak.md`\n- [2026-03-01 00:00:00] {open}, moved to Done/ with its note\n");
    assert!(room.read("vault/Done/Plan_fix_memory_leak.md").ends_with(&history));
    // Nobody ticked anything: a claim with nothing behind it moves, and that is said.
    assert!(answer.out.contains(&format!("{open}, now in Done/")), "{}", answer.out);
    assert_eq!(room.read("vault/Done/fix_memory_leak-2.md"), seed_note());
    let log = room.read("vault/logs/actions.log");
    assert!(log.contains("[2026-03-01 00:00:00] 'Plan_b.md': pending -> in_progress\n"), "{log}");
    assert!(log.contains(&format!("'Plan_fix_memory_leak.md': {open}, moved to Done\n")), "{log}");
    // Brought back and called off: that is said as well.
    for name in ["Plan_fix_memory_leak.md", "fix_memory_leak-2.md"] {
        let to = if name.starts_with("Plan") { PLAN } else { "vault/Inbox/fix_memory_leak.md" };
        fs::rename(room.work(&format!("vault/Done/{name}")), room.work(to)).unwrap();
    }
    edit(&room, PLAN, "status: done", "status: blocked");
    assert_eq!(plan(&room, &[]).code, 0);
    edit(&room, PLAN, "status: blocked", "status: cancelled");
    assert_eq!(plan(&room, &["--now", "2026-03-02 00:00:00"]).code, 0);
    let called_off = "- [2026-03-02 00:00:00] blocked -> cancelled, moved to Done/ with its note\n";
    let history = format!("{open}, moved to Done/ with its note\n{called_off}");
    assert!(room.read("vault/Done/Plan_fix_memory_leak.md").ends_with(&history));
    // A new note of that name is a new task.
    room.write("vault/Inbox/fix_memory_leak.md", "# Another\n");
    assert_eq!(planned(&room, &[])["counts"]["created"], 1);
    // What no status is, is said, and nothing moves.
    edit(&room, "vault/Needs_Action/Plan_b.md", "status: in_progress", "status: finished");
    let answer = plan(&room, &[]);
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .err
            .contains("its status `finished` is none of pending, in_progress, blocked, done, cancelled"),
        "{}",
        answer.err
    );
}

#[test]
fn a_vault_that_is_none_is_said_and_a_bad_time_is_bad_usage() {
    let room = vault();
    for (vault, words) in
        [("nowhere", "cannot open the vault nowhere"), ("vault/Inbox", "has no folder Inbox")]
    {
        let answer = room.answer(&["plan", vault]);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(answer.err.contains(words) && answer.err.contains("hint: "), "{}", answer.err);
    }
    assert_eq!(room.answer(&["plan", "vault", "--now", "today"]).code, 2);
    assert_eq!(room.answer(&["plan", "vault", "--watch", "--dry-run"]).code, 2);
}

#[test]
fn what_was_recorded_of_a_service_is_filled_in_when_it_comes() {
    let room = vault();
    plan(&room, &[]);
    assert!(room.read(PLAN).contains("- Nothing recorded fits by service, rate or day"));
    // A real run of a unit of that name, that crosses its limit.
    let hold =
        "import time; x = bytearray(60 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\ntime.sleep(60)";
    let run = room
        .command(&[
            "run",
            "--name",
            "background-worker",
            "--mem-hard",
            "40M",
            "--",
            "python3",
            "-S",
            "-c",
            hold,
        ])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(137), "{}", String::from_utf8_lossy(&run.stderr));
    let said = room.json(&["plan", "vault", "--json"]);
    assert_eq!(said["counts"]["updated"], 1, "{said}");
    let evidence = &said["notes"][0]["evidence"][0];
    assert_eq!(
        (&evidence["kind"], &evidence["unit"]),
        (&json!("limit_crossed"), &json!("background-worker")),
        "{said}"
    );
    let text = room.read(PLAN);
    let id = evidence["id"].as_str().unwrap();
    assert!(
        text.contains(&format!("evidence.sqlite#{id}"))
            && text.contains(evidence["sha256"].as_str().unwrap()),
        "{text}"
    );
    assert!(text.contains("`scupper why background-worker`"));
    let before = text;
    assert_eq!(room.json(&["plan", "vault", "--json"])["counts"]["unchanged"], 1);
    assert_eq!(room.read(PLAN), before);
}

#[test]
fn r018_a_vault_that_cannot_be_written_is_said_in_one_line() {
    if rustix::process::geteuid().is_root() {
        // Root writes everywhere but where the file system says no.
        let room = vault();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(room.work("vault"))
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("skipped: no file system may be mounted here");
            return;
        }
        let umount = Unmount(room.work("vault"));
        room.write("vault/Inbox/a.md", seed_note());
        room.write("vault/Inbox/b.md", "# Add a page\n");
        assert_eq!(plan(&room, &[]).code, 0);
        // Full: what is there stays as it is, and each note that cannot be planned is said.
        let before = room.read("vault/Needs_Action/Plan_a.md");
        let filled = fs::write(room.work("vault/filler"), vec![0; 1 << 20]);
        assert!(filled.is_err());
        room.write("vault/Inbox/a.md", format!("{}- more\n", seed_note()).get(..20).unwrap());
        let answer = plan(&room, &[]);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.err.contains("No space left on device"), "{}", answer.err);
        assert_eq!(room.read("vault/Needs_Action/Plan_a.md"), before);
        fs::remove_file(room.work("vault/filler")).unwrap();
        assert_eq!(plan(&room, &[]).code, 0);
        // Read-only.
        room.write("vault/Inbox/c.md", "# Review it\n");
        let remounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(room.work("vault")).status().unwrap();
        assert!(remounted.success());
        let answer = plan(&room, &[]);
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
        assert!(answer.err.contains("Read-only file system"), "{}", answer.err);
        drop(umount);
    } else {
        let room = vault();
        fs::set_permissions(room.work("vault"), Permissions::from_mode(0o555)).unwrap();
        let answer = plan(&room, &[]);
        fs::set_permissions(room.work("vault"), Permissions::from_mode(0o755)).unwrap();
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    }
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn r018_killed_at_any_point_no_plan_is_partial_and_nothing_is_lost() {
    let room = Room::new();
    for number in 0..60 {
        room.write(
            &format!("vault/Inbox/note-{number}.md"),
            format!("# Fix bug {number}\n- look\n{}", "word ".repeat(200)),
        );
    }
    let mut killed = 0;
    for round in 0..12_u32 {
        let mut child = quiet(&mut room.command(&["plan", "vault"]));
        // Further with each round; where it ends is for the machine to say.
        std::thread::park_timeout(Duration::from_millis(u64::from(8 + 6 * round)));
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let plans = room.work("vault/Needs_Action");
        for entry in fs::read_dir(&plans).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("Plan_") {
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(
                    text.starts_with("---\ntype: action_plan\n") && text.ends_with(".md`\n"),
                    "{name}: {text}"
                );
            }
        }
    }
    assert!(killed > 0);
    let answer = room.answer(&["plan", "vault"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let names = room.names("vault/Needs_Action");
    assert_eq!(names.len(), 60, "{names:?}");
    let registry: Value = serde_json::from_str(&room.read("vault/logs/processed.json")).unwrap();
    assert_eq!(registry["processed_files"].as_array().unwrap().len(), 60);
}

/// Killed when the first plans are in their places: what we wrote is not taken for a person's by the next run.
#[test]
fn r018_killed_between_plans_our_own_lines_are_not_taken_for_a_persons() {
    let room = Room::new();
    let note = |number: usize, kind: &str, asked: usize| {
        let asked = format!("# {kind} {number}\nIt crashes after {asked} hours\n- look at {asked}\n");
        room.write(&format!("vault/Inbox/note-{number}.md"), asked);
    };
    (0..150).for_each(|number| note(number, "Memory leak", 9));
    assert_eq!(plan(&room, &[]).code, 0);
    let mut killed = 0;
    for round in 1..=4_usize {
        // Also what kind of task it is changes, and a person has written into one.
        let kind = if round % 2 == 0 { "Memory leak" } else { "Fix the bug" };
        (0..150).for_each(|number| note(number, kind, 9 + 20 * round));
        edit(&room, "vault/Needs_Action/Plan_note-149.md", "## Notes\n", "## Notes\n- Ask the vendor\n");
        let mut child = quiet(&mut room.command(&["plan", "vault", "--now", NOW]));
        let asked = format!("look at {} ", 9 + 20 * round);
        wait_for("a plan is in its place", PATIENCE, || {
            let text = room.read("vault/Needs_Action/Plan_note-0.md");
            if text.contains(&asked) { Ok(()) } else { Err(text) }
        });
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // What it got to, and what it did not: the next change is taken over by all of them.
        (0..150).for_each(|number| note(number, kind, 10 + 20 * round));
        let answer = plan(&room, &[]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "round {round}: {answer:?}");
        for number in 0..150 {
            let text = room.read(&format!("vault/Needs_Action/Plan_note-{number}.md"));
            assert!(!text.contains("set by hand"), "round {round}: {text}");
            assert!(text.contains(&format!("- [ ] look at {} ", 10 + 20 * round)), "{text}");
            assert!(!text.contains(&format!("- [ ] look at {} ", 9 + 20 * round)), "{text}");
        }
        let text = room.read("vault/Needs_Action/Plan_note-149.md");
        assert_eq!(text.matches("- Ask the vendor\n").count(), round, "{text}");
    }
    assert!(killed > 0);
    assert!(
        !room.names("vault/.scupper").contains(&"coming".to_owned()),
        "{:?}",
        room.names("vault/.scupper")
    );
}

/// A note and the plan of it change together, and the plan cannot be read any more.
#[test]
fn a_plan_that_cannot_be_read_is_said_once_under_its_own_name() {
    let room = vault();
    plan(&room, &[]);
    edit(&room, PLAN, "status: pending", "status: pending\nstatus: pending");
    edit(&room, "vault/Inbox/fix_memory_leak.md", "- Review event listeners", "- Look at the cache");
    let before = room.read(PLAN);
    for _ in 0..2 {
        let answer = plan(&room, &[]);
        assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
        assert!(answer.err.starts_with("error: Plan_fix_memory_leak.md: line 4: "), "{}", answer.err);
    }
    assert_eq!(room.read(PLAN), before);
    // Without a status it is no plan: what is left of it stays as it is.
    room.write(PLAN, "what is left\n");
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    assert!(answer.err.contains("has no status: write `status: pending`"), "{}", answer.err);
    assert_eq!(room.read(PLAN), "what is left\n");
    room.write(PLAN, &before);
    // Mended, it is brought up to date.
    edit(&room, PLAN, "status: pending\nstatus: pending", "status: pending");
    assert_eq!(planned(&room, &[])["counts"]["updated"], 1);
    assert!(room.read(PLAN).contains("Look at the cache"));
}

/// `--compat` next to the normal mode: a plan that somebody wrote into is not turned into another form under their hands.
#[test]
fn r017_a_plan_that_somebody_wrote_into_keeps_its_form() {
    let room = vault();
    room.write("vault/Inbox/b.md", "# Fix the bug\n- one\n");
    plan(&room, &[]);
    let name = "vault/Needs_Action/Plan_b.md";
    edit(&room, name, "- [ ] one", "- [x] one");
    let text = room.read(name);
    let answer = plan(&room, &["--compat"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.contains("warning: b.md has a plan that somebody wrote into"), "{}", answer.err);
    assert_eq!(room.read(name), text);
    assert_eq!(planned(&room, &["--compat"])["counts"]["unchanged"], 2);
    // Nobody wrote into the other one.
    assert_eq!(room.read(PLAN), seed("000-action-plan.md"));
    // What changes in the note comes in the plan's own form, whichever is asked for.
    room.write("vault/Inbox/b.md", "# Fix the bug\n- one\n- two\n");
    plan(&room, &["--compat"]);
    let text = room.read(name);
    assert!(text.contains("   - [x] one <!--") && text.contains("   - [ ] two <!--"), "{text}");
    assert_eq!(text.matches("**Reproduce the Issue**").count(), 1, "{text}");
    assert_eq!(planned(&room, &[])["counts"]["updated"], 1);
    assert_eq!(room.read(name), text);
}

/// Whoever renames a plan, or is killed in the middle of it, still has one plan and their words in it.
#[test]
fn r016_a_plan_that_somebody_renamed_is_still_the_plan_of_its_note() {
    let room = vault();
    plan(&room, &[]);
    edit(&room, PLAN, "## Notes\n", "## Notes\n- Ask the vendor\n");
    fs::rename(room.work(PLAN), room.work("vault/Needs_Action/Plan_leak.md")).unwrap();
    assert_eq!(planned(&room, &[])["counts"]["created"], 0);
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_leak.md"]);
    // The note as well.
    fs::rename(room.work("vault/Inbox/fix_memory_leak.md"), room.work("vault/Inbox/leak.md")).unwrap();
    let said = planned(&room, &[]);
    assert_eq!((&said["counts"]["renamed"], &said["counts"]["failed"]), (&json!(1), &json!(0)), "{said}");
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_leak.md"]);
    let text = room.read("vault/Needs_Action/Plan_leak.md");
    assert!(text.contains("- Ask the vendor\n") && text.contains("Inbox/leak.md\n"), "{text}");
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 1);
}

/// A vault may come from anybody: what is in it leads nowhere out of it.
#[test]
fn r019_nothing_is_written_through_a_link_out_of_the_vault() {
    for ours in [
        "logs/actions.log",
        "logs/processed.json",
        ".scupper/bases",
        ".scupper/coming",
        ".scupper/plans.json",
    ] {
        let room = vault();
        room.write("outside", "");
        let path = room.work(&format!("vault/{ours}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(room.work("outside"), &path).unwrap();
        let answer = plan(&room, &[]);
        assert_eq!(answer.code, 1, "{ours}: {answer:?}");
        assert!(answer.err.contains(ours), "{ours}: {}", answer.err);
        assert_eq!(room.read("outside"), "", "{ours}");
    }
    let room = vault();
    plan(&room, &[]);
    fs::rename(room.work(PLAN), room.work("plan.md")).unwrap();
    symlink(room.work("plan.md"), room.work(PLAN)).unwrap();
    let before = room.read("plan.md");
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.lines().count()), (1, 1), "{answer:?}");
    assert!(answer.err.contains("is a link: put the plan itself in its place"), "{}", answer.err);
    assert_eq!(room.read("plan.md"), before);
    // Nor is anybody waited for.
    let room = vault();
    fs::create_dir(room.work("vault/.scupper")).unwrap();
    for name in ["bases", "coming", "plans.json"] {
        let path = room.work(&format!("vault/.scupper/{name}"));
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    }
    assert_eq!(plan(&room, &[]).code, 1);
}

#[test]
fn r019_a_note_with_the_longest_name_has_a_plan() {
    let room = Room::new();
    for name in ["n".repeat(252), "\u{6f22}".repeat(84)] {
        room.write(&format!("vault/Inbox/{name}.md"), "# Fix the bug\n");
    }
    let answer = plan(&room, &[]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
    assert_eq!(room.names("vault/Needs_Action").len(), 2);
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 2);
}

#[test]
fn r018_one_writer_at_a_time() {
    let room = Room::new();
    for number in 0..40 {
        room.write(&format!("vault/Inbox/note-{number}.md"), format!("# Fix bug {number}\n"));
    }
    let mut both: Vec<Child> = (0..4).map(|_| quiet(&mut room.command(&["plan", "vault"]))).collect();
    for child in &mut both {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(room.names("vault/Needs_Action").len(), 40);
    let log = room.read("vault/logs/actions.log");
    assert_eq!(log.lines().filter(|line| line.contains("Created plan")).count(), 40, "{log}");
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A watcher that ends with its test.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn r019_a_watcher_plans_what_comes_and_leaves_alone_what_is_being_written() {
    use std::io::Write;

    let room = vault();
    let mut watcher = Watcher(quiet(&mut room.command(&["plan", "vault", "--watch"])));
    let there = |name: &str| {
        let path = room.work(&format!("vault/Needs_Action/{name}"));
        wait_for(name, PATIENCE, || fs::read_to_string(&path).map_err(|error| error.to_string()))
    };
    there("Plan_fix_memory_leak.md");
    // A draft that is renamed into place, as editors do.
    room.write("vault/Inbox/.draft.md.swp", "# no");
    room.write("vault/Inbox/new.tmp.md", "# Add a page\n");
    fs::rename(room.work("vault/Inbox/new.tmp.md"), room.work("vault/Inbox/new.md")).unwrap();
    there("Plan_new.md");
    // Written bit by bit: one plan, of all of it.
    let mut slow = fs::File::create(room.work("vault/Inbox/slow.md")).unwrap();
    for part in ["# Fix the bug\n", "- one\n", "- two\n"] {
        slow.write_all(part.as_bytes()).unwrap();
        std::thread::park_timeout(Duration::from_millis(20));
    }
    drop(slow);
    wait_for("the whole note is planned", PATIENCE, || {
        let text = there("Plan_slow.md");
        if text.contains("   - [ ] two ") { Ok(()) } else { Err(text) }
    });
    // A status by hand.
    edit(&room, "vault/Needs_Action/Plan_new.md", "status: pending", "status: done");
    wait_for("it moves to Done", PATIENCE, || {
        let names = room.names("vault/Done");
        if names == ["Plan_new.md", "new.md"] { Ok(()) } else { Err(format!("{names:?}")) }
    });
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_fix_memory_leak.md", "Plan_slow.md"]);
    let pid = rustix::process::Pid::from_raw(watcher.0.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(watcher.0.wait().unwrap().code(), Some(0));
}
