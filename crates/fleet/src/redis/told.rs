//! What the registry was last told of each agent. A lease needs no report and no mirrored heartbeat, and these cost the server
//! several times what the lease does. A report goes along when it is news, and what an agent takes once in every period by which
//! the fleet's memory is kept (a fifth of the registry's leak window, which its answers say).

use std::collections::HashMap;
use std::time::Duration;

use scupper_model::{Bytes, Timestamp};

use crate::{AgentId, Answer, Beat, Beaten, Epoch, Report};

/// Agents that are remembered.
const MOST: usize = 100_000;
const MINUTE_MILLIS: u64 = 60_000;
/// A size that has changed by more than this part of what it was is news.
const NEWS: u64 = 16;
/// Minutes after which seed 004's readers are told of a memory that is the same: the key that says it lives for an hour.
const AGAIN: u64 = 10;

/// What goes along with one heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each goes along or does not")]
pub(super) struct Along {
    /// What it takes: the sample of this period.
    pub(super) sample: bool,
    /// All of its report.
    pub(super) news: bool,
    /// What seed 004's readers see of its heartbeat...
    pub(super) mirror: bool,
    /// ...and of its memory.
    pub(super) memory: bool,
}

struct Last {
    epoch: Epoch,
    /// The report that was last sent.
    report: Option<Report>,
    /// In which period of the server's clock what it takes was sent last...
    sample: Option<u64>,
    /// ...and in which minute it was mirrored last.
    memory: Option<u64>,
    mirrored: bool,
}

/// All of them, and the server's time.
pub(super) struct Told {
    /// Between two samples.
    period: u64,
    /// Whatever the server says of it: for a measurement.
    fixed: bool,
    agents: HashMap<AgentId, Last>,
    /// What its time was, and when it said so.
    time: Option<(Timestamp, Duration)>,
}

impl Default for Told {
    fn default() -> Self {
        Self { period: MINUTE_MILLIS, fixed: false, agents: HashMap::new(), time: None }
    }
}

impl Told {
    /// Between two samples of what an agent takes, in milliseconds.
    pub(super) const fn period(&self) -> u64 {
        self.period
    }

    /// The registry wants them so often: by its answer to a heartbeat that had samples of another period.
    pub(super) fn samples_every(&mut self, period: u64) {
        if !self.fixed && period > 0 && period != self.period {
            self.period = period;
            for last in self.agents.values_mut() {
                last.sample = None;
            }
        }
    }

    /// They are sent so often whatever the registry says: for a measurement.
    pub(super) fn sample_every(&mut self, time: Duration) {
        self.period = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        self.fixed = true;
    }

    /// By which it is known for how long the key with an agent's memory has been there.
    fn minute(&self) -> u64 {
        self.period.min(MINUTE_MILLIS)
    }

    /// What goes along with these heartbeats, at this time since boot.
    pub(super) fn along(&self, beats: &[Beat], seed: bool, now: Duration) -> Vec<Along> {
        let time = self.time.map(|(said, at)| {
            let passed = u64::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
            said.0.saturating_add(passed)
        });
        let (nth, minute) = (time.map(|time| time / self.period), time.map(|time| time / self.minute()));
        let one = |beat: &Beat| {
            let last = self.agents.get(&beat.who.id).filter(|last| last.epoch == beat.who.epoch);
            let Some(report) = &beat.report else {
                return Along { mirror: seed && !last.is_some_and(|last| last.mirrored), ..Along::default() };
            };
            let told = last.and_then(|last| last.report.as_ref());
            let news = told.is_none_or(|told| is_news(told, report));
            let sample = news || nth.is_none() || last.and_then(|last| last.sample) != nth;
            // Every second heartbeat is enough for seed 004's readers, and those with news: 60 s are less than their 120 s.
            let mirror = seed && (sample || !last.is_some_and(|last| last.mirrored));
            let is_old = |at: u64| minute.is_none_or(|minute| minute.abs_diff(at) >= AGAIN);
            let memory = mirror && (news || last.and_then(|last| last.memory).is_none_or(is_old));
            Along { sample, news, mirror, memory }
        };
        beats.iter().map(one).collect()
    }

    /// They were answered. Whoever had no answer is told everything again.
    pub(super) fn answered(
        &mut self,
        beats: &[Beat],
        along: &[Along],
        beaten: Option<&Beaten>,
        now: Duration,
    ) {
        let Some(beaten) = beaten else {
            for beat in beats {
                self.agents.remove(&beat.who.id);
            }
            return;
        };
        self.time = Some((beaten.now, now));
        let (nth, minute) = (beaten.now.0 / self.period, beaten.now.0 / self.minute());
        for ((beat, along), answer) in beats.iter().zip(along).zip(&beaten.answers) {
            if matches!(answer, Answer::Fenced { .. }) {
                self.agents.remove(&beat.who.id);
                continue;
            }
            if self.agents.len() >= MOST && !self.agents.contains_key(&beat.who.id) {
                self.agents.clear();
            }
            let fresh = || Last::new(beat.who.epoch);
            let last = self.agents.entry(beat.who.id.clone()).or_insert_with(fresh);
            if last.epoch != beat.who.epoch {
                *last = fresh();
            }
            last.mirrored = along.mirror;
            if along.sample {
                last.sample = Some(nth);
            }
            if along.memory {
                last.memory = Some(minute);
            }
            if let Some(report) = beat.report.as_ref().filter(|_| along.news) {
                last.report = Some(report.clone());
            }
        }
    }
}

