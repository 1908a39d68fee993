//! R072: `scupper soak` on real processes: what passes, what fails and why, who could not look; operations counted in a
//! file, a log and a metric.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use super::scene::{PATIENCE, Running, Scene, wait_for};
use super::workload::{number, script};

const PYTHON: [&str; 2] = ["python3", "-S"];

impl Scene {
    /// `scupper soak --name UNIT --json FLAGS -- COMMAND`, its stderr in `stderr`, its stdout in `stdout`.
    fn start_soak(&self, flags: &[&str], command: &[&str]) -> Running {
        let mut args =
            vec!["soak", "--name", &self.unit, "--log-format", "json", "--json", "--every", "100ms"];
        args.extend(flags);
        args.push("--");
        args.extend(command);
        let mut scupper = self.scupper(&args);
        scupper.stdout(fs::File::create(self.path("stdout")).unwrap());
        scupper.stderr(fs::File::create(self.path("stderr")).unwrap());
        Running { child: scupper.spawn().unwrap() }
    }

    /// A soak of `soak.py`, to its end: exit code and result.
    fn soak(&self, flags: &[&str], arguments: &[&str]) -> (i32, Value) {
        let path = script("soak.py");
        let command = [&PYTHON[..], &[&path], arguments].concat();
        self.ended(self.start_soak(flags, &command))
    }

    fn ended(&self, running: Running) -> (i32, Value) {
        let code = running.wait().code().unwrap_or(-1);
        let report: Value = serde_json::from_str(&self.text("stdout"))
            .unwrap_or_else(|why| panic!("{why}: {} {}", self.text("stdout"), self.text("stderr")));
        assert_eq!(report["schema"], "scupper.soak/1");
        self.expect_nothing_left();
        (code, report)
    }

    /// The event in the evidence file.
    fn evidence(&self) -> Value {
        let (code, said) = self.ask(&["events", &self.unit, "--json"]);
        assert_eq!(code, 0, "{said}");
        let mut events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find(|event| event["event"] == "soak_finished").unwrap_or_else(|| panic!("{said}"))
    }
}

/// What did not hold.
fn reasons(report: &Value) -> Vec<&str> {
    let reasons = report["reasons"].as_array().into_iter().flatten();
    reasons.filter_map(|reason| reason["text"].as_str()).collect()
}

