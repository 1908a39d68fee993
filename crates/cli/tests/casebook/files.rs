//! What becomes of a file that is being written when the writer dies, the disk is full, or somebody else writes it too.
//! Rows shown here: R018.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::scene::{PATIENCE, Room, wait_for};

const NOTES: usize = 40;

/// A vault with notes that are all a little different.
fn vault() -> Room {
    let room = Room::new();
    for number in 0..NOTES {
        room.write(&format!("vault/Inbox/note{number}.md"), note(number, 0));
    }
    room
}

fn note(number: usize, round: usize) -> String {
    format!("# Fix leak {number}\n\nMemory grows {round}0MB/hour\n\n- Profile it\n- Review {number}\n")
}

fn plans(room: &Room) -> Vec<String> {
    if !room.work("vault/Needs_Action").exists() {
        return Vec::new();
    }
    room.names("vault/Needs_Action").into_iter().filter(|name| name.starts_with("Plan_")).collect()
}

/// The files below a folder that no document is.
fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".scupper-") {
            found.push(name);
        }
    }
    found
}

#[test]
fn r018_a_plan_is_whole_whenever_scupper_is_killed() {
    let room = vault();
    let (mut killed, mut mine) = (0, Vec::new());
    for round in 1..=14 {
        for number in 0..NOTES {
            room.write(&format!("vault/Inbox/note{number}.md"), note(number, round));
        }
        let mut plan = room.command(&["plan", "vault"]);
        let mut plan = plan.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Each round a little later, from before the first file to behind the last.
        for _ in 0..round * round * 300 {
            std::hint::black_box(fs::metadata(room.work("vault")).unwrap());
        }
        plan.kill().unwrap();
        killed += usize::from(plan.wait().unwrap().code().is_none());
        for name in plans(&room) {
            let text = room.read(&format!("vault/Needs_Action/{name}"));
            let is_whole = text.starts_with("---\n") && text.contains("\n## Notes\n") && text.ends_with('\n');
            assert!(is_whole, "{name} after round {round}:\n{text}");
        }
        // Whoever is in the registry has a plan, and it is JSON at any time.
        let registry = fs::read_to_string(room.work("vault/logs/processed.json")).unwrap_or_default();
        if !registry.is_empty() {
            let registry: serde_json::Value = serde_json::from_str(&registry).unwrap();
            for entry in registry["processed_files"].as_array().unwrap() {
                let plan = format!("vault/Needs_Action/{}", entry["plan_created"].as_str().unwrap());
                assert!(room.work(&plan).exists(), "{entry} has no plan");
            }
        }
        // A person goes on meanwhile.
        if let Some(name) = plans(&room).first() {
            let path = format!("vault/Needs_Action/{name}");
            let text = room.read(&path);
            let line = format!("- mine {round}\n");
            room.write(&path, text.replacen("## Notes\n", &format!("## Notes\n{line}"), 1));
            mine.push(line);
        }
    }
    assert!(killed > 5, "{killed} of 14 were killed while they ran");
    // Plans that were written just before a kill may count as a person's until their note changes again: that is told.
    let answer = room.answer(&["plan", "vault"]);
    assert!(answer.code < 2 && !answer.err.contains("error:"), "{}", answer.err);
    assert_eq!(plans(&room).len(), NOTES);
    assert_eq!(leftovers(&room.work("vault")), [""; 0]);
    // Every line that the person wrote is there, and what the notes say now: in its place, or under Notes.
    let all: Vec<String> =
        plans(&room).iter().map(|name| room.read(&format!("vault/Needs_Action/{name}"))).collect();
    for line in mine {
        assert!(all.iter().any(|plan| plan.contains(&line)), "{line:?} is lost");
    }
    for plan in all {
        assert!(plan.contains("Memory grows 140MB/hour"), "{plan}");
    }
    let again = room.json(&["plan", "vault", "--json"]);
    assert_eq!(again["counts"]["unchanged"], NOTES, "{again}");
}

