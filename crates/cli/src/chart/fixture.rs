//! A service that leaks, for looking at.

use std::time::Duration;

use scupper_casebook::report::curve::MarkKind;
use scupper_detect::{Quantity, Verdict};
use scupper_model::Timestamp;

use super::{Chart, Cone, Point};

const MIB: f64 = 1_048_576.0;
const LENGTH: u32 = 6 * 3600;

fn floor(at: f64) -> f64 {
    let warm = 120.0 * (1.0 - (-at / 900.0).exp());
    (180.0 + warm + 30.0 * at / 3600.0) * MIB
}

fn moment(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Six hours of a leak of 30 MiB/h.
pub(crate) fn leaking() -> Chart {
    let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 20) / 4096.0;
    let points: Vec<Point> =
        (0..=LENGTH).step_by(15).map(|at| (moment(at), floor(at.into()) + noise(at) * 40.0 * MIB)).collect();
    let end = points[points.len() - 1];
    Chart {
        title: "rss_bytes".to_owned(),
        subtitle:
            "leaking: +30.0 MiB/h (95 %: 28.4 to 31.7), limit 600 MiB in 3 h 52 min (3 h 39 min to 4 h 5 min)"
                .to_owned(),
        quantity: Quantity::Bytes,
        start: Some(Timestamp(1_767_323_045_000)),
        points,
        floor: (0..64).map(|n| (moment(n * 337), floor(f64::from(n * 337)))).collect(),
        fit: Some([(moment(7200), floor(7200.0)), (moment(LENGTH), floor(LENGTH.into()))]),
        steps: vec![(moment(600), 190.0 * MIB, 240.0 * MIB)],
        changes: vec![
            (moment(0), Verdict::Unknown),
            (moment(1200), Verdict::WarmingUp),
            (moment(5400), Verdict::Growing),
            (moment(9000), Verdict::Leaking),
        ],
        limit: Some(600.0 * MIB),
        cone: Some(Cone {
            from: (end.0, floor(LENGTH.into())),
            likely: moment(13_920),
            earliest: moment(13_140),
            latest: Some(moment(15_300)),
        }),
        marks: vec![
            (moment(10_000), MarkKind::Limit, "soft limit of memory".to_owned()),
            (moment(10_060), MarkKind::Contained, "recycle: soft limit crossed".to_owned()),
            (moment(18_000), MarkKind::Death, "died: OOM killer".to_owned()),
        ],
    }
}

/// What is hard to draw.
pub(crate) fn odd() -> Vec<(&'static str, Chart)> {
    let of =
        |points: Vec<Point>| Chart { points, title: "a<b>&\"'\u{1}\u{ffff}".to_owned(), ..Chart::default() };
    let end = Duration::from_secs(100);
    let every = |at: Duration, value: f64| Chart {
        floor: vec![(at, value); 3],
        fit: Some([(Duration::ZERO, value), (at, value)]),
        steps: vec![(at, 0.0, value)],
        changes: vec![(at, Verdict::Leaking); 50],
        marks: vec![(at, MarkKind::Death, "a<b>&\"'\u{1}".repeat(99)); 50],
        limit: Some(value),
        cone: Some(Cone {
            from: (at, value),
            likely: Duration::ZERO,
            earliest: Duration::ZERO,
            latest: None,
        }),
        ..of(vec![(Duration::ZERO, value), (at, value)])
    };
    vec![
        ("nothing", of(vec![])),
        ("one sample", of(vec![(Duration::ZERO, 7.0)])),
        ("constant", of(vec![(Duration::ZERO, 5e8), (end, 5e8)])),
        ("zero", of(vec![(Duration::ZERO, 0.0), (end, 0.0)])),
        ("one instant", every(Duration::from_nanos(1), 1.0)),
        ("the largest", every(Duration::MAX, f64::MAX)),
        ("from nothing to all", of(vec![(Duration::ZERO, 0.0), (Duration::MAX, f64::MAX)])),
        ("the smallest", every(end, f64::MIN_POSITIVE)),
        ("no number", every(end, f64::NAN)),
        ("infinite", every(end, f64::INFINITY)),
        (
            "never ending",
            Chart {
                cone: Some(Cone {
                    from: (end, 1.0),
                    likely: Duration::MAX,
                    earliest: Duration::MAX,
                    latest: Some(Duration::MAX),
                }),
                limit: Some(1e300),
                ..of(vec![(Duration::ZERO, 0.0), (end, 1.0)])
            },
        ),
    ]
}
