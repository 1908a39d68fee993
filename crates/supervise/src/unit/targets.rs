//! Processes of a tree that are being ended one by one while the unit runs on: drained workers, ended helpers.

use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Bytes, EventKind, Identity, SignalReason};

use super::look::{Look, Role, Seen};
use super::machine::{Effect, KILL};

/// Time between the end of one worker's drain and the start of the next, so that the replacement can warm up.
pub const WORKER_SPACING: Duration = Duration::from_secs(1);

/// A killed process that is still there after this long is said to be stuck, once.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// One process on its way out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) identity: Identity,
    pub(super) killed: bool,
    name: Arc<str>,
    role: Role,
    rss: Option<Bytes>,
    started: Duration,
    deadline: Duration,
    stuck_said: bool,
    /// Whom a KILL goes to: the process itself, or what is left of those below a helper that is gone already.
    left: Vec<Identity>,
    below: Vec<Identity>,
}

impl Target {
    /// Whether it, or for a helper anybody who was below it, is still there. A helper that ends and leaves its own children
    /// has not ended yet.
    fn is_there(&mut self, look: &Look) -> bool {
        let lives = |identity: &Identity| look.find(identity).is_some_and(|p| !p.zombie && !p.spared);
        let itself = look.find(&self.identity).is_some_and(|p| !p.zombie);
        self.left = if itself {
            vec![self.identity]
        } else {
            self.below.iter().filter(|identity| lives(identity)).copied().collect()
        };
        !self.left.is_empty()
    }

    fn kill(&mut self, reason: SignalReason, effects: &mut Vec<Effect>) {
        self.killed = true;
        for &target in &self.left {
            effects.push(Effect::Signal { target, signal: KILL, reason, subtree: true });
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Targets {
    list: Vec<Target>,
    last_worker_done: Option<Duration>,
}

impl Targets {
    /// Whether a process is being ended already.
    pub(super) fn contains(&self, identity: &Identity) -> bool {
        self.list.iter().any(|t| t.identity == *identity)
    }

    /// Everybody on the way out.
    pub(super) fn identities(&self) -> Vec<Identity> {
        self.list.iter().map(|t| t.identity).collect()
    }

    /// Those that have been killed: they no longer count.
    pub(super) fn killed(&self) -> impl Iterator<Item = &Target> {
        self.list.iter().filter(|t| t.killed)
    }

    /// Whether anybody is on the way out.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether another worker may be drained now: none is under way, and the last one is some time ago.
    pub(super) fn worker_may_go(&self, now: Duration) -> bool {
        let draining = self.list.iter().any(|t| matches!(t.role, Role::Worker { .. } | Role::PoolWorker));
        !draining && self.last_worker_done.is_none_or(|done| now >= done + WORKER_SPACING)
    }

    /// When the spacing after the last worker is over, if it is not.
    pub(super) fn spacing_until(&self) -> Option<Duration> {
        self.last_worker_done.map(|done| done + WORKER_SPACING)
    }

    /// Starts to end a process: `signal` to it, and to all below it where it is a helper.
    pub(super) fn start(
        &mut self,
        process: &Seen,
        now: Duration,
        grace: Duration,
        signal: i32,
        reason: SignalReason,
        effects: &mut Vec<Effect>,
    ) {
        let killed = signal == KILL;
        self.list.push(Target {
            identity: process.identity,
            killed,
            name: Arc::clone(&process.name),
            role: process.role,
            rss: process.rss,
            started: now,
            deadline: now + grace,
            stuck_said: false,
            left: vec![process.identity],
            below: Vec::new(),
        });
        effects.push(Effect::Record(EventKind::RecycleStarted {
            target: process.identity,
            name: process.name.to_string(),
            role: process.role.name().to_owned(),
            reason,
            rss_bytes: process.rss,
        }));
        let subtree = killed || process.role == Role::Helper;
        effects.push(Effect::Signal { target: process.identity, signal, reason, subtree });
    }

    /// Kills a process that is being drained, because the hard limit says so.
    pub(super) fn escalate(&mut self, identity: &Identity, reason: SignalReason, effects: &mut Vec<Effect>) {
        if let Some(target) = self.list.iter_mut().find(|t| t.identity == *identity && !t.killed) {
            target.kill(reason, effects);
        }
    }

    /// Remembers who is below each helper on its way out: once it is gone, nobody could tell.
    pub(super) fn remember(&mut self, look: &Look) {
        for target in self.list.iter_mut().filter(|target| target.role == Role::Helper) {
            let mut below = look.subtree(&target.identity).into_iter();
            if below.next().is_some() {
                target.below = below.map(|process| process.identity).collect();
            }
        }
    }

    /// Moves on with time and what a look found: who is gone is recorded, who outlived the grace is killed. Answers
    /// with the roles of those who are gone.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        look: Option<&Look>,
        effects: &mut Vec<Effect>,
    ) -> Vec<Role> {
        let mut gone = Vec::new();
        if let Some(look) = look {
            self.list.retain_mut(|target| {
                if target.is_there(look) {
                    return true;
                }
                effects.push(Effect::Record(EventKind::RecycleCompleted {
                    target: target.identity,
                    name: target.name.to_string(),
                    role: target.role.name().to_owned(),
                    took_ms: u64::try_from(now.saturating_sub(target.started).as_millis())
                        .unwrap_or(u64::MAX),
                    forced: target.killed,
                }));
                gone.push(target.role);
                false
            });
            if gone.iter().any(|role| matches!(role, Role::Worker { .. } | Role::PoolWorker)) {
                self.last_worker_done = Some(now);
            }
        }
        for target in &mut self.list {
            if !target.killed && now >= target.deadline {
                target.kill(SignalReason::GraceExpired, effects);
            } else if target.killed
                && !target.stuck_said
                && now >= target.deadline.max(target.started) + STUCK_AFTER
            {
                target.stuck_said = true;
                effects.push(Effect::Record(EventKind::Trouble {
                    message: format!(
                        "{} ({}) was killed and is still there: it waits in the kernel, for a disk or a network file system",
                        target.identity, target.name
                    ),
                }));
            }
        }
        gone
    }

    /// When the next grace ends.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.list.iter().filter(|t| !t.killed).map(|t| t.deadline).min()
    }

    /// Forgets everybody: the tree is gone.
    pub(super) fn clear(&mut self) {
        self.list = Vec::new();
        self.last_worker_done = None;
    }
}
