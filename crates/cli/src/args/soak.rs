//! `soak`: what has to be shown, and of which command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use scupper_model::{Bytes, Size, UnitName, parse_duration};
use scupper_supervise::soak::{Criteria, WarmUp};

use super::run::{OutputFlags, assignment};
use crate::config::UnitSettings;
use crate::counter::OpsFrom;

/// What has to be shown, and of which command.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper soak [FLAGS] -- COMMAND...",
    after_help = "Examples:\n  \
        scupper soak --ops 1550 --ops-from 'log:request done' --log app.log --max-growth 50M -- node server.js\n  \
        scupper soak --ops 1550 --ops-from file:/tmp/done --max-growth 50M -- python3 worker.py\n  \
        scupper soak --ops 10000 --ops-from 'http://127.0.0.1:8000/metrics#requests_total{code=\"200\"}' -- ./serve\n  \
        scupper soak --for 3m --warm-up 30s --json -- ./load-test.sh\n  \
        scupper soak --for 2h --csv soak.csv --svg soak.svg -- gunicorn app:app\n\n\
        Without --max-growth the memory has to be seen for 45 s or more: a verdict takes that long.\n\n\
        Exit codes: 0 every criterion held, 1 one did not, 2 could not look (nothing was counted, too little was seen\n\
        for a verdict, the command could not be started) or bad usage."
)]
pub(crate) struct SoakArgs {
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", required = true)]
    pub command: Vec<OsString>,
    /// At least so many operations are to be done
    #[arg(long, value_name = "N", requires = "ops_from", help_heading = "What is to be shown")]
    ops: Option<u64>,
    /// Where operations are counted: lines of --log that match (or the number they capture), the number in a file, or the
    /// sum of a metric
    #[arg(long, value_name = "log:REGEX|file:PATH|http:URL#METRIC", help_heading = "What is to be shown")]
    pub ops_from: Option<OpsFrom>,
    /// End after this time; without --ops it has to run that long
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, help_heading = "What is to be shown")]
    lasting: Option<Duration>,
    /// Memory is to grow by less than this
    #[arg(long, value_name = "SIZE", help_heading = "What is to be shown")]
    max_growth: Option<Bytes>,
    /// What counts as the start: so many operations, or so much time [default: a tenth of it all]
    #[arg(long, value_name = "OPS|TIME", help_heading = "What is to be shown")]
    warm_up: Option<WarmUpFlag>,
    /// Time between two looks
    #[arg(long, value_name = "TIME", value_parser = every, default_value = "500ms")]
    pub every: Duration,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Keep what was measured, as `scupper analyze` reads it
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw it
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Do not tell how far it is
    #[arg(long, short)]
    pub quiet: bool,
    /// Name of the unit [default: from the command]
    #[arg(long, help_heading = "Unit")]
    name: Option<UnitName>,
    /// KILL at once above this
    #[arg(long, value_name = "SIZE", help_heading = "Unit")]
    mem_hard: Option<Size>,
    /// Time between TERM and KILL [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Unit")]
    grace: Option<Duration>,
    /// A log file of the command (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Unit")]
    pub log: Vec<PathBuf>,
    /// Add to its environment (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment, help_heading = "Unit")]
    env: Vec<(OsString, OsString)>,
    /// Start it in this directory
    #[arg(long, value_name = "DIR", help_heading = "Unit")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputFlags,
}

impl SoakArgs {
    /// What has to be shown.
    pub(crate) fn criteria(&self) -> Criteria {
        Criteria {
            operations: self.ops,
            lasting: self.lasting,
            max_growth: self.max_growth,
            warm_up: self.warm_up.map(|flag| flag.0),
        }
    }

    /// The unit it is shown of.
    pub(crate) fn settings(&self) -> UnitSettings {
        UnitSettings {
            name: self.name.clone(),
            command: self.command.clone(),
            directory: self.directory.clone(),
            environment: self.env.clone(),
            mem_hard: self.mem_hard,
            grace: self.grace,
            log: self.log.clone(),
            // What is left behind is a finding here too.
            fail_on_leak: Some(true),
            ..UnitSettings::default()
        }
    }
}

/// `200` operations, or `30s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarmUpFlag(WarmUp);

impl FromStr for WarmUpFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(operations) = text.parse() {
            return Ok(Self(WarmUp::Operations(operations)));
        }
        let time = parse_duration(text).map_err(|_| "write operations (200) or a time (30s)".to_owned())?;
        Ok(Self(WarmUp::Time(time)))
    }
}

pub(super) fn every(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_mins(1);
    let every = parse_duration(text).map_err(|error| error.to_string())?;
    if (LEAST..=MOST).contains(&every) { Ok(every) } else { Err("write a time from 20ms to 1m".to_owned()) }
}
