//! One turn of a coordinator: whatever is due now, each registry call by itself, and when it wants the next one.

pub(super) mod cleaning;
mod processes;
pub(super) mod telling;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use scupper_model::FleetFact;

use super::batch::Batch;
use super::cleanup::Cleanups;
use super::listening::Listening;
use super::lost::{self, Losses};
use super::memory::MemoryWatch;
use super::pace::{Pace, Spread};
use super::processes::{Looked, Processes, UnderWay};
use super::view::{FleetGrowth, SharedView, View};
use super::{Facts, Setup};
use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::words::{CLAIMS_LIMIT, Claim, Happened, LeakWindow, Phase, Reason, Sweep, Swept};

/// Orphans that are named in one event.
const NAMED: usize = 100;
/// What a sweep does not say of the registry is asked for with every so many sweeps: it changes slowly, and costs more than a
/// sweep.
const STATUS_EVERY: u32 = 12;

/// Sweeps one registry. Everything it knows of the world comes from its store and its clock: tests turn the clock by hand
/// and call [`Coordinator::turn`].
pub struct Coordinator {
    setup: Setup,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    batch: Arc<Batch>,
    processes: Option<Arc<dyn Processes>>,
    facts: Facts,
    view: SharedView,
    pace: Pace,
    cleanups: Cleanups,
    losses: Losses,
    memory: MemoryWatch,
    under_way: UnderWay,
    /// What became of processes, and the registry does not know yet.
    fates: VecDeque<Looked>,
    /// Since when the registry does not answer, since boot.
    lost: Option<Duration>,
    /// The phase that was said last, and when.
    phase: Option<(Phase, Duration)>,
    /// The last text that was said of each kind of trouble: said again when it changes.
    trouble: Vec<(&'static str, String)>,
    status_in: u32,
}

impl Coordinator {
    /// One that has done nothing yet. `processes` is who ends orphans' processes of this host: without one they are left for
    /// another coordinator of the host.
    pub fn new(
        setup: Setup,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        processes: Option<Arc<dyn Processes>>,
        facts: Facts,
    ) -> Self {
        let now = clock.since_boot();
        let spread = Spread::new(setup.id.as_str(), now);
        let batch = Batch::new(Arc::clone(&store), Arc::clone(&clock), setup.id.clone(), setup.timing);
        let view = View::new(setup.id.clone(), setup.host.clone(), setup.registry.clone());
        Self {
            batch: Arc::new(batch),
            view: SharedView::new(view),
            pace: Pace::new(spread, setup.timing.tick, now),
            cleanups: Cleanups::default(),
            losses: Losses::default(),
            memory: MemoryWatch::new(now),
            under_way: UnderWay::default(),
            fates: VecDeque::new(),
            lost: None,
            phase: None,
            trouble: Vec::new(),
            status_in: 0,
            setup,
            store,
            clock,
            processes,
            facts,
        }
    }

    /// What it knows and has done, kept up to date.
    pub fn view(&self) -> SharedView {
        self.view.clone()
    }

    /// Where agents of this host beat.
    pub fn batch(&self) -> Arc<Batch> {
        Arc::clone(&self.batch)
    }

    /// Objects to cleanups as soon as they begin, on a thread of its own.
    pub fn listening(&self) -> Listening {
        Listening::new(
            &self.setup,
            Arc::clone(&self.store),
            Arc::clone(&self.batch),
            self.processes.clone(),
            Arc::clone(&self.facts),
        )
    }

    /// Cleanups that it has claimed and not finished.
    pub fn cleanups(&self) -> usize {
        self.cleanups.len()
    }

    /// Does what is due, and gives how long nothing is. `stopped` is asked between two calls of the registry.
    pub fn turn(&mut self, stopped: &dyn Fn() -> bool) -> Duration {
        let now = self.clock.since_boot();
        if let Some(away) = self.pace.away(now) {
            return away;
        }
        match self.work(stopped) {
            Ok(()) => self.answered(),
            Err(error) => self.failed(&error),
        }
        let now = self.clock.since_boot();
        if let Some(away) = self.pace.away(now) {
            return away;
        }
        let next =
            self.cleanups.next().map_or(self.pace.next_sweep(), |next| next.min(self.pace.next_sweep()));
        next.saturating_sub(now)
    }

    /// Ends on purpose: its lease is over at once, and nobody takes it for lost.
    pub fn resign(&mut self, why: &str) {
        self.batch.close();
        if let Err(error) = self.store.resign(&self.setup.id) {
            self.tell_trouble("resign", &error);
        }
        self.tell(FleetFact::CoordinatorStopped {
            coordinator: self.setup.id.to_string(),
            reason: why.to_owned(),
        });
    }

    fn work(&mut self, stopped: &dyn Fn() -> bool) -> Result<(), StoreError> {
        if self.pace.sweep_is_due(self.clock.since_boot()) {
            let (cleanups, delegated) = self.sweep()?;
            // An idle turn is one call, however many agents there are.
            if delegated > 0 {
                self.look_after_processes()?;
            }
            if cleanups > 0 {
                self.object_where_heard()?;
            }
            self.look_after_the_lost()?;
            self.look_at_numbers()?;
            self.look_at_memory()?;
        }
        self.tell_fates()?;
        self.clean_up(stopped)
    }

