//! Ten staged leaks, and who is suspected first (R024, R034, R049, R120).
//!
//! Real programs (`staged/`) that forget one thing with their requests, each run by itself under `scupper run --horizon
//! short`; what was recorded by then is all that `scupper why` has. The planted cause counts as ranked first where the first
//! suspect says all that can be said of it from outside:
//!
//! | planted | first has to be | and to name |
//! |---|---|---|
//! | global store, growing log buffer, cache without bound | `retained_heap` of python3 | the place: anonymous mappings |
//! | native buffer | `retained_heap` of python3 | the place: the C heap |
//! | event listeners | `retained_heap` of node | the place: anonymous mappings |
//! | unclosed sockets | `sockets` | the state and the peer |
//! | threads | `threads` | their name: the kernel's, `python` |
//! | temporary files held open | `deleted_files` | their path |
//! | subprocess pipes | `pipes` | |
//! | left browsers | `child_tree` | chromium |
//!
//! Which of the first three it is, nobody can tell from outside: a store, a buffer and a cache without a bound are the same to
//! the kernel, and the answer has to say that under `unknown`.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::running::{Running, wait_for};
use crate::scene::Room;

/// A verdict takes half a minute at least.
const JUDGED: Duration = Duration::from_secs(110);

/// One program, and what has to be said of it.
struct Staged {
    planted: &'static str,
    kind: &'static str,
    cause: &'static str,
    what: &'static str,
}

const LEAKS: [Staged; 9] = [
    Staged { planted: "global store", kind: "store", cause: "retained_heap", what: "anonymous mappings" },
    Staged { planted: "growing log buffer", kind: "log", cause: "retained_heap", what: "anonymous mappings" },
    Staged {
        planted: "cache without bound",
        kind: "cache",
        cause: "retained_heap",
        what: "anonymous mappings",
    },
    Staged { planted: "native buffer", kind: "native", cause: "retained_heap", what: "C heap" },
    Staged {
        planted: "event listeners",
        kind: "listeners",
        cause: "retained_heap",
        what: "anonymous mappings",
    },
    Staged { planted: "unclosed sockets", kind: "sockets", cause: "sockets", what: "CLOSE_WAIT" },
    Staged { planted: "threads", kind: "threads", cause: "threads", what: "python" },
    Staged { planted: "temporary files held open", kind: "files", cause: "deleted_files", what: "/tmp/" },
    Staged { planted: "subprocess pipes", kind: "pipes", cause: "pipes", what: "" },
];
const BROWSERS: Staged =
    Staged { planted: "left browsers", kind: "browsers", cause: "child_tree", what: "chrom" };
const HEALTHY: [&str; 2] = ["pool", "bounded"];

/// A program that runs.
struct Play {
    room: Room,
    running: Running,
}

fn play(kind: &str) -> Play {
    let room = Room::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/casebook/staged");
    let log = room.path("work").join("access.log").to_string_lossy().into_owned();
    std::fs::write(&log, "").unwrap();
    let script = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let command = match kind {
        "listeners" => vec!["node".to_owned(), script("listeners.js"), log.clone()],
        kind => ["python3", "-S", &script("leaks.py"), kind, &log].map(str::to_owned).to_vec(),
    };
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let running = room.run(&["--verbose", "--horizon", "short", "--log", &log], &command);
    Play { room, running }
}

impl Play {
    /// Waits until it is told to grow, and what it holds was compared with what it held before.
    fn wait_until_told(&self) {
        wait_for("it is told to grow", JUDGED, || {
            let compared = !self.room.events_of("resources_compared").is_empty();
            if compared { Ok(()) } else { Err(self.room.text("stderr")) }
        });
    }

    /// Ends it, and asks why.
    fn why(self) -> (Room, Value) {
        let Self { room, running } = self;
        let stopped = room.answer(&["stop", &room.unit]);
        assert_eq!(stopped.code, 0, "{stopped:?}");
        running.wait();
        let unit = room.unit.clone();
        let why = room.json(&["why", &unit, "--json"]);
        (room, why)
    }
}

