//! Services that run for days, one of each kind it is easy to be late or wrong about. How often the detector is right is counted by
//! `detect-bench score`; these are the courses its rules were last changed for.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scupper_detect::{Sample, Series, Settings, Verdict};

const HOUR: f64 = 3600.0;

/// The hour at which a service of 500 MB is first called a leak; `course` is its growth in shares of that, at an hour.
fn called(hours: f64, course: impl Fn(f64) -> f64) -> Option<f64> {
    let mut series = Series::new(Settings::default());
    let (mut state, mut at) = (7_u64, 0.0);
    while at < hours * HOUR {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let noise = (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        let value = 500e6 * (1.0 + course(at / HOUR) + 0.004 * noise);
        series.push(Sample { at: Duration::from_secs_f64(at), value }).unwrap();
        if series.assess().verdict == Verdict::Leaking {
            return Some(at / HOUR);
        }
        at += 60.0;
    }
    None
}

/// A trend test takes steps for a walk, and a bend for noise that lasts.
#[test]
fn r048_growth_in_steps_or_ever_steeper_is_called_in_two_days() {
    let steps = called(168.0, |hour| 0.03 * (hour / 5.0).floor());
    assert!(steps.is_some_and(|hour| (26.0..40.0).contains(&hour)), "{steps:?}");
    let steeper = called(168.0, |hour| 0.6 * ((hour - 30.0).max(0.0) / 96.0).powf(2.2));
    assert!(steeper.is_some_and(|hour| (44.0..80.0).contains(&hour)), "{steeper:?}");
}

/// Of large teeth only few fit in a day: the floor is read without them, and what they gave back decides.
#[test]
fn r048_a_leak_under_a_few_large_teeth_is_called() {
    let teeth = called(168.0, |hour| 0.05 * hour + 0.5 * (hour % 2.3) / 2.3);
    assert!(teeth.is_some_and(|hour| hour < 60.0), "{teeth:?}");
}

/// Nothing but time tells a cache that fills in a line from a leak: half a day is not enough.
#[test]
fn r048_what_fills_for_half_a_day_is_never_called() {
    for from in [24.0, 40.0, 77.0] {
        let filled = called(168.0, |hour| 0.4 * ((hour - from) / 13.0).clamp(0.0, 1.0));
        assert_eq!(filled, None, "from hour {from}");
    }
}
