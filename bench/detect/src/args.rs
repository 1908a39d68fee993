//! The command line.

use std::path::PathBuf;

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
    /// Judge real series as they are, and with a ramp added
    Real(Real),
    /// Judge the recorded programs
    Corpus(Corpus),
    /// Replay the cases this program was begun for
    Seeds(Seeds),
    /// Compare the confidence that is stated with how often it was right
    Calibration(Calibration),
    /// Measure what a push and a look cost
    Cost(Cost),
}

/// Compare the confidence that is stated with how often it was right.
#[derive(Args)]
pub struct Calibration {
    /// Seeds: tuning, heldout1, heldout2, heldout (both)
    #[arg(long, default_value = "tuning")]
    pub set: String,
    /// These seeds instead: 1000-1003, or 5,7
    #[arg(long)]
    pub seeds: Option<String>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
}

/// Measure what a push and a look cost.
#[derive(Args)]
pub struct Cost {
    /// Push so many samples and measure nothing: for a counter of instructions
    #[arg(long, value_name = "SAMPLES")]
    pub work: Option<usize>,
    /// Look after each of them, too
    #[arg(long, requires = "work")]
    pub assess: bool,
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

/// Judge real series as they are, and with a ramp added.
#[derive(Args)]
pub struct Real {
    /// The folder with `alibaba/` and `exathlon/`
    #[arg(env = "SCUPPER_SERIES")]
    pub folder: Option<PathBuf>,
    /// ours, all, or names by comma
    #[arg(long, default_value = "ours")]
    pub detector: String,
    /// What the ramps are drawn from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What a second of the recorded heaps counts for
    #[arg(long, default_value_t = 10.0)]
    pub scale: f64,
}

/// Judge the recorded programs.
#[derive(Args)]
pub struct Corpus {
    /// The folder with `tuning/`, `heldout/` and `recordings/`
    #[arg(default_value = "bench/detect/corpus")]
    pub folder: PathBuf,
    /// One set only: tuning or heldout
    #[arg(long)]
    pub set: Option<String>,
    /// Tell the detector how many requests were served, too
    #[arg(long)]
    pub operations: bool,
    /// Only the totals
    #[arg(long)]
    pub brief: bool,
}

/// Replay the cases this program was begun for.
#[derive(Args)]
pub struct Seeds {
    /// How many replays of each
    #[arg(long, default_value_t = 20)]
    pub count: u64,
    /// Print every replay
    #[arg(long)]
    pub each: bool,
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
