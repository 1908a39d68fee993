//! The command line. One file per group of commands; the settings they share with `scupper.toml` are in
//! [`crate::config`].

mod analyze;
mod attach;
mod fleet;
mod incident;
mod keep;
mod lint;
mod mcp;
mod mcp_files;
mod names;
mod overview;
mod plan;
mod read;
mod reap;
mod replay;
mod report;
mod run;
mod scan;
mod serve;
mod soak;
mod tools;
mod units;
mod why;
mod words;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use analyze::AnalyzeArgs;
pub(crate) use attach::AttachArgs;
pub(crate) use fleet::{
    AgentsArgs, CleanArgs, DrainArgs, FleetArgs, FleetCommand, FleetEventsArgs, LocksArgs, OrphansArgs,
    RegistryArgs, StatusArgs, SweepArgs,
};
pub(crate) use incident::{
    Acted, IncidentArgs, IncidentCommand, LintIncidentArgs, ListArgs, MoveArgs, NewArgs, OneArgs, RecordArgs,
    ReopenArgs, SoakNeeds, Told,
};
pub(crate) use keep::KeepArgs;
pub(crate) use lint::{FailOn, LintArgs};
pub(crate) use mcp::McpArgs;
pub(crate) use mcp_files::{CheckArgs, FilesArgs, McpFilesCommand, UnwrapArgs, WrapArgs};
pub(crate) use names::{AgentNames, UnitNames};
pub(crate) use plan::{Moment, PlanArgs, local};
pub(crate) use read::{EventsArgs, PsArgs};
pub(crate) use reap::ReapArgs;
pub(crate) use replay::ReplayArgs;
pub(crate) use report::ReportArgs;
pub(crate) use run::{RunArgs, UpArgs};
pub(crate) use scan::ScanArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use soak::SoakArgs;
pub(crate) use tools::{CompletionsArgs, ConfigArgs, ConfigCommand, DoctorArgs};
pub(crate) use units::{AskArgs, SetArgs};
pub(crate) use why::{Asked, WhyArgs};

/// The help of `--state`, the same everywhere.
const STATE_HELP: &str =
    "Where evidence is kept [default: $XDG_STATE_HOME/scupper, else ~/.local/state/scupper]";

