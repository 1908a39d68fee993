//! A record from its opening to its end, and what nobody should get past.

use std::time::Duration;

use scupper_detect::{Reason, Verdict as Judged};
use scupper_model::{
    Bytes, EVENT_SCHEMA, Event, EventKind, Judged as Assessment, RunId, SoakOutcome, SoakResult, Timestamp,
    UnitName, Watched,
};

use super::*;

const START: u64 = 1_795_000_000_000;
const HOUR: u64 = 3_600_000;

fn at(hours: u64) -> Timestamp {
    Timestamp(START + hours * HOUR)
}

fn event(id: u128, hours: u64, kind: EventKind) -> Recorded {
    let mut made: Event = serde_json::from_value(serde_json::json!({
        "schema": EVENT_SCHEMA, "id": format!("00000000-0000-0000-0000-{id:012}"), "at": at(hours).to_string(),
        "unit": "web", "run": format!("{id:032}"), "event": "trouble", "message": "",
    }))
    .unwrap();
    made.kind = kind;
    let sha256 = sha256(serde_json::to_string(&made).unwrap().as_bytes());
    Recorded { event: made, sha256 }
}

fn leak(id: u128, hours: u64) -> Recorded {
    let judged =
        Assessment { verdict: Judged::Leaking, slope_per_hour: Some(100e6), ..Assessment::default() };
    let kind = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: None,
        name: Some("gunicorn".into()),
        value: 5,
        previous: Judged::Growing,
        judged: Box::new(judged),
    };
    event(id, hours, kind)
}

fn soak_result(outcome: SoakOutcome, lasted_hours: u64) -> SoakResult {
    SoakResult {
        outcome,
        passed: outcome == SoakOutcome::Passed,
        lasted_ms: lasted_hours * HOUR,
        operations: Some(1600),
        required_operations: None,
        base_bytes: Some(Bytes(1)),
        max_bytes: Some(Bytes(2)),
        growth_bytes: Some(1 << 20),
        max_growth_bytes: None,
        bytes_per_operation: None,
        bytes_per_operation_interval: None,
        slope_bytes_per_hour: Some(0.0),
        slope_interval: Some((-1000.0, 1000.0)),
        verdict: Judged::Stable,
        left_behind: 0,
        reasons: vec![Reason { tag: "growth".into(), text: "memory grew by 2 GiB".into() }],
    }
}

fn soak(id: u128, ended: u64, outcome: SoakOutcome, lasted_hours: u64) -> Recorded {
    event(id, ended, EventKind::SoakFinished { soak: Box::new(soak_result(outcome, lasted_hours)) })
}

fn opened() -> Incident {
    let seen = leak(1, 0);
    let episode = episode(&seen.event).unwrap();
    let unit: UnitName = "web".parse().unwrap();
    Incident::open(&Opening {
        id: "ISS-0007",
        title: &episode.title,
        at: at(0),
        by: "scupper",
        priority: episode.priority,
        owner: None,
        description: None,
        episode: Some(&episode),
        unit: Some(&unit),
        run: Some(seen.event.run),
        command: Some("gunicorn app:app --api-key=sk-live-1234567890abcdef"),
        evidence: &[Evidence::of(&seen)],
        suspects: &[],
        required: Required::derive(Some(Duration::from_hours(9)), Some(100e6), None, None),
        related: &[],
        blocked_by: &[],
        time_to_failure: Some(Duration::from_hours(9)),
        file_path: "ISS-0007-web.md",
    })
    .unwrap()
}

fn request(to: State, hours: u64) -> Request<'static> {
    Request {
        to,
        by: "ana",
        at: at(hours),
        reason: None,
        change: None,
        owner: None,
        reviewer: None,
        automation: None,
        about: None,
        forced: false,
    }
}

fn checks(incident: &Incident, soaks: &[Recorded], seen_again: &[Recorded]) -> Checks {
    let after = After {
        change: incident.change().map(|change| change.at),
        units: &incident.units(),
        soaks,
        seen_again,
    };
    let evidence = incident.evidence().into_iter().map(|e| (e.id, Standing::Intact)).collect();
    Checks { soak: verify(&incident.required(), &after), evidence, blocked_by: Vec::new() }
}

