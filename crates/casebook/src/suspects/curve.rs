//! What a recorded curve shows: whether anything was ever given back, whether it still grows at its end, and whether that means
//! something: what does nothing does not grow either.

use scupper_detect::{Quantity, Verdict, exact};
use scupper_model::{Grows, History, Pattern, Stretch, Work};

use super::compared::LEAST_GROWTH;
use super::lead::{Growth, Lead, Part};
use super::trail::Source;
use super::words;

/// Hardly anything was ever given back.
const NEVER_FELL: i32 = 8;
/// Much was given back.
const FELL: i32 = 22;
/// It was used again: no new peak while work went on as before.
const USED_AGAIN: i32 = 25;
/// It is flat at its end, and nobody knows what was done then.
const FLAT: i32 = 12;
/// It grows along work, or while idle: then something makes it grow.
const ALONG: i32 = 6;
/// A fall by this share of the growth is much.
const MUCH: f64 = 0.3;
/// No new peak for so many seconds may be a sign.
const LONG_SINCE_PEAK: f64 = 15.0;
/// Work is as before, and time as long, from this share on.
const COMPARABLE: f64 = 0.5;
/// Values that a curve needs to say something.
const LEAST_POINTS: usize = 8;
/// Its end, as a share of its time.
const END: f64 = 0.25;

/// The shape of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// From the lowest of its first tenth to its last value.
    pub grown: f64,
    /// The deepest fall below an earlier value.
    pub fell: f64,
    /// What came within its end.
    pub at_the_end: f64,
    /// How long it was seen.
    pub seconds: f64,
}

impl Curve {
    /// Of a history; `None` where it is too short or makes no sense.
    fn of(history: &History) -> Option<Self> {
        let points: Vec<(f64, f64)> = history
            .seconds_before
            .iter()
            .zip(&history.values)
            // Memory of 0 is that of a process that was ending.
            .filter(|(before, value)| before.is_finite() && **before >= 0.0 && **value > 0)
            .map(|(before, value)| (-before, exact(*value)))
            .collect();
        let (first, last) = (*points.first()?, *points.last()?);
        let seconds = last.0 - first.0;
        if points.len() < LEAST_POINTS || seconds <= 0.0 {
            return None;
        }
        let until = first.0 + 0.1 * seconds;
        let start =
            points.iter().take_while(|(at, _)| *at <= until).map(|(_, value)| *value).fold(first.1, f64::min);
        let (mut peak, mut fell) = (first.1, 0.0_f64);
        for (_, value) in &points {
            peak = peak.max(*value);
            fell = fell.max(peak - value);
        }
        let end = last.0 - END * seconds;
        let before_end =
            points.iter().take_while(|(at, _)| *at <= end).last().map_or(first.1, |(_, value)| *value);
        Some(Self { grown: last.1 - start, fell, at_the_end: last.1 - before_end, seconds })
    }

    /// Whether it ended flat, as a cache at its bound does.
    fn ends_flat(&self) -> bool {
        self.grown > 0.0 && self.at_the_end <= 0.05 * self.grown
    }
}

/// What was done since memory was last larger than ever before, beside what was done until then.
#[derive(Clone, Debug, PartialEq)]
enum SincePeak {
    /// As much, for as long: in so many words.
    AsBefore(String),
    /// Much less: that it does not grow says nothing.
    Less,
    /// Nobody can say, or it is not long ago.
    Unknown,
}

fn since_peak(pattern: &Pattern) -> SincePeak {
    let (seconds, work) = (pattern.since_peak_seconds, exact(pattern.since_peak_work));
    let Some(until) = until_peak(pattern).filter(|until| until.seconds > 0.0) else {
        return SincePeak::Unknown;
    };
    if seconds < LONG_SINCE_PEAK {
        return SincePeak::Unknown;
    }
    let (rate, before) = (work / seconds, exact(until.work) / until.seconds);
    // What grows at rest needs no work to grow.
    let at_rest = matches!(pattern.grows, Grows::WhileIdle | Grows::Both);
    if !at_rest && (until.work == 0 || rate < COMPARABLE * before) {
        return if until.work == 0 { SincePeak::Unknown } else { SincePeak::Less };
    }
    if seconds < COMPARABLE * until.seconds {
        return SincePeak::Unknown;
    }
    let done = |amount: u64| match pattern.work {
        Work::Operations => format!("{amount} operations"),
        Work::ProcessorTime => format!("{:.1} s of processor time", exact(amount) / 1000.0),
    };
    SincePeak::AsBefore(format!(
        "no new peak for {} with {}, after {} with {}",
        words::span(seconds),
        done(pattern.since_peak_work),
        words::span(until.seconds),
        done(until.work)
    ))
}

/// How long it was followed until its last peak, and what was done by then. Older records have it where all of their time is
/// on one of two sides.
fn until_peak(pattern: &Pattern) -> Option<Stretch> {
    pattern.until_peak.or_else(|| {
        let (idle, busy) = (pattern.idle?, pattern.busy?);
        Some(Stretch {
            seconds: idle.seconds + busy.seconds - pattern.since_peak_seconds,
            growth_bytes: 0,
            work: idle.work.saturating_add(busy.work).saturating_sub(pattern.since_peak_work),
        })
    })
}

