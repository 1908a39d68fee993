//! Workers of one build in one recording: who of them grows unlike the others.

use std::fmt::Write as _;

use super::{MIB, analyze, json};

/// Workers of one build over six hours, of so many MiB an hour each.
fn workers(paces: &[f64]) -> Vec<Vec<(u32, String)>> {
    let of = |(worker, pace): (u32, &f64)| {
        let noise = |at: f64| ((at + f64::from(worker) * 31.0) * 0.7).sin().abs();
        let row = |at: u32| {
            let seconds = f64::from(at);
            (at, format!("{:.0}", (150.0 + pace * seconds / 3600.0 + noise(seconds)) * MIB))
        };
        (0..720).map(|row| row * 30).map(row).collect()
    };
    (0..).zip(paces).map(of).collect()
}

fn matrix(workers: &[Vec<(u32, String)>]) -> String {
    let series = workers.iter().enumerate().map(|(worker, rows)| {
        let values: Vec<String> = rows.iter().map(|(at, rss)| format!("[{at},\"{rss}\"]")).collect();
        let values = values.join(",");
        format!(
            r#"{{"metric":{{"__name__":"process_resident_memory_bytes","worker":"{worker}"}},"values":[{values}]}}"#
        )
    });
    let series = series.collect::<Vec<_>>().join(",");
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
}

#[test]
fn a_worker_that_grows_unlike_the_others_is_named() {
    let six = workers(&[0.1, 0.0, 0.2, 50.0, 0.3, 0.1]);
    let name = "process_resident_memory_bytes{worker=\"3\"}";
    let (code, report) = json(matrix(&six), &[]);
    let unlike = report["unlike"].as_array().unwrap();
    assert_eq!((code, unlike.len(), unlike[0]["column"].as_str()), (1, 1, Some(name)), "{unlike:?}");
    let of = |key: &str| unlike[0][key].as_f64().unwrap();
    assert!((40.0..60.0).contains(&(of("slope_per_hour") / MIB)), "{unlike:?}");
    assert!((of("usual_per_hour") / MIB).abs() < 2.0 && of("score") > 3.5, "{unlike:?}");
    let answer = analyze(matrix(&six), &[]);
    let told = answer.out.lines().find(|line| line.starts_with("grows unlike the others: ")).unwrap();
    let (who, usual) = told.split_once(" MiB/h where ").unwrap();
    assert!(who.starts_with(&format!("grows unlike the others: {name} +")), "{told}");
    assert!(usual.ends_with(" MiB/h is usual"), "{told}");
}

#[test]
fn who_grows_like_the_others_and_who_is_no_equal_of_theirs_is_not() {
    for paces in [&[50.0, 50.5, 49.5, 50.2, 49.9, 50.1][..], &[0.0, 0.0, 50.0]] {
        assert_eq!(json(matrix(&workers(paces)), &[]).1["unlike"], serde_json::json!([]));
    }
    let rows = workers(&[0.1, 0.0, 0.2, 50.0]);
    let csv = |header: &str| {
        let mut text = format!("{header}\n");
        for row in 0..rows[0].len() {
            let values: Vec<&str> = rows.iter().map(|worker| worker[row].1.as_str()).collect();
            writeln!(text, "{},{}", rows[0][row].0, values.join(",")).unwrap();
        }
        text
    };
    // Numbers of one process are no fleet.
    let (_, report) = json(csv("seconds,fds,threads,sockets,tasks"), &[]);
    assert_eq!(report["unlike"], serde_json::json!([]));
    let chosen = ["--column", "a", "--column", "b", "--column", "c", "--column", "d"];
    let (_, report) = json(csv("seconds,a,b,c,d"), &chosen);
    assert_eq!(report["unlike"][0]["column"], "d", "{}", report["unlike"]);
}
