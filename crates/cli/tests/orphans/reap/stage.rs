//! What `scupper reap` finds in a test: orphans, and units whose scupper was killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::machine::{Answer, Machine};
use super::super::scene::{PATIENCE, SCUPPER, wait_for};

/// A server whose client is gone: nobody holds the other end of its stdin, and its parent has ended.
const ORPHANED: &str = "
import os, subprocess, sys
child = subprocess.Popen([sys.executable, '-S', '-c', sys.argv[2]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(child.pid, file=open(sys.argv[1], 'w'))
os._exit(0)
";

/// Does nothing, and ignores that its stdin has ended.
pub const IDLE: &str = "import time; time.sleep(1000)";

pub fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name).to_string_lossy().into_owned()
}

/// The record of a unit that runs.
pub fn record(machine: &Machine, unit: &str) -> Value {
    let path = machine.scene.path(&format!("run/scupper/{unit}.json"));
    wait_for("the record says running", PATIENCE, || {
        let record: Value =
            fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        if record["phase"] == "running" { Ok(record) } else { Err(machine.scene.text("others")) }
    })
}

pub fn pid_of(identity: &Value) -> i32 {
    identity["pid"].as_i64().unwrap().try_into().unwrap()
}

/// Guardian and engine are killed at once: nobody is left who could end the tree.
pub fn kill_scupper(machine: &Machine, unit: &str) {
    let record = record(machine, unit);
    let (engine, guardian) = (pid_of(&record["supervisor"]), pid_of(&record["guardian"]));
    machine.kill(engine, 19);
    machine.kill(guardian, 9);
    machine.kill(engine, 9);
    for pid in [engine, guardian] {
        wait_for(
            "scupper is gone",
            PATIENCE,
            || if machine.alive(pid) { Err(String::new()) } else { Ok(()) },
        );
    }
}

/// A unit with children of every kind whose scupper was killed: what is left of it lives.
pub fn abandoned(machine: &Machine, unit: &str) -> BTreeMap<String, i32> {
    let kids_file = format!("kids-{unit}");
    let path = machine.scene.path(&kids_file).to_string_lossy().into_owned();
    let tree = script("run/tree.py");
    machine.start_command(&[SCUPPER, "run", "--name", unit, "--", "python3", "-S", &tree, &path, "wait"]);
    let kids: BTreeMap<String, i32> = wait_for("the workload has its children", PATIENCE, || {
        let kids = serde_json::from_str::<BTreeMap<String, i32>>(&machine.scene.text(&kids_file));
        kids.map_err(|_| machine.scene.text("others"))
    });
    kill_scupper(machine, unit);
    kids
}

/// An orphan that nothing was recorded of.
pub fn orphan(machine: &Machine) -> i32 {
    orphan_that_does(machine, IDLE)
}

pub fn orphan_that_does(machine: &Machine, what: &str) -> i32 {
    let name = format!("orphan-{}", machine.living().len());
    let path = machine.scene.path(&name).to_string_lossy().into_owned();
    let parent = machine.start_command(&["python3", "-S", "-c", ORPHANED, &path, what]);
    machine.wait(parent);
    machine.scene.text(&name).trim().parse().unwrap()
}

pub fn pids(entries: &Value) -> Vec<i32> {
    let list = entries.as_array().unwrap_or_else(|| panic!("{entries}"));
    list.iter().map(|entry| i32::try_from(entry["pid"].as_i64().unwrap()).unwrap()).collect()
}

pub fn sorted(pids: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let mut pids: Vec<i32> = pids.into_iter().collect();
    pids.sort_unstable();
    pids
}

pub fn none_lives(machine: &Machine, pids: impl IntoIterator<Item = i32>, said: &Answer) {
    for pid in pids {
        assert!(!machine.alive(pid), "{pid} lives: {said:?}");
    }
}

/// `scupper reap` on a terminal, and what a person does there.
pub fn on_a_terminal(machine: &Machine, arguments: &[&str], person: &[(&str, &str)]) -> Answer {
    let mut argv = vec!["python3".to_owned(), script("orphans/terminal.py")];
    argv.push(machine.scene.path("shown").to_string_lossy().into_owned());
    argv.extend(person.iter().flat_map(|(shown, typed)| [(*shown).to_owned(), (*typed).to_owned()]));
    argv.extend(["--", SCUPPER, "reap"].map(str::to_owned));
    argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let answer = machine.run(&argv);
    Answer { out: machine.scene.text("shown"), ..answer }
}
