//! What people did stays, whatever was generated meanwhile.

use proptest::prelude::*;

use super::*;

fn plan(steps: &[(&str, &str)], boxes: &[&str]) -> String {
    let mut text = "---\nstatus: pending\npriority: high\n---\n\n# Plan\n\n## Steps\n\n".to_owned();
    for (number, (id, title)) in steps.iter().enumerate() {
        text += &format!("{}. **{title}** {}\n   - look at {title}\n\n", number + 1, step_mark(id));
    }
    text += "## Success Criteria\n\n";
    for line in boxes {
        text += &format!("- [ ] {line}\n");
    }
    text + "\n## Notes\n- made by a program\n"
}

const STEPS: [(&str, &str); 3] = [("aa", "Reproduce"), ("bb", "Fix"), ("cc", "Soak")];

fn merged(base: &str, theirs: &str, ours: &str) -> Merged {
    merge(Some(base), theirs, ours).unwrap()
}

#[test]
fn r017_ticks_edits_order_additions_and_removals_stay() {
    let base = plan(&STEPS, &["all done", "written down"]);
    // Ticked, reworded, a line added, a step moved, one added, a key and a comment.
    let theirs = base
        .replace("- [ ] all done", "- [x] all done")
        .replace("status: pending\n", "status: in_progress # Ann\nteam: core\n# why: see below\n")
        .replace("   - look at Fix\n", "   - look at Fix\n   - ask Bob\n")
        .replace("**Reproduce**", "**Reproduce on my laptop**");
    let (soak, rest) = ("3. **Soak** <!-- scupper:step=cc -->\n   - look at Soak\n\n", theirs.clone());
    let theirs = rest.replace(soak, "").replace("1. **Rep", &format!("{soak}1. Ask first\n\n1. **Rep"));
    let ours = plan(
        &[("aa", "Reproduce"), ("bb", "Fix"), ("dd", "Attribute"), ("cc", "Soak for a day")],
        &["all done", "written down", "nothing left behind"],
    )
    .replace("priority: high", "priority: medium");
    let done = merged(&base, &theirs, &ours);
    assert_eq!(done.conflicts, []);
    let expected = "---\nstatus: in_progress # Ann\nteam: core\n# why: see below\npriority: medium\n---\n\n# Plan\n\n## Steps\n\n\
        4. **Soak for a day** <!-- scupper:step=cc -->\n   - look at Soak for a day\n\n1. Ask first\n\n\
        1. **Reproduce on my laptop** <!-- scupper:step=aa -->\n   - look at Reproduce\n\n\
        2. **Fix** <!-- scupper:step=bb -->\n   - look at Fix\n   - ask Bob\n\n\
        3. **Attribute** <!-- scupper:step=dd -->\n   - look at Attribute\n\n\
        ## Success Criteria\n\n- [x] all done\n- [ ] written down\n- [ ] nothing left behind\n\n## Notes\n- made by a program\n";
    assert_eq!(done.text, expected);
    // Once more with the new base: nothing.
    assert_eq!(merged(&ours, &done.text, &ours).text, done.text);
    // And with the old one, should the program have died before it kept the new one.
    assert_eq!(merged(&base, &done.text, &ours).text, done.text);
}

#[test]
fn r017_a_conflict_keeps_the_persons_line_and_lists_ours() {
    let base = plan(&STEPS, &["all done"]);
    let theirs = base.replace("**Fix**", "**Fix it for good**").replace("priority: high", "priority: low");
    let ours = base.replace("**Fix**", "**Fix and test**").replace("priority: high", "priority: medium");
    let done = merged(&base, &theirs, &ours);
    assert!(done.text.contains("2. **Fix it for good** <!-- scupper:step=bb -->"), "{}", done.text);
    assert!(done.text.contains("priority: low\n"), "{}", done.text);
    assert_eq!(done.conflicts.len(), 1, "what a person set is no conflict: {:?}", done.conflicts);
    assert_eq!(done.conflicts[0].place, "Steps");
    let note = "- made by a program\n- Not taken over (Steps): **Fix and test** <!-- scupper:kept=";
    assert!(done.text.contains(note), "{}", done.text);
    // It is listed once.
    assert_eq!(merged(&base, &done.text, &ours).text, done.text);
    assert_eq!(merged(&ours, &done.text, &ours).text, done.text);
}