/// Fixed: the change was recorded after an hour.
fn fixed() -> Incident {
    let mut incident = opened();
    incident
        .transition(&Request { owner: Some("ana"), ..request(State::Active, 1) }, &Checks::default())
        .unwrap();
    let change = Request { change: Some("4f1c2d9"), ..request(State::ReadyForQa, 2) };
    incident.transition(&change, &Checks::default()).unwrap();
    incident
}

#[test]
fn r054_a_new_record_has_the_21_keys_of_the_seed_in_order_and_its_own_below_one() {
    let incident = opened();
    let seed = include_str!("../../tests/seeds/002-node-heap-issue.md");
    let seed = Incident::parse(seed).unwrap();
    let of =
        |incident: &Incident| incident.document().keys().map(|(key, _)| key.to_owned()).collect::<Vec<_>>();
    let mut expected = of(&seed);
    assert_eq!(expected.len(), 21);
    expected.push("scupper".to_owned());
    assert_eq!(of(&incident), expected);
    assert!(incident.content_is_body() && seed.content_is_body());
    let description = incident.document().text_of(&["description"]).unwrap();
    assert!(incident.document().text_of(&["content"]).unwrap().contains(description));
    assert!(!incident.text().contains("sk-live-1234567890abcdef"), "{}", incident.text());
    assert_eq!(flaws(&incident), []);
    let read = Incident::parse(incident.text()).unwrap();
    assert_eq!(
        (read.id(), read.state(), read.title()),
        ("ISS-0007", State::Planning, "web: memory leak of gunicorn")
    );
    assert_eq!(read.evidence(), incident.evidence());
    assert_eq!((read.history().len(), read.tampered()), (1, vec![]));
    assert_eq!(read.required(), incident.required());
    assert_eq!(read.required().lasting, Duration::from_hours(27));
}

#[test]
fn r058_each_of_the_64_pairs_of_a_real_record_is_moved_refused_or_forced() {
    let all_given = |to, hours| Request {
        reason: Some("because"),
        owner: Some("ana"),
        change: Some("4f1c2d9"),
        ..request(to, hours)
    };
    let force = |to, hours| Request { forced: true, ..all_given(to, hours) };
    // Small, since it is edited some hundred times.
    let small = "---\nissue_id: ISS-0007\nstate: planning\nscupper:\n  unit: web\n---\n";
    let begun = Incident::parse(small).unwrap();
    for from in State::ALL {
        let mut there = begun.clone();
        if from != State::Planning {
            there.transition(&force(from, 1), &Checks::default()).unwrap();
        }
        for to in State::ALL {
            let mut incident = there.clone();
            let checks = checks(&incident, &[soak(9, 60, SoakOutcome::Passed, 40)], &[]);
            let before = incident.text().to_owned();
            let moved = incident.transition(&all_given(to, 70), &checks);
            let step = from.step_to(to);
            assert_eq!(moved.is_ok(), step.is_some(), "{from} -> {to}: {moved:?}");
            if let Err(refused) = moved {
                assert_eq!(incident.text(), before, "{from} -> {to}: what is refused changes nothing");
                let refusal = refused.to_string();
                assert!(from == to || from.next().all(|step| refusal.contains(step.to.name())), "{refusal}");
                let mut forced = there.clone();
                assert_eq!(forced.transition(&force(to, 70), &checks).is_ok(), from != to, "{from} -> {to}");
                if from != to {
                    let last = forced.history().last().unwrap();
                    assert_eq!((last.forced, last.by.as_str()), (true, "ana"), "{from} -> {to}");
                    assert_eq!(Incident::parse(forced.text()).unwrap().tampered(), []);
                }
                let silent = Request { reason: None, ..force(to, 70) };
                assert!(
                    there.clone().transition(&silent, &checks).is_err(),
                    "{from} -> {to}: forced without a reason"
                );
            }
        }
    }
}

