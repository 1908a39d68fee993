//! `fleet`: agents on many hosts, as their registry has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use scupper_fleet::{AgentId, HostId, Standing};
use scupper_model::parse_duration;

use super::STATE_HELP;
use super::names::AgentNames;
use super::words::{Word, one_of};

const STANDINGS: &[Word] = &[
    ("active", "its lease holds"),
    ("expired", "its lease has ended, and nobody has claimed it"),
    ("reaping", "somebody cleans up after it"),
    ("unknown", "what is stored of it is not understood"),
];

/// What is asked of a fleet's registry.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper fleet status --registry redis://registry.example:6379\n  \
    scupper fleet agents --standing expired\n  \
    scupper fleet clean                   # whom it would clean up after; changes nothing\n  \
    SCUPPER_REGISTRY=redis://registry.example scupper fleet events -f")]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// One command on a fleet.
#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// Say how the fleet stands: members, clean-ups, coordinators, and whether anything is held back
    ///
    /// Exit codes: 0 all is well; 1 members are not heard of, clean-up is held back, or nobody coordinates; 2 could not look.
    #[command(after_help = "Examples:\n  scupper fleet status\n  scupper fleet status --json | jq .phase")]
    Status(StatusArgs),
    /// List the agents
    ///
    /// A page at a time, in the registry's order; --all shows every page as it comes, and holds none of them.
    ///
    /// Exit codes: 0 looked, 2 could not look.
    #[command(after_help = "Examples:\n  \
        scupper fleet agents\n  \
        scupper fleet agents --host build-7 --standing active\n  \
        scupper fleet agents --all --json | jq -r '.agents[].id'")]
    Agents(AgentsArgs),
    /// Say who would be cleaned up after, and why; claims nobody and changes nothing
    ///
    /// Exit codes: 0 nobody, 1 somebody, 2 could not look.
    #[command(
        after_help = "Examples:\n  scupper fleet orphans\n  scupper fleet orphans --json | jq '.orphans[].agentId'"
    )]
    Orphans(OrphansArgs),
    /// Clean up after orphans: a dry run until --yes
    ///
    /// Lists who does not beat any more, and with --yes claims each and deletes what it left in the registry, as a coordinator
    /// does. Because a person has seen the list, the brake that holds when too many look dead at once does not; leases do, and
    /// so does the grace after nobody has swept for a while: it is waited for. Processes are not ended here: the coordinator of
    /// their host is asked to look.
    ///
    /// Exit codes: 0 nothing is left to clean, 1 something is, 2 could not look, or something named is no orphan.
    #[command(after_help = "Examples:\n  \
        scupper fleet clean                   # a dry run\n  \
        scupper fleet clean --yes\n  \
        scupper fleet clean coder-1 coder-2 --yes\n  \
        scupper fleet clean --leaked          # a dry run: keys of agents that nobody knows any more")]
    Clean(CleanArgs),
    /// List the clean-ups in progress: whose they are, and how long they are believed
    #[command(
        after_help = "Examples:\n  scupper fleet locks\n  scupper fleet locks --json | jq '.claims[].coordinator'"
    )]
    Locks(LocksArgs),
    /// Show what happened in the fleet
    #[command(after_help = "Examples:\n  \
        scupper fleet events -f\n  \
        scupper fleet events --since 1h --agent 'coder-*'\n  \
        scupper fleet events --json -n 1000 | jq 'select(.type == \"cleanup_completed\")'")]
    Events(FleetEventsArgs),
    /// Ask agents to finish what they do and leave: a dry run for more than one, until --yes
    ///
    /// An agent hears of it in the answer to its next heartbeat. What it does then is up to it; `scupper run --agent` stops its
    /// command.
    ///
    /// Exit codes: 0 asked; 1 a dry run, or one of them is gone; 2 could not look, or there is no such agent.
    #[command(after_help = "Examples:\n  \
        scupper fleet drain coder-1\n  \
        scupper fleet drain 'coder-*' --yes\n  \
        scupper fleet drain --host build-7 --yes\n  \
        scupper fleet drain coder-1 --undo")]
    Drain(DrainArgs),
}

