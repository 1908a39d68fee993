//! Samples that could not be used: how many, where the first ones are, and why.

use std::fmt;

use scupper_detect::Rejected;

/// Where in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This line, counted from 1.
    Line(u64),
    /// This element of the array, counted from 1.
    Element(u64),
    /// A value of a Prometheus series, both counted from 1.
    Value {
        /// Which series.
        series: usize,
        /// Which of its values.
        number: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Element(element) => write!(f, "element {element}"),
            Self::Value { series, number } => write!(f, "series {series}, value {number}"),
        }
    }
}

/// Why a sample could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// As the detector says it.
    #[error(transparent)]
    Sample(#[from] Rejected),
    /// It has no time.
    #[error("it has no time")]
    NoTime,
    /// Its time cannot be read.
    #[error("its time is neither seconds nor RFC 3339")]
    NotATime,
    /// Its time lies before the zero of the clock.
    #[error("its time is negative")]
    NegativeTime,
    /// Nothing runs that long.
    #[error("more than 100 years after the first sample")]
    TooLate,
    /// The row has more fields than the header.
    #[error("{fields} fields where the header has {header}")]
    TooManyFields {
        /// So many.
        fields: usize,
        /// And the header so many.
        header: usize,
    },
    /// It is no JSON.
    #[error("no JSON: {0}")]
    NotJson(String),
    /// It is JSON of another shape.
    #[error("no {0}")]
    NotA(&'static str),
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Where.
    pub place: Place,
    /// In which column; `None`: the whole row.
    pub column: Option<String>,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(column) = &self.column {
            write!(f, "{}: ", scupper_model::printable(column.as_bytes(), 60))?;
        }
        write!(f, "{}", self.why)
    }
}

/// All of them, the first ones by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    /// How many samples were left out.
    pub count: usize,
    /// The first ones, at most [`Rejections::MOST_LISTED`].
    pub first: Vec<Rejection>,
}

impl Rejections {
    /// How many are listed.
    pub const MOST_LISTED: usize = 16;

    /// Counts `samples` that could not be used for one reason.
    pub(crate) fn add(&mut self, samples: usize, place: Place, column: Option<&str>, why: Why) {
        self.count = self.count.saturating_add(samples);
        if self.first.len() < Self::MOST_LISTED {
            self.first.push(Rejection { place, column: column.map(str::to_owned), why });
        }
    }
}
