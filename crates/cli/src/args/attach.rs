//! `attach`.

use clap::Args;

/// Watch a process tree that scupper did not start; signals nobody
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper attach")]
pub(crate) struct AttachArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
