//! One number over time. A number that never changed costs no more than itself: the detector's series, 8 KiB, is made at
//! the first change, and is then given what came before. Most numbers of most units are idle.

use std::fmt;
use std::time::Duration;

use scupper_detect::{Assessment, Sample, Series, Settings, Verdict, exact};
use scupper_model::{Judged, time_to_limit};

use crate::unit::Leak;

/// Looks near a limit come every 20 ms; to judge, so many are enough.
const SPACING: Duration = Duration::from_millis(250);
/// A flat stretch is given to a series in steps of this share of its age, so that every ring of it is filled.
const REPLAY_SHARE: u32 = 64;
/// At most one event of a series in this time; the last state wins. Only what gets worse is told at once.
const TOLD_EVERY: Duration = Duration::from_mins(1);
/// A closer look is worth it when a number has risen by this, and by this part of what it was.
const LEAST_MEMORY: u64 = 1 << 20;
const LEAST_COUNT: u64 = 3;
const LEAST_PART: u64 = 50;
/// The same history is told again after this time, unless it got worse.
const RECORDED_EVERY: Duration = Duration::from_mins(10);
/// A verdict on a flat stretch holds until it has lasted this share longer, in percent.
const FLAT_AGAIN: u32 = 25;

/// Whether one more series may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    Full,
}

/// One number, and what was said of it.
pub(super) struct Line {
    settings: Settings,
    kept: Kept,
    first: Option<(Duration, u64)>,
    last: Option<(Duration, u64)>,
    /// When a closer look was last wished for because it rises, and what it was then.
    suspected: Option<(Duration, u64)>,
    /// When its history was last recorded, and how bad it was then.
    recorded: Option<(Duration, Verdict)>,
    /// Operations at the beginning and at the end of a flat stretch.
    operations: Option<(u64, u64)>,
    told: Told,
}

enum Kept {
    Flat { since: Duration, samples: u32, known: Option<(Duration, Box<Assessment>)> },
    Series(Box<Series>),
}

impl Line {
    pub(super) fn new(settings: Settings) -> Self {
        let kept = Kept::Flat { since: Duration::ZERO, samples: 0, known: None };
        Self {
            settings,
            kept,
            first: None,
            last: None,
            suspected: None,
            recorded: None,
            operations: None,
            told: Told::default(),
        }
    }

    /// Takes a value, unless it comes too soon after the last one. `limit` is what the forecast is about, `operations` how
    /// many were counted by then.
    pub(super) fn push(
        &mut self,
        now: Duration,
        value: u64,
        (limit, operations): (Option<u64>, Option<u64>),
        room: Room,
    ) {
        if self.last.is_some_and(|(at, _)| now < at + SPACING) {
            return;
        }
        self.set_limit(limit.map(exact));
        self.first.get_or_insert((now, value));
        let last = self.last.replace((now, value));
        match (&mut self.kept, last) {
            (Kept::Series(series), _) => {
                // Time and value were checked: what is refused changes nothing.
                push(series, Sample::new(now, value), operations);
                series.assess();
            }
            (Kept::Flat { samples, .. }, Some((_, before))) if before == value => {
                *samples += 1;
                self.operations = operations.map(|now| (self.operations.map_or(now, |(then, _)| then), now));
            }
            (Kept::Flat { since, samples, .. }, Some((until, before))) if room == Room::Free => {
                let mut series = replayed(self.settings, (*since, until), *samples, before, self.operations);
                push(&mut series, Sample::new(now, value), operations);
                series.assess();
                self.kept = Kept::Series(series);
            }
            // The first value, or one more that there is no room for: from here on it is flat.
            (Kept::Flat { .. }, _) => {
                self.kept = Kept::Flat { since: now, samples: 1, known: None };
                self.operations = operations.map(|now| (now, now));
            }
        }
    }

    /// It has held its value until then, through so many looks.
    pub(super) fn held(&mut self, until: Duration, looks: u32) {
        if let (Kept::Flat { samples, .. }, Some((at, _))) = (&mut self.kept, &mut self.last) {
            *samples += looks;
            *at = until.max(*at);
        }
    }

    fn set_limit(&mut self, limit: Option<f64>) {
        self.settings.limit = limit;
        if let Kept::Series(series) = &mut self.kept {
            series.set_limit(limit);
        }
    }

    /// The last word on it: it has ended.
    pub(super) fn conclude(&mut self) {
        if let Kept::Series(series) = &mut self.kept {
            series.conclude();
        }
    }

