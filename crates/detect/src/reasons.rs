//! Why, in sentences. The tags are for programs and stay; the sentences are for people.

use std::fmt::Write as _;

use crate::bursts::Bursts;
use crate::rules::{Daily, Finding, Judgement, Rule, Shape, Short};
use crate::{Quantity, Reason};

/// A reason.
pub fn reason(tag: &'static str, text: String) -> Reason {
    Reason { tag: tag.into(), text }
}

/// An amount in units people use.
pub fn amount(quantity: Quantity, value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    match quantity {
        Quantity::Bytes => {
            let (mut value, mut unit) = (value, 0);
            while value.abs() >= 1024.0 && unit < UNITS.len() - 1 {
                value /= 1024.0;
                unit += 1;
            }
            let digits = usize::from(unit > 0);
            format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&"B"))
        }
        // A slope of counts is often a small part of one.
        Quantity::Count if value.abs() < 10.0 && value.fract() != 0.0 => format!("{value:.2}"),
        Quantity::Count => format!("{value:.0}"),
        Quantity::Percent => format!("{value:.1} points"),
    }
}

/// A time in the two largest units that fit.
pub fn time(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    let seconds = seconds.max(0.0).round();
    let mut text = String::new();
    let mut left = seconds;
    let largest = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    for (size, unit) in UNITS.iter().skip(largest).take(2) {
        let count = (left / size).floor();
        if count > 0.0 || text.is_empty() {
            let space = if text.is_empty() { "" } else { " " };
            // A String takes whatever is written to it.
            let _ = write!(text, "{space}{count:.0} {unit}");
        }
        left -= count * size;
    }
    text
}

/// What a finding rests on, the decisive part first.
pub fn of_finding(finding: &Finding, quantity: Quantity) -> Vec<Reason> {
    let reading = &finding.reading;
    let size = |value: f64| amount(quantity, value);
    let mut reasons = Vec::with_capacity(5);
    match finding.judgement {
        Judgement::Leaking(Rule::Fast) => reasons.push(reason(
            "nearly_doubled",
            format!("the floor stands at {}, far above what it had when it had started", size(reading.end)),
        )),
        Judgement::Leaking(Rule::Usual) => reasons.push(reason(
            "higher_than_ever",
            format!(
                "higher than ever before after more than a day, by {} where it never gave back more than {}",
                size(reading.growth()),
                size(finding.given_back)
            ),
        )),
        Judgement::Step => reasons.push(reason(
            "one_step",
            format!("nearly all of the {} came at once, and it stays there", size(reading.growth())),
        )),
        Judgement::WarmingUp => reasons.push(reason(
            "slowing_down",
            match finding.deceleration {
                Some(ratio) if ratio < 1.0 => {
                    format!("it rises at {:.0} % of the pace it had before", (ratio * 100.0).max(0.0))
                }
                _ => format!("its last half rises at {:.0} % of the whole", percent(reading.still_rising)),
            },
        )),
        _ => {}
    }
    if finding.judgement != Judgement::Step {
        reasons.push(reason(
            "rising_floor",
            format!(
                "the floor rose by {} ({:.0} %) in {}, {:.1} standard deviations from no trend",
                size(reading.growth()),
                percent(reading.growth() / reading.start.max(1.0)),
                time(reading.span),
                reading.z
            ),
        ));
    }
    if matches!(finding.judgement, Judgement::Growing | Judgement::Leaking(_)) {
        reasons.push(reason(
            "still_rising",
            format!("its last half rises at {:.0} % of the whole", percent(reading.still_rising)),
        ));
        if reading.sawtooth {
            reasons.push(reason("sawtooth", "measured below the teeth of a saw, over its drops".to_owned()));
        }
    }
    reasons
}

/// The pattern of a leak that work causes.
pub fn of_bursts(bursts: Bursts) -> Reason {
    let text =
        format!("it grows in bursts after rest: {} of them, {} apart", bursts.count, time(bursts.rest));
    reason("bursts_after_idle", text)
}

/// What the judgement of a short run rests on.
pub fn of_short(short: &Short, quantity: Quantity) -> Vec<Reason> {
    let size = |value: f64| amount(quantity, value);
    let kept = || {
        let (grown, late) = (size(short.late_growth), time(short.late));
        if let Some(z) = short.z {
            let text = format!(
                "rises by {grown} in {late} below its noise, {z:.1} standard deviations from no trend"
            );
            return reason("rising_floor", text);
        }
        let portions = short.portions;
        let text =
            format!("keeps {grown} more after the last {late} than before them, in {portions} portions");
        reason("keeps_more", text)
    };
    match short.shape {
        Shape::TooLittle => Vec::new(),
        Shape::Flat => vec![reason("no_trend", format!("no rise worth a word in {}", time(short.late)))],
        Shape::GivenBack => {
            let text = format!("fell by {} before, more than it rose", size(short.given_back));
            vec![reason("given_back", text)]
        }
        Shape::FlatEnd => {
            let text = format!("rose by {}, and ended flat", size(short.growth));
            vec![reason("flat_end", text)]
        }
        Shape::SlowingDown => {
            let text = format!("its end rises at {:.0} % of the pace before", percent(short.pace));
            vec![reason("slowing_down", text)]
        }
        Shape::Portions => {
            let text = format!("rose by {} in no more than {} steps", size(short.growth), short.portions);
            vec![reason("one_step", text)]
        }
        Shape::Rising => {
            let end = if short.pace < 3.0 {
                format!("its end rises at {:.0} % of the pace before", percent(short.pace))
            } else {
                "its end rises faster than what came before".to_owned()
            };
            vec![kept(), reason("still_rising", end)]
        }
    }
}

/// What the rule of days rests on.
pub fn of_daily(daily: &Daily, quantity: Quantity) -> Reason {
    reason(
        "day_over_day",
        format!(
            "at the same hours {} higher from day to day, {} days in a row",
            amount(quantity, daily.mean),
            daily.days
        ),
    )
}

fn percent(share: f64) -> f64 {
    share * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units() {
        let times =
            [(0.0, "0 s"), (59.4, "59 s"), (34_560.0, "9 h 36 min"), (3600.0, "1 h"), (90_000.0, "1 d 1 h")];
        for (seconds, text) in times {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn amounts_have_their_unit() {
        assert_eq!(amount(Quantity::Bytes, 512.0), "512 B");
        assert_eq!(amount(Quantity::Bytes, 36_909_875.2), "35.2 MiB");
        assert_eq!(amount(Quantity::Bytes, -2048.0), "-2.0 KiB");
        assert_eq!(amount(Quantity::Count, 12.0), "12");
    }
}
