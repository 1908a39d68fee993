//! `keep`.

use clap::Args;

/// Never touch a process, or any whose name matches
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper keep")]
pub(crate) struct KeepArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
