//! The findings as a person reads them: a line for each column, and why.

use std::fmt::Write as _;

use scupper_detect::{Forecast, Slope};
use scupper_model::printable;
use scupper_recording::Recording;

use super::finding::Finding;
use super::fleet::Outlier;
use crate::output::figures::{amount, number, span, unit};

/// So many changes of the verdict are told; the JSON has them all.
const MOST_CHANGES: usize = 12;

pub(super) fn said(
    recording: &Recording,
    findings: &[Finding<'_>],
    worst: &Finding<'_>,
    unlike: &[Outlier],
) -> String {
    let mut out = String::new();
    for finding in findings {
        let _ = writeln!(out, "{}: {}", name(finding), summary(finding));
        for reason in &finding.assessment.reasons {
            let _ = writeln!(out, "  - {}", printable(reason.text.as_bytes(), 300));
        }
        if finding.history.len() > 1 {
            let _ = writeln!(out, "  history: {}", history(finding));
        }
    }
    if !unlike.is_empty() {
        out.push('\n');
    }
    for outlier in unlike {
        let _ = writeln!(out, "grows unlike the others: {}", outlying(outlier));
    }
    if recording.columns.len() > 1 {
        let _ = writeln!(out, "\nverdict: {} ({})", worst.assessment.verdict, name(worst));
    }
    out
}

/// `rss{worker="3"} +50.1 MiB/h where 0.2 MiB/h is usual`.
fn outlying(outlier: &Outlier) -> String {
    let unlike = &outlier.unlike;
    // One unit for both, so that they can be compared; what is nothing in it is 0.
    let (name, one) = unit(outlier.quantity, unlike.slope_per_hour);
    let space = if name.is_empty() { "" } else { " " };
    let of = |value: f64| format!("{}{space}{name}/h", number(value / one));
    let is_nothing = unlike.usual_per_hour.abs() * 1000.0 < unlike.slope_per_hour.abs();
    let usual = if is_nothing { 0.0 } else { unlike.usual_per_hour };
    let sign = if unlike.slope_per_hour > 0.0 { "+" } else { "" };
    let who = printable(unlike.id.as_bytes(), 120);
    format!("{who} {sign}{} where {} is usual", of(unlike.slope_per_hour), of(usual))
}

/// The name of a column, on one line.
pub(super) fn name(finding: &Finding<'_>) -> String {
    printable(finding.column.name.as_bytes(), 120)
}

/// `leaking (+50.1 MiB/h, 95 %: 48.0 to 52.3), limit 512 MiB in 3 h 20 min (2 h 50 min to 4 h), confidence 0.97`.
pub(super) fn summary(finding: &Finding<'_>) -> String {
    let assessment = &finding.assessment;
    let mut parts = vec![match assessment.slope {
        Some(slope) => format!("{} ({})", assessment.verdict, pace(finding, slope)),
        None => assessment.verdict.to_string(),
    }];
    parts.extend(prospect(finding));
    parts.extend(assessment.confidence.map(|confidence| format!("confidence {confidence:.2}")));
    parts.join(", ")
}

fn pace(finding: &Finding<'_>, slope: Slope) -> String {
    // One unit for all three, so that they can be compared.
    let largest = slope.per_hour.abs().max(slope.low.abs()).max(slope.high.abs());
    let (name, one) = unit(finding.shown_as(), largest);
    let sign = if slope.per_hour > 0.0 { "+" } else { "" };
    let space = if name.is_empty() { "" } else { " " };
    let of = |value: f64| number(value / one);
    format!("{sign}{}{space}{name}/h, 95 %: {} to {}", of(slope.per_hour), of(slope.low), of(slope.high))
}

fn prospect(finding: &Finding<'_>) -> Option<String> {
    let limit = amount(finding.shown_as(), finding.limit?);
    match finding.assessment.forecast {
        Forecast::Unknown => None,
        Forecast::NotAtThisRate => Some(format!("limit {limit} not at this rate")),
        Forecast::Reached => Some(format!("limit {limit} reached")),
        Forecast::Within { likely, earliest, latest } => {
            let latest = latest.map_or_else(|| "never".to_owned(), span);
            Some(format!("limit {limit} in {} ({} to {latest})", span(likely), span(earliest)))
        }
    }
}

fn history(finding: &Finding<'_>) -> String {
    let changes = &finding.history;
    let skipped = changes.len().saturating_sub(MOST_CHANGES);
    let told =
        changes.iter().skip(skipped).map(|change| format!("{} at {}", change.verdict, span(change.at)));
    let told = told.collect::<Vec<_>>().join(", ");
    if skipped > 0 { format!("({skipped} earlier), {told}") } else { told }
}
