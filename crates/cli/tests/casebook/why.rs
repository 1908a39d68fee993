//! `scupper why`: suspects, ranked, from recorded events and from what runs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use scupper_detect::{Reason, Verdict};
use scupper_evidence::{Options, Store};
use scupper_model::{
    Class, Comparison, EVENT_SCHEMA, Event, EventKind, History, Identity, Judged, Pid, Profile,
    ResourceChange, ResourceKind, RunId, StartTime, Timestamp, Watched,
};

use crate::scene::{PATIENCE, Room, wait_for};

const RUN: &str = "00000000000070008000000000000001";
const GONE: i32 = 2_000_000_000;

fn who(pid: i32) -> Identity {
    let boot_id = "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap();
    Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(1), boot_id }
}

/// A unit `web` that leaked connections, half an hour ago, and whose processes are gone.
fn events() -> Vec<EventKind> {
    let judged = Judged {
        verdict: Verdict::Leaking,
        slope_per_hour: Some(7200.0),
        class: Class::Sockets,
        time_to_limit_seconds: Some(120),
        reasons: vec![Reason { tag: "keeps_more".into(), text: "keeps 60 more".into() }],
        ..Judged::default()
    };
    let comparison = Comparison {
        target: who(GONE),
        name: "python3".into(),
        role: "main".into(),
        tree: true,
        series: Watched::CloseWait,
        because: "leaking".into(),
        after_ms: 30_000,
        operations: Some(600),
        memory: Vec::new(),
        resources: vec![ResourceChange {
            kind: ResourceKind::Socket,
            what: "tcp CLOSE_WAIT outbound to 127.0.0.1:8301".into(),
            before: 2,
            after: 62,
            bytes_before: None,
            bytes: None,
        }],
        more_changes: 0,
        unread: Vec::new(),
    };
    let history = History {
        series: Watched::CloseWait,
        target: None,
        name: None,
        seconds_before: (0..60).rev().map(f64::from).collect(),
        values: (0..60).collect(),
        because: "leaking".into(),
        pattern: None,
    };
    vec![
        EventKind::UnitStarted {
            main: who(GONE),
            command: "python3 app.py".into(),
            profile: Profile::Web,
            start: 1,
            cgroup: None,
        },
        EventKind::VerdictChanged {
            series: Watched::CloseWait,
            target: None,
            name: None,
            value: 62,
            previous: Verdict::Unknown,
            judged: Box::new(judged),
        },
        EventKind::ResourcesCompared { comparison: Box::new(comparison) },
        EventKind::SeriesRecorded { history: Box::new(history) },
    ]
}

fn recorded(room: &Room, unit: &str, run: &str, kinds: Vec<EventKind>) -> Vec<String> {
    let start = Timestamp::from_system(SystemTime::now() - Duration::from_mins(30)).0;
    let events = (start..).step_by(1000).zip(kinds).map(|(at, kind)| Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        at: Timestamp(at),
        unit: unit.parse().unwrap(),
        run: run.parse::<RunId>().unwrap(),
        kind,
    });
    let events: Vec<Event> = events.collect();
    let folder = room.path("state").join("scupper");
    std::fs::create_dir_all(&folder).unwrap();
    let mut store = Store::open(&folder.join("evidence.sqlite"), &Options::default()).unwrap();
    store.insert(&events).unwrap();
    events.iter().map(|event| event.id.to_string()).collect()
}

