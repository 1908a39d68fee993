//! `scupper replay`: what a policy would have done with recordings, and with those that are none.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Answer, Sandbox};

const MIB: u64 = 1 << 20;

/// 100 MiB, and one more each second, for five minutes; the tree has ten more.
fn leak() -> String {
    let mut text = "seconds,rss_bytes,tree_rss_bytes,fds\n".to_owned();
    for at in 0..=300 {
        writeln!(text, "{at},{},{},{}", (90 + at) * MIB, (100 + at) * MIB, 10 + at / 10).unwrap();
    }
    text
}

fn flat() -> String {
    let mut text = "seconds,rss_bytes\n".to_owned();
    (0..=300).for_each(|at| writeln!(text, "{at},{}", 100 * MIB + at % 7 * 4096).unwrap());
    text
}

fn replay(text: impl AsRef<[u8]>, arguments: &[&str]) -> Answer {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("web.csv"), text.as_ref()).unwrap();
    sandbox.run(&[&["replay", "web.csv"], arguments].concat())
}

fn json(text: impl AsRef<[u8]>, arguments: &[&str]) -> (i32, Value) {
    let answer = replay(text, &[&["--json"], arguments].concat());
    let value =
        serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {}{}", answer.out, answer.err));
    (answer.code, value)
}

fn events<'v>(report: &'v Value, name: &str) -> Vec<&'v Value> {
    report["events"].as_array().unwrap().iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn a_leak_is_recycled_in_the_words_of_events() {
    let answer = replay(leak(), &["--mem-soft", "150M", "--mem-hard", "1G"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, ""), "{}", answer.out);
    let lines: Vec<&str> = answer.out.lines().collect();
    assert_eq!(lines[0], "0s +0s event=unit_started main=4194305 command=web profile=web start=1");
    assert!(
        lines[1].starts_with(
            "51s +51s event=limit_crossed resource=memory level=soft value=151.0MiB limit=150.0MiB"
        ),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "51s +51s event=signal_sent target=4194305 name=web signal=TERM reason=soft_limit");
    assert!(lines[3].starts_with("52s +52s event=unit_exited pid=4194305 name=web role=main how=exited"));
    assert_eq!(lines[4], "52s +52s event=unit_restarting cause=recycle restarts=1 delay=0s");
    assert!(
        answer.out.contains("\nmemory: peak 400 MiB recorded, 151 MiB replayed; above soft 150 MiB for ")
    );
    assert!(answer.out.contains("; above hard 1 GiB never recorded, never replayed\n"), "{}", answer.out);
    assert!(answer.out.contains("\nfirst warning: at 51 s, first urgent: never, "), "{}", answer.out);
}

#[test]
fn the_json_has_a_summary_and_the_events() {
    let (code, report) = json(leak(), &["--mem-soft", "150M"]);
    assert_eq!((code, report["schema"].as_str()), (1, Some("scupper.replay/1")));
    let summary = &report["summary"];
    assert_eq!((&summary["findings"], &summary["ended_by"]), (&true.into(), &"recording".into()));
    assert_eq!(summary["restarts"], summary["terms"]);
    assert_eq!(summary["kills"], 0);
    assert_eq!(summary["peak_bytes_recorded"], 400 * MIB);
    assert_eq!(summary["peak_bytes_replayed"], 151 * MIB);
    assert_eq!(summary["first_warning_seconds"], 51.0);
    assert_eq!(summary["hard_limit_crossed"], false);
    assert_eq!(summary["resources"][0]["recorded"]["above_soft_seconds"], 249.0);
    let crossed = events(&report, "limit_crossed");
    assert_eq!((&crossed[0]["after_seconds"], &crossed[0]["value"]), (&51.0.into(), &(151 * MIB).into()));
}

