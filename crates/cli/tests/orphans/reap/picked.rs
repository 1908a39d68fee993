//! What `scupper reap` is told to look at: kinds of programs, users.

use super::super::machine::Machine;
use super::super::scene::{PATIENCE, SCUPPER, wait_for};
use super::stage::{abandoned, kill_scupper, pid_of, pids, record};

/// A class is a choice: of all that is certain, what is of this kind ends and nothing else.
#[test]
fn only_what_is_of_a_class_is_ended() {
    let Some(machine) = Machine::start() else { return };
    let program = machine.scene.path("mcp-canary-server");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let program = program.to_string_lossy().into_owned();
    let line = format!("trap '' TERM; exec {program} 1000");
    machine.start_command(&[SCUPPER, "run", "--name", "server", "--", "sh", "-c", &line]);
    let server = wait_for("it has become the server", PATIENCE, || {
        let server = pid_of(&record(&machine, "server")["main"]);
        let command = machine.read(server, "cmdline").unwrap_or_default();
        if command.starts_with(program.as_bytes()) { Ok(server) } else { Err(machine.scene.text("others")) }
    });
    kill_scupper(&machine, "server");
    let kids = abandoned(&machine, "web");
    let others = || kids.values().filter(|pid| machine.alive(**pid)).count();
    let before = others();
    assert!(before >= 4, "{kids:?}");

    let none = machine.scupper(&["reap", "--class", "browser", "--yes", "--json"]);
    assert_eq!(none.json()["signalled"], serde_json::json!([]), "{none:?}");
    let dry = machine.scupper(&["reap", "--class", "mcp-server", "--json"]);
    assert_eq!(dry.code, 1, "{dry:?}");
    assert!(machine.alive(server), "{dry:?}");
    let said = machine.scupper(&["reap", "--class", "mcp-server", "--yes", "--grace", "500ms", "--json"]);
    assert_eq!(pids(&said.json()["ended"]), [server], "{said:?}");
    assert!(!machine.alive(server), "{said:?}");
    assert_eq!(others(), before, "{said:?}");

    let wrong = machine.scupper(&["reap", "--class", "mcp-servers"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""), "{wrong:?}");
    assert!(wrong.err.contains("mcp-server"), "{wrong:?}");
}
