//! Samples that could not be used: how many, where the first ones are, and why.

use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

use scupper_detect::Rejected;
use scupper_model::Timestamp;

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
    /// Not later than the one before it: this one's time is wrong, or that one's is.
    #[error("not later than the sample before it ({before} is at {})", clock(.at))]
    NotLater {
        /// Where the one before it is.
        before: Place,
        /// And when.
        at: Duration,
    },
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

impl Why {
    /// Whether both are the same reason, whatever their particulars.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sample(one), Self::Sample(other)) => one == other,
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// Seconds, or a date where the clock counts since 1970.
fn clock(at: &Duration) -> String {
    const IN_2001: Duration = Duration::from_secs(1_000_000_000);
    if *at < IN_2001 {
        return format!("{} s", at.as_secs_f64());
    }
    Timestamp(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)).to_string()
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
    /// Of each reason the first one, and how many samples it cost.
    reasons: Vec<(Rejection, usize)>,
}

impl Rejections {
    /// How many are listed.
    pub const MOST_LISTED: usize = 16;

    /// None yet.
    pub(crate) const fn new() -> Self {
        Self { count: 0, first: Vec::new(), reasons: Vec::new() }
    }

    /// The first one of the reason that cost the most samples; of equals that which came first.
    pub fn commonest(&self) -> Option<&Rejection> {
        self.reasons.iter().rev().max_by_key(|(_, samples)| *samples).map(|(first, _)| first)
    }

    /// Counts `samples` that could not be used for one reason.
    pub(crate) fn add(&mut self, samples: usize, place: Place, column: Option<&str>, why: Why) {
        self.count = self.count.saturating_add(samples);
        let rejection = Rejection { place, column: column.map(str::to_owned), why };
        match self.reasons.iter_mut().find(|(first, _)| first.why.is_like(&rejection.why)) {
            Some((_, all)) => *all = all.saturating_add(samples),
            None => self.reasons.push((rejection.clone(), samples)),
        }
        if self.first.len() < Self::MOST_LISTED {
            self.first.push(rejection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_reason_is_told_by_its_first_place() {
        let not_later = |line, at| Why::NotLater { before: Place::Line(line), at: Duration::from_secs(at) };
        let mut all = Rejections::new();
        assert_eq!(all.commonest(), None);
        all.add(3, Place::Line(2), Some("fds"), Rejected::Negative.into());
        all.add(2, Place::Line(9), None, not_later(8, 90_000));
        all.add(1, Place::Line(10), None, Rejected::NotANumber.into());
        assert_eq!(all.commonest().unwrap().place, Place::Line(2));
        (10..100).for_each(|line| all.add(1, Place::Line(line), None, not_later(line, 1_767_323_045)));
        let said = "line 9: not later than the sample before it (line 8 is at 90000 s)";
        assert_eq!(all.commonest().unwrap().to_string(), said);
        assert_eq!((all.count, all.first.len()), (96, Rejections::MOST_LISTED));
        assert!(all.first[3].to_string().ends_with("(line 10 is at 2026-01-02T03:04:05.000Z)"));
    }
}
