//! Ends processes by their identities: the shell around [`Ending`]. Every signal goes through `deliver`, which checks the
//! identity once more and never signals scupper or those above it, and every one is a fact.
//!
//! It knows nothing of how somebody came to be here, so that whoever else has an identity and a reason can have a process
//! ended the same way.

use std::collections::HashSet;
use std::time::Duration;

use scupper_model::{EventKind, Identity, KEEP, Keep, Kept, Pid, SignalReason, printable};
use scupper_probe::{Proc, Stat};
use scupper_supervise::shell::{Untouchable, deliver};

use super::ending::{Ending, Member, Outcome};
use crate::known::named;
use crate::wait;

/// Between two looks at who is still there.
const STEP: Duration = Duration::from_millis(50);
/// So many levels up it is asked who is above a process.
const MOST_LEVELS: usize = 64;

/// What is needed to end somebody.
pub(super) struct Around<'a> {
    pub proc_: &'a Proc,
    /// Who is never signalled.
    pub untouchable: Untouchable,
    /// Who was there before: of the others, who descends from one that is being ended was forked by it since.
    pub present: HashSet<Identity>,
    /// What is kept now. What it cannot tell keeps everything.
    pub keeps: &'a dyn Fn() -> Result<Vec<Keep>, String>,
    /// Whether somebody wants it to stop.
    pub interrupted: &'a dyn Fn() -> bool,
    /// Takes every fact.
    pub record: &'a mut dyn FnMut(EventKind),
    /// Is told of each step, in words.
    pub tell: &'a mut dyn FnMut(&str),
}

/// Ends these, in this order: TERM, KILL after the grace. Returns when they are gone, could not be ended, or somebody
/// wants it to stop.
pub(super) fn end(members: Vec<Member>, grace: Duration, around: &mut Around<'_>) -> Outcome {
    let start = wait::now();
    let now = || wait::now().saturating_duration_since(start);
    let mut ending = Ending::new(members, grace);
    loop {
        if (around.interrupted)() {
            return ending.stopped("interrupted");
        }
        look(&mut ending, around);
        let due = ending.due(now());
        if !due.is_empty() {
            send(&mut ending, &due, around);
        }
        if ending.is_over(now()) {
            return ending.finished();
        }
        wait::until(STEP, |_| (around.interrupted)());
    }
}

/// Who is gone, and who was forked meanwhile.
fn look(ending: &mut Ending, around: &mut Around<'_>) {
    let mut newcomers = Vec::new();
    for identity in ending.living() {
        match around.proc_.stat(identity.pid) {
            Ok(Some(stat)) if stat.identity(around.proc_.boot_id()) == identity && !stat.is_zombie() => {
                newcomers.extend(forked_by(&identity, ending, around));
            }
            Ok(_) => ending.gone(&identity),
            // What cannot be read is not gone.
            Err(_) => {}
        }
    }
    for (stat, parent) in newcomers {
        ending.forked(stat.identity(around.proc_.boot_id()), printable(&stat.name, 32), &parent);
    }
}

/// Children of one that is being ended, that were not there when everybody was judged.
fn forked_by(parent: &Identity, ending: &Ending, around: &Around<'_>) -> Vec<(Stat, Identity)> {
    let proc_ = around.proc_;
    let children = proc_.children(parent.pid).ok().flatten().unwrap_or_default();
    let fresh = |stat: &Stat| {
        let identity = stat.identity(proc_.boot_id());
        let kept = proc_.environment_value(stat.pid, KEEP);
        stat.parent == Some(parent.pid)
            && !stat.is_zombie()
            && !around.present.contains(&identity)
            && !ending.knows(&identity)
            && !around.untouchable.contains(stat.pid)
            && same_user(proc_, stat.pid, parent.pid)
            && kept.is_ok_and(|value| value.as_deref() != Some(b"1"))
    };
    let stats = children.into_iter().filter_map(|child| proc_.stat(child).ok().flatten());
    stats.filter(fresh).map(|stat| (stat, *parent)).collect()
}

fn same_user(proc_: &Proc, one: Pid, other: Pid) -> bool {
    let of = |pid| proc_.uid(pid).ok().flatten();
    of(one).is_some_and(|uid| Some(uid) == of(other))
}

fn send(ending: &mut Ending, due: &[(Identity, String, i32, SignalReason)], around: &mut Around<'_>) {
    // A person may have wanted to keep one of them since they were judged.
    let keeps = match (around.keeps)() {
        Ok(keeps) => keeps,
        Err(why) => {
            for (identity, ..) in due {
                ending.leave(identity, &format!("what is kept cannot be read: {why}"));
            }
            return;
        }
    };
    (around.tell)(&said(due));
    for (identity, name, signal, reason) in due {
        if (around.interrupted)() {
            return;
        }
        if is_kept(identity, &keeps, around.proc_) {
            ending.leave(identity, "it is kept since");
            continue;
        }
        match deliver(around.proc_, &around.untouchable, identity, name, *signal, *reason) {
            None => ending.gone(identity),
            Some(fact) => {
                match &fact {
                    EventKind::SignalFailed { message, .. } => ending.leave(identity, message),
                    _ => ending.sent(identity, *signal, *reason),
                }
                (around.record)(fact);
            }
        }
    }
}

fn said(due: &[(Identity, String, i32, SignalReason)]) -> String {
    let count = |wanted: i32| due.iter().filter(|(_, _, signal, _)| *signal == wanted).count();
    let words = |count: usize, what: &str| {
        let processes = if count == 1 { "process" } else { "processes" };
        (count > 0).then(|| format!("{what} to {count} {processes}"))
    };
    [words(count(15), "TERM"), words(count(9), "KILL")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether it, or somebody above it, is to be kept.
fn is_kept(identity: &Identity, keeps: &[Keep], proc_: &Proc) -> bool {
    if keeps.is_empty() {
        return false;
    }
    let mut next = Some(identity.pid);
    for _ in 0..MOST_LEVELS {
        let Some(pid) = next else { return false };
        let Ok(Some(stat)) = proc_.stat(pid) else { return false };
        let here = stat.identity(proc_.boot_id());
        let command = proc_.command_line(pid).ok().flatten().unwrap_or_default();
        let kept = keeps.iter().any(|keep| match &keep.what {
            Kept::Process { identity, .. } => *identity == here,
            Kept::Pattern { pattern } => named(pattern, &stat.name, &command),
        });
        if kept {
            return true;
        }
        next = stat.parent;
    }
    false
}
