//! Puts into words what was found.

use std::time::Duration;

use crate::bursts::bursts;
use crate::confidence::confidence;
use crate::grow::Grown;
use crate::history::{History, SLOTS};
use crate::operations::Along;
use crate::reasons::{amount, of_bursts, of_daily, of_finding, of_short, reason, time};
use crate::rules::{Daily, Finding, Judgement, Life, Rule, Short};
use crate::stats::{Sen, to_f64};
use crate::{Assessment, Settings, Slope, Verdict};

/// While a short run goes on, what rises in its first seconds is only growing: most of what fills up is full by then. When the
/// run has ended, what rose to its end is a leak if there was half as much to see.
const SHORT_SURE: f64 = 100.0;
const SHORT_ENDED: f64 = 45.0;
const HOUR: f64 = 3600.0;

fn per_hour(per_second: Sen) -> Slope {
    let Sen { slope, low, high } = per_second.times(HOUR);
    Slope { per_hour: slope, low, high }
}

/// Nothing rises.
pub fn stable(age: f64, history: &History) -> Assessment {
    Assessment {
        verdict: Verdict::Stable,
        confidence: confidence(Verdict::Stable, None),
        reasons: vec![reason("no_trend", format!("no rise worth a word in {}", time(age)))],
        scale: Duration::try_from_secs_f64(age).ok(),
        slope: Life::of(history.life()).slope().map(per_hour),
        ..Assessment::default()
    }
}

/// Too little was seen.
pub fn too_little(age: f64) -> Assessment {
    Assessment {
        reasons: vec![reason("too_little_seen", format!("only {} seen", time(age)))],
        ..Assessment::default()
    }
}

/// A rise that was read off a floor.
pub fn risen(finding: &Finding, verdict: Verdict, history: &History, settings: &Settings) -> Assessment {
    let reading = &finding.reading;
    let mut reasons = of_finding(finding, settings.quantity);
    if verdict >= Verdict::Growing {
        // The ring that reaches over the stretch, and no further than it must.
        let mut rings = history.rings().iter();
        let found =
            rings.find(|ring| ring.width().as_secs_f64() * to_f64(SLOTS) >= reading.span).and_then(bursts);
        reasons.extend(found.map(of_bursts));
    }
    let rule = match finding.judgement {
        Judgement::Leaking(rule) => Some(rule),
        _ => None,
    };
    Assessment {
        verdict,
        confidence: confidence(verdict, rule),
        reasons,
        scale: Duration::try_from_secs_f64(reading.span).ok(),
        slope: Some(per_hour(reading.recent_slope())),
        ..Assessment::default()
    }
}

/// Growth along the operations.
pub fn per_operation(along: &Along, age: f64, history: &History, settings: &Settings) -> Assessment {
    let growth = along.growth;
    let size = |value| amount(settings.quantity, value);
    let text = format!(
        "{} more with each of {} operations ({} to {})",
        size(growth.slope),
        growth.operations,
        size(growth.low),
        size(growth.high)
    );
    Assessment {
        verdict: Verdict::Leaking,
        confidence: confidence(Verdict::Leaking, Some(Rule::Operations)),
        reasons: vec![reason("grows_per_operation", text)],
        scale: Duration::try_from_secs_f64(age).ok(),
        slope: Life::of(history.life()).slope().map(per_hour),
        ..Assessment::default()
    }
}

/// A short run.
pub fn short_run(short: &Short, ended: bool, settings: &Settings) -> Assessment {
    let sure = short.age >= if ended { SHORT_ENDED } else { SHORT_SURE };
    let verdict = match short.verdict() {
        Verdict::Leaking if !sure => Verdict::Growing,
        verdict => verdict,
    };
    if verdict == Verdict::Unknown {
        return too_little(short.age);
    }
    Assessment {
        verdict,
        confidence: confidence(verdict, Some(Rule::Short)),
        reasons: of_short(short, settings.quantity),
        scale: Duration::try_from_secs_f64(short.late).ok(),
        slope: short.slope.map(per_hour),
        ..Assessment::default()
    }
}

/// Growth from day to day.
pub fn day_by_day(daily: &Daily, settings: &Settings) -> Assessment {
    let (mean, wide) = (daily.mean, 2.0 * daily.deviation);
    let per_day = Sen { slope: mean, low: mean - wide, high: mean + wide };
    Assessment {
        verdict: Verdict::Leaking,
        confidence: confidence(Verdict::Leaking, Some(Rule::Daily)),
        reasons: vec![of_daily(daily, settings.quantity)],
        scale: Some(Duration::from_hours(24).saturating_mul(u32::try_from(daily.days).unwrap_or(1) + 1)),
        slope: Some(per_hour(per_day.times(1.0 / (24.0 * HOUR)))),
        ..Assessment::default()
    }
}

/// The operator's rule is broken.
pub fn broken_rule(grown: Grown, settings: &Settings) -> Assessment {
    let allowed = settings.grow.map_or(0.0, |rule| rule.by);
    let per_hour = grown.by / grown.within.as_secs_f64().max(1e-3) * HOUR;
    let size = |value| amount(settings.quantity, value);
    let text = format!(
        "grew by {} in {}, where no more than {} is allowed",
        size(grown.by),
        time(grown.within.as_secs_f64()),
        size(allowed)
    );
    Assessment {
        verdict: Verdict::Leaking,
        confidence: confidence(Verdict::Leaking, Some(Rule::Grow)),
        reasons: vec![reason("grew_faster_than_allowed", text)],
        scale: Some(grown.within),
        slope: Some(Slope { per_hour, low: per_hour, high: per_hour }),
        ..Assessment::default()
    }
}