/// Ends the other thread also where this one fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_line_is_lost_that_somebody_writes_while_plans_are_made_anew() {
    let room = vault();
    assert_eq!(room.answer(&["plan", "vault"]).code, 0);
    let path = room.work("vault/Needs_Action/Plan_note7.md");
    let ended = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut written = 0;
            while !ended.load(Ordering::Relaxed) {
                // As an editor saves: read, change, write beside it, rename. Where the file changed in between, an editor asks.
                let before = fs::read_to_string(&path).unwrap();
                let beside = path.with_extension("part");
                fs::write(&beside, format!("{before}- mine {written}\n")).unwrap();
                if fs::read_to_string(&path).unwrap() == before {
                    rustix::fs::rename(&beside, &path).unwrap();
                    written += 1;
                    wait_for("the line is seen", PATIENCE, || {
                        let text = fs::read_to_string(&path).unwrap();
                        let is_there = text.contains(&format!("- mine {}\n", written - 1));
                        if is_there { Ok(()) } else { Err(text) }
                    });
                }
            }
            let _ = fs::remove_file(path.with_extension("part"));
            written
        });
        let end = Ends(&ended);
        for round in 1..=12 {
            room.write("vault/Inbox/note7.md", note(7, round));
            let answer = room.answer(&["plan", "vault"]);
            assert!(answer.code < 2 && answer.err.lines().count() <= 1, "{answer:?}");
            assert!(answer.err.is_empty() || answer.err.contains("meanwhile"), "{answer:?}");
        }
        drop(end);
        person.join().unwrap()
    });
    assert!(written > 0);
    assert_eq!(room.answer(&["plan", "vault"]).code, 0);
    let text = room.read("vault/Needs_Action/Plan_note7.md");
    for number in 0..written {
        assert!(text.contains(&format!("- mine {number}\n")), "{number} of {written} is lost:\n{text}");
    }
    assert!(text.contains("Memory grows 120MB/hour"), "{text}");
    assert_eq!(leftovers(&room.work("vault")), [""; 0]);
}

/// A small file system, gone again with the test. `None` where only root may have one.
struct Small<'a>(&'a Room);

impl<'a> Small<'a> {
    fn mount(room: &'a Room, size: &str) -> Option<Self> {
        fs::create_dir_all(room.work("vault")).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(room.work("vault"));
        if mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Some(Self(room));
        }
        eprintln!("skipped: a small file system can be mounted by root alone");
        None
    }

    fn read_only(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,ro"]).arg(self.0.work("vault"));
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.work("vault")).status();
    }
}

