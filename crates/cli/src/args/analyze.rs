//! `analyze`: the detector on what was recorded.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use scupper_detect::{GrowRule, Horizon, Quantity};
use scupper_model::{Bytes, parse_duration};
use scupper_recording::Format;

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
    #[arg(long, value_enum, default_value_t = HorizonWord::Long)]
    horizon: HorizonWord,
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
            grow: self.grow.filter(|_| is_size).map(|Grow(rule)| rule),
        }
    }

    /// Whether a chart is drawn for a person.
    pub(crate) const fn draws(&self, is_terminal: bool) -> bool {
        self.chart || (is_terminal && !self.no_chart)
    }
}

/// `100M/5m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grow(pub GrowRule);

impl FromStr for Grow {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("`{text}` is no rule: write SIZE/TIME such as 100M/5m");
        let (by, within) = text.split_once('/').ok_or_else(bad)?;
        let by: Bytes = by.parse().map_err(|_| bad())?;
        let within = parse_duration(within).map_err(|_| bad())?;
        if by.0 == 0 || within < Duration::from_secs(1) {
            return Err(bad());
        }
        Ok(Self(GrowRule { by: by.as_f64(), within }))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HorizonWord {
    /// A service that runs for days: load of the day and caches are ruled out first
    Long,
    /// A test of minutes under steady load: judged on what there is
    Short,
}

impl From<HorizonWord> for Horizon {
    fn from(word: HorizonWord) -> Self {
        match word {
            HorizonWord::Long => Self::Long,
            HorizonWord::Short => Self::Short,
        }
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
enum FormatWord {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_size_and_a_time() {
        let rule = GrowRule { by: 104_857_600.0, within: Duration::from_mins(5) };
        assert_eq!("100M/5m".parse(), Ok(Grow(rule)));
        for bad in ["", "100M", "100M/", "/5m", "0/5m", "100M/0s", "100M/5", "-1M/5m", "1M/5m/1"] {
            assert!(bad.parse::<Grow>().unwrap_err().contains("write SIZE/TIME"), "{bad}");
        }
    }
}
