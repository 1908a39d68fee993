//! `scupper analyze`: what it says of recordings, and what it makes of those that are none.

mod fleet;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Answer, Sandbox};

const MIB: f64 = 1_048_576.0;

/// A recording: a row every `step` seconds, with so many MiB.
fn csv(rows: u32, step: u32, mib: impl Fn(f64) -> f64) -> String {
    let mut text = "seconds,rss_bytes\n".to_owned();
    for at in (0..rows).map(|row| f64::from(row * step)) {
        // A little noise, the same each time.
        let noise = (at * 0.7).sin().abs() + (at * 0.013).sin().abs();
        writeln!(text, "{at},{:.0}", (mib(at) + noise) * MIB).unwrap();
    }
    text
}

/// Six hours of 50 MiB an hour.
fn leak() -> String {
    csv(2160, 10, |at| 150.0 + 50.0 * at / 3600.0)
}

/// Six hours of nothing.
fn flat() -> String {
    csv(2160, 10, |_| 150.0)
}

fn analyze(text: impl AsRef<[u8]>, arguments: &[&str]) -> Answer {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("rec"), text.as_ref()).unwrap();
    sandbox.run(&[&["analyze", "rec"], arguments].concat())
}

fn json(text: impl AsRef<[u8]>, arguments: &[&str]) -> (i32, Value) {
    let answer = analyze(text, &[&["--json"], arguments].concat());
    let value =
        serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {}{}", answer.out, answer.err));
    (answer.code, value)
}

/// Refused with exit code 2 and one line.
fn refused(text: impl AsRef<[u8]>, arguments: &[&str]) -> String {
    let answer = analyze(text, arguments);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}: {}", answer.err);
    let said = answer.err.strip_prefix("error: ").expect(&answer.err).strip_suffix('\n').expect(&answer.err);
    assert!(!said.contains(char::is_control), "{said}");
    said.to_owned()
}

#[test]
fn a_leak_is_told_with_its_pace_and_its_limit() {
    let answer = analyze(leak(), &["--limit", "1G"]);
    assert_eq!(answer.code, 1, "{}", answer.out);
    assert_eq!(answer.err, "");
    let first = answer.out.lines().next().unwrap();
    assert!(first.starts_with("rss_bytes: leaking (+") && first.contains(" MiB/h, 95 %: "), "{first}");
    assert!(first.contains(", limit 1 GiB in ") && first.contains(", confidence 0."), "{first}");
    assert!(answer.out.lines().nth(1).unwrap().starts_with("  - "), "{}", answer.out);
    assert!(answer.out.contains("history: unknown at 0 s, "), "{}", answer.out);
}

#[test]
fn the_json_of_a_leak_has_all_of_it() {
    let (code, report) = json(leak(), &["--limit", "1G"]);
    assert_eq!(code, 1);
    assert_eq!(report["schema"], "scupper.analysis/1");
    for whole in [&report, &report["series"][0]] {
        assert_eq!((&whole["verdict"], &whole["column"]), (&"leaking".into(), &"rss_bytes".into()));
        let slope = whole["slope_bytes_per_hour"].as_f64().unwrap() / MIB;
        assert!((45.0..55.0).contains(&slope), "{slope}");
        let interval = &whole["slope_interval"];
        assert!(interval[0].as_f64() < interval[1].as_f64(), "{interval}");
        let left = whole["time_to_limit_seconds"].as_f64().unwrap() / 3600.0;
        assert!((9.0..14.0).contains(&left), "{left}");
        assert_eq!(whole["forecast"]["is"], "within");
        assert!(
            whole["forecast"]["earliest_seconds"].as_f64() <= whole["forecast"]["likely_seconds"].as_f64()
        );
        assert!((0.5..=1.0).contains(&whole["confidence"].as_f64().unwrap()));
        assert!(!whole["reasons"][0]["tag"].as_str().unwrap().is_empty());
        assert_eq!(whole["samples"], 2160);
        let history = whole["history"].as_array().unwrap();
        assert_eq!(history[0]["at_seconds"], 0.0);
        assert_eq!(history.last().unwrap()["verdict"], "leaking");
    }
    assert_eq!(report["rejected"]["count"], 0);
}

