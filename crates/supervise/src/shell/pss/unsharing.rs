//! When what was shared may be shared no more: a process that writes to pages it has from its parent gets copies of its own.
//! Its RSS stays what it was, so that nothing but another reading tells. But each copy is a page fault, and these are
//! counted: what may have ceased to be shared is no more than what was faulted in since. Near a limit all are read again when
//! that is a part of what is left to it, long before their time.
//!
//! Faults have other reasons as well. A reading that was made for them and found nothing makes the next one rest longer, up
//! to what any reading rests.

use std::collections::HashMap;
use std::time::Duration;

use scupper_model::{Identity, Pid};
use scupper_probe::Proc;

use super::REST;

/// After a reading the thread rests for this many times what it took, before it reads again for this reason.
const LEAST_REST: u32 = 5;
/// This part of what is left to the limit is worth a reading.
const PART: u64 = 4;
/// And this part of the limit, where next to nothing is left.
const LEAST: u64 = 200;
/// A tree is taken to grow by this part of its limit in a second, as where looks are paced.
const PER_SECOND: u64 = 10;
/// A reading that finds so much less to be shared was worth it.
const FOUND: u64 = 1 << 20;

/// How many bytes a process has faulted in since it began.
pub(super) type Faults = fn(&Proc, Pid) -> Option<u64>;

/// What may be shared no more since all were read.
#[derive(Debug)]
pub(super) struct Unsharing {
    pub(super) faults: Faults,
    /// What each had faulted in when it was last read.
    then: HashMap<Identity, u64>,
    /// When all were last read.
    since: Duration,
    /// Nobody asks before this.
    again_at: Duration,
    /// Readings in a row that found nothing, and whether the one at work is another of them.
    fruitless: u32,
    asked: bool,
}

impl Default for Unsharing {
    fn default() -> Self {
        let faults: Faults = |proc, pid| {
            let stat = proc.stat(pid).ok().flatten()?;
            stat.minor_faults.checked_mul(proc.page_size())
        };
        let (since, again_at) = (Duration::ZERO, Duration::ZERO);
        Self { faults, then: HashMap::new(), since, again_at, fruitless: 0, asked: false }
    }
}

impl Unsharing {
    /// Whether so much of what these share may be theirs alone by now that all have to be read. `left` is what is left to
    /// the limit.
    pub(super) fn is_due(
        &mut self,
        proc: &Proc,
        sharing: impl Iterator<Item = (Identity, u64)>,
        (limit, left): (u64, u64),
        now: Duration,
    ) -> bool {
        let least = (left / PART).max(limit / LEAST).max(1);
        let rate = (limit / PER_SECOND).max(1);
        // It cannot have grown by that yet, or was asked a moment ago.
        if now < self.again_at || now < self.since + time_for(least, rate) {
            return false;
        }
        let mut unshared = 0_u64;
        for (identity, shared) in sharing.filter(|(_, shared)| *shared > 0) {
            let faults = (self.faults)(proc, identity.pid).zip(self.then.get(&identity));
            let since = faults.map_or(shared, |(now, then)| now.saturating_sub(*then));
            unshared = unshared.saturating_add(since.min(shared));
        }
        self.asked = unshared >= least;
        if !self.asked {
            self.again_at = now + time_for(least - unshared, rate);
        }
        self.asked
    }

    /// These are being read, or all.
    pub(super) fn note_asked(&mut self, proc: &Proc, identities: &[Identity], all: bool, now: Duration) {
        if all {
            (self.then, self.since) = (HashMap::new(), now);
        }
        for identity in identities {
            if let Some(faults) = (self.faults)(proc, identity.pid) {
                self.then.insert(*identity, faults);
            }
        }
    }

    /// All were read: what they shared before, and what they share now. When that may be done again for this reason, where
    /// it took so long.
    pub(super) fn note_read(&mut self, before: u64, after: u64, took: Duration, now: Duration) {
        let asked = std::mem::take(&mut self.asked);
        if before.saturating_sub(after) >= FOUND {
            self.fruitless = 0;
        } else if asked {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        let rest = LEAST_REST.saturating_mul(1_u32.checked_shl(self.fruitless).unwrap_or(u32::MAX)).min(REST);
        self.again_at = now + if took > super::FREE { took * rest } else { Duration::ZERO };
    }

    /// Another tree.
    pub(super) fn forget(&mut self) {
        *self = Self { faults: self.faults, ..Self::default() };
    }
}

#[expect(clippy::cast_precision_loss, reason = "only a time comes of it")]
fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or(Duration::MAX / 4)
}
