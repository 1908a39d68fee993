//! A service that runs for days.

use super::daily::{Daily, daily};
use super::{Finding, Judgement, LEAST_OF_QUARTER, Life, MOST_OF_STEPS, Rule, STILL_RISING, least_growth};
use crate::Quantity;
use crate::history::Ring;
use crate::reading::Reading;

const HOUR: f64 = 3600.0;
/// Younger than this nothing slow is said to grow: as many minutes as a reading needs blocks.
const YOUNGEST: f64 = 0.4 * HOUR;

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
    if reading.largest_steps > MOST_OF_STEPS {
        return finding.judged(Judgement::Step);
    }
    let young = age < 2.0 * HOUR;
    if reading.order < 4.0
        || reading.z < if young { 2.5 } else { 4.0 }
        || reading.least_quarter < LEAST_OF_QUARTER
    {
        return finding;
    }
    finding.deceleration = life.deceleration();
    let deceleration = finding.deceleration.unwrap_or(1.0);
    if reading.still_rising < 0.5 || deceleration < 0.65 {
        return finding.judged(Judgement::WarmingUp);
    }
    if reading.z >= 6.0 && leapt(&reading, deceleration, quantity) {
        return finding.judged(Judgement::Leaking(Rule::Fast));
    }
    let past = life.before(reading.began);
    let given_back = past.deepest_fall();
    finding.given_back = given_back;
    let certain = width >= 360.0
        && reading.z >= 4.5
        && reading.still_rising >= STILL_RISING
        && deceleration >= least_deceleration(age);
    if certain
        && reading.z >= 6.0
        && reading.end >= 2.0 * base
        && growth >= 0.4 * base
        && growth >= 1.5 * given_back
    {
        return finding.judged(Judgement::Leaking(Rule::Fast));
    }
    // Traffic that rises and caches that fill do so for the better part of a day, and are straight lines meanwhile.
    if certain
        && age >= 26.0 * HOUR
        && reading.span >= 15.0 * HOUR
        && past.span() >= 12.0 * HOUR
        && reading.end > 1.01 * past.highest()
        && growth >= 4.0 * given_back
    {
        return finding.judged(Judgement::Leaking(Rule::Usual));
    }
    let slow = age >= YOUNGEST && width >= 60.0;
    if (slow || fast) && (reading.sawtooth || growth >= given_back) {
        return finding.judged(Judgement::Growing);
    }
    finding
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
