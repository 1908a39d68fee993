//! The pieces a course is put together from. Each says its share of the base at an hour, asked in order.

use std::f64::consts::TAU;

use crate::random::Random;

/// One piece.
pub enum Part {
    /// Rises by so much an hour from an hour on.
    Line { from: f64, per_hour: f64 },
    /// Rises by `gain` within `over` hours from an hour on, as a power of the time.
    Power { from: f64, over: f64, gain: f64, exponent: f64 },
    /// Approaches `gain` (may be negative) with a time constant, from an hour on.
    Approach { from: f64, gain: f64, constant: f64 },
    /// Rises by `gain` in a straight line within `over` hours, then stays.
    Fill { from: f64, over: f64, gain: f64 },
    /// Rises and stays: each event adds its height within its length.
    Stairs(Vec<Event>),
    /// Rises and is given back: each event holds its height for its length, with short slopes at both ends.
    Pulses(Vec<Event>),
    /// Load of the day.
    Daily(Daily),
    /// Noise with a memory of hours.
    Correlated { deviation: f64, constant: f64, state: f64 },
    /// The sum of independent steps: `deviation` after one hour.
    Walk { deviation: f64, state: f64 },
    /// Rises steadily and falls back: a collector, or a restart.
    Teeth(Teeth),
}

/// Something at an hour.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it begins.
    pub at: f64,
    /// How long it takes.
    pub length: f64,
    /// How much.
    pub height: f64,
}

/// Load of the day: a main wave and its first harmonic, days that differ, weekends.
pub struct Daily {
    /// From the lowest to the highest.
    pub swing: f64,
    /// The hour of the day at which the series begins.
    pub clock: f64,
    /// Weight of the harmonic.
    pub second: f64,
    /// The factor of each day: it goes over from one into the next at night.
    pub days: Vec<f64>,
}

/// A sawtooth whose teeth differ.
pub struct Teeth {
    /// Mean height.
    pub height: f64,
    /// Mean length in hours.
    pub length: f64,
    /// How much teeth differ, as a share.
    pub jitter: f64,
    tooth: Event,
}

impl Teeth {
    /// Begins somewhere within a tooth.
    pub fn new(height: f64, length: f64, jitter: f64, random: &mut Random) -> Self {
        let at = -random.unit() * length;
        Self { height, length, jitter, tooth: Event { at, length, height } }
    }

    fn at(&mut self, hours: f64, random: &mut Random) -> f64 {
        while hours >= self.tooth.at + self.tooth.length {
            let vary = random.between(1.0 - self.jitter, 1.0 + self.jitter);
            self.tooth = Event {
                at: self.tooth.at + self.tooth.length,
                length: self.length * vary,
                height: self.height * vary * random.between(1.0 - self.jitter / 4.0, 1.0 + self.jitter / 4.0),
            };
        }
        self.tooth.height * (hours - self.tooth.at) / self.tooth.length
    }
}

impl Daily {
    fn at(&self, hours: f64) -> f64 {
        let clock = hours + self.clock;
        let turn = (clock / 24.0).fract() * TAU;
        // Lowest at about 4 o'clock, highest in the afternoon.
        let wave = (turn - TAU * 10.0 / 24.0).sin() + self.second * (2.0 * turn).sin();
        let shape = 0.5 + 0.5 * wave / (1.0 + self.second);
        // A day ends at 4 o'clock at night, where the load is low anyway.
        let day = (clock - 4.0) / 24.0;
        let index = day.floor().max(0.0) as usize;
        let factor = self.days[index % self.days.len()];
        let next = self.days[(index + 1) % self.days.len()];
        let blend = ((day.fract() - 0.9) / 0.1).clamp(0.0, 1.0);
        self.swing * shape * (factor + (next - factor) * blend)
    }
}