#[test]
fn a_hard_limit_kills_and_who_observes_does_nothing() {
    let (code, report) = json(leak(), &["--mem-hard", "150M"]);
    let summary = &report["summary"];
    assert_eq!((code, &summary["terms"], &summary["kills"]), (1, &0.into(), &1.into()));
    assert_eq!((&summary["ended_by"], &summary["exit_code"]), (&"unit".into(), &137.into()));
    assert_eq!(summary["hard_limit_crossed"], true);
    let (code, report) = json(leak(), &["--mem-hard", "150M", "--policy", "observe"]);
    assert_eq!(code, i32::from(!report["summary"]["first_leaking_seconds"].is_null()));
    assert!(events(&report, "signal_sent").is_empty());
    assert_eq!(events(&report, "limit_crossed")[0]["action"], "none: observe");
}

#[test]
fn what_does_not_grow_is_left_alone() {
    let answer = replay(flat(), &["--mem-soft", "150M", "--mem-hard", "200M", "--max-fds", "100"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert!(answer.out.contains("\ndone: nothing\n"), "{}", answer.out);
    // What was not recorded is not said to be within its limit.
    assert_eq!(answer.err, "not judged, since the recording has no such column: --max-fds\n");
}

#[test]
fn counts_are_limited_too() {
    let (code, report) = json(leak(), &["--max-fds", "20"]);
    let crossed = events(&report, "limit_crossed");
    assert_eq!((code, &crossed[0]["resource"]), (1, &"descriptors".into()));
    assert_eq!((&crossed[0]["after_seconds"], &crossed[0]["value"]), (&110.0.into(), &21.into()));
}

#[test]
fn how_it_drains_and_what_comes_after_it_are_asked_for() {
    let sent = |arguments: &[&str]| {
        let (_, report) = json(leak(), &[&["--mem-soft", "150M"], arguments].concat());
        let sent = events(&report, "signal_sent");
        let of =
            |event: &&Value| (event["after_seconds"].as_f64().unwrap(), event["signal"].as_i64().unwrap());
        sent.iter().take(2).map(of).collect::<Vec<_>>()
    };
    assert_eq!(sent(&["--drains-in", "never", "--grace", "10s"]), [(51.0, 15), (61.0, 9)]);
    assert_eq!(sent(&["--drains-in", "9s"]), [(51.0, 15), (111.0, 15)]);
    assert_eq!(sent(&["--after", "stop"]), [(51.0, 15)]);
    assert_ne!(sent(&["--after", "continue"])[1], (103.0, 15));
}

#[test]
fn a_unit_of_the_file_is_replayed_and_flags_win() {
    let sandbox = Sandbox::new();
    let unit = "[[unit]]\nname = \"web\"\ncommand = [\"gunicorn\", \"app:app\"]\nmem_soft = \"50%\"\nmem_hard = \"1G\"\n";
    std::fs::write(sandbox.path("scupper.toml"), unit).unwrap();
    std::fs::write(sandbox.path("rec.csv"), leak()).unwrap();
    let run =
        |arguments: &[&str]| sandbox.run(&[&["replay", "rec.csv", "--unit", "web"], arguments].concat());
    let answer = run(&["--host-memory", "300M"]);
    assert_eq!(answer.code, 1, "{}{}", answer.out, answer.err);
    assert!(answer.out.starts_with("0s +0s event=unit_started main=4194305 command=\"gunicorn app:app\""));
    assert!(
        answer.out.contains("\n51s +51s event=signal_sent target=4194305 name=web signal=TERM"),
        "{}",
        answer.out
    );
    let answer = run(&["--mem-soft", "200M"]);
    assert!(answer.out.contains("\n101s +1m41s event=signal_sent "), "{}", answer.out);
    let answer = run(&[]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.err.contains("percentage") && answer.err.contains("hint: add --host-memory"),
        "{}",
        answer.err
    );
    let answer = sandbox.run(&["replay", "rec.csv", "--unit", "worker"]);
    assert_eq!((answer.code, answer.err.contains("it has: web")), (2, true), "{}", answer.err);
}

#[test]
fn a_clock_since_1970_is_told_as_it_was() {
    let mut text = "at,rss_bytes\n".to_owned();
    for at in 0..100 {
        writeln!(text, "2026-11-01T10:{:02}:{:02}Z,{}", at / 60, at % 60, (100 + at) * MIB).unwrap();
    }
    let answer = replay(&text, &["--mem-soft", "150M"]);
    assert!(answer.out.contains("\n2026-11-01T10:00:51.000Z +51s event=signal_sent "), "{}", answer.out);
    let (_, report) = json(&text, &["--mem-soft", "150M"]);
    assert_eq!(events(&report, "signal_sent")[0]["at"], "2026-11-01T10:00:51.000Z");
}

#[test]
fn a_recording_comes_from_stdin_and_from_prometheus() {
    let mut values = String::new();
    (0..200).for_each(|at| write!(values, "[{at},\"{}\"],", (100 + at) * MIB).unwrap());
    let scraped = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"__name__":
        "process_resident_memory_bytes","job":"web"}},"values":[{}]}}]}}}}"#,
        values.trim_end_matches(',')
    );
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(&["replay", "-", "--mem-soft", "150M", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(scraped.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report["format"].as_str()), (Some(1), Some("prometheus")));
    assert_eq!(events(&report, "signal_sent")[0]["after_seconds"], 51.0);
    assert_eq!(events(&report, "unit_started")[0]["command"], "recording");
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    for (text, arguments, said) in [
        ("", &[][..], "cannot replay web.csv: it is empty"),
        ("seconds,rss_bytes\n9,1\n1,2\n2,3\n", &[], "2 of 3 samples cannot be used: line 3: not later than"),
        ("seconds,zombies\n1,2\n", &[], "cannot replay web.csv: it has no column of memory, descriptors"),
        ("seconds,rss_bytes\n1,2\n", &["--mem-soft", "2G", "--mem-hard", "1G"], "--mem-soft (2GiB) is above"),
        ("seconds,a,b\n1,2,3\n", &["--column", "a", "--column", "b"], "`a` or `b`? Name it with --column"),
        ("seconds,rss_bytes\n1,2\n", &["--drains-in", "soon"], "or `never`"),
    ] {
        let answer = replay(text, arguments);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{text}: {}", answer.err);
        assert!(answer.err.contains(said), "{}", answer.err);
    }
}

