//! The courses this program was begun for, and beside each one that looks like it for a while and is harmless.

use crate::random::Random;
use crate::synthetic::Point;

const MB: f64 = 1e6;
const HOUR: f64 = 3600.0;

/// What a case has to be given.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// `growing` before it has grown by so many bytes, with a forecast if that is wanted, and somebody woken so many
    /// seconds before the crash.
    Watched { before: f64, forecast: bool, woken_before_crash: Option<f64> },
    /// Somebody woken within so many seconds; at `check` the forecast is within this share of the truth.
    Woken { within: f64, check: f64, share: f64 },
    /// `growing` or louder within so many seconds.
    Noticed { within: f64 },
    /// Nobody woken, no leak called.
    Quiet,
}

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// In the table.
    pub name: &'static str,
    /// What it must not pass, in bytes.
    pub limit: f64,
    /// Its level at the start, in bytes.
    pub base: f64,
    /// Seconds between samples.
    pub interval: f64,
    /// Its length in seconds.
    pub length: f64,
    /// What it has to be given.
    pub wanted: Wanted,
    /// How far it is above its base; asked in order of time.
    grown: fn(&mut State, f64) -> f64,
}

/// What a course remembers.
pub struct State {
    random: Random,
    drift: f64,
    kept: f64,
    held: f64,
    until: f64,
    next: f64,
}

/// Each harmless one follows the one it resembles.
pub const CASES: [Case; 8] = [
    Case {
        name: "worker, 100 MB/h on 200 MB, crash at 9 h",
        limit: 1100.0 * MB,
        base: 200.0 * MB,
        interval: 10.0,
        length: 24.0 * HOUR,
        wanted: Wanted::Watched { before: 150.0 * MB, forecast: true, woken_before_crash: Some(2.0 * HOUR) },
        grown: |_, at| 100.0 * MB * at / HOUR,
    },
    Case {
        name: "  its cache of 150 MB is full after 1.5 h",
        limit: 1100.0 * MB,
        base: 200.0 * MB,
        interval: 10.0,
        length: 48.0 * HOUR,
        wanted: Wanted::Quiet,
        grown: |_, at| 100.0 * MB * (at / HOUR).min(1.5),
    },
    Case {
        name: "50 MB/h on 180 MB, bursts of 1 to 10 users",
        limit: 1000.0 * MB,
        base: 180.0 * MB,
        interval: 10.0,
        length: 14.0 * HOUR,
        wanted: Wanted::Watched { before: 50.0 * MB, forecast: false, woken_before_crash: None },
        grown: |state, at| users(state, at, 50.0 * MB / HOUR),
    },
    Case {
        name: "  the same users, nothing kept but 40 MB of start",
        limit: 1000.0 * MB,
        base: 180.0 * MB,
        interval: 10.0,
        length: 48.0 * HOUR,
        wanted: Wanted::Quiet,
        grown: |state, at| users(state, at, 0.0) + 40.0 * MB * -(-at / 900.0).exp_m1(),
    },
    Case {
        name: "21.2 MB/s up to 8 GB",
        limit: 8000.0 * MB,
        base: 100.0 * MB,
        interval: 1.0,
        length: 600.0,
        wanted: Wanted::Woken { within: 30.0, check: 60.0, share: 0.2 },
        grown: |_, at| 21.2 * MB * at,
    },
    Case {
        name: "  600 MB loaded at the start, with 6 s",
        limit: 8000.0 * MB,
        base: 100.0 * MB,
        interval: 1.0,
        length: 1800.0,
        wanted: Wanted::Quiet,
        grown: |_, at| 600.0 * MB * -(-at / 6.0).exp_m1(),
    },
    Case {
        name: "a burst keeps 10 MB, then 47 min idle",
        limit: 1000.0 * MB,
        base: 180.0 * MB,
        interval: 10.0,
        length: 60.0 * HOUR,
        wanted: Wanted::Noticed { within: 24.0 * HOUR },
        grown: |state, at| bursts(state, at, 10.0 * MB),
    },
    Case {
        name: "  the same bursts, nothing kept",
        limit: 1000.0 * MB,
        base: 180.0 * MB,
        interval: 10.0,
        length: 60.0 * HOUR,
        wanted: Wanted::Quiet,
        grown: |state, at| bursts(state, at, 0.0),
    },
];

