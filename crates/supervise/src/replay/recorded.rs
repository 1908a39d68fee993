//! The recorded numbers, and a reader that goes through all of them row by row, as often as the process is started.

use std::time::Duration;

use scupper_detect::Sample;
use scupper_model::Resource;

/// The number of recorded numbers.
const NUMBERS: usize = 7;

/// What was recorded of a unit: for each number its samples, each later than the one before; none where it was not
/// recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recorded<'r> {
    /// Resident memory of the tree, in bytes.
    pub memory: &'r [Sample],
    /// Open descriptors.
    pub descriptors: &'r [Sample],
    /// Threads.
    pub threads: &'r [Sample],
    /// Processes below the main one.
    pub children: &'r [Sample],
    /// Open sockets.
    pub sockets: &'r [Sample],
    /// Processes that nobody waited for.
    pub zombies: &'r [Sample],
    /// Processor time used, in seconds.
    pub cpu_seconds: &'r [Sample],
}

/// One of the recorded numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Of(Resource),
    Zombies,
    Cpu,
}

impl Number {
    /// Resources come in the order of [`Resource::ALL`].
    const fn index(self) -> usize {
        match self {
            Self::Of(resource) => resource as usize,
            Self::Zombies => 5,
            Self::Cpu => 6,
        }
    }
}

impl<'r> Recorded<'r> {
    const fn tracks(&self) -> [&'r [Sample]; NUMBERS] {
        [
            self.memory,
            self.descriptors,
            self.threads,
            self.children,
            self.sockets,
            self.zombies,
            self.cpu_seconds,
        ]
    }

    /// The samples of a resource.
    pub const fn of(&self, resource: Resource) -> &'r [Sample] {
        self.tracks()[resource as usize]
    }

    /// When the first sample was taken.
    pub fn begins(&self) -> Duration {
        self.tracks().iter().filter_map(|track| Some(track.first()?.at)).min().unwrap_or_default()
    }

    /// Time from the first sample to the last.
    pub fn lasts(&self) -> Duration {
        let last = self.tracks().iter().filter_map(|track| Some(track.last()?.at)).max().unwrap_or_default();
        last.saturating_sub(self.begins())
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.tracks().iter().map(|track| track.len()).sum()
    }
}

/// Goes through the rows of a recording.
#[derive(Debug)]
pub(super) struct Rows<'r> {
    tracks: [&'r [Sample]; NUMBERS],
    begins: Duration,
    next: [usize; NUMBERS],
    values: [Option<f64>; NUMBERS],
    fresh: [bool; NUMBERS],
}

impl<'r> Rows<'r> {
    pub(super) fn new(recorded: &Recorded<'r>) -> Self {
        Self {
            tracks: recorded.tracks(),
            begins: recorded.begins(),
            next: [0; NUMBERS],
            values: [None; NUMBERS],
            fresh: [false; NUMBERS],
        }
    }

    /// Begins again.
    pub(super) fn rewind(&mut self) {
        (self.next, self.values) = ([0; NUMBERS], [None; NUMBERS]);
    }

    /// When the next row comes, counted from the first one.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let next = |(track, next): (&&[Sample], &usize)| Some(track.get(*next)?.at);
        let at = self.tracks.iter().zip(&self.next).filter_map(next).min()?;
        Some(at.saturating_sub(self.begins))
    }

    /// Takes all rows up to and at this time.
    pub(super) fn read_until(&mut self, at: Duration) {
        let at = self.begins.saturating_add(at);
        self.fresh = [false; NUMBERS];
        for (number, track) in self.tracks.iter().enumerate() {
            let due = track.get(self.next[number]..).unwrap_or_default();
            let due = due.iter().take_while(|sample| sample.at <= at);
            for sample in due {
                self.next[number] += 1;
                self.values[number] = Some(sample.value);
                self.fresh[number] = true;
            }
        }
    }

    /// What a number is by the rows that were taken.
    pub(super) const fn value(&self, number: Number) -> Option<f64> {
        self.values[number.index()]
    }

    /// The same, where the rows that were taken last say so.
    pub(super) fn fresh(&self, number: Number) -> Option<f64> {
        self.value(number).filter(|_| self.fresh[number.index()])
    }
}

/// A recorded number as the whole number that it was.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
pub(super) const fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(list: &[(u64, f64)]) -> Vec<Sample> {
        list.iter().map(|&(at, value)| Sample { at: Duration::from_secs(at), value }).collect()
    }

    #[test]
    fn rows_are_those_of_all_numbers_and_begin_again() {
        let memory = samples(&[(10, 1.0), (20, 2.0)]);
        let threads = samples(&[(15, 7.0), (20, 8.0)]);
        let recorded = Recorded { memory: &memory, threads: &threads, ..Recorded::default() };
        assert_eq!((recorded.begins(), recorded.lasts()), (Duration::from_secs(10), Duration::from_secs(10)));
        let mut rows = Rows::new(&recorded);
        for _ in 0..2 {
            let mut seen = Vec::new();
            while let Some(at) = rows.next_at() {
                rows.read_until(at);
                let (memory, threads) = (Number::Of(Resource::Memory), Number::Of(Resource::Threads));
                seen.push((at.as_secs(), rows.fresh(memory), rows.value(memory), rows.fresh(threads)));
            }
            assert_eq!(
                seen,
                [
                    (0, Some(1.0), Some(1.0), None),
                    (5, None, Some(1.0), Some(7.0)),
                    (10, Some(2.0), Some(2.0), Some(8.0))
                ]
            );
            rows.rewind();
        }
    }

    #[test]
    fn numbers_have_places_of_their_own() {
        let all = Resource::ALL.map(Number::Of).into_iter().chain([Number::Zombies, Number::Cpu]);
        assert_eq!(all.map(Number::index).collect::<Vec<_>>(), (0..NUMBERS).collect::<Vec<_>>());
    }
}
