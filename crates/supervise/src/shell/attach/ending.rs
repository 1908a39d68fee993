//! The end of a process that is watched, and of the watching. Its pidfd tells how a process ended, whoever's child it was.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use scupper_model::{Certificate, EventKind, HowEnded};
use scupper_probe::pidfd;

use super::{Detached, Over, Watcher};
use crate::shell::closer::Scene;
use crate::shell::death::{self, Sent};
use crate::shell::tree::Member;

/// Who ended is waited for by its parent, usually at once; after this time nobody asks any more how it ended.
const WAITED_FOR: Duration = Duration::from_secs(2);
/// How long a closer look is waited for.
const AT_LAST: Duration = Duration::from_millis(200);
/// Between two looks whether it was.
const SOON: Duration = Duration::from_millis(20);

impl Watcher {
    /// Somebody of the tree is gone. A violent end is worth a certificate; the others come and go.
    pub(super) fn member_gone(&mut self, member: &Member, now: Duration) {
        if member.identity == self.setup.target {
            return;
        }
        let how = how_ended(member.pidfd.as_ref());
        if matches!(how, HowEnded::Signaled { .. }) {
            let document = certificate(member, how, now.saturating_sub(member.first_seen()));
            self.record(EventKind::ProcessDied { certificate: Box::new(document) });
        }
    }

    /// The topmost process has ended: how, its pidfd tells when its parent has waited for it.
    pub(super) fn main_ended(&mut self) -> HowEnded {
        let since = self.clock.now();
        // It stays readable: from here on a signal is waited for, or a time.
        self.poller.remove(&self.pidfd);
        let mut how = how_ended(Some(&self.pidfd));
        while how == HowEnded::Unknown && self.clock.now() < since + WAITED_FOR && !self.stop {
            let waited_for = self.proc.is_same(&self.setup.target).is_ok_and(|same| !same);
            how = how_ended(Some(&self.pidfd));
            if waited_for {
                break;
            }
            let _ = self.poller.wait(SOON);
            self.take_signals();
        }
        let lived = self.age + self.clock.now();
        let document = if let Some(member) = self.following.member(&self.setup.target) {
            certificate(member, how, lived)
        } else {
            let name = self.shown.clone().into_bytes();
            certificate(&Member::unseen(self.setup.target, name, Vec::new()), how, lived)
        };
        self.record(EventKind::UnitExited { certificate: Box::new(document) });
        how
    }

    /// The last words: what leaks, and how many of the tree run on.
    pub(super) fn conclude(&mut self, over: Over) -> Detached {
        for fact in self.last_of_it(over) {
            self.record(fact);
        }
        let leaks = self.watch.findings();
        let (leaking, recorded) = (leaks.len(), self.setup.fail_on_leak);
        for leak in leaks.into_iter().filter(|_| recorded) {
            self.record(leak);
        }
        let ended = matches!(over, Over::Ended(_)).then_some(self.setup.target);
        let processes = self.following.living(&self.proc, ended);
        let because = match over {
            Over::Ended(_) => "it ended",
            Over::TimeIsOver => "the time is over",
            Over::Asked => "asked to",
        };
        self.record(EventKind::Detached {
            target: self.setup.target,
            name: self.shown.clone(),
            because: because.to_owned(),
            processes,
            leaking: u32::try_from(leaking).unwrap_or(u32::MAX),
        });
        Detached { over, leaking, processes }
    }
}

impl Watcher {
    /// What whoever explains it later needs, as far as it can still be read.
    fn last_of_it(&mut self, over: Over) -> Vec<EventKind> {
        let now = self.clock.now();
        let (look, tree, operations) = (&self.look, self.following.tree(), self.watch.operations());
        let mut facts = match over {
            Over::Ended(_) => self.closer.finish(AT_LAST),
            Over::TimeIsOver | Over::Asked => {
                self.closer.last_look(None, "ended", AT_LAST, Scene { look, tree, operations, now })
            }
        };
        facts.extend(self.watch.histories_at(None, now, "ended"));
        facts
    }
}

fn how_ended(fd: Option<&OwnedFd>) -> HowEnded {
    let exit = fd.and_then(|fd| pidfd::exit_status(fd.as_fd()));
    match exit.map(|exit| (exit.code, exit.signal, exit.core_dumped)) {
        Some((Some(code), ..)) => HowEnded::Exited { code },
        Some((None, Some(signal), core_dumped)) => HowEnded::Signaled { signal, core_dumped },
        _ => HowEnded::Unknown,
    }
}

fn certificate(member: &Member, how: HowEnded, lived: Duration) -> Certificate {
    // Nothing was ever sent to anybody.
    let by = death::ended_by(&Sent::default(), &member.identity, how, member.oom.as_ref(), false);
    death::certificate(member, how, by, lived, None, (None, Vec::new()))
}
