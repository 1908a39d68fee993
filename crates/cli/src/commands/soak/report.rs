//! A soak as JSON: the result, every criterion, every series.

use scupper_detect::{Horizon, PerOperation, Reason, Verdict};
use scupper_model::{SoakResult, Watched};
use scupper_supervise::soak::{Judgement, SeriesJudgement, Soak};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Report<'s> {
    schema: &'static str,
    unit: &'s str,
    #[serde(flatten)]
    result: &'s SoakResult,
    horizon: &'static str,
    looks: u64,
    criteria: Vec<Requirement<'s>>,
    series: Vec<Thought<'s>>,
}

#[derive(Serialize)]
struct Requirement<'s> {
    criterion: &'s str,
    required: &'s str,
    observed: &'s str,
    /// `null`: it could not be seen.
    held: Option<bool>,
}

#[derive(Serialize)]
struct Thought<'s> {
    series: Watched,
    verdict: Verdict,
    confidence: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
    highest: Option<f64>,
    /// In units of the series.
    slope_per_hour: Option<f64>,
    slope_interval: Option<[f64; 2]>,
    /// As the detector has it; the soak's own figure for memory is at the top.
    per_operation: Option<PerOperation>,
    reasons: &'s [Reason],
}

pub(super) fn report<'s>(unit: &'s str, soak: &Soak, judgement: &'s Judgement) -> Report<'s> {
    Report {
        schema: "scupper.soak/1",
        unit,
        result: &judgement.result,
        horizon: match judgement.horizon {
            Horizon::Short => "short",
            Horizon::Long => "long",
        },
        looks: soak.rows().looks(),
        criteria: judgement
            .criteria
            .iter()
            .map(|criterion| Requirement {
                criterion: criterion.name,
                required: &criterion.required,
                observed: &criterion.observed,
                held: criterion.held,
            })
            .collect(),
        series: judgement.series.iter().map(series).collect(),
    }
}

fn series(series: &SeriesJudgement) -> Thought<'_> {
    let assessment = &series.analysis.assessment;
    Thought {
        series: series.of,
        verdict: assessment.verdict,
        confidence: assessment.confidence,
        first: series.samples.first().map(|sample| sample.value),
        last: series.samples.last().map(|sample| sample.value),
        highest: series.samples.iter().map(|sample| sample.value).reduce(f64::max),
        slope_per_hour: assessment.slope.map(|slope| slope.per_hour),
        slope_interval: assessment.slope.map(|slope| [slope.low, slope.high]),
        per_operation: assessment.per_operation,
        reasons: &assessment.reasons,
    }
}
