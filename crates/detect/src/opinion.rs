//! What is thought of a series: kept from look to look, since a leak once seen is believed for a while.

use std::time::Duration;

use crate::bursts::bursts;
use crate::confidence::confidence;
use crate::forecast::forecast;
use crate::grow::{Grow, Grown};
use crate::history::{History, SLOTS, WIDTHS};
use crate::operations::{Along, Operations};
use crate::reading::read;
use crate::reasons::{amount, of_bursts, of_daily, of_finding, of_short, reason, time};
use crate::rules::{Context, Daily, Finding, Judgement, Life, Rule, Short, judge, judge_daily, judge_short};
use crate::stats::to_f64;
use crate::window::floor_of_ring;
use crate::{Assessment, Forecast, Horizon, Settings, Slope, Verdict};

/// While a short run goes on, what rises in its first seconds is only growing: most of what fills up is full by then. When the
/// run has ended, what rose to its end is a leak if there was half as much to see.
const SHORT_SURE: f64 = 100.0;
const SHORT_ENDED: f64 = 45.0;

/// Each ring is read whole, and its newer half and third.
const STRETCHES: [usize; 3] = [SLOTS, SLOTS / 2, SLOTS / 3];
/// Buckets that must close before a ring is read again.
const STRIDES: [u64; WIDTHS.len()] = [12, 6, 6, 3, 1, 1];
/// Buckets of a ring that must have been seen before it is read.
const LEAST_SEEN: u64 = 24;
/// The ring from which on `stable` can be said of a service that runs for days: minutes.
const TELLING: usize = 2;
/// A leak is believed for this many seconds before it is judged again.
const HOLD: f64 = 12.0 * 3600.0;
/// What a program needs at rest is what it has in the second half of its first half hour.
const SETTLED: f64 = 1800.0;
const HOUR: f64 = 3600.0;

/// What spoke for a leak.
#[derive(Clone, Copy, Debug)]
enum Leak {
    Finding(Finding),
    Daily(Daily),
    Grown(Grown),
    Along(Along),
}

/// What there is to form an opinion on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Seconds since the first sample.
    pub age: f64,
    pub history: &'a History,
    pub grow: Option<&'a Grow>,
    pub operations: Option<&'a Operations>,
    /// The highest value of late.
    pub peak: f64,
    pub settings: &'a Settings,
}

/// What is thought, and what it rests on.
#[derive(Default)]
pub struct Opinion {
    /// Buckets of each ring that had been seen when it was read.
    seen: [u64; WIDTHS.len()],
    /// The worst that was found in each ring.
    found: [Option<Finding>; WIDTHS.len()],
    /// The last leak that was seen, and at which age.
    leak: Option<(Leak, f64)>,
    base: Option<f64>,
    short: Option<Short>,
    looked: f64,
    along: Option<Along>,
    ended: bool,
}

impl Opinion {
    /// Looks again at what is due; says whether anything was.
    pub fn look(&mut self, seen: &Seen<'_>) -> bool {
        let due = match seen.settings.horizon {
            Horizon::Long => self.look_long(seen),
            Horizon::Short => self.look_short(seen),
        };
        if due {
            self.along = seen.operations.and_then(|operations| operations.along(seen.settings.quantity));
            let long = seen.settings.horizon == Horizon::Long;
            if let Some(along) = self.along.filter(|along| along.leaking && long) {
                self.leak = Some((Leak::Along(along), seen.age));
            }
        }
        self.look_at_rule(seen) || due
    }

    /// The operator's rule needs no look: it is asked at every sample, and its alarm ends when its time is over.
    fn look_at_rule(&mut self, seen: &Seen<'_>) -> bool {
        let Some(grow) = seen.grow else { return false };
        let alarmed = match self.leak {
            Some((Leak::Grown(_), since)) => Some(since),
            _ => None,
        };
        if let Some(grown) = grow.broken() {
            self.leak = Some((Leak::Grown(grown), seen.age));
            alarmed.is_none()
        } else if alarmed.is_some_and(|since| seen.age - since > grow.rule().within.as_secs_f64()) {
            self.leak = None;
            true
        } else {
            false
        }
    }