    /// Another life begins: what was is compared with nothing that comes.
    pub(super) fn begin_epoch(&mut self) {
        let told = Told { state: State::default(), ..self.told };
        *self = Self { told, ..Self::new(self.settings) };
    }

    /// Whether it holds a series of the detector.
    pub(super) const fn has_series(&self) -> bool {
        matches!(self.kept, Kept::Series(_))
    }

    /// The last value.
    pub(super) fn value(&self) -> Option<u64> {
        self.last.map(|(_, value)| value)
    }

    /// How much more it is than it was at first.
    pub(super) fn grown(&self) -> Option<u64> {
        Some(self.last?.1.saturating_sub(self.first?.1))
    }

    /// Whether it is worth a closer look: it has risen since it was first seen. Asked once; again only where it is known to be calm, when
    /// it has risen once more and is at least twice as old: what a leak is compared with must not be what it was a moment
    /// ago, nor what it was before everybody warmed up.
    pub(super) fn suspects(&mut self) -> bool {
        let (Some((began, first)), Some((now, value))) = (self.first, self.last) else { return false };
        let level = self.suspected.map_or(first, |(_, value)| value);
        let least = match self.settings.quantity {
            scupper_detect::Quantity::Bytes => LEAST_MEMORY.max(level / LEAST_PART),
            scupper_detect::Quantity::Count | scupper_detect::Quantity::Percent => {
                LEAST_COUNT.max(level / LEAST_PART)
            }
        };
        if value < level.saturating_add(least) {
            return false;
        }
        if let Some((then, _)) = self.suspected {
            let twice = now.saturating_sub(began) >= then.saturating_sub(began).saturating_mul(2);
            if !twice || self.verdict() >= Verdict::Unknown {
                return false;
            }
        }
        self.suspected = Some((now, value));
        true
    }

    /// Whether its history is to be recorded now, since it is as bad as this. Noted as done.
    pub(super) fn is_to_be_recorded(&mut self, now: Duration, verdict: Verdict) -> bool {
        let known = self.recorded.is_some_and(|(at, then)| verdict <= then && now < at + RECORDED_EVERY);
        if !known {
            self.recorded = Some((now, verdict));
        }
        !known
    }

    /// Whether its history was recorded.
    pub(super) const fn was_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// When it was what, the oldest first: the floor of what was seen, and the last value.
    pub(super) fn points(&self) -> Vec<(Duration, u64)> {
        let mut points: Vec<(Duration, u64)> = match &self.kept {
            Kept::Series(series) => {
                series.curve().floor.into_iter().map(|(at, value)| (at, whole(value))).collect()
            }
            Kept::Flat { since, .. } => self.last.map(|(_, value)| (*since, value)).into_iter().collect(),
        };
        let last = self.last.filter(|(at, _)| points.last().is_none_or(|(before, _)| before < at));
        points.extend(last);
        points
    }

    /// What is thought of it. A flat stretch is judged when somebody asks.
    pub(super) fn assessment(&mut self) -> &Assessment {
        match &mut self.kept {
            Kept::Series(series) => series.assessment(),
            Kept::Flat { since, samples, known } => {
                let (until, value) = self.last.unwrap_or_default();
                let lasted = until.saturating_sub(*since);
                if known.as_ref().is_none_or(|(then, _)| lasted > *then + *then * FLAT_AGAIN / 100) {
                    let mut series = replayed(self.settings, (*since, until), *samples, value, None);
                    *known = Some((lasted, Box::new(series.assess().clone())));
                }
                // The line above has just filled it.
                &known.get_or_insert_with(|| (lasted, Box::default())).1
            }
        }
    }

    /// The same as it is told at `now`.
    pub(super) fn judged(&mut self, now: Duration) -> Judged {
        let since = self.last.map_or(Duration::ZERO, |(at, _)| now.saturating_sub(at));
        Judged::of(self.assessment(), since)
    }

    /// The verdict, as far as it is known without judging a flat stretch.
    fn state(&self) -> State {
        match &self.kept {
            Kept::Series(series) => State::of(series.assessment()),
            Kept::Flat { known, .. } => known.as_ref().map_or(self.told.state, |(_, known)| State::of(known)),
        }
    }

    /// Whether it leaks, or reaches its limit soon.
    pub(super) fn leak(&self, now: Duration) -> Option<Leak> {
        let Kept::Series(series) = &self.kept else { return None };
        let assessment = series.assessment();
        let since = self.last.map_or(Duration::ZERO, |(at, _)| now.saturating_sub(at));
        assessment.is_urgent().then(|| Leak { time_to_limit: time_to_limit(assessment.forecast, since) })
    }

