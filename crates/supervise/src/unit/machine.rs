//! The machine itself: its states, and what each input means in each.

mod asking;
mod expiring;
mod holding;
mod judging;
mod leaking;
mod recycling;
mod starting;
mod words;

use std::time::Duration;

use scupper_model::{Identity, LimitLevel, Resource, SignalReason, UnitPhase};

pub use self::words::{Ask, Effect, Input, Settings};
use super::budget::{Budget, BudgetPlan, Cause};
use super::look::{Look, Role};
use super::targets::Targets;
use crate::control::UnitCounts;

pub(super) const TERM: i32 = 15;
pub(super) const KILL: i32 = 9;
const INTERRUPT: i32 = 2;
const QUIT: i32 = 3;

/// The longest time that what a command left behind is given between TERM and KILL, when nobody asked for the end:
/// the command has ended, so there is no work to finish that anybody waits for.
pub const LEFTOVER_GRACE: Duration = Duration::from_secs(5);

/// Why a unit is over whose command nobody had asked to end.
pub const ENDED_BY_ITSELF: &str = "the command ended";

/// With `fail_on_leak`, what ends by itself within this time after its command was not left behind.
const ENDS_WITH_IT: Duration = Duration::from_secs(1);

/// While somebody waits for a quiet moment, processor time is read as often as this.
const WHILE_WAITING: Duration = Duration::from_secs(1);

/// A unit that may be idle for a time is looked at so often within it.
const IDLE_LOOKS: u32 = 20;

/// A limit that was crossed is said again only after the value fell this share of it below (a twentieth).
pub(crate) const REARM_SHARE: u64 = 20;

/// A tree that grows faster than this in a second, in bytes, or than a hundredth of its limit, is not at rest.
const REST_GROWTH: u64 = 1 << 20;

/// What is done about a limit where the policy is to tell.
const ALERTED: &str = "none: alert";

/// What comes after the tree is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Exit(SignalReason),
    Restart(Cause),
    /// The command ended by itself: its policy decides.
    Decide,
}

/// Who is left of a recycle that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Recycle {
    Nobody,
    /// The next look says who.
    Asked,
    Workers(Vec<Identity>),
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    New,
    Starting,
    Running,
    /// The main process was asked to end.
    Draining {
        deadline: Duration,
        killed: bool,
        then: Then,
        /// When it is asked, where it may yet end by itself.
        tell: Option<Duration>,
    },
    /// The main process ended; what is left is being ended.
    Ending {
        deadline: Duration,
        killed: bool,
        then: Then,
        /// When they are told, where they may yet end by themselves.
        tell: Option<Duration>,
    },
    Waiting {
        until: Duration,
    },
    Stopped,
}

/// One unit.
#[derive(Clone, Debug)]
pub struct Unit {
    settings: Settings,
    state: State,
    main: Option<Identity>,
    targets: Targets,
    to_recycle: Recycle,
    crash: Budget,
    recycle: Budget,
    limit: Budget,
    workers: Budget,
    counts: UnitCounts,
    said: Vec<(Resource, LimitLevel)>,
    unreachable_said: bool,
    recycle_refused: bool,
    leaking: Option<leaking::Leaking>,
    leak_found: bool,
    last_code: i32,
    stop_asked: Option<SignalReason>,
    hold: holding::Hold,
    began_at: Option<Duration>,
    interrupted_at: Option<Duration>,
    random: u64,
}

