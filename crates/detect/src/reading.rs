//! What the statistics say of one floor: how fast it rises, how certain that is, and what shape it has.

use crate::stats::{Sen, mann_kendall, perron_yabu, sen_slope, theil_sen};
use crate::window::{Floor, deepest_fall};

/// What rises in its last half by so much more than in the whole is no line.
const ACCELERATES: f64 = 1.12;

/// The numbers of one floor. Times in seconds, slopes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The more doubtful of two trend statistics that do not fail in the same way.
    pub z: f64,
    /// The one of them that looks at the order of the values alone.
    pub order: f64,
    /// The median slope.
    pub slope: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// When the stretch began.
    pub began: f64,
    /// How long it is.
    pub span: f64,
    /// Level at its beginning.
    pub start: f64,
    /// Level at its end.
    pub end: f64,
    /// Whether the floor reaches over the teeth of a saw.
    pub sawtooth: bool,
    /// Slope of the last half by the slope of the whole.
    pub still_rising: f64,
    /// Slope of the last half less that of the first.
    pub bend: f64,
    /// Share of the growth that its two largest steps make.
    pub largest_steps: f64,
    /// The same of what it kept of them.
    pub largest_kept: f64,
    /// Least rise between quarters, by what the slope lets expect.
    pub least_quarter: f64,
    /// The most that it gave back within the stretch.
    pub deepest_fall: f64,
}

impl Reading {
    /// The slope to forecast by, with its interval. Where the last half is much steeper than the whole, a line through all of
    /// it promises too much time: then it is the slope at the end, if the curve bends as it did from half to half, and at
    /// worst the slope it will have after as long again.
    pub fn recent_slope(&self) -> Sen {
        if self.still_rising <= ACCELERATES || self.bend <= 0.0 {
            return Sen { slope: self.slope, low: self.low, high: self.high };
        }
        let late = self.slope * self.still_rising;
        let end = late + self.bend / 2.0;
        Sen { slope: end, low: self.low, high: self.high.max(end + 2.0 * self.bend) }
    }

    /// For how long it rose at this slope, in seconds.
    pub fn rising(&self) -> f64 {
        self.growth() / self.slope
    }

    /// How much it rose.
    pub fn growth(&self) -> f64 {
        self.end - self.start
    }
}

/// Reads a floor; `None` where it does not rise by a hundredth, which needs no statistics.
pub fn read(floor: &Floor) -> Option<Reading> {
    let (start, end) = (floor.start(), floor.end());
    if end - start < 0.01 * start || end <= start {
        return None;
    }
    let points = &floor.points;
    let kendall = mann_kendall(points)?;
    let trend = perron_yabu(points)?;
    let sen = theil_sen(points, kendall.corrected_variance)?;
    if sen.slope <= 0.0 {
        return None;
    }
    let late = sen_slope(floor.last_half())?;
    let early = sen_slope(floor.first_half())?;
    // Three things that can be wrong with a slope, each with its own width: the order of the values, the wandering of
    // the level, and a curve that is no line. The interval covers them all.
    let drift = trend.drift / floor.block;
    let wander = 2.0 * trend.drift_deviation / floor.block;
    let bend = (late - early).abs() / 2.0;
    let low = sen.low.min(drift - wander).min(sen.slope - bend);
    let high = sen.high.max(drift + wander).max(sen.slope + bend);
    Some(Reading {
        z: trend.z.min(kendall.z),
        order: kendall.z,
        slope: sen.slope,
        low,
        high,
        began: floor.began,
        span: floor.span,
        start,
        end,
        sawtooth: floor.sawtooth,
        still_rising: late / sen.slope,
        bend: late - early,
        largest_steps: floor.share_of_largest_steps(),
        largest_kept: floor.share_of_largest_kept(),
        least_quarter: floor.least_quarter_rise() / (sen.slope * floor.span / 4.0),
        deepest_fall: deepest_fall(points.iter().map(|(_, y)| *y)),
    })
}
