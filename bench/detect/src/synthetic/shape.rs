//! The 21 courses that memory takes, and what is drawn for each: eight leak, thirteen do not. The ranges are those of
//! services as they are met; each range of a harmless shape reaches to where it looks like a leak for a while.

use anyhow::{Result, bail};

use super::part::{Daily, Event, Part, Teeth};
use crate::random::Random;

/// The course of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it; `draw` says the rest")]
pub enum Shape {
    Linear,
    UnderGc,
    Slow,
    Staircase,
    Bursts,
    UnderDaily,
    Accelerating,
    AfterWarmUp,
    Flat,
    WarmUp,
    CacheFill,
    Daily,
    Steps,
    Correlated,
    RandomWalk,
    Gc,
    Restarts,
    Fragmentation,
    NightlyBatch,
    TrafficRamp,
    Decline,
}

/// How fast a leak really is, in shares of the base.
#[derive(Clone, Copy, Debug)]
pub enum Rate {
    /// So much an hour, in the mean.
    Constant(f64),
    /// The derivative of a power of the time since the onset.
    Power { over: f64, gain: f64, exponent: f64 },
}

/// What was drawn for a series.
pub struct Course {
    /// The level everything is a share of, in bytes.
    pub base: f64,
    /// When the leak begins (hours) and how fast it is; `None` where nothing leaks.
    pub leak: Option<(f64, Rate)>,
    /// The pieces.
    pub parts: Vec<Part>,
}

const MB: f64 = 1e6;

impl Shape {
    /// Leaking ones first.
    pub const ALL: [Self; 21] = [
        Self::Linear,
        Self::UnderGc,
        Self::Slow,
        Self::Staircase,
        Self::Bursts,
        Self::UnderDaily,
        Self::Accelerating,
        Self::AfterWarmUp,
        Self::Flat,
        Self::WarmUp,
        Self::CacheFill,
        Self::Daily,
        Self::Steps,
        Self::Correlated,
        Self::RandomWalk,
        Self::Gc,
        Self::Restarts,
        Self::Fragmentation,
        Self::NightlyBatch,
        Self::TrafficRamp,
        Self::Decline,
    ];