/// R072: "less than 50 MB over 1,550 operations", as a command, with the result in the evidence.
#[test]
fn r072_a_clean_loop_passes_1550_operations_with_less_than_50_mb() {
    let scene = Scene::new();
    let (done, csv, svg) = (scene.at("done"), scene.at("soak.csv"), scene.at("soak.svg"));
    let from = format!("file:{done}");
    let flags = ["--ops", "1550", "--ops-from", &from, "--max-growth", "50M", "--csv", &csv, "--svg", &svg];
    let (code, report) = scene.soak(&flags, &["--file", &done]);
    assert_eq!((code, &report["outcome"]), (0, &Value::from("passed")), "{report}");
    assert!(number(&report, "operations") >= 1550 && report["passed"] == true, "{report}");
    assert!(report["growth_bytes"].as_i64().unwrap() < 50 << 20, "{report}");
    assert!(number(&report, "base_bytes") > 1 << 20, "{report}");
    assert_eq!(report["bytes_per_operation_interval"].as_array().unwrap().len(), 2, "{report}");
    let held: Vec<&Value> = report["criteria"].as_array().unwrap().iter().map(|one| &one["held"]).collect();
    assert_eq!(held, [true, true, true, true]);
    let series = report["series"].as_array().unwrap();
    assert!(series.iter().any(|series| series["series"] == "descriptors"), "{report}");
    // stdout is the result's alone; what the command says is not lost.
    assert!(scene.text("stderr").contains("this is the command's own output"));
    let event = scene.evidence();
    for key in ["operations", "required_operations", "growth_bytes", "max_growth_bytes", "passed", "verdict"]
    {
        assert_eq!(event[key], report[key], "{key}: {event}");
    }
    let (code, said) = scene.ask(&["analyze", &csv, "--horizon", "short", "--json"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("tree_rss_bytes") && said.contains("requests"), "{said}");
    assert!(scene.text("soak.svg").starts_with("<svg"));
}

#[test]
fn r072_a_loop_that_leaks_100_kb_with_each_operation_fails() {
    let scene = Scene::new();
    let done = scene.at("done");
    let from = format!("file:{done}");
    let flags = ["--ops", "1550", "--ops-from", &from, "--max-growth", "50M"];
    let (code, report) = scene.soak(&flags, &["--file", &done, "--leak", "100000"]);
    assert_eq!((code, &report["outcome"]), (1, &Value::from("failed")), "{report}");
    assert!(report["growth_bytes"].as_i64().unwrap() > 50 << 20, "{report}");
    assert!(reasons(&report)[0].starts_with("memory grew by"), "{report}");
    let slope = report["bytes_per_operation"].as_f64().unwrap();
    assert!((80_000.0..120_000.0).contains(&slope), "{report}");
    assert_eq!(scene.evidence()["passed"], false);
}

#[test]
fn operations_are_counted_in_a_log_that_is_rotated() {
    let scene = Scene::new();
    let log = scene.at("log");
    // What is there already is of an earlier run.
    fs::write(&log, "operation 1 done\noperation 2 done\n").unwrap();
    let flags =
        ["--ops", "90", "--ops-from", "log:^operation \\w+ done", "--log", &log, "--max-growth", "50M"];
    let (code, report) = scene.soak(&flags, &["--log", &log, "--rotate", "--ops", "90"]);
    // A group that captures no number counts lines; here none captures.
    assert_eq!((code, number(&report, "operations")), (0, 90), "{report}");
}

#[test]
fn operations_are_counted_by_a_metric() {
    let scene = Scene::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let from = format!("http://127.0.0.1:{port}/metrics#operations_total{{kind=\"real\"}}");
    let flags = ["--ops", "150", "--ops-from", &from, "--max-growth", "50M"];
    let (code, report) = scene.soak(&flags, &["--serve", &port, "--pause", "0.01"]);
    assert_eq!(code, 0, "{report} {}", scene.text("stderr"));
    let operations = number(&report, "operations");
    assert!((150..100_000).contains(&operations), "{report}");
}

#[test]
fn who_cannot_count_or_start_the_command_could_not_look() {
    let scene = Scene::new();
    let from = format!("file:{}", scene.at("nothing"));
    let (code, report) = scene.soak(&["--ops", "10", "--ops-from", &from, "--for", "1s"], &[]);
    assert_eq!((code, &report["outcome"]), (2, &Value::from("could_not_look")), "{report}");
    assert!(reasons(&report)[0].contains("nothing was counted: cannot read"), "{report}");

    let scene = Scene::new();
    let log = scene.at("log");
    let flags = ["--ops", "10", "--ops-from", "log:misspelt", "--log", &log];
    let (code, report) = scene.soak(&flags, &["--log", &log, "--ops", "20"]);
    assert_eq!(code, 2, "{report}");
    assert!(reasons(&report)[0].contains("matches `misspelt`"), "{report}");

    let scene = Scene::new();
    let missing = scene.at("missing");
    let (code, report) = scene.ended(scene.start_soak(&["--for", "1s"], &[&missing]));
    assert_eq!(code, 2, "{report}");
    assert!(reasons(&report)[0].contains("could not be started (127)"), "{report}");
    assert_eq!(scene.evidence()["outcome"], "could_not_look");
}

/// A verdict takes its time; and what cannot be kept is said before the command runs.
#[test]
fn what_is_seen_too_briefly_is_no_pass_and_what_cannot_be_kept_never_starts() {
    for (flags, command) in [(&[][..], &["true"][..]), (&["--for", "2s"], &["sleep", "1000"])] {
        let scene = Scene::new();
        let (code, report) = scene.ended(scene.start_soak(flags, command));
        assert_eq!((code, &report["outcome"]), (2, &Value::from("could_not_look")), "{report}");
        let said = reasons(&report)[0];
        assert!(said.ends_with("seen: a verdict needs 45 s, or give --max-growth"), "{said}");
        assert_eq!(scene.evidence()["outcome"], "could_not_look");
    }
    for flag in ["--csv", "--svg"] {
        let scene = Scene::new();
        let (file, started) = (scene.at("nowhere/soak"), scene.at("started"));
        let running = scene.start_soak(&[flag, &file, "--for", "1s"], &["touch", &started]);
        assert_eq!(running.wait().code(), Some(2));
        let said = scene.text("stderr");
        assert!(said.contains(&format!("cannot write {file}: ")), "{said}");
        assert!(!scene.path("started").exists());
    }
}

#[test]
fn a_command_that_ends_early_fails_with_what_it_did() {
    let scene = Scene::new();
    let done = scene.at("done");
    let from = format!("file:{done}");
    let flags = ["--ops", "1550", "--ops-from", &from];
    let (code, report) = scene.soak(&flags, &["--file", &done, "--ops", "20"]);
    assert_eq!((code, reasons(&report)), (1, vec!["ended after 20 of 1550 operations"]), "{report}");
    // One that fails has shown nothing, however much it did.
    let scene = Scene::new();
    let (code, report) = scene.ended(scene.start_soak(&[], &["sh", "-c", "sleep 1; exit 3"]));
    assert_eq!((code, reasons(&report)), (1, vec!["it failed with code 3"]), "{report}");
}

#[test]
fn what_is_left_behind_fails_a_soak() {
    let scene = Scene::new();
    let done = scene.at("done");
    let from = format!("file:{done}");
    // It is deaf before its first operation, however long python takes to start.
    let flags = ["--ops", "300", "--ops-from", &from, "--grace", "500ms"];
    let (code, report) = scene.soak(&flags, &["--deaf", "--file", &done]);
    assert_eq!((code, number(&report, "left_behind")), (1, 1), "{report}");
    let scene = Scene::new();
    let command = ["sh", "-c", "setsid sleep 1000 & sleep 1"];
    let (code, report) = scene.ended(scene.start_soak(&[], &command));
    assert_eq!((code, reasons(&report)), (1, vec!["left behind: 1 process"]), "{report}");
}

/// TERM to the soak ends everything, and what was seen until then is told.
#[test]
fn a_soak_that_is_ended_leaves_nothing() {
    let scene = Scene::new();
    let (done, path) = (scene.at("done"), script("soak.py"));
    let from = format!("file:{done}");
    let line = format!("python3 -S {path} --file {done} & sleep 1000 & wait");
    let running = scene.start_soak(&["--ops", "1000000", "--ops-from", &from], &["sh", "-c", &line]);
    wait_for("some operations are done", PATIENCE, || match scene.text("done").parse::<u64>() {
        Ok(done) if done > 50 => Ok(()),
        _ => Err(scene.text("stderr")),
    });
    let status = scene.live();
    assert_eq!(status["phase"], "running");
    running.signal(15);
    let (code, report) = scene.ended(running);
    assert_eq!(code, 1, "{report}");
    let said = reasons(&report)[0];
    assert!(said.starts_with("was stopped after") && said.ends_with("of 1000000 operations"), "{said}");
    assert_eq!(scene.evidence()["passed"], false);
}
