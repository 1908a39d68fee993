//! What is known of notes and their plans, and found again where it was lost.
//! Rows shown here: R016.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::{NOW, PLAN, edit, plan, planned, state, vault};
use crate::scene::{PATIENCE, seed, wait_for};

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

/// Nobody deletes what somebody may have written into; that it is of no note any more is said once.
#[test]
fn a_plan_whose_note_was_removed_stays_and_that_is_said_once() {
    let room = vault();
    room.write("vault/Inbox/other.md", "# Add a page\n");
    plan(&room, &[]);
    let note = room.read("vault/Inbox/fix_memory_leak.md");
    fs::remove_file(room.work("vault/Inbox/fix_memory_leak.md")).unwrap();
    let line = "kept      Plan_fix_memory_leak.md  its note fix_memory_leak.md is not in Inbox/ any more: ";
    for (flags, times) in [(&["--dry-run"][..], 1), (&[][..], 1), (&[][..], 0)] {
        let answer = plan(&room, flags);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
        assert_eq!(answer.out.matches(line).count(), times, "{flags:?}: {answer:?}");
    }
    assert_eq!(room.names("vault/Needs_Action"), ["Plan_fix_memory_leak.md", "Plan_other.md"]);
    // It comes back, and goes once more.
    room.write("vault/Inbox/fix_memory_leak.md", note);
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 2);
    fs::remove_file(room.work("vault/Inbox/fix_memory_leak.md")).unwrap();
    let said = planned(&room, &[]);
    assert_eq!(said["notes"][0]["outcome"], "note_gone", "{said}");
    assert_eq!(said["notes"][0]["plan"], "Plan_fix_memory_leak.md", "{said}");
    // Over is over, without its note.
    edit(&room, PLAN, "status: pending", "status: cancelled");
    assert_eq!(planned(&room, &[])["counts"]["moved"], 1);
    assert_eq!(room.names("vault/Done"), ["Plan_fix_memory_leak.md"]);
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

/// R019: its numbers are those of a file that others can write.
#[test]
fn r019_absurd_numbers_in_what_is_known_cost_no_plan() {
    let room = vault();
    room.write("vault/Inbox/other.md", "# Fix the cache\n\n- bound it\n");
    plan(&room, &[]);
    let mut index: Value = serde_json::from_str(&room.read("vault/.scupper/plans.json")).unwrap();
    index["bases"] = json!(u64::MAX);
    for entry in index["notes"].as_object_mut().unwrap().values_mut() {
        entry["base"]["length"] = json!(u64::MAX);
    }
    room.write("vault/.scupper/plans.json", index.to_string());
    room.write("vault/Inbox/third.md", "# Fix the pool\n\n- close it\n");
    assert_eq!(planned(&room, &[])["counts"]["created"], 1);
    assert!(room.read("vault/Needs_Action/Plan_third.md").contains("close it"));
    assert_eq!(planned(&room, &[])["counts"]["unchanged"], 3);
}
