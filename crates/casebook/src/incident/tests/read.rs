//! Records as they are written, named and read.
//! Rows shown here: R054, R075.

use std::time::Duration;

use scupper_model::{EventKind, RunId};

use super::super::*;
use super::{event, leak, opened};

#[test]
fn r054_a_new_record_has_the_21_keys_of_the_seed_in_order_and_its_own_below_one() {
    let incident = opened();
    let seed = include_str!("../../../tests/seeds/002-node-heap-issue.md");
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
