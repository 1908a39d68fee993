//! Looks at the tree: how much is read, what the size is, who is left alone.

use std::time::Duration;

use scupper_model::{EventKind, Pid, Resource, UnitPhase};
use scupper_probe::{Detail, ProbeError};

use super::{Fact, Surrounding, UnitShell, WHOLE_LOOK};
use crate::shell::launch;
use crate::shell::ownership::UnitCgroup;
use crate::shell::tree::Tree;
use crate::unit::{Activity, Input, Look, Role, Seen, pace};

/// While somebody who leaks waits for a quiet moment, processor time is read as often as this.
const LOAD_EVERY: Duration = Duration::from_secs(1);

/// What somebody asks for who follows the unit.
#[derive(Debug, Default)]
pub(super) struct Observed {
    every: Option<Duration>,
    next: Duration,
    /// A look that was made for it and not yet shown.
    made: Option<Duration>,
}

/// What is called like us after this time is called so by itself.
const STARTS_WITHIN: Duration = Duration::from_secs(2);
/// Who is still called like us then is judged like everybody.
const LAUNCHES_WITHIN: Duration = Duration::from_secs(10);
/// By then what was started has most often become the command.
const BECOMES_ITSELF: Duration = Duration::from_millis(100);

impl Observed {
    /// The command was started: what is seen at once is the process that becomes it.
    pub(super) fn begin(&mut self, now: Duration) {
        *self = Self { every: self.every, next: now + BECOMES_ITSELF, made: None };
    }
}

impl UnitShell {
    /// From now on somebody wants to see the whole of it so often.
    pub(in crate::shell) fn observe_every(&mut self, every: Duration) {
        self.observed.every = Some(every.max(pace::SHORTEST));
    }

    /// Whether somebody follows it, who judges it himself.
    pub(super) const fn is_observed(&self) -> bool {
        self.observed.every.is_some()
    }

    /// The last look, where it was made for whoever follows the unit: so long after its start.
    pub(in crate::shell) fn take_shown(&mut self) -> Option<(Duration, &Look)> {
        let at = self.observed.made.take()?;
        // It is still us, or the launch stage: of the command nothing was seen yet.
        let ours = |seen: &Seen| seen.age < STARTS_WITHIN && seen.name.starts_with("scupper");
        if self.look.processes.iter().any(ours) {
            self.observed.next = at;
            return None;
        }
        let runs = self.machine.phase() == UnitPhase::Running;
        runs.then(|| (at.saturating_sub(self.started_at), &self.look))
    }

