//! Whatever comes in: nothing panics, nothing grows without bound, and what is said is possible.

#![expect(clippy::cast_precision_loss, reason = "numbers of samples")]

use std::time::Duration;

use proptest::prelude::*;
use scupper_detect::{Forecast, GrowRule, Horizon, Quantity, Rejected, Sample, Series, Settings, Verdict};

fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e10,
        1 => Just(0.0),
        1 => Just(u64::MAX as f64),
        1 => Just(1e300),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => -1e9..0.0,
    ]
}

fn gaps() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => (0_u64..20_000).prop_map(Duration::from_millis),
        2 => (0_u64..86_400 * 9).prop_map(Duration::from_secs),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_secs(1_000_000_000)),
        1 => Just(Duration::from_nanos(1)),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let quantity = prop_oneof![Just(Quantity::Bytes), Just(Quantity::Count), Just(Quantity::Percent)];
    let horizon = prop_oneof![Just(Horizon::Long), Just(Horizon::Short)];
    let grow = prop::option::of(
        (0.0..1e9, 0_u64..1000).prop_map(|(by, s)| GrowRule { by, within: Duration::from_secs(s) }),
    );
    (quantity, horizon, prop::option::of(0.0..1e11), grow)
        .prop_map(|(quantity, horizon, limit, grow)| Settings { quantity, horizon, limit, grow })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_series_panics_or_grows_without_bound(
        settings in settings(),
        samples in prop::collection::vec((gaps(), values(), 1_usize..60, prop::option::of(0_u64..1 << 40)), 1..60),
    ) {
        let mut series = Series::new(settings);
        let mut at = Duration::ZERO;
        for (gap, value, repeat, operations) in samples {
            for i in 0..repeat {
                at = at.saturating_add(gap);
                let value = value + 1000.0 * i as f64;
                let sample = Sample { at, value };
                let taken = match operations {
                    Some(operations) => series.push_counted(sample, operations + i as u64),
                    None => series.push(sample),
                };
                if !value.is_finite() {
                    prop_assert_eq!(taken, Err(Rejected::NotANumber));
                }
                let assessment = series.assess();
                prop_assert!(assessment.confidence.is_none_or(|c| (0.0..=1.0).contains(&c)));
                prop_assert_eq!(assessment.confidence.is_none(), assessment.verdict == Verdict::Unknown);
                if let Some(slope) = assessment.slope {
                    prop_assert!(slope.low <= slope.per_hour && slope.per_hour <= slope.high, "{:?}", slope);
                }
                if let Forecast::Within { likely, earliest, latest } = assessment.forecast {
                    prop_assert!(earliest <= likely && latest.is_none_or(|latest| latest >= likely));
                }
            }
        }
        series.conclude();
        let bytes = series.bytes();
        prop_assert!(bytes <= Series::MOST_BYTES, "{bytes} bytes");
        prop_assert!(series.curve().floor.len() <= 128);
        let _ = serde_json::to_string(series.assessment()).unwrap();
    }

    /// Time has no origin: a recording says the same whenever it was made.
    #[test]
    fn the_origin_of_time_does_not_matter(origin in 0_u64..2_000_000_000, slope in 0.0..2e6_f64) {
        let judge = |origin: u64| {
            let mut series = Series::new(Settings { horizon: Horizon::Short, ..Settings::default() });
            for second in 0..150_u64 {
                let value = 5e7 + slope * second as f64;
                series.push(Sample { at: Duration::from_secs(origin + second), value }).unwrap();
            }
            series.conclude().clone()
        };
        prop_assert_eq!(judge(0), judge(origin));
    }

    /// What never grows is never called growing.
    #[test]
    fn what_falls_or_stays_is_never_growing(
        start in 1e6..1e10_f64,
        steps in prop::collection::vec(0.0..0.01_f64, 400),
        interval in 1_u64..2000,
        short in any::<bool>(),
    ) {
        let horizon = if short { Horizon::Short } else { Horizon::Long };
        let mut series = Series::new(Settings { horizon, ..Settings::default() });
        let mut value = start;
        for (i, step) in steps.iter().enumerate() {
            value *= 1.0 - step;
            series.push(Sample { at: Duration::from_secs(interval * i as u64), value }).unwrap();
            prop_assert!(series.assess().verdict < Verdict::Growing);
        }
    }
}

#[test]
fn a_refused_sample_changes_nothing() {
    let mut series = Series::new(Settings::default());
    let at = Duration::from_secs;
    series.push(Sample { at: at(10), value: 1.0 }).unwrap();
    for (sample, why) in [
        (Sample { at: at(10), value: 1.0 }, Rejected::NotLater),
        (Sample { at: at(9), value: 1.0 }, Rejected::NotLater),
        (Sample { at: at(11), value: -1.0 }, Rejected::Negative),
        (Sample { at: at(11), value: f64::NAN }, Rejected::NotANumber),
        (Sample { at: at(11), value: 1e300 }, Rejected::TooLarge),
    ] {
        assert_eq!(series.push(sample), Err(why));
    }
    series.push(Sample { at: at(11), value: u64::MAX as f64 }).unwrap();
    assert_eq!(series.assess().verdict, Verdict::Unknown);
}

/// Three weeks at a minute with a rule and a counter: every ring is full.
#[test]
fn a_full_series_takes_at_most_8_kib() {
    let grow = Some(GrowRule { by: 1e8, within: Duration::from_mins(5) });
    let mut series = Series::new(Settings { grow, limit: Some(1e9), ..Settings::default() });
    let mut most = 0;
    for i in 0..30_240_u64 {
        let value = 2e8 + 3000.0 * i as f64 + 1e7 * (i as f64 / 1000.0).sin();
        series.push_counted(Sample { at: Duration::from_mins(i), value }, 7 * i).unwrap();
        series.assess();
        most = most.max(series.bytes());
    }
    assert!(most <= Series::MOST_BYTES, "{most} bytes");
}
