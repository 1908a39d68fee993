//! R024, R028, R120: what suspects are ranked by is recorded while whoever leaks is still there to be asked.

use std::time::Duration;

use serde_json::Value;

use super::scene::{Scene, wait_for};
use super::workload::number;

/// A verdict may take a minute.
const JUDGED: Duration = Duration::from_mins(1);

fn recorded(scene: &Scene, because: &str, kind: &str) -> Value {
    wait_for(&format!("{kind} because it is {because}"), JUDGED, || {
        let fits = |event: &Value| event["because"] == because;
        scene.events_of(kind).into_iter().find(fits).ok_or_else(|| scene.text("stderr"))
    })
}

/// What it held when it was suspected is compared with what it holds when it leaks, while it can still be asked.
#[test]
fn r024_connections_that_pile_up_are_compared_before_the_recycle() {
    let scene = Scene::new();
    let flags = ["--grow", "20M/10s", "--horizon", "short", "--recycle", "on-leak"];
    let running = scene.run_script(&flags, "recorded.py", &["sockets"]);
    let leaking = recorded(&scene, "leaking", "resources_compared");
    let first = &leaking["resources"][0];
    assert_eq!((&first["kind"], &leaking["role"]), (&"socket".into(), &"main".into()), "{leaking}");
    assert!(
        first["what"].as_str().unwrap().starts_with("tcp CLOSE_WAIT outbound to 127.0.0.1:"),
        "{leaking}"
    );
    assert!(number(first, "after") >= number(first, "before") + 10, "{leaking}");
    assert_eq!(leaking["unread"], Value::Array(Vec::new()), "{leaking}");
    let memory = leaking["memory"].as_array().unwrap();
    let grown: u64 =
        memory.iter().map(|kind| number(kind, "after").saturating_sub(number(kind, "before"))).sum();
    assert!(grown > 5 << 20, "{leaking}");
    let history = recorded(&scene, "leaking", "series_recorded");
    let (values, times) =
        (history["values"].as_array().unwrap(), history["seconds_before"].as_array().unwrap());
    assert!(values.len() == times.len() && values.len() > 3, "{history}");
    // Before the signal, or a moment before that: afterwards there is nobody to ask.
    let started = wait_for("it is recycled", JUDGED, || {
        scene.events_of("recycle_started").into_iter().next().ok_or_else(|| scene.text("stderr"))
    });
    let recycled = recorded(&scene, "recycled", "series_recorded");
    assert_eq!(recycled["series"], "memory");
    let compared = scene.events_of("resources_compared");
    let last = compared.iter().rev().find(|event| event["target"] == started["target"]).unwrap();
    assert!(number(&last["resources"][0], "after") >= number(first, "after"), "{last}");
    scene.stop(running);
}

/// Along what it grows takes phases with and without work.
#[test]
fn waits_r028_growth_with_load_is_told_from_growth_with_time() {
    let flags = ["--grow", "4M/10s", "--horizon", "short"];
    let scenes = ["load", "time"].map(|kind| {
        let scene = Scene::new();
        let running = scene.run_script(&flags, "recorded.py", &[kind, "29"]);
        (kind, scene, running)
    });
    for (kind, scene, running) in scenes {
        running.wait();
        let ended =
            scene.events_of("series_recorded").into_iter().filter(|event| event["because"] == "ended");
        let mut pattern =
            ended.filter(|event| event["target"].is_object()).map(|event| event["pattern"].clone());
        let pattern = pattern.next_back().unwrap_or_else(|| panic!("{}", scene.text("stderr")));
        let expected = if kind == "load" { "with_load" } else { "while_idle" };
        assert_eq!(pattern["grows"], expected, "{pattern}");
        if kind == "load" {
            assert!(number(&pattern, "bursts") >= 1, "{pattern}");
            assert!(pattern["rest_seconds"].as_f64().unwrap() >= 5.0, "{pattern}");
        }
    }
}

/// Who rests is looked at no closer: nothing is recorded of it.
#[test]
fn of_a_unit_at_rest_nothing_is_recorded() {
    let scene = Scene::new();
    let running = scene.run(&["--verbose", "--horizon", "short"], &["sleep", "1000"]);
    scene.live();
    scene.wait_until("it was looked at", |status| number(&status["counts"], "looks") > 20);
    for kind in ["series_recorded", "resources_compared"] {
        assert_eq!(scene.events_of(kind), Vec::<Value>::new());
    }
    assert_eq!(super::scene::stat(running.engine()).unwrap()[17], "1", "the engine has one thread");
    scene.stop(running);
}
