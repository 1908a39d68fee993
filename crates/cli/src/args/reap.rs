//! `reap`.

use clap::Args;

/// End what was left behind: a dry run until --yes
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper reap")]
pub(crate) struct ReapArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
