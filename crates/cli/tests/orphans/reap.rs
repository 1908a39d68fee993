//! `scupper reap` on real processes: whom it ends, whom it leaves alone, and that each of the safety rules holds (R118,
//! R115). Each test has a machine of its own, so that `--yes` can mean nobody else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::machine::Machine;
use super::scene::{PATIENCE, SCUPPER, wait_for};

mod ending;
mod numbers;
mod picked;
mod spared;
mod stage;

use self::stage::{abandoned, kill_scupper, none_lives, on_a_terminal, orphan, pid_of, pids, record, sorted};

/// Safety 7: without `--yes` nobody is signalled, and the plan says who would be.
#[test]
fn r118_safety_7_a_dry_run_signals_nobody() {
    let Some(machine) = Machine::start() else { return };
    assert_eq!(machine.scupper(&["reap"]).code, 0, "nothing is left behind");
    let kids = abandoned(&machine, "web");
    let likely = orphan(&machine);
    let before = sorted(machine.living());
    let said = machine.scupper(&["reap"]);
    assert_eq!(said.code, 1, "{said:?}");
    for pid in kids.values().filter(|pid| machine.alive(**pid)).chain([&likely]) {
        assert!(said.out.contains(&pid.to_string()), "{pid}: {said:?}");
    }
    let json = machine.scupper(&["reap", "--json"]);
    assert_eq!((json.code, &json.json()["schema"]), (1, &"scupper.reap/1".into()), "{json:?}");
    assert_eq!(json.json()["signalled"], json!([]));
    assert_eq!(sorted(machine.living()), before);
    assert!(machine.events("reap").is_empty());
}

/// R115: an orphan whose owner is gone really ends, and everything that belongs to it: deaf to TERM, in a session of its
/// own, forked twice, with a cleared environment. What its scupper left is cleaned up.
#[test]
fn r115_an_abandoned_tree_ends() {
    let Some(machine) = Machine::start() else { return };
    let kids = abandoned(&machine, "web");
    let deaf = kids["deaf"];
    let living: Vec<i32> = kids.values().copied().filter(|pid| machine.alive(*pid)).collect();
    assert!(living.len() >= 4 && living.contains(&deaf), "{kids:?}");
    let cgroup = record_of_the_dead(&machine, "web")["cgroup"].as_str().map(str::to_owned);
    // Long enough for all but the deaf one, on a loaded machine too.
    let said = machine.scupper(&["reap", "--yes", "--grace", "4s", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, living.clone(), &said);
    let json = said.json();
    // With a cgroup also what cleared its environment is known.
    let ended = sorted(pids(&json["ended"]));
    assert!(living.iter().all(|pid| ended.contains(pid) || *pid == kids["unmarked"]), "{json}");
    let forced: Vec<i32> = json["ended"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["forced"] == true)
        .map(|one| i32::try_from(one["pid"].as_i64().unwrap()).unwrap())
        .collect();
    assert_eq!(forced, [deaf], "{json}");
    assert!(!machine.scene.path("run/scupper/web.json").exists(), "its record is removed");
    if let Some(cgroup) = cgroup {
        assert!(!Path::new(&cgroup).exists(), "{cgroup} is removed");
    }
    assert_eq!(machine.scupper(&["reap"]).code, 0);
}

/// R115, R056: what a sweep really ended is an incident where that is asked for, and one only: it cites the sweep as it was
/// recorded. A sweep that found nothing is none.
#[test]
fn r115_a_sweep_opens_an_incident_that_cites_it() {
    let Some(machine) = Machine::start() else { return };
    let incidents = || machine.scupper(&["incident", "list", "--json"]).json()["incidents"].clone();
    let sweep = ["reap", "--yes", "--grace", "500ms", "--incident", "sweep"];
    assert_eq!(machine.scupper(&sweep).code, 0, "nothing is left behind");
    assert_eq!(incidents(), json!([]));
    abandoned(&machine, "web");
    assert_eq!(machine.scupper(&["reap", "--incident", "sweep"]).code, 1, "a dry run");
    assert_eq!(incidents(), json!([]), "nobody was ended");
    let said = machine.scupper(&sweep);
    assert!(said.code == 0 && said.err.contains("incident_opened"), "{said:?}");
    let all = incidents();
    let title = all[0]["title"].as_str().unwrap();
    assert!(all.as_array().unwrap().len() == 1 && title.contains("left behind"), "{all}");
    let shown = machine.scupper(&["incident", "show", "ISS-0001", "--json"]).json();
    let cited = shown["evidence"].as_array().unwrap();
    assert!(!cited.is_empty() && cited.iter().all(|one| one["standing"] == "intact"), "{shown}");
    let sweeps: Vec<Value> =
        machine.events("reap").into_iter().filter(|event| event["event"] == "reap_finished").collect();
    assert!(sweeps.iter().any(|event| event["id"] == cited[0]["id"]), "{sweeps:?}: {shown}");
    // The next one of the same adds to it.
    abandoned(&machine, "api");
    assert_eq!(machine.scupper(&sweep).code, 0);
    let all = incidents();
    assert_eq!((all.as_array().unwrap().len(), &all[0]["seen_again"]), (1, &json!(1)), "{all}");
}

fn record_of_the_dead(machine: &Machine, unit: &str) -> Value {
    serde_json::from_str(&machine.scene.text(&format!("run/scupper/{unit}.json"))).unwrap()
}

/// Safety 7: every signal is an event with its reason; Safety 4: the first of them 2 s after the plan, when it had been
/// looked at twice.
#[test]
fn r118_safety_4_two_confirmations_are_two_seconds_apart_and_every_signal_is_an_event() {
    let Some(machine) = Machine::start() else { return };
    abandoned(&machine, "web");
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms", "--json"]);
    let json = said.json();
    let events = machine.events("reap");
    let at = |event: &Value| {
        let time = event["at"].as_str().unwrap();
        millis(time)
    };
    let of = |kind: &str| -> Vec<&Value> { events.iter().filter(|event| event["event"] == kind).collect() };
    let (planned, confirmed) = (of("reap_planned"), of("reap_confirmed"));
    assert_eq!((planned.len(), confirmed.len(), of("reap_finished").len()), (1, 1, 1), "{events:?}");
    let sent = of("signal_sent");
    let first = sent.iter().map(|event| at(event)).min().unwrap();
    assert!(at(confirmed[0]) >= at(planned[0]) + 2000, "{events:?}");
    assert!(first >= at(confirmed[0]), "{events:?}");
    // What is said and what is recorded are the same signals.
    let told: Vec<(i64, i64)> = json["signalled"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["pid"].as_i64().unwrap(), one["signal"].as_i64().unwrap()))
        .collect();
    let recorded: Vec<(i64, i64)> = sent
        .iter()
        .map(|event| (event["target"]["pid"].as_i64().unwrap(), event["signal"].as_i64().unwrap()))
        .collect();
    assert_eq!(told, recorded);
    for event in sent {
        let reason = if event["signal"] == 15 { "left_behind" } else { "grace_expired" };
        assert_eq!(event["reason"], reason, "{event}");
    }
    // A child is signalled before its parent.
    assert!(recorded.iter().any(|(_, signal)| *signal == 9), "{recorded:?}");
}

