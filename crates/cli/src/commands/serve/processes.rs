//! Ends orphans' processes of this host (R115).
//!
//! The registry says that an agent is over and which process it was. That is a claim: anybody who can write to the registry
//! can make it, of any process. Nothing is ended by it. It only says where to look; what is found there is judged as `reap`
//! judges it, by what Scupper itself recorded on this host. Ended is what is certainly left behind of the one unit that the
//! named process was, and that was recorded as that agent: recorded at its start, in the unit's cgroup, or carrying the marks of its run, where nobody watches
//! over it any more. Two looks at least 2 s apart have to say so, what is kept is kept, and every signal is an event.
//!
//! All of it happens on a thread of its own: no sweep waits for it.

mod confirm;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use scupper_fleet::coordinator::{Fate, Looked, Processes};
use scupper_fleet::{Incarnation, Process};
use scupper_model::{EventKind, Identity, allowed, brake};
use scupper_orphan::{CONFIRM_AFTER, Outcome, Plan, Reaped};
use scupper_probe::Proc;
use scupper_supervise::shell::Untouchable;

use self::confirm::{Standing, Unit};
use super::journal::Journal;
use crate::commands::reap::act::{self, Around};
use crate::commands::scan::look::{self, Ask};
use crate::{keeps, wait};

/// Processes that wait to be looked at. More are asked about again with the next sweep.
const MOST_WAITING: usize = 256;
/// How long the first waits for others: a look takes in the whole machine, and is the same for all.
const GATHER: Duration = Duration::from_millis(100);

/// Looks at processes, and ends those that may be.
pub(super) struct Ending {
    state: Option<PathBuf>,
    grace: Duration,
    hold: Duration,
    journal: Journal,
    queue: Mutex<Queue>,
    arrived: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    looked: Vec<Looked>,
}

/// One process to look at.
#[derive(Clone, Debug)]
struct Request {
    who: Incarnation,
    process: Process,
    identity: Identity,
}

impl Ending {
    /// Starts its thread. `hold` is how long it ends nobody after too many were to be ended at once.
    pub(super) fn start(
        state: Option<PathBuf>,
        grace: Duration,
        hold: Duration,
        journal: Journal,
    ) -> std::io::Result<Arc<Self>> {
        let (queue, arrived) = (Mutex::default(), Condvar::new());
        let stopped = AtomicBool::new(false);
        let ending = Arc::new(Self { state, grace, hold, journal, queue, arrived, stopped });
        let worker = Arc::clone(&ending);
        std::thread::Builder::new().name("processes".to_owned()).spawn(move || worker.work())?;
        Ok(ending)
    }

