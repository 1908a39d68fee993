//! `run` and `up`: the settings of a unit as flags.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scupper_fleet::AgentId;
use scupper_fleet::agent::OnLeaseLost;
use scupper_model::{Policy, Profile, RecyclePolicy, RestartPolicy, Size, UnitName, parse_duration};

use super::STATE_HELP;
use super::words::{
    CGROUPS, HORIZONS, LEASES_LOST, LOG_FORMATS, PARENT_EXITS, POLICIES, PROFILES, RECYCLES, RESTARTS, one_of,
};
use crate::agent::AgentSettings;
use crate::config::{
    Address, CgroupMode, Counts, Grow, HorizonMode, Lifetime, LogFormat, OnParentExit, Opens, Output,
    UnitSettings,
};

const REGISTRY_HELP: &str = "The registry: redis://HOST, rediss://HOST, embedded:DIR, or a coordinator (unix:SOCKET, best \
    on its own host; http://HOST, whose token is in SCUPPER_TOKEN or in the state directory) [default: $SCUPPER_REGISTRY, else \
    the embedded one in the state directory]. One with a password belongs into SCUPPER_REGISTRY: `ps` shows flags";

/// Run a command: own its whole process tree, hold its limits, leave nothing behind.
///
/// stdin, stdout, stderr and the exit code stay the command's own; signals are passed on. What scupper has to say goes
/// to stderr and to the evidence file, and is nothing while all is well.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper run [FLAGS] -- COMMAND...",
    after_help = "Examples:\n  \
        scupper run -- gunicorn app:app -w 2\n  \
        scupper run --name web --mem-soft 450M --mem-hard 600M -- gunicorn app:app -w 2\n  \
        scupper run --mem-soft 80% --restart on-failure -- node server.js\n  \
        scupper run --profile worker --child-lifetime 'chrome=15m' -- python3 worker.py\n  \
        scupper run --recycle on-leak --mem-hard 2G -- gunicorn app:app\n  \
        scupper run --fail-on-leak -- ./soak-test.sh\n  \
        scupper run --agent coder-1 --registry redis://registry.example -- ./agent.sh\n  \
        scupper run --unit web                  # as scupper.toml says\n\n\
        Exit codes: the command's own (128+n for a signal), 1 with --fail-on-leak and findings; 75 an agent lost its lease, 125 scupper failed,\n\
        126 not executable, 127 not found, 2 bad usage."
)]
pub(crate) struct RunArgs {
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "unit")]
    pub command: Vec<OsString>,
    /// Take the settings of this unit of scupper.toml; flags win over them
    #[arg(long, value_name = "NAME")]
    pub unit: Option<UnitName>,
    /// The file in which --unit is looked for
    #[arg(long, value_name = "FILE", requires = "unit", default_value = crate::config::DEFAULT_FILE)]
    pub config: PathBuf,
    #[command(flatten)]
    pub settings: UnitFlags,
    #[command(flatten)]
    pub agent: AgentFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Run all units of a scupper.toml.
