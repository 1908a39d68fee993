//! Ending confirmed processes: TERM in order, a grace, KILL for who is left, and a report. A state machine: time and who
//! lives are arguments, signals are effects, and the shell that carries them out checks each identity once more.
//!
//! It always ends. Each process gets at most one TERM and one KILL; whoever is there long after that (a process that
//! hangs in the kernel, one that may not be signalled) is reported, not waited for. What a member forks meanwhile is
//! handed in by the shell and gets the same grace, but only for so long: a tree that forks faster than it is ended is
//! reported as well.

use std::time::Duration;

use scupper_model::{Identity, Pid, SignalReason};

use crate::plan::Confirmed;

/// After KILL, a process that is still there hangs in the kernel: it is not waited for any longer.
const KILL_BOUND: Duration = Duration::from_secs(5);
/// Most processes that join while a tree is ended: more is a fork bomb, and wants a cgroup.
const MOST_JOINED: usize = 4096;

/// Whether a process is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It is that very process, and it lives.
    Alive,
    /// It ended, zombie or not, or its number is somebody else's by now.
    Gone,
    /// It could not be told: it gets no signal.
    Unknown,
}

/// What the shell has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask it to end (TERM).
    Ask(Identity, SignalReason),
    /// End it (KILL).
    Kill(Identity, SignalReason),
    /// Everybody is gone or given up: there is a report.
    Finished,
}

/// How it ended for one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was gone before it got a signal.
    GoneBefore,
    /// It ended after TERM.
    Ended,
    /// It ended after KILL.
    Forced,
    /// It is still there.
    StillThere,
    /// It could not be signalled, and why.
    Refused(String),
}

/// One process that is ended.
#[derive(Clone, Debug)]
struct Member {
    identity: Identity,
    name: String,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Waiting,
    Asked(Duration),
    Killed(Duration),
    Over(Outcome),
}

/// Ends processes, step by step.
#[derive(Clone, Debug)]
pub struct Reaping {
    /// In the order in which they are signalled.
    members: Vec<Member>,
    grace: Duration,
    begun: Option<Duration>,
    joined: usize,
    finished: bool,
}

/// What became of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// The process.
    pub identity: Identity,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl Reaping {
    /// Ends who was confirmed, with so much time between TERM and KILL.
    pub fn new(confirmed: Confirmed, grace: Duration) -> Self {
        let members = confirmed
            .into_targets()
            .into_iter()
            .map(|target| Member {
                identity: target.process.identity,
                name: target.process.name,
                stage: Stage::Waiting,
            })
            .collect();
        Self { members, grace, begun: None, joined: 0, finished: false }
    }

    /// Whose children are to be looked for: members that may still fork.
    pub fn living(&self) -> impl Iterator<Item = &Identity> {
        let lives = |member: &&Member| !matches!(member.stage, Stage::Over(_));
        self.members.iter().filter(lives).map(|member| &member.identity)
    }

    /// Hands in a process that a member has forked meanwhile; it gets TERM with the next step. Refused where its parent
    /// is no member, or it is older than that one, or there are too many, or it came too late.
    pub fn join(&mut self, child: Identity, name: &str, parent: Pid, now: Duration) -> bool {
        let is_parent = |member: &Member| {
            member.identity.pid == parent
                && member.identity.boot_id == child.boot_id
                && member.identity.start_time <= child.start_time
                && !matches!(member.stage, Stage::Over(Outcome::Refused(_)))
        };
        let in_time = self.begun.is_none_or(|begun| now.saturating_sub(begun) < self.grace + KILL_BOUND);
        if self.finished
            || !in_time
            || self.joined >= MOST_JOINED
            || child.pid == parent
            || !self.members.iter().any(is_parent)
            || self.members.iter().any(|member| member.identity == child)
        {
            return false;
        }
        self.joined += 1;
        // Before its parent: children first.
        self.members.insert(0, Member { identity: child, name: name.to_owned(), stage: Stage::Waiting });
        true
    }

    /// A signal could not be sent: the process gets no other.
    pub fn refused(&mut self, identity: &Identity, why: String) {
        let member = self.members.iter_mut().find(|member| member.identity == *identity);
        if let Some(member) = member.filter(|member| !matches!(member.stage, Stage::Over(_))) {
            member.stage = Stage::Over(Outcome::Refused(why));
        }
    }

    /// One step: who is asked now, who is killed, and whether that was all.
    pub fn step(&mut self, now: Duration, alive: &dyn Fn(&Identity) -> Liveness) -> Vec<Effect> {
        if self.finished {
            return Vec::new();
        }
        let begun = *self.begun.get_or_insert(now);
        let is_late = now.saturating_sub(begun) >= self.bound();
        let mut effects = Vec::new();
        for member in &mut self.members {
            effects.extend(member.step(now, alive, self.grace));
            if is_late && !matches!(member.stage, Stage::Over(_)) {
                member.stage = Stage::Over(Outcome::StillThere);
            }
        }
        if self.members.iter().all(|member| matches!(member.stage, Stage::Over(_))) {
            self.finished = true;
            effects.push(Effect::Finished);
        }
        effects
    }

    /// Whether everybody is gone or given up.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// What became of each so far; those that are not through yet are still there.
    pub fn report(&self) -> Vec<Reaped> {
        let reaped = |member: &Member| Reaped {
            identity: member.identity,
            name: member.name.clone(),
            outcome: match &member.stage {
                Stage::Over(outcome) => outcome.clone(),
                Stage::Waiting | Stage::Asked(_) | Stage::Killed(_) => Outcome::StillThere,
            },
        };
        self.members.iter().map(reaped).collect()
    }

    /// Time after which everything is over, whoever is still there: twice what one process may take, since what was
    /// forked at the last moment gets the same.
    fn bound(&self) -> Duration {
        self.grace.saturating_add(KILL_BOUND).saturating_mul(2)
    }
}

impl Member {
    fn step(
        &mut self,
        now: Duration,
        alive: &dyn Fn(&Identity) -> Liveness,
        grace: Duration,
    ) -> Option<Effect> {
        if matches!(self.stage, Stage::Over(_)) {
            return None;
        }
        match (alive(&self.identity), &self.stage) {
            (Liveness::Gone, stage) => {
                self.stage = Stage::Over(match stage {
                    Stage::Asked(_) => Outcome::Ended,
                    Stage::Killed(_) => Outcome::Forced,
                    Stage::Waiting | Stage::Over(_) => Outcome::GoneBefore,
                });
                None
            }
            (Liveness::Alive, Stage::Waiting) => {
                self.stage = Stage::Asked(now);
                Some(Effect::Ask(self.identity, SignalReason::LeftBehind))
            }
            (Liveness::Alive, Stage::Asked(at)) if now.saturating_sub(*at) >= grace => {
                self.stage = Stage::Killed(now);
                Some(Effect::Kill(self.identity, SignalReason::GraceExpired))
            }
            (_, Stage::Killed(at)) if now.saturating_sub(*at) >= KILL_BOUND => {
                self.stage = Stage::Over(Outcome::StillThere);
                None
            }
            _ => None,
        }
    }
}
