//! A test of one to some minutes under steady load.
//!
//! There is no time for statistics over days, and no day whose load could feign a leak. What decides is the kept level: what
//! the series never gave back, as far as was seen. A leak keeps more and more until the run ends; a cache stops at its bound, a
//! warm-up slows down, a collector gives back, a data set comes at once.

mod kept;
mod noisy;

use super::least_growth;
use crate::history::Bucket;
use crate::stats::{Point, Sen, lows, slope, to_f64};
use crate::{Quantity, Verdict};
use kept::{Kept, kept};
use noisy::{BELIEVED, Steady};

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
/// A run that falls by more than this share of the growth it would be called for is looked at again, through its noise.
const NOISY: f64 = 0.2;
/// A rise that noise could have made is doubted below so many standard deviations from no trend, unless it rose by this times
/// what it ever gave back.
const LEAST_DOUBTLESS: f64 = 2.0;
const DOUBTLESS_GROWTH: f64 = 1.5;
/// A rise that noise could have hidden has to stand so high at its end, by what the line before lets expect ...
const LEAST_STEADY_PACE: f64 = 0.45;
/// ... and no step may make more of it than this.
const MOST_OF_A_STEP: f64 = 0.6;
/// A rise by less than this share of the height of its teeth may be a collector's mood ...
const SHALLOW: f64 = 0.5;
/// ... unless it lasts so long, in seconds.
const LASTING: f64 = 90.0;
/// Of fewer teeth the middles are where the teeth happen to be; of so few, what they gave back may be given back again.
const FEW_TEETH: usize = 6;
const VERY_FEW_TEETH: usize = 4;
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
    /// Growth of the last 30 % by that of the 30 % before.
    pub pace: f64,
    /// Portions in which the growth came.
    pub portions: usize,
    /// Standard deviations from no trend, where the rise was read through noise.
    pub z: Option<f64>,
    /// Slope per second of the part that counts.
    pub slope: Option<Sen>,
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

/// A run without its start.
struct Run {
    /// Length of the whole in seconds.
    age: f64,
    /// Seconds that a look reaches over.
    width: f64,
    points: Vec<Point>,
    kept: Kept,
    quantity: Quantity,
}

/// Judges a whole run: the lows of its stretches, each `width` seconds long.
pub fn judge_short((buckets, width): (&[Bucket], f64), quantity: Quantity) -> Short {
    let age = width * to_f64(buckets.len());
    let start = (START * age).max(LEAST_START);
    let points: Vec<Point> = buckets
        .iter()
        .enumerate()
        .filter(|(_, bucket)| !bucket.is_empty())
        .map(|(i, bucket)| (width * (to_f64(i) + 0.5), f64::from(bucket.low)))
        .filter(|(x, _)| *x >= start)
        .collect();
    if points.len() < LEAST_POINTS || age < LEAST_AGE {
        return Short::too_little(age);
    }
    let run = Run { age, width, kept: kept(&points), points, quantity };
    let short = run.by_what_it_keeps();
    let noisy = short.given_back >= NOISY * short.late_growth.max(run.least_late());
    if noisy { run.through_its_noise(short) } else { short }
}

impl Short {
    const fn too_little(age: f64) -> Self {
        Self {
            shape: Shape::TooLittle,
            age,
            growth: 0.0,
            late_growth: 0.0,
            late: age * (1.0 - LATE),
            given_back: 0.0,
            pace: 0.0,
            portions: 0,
            z: None,
            slope: None,
        }
    }
}

impl Run {
    /// What was kept at a share of the run.
    fn level_at(&self, share: f64) -> f64 {
        let kept = &self.kept.points;
        let index = kept.partition_point(|(x, _)| *x < share * self.age);
        kept.get(index).or(kept.last()).map_or(0.0, |(_, y)| *y)
    }

