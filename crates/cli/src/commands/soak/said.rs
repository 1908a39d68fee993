//! A soak as a person reads it: how far it is, and how it came out.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_detect::{Quantity, exact};
use scupper_model::{Bytes, printable};
use scupper_supervise::soak::{Judgement, SeriesJudgement, Soak};

use crate::output::figures::{amount, number, span, unit};

/// `812 of 1550 operations (12.3/s), memory 34.5 MiB (+1.2 MiB), 1 min left`.
pub(super) fn progress(soak: &Soak) -> String {
    let Some(last) = soak.rows().last() else { return "starting".to_owned() };
    let criteria = soak.criteria();
    let mut parts = Vec::new();
    let rate = last.operations.map(|done| exact(done) / last.at.as_secs_f64().max(1e-3));
    match (last.operations, criteria.operations) {
        (Some(done), Some(required)) => parts.push(format!("{done} of {required} operations{}", paced(rate))),
        (Some(done), None) => parts.push(format!("{done} operations{}", paced(rate))),
        (None, Some(required)) => parts.push(format!("0 of {required} operations (nothing counted yet)")),
        (None, None) => parts.push(span(Duration::from_secs(last.at.as_secs()))),
    }
    if let Some(memory) = last.memory {
        let begun = soak.rows().after(Duration::from_secs(1)).and_then(|row| row.memory);
        let grown =
            begun.map(|begun| format!(" ({})", signed(exact(memory) - exact(begun)))).unwrap_or_default();
        parts.push(format!("memory {}{grown}", Bytes(memory)));
    }
    parts.extend(left(soak, rate).map(|left| format!("{} left", span(left))));
    parts.join(", ")
}

fn paced(rate: Option<f64>) -> String {
    rate.map(|rate| format!(" ({}/s)", number(rate))).unwrap_or_default()
}

/// By the pace so far, or by the clock, whichever comes first.
fn left(soak: &Soak, rate: Option<f64>) -> Option<Duration> {
    let last = soak.rows().last()?;
    let by_clock = soak.criteria().lasting.map(|lasting| lasting.saturating_sub(last.at));
    let missing = soak.criteria().operations.zip(last.operations);
    let missing = missing.map(|(required, done)| exact(required.saturating_sub(done)));
    let by_pace =
        missing.zip(rate).and_then(|(missing, rate)| Duration::try_from_secs_f64(missing / rate).ok());
    let left = [by_clock, by_pace].into_iter().flatten().min()?;
    Some(Duration::from_secs(left.as_secs()))
}

/// The whole result.
pub(super) fn said(judgement: &Judgement) -> String {
    let result = &judgement.result;
    let mut out = String::new();
    let _ = writeln!(out, "{}\n", result.outcome.word());
    for criterion in &judgement.criteria {
        let held = match criterion.held {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "????",
        };
        let name = criterion.name.replace('_', " ");
        let observed = printable(criterion.observed.as_bytes(), 300);
        let _ = writeln!(out, "{held}  {name:<12} {observed} (required: {})", criterion.required);
    }
    let _ = writeln!(out);
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<18} {text}");
    };
    line("lasted", span(Duration::from_millis(result.lasted_ms)));
    if let Some(operations) = result.operations {
        line("operations", operations.to_string());
    }
    let bytes = |bytes: Option<Bytes>| bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
    line("memory, base", bytes(result.base_bytes));
    line("memory, highest", bytes(result.max_bytes));
    #[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
    let growth = result.growth_bytes.map_or_else(|| "unknown".to_owned(), |growth| signed(growth as f64));
    line("growth", growth);
    if let Some(slope) = result.bytes_per_operation {
        line("growth/operation", with_interval(slope, result.bytes_per_operation_interval));
    }
    if let Some(slope) = result.slope_bytes_per_hour {
        line("growth/hour", with_interval(slope, result.slope_interval));
    }
    let _ = writeln!(out);
    for series in &judgement.series {
        let _ = writeln!(out, "{:<18} {}", series.of.name(), summary(series));
    }
    out
}

/// `stable, 12 to 14: no rise worth a word in 3 min`.
pub(super) fn summary(series: &SeriesJudgement) -> String {
    let assessment = &series.analysis.assessment;
    let quantity = series.of.quantity();
    let at = |index: usize| series.samples.get(index).map_or(0.0, |sample| sample.value);
    let (first, last) = (at(0), at(series.samples.len().saturating_sub(1)));
    let mut text =
        format!("{}, {} to {}", assessment.verdict, amount(quantity, first), amount(quantity, last));
    if let Some(reason) = assessment.reasons.first() {
        let _ = write!(text, ": {}", printable(reason.text.as_bytes(), 200));
    }
    text
}

fn with_interval(slope: f64, interval: Option<(f64, f64)>) -> String {
    let (low, high) = interval.unwrap_or((slope, slope));
    // One unit for all three, so that they can be compared.
    let (name, one) = unit(Quantity::Bytes, slope.abs().max(low.abs()).max(high.abs()));
    let of = |value: f64| number(value / one);
    let sign = if slope > 0.0 { "+" } else { "" };
    format!("{sign}{} {name} (95 %: {} to {})", of(slope), of(low), of(high))
}

fn signed(bytes: f64) -> String {
    let sign = if bytes > 0.0 { "+" } else { "" };
    format!("{sign}{}", amount(Quantity::Bytes, bytes))
}
