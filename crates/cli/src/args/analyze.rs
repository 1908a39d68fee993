//! `analyze`: the detector on what was recorded.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scupper_detect::Quantity;
use scupper_model::Bytes;
use scupper_recording::Format;

use super::words::{HORIZONS, one_of};
use crate::config::{Grow, HorizonMode};

/// What `analyze` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper analyze rss.csv --limit 512M\n  \
    scupper analyze rss.csv --svg rss.svg\n  \
    scupper analyze soak.csv --horizon short --json | jq .verdict\n  \
    scupper analyze node.jsonl --time timestamp --column heap_used --unit bytes\n  \
    curl -s 'http://localhost:9090/api/v1/query_range?query=process_resident_memory_bytes&...' | scupper analyze -")]
pub(crate) struct AnalyzeArgs {
    /// The recording; - for stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// How much time there is to judge
    #[arg(long, value_parser = one_of::<HorizonMode>(HORIZONS), default_value = "long")]
    horizon: HorizonMode,
    /// Say when memory reaches this: 512M, 2GiB
    #[arg(long, value_name = "SIZE")]
    pub limit: Option<Bytes>,
    /// Call it a leak when memory grows by more than SIZE within TIME, such as 100M/5m
    #[arg(long, value_name = "SIZE/TIME")]
    grow: Option<Grow>,
    /// Only this column or series (repeatable)
    #[arg(long, value_name = "NAME")]
    pub column: Vec<String>,
    /// The column that holds the time, in seconds or as RFC 3339 [default: seconds, or at]
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// What columns count that have other names [default: as their name ends, else bytes]
    #[arg(long, value_enum)]
    unit: Option<UnitWord>,
    /// How the recording is written [default: as its beginning looks]
    #[arg(long, value_enum)]
    format: Option<FormatWord>,
    /// Draw it as SVG; - for stdout
    #[arg(long, value_name = "FILE|-")]
    pub svg: Option<PathBuf>,
    /// Draw it in the terminal, also where stdout is none
    #[arg(long, overrides_with = "no_chart")]
    chart: bool,
    /// Do not draw it in the terminal
    #[arg(long)]
    no_chart: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl AnalyzeArgs {
    /// What to look for in the recording.
    pub(crate) fn options(&self) -> scupper_recording::Options {
        scupper_recording::Options {
            format: self.format.map(Into::into),
            time: self.time.clone(),
            columns: self.column.clone(),
            quantity: self.unit.map(Into::into),
        }
    }

    /// How a series of this quantity is judged. Limit and rule are sizes: they hold for bytes.
    pub(crate) fn settings(&self, quantity: Quantity) -> scupper_detect::Settings {
        let is_size = quantity == Quantity::Bytes;
        scupper_detect::Settings {
            quantity,
            horizon: self.horizon.into(),
            limit: self.limit.filter(|_| is_size).map(Bytes::as_f64),
            grow: self.grow.filter(|_| is_size).map(Into::into),
        }
    }

    /// Whether a chart is drawn for a person.
    pub(crate) const fn draws(&self, is_terminal: bool) -> bool {
        self.chart || (is_terminal && !self.no_chart)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnitWord {
    /// Memory
    Bytes,
    /// Descriptors, threads, objects
    Count,
    /// A share of something, 0 to 100
    Percent,
}

impl From<UnitWord> for Quantity {
    fn from(word: UnitWord) -> Self {
        match word {
            UnitWord::Bytes => Self::Bytes,
            UnitWord::Count => Self::Count,
            UnitWord::Percent => Self::Percent,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatWord {
    /// A header, then a row per look
    Csv,
    /// An object a line, or an array of objects
    Jsonl,
    /// The answer of a range query
    Prometheus,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Csv => Self::Csv,
            FormatWord::Jsonl => Self::JsonLines,
            FormatWord::Prometheus => Self::Prometheus,
        }
    }
}
