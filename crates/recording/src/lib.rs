//! Recorded series in, columns out: CSV, JSON lines, the answer of a Prometheus range query.
//!
//! It reads the bytes given to it and opens nothing. Whatever the bytes are, it reads at most [`MOST_BYTES`] of them,
//! keeps at most [`MOST_SAMPLES`] samples, and never panics. A sample that cannot be used is left out and counted;
//! only where nothing can be used at all, or the whole is not what it should be, is there an [`Unreadable`].

#![forbid(unsafe_code)]

mod cell;
mod collect;
mod csv;
mod error;
mod input;
mod json;
mod jsonl;
mod names;
mod prometheus;
mod rejections;

use std::io::{BufRead, Read};
use std::time::Duration;

use scupper_detect::{Quantity, Sample};

pub use error::Unreadable;
pub use names::KNOWN;
pub use rejections::{Place, Rejection, Rejections, Why};

/// More bytes than these are refused.
pub const MOST_BYTES: u64 = 256 << 20;
/// More samples than these, of all columns together, are refused.
pub const MOST_SAMPLES: usize = 20_000_000;
/// More columns than these are refused.
pub const MOST_COLUMNS: usize = 1000;
/// A longer line is refused.
pub const LONGEST_LINE: usize = 1 << 20;

/// How a recording is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header, then a row per look.
    Csv,
    /// An object per look: one a line, or all of them in one array.
    JsonLines,
    /// The answer of a Prometheus range query.
    Prometheus,
}

impl Format {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Prometheus => "prometheus",
        }
    }
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How it is written; `None`: as its beginning looks.
    pub format: Option<Format>,
    /// The column that holds the time; `None`: `seconds` or `at`.
    pub time: Option<String>,
    /// Only these columns; none: those in [`KNOWN`], of Prometheus every series.
    pub columns: Vec<String>,
    /// What columns count that are not in [`KNOWN`]; `None`: as the end of their name says, else bytes.
    pub quantity: Option<Quantity>,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// How it was written.
    pub format: Format,
    /// The first moment, on the recording's own clock. Samples count from here.
    pub origin: Duration,
    /// Its columns, in its order; each has a sample at least.
    pub columns: Vec<Column>,
    /// What could not be used.
    pub rejected: Rejections,
}

impl Recording {
    /// How many samples there are, of all columns together.
    pub fn samples(&self) -> usize {
        self.columns.iter().map(|column| column.samples.len()).sum()
    }

    /// The samples of the column that counts requests; empty where there is none. Growth per request needs no time.
    pub fn requests(&self) -> &[Sample] {
        let counts = |column: &&Column| column.name == "requests" && column.kind == Kind::Counter;
        self.columns.iter().find(counts).map_or(&[], |column| &column.samples)
    }
}

/// One number over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Its samples: finite, not negative, each later than the one before.
    pub samples: Vec<Sample>,
}

impl Column {
    /// Each sample with how many `requests` had been served by then, where the same row says so.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    pub fn counted(&self, requests: &[Sample]) -> impl Iterator<Item = (Sample, Option<u64>)> {
        let mut requests = requests.iter().peekable();
        self.samples.iter().map(move |sample| {
            while requests.next_if(|count| count.at < sample.at).is_some() {}
            let count = requests.peek().filter(|count| count.at == sample.at);
            (*sample, count.map(|count| count.value as u64))
        })
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How much there is: it can be judged by its growth.
    Level(Quantity),
    /// How much there was since the start: it rises by nature.
    Counter,
}

/// Reads a recording.
pub fn read(input: impl Read, options: &Options) -> Result<Recording, Unreadable> {
    let mut input = input::open(input)?;
    let head = input.fill_buf()?;
    let format = options.format.unwrap_or_else(|| input::sniff(head));
    let is_array = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    match format {
        Format::Csv => csv::read(input, options),
        Format::JsonLines if is_array => jsonl::read_array(input, options),
        Format::JsonLines => jsonl::read_lines(input, options),
        Format::Prometheus => prometheus::read(input, options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_belong_to_the_sample_of_their_row() {
        let sample = |at, value| Sample { at: Duration::from_secs(at), value };
        let memory = vec![sample(1, 0.0), sample(2, 0.0), sample(4, 0.0)];
        let memory = Column { name: "m".into(), kind: Kind::Level(Quantity::Bytes), samples: memory };
        let requests = [sample(0, 5.0), sample(2, 7.0), sample(3, 8.0), sample(4, 1e30)];
        let counts: Vec<Option<u64>> = memory.counted(&requests).map(|(_, count)| count).collect();
        assert_eq!(counts, [None, Some(7), Some(u64::MAX)]);
    }
}
