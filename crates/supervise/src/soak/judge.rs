//! The result of a soak: each criterion held against what was seen.

use std::time::Duration;

use scupper_detect::stats::Sen;
use scupper_detect::{Analysis, Horizon, Reason, Sample, Settings, analyze_counted};
use scupper_model::{Bytes, HowEnded, SoakOutcome, SoakResult, Watched, format_duration};

use super::criteria::Criterion;
use super::level::{judged, level, warmed_up};
use super::rows::Row;
use super::verdict;
use super::{Counted, Ended, Soak};

/// A soak that lasted longer than this is judged like a service.
const SHORT: Duration = Duration::from_hours(1);

/// What is thought of a soak.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The result, as it is recorded.
    pub result: SoakResult,
    /// Every criterion.
    pub criteria: Vec<Criterion>,
    /// Every series.
    pub series: Vec<SeriesJudgement>,
    /// By how much time they were judged.
    pub horizon: Horizon,
}

/// One series of a soak, and what is thought of it.
#[derive(Clone, Debug)]
pub struct SeriesJudgement {
    /// What it counts.
    pub of: Watched,
    /// Its samples, since the start of the command.
    pub samples: Vec<Sample>,
    /// What is thought of it.
    pub analysis: Analysis,
}

pub(super) fn judge(soak: &Soak, counted: &Counted) -> Judgement {
    let rows = soak.rows.all();
    let lasted = soak.lasted();
    let warm = warmed_up(&rows, &soak.criteria);
    let level = level(rows.get(warm..).unwrap_or_default());
    let horizon = if lasted > SHORT { Horizon::Long } else { Horizon::Short };
    let series = series(judged(&rows, warm, &soak.criteria), horizon);
    let worst = verdict::worst(&series);
    let operations = match counted {
        Counted::Operations(done) => Some(*done),
        Counted::Nothing | Counted::Silent(_) => None,
    };
    let ended = soak.ended();
    let mut criteria = Vec::new();
    criteria.extend(started(&ended));
    if criteria.is_empty() {
        criteria.extend(work(soak, &ended, counted, lasted));
        criteria.extend(soak.criteria.max_growth.map(|most| growth(most, level.map(|level| level.growth))));
        criteria.push(verdict::criterion(&series, horizon, soak.criteria.max_growth));
        criteria.push(left_behind(soak.left_behind()));
        criteria.extend(one_life(soak, &ended));
    }
    let outcome = outcome(&criteria, &ended, counted);
    let per_operation = level.and_then(|level| level.per_operation);
    let per_hour = level.and_then(|level| level.per_second).map(|slope| slope.times(3600.0));
    let result = SoakResult {
        outcome,
        passed: outcome == SoakOutcome::Passed,
        lasted_ms: u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX),
        operations,
        required_operations: soak.criteria.operations,
        base_bytes: level.map(|level| Bytes(level.base)),
        max_bytes: soak.rows.highest().map(Bytes),
        growth_bytes: level.map(|level| level.growth),
        max_growth_bytes: soak.criteria.max_growth,
        bytes_per_operation: per_operation.map(|slope| digits(slope.slope)),
        bytes_per_operation_interval: per_operation.map(interval),
        slope_bytes_per_hour: per_hour.map(|slope| digits(slope.slope)),
        slope_interval: per_hour.map(interval),
        verdict: worst,
        left_behind: soak.left_behind(),
        reasons: reasons(&criteria, outcome),
    };
    Judgement { result, criteria, series, horizon }
}

fn series(rows: &[Row], horizon: Horizon) -> Vec<SeriesJudgement> {
    let of = |of: Watched| {
        let known: Vec<(Sample, Option<u64>)> = rows
            .iter()
            .filter_map(|row| Some((Sample::new(row.at, row.value(of)?), row.operations)))
            .collect();
        let settings = Settings { quantity: of.quantity(), horizon, limit: None, grow: None };
        let analysis = analyze_counted(settings, known.iter().copied());
        let samples: Vec<Sample> = known.into_iter().map(|(sample, _)| sample).collect();
        (!samples.is_empty()).then_some(SeriesJudgement { of, samples, analysis })
    };
    Watched::ALL.into_iter().filter_map(of).collect()
}

/// A command that never ran has no other criterion.
fn started(ended: &Ended) -> Option<Criterion> {
    let Ended::NotStarted { code, message } = ended else { return None };
    let why = match (code, message.as_str()) {
        (_, message) if !message.is_empty() => message,
        (126, _) => "it cannot be executed",
        (127, _) => "it was not found",
        _ => "it never became the command",
    };
    Some(Criterion {
        name: "started",
        required: "the command runs".to_owned(),
        observed: format!("the command could not be started ({code}): {why}"),
        held: None,
    })
}

