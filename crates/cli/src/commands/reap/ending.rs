//! How chosen processes are ended, as a pure machine: TERM to each in its order, KILL to whoever is there after the
//! grace, and the same for what they fork meanwhile. Time is an argument; who is gone, it is told.

use std::time::Duration;

use scupper_model::{Identity, SignalReason};

const TERM: i32 = 15;
const KILL: i32 = 9;
/// Whoever is there so long after its KILL hangs in the kernel.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// What is forked while it is ended is followed up to this number: whoever forks faster has left its tree.
const MOST_FORKED: usize = 10_000;

/// One that is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Who.
    pub identity: Identity,
    /// Its name, printable.
    pub name: String,
    /// Why.
    pub reason: SignalReason,
}

/// One signal that is due: to whom, its name, which, why.
pub(super) type Due = (Identity, String, i32, SignalReason);

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Who is gone, and whether it took a KILL.
    pub ended: Vec<(Identity, bool)>,
    /// Who is not, and why.
    pub left: Vec<(Identity, String)>,
    /// Every signal that was sent, in order.
    pub signalled: Vec<(Identity, i32, SignalReason)>,
    /// Whether somebody wanted it to stop before it was done.
    pub interrupted: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Chosen,
    Asked,
    Killed,
    Gone { forced: bool },
    Left(String),
}

/// The end of some processes.
#[derive(Debug)]
pub(super) struct Ending {
    members: Vec<(Member, State)>,
    grace: Duration,
    forked: usize,
    killed_at: Option<Duration>,
    signalled: Vec<(Identity, i32, SignalReason)>,
}

impl Ending {
    /// Of these, in this order: children before their parents.
    pub(super) fn new(members: Vec<Member>, grace: Duration) -> Self {
        let members = members.into_iter().map(|member| (member, State::Chosen)).collect();
        Self { members, grace, forked: 0, killed_at: None, signalled: Vec::new() }
    }

    /// Whoever may still be there.
    pub(super) fn living(&self) -> Vec<Identity> {
        let living = self.members.iter().filter(|(_, state)| is_open(state));
        living.map(|(member, _)| member.identity).collect()
    }

    /// Whether somebody is, or was, one of them.
    pub(super) fn knows(&self, identity: &Identity) -> bool {
        self.members.iter().any(|(member, _)| member.identity == *identity)
    }

    /// One of them forked this one: it ends as well, for the same reason, and before its parent.
    pub(super) fn forked(&mut self, identity: Identity, name: String, parent: &Identity) {
        if self.forked >= MOST_FORKED || self.knows(&identity) {
            return;
        }
        let Some(place) = self.members.iter().position(|(member, _)| member.identity == *parent) else {
            return;
        };
        self.forked += 1;
        let reason = self.members[place].0.reason;
        self.members.insert(place, (Member { identity, name, reason }, State::Chosen));
    }

    /// It is gone.
    pub(super) fn gone(&mut self, identity: &Identity) {
        self.turn(identity, |state| State::Gone { forced: *state == State::Killed });
    }

    /// It is left alone from here on.
    pub(super) fn leave(&mut self, identity: &Identity, because: &str) {
        self.turn(identity, |_| State::Left(because.to_owned()));
    }

    /// It was signalled.
    pub(super) fn sent(&mut self, identity: &Identity, signal: i32, reason: SignalReason) {
        self.signalled.push((*identity, signal, reason));
        self.turn(identity, |_| if signal == KILL { State::Killed } else { State::Asked });
    }

    fn turn(&mut self, identity: &Identity, to: impl FnOnce(&State) -> State) {
        let found =
            self.members.iter_mut().find(|(member, state)| member.identity == *identity && is_open(state));
        if let Some((_, state)) = found {
            *state = to(state);
        }
    }

    /// What is to be sent now, so long after the beginning.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Due> {
        let over = now >= self.grace;
        let due: Vec<Due> = self
            .members
            .iter()
            .filter_map(|(member, state)| {
                let (signal, reason) = match state {
                    State::Chosen if !over => (TERM, member.reason),
                    State::Chosen | State::Asked if over => (KILL, SignalReason::GraceExpired),
                    _ => return None,
                };
                Some((member.identity, member.name.clone(), signal, reason))
            })
            .collect();
        if over && !due.is_empty() {
            self.killed_at = Some(now);
        }
        due
    }

    /// Whether there is nothing more to be done.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let hangs = self.killed_at.is_some_and(|at| now >= at + AFTER_KILL);
        hangs || !self.members.iter().any(|(_, state)| is_open(state))
    }

    /// It is done.
    pub(super) fn finished(self) -> Outcome {
        self.outcome("it did not end on KILL: it hangs in the kernel", false)
    }

    /// Somebody wants it to stop.
    pub(super) fn stopped(self, because: &str) -> Outcome {
        self.outcome(because, true)
    }

    fn outcome(self, because: &str, interrupted: bool) -> Outcome {
        let mut outcome = Outcome { signalled: self.signalled, interrupted, ..Outcome::default() };
        for (member, state) in self.members {
            match state {
                State::Gone { forced } => outcome.ended.push((member.identity, forced)),
                State::Left(because) => outcome.left.push((member.identity, because)),
                State::Chosen | State::Asked | State::Killed => {
                    outcome.left.push((member.identity, because.to_owned()));
                }
            }
        }
        outcome
    }
}