/// R017: the steps behind one that comes in, goes away or is moved count on; what a person wrote keeps its words.
#[test]
fn r017_marked_steps_are_numbered_by_where_they_stand() {
    let numbers = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    };
    let mark = |id: &str| {
        format!(
            "**{}** {}",
            STEPS.iter().find(|step| step.0 == id).map_or("New", |step| step.1),
            step_mark(id)
        )
    };
    let base = plan(&STEPS, &["all done"]);
    let theirs = base.replace("2. **Fix**", "2. Ask Bob\n\n3. **Fix**").replace("[ ] all", "[x] all");
    // Nothing new: not a byte is changed, whatever the numbers are.
    assert_eq!(merge_numbered(Some(&base), &theirs, &base).unwrap().text, theirs);
    let ours = plan(&[STEPS[0], ("dd", "New"), STEPS[1], STEPS[2]], &["all done"]);
    let done = merge_numbered(Some(&base), &theirs, &ours).unwrap();
    assert_eq!(done.conflicts, []);
    assert_eq!(
        numbers(&done.text).iter().map(|line| line.split_at(2).0).collect::<Vec<_>>(),
        ["1.", "2.", "3.", "4.", "5."],
        "{}",
        done.text
    );
    assert!(done.text.contains("\n2. Ask Bob\n") || done.text.contains("\n3. Ask Bob\n"), "{}", done.text);
    for again in [Some(&ours), Some(&base)] {
        assert_eq!(merge_numbered(again.map(String::as_str), &done.text, &ours).unwrap().text, done.text);
    }
    // A step that was moved. Where only the number of another differs, new words are taken over.
    let theirs = base
        .replace(&format!("3. {}\n   - look at Soak\n\n", mark("cc")), "")
        .replace("1. **Rep", &format!("3. {}\n   - look at Soak\n\n1. **Rep", mark("cc")))
        .replace("2. **Fix**", "7. **Fix**");
    let ours = plan(&[STEPS[0], ("bb", "Fix and test"), STEPS[2]], &["all done"]);
    let done = merge_numbered(Some(&base), &theirs, &ours).unwrap();
    assert_eq!(done.conflicts, []);
    let fix = format!("3. **Fix and test** {}", step_mark("bb"));
    let expected = [format!("1. {}", mark("cc")), format!("2. {}", mark("aa")), fix];
    assert_eq!(numbers(&done.text), expected, "{}", done.text);
    // One that ours has no longer. What stands in a fence, and what has no mark, is nobody's step.
    let ours = plan(&[STEPS[1], STEPS[2]], &["all done"]);
    let code = format!("```\n9. {}\n```\n\n7. mine\n", mark("aa"));
    let theirs = base.replace("## Notes\n", &format!("## Notes\n{code}"));
    let done = merge_numbered(Some(&base), &theirs, &ours).unwrap();
    assert!(done.text.contains(&code), "{}", done.text);
    assert!(done.text.contains("1. **Fix**") && done.text.contains("2. **Soak**"), "{}", done.text);
}

#[test]
fn what_was_taken_away_stays_away() {
    let base = plan(&STEPS, &["all done", "written down"]);
    let theirs = base
        .replace("- [ ] written down\n", "")
        .replace("2. **Fix** <!-- scupper:step=bb -->\n   - look at Fix\n\n", "");
    let ours = plan(&[STEPS[0], STEPS[1], STEPS[2], ("dd", "More")], &["all done", "written down"]);
    let done = merged(&base, &theirs, &ours);
    assert!(!done.text.contains("Fix") && !done.text.contains("written down"), "{}", done.text);
    assert!(done.text.contains("**More**"), "{}", done.text);
    // What ours takes away goes, unless somebody did something with it.
    let ours = plan(&[STEPS[0], STEPS[2]], &["written down"]);
    let theirs = base.replace("- [ ] all done", "- [x] all done");
    let done = merged(&base, &theirs, &ours);
    assert!(!done.text.contains("**Fix**") && done.text.contains("- [x] all done"), "{}", done.text);
}

#[test]
fn without_a_base_everything_is_theirs() {
    let theirs = plan(&STEPS, &["all done"]).replace("status: pending", "status: done") + "- mine\n";
    let ours = plan(&[STEPS[0], STEPS[1], STEPS[2], ("dd", "More")], &["all done"]);
    let done = merge(None, &theirs, &ours).unwrap();
    assert!(done.text.contains("status: done\n") && done.text.ends_with("- mine\n"), "{}", done.text);
    assert!(done.text.contains("**More**"), "{}", done.text);
    // An unreadable base is none, and an unreadable document is no reason to write over it.
    assert_eq!(merge(Some("---\nopen"), &theirs, &ours).unwrap(), done);
    assert!(merge(None, "---\na: 1\na: 2\n---\n", &ours).is_err());
}

