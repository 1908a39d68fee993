//! A service that runs for days.

use super::daily::{Daily, daily};
use super::life::Past;
use super::{Finding, Judgement, LEAST_OF_QUARTER, Life, MOST_OF_STEPS, Rule, STILL_RISING, least_growth};
use crate::Quantity;
use crate::history::Ring;
use crate::reading::Reading;

const HOUR: f64 = 3600.0;
/// Younger than this nothing slow is said to grow: as many minutes as a reading needs blocks.
const YOUNGEST: f64 = 0.4 * HOUR;
/// Nothing is called that is fewer standard deviations from no trend, however steady it rises ...
const LEAST_Z: f64 = 2.0;
/// ... which it does where it rose by so many times what it ever gave back.
const STEADY: f64 = 8.0;
/// Of two hours or less a line under what comes and goes has to be so certain.
const FLICKER_Z: f64 = 5.0;

/// What is known beside the reading.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Age of the series in seconds.
    pub age: f64,
    /// What it needed when it had started.
    pub base: f64,
    pub quantity: Quantity,
}

/// Judges a reading of a ring of buckets `width` seconds wide.
pub fn judge(reading: Reading, width: f64, life: &Life, context: &Context) -> Finding {
    let Context { age, base, quantity } = *context;
    let growth = reading.growth();
    let mut finding = Finding::nothing(reading);
    // Seconds and minutes of a service that has started say nothing of a warm-up: only a leap upwards counts there.
    let fast = growth >= (0.5 * base).max(32.0 * least_growth(quantity));
    if width < 60.0 && age >= YOUNGEST && !fast {
        return finding;
    }
    if growth < (0.05 * base).max(least_growth(quantity)) {
        return finding;
    }
    let young = age < 2.0 * HOUR;
    if reading.largest_steps > MOST_OF_STEPS && !(young && flickers(&reading, life)) {
        return finding.judged(Judgement::Step);
    }
    let trend = reading.order >= 4.0 && reading.z >= if young { LEAST_Z } else { 4.0 };
    if reading.z < LEAST_Z || reading.least_quarter < LEAST_OF_QUARTER {
        return finding;
    }
    finding.deceleration = life.deceleration();
    let deceleration = finding.deceleration.unwrap_or(1.0);
    if reading.still_rising < 0.5 || deceleration < 0.65 {
        return if trend { finding.judged(Judgement::WarmingUp) } else { finding };
    }
    if reading.z >= 6.0 && leapt(&reading, deceleration, quantity) {
        return finding.judged(Judgement::Leaking(Rule::Fast));
    }
    let past = life.before(reading.began);
    let given_back = past.deepest_fall();
    finding.given_back = given_back;
    let certain =
        width >= 360.0 && reading.still_rising >= STILL_RISING && deceleration >= least_deceleration(age);
    if certain
        && reading.z >= 6.0
        && reading.end >= 2.0 * base
        && growth >= 0.4 * base
        && growth >= 1.5 * given_back
    {
        return finding.judged(Judgement::Leaking(Rule::Fast));
    }
    if certain && higher_than_ever(&reading, past, age) {
        return finding.judged(Judgement::Leaking(Rule::Usual));
    }
    if !trend {
        return finding;
    }
    let slow = age >= YOUNGEST && width >= 60.0;
    if (slow || fast) && (reading.sawtooth || growth >= given_back) {
        return finding.judged(Judgement::Growing);
    }
    finding
}

/// Whether what looks like steps comes and goes, over a line that does not: requests that hold what they need for a while.
fn flickers(reading: &Reading, life: &Life) -> bool {
    reading.z >= FLICKER_Z
        && reading.largest_kept <= MOST_OF_STEPS
        && reading.still_rising >= 0.8
        && life.deceleration().unwrap_or(1.0) >= 0.8
}

/// Higher than ever after more than a day, by many times what it ever gave back. Traffic that rises and caches that fill do so
/// for the better part of a day, and are straight lines meanwhile: it has to have risen for longer.
fn higher_than_ever(reading: &Reading, past: Past<'_>, age: f64) -> bool {
    let growth = reading.growth();
    let given_back = past.deepest_fall();
    if age < 26.0 * HOUR
        || reading.span < 15.0 * HOUR
        || reading.end <= 1.01 * past.highest()
        || growth < 4.0 * given_back
    {
        return false;
    }
    // What was there before says what it gives back; a stretch of more than a day says it itself.
    let lived = past.span() >= 12.0 * HOUR;
    let trend = reading.order >= 4.0 && reading.rising() >= 14.0 * HOUR;
    if trend && reading.z >= 4.5 && (lived || reading.span >= 36.0 * HOUR) {
        return true;
    }
    // Steps and bends are no noise, though a trend test takes them for it. What hardly ever fell is believed at less.
    let steady = lived && growth >= STEADY * given_back.max(reading.deepest_fall);
    // A curve that gets steeper has a late half that is steeper than the whole: it counts for what it is there.
    let bends = reading.still_rising >= 1.3 && reading.rising() >= 15.0 * HOUR * reading.still_rising;
    steady && reading.z >= LEAST_Z && (trend || bends)
}

/// Many times what it was, on a straight line, for minutes: what a program loads at its start takes less long or slows down.
fn leapt(reading: &Reading, deceleration: f64, quantity: Quantity) -> bool {
    let growth = reading.growth();
    reading.span >= 200.0
        && growth >= 7.0 * reading.start
        && growth >= 256.0 * least_growth(quantity)
        && reading.still_rising >= 0.8
        && deceleration >= 0.9
}

/// Judges the growth from day to day.
pub fn judge_daily(ring: &Ring, life: &Life, context: &Context) -> Option<Daily> {
    let found = daily(ring)?;
    (life.deceleration().unwrap_or(1.0) >= least_deceleration(context.age)).then_some(found)
}

/// A young series has to be straighter: every curve is a line at first.
fn least_deceleration(age: f64) -> f64 {
    if age < 48.0 * HOUR { 0.80 } else { 0.75 }
}