    /// There is no more to come: the next look is the last.
    pub fn end(&mut self) {
        self.ended = true;
        self.forget();
    }

    /// The next look is at everything.
    pub fn forget(&mut self) {
        self.looked = 0.0;
        self.seen = [0; WIDTHS.len()];
    }

    fn look_short(&mut self, seen: &Seen<'_>) -> bool {
        let age = seen.age;
        if age < self.looked + (age / 64.0).max(1.0) {
            return false;
        }
        self.looked = age;
        self.short = Some(judge_short(seen.history.sketch(), seen.settings.quantity));
        true
    }

    fn look_long(&mut self, seen: &Seen<'_>) -> bool {
        let Seen { age, history, settings, .. } = *seen;
        let mut life = None;
        for (level, ring) in history.rings().iter().enumerate() {
            let (Some(read_at), Some(stride)) = (self.seen.get_mut(level), STRIDES.get(level)) else {
                continue;
            };
            if ring.filled() < LEAST_SEEN.max(*read_at + stride) {
                continue;
            }
            *read_at = ring.filled();
            let life = life.get_or_insert_with(|| Life::of(history.sketch()));
            if self.base.is_none() && age >= SETTLED {
                self.base = life.level_until(SETTLED);
            }
            let context =
                |start| Context { age, base: self.base.unwrap_or(start), quantity: settings.quantity };
            let width = ring.width().as_secs_f64();
            let found = STRETCHES.into_iter().filter_map(|count| {
                let reading = floor_of_ring(ring, count).as_ref().and_then(read)?;
                Some(judge(reading, width, life, &context(reading.start)))
            });
            let worst = found.max_by(Finding::by_weight);
            if let Some(finding) = worst.filter(|f| matches!(f.judgement, Judgement::Leaking(_))) {
                self.leak = Some((Leak::Finding(finding), age));
            }
            if let Some(slot) = self.found.get_mut(level) {
                *slot = worst;
            }
            if level == WIDTHS.len() - 1
                && let Some(daily) = judge_daily(ring, life, &context(0.0))
            {
                self.leak = Some((Leak::Daily(daily), age));
            }
        }
        life.is_some()
    }

    /// Puts into words what is thought.
    pub fn assessment(&self, seen: &Seen<'_>) -> Assessment {
        let Seen { age, history, settings, peak, .. } = *seen;
        let leak = self.leak.as_ref().filter(|(_, since)| age - since < HOLD).map(|(leak, _)| leak);
        let mut assessment = match (leak, settings.horizon) {
            (Some(Leak::Grown(grown)), _) => broken_rule(*grown, settings),
            (Some(Leak::Along(along)), _) => per_operation(along, age, history, settings),
            (Some(Leak::Finding(finding)), Horizon::Long) => of(finding, Verdict::Leaking, history, settings),
            (Some(Leak::Daily(daily)), Horizon::Long) => day_by_day(daily, settings),
            (_, Horizon::Short) => self
                .short
                .as_ref()
                .map_or_else(|| too_little(age), |short| short_run(short, self.ended, settings)),
            (None, Horizon::Long) => self.no_leak(age, history, settings),
        };
        assessment.per_operation = self.along.map(|along| along.growth);
        assessment.forecast = match (settings.limit, assessment.slope) {
            (None, _) => Forecast::Unknown,
            _ if assessment.verdict == Verdict::Unknown => Forecast::Unknown,
            (Some(limit), _) if peak >= limit => Forecast::Reached,
            (Some(limit), Some(slope)) if assessment.verdict >= Verdict::Growing => {
                forecast(limit, peak, slope)
            }
            (Some(_), _) => Forecast::NotAtThisRate,
        };
        assessment
    }

