//! Along what the memory of a process grows: along time, or along the work it does; and whether it is given back.
//!
//! Each stretch between two whole looks has its growth and its work: operations, where somebody counts them, else
//! processor time. Stretches are summed up by how much work was done in them, so that little is compared with much in the
//! end. Nothing is concluded from processor time being low: it is the contrast that tells. Where stretches of little work
//! grow as fast as those of ten times as much, it is time that it grows along, and where they hardly grow, it is work.

use std::time::Duration;

use scupper_detect::exact;
use scupper_model::{Grows, Pattern, Stretch, Work};

/// Stretches are at least so long: processor time is counted in hundredths of a second.
const SHORTEST: Duration = Duration::from_secs(2);
/// Classes of work: nothing, and doublings of it.
const CLASSES: usize = 16;
/// The second class begins with so much processor time, and so many operations, in a second.
const LEAST_SHARE: f64 = 1.0 / 1024.0;
const LEAST_OPERATIONS: f64 = 1.0 / 16.0;
/// Either side has to be at least so long, and made of so many stretches.
const LEAST_SIDE: f64 = 4.0;
const LEAST_STRETCHES: u32 = 2;
/// Much is at least so many times as much as little.
const CONTRAST: f64 = 10.0;
/// Growth at rest is at least this share of that under work: it is time; and at most this: it is work.
const OF_TIME: f64 = 0.5;
const OF_WORK: f64 = 0.2;
/// Growth below this is none.
const LEAST_GROWTH: i64 = 1 << 20;
/// A burst grows by at least so much.
const LEAST_BURST: i64 = 64 << 10;
/// It comes after so many seconds of rest at least, and is so much work: processor time is counted in hundredths of a
/// second, and one of them now and then is no burst.
const LEAST_REST: f64 = 5.0;
const LEAST_BURST_MILLIS: u64 = 50;
/// A peak is a new one when it is so much, and this part of the last, above that.
const NEW_PEAK: u64 = 64 << 10;
const NEW_PEAK_PART: u64 = 256;

/// What was seen at one whole look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: Duration,
    pub(super) memory: u64,
    /// Operations by then, or milliseconds of processor time.
    pub(super) work: u64,
}

/// Of one process, or of the tree. As long as memory has not moved it is two points, and takes nothing else.
#[derive(Debug, Default)]
pub(super) struct Load {
    kind: Option<Work>,
    /// When the work that is counted was first known, and the last point.
    ends: Option<(Point, Point)>,
    sums: Option<Box<Sums>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    seconds: f64,
    growth: i64,
    work: u64,
    stretches: u32,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.growth = self.growth.saturating_add(other.growth);
        self.work = self.work.saturating_add(other.work);
        self.stretches = self.stretches.saturating_add(other.stretches);
    }

    /// A second.
    fn work_rate(&self) -> f64 {
        exact(self.work) / self.seconds.max(f64::MIN_POSITIVE)
    }

    fn growth_rate(&self) -> f64 {
        signed(self.growth) / self.seconds.max(f64::MIN_POSITIVE)
    }

    fn told(&self) -> Stretch {
        Stretch { seconds: rounded(self.seconds), growth_bytes: self.growth, work: self.work }
    }
}

#[derive(Debug)]
struct Sums {
    classes: [Sum; CLASSES],
    all: Sum,
    /// What it grew by in stretches in which it grew.
    risen: i64,
    first: u64,
    /// The largest it has been, and when.
    peak: Point,
    /// What was done by then.
    done_by_peak: u64,
    fell: u64,
    bursts: Bursts,
}

#[derive(Debug, Default)]
struct Bursts {
    count: u32,
    growth: i64,
    /// Seconds of rest before those that were counted.
    rests: f64,
    /// The rest that lasts.
    resting: f64,
    /// The rest that ended within the stretch before, so that it is neither rest nor a burst: the next one tells.
    ended: f64,
    /// The burst that lasts: the rest before it, its growth so far, whether it was counted.
    burst: Option<(f64, i64, bool)>,
}

