//! `lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scupper_casebook::lint::Severity;

use super::STATE_HELP;

/// What `lint` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper lint ISS-0109-node-heap.md\n  \
    scupper lint tasks/ reports/ --fail-on warning\n  \
    scupper lint report.md --root ~/src/shop\n  \
    scupper lint 'docs/**/*.md' --sarif > lint.sarif\n  \
    scupper lint plan.md --json | jq -r '.files[].findings[] | [.line, .rule] | @tsv'")]
pub(crate) struct LintArgs {
    /// Documents, folders of them, or patterns (* and ? in a name, ** for folders)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The source tree that changes are compared with: paths, lines, text, commits [default: they are not compared]
    #[arg(long, visible_alias = "tree", value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Where the incidents lie that documents name [default: incidents in the state directory]
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,
    /// Exit with 1 where something as bad as this is found
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: FailOn,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print SARIF 2.1.0
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
    /// Where evidence is kept.
    #[arg(long, value_name = "DIR", help = STATE_HELP)]
    pub state: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FailOn {
    /// What is not so, or what nothing shows
    Error,
    /// Also what somebody should look at
    Warning,
    /// Anything
    Info,
}

impl From<FailOn> for Severity {
    fn from(word: FailOn) -> Self {
        match word {
            FailOn::Error => Self::Error,
            FailOn::Warning => Self::Warning,
            FailOn::Info => Self::Info,
        }
    }
}
