//! The machine itself: its states, and what each input means in each.

use std::time::Duration;

use scupper_model::{
    ChildLifetime, EventKind, HowEnded, Identity, LimitLevel, OBSERVED, Policy, Resource, RestartPolicy,
    SignalReason, UnitPhase,
};

use super::bounds::Bounds;
use super::budget::{Budget, BudgetPlan, Cause, Grant};
use super::culprit::{Action, culprit};
use super::look::{Look, Role, Seen};
use super::targets::Targets;
use crate::control::UnitCounts;
use crate::knowledge::glob;

pub(super) const TERM: i32 = 15;
pub(super) const KILL: i32 = 9;

/// The longest time that what a command left behind is given between TERM and KILL, when nobody asked for the end:
/// the command has ended, so there is no work to finish that anybody waits for.
pub const LEFTOVER_GRACE: Duration = Duration::from_secs(5);

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
}

/// What a person or a configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// End it, with its reason.
    Stop(SignalReason),
    /// End it and start it again.
    Restart(SignalReason),
    /// Replace its workers one at a time, or all of it where it has none.
    Recycle,
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
    },
    /// The main process ended; what is left is being ended.
    Ending {
        deadline: Duration,
        killed: bool,
        then: Then,
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
    last_code: i32,
    stop_asked: Option<SignalReason>,
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
            last_code: 0,
            stop_asked: None,
            random: seed | 1,
        }
    }

    /// What happened, at `now` (monotonic, since scupper started); what is to be done about it.
    pub fn step(&mut self, now: Duration, input: Input<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Begin => self.begin(&mut effects),
            Input::Started(main) => self.started(main, now, &mut effects),
            Input::StartFailed(code) => self.start_failed(code, now, &mut effects),
            Input::MainEnded(how) => self.main_ended(how, now, &mut effects),
            Input::Look(look) => self.look(look, now, &mut effects),
            Input::Timer => self.timer(now, &mut effects),
            Input::Ask(ask) => self.ask(ask, now, &mut effects),
            Input::Signalled { signal, ends, forward } => {
                self.signalled(signal, ends, forward, now, &mut effects);
            }
        }
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
            State::Draining { deadline, killed: false, .. }
            | State::Ending { deadline, killed: false, .. } => Some(deadline),
            State::Waiting { until } => Some(until),
            _ => None,
        };
        [own, self.targets.next_deadline()].into_iter().flatten().min()
    }

    /// Time until the next look at its tree that it wants, given the last one. `None` while there is no tree.
    pub fn next_look(&self, look: &Look, age: Duration, now: Duration) -> Option<Duration> {
        let next = match self.state {
            State::Ending { .. } => super::pace::SHORTEST,
            State::Running | State::Draining { .. } => {
                let mut next = super::pace::LONGEST;
                for resource in Resource::ALL {
                    let bound = self.settings.bounds.of(resource);
                    let Some(whole) = look.total(resource) else { continue };
                    let value = whole.saturating_sub(kept(resource, look));
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

    fn begin(&mut self, effects: &mut Vec<Effect>) {
        if self.state == State::New {
            self.spawn(effects);
        }
    }

    fn spawn(&mut self, effects: &mut Vec<Effect>) {
        self.state = State::Starting;
        self.counts.starts += 1;
        effects.push(Effect::Spawn);
    }

    fn started(&mut self, main: Identity, now: Duration, effects: &mut Vec<Effect>) {
        self.main = Some(main);
        self.state = State::Running;
        self.said.clear();
        self.unreachable_said = false;
        if let Some(reason) = self.stop_asked {
            self.drain_main(Then::Exit(reason), TERM, reason, now, effects);
        }
    }

    fn start_failed(&mut self, code: i32, now: Duration, effects: &mut Vec<Effect>) {
        self.last_code = code;
        self.main = None;
        // A command that is missing will not appear by being tried at once; a unit of `up` may get it later.
        let first = self.counts.starts == 1;
        match self.stop_asked {
            None if self.settings.restart != RestartPolicy::Never && !first => {
                self.restart(Cause::Crash, now, effects);
            }
            Some(reason) => self.finish(reason.describe(), effects),
            None => self.finish("the command could not be started", effects),
        }
    }

    fn main_ended(&mut self, how: HowEnded, now: Duration, effects: &mut Vec<Effect>) {
        self.main = None;
        self.last_code = how.exit_code().unwrap_or(125);
        let (then, deadline, killed) = match self.state {
            State::Draining { deadline, killed, then } => (then, deadline, killed),
            State::Stopped | State::Ending { .. } | State::Waiting { .. } => return,
            _ => (Then::Decide, now + self.settings.grace.min(LEFTOVER_GRACE), false),
        };
        let then = match then {
            Then::Decide if self.wants_restart(how) => Then::Restart(Cause::Crash),
            other => other,
        };
        self.targets.clear();
        self.to_recycle = Recycle::Nobody;
        self.state = State::Ending { deadline, killed, then };
        let signal = if killed { KILL } else { TERM };
        effects.push(Effect::SignalTree { signal, reason: SignalReason::LeftBehind });
    }

    fn wants_restart(&self, how: HowEnded) -> bool {
        match self.settings.restart {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => !how.is_success(),
            RestartPolicy::Always => true,
        }
    }

    fn look(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        self.counts.looks += 1;
        match self.state {
            State::Ending { then, .. } => {
                if look.endable().next().is_none() {
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
                if self.state == State::Running {
                    self.end_old_helpers(look, now, effects);
                    self.recycle_next(look, now, effects);
                }
            }
            _ => {}
        }
    }

    fn timer(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match self.state {
            State::Waiting { until } if now >= until => self.spawn(effects),
            State::Draining { deadline, killed: false, then } if now >= deadline => {
                self.state = State::Draining { deadline, killed: true, then };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::GraceExpired });
            }
            State::Ending { deadline, killed: false, then } if now >= deadline => {
                self.state = State::Ending { deadline, killed: true, then };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::GraceExpired });
            }
            // Killed, and somebody new is there: a process that forked while it was being killed. Again.
            State::Ending { deadline, killed: true, then }
                if now >= deadline + Duration::from_millis(200) =>
            {
                self.state = State::Ending { deadline: now, killed: true, then };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::LeftBehind });
            }
            State::Running => {
                self.targets.advance(now, None, effects);
            }
            _ => {}
        }
    }

    fn tree_empty(&mut self, then: Then, now: Duration, effects: &mut Vec<Effect>) {
        match then {
            Then::Exit(reason) => self.finish(reason.describe(), effects),
            Then::Decide => self.finish("the command ended", effects),
            Then::Restart(cause) => self.restart(cause, now, effects),
        }
    }

    fn restart(&mut self, cause: Cause, now: Duration, effects: &mut Vec<Effect>) {
        let jitter = self.jitter();
        let (budget, count) = match cause {
            Cause::Crash => (&mut self.crash, &mut self.counts.crash_restarts),
            Cause::Recycle => (&mut self.recycle, &mut self.counts.recycle_restarts),
            Cause::Limit => (&mut self.limit, &mut self.counts.limit_restarts),
            Cause::Asked => return self.spawn(effects),
        };
        let cause = cause.name().to_owned();
        let delay = match budget.ask(now, jitter) {
            Grant::After(delay) => {
                *count += 1;
                let restarts = *count;
                effects.push(Effect::Record(EventKind::UnitRestarting {
                    cause,
                    restarts,
                    delay_ms: millis(delay),
                }));
                delay
            }
            Grant::Spent(delay) => {
                let restarts = *count;
                let retry = self.settings.retry_after_giving_up.then_some(delay);
                effects.push(Effect::Record(EventKind::UnitGaveUp {
                    cause,
                    restarts,
                    retry_ms: retry.map(millis),
                }));
                match retry {
                    Some(delay) => delay,
                    None => return self.finish("gave up", effects),
                }
            }
        };
        if delay.is_zero() {
            self.spawn(effects);
        } else {
            self.state = State::Waiting { until: now + delay };
        }
    }

    fn finish(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        self.state = State::Stopped;
        effects.push(Effect::Record(EventKind::UnitStopped {
            reason: reason.to_owned(),
            exit_code: self.last_code,
            // The shell knows whom it signalled and whom it kept.
            ended: 0,
            kept: 0,
        }));
        effects.push(Effect::Finish(self.last_code));
    }

    fn ask(&mut self, ask: Ask, now: Duration, effects: &mut Vec<Effect>) {
        match ask {
            Ask::Stop(reason) => {
                self.stop_asked = Some(reason);
                self.stop(reason, TERM, true, now, effects);
            }
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
        // `stop` has signalled a running main process; later ones of the same are passed on as they come.
        let already = ends && effects.iter().any(|e| matches!(e, Effect::Signal { .. }));
        if let (Some(target), true, false) = (self.main, forward, already) {
            effects.push(Effect::Signal { target, signal, reason: SignalReason::Forwarded, subtree: false });
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
                };
            }
            State::Draining { then, .. } | State::Ending { then, .. } => *then = Then::Exit(reason),
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
        self.to_recycle = Recycle::Nobody;
        self.state = State::Draining { deadline: now + self.settings.grace, killed: false, then };
        effects.push(Effect::Signal { target, signal, reason, subtree: false });
    }

    /// Holds a look against the limits.
    fn judge(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        for resource in Resource::ALL {
            let bound = self.settings.bounds.of(resource);
            let Some(whole) = look.total(resource) else { continue };
            let total = whole.saturating_sub(kept(resource, look));
            self.rearm(resource, total, bound);
            // Who was killed no longer counts: its memory is on its way back.
            let killed: Vec<Identity> = self.targets.killed().map(|t| t.identity).collect();
            let value = total.saturating_sub(leaving(resource, look, &killed));
            match bound.crossed(value) {
                Some((LimitLevel::Hard, limit)) => self.hard(resource, value, limit, look, now, effects),
                Some((level, limit)) => self.drain(resource, level, total, limit, look, now, effects),
                None => {
                    if let Some((level, limit)) = bound.crossed(whole).filter(|_| whole > total) {
                        let message =
                            "the rest is within it: what is above is held by processes that are kept";
                        self.say_unreachable(resource, level, whole, limit, message, effects);
                    }
                }
            }
        }
    }

    fn rearm(&mut self, resource: Resource, total: u64, bound: super::bounds::Bound) {
        self.said.retain(|&(said, level)| {
            let limit = if level == LimitLevel::Hard { bound.hard } else { bound.soft };
            said != resource || limit.is_some_and(|limit| total > limit - limit / REARM_SHARE)
        });
    }

    fn hard(
        &mut self,
        resource: Resource,
        value: u64,
        limit: u64,
        look: &Look,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let taken: Vec<Identity> = self.targets.killed().map(|t| t.identity).collect();
        let found = culprit(look, resource, limit, &taken, false);
        let action = match (self.settings.policy, found) {
            (Policy::Observe, _) => OBSERVED,
            (Policy::Alert, _) => ALERTED,
            (Policy::Recycle, _) => "drain: policy",
            (_, Some(p)) if p.role == Role::Main || self.state != State::Running => "kill unit",
            (_, Some(_)) => "kill",
            (_, None) => "none: nobody may be ended",
        };
        self.say_crossed(resource, LimitLevel::Hard, value, limit, found, action, effects);
        if self.settings.policy < Policy::Kill {
            return self.drain(resource, LimitLevel::Hard, value, limit, look, now, effects);
        }
        let Some(process) = found else { return };
        match self.state {
            State::Draining { killed: true, .. } => {}
            State::Draining { deadline, then, .. } => {
                self.state = State::Draining { deadline, killed: true, then };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::HardLimit });
            }
            _ if process.role == Role::Main => {
                let then = match self.settings.restart {
                    RestartPolicy::Never => Then::Exit(SignalReason::HardLimit),
                    _ => Then::Restart(Cause::Limit),
                };
                self.state = State::Draining { deadline: now, killed: true, then };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::HardLimit });
            }
            _ if self.targets.contains(&process.identity) => {
                self.targets.escalate(&process.identity, SignalReason::HardLimit, effects);
            }
            _ => self.targets.start(process, now, Duration::ZERO, KILL, SignalReason::HardLimit, effects),
        }
    }

    /// The gentle way below a limit: soft, or hard where nothing may be killed.
    #[expect(
        clippy::too_many_arguments,
        reason = "a crossing is four facts, and who draws what from them three more"
    )]
    fn drain(
        &mut self,
        resource: Resource,
        level: LimitLevel,
        total: u64,
        limit: u64,
        look: &Look,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if self.state != State::Running {
            return;
        }
        if self.settings.policy < Policy::Recycle {
            let action = if self.settings.policy == Policy::Observe { OBSERVED } else { ALERTED };
            let largest = culprit(look, resource, limit, &[], false);
            return self.say_crossed(resource, level, total, limit, largest, action, effects);
        }
        // Whoever is on the way out takes what it holds along: is the rest within the limit?
        let taken = self.targets.identities();
        if total.saturating_sub(leaving(resource, look, &taken)) <= limit && !taken.is_empty() {
            return;
        }
        let Some(process) = culprit(look, resource, limit, &taken, true) else {
            if taken.is_empty() && at_rest(look, limit) {
                let message =
                    "the unit needs more than this at rest, and nothing in it has grown: raise the limit";
                self.say_unreachable(resource, level, total, limit, message, effects);
            }
            return;
        };
        let action = Action::for_role(process.role);
        self.say_crossed(resource, level, total, limit, Some(process), action.describe(), effects);
        let reason = match level {
            LimitLevel::Soft => SignalReason::SoftLimit,
            LimitLevel::Hard => SignalReason::HardLimit,
        };
        self.act(action, process, reason, now, effects);
    }

    fn say_unreachable(
        &mut self,
        resource: Resource,
        level: LimitLevel,
        value: u64,
        limit: u64,
        message: &str,
        effects: &mut Vec<Effect>,
    ) {
        if !std::mem::replace(&mut self.unreachable_said, true) {
            let message = message.to_owned();
            effects.push(Effect::Record(EventKind::LimitUnreachable {
                resource,
                level,
                value,
                limit,
                message,
            }));
        }
    }

    fn act(
        &mut self,
        action: Action,
        process: &Seen,
        reason: SignalReason,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let grace = self.settings.grace;
        match action {
            Action::DrainWorker { signal } => {
                if self.targets.worker_may_go(now) && self.workers.take(now) {
                    self.targets.start(process, now, grace, signal, reason, effects);
                }
            }
            Action::EndHelper => self.targets.start(process, now, grace, TERM, reason, effects),
            Action::RecycleUnit if self.recycle.has(now) => {
                self.recycle_refused = false;
                self.drain_main(Then::Restart(Cause::Recycle), TERM, reason, now, effects);
            }
            // A service that is recycled without end is worse than one above its soft limit: it stays, and the hard
            // limit stays armed.
            Action::RecycleUnit => {
                if !self.recycle_refused {
                    self.recycle_refused = true;
                    effects.push(Effect::Record(EventKind::UnitGaveUp {
                        cause: Cause::Recycle.name().to_owned(),
                        restarts: self.counts.recycle_restarts,
                        retry_ms: Some(millis(BudgetPlan::of(Cause::Recycle).refill)),
                    }));
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one event with its seven facts, said in two places")]
    fn say_crossed(
        &mut self,
        resource: Resource,
        level: LimitLevel,
        value: u64,
        limit: u64,
        culprit: Option<&Seen>,
        action: &str,
        effects: &mut Vec<Effect>,
    ) {
        if self.said.contains(&(resource, level)) {
            return;
        }
        self.said.push((resource, level));
        match level {
            LimitLevel::Soft => self.counts.soft_limits_crossed += 1,
            LimitLevel::Hard => self.counts.hard_limits_crossed += 1,
        }
        effects.push(Effect::Record(EventKind::LimitCrossed {
            resource,
            level,
            value,
            limit,
            culprit: culprit.map(|p| p.identity),
            culprit_name: culprit.map(|p| p.name.to_string()),
            culprit_value: culprit.and_then(|p| p.value(resource)),
            growth_per_second: culprit.and_then(|p| p.slope),
            action: action.to_owned(),
        }));
    }

    fn end_old_helpers(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        if self.settings.policy < Policy::Recycle || self.settings.child_lifetimes.is_empty() {
            return;
        }
        for process in look.endable().filter(|p| p.role == Role::Helper) {
            let lifetime = self
                .settings
                .child_lifetimes
                .iter()
                .find(|l| {
                    glob::matches(&l.pattern, process.name.as_bytes())
                        || glob::matches(&l.pattern, process.program.as_bytes())
                })
                .map(|l| l.lifetime);
            let parent_leaves = process
                .parent
                .is_some_and(|parent| self.targets.identities().iter().any(|leaving| leaving.pid == parent));
            if lifetime.is_some_and(|lifetime| process.age > lifetime)
                && !parent_leaves
                && !self.targets.contains(&process.identity)
            {
                let grace = self.settings.grace;
                self.targets.start(process, now, grace, TERM, SignalReason::LifetimeExceeded, effects);
            }
        }
    }

    /// Goes on with a recycle that was asked for: one worker at a time.
    fn recycle_next(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let left: Vec<Identity> = match &self.to_recycle {
            Recycle::Nobody => return,
            Recycle::Asked => {
                look.endable().filter(|p| matches!(p.role, Role::Worker { .. })).map(|p| p.identity).collect()
            }
            Recycle::Workers(left) => {
                left.iter().copied().filter(|identity| look.find(identity).is_some()).collect()
            }
        };
        if left.is_empty() && self.to_recycle == Recycle::Asked {
            return self.drain_main(Then::Restart(Cause::Asked), TERM, SignalReason::Recycle, now, effects);
        }
        self.to_recycle = if left.is_empty() { Recycle::Nobody } else { Recycle::Workers(left.clone()) };
        if !self.targets.worker_may_go(now) {
            return;
        }
        let next = left.iter().filter(|identity| !self.targets.contains(identity)).find_map(|i| look.find(i));
        if let Some((process, Role::Worker { signal })) = next.map(|process| (process, process.role)) {
            let left = left.into_iter().filter(|identity| *identity != process.identity).collect();
            self.to_recycle = Recycle::Workers(left);
            self.targets.start(process, now, self.settings.grace, signal, SignalReason::Recycle, effects);
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

/// How much of a resource some processes hold. Processes are counted by heads, as the limit on them is.
fn held<'a>(resource: Resource, processes: impl Iterator<Item = &'a Seen>) -> u64 {
    let living = processes.filter(|p| !p.zombie);
    let each = |p: &Seen| match resource {
        Resource::Children => Some(u64::from(p.role != Role::Main)),
        other => p.value(other),
    };
    living.filter_map(each).fold(0, u64::saturating_add)
}

/// What is kept is nobody else's fault: nobody is ended for what it holds.
fn kept(resource: Resource, look: &Look) -> u64 {
    held(resource, look.processes.iter().filter(|p| p.spared))
}

/// What these take along when they go, with all below them that is not kept.
fn leaving(resource: Resource, look: &Look, roots: &[Identity]) -> u64 {
    let below = roots.iter().flat_map(|root| look.subtree(root));
    held(resource, below.filter(|p| !p.spared))
}

/// Whether a tree has stopped to grow for now: only then a limit can be below what it needs.
#[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^53")]
fn at_rest(look: &Look, limit: u64) -> bool {
    look.slope.is_none_or(|slope| slope < REST_GROWTH.max(limit / 100) as f64)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