#[test]
fn a_way_through_every_gate_each_of_which_holds_until_it_is_met() {
    use State::{Active, Done, ReadyForDeployment, ReadyForEngineering, ReadyForQa};
    let mut incident = opened();
    let none = Checks::default();
    let refused = |incident: &mut Incident, request: &Request<'_>, checks: &Checks| {
        incident.transition(request, checks).unwrap_err().to_string()
    };
    assert!(refused(&mut incident, &request(ReadyForEngineering, 1), &none).contains("--reason"));
    assert!(refused(&mut incident, &request(Active, 1), &none).contains("--owner"));
    let suspect =
        |evidence: Vec<String>| Suspect { name: "retained heap".into(), score: Some(0.9), evidence };
    incident.suspect(&[suspect(Vec::new())]).unwrap();
    assert!(refused(&mut incident, &request(ReadyForEngineering, 1), &none).contains("evidence"));
    incident.suspect(&[suspect(vec!["e1".into()])]).unwrap();
    incident.transition(&request(ReadyForEngineering, 1), &none).unwrap();
    assert!(refused(&mut incident, &request(ReadyForQa, 2), &none).contains("--change"));
    incident.transition(&Request { change: Some("src/app.py"), ..request(ReadyForQa, 2) }, &none).unwrap();
    assert_eq!(incident.document().text_of(&["scupper", "mitigated_at"]), Some(at(2).to_string().as_str()));

    let no_soak = checks(&incident, &[], &[]);
    assert!(refused(&mut incident, &request(ReadyForDeployment, 3), &no_soak).contains("no soak of web"));
    let before_the_change = checks(&incident, &[soak(2, 29, SoakOutcome::Passed, 28)], &[]);
    assert!(
        refused(&mut incident, &request(ReadyForDeployment, 30), &before_the_change)
            .contains("no soak of web")
    );
    let too_short = checks(&incident, &[soak(2, 29, SoakOutcome::Passed, 26)], &[]);
    assert!(
        refused(&mut incident, &request(ReadyForDeployment, 30), &too_short)
            .contains("lasted 1day 2h of 1day 3h")
    );
    let again = checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27)], &[leak(3, 40)]);
    assert!(refused(&mut incident, &request(ReadyForDeployment, 41), &again).contains("seen again"));
    let failed =
        checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27), soak(4, 50, SoakOutcome::Failed, 1)], &[]);
    assert!(refused(&mut incident, &request(ReadyForDeployment, 51), &failed).contains("grew by 2 GiB"));
    let mut gone = checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27)], &[]);
    gone.evidence[0].1 = Standing::Gone;
    assert!(
        refused(&mut incident, &request(ReadyForDeployment, 31), &gone).contains("not recorded any more")
    );

    let passed = checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27)], &[]);
    incident.transition(&request(ReadyForDeployment, 31), &passed).unwrap();
    assert_eq!(incident.soak_verdict(), Verdict::Passed);
    let mut blocked = passed.clone();
    blocked.blocked_by = vec!["ISS-0001".into()];
    assert!(refused(&mut incident, &request(Done, 32), &blocked).contains("ISS-0001 blocks it"));
    incident.transition(&request(Done, 33), &passed).unwrap();

    let document = incident.document();
    assert_eq!(document.text_of(&["status"]), Some("completed"));
    assert_eq!(document.get(&["completion_percentage"]).unwrap().as_integer(), Some(100));
    assert!(document.outline().boxes.iter().all(|b| b.ticked), "{}", incident.text());
    assert!(incident.content_is_body());
    assert_eq!(incident.undone(&passed), Vec::<String>::new());
    let lost = Checks {
        soak: verify(
            &incident.required(),
            &After { change: Some(at(2)), units: &incident.units(), soaks: &[], seen_again: &[] },
        ),
        ..passed
    };
    assert!(incident.undone(&lost)[0].contains("no soak shows it"), "{:?}", incident.undone(&lost));
}