/// Whether the planted cause is ranked first, and what is said instead where it is not.
fn check(staged: &Staged, why: &Value) -> Result<(), String> {
    let first = &why["suspects"][0];
    let what = first["what"].as_str().unwrap_or_default();
    let ok = first["cause"] == staged.cause && what.contains(staged.what);
    let events = first["evidence_for"].as_array().map_or(0, Vec::len);
    if ok && events > 0 && first["evidence_for"][0]["id"].is_string() {
        return Ok(());
    }
    let ranked: Vec<String> = why["suspects"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|suspect| format!("{} {} `{}`", suspect["score"], suspect["cause"], suspect["what"]))
        .collect();
    Err(format!("{}: {ranked:?}", staged.planted))
}

/// R024, R034, R049: of nine staged leaks at least eight are named first, side by side on one machine; with the browsers below
/// these are the ten. Two healthy programs beside them are not accused.
#[test]
fn waits_r034_the_planted_cause_is_ranked_first() {
    let plays: Vec<Play> = LEAKS.iter().map(|staged| play(staged.kind)).collect();
    let healthy: Vec<Play> = HEALTHY.iter().map(|kind| play(kind)).collect();
    plays.iter().for_each(Play::wait_until_told);
    let mut missed = Vec::new();
    for (staged, play) in LEAKS.iter().zip(plays) {
        let (room, why) = play.why();
        if let Err(said) = check(staged, &why) {
            missed.push(said);
        }
        let answer = room.answer(&["why", &room.unit]);
        assert_eq!(answer.code, 1, "{answer:?}");
        eprintln!("{}\n{}", staged.planted, answer.out);
        assert!(answer.out.lines().count() <= 40, "{}", answer.out);
    }
    assert!(missed.len() <= 1, "{missed:#?}");
    for (kind, play) in HEALTHY.iter().zip(healthy) {
        let (room, why) = play.why();
        // Named is the first, unless the answer is that nobody knows, which stands last.
        let causes: Vec<&str> =
            why["suspects"].as_array().unwrap().iter().map(|one| one["cause"].as_str().unwrap()).collect();
        let named = causes.first().filter(|_| !causes.contains(&"unknown"));
        assert!(named.is_none_or(|named| ["not_a_leak", "cache_plateau"].contains(named)), "{kind}: {why}");
        assert_ne!(room.answer(&["why", &room.unit]).code, 1);
    }
}

/// R030, R034: browsers that are left are one cause, whatever they bring along.
#[test]
fn heavy_r034_left_browsers_are_ranked_first() {
    let play = play(BROWSERS.kind);
    wait_for("a browser is told to outlive its request", JUDGED, || {
        let told = !play.room.events_of("helper_outlives").is_empty();
        if told { Ok(()) } else { Err(play.room.text("stderr")) }
    });
    let (_, why) = play.why();
    check(&BROWSERS, &why).unwrap();
}

