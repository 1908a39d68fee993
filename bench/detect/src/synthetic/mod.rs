//! Series that are known to leak or not to: days of samples of one process, made from a shape and a seed.

mod noise;
mod part;
mod shape;

use anyhow::{Context, Result, bail};

pub use self::shape::{Rate, Shape};

use self::noise::Noise;
use self::part::Part;
use self::shape::Course;
use crate::random::Random;

/// How long series are, and how often they are sampled.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Length in days.
    pub days: f64,
    /// Seconds between samples.
    pub interval: f64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { days: 7.0, interval: 10.0 }
    }
}

/// Which series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its course.
    pub shape: Shape,
    /// What its parameters and its noise are drawn from.
    pub seed: u64,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds since the first.
    pub at: f64,
    /// Bytes.
    pub value: f64,
}

/// One series, sample by sample. It ends with its days, or where it passes its limit.
pub struct Synthetic {
    /// The level it begins from.
    pub base: f64,
    /// The limit of the process: four times the base.
    pub limit: f64,
    leak: Option<(f64, Rate)>,
    parts: Vec<Part>,
    noise: Noise,
    random: Random,
    extent: Extent,
    next: u64,
    ended: bool,
}

impl Synthetic {
    /// The series of this case.
    pub fn new(case: Case, extent: Extent) -> Self {
        let subject = case.shape as u64 * 8;
        let mut plan = Random::new(case.seed, subject);
        let Course { base, leak, parts } = case.shape.draw(&mut plan, extent.days * 24.0);
        let noise = Noise::draw(&mut plan, Random::new(case.seed, subject + 1), extent.interval / 3600.0);
        let random = Random::new(case.seed, subject + 2);
        Self { base, limit: 4.0 * base, leak, parts, noise, random, extent, next: 0, ended: false }
    }

    /// When the leak begins, in seconds.
    pub fn onset(&self) -> Option<f64> {
        self.leak.map(|(onset, _)| onset * 3600.0)
    }

    /// Whether it ended because it passed its limit.
    pub const fn met_its_limit(&self) -> bool {
        self.ended
    }

    /// How fast it leaks at this second, in bytes per hour.
    pub fn leaks_per_hour(&self, at: f64) -> Option<f64> {
        let (onset, rate) = self.leak?;
        let since = at / 3600.0 - onset;
        let share = match rate {
            _ if since < 0.0 => 0.0,
            Rate::Constant(per_hour) => per_hour,
            Rate::Power { over, gain, exponent } => {
                gain * exponent / over * (since / over).powf(exponent - 1.0)
            }
        };
        Some(share * self.base)
    }
}

impl Iterator for Synthetic {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        const PAGE: f64 = 4096.0;
        let at = self.next as f64 * self.extent.interval;
        if self.ended || at >= self.extent.days * 86_400.0 {
            return None;
        }
        self.next += 1;
        let (hours, step) = (at / 3600.0, self.extent.interval / 3600.0);
        let mut share = 1.0 + self.noise.at(hours);
        for part in &mut self.parts {
            share += part.at(hours, step, &mut self.random);
        }
        let value = (share.max(0.05) * self.base / PAGE).round() * PAGE;
        self.ended = value > self.limit;
        (!self.ended).then_some(Point { at, value })
    }
}

/// Sets of seeds: what is tuned on is not what is reported.
pub fn seeds_of(set: &str) -> Result<Vec<u64>> {
    Ok(match set {
        "tuning" => (1000..=1015).collect(),
        "heldout1" => (5000..=5023).collect(),
        "heldout2" => (9000..=9023).collect(),
        "heldout" => (5000..=5023).chain(9000..=9023).collect(),
        _ => bail!("no set is called {set}; there are tuning, heldout1, heldout2, heldout"),
    })
}

/// Seeds as they are written in an argument: `1000`, `1000-1003`, `1,5-7`.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let mut seeds = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |word: &str| {
            word.trim().parse::<u64>().with_context(|| format!("seeds {text}: {word:?} is not a number"))
        };
        seeds.extend(number(first)?..=number(last)?);
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over the whole pages of a series.
    fn checksum(case: Case) -> u64 {
        Synthetic::new(case, Extent::default()).fold(0xcbf2_9ce4_8422_2325, |hash, point| {
            (hash ^ (point.value / 4096.0) as u64).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn median_of(points: &[Point]) -> f64 {
        let mut values: Vec<f64> = points.iter().map(|point| point.value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    #[test]
    fn a_seed_means_the_same_series_for_ever() {
        assert_eq!(checksum(Case { shape: Shape::UnderGc, seed: 1000 }), 564_425_579_545_274_910);
    }

    #[test]
    fn what_leaks_ends_higher_than_it_was_at_its_onset() {
        for shape in Shape::ALL.into_iter().filter(|shape| shape.leaks()) {
            for seed in 1..6 {
                let series = Synthetic::new(Case { shape, seed }, Extent { days: 7.0, interval: 60.0 });
                let onset = series.onset().expect("a leaking shape has an onset");
                let base = series.base;
                let points: Vec<Point> = series.collect();
                let begin = points.iter().position(|point| point.at >= onset).expect("the onset is inside");
                let day = 24 * 60;
                // Day against day, so that load of the day is in both.
                let before = median_of(&points[begin..(begin + day).min(points.len())]);
                let after = median_of(&points[points.len().saturating_sub(day)..]);
                let quick = points.len() - begin < 2 * day;
                assert!(quick || after - before > 0.03 * base, "{} {seed}", shape.name());
            }
        }
    }

    #[test]
    fn what_does_not_leak_never_meets_its_limit() {
        for shape in Shape::ALL.into_iter().filter(|shape| !shape.leaks()) {
            for seed in 1..6 {
                let series = Synthetic::new(Case { shape, seed }, Extent { days: 7.0, interval: 60.0 });
                assert!(series.onset().is_none());
                assert_eq!(series.count(), 7 * 24 * 60, "{} {seed}", shape.name());
            }
        }
    }

    #[test]
    fn a_set_of_tuning_has_336_series_and_one_held_out_504() {
        assert_eq!(seeds_of("tuning").map(|seeds| seeds.len() * 21).unwrap_or_default(), 336);
        assert_eq!(seeds_of("heldout1").map(|seeds| seeds.len() * 21).unwrap_or_default(), 504);
        assert_eq!(parse_seeds("3,5-7").unwrap(), [3, 5, 6, 7]);
        assert!(parse_seeds("x").is_err());
    }
}
