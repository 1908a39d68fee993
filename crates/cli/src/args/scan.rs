//! `scan`.

use clap::Args;

/// Show what was left behind, what grows, and what is near its limit; signals nobody
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper scan")]
pub(crate) struct ScanArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
