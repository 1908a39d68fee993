//! Whether a soak leaks, as its criteria see it. A verdict takes its time: without one, only an amount of growth that was
//! asked for can tell anything.

use std::time::Duration;

use scupper_detect::{Horizon, Verdict};
use scupper_model::{Bytes, Watched};

use super::criteria::Criterion;
use super::judge::SeriesJudgement;

/// By then the detector has a word on a run of minutes, at two looks a second; a test holds it to that.
const NEEDED: Duration = Duration::from_secs(45);
const OTHERWISE: &str = "or give --max-growth";

/// What is not known is worse than what is calm.
pub(super) fn worst(series: &[SeriesJudgement]) -> Verdict {
    series.iter().map(verdict).max().unwrap_or_default()
}

/// Nothing leaks. Where no amount of growth is asked for, the memory has to have been seen for long enough to say so.
pub(super) fn criterion(
    series: &[SeriesJudgement],
    horizon: Horizon,
    max_growth: Option<Bytes>,
) -> Criterion {
    let memory = series.iter().find(|series| series.of == Watched::Memory);
    let known = memory.map(verdict).unwrap_or_default() != Verdict::Unknown;
    let leaks = those(series, Verdict::Leaking);
    let unknown = those(series, Verdict::Unknown);
    let (observed, held) = if !leaks.is_empty() {
        (format!("leaking: {leaks}"), Some(false))
    } else if !known && max_growth.is_none() {
        (unseen(memory, horizon), None)
    } else if known && !unknown.is_empty() {
        let memory = memory.map(verdict).unwrap_or_default();
        (format!("memory is {memory}; unknown: {unknown}"), Some(true))
    } else {
        (worst(series).to_string(), Some(true))
    };
    Criterion { name: "verdict", required: "not leaking".to_owned(), observed, held }
}

/// Why there is no verdict on its memory, and what to do about it.
fn unseen(memory: Option<&SeriesJudgement>, horizon: Horizon) -> String {
    let needed = NEEDED.as_secs();
    let Some(SeriesJudgement { samples, analysis, .. }) = memory else {
        return format!("nothing seen: a verdict needs {needed} s, {OTHERWISE}");
    };
    let first = samples.first().map_or(Duration::ZERO, |sample| sample.at);
    let seen = samples.last().map_or(Duration::ZERO, |sample| sample.at.saturating_sub(first));
    if horizon == Horizon::Short && seen < NEEDED {
        // Half a second between the start and the first look is no news.
        let seen = (seen.as_millis().div_ceil(1000)).min(u128::from(needed - 1));
        return format!("only {seen} s seen: a verdict needs {needed} s, {OTHERWISE}");
    }
    let why = analysis.assessment.reasons.first().map_or("too little was seen", |reason| &*reason.text);
    format!("no verdict: {why}; look longer or more often, {OTHERWISE}")
}

fn verdict(series: &SeriesJudgement) -> Verdict {
    series.analysis.assessment.verdict
}

/// Those of which this is thought.
fn those(series: &[SeriesJudgement], wanted: Verdict) -> String {
    let names: Vec<&str> =
        series.iter().filter(|series| verdict(series) == wanted).map(|series| series.of.name()).collect();
    names.join(", ")
}
