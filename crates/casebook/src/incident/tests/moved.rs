//! Through every gate, and back.
//! Rows shown here: R058, R074.

use scupper_model::SoakOutcome;

use super::super::*;
use super::{at, checks, fixed, leak, opened, request, soak};

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
    let refused = incident.transition(&request(State::Done, 42), &on_one).unwrap_err();
    let missing = match &refused {
        MoveError::Refused(Refused::Unmet { missing, .. }) => missing,
        other => panic!("{other:?}"),
    };
    // What passed elsewhere is a reason too, and is not missing.
    assert_eq!((missing, on_one.soak.reasons.len()), (&on_one.soak.still_open, 2));
    assert!(missing[0].starts_with("still open: no soak of web-2"), "{missing:?}");
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
    let earlier: Vec<Evidence> = (10..80_u64).map(|n| Evidence::of(&leak(n.into(), n))).collect();
    assert!(incident.add(&earlier));
    for n in 80..90_u64 {
        let back = leak(n.into(), n);
        let episode = episode(&back.event).unwrap();
        incident.again(&episode, &[Evidence::of(&back)], &back.event.unit, back.event.run, at(n)).unwrap();
        assert_eq!(incident.evidence().len(), MOST_EVIDENCE);
    }
    assert_eq!(incident.seen_again(), 10);
    assert_eq!(incident.evidence()[0].at, at(0), "how it began is kept");
    assert_eq!(incident.evidence().last().unwrap().at, at(89));
    assert_eq!(incident.history().len(), 1);
}

#[test]
fn r055_one_move_of_the_seed_changes_what_it_has_to_and_no_other_line() {
    let seed = include_str!("../../../tests/seeds/002-node-heap-issue.md");
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
