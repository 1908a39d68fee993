//! What a memory store holds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use scupper_model::{Bytes, Timestamp};

use crate::rules::{LostEpochs, MassBrake, Outage};
use crate::words::PERIODS_KEPT;
use crate::{
    AgentId, Claim, CoordinatorId, Directive, Epoch, Event, EventId, Fence, Happened, HostId, Incarnation,
    ItemKind, LeakWindow, Nonce, Process, Reason, Report, SecretHash,
};

/// Events that are kept.
const EVENTS: usize = 10_000;

/// Ended incarnations that are remembered, one of each name, and for how long.
const EPITAPHS: usize = 10_000;
const EPITAPH_KEPT: u64 = 24 * 60 * 60 * 1000;

/// Processes that coordinators are asked to look at.
const DELEGATED: usize = 10_000;

#[derive(Clone)]
pub(super) struct Tables {
    pub members: BTreeMap<AgentId, Member>,
    /// What agents keep, by its owner: never looked for by a pattern.
    pub items: BTreeMap<(AgentId, ItemKind, String), Vec<u8>>,
    /// Who coordinates, where, and until when; no host where it was said that it is lost.
    pub coordinators: BTreeMap<CoordinatorId, (Option<HostId>, Timestamp)>,
    pub turns: BTreeMap<String, (CoordinatorId, Timestamp)>,
    pub epitaphs: BTreeMap<AgentId, Epitaph>,
    pub delegated: BTreeMap<(HostId, Incarnation), Process>,
    /// What everybody took, by the periods of this window.
    pub memory: BTreeMap<u64, HashMap<Incarnation, Bytes>>,
    pub window: Option<LeakWindow>,
    pub last_epoch: Option<Epoch>,
    pub last_fence: Option<Fence>,
    pub lost: LostEpochs,
    pub outage: Outage,
    pub mass: MassBrake,
    /// The phase of the last sweep, for whoever only looks.
    pub held: Option<(u64, u64)>,
    /// Which process the store is, and which it was at the last sweep.
    pub run: u64,
    pub swept_in_run: u64,
    events: VecDeque<(u64, Event)>,
    last_event: u64,
}

#[derive(Clone)]
pub(super) struct Member {
    pub epoch: Epoch,
    pub nonce: Nonce,
    pub resumed: bool,
    pub ttl: Duration,
    pub last_seen: Timestamp,
    pub deadline: Timestamp,
    pub since: Timestamp,
    pub process: Process,
    pub coordinator: Option<CoordinatorId>,
    pub directive: Option<Directive>,
    pub report: Option<Report>,
    pub secret: Option<SecretHash>,
    /// Its cleanup: it is no member any more while this is there.
    pub reaping: Option<Reaping>,
    /// The claim that an objection ended.
    pub aborted: Option<Fence>,
}

#[derive(Clone)]
pub(super) struct Reaping {
    pub claim: Claim,
    /// Who claimed, from which host; nobody where the agent left by itself.
    pub by: Option<(CoordinatorId, HostId)>,
    pub until: Timestamp,
    /// Keys that were deleted so far.
    pub deleted: u64,
    /// Whether anything was, or was about to be.
    pub begun: bool,
}

#[derive(Clone)]
pub(super) struct Epitaph {
    pub at: Timestamp,
    /// The claim that ended with it, and how many keys were deleted; none where it was taken over.
    pub done: Option<(Fence, u64)>,
    pub reason: Reason,
    pub epoch: Epoch,
}

impl Tables {
    pub fn empty(now: Timestamp) -> Self {
        let mut lost = LostEpochs::default();
        lost.came_up(None, now);
        Self {
            members: BTreeMap::new(),
            items: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            turns: BTreeMap::new(),
            epitaphs: BTreeMap::new(),
            delegated: BTreeMap::new(),
            memory: BTreeMap::new(),
            window: None,
            last_epoch: None,
            last_fence: None,
            lost,
            outage: Outage::default(),
            mass: MassBrake::default(),
            held: None,
            run: 0,
            swept_in_run: 0,
            events: VecDeque::new(),
            last_event: 0,
        }
    }

    /// Keeps an event. Heartbeats are only published, and here nobody listens.
    pub fn say(&mut self, event: Event) {
        if matches!(event.what, Happened::HeartbeatSent { .. }) {
            return;
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        // Hybrid-logical as an epoch: whoever follows misses nothing after a restart that forgot the last ones.
        let number = event.at.0.saturating_mul(1000).max(self.last_event.saturating_add(1));
        self.last_event = number;
        self.events.push_back((number, event));
    }

    pub fn events_after(&self, after: Option<&EventId>, limit: usize) -> Vec<(EventId, Event)> {
        // An id that is none is one of a store that was before this one: all that is kept comes after it.
        let after = after.and_then(|id| id.0.parse().ok()).unwrap_or(0_u64);
        let begin = self.events.partition_point(|(number, _)| *number <= after);
        let some = self.events.range(begin..).take(limit);
        some.map(|(number, event)| (EventId(format!("{number:020}")), event.clone())).collect()
    }

    pub fn bury(&mut self, id: &AgentId, epitaph: Epitaph) {
        let now = epitaph.at;
        self.epitaphs.insert(id.clone(), epitaph);
        if self.epitaphs.len() > EPITAPHS {
            self.epitaphs.retain(|_, old| now.0.saturating_sub(old.at.0) < EPITAPH_KEPT);
        }
        while self.epitaphs.len() > EPITAPHS {
            let oldest = self.epitaphs.iter().min_by_key(|(_, old)| old.at).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            self.epitaphs.remove(&oldest);
        }
    }

    /// Asks a host's coordinator to look at a process; gives whether nobody had asked yet.
    pub fn delegate(&mut self, who: Incarnation, process: &Process) -> bool {
        let key = (process.host.clone(), who);
        if self.delegated.len() >= DELEGATED || self.delegated.contains_key(&key) {
            return false;
        }
        self.delegated.insert(key, process.clone());
        true
    }

    pub fn remember(&mut self, now: Timestamp, who: &Incarnation, rss: Bytes) {
        let nth = self.window.unwrap_or_default().nth(now.0);
        self.memory.entry(nth).or_default().insert(who.clone(), rss);
        self.memory.retain(|kept, _| *kept + PERIODS_KEPT > nth);
    }

    pub fn bump_epoch(&mut self, epoch: Epoch) {
        self.last_epoch = self.last_epoch.max(Some(epoch));
    }

    /// Names of what an agent keeps.
    pub fn owned(&self, id: &AgentId) -> impl Iterator<Item = &(AgentId, ItemKind, String)> {
        let first = (id.clone(), ItemKind::State, String::new());
        self.items.range(first..).map(|(key, _)| key).take_while(move |key| key.0 == *id)
    }
}
