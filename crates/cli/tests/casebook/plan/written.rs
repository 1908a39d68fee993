//! What people wrote into a plan, and what becomes of one that is over.
//! Rows shown here: R002, R016.

use std::fs;

use serde_json::json;

use super::{NOW, PLAN, edit, plan, planned, seed_note, vault};
use crate::scene::seed;

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
    edit(&room, PLAN, "\n2. **", "\n2. Ask for a quiet day\n\n2. **");
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
        "\n2. Ask for a quiet day\n",
    ] {
        assert!(text.contains(part), "{part:?}\n{text}");
    }
    // Behind the step that somebody put in, the others count on.
    let (_, steps) = text.split_once("## Step-by-Step Plan\n").unwrap();
    let (steps, _) = steps.split_once("\n## ").unwrap();
    let numbers: Vec<&str> = steps
        .lines()
        .filter_map(|line| Some(line.split_once(". ")?.0))
        .filter(|n| n.parse::<u8>().is_ok())
        .collect();
    let counted: Vec<String> = (1..=numbers.len()).map(|number| number.to_string()).collect();
    assert!(numbers.len() > 3 && numbers == counted, "{steps}");
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
