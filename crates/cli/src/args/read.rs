//! `ps` and `events`: what is, and what was.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scupper_model::parse_duration;

use super::{STATE_HELP, UnitNames};

/// Show the units that run, and their processes.
///
/// Read from the units' record files and asked of the units themselves; needs no evidence file. A unit whose supervisor
/// is gone is a finding (exit code 1).
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper ps\n  scupper ps web --processes\n  scupper ps --json")]
pub(crate) struct PsArgs {
    /// Only this unit, or those whose names fit a pattern such as 'claude*'
    pub unit: Option<UnitNames>,
    /// Show each process
    #[arg(short, long)]
    pub processes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Show what happened: the recorded events.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper events\n  \
    scupper events web -f\n  \
    scupper events 'claude*'                # every session of one --name\n  \
    scupper events --kind process_died --kind limit_crossed --since 24h\n  \
    scupper events web --json -n 1000 | jq 'select(.event == \"process_died\")'")]
pub(crate) struct EventsArgs {
    /// Only of this unit, or of those whose names fit a pattern such as 'claude*'
    pub unit: Option<UnitNames>,
    /// Go on showing what happens
    #[arg(short, long)]
    pub follow: bool,
    /// Only events of this name, such as `limit_crossed` (repeatable)
    #[arg(long, value_name = "NAME")]
    pub kind: Vec<String>,
    /// Only what happened in the last TIME, such as 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// At most the last N of them [default: 100, with --since all]
    #[arg(short = 'n', long, value_name = "N")]
    pub newest: Option<u32>,
    /// Print one event a line, as JSON
    #[arg(long)]
    pub json: bool,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}
