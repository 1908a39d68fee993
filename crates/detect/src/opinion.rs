//! What is thought of a series: kept from look to look, since a leak once seen is believed for a while.

use crate::grow::{Grow, Grown};
use crate::history::{History, Ring, SLOTS, WIDTHS};
use crate::operations::{Along, Operations};
use crate::reading::read;
use crate::rules::{Context, Daily, Finding, Judgement, Life, Short, judge, judge_daily, judge_short};
use crate::window::{floor, floor_of_ring};
use crate::wording::{broken_rule, day_by_day, per_operation, risen, short_run, stable, too_little};
use crate::{Assessment, Horizon, Settings, Verdict};

/// Each ring is read whole, and its newer half and third.
const STRETCHES: [usize; 3] = [SLOTS, SLOTS / 2, SLOTS / 3];
/// Buckets that must close before a ring is read again.
const STRIDES: [u64; WIDTHS.len()] = [12, 6, 3, 3, 1, 1];
/// Buckets of a ring that must have been seen before it is read.
const LEAST_SEEN: u64 = 24;
/// The ring from which on `stable` can be said of a service that runs for days: minutes.
const TELLING: usize = 2;
/// A leak is believed for this many seconds before it is judged again, and for no more than twice the stretch it was seen on.
const HOLD: f64 = 12.0 * 3600.0;
/// What a program needs at rest is what it has in the second half of its first half hour.
const SETTLED: f64 = 1800.0;

/// What spoke for a leak.
#[derive(Clone, Copy, Debug)]
enum Leak {
    Finding(Finding),
    Daily(Daily),
}

impl Leak {
    fn hold(&self) -> f64 {
        match self {
            Self::Finding(finding) => HOLD.min(2.0 * finding.reading.span),
            Self::Daily(_) => HOLD,
        }
    }
}

/// What there is to form an opinion on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Seconds since the first sample.
    pub age: f64,
    pub history: &'a History,
    pub grow: Option<&'a Grow>,
    pub operations: Option<&'a Operations>,
    /// Whether there is no more to come.
    pub ended: bool,
    pub settings: &'a Settings,
}

/// What is thought, and what it rests on.
#[derive(Default)]
pub struct Opinion {
    /// Buckets of each ring that had been seen when it was read.
    seen: [u64; WIDTHS.len()],
    /// The worst that was found in each ring.
    found: [Option<Finding>; WIDTHS.len()],
    /// The last leak that was seen, and at which age.
    leak: Option<(Leak, f64)>,
    /// When the operator's rule was last seen broken, and by how much.
    broken: Option<(Grown, f64)>,
    base: Option<f64>,
    short: Option<Short>,
    looked: f64,
    along: Option<Along>,
    /// Whether something was read that `stable` can be said of.
    telling: bool,
}

impl Opinion {
    /// Looks again at what is due; says whether anything was.
    pub fn look(&mut self, seen: &Seen<'_>) -> bool {
        let due = match seen.settings.horizon {
            Horizon::Long => self.look_long(seen),
            Horizon::Short => self.look_short(seen),
        };
        if due {
            self.along = seen.operations.and_then(|operations| operations.along(seen.settings.quantity));
        }
        self.look_at_rule(seen) || due
    }

    /// The operator's rule needs no look: it is asked at every sample, and its alarm ends when its time is over.
    fn look_at_rule(&mut self, seen: &Seen<'_>) -> bool {
        let Some(grow) = seen.grow else { return false };
        if let Some(grown) = grow.broken() {
            return self.broken.replace((grown, seen.age)).is_none();
        }
        let over = self.broken.is_some_and(|(_, at)| seen.age - at > grow.rule().within.as_secs_f64());
        if over {
            self.broken = None;
        }
        over
    }

    /// The next looks are at everything, due or not.
    pub fn look_again(&mut self) {
        self.looked = 0.0;
        self.seen = [0; WIDTHS.len()];
    }

    fn look_short(&mut self, seen: &Seen<'_>) -> bool {
        let age = seen.age;
        if age < self.looked + (age / 64.0).max(1.0) {
            return false;
        }
        self.looked = age;
        self.short = Some(judge_short(seen.history.life(), seen.settings.quantity));
        true
    }