#[test]
fn r034_suspects_of_recorded_evidence_cite_their_events() {
    let room = Room::new();
    let ids = recorded(&room, "web", RUN, events());
    for asked in ["web", RUN, "2000000000"] {
        let why = room.json(&["why", asked, "--json"]);
        assert_eq!((&why["schema"], &why["asked"]), (&"scupper.why/1".into(), &asked.into()));
        let first = &why["suspects"][0];
        assert_eq!((&first["cause"], &first["class"]), (&"sockets".into(), &"fd_socket".into()), "{why}");
        assert_eq!(first["what"], "tcp CLOSE_WAIT outbound to 127.0.0.1:8301");
        assert_eq!((&first["per_hour"], &first["per_operation"]), (&7200.0.into(), &0.1.into()), "{first}");
        assert_eq!(first["processes"][0]["pid"], GONE);
        for evidence in first["evidence_for"].as_array().unwrap() {
            assert!(ids.iter().any(|id| evidence["id"] == id.as_str()), "{evidence}");
        }
        assert!(first["checks"][0]["command"].is_string(), "{first}");
    }
    let answer = room.answer(&["why", "web"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, ""), "{answer:?}");
    assert!(
        answer.out.starts_with("web: 4 events of 1 run in 3 s\n\n1. connections that are not closed"),
        "{}",
        answer.out
    );
    for said in [
        "CLOSE_WAIT outbound",
        "+7200 an hour",
        "+0.1 with each operation",
        "(event ..",
        "check ",
        "at its limit in 2 min",
    ] {
        assert!(answer.out.contains(said), "{said}: {}", answer.out);
    }
    assert!(answer.out.lines().count() < 30 && answer.out.is_ascii(), "{}", answer.out);
}

