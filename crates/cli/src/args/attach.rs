//! `attach`.

use std::time::Duration;

use clap::Args;
use scupper_detect::Horizon;
use scupper_model::{Limits, Pid, Size, UnitName, parse_duration};

use super::run::OutputFlags;
use super::words::{HORIZONS, one_of};
use crate::config::{Grow, HorizonMode};

/// What is to be watched, and how.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper attach [FLAGS] PID\n       scupper attach [FLAGS] --match EXPR",
    after_help = "Examples:\n  \
        scupper attach 4242\n  \
        scupper attach --match gunicorn --for 1h --metrics 127.0.0.1:9464\n  \
        scupper attach --match 'node server.js' --json\n  \
        scupper attach 4242 --for 10m --fail-on-leak\n\n\
        Exit codes: 0 watched to the end, 1 with --fail-on-leak where something leaked, 2 no such process, or more than one."
)]
pub(crate) struct AttachArgs {
    /// The topmost process of the tree
    #[arg(value_name = "PID", required_unless_present = "matching", conflicts_with = "matching")]
    pub pid: Option<Pid>,
    /// The process whose name, program or command line matches: `*` is anything; of a tree that matches its topmost one
    #[arg(long = "match", value_name = "EXPR")]
    pub matching: Option<String>,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub lasting: Option<Duration>,
    /// Longest time between two looks
    #[arg(long, value_name = "TIME", value_parser = super::soak::every, default_value = "1s")]
    pub every: Duration,
    /// Print each look and each event as a line of JSON
    #[arg(long)]
    pub json: bool,
    /// Do not show how it is
    #[arg(long, short)]
    pub quiet: bool,
    /// What it is called in events and `ps` [default: from the process]
    #[arg(long)]
    pub name: Option<UnitName>,
    /// What the forecast of memory is about [default: the memory of its cgroup or of the host]; that it is crossed is said, and nothing done
    #[arg(long, value_name = "SIZE", help_heading = "Leaks")]
    pub mem_hard: Option<Size>,
    /// Call growth of more than SIZE within TIME a leak, such as 100M/5m
    #[arg(long, value_name = "SIZE/TIME", help_heading = "Leaks")]
    pub grow: Option<Grow>,
    /// How much time there is to judge: long or short [default: long; short with --fail-on-leak]
    #[arg(long, value_parser = one_of::<HorizonMode>(HORIZONS), hide_possible_values = true, help_heading = "Leaks")]
    horizon: Option<HorizonMode>,
    /// Exit with 1 where something leaked
    #[arg(long, help_heading = "Leaks")]
    pub fail_on_leak: bool,
    #[command(flatten)]
    pub output: OutputFlags,
}

impl AttachArgs {
    /// How much time there is to judge: who wants an answer at the end wants it judged by then.
    pub(crate) fn horizon(&self) -> Horizon {
        let short = if self.fail_on_leak { Horizon::Short } else { Horizon::Long };
        self.horizon.map_or(short, Into::into)
    }

    /// What forecasts are about.
    pub(crate) fn limits(&self) -> Limits {
        Limits { mem_hard: self.mem_hard, ..Limits::default() }
    }
}
