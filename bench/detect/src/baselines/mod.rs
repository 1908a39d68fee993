//! What others do, written down again from their sources to stand beside ours on the same series. Each file says whose
//! rule it is. Parameters are those of the source; where it leaves one open, the file says what was taken.

mod coroot;
mod mann_kendall;
mod maxima;
mod naive;
mod ols;
mod precog;
mod predict_linear;
mod window;

use scupper_detect::Quantity;

use crate::detector::{Detector, Kind, Subject};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// All of them.
pub const KINDS: [Kind; 11] = [
    Kind { name: "naive", make: |subject| bytes_only(subject, || Box::new(naive::Naive::new())) },
    Kind { name: "ols-r2", make: |subject| Some(Box::new(ols::Ols::new(subject.limit))) },
    Kind { name: "precog", make: |subject| Some(Box::new(precog::Precog::new(subject.limit))) },
    Kind {
        name: "predict-1h-4h",
        make: |subject| {
            Some(Box::new(predict_linear::PredictLinear::new(subject.limit, HOUR, 4.0 * HOUR, 5.0 * MINUTE)))
        },
    },
    Kind {
        name: "predict-6h-4d",
        make: |subject| {
            Some(Box::new(predict_linear::PredictLinear::new(subject.limit, 6.0 * HOUR, 4.0 * DAY, HOUR)))
        },
    },
    Kind { name: "mk-p05", make: |_| Some(Box::new(mann_kendall::Plain::new(1.96))) },
    Kind { name: "mk-z4.5", make: |_| Some(Box::new(mann_kendall::Plain::new(4.5))) },
    Kind { name: "mk-hr-24h", make: |_| Some(Box::new(mann_kendall::HamedRao::new(&[24]))) },
    Kind { name: "mk-hr-24h-72h", make: |_| Some(Box::new(mann_kendall::HamedRao::new(&[24, 72]))) },
    Kind { name: "coroot", make: |subject| Some(Box::new(coroot::Coroot::new(subject.limit))) },
    Kind { name: "maxima", make: |subject| bytes_only(subject, || Box::new(maxima::Maxima::new())) },
];

/// A rule in megabytes says nothing of a series in percent.
fn bytes_only(subject: Subject, make: fn() -> Box<dyn Detector>) -> Option<Box<dyn Detector>> {
    (subject.quantity == Quantity::Bytes).then(make)
}

/// A condition that has to hold for some time before it is an alarm, as in Prometheus: `for: 5m`.
struct Held {
    since: Option<f64>,
    long: f64,
}

impl Held {
    const fn new(long: f64) -> Self {
        Self { since: None, long }
    }

    fn holds(&mut self, at: f64, condition: bool) -> bool {
        if !condition {
            self.since = None;
            return false;
        }
        at - *self.since.get_or_insert(at) >= self.long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a detector alarms on a series sampled each minute.
    pub fn first_alarm(kind: &str, limit: f64, hours: f64, course: impl Fn(f64) -> f64) -> Option<f64> {
        let kind = KINDS.into_iter().find(|known| known.name == kind).expect("a known kind");
        let mut detector = (kind.make)(Subject { quantity: Quantity::Bytes, limit }).expect("knows bytes");
        (0..(hours * 60.0) as u32)
            .map(|minute| f64::from(minute) / 60.0)
            .find(|hour| detector.push(hour * HOUR, course(*hour)).is_some())
    }

    /// A little that is the same each time, so that no window is exactly flat.
    pub fn wiggle(hour: f64) -> f64 {
        ((hour * 977.0).sin() + (hour * 331.0).cos()) * 1e5
    }

    #[test]
    fn all_but_the_fast_ones_see_a_steady_leak_and_none_a_flat_series() {
        for kind in KINDS {
            let flat = first_alarm(kind.name, 4e9, 96.0, |hour| 1e9 + wiggle(hour));
            assert_eq!(flat, None, "{} on a flat series", kind.name);
            let leak = first_alarm(kind.name, 4e9, 96.0, |hour| 1e9 + 3e7 * hour + wiggle(hour));
            let blind = matches!(kind.name, "naive" | "predict-1h-4h" | "coroot");
            assert_eq!(leak.is_none(), blind, "{} on a leak of 3 %/h: {leak:?}", kind.name);
        }
    }

    #[test]
    fn the_fast_ones_see_a_fast_leak() {
        for kind in ["naive", "predict-1h-4h", "coroot"] {
            let leak = first_alarm(kind, 8e9, 3.0, |hour| 1e9 + 1.8e9 * hour + wiggle(hour));
            assert!(leak.is_some(), "{kind}");
        }
    }

    #[test]
    fn a_condition_has_to_hold() {
        let mut held = Held::new(10.0);
        assert!(!held.holds(0.0, true) && !held.holds(9.0, true));
        assert!(!held.holds(9.5, false) && !held.holds(10.0, true));
        assert!(held.holds(20.0, true));
    }
}
