//! `incident`: records with a state.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use scupper_casebook::incident::{Priority, State};
use scupper_model::{Bytes, UnitName};

use super::STATE_HELP;
use super::words::{LOG_FORMATS, one_of};
use crate::config::LogFormat;

/// What is asked of incidents.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper run --incident leak,limit,death -- gunicorn app:app    # opened by themselves\n  \
    scupper incident list --open\n  \
    scupper incident show ISS-0001\n  \
    scupper incident move ISS-0001 active --owner ana\n  \
    scupper incident move ISS-0001 ready_for_qa --change 4f1c2d9\n  \
    scupper incident verify ISS-0001")]
pub(crate) struct IncidentArgs {
    #[command(subcommand)]
    pub command: IncidentCommand,
}

/// One command on incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Open one by hand
    ///
    /// With --event it is opened for a recorded event: unit, evidence and what a soak has to show follow from it.
    ///
    /// Exit codes: 0 opened, 2 not opened: one is open for the same thing, or bad usage.
    #[command(after_help = "Examples:\n  \
        scupper incident new 'web grows by 100 MB an hour' --unit web --priority high\n  \
        scupper incident new 'web leaks' --event 0199c0de-0000-7000-8000-000000000001\n  \
        scupper incident new 'heap exhaustion' --unit wrapper --soak-ops 1550 --soak-growth 50M")]
    New(NewArgs),
    /// List them
    ///
    /// Exit codes: 0 all were read, 1 something in the folder cannot be read, or they wait for each other in a circle, 2 could
    /// not look.
    #[command(after_help = "Examples:\n  \
        scupper incident list --open\n  \
        scupper incident list --in ready_for_qa --json | jq -r '.incidents[].id'")]
    List(ListArgs),
    /// Show one: its state, its evidence and whether it still holds, what may come next
    ///
    /// Exit codes: 0 what it says holds, 1 something that it says does not hold any more, 2 could not look.
    #[command(
        after_help = "Examples:\n  scupper incident show ISS-0001\n  scupper incident show ./ISS-0109-node-heap.md --json"
    )]
    Show(OneArgs),
    /// Move one to another state, where what that needs is there
    ///
    /// `planning` -> `ready_for_engineering` -> `active` -> `ready_for_qa` -> `ready_for_deployment` -> `done` -> `archived`; also `won_t_do`, and
    /// back. Whatever is refused says what is missing, or what is allowed. --force goes on all the same, and is written down.
    ///
    /// Exit codes: 0 moved, 1 refused, 2 could not look.
    #[command(after_help = "Examples:\n  \
        scupper incident move ISS-0001 active --owner ana\n  \
        scupper incident move ISS-0001 ready_for_qa --change 4f1c2d9 --soak-ops 1550 --soak-growth 50M\n  \
        scupper incident move ISS-0001 done\n  \
        scupper incident move ISS-0001 won_t_do --reason 'a cache that fills up'")]
    Move(MoveArgs),
    /// Hold the recorded soaks and the evidence of one against what it needs: passed, or refused and why
    ///
    /// What counts are soaks of its unit (`scupper soak --name UNIT`) that began after the last --change. The result is
    /// written into the record.
    ///
    /// Exit codes: 0 passed, 1 refused, 2 could not look.
    #[command(
        after_help = "Examples:\n  scupper incident verify ISS-0001\n  scupper incident verify ISS-0001 --json | jq .reasons"
    )]
    Verify(OneArgs),
    /// Open one again that was done
    ///
    /// What comes back by itself reopens its incident by itself.
    ///
    /// Exit codes: 0 reopened, 1 refused, 2 could not look.
    #[command(after_help = "Example:\n  scupper incident reopen ISS-0001 --reason 'seen on web-3'")]
    Reopen(ReopenArgs),
    /// Say what is wrong with incidents: the same as `scupper lint`, of one or of all of them
    #[command(after_help = "Examples:\n  scupper incident lint\n  scupper incident lint ISS-0001 --json")]
    Lint(LintIncidentArgs),
    /// Take events on stdin, one a line, as a supervisor tells them
    #[command(hide = true, after_help = "Example:\n  scupper incident record < event.json")]
    Record(RecordArgs),
}

/// Where incidents and evidence are.
#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// Where incidents are kept [default: `incidents` in the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
    /// Where evidence is kept
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

/// Where a command looks, and how it answers.
#[derive(Args, Clone, Debug)]
pub(crate) struct Told {
    #[command(flatten)]
    pub places: Places,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The same of a command that changes something: who does it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Acted {
    /// Who does it [default: the user]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub told: Told,
}

/// What a soak has to show.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SoakNeeds {
    /// A soak has to do so many operations, instead of lasting a day
    #[arg(long, value_name = "N")]
    pub soak_ops: Option<u64>,
    /// In a soak memory grows by less than this
    #[arg(long, value_name = "SIZE")]
    pub soak_growth: Option<Bytes>,
}

#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// One line that says what it is about
    pub title: String,
    /// What it is about, in Markdown; `-` reads stdin
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// The unit in which it was seen
    #[arg(long)]
    pub unit: Option<UnitName>,
    /// The recorded event that it is about: its id, as `scupper events --json` shows it
    #[arg(long, value_name = "ID")]
    pub event: Option<String>,
    /// low, medium, high or critical [default: as the event says, else medium]
    #[arg(long, value_parser = priority)]
    pub priority: Option<Priority>,
    /// Who is to look after it
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// An incident that has to do with it (repeatable)
    #[arg(long, value_name = "ID")]
    pub related: Vec<String>,
    /// An incident that has to be solved before (repeatable)
    #[arg(long, value_name = "ID")]
    pub blocked_by: Vec<String>,
    #[command(flatten)]
    pub needs: SoakNeeds,
    #[command(flatten)]
    pub acted: Acted,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// In this state (repeatable)
    #[arg(long = "in", value_name = "STATE")]
    pub states: Vec<State>,
    /// What there is still something to do about
    #[arg(long)]
    pub open: bool,
    /// Seen in this unit
    #[arg(long)]
    pub unit: Option<UnitName>,
    #[command(flatten)]
    pub told: Told,
}

#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// ISS-0001, or a file
    pub id: String,
    #[command(flatten)]
    pub told: Told,
}

#[derive(Args, Debug)]
pub(crate) struct MoveArgs {
    /// ISS-0001, or a file
    pub id: String,
    /// Where it is to go
    pub to: State,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// What was changed because of it: a commit, a path, a setting
    #[arg(long, value_name = "WHAT")]
    pub change: Option<String>,
    /// Who owns it from now on
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Who has looked at it
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,
    /// Move it although it is not allowed; needs --reason, and is written down with who and why
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub needs: SoakNeeds,
    #[command(flatten)]
    pub acted: Acted,
}

#[derive(Args, Debug)]
pub(crate) struct ReopenArgs {
    /// ISS-0001, or a file
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    pub acted: Acted,
}

#[derive(Args, Debug)]
pub(crate) struct LintIncidentArgs {
    /// ISS-0001, or a file (repeatable) [default: all of them]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub told: Told,
}

#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// How log lines look
    #[arg(long, value_parser = one_of::<LogFormat>(LOG_FORMATS), default_value = "text")]
    pub log_format: LogFormat,
    /// Give the supervisor some seconds to write the event down first, and what came before it
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub places: Places,
}

fn priority(text: &str) -> Result<Priority, String> {
    let known = Priority::ALL.into_iter().find(|priority| priority.name() == text);
    known.ok_or_else(|| "write low, medium, high or critical".to_owned())
}
