//! A service that runs for days.

use super::daily::{Daily, daily};
use super::{Life, Rule, least_growth};
use crate::Quantity;
use crate::history::Ring;
use crate::reading::Reading;

const HOUR: f64 = 3600.0;

/// What is known beside the reading.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Age of the series in seconds.
    pub age: f64,
    /// What it needed when it had started.
    pub base: f64,
    pub quantity: Quantity,
}

/// What one reading amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judgement {
    /// Nothing, or not enough.
    Nothing,
    /// It rises, and slows down.
    WarmingUp,
    /// It rose at once.
    Step,
    /// It rises.
    Growing,
    /// It leaks.
    Leaking(Rule),
}

/// Judges a reading of a ring of buckets `width` seconds wide.
pub fn judge(reading: &Reading, width: f64, life: &Life, context: &Context) -> Judgement {
    let Context { age, base, quantity } = *context;
    let growth = reading.growth();
    if growth < (0.05 * base).max(least_growth(quantity)) {
        return Judgement::Nothing;
    }
    if reading.largest_steps > 0.6 {
        return Judgement::Step;
    }
    if reading.z < 4.0 || reading.least_quarter < 0.2 {
        return Judgement::Nothing;
    }
    if reading.still_rising < 0.5 {
        return Judgement::WarmingUp;
    }
    let deceleration = life.deceleration().unwrap_or(1.0);
    if deceleration < 0.65 {
        return Judgement::WarmingUp;
    }
    let past = life.before(reading.began);
    let given_back = past.deepest_fall();
    let certain = width >= 360.0
        && reading.z >= 4.5
        && reading.still_rising >= 0.6
        && deceleration >= if age < 48.0 * HOUR { 0.80 } else { 0.75 };
    if certain && reading.end >= 1.8 * base && growth >= 0.4 * base && growth >= 1.5 * given_back {
        return Judgement::Leaking(Rule::Fast);
    }
    if certain
        && age >= 26.0 * HOUR
        && reading.span >= 6.0 * HOUR * 0.9
        && past.span() >= 12.0 * HOUR
        && reading.end > 1.01 * past.highest()
        && growth >= 3.0 * given_back
    {
        return Judgement::Leaking(Rule::Usual);
    }
    let slow = width >= 60.0 && age >= 0.5 * HOUR;
    let fast = growth >= (0.5 * base).max(32.0 * least_growth(quantity));
    if (slow || fast) && (reading.sawtooth || growth >= given_back) {
        return Judgement::Growing;
    }
    Judgement::Nothing
}

/// Judges the growth from day to day.
pub fn judge_daily(ring: &Ring, life: &Life, context: &Context) -> Option<Daily> {
    let found = daily(ring)?;
    let least = if context.age < 48.0 * HOUR { 0.80 } else { 0.75 };
    (life.deceleration().unwrap_or(1.0) >= least).then_some(found)
}