/// Weighs the curve of memory that grew, and of what would look the same: memory that is trapped, and a cache.
pub(super) fn weigh(history: &History, source: &Source, part: Part, [lead, trapped, cache]: [&mut Lead; 3]) {
    let amount = |bytes: f64| words::amount(Quantity::Bytes, bytes);
    let curve = Curve::of(history);
    if let Some(curve) = curve {
        if curve.grown > 0.0 {
            lead.add_growth(part, Growth { grown: Some(curve.grown), ..Growth::default() });
        }
        let (grown, fell) = (amount(curve.grown), amount(curve.fell));
        if curve.fell >= MUCH * curve.grown.max(LEAST_GROWTH) {
            let text = format!("it fell by {fell} while it was watched");
            trapped.speaks_for(FELL, source, text.clone());
            lead.speaks_against(FELL / 2, source, text);
        } else if curve.grown >= LEAST_GROWTH {
            let seconds = words::span(curve.seconds);
            let text = format!("it never fell by more than {fell} while it grew by {grown} in {seconds}");
            lead.speaks_for(NEVER_FELL, source, text);
        }
    }
    let pattern = history.pattern.as_deref();
    by_end(curve, pattern, source, [lead, trapped, cache]);
    if let Some(pattern) = pattern {
        along(pattern, source, lead);
        let grown = curve.map_or(LEAST_GROWTH, |curve| curve.grown.max(LEAST_GROWTH));
        let fell = exact(pattern.fell_bytes);
        let seen = curve.is_some_and(|curve| curve.fell >= MUCH * grown);
        if !seen && fell >= MUCH * grown {
            let text = format!("it fell by {} below its peak", amount(fell));
            trapped.speaks_for(FELL, source, text.clone());
            lead.speaks_against(FELL / 2, source, text);
        }
    }
}

/// A flat end and no new peak are one sign, and it is none where nothing was done.
fn by_end(
    curve: Option<Curve>,
    pattern: Option<&Pattern>,
    source: &Source,
    [lead, trapped, cache]: [&mut Lead; 3],
) {
    let flat = curve.filter(Curve::ends_flat);
    match pattern.map_or(SincePeak::Unknown, since_peak) {
        SincePeak::AsBefore(text) if flat.is_some() || lead.verdict < Verdict::Leaking => {
            cache.speaks_for(USED_AGAIN, source, text.clone());
            trapped.speaks_for(USED_AGAIN / 2, source, text.clone());
            lead.speaks_against(USED_AGAIN, source, text);
        }
        SincePeak::Less => lead.unknown.push(
            "whether it would have gone on: much less was done since its last peak than before".to_owned(),
        ),
        SincePeak::AsBefore(_) | SincePeak::Unknown => {
            let Some(curve) = flat else { return };
            let amount = |bytes: f64| words::amount(Quantity::Bytes, bytes);
            let text = format!(
                "its last quarter is flat ({} of {}); whether as much was done then is not known",
                amount(curve.at_the_end),
                amount(curve.grown)
            );
            cache.speaks_for(FLAT, source, text.clone());
            lead.speaks_against(FLAT, source, text);
        }
    }
}

/// Along what it grows.
fn along(pattern: &Pattern, source: &Source, lead: &mut Lead) {
    let amount = |bytes: i64| {
        let size = words::amount(Quantity::Bytes, exact(bytes.unsigned_abs()));
        if bytes < 0 { format!("-{size}") } else { format!("+{size}") }
    };
    let stretch = |name: &str, stretch: Option<Stretch>| {
        stretch.map_or_else(String::new, |stretch| {
            format!(", {} in {} {name}", amount(stretch.growth_bytes), words::span(stretch.seconds))
        })
    };
    let (idle, busy) = (stretch("with least work", pattern.idle), stretch("with most work", pattern.busy));
    let text = match pattern.grows {
        Grows::WithLoad => Some(format!("it grows with work{busy}{idle}")),
        Grows::WhileIdle => Some(format!(
            "it grows as fast with little work, as with a timer or a background task{idle}{busy}"
        )),
        Grows::Both => Some(format!("it grows with work and without{busy}{idle}")),
        Grows::Undetermined => None,
    };
    if let Some(text) = text {
        lead.grows = pattern.grows;
        lead.speaks_for(ALONG, source, text);
    }
    if pattern.bursts >= 2 && pattern.burst_share.is_some_and(|share| share >= 0.5) {
        lead.grows = Grows::WithLoad;
        let rest = pattern.rest_seconds.map_or_else(String::new, |rest| format!(" of {}", words::span(rest)));
        let text =
            format!("it grows in bursts after rest: {} of them, after a mean rest{rest}", pattern.bursts);
        lead.speaks_for(ALONG, source, text);
    }
}