    /// The word, as far as it is known without judging a flat stretch.
    pub(super) fn verdict(&self) -> Verdict {
        self.state().verdict
    }

    /// Whether it is proven a leak.
    pub(super) fn leaks(&self) -> bool {
        self.verdict() == Verdict::Leaking
    }

    /// Whether it grows, and is judged at least as badly as `whole`, which it is a part of.
    pub(super) fn explains(&self, whole: &Self) -> bool {
        let (part, whole) = (self.state().verdict, whole.state().verdict);
        part >= Verdict::Growing && part >= whole
    }

    /// A change that is to be told now: what was said before. Noted as said.
    pub(super) fn news(&mut self, now: Duration) -> Option<Verdict> {
        self.told.news(now, self.state())
    }

    /// The same, without what changes from one calm state to another: that is noted, and told by nobody.
    pub(super) fn loud_news(&mut self, now: Duration) -> Option<Verdict> {
        let state = self.state();
        if state.is_calm() && self.told.state.is_calm() {
            self.told.state = state;
            return None;
        }
        self.told.news(now, state)
    }
}

/// What an event would say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    verdict: Verdict,
    urgent: bool,
}

impl State {
    fn of(assessment: &Assessment) -> Self {
        Self { verdict: assessment.verdict, urgent: assessment.is_urgent() }
    }

    /// Whether it neither grows nor wakes anybody.
    fn is_calm(self) -> bool {
        self.verdict < Verdict::Growing && !self.urgent
    }

    /// Whether it wants to be heard at once after `other`.
    fn is_louder(self, other: Self) -> bool {
        let loudness = |state: Self| (state.verdict == Verdict::Leaking, state.urgent);
        loudness(self) > loudness(other)
    }
}

/// What was told last, and when.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    state: State,
    at: Option<Duration>,
}

impl Told {
    /// Whether this is to be told now; what was told before it.
    fn news(&mut self, now: Duration, state: State) -> Option<Verdict> {
        let soon = self.at.is_some_and(|at| now < at + TOLD_EVERY);
        if state == self.state || (soon && !state.is_louder(self.state)) {
            return None;
        }
        self.at = Some(now);
        Some(std::mem::replace(&mut self.state, state).verdict)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("last", &self.last).field("state", &self.state()).finish_non_exhaustive()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "values came from whole numbers")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

/// A series that has seen one value for that long. Steps are the longer the further back they lie.
fn replayed(
    settings: Settings,
    (since, until): (Duration, Duration),
    samples: u32,
    value: u64,
    operations: Option<(u64, u64)>,
) -> Box<Series> {
    let mut series = Box::new(Series::new(settings));
    let usual = until.saturating_sub(since) / samples.saturating_sub(1).max(1);
    let mut at = since;
    let mut first = operations.map(|(first, _)| first);
    while at < until {
        push(&mut series, Sample::new(at, value), first.take());
        at += (until.saturating_sub(at) / REPLAY_SHARE).max(usual).max(SPACING);
    }
    push(&mut series, Sample::new(until, value), operations.map(|(_, last)| last));
    series
}

fn push(series: &mut Series, sample: Sample, operations: Option<u64>) {
    let _ = match operations {
        Some(operations) => series.push_counted(sample, operations),
        None => series.push(sample),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first word that it leaks is told at once; that it does not, only when that has lasted or a minute has passed.
    #[test]
    fn a_flapping_verdict_floods_nobody() {
        let of = |verdict| State { verdict, urgent: verdict == Verdict::Leaking };
        let mut told = Told::default();
        let mut heard = Vec::new();
        for second in 0..600_u64 {
            let verdict = if second % 7 < 3 { Verdict::Growing } else { Verdict::Leaking };
            if told.news(Duration::from_secs(second), of(verdict)).is_some() {
                heard.push((second, verdict));
            }
        }
        assert_eq!(heard[..2], [(0, Verdict::Growing), (3, Verdict::Leaking)]);
        assert!(heard.len() <= 21, "{heard:?}");
        // The last state wins.
        assert_eq!(told.news(Duration::from_secs(700), of(Verdict::Stable)), Some(heard[heard.len() - 1].1));
        assert_eq!(told.news(Duration::from_secs(701), of(Verdict::Stable)), None);
    }
}
