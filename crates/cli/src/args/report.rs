//! `report`: which report, from what, and where it goes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use scupper_casebook::report::changes::{Change, Place};
use scupper_casebook::report::{Kind, markdown};
use scupper_model::parse_duration;

use super::STATE_HELP;

/// Which report, from what, and where it goes.
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper report [FLAGS] ID\n       scupper report --verify [--test FILE::NAME] [--timeout TIME] ID -- COMMAND...",
    after_help = "Examples:\n  \
        scupper report ISS-0001\n  \
        scupper report ISS-0001 --kind delta --out reports/leak.md --html reports/leak.html\n  \
        scupper report ISS-0001 --out leak.md --tree ~/src/app --change 'src/app.py:51-52=Keep background tasks'\n  \
        scupper report ISS-0001 --verify --test tests/test_leak.py::test_flat -- pytest tests/test_leak.py\n  \
        scupper report ISS-0001 --out leak.md --resolved\n  \
        scupper report ISS-0001 --data evidence.jsonl --svg memory.svg\n  \
        scupper report --kind delta --print-template > templates/delta.md\n\n\
        Exit codes: 0 written, 1 something that it says does not hold (a change that the tree does not have, a command that\n\
        failed, RESOLVED while the incident is not done, a conflict with what people wrote), 2 could not look or bad usage."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ReportArgs {
    /// The incident: ISS-0001
    #[arg(value_name = "ID", required_unless_present = "print_template")]
    pub id: Option<String>,
    /// Which report
    #[arg(long, value_enum, default_value = "postmortem")]
    pub kind: KindFlag,
    /// Keep it in this file [default: stdout]. What people wrote there stays
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write it as one page of HTML as well: no script, nothing to load
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Draw the memory curve: samples, fit, forecast, events
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write the recorded events that it is made from, one a line
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// The source tree that changes are compared with
    #[arg(long, visible_alias = "root", value_name = "DIR")]
    pub tree: Option<PathBuf>,
    /// Name a change; its lines are taken from the tree
    #[arg(long = "change", value_name = "PATH:FIRST-LAST=WHAT", value_parser = change, requires = "tree")]
    pub changes: Vec<Change>,
    /// The report is to say RESOLVED: refused while the incident is not done
    #[arg(long)]
    pub resolved: bool,
    /// Run a command and record how it ends: only what was run counts as verification
    #[arg(long, requires = "command", conflicts_with_all = ["out", "html", "svg", "data", "changes", "resolved", "json"])]
    pub verify: bool,
    /// A test that the command runs
    #[arg(long = "test", value_name = "FILE::NAME", value_parser = test, requires = "verify")]
    pub tests: Vec<String>,
    /// End the command and everything that it started after this time: that counts as failed
    #[arg(long, value_name = "TIME", value_parser = timeout, default_value = "10m", requires = "verify")]
    pub timeout: Duration,
    /// Templates to use instead of the built-in ones: audit.md, delta.md, postmortem.md, issue.md
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Print the template of this kind of report, to begin one's own with
    #[arg(long, conflicts_with_all = ["id", "out", "html"])]
    pub print_template: bool,
    /// Print everything that the report is made from, as JSON
    #[arg(long)]
    pub json: bool,
    /// Where incidents are kept [default: incidents below the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
    /// The command that verifies, and its arguments
    #[arg(last = true, value_name = "COMMAND", requires = "verify")]
    pub command: Vec<OsString>,
}

/// The kinds of reports, by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindFlag {
    /// A readiness audit: suspects, phases, criteria
    Audit,
    /// What was wrong, what was changed, what that did
    Delta,
    /// Timeline, impact, what went well and wrong
    Postmortem,
    /// The body of an issue
    Issue,
}

impl From<KindFlag> for Kind {
    fn from(flag: KindFlag) -> Self {
        match flag {
            KindFlag::Audit => Self::Audit,
            KindFlag::Delta => Self::Delta,
            KindFlag::Postmortem => Self::Postmortem,
            KindFlag::Issue => Self::Issue,
        }
    }
}

fn change(text: &str) -> Result<Change, String> {
    let (place, what) = text.split_once('=').unwrap_or((text, ""));
    let place = place.parse::<Place>().map_err(|error| error.to_string())?;
    Ok(Change { place, what: markdown::inline(what.trim()), snippet: None })
}

fn timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing ends in no time: write 10m or 2h".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

fn test(text: &str) -> Result<String, String> {
    let fits = text.split_once("::").is_some_and(|(file, name)| !file.is_empty() && !name.is_empty());
    if fits && text.len() <= 300 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("write FILE::NAME, such as tests/test_leak.py::test_flat".to_owned())
    }
}
