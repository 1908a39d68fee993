//! What becomes of a tree while `scupper reap` ends it: large ones, those that are interrupted, and what is started meanwhile.

use super::super::machine::Machine;
use super::super::scene::{PATIENCE, SCUPPER, wait_for};
use super::stage::{abandoned, kill_scupper, none_lives, on_a_terminal, orphan_that_does, pids, sorted};

/// Starts three hundred children that ignore nothing and waits.
const MANY: &str = "
import os, sys, time
for _ in range(300):
    if os.fork() == 0:
        time.sleep(1000)
        os._exit(0)
open(sys.argv[1], 'w').write('up')
time.sleep(1000)
";

/// Waits for its server, starts another one in its place, and ends: nobody sees the new one below it.
const AGAIN: &str = "
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: None)
IDLE = 'import time; time.sleep(1000)'
server = lambda: subprocess.Popen([sys.executable, '-S', '-c', IDLE])
first = server()
open('SERVER', 'w').write(str(first.pid))
first.wait()
server()
os._exit(0)
";

#[test]
fn a_tree_of_three_hundred_ends() {
    let Some(machine) = Machine::start() else { return };
    let up = machine.scene.path("up").to_string_lossy().into_owned();
    machine.start_command(&[SCUPPER, "run", "--name", "many", "--", "python3", "-S", "-c", MANY, &up]);
    wait_for("all are there", PATIENCE, || {
        if machine.scene.text("up") == "up" { Ok(()) } else { Err(machine.scene.text("others")) }
    });
    kill_scupper(&machine, "many");
    wait_for("its main process got its TERM", PATIENCE, || {
        let left = machine.living().len();
        if left <= 301 { Ok(()) } else { Err(left.to_string()) }
    });
    let said = machine.scupper(&["reap", "--yes", "--grace", "2s", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.json()["ended"].as_array().unwrap().len() >= 300);
    assert_eq!(machine.living(), Vec::<i32>::new());
}

#[test]
fn an_interrupt_stops_it_and_it_says_what_was_done() {
    let Some(machine) = Machine::start() else { return };
    let kids = abandoned(&machine, "web");
    let said = on_a_terminal(&machine, &["--yes", "--grace", "60s"], &[("TERM", "^C")]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(machine.alive(kids["deaf"]), "no KILL was sent: {said:?}");
    assert!(said.out.contains("interrupted"), "{said:?}");
    let finished =
        machine.events("reap").into_iter().find(|event| event["event"] == "reap_finished").unwrap();
    assert_eq!(finished["because"], "interrupted");
}

/// Every signal that was sent is recorded, and that it went no further.
#[test]
fn a_terminal_that_is_closed_stops_it_and_what_was_done_is_recorded() {
    let Some(machine) = Machine::start() else { return };
    let kids = abandoned(&machine, "web");
    on_a_terminal(&machine, &["--yes", "--grace", "60s"], &[("TERM", "CLOSE")]);
    assert!(machine.alive(kids["deaf"]), "no KILL was sent");
    let events = machine.events("reap");
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    assert!(of("signal_sent").iter().all(|event| event["signal"] == 15), "{events:?}");
    let finished = of("reap_finished");
    assert_eq!((finished.len(), &finished[0]["because"]), (1, &"interrupted".into()), "{events:?}");
}

/// What a member forks while its tree is ended is of the tree: here on TERM itself, in a session of its own.
#[test]
fn what_is_forked_while_it_ends_ends_too() {
    const FORKS: &str = "
import os, signal, subprocess, sys, time
def more(number, frame):
    child = subprocess.Popen(['sleep', '1000'], start_new_session=True)
    open(sys.argv[1], 'a').write(f'{child.pid}\\n')
signal.signal(signal.SIGTERM, more)
open(sys.argv[2], 'w').write('up')
while True: time.sleep(0.05)
";
    let Some(machine) = Machine::start() else { return };
    let path = |name: &str| machine.scene.path(name).to_string_lossy().into_owned();
    let (children, up) = (path("children"), path("up"));
    machine.start_command(&[
        SCUPPER, "run", "--name", "forks", "--", "python3", "-S", "-c", FORKS, &children, &up,
    ]);
    wait_for("it listens", PATIENCE, || {
        if machine.scene.text("up") == "up" { Ok(()) } else { Err(String::new()) }
    });
    kill_scupper(&machine, "forks");
    // The kernel's TERM, since its scupper is gone: of the engine, and of the guardian where that is gone after it.
    wait_for("it has forked", PATIENCE, || {
        if machine.scene.text("children").ends_with('\n') {
            Ok(())
        } else {
            Err(machine.scene.text("others"))
        }
    });
    let said = machine.scupper(&["reap", "--yes", "--grace", "2s"]);
    assert_eq!(said.code, 0, "{said:?}");
    let children: Vec<i32> = machine.scene.text("children").lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(children.len() >= 2, "{children:?}: {said:?}");
    none_lives(&machine, children, &said);
    assert_eq!(machine.living(), Vec::<i32>::new());
}

/// What it starts in a session of its own on its TERM may be a daemon by choice: it is judged by itself, by all the rules,
/// and of an orphan that was named it was not named.
#[test]
fn r118_safety_5_what_is_started_in_a_session_of_its_own_while_it_ends_is_judged_by_itself() {
    const LEAVES: &str = "
import os, signal, subprocess, time
def leave(number, frame):
    child = subprocess.Popen(['sleep', '1000'], start_new_session=True)
    open('CHILD', 'w').write(str(child.pid))
    time.sleep(0.5)
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
open('UP', 'w').write('up')
while True: time.sleep(1)
";
    let Some(machine) = Machine::start() else { return };
    let path = |name: &str| machine.scene.path(name).to_string_lossy().into_owned();
    let orphan =
        orphan_that_does(&machine, &LEAVES.replace("CHILD", &path("child")).replace("UP", &path("up")));
    wait_for("it listens", PATIENCE, || {
        if machine.scene.text("up") == "up" { Ok(()) } else { Err(machine.scene.text("others")) }
    });
    let said = machine.scupper(&["reap", &orphan.to_string(), "--yes", "--json"]);
    let child: i32 = machine.scene.text("child").parse().unwrap();
    assert_eq!(pids(&said.json()["ended"]), [orphan], "{said:?}");
    assert!(machine.alive(child), "{said:?}");
}

/// A shell's loop starts its server anew when it ends. The new one is confirmed by two looks of its own.
#[test]
fn what_is_started_in_place_of_what_ends_ends_too() {
    let Some(machine) = Machine::start() else { return };
    let before = sorted(machine.living());
    let file = machine.scene.path("server").to_string_lossy().into_owned();
    let again = AGAIN.replace("SERVER", &file);
    let orphan = orphan_that_does(&machine, &again);
    let server: i32 = wait_for("the server is there", PATIENCE, || {
        machine.scene.text("server").parse().map_err(|_| machine.scene.text("others"))
    });
    let answer = machine.scupper(&["reap", &orphan.to_string(), "--yes", "--json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(sorted(machine.living()), before, "{answer:?}");
    let ended = pids(&answer.json()["ended"]);
    assert_eq!(ended.len(), 3, "{answer:?}");
    assert!(ended.contains(&orphan) && ended.contains(&server), "{answer:?}");
}
