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
/// So many levels up it is asked who is above a process; where there are more it counts as kept.
const MOST_LEVELS: usize = 64;

/// What is needed to end somebody.
pub(in crate::commands) struct Around<'a> {
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
pub(in crate::commands) type Sent = (Identity, i32, SignalReason);

/// What came of it.
#[derive(Debug, Default)]
pub(in crate::commands) struct Acted {
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
pub(in crate::commands) fn end(confirmed: Confirmed, grace: Duration, around: &mut Around<'_>) -> Acted {
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

/// What was forked by those that are ended, since everybody was judged, and belongs to them still.
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

/// Living children of a member that nobody has seen yet and that may be ended with it.
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
            // Who leads a session of its own may be a daemon or a multiplexer, and becomes nobody's child: it is judged
            // by all the rules when its parent is gone, with the latecomers.
            && stat.session != stat.pid.get()
            && !around.present.contains(&identity)
            && !known.contains_key(&identity)
            && !around.untouchable.contains(stat.pid)
            && same_user(proc_, stat.pid, parent.pid)
            && proc_.environment_value(stat.pid, KEEP).is_ok_and(|value| value.as_deref() != Some(b"1"))
    };
    let children = proc_.children(parent.pid).ok().flatten().unwrap_or_default();
    let found =
        children.into_iter().filter_map(|child| proc_.stat(child).ok().flatten()).filter(fresh).collect();
    // All of this was asked by number. Only where the member is there afterwards it has had its number all the time;
    // else these may be the children of whoever has it by now.
    if liveness(proc_, parent) == Liveness::Alive { found } else { Vec::new() }
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

/// Whether it, or somebody above it, is to be kept. What cannot be told is kept.
fn is_kept(identity: &Identity, keeps: &[Keep], proc_: &Proc) -> bool {
    if keeps.is_empty() {
        return false;
    }
    let mut below: Option<Stat> = None;
    let mut next = identity.pid;
    for _ in 0..MOST_LEVELS {
        let stat = match (proc_.stat(next), &below) {
            (Ok(Some(stat)), _) => stat,
            (Err(_), _) => return true,
            // It is gone itself.
            (Ok(None), None) => return false,
            (Ok(None), Some(child)) => match proc_.stat(child.pid) {
                // Its parent is not shown to this user.
                Ok(Some(now)) if now.parent == child.parent => return false,
                // Its parent has just ended, and somebody else took it over.
                Ok(_) => {
                    (below, next) = (None, identity.pid);
                    continue;
                }
                Err(_) => return true,
            },
        };
        let here = stat.identity(proc_.boot_id());
        let Ok(command) = proc_.command_line(next) else { return true };
        let command = command.unwrap_or_default();
        let kept = keeps.iter().any(|keep| match &keep.what {
            Kept::Process { identity, .. } => *identity == here,
            Kept::Pattern { pattern } => named(pattern, &stat.name, &command),
        });
        if kept {
            return true;
        }
        let Some(parent) = stat.parent else { return false };
        (below, next) = (Some(stat), parent);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use scupper_model::{StartTime, Timestamp};

    use super::*;

    /// A process with one child, which ends when it does.
    struct Family {
        parent: Child,
        child: Pid,
    }

    impl Family {
        fn start(program: &str) -> Self {
            let mut python = Command::new("python3");
            python
                .args(["-S", "-c", program])
                .env_clear()
                .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
            let mut parent = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
            Self { parent, child: line.trim().parse().unwrap() }
        }

        fn pid(&self) -> Pid {
            Pid::new(self.parent.id().try_into().unwrap()).unwrap()
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            // Both read from it.
            drop(self.parent.stdin.take());
            self.parent.wait().unwrap();
        }
    }

    /// `OWN` is whether the child leads a session.
    const FORKS: &str = "
import os, sys
pid = os.fork()
if pid == 0:
    OWN and os.setsid()
    os.write(1, f'{os.getpid()}\\n'.encode())
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
os.waitpid(pid, 0)
";

    fn found(proc_: &Proc, parent: &Identity) -> Vec<Pid> {
        let around = Around {
            proc_,
            untouchable: Untouchable::gather(proc_),
            present: HashSet::new(),
            keeps: &|| Ok(Vec::new()),
            interrupted: &|| false,
            record: &mut |_| (),
            tell: &mut |_| (),
        };
        forked_by(parent, &HashMap::new(), &around).iter().map(|stat| stat.pid).collect()
    }

    /// Safety 2: the number of a member that ended may be somebody else's by now, who has children.
    #[test]
    fn r118_safety_2_children_of_whoever_has_the_number_by_now_are_not_taken_in() {
        let proc_ = Proc::open(Path::new("/proc")).unwrap();
        let family = Family::start(&FORKS.replace("OWN", "False"));
        let now = proc_.identify(family.pid()).unwrap().unwrap();
        assert_eq!(found(&proc_, &now), [family.child]);
        let before = Identity { start_time: StartTime(now.start_time.0 - 1), ..now };
        assert_eq!(found(&proc_, &before), []);
    }

    #[test]
    fn who_leads_a_session_of_its_own_is_not_taken_in() {
        let proc_ = Proc::open(Path::new("/proc")).unwrap();
        let family = Family::start(&FORKS.replace("OWN", "True"));
        let parent = proc_.identify(family.pid()).unwrap().unwrap();
        assert_eq!(found(&proc_, &parent), []);
    }

    #[test]
    fn what_is_kept_keeps_what_is_below_it_and_nobody_else() {
        let proc_ = Proc::open(Path::new("/proc")).unwrap();
        let family = Family::start(&FORKS.replace("OWN", "False"));
        let [parent, child] = [family.pid(), family.child].map(|pid| proc_.identify(pid).unwrap().unwrap());
        let keeps = |identity| {
            let what = Kept::Process { identity, name: "python3".to_owned() };
            [Keep { what, until: None, since: Timestamp(0) }]
        };
        assert!(is_kept(&child, &keeps(child), &proc_) && is_kept(&child, &keeps(parent), &proc_));
        assert!(!is_kept(&parent, &keeps(child), &proc_));
        assert!(!is_kept(&child, &[], &proc_));
    }

    /// Safety 1: who is above it cannot be told to the end.
    #[test]
    fn r118_safety_1_what_has_more_above_it_than_is_looked_at_is_kept() {
        let proc_ = Proc::open(Path::new("/proc")).unwrap();
        let deep = format!(
            "
import os, sys
for _ in range({MOST_LEVELS}):
    pid = os.fork()
    if pid:
        sys.stdin.read()
        os.waitpid(pid, 0)
        os._exit(0)
os.write(1, f'{{os.getpid()}}\\n'.encode())
sys.stdin.read()
"
        );
        let family = Family::start(&deep);
        let [top, deepest] = [family.pid(), family.child].map(|pid| proc_.identify(pid).unwrap().unwrap());
        let what = Kept::Pattern { pattern: "no-such-program".to_owned() };
        let keeps = [Keep { what, until: None, since: Timestamp(0) }];
        assert!(!is_kept(&top, &keeps, &proc_));
        assert!(is_kept(&deepest, &keeps, &proc_));
    }
}
