//! `scupper`: keeps long-running processes from leaking. This page is the whole way through it; every word of it is a
//! module of its own.

#![forbid(unsafe_code)]

mod agent;
mod args;
mod casebook;
mod chart;
mod commands;
mod config;
mod counter;
mod documents;
mod failure;
mod guard;
mod hook;
mod host;
mod keeps;
mod known;
mod metrics;
mod output;
mod paths;
mod sink;
mod token;
mod users;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use scupper_supervise::shell;

use crate::args::Cli;
use crate::output::Printer;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    if shell::is_launch(&argv) {
        return exit_code(shell::launch(&argv));
    }
    // Before anything is parsed: what the user started becomes the guardian, and should stay as small as it is now.
    if guard::owns_a_unit(&argv) && !shell::guarded() {
        return exit_code(guard::stand(&argv));
    }

    let mut printer = Printer::new();
    let command = match Cli::read(&argv) {
        Ok(cli) => cli.command,
        Err(answer) => return ExitCode::from(printer.usage(&answer)),
    };
    if command.owns_a_unit() && !shell::guarded() {
        return exit_code(guard::stand(&argv));
    }
    match commands::run(command, &mut printer) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// An exit code as the kernel keeps it: its low 8 bits.
fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