#[test]
fn done_needs_a_soak_in_every_unit_in_which_it_was_seen() {
    let mut incident = opened();
    let mut elsewhere = leak(5, 1);
    elsewhere.event.unit = "web-2".parse().unwrap();
    let episode = episode(&elsewhere.event).unwrap();
    assert_eq!(
        Some(episode.fingerprint.as_str()),
        incident.fingerprint(),
        "numbered units of one name are one thing"
    );
    let (unit, run) = (elsewhere.event.unit.clone(), elsewhere.event.run);
    assert_eq!(
        incident.again(&episode, &[Evidence::of(&elsewhere)], &unit, run, at(1)).unwrap(),
        Again::Added
    );
    assert_eq!(incident.units(), ["web", "web-2"]);
    let change = Request { change: Some("x"), owner: Some("ana"), ..request(State::Active, 2) };
    incident.transition(&change, &Checks::default()).unwrap();
    incident.transition(&request(State::ReadyForQa, 3), &Checks::default()).unwrap();
    let one = [soak(2, 40, SoakOutcome::Passed, 30)];
    let on_one = checks(&incident, &one, &[]);
    incident.transition(&request(State::ReadyForDeployment, 41), &on_one).unwrap();
    let refusal = incident.transition(&request(State::Done, 42), &on_one).unwrap_err().to_string();
    assert!(refusal.contains("no soak of web-2"), "{refusal}");
    let mut other = soak(6, 40, SoakOutcome::Passed, 30);
    other.event.unit = "web-2".parse().unwrap();
    let both = checks(&incident, &[one[0].clone(), other], &[]);
    incident.transition(&request(State::Done, 43), &both).unwrap();
}

#[test]
fn r074_the_same_thing_after_done_reopens_it_and_needs_a_new_change_and_a_new_soak() {
    let mut incident = fixed();
    let passed = checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27)], &[]);
    incident.transition(&request(State::ReadyForDeployment, 31), &passed).unwrap();
    incident.transition(&request(State::Done, 32), &passed).unwrap();
    let back = leak(3, 50);
    let episode = episode(&back.event).unwrap();
    let (unit, run) = (back.event.unit.clone(), back.event.run);
    let evidence = [Evidence::of(&back)];
    assert_eq!(incident.again(&episode, &evidence, &unit, run, at(50)).unwrap(), Again::Reopened);
    assert_eq!((incident.state(), incident.soak_verdict()), (State::Active, Verdict::Pending));
    assert_eq!(incident.document().text_of(&["status"]), Some("active"));
    assert!(incident.document().get(&["completion_percentage"]).unwrap().as_integer().unwrap() < 100);
    assert_eq!(incident.seen_again(), 1);
    // Told twice, it is known.
    assert_eq!(incident.again(&episode, &evidence, &unit, run, at(51)).unwrap(), Again::Added);
    assert_eq!(incident.seen_again(), 1);
    let refusal = incident.transition(&request(State::ReadyForQa, 52), &Checks::default()).unwrap_err();
    assert_eq!(Incident::parse(incident.text()).unwrap().soak_verdict(), Verdict::Pending);
    assert!(refusal.to_string().contains("--change"), "{refusal}");
    assert_eq!(incident.tampered(), []);
}

#[test]
fn what_nobody_wants_to_do_is_counted_and_what_is_put_away_gets_a_record_of_its_own() {
    for (state, expected) in [(State::WontDo, Again::Counted), (State::Archived, Again::Another)] {
        let mut incident = opened();
        let force = Request { forced: true, reason: Some("false alarm"), ..request(state, 1) };
        incident.transition(&force, &Checks::default()).unwrap();
        let back = leak(3, 50);
        let episode = episode(&back.event).unwrap();
        let again =
            incident.again(&episode, &[Evidence::of(&back)], &back.event.unit, back.event.run, at(50));
        assert_eq!((again.unwrap(), incident.state()), (expected, state));
    }
}

