//! Short runs by kind, twenty of each with different noise: what leaks is called in nearly all of them, what does not in nearly
//! none. Real programs are judged by `detect-bench corpus`; these are the kinds it is easy to be wrong about.

use std::f64::consts::TAU;
use std::time::Duration;

use scupper_detect::{Horizon, Sample, Settings, Verdict, analyze};

const MB: f64 = 1e6;
const RUNS: u64 = 20;

/// Numbers that are the same every time.
struct Random(u64);

impl Random {
    /// Between `low` and `high`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Normal, by the sum of twelve.
    fn normal(&mut self, deviation: f64) -> f64 {
        ((0..12).map(|_| self.between(0.0, 1.0)).sum::<f64>() - 6.0) * deviation
    }
}

/// How many of [`RUNS`] end as `leaking`. `course` draws a run: what it has at a second, in MB, without noise.
fn leaking<C: Fn(f64) -> f64>(seconds: u32, noise: f64, course: impl Fn(&mut Random) -> C) -> u64 {
    let judge = |seed: u64| {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        random.between(0.0, 1.0);
        let course = course(&mut random);
        let samples: Vec<Sample> = (0..=seconds)
            .map(|second| {
                let value = (course(second.into()) + random.normal(noise)) * MB;
                Sample { at: Duration::from_secs(second.into()), value: (value / 4096.0).floor() * 4096.0 }
            })
            .collect();
        let settings = Settings { horizon: Horizon::Short, ..Settings::default() };
        analyze(settings, samples).assessment.verdict
    };
    (0..RUNS).map(|seed| u64::from(judge(seed) == Verdict::Leaking)).sum()
}

#[test]
fn two_megabytes_a_minute_for_two_minutes_is_a_leak() {
    for (noise, least) in [(0.0, 20), (0.3, 19), (0.6, 17)] {
        let called = leaking(120, noise, |_| |at: f64| 60.0 + 2.0 * at / 60.0);
        assert!(called >= least, "{called} of {RUNS} with noise of {noise} MB");
    }
}

#[test]
fn leaks_are_called_through_teeth_steps_and_warm_ups() {
    let saw = leaking(150, 0.2, |random| {
        let (period, teeth) = (random.between(5.0, 12.0), random.between(5.0, 15.0));
        move |at: f64| 80.0 + 6.0 * at / 60.0 + teeth * (at % period) / period
    });
    assert!(saw >= 18, "{saw}");
    let stairs = leaking(150, 0.1, |random| {
        let offset = random.between(0.0, 15.0);
        move |at: f64| 40.0 + 6.0 * ((at + offset) / 15.0).floor()
    });
    assert!(stairs >= 18, "{stairs}");
    let warm = leaking(150, 0.2, |_| |at: f64| 40.0 - 30.0 * (-at / 15.0).exp_m1() + 4.0 * at / 60.0);
    assert!(warm >= 18, "{warm}");
    let late = leaking(150, 0.2, |_| |at: f64| 60.0 + 6.0 * (at - 75.0).max(0.0) / 60.0);
    assert!(late >= 18, "{late}");
}

#[test]
fn what_comes_to_rest_or_comes_and_goes_is_no_leak() {
    let warm_up = leaking(140, 0.2, |random| {
        let (constant, gain) = (random.between(0.12, 0.25) * 140.0, random.between(10.0, 100.0));
        move |at: f64| 40.0 - gain * (-at / constant).exp_m1()
    });
    let cache = leaking(140, 0.2, |random| {
        let (full, gain) = (random.between(0.5, 0.88) * 140.0, random.between(10.0, 100.0));
        move |at: f64| 40.0 + gain * (at / full).min(1.0)
    });
    let saw = leaking(140, 0.2, |random| {
        let (period, teeth, offset) =
            (random.between(10.0, 60.0), random.between(5.0, 40.0), random.between(0.0, 60.0));
        move |at: f64| 80.0 + teeth * ((at + offset) % period) / period
    });
    let wave = leaking(140, 0.2, |random| {
        let (period, height, offset) =
            (random.between(30.0, 90.0), random.between(3.0, 15.0), random.between(0.0, 90.0));
        move |at: f64| 80.0 + height * (TAU * (at + offset) / period).sin()
    });
    let steps = leaking(140, 0.1, |random| {
        let at_seconds: [f64; 3] = std::array::from_fn(|_| random.between(0.0, 140.0));
        move |at: f64| 40.0 + at_seconds.iter().map(|step| if at > *step { 8.0 } else { 0.0 }).sum::<f64>()
    });
    let noise = leaking(140, 2.0, |_| |_| 60.0);
    let called = [warm_up, cache, saw, wave, steps, noise];
    assert!(called.iter().all(|called| *called <= 1) && called.iter().sum::<u64>() <= 4, "{called:?}");
}

/// Of a minute and a half nobody can tell whether the floor of a collector that rises by a fraction of its teeth comes down
/// again; whoever wants to know runs for longer.
#[test]
fn a_floor_that_rises_by_a_fraction_of_its_teeth_needs_time() {
    let called = |seconds| {
        leaking(seconds, 0.1, |random| {
            let (period, teeth) = (random.between(3.0, 6.0), random.between(4.0, 8.0));
            move |at: f64| 54.0 + 1.2 * at / 60.0 + teeth * (at % period) / period
        })
    };
    let (soon, later) = (called(95), called(165));
    assert!(soon <= 1 && later >= 12, "{soon} and {later} of {RUNS}");
}
