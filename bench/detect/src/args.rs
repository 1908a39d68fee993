//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::synthetic::Extent;

/// How often the detector is right, how late, and beside whom.
#[derive(Parser)]
#[command(name = "detect-bench")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Write tables as Markdown
    #[arg(long, global = true)]
    pub markdown: bool,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Score detectors on synthetic series
    Score(Score),
    /// Write one synthetic series as CSV
    Dump(Dump),
}

/// Score detectors on synthetic series.
#[derive(Args)]
pub struct Score {
    /// Seeds: tuning, heldout1, heldout2, heldout (both)
    #[arg(long, default_value = "tuning")]
    pub set: String,
    /// These seeds instead: 1000-1003, or 5,7
    #[arg(long)]
    pub seeds: Option<String>,
    /// These shapes only, by comma
    #[arg(long)]
    pub shapes: Option<String>,
    /// ours, all, or names by comma
    #[arg(long, default_value = "ours")]
    pub detector: String,
    /// List the series a detector was wrong about
    #[arg(long)]
    pub list: bool,
    /// The table of shapes for each of several detectors, too
    #[arg(long)]
    pub by_shape: bool,
    /// Threads
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    #[command(flatten)]
    pub extent: ExtentArgs,
}

/// Write one synthetic series as CSV.
#[derive(Args)]
pub struct Dump {
    /// Its shape
    #[arg(long)]
    pub shape: String,
    /// Its seed
    #[arg(long)]
    pub seed: u64,
    #[command(flatten)]
    pub extent: ExtentArgs,
}

/// How long series are.
#[derive(Args)]
pub struct ExtentArgs {
    /// Length of a series in days
    #[arg(long, default_value_t = Extent::default().days)]
    pub days: f64,
    /// Seconds between samples
    #[arg(long, default_value_t = Extent::default().interval)]
    pub interval: f64,
}

impl ExtentArgs {
    /// As the generator wants it.
    pub const fn extent(&self) -> Extent {
        Extent { days: self.days, interval: self.interval }
    }
}
