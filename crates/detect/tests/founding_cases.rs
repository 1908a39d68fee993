//! The leaks this program was begun for, replayed with noise, each beside something harmless that looks like it for a while:
//! R021, R022, R027, R028, R041, R048, R064, R088, R107.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scupper_detect::{Assessment, Forecast, Quantity, Sample, Series, Settings, Verdict};

const MB: f64 = 1e6;
const HOUR: f64 = 3600.0;

/// Noise between -1 and 1 that is the same every time.
struct Noise(u64);

impl Noise {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// What was said first, and when.
#[derive(Default, Debug)]
struct Told {
    /// Seconds, and how far it had grown.
    growing: Option<(f64, f64)>,
    urgent: Option<(f64, f64)>,
    leaking: Option<(f64, f64)>,
    forecast: Option<(f64, f64)>,
    last: Assessment,
}

impl Told {
    fn reasons(&self) -> Vec<&str> {
        self.last.reasons.iter().map(|reason| reason.tag.as_ref()).collect()
    }
}

/// Replays `grown` (bytes above the base, at seconds) until `end` or the limit.
fn replay(
    settings: Settings,
    base: f64,
    interval: f64,
    end: f64,
    mut each: impl FnMut(f64, &Assessment),
    grown: impl Fn(f64) -> f64,
) -> Told {
    let mut series = Series::new(settings);
    let (mut noise, mut told, mut at) = (Noise(7), Told::default(), 0.0);
    while at <= end && settings.limit.is_none_or(|limit| base + grown(at) < limit) {
        let value = base + grown(at) + noise.next() * 0.01 * base;
        series.push(Sample { at: Duration::from_secs_f64(at), value }).unwrap();
        let assessment = series.assess();
        each(at, assessment);
        let now = Some((at, grown(at)));
        if assessment.verdict >= Verdict::Growing {
            told.growing = told.growing.or(now);
            if matches!(assessment.forecast, Forecast::Within { .. }) {
                told.forecast = told.forecast.or(now);
            }
        }
        if assessment.is_urgent() {
            told.urgent = told.urgent.or(now);
        }
        if assessment.verdict == Verdict::Leaking {
            told.leaking = told.leaking.or(now);
        }
        told.last = assessment.clone();
        at += interval;
    }
    told
}

fn limit(bytes: f64) -> Settings {
    Settings { limit: Some(bytes), ..Settings::default() }
}

/// A worker that grows by 100 MB an hour and crashes after nine.
#[test]
fn r021_r022_100_mb_an_hour_is_seen_before_150_mb_and_forecast_two_hours_ahead() {
    let (rate, crash) = (100.0 * MB / HOUR, 9.0 * HOUR);
    let mut errors = Vec::new();
    let told = replay(
        limit(1100.0 * MB),
        200.0 * MB,
        10.0,
        crash,
        |at, assessment| {
            if let Forecast::Within { likely, earliest, latest } = assessment.forecast {
                let left = crash - at;
                let within = earliest.as_secs_f64() <= left && latest.is_none_or(|l| l.as_secs_f64() >= left);
                errors.push(((likely.as_secs_f64() / left - 1.0).abs(), within, left));
            }
        },
        |at| rate * at,
    );
    assert!(told.forecast.unwrap().1 < 150.0 * MB, "{told:?}");
    assert!(told.urgent.unwrap().0 <= crash - 2.0 * HOUR, "{told:?}");
    // From two hours before the crash on: half an hour at most of error, and the interval holds it nearly always.
    let early: Vec<_> = errors.iter().filter(|(_, _, left)| *left >= 2.0 * HOUR).collect();
    assert!(
        early.iter().all(|(error, _, _)| *error < 0.25),
        "{:?}",
        early.iter().map(|e| e.0).fold(0.0, f64::max)
    );
    let within = early.iter().filter(|(_, within, _)| *within).count();
    assert!(within * 10 >= early.len() * 9, "{within} of {}", early.len());
}

#[test]
fn r021_a_cache_that_fills_at_the_same_rate_and_stops_is_never_called_a_leak() {
    let rate = 100.0 * MB / HOUR;
    let told =
        replay(limit(1100.0 * MB), 200.0 * MB, 10.0, 48.0 * HOUR, |_, _| (), |at| rate * at.min(1.5 * HOUR));
    assert!(told.leaking.is_none() && told.urgent.is_none(), "{told:?}");
    assert!(told.last.verdict < Verdict::Growing, "{:?}", told.last);
}

#[test]
fn r048_r107_50_mb_an_hour_is_seen_before_50_mb() {
    let told =
        replay(limit(1000.0 * MB), 180.0 * MB, 10.0, 14.0 * HOUR, |_, _| (), |at| 50.0 * MB / HOUR * at);
    assert!(told.growing.unwrap().1 < 50.0 * MB, "{told:?}");
    assert!(told.leaking.is_some());
}

/// Every 47 minutes ten requests come at once and keep 10 MB.
#[test]
fn r027_r028_bursts_after_idle_are_seen_and_named() {
    let kept = |at: f64| 10.0 * MB * (at / (47.0 * 60.0)).floor();
    let told = replay(limit(1000.0 * MB), 180.0 * MB, 10.0, 60.0 * HOUR, |_, _| (), kept);
    assert!(told.growing.unwrap().0 < 8.0 * HOUR, "{told:?}");
    assert!(told.leaking.is_some(), "{told:?}");
    assert!(told.reasons().contains(&"bursts_after_idle"), "{:?}", told.last.reasons);
    // The same bursts, and nothing kept.
    let come_and_go = |at: f64| if at % (47.0 * 60.0) < 60.0 { 60.0 * MB } else { 0.0 };
    let told = replay(limit(1000.0 * MB), 180.0 * MB, 10.0, 60.0 * HOUR, |_, _| (), come_and_go);
    assert!(told.growing.is_none(), "{told:?}");
}

/// 8 GB in 386.6 s.
#[test]
fn r064_21_mb_a_second_wakes_somebody_within_30_s_and_is_forecast_within_20_percent() {
    let rate = 8192.0 * MB / 386.6;
    let crash = (8192.0 - 100.0) * MB / rate;
    let mut at_a_minute = None;
    let told = replay(
        limit(8192.0 * MB),
        100.0 * MB,
        0.5,
        386.0,
        |at, assessment| {
            if at <= 60.0 {
                at_a_minute = Some((at, assessment.forecast));
            }
        },
        |at| rate * at,
    );
    assert!(told.urgent.unwrap().0 <= 30.0, "{told:?}");
    let Some((at, Forecast::Within { likely, .. })) = at_a_minute else { panic!("{at_a_minute:?}") };
    assert!((likely.as_secs_f64() / (crash - at) - 1.0).abs() <= 0.2, "{likely:?} of {}", crash - at);
}

#[test]
fn r064_a_large_start_wakes_nobody() {
    let loaded = |at: f64| 600.0 * MB * -(-at / 6.0).exp_m1();
    let told = replay(limit(8192.0 * MB), 100.0 * MB, 0.5, 1800.0, |_, _| (), loaded);
    assert!(told.urgent.is_none(), "{told:?}");
}

/// 0.5 MB a request over a thousand of them, which come when they come.
#[test]
fn r041_growth_per_request_is_given_with_its_error() {
    let mut series = Series::new(Settings::default());
    let (mut noise, mut requests) = (Noise(3), 0_u32);
    for second in 0..4000_u64 {
        // A busy minute in four.
        if (second / 60) % 4 == 0 {
            requests += 1;
        }
        let value = 80.0 * MB + 0.5 * MB * f64::from(requests) + 2.0 * MB * noise.next();
        let sample = Sample { at: Duration::from_secs(second), value };
        series.push_counted(sample, requests.into()).unwrap();
        series.assess();
    }
    let found = series.conclude().clone();
    let growth = found.per_operation.unwrap();
    assert!((growth.slope / MB - 0.5).abs() < 0.05, "{growth:?}");
    assert!(growth.low <= 0.5 * MB && growth.high >= 0.5 * MB, "{growth:?}");
    assert_eq!(found.verdict, Verdict::Leaking, "{found:?}");
}

/// Three tasks a request that nobody awaits, ten requests a minute.
#[test]
fn r088_pending_tasks_that_pile_up_are_found() {
    let settings = Settings { quantity: Quantity::Count, ..Settings::default() };
    let mut series = Series::new(settings);
    let mut first = None;
    for second in (0..3 * 3600_u64).step_by(5) {
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let value = 4.0 + 3.0 * (second as f64 / 6.0).floor();
        series.push(Sample { at: Duration::from_secs(second), value }).unwrap();
        if series.assess().verdict >= Verdict::Growing {
            first = first.or(Some(second));
        }
    }
    assert!(first.unwrap() < 1800, "{first:?}");
    assert_eq!(series.assessment().verdict, Verdict::Leaking);
}