    /// Looks at the tree, and gives the machine what was seen.
    pub(in crate::shell) fn look(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        let gone = self.tree.keep_up(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
        for member in gone {
            self.member_gone(&member, now, facts);
        }
        let detail = self.detail(now);
        let whole = detail.is_some();
        let mut look = self.tree.look(&around.proc, detail, now);
        look.unsettled = std::mem::take(&mut self.newly_adopted);
        let bound = self.machine.settings().bounds.of(Resource::Memory);
        self.pss.confirm(&around.proc, &mut look, bound, now);
        look.slope = self.tree.note_size(now, look.size);
        let horizon = self.machine.settings().horizon;
        self.nearer.add(&mut look, &self.tree, &around.proc, now, horizon);
        // A launcher may have moved itself into another cgroup before it became what it is now.
        if self.tree.take_executed() || whole {
            self.tree.note_oom_counters(&around.proc, &around.mounts);
        }
        if whole {
            self.compare_heap_limits(now, around, facts);
        }
        if self.machine.settings().idle.is_some() {
            look.idle = self.note_idle(&look, now, around, facts);
        }
        self.read_logs(facts);
        let age = now.saturating_sub(self.started_at);
        if self.machine.phase() == UnitPhase::Running && is_launched(&look, &self.tree, age) {
            self.next_look = Some(now + pace::SHORTEST);
            self.look = look;
            return;
        }
        if self.needs_judging(&look) {
            self.judge_spared(around, &mut look);
        }
        self.watch_look(&mut look, now, around, facts);
        self.drive(Input::Look(&look), now, around, facts);
        self.next_look = self.machine.next_look(&look, age, now).map(|after| on_the_grid(now, after));
        if self.is_observed() && self.next_look.is_some() {
            self.next_look = self.next_look.min(Some(self.observed.next));
        }
        self.look = look;
    }

    /// How long nothing has passed through the tree. `None` where that cannot be said.
    fn note_idle(
        &mut self,
        look: &Look,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> Option<Duration> {
        let (members, refused) = Self::activities(look, around);
        if let Some(error) = refused.filter(|_| !std::mem::replace(&mut self.idle_unknown_said, true)) {
            let why = crate::chain(&error);
            let message = format!("nobody can say whether it is idle, so it is kept: {why}");
            facts.push(EventKind::Trouble { message });
        }
        (!members.is_empty()).then(|| self.idle.note(now, members))
    }

    /// What each member of the tree has done since it began, as far as it can be read, and why one of them cannot be.
    fn activities(look: &Look, around: &Surrounding) -> (Vec<Activity>, Option<ProbeError>) {
        let proc = &around.proc;
        let mut refused = None;
        let living = look.processes.iter().filter(|seen| !seen.zombie).map(|seen| seen.identity);
        let members: Vec<Activity> = living
            .filter_map(|identity| {
                let stat = proc.stat(identity.pid).ok().flatten()?;
                let passed = proc.bytes_passed(identity.pid).unwrap_or_else(|error| {
                    refused = Some(error);
                    None
                });
                let ticks = u32::try_from(stat.user_ticks + stat.system_ticks).ok();
                let per_second = u32::try_from(proc.ticks_per_second()).ok();
                let cpu = ticks.zip(per_second).map(|(ticks, per)| Duration::from_secs(ticks.into()) / per);
                Some(Activity { identity, passed, cpu })
            })
            .collect();
        (members, refused)
    }

    /// What each member of the tree that was last seen has done since it began.
    pub(in crate::shell) fn activity(&self, around: &Surrounding) -> Result<Vec<Activity>, ProbeError> {
        let (members, refused) = Self::activities(&self.look, around);
        refused.map_or(Ok(members), Err)
    }

    /// What a look reads beside memory: everything now and then, and always what is limited.
    pub(in crate::shell) fn detail(&mut self, now: Duration) -> Option<Detail> {
        if let Some(every) = self.observed.every.filter(|_| now >= self.observed.next) {
            self.observed.next = now + every;
            self.observed.made = Some(now);
            self.last_whole = now;
            return Some(Detail { memory_split: true, fds: true, sockets: true, pss: false });
        }
        let bounds = &self.machine.settings().bounds;
        let sockets = bounds.counts(Resource::Sockets);
        let counted = sockets || bounds.counts(Resource::Descriptors) || bounds.counts(Resource::Threads);
        if self.machine.waits_for_quiet() {
            self.next_whole = self.next_whole.min(self.last_whole + LOAD_EVERY);
        }
        if !counted && now < self.next_whole {
            return None;
        }
        if now >= self.next_whole {
            // More often while it is young: what it is at rest, and in which cgroup, is not settled yet.
            let age = now.saturating_sub(self.started_at);
            let every = pace::to_count(age, self.machine.settings().horizon).unwrap_or(WHOLE_LOOK);
            self.next_whole = now + every.min(WHOLE_LOOK).min(age.max(Duration::from_millis(100)));
        }
        self.last_whole = now;
        Some(Detail { memory_split: true, fds: true, sockets, pss: false })
    }

    pub(in crate::shell) fn needs_judging(&self, look: &Look) -> bool {
        let settings = self.machine.settings();
        let crossed = Resource::ALL.into_iter().any(|resource| {
            look.total(resource).is_some_and(|value| settings.bounds.of(resource).crossed(value).is_some())
        });
        let aged = settings.child_lifetimes.iter().any(|lifetime| {
            look.processes.iter().any(|p| p.role == Role::Helper && p.age > lifetime.lifetime)
        });
        crossed || aged || self.machine.phase() == UnitPhase::Ending
    }

    pub(in crate::shell) fn judge_spared(&mut self, around: &Surrounding, look: &mut Look) {
        let facts: Vec<_> =
            self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
        let spared: Vec<Pid> = self.judge.spared(&facts).into_iter().map(|(pid, _)| pid).collect();
        self.tree.set_spared(&spared);
        for process in &mut look.processes {
            process.spared = spared.contains(&process.identity.pid);
        }
    }
}

/// Whether all there is is what starts the command, which no limit of the command is about: it weighs some megabytes, and
/// on a loaded machine it is there for seconds. It is a copy of us first, then the launch stage.
fn is_launched(look: &Look, tree: &Tree, age: Duration) -> bool {
    let stage = |seen: &Seen| tree.member(seen.identity.pid).is_some_and(|m| launch::is_stage(&m.command));
    let ours = |seen: &Seen| (seen.changes == 0 && seen.name.starts_with("scupper")) || stage(seen);
    age < LAUNCHES_WITHIN && !look.processes.is_empty() && look.processes.iter().all(ours)
}

/// Long waits end on whole quarters of a second, so that many units are looked at in one wake-up.
fn on_the_grid(now: Duration, after: Duration) -> Duration {
    const GRID: u64 = 250;
    if after < Duration::from_secs(1) {
        return now + after;
    }
    let at = u64::try_from((now + after).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(at - at % GRID)
}