const fn is_open(state: &State) -> bool {
    matches!(state, State::Chosen | State::Asked | State::Killed)
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Pid, StartTime};

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn identity(pid: i32) -> Identity {
        Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(1), boot_id: BootId::NOWHERE }
    }

    fn ending(pids: &[i32]) -> Ending {
        let member = |pid: &i32| Member {
            identity: identity(*pid),
            name: "x".into(),
            reason: SignalReason::LeftBehind,
        };
        Ending::new(pids.iter().map(member).collect(), GRACE)
    }

    /// Sends what is due, and says to whom.
    fn step(ending: &mut Ending, at: u64) -> Vec<(i32, i32)> {
        let due = ending.due(Duration::from_secs(at));
        for (identity, _, signal, reason) in &due {
            ending.sent(identity, *signal, *reason);
        }
        due.iter().map(|(identity, _, signal, _)| (identity.pid.get(), *signal)).collect()
    }

    #[test]
    fn term_in_order_and_kill_after_the_grace_for_whoever_is_there() {
        let mut ending = ending(&[3, 2, 1]);
        assert_eq!(step(&mut ending, 0), [(3, 15), (2, 15), (1, 15)]);
        assert_eq!(step(&mut ending, 1), []);
        ending.gone(&identity(3));
        ending.gone(&identity(1));
        assert_eq!(step(&mut ending, 4), []);
        assert_eq!(step(&mut ending, 5), [(2, 9)]);
        assert!(!ending.is_over(GRACE));
        ending.gone(&identity(2));
        assert!(ending.is_over(GRACE));
        let outcome = ending.finished();
        let ended: Vec<_> = outcome.ended.iter().map(|(who, forced)| (who.pid.get(), *forced)).collect();
        assert_eq!(ended, [(3, false), (2, true), (1, false)]);
        assert_eq!(outcome.signalled[3], (identity(2), 9, SignalReason::GraceExpired));
        assert_eq!(outcome.left, []);
    }

    #[test]
    fn what_is_forked_meanwhile_ends_before_its_parent() {
        let mut ending = ending(&[2, 1]);
        step(&mut ending, 0);
        ending.forked(identity(7), "y".into(), &identity(1));
        ending.forked(identity(7), "y".into(), &identity(1));
        ending.forked(identity(8), "y".into(), &identity(99));
        assert_eq!(step(&mut ending, 1), [(7, 15)]);
        ending.gone(&identity(2));
        ending.forked(identity(9), "y".into(), &identity(1));
        // Too late for a TERM of its own.
        assert_eq!(step(&mut ending, 6), [(7, 9), (9, 9), (1, 9)]);
    }

    #[test]
    fn whoever_is_left_alone_is_signalled_no_more_and_told_of() {
        let mut ending = ending(&[2, 1]);
        step(&mut ending, 0);
        ending.leave(&identity(2), "it is kept since");
        ending.gone(&identity(2));
        assert_eq!(step(&mut ending, 9), [(1, 9)]);
        assert!(!ending.is_over(Duration::from_secs(18)));
        assert!(ending.is_over(Duration::from_secs(19)));
        let outcome = ending.finished();
        assert_eq!(outcome.ended, []);
        let left: Vec<_> = outcome.left.iter().map(|(who, why)| (who.pid.get(), why.as_str())).collect();
        assert_eq!(left, [(2, "it is kept since"), (1, "it did not end on KILL: it hangs in the kernel")]);
    }

    #[test]
    fn an_interrupt_leaves_whoever_is_there() {
        let mut ending = ending(&[2, 1]);
        step(&mut ending, 0);
        ending.gone(&identity(2));
        let outcome = ending.stopped("interrupted");
        assert_eq!((outcome.ended.len(), outcome.interrupted), (1, true));
        assert_eq!(outcome.left, [(identity(1), "interrupted".to_owned())]);
    }
}