    /// As it is named in arguments and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::UnderGc => "under-gc",
            Self::Slow => "slow",
            Self::Staircase => "staircase",
            Self::Bursts => "bursts",
            Self::UnderDaily => "under-daily",
            Self::Accelerating => "accelerating",
            Self::AfterWarmUp => "after-warm-up",
            Self::Flat => "flat",
            Self::WarmUp => "warm-up",
            Self::CacheFill => "cache-fill",
            Self::Daily => "daily",
            Self::Steps => "steps",
            Self::Correlated => "correlated",
            Self::RandomWalk => "random-walk",
            Self::Gc => "gc",
            Self::Restarts => "restarts",
            Self::Fragmentation => "fragmentation",
            Self::NightlyBatch => "nightly-batch",
            Self::TrafficRamp => "traffic-ramp",
            Self::Decline => "decline",
        }
    }

    /// The shape of this name.
    pub fn parse(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|shape| shape.name() == name) {
            Some(shape) => Ok(shape),
            None => bail!("no shape is called {name}; there are {}", Self::ALL.map(Self::name).join(", ")),
        }
    }

    /// Whether it leaks.
    pub const fn leaks(self) -> bool {
        (self as usize) < 8
    }

    /// Whether one line describes the leak, so that its slope can be compared.
    pub const fn is_line(self) -> bool {
        matches!(self, Self::Linear | Self::UnderGc | Self::Slow | Self::AfterWarmUp | Self::UnderDaily)
    }

    /// The course of this shape for what `random` draws; events are drawn for `hours`.
    pub fn draw(self, random: &mut Random, hours: f64) -> Course {
        let base = if self == Self::Slow { 500.0 * MB } else { random.magnitude(150.0, 3000.0) * MB };
        let onset = if random.chance(0.25) { 0.0 } else { random.between(6.0, 60.0) };
        let mut parts = Vec::new();
        let rate = match self {
            Self::Linear => Some(line(&mut parts, onset, random.magnitude(0.005, 0.15))),
            Self::UnderGc => {
                collector(&mut parts, random);
                Some(line(&mut parts, onset, random.magnitude(0.005, 0.08)))
            }
            Self::Slow => Some(line(&mut parts, onset, MB / base)),
            Self::Staircase => Some(staircase(&mut parts, onset, hours, random)),
            Self::Bursts => Some(bursts(&mut parts, onset, hours, random)),
            Self::UnderDaily => {
                parts.push(Part::Daily(daily(random, random_swing)));
                Some(line(&mut parts, onset, random.magnitude(0.003, 0.02)))
            }
            Self::Accelerating => {
                let (over, gain, exponent) = (96.0, random.magnitude(0.4, 3.0), random.between(1.5, 2.5));
                parts.push(Part::Power { from: onset, over, gain, exponent });
                Some(Rate::Power { over, gain, exponent })
            }
            Self::AfterWarmUp => {
                warm_up(&mut parts, random, 3.0);
                Some(line(&mut parts, onset, random.magnitude(0.005, 0.08)))
            }
            harmless => {
                harmless.draw_harmless(&mut parts, random, hours);
                None
            }
        };
        Course { base, leak: rate.map(|rate| (onset, rate)), parts }
    }

    fn draw_harmless(self, parts: &mut Vec<Part>, random: &mut Random, hours: f64) {
        match self {
            Self::WarmUp => warm_up(parts, random, 8.0),
            Self::CacheFill => {
                let from = if random.chance(0.7) { 0.0 } else { random.between(6.0, 48.0) };
                let (over, gain) = (random.magnitude(2.0, 26.0), random.magnitude(0.2, 1.2));
                if random.chance(0.5) {
                    parts.push(Part::Fill { from, over, gain });
                } else {
                    // What is asked for is ever more often there already.
                    parts.push(Part::Approach { from, gain, constant: over / 2.0 });
                }
            }
            Self::Daily => parts.push(Part::Daily(daily(random, |random| random.between(0.1, 0.5)))),
            Self::Steps => {
                let count = 1 + random.below(3);
                let mut events: Vec<Event> = (0..count)
                    .map(|_| Event {
                        at: random.between(1.0, hours * 0.95),
                        length: random.magnitude(10.0, 900.0) / 3600.0,
                        height: random.magnitude(0.04, 0.5),
                    })
                    .collect();
                events.sort_by(|a, b| a.at.total_cmp(&b.at));
                parts.push(Part::Stairs(events));
            }
            Self::Correlated => parts.push(Part::Correlated {
                deviation: random.magnitude(0.01, 0.08),
                constant: random.magnitude(1.0, 12.0),
                state: 0.0,
            }),
            Self::RandomWalk => {
                parts.push(Part::Walk { deviation: random.magnitude(0.002, 0.015), state: 0.0 });
            }
            Self::Gc => collector(parts, random),
            Self::Restarts => {
                let teeth = Teeth::new(
                    random.magnitude(0.15, 1.2),
                    random.between(3.0, 12.0),
                    random.between(0.05, 0.3),
                    random,
                );
                parts.push(Part::Teeth(teeth));
            }
            Self::Fragmentation => {
                let gain = random.magnitude(0.1, 0.8);
                parts.push(Part::Approach { from: 0.0, gain, constant: random.magnitude(2.0, 24.0) });
                let deviation = random.magnitude(0.002, 0.01);
                parts.push(Part::Correlated { deviation, constant: random.between(0.5, 3.0), state: 0.0 });
            }
            Self::NightlyBatch => nightly(parts, hours, random),
            Self::TrafficRamp => parts.push(Part::Fill {
                from: random.between(4.0, 100.0),
                over: random.magnitude(1.0, 16.0),
                gain: random.magnitude(0.1, 0.8),
            }),
            Self::Decline => {
                let gain = -random.between(0.08, 0.5);
                if random.chance(0.5) {
                    parts.push(Part::Fill { from: 0.0, over: random.between(12.0, hours), gain });
                } else {
                    parts.push(Part::Approach { from: 0.0, gain, constant: random.between(4.0, 60.0) });
                }
            }
            // Flat: nothing but noise. The leaking ones are drawn elsewhere.
            _ => {}
        }
    }
}

fn random_swing(random: &mut Random) -> f64 {
    random.between(0.08, 0.35)
}

fn line(parts: &mut Vec<Part>, from: f64, per_hour: f64) -> Rate {
    parts.push(Part::Line { from, per_hour });
    Rate::Constant(per_hour)
}

