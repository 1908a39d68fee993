//! Carries out that a tree stands still: its cgroup is frozen, or every member is stopped. Anybody may let a stopped process
//! go on (`kill -CONT`, a shell's `fg`), and a frozen cgroup (`echo 0 > cgroup.freeze`): at each look it is stopped again.

use std::time::Duration;

use scupper_model::{EventKind, Identity, Pid, SignalReason};
use scupper_probe::Proc;

use super::{Fact, Surrounding, UnitShell};
use crate::shell::ownership::{Frozen, UnitCgroup};
use crate::unit::pace;

const STOP: i32 = 19;
const CONT: i32 = 18;
/// Whoever forks while it is being stopped is met at the next of so many rounds; after that at the next look.
const ROUNDS: u32 = 5;
/// That a process was stopped again is told each time, but of those that go on over and over only so often ...
const TOLD: u32 = 16;
/// ... in this time. They are stopped all the same.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// Who stands still because of us.
#[derive(Debug, Default)]
pub(super) struct Held {
    frozen: bool,
    stopped: Vec<Stopped>,
    repeated: Repeated,
}

#[derive(Debug)]
struct Stopped {
    identity: Identity,
    /// It went on, and was stopped again.
    again: bool,
}

/// How often it was told lately that the same processes had to be stopped once more.
#[derive(Debug, Default)]
struct Repeated {
    since: Duration,
    told: u32,
}

impl Held {
    fn has(&self, identity: &Identity) -> bool {
        self.stopped.iter().any(|stopped| stopped.identity == *identity)
    }

    /// Freezes a cgroup, again where somebody has let it go on. What is told of it.
    fn freeze(&mut self, cgroup: &UnitCgroup, reason: SignalReason, now: Duration) -> Option<EventKind> {
        if !self.frozen {
            let event = cgroup.freeze(Frozen::Yes, reason)?;
            self.frozen = true;
            return Some(event);
        }
        let event = cgroup.goes_on().then(|| cgroup.freeze(Frozen::Yes, reason))?;
        event.filter(|_| self.repeated.tell(now))
    }

    /// Notes that one of them is stopped again. Whether that is told.
    fn again(&mut self, identity: &Identity, now: Duration) -> bool {
        let known = self.stopped.iter_mut().find(|stopped| stopped.identity == *identity);
        known.is_some_and(|stopped| !std::mem::replace(&mut stopped.again, true)) || self.repeated.tell(now)
    }
}

impl Repeated {
    fn tell(&mut self, now: Duration) -> bool {
        if now >= self.since + TOLD_WITHIN {
            *self = Self { since: now, told: 0 };
        }
        self.told = self.told.saturating_add(1);
        self.told <= TOLD
    }
}

/// Whether a process that was stopped does nothing: it is stopped, or will be before it comes out of the kernel (a shell
/// waits there for a child that was stopped between vfork and exec). Whoever is gone does nothing either.
fn stands_still(proc: &Proc, pid: Pid) -> bool {
    // In this order: the signal may be taken in between.
    let pending = proc.pending_signals(pid).ok().flatten().unwrap_or(0);
    let stat = proc.stat(pid).ok().flatten();
    pending & (1 << (STOP - 1)) != 0 || stat.is_none_or(|stat| matches!(stat.state, b'T' | b't'))
}