/// Keeps long-running processes and AI agents from leaking: owns what a command starts, holds it inside its limits, and
/// leaves nothing behind.
#[derive(Debug, Parser)]
#[command(
    name = "scupper",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Examples:\n  \
        scupper run --mem-soft 450M --mem-hard 600M -- gunicorn app:app -w 2\n  \
        scupper ps\n  \
        scupper scan\n  \
        scupper why gunicorn\n\n\
        Exit codes: 0 clean, 1 findings, 2 could not look or bad usage. `run` gives the command's own."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line; as an error also what is to be shown instead: help, or the version.
    pub(crate) fn read(argv: &[OsString]) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(argv).or_else(|answer| {
            if !overview::is_shown_by(&answer) {
                return Err(answer);
            }
            command = overview::grouped(Self::command());
            command.try_get_matches_from_mut(argv)
        })?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command: own its whole process tree, hold its limits, leave nothing behind
    Run(Box<RunArgs>),
    /// Run all units of a scupper.toml
    Up(UpArgs),
    /// Show what was left behind, what grows, and what is near its limit; signals nobody
    ///
    /// Reads /proc and what scupper itself recorded; needs no set-up, writes nothing. What it finds: processes whose owner is
    /// gone (`certain` where scupper recorded whose they are, `likely` where several signs say so), servers that are held and
    /// not used, zombies, descriptors near their limit, deleted files that are still open, connections that nobody closes, and
    /// with --watch what grows. What looks left behind and is left alone is listed with the reason.
    ///
    /// `scupper reap` ends what was left behind; `scupper keep` says what is never touched.
    ///
    /// Exit codes: 0 clean, 1 something was found, 2 could not look.
    Scan(Box<ScanArgs>),
    /// End what was left behind: a dry run until --yes
    ///
    /// Finds what `scupper scan` finds, and shows whom it would signal, in which order and why, and whom it would leave alone.
    /// With --yes it acts: a second look at least 2 s later has to say the same of each, then TERM, and KILL for whoever is
    /// there after --grace; children before their parents, each by its identity. What is `certain` needs no more asking; what
    /// is `likely` is asked about one by one on a terminal, and left alone without one, unless it is named here. What a living
    /// parent holds and does not use is only ended where it is named. `scupper keep` says what is never touched.
    ///
    /// Every signal is an event (`scupper events reap`).
    ///
    /// Exit codes: 0 nothing is left to end, 1 something is, 2 could not look, or something named is not left behind.
    Reap(Box<ReapArgs>),
    /// Never touch a process, or any whose name matches
    ///
    /// Nothing that scupper does ends what is kept: `reap` leaves it alone, and so does a unit that ends. What is kept for good
    /// can also be named in ~/.config/scupper/config.toml (`keep = ["tmux*"]`); inside a unit, `SCUPPER_KEEP=1` in the environment
    /// keeps a process.
    ///
    /// A pattern is compared with the name and with the program of a process, not with its arguments.
    Keep(Box<KeepArgs>),
    /// Run an MCP server: it ends with its client, however that ends
    ///
    /// The same as `scupper run --profile mcp`: the server and everything it started end when its client closes stdin, ends
    /// or is killed, when the terminal is closed or the session is over. Its stdin and stdout are its own: no byte of them is
    /// read, and nothing stands between.
    ///
    /// When stdin is closed the server has half of the grace (--grace, 2s) to answer what it was sent and to end by itself; then
    /// it gets TERM, and at the end of the grace KILL. When the client was killed it gets TERM at once.
    ///
    /// --idle ends a server through whose tree nothing passed for so long: no process of it read or wrote a byte, or used
    /// more than a hundredth of a processor. A server that works by itself is never idle.
    Mcp(Box<McpArgs>),
    /// Watch a process tree that scupper did not start; signals nobody
    ///
    /// Follows the process, everything below it, what left its tree while it was watched, and the rest of its session where it
    /// leads one: series, verdict, forecast and events as of a unit. Ends when the process does, when --for is over, or with
    /// ^C; the process runs on. `scupper ps`, the metrics page and `scupper events` show it under its name.
    Attach(Box<AttachArgs>),
    /// Show the units that run, and their processes
    Ps(PsArgs),
    /// Show what happened: the recorded events
    Events(EventsArgs),
    /// Look after agents on many hosts: who lives, who was left behind, who cleans up
    ///
    /// Reads the registry that the agents beat in (`scupper run --agent ID --registry URL`). What changes anything is a dry run
    /// until --yes.
    Fleet(FleetArgs),
    /// Coordinate the agents of a fleet: sweep, clean up after orphans, beat for this host, serve the API and /metrics
    ///
    /// One on each host that has agents; any number of them on one registry. Each sweeps: an agent whose lease is over is
    /// claimed by one of them, fenced from that moment on, and everything that it kept in the registry is deleted. If that one
    /// dies half-way, another goes on. Where the registry was away, or too many look dead at once, nobody is claimed for a while.
    ///
    /// An orphan's process is ended where it runs on this host and something here confirms it: the record of a unit of `scupper
    /// run`, its cgroup or its marks. What the registry says of a process ends nobody. Processes on other hosts are left to the
    /// coordinator there.
    ///
    /// Runs in the foreground until TERM or ^C, and says READY=1 to a service manager that waits for it.
    Serve(Box<ServeArgs>),
    /// Stop a unit, and wait until nothing of it is left
    #[command(after_help = "Examples:\n  scupper stop web\n  scupper stop web --timeout 2m")]
    Stop(AskArgs),
    /// Drain a unit and start it again
    #[command(after_help = "Example:\n  scupper restart web")]
    Restart(AskArgs),
    /// Replace a unit's workers one at a time
    #[command(after_help = "Example:\n  scupper recycle web")]
    Recycle(AskArgs),
    /// Change a running unit's limits, without a restart
    Set(SetArgs),
    /// Say of a recording whether it leaks, and when it reaches its limit
    ///
    /// Reads CSV with a header, JSON lines, or the JSON of a Prometheus range query, and judges each series as it would have
    /// been judged while it was made. Columns are found by name: `seconds` for the time (or `at`; numbers or RFC 3339),
    /// `rss_bytes`, `tree_rss_bytes`, `rss_anon_bytes`, `fds`, `threads`, `sockets`, `children`, `zombies`, `tasks`; `requests`
    /// and `cpu_seconds` are counters, which are not judged. Of Prometheus every series is taken.
    ///
    /// Of four or more equals (series of one metric, or columns of one unit that --column names) it also says which grow
    /// unlike the others; that does not change the exit code.
    ///
    /// Exit codes: 0 clean, 1 leaking, 2 nothing to judge, or more than half of the samples cannot be used.
    Analyze(Box<AnalyzeArgs>),
    /// Run a unit's policy over a recording: what it would have done, and when
    ///
    /// Reads what `analyze` reads, and takes the flags of `run` or a unit of scupper.toml. What decides is what decides in `run`,
    /// with a clock turned by hand; no process is started or signalled. Memory is `tree_rss_bytes`, else `rss_bytes`; also
    /// `fds`, `threads`, `sockets`, `children`, `zombies`, and `cpu_seconds`, without which nobody knows when it is quiet: what
    /// leaks is then replaced when its limit is near.
    ///
    /// The recorded tree is taken as one process, which ends on TERM after --drains-in and on KILL at once. Started again, it
    /// begins where the recording begins, unless --after says otherwise; the replay is as long as the recording. What only a live
    /// tree shows means nothing here: --child-lifetime, --keep, --log, --env, --directory, --cgroup.
    ///
    /// Exit codes: 0 nothing would have been done, 1 a signal would have been sent or something leaks, 2 nothing to replay.
    Replay(Box<ReplayArgs>),
    /// Prove that a command does not leak over so many operations
    ///
    /// Runs the command as `scupper run` does, looks at its whole process tree twice a second, counts its operations, and
    /// stops it when enough were done, when --for is over or when it ends by itself. It passes where every criterion held: as
    /// many operations as asked for, growth below --max-growth, no series that leaks, nothing left behind.
    ///
    /// Growth is that of the floor: the lowest memory of the last tenth less the lowest of the first tenth after the warm-up.
    /// What the command writes to stdout goes to stderr: stdout is the result's. The result is an event as well
    /// (`scupper events UNIT`).
    Soak(Box<SoakArgs>),
    /// Say what may be leaking: suspects, ranked, with evidence for and against
    ///
    /// Reads what `run`, `soak` and `attach` recorded of a unit, a run, a process or an incident, and asks the unit where it
    /// runs. Tells which resource piles up, in which process, how fast, and with what it grows; what speaks for and against
    /// each suspect, with the events that say so; which command would confirm or refute it; and what is not known. From
    /// outside it cannot be seen which object or line of a program holds its memory.
    Why(WhyArgs),
    /// Say what is wrong with plans, incidents and reports: claims without evidence, contradictions, what is not there
    ///
    /// Reads documents and changes none. Each finding has a line, a rule, and how bad it is: an error is what is not so or what
    /// nothing shows (done without a soak, an event that is not recorded, lines that the file does not have), a warning is for
    /// somebody to look at, an info is worth knowing. Evidence is compared with what is recorded, changes with a source tree
    /// (--root), incidents with each other. What could not be looked at makes no finding.
    ///
    /// Exit codes: 0 nothing as bad as --fail-on, 1 something is, 2 a file could not be read, or a place has none.
    Lint(Box<LintArgs>),
    /// Make an action plan for each note of an inbox
    ///
    /// Reads VAULT/Inbox/*.md and writes `VAULT/Needs_Action/Plan_<name>.md`: what kind of task it is, with the words and lines that
    /// say so and what came second; steps that cover each of its bullets; criteria in numbers; and what scupper recorded of the
    /// service, where something fits. What is unchanged is not written. A note that changes has its plan brought up to date,
    /// and what people wrote into it stays. A plan whose status is set to `done` or `cancelled` moves to Done/ with its note.
    ///
    /// The text of a note is data: nothing in it is followed. A note that cannot be used is said in one line, and the others
    /// go on. VAULT/logs holds what was done, VAULT/.scupper what is known from the last time.
    ///
    /// Exit codes: 0 all notes have their plans, 1 something is to be looked at, 2 there is no vault, or bad usage.
    Plan(PlanArgs),
    /// Write down what was recorded of an incident: an audit, a delta report, a postmortem or the body of an issue
    ///
    /// Timeline, impact, five whys, before and after, verification and prevention, each sentence with the events that say so;
    /// what was not recorded is said to be unknown. Changes are compared with a source tree (--tree), and only commands that
    /// were run with --verify count as verification. In a file (--out) what people wrote stays when the report is written
    /// again, and nothing is written where nothing has changed. A report is RESOLVED when its incident is done, not before.
    Report(Box<ReportArgs>),
    /// Keep records of what leaked, with a state, evidence and a history: open, list, show, move, verify, reopen, lint
    ///
    /// `scupper run` opens them by itself (--incident). Each is one Markdown file; what it claims rests on recorded events, and comes
    /// undone when they do. No state is reached without what it needs: a suspect, an owner, a change, a soak that passed.
    Incident(Box<IncidentArgs>),
    /// Say which abilities this machine and user have, and what is lost without each
    Doctor(DoctorArgs),
    /// Check a scupper.toml, or print an example
    Config(ConfigArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
}

impl Command {
    /// Whether it owns units, and so needs the guardian.
    pub(crate) fn owns_a_unit(&self) -> bool {
        match self {
            Self::Run(_) | Self::Up(_) | Self::Soak(_) => true,
            Self::Mcp(args) => args.files.is_none(),
            Self::Report(args) => args.verify,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            assert!(help.is_ascii(), "{}", command.get_name());
        }
    }
}
