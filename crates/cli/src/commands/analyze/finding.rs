//! What is thought of one column.

use std::time::Duration;

use scupper_detect::{Assessment, Change, Curve, Quantity, Reason, Sample, Verdict, analyze_counted};
use scupper_recording::{Column, Kind};

use crate::args::AnalyzeArgs;

/// A column and what is thought of it.
#[derive(Debug)]
pub(super) struct Finding<'r> {
    pub column: &'r Column,
    /// `None`: a counter, which is not judged by its growth.
    pub quantity: Option<Quantity>,
    pub assessment: Assessment,
    pub history: Vec<Change>,
    pub curve: Curve,
    pub limit: Option<f64>,
}

impl<'r> Finding<'r> {
    /// `requests` are the samples of the column of that name, where there is one.
    pub(super) fn of(column: &'r Column, requests: &[Sample], args: &AnalyzeArgs) -> Self {
        let Kind::Level(quantity) = column.kind else { return Self::counter(column) };
        let settings = args.settings(quantity);
        // The reader takes only what the detector takes, and knows the line of what it does not.
        let analysis = analyze_counted(settings, column.counted(requests));
        Self {
            column,
            quantity: Some(quantity),
            assessment: analysis.assessment,
            history: analysis.history,
            curve: analysis.curve,
            limit: settings.limit,
        }
    }

    /// A counter rises by nature. One that falls began again, or is none: nothing is known then.
    fn counter(column: &'r Column) -> Self {
        let falls = falls(&column.samples);
        let (verdict, text) = match falls {
            0 => (Verdict::Stable, "counts what happened: it rises by nature and is not judged".to_owned()),
            1 => (Verdict::Unknown, "fell once: what it counts began again, or it is no counter".to_owned()),
            falls => (
                Verdict::Unknown,
                format!("fell {falls} times: what it counts began again, or it is no counter"),
            ),
        };
        let reasons = vec![Reason { tag: "counter".into(), text }];
        Self {
            column,
            quantity: None,
            assessment: Assessment { verdict, reasons, ..Assessment::default() },
            history: vec![Change { at: Duration::ZERO, verdict }],
            curve: Curve::default(),
            limit: None,
        }
    }

    /// What its numbers count, for showing them.
    pub(super) fn shown_as(&self) -> Quantity {
        self.quantity.unwrap_or(Quantity::Count)
    }
}

fn falls(samples: &[Sample]) -> usize {
    samples.windows(2).filter(|pair| pair[1].value < pair[0].value).count()
}

/// The one that is worst; of equals the first. A counter only where there is nothing else.
pub(super) fn worst<'f, 'r>(findings: &'f [Finding<'r>]) -> Option<&'f Finding<'r>> {
    let rank = |finding: &Finding<'_>| (finding.quantity.is_some(), finding.assessment.verdict);
    findings.iter().rev().max_by_key(|finding| rank(finding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Kind, values: &[f64]) -> Column {
        let sample = |(at, value): (u64, &f64)| Sample { at: Duration::from_secs(at), value: *value };
        Column { name: "c".to_owned(), kind, samples: (0..).zip(values).map(sample).collect() }
    }

    #[test]
    fn a_counter_is_stable_as_long_as_it_only_rises() {
        let rising = column(Kind::Counter, &[1.0, 1.0, 1e9]);
        let finding = Finding::counter(&rising);
        assert_eq!(finding.assessment.verdict, Verdict::Stable);
        assert_eq!(finding.assessment.reasons[0].tag, "counter");
        let falling = column(Kind::Counter, &[1.0, 0.0, 5.0, 2.0]);
        let finding = Finding::counter(&falling);
        assert_eq!(finding.assessment.verdict, Verdict::Unknown);
        assert!(finding.assessment.reasons[0].text.starts_with("fell 2 times"));
    }

    #[test]
    fn the_worst_is_no_counter_and_the_first_of_its_kind() {
        let (level, counter) =
            (column(Kind::Level(Quantity::Bytes), &[1.0]), column(Kind::Counter, &[1.0, 0.0]));
        let of = |column, quantity, verdict| Finding {
            quantity,
            assessment: Assessment { verdict, ..Assessment::default() },
            ..Finding::counter(column)
        };
        let findings = [
            of(&counter, None, Verdict::Unknown),
            of(&level, Some(Quantity::Bytes), Verdict::Stable),
            of(&level, Some(Quantity::Count), Verdict::Stable),
        ];
        assert_eq!(worst(&findings).unwrap().quantity, Some(Quantity::Bytes));
        assert!(worst(&findings[..1]).unwrap().quantity.is_none());
        assert!(worst(&[]).is_none());
    }
}
