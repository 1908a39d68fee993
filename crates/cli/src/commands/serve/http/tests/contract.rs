//! The description says what the server does. Hundreds of generated requests against the real program:
//! `tests/fleet/http.rs`.

use scupper_fleet::Phase;
use scupper_fleet::wire::{Code, State};
use scupper_model::Timestamp;
use serde_json::Value;

use super::world::{HOST, World};

fn contract() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "patch", "trace"];

#[test]
fn what_is_described_is_served_and_nothing_else() {
    let world = World::new();
    let contract = contract();
    let paths = contract["paths"].as_object().unwrap();
    for (path, described) in paths {
        let real = path.replace("{id}", "a").replace("{kind}", "task").replace("{name}", "n");
        for method in METHODS {
            let got = world.tcp().ask(&method.to_uppercase(), &real, Some(HOST), b"");
            let there = described.get(method).is_some();
            assert_eq!(got.status != 405, there, "{method} {path}: {}", got.status);
            if there {
                let status = got.status.to_string();
                assert!(described[method]["responses"].get(&status).is_some(), "{method} {path}: {status}");
            }
        }
    }
    assert_eq!(paths.len(), 10);
}

#[test]
fn every_reference_leads_somewhere_and_every_word_of_a_refusal_is_described() {
    let contract = contract();
    let mut all = vec![&contract];
    while let Some(value) = all.pop() {
        match value {
            Value::Object(map) => {
                if let Some(target) = map.get("$ref") {
                    let target = target.as_str().unwrap().strip_prefix('#').unwrap();
                    assert!(contract.pointer(target).is_some(), "{target}");
                }
                all.extend(map.values());
            }
            Value::Array(list) => all.extend(list),
            _ => {}
        }
    }
    let words =
        contract.pointer("/components/schemas/Fault/properties/code/enum").unwrap().as_array().unwrap();
    for word in words {
        let code: Code = serde_json::from_value(word.clone()).unwrap();
        assert_ne!(code, Code::Other, "{word}");
    }
    assert_eq!(words.len(), 16);
}

/// Whatever the state of a registry says, in each phase of it, is described.
#[test]
fn every_key_of_the_state_is_described() {
    let contract = contract();
    let described = contract.pointer("/components/schemas/Status/properties").unwrap().as_object().unwrap();
    let until = Timestamp(7);
    for phase in [Phase::Open, Phase::Grace { until }, Phase::Hold { until, dead: 1, members: 2 }] {
        let state = State {
            registry: "r".to_owned(),
            store: "s".to_owned(),
            now: until,
            round_trip_ms: 1.0,
            phase,
            members: 2,
            expired: 1,
            claims: 0,
            coordinators: Vec::new(),
            memory_bytes: None,
        };
        let Value::Object(state) = serde_json::to_value(state).unwrap() else { panic!("an object") };
        for key in state.keys() {
            assert!(described.contains_key(key), "{key} of {phase:?}");
        }
    }
}