///
/// SIGHUP reads the file again: new units are started, missing ones stopped, changed limits take effect at once.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  scupper up\n  scupper up -f /etc/scupper.toml --metrics 127.0.0.1:9464\n\n\
    SIGHUP reads the file again: new units are started, missing ones stopped, changed limits take effect at once.\n\
    `scupper config example > scupper.toml` makes one to begin with."
)]
pub(crate) struct UpArgs {
    /// The file to read
    #[arg(short, long, value_name = "FILE", default_value = crate::config::DEFAULT_FILE)]
    pub file: PathBuf,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Unit")]
pub(crate) struct UnitFlags {
    /// Name of the unit [default: from the command]
    #[arg(long)]
    name: Option<UnitName>,
    /// What kind of program it is: web, worker, job, mcp or agent [default: web]
    #[arg(long, value_parser = one_of::<Profile>(PROFILES), hide_possible_values = true)]
    profile: Option<Profile>,
    /// How far scupper may go: observe, alert, recycle or kill [default: as the limits say]
    #[arg(long, value_parser = one_of::<Policy>(POLICIES), hide_possible_values = true)]
    policy: Option<Policy>,
    /// Drain and replace what grows above this: 450M, 3.5GiB, or 80% of the cgroup or host
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    mem_soft: Option<Size>,
    /// KILL at once above this
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    mem_hard: Option<Size>,
    /// Limit open descriptors of the tree
    #[arg(long, value_name = "SOFT[:HARD]", help_heading = "Limits")]
    max_fds: Option<Counts>,
    /// Limit threads of the tree
    #[arg(long, value_name = "SOFT[:HARD]", help_heading = "Limits")]
    max_threads: Option<Counts>,
    /// Limit processes below the main one
    #[arg(long, value_name = "SOFT[:HARD]", help_heading = "Limits")]
    max_children: Option<Counts>,
    /// Limit open sockets of the tree
    #[arg(long, value_name = "SOFT[:HARD]", help_heading = "Limits")]
    max_sockets: Option<Counts>,
    /// Call growth of more than SIZE within TIME a leak, such as 100M/5m
    #[arg(long, value_name = "SIZE/TIME", help_heading = "Leaks")]
    grow: Option<Grow>,
    /// Replace what leaks, in a quiet moment before its limit: never or on-leak [default: never]
    #[arg(long, value_parser = one_of::<RecyclePolicy>(RECYCLES), hide_possible_values = true, help_heading = "Leaks")]
    recycle: Option<RecyclePolicy>,
    /// Turn exit code 0 into 1 where something leaked or was left behind: for tests and CI
    #[arg(long, help_heading = "Leaks")]
    fail_on_leak: bool,
    /// How much time there is to judge: long or short [default: long; short with --fail-on-leak]
    #[arg(long, value_parser = one_of::<HorizonMode>(HORIZONS), hide_possible_values = true, help_heading = "Leaks")]
    horizon: Option<HorizonMode>,
    /// Time between TERM and KILL [default: 30s; 2s for an MCP server]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    grace: Option<Duration>,
    /// End it when nothing was read, written or computed in its tree for this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    idle: Option<Duration>,
    /// End it after this long, whatever it does
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    lifetime: Option<Duration>,
    /// End helpers whose name matches after this time, such as 'chrome=15m'; `off` for no default (repeatable)
    #[arg(long, value_name = "PATTERN=TIME")]
    child_lifetime: Vec<Lifetime>,
    /// Never touch processes whose name matches (repeatable)
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Start it again when it ends: never, on-failure or always [default: never]
    #[arg(long, value_parser = one_of::<RestartPolicy>(RESTARTS), hide_possible_values = true)]
    restart: Option<RestartPolicy>,
    /// After too many restarts stay down, instead of trying again slowly
    #[arg(long)]
    no_retry: bool,
    /// A log file of the command, searched for fatal messages of V8 and Python (repeatable)
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Make a cgroup for it: auto or off [default: auto]
    #[arg(long, value_parser = one_of::<CgroupMode>(CGROUPS), hide_possible_values = true)]
    cgroup: Option<CgroupMode>,
    /// Add to its environment (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    env: Vec<(OsString, OsString)>,
    /// Start it in this directory
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl UnitFlags {
    /// The settings they stand for.
    pub(crate) fn settings(self, command: Vec<OsString>) -> UnitSettings {
        UnitSettings {
            name: self.name,
            command,
            directory: self.directory,
            environment: self.env,
            profile: self.profile,
            policy: self.policy,
            mem_soft: self.mem_soft,
            mem_hard: self.mem_hard,
            max_fds: self.max_fds,
            max_threads: self.max_threads,
            max_children: self.max_children,
            max_sockets: self.max_sockets,
            grace: self.grace,
            idle: self.idle,
            lifetime: self.lifetime,
            restart: self.restart,
            no_retry: self.no_retry.then_some(true),
            child_lifetime: self.child_lifetime,
            keep: self.keep,
            log: self.log,
            cgroup: self.cgroup.map(|mode| mode == CgroupMode::Auto),
            grow: self.grow,
            horizon: self.horizon,
            recycle: self.recycle,
            fail_on_leak: self.fail_on_leak.then_some(true),
            agent: AgentSettings::default(),
        }
    }
}

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Fleet")]
pub(crate) struct AgentFlags {
    /// Make it an agent of a registry: beat for it, leave when it ends, and stop it when it is a member no more
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// Where the registry is
    #[arg(long, value_name = "URL", help = REGISTRY_HELP)]
    registry: Option<String>,
    /// What happens when it cannot be renewed in time or is refused: pause, finish or exit [default: pause]
    #[arg(long, value_parser = one_of::<OnLeaseLost>(LEASES_LOST), hide_possible_values = true)]
    on_lease_lost: Option<OnLeaseLost>,
    /// How long one heartbeat is good for [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ttl: Option<Duration>,
    /// How often it beats [default: a quarter of --ttl]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    beat: Option<Duration>,
    /// Fence a living process that has the name, instead of being refused
    #[arg(long)]
    takeover: bool,
}

impl From<AgentFlags> for AgentSettings {
    fn from(flags: AgentFlags) -> Self {
        Self {
            id: flags.agent,
            registry: flags.registry,
            on_lease_lost: flags.on_lease_lost,
            ttl: flags.ttl,
            beat: flags.beat,
            takeover: flags.takeover,
        }
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What scupper says")]
pub(crate) struct OutputFlags {
    /// How log lines on stderr look: text or json [default: text]
    #[arg(long, value_parser = one_of::<LogFormat>(LOG_FORMATS), hide_possible_values = true)]
    log_format: Option<LogFormat>,
    /// Print routine events too
    #[arg(long, short)]
    verbose: bool,
    /// Serve metrics over HTTP
    #[arg(
        long,
        value_name = "ADDR",
        help = "Serve OpenMetrics at /metrics of this address, such as 127.0.0.1:9464"
    )]
    metrics: Option<Address>,
    /// Let --metrics be reached from other machines
    #[arg(long)]
    metrics_public: bool,
    /// Run this (sh -c) for each warning and error, with the event as JSON on its stdin
    #[arg(long, value_name = "CMD")]
    on_event: Option<String>,
    /// Open an incident for these: leak, limit, death, sweep, or all or none [default: leak; none where something is tested]
    #[arg(long, value_name = "WHAT")]
    incident: Option<Opens>,
    /// Where incidents are kept [default: `incidents` in the state directory]
    #[arg(long, value_name = "DIR")]
    incidents: Option<PathBuf>,
    /// Where evidence is kept
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    state: Option<PathBuf>,
    /// What to do when the process that started scupper is gone: auto, stop or ignore [default: auto]
    #[arg(long, value_parser = one_of::<OnParentExit>(PARENT_EXITS), hide_possible_values = true)]
    on_parent_exit: Option<OnParentExit>,
}

impl From<OutputFlags> for Output {
    fn from(flags: OutputFlags) -> Self {
        Self {
            state: flags.state,
            log_format: flags.log_format,
            metrics: flags.metrics,
            metrics_public: flags.metrics_public,
            on_event: flags.on_event,
            on_parent_exit: flags.on_parent_exit,
            verbose: flags.verbose,
            incident: flags.incident,
            incidents: flags.incidents,
        }
    }
}

pub(super) fn assignment(text: &str) -> Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