#[test]
fn line_ends_and_the_mark_at_the_beginning_stay() {
    let base = plan(&STEPS, &["all done"]);
    let theirs = format!("\u{feff}{}", base.replace('\n', "\r\n"));
    let ours = base.replace("all done", "all of it done");
    let done = merged(&base, &theirs, &ours);
    assert_eq!(done.text, format!("\u{feff}{}", ours.replace('\n', "\r\n")));
    let theirs = theirs.replace("**Fix**", "**Mend**");
    let done = merged(&base, &theirs, &ours);
    assert_eq!(done.text, format!("\u{feff}{}", ours.replace("**Fix**", "**Mend**").replace('\n', "\r\n")));
}

#[test]
fn an_identity_is_read_from_its_mark_alone() {
    assert_eq!(step_of(&format!("1. **x** {}", step_mark("ab12"))), Some("ab12"));
    for line in ["1. x", "<!-- scupper:step= -->", "<!-- scupper:step=a b -->", "<!-- scupper:step=ab"] {
        assert_eq!(step_of(line), None, "{line}");
    }
    assert_eq!(step_id(&["a", "b"]), step_id(&["a", "b"]));
    assert_ne!(step_id(&["ab", ""]), step_id(&["a", "b"]));
}

/// A line of a body, of few kinds so that versions meet.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..4_u8, any::<bool>(), 0..5_u8).prop_map(|(id, ticked, word)| {
            format!("- [{}] word {word} {}", if ticked { 'x' } else { ' ' }, step_mark(&format!("s{id}")))
        }),
        2 => (0..5_u8, any::<bool>()).prop_map(|(word, ticked)| {
            format!("- [{}] box {word}", if ticked { 'x' } else { ' ' })
        }),
        2 => (0..4_u8, 0..6_u8).prop_map(|(number, word)| format!("{number}. item {word}")),
        2 => (0..3_u8).prop_map(|word| format!("   - below {word}")),
        2 => Just(String::new()),
        1 => Just("```".to_owned()),
        1 => (0..3_u8).prop_map(|word| format!("## Section {word}")),
        3 => (0..9_u8).prop_map(|word| format!("text {word}")),
    ]
}

fn body() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(line(), 0..14)
}

/// Some lines of a version, changed: dropped, moved, replaced or added.
fn edited(from: Vec<String>) -> impl Strategy<Value = Vec<String>> {
    let most = from.len().max(1);
    proptest::collection::vec((0..most, 0..5_u8, line()), 0..5).prop_map(move |edits| {
        let mut lines = from.clone();
        for (at, kind, line) in edits {
            let at = at.min(lines.len());
            match kind {
                0 if at < lines.len() => drop(lines.remove(at)),
                1 if at < lines.len() => lines[at] = line,
                2 if at < lines.len() => {
                    let moved = lines.remove(at);
                    lines.insert(lines.len() / 2, moved);
                }
                3 if at < lines.len() => lines[at] = lines[at].replace("[ ]", "[x]"),
                _ => lines.insert(at, line),
            }
        }
        lines
    })
}

fn versions() -> impl Strategy<Value = (Option<String>, String, String)> {
    let text = |lines: Vec<String>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    body().prop_flat_map(move |base| {
        (any::<bool>(), Just(base.clone()), edited(base.clone()), edited(base)).prop_map(
            move |(has_base, base, theirs, ours)| (has_base.then(|| text(base)), text(theirs), text(ours)),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// R017: whatever three versions look like.
    #[test]
    fn r017_no_line_of_theirs_is_ever_lost((base, theirs, ours) in versions()) {
        let done = merge(base.as_deref(), &theirs, &ours).unwrap();
        let count = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
        for line in theirs.lines().filter(|line| !line.is_empty()) {
            let was = base.as_deref().map_or_else(|| count(&ours, line), |base| count(base, line));
            let new = count(&theirs, line).saturating_sub(was);
            prop_assert!(
                count(&done.text, line) >= new,
                "{line:?} of\n{theirs}\nis not in\n{}\nbase\n{base:?}\nours\n{ours}",
                done.text
            );
        }
        // Written anew with the same: nothing changes.
        let again = merge(Some(&ours), &done.text, &ours).unwrap();
        prop_assert_eq!(again.text, done.text);
    }

    #[test]
    fn where_one_side_did_nothing_the_other_is_the_result((base, _, ours) in versions()) {
        let base = base.unwrap_or_default();
        prop_assert_eq!(merge(Some(&base), &base, &ours).unwrap().text, ours.clone());
        prop_assert_eq!(merge(Some(&base), &ours, &base).unwrap().text, ours);
    }
}
