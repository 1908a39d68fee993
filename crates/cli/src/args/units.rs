//! `stop`, `restart`, `recycle` and `set`: what can be asked of a running unit.

use std::time::Duration;

use clap::Args;
use scupper_model::{Policy, Size, UnitName, parse_duration};
use scupper_supervise::control::{Change, LimitChange};

use super::UnitNames;
use super::words::{POLICIES, one_of};
use crate::config::Counts;

#[derive(Args, Debug)]
pub(crate) struct AskArgs {
    /// The unit, or a pattern of names such as 'claude*'
    pub unit: UnitNames,
    /// Wait at most this long [default: the unit's grace and 15 s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Do not wait until it is done
    #[arg(long)]
    pub no_wait: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Change a running unit's limits, without a restart. What is not named stays as it is.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper set UNIT LIMITS...",
    after_help = "Examples:\n  \
    scupper set web --mem-soft 600M --mem-hard 800M\n  \
    scupper set web --max-fds off\n  \
    scupper set web --policy observe"
)]
pub(crate) struct SetArgs {
    /// The unit
    pub unit: UnitName,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct LimitFlags {
    /// Drain and replace what grows above this; `off` for no limit
    #[arg(long, value_name = "SIZE|off", value_parser = or_off::<Size>)]
    mem_soft: Option<Change<Size>>,
    /// KILL at once above this
    #[arg(long, value_name = "SIZE|off", value_parser = or_off::<Size>)]
    mem_hard: Option<Change<Size>>,
    /// Limit open descriptors of the tree
    #[arg(long, value_name = "SOFT[:HARD]|off", value_parser = or_off::<Counts>)]
    max_fds: Option<Change<Counts>>,
    /// Limit threads of the tree
    #[arg(long, value_name = "SOFT[:HARD]|off", value_parser = or_off::<Counts>)]
    max_threads: Option<Change<Counts>>,
    /// Limit processes below the main one
    #[arg(long, value_name = "SOFT[:HARD]|off", value_parser = or_off::<Counts>)]
    max_children: Option<Change<Counts>>,
    /// Limit open sockets of the tree
    #[arg(long, value_name = "SOFT[:HARD]|off", value_parser = or_off::<Counts>)]
    max_sockets: Option<Change<Counts>>,
    /// How far scupper may go: observe, alert, recycle or kill
    #[arg(long, value_parser = one_of::<Policy>(POLICIES), hide_possible_values = true)]
    policy: Option<Policy>,
}

impl From<LimitFlags> for LimitChange {
    fn from(flags: LimitFlags) -> Self {
        let counts = |change: Option<Change<Counts>>| {
            change.map(|change| match change {
                Change::To(counts) => (counts.soft, counts.hard),
                Change::Off => (None, None),
            })
        };
        Self {
            mem_soft: flags.mem_soft,
            mem_hard: flags.mem_hard,
            fds: counts(flags.max_fds),
            threads: counts(flags.max_threads),
            children: counts(flags.max_children),
            sockets: counts(flags.max_sockets),
            policy: flags.policy,
        }
    }
}

fn or_off<T: std::str::FromStr>(text: &str) -> Result<Change<T>, T::Err> {
    if text == "off" { Ok(Change::Off) } else { text.parse().map(Change::To) }
}