/// Milliseconds of an event's time.
fn millis(text: &str) -> u64 {
    text.parse::<scupper_model::Timestamp>().unwrap().0
}

/// Safety 3: what no record, cgroup or mark confirms is not ended without asking.
#[test]
fn r118_safety_3_likely_ones_are_skipped_without_a_terminal() {
    let Some(machine) = Machine::start() else { return };
    let likely = orphan(&machine);
    let said = machine.scupper(&["reap", "--yes", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(pids(&said.json()["skipped"]), [likely]);
    assert!(machine.alive(likely));
    let auto = machine.scupper(&["reap", "--auto"]);
    assert_eq!(auto.code, 1, "{auto:?}");
    assert!(machine.alive(likely));
}

/// Safety 3: the record says whose it is, and somebody outside still writes to it: `producer | scupper run -- ... > log`.
#[test]
fn r118_safety_3_what_somebody_outside_still_feeds_is_not_ended_without_asking() {
    const FEEDS: &str = "
import subprocess, sys, time
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
while True: time.sleep(1)
";
    const READS: &str = "trap '' TERM; echo $$ > FILE.new; mv FILE.new FILE; cat";
    let Some(machine) = Machine::start() else { return };
    let file = machine.scene.path("reads").to_string_lossy().into_owned();
    let reads = READS.replace("FILE", &file);
    let unit = [SCUPPER, "run", "--name", "fed", "--", "sh", "-c", &reads];
    let producer = machine.start_command(&[&["python3", "-S", "-c", FEEDS][..], &unit].concat());
    let reader: i32 = wait_for("it reads", PATIENCE, || {
        machine.scene.text("reads").trim().parse().map_err(|_| machine.scene.text("others"))
    });
    kill_scupper(&machine, "fed");
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms", "--json"]);
    assert!(machine.alive(reader) && machine.alive(producer), "{said:?}");
    assert_eq!((said.code, &said.json()["signalled"]), (1, &json!([])), "{said:?}");
    assert!(pids(&said.json()["skipped"]).contains(&reader), "{said:?}");
    // Nobody writes to it any more: `cat` ends at the end of its stdin, and the shell with it.
    machine.kill(producer, 9);
    wait_for("it has ended", PATIENCE, || if machine.alive(reader) { Err(String::new()) } else { Ok(()) });
}

#[test]
fn r118_safety_3_likely_ones_are_asked_about_one_by_one_on_a_terminal() {
    let Some(machine) = Machine::start() else { return };
    let first = orphan(&machine);
    let said = on_a_terminal(&machine, &["--yes"], &[(r"\[y/N/q\]", "n")]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains(&first.to_string()), "{said:?}");
    assert!(machine.alive(first));
    // No answer is no.
    let said = on_a_terminal(&machine, &["--yes"], &[(r"\[y/N/q\]", "")]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(machine.alive(first));
    let second = orphan(&machine);
    let said = on_a_terminal(&machine, &["--yes"], &[(r"\[y/N/q\]", "q")]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(machine.alive(first) && machine.alive(second));
    let said = on_a_terminal(&machine, &["--yes"], &[(r"\[y/N/q\]", "y"), (r"\[y/N/q\]", "y")]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, [first, second], &said);
}

/// What was typed before a question was shown is no answer to it.
#[test]
fn r118_safety_3_what_was_typed_ahead_answers_no_question() {
    let Some(machine) = Machine::start() else { return };
    let (first, second) = (orphan(&machine), orphan(&machine));
    // Both lines at once, at the first question.
    let said = on_a_terminal(&machine, &["--yes"], &[(r"\[y/N/q\]", "n\ny"), (r"\[y/N/q\]", "n")]);
    assert!(machine.alive(first) && machine.alive(second), "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn a_person_who_names_it_is_asked_no_more() {
    let Some(machine) = Machine::start() else { return };
    let (named, other) = (orphan(&machine), orphan(&machine));
    let said = machine.scupper(&["reap", &named.to_string(), "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, [named], &said);
    assert!(machine.alive(other));
    let group =
        machine.scupper(&["scan", "--json"]).json()["left_behind"][0]["group"].as_str().unwrap().to_owned();
    let said = machine.scupper(&["reap", &group, "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, [other], &said);
}

/// Safety 4: what somebody keeps between the two looks is spared.
#[test]
fn r118_safety_4_what_is_kept_between_the_looks_is_spared() {
    let Some(machine) = Machine::start() else { return };
    let likely = orphan(&machine);
    let keep = format!("!{SCUPPER} keep {likely}");
    let said = on_a_terminal(&machine, &["--yes"], &[("(?s)y/N/q", &keep), ("", "y")]);
    assert!(machine.alive(likely), "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(machine.events("reap").iter().all(|event| event["event"] != "signal_sent"));
    // And from then on it is not even planned.
    assert_eq!(machine.scupper(&["reap"]).code, 0);
    let named = machine.scupper(&["reap", &likely.to_string(), "--yes"]);
    assert_eq!(named.code, 2, "{named:?}");
}

/// Safety 6: where more looks dead than can be believed, automatic action stops; a person goes on.
#[test]
fn r118_safety_6_the_brake_stops_a_timer_and_not_a_person() {
    let Some(machine) = Machine::start() else { return };
    let mut all = Vec::new();
    for unit in ["a", "b", "c", "d"] {
        all.extend(abandoned(&machine, unit).into_values());
    }
    let living: Vec<i32> = all.into_iter().filter(|pid| machine.alive(*pid)).collect();
    let said = machine.scupper(&["reap", "--auto", "--grace", "500ms"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(living.iter().all(|pid| machine.alive(*pid)), "{said:?}");
    let events = machine.events("reap");
    assert!(events.iter().any(|event| event["event"] == "brake_applied"), "{events:?}");
    assert!(events.iter().all(|event| event["event"] != "signal_sent"), "{events:?}");
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, living, &said);
}

#[test]
fn a_timer_ends_what_is_certain() {
    let Some(machine) = Machine::start() else { return };
    // Two that run, so that one dead tree can be believed.
    for unit in ["x", "y"] {
        machine.start_command(&[SCUPPER, "run", "--name", unit, "--", "sleep", "1000"]);
        record(&machine, unit);
    }
    let kids = abandoned(&machine, "web");
    let living: Vec<i32> = kids.into_values().filter(|pid| machine.alive(*pid)).collect();
    let said = machine.scupper(&["reap", "--auto", "--grace", "500ms"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, living, &said);
    for unit in ["x", "y"] {
        assert!(machine.alive(pid_of(&record(&machine, unit)["main"])), "{unit}");
    }
}

/// Where no evidence can be kept that is said, and it goes on.
#[test]
fn without_evidence_it_says_so_and_goes_on() {
    let Some(machine) = Machine::start() else { return };
    let likely = orphan(&machine);
    fs::create_dir_all(machine.scene.path("state/scupper/evidence.sqlite")).unwrap();
    let said = machine.scupper(&["reap", &likely.to_string(), "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    none_lives(&machine, [likely], &said);
    // When it was found, and at the end how much it was.
    assert_eq!(said.err.matches("event=evidence_trouble").count(), 2, "{said:?}");
    assert!(said.err.contains("events were not kept"), "{said:?}");
}
