//! What the registry must hold, as far as it has not lost it.

use std::collections::{BTreeMap, BTreeSet};

use scupper_fleet::{AgentId, Epoch, Fence, Incarnation};

/// What is known of one name.
#[derive(Clone, Default)]
pub struct Named {
    /// The incarnation that lives.
    pub lives: Option<Epoch>,
    /// When its lease ends, for the store.
    pub deadline: u64,
    /// What it keeps.
    pub items: BTreeMap<String, Vec<u8>>,
    /// Its cleanup.
    pub cleanup: Option<Cleanup>,
    /// Two coordinators hold the same claim: its fence was not a new one when it was taken on.
    pub shared: bool,
    /// The claim that was completed last, and what was deleted in all: whoever asks with it is answered again.
    pub done: Option<(Fence, u64)>,
    /// Claims that were objected to.
    pub aborted: BTreeSet<Fence>,
}

#[derive(Clone)]
pub struct Cleanup {
    pub epoch: Epoch,
    pub fence: Fence,
    pub until: u64,
    pub begun: bool,
    pub deleted: u64,
    pub left_itself: bool,
}

#[derive(Clone, Default)]
pub struct Model {
    names: BTreeMap<AgentId, Named>,
    /// Everybody who was accepted, and how it ended.
    registered: BTreeMap<Incarnation, Ended>,
    /// Those whom the registry forgot.
    lost: BTreeSet<Incarnation>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Ended {
    completed: u64,
    taken_over: bool,
}

impl Model {
    pub fn named(&mut self, id: &AgentId) -> &mut Named {
        self.names.entry(id.clone()).or_default()
    }

    pub fn of(&self, id: &AgentId) -> Named {
        self.names.get(id).cloned().unwrap_or_default()
    }

    pub fn is_living(&self, who: &Incarnation) -> bool {
        self.names.get(&who.id).is_some_and(|named| named.lives == Some(who.epoch))
    }

    pub fn living(&self) -> impl Iterator<Item = (&AgentId, Epoch, &BTreeMap<String, Vec<u8>>)> {
        self.names.iter().filter_map(|(id, named)| Some((id, named.lives?, &named.items)))
    }

    pub fn claimed(&self) -> Vec<AgentId> {
        let claimed = self.names.iter().filter(|(_, named)| named.cleanup.is_some());
        claimed.map(|(id, _)| id.clone()).collect()
    }

    pub fn largest_epoch(&self) -> Option<Epoch> {
        self.registered.keys().chain(&self.lost).map(|who| who.epoch).max()
    }

    pub fn knows(&self, who: &Incarnation) -> bool {
        self.registered.contains_key(who)
    }

    pub fn has_lost(&self, who: &Incarnation) -> bool {
        self.lost.contains(who)
    }

    pub fn accepted(&mut self, who: &Incarnation, deadline: u64) {
        let before = self.named(&who.id).lives;
        if let Some(epoch) = before.filter(|before| *before != who.epoch) {
            let before = Incarnation { id: who.id.clone(), epoch };
            self.registered.entry(before).or_default().taken_over = true;
        }
        self.registered.entry(who.clone()).or_default();
        let named = self.named(&who.id);
        named.lives = Some(who.epoch);
        named.deadline = deadline;
    }

    /// Gives how many times this one was completed.
    pub fn completed(&mut self, who: &Incarnation) -> u64 {
        let named = self.named(&who.id);
        named.items.clear();
        named.shared = false;
        named.cleanup = None;
        named.lives = None;
        let ended = self.registered.entry(who.clone()).or_default();
        ended.completed += 1;
        ended.completed
    }

    pub fn completions_of(&self, name: &str) -> u64 {
        let of = self.registered.iter().filter(|(who, _)| who.id.as_str() == name);
        of.map(|(_, ended)| ended.completed).sum()
    }

    pub fn unended(&self) -> impl Iterator<Item = &Incarnation> {
        self.registered.iter().filter(|(_, ended)| **ended == Ended::default()).map(|(who, _)| who)
    }

    /// This is what the registry came up with; `after` is what it held before.
    pub fn forgot(&mut self, after: &Self) {
        self.lost.clone_from(&after.lost);
        let forgotten = after.registered.keys().filter(|who| !self.registered.contains_key(*who));
        self.lost.extend(forgotten.cloned());
    }
}