    fn no_leak(&self, age: f64, history: &History, settings: &Settings) -> Assessment {
        let findings = |wanted: Judgement| {
            let of_kind = self.found.iter().flatten().filter(move |f| f.judgement == wanted);
            of_kind.max_by(|a, b| a.by_weight(b))
        };
        let kinds = [
            (Judgement::Growing, Verdict::Growing),
            (Judgement::WarmingUp, Verdict::WarmingUp),
            (Judgement::Step, Verdict::Step),
        ];
        for (judgement, verdict) in kinds {
            if let Some(finding) = findings(judgement) {
                return of(finding, verdict, history, settings);
            }
        }
        let telling = history.rings().iter().skip(TELLING).any(|ring| ring.filled() >= LEAST_SEEN);
        if !telling {
            return too_little(age);
        }
        let mut assessment = Assessment {
            verdict: Verdict::Stable,
            confidence: confidence(Verdict::Stable, None, 0.0),
            reasons: vec![reason("no_trend", format!("no rise worth a word in {}", time(age)))],
            scale: Duration::try_from_secs_f64(age).ok(),
            ..Assessment::default()
        };
        assessment.slope = Life::of(history.sketch()).slope().map(per_hour);
        assessment
    }
}

fn per_hour((slope, low, high): (f64, f64, f64)) -> Slope {
    Slope { per_hour: slope * HOUR, low: low * HOUR, high: high * HOUR }
}

fn too_little(age: f64) -> Assessment {
    Assessment {
        reasons: vec![reason("too_little_seen", format!("only {} seen", time(age)))],
        ..Assessment::default()
    }
}

fn of(finding: &Finding, verdict: Verdict, history: &History, settings: &Settings) -> Assessment {
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
        confidence: confidence(verdict, rule, reading.z),
        reasons,
        scale: Duration::try_from_secs_f64(reading.span).ok(),
        slope: Some(per_hour(reading.recent_slope())),
        ..Assessment::default()
    }
}

fn per_operation(along: &Along, age: f64, history: &History, settings: &Settings) -> Assessment {
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
        confidence: confidence(Verdict::Leaking, Some(Rule::Operations), along.reading.z),
        reasons: vec![reason("grows_per_operation", text)],
        scale: Duration::try_from_secs_f64(age).ok(),
        slope: Life::of(history.sketch()).slope().map(per_hour),
        ..Assessment::default()
    }
}

fn short_run(short: &Short, ended: bool, settings: &Settings) -> Assessment {
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
        confidence: confidence(verdict, Some(Rule::Short), short.pace),
        reasons: of_short(short, settings.quantity),
        scale: Duration::try_from_secs_f64(short.late).ok(),
        slope: short.slope.map(per_hour),
        ..Assessment::default()
    }
}

fn day_by_day(daily: &Daily, settings: &Settings) -> Assessment {
    const DAY: f64 = 24.0 * HOUR;
    let per_second = |per_day: f64| per_day / DAY;
    let (low, high) = (daily.mean - 2.0 * daily.deviation, daily.mean + 2.0 * daily.deviation);
    Assessment {
        verdict: Verdict::Leaking,
        confidence: confidence(Verdict::Leaking, Some(Rule::Daily), daily.certainty),
        reasons: vec![of_daily(daily, settings.quantity)],
        scale: Some(Duration::from_hours(24).saturating_mul(u32::try_from(daily.days).unwrap_or(1) + 1)),
        slope: Some(per_hour((per_second(daily.mean), per_second(low), per_second(high)))),
        ..Assessment::default()
    }
}

fn broken_rule(grown: Grown, settings: &Settings) -> Assessment {
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
        confidence: confidence(Verdict::Leaking, Some(Rule::Grow), 0.0),
        reasons: vec![reason("grew_faster_than_allowed", text)],
        scale: Some(grown.within),
        slope: Some(Slope { per_hour, low: per_hour, high: per_hour }),
        ..Assessment::default()
    }
}