impl Unit {
    /// A unit that has not begun. `seed` drives only the jitter of its restarts.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            state: State::New,
            main: None,
            targets: Targets::default(),
            to_recycle: Recycle::Nobody,
            crash: Budget::new(BudgetPlan::of(Cause::Crash)),
            recycle: Budget::new(BudgetPlan::of(Cause::Recycle)),
            limit: Budget::new(BudgetPlan::of(Cause::Limit)),
            workers: Budget::new(BudgetPlan::WORKERS),
            counts: UnitCounts::default(),
            said: Vec::new(),
            unreachable_said: false,
            recycle_refused: false,
            leaking: None,
            leak_found: false,
            last_code: 0,
            stop_asked: None,
            hold: holding::Hold::default(),
            began_at: None,
            interrupted_at: None,
            random: seed | 1,
        }
    }

    /// What happened, at `now` (monotonic, since scupper started); what is to be done about it.
    pub fn step(&mut self, now: Duration, input: Input<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Begin => self.begin(now, &mut effects),
            Input::Started(main) => self.started(main, now, &mut effects),
            Input::StartFailed(code) => self.start_failed(code, now, &mut effects),
            Input::MainEnded(how) => self.main_ended(how, now, &mut effects),
            Input::Look(look) => self.look(look, now, &mut effects),
            Input::Timer => self.timer(now, &mut effects),
            Input::Ask(ask) => self.ask(ask, now, &mut effects),
            Input::LeakFound => self.leak_found = true,
            Input::Signalled { signal, ends, forward } => {
                self.signalled(signal, ends, forward, now, &mut effects);
            }
        }
        self.hold_or_release(&mut effects);
        effects
    }

    /// What it is doing.
    pub const fn phase(&self) -> UnitPhase {
        match self.state {
            State::New | State::Starting => UnitPhase::Starting,
            State::Running => UnitPhase::Running,
            State::Draining { .. } => UnitPhase::Draining,
            State::Ending { .. } => UnitPhase::Ending,
            State::Waiting { .. } => UnitPhase::Waiting,
            State::Stopped => UnitPhase::Stopped,
        }
    }

    /// Its main process, while there is one.
    pub const fn main(&self) -> Option<Identity> {
        self.main
    }

    /// Whether somebody asked for its end.
    pub const fn asked_to_end(&self) -> bool {
        self.stop_asked.is_some()
    }

    /// Its counters. The shell adds what only it can count.
    pub const fn counts(&self) -> UnitCounts {
        self.counts
    }

    /// Its settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes its settings while it runs. A limit already crossed is judged at the next look.
    pub fn change(&mut self, settings: Settings) {
        self.settings = settings;
        self.said.clear();
        self.unreachable_said = false;
    }

    /// When it wants `Input::Timer` at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        let own = match self.state {
            State::Draining { tell: Some(at), .. } | State::Ending { tell: Some(at), .. } => Some(at),
            State::Draining { deadline, killed: false, .. }
            | State::Ending { deadline, killed: false, .. } => Some(deadline),
            State::Waiting { until } => Some(until),
            _ => None,
        };
        [own, self.targets.next_deadline(), self.expires_at()].into_iter().flatten().min()
    }

    /// Time until the next look at its tree that it wants, given the last one. `None` while there is no tree.
    pub fn next_look(&self, look: &Look, age: Duration, now: Duration) -> Option<Duration> {
        let next = match self.state {
            State::Ending { .. } => super::pace::SHORTEST,
            State::Running | State::Draining { .. } => {
                let mut next = super::pace::to_judge(age, self.settings.horizon, self.settings.grow);
                if self.waits_for_quiet() {
                    next = next.min(WHILE_WAITING);
                }
                if self.is_held() {
                    next = next.min(super::pace::WHILE_HELD);
                }
                if let Some(idle) = self.settings.idle {
                    next = next.min((idle / IDLE_LOOKS).max(super::pace::SHORTEST));
                }
                for resource in Resource::ALL {
                    let bound = self.settings.bounds.of(resource);
                    let Some(whole) = look.total(resource) else { continue };
                    let value = whole.saturating_sub(judging::kept(resource, look));
                    if let Some(limit) = bound.next_above(value) {
                        let slope = if resource == Resource::Memory { look.slope } else { None };
                        next = next.min(super::pace::next_look(value, slope, limit));
                    }
                }
                if !self.targets.is_empty() || self.to_recycle != Recycle::Nobody {
                    next = next.min(Duration::from_millis(100));
                }
                if let Some(until) = self.targets.spacing_until().filter(|until| *until > now) {
                    next = next.min(until.saturating_sub(now));
                }
                super::pace::while_young(age, next)
            }
            _ => return None,
        };
        Some(next)
    }

    fn look(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        self.counts.looks += 1;
        match self.state {
            State::Ending { then, .. } => {
                if look.endable().next().is_none() && !look.unsettled {
                    self.tree_empty(then, now, effects);
                } else {
                    self.timer(now, effects);
                }
            }
            State::Running | State::Draining { .. } => {
                let gone = self.targets.advance(now, Some(look), effects);
                for role in gone {
                    match role {
                        Role::Worker { .. } | Role::PoolWorker => self.counts.workers_recycled += 1,
                        Role::Helper => self.counts.helpers_ended += 1,
                        Role::Main => {}
                    }
                }
                self.timer(now, effects);
                self.judge(look, now, effects);
                if self.hold.wanted() {
                    // Whoever was started while the others were being stopped.
                    self.hold.again();
                } else {
                    self.end_idle(look, now, effects);
                }
                if self.state == State::Running && !self.hold.wanted() {
                    self.end_old_helpers(look, now, effects);
                    self.recycle_next(look, now, effects);
                    self.recycle_leaks(look, now, effects);
                }
                self.targets.remember(look);
            }
            _ => {}
        }
    }

    fn timer(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.end_expired(now, effects);
        match self.state {
            State::Waiting { until } if now >= until => self.spawn(effects),
            State::Draining { deadline, killed: false, then, .. } if now >= deadline => {
                self.state = State::Draining { deadline, killed: true, then, tell: None };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::GraceExpired });
            }
            State::Draining { tell: Some(at), deadline, killed, then } if now >= at => {
                self.state = State::Draining { deadline, killed, then, tell: None };
                if let (Some(target), Then::Exit(reason)) = (self.main, then) {
                    effects.push(Effect::Signal { target, signal: TERM, reason, subtree: false });
                }
            }
            State::Ending { tell: Some(at), deadline, killed, then } if now >= at => {
                self.state = State::Ending { deadline, killed, then, tell: None };
                effects.push(Effect::SignalTree { signal: TERM, reason: SignalReason::LeftBehind });
            }
            State::Ending { tell: Some(_), .. } => {}
            State::Ending { deadline, killed: false, then, .. } if now >= deadline => {
                self.state = State::Ending { deadline, killed: true, then, tell: None };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::GraceExpired });
            }
            // Killed, and somebody new is there: a process that forked while it was being killed. Again.
            State::Ending { deadline, killed: true, then, .. }
                if now >= deadline + Duration::from_millis(200) =>
            {
                self.state = State::Ending { deadline: now, killed: true, then, tell: None };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::LeftBehind });
            }
            State::Running => {
                self.targets.advance(now, None, effects);
            }
            _ => {}
        }
    }

    /// A number from 0 to 1 (xorshift64; only the spread of restarts hangs on it).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    fn jitter(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
