//! The commands, one file each. Each takes its arguments and the printer, and gives an exit code or says why it could
//! not do its work.

mod analyze;
mod ask;
mod attach;
mod completions;
mod config;
mod doctor;
mod engine;
mod events;
mod fleet;
mod incident;
mod keep;
mod lint;
mod live;
mod mcp;
mod mcp_files;
mod plan;
mod ps;
mod reap;
mod recorded;
mod replay;
mod report;
mod run;
mod scan;
mod serve;
mod set;
mod soak;
mod up;
mod why;

use scupper_supervise::control::Request;

use crate::args::Command;
use crate::config::Output;
use crate::failure::Failure;
use crate::output::Printer;

/// Where a command that owns units says what happens, as its flags and its file have it.
pub(crate) fn output(command: Command) -> Output {
    match command {
        Command::Run(args) => run::output(*args),
        Command::Up(args) => up::output(args),
        Command::Soak(args) => soak::output(*args),
        Command::Mcp(args) => mcp::output(*args),
        Command::Report(args) => report::output(&args),
        _ => Output::default(),
    }
}

/// Does what the command line says.
pub(crate) fn run(command: Command, printer: &mut Printer) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(*args),
        Command::Up(args) => up::run(args),
        Command::Soak(args) => soak::run(&args, printer),
        Command::Scan(args) => scan::run(&args, printer),
        Command::Reap(args) => reap::run(&args, printer),
        Command::Incident(args) => incident::run(&args, printer),
        Command::Keep(args) => keep::run(&args, printer),
        Command::Mcp(args) => mcp::run(*args, printer),
        Command::Attach(args) => attach::run(&args, printer),
        Command::Ps(args) => ps::run(&args, printer),
        Command::Events(args) => events::run(&args, printer),
        Command::Fleet(args) => fleet::run(&args, printer),
        Command::Serve(args) => serve::run(&args, printer),
        Command::Stop(args) => ask::run(&args, &Request::Stop, printer),
        Command::Restart(args) => ask::run(&args, &Request::Restart, printer),
        Command::Recycle(args) => ask::run(&args, &Request::Recycle, printer),
        Command::Set(args) => set::run(args, printer),
        Command::Analyze(args) => analyze::run(&args, printer),
        Command::Replay(args) => replay::run(*args, printer),
        Command::Report(args) => report::run(&args, printer),
        Command::Why(args) => why::run(&args, printer),
        Command::Lint(args) => lint::run(&args, printer),
        Command::Plan(args) => plan::run(&args, printer),
        Command::Doctor(args) => doctor::run(&args, printer),
        Command::Config(args) => config::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