/// Which registry, and how it is told.
#[derive(Args, Debug)]
#[expect(clippy::doc_markdown, reason = "the help of a flag")]
pub(crate) struct RegistryArgs {
    /// The registry: redis://..., rediss://..., redis+sentinel://..., redis+cluster://..., redis+unix://..., or embedded:/DIR
    /// (docs/fleet.md has a table) [default: embedded, in the state directory]. One with a password belongs into SCUPPER_REGISTRY: `ps` shows flags
    // Text: a parser that repeats what it refuses would show a password.
    #[arg(long, value_name = "URL", env = "SCUPPER_REGISTRY", hide_env_values = true)]
    pub registry: Option<String>,
    /// Where the embedded registry is
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `fleet status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `fleet agents`.
#[derive(Args, Debug)]
pub(crate) struct AgentsArgs {
    /// Only these: an id, or a pattern such as 'coder-*'
    pub agent: Option<AgentNames>,
    /// Only those of this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<HostId>,
    /// Only those that stand so
    #[arg(long, value_name = "WORD", value_parser = one_of::<Standing>(STANDINGS))]
    pub standing: Option<Standing>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Go on where an earlier page ended
    #[arg(long, value_name = "NEXT")]
    pub from: Option<String>,
    /// All of them, page by page as they come
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `fleet orphans`.
#[derive(Args, Debug)]
pub(crate) struct OrphansArgs {
    /// Instead: keys that agents written to plain Redis keys left for ever, and that nobody owns any more. Searches through
    /// all keys of the server
    #[arg(long)]
    pub leaked: bool,
    #[command(flatten)]
    pub sweep: SweepArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// How a sweep by hand measures time.
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    /// The lease of this fleet's agents, as its coordinators have it (`scupper serve --ttl`): how long nobody may have swept
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2m")]
    pub ttl: Duration,
}

/// `fleet clean`.
#[derive(Args, Debug)]
pub(crate) struct CleanArgs {
    /// Only after these [default: all orphans]
    #[arg(value_name = "ID")]
    pub agents: Vec<AgentId>,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Instead: delete the keys that `fleet orphans --leaked` lists
    #[arg(long)]
    pub leaked: bool,
    #[command(flatten)]
    pub sweep: SweepArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `fleet locks`.
#[derive(Args, Debug)]
pub(crate) struct LocksArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `fleet events`.
#[derive(Args, Debug)]
pub(crate) struct FleetEventsArgs {
    /// Go on showing what happens
    #[arg(short, long)]
    pub follow: bool,
    /// Only what happened in the last TIME, such as 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// Only of this agent, or of those whose ids fit a pattern such as 'coder-*'
    #[arg(long, value_name = "ID|PATTERN")]
    pub agent: Option<AgentNames>,
    /// At most the last N of them [default: 100, with --since all]
    #[arg(short = 'n', long, value_name = "N")]
    pub newest: Option<u32>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `fleet drain`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("whom").required(true).multiple(true).args(["agent", "host", "all"])))]
pub(crate) struct DrainArgs {
    /// Whom: an id, or a pattern such as 'coder-*'
    #[arg(value_name = "ID|PATTERN")]
    pub agent: Option<AgentNames>,
    /// Those of this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<HostId>,
    /// Everybody
    #[arg(long, conflicts_with_all = ["agent", "host"])]
    pub all: bool,
    /// Take it back, where the agent has not left yet
    #[arg(long)]
    pub undo: bool,
    /// Also more than one
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn every_standing_is_known_to_its_type() {
        for (word, _) in STANDINGS {
            let deserializer: StrDeserializer<'_, Error> = word.into_deserializer();
            assert!(Standing::deserialize(deserializer).is_ok(), "{word}");
        }
    }
}