impl Last {
    const fn new(epoch: Epoch) -> Self {
        Self { epoch, report: None, sample: None, memory: None, mirrored: false }
    }
}

/// Whether it says something else than what was told.
fn is_news(told: &Report, report: &Report) -> bool {
    let differs = |told: Option<Bytes>, said: Option<Bytes>| match (told, said) {
        (Some(told), Some(said)) => told.0.abs_diff(said.0) > told.0 / NEWS,
        (told, said) => told != said,
    };
    let (before, now) = (&told.memory, &report.memory);
    told.state != report.state
        || told.verdict != report.verdict
        || differs(before.rss, now.rss)
        || differs(before.heap_used, now.heap_used)
        || differs(before.heap_total, now.heap_total)
        || differs(before.external, now.external)
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R104.

    use super::*;
    use crate::MemoryUse;

    fn beat(epoch: u64, rss: u64) -> Beat {
        let memory = MemoryUse { rss: Some(Bytes(rss)), ..MemoryUse::default() };
        let report = Some(Report { memory, ..Report::default() });
        Beat { who: crate::Incarnation { id: "a".parse().unwrap(), epoch: Epoch(epoch) }, report }
    }

    /// The heartbeat is sent at this second of the server's, and answered.
    fn sent(told: &mut Told, beat: &Beat, second: u64) -> Along {
        let (beats, now) = (std::slice::from_ref(beat), Duration::from_secs(second + 1000));
        let along = told.along(beats, true, now);
        let answers = vec![Answer::Accepted { directive: None }];
        let beaten = Beaten { now: Timestamp(second * 1000), answers };
        told.answered(beats, &along, Some(&beaten), now);
        along[0]
    }

    const ALL: Along = Along { sample: true, news: true, mirror: true, memory: true };
    const LEASE: Along = Along { sample: false, news: false, mirror: false, memory: false };
    const MIRROR: Along = Along { mirror: true, ..LEASE };
    const SAMPLE: Along = Along { sample: true, ..MIRROR };

    #[test]
    fn r104_every_minute_has_a_sample_of_everybody_and_the_other_heartbeats_are_lean() {
        let mut told = Told::default();
        let said: Vec<_> = (0..8).map(|n| sent(&mut told, &beat(1, 1000 + n), 600 + n * 30)).collect();
        assert_eq!(said, [ALL, LEASE, SAMPLE, LEASE, SAMPLE, LEASE, SAMPLE, LEASE]);
        // However late: the server's minute counts.
        assert_eq!(sent(&mut told, &beat(1, 1000), 839), MIRROR);
        assert_eq!(sent(&mut told, &beat(1, 1000), 840), SAMPLE);
        // The key with the memory is to live on.
        assert_eq!(sent(&mut told, &beat(1, 1000), 1200), Along { memory: true, ..SAMPLE });
        assert_eq!(sent(&mut told, &beat(1, 1000), 1260), SAMPLE);
    }

    #[test]
    fn what_is_news_is_told_at_once() {
        let mut told = Told::default();
        sent(&mut told, &beat(1, 1600), 600);
        assert!(!sent(&mut told, &beat(1, 1700), 601).news);
        assert_eq!(sent(&mut told, &beat(1, 1701), 602), ALL, "more than a sixteenth");
        assert!(sent(&mut told, &beat(1, 1500), 603).news);
        let mut busy = beat(1, 1500);
        busy.report.as_mut().unwrap().state = "busy".to_owned();
        assert!(sent(&mut told, &busy, 604).news);
        assert_eq!(sent(&mut told, &beat(2, 1500), 605), ALL, "another incarnation");
    }

    #[test]
    fn whoever_had_no_answer_is_told_of_again() {
        let mut told = Told::default();
        let beats = [beat(1, 1000)];
        let now = Duration::from_secs(1600);
        sent(&mut told, &beats[0], 600);
        let along = told.along(&beats, true, now);
        assert_eq!(along, [LEASE]);
        told.answered(&beats, &along, None, now);
        assert_eq!(told.along(&beats, true, now), [ALL]);
        sent(&mut told, &beats[0], 601);
        let fenced = Beaten { now: Timestamp(602_000), answers: vec![Answer::Fenced { by: None }] };
        told.answered(&beats, &along, Some(&fenced), now);
        assert_eq!(told.along(&beats, false, now), [Along { mirror: false, memory: false, ..ALL }]);
    }
}
