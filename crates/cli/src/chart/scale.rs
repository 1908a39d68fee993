//! Axes: which part of the world is shown, where its marks are, and what they are called.

use std::time::Duration;

use scupper_detect::Quantity;

use super::{Chart, Cone, Point};
use crate::output::figures::{self, unit};

/// Beyond this nothing is drawn to scale; sums and differences below it are finite.
const LARGEST: f64 = 1e300;

/// A stretch of an axis with its marks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    /// Where, and what it says.
    pub marks: Vec<(f64, String)>,
}

impl Axis {
    /// Where a value lies: 0 at the low end, 1 at the high end.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = (value.clamp(-LARGEST, LARGEST) - self.low) / (self.high - self.low);
        if share.is_finite() { share.clamp(-1.0, 2.0) } else { 0.0 }
    }
}

/// What of a chart is shown.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub time: Axis,
    pub value: Axis,
    /// The forecast, as far as it is shown.
    pub cone: Option<Rays>,
    /// Whether the limit is inside.
    pub shows_limit: bool,
}

/// A forecast as lines from one point, each with its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rays {
    pub from: (f64, f64),
    pub likely: (f64, f64),
    pub earliest: (f64, f64),
    pub latest: (f64, f64),
}

impl View {
    /// Chooses what is shown. `most_marks` of time and of value fit on their axes.
    pub(super) fn of(chart: &Chart, most_marks: (usize, usize)) -> Self {
        let end = chart.end().as_secs_f64().max(1e-3);
        let cone = chart.cone.as_ref().zip(chart.limit.filter(|limit| limit.is_finite()));
        // What was seen keeps half of the width at least.
        let shown = cone.map_or(end, |(cone, _)| {
            let last = cone.latest.unwrap_or(cone.likely).max(cone.likely).as_secs_f64();
            (cone.from.0.as_secs_f64() + last * 1.05).clamp(end, end * 2.0)
        });
        let cone = cone.and_then(|(cone, limit)| rays(cone, limit, shown));

        let curves = chart.points.iter().chain(&chart.floor).map(|(_, value)| *value);
        let (mut low, mut high) = extent(curves);
        if let Some(rays) = &cone {
            high = high.max(rays.earliest.1).max(rays.likely.1);
        }
        // A limit far above would press the curve flat.
        let shows_limit = chart.limit.is_some_and(|limit| limit.is_finite() && limit <= high.max(1.0) * 3.0);
        if let Some(limit) = chart.limit.filter(|_| shows_limit) {
            (low, high) = (low.min(limit), high.max(limit));
        }
        let range = high - low;
        let room = if range > 0.0 { range * 0.08 } else { (high * 0.05).max(1.0) };
        let low = if low < high * 0.6 { 0.0 } else { (low - room).max(0.0) };
        let value = values(chart.quantity, low, high + room, most_marks.1);
        Self { time: times(shown, most_marks.0), value, cone, shows_limit }
    }

    pub(super) fn place(&self, point: Point) -> (f64, f64) {
        (self.time.share(point.0.as_secs_f64()), self.value.share(point.1))
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite()).map(|value| value.clamp(0.0, LARGEST));
    let (low, high) = finite.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    (low.min(high), high)
}

/// Lines to the limit, each cut where the picture ends.
fn rays(cone: &Cone, limit: f64, shown: f64) -> Option<Rays> {
    let from = (cone.from.0.as_secs_f64(), cone.from.1.clamp(0.0, LARGEST));
    let limit = limit.clamp(0.0, LARGEST);
    let ray = |time: Duration| {
        let time = time.as_secs_f64();
        let left = (shown - from.0).max(0.0);
        if time <= left { (from.0 + time, limit) } else { (shown, from.1 + (limit - from.1) * (left / time)) }
    };
    let latest = cone.latest.map_or((shown, from.1), ray);
    let rays = Rays { from, likely: ray(cone.likely), earliest: ray(cone.earliest), latest };
    (from.1.is_finite() && shown > from.0).then_some(rays)
}

/// Marks at round numbers of the unit that suits.
fn values(quantity: Quantity, low: f64, high: f64, most: usize) -> Axis {
    let (name, one) = unit(quantity, high);
    let least = if quantity == Quantity::Percent { 0.1 } else { 1.0 / one };
    let step = round_step((high - low) / one, most).max(if one > 1.0 { 0.0 } else { least });
    let digits = if step >= 1.0 { 0 } else { index(-step.log10().floor()).min(6) };
    let label = |value: f64| {
        let in_unit = value / one;
        let text = if in_unit >= 1e6 { figures::number(in_unit) } else { format!("{in_unit:.digits$}") };
        if name.is_empty() { text } else { format!("{text} {name}") }
    };
    let marks = marks(low, high, step * one).map(|value| (value, label(value))).collect();
    Axis { low, high, marks }
}