impl Load {
    /// Takes what a whole look has seen. Another way to count work begins anew.
    pub(super) fn note(&mut self, kind: Work, point: Point) {
        if self.kind != Some(kind) {
            *self = Self { kind: Some(kind), ..Self::default() };
        }
        let Some((first, last)) = self.ends else {
            self.ends = Some((point, point));
            return;
        };
        if point.at < last.at + SHORTEST {
            return;
        }
        if point.work < last.work {
            // Somebody of the tree is gone with what he had done: nobody can say what was done meanwhile.
            self.ends = Some((first, point));
            return;
        }
        if self.sums.is_none() && point.memory != last.memory {
            let mut sums = Box::new(Sums::new(&first));
            sums.add(kind, &first, &last);
            self.sums = Some(sums);
        }
        if let Some(sums) = &mut self.sums {
            sums.add(kind, &last, &point);
        }
        self.ends = Some((first, point));
    }

    /// What can be said at the last whole look.
    pub(super) fn pattern(&self) -> Option<Pattern> {
        let (sums, (first, last), work) = (self.sums.as_deref()?, self.ends?, self.kind?);
        let (grows, sides) = sums.grows(work);
        let bursts = &sums.bursts;
        let risen = signed(sums.risen).max(1.0);
        Some(Pattern {
            work,
            grows,
            idle: sides.as_ref().map(|(idle, _)| idle.told()),
            busy: sides.as_ref().map(|(_, busy)| busy.told()),
            bursts: bursts.count,
            burst_share: (bursts.count > 0).then(|| rounded((signed(bursts.growth) / risen).clamp(0.0, 1.0))),
            rest_seconds: (bursts.count > 0).then(|| rounded(bursts.rests / f64::from(bursts.count))),
            since_peak_seconds: rounded(last.at.saturating_sub(sums.peak.at).as_secs_f64()),
            since_peak_work: sums.all.work.saturating_sub(sums.done_by_peak),
            fell_bytes: sums.fell,
            until_peak: Some(Stretch {
                seconds: rounded(sums.peak.at.saturating_sub(first.at).as_secs_f64()),
                growth_bytes: sums.peak.memory.cast_signed().saturating_sub(first.memory.cast_signed()),
                work: sums.done_by_peak,
            }),
        })
    }
}

impl Sums {
    fn new(first: &Point) -> Self {
        Self {
            classes: [Sum::default(); CLASSES],
            all: Sum::default(),
            risen: 0,
            first: first.memory,
            peak: *first,
            done_by_peak: 0,
            fell: 0,
            bursts: Bursts::default(),
        }
    }