/// Whether so much was done, or it lasted so long.
fn work(soak: &Soak, ended: &Ended, counted: &Counted, lasted: Duration) -> Option<Criterion> {
    let how = match ended {
        Ended::ByItself(_) => "ended",
        Ended::Asked(_) => "was stopped",
        Ended::Enough | Ended::NotStarted { .. } => "was done",
    };
    let time =
        |time: Duration| format_duration(Duration::from_millis(time.as_millis().try_into().unwrap_or(0)));
    if let Counted::Silent(why) = counted {
        return Some(Criterion {
            name: "operations",
            required: soak.criteria.operations.map_or_else(|| "counted".to_owned(), |n| format!(">= {n}")),
            observed: format!("nothing was counted: {why}"),
            held: None,
        });
    }
    if let (Some(required), Counted::Operations(done)) = (soak.criteria.operations, counted) {
        let held = *done >= required;
        let observed = match (held, ended) {
            (true, _) => format!("{done} of {required} operations"),
            (false, Ended::Enough) => {
                format!("{done} of {required} operations when its time of {} was over", time(lasted))
            }
            (false, _) => format!("{how} after {done} of {required} operations"),
        };
        return Some(Criterion {
            name: "operations",
            required: format!(">= {required}"),
            observed,
            held: Some(held),
        });
    }
    let required = soak.criteria.lasting?;
    let held = *ended == Ended::Enough;
    let observed =
        if held { time(lasted) } else { format!("{how} after {} of {}", time(lasted), time(required)) };
    Some(Criterion { name: "time", required: format!(">= {}", time(required)), observed, held: Some(held) })
}

/// Strictly less, as "less than 50 MB" says.
fn growth(most: Bytes, grown: Option<i64>) -> Criterion {
    let held = grown.map(|grown| i64::try_from(most.0).is_ok_and(|most| grown < most));
    let observed = grown.map_or_else(|| "too few looks after the warm-up to say".to_owned(), signed);
    Criterion { name: "growth", required: format!("< {most}"), observed, held }
}

fn left_behind(left: u32) -> Criterion {
    let observed = match left {
        0 => "nothing".to_owned(),
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    };
    Criterion { name: "left_behind", required: "nothing".to_owned(), observed, held: Some(left == 0) }
}

/// A command that fails, is killed for a limit or is started again has shown nothing, however little it grew.
fn one_life(soak: &Soak, ended: &Ended) -> Option<Criterion> {
    let observed = match ended {
        _ if soak.restarted => "it was started again during the soak".to_owned(),
        Ended::ByItself(HowEnded::Exited { code }) if *code != 0 => format!("it failed with code {code}"),
        Ended::ByItself(HowEnded::Signaled { signal, .. }) => format!("it was ended by signal {signal}"),
        Ended::Asked(reason) if reason == scupper_model::SignalReason::HardLimit.describe() => reason.clone(),
        _ => return None,
    };
    let required = "the command does not fail".to_owned();
    Some(Criterion { name: "command", required, observed, held: Some(false) })
}

fn outcome(criteria: &[Criterion], ended: &Ended, counted: &Counted) -> SoakOutcome {
    let blind = matches!(ended, Ended::NotStarted { .. }) || matches!(counted, Counted::Silent(_));
    if blind {
        SoakOutcome::CouldNotLook
    } else if criteria.iter().any(|criterion| criterion.held == Some(false)) {
        SoakOutcome::Failed
    } else if criteria.iter().any(|criterion| criterion.held.is_none()) {
        SoakOutcome::CouldNotLook
    } else {
        SoakOutcome::Passed
    }
}

/// Of a soak that passed, what held; of one that failed, what did not; of one that could not look, also what it could
/// not see.
fn reasons(criteria: &[Criterion], outcome: SoakOutcome) -> Vec<Reason> {
    let told = criteria.iter().filter(|criterion| match outcome {
        SoakOutcome::Passed => true,
        SoakOutcome::Failed => criterion.held == Some(false),
        SoakOutcome::CouldNotLook => criterion.held != Some(true),
    });
    told.map(|criterion| Reason { tag: criterion.name.into(), text: sentence(criterion) }).collect()
}

fn sentence(criterion: &Criterion) -> String {
    let Criterion { name, required, observed, held } = criterion;
    match *name {
        // It says itself what it could not see.
        "verdict" if held.is_none() => observed.clone(),
        "growth" => format!("memory grew by {observed} (required: {required})"),
        "verdict" => format!("verdict {observed} (required: {required})"),
        "left_behind" => format!("left behind: {observed}"),
        _ => observed.clone(),
    }
}

/// An amount that may have fallen.
fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", Bytes(bytes.unsigned_abs()))
}

fn interval(slope: Sen) -> (f64, f64) {
    (digits(slope.low), digits(slope.high))
}

/// Tenths of a byte are nobody's.
fn digits(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