#[test]
fn what_does_not_grow_is_clean() {
    let (code, report) = json(flat(), &["--limit", "512M"]);
    assert_eq!((code, report["verdict"].as_str()), (0, Some("stable")));
    assert_eq!(report["forecast"]["is"], "not_at_this_rate");
    assert_eq!(report["time_to_limit_seconds"], Value::Null);
    let answer = analyze(flat(), &["--limit", "512M"]);
    assert!(answer.out.contains("limit 512 MiB not at this rate"), "{}", answer.out);
}

#[test]
fn a_short_run_is_judged_when_asked() {
    let two_minutes = csv(121, 1, |at| 150.0 + 30.0 * at / 60.0);
    let (code, report) = json(&two_minutes, &["--horizon", "long"]);
    assert_eq!((code, report["verdict"].as_str()), (0, Some("unknown")));
    let (code, report) = json(&two_minutes, &["--horizon", "short"]);
    assert_eq!((code, report["verdict"].as_str()), (1, Some("leaking")));
}

#[test]
fn the_operators_rule_is_obeyed() {
    let jump = csv(600, 1, |at| if at < 300.0 { 150.0 } else { 400.0 });
    let (code, _) = json(&jump, &[]);
    assert_eq!(code, 0);
    let (code, report) = json(&jump, &["--grow", "100M/5m"]);
    let ever = report["history"].as_array().unwrap().iter().any(|change| change["verdict"] == "leaking");
    assert!(ever, "{code} {report}");
}

#[test]
fn each_column_has_its_verdict_and_the_whole_the_worst() {
    let mut text = "seconds,requests,rss_bytes,fds,cpu_seconds\n".to_owned();
    for row in 0..2160 {
        writeln!(text, "{},{},{},{},{}", row * 10, row * 3, 100_000_000 + row % 7, 20 + row / 20, row / 9)
            .unwrap();
    }
    let (code, report) = json(&text, &["--limit", "1G"]);
    let of = |column: &str| {
        report["series"].as_array().unwrap().iter().find(|series| series["column"] == column).unwrap().clone()
    };
    assert_eq!((code, report["column"].as_str()), (1, Some("fds")));
    assert_eq!(of("rss_bytes")["verdict"], "stable");
    assert_eq!(of("fds")["unit"], "count");
    assert_eq!((&of("fds")["limit"], &of("fds")["slope_bytes_per_hour"]), (&Value::Null, &Value::Null));
    for counter in ["requests", "cpu_seconds"] {
        assert_eq!(of(counter)["verdict"], "stable");
        assert_eq!(of(counter)["reasons"][0]["tag"], "counter");
    }
    let answer = analyze(&text, &[]);
    assert!(answer.out.ends_with("\nverdict: leaking (fds)\n"), "{}", answer.out);
    let (code, report) = json(&text, &["--column", "rss_bytes"]);
    assert_eq!((code, report["series"].as_array().unwrap().len()), (0, 1));
}

#[test]
fn growth_per_request_is_told_where_requests_are_counted() {
    let mut text = "seconds,requests,rss_bytes\n".to_owned();
    for row in 0..2160_u64 {
        writeln!(text, "{},{},{}", row * 10, row * 3, 100_000_000 + row * 3 * 65_536).unwrap();
    }
    let (_, report) = json(&text, &[]);
    let slope = report["per_operation"]["slope"].as_f64().unwrap();
    assert!((60_000.0..70_000.0).contains(&slope), "{slope}");
    let counter = report["series"].as_array().unwrap().iter().find(|series| series["column"] == "requests");
    assert!(counter.unwrap().get("per_operation").is_none());
    let (_, report) = json(leak(), &[]);
    assert!(report.get("per_operation").is_none());
}

