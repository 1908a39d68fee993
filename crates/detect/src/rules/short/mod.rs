//! A test of one to some minutes under steady load.
//!
//! There is no time for statistics over days, and no day whose load could feign a leak. What decides is the kept level: what
//! the series never gave back, as far as was seen. A leak keeps more and more until the run ends; a cache stops at its bound, a
//! warm-up slows down, a collector gives back, a data set comes at once.

mod kept;
mod noisy;

use super::least_growth;
use crate::history::{Bucket, Sketch};
use crate::stats::{Point, mann_kendall, theil_sen, to_f64};
use crate::{Quantity, Verdict};
use kept::kept;

/// A run shorter than this says nothing, in seconds.
const LEAST_AGE: f64 = 30.0;
/// Looks that a verdict needs.
const LEAST_POINTS: usize = 20;
/// The start of the program, as a share of the run; at least [`LEAST_START`] seconds.
const START: f64 = 0.1;
const LEAST_START: f64 = 5.0;
/// From this share of the run on, growth counts.
const LATE: f64 = 0.4;
/// Leaks slower than this share of the level per minute drown in what runtimes do by themselves.
const LEAST_RATE: f64 = 0.006;
/// The flat end that a cache at its bound has and a leak has not, as a share of the run.
const FLAT_END: f64 = 0.15;
/// Growth of the last 30 % by that of the 30 % before; 0.40 for 1 - exp(-t/tau) with tau a third of the run.
const LEAST_PACE: f64 = 0.5;
/// A run that falls by more than this share of the growth it would be called for, and often, is read by its troughs.
const NOISY: f64 = 0.2;
/// A rise that noise could have made is doubted below so many standard deviations from no trend ...
const LEAST_DOUBTLESS: f64 = 2.0;
/// ... and one that noise could have hidden is believed from so many on, if its end stands so high above where it was.
const LEAST_STEADY: f64 = 3.5;
const LEAST_STEADY_PACE: f64 = 0.45;
const FEW_TEETH: usize = 6;
/// Growth, by the deepest fall, where falls are few.
const GIVEN_BACK: f64 = 1.0;
/// What grows by less than this share of its level in the part that counts has to go on at this pace: compilers and allocators
/// warm up for long by a little.
const SMALL: f64 = 0.05;
const LEAST_PACE_OF_SMALL: f64 = 0.62;
/// A leak comes in at least so many portions; what comes in fewer is a step or two.
const LEAST_PORTIONS: usize = 4;

/// Why a short run is judged as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    TooLittle,
    Flat,
    GivenBack,
    FlatEnd,
    SlowingDown,
    Portions,
    Rising,
}

/// What a short run amounts to, with the numbers that decided.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    pub shape: Shape,
    /// Length of the run in seconds.
    pub age: f64,
    /// Kept since the start.
    pub growth: f64,
    /// Kept in the part that counts.
    pub late_growth: f64,
    /// Length of that part.
    pub late: f64,
    /// The deepest fall.
    pub given_back: f64,
    /// How long it kept nothing more at the end.
    pub flat_end: f64,
    /// Growth of the last 30 % by that of the 30 % before.
    pub pace: f64,
    /// Portions in which the growth came.
    pub portions: usize,
    /// Slope per second of the part that counts, with its interval.
    pub slope: Option<(f64, f64, f64)>,
}

impl Short {
    pub const fn verdict(&self) -> Verdict {
        match self.shape {
            Shape::TooLittle => Verdict::Unknown,
            Shape::Flat | Shape::GivenBack => Verdict::Stable,
            Shape::FlatEnd | Shape::SlowingDown => Verdict::WarmingUp,
            Shape::Portions => Verdict::Step,
            Shape::Rising => Verdict::Leaking,
        }
    }
}

/// Judges a whole run.
pub fn judge_short(sketch: &Sketch, quantity: Quantity) -> Short {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
    let width = sketch.width() as f64 / 1000.0;
    judge_buckets(sketch.buckets(), width, quantity)
}

fn judge_buckets(buckets: &[Bucket], width: f64, quantity: Quantity) -> Short {
    let (mut short, noise) = judge_kept(buckets, width, quantity);
    let Some(Noise { points, troughs, least_late }) = noise else { return short };
    if short.given_back < NOISY * short.late_growth.max(least_late) {
        return short;
    }
    let middles = noisy::read(&noisy::middles(&points), short.age);
    let doubtful = middles.is_none_or(|steady| steady.z < LEAST_DOUBTLESS);
    if short.shape == Shape::Rising && doubtful && short.growth < 1.5 * short.given_back {
        short.shape = Shape::GivenBack;
    }
    // Its end stands below the line that leads there: noise hid how much it has slowed down. (Of few deep teeth the middles are
    // where the teeth happen to be.)
    let teeth = troughs.len() < FEW_TEETH && short.given_back > short.late_growth / 2.0;
    if short.shape == Shape::Rising && !teeth && middles.is_some_and(|steady| steady.pace < 0.0) {
        short.shape = Shape::SlowingDown;
    }
    let lows = noisy::read(&noisy::troughs(&troughs), short.age);
    for steady in [middles, lows].into_iter().flatten() {
        let late_growth = steady.slope * short.late;
        let rises = steady.z >= LEAST_STEADY
            && late_growth >= least_late
            && steady.largest_step <= 0.6
            && steady.pace >= LEAST_STEADY_PACE;
        if rises && short.shape != Shape::Rising {
            (short.shape, short.pace, short.late_growth) = (Shape::Rising, steady.pace, late_growth);
        }
    }
    short
}

