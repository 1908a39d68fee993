//! `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scupper_fleet::coordinator::OnLost;
use scupper_fleet::{CoordinatorId, HostId};
use scupper_model::parse_duration;

use super::STATE_HELP;
use super::words::{LOG_FORMATS, one_of};
use crate::config::{LogFormat, Opens, Output};

/// What `serve` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper serve                                        # agents of this host alone, in files of this user\n  \
    scupper serve --registry rediss://registry.example/0 # one on each host that has agents\n  \
    scupper serve --registry redis://10.0.0.7 --on-coordinator-lost drain\n  \
    scupper serve --listen 127.0.0.1:0 --no-socket\n  \
    scupper serve --once | jq .orphansCleaned            # one sweep, for cron\n\n\
    Then, on the same host:\n  \
    scupper run --agent coder-1 --registry http://127.0.0.1:9465 -- ./coder\n\n\
    Exit codes: 0 it was asked to end; 2 bad usage, or the registry cannot serve as one. With --once: 0 every orphan was\n\
    cleaned up after, 1 some were not, 2 could not look, or a `scupper serve` that runs here does it all the time.")]
#[expect(clippy::struct_excessive_bools, clippy::doc_markdown, reason = "flags, and their help")]
pub(crate) struct ServeArgs {
    /// The registry: redis://..., rediss://..., redis+sentinel://..., redis+cluster://..., redis+unix://..., or embedded:/DIR
    /// (docs/fleet.md has a table) [default: embedded, in the state directory]. One with a password belongs into SCUPPER_REGISTRY: `ps` shows flags
    // Text: a parser that repeats what it refuses would show a password.
    #[arg(long, value_name = "URL", env = "SCUPPER_REGISTRY", hide_env_values = true)]
    pub registry: Option<String>,
    /// Where the API and /metrics are served over TCP: always with a token
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9465", help_heading = "API")]
    pub listen: SocketAddr,
    /// Serve nothing over TCP
    #[arg(long, conflicts_with = "listen", help_heading = "API")]
    pub no_listen: bool,
    /// Let --listen be reached from other hosts. The token travels in the clear: put TLS in front of it
    #[arg(long, help_heading = "API")]
    pub listen_anywhere: bool,
    /// The Unix socket of the API, for this user alone [default: serve.sock in the runtime directory]
    #[arg(long, value_name = "PATH", help_heading = "API")]
    pub socket: Option<PathBuf>,
    /// Serve nothing over a Unix socket
    #[arg(long, conflicts_with = "socket", help_heading = "API")]
    pub no_socket: bool,
    /// The file with the token of the API [default: $SCUPPER_TOKEN, else the file `token` in the state directory, which is made]
    #[arg(long, value_name = "FILE", help_heading = "API")]
    pub token_file: Option<PathBuf>,
    /// This coordinator's name: another one for each [default: the host's name]
    #[arg(long, value_name = "ID", help_heading = "Fleet")]
    pub id: Option<CoordinatorId>,
    /// This host's name, as its agents say it [default: the kernel's]
    #[arg(long, value_name = "HOST", help_heading = "Fleet")]
    pub host: Option<HostId>,
    /// What becomes of the agents of a coordinator that is gone: adopt, drain or stop
    #[arg(long, value_name = "WORD", value_parser = on_lost, default_value = "adopt", help_heading = "Fleet")]
    pub on_coordinator_lost: OnLost,
    /// The lease of this fleet's agents: all other times keep their proportion to it. The same for every coordinator
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2m", help_heading = "Fleet")]
    pub ttl: Duration,
    /// Between two sweeps [default: a 24th of --ttl]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Fleet")]
    pub tick: Option<Duration>,
    /// How far back the fleet's growth is measured, at least 2.5 x --ttl: a setting of the registry, the same for all its
    /// coordinators [default: the registry's, which is 5m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Fleet")]
    pub leak_window: Option<Duration>,
    /// Leave orphans' processes of this host alone: only what is in the registry is cleaned up
    #[arg(long, help_heading = "Fleet")]
    pub no_processes: bool,
    /// Between TERM and KILL, where an orphan's process is ended
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s", help_heading = "Fleet")]
    pub grace: Duration,
    /// Sweep once and print the result as JSON. Where nobody has swept lately, agents are first given time to beat. Orphans'
    /// processes are left to a coordinator that stays. Refused (2) beside one of this user, host and registry: that one sweeps
    #[arg(long)]
    pub once: bool,
    /// How log lines on stderr look: text or json [default: text]
    #[arg(long, value_parser = one_of::<LogFormat>(LOG_FORMATS), hide_possible_values = true)]
    pub log_format: Option<LogFormat>,
    /// Print routine events too
    #[arg(long, short)]
    pub verbose: bool,
    /// Run this (sh -c) for each warning and error, with the event as JSON on its stdin
    #[arg(long, value_name = "CMD")]
    pub on_event: Option<String>,
    /// Open an incident for these: sweep, or all or none [default: none]
    #[arg(long, value_name = "WHAT")]
    pub incident: Option<Opens>,
    /// Where incidents are kept [default: `incidents` in the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
    /// Where evidence, the token and the embedded registry are kept
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

impl ServeArgs {
    /// Where it says what happens.
    pub(crate) fn output(&self) -> Output {
        Output {
            state: self.state.clone(),
            log_format: self.log_format,
            on_event: self.on_event.clone(),
            verbose: self.verbose,
            incident: self.incident.clone(),
            incidents: self.incidents.clone(),
            ..Output::default()
        }
    }
}

fn on_lost(text: &str) -> Result<OnLost, String> {
    let known = [OnLost::Adopt, OnLost::Drain, OnLost::Stop];
    let found = known.into_iter().find(|policy| policy.as_str() == text);
    found.ok_or_else(|| "write adopt, drain or stop".to_owned())
}