/// A real program that leaks: what was recorded of it, taken from the corpus that the detector is tuned with.
#[test]
fn a_real_leak_is_held_inside_its_limits() {
    let recordings =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/detect/corpus/recordings/tuning");
    let unzipped = |name: &str| {
        let output = Command::new("gzip").arg("-dc").arg(recordings.join(name)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let limits = ["--mem-soft", "100M", "--mem-hard", "200M"];
    let (code, report) = json(unzipped("py-list-fast.csv.gz"), &limits);
    let summary = &report["summary"];
    assert_eq!((code, &summary["kills"]), (1, &0.into()), "{summary}");
    assert!(summary["peak_bytes_recorded"].as_u64().unwrap() > 200 * MIB);
    assert!(summary["peak_bytes_replayed"].as_u64().unwrap() < 110 * MIB);
    assert!(summary["recycle_restarts"].as_u64().unwrap() >= 2);
    let (code, report) = json(unzipped("py-idle.csv.gz"), &[&limits[..], &["--recycle", "on-leak"]].concat());
    assert_eq!((code, &report["summary"]["restarts"]), (0, &0.into()), "{}", report["summary"]);
}

/// It needs no process, and touches none: neither the number that it names nor any other is there to be signalled.
#[test]
fn no_process_is_started_or_touched() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("web.csv"), leak()).unwrap();
    let witness = sandbox.path("started");
    let unit = format!("[[unit]]\nname = \"web\"\ncommand = [\"touch\", {witness:?}]\nmem_soft = \"150M\"\n");
    std::fs::write(sandbox.path("scupper.toml"), unit).unwrap();
    let answer = sandbox.run(&["replay", "web.csv", "--unit", "web"]);
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert!(!witness.exists());
    // No record, no socket, no evidence.
    let mut left: Vec<_> =
        std::fs::read_dir(sandbox.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["scupper.toml", "web.csv"]);
}
