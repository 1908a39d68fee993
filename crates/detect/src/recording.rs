//! A recorded series judged from its beginning to its end.

use std::time::Duration;

use crate::{Assessment, Curve, Rejected, Sample, Series, Settings, Verdict};

/// The verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// At this sample.
    pub at: Duration,
    /// To this.
    pub verdict: Verdict,
}

/// What was thought of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// At its end.
    pub assessment: Assessment,
    /// Every change of the verdict; the first entry is the first verdict.
    pub history: Vec<Change>,
    /// Samples that were not taken: which (from 0), and why. At most [`Analysis::MOST_REJECTED`] are listed.
    pub rejected: Vec<(usize, Rejected)>,
    /// How many were not taken.
    pub rejected_count: usize,
    /// For drawing.
    pub curve: Curve,
}

impl Analysis {
    /// How many rejected samples are listed.
    pub const MOST_REJECTED: usize = 16;

    fn note(&mut self, at: Duration, verdict: Verdict) {
        if self.history.last().is_none_or(|last| last.verdict != verdict) {
            self.history.push(Change { at, verdict });
        }
    }
}

/// Judges a recording as it would have been judged while it was made.
pub fn analyze(settings: Settings, samples: impl IntoIterator<Item = Sample>) -> Analysis {
    analyze_counted(settings, samples.into_iter().map(|sample| (sample, None)))
}

/// Judges a recording that also counts requests or operations.
pub fn analyze_counted(
    settings: Settings,
    samples: impl IntoIterator<Item = (Sample, Option<u64>)>,
) -> Analysis {
    let mut series = Series::new(settings);
    let mut analysis = Analysis::default();
    let mut last = None;
    for (index, (sample, operations)) in samples.into_iter().enumerate() {
        let taken = match operations {
            Some(operations) => series.push_counted(sample, operations),
            None => series.push(sample),
        };
        if let Err(why) = taken {
            analysis.rejected_count += 1;
            if analysis.rejected.len() < Analysis::MOST_REJECTED {
                analysis.rejected.push((index, why));
            }
            continue;
        }
        analysis.note(sample.at, series.assess().verdict);
        last = Some(sample.at);
    }
    analysis.assessment = series.conclude().clone();
    if let Some(at) = last {
        analysis.note(at, analysis.assessment.verdict);
    }
    analysis.curve = series.curve();
    analysis
}
