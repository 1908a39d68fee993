//! What a plan says of its note, and what it is filled in from.
//! Rows shown here: R002, R004, R020.

use serde_json::{Value, json};

use super::{NOW, PLAN, edit, plan, planned, vault};
use crate::scene::{Room, seed};

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
