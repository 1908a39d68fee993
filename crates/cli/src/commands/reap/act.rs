//! Ends confirmed processes: the shell around [`Reaping`]. Every signal goes through `deliver`, which checks the identity
//! once more and never signals scupper or those above it, and every one is a fact.
//!
//! It knows nothing of who wanted it, a person, a timer or a member of a fleet: a [`Confirmed`] is all it takes, and that
//! comes of two looks alone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use scupper_model::{EventKind, Identity, KEEP, Keep, Kept, Pid, SignalReason, printable};
use scupper_orphan::{Confirmed, Effect, Liveness, Reaped, Reaping, Why};
use scupper_probe::{Proc, Stat};
use scupper_supervise::shell::{Untouchable, deliver};

use crate::known::named;
use crate::wait;

const TERM: i32 = 15;
const KILL: i32 = 9;
/// Between two looks at who is still there.
const STEP: Duration = Duration::from_millis(50);
/// So many levels up it is asked who is above a process.
const MOST_LEVELS: usize = 64;

/// What is needed to end somebody.
pub(super) struct Around<'a> {
    pub proc_: &'a Proc,
    /// Who is never signalled.
    pub untouchable: Untouchable,
    /// Who was there at the second look: of the others, who descends from one that is ended was forked by it since.
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

/// One signal that was sent.
pub(super) type Sent = (Identity, i32, SignalReason);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Acted {
    /// What became of each.
    pub reaped: Vec<Reaped>,
    /// Every signal that was sent, in order.
    pub signalled: Vec<Sent>,
    /// Whether it was stopped before it was done.
    pub interrupted: bool,
}

impl Acted {
    /// What came of another round.
    pub(super) fn extend(&mut self, later: Self) {
        self.reaped.extend(later.reaped);
        self.signalled.extend(later.signalled);
        self.interrupted |= later.interrupted;
    }
}

/// Ends who was confirmed: TERM, KILL after the grace. Returns when they are gone, could not be ended, or somebody wants
/// it to stop.
pub(super) fn end(confirmed: Confirmed, grace: Duration, around: &mut Around<'_>) -> Acted {
    let start = wait::now();
    let now = || wait::now().saturating_duration_since(start);
    let mut names: HashMap<Identity, (String, SignalReason)> = HashMap::new();
    for target in confirmed.targets() {
        let reason = match target.why {
            Why::LeftBehind { .. } => SignalReason::LeftBehind,
            Why::HeldIdle { .. } => SignalReason::HeldIdle,
        };
        names.insert(target.process.identity, (target.process.name.clone(), reason));
    }
    let mut reaping = Reaping::new(confirmed, grace);
    let mut acted = Acted::default();
    while !reaping.is_finished() {
        if (around.interrupted)() {
            acted.interrupted = true;
            break;
        }
        take_in(&mut reaping, &mut names, now(), around);
        let effects = reaping.step(now(), &|identity| liveness(around.proc_, identity));
        carry_out(&mut reaping, &effects, &names, &mut acted, around);
        if !reaping.is_finished() {
            wait::until(STEP, |_| (around.interrupted)());
        }
    }
    acted.reaped = reaping.report();
    acted
}

fn liveness(proc_: &Proc, identity: &Identity) -> Liveness {
    match proc_.stat(identity.pid) {
        Ok(Some(stat)) if stat.identity(proc_.boot_id()) == *identity && !stat.is_zombie() => Liveness::Alive,
        Ok(_) => Liveness::Gone,
        Err(_) => Liveness::Unknown,
    }
}

/// What was forked by those that are ended, since everybody was judged.
fn take_in(
    reaping: &mut Reaping,
    names: &mut HashMap<Identity, (String, SignalReason)>,
    now: Duration,
    around: &Around<'_>,
) {
    let living: Vec<Identity> = reaping.living().copied().collect();
    for parent in living {
        for child in forked_by(&parent, names, around) {
            let identity = child.identity(around.proc_.boot_id());
            let name = printable(&child.name, 32);
            if reaping.join(identity, &name, parent.pid, now) {
                let reason = names.get(&parent).map_or(SignalReason::LeftBehind, |(_, reason)| *reason);
                names.insert(identity, (name, reason));
            }
        }
    }
}

fn forked_by(
    parent: &Identity,
    known: &HashMap<Identity, (String, SignalReason)>,
    around: &Around<'_>,
) -> Vec<Stat> {
    let proc_ = around.proc_;
    let fresh = |stat: &Stat| {
        let identity = stat.identity(proc_.boot_id());
        stat.parent == Some(parent.pid)
            && !stat.is_zombie()
            && !around.present.contains(&identity)
            && !known.contains_key(&identity)
            && !around.untouchable.contains(stat.pid)
            && same_user(proc_, stat.pid, parent.pid)
            && proc_.environment_value(stat.pid, KEEP).is_ok_and(|value| value.as_deref() != Some(b"1"))
    };
    let children = proc_.children(parent.pid).ok().flatten().unwrap_or_default();
    children.into_iter().filter_map(|child| proc_.stat(child).ok().flatten()).filter(fresh).collect()
}

fn same_user(proc_: &Proc, one: Pid, other: Pid) -> bool {
    let of = |pid| proc_.uid(pid).ok().flatten();
    of(one).is_some_and(|uid| Some(uid) == of(other))
}

fn carry_out(
    reaping: &mut Reaping,
    effects: &[Effect],
    names: &HashMap<Identity, (String, SignalReason)>,
    acted: &mut Acted,
    around: &mut Around<'_>,
) {
    let due: Vec<Sent> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ask(identity, reason) => {
                let why = names.get(identity).map_or(*reason, |(_, why)| *why);
                Some((*identity, TERM, why))
            }
            Effect::Kill(identity, reason) => Some((*identity, KILL, *reason)),
            Effect::Finished => None,
        })
        .collect();
    if due.is_empty() {
        return;
    }
    // A person may have wanted to keep one of them since they were judged.
    let keeps = match (around.keeps)() {
        Ok(keeps) => keeps,
        Err(why) => {
            for (identity, ..) in &due {
                reaping.refused(identity, format!("what is kept cannot be read: {why}"));
            }
            return;
        }
    };
    (around.tell)(&said(&due));
    for (identity, signal, reason) in due {
        if (around.interrupted)() {
            return;
        }
        if is_kept(&identity, &keeps, around.proc_) {
            reaping.refused(&identity, "it is kept since".to_owned());
            continue;
        }
        let name = names.get(&identity).map_or("", |(name, _)| name.as_str());
        let fact = deliver(around.proc_, &around.untouchable, &identity, name, signal, reason);
        match &fact {
            Some(EventKind::SignalFailed { message, .. }) => reaping.refused(&identity, message.clone()),
            Some(_) => acted.signalled.push((identity, signal, reason)),
            // It is gone; the next step finds out.
            None => {}
        }
        if let Some(fact) = fact {
            (around.record)(fact);
        }
    }
}

fn said(due: &[Sent]) -> String {
    let words = |wanted: i32, what: &str| {
        let count = due.iter().filter(|(_, signal, _)| *signal == wanted).count();
        let processes = if count == 1 { "process" } else { "processes" };
        (count > 0).then(|| format!("{what} to {count} {processes}"))
    };
    [words(TERM, "TERM"), words(KILL, "KILL")].into_iter().flatten().collect::<Vec<_>>().join(", ")
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
