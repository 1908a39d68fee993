//! `scupper ps`, and what is asked of a unit, against record files and a control socket that the test serves.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use scupper_detect::{Reason, Verdict};
use scupper_model::{
    Bytes, Connections, Judged, Limits, ProcessSample, ProcessState, Size, TreeSample, UnitPhase, Watched,
};
use scupper_supervise::control::{
    ProcessStatus, Reply, Request, SeriesStatus, Standing, UnitCounts, UnitStatus, socket_path,
};

use crate::support::{Sandbox, myself, predecessor, record};

fn status() -> UnitStatus {
    let sample = |rss: u64| ProcessSample {
        identity: myself(),
        parent: None,
        name: "gunicorn".into(),
        state: ProcessState::Alive,
        rss_bytes: Some(Bytes::mib(rss)),
        rss_anon_bytes: None,
        swap_bytes: None,
        pss_bytes: None,
        fds: Some(12),
        sockets: None,
        threads: None,
        cpu: None,
    };
    let process = |role: &str, rss, generation| ProcessStatus {
        sample: sample(rss),
        role: role.into(),
        connections: Some(Connections { close_wait: 7, ..Connections::default() }),
        growth_bytes: Some(1 << 20),
        standing: Standing::default(),
        generation,
        command: "gunicorn app:app -w 2".into(),
    };
    let judged = Judged {
        verdict: Verdict::Leaking,
        slope_per_hour: Some(12_582_912.0),
        time_to_limit_seconds: Some(7384),
        urgent: true,
        reasons: vec![Reason { tag: "rising_floor".into(), text: "the floor rose".into() }],
        ..Judged::default()
    };
    UnitStatus {
        standing: Standing::of_memory(judged.clone()),
        series: vec![SeriesStatus {
            series: Watched::Memory,
            target: None,
            name: None,
            value: 300 << 20,
            judged,
        }],
        record: record("web", myself()),
        tree: TreeSample { processes: 3, ..TreeSample::default() },
        size_bytes: Bytes::mib(300),
        growth_bytes_per_second: Some(1_572_864.0),
        limits: Limits { mem_soft: Some(Size::Absolute(Bytes::mib(450))), ..Limits::default() },
        processes: vec![process("worker", 200, 2), process("main", 30, 1)],
        helpers: Vec::new(),
        helper_counts: Vec::new(),
        phase: UnitPhase::Running,
        held: None,
        ready: None,
        status_text: None,
        uptime_seconds: Some(75.0),
        counts: UnitCounts { starts: 3, ..UnitCounts::default() },
        next_look_ms: 1000,
    }
}

/// Answers so many requests, and gives them back.
fn serve(sandbox: &Sandbox, answers: Vec<Reply>) -> JoinHandle<Vec<Request>> {
    let records = sandbox.records();
    records.write(&record("web", myself())).unwrap();
    let listener = UnixListener::bind(socket_path(&records.path(&"web".parse().unwrap()))).unwrap();
    thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            asked.push(serde_json::from_str(&line).unwrap());
            // One that was stopped removes its record before it answers, so that the asker finds it done.
            if matches!(asked.last(), Some(Request::Stop)) {
                records.remove(&"web".parse().unwrap());
            }
            writeln!(stream, "{}", serde_json::to_string(&answer).unwrap()).unwrap();
        }
        asked
    })
}

fn status_reply() -> Reply {
    Reply::Status(Box::new(status()))
}

#[test]
fn no_units_are_no_finding() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["ps"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""));
    assert!(answer.err.contains("scupper run -- COMMAND"));
    assert_eq!(
        sandbox.run(&["ps", "--json"]).out,
        "{\n  \"schema\": \"scupper.ps/1\",\n  \"units\": []\n}\n"
    );
}

#[test]
fn a_unit_that_answers_is_shown_as_it_is() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox, vec![status_reply()]);
    let answer = sandbox.run(&["ps", "--processes"]);
    assert_eq!(server.join().unwrap(), [Request::Status]);
    assert_eq!((answer.code, answer.err.as_str()), (0, "web: memory is leaking: the floor rose\n"));
    let own = std::process::id().to_string();
    let pad = |text: &str| format!("{text:>width$}", width = own.len().max(3));
    assert_eq!(
        answer.out,
        format!(
            "UNIT  PHASE         SIZE      LIMIT  VERDICT         SLOPE  TO-LIMIT  PROCS  RESTARTS  UPTIME\n\
             web   running  300.0 MiB  450.0 MiB  leaking!  +12.0 MiB/h     2h 3m      3         2  1m 15s\n\
             \n\
             web\n\
             {}  ROLE    GEN        RSS    GROWTH  VERDICT  SLOPE  TO-LIMIT  FDS  CLOSE-WAIT  THREADS  COMMAND\n\
             {own}  worker    2  200.0 MiB  +1.0 MiB  -            -         -   12           7        -  gunicorn app:app -w 2\n\
             {own}  main      1   30.0 MiB  +1.0 MiB  -            -         -   12           7        -  gunicorn app:app -w 2\n",
            pad("PID")
        )
    );
}