/// 1, 2 or 5 times a power of ten, so that `most` of it span the range.
fn round_step(range: f64, most: usize) -> f64 {
    let least = (range / float(most.max(1))).max(1e-12);
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(power * 10.0)
}

/// Marks at round times.
fn times(shown: f64, most: usize) -> Axis {
    const DAY: f64 = 86_400.0;
    const STEPS: [f64; 24] = [
        0.1,
        0.2,
        0.5,
        1.0,
        2.0,
        5.0,
        10.0,
        15.0,
        30.0,
        60.0,
        120.0,
        300.0,
        600.0,
        900.0,
        1800.0,
        3600.0,
        7200.0,
        10_800.0,
        21_600.0,
        43_200.0,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
    ];
    // Four hours are told in hours and not in many minutes.
    let in_unit = |step: &f64| [60.0, 3600.0, DAY].iter().all(|unit| *step >= *unit || shown <= 3.0 * unit);
    let fits = |step: &f64| in_unit(step) && shown / step <= float(most.max(1)) && *step <= shown;
    let step = STEPS.into_iter().find(fits).unwrap_or_else(|| {
        let unit = if shown > DAY { DAY } else { 1.0 };
        round_step(shown / unit, most) * unit
    });
    let (one, name) = match step {
        step if step >= DAY => (DAY, "d"),
        step if step >= 3600.0 => (3600.0, "h"),
        step if step >= 60.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    let digits = if step >= 1.0 { 0 } else { index(-step.log10().floor()).min(6) };
    let label = |at: f64| {
        let number = at / one;
        let text = if number >= 1e6 { figures::number(number) } else { format!("{number:.digits$}") };
        format!("{text} {name}")
    };
    let marks = marks(0.0, shown, step).map(|at| (at, label(at))).collect();
    Axis { low: 0.0, high: shown, marks }
}

/// Multiples of `step`; never more than an axis can bear.
fn marks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    const MOST: u32 = 50;
    let first = (low / step).ceil();
    (0..MOST).map(move |n| (first + f64::from(n)) * step).take_while(move |at| *at <= high)
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "columns and marks: far below 2^53")]
pub(super) const fn float(count: usize) -> f64 {
    count as f64
}

/// The whole part, for an index.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) const fn index(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::fixture;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn marks_are_round_in_units_people_use() {
        let mib = 1_048_576.0;
        assert_eq!(
            labels(&values(Quantity::Bytes, 0.0, 620.0 * mib, 5)),
            ["0 MiB", "200 MiB", "400 MiB", "600 MiB"]
        );
        assert_eq!(
            labels(&values(Quantity::Bytes, 0.0, 2048.0 * mib, 4)),
            ["0.0 GiB", "0.5 GiB", "1.0 GiB", "1.5 GiB", "2.0 GiB"]
        );
        assert_eq!(labels(&values(Quantity::Count, 0.0, 3.0, 10)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&values(Quantity::Percent, 40.0, 41.0, 4)), ["40.0 %", "40.5 %", "41.0 %"]);
        assert_eq!(labels(&times(300.0, 6)), ["0 min", "1 min", "2 min", "3 min", "4 min", "5 min"]);
        assert_eq!(labels(&times(36_000.0, 6)), ["0 h", "2 h", "4 h", "6 h", "8 h", "10 h"]);
        assert_eq!(labels(&times(1.0, 4)), ["0.0 s", "0.5 s", "1.0 s"]);
        assert_eq!(labels(&times(86_400.0 * 2000.0, 5)), ["0 d", "500 d", "1000 d", "1500 d", "2000 d"]);
    }

    #[test]
    fn what_is_odd_has_axes_too() {
        for (name, chart) in fixture::odd() {
            let view = View::of(&chart, (6, 5));
            for axis in [&view.time, &view.value] {
                assert!(axis.low < axis.high && axis.high.is_finite(), "{name}: {axis:?}");
                assert!(axis.marks.len() <= 50 && !axis.marks.is_empty(), "{name}: {axis:?}");
            }
            for point in &chart.points {
                let (x, y) = view.place(*point);
                assert!(x.is_finite() && y.is_finite(), "{name}");
            }
        }
    }

    #[test]
    fn a_far_forecast_leaves_half_of_the_width_to_what_was_seen() {
        let mut chart = fixture::leaking();
        let near = View::of(&chart, (6, 5));
        assert!(near.shows_limit && near.time.high > 36_000.0 && near.time.high < 43_200.0);
        let cone = chart.cone.as_mut().unwrap();
        cone.likely = Duration::from_hours(2000);
        cone.latest = None;
        let far = View::of(&chart, (6, 5));
        assert!((far.time.high - 43_200.0).abs() < 1.0, "{}", far.time.high);
    }
}
