//! All times of the protocol, in one place.

use std::time::Duration;

/// The times agents and coordinators agree on. Defaults: seed 004's, and what was measured to be safe beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats, give or take a tenth (seed 004: 30 s).
    pub interval: Duration,
    /// How long a heartbeat is good for (seed 004: 120 s).
    pub ttl: Duration,
    /// How much earlier than the store an agent counts its own lease as over.
    pub margin: Duration,
    /// Silence after which an agent is suspect: said, and nothing done.
    pub suspect: Duration,
    /// Between two sweeps of one coordinator, give or take a tenth.
    pub tick: Duration,
    /// Claims of one sweep.
    pub batch: usize,
    /// How long a claim, and a coordinator itself, is believed without a word.
    pub claim_lease: Duration,
    /// Between the claim and the first deletion: time for others to object (seed 004: 100 ms).
    pub objection: Duration,
    /// A longer silence between two sweeps of anybody means that the registry, or everybody, was away. Where the shortest
    /// lease of any agent is less than four times that, a quarter of it does (but at least three times [`Self::tick`]).
    pub max_gap: Duration,
    /// How long nobody is claimed after that.
    pub grace: Duration,
    /// How long nobody is claimed after too many looked dead at once.
    pub hold: Duration,
    /// Between two looks at agents that were written to seed 004 (its 60 s).
    pub seed_period: Duration,
    /// How long the key of such an agent's heartbeat lives (seed 004: 180 s).
    pub seed_ttl: Duration,
    /// How long an agent that is asked to drain has (seed 004: 30 s).
    pub drain: Duration,
}

impl Timing {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(30),
        ttl: Duration::from_mins(2),
        margin: Duration::from_secs(10),
        suspect: Duration::from_secs(75),
        tick: Duration::from_secs(5),
        batch: 100,
        claim_lease: Duration::from_mins(1),
        objection: Duration::from_millis(100),
        max_gap: Duration::from_secs(30),
        grace: Duration::from_mins(1),
        hold: Duration::from_mins(1),
        seed_period: Duration::from_mins(1),
        seed_ttl: Duration::from_mins(3),
        drain: Duration::from_secs(30),
    };

    /// Everything `times` as fast: a clock for tests, which keeps every proportion.
    #[must_use]
    pub fn faster(self, times: u32) -> Self {
        Self {
            interval: self.interval / times,
            ttl: self.ttl / times,
            margin: self.margin / times,
            suspect: self.suspect / times,
            tick: self.tick / times,
            batch: self.batch,
            claim_lease: self.claim_lease / times,
            objection: self.objection / times,
            max_gap: self.max_gap / times,
            grace: self.grace / times,
            hold: self.hold / times,
            seed_period: self.seed_period / times,
            seed_ttl: self.seed_ttl / times,
            drain: self.drain / times,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}
