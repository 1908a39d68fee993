//! The machine itself: its states, and what each input means in each.

mod expiring;
mod holding;
mod judging;
mod leaking;
mod recycling;
mod starting;

use std::time::Duration;

use scupper_detect::{GrowRule, Horizon};
use scupper_model::{
    Bytes, ChildLifetime, EventKind, HowEnded, Identity, LimitLevel, Policy, RecyclePolicy, Resource,
    RestartPolicy, SignalReason, UnitPhase, UnitSpec,
};

use super::bounds::Bounds;
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
const REARM_SHARE: u64 = 20;

/// A tree that grows faster than this in a second, in bytes, or than a hundredth of its limit, is not at rest.
const REST_GROWTH: u64 = 1 << 20;

/// What is done about a limit where the policy is to tell.
const ALERTED: &str = "none: alert";

/// What the machine has to know of its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// What happens when the command ends by itself.
    pub restart: RestartPolicy,
    /// Whether it is tried again slowly after its budget is spent.
    pub retry_after_giving_up: bool,
    /// How far it may go.
    pub policy: Policy,
    /// The limits, resolved.
    pub bounds: Bounds,
    /// How long helpers may live; the first pattern that matches counts.
    pub child_lifetimes: Vec<ChildLifetime>,
    /// How much time there is to judge its growth.
    pub horizon: Horizon,
    /// Growth that is a leak whatever its shape.
    pub grow: Option<GrowRule>,
    /// Whether what leaks is replaced.
    pub recycle: RecyclePolicy,
    /// Whether a leak turns exit code 0 into 1.
    pub fail_on_leak: bool,
    /// It is ended when nothing passed through it for so long.
    pub idle: Option<Duration>,
    /// It is ended so long after it began.
    pub lifetime: Option<Duration>,
}

impl Settings {
    /// Those of a unit. `whole` is what its limits are a percentage of, where they are.
    pub fn of(spec: &UnitSpec, whole: Option<Bytes>) -> Self {
        Self {
            grace: spec.grace,
            restart: spec.restart,
            retry_after_giving_up: spec.retry_after_giving_up,
            policy: spec.policy,
            bounds: Bounds::resolve(&spec.limits, whole),
            child_lifetimes: spec.child_lifetimes.clone(),
            horizon: spec.horizon,
            grow: spec.grow,
            recycle: spec.recycle,
            fail_on_leak: spec.fail_on_leak,
            idle: spec.idle,
            lifetime: spec.lifetime,
        }
    }
}

/// What a person or a configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// End it, with its reason.
    Stop(SignalReason),
    /// End it; but half of the grace is its own, to end by itself: it knows already that nobody wants it any more.
    LetEnd(SignalReason),
    /// After `LetEnd`: that half begins anew, and the grace with it. Once it was told to end, nothing.
    Prolong,
    /// End it and start it again.
    Restart(SignalReason),
    /// Replace its workers one at a time, or all of it where it has none.
    Recycle,
    /// Let nobody of it act until `Release`; what is ending already ends.
    Hold(SignalReason),
    /// It may act again.
    Release(SignalReason),
    /// End it at once, without a grace.
    End(SignalReason),
}