    /// Signals nobody any more. What was not done stays in the registry for whoever coordinates this host next.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.arrived.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn work(&self) {
        let mut held: Option<Instant> = None;
        while self.turn(&mut held) {}
    }

    /// Looks at those who wait, once; `false` at the end. `held` is the brake: until then nobody is ended, then one by one.
    fn turn(&self, held: &mut Option<Instant>) -> bool {
        let Some(requests) = self.next(*held) else { return false };
        match self.look(requests, held) {
            // One by one, until nobody waits any more, whatever became of the last.
            Ok(()) => {
                if self.queue().waiting.is_empty() {
                    *held = None;
                }
            }
            // An error means keep: they are looked at again.
            Err((error, requests)) => {
                let message = format!("cannot look at orphans' processes: {error:#}");
                self.journal.record(EventKind::Trouble { message });
                self.put_back(requests);
                wait::until(self.hold, |_| self.is_stopped());
            }
        }
        true
    }

    /// Those that wait: all of them, or one alone after the brake held. `None` at the end.
    fn next(&self, held: Option<Instant>) -> Option<Vec<Request>> {
        let mut queue = self.queue();
        while queue.waiting.is_empty() {
            if self.is_stopped() {
                return None;
            }
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        wait::until(GATHER, |_| self.is_stopped());
        if let Some(until) = held {
            wait::until(until.saturating_duration_since(wait::now()), |_| self.is_stopped());
        }
        if self.is_stopped() {
            return None;
        }
        let mut queue = self.queue();
        let count = if held.is_some() { 1 } else { queue.waiting.len() };
        Some(queue.waiting.drain(..count).collect())
    }

    fn put_back(&self, requests: Vec<Request>) {
        self.queue().waiting.extend(requests);
    }

    fn tell(&self, request: Request, fate: Fate) {
        let Request { who, process, .. } = request;
        self.queue().looked.push(Looked { who, process, fate });
    }

    fn look(
        &self,
        requests: Vec<Request>,
        held: &mut Option<Instant>,
    ) -> Result<(), (anyhow::Error, Vec<Request>)> {
        let first = match look::look(&self.ask()) {
            Ok(first) => first,
            Err(failure) => return Err((failure.error, requests)),
        };
        let seen_at = wait::now();
        let mut meant: Vec<(Request, Unit)> = Vec::new();
        for request in requests {
            match confirm::standing(&first, &request.who.id, &request.identity) {
                Standing::Gone => self.tell(request, Fate::Gone),
                Standing::Left { because } => self.tell(request, Fate::Left { because }),
                Standing::Confirmed(unit) => meant.push((request, unit)),
            }
        }
        if meant.is_empty() {
            return Ok(());
        }
        if held.is_none() && self.brakes(&first, &meant) {
            *held = Some(wait::now() + self.hold);
            self.put_back(meant.into_iter().map(|(request, _)| request).collect());
            return Ok(());
        }
        let names: HashSet<&str> = meant.iter().map(|(_, unit)| unit.name.as_str()).collect();
        let plan = confirm::plan(&first, &names);
        wait::until(CONFIRM_AFTER, |_| self.is_stopped());
        if self.is_stopped() {
            return Ok(());
        }
        let apart = wait::now().saturating_duration_since(seen_at);
        let fates = self.end(plan, apart);
        match fates {
            Err(error) => Err((error, meant.into_iter().map(|(request, _)| request).collect())),
            // Interrupted: the registry keeps it.
            Ok(None) => Ok(()),
            Ok(Some(fates)) => {
                for (request, unit) in meant {
                    let fate = fates.of(&unit, &request.identity);
                    self.tell(request, fate);
                }
                Ok(())
            }
        }
    }

    /// Safety 6, for this host: more units at once than can be believed.
    fn brakes(&self, looked: &look::Looked, meant: &[(Request, Unit)]) -> bool {
        let units: HashSet<&str> = meant.iter().map(|(_, unit)| unit.name.as_str()).collect();
        let known = looked.known.runs.iter().filter(|run| !run.ended).map(|run| run.unit.as_str());
        let Some((dead, members)) = too_many(&units, known) else { return false };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let allowed = allowed(members);
        let held = scupper_model::format_duration(self.hold);
        self.journal.record(EventKind::BrakeApplied {
            dead: number(dead),
            members: number(members),
            allowed: number(allowed),
            message: format!(
                "the processes of {dead} of {members} units of this host are to be ended at once, and no more than \
                 {allowed} are believed: nobody is ended for {held}, then one unit at a time"
            ),
        });
        true
    }

    /// The second look, and the end of those of whom it says the same. `None` where it was interrupted.
    fn end(&self, plan: Plan, apart: Duration) -> anyhow::Result<Option<Fates>> {
        let again = look::look(&self.ask()).map_err(|failure| failure.error)?;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let confirmed = plan.confirm(&again.findings, apart)?;
        self.journal.record(EventKind::ReapConfirmed {
            processes: number(confirmed.targets().len()),
            left: number(confirmed.dropped().len()),
            after_ms: u64::try_from(apart.as_millis()).unwrap_or(u64::MAX),
        });
        let mut fates = Fates::default();
        for target in confirmed.targets() {
            fates.unit_of(target.process.identity, target.unit.as_deref());
        }
        for target in confirmed.dropped() {
            let is_there =
                again.snapshot.processes.iter().any(|process| process.identity == target.process.identity);
            if is_there {
                fates.left(target.unit.as_deref(), "the second look says something else of it".to_owned());
            }
        }
        if confirmed.targets().is_empty() {
            return Ok(Some(fates));
        }
        let targets = confirmed.targets().to_vec();
        let mut around = Around {
            proc_: &again.proc_,
            untouchable: Untouchable::gather(&again.proc_),
            present: again.snapshot.processes.iter().map(|process| process.identity).collect(),
            keeps: &|| keeps::of_this_user(self.state.as_deref()),
            interrupted: &|| self.is_stopped(),
            record: &mut |fact| self.journal.record(fact),
            tell: &mut |_| (),
        };
        let acted = act::end(confirmed, self.grace, &mut around);
        for reaped in &acted.reaped {
            fates.add(reaped);
        }
        crate::commands::reap::tidy(&targets, &again);
        Ok((!acted.interrupted).then_some(fates))
    }

    fn ask(&self) -> Ask<'_> {
        // What is held and not used is nobody's business here: no server is idle for so long.
        let idle_after = Duration::MAX;
        Ask { min_age: Duration::ZERO, user: None, idle_after, state: self.state.as_deref() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Processes for Ending {
    fn look_at(&self, who: &Incarnation, process: &Process) -> bool {
        let Some(identity) = process.identity else {
            // It never said which: there is nothing to look for.
            let (who, process) = (who.clone(), process.clone());
            self.queue().looked.push(Looked { who, process, fate: Fate::Gone });
            return true;
        };
        let mut queue = self.queue();
        if queue.waiting.len() >= MOST_WAITING || self.is_stopped() {
            return false;
        }
        queue.waiting.push_back(Request { who: who.clone(), process: process.clone(), identity });
        drop(queue);
        self.arrived.notify_all();
        true
    }

    fn looked_at(&self) -> Vec<Looked> {
        std::mem::take(&mut self.queue().looked)
    }

    /// Looked up at once: one line of /proc.
    fn is_gone(&self, identity: &Identity) -> bool {
        Proc::open(Path::new("/proc")).is_ok_and(|proc| matches!(proc.is_same(identity), Ok(false)))
    }
}

/// How many units are to be ended, and of how many that are known here; `None` where so many can be believed.
fn too_many<'n>(units: &HashSet<&'n str>, known: impl Iterator<Item = &'n str>) -> Option<(usize, usize)> {
    let members: HashSet<&str> = known.chain(units.iter().copied()).collect();
    let (dead, members) = (units.len(), members.len());
    brake(dead, members).then_some((dead, members))
}

/// What became of units' processes.
#[derive(Debug, Default)]
struct Fates {
    units: BTreeMap<Identity, String>,
    ended: BTreeMap<String, Ended>,
    left: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Ended {
    processes: Vec<Identity>,
    forced: u32,
}

impl Fates {
    fn unit_of(&mut self, identity: Identity, unit: Option<&str>) {
        self.units.insert(identity, unit.unwrap_or_default().to_owned());
    }

    fn left(&mut self, unit: Option<&str>, because: String) {
        self.left.insert(unit.unwrap_or_default().to_owned(), because);
    }

    fn add(&mut self, reaped: &Reaped) {
        // What a member forked meanwhile is of the same unit, and of which of several nobody asks.
        let Some(unit) = self.units.get(&reaped.identity).cloned() else { return };
        match &reaped.outcome {
            Outcome::GoneBefore => {}
            Outcome::Ended => self.ended.entry(unit).or_default().processes.push(reaped.identity),
            Outcome::Forced => {
                let ended = self.ended.entry(unit).or_default();
                ended.processes.push(reaped.identity);
                ended.forced += 1;
            }
            Outcome::StillThere => {
                self.left.insert(unit, "it is still there after KILL".to_owned());
            }
            Outcome::Refused(why) => {
                self.left.insert(unit, why.clone());
            }
        }
    }

    /// Of one unit, of which the registry named this process.
    fn of(&self, unit: &Unit, named: &Identity) -> Fate {
        if let Some(because) = self.left.get(&unit.name) {
            return Fate::Left { because: because.clone() };
        }
        let Some(ended) = self.ended.get(&unit.name) else { return Fate::Gone };
        let first = ended.processes.first().copied();
        let target = Some(*named).filter(|named| ended.processes.contains(named)).or(first);
        let Some(target) = target else { return Fate::Gone };
        let processes = u32::try_from(ended.processes.len()).unwrap_or(u32::MAX);
        Fate::Ended { unit: unit.name.clone(), target, processes, forced: ended.forced }
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::{Pid, StartTime};

    use super::*;

    #[test]
    fn safety_6_more_units_of_this_host_than_three_or_thirty_percent_are_not_ended_at_once() {
        let names: Vec<String> = (0..20).map(|n| format!("unit-{n}")).collect();
        let some = |count: usize| names.iter().take(count).map(String::as_str);
        for (dead, known, brakes) in
            [(3, 3, false), (4, 4, true), (6, 20, false), (7, 20, true), (4, 0, true)]
        {
            let units: HashSet<&str> = some(dead).collect();
            assert_eq!(too_many(&units, some(known)).is_some(), brakes, "{dead} of {known}");
        }
    }

    #[test]
    fn safety_6_the_brake_is_armed_again_when_the_last_of_a_held_batch_turns_out_to_be_gone() {
        let dir = tempfile::tempdir().unwrap();
        let state = Some(dir.path().to_path_buf());
        let journal = Journal::new(&crate::config::Output { state: state.clone(), ..Default::default() });
        let ending = Ending {
            state,
            grace: Duration::ZERO,
            hold: Duration::ZERO,
            journal,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            stopped: AtomicBool::new(false),
        };
        let who = Incarnation { id: "a".parse().unwrap(), epoch: scupper_fleet::Epoch(7) };
        // Of another boot, so that it is gone.
        let process = Process { host: "here".parse().unwrap(), identity: Some(identity(1)) };
        let mut held = Some(wait::now());
        let armed = |held: &Option<Instant>| held.is_none();
        assert!(ending.look_at(&who, &process) && ending.look_at(&who, &process));
        assert!(ending.turn(&mut held) && !armed(&held), "one more of the batch waits");
        assert!(ending.turn(&mut held) && armed(&held));
        assert_eq!(ending.looked_at().len(), 2);
    }

    fn identity(pid: i32) -> Identity {
        Identity {
            pid: Pid::new(pid).unwrap(),
            start_time: StartTime(7),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap(),
        }
    }

    #[test]
    fn what_became_of_one_unit_is_told_of_that_one() {
        let mut fates = Fates::default();
        for (pid, unit, outcome) in [
            (1, "a", Outcome::Ended),
            (2, "a", Outcome::Forced),
            (3, "b", Outcome::Ended),
            (4, "b", Outcome::Refused("EPERM".to_owned())),
            (5, "c", Outcome::GoneBefore),
        ] {
            fates.unit_of(identity(pid), Some(unit));
            fates.add(&Reaped { identity: identity(pid), name: "x".to_owned(), outcome });
        }
        let of = |name: &str, pid| fates.of(&Unit { name: name.to_owned() }, &identity(pid));
        let ended = |target| Fate::Ended { unit: "a".to_owned(), target, processes: 2, forced: 1 };
        assert_eq!(of("a", 2), ended(identity(2)));
        assert_eq!(of("a", 99), ended(identity(1)), "the named one was gone, what it had started was not");
        assert_eq!(of("b", 3), Fate::Left { because: "EPERM".to_owned() });
        assert_eq!(of("c", 5), Fate::Gone);
    }
}
