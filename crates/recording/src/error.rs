//! Why a recording cannot be used at all. Each is one line, whatever stands in the recording.

use std::io;

use scupper_model::printable;

use crate::Rejections;
use crate::names::nearest;

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the words of the message")]
pub enum Unreadable {
    /// Reading failed.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A compressed file, another encoding, a picture.
    #[error("it is no UTF-8 text (it begins with the bytes {begins}); write it as plain text")]
    NotText { begins: String },
    /// Too much.
    #[error("it is larger than 256 MiB; keep every n-th sample")]
    TooLarge,
    /// Too much.
    #[error("it has more than 20 million samples; keep every n-th")]
    TooManySamples,
    /// Too much.
    #[error("it has more than 1000 columns or series; ask for fewer")]
    TooManyColumns,
    /// A line without end.
    #[error("line {line} is longer than 1 MiB")]
    LongLine { line: u64 },
    /// The first line holds numbers.
    #[error("line 1 is no header: write the names of the columns there, such as seconds,rss_bytes")]
    NoHeader,
    /// The column for the time is not there.
    #[error("no column `{wanted}` for the time; there are: {there}{advice}")]
    NoTime { wanted: String, there: String, advice: String },
    /// A column that was asked for is not there.
    #[error("no column `{wanted}`; there are: {there}{advice}")]
    NoColumn { wanted: String, there: String, advice: String },
    /// No column has a name that is known.
    #[error("no column has a known name such as rss_bytes; there are: {there}; name one with --column")]
    NoKnownColumn { there: String },
    /// Which one is meant cannot be known.
    #[error("the column `{name}` is there twice")]
    Twice { name: String },
    /// The document breaks off or is none.
    #[error("no valid JSON: {message}")]
    Json { message: String },
    /// Prometheus answered with an error.
    #[error("Prometheus answered with an error: {message}")]
    Refused { message: String },
    /// Not the answer of a range query.
    #[error("it holds a Prometheus {kind}, one moment only: ask `/api/v1/query_range` for a matrix")]
    NoRange { kind: String },
    /// JSON, and not from Prometheus.
    #[error("it is no answer of a Prometheus range query: it has no `result`")]
    NoResult,
    /// The query found nothing.
    #[error("the Prometheus query found no series")]
    NoSeries,
    /// Rows, and none that can be used.
    #[error("no usable sample{}", first(.rejected))]
    NothingUsable { rejected: Rejections },
    /// A column was asked for by name, and none of its rows can be used.
    #[error("the column `{name}` has no usable sample{}", first(.rejected))]
    EmptyColumn { name: String, rejected: Rejections },
}

fn first(rejected: &Rejections) -> String {
    match rejected.first.first() {
        Some(first) => format!(": {first} ({} samples were not usable)", rejected.count),
        None => String::new(),
    }
}

impl Unreadable {
    pub(crate) fn no_column<'n>(wanted: &str, names: impl Iterator<Item = &'n str> + Clone) -> Self {
        let advice = nearest(wanted, names.clone()).map(|near| format!("; did you mean `{}`?", shown(near)));
        Self::NoColumn { wanted: shown(wanted), there: list(names), advice: advice.unwrap_or_default() }
    }

    /// `wanted` is what was asked for, if anything was.
    pub(crate) fn no_time<'n>(wanted: Option<&str>, names: impl Iterator<Item = &'n str> + Clone) -> Self {
        const OFTEN: [&str; 8] = ["time", "timestamp", "ts", "t", "elapsed", "date", "datetime", "uptime"];
        let likely = |name: &str| OFTEN.contains(&name.to_ascii_lowercase().as_str());
        let advice = match wanted {
            Some(wanted) => {
                nearest(wanted, names.clone()).map(|near| format!("; did you mean `{}`?", shown(near)))
            }
            None => names
                .clone()
                .find(|name| likely(name))
                .map(|name| format!("; --time {} takes that one, in seconds or RFC 3339", shown(name))),
        };
        Self::NoTime {
            wanted: shown(wanted.unwrap_or("seconds")),
            there: list(names),
            advice: advice.unwrap_or_default(),
        }
    }

    pub(crate) fn no_known_column<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self::NoKnownColumn { there: list(names) }
    }
}

/// A name of a stranger, on one line.
pub(crate) fn shown(name: &str) -> String {
    printable(name.as_bytes(), 60)
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const MOST: usize = 20;
    let mut names = names.filter(|name| !name.is_empty());
    let listed: Vec<String> = names.by_ref().take(MOST).map(shown).collect();
    match (listed.is_empty(), names.next()) {
        (true, _) => "none".to_owned(),
        (false, None) => listed.join(", "),
        (false, Some(_)) => format!("{}, ...", listed.join(", ")),
    }
}

/// Our own errors travel through readers as `io::Error`.
impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { io::Error::from(error).into() } else { Self::Json { message: shown_json(&error) } }
    }
}

fn shown_json(error: &serde_json::Error) -> String {
    printable(error.to_string().as_bytes(), 200)
}
