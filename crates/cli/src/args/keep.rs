//! `keep`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use scupper_model::{Pid, parse_duration};

use super::STATE_HELP;
use crate::keeps::check_pattern;

/// What `keep` is told.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("what").args(["pid", "matching", "list"]).multiple(true).required(true),
    after_help = "Examples:\n  \
        scupper keep 4711\n  \
        scupper keep --match 'redis-*' --for 7d\n  \
        scupper keep --list\n  \
        scupper keep --remove --match 'redis-*'"
)]
pub(crate) struct KeepArgs {
    /// This very process, and what descends from it
    pub pid: Vec<Pid>,
    /// Whatever process whose name or program matches: * is anything, ? is one character (repeatable)
    #[arg(long = "match", value_name = "EXPR", value_parser = pattern)]
    pub matching: Vec<String>,
    /// Keep it for so long [default: for good, or until the process ends]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, conflicts_with_all = ["list", "remove"])]
    pub lasting: Option<Duration>,
    /// Show what is kept
    #[arg(long, conflicts_with_all = ["pid", "matching", "remove"])]
    pub list: bool,
    /// Keep it no longer
    #[arg(long)]
    pub remove: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where what is kept is written down.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

fn pattern(text: &str) -> Result<String, String> {
    check_pattern(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
