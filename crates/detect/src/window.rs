//! A stretch of a series reduced to its floor: what is still there when everything that comes and goes is gone.

use crate::history::{Bucket, Ring};
use crate::stats::{Point, keep, level, quantile, to_f64, to_index};

/// Blocks a floor is made of, at most.
const BLOCKS: usize = 32;
/// And at least, for a test to be worth anything.
const LEAST_BLOCKS: usize = 10;
/// A drop of more than this share of the spread is a tooth of a saw.
const TOOTH: f64 = 0.35;

/// The floor of a stretch.
#[derive(Clone, Debug)]
pub struct Floor {
    /// Middle of each block (seconds since the beginning of the series), lowest value in it.
    pub points: Vec<Point>,
    /// Width of a block in seconds.
    pub block: f64,
    /// When the stretch began.
    pub began: f64,
    /// How long it is, in seconds.
    pub span: f64,
    /// Whether the blocks were made wide enough to reach over the teeth of a saw.
    pub sawtooth: bool,
}

/// One bucket in so many has to hold something: a program that runs or is seen by day only is judged all the same.
const MOST_EMPTY: usize = 4;

/// The floor of the last `count` buckets of a ring; `None` where fewer than a quarter of them hold something.
pub fn floor_of_ring(ring: &Ring, count: usize) -> Option<Floor> {
    let width = ring.width().as_secs_f64();
    let mut first = None;
    let mut buckets = Vec::with_capacity(count);
    for (number, bucket) in ring.last(count) {
        if buckets.is_empty() && bucket.is_empty() {
            continue;
        }
        first.get_or_insert(number);
        buckets.push(bucket);
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 buckets are long")]
    let began = first? as f64 * width;
    floor(&buckets, began, width)
}

/// The floor of buckets `width` seconds wide that begin at `began`.
pub fn floor(buckets: &[Bucket], began: f64, width: f64) -> Option<Floor> {
    let filled = buckets.iter().filter(|b| !b.is_empty()).count();
    if filled < 24 || filled * MOST_EMPTY < buckets.len() {
        return None;
    }
    let n = buckets.len();
    let usual = n.div_ceil(BLOCKS);
    let teeth = teeth(buckets);
    let wide = to_index((1.25 * to_f64(n) / to_f64(teeth.max(1))).ceil());
    let sawtooth = teeth >= 2 && wide > usual && n >= LEAST_BLOCKS * wide;
    let per_block = if sawtooth { wide } else { usual };
    let block = width * to_f64(per_block);
    let skipped = n % per_block;
    let points = blocks(buckets, began, width, per_block);
    let began = began + width * to_f64(skipped);
    let span = block * to_f64((n - skipped) / per_block);
    (points.len() >= LEAST_BLOCKS).then_some(Floor { points, block, began, span, sawtooth })
}

/// The lowest of each `per_block` buckets, at the middle of them. Whole blocks, counted from the end: the newest is never a part
/// of one.
pub fn blocks(buckets: &[Bucket], began: f64, width: f64, per_block: usize) -> Vec<Point> {
    let skipped = buckets.len() % per_block;
    let (began, block) = (began + width * to_f64(skipped), width * to_f64(per_block));
    let lowest = |block: &[Bucket]| {
        block.iter().filter(|bucket| !bucket.is_empty()).map(|bucket| f64::from(bucket.low)).reduce(f64::min)
    };
    buckets
        .get(skipped..)
        .unwrap_or_default()
        .chunks_exact(per_block)
        .enumerate()
        .filter_map(|(i, of_block)| Some((began + block * (to_f64(i) + 0.5), lowest(of_block)?)))
        .collect()
}

/// Teeth of a saw: sudden drops, in a series whose steps are many small rises and few large falls.
fn teeth(buckets: &[Bucket]) -> usize {
    let values: Vec<f64> = buckets.iter().filter(|b| !b.is_empty()).map(|b| f64::from(b.low)).collect();
    let steps: Vec<f64> = values.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    if skewness(&steps) >= -1.0 {
        return 0;
    }
    let slope =
        (values.last().unwrap_or(&0.0) - values.first().unwrap_or(&0.0)) / to_f64(values.len().max(1));
    let mut flat: Vec<f64> = values.iter().enumerate().map(|(i, v)| v - slope * to_f64(i)).collect();
    let spread = quantile(&mut flat, 0.95).unwrap_or(0.0) - quantile(&mut flat, 0.05).unwrap_or(0.0);
    steps.iter().filter(|step| **step < -TOOTH * spread).count()
}

/// The third standardised moment.
fn skewness(values: &[f64]) -> f64 {
    let n = to_f64(values.len().max(1));
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    if variance > 0.0 { moment(3) / variance.powf(1.5) } else { 0.0 }
}

impl Floor {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, y)| *y)
    }

    /// Level at the beginning: the median of its first eighth.
    pub fn start(&self) -> f64 {
        self.points.get(..self.points.len().div_ceil(8)).and_then(level).unwrap_or(0.0)
    }

    /// Level at the end: the median of its last eighth.
    pub fn end(&self) -> f64 {
        let (few, all) = (self.points.len().div_ceil(8), self.points.len());
        self.points.get(all - few..).and_then(level).unwrap_or(0.0)
    }

    /// How much it rose from its beginning to its end.
    pub fn growth(&self) -> f64 {
        self.end() - self.start()
    }

    /// Its last half.
    pub fn last_half(&self) -> &[Point] {
        self.points.get(self.points.len() / 2..).unwrap_or_default()
    }

    /// Its first half.
    pub fn first_half(&self) -> &[Point] {
        self.points.get(..self.points.len().div_ceil(2)).unwrap_or_default()
    }

    /// The share of its growth that its two largest steps make.
    pub fn share_of_largest_steps(&self) -> f64 {
        self.share_of_steps(&self.values().collect::<Vec<_>>())
    }

    /// The same of what was kept: what comes and goes within the stretch is no step.
    pub fn share_of_largest_kept(&self) -> f64 {
        let mut kept: Vec<f64> = self.values().collect();
        keep(kept.iter_mut());
        self.share_of_steps(&kept)
    }

    fn share_of_steps(&self, values: &[f64]) -> f64 {
        let (mut first, mut second) = (0.0_f64, 0.0_f64);
        for (before, after) in values.iter().zip(values.iter().skip(1)) {
            let step = after - before;
            if step > first {
                (first, second) = (step, first);
            } else if step > second {
                second = step;
            }
        }
        let growth = self.growth();
        if growth > 0.0 { (first + second) / growth } else { f64::INFINITY }
    }

    /// The least rise from the median of a quarter to that of the next.
    pub fn least_quarter_rise(&self) -> f64 {
        let quarter = self.points.len().div_ceil(4).max(1);
        let mut levels = self.points.chunks(quarter).filter(|c| c.len() * 2 > quarter).filter_map(level);
        let mut least = f64::INFINITY;
        let Some(mut before) = levels.next() else { return 0.0 };
        for level in levels {
            least = least.min(level - before);
            before = level;
        }
        least
    }
}

/// The deepest fall from an earlier peak: how much a series is known to give back.
pub fn deepest_fall(values: impl Iterator<Item = f64>) -> f64 {
    let mut peak = f64::NEG_INFINITY;
    let mut deepest = 0.0_f64;
    for value in values {
        peak = peak.max(value);
        deepest = deepest.max(peak - value);
    }
    deepest
}