#[test]
fn what_comes_back_all_the_time_does_not_make_a_record_grow_without_end() {
    let mut incident = opened();
    for n in 10..90_u64 {
        let back = leak(n.into(), n);
        let episode = episode(&back.event).unwrap();
        incident.again(&episode, &[Evidence::of(&back)], &back.event.unit, back.event.run, at(n)).unwrap();
    }
    assert_eq!((incident.evidence().len(), incident.seen_again()), (MOST_EVIDENCE, 80));
    assert_eq!(incident.evidence()[0].at, at(0), "how it began is kept");
    assert_eq!(incident.evidence().last().unwrap().at, at(89));
    assert_eq!(incident.history().len(), 1);
}

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
fn r055_one_move_of_the_seed_changes_what_it_has_to_and_no_other_line() {
    let seed = include_str!("../../tests/seeds/002-node-heap-issue.md");
    let mut incident = Incident::parse(seed).unwrap();
    assert_eq!(incident.state(), State::Done);
    assert_eq!(incident.text(), seed);
    let reason = "it was never shown: nothing was measured";
    incident
        .transition(&Request { reason: Some(reason), ..request(State::Active, 0) }, &Checks::default())
        .unwrap();
    let kept: Vec<&str> =
        seed.lines().filter(|line| incident.text().lines().any(|other| other == *line)).collect();
    let gone: Vec<&str> = seed.lines().filter(|line| !kept.contains(line)).collect();
    assert_eq!(gone.len(), 10, "{gone:#?}");
    assert_eq!(incident.history().len(), 2, "where the chain begins, and the move");
    assert_eq!(incident.tampered(), []);
    assert!(
        incident.text().ends_with(&seed[seed.find("\n---\n\n# Issue").unwrap()..]),
        "the body is as it was"
    );
}

#[test]
fn boxes_that_people_left_open_or_never_filled_in_stand_in_the_way_of_done() {
    let mut incident = fixed();
    let passed = checks(&incident, &[soak(2, 30, SoakOutcome::Passed, 27)], &[]);
    incident.transition(&request(State::ReadyForDeployment, 31), &passed).unwrap();
    let with = |boxes: &str| {
        let text = incident.text().replace("\n## Notes\nNothing yet.\n", &format!("\n## Notes\n{boxes}\n"));
        let mut with = Incident::parse(&text).unwrap();
        with.transition(&request(State::Done, 32), &passed).map_err(|error| error.to_string())
    };
    assert_eq!(with("- [x] tell ops"), Ok(()));
    assert!(with("- [ ] tell ops").unwrap_err().contains("is open: tell ops"));
    assert!(with("- [x] Task 1").unwrap_err().contains("placeholder"));
}