    /// Gives how many cleanups are in progress, and how many processes of this host are to be looked at.
    fn sweep(&mut self) -> Result<(u64, u64), StoreError> {
        let begun = self.clock.since_boot();
        // Counted from its beginning, whatever comes of it.
        self.pace.swept(begun);
        let mut timing = self.setup.timing;
        // What is claimed and cannot be cleaned up in time is claimed for nothing.
        timing.batch = timing.batch.saturating_sub(self.cleanups.len()).max(1);
        let swept = self.store.sweep(&Sweep {
            coordinator: self.setup.id.clone(),
            host: self.setup.host.clone(),
            timing,
            dry: false,
            asked: false,
            only: Vec::new(),
        })?;
        let now = self.clock.since_boot();
        let took = now.saturating_sub(begun);
        self.view.change(|view| {
            view.sweeps += 1;
            view.last_sweep = Some(swept.now);
            view.last_sweep_took = Some(took);
            view.sweeps_took = view.sweeps_took.saturating_add(took);
            view.phase = Some(swept.phase);
            view.members = Some(swept.members);
            view.suspects = Some(swept.suspects);
            view.expired = Some(swept.expired);
            view.claims = Some(swept.cleanups);
        });
        self.tell_phase(swept.phase, swept.now, now);
        self.tell_lines(&swept.trouble);
        self.losses.add(swept.lost.iter().cloned());
        self.take_in(&swept, now)?;
        Ok((swept.cleanups, swept.delegated))
    }

    /// Claims, and what is said of them. They are kept first: whatever fails afterwards, they are cleaned up.
    fn take_in(&mut self, swept: &Swept, now: Duration) -> Result<(), StoreError> {
        let is_orphan = |claim: &&Claim| {
            !claim.taken_on && matches!(claim.reason, Reason::MissingHeartbeat | Reason::StaleHeartbeat)
        };
        let orphans: Vec<&Claim> = swept.claims.iter().filter(is_orphan).collect();
        for claim in swept.claims.iter().take(CLAIMS_LIMIT) {
            self.cleanups.add(claim.clone(), now, self.setup.timing.objection);
            self.tell(FleetFact::CleanupStarted {
                agent: claim.id.to_string(),
                epoch: claim.epoch.map(|epoch| epoch.0),
                reason: claim.reason.as_str().to_owned(),
                last_seen_ms: claim.last_seen.map(|at| at.0),
                idle_ms: claim.idle.map(millis),
                taken_on: claim.taken_on,
            });
        }
        self.count_cleanups();
        if orphans.is_empty() {
            return Ok(());
        }
        let count = number(orphans.len());
        self.view.change(|view| {
            for claim in &orphans {
                *view.done.detected.entry(claim.reason).or_default() += 1;
            }
        });
        self.tell(FleetFact::OrphansDetected {
            count,
            agents: orphans.iter().take(NAMED).map(|claim| claim.id.to_string()).collect(),
            healthy: swept.members,
        });
        let named = orphans.iter().take(NAMED).map(|claim| claim.orphan()).collect();
        self.announce(&Happened::OrphansDetected { count, orphans: named })
    }

    fn look_after_the_lost(&mut self) -> Result<(), StoreError> {
        while let Some(lost) = self.losses.first().cloned() {
            let settled = lost::settle(self.store.as_ref(), &lost, &self.setup.id, self.setup.on_lost);
            let settled = self.or_trouble("lost", settled)?;
            if settled.is_some() {
                let forgotten = self.store.lost_settled(&lost);
                self.or_trouble("lost", forgotten)?;
            }
            self.losses.done();
            self.view.change(|view| view.done.coordinators_lost += 1);
            if let Some(agents) = settled {
                self.tell(FleetFact::CoordinatorLost {
                    coordinator: lost.to_string(),
                    policy: self.setup.on_lost.as_str().to_owned(),
                    agents,
                });
            }
        }
        Ok(())
    }

    fn look_at_numbers(&mut self) -> Result<(), StoreError> {
        let (agents, objections) = (self.batch.agents(), self.batch.objections());
        let answered = self.batch.answered();
        self.view.change(|view| {
            view.agents_here = agents;
            (view.beats, view.fenced) = (answered.beats, answered.fenced);
            view.done.objections = objections;
        });
        if self.status_in > 0 {
            self.status_in -= 1;
            return Ok(());
        }
        self.status_in = STATUS_EVERY - 1;
        let Some(status) = self.or_trouble("status", self.store.status())? else { return Ok(()) };
        self.view.change(|view| {
            view.store = Some(status.store);
            view.coordinators = status.coordinators;
        });
        Ok(())
    }

    fn look_at_memory(&mut self) -> Result<(), StoreError> {
        let now = self.clock.since_boot();
        let looked = self.memory.look(self.store.as_ref(), &self.setup.id, self.setup.leak_window, now);
        let Some(Some(looked)) = self.or_trouble("memory", looked)? else { return Ok(()) };
        self.tell_other_window(looked.other);
        let window = looked.memory.as_ref().map(|memory| memory.window).unwrap_or_default();
        let growth = looked.memory.as_ref().and_then(|memory| memory.growth).unwrap_or_default();
        self.view.change(|view| view.memory = looked.memory);
        let Some(news) = looked.news else { return Ok(()) };
        self.tell(leak(&news, window, growth));
        self.announce(&news)
    }
}

fn leak(news: &Happened, window: LeakWindow, growth: FleetGrowth) -> FleetFact {
    if let Happened::MemoryLeakCleared { growth } = news {
        return FleetFact::FleetLeakCleared { growth_bytes: *growth };
    }
    FleetFact::FleetLeak {
        growth_bytes: growth.growth,
        growth_percent: growth.growth_percent,
        baseline_bytes: growth.baseline,
        current_bytes: growth.current,
        members: growth.members,
        window_ms: window.millis(),
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("setup", &self.setup).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