    /// Reads the widest ring that is due; the others wait for the next look, which keeps every look short.
    fn look_long(&mut self, seen: &Seen<'_>) -> bool {
        let rings = seen.history.rings().iter().enumerate().rev();
        for (level, ring) in rings {
            let (Some(read_at), Some(stride)) = (self.seen.get_mut(level), STRIDES.get(level)) else {
                continue;
            };
            if ring.filled() < LEAST_SEEN.max(*read_at + stride) {
                continue;
            }
            *read_at = ring.filled();
            self.read_ring(level, ring, seen);
            return true;
        }
        false
    }

    fn read_ring(&mut self, level: usize, ring: &Ring, seen: &Seen<'_>) {
        let Seen { age, history, settings, .. } = *seen;
        let life = Life::of(history.life());
        if self.base.is_none() && age >= SETTLED {
            self.base = life.level_until(SETTLED);
        }
        let context = |start| Context { age, base: self.base.unwrap_or(start), quantity: settings.quantity };
        let width = ring.width().as_secs_f64();
        let mut readable = false;
        let found = STRETCHES.into_iter().filter_map(|count| {
            let floor = floor_of_ring(ring, count)?;
            readable = true;
            let reading = read(&floor)?;
            Some(judge(reading, width, &life, &context(reading.start)))
        });
        let mut worst = found.max_by(Finding::by_weight);
        if level == WIDTHS.len() - 1 && !readable {
            // Samples too far apart for any ring: the whole life is all there is to read.
            let (buckets, width) = history.life();
            let floor = floor(buckets, 0.0, width);
            readable = floor.is_some();
            worst = floor
                .as_ref()
                .and_then(read)
                .map(|reading| judge(reading, width, &life, &context(reading.start)));
        }
        self.telling |= readable && level >= TELLING;
        if let Some(finding) = worst.filter(|f| matches!(f.judgement, Judgement::Leaking(_))) {
            self.leak = Some((Leak::Finding(finding), age));
        }
        if let Some(slot) = self.found.get_mut(level) {
            *slot = worst;
        }
        if level == WIDTHS.len() - 1
            && let Some(daily) = judge_daily(ring, &life, &context(0.0))
        {
            self.leak = Some((Leak::Daily(daily), age));
        }
    }

    /// Puts into words what is thought.
    pub fn assessment(&self, seen: &Seen<'_>) -> Assessment {
        let Seen { age, history, settings, ended, .. } = *seen;
        let leak = self.leak.as_ref().filter(|(leak, since)| age - since < leak.hold()).map(|(leak, _)| leak);
        let mut assessment = match (leak, settings.horizon) {
            _ if let Some((grown, _)) = self.broken => broken_rule(grown, settings),
            (Some(Leak::Finding(finding)), Horizon::Long) => {
                risen(finding, Verdict::Leaking, history, settings)
            }
            (Some(Leak::Daily(daily)), Horizon::Long) => day_by_day(daily, settings),
            (_, Horizon::Short) => {
                self.short.as_ref().map_or_else(|| too_little(age), |short| short_run(short, ended, settings))
            }
            (None, Horizon::Long) if let Some(along) = self.along.as_ref().filter(|along| along.leaking) => {
                per_operation(along, age, history, settings)
            }
            (None, Horizon::Long) => self.no_leak(age, history, settings),
        };
        assessment.per_operation = self.along.map(|along| along.growth);
        assessment
    }

    fn no_leak(&self, age: f64, history: &History, settings: &Settings) -> Assessment {
        let findings = |wanted: Judgement| {
            let of_kind = self.found.iter().flatten().filter(move |f| f.judgement == wanted);
            of_kind.max_by(|a, b| a.by_weight(b))
        };
        let kinds = [
            (Judgement::Growing, Verdict::Growing),
            (Judgement::WarmingUp, Verdict::WarmingUp),
            (Judgement::Step, Verdict::Step),
        ];
        for (judgement, verdict) in kinds {
            if let Some(finding) = findings(judgement) {
                return risen(finding, verdict, history, settings);
            }
        }
        if self.telling { stable(age, history) } else { too_little(age) }
    }
}
