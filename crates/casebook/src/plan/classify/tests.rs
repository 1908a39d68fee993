//! What is classified as what, and that the order of sentences is nothing to it.
//! Rows shown here: R003, R004, R012.

use proptest::prelude::*;

use super::super::words::words;
use super::*;

fn of(text: &str) -> Classified {
    classified(&Note::parse("note.md", text).unwrap())
}

fn classified(note: &Note) -> Classified {
    judge(note, &words(note))
}

#[test]
fn r004_whole_words_are_matched_and_parts_of_words_are_not() {
    for text in [
        "The address of the docker host in the latest prefix",
        "# Padded suffix\na contest of leakproof faddists",
        "A debugger",
    ] {
        let found = of(text);
        assert_eq!((found.task_type, found.score), (TaskType::GeneralTask, 0), "{text}: {:?}", found.matched);
        assert!(found.needs_triage, "{text}");
    }
}

#[test]
fn r004_each_kind_is_known_by_its_words() {
    use TaskType as T;
    for (text, kind) in [
        ("# Fix memory leak in worker\nMemory grows until it crashes", T::MemoryLeak),
        ("Orphaned browsers are left behind by the tests", T::OrphanCleanup),
        ("# Outage on Friday\nThe API was unavailable", T::Incident),
        ("# Login is broken\nFixing it would help, there is an error", T::BugFix),
        ("Implement a feature: export as CSV", T::FeatureDevelopment),
        ("Please review the pull request", T::Review),
        ("Research and evaluate message queues", T::Research),
        ("Refactoring of the parser, simplify it", T::Refactoring),
        ("Write tests, more test coverage", T::Testing),
        ("Update the README and the documentation", T::Documentation),
        ("Change the configuration: set the environment variable", T::ConfigChange),
    ] {
        let found = of(text);
        assert_eq!(found.task_type, kind, "{text}: {found:?}");
        assert!(!found.needs_triage, "{text}: {found:?}");
    }
}

#[test]
fn r003_the_priority_that_is_named_comes_first_and_not_urgent_is_not_urgent() {
    use Priority as P;
    for (text, priority) in [
        ("Priority: URGENT - Production issue!", P::High),
        ("**Priority:** low\nurgent", P::Low),
        ("priority: high\nwhenever", P::High),
        ("---\npriority: low\n---\ntext asap", P::Low),
        ("Priority: medium, urgent", P::Medium),
        ("This is not urgent", P::Medium),
        ("It isn't really critical", P::Medium),
        ("It is critical", P::High),
        ("Not only urgent but critical", P::High),
        ("There is no rush", P::Low),
        ("nice-to-have", P::Low),
        ("`urgent` is a word of the code\n```\nasap\n```", P::Medium),
        ("Buy milk", P::Medium),
        ("Priority: ?", P::Medium),
    ] {
        assert_eq!(of(text).priority, priority, "{text}");
    }
}

#[test]
fn r004_what_is_negated_is_not_said() {
    for text in [
        "No fix needed",
        "There is not a bug",
        "A fix is not needed",
        "It works without errors",
        "A fix isn't necessary",
    ] {
        assert_eq!(of(text).score, 0, "{text}: {:?}", of(text).matched);
    }
    for text in [
        "Don't forget to fix it",
        "Not only a bug",
        "It does not work: fix it",
        "No, fix it",
        "Not now but fix it",
    ] {
        assert!(of(text).score > 0, "{text}");
    }
}

#[test]
fn r004_code_says_nothing() {
    let found = of("A note\n```\nfix the bug, error, crash\n```\n`leak` https://example.com/fix/bug\n    \n");
    assert_eq!(found.score, 0, "{:?}", found.matched);
}

#[test]
fn r004_words_and_lines_are_shown_and_what_came_second() {
    let found = of("# Fix memory leak\n\nThe leak is old.\nA leak is bad.\n");
    assert_eq!(found.task_type, TaskType::MemoryLeak);
    let words: Vec<_> =
        found.matched.iter().map(|each| (each.word.as_str(), each.lines.clone(), each.weight)).collect();
    assert_eq!(words, [("memory leak", vec![1], 20), ("leak", vec![3, 4], 7)]);
    let second = found.runner_up.unwrap();
    assert_eq!((second.task_type, second.score), (TaskType::BugFix, 8));
}

#[test]
fn r004_two_that_are_near_each_other_are_for_a_person_to_decide() {
    let found = of("Review the bug");
    assert!(found.needs_triage);
    assert_eq!(found.task_type, TaskType::GeneralTask);
    assert_eq!(found.runner_up.unwrap().task_type, TaskType::Review);
    assert_eq!(found.matched.first().unwrap().word, "bug");
}

#[test]
fn r012_effort_counts_words_and_whole_words_of_complexity() {
    assert_eq!(of("a systematic note").effort, Effort::Low);
    assert_eq!(of("a system").effort, Effort::Medium);
    assert_eq!(of("multiple systems").effort, Effort::High);
    assert_eq!(of(&"word ".repeat(50)).effort, Effort::Medium);
    assert_eq!(of(&"word ".repeat(201)).effort, Effort::High);
}

/// Sentences of which some speak for a kind, some against, and some of how soon.
const SENTENCES: [&str; 18] = [
    "The worker leaks memory.",
    "No fix is needed.",
    "Fix the bug.",
    "This is not urgent.",
    "It is urgent!",
    "Review the code; it is wrong.",
    "We add a feature, but not a test.",
    "Orphans are left behind.",
    "The address of docker is the latest.",
    "It crashes with an error",
    "Write the documentation",
    "Is it optional?",
    "See `fix` and https://x.example/bug.",
    "Nothing fails without tests.",
    "Don't forget to refactor.",
    "Multiple systems are complex.",
    "Priority: low.",
    "Priority: high.",
];

/// What does not depend on where a sentence stands: all but the lines.
fn without_lines(mut found: Classified) -> Classified {
    let all = found.matched.iter_mut().chain(&mut found.priority_by).chain(&mut found.complex);
    for each in all.chain(found.runner_up.iter_mut().flat_map(|second| &mut second.matched)) {
        each.lines.clear();
    }
    found
}

proptest! {
    #[test]
    fn the_order_of_sentences_does_not_matter(
        order in Just((0..SENTENCES.len()).collect::<Vec<_>>()).prop_shuffle(),
        chosen in prop::collection::vec(any::<bool>(), SENTENCES.len()),
        bullets in any::<bool>(),
    ) {
        let mark = if bullets { "- " } else { "\n" };
        let written = |order: &[usize]| {
            let sentences = order.iter().filter(|index| chosen[**index]).map(|index| SENTENCES[*index]);
            sentences.fold("# A note\n".to_owned(), |text, sentence| format!("{text}{mark}{sentence}\n"))
        };
        let sorted: Vec<usize> = (0..SENTENCES.len()).collect();
        prop_assert_eq!(without_lines(of(&written(&order))), without_lines(of(&written(&sorted))));
    }

    #[test]
    fn no_text_is_too_odd_to_classify(text in "\\PC{0,200}") {
        if let Ok(note) = Note::parse("a.md", &text) {
            let found = classified(&note);
            prop_assert!(found.needs_triage || found.score >= LEAST_SCORE);
        }
    }
}
