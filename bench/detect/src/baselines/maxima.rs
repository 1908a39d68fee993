//! Twenty new maxima, each by more than 10 MiB, looked at every ten seconds: `Memory::Leak::Monitor` of socketry's
//! memory-leak for Ruby (MIT), with the defaults it had until 0.10.2.

use crate::detector::{Alarm, Detector};

/// See the module.
pub struct Maxima {
    maximum: Option<f64>,
    count: usize,
}

impl Maxima {
    pub const fn new() -> Self {
        Self { maximum: None, count: 0 }
    }
}

impl Detector for Maxima {
    fn push(&mut self, _: f64, value: f64) -> Option<Alarm> {
        let maximum = *self.maximum.get_or_insert(value);
        if value - maximum > 10.0 * f64::from(1 << 20) {
            self.maximum = Some(value);
            self.count += 1;
        }
        (self.count >= 20).then_some(Alarm::LEAKING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twentieth_maximum_is_a_leak() {
        let mut maxima = Maxima::new();
        let alarm = (0..60).find(|step| maxima.push(f64::from(*step), f64::from(step * 6) * 1e6).is_some());
        // Two steps of 6 MB to pass 10 MiB.
        assert_eq!(alarm, Some(40));
    }
}