/// A unit of one process is judged twice and for the same reasons: they are said once, of the process.
#[test]
fn equal_reasons_are_said_once() {
    let sandbox = Sandbox::new();
    let mut status = status();
    let tree = status.series[0].clone();
    status.series.push(SeriesStatus { target: Some(myself()), name: Some("app".into()), ..tree });
    let server = serve(&sandbox, vec![Reply::Status(Box::new(status))]);
    let answer = sandbox.run(&["ps"]);
    server.join().unwrap();
    let said = format!("web: memory of app ({}) is leaking: the floor rose\n", myself());
    assert_eq!(answer.err, said);
}

#[test]
fn a_unit_whose_supervisor_is_gone_is_a_finding() {
    let sandbox = Sandbox::new();
    sandbox.records().write(&record("web", predecessor())).unwrap();
    let answer = sandbox.run(&["ps"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("web   supervisor gone     -  450.0 MiB"), "{}", answer.out);
    assert!(answer.err.contains("its scupper is gone"));
    let json: serde_json::Value = serde_json::from_str(&sandbox.run(&["ps", "--json"]).out).unwrap();
    assert_eq!(json["units"][0]["supervisor"], "gone");
    assert_eq!(json["units"][0]["status"], serde_json::Value::Null);
    let answer = sandbox.run(&["restart", "web"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("the scupper of web is gone"), "{}", answer.err);
    // Nothing carries its mark any more: stop has only its record to remove.
    let answer = sandbox.run(&["stop", "web"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert_eq!(sandbox.run(&["ps"]).code, 0);
}

#[test]
fn a_supervisor_that_lives_and_does_not_answer_is_not_gone() {
    let sandbox = Sandbox::new();
    sandbox.records().write(&record("web", myself())).unwrap();
    let answer = sandbox.run(&["ps", "web"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("no answer"), "{}", answer.out);
}

#[test]
fn a_file_that_is_no_record_hides_nothing() {
    let sandbox = Sandbox::new();
    let records = sandbox.records();
    records.write(&record("web", predecessor())).unwrap();
    std::fs::write(records.directory().join("bad.json"), "{").unwrap();
    let answer = sandbox.run(&["ps"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("web") && answer.err.contains("bad.json is no record"), "{}", answer.err);
}

#[test]
fn stop_waits_until_nothing_is_left() {
    let sandbox = Sandbox::new();
    let accepted = Reply::Accepted { message: "stopping".into() };
    let server = serve(&sandbox, vec![status_reply(), accepted]);
    let answer = sandbox.run(&["stop", "web"]);
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, "web: done\n", ""));
    assert_eq!(server.join().unwrap(), [Request::Status, Request::Stop]);
}

#[test]
fn a_recycle_that_takes_too_long_is_told() {
    let sandbox = Sandbox::new();
    let accepted = Reply::Accepted { message: "2 workers".into() };
    // Nobody serves after that: the unit stays as it is.
    let server = serve(&sandbox, vec![status_reply(), accepted]);
    let answer = sandbox.run(&["recycle", "web", "--timeout", "100ms"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, "web: not done after 100ms; it goes on\n"));
    server.join().unwrap();
}

#[test]
fn recycle_is_done_when_no_worker_is_the_same() {
    let sandbox = Sandbox::new();
    let mut anew = status();
    anew.processes[0].sample.identity = predecessor();
    let accepted = Reply::Accepted { message: "1 worker".into() };
    let server =
        serve(&sandbox, vec![status_reply(), accepted, status_reply(), Reply::Status(Box::new(anew))]);
    let answer = sandbox.run(&["recycle", "web", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.code, &json["done"], &json["message"]), (0, &true.into(), &"1 worker".into()));
    server.join().unwrap();
}

#[test]
fn set_sends_only_what_was_named() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox, vec![Reply::Accepted { message: "soft 600 MiB".into() }]);
    let answer = sandbox.run(&["set", "web", "--mem-soft", "600M", "--max-fds", "off"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "web: soft 600 MiB\n"));
    let asked = server.join().unwrap();
    let sent = serde_json::to_value(&asked[0]).unwrap();
    assert_eq!(sent["change"]["mem_soft"]["to"], "600MiB");
    assert_eq!(sent["change"]["fds"], serde_json::json!([null, null]));
    assert_eq!(sent["change"]["mem_hard"], serde_json::Value::Null);
}

#[test]
fn a_refusal_is_told_in_the_units_words() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox, vec![Reply::Refused { message: "it is stopping".into() }]);
    let answer = sandbox.run(&["set", "web", "--policy", "observe"]);
    assert_eq!((answer.code, answer.err.as_str()), (2, "error: web: it is stopping\n"));
    server.join().unwrap();
}