    /// The growth that the part that counts has to bring.
    fn least_late(&self) -> f64 {
        let per_minute: f64 = match self.quantity {
            Quantity::Bytes => 786_432.0,
            Quantity::Count => 3.0,
            Quantity::Percent => 0.5,
        };
        per_minute.max(LEAST_RATE * self.level_at(1.0)) * self.age * (1.0 - LATE) / 60.0
    }

    fn by_what_it_keeps(&self) -> Short {
        let Self { age, width, points, kept, quantity } = self;
        let end = self.level_at(1.0);
        let late = points.get(points.partition_point(|(x, _)| *x < LATE * age)..).unwrap_or_default();
        let mut short = Short {
            given_back: kept.deepest_fall,
            growth: end - self.level_at(0.0),
            late_growth: end - self.level_at(LATE),
            slope: slope(&lows(late, 32)),
            ..Short::too_little(*age)
        };
        if short.late_growth < self.least_late() || short.growth < least(*quantity) {
            let rose = short.growth >= (0.1 * end).max(least_growth(*quantity));
            short.shape = if rose { Shape::FlatEnd } else { Shape::Flat };
            return short;
        }
        let portions = portions(&kept.points, 0.05 * short.late_growth, *width);
        short.portions = portions.len();
        let almost = end - 0.12 * short.late_growth;
        let flat_end = age - kept.points.iter().rfind(|(_, y)| *y < almost).map_or(0.0, |(x, _)| *x);
        let longest_wait = portions.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
        let middle = self.level_at(0.7) - self.level_at(LATE);
        short.pace = (end - self.level_at(0.7)) / middle.max(f64::MIN_POSITIVE);
        let least_pace = if short.late_growth < SMALL * end { LEAST_PACE_OF_SMALL } else { LEAST_PACE };
        short.shape = if short.portions < LEAST_PORTIONS {
            Shape::Portions
        } else if flat_end > (FLAT_END * age).max(1.3 * longest_wait.min(0.2 * age)) {
            Shape::FlatEnd
        } else if short.pace < least_pace {
            Shape::SlowingDown
        } else if short.growth < short.given_back && kept.troughs.len() < VERY_FEW_TEETH {
            Shape::GivenBack
        } else {
            Shape::Rising
        };
        short
    }

    /// Looks again: noise makes a rise, hides one, or hides that it slows down.
    fn through_its_noise(&self, mut short: Short) -> Short {
        let middles = noisy::read(&noisy::middles(&self.points), self.age);
        let troughs = noisy::read(&noisy::troughs(&self.kept.troughs), self.age);
        if short.shape == Shape::Rising {
            let doubtful = middles.is_none_or(|steady| steady.z < LEAST_DOUBTLESS);
            let few_teeth = self.kept.troughs.len() < FEW_TEETH && short.given_back > short.late_growth / 2.0;
            if doubtful && short.growth < DOUBTLESS_GROWTH * short.given_back {
                short.shape = Shape::GivenBack;
            } else if !few_teeth && middles.is_some_and(|steady| steady.pace < 0.0) {
                // Its end stands below the line that leads there.
                short.shape = Shape::SlowingDown;
            } else if is_a_mood(short.late_growth, &short) {
                short.shape = Shape::GivenBack;
            }
        }
        if short.shape == Shape::Rising {
            return short;
        }
        let late_growth = |steady: &Steady| steady.slope * short.late;
        let rises = |steady: &Steady| {
            steady.z >= BELIEVED
                && late_growth(steady) >= self.least_late()
                && !is_a_mood(late_growth(steady), &short)
                && steady.largest_step <= MOST_OF_A_STEP
                && steady.pace >= LEAST_STEADY_PACE
        };
        match [middles, troughs].into_iter().flatten().find(rises) {
            Some(steady) => Short {
                shape: Shape::Rising,
                pace: steady.pace,
                late_growth: late_growth(&steady),
                z: Some(steady.z),
                ..short
            },
            None => short,
        }
    }
}

/// Whether a collector that goes up and down by far more may have made this growth.
fn is_a_mood(late_growth: f64, short: &Short) -> bool {
    late_growth < SHALLOW * short.given_back && short.late < LASTING
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
