//! What lies over every course: white noise, noise with a memory of minutes, and allocations that are given back soon.

use crate::random::Random;

/// The noise of one series, in shares of its base.
pub struct Noise {
    random: Random,
    white: f64,
    drift: f64,
    keep: f64,
    drifted: f64,
    spikes: Spikes,
}

/// Short allocations: a request with a large answer, a report, a backup.
struct Spikes {
    mean_wait: f64,
    mean_height: f64,
    next: f64,
    height: f64,
    until: f64,
}

impl Noise {
    /// The noise of a series sampled each `step` hours; its size is drawn with `plan`.
    pub fn draw(plan: &mut Random, random: Random, step: f64) -> Self {
        let minutes = plan.magnitude(2.0, 30.0);
        let mean_wait = 1.0 / plan.magnitude(0.2, 4.0);
        Self {
            random,
            white: plan.magnitude(0.000_5, 0.006),
            drift: plan.magnitude(0.001, 0.008),
            keep: (-step * 60.0 / minutes).exp(),
            drifted: 0.0,
            spikes: Spikes {
                mean_wait,
                mean_height: plan.magnitude(0.005, 0.08),
                next: plan.exponential(mean_wait),
                height: 0.0,
                until: 0.0,
            },
        }
    }

    /// The noise at this hour; to be asked in order.
    pub fn at(&mut self, hours: f64) -> f64 {
        let shock = self.random.normal() * self.drift * (1.0 - self.keep * self.keep).sqrt();
        self.drifted = self.drifted.mul_add(self.keep, shock);
        self.drifted + self.white * self.random.normal() + self.spikes.at(hours, &mut self.random)
    }
}

impl Spikes {
    fn at(&mut self, hours: f64, random: &mut Random) -> f64 {
        if hours >= self.next {
            self.height = random.exponential(self.mean_height);
            self.until = hours + random.magnitude(10.0, 300.0) / 3600.0;
            self.next = self.until + random.exponential(self.mean_wait);
        }
        if hours < self.until { self.height } else { 0.0 }
    }
}
