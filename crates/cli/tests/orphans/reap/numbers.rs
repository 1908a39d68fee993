//! Safety 2: numbers that are a stranger's by now.

use super::*;

/// Waits until a process is gone and takes its number for a stranger, who has a child; writes down both.
const STRANGER: &str = "
import os, sys, time
number = int(sys.argv[1])
open(sys.argv[2] + '.up', 'w').write('up')
while True:
    try: os.kill(number, 0)
    except ProcessLookupError: break
again, to = os.pipe()
while True:
    open('/proc/sys/kernel/ns_last_pid', 'w').write(str(number - 1))
    stranger = os.fork()
    if stranger == 0:
        if os.getpid() != number: os._exit(0)
        child = os.fork()
        if child: os.write(to, str(child).encode())
        time.sleep(1000)
        os._exit(0)
    if stranger == number: break
    os.waitpid(stranger, 0)
open(sys.argv[2] + '.new', 'w').write(os.read(again, 32).decode())
os.rename(sys.argv[2] + '.new', sys.argv[2])
time.sleep(1000)
";

/// Safety 2: a record names a pid that is somebody else's by now. R115: who has it is spared.
#[test]
fn r118_safety_2_a_reused_pid_is_spared() {
    let Some(machine) = Machine::start() else { return };
    let kids = abandoned(&machine, "web");
    let deaf = kids["deaf"];
    machine.kill(deaf, 9);
    wait_for(
        "it is gone",
        PATIENCE,
        || if machine.stat(deaf).is_some() { Err(String::new()) } else { Ok(()) },
    );
    // The next process gets its number: a stranger, without mark and outside of the unit's cgroup.
    let last = (deaf - 1).to_string();
    let stranger = machine.run(&[
        "sh",
        "-c",
        &format!("echo {last} > /proc/sys/kernel/ns_last_pid; setsid sleep 1000 > /dev/null 2>&1 & echo $!"),
    ]);
    assert_eq!(stranger.out.trim(), deaf.to_string(), "{stranger:?}");
    let path = machine.scene.path("run/scupper/web.json");
    let mut record = record_of_the_dead(&machine, "web");
    record["main"]["pid"] = deaf.into();
    fs::write(&path, record.to_string()).unwrap();
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms", "--json"]);
    assert!(machine.alive(deaf), "the stranger was ended: {said:?}");
    assert!(!pids(&said.json()["ended"]).contains(&deaf), "{said:?}");
    assert!(!pids(&said.json()["signalled"]).contains(&deaf), "{said:?}");
}

/// Safety 2: a member ends on its TERM, and before anybody looks again its number is a stranger's, whose child is
/// nobody's to end.
#[test]
fn r118_safety_2_a_child_of_whoever_has_a_members_number_by_now_is_spared() {
    let Some(machine) = Machine::start() else { return };
    let member = orphan(&machine);
    let file = machine.scene.path("stranger").to_string_lossy().into_owned();
    machine.start_command(&["python3", "-S", "-c", STRANGER, &member.to_string(), &file]);
    wait_for("somebody waits for its number", PATIENCE, || {
        if machine.scene.text("stranger.up") == "up" { Ok(()) } else { Err(machine.scene.text("others")) }
    });
    let said = machine.scupper(&["reap", &member.to_string(), "--yes", "--json"]);
    let child: i32 = wait_for("the number is taken", PATIENCE, || {
        machine.scene.text("stranger").parse().map_err(|_| machine.scene.text("others"))
    });
    assert!(machine.alive(member) && machine.alive(child), "a stranger was ended: {said:?}");
    assert_eq!((said.code, pids(&said.json()["ended"])), (0, vec![member]), "{said:?}");
    assert_eq!(pids(&said.json()["signalled"]), [member], "{said:?}");
}
