//! The findings as JSON: the worst column's fields at the top, every column's in `series`.

use std::time::Duration;

use scupper_detect::{Forecast, PerOperation, Quantity, Reason, Verdict};
use scupper_recording::{Recording, Rejection};
use serde::Serialize;

use super::finding::Finding;
use super::fleet::Outlier;

#[derive(Serialize)]
pub(super) struct Report<'r> {
    schema: &'static str,
    /// The worst one.
    #[serde(flatten)]
    worst: Series<'r>,
    format: &'static str,
    /// The first moment on the recording's own clock.
    started_at_seconds: f64,
    series: Vec<Series<'r>>,
    /// Columns that grow unlike their equals.
    unlike: Vec<Unlike<'r>>,
    rejected: Rejected,
}

#[derive(Serialize)]
struct Series<'r> {
    column: &'r str,
    verdict: Verdict,
    confidence: Option<f64>,
    reasons: &'r [Reason],
    /// `bytes`, `count`, `percent` or `counter`.
    unit: &'static str,
    /// In units of the series.
    slope_per_hour: Option<f64>,
    /// The same, where the series is of bytes.
    slope_bytes_per_hour: Option<f64>,
    /// Between these two it lies, per hour.
    slope_interval: Option<[f64; 2]>,
    /// How much it grows with each request, where these are counted and it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_operation: Option<PerOperation>,
    /// How long a stretch it was seen on.
    scale_seconds: Option<f64>,
    limit: Option<f64>,
    /// 0 where it is reached; `null` where it is not, at this rate.
    time_to_limit_seconds: Option<f64>,
    forecast: Prospect,
    /// Every change of the verdict, on the recording's own clock.
    history: Vec<Moment>,
    samples: usize,
    first_at_seconds: f64,
    last_at_seconds: f64,
    last_value: f64,
}

#[derive(Serialize)]
struct Moment {
    at_seconds: f64,
    verdict: Verdict,
}

/// The forecast, in seconds from the last sample.
#[derive(Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Prospect {
    Unknown,
    NotAtThisRate,
    Within { likely_seconds: f64, earliest_seconds: f64, latest_seconds: Option<f64> },
    Reached,
}

#[derive(Serialize)]
struct Unlike<'r> {
    column: &'r str,
    slope_per_hour: f64,
    /// The median slope of all of them.
    usual_per_hour: f64,
    /// The modified z-score.
    score: f64,
}

#[derive(Serialize)]
struct Rejected {
    count: usize,
    /// The first ones.
    first: Vec<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    place: String,
    column: Option<String>,
    why: String,
}

pub(super) fn report<'r>(
    recording: &'r Recording,
    findings: &'r [Finding<'r>],
    worst: &'r Finding<'r>,
    unlike: &'r [Outlier],
) -> Report<'r> {
    let of = |finding| series(finding, recording.origin);
    let refusal = |rejection: &Rejection| Refusal {
        place: rejection.place.to_string(),
        column: rejection.column.clone(),
        why: rejection.why.to_string(),
    };
    Report {
        schema: "scupper.analysis/1",
        worst: of(worst),
        format: recording.format.name(),
        started_at_seconds: recording.origin.as_secs_f64(),
        series: findings.iter().map(of).collect(),
        unlike: unlike.iter().map(outlier).collect(),
        rejected: Rejected {
            count: recording.rejected.count,
            first: recording.rejected.first.iter().map(refusal).collect(),
        },
    }
}

fn outlier(outlier: &Outlier) -> Unlike<'_> {
    let unlike = &outlier.unlike;
    Unlike {
        column: &unlike.id,
        slope_per_hour: unlike.slope_per_hour,
        usual_per_hour: unlike.usual_per_hour,
        score: unlike.score,
    }
}

fn series<'r>(finding: &'r Finding<'r>, origin: Duration) -> Series<'r> {
    let assessment = &finding.assessment;
    let samples = &finding.column.samples;
    let clock = |at: Duration| origin.saturating_add(at).as_secs_f64();
    let slope = assessment.slope;
    Series {
        column: &finding.column.name,
        verdict: assessment.verdict,
        confidence: assessment.confidence,
        reasons: &assessment.reasons,
        unit: match finding.quantity {
            Some(Quantity::Bytes) => "bytes",
            Some(Quantity::Count) => "count",
            Some(Quantity::Percent) => "percent",
            None => "counter",
        },
        slope_per_hour: slope.map(|slope| slope.per_hour),
        slope_bytes_per_hour: slope
            .filter(|_| finding.quantity == Some(Quantity::Bytes))
            .map(|slope| slope.per_hour),
        slope_interval: slope.map(|slope| [slope.low, slope.high]),
        per_operation: assessment.per_operation,
        scale_seconds: assessment.scale.map(|scale| scale.as_secs_f64()),
        limit: finding.limit,
        time_to_limit_seconds: match assessment.forecast {
            Forecast::Within { likely, .. } => Some(likely.as_secs_f64()),
            Forecast::Reached => Some(0.0),
            Forecast::Unknown | Forecast::NotAtThisRate => None,
        },
        forecast: match assessment.forecast {
            Forecast::Unknown => Prospect::Unknown,
            Forecast::NotAtThisRate => Prospect::NotAtThisRate,
            Forecast::Reached => Prospect::Reached,
            Forecast::Within { likely, earliest, latest } => Prospect::Within {
                likely_seconds: likely.as_secs_f64(),
                earliest_seconds: earliest.as_secs_f64(),
                latest_seconds: latest.map(|latest| latest.as_secs_f64()),
            },
        },
        history: finding
            .history
            .iter()
            .map(|change| Moment { at_seconds: clock(change.at), verdict: change.verdict })
            .collect(),
        samples: samples.len(),
        first_at_seconds: samples.first().map_or(0.0, |sample| clock(sample.at)),
        last_at_seconds: samples.last().map_or(0.0, |sample| clock(sample.at)),
        last_value: samples.last().map_or(0.0, |sample| sample.value),
    }
}