/// Everything that can happen to a unit.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Start it for the first time.
    Begin,
    /// The command was started.
    Started(Identity),
    /// The command could not be started; the code is 126 or 127.
    StartFailed(i32),
    /// The main process ended.
    MainEnded(HowEnded),
    /// A look at the tree.
    Look(&'a Look),
    /// Time passed.
    Timer,
    /// Somebody asked for something.
    Ask(Ask),
    /// Something was found that leaks or was left behind.
    LeakFound,
    /// Somebody signalled scupper. `ends` says whether the unit is to end with it, `forward` whether the command has
    /// not yet got it from the terminal.
    Signalled {
        /// The signal.
        signal: i32,
        /// TERM, INT from a person, a terminal's hang-up.
        ends: bool,
        /// Not for what the terminal sends to the whole group.
        forward: bool,
    },
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start the command; answer with `Started` or `StartFailed`.
    Spawn,
    /// Signal one process, after checking once more who it is; with `subtree` also all below it, children first.
    Signal {
        /// Who.
        target: Identity,
        /// Which signal.
        signal: i32,
        /// Why.
        reason: SignalReason,
        /// Also what is below it.
        subtree: bool,
    },
    /// Signal every member that may be ended.
    SignalTree {
        /// Which signal.
        signal: i32,
        /// Why.
        reason: SignalReason,
    },
    /// Let every member that may be ended stand still; those who do already are left as they are.
    HoldTree {
        /// Why.
        reason: SignalReason,
    },
    /// Let them go on.
    ReleaseTree {
        /// Why.
        reason: SignalReason,
    },
    /// Record a fact.
    Record(EventKind),
    /// The unit is over; its exit code.
    Finish(i32),
}

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

    fn ask(&mut self, ask: Ask, now: Duration, effects: &mut Vec<Effect>) {
        match ask {
            Ask::Stop(reason) => {
                self.hold.note_end(reason);
                self.stop_asked = Some(reason);
                self.stop(reason, TERM, true, now, effects);
            }
            Ask::LetEnd(reason) => self.let_end(reason, now, effects),
            Ask::Prolong => self.prolong(now),
            Ask::Hold(reason) => self.hold.want(Some(reason)),
            Ask::Release(reason) => self.hold.release(reason),
            Ask::End(reason) => self.end_at_once(reason, now, effects),
            Ask::Restart(reason) => match self.state {
                State::Running => self.drain_main(Then::Restart(Cause::Asked), TERM, reason, now, effects),
                State::Waiting { .. } => self.spawn(effects),
                _ => {}
            },
            Ask::Recycle => {
                if self.state == State::Running {
                    // The next look fills in the workers, or finds none and recycles the unit.
                    self.to_recycle = Recycle::Asked;
                }
            }
        }
    }

    fn signalled(
        &mut self,
        signal: i32,
        ends: bool,
        forward: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if ends {
            self.stop_asked = Some(SignalReason::Forwarded);
            if matches!(self.state, State::New | State::Waiting { .. }) {
                self.last_code = 128 + signal;
            }
            self.stop(SignalReason::Forwarded, signal, forward, now, effects);
        }
        if !ends && !forward && matches!(signal, INTERRUPT | QUIT) {
            self.interrupted(signal, now, effects);
        }
        // `stop` has signalled a running main process; later ones of the same are passed on as they come.
        let already = ends && effects.iter().any(|e| matches!(e, Effect::Signal { .. }));
        if let (Some(target), true, false) = (self.main, forward, already) {
            effects.push(Effect::Signal { target, signal, reason: SignalReason::Forwarded, subtree: false });
        }
    }

    /// ^C at the terminal, which the command has got as well: a command that ends of it was not lost, and is not started
    /// again. One that goes on (a prompt) goes on.
    fn interrupted(&mut self, signal: i32, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Ending { then: then @ Then::Restart(Cause::Crash), .. } => {
                *then = Then::Exit(SignalReason::Forwarded);
            }
            State::Waiting { .. } => {
                self.last_code = 128 + signal;
                self.finish(SignalReason::Forwarded.describe(), effects);
            }
            _ => self.interrupted_at = Some(now),
        }
    }

    /// Ends the unit, whatever it is doing.
    fn stop(
        &mut self,
        reason: SignalReason,
        signal: i32,
        tell: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        match &mut self.state {
            State::Running if tell => self.drain_main(Then::Exit(reason), signal, reason, now, effects),
            State::Running => {
                self.state = State::Draining {
                    deadline: now + self.settings.grace,
                    killed: false,
                    then: Then::Exit(reason),
                    tell: None,
                };
            }
            // Nobody waits for it to end by itself any more.
            State::Draining { then, tell: told @ Some(_), .. } => {
                (*then, *told) = (Then::Exit(reason), None);
                if let (Some(target), true) = (self.main, tell) {
                    effects.push(Effect::Signal { target, signal, reason, subtree: false });
                }
            }
            State::Draining { then, deadline, .. } | State::Ending { then, deadline, .. } => {
                *then = Then::Exit(reason);
                // The grace may have been made shorter since.
                *deadline = (*deadline).min(now + self.settings.grace);
            }
            State::New | State::Waiting { .. } => self.finish(reason.describe(), effects),
            State::Starting | State::Stopped => {}
        }
    }

    fn drain_main(
        &mut self,
        then: Then,
        signal: i32,
        reason: SignalReason,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(target) = self.main else { return };
        self.forget_plans();
        self.state = State::Draining { deadline: now + self.settings.grace, killed: false, then, tell: None };
        effects.push(Effect::Signal { target, signal, reason, subtree: false });
    }

    /// Whoever was to be replaced goes with the whole.
    fn forget_plans(&mut self) {
        self.to_recycle = Recycle::Nobody;
        self.leaking = None;
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