/// From a real leaking run to the end: the incident opens by itself, `why` names the cause while it runs and from the
/// incident, the report renders, the fix is refused while the soak still leaks, and verified when it does not (R024, R034).
#[test]
fn waits_from_the_leak_to_the_fix() {
    let room = Room::new();
    let log = room.path("work").join("access.log").to_string_lossy().into_owned();
    std::fs::write(&log, "").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/casebook/staged/leaks.py");
    let script = script.to_string_lossy().into_owned();
    let unit = room.unit.clone();
    let service = |kind: &'static str| ["python3", "-S", &script, kind, &log].map(str::to_owned);
    let leaking = service("store");
    let leaking: Vec<&str> = leaking.iter().map(String::as_str).collect();
    // A limit that it reaches in seconds: a soak has to last three times as long as it takes to fail.
    let flags = ["--verbose", "--horizon", "short", "--grow", "5M/10s", "--incident", "leak", "--log", &log];
    let flags = [&flags[..], &["--mem-hard", "20M", "--policy", "observe"]].concat();
    let running = room.run(&flags, &leaking);
    let id = wait_for("an incident is opened by itself", JUDGED, || {
        let listed = room.json(&["incident", "list", "--json"]);
        listed["incidents"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| room.text("stderr"))
    });

    // While it runs: of the unit, and of its process.
    let why = room.json(&["why", &unit, "--json"]);
    assert_eq!(
        (&why["seen"]["live"], &why["suspects"][0]["cause"]),
        (&true.into(), &"retained_heap".into()),
        "{why}"
    );
    let pid = why["suspects"][0]["processes"][0]["pid"].to_string();
    let of_process = room.json(&["why", &pid, "--json"]);
    assert_eq!(of_process["suspects"][0]["cause"], "retained_heap", "{of_process}");
    assert_eq!(room.answer(&["stop", &unit]).code, 0);
    running.wait();

    // The record names its suspect, with what spoke for it by then.
    let named = room.json(&["incident", "show", &id, "--json"])["suspects"][0].clone();
    assert!(
        named["name"].as_str().is_some_and(|name| name.contains("memory that the program keeps")),
        "{named}"
    );
    assert!(named["score"].as_f64() >= Some(0.25) && named["evidence"][0].is_string(), "{named}");

    // From the incident: the events that it cites are among those that speak for the suspect.
    let of_incident = room.json(&["why", &id, "--json"]);
    let first = &of_incident["suspects"][0];
    assert_eq!(
        (&first["cause"], &of_incident["seen"]["live"]),
        (&"retained_heap".into(), &false.into()),
        "{of_incident}"
    );
    let shown = room.json(&["incident", "show", &id, "--json"]);
    let spoken: Vec<&str> = first["evidence_for"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|evidence| evidence["id"].as_str())
        .collect();
    let cited = shown["evidence"].as_array().unwrap();
    assert!(cited.iter().any(|cited| spoken.contains(&cited["id"].as_str().unwrap())), "{shown}\n{first}");

    let report = room.answer(&["report", &id, "--out", "report.md", "--html", "report.html"]);
    assert!(report.code < 2, "{report:?}");
    assert!(room.read("report.md").contains(&id) && room.read("report.html").contains("<svg"), "{report:?}");

    let moved = |rest: &[&str]| {
        let answer = room.answer(&[&["incident", "move", &id], rest].concat());
        assert_eq!(answer.code, 0, "{rest:?}: {answer:?}");
    };
    moved(&["active", "--owner", "ana"]);
    moved(&["ready_for_qa", "--change", "4f1c2d9", "--soak-ops", "100", "--soak-growth", "3M"]);
    let needs = &room.json(&["incident", "show", &id, "--json"])["soak"]["required"];
    let seconds = needs["seconds"].as_u64().unwrap();
    assert!((1..75).contains(&seconds), "{needs}");
    let soak = |kind, seconds: u64| {
        let command = service(kind);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        // Twenty a second, and a few more.
        let ops = (22 * (seconds + 2)).to_string();
        let args = ["soak", "--name", &unit, "--ops", &ops, "--ops-from", "log:^GET", "--log", &log];
        let rest =
            ["--max-growth", "3M", "--for", "100s", "--every", "100ms", "--grace", "1s", "--quiet", "--"];
        room.answer(&[&args[..], &rest, &command].concat())
    };
    let failed = soak("store", 4);
    assert_eq!(failed.code, 1, "{failed:?}");
    let refused = room.answer(&["incident", "verify", &id]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let passed = soak("pool", seconds);
    assert_eq!(passed.code, 0, "{passed:?}");
    let verified = room.answer(&["incident", "verify", &id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    // The last run is the soak of the fix: what it says is not accused any more.
    let after = room.answer(&["why", &unit]);
    assert_ne!(after.code, 1, "{after:?}");
}
