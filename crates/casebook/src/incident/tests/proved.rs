//! What a soak has to show, and who changes that by hand.

use std::time::Duration;

use scupper_model::{Bytes, SoakOutcome, SoakResult, Timestamp};

use super::super::*;
use super::{fixed, opened, request, soak_result};

#[test]
fn r059_what_a_soak_has_to_show_when_it_was_changed_and_what_it_was_opened_for_are_not_edited_by_hand() {
    let incident = fixed();
    let text = incident.text();
    let required = incident.required().lasting.as_secs();
    let change = incident.change().unwrap();
    let earlier = Timestamp(change.at.0 - 1000);
    let first = &incident.evidence()[0];
    for (what, with, says) in [
        (format!("seconds: {required}"), "seconds: 1".to_owned(), "what a soak has to show"),
        (
            format!("seconds: {required}"),
            format!("seconds: {required}\n      operations: 1"),
            "what a soak has",
        ),
        ("time_to_failure_seconds: ".to_owned(), "time_to_failure_seconds: 1".to_owned(), "what a soak has"),
        (format!("at: {}\n      what", change.at), format!("at: {earlier}\n      what"), "by hand"),
        (format!("- id: \"{}\"", first.id), format!("- id: \"{}\"", uuid::Uuid::from_u128(77)), "opened for"),
    ] {
        assert!(text.contains(&what), "{what}: {text}");
        let spoilt = Incident::parse(&text.replacen(&what, &with, 1)).unwrap();
        let found: Vec<String> = spoilt.tampered().into_iter().map(|broken| broken.problem).collect();
        assert!(found.iter().any(|found| found.contains(says)), "{what} -> {with}: {found:?}");
        // A new agreement does not make it right.
        let mut agreed = spoilt.clone();
        agreed.require(&Required::derive(None, None, Some(1), None)).unwrap();
        assert_ne!(agreed.tampered(), [], "{what}");
    }
    // Whoever takes out of a piece of evidence what it is read by does not get rid of it.
    let unread = text.replacen("kind: verdict_changed", "kid: verdict_changed", 1);
    let unread = Incident::parse(&unread).unwrap().undone(&Checks::default());
    assert!(unread.iter().any(|why| why.contains("cannot be read")), "{unread:?}");
    // What is agreed on with a move holds, also after it was read again.
    let mut agreed = fixed();
    agreed.require(&Required::derive(None, None, Some(500), None)).unwrap();
    let back = Request { reason: Some("soak: 500 operations"), ..request(State::Active, 9) };
    agreed.transition(&back, &Checks::default()).unwrap();
    let read = Incident::parse(agreed.text()).unwrap();
    assert_eq!((read.tampered(), read.required().operations), (vec![], Some(500)));
}

#[test]
fn r072_it_is_said_where_the_time_of_a_soak_comes_from() {
    let because = |failure: Option<u64>, operations| {
        let mut incident = opened();
        match failure {
            Some(seconds) => incident.set_count("time_to_failure_seconds", seconds),
            None => incident.remove_ours("time_to_failure_seconds"),
        }
        let required = Required::derive(failure.map(Duration::from_secs), None, operations, None);
        incident.require(&required).unwrap();
        incident.required_because()
    };
    let long = because(Some(36_000), None);
    assert!(long.starts_with("three times the 10h") && long.contains("was forecast"), "{long}");
    let short = because(Some(60), None);
    assert!(short.starts_with("a day") && short.contains("three times the 1m"), "{short}");
    assert!(because(Some(60), Some(5)).starts_with("three times the 1m"));
    assert!(because(None, None).starts_with("a day") && because(None, None).contains("not known"));
    assert!(because(None, Some(5)).contains("operations were agreed on"));
    // What fails in no time is not known: three times nothing is nothing.
    let none = because(Some(0), Some(5));
    assert!(none.contains("not known") && !none.contains("0s"), "{none}");
}

#[test]
fn r059_whoever_edits_the_history_of_a_file_is_found_out_and_cannot_go_on() {
    let incident = fixed();
    assert_eq!(incident.tampered(), []);
    for (what, with) in [
        ("by: ana", "by: bob"),
        ("about: \"4f1c2d9\"", "about: \"other\""),
        ("state: ready_for_qa", "state: ready_for_deployment"),
        ("transitioned_by: ana", "transitioned_by: bob"),
    ] {
        assert!(incident.text().contains(what), "{what}: {}", incident.text());
        let spoilt = Incident::parse(&incident.text().replacen(what, with, 1));
        let mut spoilt = spoilt.unwrap();
        assert_ne!(spoilt.tampered(), [], "{what}");
        let error = spoilt
            .transition(&Request { reason: Some("x"), ..request(State::WontDo, 9) }, &Checks::default())
            .unwrap_err();
        assert!(error.to_string().contains("tampered"), "{error}");
    }
}

#[test]
fn r072_operations_that_were_agreed_on_go_before_a_day_but_not_before_the_time_to_failure() {
    let hours = Duration::from_hours;
    let lasting = |failure, operations| Required::derive(failure, None, operations, None).lasting;
    assert_eq!(lasting(None, None), hours(24));
    assert_eq!(lasting(Some(hours(10)), None), hours(30));
    assert_eq!(lasting(Some(hours(1)), None), hours(24));
    assert_eq!(lasting(Some(hours(1)), Some(1550)), hours(3));
    assert_eq!(lasting(None, Some(1550)), Duration::ZERO);
    let required = Required::derive(None, None, Some(1550), Some(Bytes(50 << 20)));
    assert_eq!(required.describe(), "at least 1550 operations, growth below 50.0 MiB");
    assert_eq!(required.missing(&soak_result(SoakOutcome::Passed, 1)), Vec::<String>::new());
    let short = SoakResult {
        operations: Some(1549),
        growth_bytes: Some(50 << 20),
        ..soak_result(SoakOutcome::Passed, 1)
    };
    assert_eq!(required.missing(&short).len(), 2);
    let unknown = SoakResult { operations: None, growth_bytes: None, ..soak_result(SoakOutcome::Passed, 1) };
    assert_eq!(required.missing(&unknown).len(), 2, "unknown is not 0");
}
