//! The process that the user started, as the guardian of the engine that does the work.
//!
//! Whether a command line is one of those that own a unit is told without parsing it: the guardian stays as small as
//! it is, and the engine it starts reports every mistake with the same exit code. Only when the engine was lost does
//! the guardian read the command line, to say what it had to do where the engine would have said it.

use std::ffi::{OsStr, OsString};

use clap::Parser;
use scupper_model::{Event, EventKind, UnitRecord};
use scupper_supervise::shell::{self, Keeps, Sink};

use crate::args::Cli;
use crate::commands;
use crate::config::Output;
use crate::keeps;
use crate::sink::EventSink;

/// Events of one lost engine that are told.
const MAX_EVENTS: usize = 10_000;

/// Guards an engine with this command line until it has ended. Gives its exit code.
pub(crate) fn stand(argv: &[OsString]) -> i32 {
    // Told only when everything is ended: until then whatever the guardian starts would be ended with the rest.
    let mut events = Vec::new();
    let asked = argv.to_vec();
    let keeps = Keeps::new(move || keeps::of_this_user(output(&asked).state.as_deref()));
    let code = shell::guard(argv, &keeps, &mut |record, kind| {
        if events.len() < MAX_EVENTS {
            events.push(event(record, kind));
        }
    });
    if !events.is_empty() {
        let mut sink = EventSink::new(&output(argv));
        for event in &events {
            sink.record(event);
        }
        sink.close();
    }
    code
}

/// Where a command line wants things said and kept.
fn output(argv: &[OsString]) -> Output {
    Cli::try_parse_from(argv).map(|cli| commands::output(cli.command)).unwrap_or_default()
}

/// A fact about a unit that has no engine to record it.
pub(crate) fn event(record: &UnitRecord, kind: EventKind) -> Event {
    shell::stamp(&record.unit, record.run, kind)
}

/// Whether the first word of a command line is `run`, `up` or `soak`, or `mcp` with a command of its own behind `--`, and
/// neither help nor the version is asked for.
pub(crate) fn owns_a_unit(argv: &[OsString]) -> bool {
    let ours = || argv.iter().skip(1).map(OsString::as_os_str).take_while(|&word| word != "--");
    let informs = |word: &OsStr| ["--help", "-h", "--version", "-V"].iter().any(|&flag| word == flag);
    let first = ours().find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let owns = match first.map(OsStr::as_encoded_bytes) {
        Some(b"run" | b"up" | b"soak") => true,
        // Its other commands (`wrap`, ...) change files. Where a value is called like one of them, the parser decides.
        Some(b"mcp") => {
            let files = |word: &OsStr| ["wrap", "unwrap", "check"].iter().any(|&other| word == other);
            argv.iter().any(|word| word == "--") && !ours().any(files)
        }
        _ => false,
    };
    owns && !ours().any(informs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_that_own_a_unit_are_guarded() {
        let owns = |line: &str| owns_a_unit(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for yes in [
            "scupper run -- true",
            "scupper up",
            "scupper soak -- true",
            "scupper mcp --name x -- server check",
            "scupper run --nonsense",
            "scupper run -- tool --help",
        ] {
            assert!(owns(yes), "{yes}");
        }
        for no in [
            "scupper",
            "scupper ps",
            "scupper run --help",
            "scupper --version run",
            "scupper -- run",
            "scupper mcp check -- f",
            "scupper mcp",
        ] {
            assert!(!owns(no), "{no}");
        }
    }
}