#[test]
fn every_format_gives_the_same_verdict() {
    let csv = leak();
    let rows: Vec<(&str, &str)> = csv.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
    let object = |(at, rss): &(&str, &str)| format!("{{\"seconds\":{at},\"rss_bytes\":{rss}}}");
    let lines = rows.iter().map(object).collect::<Vec<_>>();
    let values: Vec<String> = rows.iter().map(|(at, rss)| format!("[{at},\"{rss}\"]")).collect();
    let series = format!(r#"{{"metric":{{"__name__":"rss_bytes"}},"values":[{}]}}"#, values.join(","));
    let data = format!(r#"{{"resultType":"matrix","result":[{series}]}}"#);
    let (_, expected) = json(&csv, &[]);
    for (format, text) in [
        ("csv", csv.replace('\n', "\r\n")),
        ("csv", format!("\u{feff}{csv}")),
        ("jsonl", lines.join("\n")),
        ("jsonl", format!("[{}]", lines.join(","))),
        ("prometheus", format!(r#"{{"status":"success","data":{data}}}"#)),
        ("prometheus", data),
    ] {
        let (code, mut report) = json(&text, &[]);
        assert_eq!((code, report["format"].as_str()), (1, Some(format)));
        report["format"] = "csv".into();
        assert_eq!(report, expected, "{format}");
    }
}

#[test]
fn a_dash_is_stdin() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["analyze", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(leak().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["verdict"], "leaking");
}

#[test]
fn history_is_on_the_clock_of_the_recording() {
    let text = leak().replace("seconds", "at").lines().map(shift).collect::<Vec<_>>().join("\n");
    let (_, report) = json(&text, &["--time", "at"]);
    assert_eq!(report["started_at_seconds"], 1_767_323_045.0);
    assert_eq!(report["history"][0]["at_seconds"], 1_767_323_045.0);
    assert_eq!(report["last_at_seconds"], 1_767_323_045.0 + 21_590.0);
    assert_eq!(report["verdict"], "leaking");
}

/// The same row, with the time as a date.
fn shift(line: &str) -> String {
    match line.split_once(',') {
        Some((at, rest)) if at != "at" => {
            let at: u64 = 1_767_323_045_000 + at.parse::<u64>().unwrap() * 1000;
            format!("{},{rest}", scupper_model::Timestamp(at))
        }
        _ => line.to_owned(),
    }
}

#[test]
fn the_curve_is_drawn_as_svg() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("rec.csv"), leak()).unwrap();
    std::fs::write(sandbox.path("rec.svg"), "old").unwrap();
    let answer = sandbox.run(&["analyze", "rec.csv", "--limit", "512M", "--svg", "rec.svg"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, ""));
    let svg = std::fs::read_to_string(sandbox.path("rec.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    for text in ["rss_bytes", "limit 512 MiB", "leaking", "samples", "floor", "fit", "forecast, 95 %"] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
    assert_eq!(std::fs::read_dir(sandbox.root.path()).unwrap().count(), 2, "nothing is left beside it");

    let answer = sandbox.run(&["analyze", "rec.csv", "--svg", "-"]);
    roxmltree::Document::parse(&answer.out).unwrap();
    assert!(answer.err.starts_with("rss_bytes: leaking"), "{}", answer.err);

    let answer = sandbox.run(&["analyze", "rec.csv", "--svg", "nowhere/rec.svg"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.starts_with("error: cannot write nowhere/rec.svg: "), "{}", answer.err);
    let answer = sandbox.run(&["analyze", "rec.csv", "--svg", "-", "--json"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    assert!(answer.err.contains("both want stdout"), "{}", answer.err);
    let answer = sandbox.run(&["analyze", "rec.csv", "--svg", "/dev/null"]);
    assert_eq!(answer.code, 1);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_chart_is_drawn_for_a_person_or_where_it_is_asked_for() {
    let plain = analyze(leak(), &[]);
    assert!(plain.out.starts_with("rss_bytes: "), "{}", plain.out);
    let drawn = analyze(leak(), &["--chart", "--limit", "512M"]);
    assert!(drawn.out.is_ascii(), "no UTF-8 locale is set: {}", drawn.out);
    for text in ["MiB |", "+----", "1 h", "- limit 512 MiB", "\nrss_bytes: leaking"] {
        assert!(drawn.out.contains(text), "{text}: {}", drawn.out);
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("rec"), leak()).unwrap();
    let output = sandbox.command(&["analyze", "rec", "--chart"]).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains('\u{2514}'));
}

#[test]
fn samples_that_cannot_be_used_are_counted_in_one_line() {
    let bad = leak().replace("\n150,", "\nNaN,").replace("\n160,", "\n150,-").replace("\n200,", "\n20,");
    let answer = analyze(&bad, &[]);
    assert_eq!(answer.code, 1);
    assert_eq!(
        answer.err,
        "3 of 2160 samples were not usable: line 17: its time is neither seconds nor RFC 3339\n"
    );
    let (code, report) = json(&bad, &[]);
    assert_eq!((code, &report["rejected"]["count"]), (1, &3.into()));
    let first = &report["rejected"]["first"];
    assert_eq!(first[0]["place"], "line 17");
    assert_eq!((&first[1]["column"], &first[1]["why"]), (&"rss_bytes".into(), &"negative".into()));
    assert_eq!(first[2]["why"], "not later than the sample before it (line 21 is at 190 s)");
}

#[test]
fn unusable_input_is_one_clear_line() {
    let of = |rows: &str| format!("seconds,rss_bytes\n{rows}");
    for (text, arguments, words) in [
        (String::new(), &[][..], "cannot analyze rec: it is empty"),
        (of(""), &[], "cannot analyze rec: no usable sample"),
        (of("0,NaN\n1,NaN\n"), &[], "no usable sample: line 2: rss_bytes: not a number (2 samples"),
        (of("0,-1\n"), &[], "line 2: rss_bytes: negative"),
        (of("-2,1\n-1,2\n"), &[], "line 2: its time is negative"),
        ("seconds,memory\n0,1\n".to_owned(), &[], "there are: seconds, memory; name one with --column"),
        (
            of("0,1\n"),
            &["--column", "rss_byte"],
            "no column `rss_byte`; there are: seconds, rss_bytes; did you mean",
        ),
        ("time,rss_bytes\n0,1\n".to_owned(), &[], "--time time takes that one"),
        ("0,1\n1,2\n".to_owned(), &[], "line 1 is no header"),
        (of(&format!("0,{}\n", "1".repeat(1 << 20))), &[], "line 2 is longer than 1 MiB"),
        (
            "[{\"seconds\":1,\"rss_bytes\":".to_owned(),
            &[],
            "no valid JSON: EOF while parsing a value at line 1",
        ),
        ("{\"status\":\"success\",\"data\":{".to_owned(), &[], "no valid JSON: EOF"),
        ("{\"seconds\":1,\"rss_by".to_owned(), &[], "no JSON: EOF while parsing a string"),
        (r#"{"status":"error","errorType":"bad_data","error":"x"}"#.to_owned(), &[], "error: bad_data: x"),
        (r#"{"resultType":"vector","result":[]}"#.to_owned(), &[], "a Prometheus vector, one moment only"),
        ("\u{0}ELF".to_owned(), &[], "it is no UTF-8 text (it begins with the bytes 00 45 4c 46)"),
        (of("0,1\n"), &["--format", "prometheus"], "no valid JSON: expected value at line 1 column 1"),
    ] {
        let said = refused(&text, arguments);
        assert!(said.starts_with("cannot analyze rec: ") && said.contains(words), "{words}: {said}");
    }
    let sandbox = Sandbox::new();
    for (file, words) in [("nothing", "No such file or directory"), (".", "Is a directory")] {
        let answer = sandbox.run(&["analyze", file]);
        assert_eq!((answer.code, answer.err.lines().count()), (2, 1));
        assert!(answer.err.starts_with(&format!("error: cannot analyze {file}: it cannot be read: {words}")));
    }
}

#[test]
fn what_is_odd_is_judged_without_a_panic() {
    let of = |rows: &[(f64, f64)]| {
        let rows = rows.iter().map(|(at, value)| format!("{at},{value}\n"));
        format!("seconds,rss_bytes\n{}", rows.collect::<String>())
    };
    let rows = |f: fn(f64) -> (f64, f64)| of(&(0..2000).map(|n| f(f64::from(n))).collect::<Vec<_>>());
    let largest = 18_446_744_073_709_551_615.0;
    let all = [
        ("one sample", of(&[(5.0, 7.0)])),
        ("two samples", of(&[(5.0, 7.0), (6.0, 1e9)])),
        ("constant", rows(|n| (n * 60.0, 5e8))),
        ("zero", rows(|n| (n * 60.0, 0.0))),
        ("jumps of 10^9", rows(|n| (n * 60.0, 1e8 + 1e9 * (n % 2.0)))),
        ("gaps of days", rows(|n| (n * 60.0 + (n / 500.0).floor() * 864_000.0, 1e8 + n))),
        ("near u64", rows(|n| (n * 60.0, 18_446_744_073_709_551_615.0 - 2e6 + n * 1000.0))),
        ("to u64 at once", of(&[(0.0, 0.0), (60.0, largest), (3600.0, 0.0), (7200.0, largest)])),
        ("near the largest number", rows(|n| (n * 60.0, 1e24 / 2000.0 * n))),
        ("nanoseconds", rows(|n| (n * 1e-9, n))),
        ("a late clock", rows(|n| (1e15 + n * 60.0, 1e8))),
        ("a century", of(&[(0.0, 1.0), (3.1e9, 2.0), (3.2e9, 3.0)])),
    ];
    for (name, text) in all {
        for arguments in [
            &["--limit", "16777215T", "--svg", "/dev/null", "--chart"][..],
            &["--horizon", "short", "--grow", "1M/1s", "--limit", "1"],
        ] {
            let answer = analyze(&text, arguments);
            assert!(answer.code == 0 || answer.code == 1, "{name}: {} {}", answer.code, answer.err);
            assert!(
                answer.out.contains("rss_bytes: ") && !answer.out.contains("NaN"),
                "{name}: {}",
                answer.out
            );
            assert!(answer.err.lines().count() <= 1, "{name}: {}", answer.err);
        }
        let (_, report) = json(&text, &[]);
        assert_eq!(report["series"].as_array().map(Vec::len), Some(1), "{name}");
    }
    assert_eq!(json(of(&[(5.0, 7.0)]), &[]).1["verdict"], "unknown");
    assert_eq!(json(rows(|n| (n * 60.0, 5e8)), &[]).1["verdict"], "stable");
}

#[test]
fn bad_flags_say_what_would_be_right() {
    for (arguments, words) in [
        (&["analyze"][..], "FILE|-"),
        (&["analyze", "x", "--grow", "100M"], "SIZE/TIME such as 100M/5m"),
        (&["analyze", "x", "--limit", "lots"], "`lots` is no size"),
        (&["analyze", "x", "--horizon", "lnog"], "long"),
        (&["analyze", "x", "--unit", "MiB"], "bytes, count, percent"),
    ] {
        let answer = Sandbox::new().run(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""));
        assert!(answer.err.contains(words), "{}", answer.err);
    }
}

#[test]
fn one_bad_time_that_costs_the_most_of_it_makes_it_unusable() {
    let mut text = "seconds,rss_bytes\n".to_owned();
    for row in 0..3600 {
        let at = if row == 6 { 90_000 } else { row };
        writeln!(text, "{at},{}", 100_000_000 + row * 4096).unwrap();
    }
    let said = refused(&text, &[]);
    let why = "line 9: not later than the sample before it (line 8 is at 90000 s)";
    assert_eq!(said, format!("cannot analyze rec: 3593 of 3600 samples cannot be used: {why}"));
    // Half of it is enough.
    let half = "seconds,rss_bytes\n0,1\n1,x\n2,1\n3,-\n";
    assert_eq!(analyze(half, &[]).code, 0);
    let said = refused(format!("{half}4,-1\n"), &[]);
    assert!(said.ends_with("3 of 5 samples cannot be used: line 3: rss_bytes: not a number"), "{said}");
}