#[test]
fn r075_words_that_are_none_and_circles_are_found() {
    let text = opened()
        .text()
        .replace("priority: medium", "priority: urgent")
        .replace("blocked_by: []", "blocked_by: [ISS-7, ISS-0007]");
    let found: Vec<String> = flaws(&Incident::parse(&text).unwrap())
        .into_iter()
        .map(|flaw| format!("{}: {}", flaw.key, flaw.problem))
        .collect();
    assert_eq!(
        found,
        [
            "priority: `urgent` is none of low, medium, high, critical",
            "blocked_by: `ISS-7` is no id of an incident",
            "blocked_by: it names the record itself"
        ]
    );
    let record = |id: u64, blocked_by: &str, blocks: &str| {
        Incident::parse(&format!(
            "---\nissue_id: {}\nstate: planning\nblocked_by: [{blocked_by}]\nblocks: [{blocks}]\n---\n",
            id_of(id)
        ))
        .unwrap()
    };
    let line = [record(1, "ISS-0002", ""), record(2, "ISS-0003", ""), record(3, "", "ISS-0001")];
    assert_eq!(cycle(&line), None);
    let circle = [
        record(1, "ISS-0002", ""),
        record(2, "ISS-0003", ""),
        record(3, "", "ISS-0002"),
        record(4, "ISS-0009", ""),
    ];
    assert_eq!(cycle(&circle), None);
    let circle = [record(1, "ISS-0002", "ISS-0003"), record(2, "ISS-0003", ""), record(3, "", "")];
    assert_eq!(cycle(&circle).unwrap(), ["ISS-0001", "ISS-0002", "ISS-0003", "ISS-0001"]);
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

#[test]
fn r056_ids_have_four_digits_or_more_and_files_are_named_after_them() {
    assert_eq!((id_of(7).as_str(), id_of(12_345).as_str()), ("ISS-0007", "ISS-12345"));
    assert_eq!(
        (number("ISS-0109"), number("ISS-9"), number("iss-0001"), number("ISS-00x1")),
        (Some(109), None, None, None)
    );
    let title = "Node.js Memory Leak: 8GB Heap Exhaustion in Framework Wrapper";
    assert_eq!(
        file_name("ISS-0109", title),
        "ISS-0109-node-js-memory-leak-8gb-heap-exhaustion-in-framework-wrapper.md"
    );
    assert_eq!(file_name("ISS-0001", "../../etc/passwd"), "ISS-0001-etc-passwd.md");
    assert_eq!(file_name("ISS-0001", "\u{1b}[2J"), "ISS-0001-2j.md");
    assert_eq!(file_name("ISS-0001", "///"), "ISS-0001.md");
}

#[test]
fn what_is_no_incident_is_refused_with_what_is_missing() {
    let error = |text: &str| Incident::parse(text).unwrap_err().to_string();
    assert!(error("# hello").contains("issue_id"));
    assert!(error("---\nissue_id: ISS-0001\n---\n").contains("state"));
    assert!(error("---\nissue_id: ../x\nstate: done\n---\n").contains("no id"));
    assert!(error("---\nissue_id: ISS-0001\nstate: finished\n---\n").contains("line 3"));
    assert_eq!(
        Incident::parse("---\nissue_id: ISS-0001\nstatus: completed\n---\n").unwrap().state(),
        State::Done
    );
}

#[test]
fn an_episode_is_what_somebody_should_look_into() {
    use scupper_model::{LimitLevel, OBSERVED, Resource};
    let limit = |action: &str| EventKind::LimitCrossed {
        resource: Resource::Memory,
        level: LimitLevel::Hard,
        value: 2 << 30,
        limit: 1 << 30,
        culprit: None,
        culprit_name: None,
        culprit_value: None,
        growth_per_second: None,
        action: action.to_owned(),
    };
    let kind = |kind| episode(&event(1, 0, kind).event);
    let crossed = kind(limit("end")).unwrap();
    assert_eq!(
        (crossed.trigger, crossed.title.as_str()),
        (Trigger::Limit, "web: memory 2.0 GiB crossed the hard limit 1.0 GiB")
    );
    assert_eq!(
        Some(&crossed.fingerprint),
        episode(&leak(1, 0).event).map(|e| e.fingerprint).as_ref(),
        "one thing"
    );
    assert_eq!(kind(limit(OBSERVED)), None);
    let _: RunId = leak(1, 0).event.run;
    let death = |by: serde_json::Value, how: serde_json::Value| {
        let mut certificate = serde_json::json!({
            "pid": 7, "start_time": 9, "boot_id": "b2d1a4f0-0000-4000-8000-000000000001", "name": "python3", "role": "main", "lived": "9h"
        });
        for more in [by, how] {
            certificate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        let certificate = Box::new(serde_json::from_value(certificate).unwrap());
        kind(EventKind::UnitExited { certificate }).map(|episode| episode.what)
    };
    let signal = |n: i32| serde_json::json!({"how": "signaled", "signal": n, "core_dumped": false});
    let by = |by: &str| serde_json::json!({"by": by});
    let oom = serde_json::json!({"by": "oom_killer", "cgroup": "/x", "count_before": 0, "count_after": 1});
    assert_eq!(death(oom, signal(9)).as_deref(), Some("memory"));
    assert_eq!(death(by("unknown"), signal(11)).as_deref(), Some("signal 11"));
    assert_eq!(death(by("unknown"), signal(15)), None);
    assert_eq!(death(by("itself"), serde_json::json!({"how": "exited", "code": 1})), None);
    assert_eq!(death(serde_json::json!({"by": "scupper", "reason": "stop"}), signal(9)), None);
    assert_eq!(
        death(serde_json::json!({"by": "scupper", "reason": "hard_limit"}), signal(9)).as_deref(),
        Some("memory")
    );
}
