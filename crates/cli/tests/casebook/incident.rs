//! `scupper incident`: records with a state, opened by themselves, held against what was recorded.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use scupper_evidence::{Options, Query, Store};
use scupper_model::Timestamp;
use serde_json::Value;

use crate::scene::{Answer, Room, seed};

impl Room {
    fn incidents(&self) -> Vec<Value> {
        self.json(&["incident", "list", "--json"])["incidents"].as_array().unwrap().clone()
    }

    fn file_of(&self, id: &str) -> PathBuf {
        let folder = self.path("state/scupper/incidents");
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(id)).unwrap()
    }

    fn moved(&self, id: &str, rest: &[&str]) -> Answer {
        let mut args = vec!["incident", "move", id];
        args.extend(rest);
        self.answer(&args)
    }

    /// A program that dies of a fault, as a unit.
    fn dies(&self, unit: &str, flags: &[&str]) -> Answer {
        let mut args = vec!["run", "--name", unit];
        args.extend(flags);
        args.extend(["--", "python3", "-c", "import os; os.kill(os.getpid(), 11)"]);
        self.answer(&args)
    }

    fn record(&self, event: &str) -> Answer {
        let mut command = self.command(&["incident", "record"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(event.as_bytes());
        let output = child.wait_with_output().unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn ok(answer: &Answer) -> &str {
    assert_eq!(answer.code, 0, "{answer:?}");
    &answer.out
}

#[test]
fn r056_a_hundred_that_are_opened_at_once_get_a_hundred_ids_and_none_is_given_again() {
    let room = Room::new();
    let started: Vec<_> = (0..100)
        .map(|n| {
            let mut command = room.command(&["incident", "new", &format!("leak number {n}"), "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut ids: Vec<String> = started
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            said["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    let expected: Vec<String> = (1..=100).map(|n| format!("ISS-{n:04}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(room.incidents().len(), 100);
    fs::remove_file(room.file_of("ISS-0100")).unwrap();
    let next = room.json(&["incident", "new", "one more", "--json"]);
    assert_eq!(next["id"], "ISS-0101", "a number is never given twice");
}

#[test]
fn one_is_opened_by_itself_once_reopened_when_it_comes_back_and_never_twice() {
    let room = Room::new();
    let first = room.dies("web", &["--incident", "death"]);
    assert_eq!(first.code, 128 + 11, "{first:?}");
    assert!(first.err.contains("incident_opened") && first.err.contains("ISS-0001"), "{first:?}");
    let shown = room.json(&["incident", "show", "ISS-0001", "--json"]);
    assert_eq!((shown["state"].as_str(), shown["unit"].as_str()), (Some("planning"), Some("web")), "{shown}");
    let evidence = shown["evidence"].as_array().unwrap();
    assert!(!evidence.is_empty() && evidence.iter().all(|cited| cited["standing"] == "intact"), "{shown}");
    assert_eq!(shown["undone"], serde_json::json!([]));
    assert!(
        fs::read_to_string(room.file_of("ISS-0001")).unwrap().contains("python3"),
        "the command is named"
    );

    room.dies("web", &["--incident", "all"]);
    let all = room.incidents();
    assert_eq!((all.len(), all[0]["seen_again"].as_u64()), (1, Some(1)), "{all:?}");

    let forced =
        room.moved("ISS-0001", &["done", "--force", "--reason", "only to see it come back", "--by", "ana"]);
    assert!(ok(&forced).contains("(forced)"));
    let report = room.answer(&["report", "ISS-0001", "--kind", "delta"]);
    assert!(!report.out.contains("RESOLVED") && report.err.contains("no soak shows it"), "{report:?}");
    let back = room.dies("web", &["--incident", "death"]);
    assert!(back.err.contains("incident_reopened"), "{back:?}");
    let all = room.incidents();
    assert_eq!(
        (all.len(), all[0]["state"].as_str(), all[0]["status"].as_str()),
        (1, Some("active"), Some("active"))
    );
    let history = room.json(&["incident", "show", "ISS-0001", "--json"])["history"].clone();
    let forced: Vec<bool> =
        history.as_array().unwrap().iter().map(|moved| moved["forced"].as_bool().unwrap()).collect();
    assert_eq!((history[1]["by"].as_str(), forced[1]), (Some("ana"), true), "{history}");

    // Put away it stays away: what comes back gets another, and both say so.
    ok(&room.moved("ISS-0001", &["archived", "--force", "--reason", "too old"]));
    room.dies("web", &["--incident", "death"]);
    let all = room.incidents();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["related_issues"], serde_json::json!(["ISS-0002"]));
    assert_eq!(all[1]["related_issues"], serde_json::json!(["ISS-0001"]));
}

#[test]
fn numbered_units_that_die_at_once_of_one_thing_have_one_incident() {
    let room = Room::new();
    let units: Vec<String> = (1..=4).map(|n| format!("web-{n}")).collect();
    std::thread::scope(|scope| {
        for unit in &units {
            scope.spawn(|| room.dies(unit, &["--incident", "death"]));
        }
    });
    let all = room.incidents();
    assert_eq!(all.len(), 1, "{all:?}");
    let mut seen: Vec<&str> =
        all[0]["units"].as_array().unwrap().iter().map(|unit| unit.as_str().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["web-1", "web-2", "web-3", "web-4"]);
}

#[test]
fn the_policy_decides_what_is_opened_and_leaks_are_where_it_says_nothing() {
    let room = Room::new();
    room.dies("web", &[]);
    room.dies("web", &["--incident", "none"]);
    assert_eq!(room.incidents().len(), 0);
    let wrong = room.dies("web", &["--incident", "leak,fire"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("leak,limit,death,sweep"), "{wrong:?}");
    // Grows by 5 MB a tenth of a second until it is said to leak.
    let grows = "import time\nkept = []\nfor _ in range(600):\n  kept.append(bytearray(5 << 20))\n  time.sleep(0.1)\n";
    let mut running = room
        .command(&["run", "--name", "leaky", "--grow", "10M/1s", "--", "python3", "-c", grows])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let opened = crate::scene::wait_for("an incident is opened", crate::scene::PATIENCE, || {
        let all = room.incidents();
        all.first().cloned().ok_or_else(|| "none".to_owned())
    });
    ok(&room.answer(&["stop", "leaky"]));
    running.wait().unwrap();
    assert!(opened["title"].as_str().unwrap().contains("memory leak"), "{opened}");
    let shown = room.json(&["incident", "show", "ISS-0001", "--json"]);
    assert_eq!(shown["evidence"][0]["kind"], "verdict_changed", "{shown}");
    assert!(
        shown["evidence"].as_array().unwrap().iter().all(|cited| cited["standing"] == "intact"),
        "{shown}"
    );
}

/// Counts in a file, and is as large at the end as at the beginning.
const FLAT: &str = "import os, time, sys\nkept = bytearray(20 << 20)\nfor n in range(int(sys.argv[2])):\n  \
    open(sys.argv[1] + '.new', 'w').write(str(n + 1))\n  os.rename(sys.argv[1] + '.new', sys.argv[1])\n  \
    time.sleep(0.02)\ntime.sleep(60)\n";

/// What nobody cites goes, and the claim stands.
fn a_month_goes_by(room: &Room) {
    let options = Options { max_age: Duration::ZERO, ..Options::default() };
    let mut store = Store::open(&room.path("state/scupper/evidence.sqlite"), &options).unwrap();
    let kinds = |store: &Store| -> Vec<&'static str> {
        let events = store.events(&Query::default()).unwrap();
        events.into_iter().map(|stored| stored.event.unwrap().kind.name()).collect()
    };
    assert!(kinds(&store).contains(&"unit_stopped"), "{:?}", kinds(&store));
    while store.retain(Timestamp(u64::MAX >> 1)).unwrap().more {}
    let left = kinds(&store);
    assert!(!left.contains(&"unit_stopped") && left.contains(&"soak_finished"), "{left:?}");
    drop(store);
    let later = room.answer(&["incident", "show", "ISS-0001"]);
    assert_eq!(later.code, 0, "{later:?}");
    assert_eq!(room.answer(&["incident", "verify", "ISS-0001"]).code, 0);
    let lint = room.answer(&["incident", "lint", "ISS-0001"]);
    assert_eq!(lint.code, 0, "{lint:?}");
    let report = room.answer(&["report", "ISS-0001", "--kind", "delta", "--resolved"]);
    assert!(report.code == 0 && report.out.contains("✅ RESOLVED"), "{report:?}");

    // What is run for it later and fails speaks against it.
    let failed = room.answer(&["report", "--verify", "ISS-0001", "--", "sh", "-c", "exit 3"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let report = room.answer(&["report", "ISS-0001", "--kind", "delta"]);
    assert!(report.code == 1 && report.out.contains("UNPROVEN"), "{report:?}");
    let refused = room.answer(&["report", "ISS-0001", "--kind", "delta", "--resolved"]);
    assert!(refused.code == 1 && refused.err.contains("FAILED with exit code 3"), "{refused:?}");
}

#[test]
fn waits_a_fix_is_refused_until_a_soak_shows_it_and_the_claim_comes_undone_with_its_evidence() {
    let room = Room::new();
    let grows = "kept = []\nwhile True:\n  kept.append(bytearray(1 << 20)); kept[-1][::4096] = b'x' * 256\n";
    let flags =
        ["run", "--name", "web", "--incident", "limit", "--mem-hard", "80M", "--", "python3", "-c", grows];
    let ended = room.answer(&flags);
    assert!(ended.err.contains("incident_opened"), "{ended:?}");
    assert_eq!(room.incidents().len(), 1, "limit and death of one run are one thing");
    let text = fs::read_to_string(room.file_of("ISS-0001")).unwrap();
    assert!(text.contains("time_to_failure_seconds:") && text.contains("  command: "), "{text}");

    let refused = room.moved("ISS-0001", &["ready_for_qa"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("allowed are ready_for_engineering"), "{refused:?}");
    ok(&room.moved("ISS-0001", &["active", "--owner", "ana"]));
    assert!(room.moved("ISS-0001", &["ready_for_qa"]).err.contains("--change"));
    let needs = ["ready_for_qa", "--change", "4f1c2d9", "--soak-ops", "250", "--soak-growth", "10M"];
    ok(&room.moved("ISS-0001", &needs));
    let none = room.answer(&["incident", "verify", "ISS-0001"]);
    assert_eq!(none.code, 1);
    assert!(none.out.contains("no soak of web was recorded"), "{none:?}");
    let refused = room.moved("ISS-0001", &["ready_for_deployment"]);
    assert_eq!((refused.code, refused.err.contains("no soak of web")), (1, true), "{refused:?}");

    let count = room.path("count");
    let (count, from) = (count.to_string_lossy().into_owned(), format!("file:{}", count.display()));
    let soak = |ops: &str, done: &str, time: &str| {
        let args = [
            "soak",
            "--name",
            "web",
            "--ops",
            ops,
            "--ops-from",
            &from,
            "--max-growth",
            "10M",
            "--for",
            time,
            "--every",
            "50ms",
            "--grace",
            "1s",
            "--quiet",
            "--",
            "python3",
            "-c",
            FLAT,
            &count,
            done,
        ];
        room.answer(&args)
    };
    let short = soak("20", "99999", "30s");
    assert_eq!(short.code, 0, "{short:?}");
    let refused = room.answer(&["incident", "verify", "ISS-0001"]);
    assert!(refused.code == 1 && refused.out.contains("of 250 operations"), "{refused:?}");
    let failed = soak("250", "5", "2s");
    assert_eq!(failed.code, 1, "{failed:?}");
    let refused = room.json(&["incident", "verify", "ISS-0001", "--json"]);
    assert_eq!(refused["verdict"], "refused");
    assert!(refused["reasons"][0].as_str().unwrap().contains("failed"), "{refused}");
    // An operation takes a 50th of a second: as many as last as long as the record asks for, on a slow machine too.
    let asks = room.json(&["incident", "show", "ISS-0001", "--json"])["soak"]["required"]["seconds"].clone();
    let enough = (asks.as_u64().unwrap() * 50 + 50).max(250).to_string();
    let long = soak(&enough, "99999", "60s");
    assert_eq!(long.code, 0, "{long:?}");
    let passed = room.answer(&["incident", "verify", "ISS-0001"]);
    assert!(ok(&passed).contains("ISS-0001 passed"), "{passed:?}");
    ok(&room.moved("ISS-0001", &["ready_for_deployment"]));
    ok(&room.moved("ISS-0001", &["done"]));
    let shown = room.json(&["incident", "show", "ISS-0001", "--json"]);
    assert_eq!(
        (shown["status"].as_str(), shown["undone"].as_array().map(Vec::len)),
        (Some("completed"), Some(0)),
        "{shown}"
    );
    assert_eq!(room.answer(&["incident", "show", "ISS-0001"]).code, 0);

    a_month_goes_by(&room);

    // The soak is taken away: what rested on it does not hold any more.
    let sql = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
        db.execute(\"delete from events where kind = 'soak_finished'\")\ndb.commit()\n";
    let evidence = room.path("state/scupper/evidence.sqlite");
    let removed = std::process::Command::new("python3").args(["-c", sql]).arg(evidence).status().unwrap();
    assert!(removed.success());
    let undone = room.answer(&["incident", "show", "ISS-0001"]);
    assert!(
        undone.code == 1 && undone.out.contains("undone") && undone.out.contains("not recorded any more"),
        "{undone:?}"
    );
    assert_eq!(room.answer(&["incident", "verify", "ISS-0001"]).code, 1);
    let lint = room.answer(&["incident", "lint", "ISS-0001"]);
    assert_eq!(lint.code, 1, "{lint:?}");
    let report = room.answer(&["report", "ISS-0001", "--kind", "delta"]);
    assert!(report.code == 1 && report.out.contains("**Status:** UNPROVEN"), "{report:?}");
    assert_eq!(room.answer(&["report", "ISS-0001", "--resolved"]).code, 1);
}

#[test]
fn r055_a_record_of_the_tool_that_made_the_seed_is_moved_and_read_by_other_programs() {
    let room = Room::new();
    let file = room.write("ISS-0109-node.md", seed("002-node-heap-issue.md"));
    let file = file.to_string_lossy().into_owned();
    let shown = room.answer(&["incident", "show", &file]);
    assert_eq!(shown.code, 1, "done, and nothing shows it: {shown:?}");
    assert!(shown.out.contains("undone"), "{shown:?}");
    let moved = room.answer(&[
        "incident",
        "reopen",
        &file,
        "--reason",
        "8 GB again: it was never measured",
        "--by",
        "masa",
    ]);
    assert!(ok(&moved).contains("ISS-0109 done -> active"));
    // As that tool reads and writes: dates are text, keys stay in their order, long lines are folded.
    let script = "import sys, yaml\n\
        class Loader(yaml.SafeLoader): pass\n\
        Loader.yaml_implicit_resolvers = {k: [r for r in v if r[0] != 'tag:yaml.org,2002:timestamp'] \
            for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}\n\
        _, front, body = open(sys.argv[1]).read().split('---\\n', 2)\n\
        data = yaml.load(front, Loader)\n\
        print(','.join(data))\n\
        data['priority'] = 'critical'\n\
        text = yaml.dump(data, sort_keys=False, width=120, allow_unicode=True)\n\
        open(sys.argv[1], 'w').write('---\\n' + text + '---\\n' + body)\n";
    let output = std::process::Command::new("python3").args(["-c", script, &file]).output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("No module named 'yaml'") {
        eprintln!("PyYAML is not there: what it would read is not looked at");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let keys = String::from_utf8(output.stdout).unwrap();
    let keys: Vec<&str> = keys.trim().split(',').collect();
    assert_eq!(
        (keys.len(), keys[0], keys[20], keys[21]),
        (22, "issue_id", "state_metadata", "scupper"),
        "{keys:?}"
    );
    let shown = room.json(&["incident", "show", &file, "--json"]);
    assert_eq!((shown["priority"].as_str(), shown["state"].as_str()), (Some("critical"), Some("active")));
    assert_eq!(shown["undone"], serde_json::json!([]), "written by another program, the chain still holds");
    assert_eq!(shown["history"][1]["reason"], "8 GB again: it was never measured");
}

#[test]
fn r059_tampering_is_said_and_stops_whoever_goes_on() {
    let room = Room::new();
    ok(&room.answer(&["incident", "new", "web leaks", "--unit", "web", "--by", "ana"]));
    ok(&room.moved("ISS-0001", &["active", "--owner", "bob", "--by", "ana"]));
    let file = room.file_of("ISS-0001");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("to: active", "to: done", 1).replacen("state: active", "state: done", 1))
        .unwrap();
    let shown = room.answer(&["incident", "show", "ISS-0001"]);
    assert!(shown.code == 1 && shown.out.contains("tampered"), "{shown:?}");
    let moved = room.moved("ISS-0001", &["archived"]);
    assert!(moved.code == 1 && moved.err.contains("tampered"), "{moved:?}");
}

#[test]
fn a_link_out_of_the_folder_is_not_followed_and_a_file_named_after_another_is_not_taken_for_it() {
    let room = Room::new();
    ok(&room.answer(&["incident", "new", "one"]));
    let text = fs::read_to_string(room.file_of("ISS-0001")).unwrap();
    let outside = room.write("elsewhere.md", text.replace("ISS-0001", "ISS-0010"));
    let folder = room.path("state/scupper/incidents");
    std::os::unix::fs::symlink(&outside, folder.join("ISS-0010-out.md")).unwrap();
    fs::write(folder.join("ISS-0020-other.md"), &text).unwrap();
    let before = fs::read_to_string(&outside).unwrap();
    for (id, says) in [("ISS-0010", "a link out of"), ("ISS-0020", "it is ISS-0001")] {
        for args in [&["incident", "show", id][..], &["incident", "move", id, "active", "--owner", "x"]] {
            let answer = room.answer(args);
            assert!(answer.code == 2 && answer.err.contains(says), "{args:?}: {answer:?}");
        }
    }
    let listed = room.answer(&["incident", "list"]);
    assert!(listed.code == 1 && listed.err.contains("a link out of"), "{listed:?}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), before);
}

#[test]
fn of_many_who_move_one_record_at_once_one_does_and_no_move_is_lost() {
    let room = Room::new();
    ok(&room.answer(&["incident", "new", "one"]));
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let movers: Vec<_> = (0..8)
            .map(|n| {
                let (room, owner) = (&room, format!("mover {n}"));
                scope.spawn(move || room.moved("ISS-0001", &["active", "--owner", &owner, "--by", &owner]))
            })
            .collect();
        movers.into_iter().map(|mover| mover.join().unwrap()).collect()
    });
    let done: Vec<&Answer> = answers.iter().filter(|answer| answer.code == 0).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.code == 0 || answer.err.contains("is active already")));
    let shown = room.json(&["incident", "show", "ISS-0001", "--json"]);
    assert_eq!(shown["history"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["history"][1]["by"], shown["owner"], "{shown}");
    assert_eq!(shown["undone"], serde_json::json!([]));
}

#[test]
fn bad_input_gets_one_clear_line_and_the_rest_goes_on() {
    let room = Room::new();
    ok(&room.answer(&["incident", "new", "one"]));
    let folder = room.path("state/scupper/incidents");
    for (name, bytes) in [
        ("ISS-0007-binary.md", &b"\xff\xfe\0\0"[..]),
        ("ISS-0008-empty.md", b""),
        ("ISS-0009-tabs.md", b"---\nissue_id: ISS-0009\n\tstate: done\n---\n"),
        ("ISS-0010-twice.md", b"---\nissue_id: ISS-0010\nstate: done\nstate: planning\n---\n"),
        ("ISS-0011-state.md", b"---\nissue_id: ISS-0011\nstate: finished\n---\n"),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let listed = room.answer(&["incident", "list"]);
    assert_eq!((listed.code, listed.err.lines().count()), (1, 5), "{listed:?}");
    assert!(listed.out.contains("ISS-0001"));
    for (args, says) in [
        (&["incident", "show", "ISS-0404"][..], "there is no incident"),
        (&["incident", "show", "/etc/passwd"], "issue_id"),
        (&["incident", "show", "0001"], "no id of an incident"),
        (&["incident", "move", "ISS-0001", "finished"], "is no state"),
        (&["incident", "new", " "], "title is empty"),
        (&["incident", "new", "x", "--event", "nothing"], "no event"),
        (&["incident", "new", "x", "--blocked-by", "ISS-0404"], "there is no incident"),
        (&["incident", "show", "ISS-0011"], "line 3"),
        // What says nothing opens no gate.
        (&["incident", "new", "x", "--owner", ""], "--owner is empty"),
        (&["incident", "new", "x", "--soak-ops", "0"], "--soak-ops is 0"),
        (&["incident", "move", "ISS-0001", "active", "--owner", " "], "--owner is empty"),
        (&["incident", "move", "ISS-0001", "ready_for_qa", "--change", ""], "--change is empty"),
        (&["incident", "move", "ISS-0001", "won_t_do", "--reason", ""], "--reason is empty"),
        (
            &["incident", "move", "ISS-0001", "active", "--owner", "ana", "--soak-growth", "0"],
            "--soak-growth is 0",
        ),
        (&["incident", "reopen", "ISS-0001", "--reason", "\t"], "--reason is empty"),
    ] {
        let answer = room.answer(args);
        assert!(answer.code == 2 && answer.err.contains(says), "{args:?}: {answer:?}");
    }
    // What was never done is not opened again.
    let refused = room.answer(&["incident", "reopen", "ISS-0001", "--reason", "seen again"]);
    assert!(refused.code == 1 && refused.err.contains("only what is done is opened again: "), "{refused:?}");
    assert_eq!(room.json(&["incident", "show", "ISS-0001", "--json"])["state"], "planning");
    for event in ["", "{}", "[[[[", "{\"event\":\"no_such\"}"] {
        let answer = room.record(&format!("{event}\n"));
        assert_eq!(answer.code, 2, "{event}: {answer:?}");
        assert_eq!(answer.err.lines().count(), 1, "{event}: {answer:?}");
    }
    let next = room.json(&["incident", "new", "two", "--json"]);
    assert_eq!(next["id"], "ISS-0012", "after every number that is in use");
}

#[test]
fn a_sweep_opens_one_and_the_next_sweep_adds_to_it() {
    let room = Room::new();
    let event = |id: u32, ended: u32| {
        format!(
            "{{\"schema\":\"scupper.event/1\",\"id\":\"0199c0de-0000-7000-8000-{id:012}\",\"at\":\"2026-01-01T00:00:00.000Z\",\
             \"unit\":\"reap\",\"run\":\"{id:032}\",\"event\":\"reap_finished\",\"ended\":{ended},\"forced\":0,\"left\":0,\
             \"freed_bytes\":null,\"because\":\"done\"}}\n"
        )
    };
    ok(&room.record(&event(1, 0)));
    assert_eq!(room.incidents().len(), 0, "nobody was ended");
    ok(&room.record(&event(2, 3)));
    ok(&room.record(&event(3, 5)));
    ok(&room.record(&event(3, 5)));
    let all = room.incidents();
    assert_eq!((all.len(), all[0]["seen_again"].as_u64()), (1, Some(1)), "{all:?}");
    assert_eq!(all[0]["title"], "reap: 3 processes were left behind");
}