impl Case {
    /// Its samples for a seed of the noise, up to where it would pass its limit; with each, how far it is above its
    /// base without the noise.
    pub fn samples(self, place: u64, seed: u64) -> impl Iterator<Item = (Point, f64)> {
        let mut state = State {
            random: Random::new(seed, 1000 + place),
            drift: 0.0,
            kept: 0.0,
            held: 0.0,
            until: 0.0,
            next: 0.0,
        };
        let count = (self.length / self.interval) as u64;
        (0..count)
            .map(move |index| {
                let at = index as f64 * self.interval;
                let grown = (self.grown)(&mut state, at);
                let noise = self.noise(&mut state);
                let value = ((self.base + grown + noise) / 4096.0).round() * 4096.0;
                (Point { at, value }, grown)
            })
            .take_while(move |(point, _)| point.value <= self.limit)
    }

    /// White, and with a memory of five minutes; now and then a large answer for one look.
    fn noise(self, state: &mut State) -> f64 {
        let keep = (-self.interval / 300.0).exp();
        let size = 0.004 * self.base;
        state.drift = state.drift * keep + state.random.normal() * size * (1.0 - keep * keep).sqrt();
        let spike = if state.random.chance(self.interval / 1800.0) {
            state.random.exponential(0.04 * self.base)
        } else {
            0.0
        };
        state.drift + 0.002 * self.base * state.random.normal() + spike
    }
}

/// One to ten users at a time for a minute or two, each with 1.5 MB of their own while they are there; `rate` bytes a
/// second stay in the mean, by their number.
fn users(state: &mut State, at: f64, rate: f64) -> f64 {
    if at >= state.next {
        let users = 1.0 + state.random.below(10) as f64;
        let length = state.random.between(40.0, 120.0);
        let pause = state.random.between(20.0, 160.0);
        state.held = users * 1.5 * MB;
        state.until = at + length;
        state.next = at + length + pause;
        // Five and a half users, 170 seconds: in the mean.
        state.kept += rate * 170.0 * users / 5.5;
    }
    state.kept + if at < state.until { state.held } else { 0.0 }
}

/// Three minutes of work with 25 MB, then 47 of idling.
fn bursts(state: &mut State, at: f64, keep: f64) -> f64 {
    if at >= state.next {
        state.until = at + 180.0;
        state.next = state.until + 47.0 * 60.0;
        state.held = state.random.between(15.0, 35.0) * MB;
        state.kept += keep * state.random.between(0.7, 1.3);
    }
    state.kept + if at < state.until { state.held } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_courses_are_what_their_names_say() {
        let last = |place: usize| CASES[place].samples(place as u64, 1).last().expect("it has samples");
        let (end, _) = last(0);
        assert!((8.4 * HOUR..9.2 * HOUR).contains(&end.at), "the worker ends at {} h", end.at / HOUR);
        let (end, grown) = last(2);
        assert!((45.0..55.0).contains(&(grown / MB / (end.at / HOUR))), "{} MB at {} s", grown / MB, end.at);
        let (end, _) = last(4);
        assert!((360.0..376.0).contains(&end.at));
        let (end, grown) = last(6);
        assert!((11.0..13.0).contains(&(grown / MB / (end.at / HOUR))));
        for place in [1, 3, 5, 7] {
            let case = CASES[place];
            let (end, grown) = last(place);
            assert!(end.at + case.interval >= case.length && grown < 700.0 * MB, "{}", case.name);
        }
    }
}
