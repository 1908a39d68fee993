//! Killed at any point, two at once, and a watcher beside an editor.
//! Rows shown here: R018, R019.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{NOW, edit, plan, quiet, vault};
use crate::scene::{PATIENCE, Room, wait_for};

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
/// 150 plans are made nine times, which takes minutes where six busy programs are beside it.
#[test]
fn heavy_r018_killed_between_plans_our_own_lines_are_not_taken_for_a_persons() {
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
    room.write("vault/Inbox/bad.md", b"# Not UTF-8 \xff\n");
    let said = fs::File::create(room.work("said")).unwrap();
    let mut command = room.command(&["plan", "vault", "--watch"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    let mut watcher = Watcher(command.spawn().unwrap());
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
    let said = room.read("said");
    assert_eq!(said.matches("error: bad.md: ").count(), 1, "once, however often it is looked at: {said}");
}