impl UnitShell {
    /// Lets everybody stand still who may be ended. Those who stand still already are left as they are.
    pub(super) fn hold_tree(
        &mut self,
        reason: SignalReason,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        for round in 0..ROUNDS {
            self.tree.refresh(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
            let gathered: Vec<_> =
                self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
            let spared: Vec<Pid> = self.judge.spared(&gathered).into_iter().map(|(pid, _)| pid).collect();
            self.tree.set_spared(&spared);
            if let Some(dir) = self.cgroup.as_ref().filter(|_| spared.is_empty()) {
                facts.extend(self.held.freeze(dir, reason, now));
            }
            let inside = self.cgroup.as_ref().filter(|_| self.held.frozen).map(UnitCgroup::members);
            let inside = inside.unwrap_or_default();
            let (earlier, fresh): (Vec<Identity>, Vec<Identity>) = self
                .tree
                .members()
                .filter(|m| !m.spared && !m.zombie && !inside.contains(&m.identity.pid))
                .map(|m| m.identity)
                .partition(|identity| self.held.has(identity));
            // Once a look: whoever is stopped in this one may need a moment.
            let woken = earlier
                .into_iter()
                .filter(|identity| round == 0 && !stands_still(&around.proc, identity.pid));
            let woken: Vec<Identity> = woken.collect();
            let acting = fresh.into_iter().filter(|identity| {
                let stat = around.proc.stat(identity.pid).ok().flatten();
                stat.is_some_and(|stat| stat.state != b'T')
            });
            let acting: Vec<Identity> = acting.collect();
            if woken.is_empty() && acting.is_empty() {
                break;
            }
            for target in woken {
                let told = self.held.again(&target, now);
                facts.extend(self.signal_again(&target, STOP, reason, around, told));
            }
            for target in acting {
                self.signal(&target, STOP, reason, around, facts);
                self.held.stopped.push(Stopped { identity: target, again: false });
            }
        }
        // The next look was planned for a tree that acts.
        self.next_look = self.next_look.map(|at| at.min(now + pace::WHILE_HELD));
    }

    /// Lets those go on who stand still because of us.
    pub(super) fn release_tree(&mut self, reason: SignalReason, around: &Surrounding, facts: &mut Vec<Fact>) {
        let held = std::mem::take(&mut self.held);
        if held.frozen {
            facts.extend(self.cgroup.as_ref().and_then(|dir| dir.freeze(Frozen::No, reason)));
        }
        for Stopped { identity, .. } in held.stopped {
            self.signal(&identity, CONT, reason, around, facts);
        }
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::RunId;

    use super::*;

    #[test]
    fn what_goes_on_all_the_time_is_told_a_bounded_number_of_times() {
        let identity = |pid| Identity {
            pid: Pid::new(pid).unwrap(),
            start_time: scupper_model::StartTime(1),
            boot_id: scupper_model::BootId::NOWHERE,
        };
        let stopped = (1..=100).map(|pid| Stopped { identity: identity(pid), again: false }).collect();
        let mut held = Held { stopped, ..Held::default() };
        let mut told = |seconds: u64| {
            let now = Duration::from_secs(seconds);
            (1..=100).filter(|pid| held.again(&identity(*pid), now)).count()
        };
        assert_eq!(told(100), 100, "the first time of each");
        assert_eq!((101..=160).map(&mut told).sum::<usize>(), 16);
        assert_eq!((161..=400).map(&mut told).sum::<usize>(), 4 * 16, "four minutes more");
        assert_eq!(held.stopped.len(), 100);
    }
    /// The files are plain ones here: what is written to them is what the kernel would be told.
    #[test]
    fn a_frozen_cgroup_that_somebody_lets_go_on_is_frozen_again_and_that_is_told_a_bounded_number_of_times() {
        let home = tempfile::tempdir().unwrap();
        let cgroup =
            UnitCgroup::make(home.path(), &"coder".parse().unwrap(), &RunId(uuid::Uuid::now_v7())).unwrap();
        let file = cgroup.path().join("cgroup.freeze");
        let mut held = Held::default();
        let mut freeze = |now: u64| held.freeze(&cgroup, SignalReason::LeaseLost, Duration::from_secs(now));
        assert!(freeze(1).is_none() && !file.exists(), "a kernel without it");
        std::fs::write(&file, "0\n").unwrap();
        std::fs::write(cgroup.path().join("cgroup.procs"), "").unwrap();
        let state = || std::fs::read_to_string(&file).unwrap().trim().to_owned();
        assert!(matches!(freeze(2), Some(EventKind::CgroupFrozen { .. })));
        assert_eq!((state(), freeze(3)), ("1".to_owned(), None));
        let mut told = 0;
        for n in 0..50 {
            std::fs::write(&file, "0\n").unwrap();
            told += u32::from(freeze(100 + n).is_some());
            assert_eq!(state(), "1");
        }
        assert_eq!(told, TOLD);
    }
}