impl Part {
    /// Its share of the base at this hour, `step` hours after it was last asked.
    pub fn at(&mut self, hours: f64, step: f64, random: &mut Random) -> f64 {
        match self {
            Self::Line { from, per_hour } => (hours - *from).max(0.0) * *per_hour,
            Self::Power { from, over, gain, exponent } => {
                *gain * ((hours - *from).max(0.0) / *over).powf(*exponent)
            }
            Self::Approach { from, gain, constant } => {
                *gain * -(-(hours - *from).max(0.0) / *constant).exp_m1()
            }
            Self::Fill { from, over, gain } => *gain * ((hours - *from) / *over).clamp(0.0, 1.0),
            Self::Stairs(events) => stairs(events, hours),
            Self::Pulses(events) => pulses(events, hours),
            Self::Daily(daily) => daily.at(hours),
            Self::Correlated { deviation, constant, state } => {
                let keep = (-step / *constant).exp();
                *state = *state * keep + random.normal() * *deviation * (1.0 - keep * keep).sqrt();
                *state
            }
            Self::Walk { deviation, state } => {
                *state += random.normal() * *deviation * step.sqrt();
                // A process does not shrink to nothing: it is held above a third of its base.
                *state = state.max(-0.65);
                *state
            }
            Self::Teeth(teeth) => teeth.at(hours, random),
        }
    }
}

/// Events are few and sorted; those that lie far behind are folded into the first.
fn stairs(events: &mut Vec<Event>, hours: f64) -> f64 {
    while let [first, second, ..] = events.as_mut_slice()
        && hours >= first.at + first.length
        && hours >= second.at + second.length
    {
        second.height += first.height;
        events.remove(0);
    }
    events
        .iter()
        .take_while(|event| hours >= event.at)
        .map(|event| event.height * ((hours - event.at) / event.length).clamp(0.0, 1.0))
        .sum()
}

fn pulses(events: &mut Vec<Event>, hours: f64) -> f64 {
    while events.first().is_some_and(|first| hours > first.at + first.length) {
        events.remove(0);
    }
    events
        .iter()
        .take_while(|event| hours >= event.at)
        .map(|event| {
            let slope = event.length * 0.15;
            let since = hours - event.at;
            event.height * (since.min(event.length - since) / slope).clamp(0.0, 1.0)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(part: &mut Part, hours: f64) -> f64 {
        part.at(hours, 0.1, &mut Random::new(1, 1))
    }

    #[test]
    fn stairs_stay_and_pulses_do_not() {
        let events =
            || vec![Event { at: 1.0, length: 0.5, height: 2.0 }, Event { at: 3.0, length: 0.5, height: 1.0 }];
        let mut stairs = Part::Stairs(events());
        assert!(at(&mut stairs, 0.5).abs() < 1e-9);
        assert!((at(&mut stairs, 1.25) - 1.0).abs() < 1e-9);
        assert!((at(&mut stairs, 2.0) - 2.0).abs() < 1e-9);
        assert!((at(&mut stairs, 9.0) - 3.0).abs() < 1e-9);
        let mut pulses = Part::Pulses(events());
        assert!((at(&mut pulses, 1.25) - 2.0).abs() < 1e-9);
        assert!(at(&mut pulses, 2.0).abs() < 1e-9);
        assert!((at(&mut pulses, 3.25) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_tooth_falls_back() {
        let mut random = Random::new(1, 1);
        let mut teeth = Teeth::new(1.0, 1.0, 0.0, &mut random);
        let values: Vec<f64> = (0..100).map(|i| teeth.at(f64::from(i) * 0.1, &mut random)).collect();
        assert!(values.iter().all(|value| (0.0..=1.01).contains(value)));
        assert_eq!(values.windows(2).filter(|pair| pair[1] < pair[0]).count(), 10);
    }

    #[test]
    fn a_day_is_as_the_day_before() {
        let daily = Daily { swing: 0.4, clock: 3.0, second: 0.3, days: vec![1.0] };
        assert!((daily.at(5.0) - daily.at(29.0)).abs() < 1e-9);
        let values: Vec<f64> = (0..240).map(|i| daily.at(f64::from(i) * 0.1)).collect();
        assert!(values.iter().all(|value| (-0.01..=0.41).contains(value)));
        assert!(values.iter().any(|value| *value > 0.3));
    }
}