/// A collector: teeth of minutes, and in half the cases larger ones of many small ones over them, whose floor rises
/// until the whole heap is collected.
fn collector(parts: &mut Vec<Part>, random: &mut Random) {
    let length = random.magnitude(3.0, 45.0) / 60.0;
    let jitter = random.between(0.05, 0.35);
    parts.push(Part::Teeth(Teeth::new(random.magnitude(0.1, 0.8), length, jitter, random)));
    if random.chance(0.5) {
        let many = random.between(5.0, 20.0);
        parts.push(Part::Teeth(Teeth::new(random.magnitude(0.05, 0.4), length * many, jitter, random)));
    }
}

/// A start: in half the cases a second, slower and smaller part follows (tables filled by the first requests).
fn warm_up(parts: &mut Vec<Part>, random: &mut Random, slowest: f64) {
    let (gain, constant) = (random.between(0.2, 0.6), random.magnitude(0.1, slowest));
    parts.push(Part::Approach { from: 0.0, gain, constant });
    if random.chance(0.5) {
        let gain = gain * random.between(0.1, 0.4);
        parts.push(Part::Approach { from: 0.0, gain, constant: constant * random.between(1.5, 3.0) });
    }
}

fn staircase(parts: &mut Vec<Part>, onset: f64, hours: f64, random: &mut Random) -> Rate {
    let (wait, height) = (random.magnitude(0.5, 5.0), random.magnitude(0.01, 0.06));
    let mut events = Vec::new();
    let mut at = onset;
    while at < hours {
        let height = height * random.between(0.6, 1.4);
        events.push(Event { at, length: random.magnitude(10.0, 300.0) / 3600.0, height });
        at += wait * random.between(0.5, 1.5);
    }
    parts.push(Part::Stairs(events));
    Rate::Constant(height / wait)
}

/// Work comes in bursts with hours of idling between; each keeps a little of what it took.
fn bursts(parts: &mut Vec<Part>, onset: f64, hours: f64, random: &mut Random) -> Rate {
    let (idle, busy) = (random.between(2.0, 9.0), random.between(0.15, 1.0));
    let (kept, taken) = (random.magnitude(0.015, 0.08), random.magnitude(0.05, 0.4));
    let (mut leaks, mut loads) = (Vec::new(), Vec::new());
    let mut at = random.between(0.0, idle);
    while at < hours {
        let length = busy * random.between(0.6, 1.4);
        loads.push(Event { at, length, height: taken * random.between(0.6, 1.4) });
        if at >= onset {
            leaks.push(Event { at, length, height: kept * random.between(0.6, 1.4) });
        }
        at += length + idle * random.between(0.5, 1.5);
    }
    parts.push(Part::Pulses(loads));
    parts.push(Part::Stairs(leaks));
    Rate::Constant(kept / (idle + busy))
}

/// The load of the day; `swing` draws its size. Half have quiet weekends.
fn daily(random: &mut Random, swing: fn(&mut Random) -> f64) -> Daily {
    let (swing, clock, second) = (swing(random), random.between(4.0, 28.0), random.between(0.0, 0.5));
    let weekend = if random.chance(0.5) { random.between(0.5, 0.9) } else { 1.0 };
    let differ = random.between(0.01, 0.08);
    let first = random.below(7);
    let days = (0..14)
        .map(|day| {
            let quiet = if (first + day) % 7 >= 5 { weekend } else { 1.0 };
            quiet * (1.0 + differ * random.normal()).clamp(0.7, 1.3)
        })
        .collect();
    Daily { swing, clock, second, days }
}

/// A job each night, of about the same size; in a third of the cases the first leaves an arena behind.
fn nightly(parts: &mut Vec<Part>, hours: f64, random: &mut Random) {
    let (first, length) = (random.between(1.0, 24.0), random.magnitude(0.3, 4.0));
    let height = random.magnitude(0.1, 1.2);
    let mut events = Vec::new();
    let mut at = first;
    while at < hours {
        let length = length * random.between(0.8, 1.3);
        events.push(Event { at, length, height: height * random.between(0.8, 1.2) });
        at += 24.0 * random.between(0.98, 1.02);
    }
    parts.push(Part::Pulses(events));
    if random.chance(1.0 / 3.0) {
        parts.push(Part::Stairs(vec![Event {
            at: first,
            length,
            height: height * random.between(0.05, 0.2),
        }]));
    }
}