#[test]
fn a_vault_on_a_full_disk_or_one_that_is_read_only_is_said_and_nothing_is_lost() {
    let room = Room::new();
    let Some(small) = Small::mount(&room, "160k") else { return };
    for number in 0..NOTES {
        room.write(&format!("vault/Inbox/note{number}.md"), "# Fix the leak\n");
    }
    let answer = room.answer(&["plan", "vault"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.contains("No space left on device"), "{answer:?}");
    for name in plans(&room) {
        let text = room.read(&format!("vault/Needs_Action/{name}"));
        assert!(text.contains("\n## Notes\n") && text.ends_with('\n'), "{name}:\n{text}");
    }
    for number in 0..NOTES {
        assert_eq!(room.read(&format!("vault/Inbox/note{number}.md")), "# Fix the leak\n");
    }
    assert_eq!(leftovers(&room.work("vault")), [""; 0]);
    small.read_only();
    let before: Vec<String> = plans(&room);
    let answer = room.answer(&["plan", "vault"]);
    assert!(matches!(answer.code, 1 | 2), "{answer:?}");
    assert!(answer.err.to_lowercase().contains("read-only file system"), "{answer:?}");
    assert_eq!(plans(&room), before);
}

#[test]
fn r018_an_incident_is_whole_whenever_scupper_is_killed() {
    let room = Room::new();
    let mut killed = 0;
    for round in 0..20_usize {
        let mut new = room.command(&["incident", "new", &format!("leak {round}"), "--incidents", "book"]);
        let mut new = new.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..round * 700 {
            std::hint::black_box(fs::metadata(room.work("")).unwrap());
        }
        new.kill().unwrap();
        killed += usize::from(new.wait().unwrap().code().is_none());
    }
    assert!(killed > 3, "{killed} of 20 were killed while they ran");
    // The next one gets an id of its own, and every file that is there can be read.
    let answer = room.answer(&["incident", "new", "the last", "--incidents", "book"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let listed = room.answer(&["incident", "list", "--incidents", "book"]);
    assert!(listed.code < 2 && listed.err.is_empty(), "{listed:?}");
    let names: Vec<String> = room
        .names("book")
        .into_iter()
        .filter(|name| name.starts_with("ISS-") && name.ends_with(".md"))
        .collect();
    let ids: std::collections::BTreeSet<&str> = names.iter().filter_map(|name| name.get(..8)).collect();
    assert_eq!(ids.len(), names.len(), "{names:?}");
    for name in &names {
        assert!(room.read(&format!("book/{name}")).contains("\n## Notes\n"), "{name}");
    }
    assert_eq!(leftovers(&room.work("book")), [""; 0]);
}

/// What somebody saved at the very moment at which a scupper was killed is put aside, and whoever finds it says so.
#[test]
fn a_text_that_was_put_aside_is_said_by_whoever_finds_it() {
    let room = Room::new();
    assert_eq!(room.answer(&["incident", "new", "leak", "--incidents", "tasks"]).code, 0);
    let aside = || room.write("tasks/.scupper-0123456789abcdef-0123456789abcdef-0.swap", "somebody's\n");
    for (round, arguments) in [
        &["incident", "new", "other"][..],
        &["incident", "move", "ISS-0001", "won_t_do", "--reason", "no leak"],
        &["incident", "verify", "ISS-0002"],
        &["report", "ISS-0001", "--out", "tasks/report.md"],
    ]
    .into_iter()
    .enumerate()
    {
        aside();
        let answer = room.answer(&[arguments, &["--incidents", "tasks"]].concat());
        let kept = format!("tasks/document.kept-{}.md", round + 1);
        let said = format!("{kept}: somebody wrote it while a scupper was killed: it is kept there");
        let lines = answer.err.lines().filter(|line| line.starts_with("warning: ") && line.ends_with(&said));
        assert_eq!(lines.count(), 1, "{arguments:?}: {answer:?}");
        assert_eq!(room.read(&kept), "somebody's\n");
    }
    // It is no second record of the same number.
    fs::rename(room.work("tasks/document.kept-1.md"), room.work("tasks/ISS-0001-leak.kept-1.md")).unwrap();
    assert_eq!(room.answer(&["incident", "list", "--incidents", "tasks"]).code, 0);
}

#[test]
fn documents_that_cannot_be_read_are_one_line_each_and_the_rest_goes_on() {
    let room = vault();
    assert_eq!(room.answer(&["plan", "vault"]).code, 0);
    // What people and programs do to plans.
    let bomb: String = ('b'..'l')
        .map(|name| {
            let before = char::from_u32(u32::from(name) - 1).unwrap();
            format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(","))
        })
        .collect();
    let broken = [
        ("note0", "---\nstatus: pending\nstatus: done\n---\n# mine\n".to_owned()),
        ("note1", "---\nstatus:\n\ta: b\n---\n# mine\n".to_owned()),
        ("note2", format!("---\nstatus: {}\n---\n# mine\n", "x".repeat(2 << 20))),
        ("note3", format!("---\na: &a [x,x,x,x,x,x,x,x,x]\n{bomb}---\n# mine\n")),
        ("note4", "---\nstatus: pending\n# never ends\n".to_owned()),
    ];
    for number in 0..NOTES {
        room.write(&format!("vault/Inbox/note{number}.md"), note(number, 1));
    }
    for (name, text) in &broken {
        room.write(&format!("vault/Needs_Action/Plan_{name}.md"), text);
    }
    let answer = room.answer(&["plan", "vault"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    for (name, text) in &broken {
        let is_said = answer.err.lines().any(|line| line.contains(&format!("Plan_{name}.md: line ")));
        assert!(is_said, "{name}: {}", answer.err);
        assert_eq!(&room.read(&format!("vault/Needs_Action/Plan_{name}.md")), text);
    }
    let others = answer
        .err
        .lines()
        .filter(|line| broken.iter().all(|(name, _)| !line.contains(&format!("{name}.md"))));
    assert_eq!(others.count(), 0, "{}", answer.err);
    for number in broken.len()..NOTES {
        let text = room.read(&format!("vault/Needs_Action/Plan_note{number}.md"));
        assert!(text.contains("Memory grows 10MB/hour"), "{text}");
    }
}
