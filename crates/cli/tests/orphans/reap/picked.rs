//! What `scupper reap` is told to look at: kinds of programs, users.

use super::super::machine::Machine;
use super::super::scene::{PATIENCE, SCUPPER, wait_for};
use super::stage::{abandoned, kill_scupper, orphan, orphan_that_does, pid_of, pids, record};

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

/// Nothing is said of what was not asked about.
#[test]
fn what_is_not_of_that_kind_is_no_reason_to_say_that_nothing_was_left() {
    let Some(machine) = Machine::start() else { return };
    let likely = orphan(&machine);
    for chosen in [&["--class", "browser"][..], &["--min-age", "1h"]] {
        let said = machine.scupper(&[&["reap"], chosen].concat());
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("nothing of what was asked for was left behind"), "{said:?}");
    }
    let said = machine.scupper(&["scan", "--min-age", "1h"]);
    assert!(said.out.contains("clean: nothing was left behind that is at least 1 h old"), "{said:?}");
    // A number is a pid, whatever a program is called.
    let named = orphan_that_does(&machine, "import os; os.execv('/bin/sleep', ['4711', '1000'])");
    let said = wait_for("it has its name", PATIENCE, || {
        let said = machine.scupper(&["reap", "4711", "--yes"]);
        let hint = format!("the group of that name is ended by its pids, such as {named}");
        if said.err.contains(&hint) { Ok(said) } else { Err(format!("{said:?}")) }
    });
    assert_eq!(said.code, 2, "{said:?}");
    assert!(machine.alive(likely) && machine.alive(named));
}
