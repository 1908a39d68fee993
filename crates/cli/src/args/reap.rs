//! `reap`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scupper_model::parse_duration;
use scupper_orphan::Class;

use super::STATE_HELP;
use crate::config::Opens;
use crate::users;

/// What `reap` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper reap                          # what would be ended, and why; ends nobody\n  \
    scupper reap --yes\n  \
    scupper reap 4711 --yes\n  \
    scupper reap 'npx @playwright/mcp' --yes\n  \
    scupper reap --class browser --min-age 1h --yes\n  \
    scupper reap --auto                   # for a timer: what is certain, and only as long as that can be believed")]
pub(crate) struct ReapArgs {
    /// Only these: a process with what was left behind below it, a group as `scupper scan` names it, or a unit [default: all]
    #[arg(value_name = "PID|GROUP|UNIT")]
    pub targets: Vec<String>,
    /// Only what is of this kind: browser, mcp-server, agent, test-runner, dev-server, language-server, shell or other (repeatable)
    #[arg(long = "class", value_name = "CLASS", value_parser = class, conflicts_with = "targets")]
    pub classes: Vec<Class>,
    /// Act: what is certain, or named here; what is likely is asked about one by one on a terminal
    #[arg(long, conflicts_with = "auto")]
    pub yes: bool,
    /// Act without anybody there: what is certain alone, and nothing where too much looks dead at once
    #[arg(long, conflicts_with = "targets")]
    pub auto: bool,
    /// Time between TERM and KILL
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    pub grace: Duration,
    /// Leave out processes that are younger than this [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub min_age: Option<Duration>,
    /// Only processes of this user
    #[arg(long, value_name = "NAME|UID", value_parser = users::number)]
    pub user: Option<u32>,
    /// Call a server that nobody used for this long idle
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30m")]
    pub idle: Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Open an incident for these: sweep, or all or none [default: none]
    #[arg(long, value_name = "WHAT")]
    pub incident: Option<Opens>,
    /// Where incidents are kept [default: `incidents` in the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
    /// Where evidence is kept
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

fn class(text: &str) -> Result<Class, String> {
    // As it is typed, and as JSON has it.
    Ok(match text.replace('_', "-").as_str() {
        "browser" => Class::Browser,
        "mcp-server" => Class::McpServer,
        "agent" => Class::Agent,
        "test-runner" => Class::TestRunner,
        "dev-server" => Class::DevServer,
        "language-server" => Class::LanguageServer,
        "shell" => Class::Shell,
        "other" => Class::Other,
        _ => {
            let known =
                "browser, mcp-server, agent, test-runner, dev-server, language-server, shell or other";
            return Err(format!("write {known}"));
        }
    })
}