/// What a second look at a run that goes up and down needs.
struct Noise {
    points: Vec<Point>,
    troughs: Vec<Point>,
    least_late: f64,
}

fn judge_kept(buckets: &[Bucket], width: f64, quantity: Quantity) -> (Short, Option<Noise>) {
    let age = width * to_f64(buckets.len());
    let start = (START * age).max(LEAST_START);
    let points: Vec<Point> = buckets
        .iter()
        .enumerate()
        .filter(|(_, bucket)| !bucket.is_empty())
        .map(|(i, bucket)| (width * (to_f64(i) + 0.5), f64::from(bucket.low)))
        .filter(|(x, _)| *x >= start)
        .collect();
    let mut short = Short {
        shape: Shape::TooLittle,
        age,
        growth: 0.0,
        late_growth: 0.0,
        late: age * (1.0 - LATE),
        given_back: 0.0,
        flat_end: 0.0,
        pace: 0.0,
        portions: 0,
        slope: None,
    };
    let (Some((_, first)), true) =
        (points.first().copied(), points.len() >= LEAST_POINTS && age >= LEAST_AGE)
    else {
        return (short, None);
    };
    let kept = kept(&points);
    let level_at = |share: f64| {
        let index = kept.points.partition_point(|(x, _)| *x < share * age);
        kept.points.get(index).or(kept.points.last()).map_or(first, |(_, y)| *y)
    };
    let end = level_at(1.0);
    short.given_back = kept.deepest_fall;
    short.growth = end - level_at(0.0);
    short.late_growth = end - level_at(LATE);
    short.slope = late_slope(&points, LATE * age);
    let minutes = short.late / 60.0;
    let rate: f64 = match quantity {
        Quantity::Bytes => 786_432.0,
        Quantity::Count => 3.0,
        Quantity::Percent => 0.5,
    };
    let least_late = rate.max(LEAST_RATE * end) * minutes;
    if short.late_growth < least_late || short.growth < least(quantity) {
        short.shape = if short.growth >= (0.1 * end).max(least_growth(quantity)) {
            Shape::FlatEnd
        } else {
            Shape::Flat
        };
        let noise = Noise { points, troughs: kept.troughs, least_late };
        return (short, Some(noise));
    }
    let portions = portions(&kept.points, 0.05 * short.late_growth, width);
    short.portions = portions.len();
    short.flat_end =
        age - kept.points.iter().rfind(|(_, y)| *y < end - 0.12 * short.late_growth).map_or(0.0, |(x, _)| *x);
    let middle = level_at(0.7) - level_at(LATE);
    short.pace = (end - level_at(0.7)) / middle.max(f64::MIN_POSITIVE);
    let longest_wait = portions.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    short.shape = if short.portions < LEAST_PORTIONS {
        Shape::Portions
    } else if short.flat_end > (FLAT_END * age).max(1.3 * longest_wait.min(0.2 * age)) {
        Shape::FlatEnd
    } else if short.pace < if short.late_growth < SMALL * end { LEAST_PACE_OF_SMALL } else { LEAST_PACE } {
        Shape::SlowingDown
    } else if short.growth < GIVEN_BACK * short.given_back && kept.troughs.len() < 4 {
        Shape::GivenBack
    } else {
        Shape::Rising
    };
    (short, Some(Noise { points, troughs: kept.troughs, least_late }))
}

const fn least(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Bytes => 1_572_864.0,
        Quantity::Count => 8.0,
        Quantity::Percent => 1.0,
    }
}

/// Moments at which a portion of at least `least` was complete. A large one that takes a bucket more is still one.
fn portions(kept: &[Point], least: f64, width: f64) -> Vec<f64> {
    let mut portions: Vec<f64> = Vec::new();
    let Some((_, mut level)) = kept.first().copied() else { return portions };
    for (x, y) in kept {
        let rise = y - level;
        if rise < least {
            continue;
        }
        match portions.last_mut() {
            Some(before) if x - *before <= 1.5 * width && rise >= 4.0 * least => *before = *x,
            _ => portions.push(*x),
        }
        level = *y;
    }
    portions
}

/// The median slope after `from`, of at most 32 lows.
fn late_slope(points: &[Point], from: f64) -> Option<(f64, f64, f64)> {
    let late = points.get(points.partition_point(|(x, _)| *x < from)..)?;
    let few: Vec<Point> = late
        .chunks(late.len().div_ceil(32).max(1))
        .filter_map(|chunk| chunk.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)))
        .collect();
    let sen = theil_sen(&few, mann_kendall(&few)?.corrected_variance)?;
    Some((sen.slope, sen.low, sen.high))
}