#[test]
fn the_curve_of_what_is_suspected_first_is_drawn() {
    let room = Room::new();
    recorded(&room, "web", RUN, events());
    let answer = room.answer(&["why", "web", "--svg", "why.svg"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let picture = room.read("why.svg");
    let document = roxmltree::Document::parse(&picture).unwrap();
    assert!(
        document
            .descendants()
            .filter(roxmltree::Node::is_text)
            .any(|node| node.text().unwrap().contains("close wait"))
    );
    // It is written whole beside its place: what a link leads to is left alone.
    let kept = room.write("kept.txt", "kept");
    std::os::unix::fs::symlink(&kept, room.work("link.svg")).unwrap();
    let answer = room.answer(&["why", "web", "--svg", "link.svg"]);
    assert_eq!((answer.code, answer.err.lines().count()), (2, 1), "{answer:?}");
    assert!(answer.err.contains("cannot write link.svg"), "{answer:?}");
    assert_eq!(room.read("kept.txt"), "kept");
    assert!(!answer.err.contains("the picture is of"), "{answer:?}");
    // Of its threads nothing was recorded: what is drawn instead is said.
    let run = "00000000000070008000000000000003";
    let [started, mut verdict, _, history] = events().try_into().unwrap();
    let EventKind::VerdictChanged { series, .. } = &mut verdict else { panic!() };
    *series = Watched::Threads;
    recorded(&room, "web", run, vec![started, verdict, history]);
    let answer = room.answer(&["why", run, "--svg", "why.svg"]);
    assert!(answer.err.contains("the picture is of the close wait of the tree"), "{answer:?}");
    let answer = room.answer(&["why", "web", "--svg", "no/such/folder/why.svg"]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.err.contains("cannot write no/such/folder/why.svg") && answer.err.lines().count() == 1,
        "{answer:?}"
    );
}

/// A unit that was started again is asked about its last run, unless a time is given.
#[test]
fn the_last_run_is_meant_unless_a_time_is_given() {
    let room = Room::new();
    recorded(&room, "web", RUN, events());
    let trouble = || EventKind::EvidenceGap { lost: 2, message: "disk".into() };
    recorded(&room, "web", "00000000000070008000000000000002", (0..90).map(|_| trouble()).collect());
    let last = room.json(&["why", "web", "--json"]);
    assert_eq!(
        (&last["suspects"][0]["cause"], &last["seen"]["runs"][0]),
        (&"unknown".into(), &"00000000-0000-7000-8000-000000000002".into()),
        "{last}"
    );
    assert!(last["unknown"][0].as_str().unwrap().contains("180 events were lost"), "{last}");
    assert_eq!(room.answer(&["why", "web"]).code, 2);
    let day = room.json(&["why", "web", "--since", "1h", "--json"]);
    assert_eq!(day["suspects"][0]["cause"], "sockets", "{day}");
    assert_eq!(day["seen"]["runs"].as_array().unwrap().len(), 2, "{day}");
}

#[test]
fn what_is_not_there_is_one_clear_line() {
    let room = Room::new();
    let says = |asked: &[&str], said: &str| {
        let answer = room.answer(&[&["why"], asked].concat());
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{answer:?}");
        assert!(answer.err.contains(said), "{said}: {answer:?}");
    };
    says(&["web"], "nothing was recorded yet in");
    recorded(&room, "web", RUN, events());
    says(&["other"], "nothing was recorded of unit other in");
    says(&["00000000000070008000000000000009"], "nothing was recorded of run");
    says(&["1999999999"], "no process 1999999999 runs, and none was recorded");
    says(&["ISS-0042"], "there is no incident ISS-0042 in");
    says(&["ISS-../x"], "an incident is ISS- and a number");
    says(&["0"], "a pid is a whole number");
    says(&["../../etc/passwd"], "is no name");
    says(&[], "required");
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that nobody watched: what it holds is shown, and that this says nothing of growth.
#[test]
fn a_process_that_nobody_watched_is_unknown() {
    let room = Room::new();
    // Files of its own by names that no number tells apart.
    let script = "import itertools, sys, time\n\
        where = sys.argv[1]\n\
        names = itertools.product('ghijklm', repeat=3)\n\
        files = [open(f'{where}/{a}{b}{c}', 'w') for a, b, c in itertools.islice(names, 130)]\n\
        open(f'{where}/ready', 'w').close()\n\
        time.sleep(60)";
    std::fs::create_dir(room.work("files")).unwrap();
    let child = Command::new("python3")
        .args(["-c", script])
        .arg(room.work("files"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let sleeper = Sleeper(child.unwrap());
    let ready = room.work("files/ready");
    wait_for("it has opened its files", PATIENCE, || {
        if ready.exists() { Ok(()) } else { Err(format!("no {}", ready.display())) }
    });
    let pid = sleeper.0.id().to_string();
    let why = room.json(&["why", &pid, "--json"]);
    assert_eq!(why["suspects"][0]["cause"], "unknown", "{why}");
    let holds = why["holds"].as_array().unwrap();
    assert!(
        holds.iter().any(|held| held["what"] == "/dev/null" && held["count"].as_u64() >= Some(3)),
        "{why}"
    );
    // 130 files, `/dev/null` and a thread at least: what is not listed is counted.
    let more = why["holds_more"].as_u64().unwrap();
    assert!(holds.len() as u64 + more >= 132 && more > 0, "{why}");
    assert_eq!(why["holds_unread"], serde_json::json!([]));
    let memory = |kind: &str| {
        let all = why["holds_memory"].as_array().unwrap();
        all.iter().find(|memory| memory["kind"] == kind).and_then(|memory| memory["bytes"].as_u64())
    };
    assert!(memory("file") > Some(1 << 20) && memory("heap") > Some(0), "{why}");
    let answer = room.answer(&["why", &pid]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.out.contains("one look says nothing of growth")
            && answer.out.contains("more kinds of things are not shown: --json shows the first 100")
            && answer.out.contains(" memory  heap ")
            && answer.err.contains(&format!("scupper attach {pid}")),
        "{answer:?}"
    );
}

/// A unit that runs and does not answer may have any process: that is said, and what was recorded is told.
#[test]
fn a_unit_that_does_not_answer_is_said() {
    let room = Room::new();
    let running = room.run(&[], &["sleep", "60"]);
    let main = wait_for("it runs", PATIENCE, || {
        let unit = room.status()["units"][0].clone();
        unit["status"]["record"]["main"]["pid"].as_i64().ok_or_else(|| unit.to_string())
    });
    let name = format!("{}.sock", room.unit);
    let socket = &room.path("run").join("scupper").join(name);
    let aside = socket.with_extension("aside");
    std::fs::rename(socket, &aside).unwrap();
    let notes = |asked: &str| {
        let why = room.json(&["why", asked, "--json"]);
        assert_eq!(why["seen"]["live"], false, "{why}");
        (why["notes"].to_string(), why["holds"].is_array())
    };
    let silent = format!("unit {} does not answer", room.unit);
    let (of_main, holds) = notes(&main.to_string());
    assert!(!holds && of_main.contains(&silent), "its unit is known by its record: {of_main}");
    // What it has recorded by then depends on when it is asked.
    let of_unit = room.answer(&["why", &room.unit]);
    assert!(of_unit.code == 2 && of_unit.err.contains(&silent), "{of_unit:?}");
    let stranger = Sleeper(
        Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let (of_stranger, holds) = notes(&stranger.0.id().to_string());
    assert!(holds && of_stranger.contains("whether another one has is not known"), "{of_stranger}");
    assert!(!of_stranger.contains("no unit of scupper has"), "{of_stranger}");
    std::fs::rename(&aside, socket).unwrap();
    let (of_stranger, _) = notes(&stranger.0.id().to_string());
    assert!(of_stranger.contains("no unit of scupper has this process"), "{of_stranger}");
    assert_eq!(room.answer(&["stop", &room.unit]).code, 0);
    running.wait();
}

/// One process is found among more events than are ever looked at; what of it cannot be read is said.
#[test]
fn a_process_is_found_among_the_events_of_others() {
    let room = Room::new();
    recorded(&room, "web", RUN, events());
    let trouble = || EventKind::EvidenceGap { lost: 1, message: String::new() };
    recorded(&room, "other", "00000000000070008000000000000002", (0..20_050).map(|_| trouble()).collect());
    let file = room.path("state").join("scupper/evidence.sqlite");
    let newer = format!(
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"insert into events (uuid, at_ms, unit, run, kind, \
         severity, body) values ('x', 1, 'web', '{RUN}', 'leak_found', 'notice', ?)\", ('{{\"new\":{{\"pid\":{GONE}}}}}',)); \
         c.commit()"
    );
    let done = Command::new("python3").args(["-c", &newer]).arg(&file).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let why = room.json(&["why", &GONE.to_string(), "--json"]);
    assert_eq!(why["suspects"][0]["cause"], "sockets", "{why}");
    assert!(why["notes"][0].as_str().unwrap().starts_with("1 events cannot be read"), "{}", why["notes"]);
}

/// As Python itself prints it.
#[test]
fn what_a_runtime_warned_of_in_its_log_is_told_and_names_nobody() {
    let room = Room::new();
    let log = room.work("log").display().to_string();
    let script = "import socket, subprocess\n\
        s = socket.socket(); del s\n\
        p = subprocess.Popen(['sleep', '0.1']); del p\n\
        raise SystemExit(3)\n";
    room.write("app.py", script);
    let line = format!("python3 -X dev app.py 2>> {log}");
    let ran = room.answer(&["run", "--name", "job", "--log", &log, "--", "sh", "-c", &line]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let why = room.answer(&["why", "job", "--json"]);
    assert_eq!(why.code, 2, "{why:?}");
    let ranking: serde_json::Value = serde_json::from_str(&why.out).unwrap();
    for (cause, says) in [
        (
            "sockets",
            "its log warned of sockets that are not closed: ResourceWarning: unclosed <socket.socket",
        ),
        ("child_tree", "its log warned of subprocesses that nobody waited for: ResourceWarning: subprocess "),
    ] {
        let suspects = ranking["suspects"].as_array().unwrap();
        let suspect = suspects.iter().find(|suspect| suspect["cause"] == cause);
        let suspect = suspect.unwrap_or_else(|| panic!("no {cause}: {ranking:#}"));
        let text = suspect["evidence_for"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(says), "{text}");
    }
}
