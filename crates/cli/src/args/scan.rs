//! `scan`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scupper_model::{Pid, parse_duration};

use super::STATE_HELP;
use crate::users;

/// Of less the detector says nothing.
const SHORTEST_WATCH: Duration = Duration::from_secs(30);
/// Who watches for longer wants `attach`.
const LONGEST_WATCH: Duration = Duration::from_hours(1);

/// What `scan` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper scan\n  \
    scupper scan --watch 60s\n  \
    scupper scan --explain 4711\n  \
    scupper scan --json --min-age 10m | jq '.left_behind[] | {pid, group, certainty}'")]
pub(crate) struct ScanArgs {
    /// Leave out processes that are younger than this [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub min_age: Option<Duration>,
    /// Only processes of this user
    #[arg(long, value_name = "NAME|UID", value_parser = users::number)]
    pub user: Option<u32>,
    /// Say everything that is known of one process
    #[arg(long, value_name = "PID", conflicts_with = "watch")]
    pub explain: Option<Pid>,
    /// Watch memory and descriptors for so long, and say what grows; ^C ends it early
    #[arg(long, value_name = "TIME", value_parser = watch)]
    pub watch: Option<Duration>,
    /// Call a server that nobody used for this long idle
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30m")]
    pub idle: Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

fn watch(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    if !(SHORTEST_WATCH..=LONGEST_WATCH).contains(&time) {
        return Err("write 30s to 1h; `scupper attach` watches for longer".to_owned());
    }
    Ok(time)
}