    fn add(&mut self, kind: Work, from: &Point, to: &Point) {
        let seconds = to.at.saturating_sub(from.at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let stretch = Sum {
            seconds,
            growth: to.memory.cast_signed().saturating_sub(from.memory.cast_signed()),
            work: to.work.saturating_sub(from.work),
            stretches: 1,
        };
        self.all.add(&stretch);
        self.risen = self.risen.saturating_add(stretch.growth.max(0));
        if let Some(class) = self.classes.get_mut(class_of(kind, stretch.work_rate())) {
            class.add(&stretch);
        }
        let least = NEW_PEAK.max(self.peak.memory / NEW_PEAK_PART);
        if to.memory >= self.peak.memory.saturating_add(least) {
            self.peak = *to;
            self.done_by_peak = self.all.work;
        }
        self.fell = self.fell.max(self.peak.memory.saturating_sub(to.memory));
        let least = if kind == Work::ProcessorTime { LEAST_BURST_MILLIS } else { 1 };
        self.bursts.add(&stretch, self.all.work_rate(), least);
    }

    /// Along what it grows, with the sides that were compared.
    fn grows(&self, kind: Work) -> (Grows, Option<(Sum, Sum)>) {
        let least = match kind {
            Work::ProcessorTime => 1000.0 * LEAST_SHARE,
            Work::Operations => LEAST_OPERATIONS,
        };
        let mut best: Option<(f64, Sum, Sum)> = None;
        for at in 1..CLASSES {
            let (low, high) = self.classes.split_at(at);
            let (low, high) = (sum(low), sum(high));
            let enough = |side: &Sum| side.seconds >= LEAST_SIDE && side.stretches >= LEAST_STRETCHES;
            let contrast = high.work_rate() / low.work_rate().max(least);
            if enough(&low)
                && enough(&high)
                && contrast >= CONTRAST
                && best.as_ref().is_none_or(|(known, ..)| contrast > *known)
            {
                best = Some((contrast, low, high));
            }
        }
        let sides = best.map(|(_, low, high)| (low, high));
        let enough = LEAST_GROWTH.max(self.first.cast_signed() / 50);
        let Some((low, high)) = sides.filter(|_| self.all.growth >= enough) else {
            return (Grows::Undetermined, sides);
        };
        let (idle, busy) = (low.growth_rate(), high.growth_rate());
        let grows = if idle <= 0.0 && busy <= 0.0 {
            Grows::Undetermined
        } else if idle >= OF_TIME * busy {
            Grows::WhileIdle
        } else if idle <= OF_WORK * busy {
            Grows::WithLoad
        } else {
            Grows::Both
        };
        (grows, sides)
    }
}

impl Bursts {
    /// A stretch with far less work than usual is rest; one with more than usual after it begins a burst.
    fn add(&mut self, stretch: &Sum, usual: f64, least: u64) {
        let rate = stretch.work_rate();
        let ended = std::mem::take(&mut self.ended);
        if rate <= usual / 4.0 {
            self.burst = None;
            self.resting += stretch.seconds;
            return;
        }
        let rest = std::mem::take(&mut self.resting);
        if rate <= usual {
            self.ended = rest;
        } else if rest.max(ended) >= LEAST_REST && stretch.work >= least {
            self.burst = Some((rest.max(ended), 0, false));
        }
        let Some((rest, growth, counted)) = &mut self.burst else { return };
        *growth = growth.saturating_add(stretch.growth);
        if *counted {
            self.growth = self.growth.saturating_add(stretch.growth);
        } else if *growth >= LEAST_BURST {
            *counted = true;
            self.count = self.count.saturating_add(1);
            self.growth = self.growth.saturating_add(*growth);
            self.rests += *rest;
        }
    }
}

fn sum(classes: &[Sum]) -> Sum {
    classes.iter().fold(Sum::default(), |mut all, class| {
        all.add(class);
        all
    })
}

fn class_of(kind: Work, rate: f64) -> usize {
    let least = match kind {
        // Milliseconds a second.
        Work::ProcessorTime => 1000.0 * LEAST_SHARE,
        Work::Operations => LEAST_OPERATIONS,
    };
    let mut class = 0;
    let mut from = least;
    while class < CLASSES - 1 && rate >= from {
        class += 1;
        from *= 2.0;
    }
    class
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^53")]
const fn signed(value: i64) -> f64 {
    value as f64
}

/// To thousandths: more is not known.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A life in stretches of two seconds: bytes and milliseconds of each.
    fn load(stretches: impl IntoIterator<Item = (i64, u64)>) -> Pattern {
        let mut load = Load::default();
        let mut point = Point { at: Duration::ZERO, memory: 100 * MIB, work: 0 };
        load.note(Work::ProcessorTime, point);
        for (growth, work) in stretches {
            point.at += SHORTEST;
            point.memory = point.memory.checked_add_signed(growth).unwrap();
            point.work += work;
            load.note(Work::ProcessorTime, point);
        }
        load.pattern().unwrap()
    }

    #[test]
    fn what_grows_with_work_is_told_from_what_grows_with_time() {
        let phases =
            |idle: i64, busy: i64| load((0..60).map(|n| if n % 20 < 10 { (idle, 1) } else { (busy, 600) }));
        assert_eq!(phases(0, 1 << 20).grows, Grows::WithLoad);
        assert_eq!(phases(1 << 20, 1 << 20).grows, Grows::WhileIdle);
        assert_eq!(phases(1 << 20, 3 << 20).grows, Grows::Both);
        assert_eq!(phases(0, 0x100).grows, Grows::Undetermined, "that is no growth");
        let pattern = phases(0, 1 << 20);
        let (idle, busy) = (pattern.idle.unwrap(), pattern.busy.unwrap());
        assert_eq!((idle.growth_bytes, idle.work, idle.seconds), (0, 30, 60.0));
        assert_eq!((busy.growth_bytes, busy.work, busy.seconds), (30 << 20, 18_000, 60.0));
    }

    /// A few requests that cost next to nothing are no rest: nobody can say then.
    #[test]
    fn without_contrast_nothing_is_said() {
        assert_eq!(load((0..60).map(|_| (1 << 20, 3))).grows, Grows::Undetermined);
        assert_eq!(load((0..60).map(|n| (1 << 20, 100 + n))).grows, Grows::Undetermined);
        let one = load((0..60).map(|n| if n == 30 { (1 << 20, 900) } else { (1 << 20, 0) }));
        assert_eq!(one.grows, Grows::Undetermined, "one stretch is no side");
    }

    #[test]
    fn r028_bursts_after_rest_are_counted_with_the_rest_before_them() {
        let pattern = load((0..90).map(|n| if n % 30 < 28 { (0, 0) } else { (4 << 20, 900) }));
        assert_eq!(pattern.bursts, 3, "{pattern:?}");
        assert!((pattern.rest_seconds.unwrap() - 56.0).abs() < 1.0, "{pattern:?}");
        assert_eq!(pattern.grows, Grows::WithLoad);
        assert!(pattern.burst_share.unwrap() >= 0.9, "{pattern:?}");
        let steady = load((0..90).map(|_| (1 << 20, 500)));
        assert_eq!((steady.bursts, steady.burst_share, steady.rest_seconds), (0, None, None));
    }

    /// Looks do not begin with the work: the stretch in which the rest ends is neither the one nor the other.
    #[test]
    fn r028_a_burst_that_begins_within_a_stretch_is_counted() {
        let busy = (1 << 20, 600);
        let lives = [vec![busy; 3], vec![(0, 0); 6], vec![(1 << 19, 200)], vec![busy; 3]].concat();
        let pattern = load(lives);
        assert_eq!((pattern.bursts, pattern.rest_seconds), (1, Some(12.0)), "{pattern:?}");
        let slow = [vec![busy; 3], vec![(0, 0); 6], vec![(1 << 19, 200); 2], vec![busy; 3]].concat();
        assert_eq!(load(slow).bursts, 0, "what had gone on for a while was no rest");
    }

    /// Processor time is counted in hundredths of a second: a program that needs a little all the time rests and bursts
    /// by the count alone.
    #[test]
    fn ticks_of_a_steady_program_are_no_bursts() {
        let steady = load((0..200).map(|n| (100 << 10, if n % 4 == 0 { 10 } else { 0 })));
        assert_eq!((steady.bursts, steady.burst_share), (0, None), "{steady:?}");
        assert_eq!(steady.grows, Grows::Undetermined);
    }

    #[test]
    fn memory_that_is_kept_and_used_again_has_an_old_peak() {
        let kept = load((0..60).map(|n| if n < 5 { (10 << 20, 500) } else { (0, 500) }));
        assert!(kept.since_peak_seconds >= 100.0 && kept.since_peak_work >= 25_000, "{kept:?}");
        assert_eq!(kept.fell_bytes, 0);
        let until = Stretch { seconds: 10.0, growth_bytes: 50 << 20, work: 2500 };
        assert_eq!(kept.until_peak, Some(until));
        let given_back = load((0..60).map(|n| if n % 10 == 9 { (-9 << 20, 0) } else { (1 << 20, 500) }));
        assert_eq!(given_back.fell_bytes, 9 << 20);
        let leaking = load((0..60).map(|_| (1 << 20, 500)));
        assert!(leaking.since_peak_seconds <= 2.0, "{leaking:?}");
    }

    /// Of a tree: one of its processes ends, and what it had done is not counted any more.
    #[test]
    fn work_of_a_process_that_is_gone_was_done() {
        let mut load = Load::default();
        let mut point = Point { at: Duration::ZERO, memory: 100 << 20, work: 50_000 };
        load.note(Work::ProcessorTime, point);
        for n in 0..40 {
            point.at += SHORTEST;
            point.memory += if n < 10 { 1 << 20 } else { 0 };
            point.work = if n == 20 { 10 } else { point.work + 500 };
            load.note(Work::ProcessorTime, point);
        }
        let pattern = load.pattern().unwrap();
        assert_eq!(
            (pattern.until_peak.unwrap().work, pattern.since_peak_work),
            (5000, 29 * 500),
            "{pattern:?}"
        );
    }

    #[test]
    fn what_does_not_move_takes_no_room_and_another_count_begins_anew() {
        let mut load = Load::default();
        for second in 0..100 {
            let at = Duration::from_secs(3 * second);
            load.note(Work::ProcessorTime, Point { at, memory: 7, work: second });
        }
        assert!(load.sums.is_none() && load.pattern().is_none());
        let at = Duration::from_secs(400);
        load.note(Work::Operations, Point { at, memory: 1 << 30, work: 1 });
        assert!(load.pattern().is_none());
    }
}
