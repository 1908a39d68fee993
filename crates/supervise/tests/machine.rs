//! The unit's machine against random histories, time turned by hand. A small simulated world carries its effects out
//! as processes would: some end on TERM, some ignore it, some leave helpers, some leak. After every step the four
//! invariants are checked; they are the contract of `supervise::unit`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use scupper_detect::Horizon;
use scupper_model::{
    BootId, Bytes, ChildLifetime, EventKind, HowEnded, Identity, LimitLevel, Limits, Pid, Policy,
    RecyclePolicy, Resource, RestartPolicy, SignalReason, Size, StartTime, TreeSample, UnitPhase,
};
use scupper_supervise::unit::{Ask, Bounds, Effect, Input, Leak, Look, Role, Seen, Settings, Unit};

const MIB: u64 = 1 << 20;
const TERM: i32 = 15;
const KILL: i32 = 9;

#[derive(Clone, Debug)]
struct Process {
    identity: Identity,
    parent: Pid,
    role: Role,
    rss: u64,
    first: u64,
    /// MiB a second.
    leak: u64,
    ignores_term: bool,
    born: Duration,
    dies_at: Option<Duration>,
    terms: u32,
}

#[derive(Clone, Copy, Debug)]
struct Habits {
    leak: u64,
    ignores_term: bool,
    helpers: u8,
    workers: u8,
    helper_leaks: bool,
    crashes_after: Option<u16>,
    leaves_helpers: bool,
    /// Processors used.
    busy: f64,
    /// What the detector has found out about whoever leaks.
    known_leak: Option<Leak>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u16),
    Stop,
    Restart,
    Recycle,
    Term,
    HelperAppears,
    Crash,
    Succeed,
    Hold,
    Release,
    End,
}

struct World {
    unit: Unit,
    now: Duration,
    next_pid: i32,
    main: Option<Identity>,
    processes: Vec<Process>,
    habits: Habits,
    spawns: Vec<Duration>,
    events: Vec<EventKind>,
    finished: Option<i32>,
    kills: HashMap<Identity, u32>,
    leak_found: bool,
    held: bool,
}

impl World {
    fn new(settings: Settings, habits: Habits) -> Self {
        let mut world = Self {
            unit: Unit::new(settings, 42),
            now: Duration::ZERO,
            next_pid: 100,
            main: None,
            processes: Vec::new(),
            habits,
            spawns: Vec::new(),
            events: Vec::new(),
            finished: None,
            kills: HashMap::new(),
            leak_found: false,
            held: false,
        };
        world.give(Input::Begin);
        world
    }

    fn add(&mut self, parent: Pid, role: Role, leak: u64) -> Identity {
        self.next_pid += 1;
        let identity = Identity {
            pid: Pid::new(self.next_pid).unwrap(),
            start_time: StartTime(self.next_pid.unsigned_abs().into()),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
        };
        self.processes.push(Process {
            identity,
            parent,
            role,
            rss: 10 * MIB,
            first: 10 * MIB,
            leak,
            ignores_term: self.habits.ignores_term,
            born: self.now,
            dies_at: None,
            terms: 0,
        });
        identity
    }

    fn give(&mut self, input: Input<'_>) {
        let mut effects = self.unit.step(self.now, input);
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                next.extend(self.carry_out(effect));
            }
            effects = next;
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Effect> {
        assert!(self.finished.is_none(), "an effect after Finish: {effect:?}");
        match effect {
            Effect::Spawn => {
                assert!(self.main.is_none(), "started while it runs");
                assert!(self.processes.is_empty(), "started while something of the last start lives");
                self.spawns.push(self.now);
                let habits = self.habits;
                let main = self.add(Pid::INIT, Role::Main, habits.leak);
                for _ in 0..habits.workers {
                    self.add(main.pid, Role::Worker { signal: TERM }, habits.leak);
                }
                for _ in 0..habits.helpers {
                    self.add(main.pid, Role::Helper, if habits.helper_leaks { 30 } else { 0 });
                }
                self.main = Some(main);
                self.unit.step(self.now, Input::Started(main))
            }
            Effect::Signal { target, signal, reason, subtree } => {
                self.signal(&target, signal, reason);
                if subtree {
                    let below: Vec<Identity> = self
                        .processes
                        .iter()
                        .filter(|p| p.parent == target.pid)
                        .map(|p| p.identity)
                        .collect();
                    for identity in &below {
                        self.signal(identity, signal, reason);
                    }
                }
                Vec::new()
            }
            Effect::SignalTree { signal, reason } => {
                let all: Vec<Identity> = self.processes.iter().map(|p| p.identity).collect();
                for identity in &all {
                    self.signal(identity, signal, reason);
                }
                if reason == SignalReason::LeftBehind && !all.is_empty() {
                    self.leak_found = true;
                    return self.unit.step(self.now, Input::LeakFound);
                }
                Vec::new()
            }
            Effect::HoldTree { .. } => {
                assert_eq!(self.unit.phase(), UnitPhase::Running, "held while it ends");
                self.held = true;
                Vec::new()
            }
            Effect::ReleaseTree { .. } => {
                self.held = false;
                Vec::new()
            }
            Effect::Record(event) => {
                self.events.push(event);
                Vec::new()
            }
            Effect::Finish(code) => {
                assert!(self.processes.is_empty(), "stopped with {} alive", self.processes.len());
                self.finished = Some(code);
                Vec::new()
            }
        }
    }

    fn signal(&mut self, target: &Identity, signal: i32, reason: SignalReason) {
        let delay = Duration::from_millis(30);
        if reason == SignalReason::Leak {
            let settings = self.unit.settings();
            assert!(
                settings.recycle == RecyclePolicy::OnLeak && settings.policy >= Policy::Recycle,
                "recycled for a leak, and nobody asked for it"
            );
            assert!(self.habits.known_leak.is_some(), "recycled for a leak that nobody found");
        }
        let Some(process) = self.processes.iter_mut().find(|p| p.identity == *target) else { return };
        if signal == KILL {
            *self.kills.entry(*target).or_insert(0) += 1;
            process.dies_at = Some(self.now + Duration::from_millis(1));
        } else if signal == TERM {
            if !matches!(reason, SignalReason::Forwarded | SignalReason::LeftBehind) {
                process.terms += 1;
                assert!(process.terms <= 1, "two TERMs for one decision to {target} ({reason:?})");
            }
            if !process.ignores_term {
                process.dies_at.get_or_insert(self.now + delay);
            }
        }
    }

    /// Lets time pass, as the shell would: to the next look or deadline, whichever comes first.
    fn pass(&mut self, mut millis: u64) {
        while millis > 0 && self.finished.is_none() {
            let step = millis.min(20);
            millis -= step;
            self.now += Duration::from_millis(step);
            for process in &mut self.processes {
                process.rss += process.leak * MIB * step / 1000;
            }
            if let (Some(after), Some(main)) = (self.habits.crashes_after, self.main)
                && self.processes.iter().any(|p| {
                    p.identity == main
                        && self.now >= p.born + Duration::from_millis(after.into())
                        && p.dies_at.is_none()
                })
            {
                self.end_main(HowEnded::Exited { code: 3 });
            }
            let dying: Vec<Identity> = self
                .processes
                .iter()
                .filter(|p| p.dies_at.is_some_and(|at| at <= self.now))
                // What stands still handles no TERM.
                .filter(|p| !self.held || self.kills.contains_key(&p.identity))
                .map(|p| p.identity)
                .collect();
            for identity in dying {
                if Some(identity) == self.main {
                    self.end_main(HowEnded::Signaled { signal: TERM, core_dumped: false });
                } else {
                    self.processes.retain(|p| p.identity != identity);
                    // A master replaces its worker.
                    if let Some(main) = self.main.filter(|_| identity.pid.get() % 7 != 0) {
                        let workers =
                            self.processes.iter().filter(|p| matches!(p.role, Role::Worker { .. })).count();
                        if workers < usize::from(self.habits.workers)
                            && self.unit.phase() == UnitPhase::Running
                        {
                            self.add(main.pid, Role::Worker { signal: TERM }, self.habits.leak);
                        }
                    }
                }
            }
            if self.unit.next_deadline().is_some_and(|at| at <= self.now) {
                self.give(Input::Timer);
            }
            if self.finished.is_none() {
                self.look();
            }
            assert_eq!(self.held, self.unit.is_held());
        }
    }

    fn end_main(&mut self, how: HowEnded) {
        let Some(main) = self.main.take() else { return };
        self.processes.retain(|p| p.identity != main);
        if !self.habits.leaves_helpers {
            self.processes.retain(|p| p.ignores_term);
        }
        self.give(Input::MainEnded(how));
    }

    fn look(&mut self) {
        let mut look = Look { whole: true, ..Look::default() };
        let known = self.habits.known_leak;
        let mut tree = TreeSample::default();
        for p in &self.processes {
            tree.processes += 1;
            tree.rss_bytes.add(Some(p.rss));
            look.processes.push(Seen {
                identity: p.identity,
                parent: Some(p.parent),
                role: p.role,
                name: "x".into(),
                program: "x".into(),
                age: self.now.saturating_sub(p.born),
                became_at: Duration::ZERO,
                spared: false,
                zombie: false,
                rss: Some(Bytes(p.rss)),
                growth: i64::try_from(p.rss - p.first).unwrap(),
                slope: None,
                cpu: Some(self.now.saturating_sub(p.born).mul_f64(self.habits.busy)),
                leak: known.filter(|_| p.leak > 0),
                counts: [Some(3), Some(1), Some(0), Some(0)],
                connections: None,
                kind: None,
            });
        }
        look.size = Bytes(tree.rss_bytes.known);
        look.tree = tree;
        look.leak = known.filter(|_| self.processes.iter().any(|p| p.leak > 0));
        let before = self.kills.clone();
        let phase = self.unit.phase();
        self.give(Input::Look(&look));
        self.hard_limit_was_obeyed(&look, phase, &before);
    }

    /// Hard beats everything: a look above the hard limit ends with a KILL under way for enough of it.
    fn hard_limit_was_obeyed(&self, look: &Look, phase: UnitPhase, _before: &HashMap<Identity, u32>) {
        let settings = self.unit.settings();
        let Some(hard) = settings.bounds.of(Resource::Memory).hard else { return };
        if settings.policy < Policy::Kill || !matches!(phase, UnitPhase::Running | UnitPhase::Draining) {
            return;
        }
        if look.size.0 <= hard {
            return;
        }
        let killed = look.processes.iter().any(|p| self.kills.contains_key(&p.identity));
        assert!(killed, "{} is above the hard limit in {phase:?} and nothing was killed", look.size);
    }
}

fn settings(
    restart: RestartPolicy,
    policy: Policy,
    soft: Option<u64>,
    hard: Option<u64>,
    lifetime: bool,
) -> Settings {
    let size = |mib: Option<u64>| mib.map(|mib| Size::Absolute(Bytes::mib(mib)));
    let limits = Limits { mem_soft: size(soft), mem_hard: size(hard), ..Limits::default() };
    let lifetimes = vec![ChildLifetime { pattern: "*".into(), lifetime: Duration::from_secs(3) }];
    Settings {
        grace: Duration::from_secs(2),
        restart,
        retry_after_giving_up: true,
        policy,
        bounds: Bounds::resolve(&limits, None),
        child_lifetimes: if lifetime { lifetimes } else { Vec::new() },
        horizon: Horizon::Long,
        grow: None,
        recycle: RecyclePolicy::Never,
        fail_on_leak: false,
        idle: None,
        lifetime: None,
    }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let restart =
        prop_oneof![Just(RestartPolicy::Never), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Always)];
    let policy =
        prop_oneof![Just(Policy::Observe), Just(Policy::Alert), Just(Policy::Recycle), Just(Policy::Kill)];
    let limit = prop_oneof![Just(None), (20_u64..300).prop_map(Some)];
    (restart, policy, limit.clone(), limit, any::<bool>(), 0_u8..4).prop_map(
        |(restart, policy, soft, hard, lifetime, leaks)| {
            let hard = hard.map(|hard| hard.max(soft.unwrap_or(0)));
            let recycle = if leaks & 1 == 1 { RecyclePolicy::OnLeak } else { RecyclePolicy::Never };
            let fail_on_leak = leaks & 2 == 2;
            Settings { recycle, fail_on_leak, ..settings(restart, policy, soft, hard, lifetime) }
        },
    )
}

fn any_habits() -> impl Strategy<Value = Habits> {
    let crash = prop_oneof![3 => Just(None), 1 => (1_u16..3000).prop_map(Some)];
    let never = Just(Some(Leak { time_to_limit: None }));
    let known = prop_oneof![Just(None), never, (0_u64..1000).prop_map(|seconds| Some(limit_in(seconds)))];
    let load = (0.0_f64..1.0, known);
    (0_u64..60, any::<bool>(), 0_u8..3, 0_u8..3, any::<bool>(), crash, any::<bool>(), load).prop_map(
        |(leak, ignores_term, helpers, workers, helper_leaks, crashes_after, leaves_helpers, load)| Habits {
            leak,
            ignores_term,
            helpers,
            workers,
            helper_leaks,
            crashes_after,
            leaves_helpers,
            busy: load.0,
            known_leak: load.1,
        },
    )
}

/// A leak that reaches its limit in so many seconds.
fn limit_in(seconds: u64) -> Leak {
    Leak { time_to_limit: Some(Duration::from_secs(seconds)) }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u16..4000).prop_map(Step::Pass),
        1 => Just(Step::Stop),
        1 => Just(Step::Restart),
        1 => Just(Step::Recycle),
        1 => Just(Step::Term),
        1 => Just(Step::HelperAppears),
        1 => Just(Step::Crash),
        1 => Just(Step::Succeed),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Never two signals for one decision, hard beats everything, no restart storm, nothing survives `Stopped`, and a
    /// unit that is asked to stop does.
    #[test]
    fn invariants_hold_in_random_histories(
        settings in any_settings(),
        habits in any_habits(),
        steps in prop::collection::vec(any_step(), 1..25),
    ) {
        let mut world = World::new(settings, habits);
        for step in steps {
            if world.finished.is_some() {
                break;
            }
            match step {
                Step::Pass(millis) => world.pass(millis.into()),
                Step::Stop => world.give(Input::Ask(Ask::Stop(SignalReason::Stop))),
                Step::Restart => world.give(Input::Ask(Ask::Restart(SignalReason::Restart))),
                Step::Recycle => world.give(Input::Ask(Ask::Recycle)),
                Step::Term => world.give(Input::Signalled { signal: TERM, ends: true, forward: true }),
                Step::HelperAppears => {
                    if let Some(main) = world.main {
                        world.add(main.pid, Role::Helper, 0);
                    }
                }
                Step::Crash => world.end_main(HowEnded::Signaled { signal: 11, core_dumped: true }),
                Step::Succeed => world.end_main(HowEnded::Exited { code: 0 }),
                Step::Hold => world.give(Input::Ask(Ask::Hold(SignalReason::LeaseLost))),
                Step::Release => world.give(Input::Ask(Ask::Release(SignalReason::LeaseRegained))),
                Step::End => world.give(Input::Ask(Ask::End(SignalReason::Stop))),
            }
        }
        // No storm: restarts that nobody asked for stay within the budgets.
        prop_assert!(world.spawns.len() <= 10 + 20 + 10 + 30, "{} starts", world.spawns.len());
        if world.finished.is_none() {
            world.give(Input::Ask(Ask::Stop(SignalReason::Stop)));
            world.pass(12_000);
        }
        prop_assert!(world.finished.is_some(), "asked to stop, and still {:?}", world.unit.phase());
        if world.leak_found && world.unit.settings().fail_on_leak {
            prop_assert_ne!(world.finished, Some(0), "something was left behind");
        }
    }
}

fn habits() -> Habits {
    Habits {
        leak: 0,
        ignores_term: false,
        helpers: 0,
        workers: 0,
        helper_leaks: false,
        crashes_after: None,
        leaves_helpers: false,
        busy: 0.5,
        known_leak: None,
    }
}

/// Safety rule 8: the hard limit stays armed during a drain.
#[test]
fn safety_8_hard_limit_is_armed_during_a_drain() {
    let settings = settings(RestartPolicy::OnFailure, Policy::Kill, Some(50), Some(60), false);
    let mut world = World::new(settings, Habits { leak: 20, ignores_term: true, ..habits() });
    world.pass(2_100);
    assert_eq!(world.unit.phase(), UnitPhase::Draining);
    world.pass(700);
    assert!(
        world.spawns.len() == 2 || world.unit.phase() != UnitPhase::Draining,
        "not killed past the hard limit"
    );
    assert!(
        world.events.iter().any(|e| matches!(e, EventKind::LimitCrossed { level: LimitLevel::Hard, .. }))
    );
}

/// R042: workers are drained one at a time, with spacing, and the master is never signalled.
#[test]
fn r042_workers_are_drained_one_at_a_time() {
    let settings = settings(RestartPolicy::Never, Policy::Kill, Some(100), None, false);
    let mut world = World::new(settings, Habits { workers: 2, leak: 0, ..habits() });
    for process in world.processes.iter_mut().filter(|p| p.role != Role::Main) {
        process.leak = 20;
    }
    world.pass(15_000);
    let started = world.events.iter().filter(|e| matches!(e, EventKind::RecycleStarted { .. })).count();
    assert!(started >= 2, "{started} workers drained");
    let main = world.main.unwrap();
    assert_eq!(world.processes.iter().find(|p| p.identity == main).unwrap().terms, 0);
    let mut under_way = 0_i32;
    for event in &world.events {
        match event {
            EventKind::RecycleStarted { .. } => under_way += 1,
            EventKind::RecycleCompleted { .. } => under_way -= 1,
            _ => {}
        }
        assert!(under_way <= 1, "two workers drained at once");
    }
}

/// R067: a helper that outlives its time is ended, and killed after the grace.
#[test]
fn r067_a_helper_that_outlives_its_time_is_ended() {
    let settings = settings(RestartPolicy::Never, Policy::Kill, None, None, true);
    let mut world = World::new(settings, Habits { helpers: 1, ignores_term: true, ..habits() });
    world.pass(4_900);
    assert_eq!(world.processes.len(), 2);
    world.pass(500);
    assert_eq!(world.processes.len(), 1, "the helper is still there after lifetime and grace");
    assert!(world.main.is_some());
}

/// A limit below what the unit needs at rest is said, and does not become a restart loop.
#[test]
fn a_soft_limit_below_the_size_at_rest_is_no_restart_loop() {
    let settings = settings(RestartPolicy::Always, Policy::Kill, Some(5), None, false);
    let mut world = World::new(settings, habits());
    world.pass(60_000);
    assert_eq!(world.spawns.len(), 1);
    assert!(world.events.iter().any(|e| matches!(e, EventKind::LimitUnreachable { .. })));
}

/// R045: observe records, and touches nothing.
#[test]
fn r045_observe_touches_nothing() {
    let settings = settings(RestartPolicy::Never, Policy::Observe, Some(50), Some(60), true);
    let mut world = World::new(settings, Habits { leak: 30, helpers: 1, ..habits() });
    world.pass(10_000);
    assert!(world.kills.is_empty());
    assert!(world.processes.iter().all(|p| p.terms == 0));
    assert!(world.events.iter().any(|e| matches!(e, EventKind::LimitCrossed { .. })));
}

/// R045: `recycle` drains past a hard limit, and what is recorded is the limit there is: the hard one.
#[test]
fn r045_recycle_drains_past_a_hard_limit_and_says_so() {
    let settings = settings(RestartPolicy::Never, Policy::Recycle, None, Some(60), false);
    let mut world = World::new(settings, Habits { leak: 30, ..habits() });
    world.pass(2_500);
    let crossed: Vec<_> = world.events.iter().filter_map(limit_crossed).collect();
    assert_eq!(crossed, [(LimitLevel::Hard, "drain: policy")]);
    assert_eq!((world.spawns.len(), world.kills.len()), (2, 0));
}

/// R045: with a policy that acts on nothing, a crossing is told whoever has grown, in its order.
#[test]
fn r045_alert_tells_of_both_limits_once() {
    let settings = settings(RestartPolicy::Never, Policy::Alert, Some(5), Some(60), false);
    let mut world = World::new(settings, Habits { leak: 30, ..habits() });
    world.pass(10_000);
    let crossed: Vec<_> = world.events.iter().filter_map(limit_crossed).collect();
    assert_eq!(crossed, [(LimitLevel::Soft, "none: alert"), (LimitLevel::Hard, "none: alert")]);
    assert!(!world.events.iter().any(|e| matches!(e, EventKind::LimitUnreachable { .. })));
}

/// A process that is still starting, or runs away before its growth can be told, is not "at rest".
#[test]
fn a_young_process_that_grows_is_not_at_rest() {
    let (mut unit, main) = started(settings(RestartPolicy::Never, Policy::Kill, Some(5), None, false));
    let mut look = looked(vec![seen(main, Role::Main, 20)]);
    look.slope = Some(4e7);
    assert_eq!(unit.step(Duration::from_millis(500), Input::Look(&look)), []);
    look.slope = Some(1000.0);
    let effects = unit.step(Duration::from_millis(900), Input::Look(&look));
    assert!(
        matches!(effects.as_slice(), [Effect::Record(EventKind::LimitUnreachable { .. })]),
        "{effects:?}"
    );
}

/// What a kept process holds is nobody else's fault: it is said once, and the others live.
#[test]
fn nobody_is_ended_for_what_a_kept_process_holds() {
    for (soft, hard) in [(Some(50), None), (None, Some(50))] {
        let (mut unit, main) = started(settings(RestartPolicy::Always, Policy::Kill, soft, hard, false));
        let helper = Seen { spared: true, ..seen(identity(8), Role::Helper, 90) };
        let mut look = looked(vec![seen(main, Role::Main, 10), helper]);
        look.processes[0].growth = 8 << 20;
        let effects = unit.step(Duration::from_secs(3), Input::Look(&look));
        assert!(
            matches!(effects.as_slice(), [Effect::Record(EventKind::LimitUnreachable { .. })]),
            "{effects:?}"
        );
        assert_eq!(unit.step(Duration::from_secs(4), Input::Look(&look)), []);
        // The others are looked at for the distance that is left to them: 40 MiB, at 5 a second.
        let next = unit.next_look(&look, Duration::from_secs(100), Duration::from_secs(4)).unwrap();
        assert_eq!(next, Duration::from_secs(2));
        // Above it without the kept one as well: then somebody has to go.
        look.processes[0].rss = Some(Bytes::mib(60));
        look.size = Bytes::mib(150);
        let effects = unit.step(Duration::from_secs(5), Input::Look(&look));
        let signal = |e: &Effect| matches!(e, Effect::Signal { .. } | Effect::SignalTree { .. });
        assert!(effects.iter().any(signal), "{effects:?}");
    }
}

fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(pid.unsigned_abs().into()),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    }
}

fn started(settings: Settings) -> (Unit, Identity) {
    let mut unit = Unit::new(settings, 42);
    unit.step(Duration::ZERO, Input::Begin);
    unit.step(Duration::ZERO, Input::Started(identity(7)));
    (unit, identity(7))
}

fn looked(processes: Vec<Seen>) -> Look {
    let size = processes.iter().filter_map(|p| p.rss).map(|rss| rss.0).sum();
    Look { processes, size: Bytes(size), ..Look::default() }
}

fn seen(identity: Identity, role: Role, mib: u64) -> Seen {
    Seen {
        identity,
        parent: None,
        role,
        name: "x".into(),
        program: "x".into(),
        age: Duration::from_millis(500),
        became_at: Duration::ZERO,
        spared: false,
        zombie: false,
        rss: Some(Bytes::mib(mib)),
        growth: 0,
        slope: None,
        cpu: None,
        leak: None,
        counts: [Some(3), Some(1), Some(0), Some(0)],
        connections: None,
        kind: None,
    }
}

/// A limit of few is said again after the number fell well below it, as a limit of many is.
#[test]
fn a_small_limit_is_said_again_after_it_fell() {
    let mut settings = settings(RestartPolicy::Never, Policy::Alert, None, None, false);
    let limits = Limits { children: (Some(2), None), ..Limits::default() };
    settings.bounds = Bounds::resolve(&limits, None);
    let mut world = World::new(settings, Habits { helpers: 3, ..habits() });
    world.pass(1_000);
    let main = world.main.unwrap();
    world.processes.truncate(2);
    world.pass(6_000);
    for _ in 0..2 {
        world.add(main.pid, Role::Helper, 0);
    }
    world.pass(6_000);
    assert_eq!(world.events.iter().filter_map(limit_crossed).count(), 2);
}

fn limit_crossed(event: &EventKind) -> Option<(LimitLevel, &str)> {
    match event {
        EventKind::LimitCrossed { level, action, .. } => Some((*level, action)),
        _ => None,
    }
}

/// ^C at a terminal: a command that ends of it is not started again, whatever its policy; also not when its end was seen
/// first, or while it waits for its next start.
#[test]
fn a_person_who_presses_ctrl_c_is_obeyed() {
    let interrupt = Input::Signalled { signal: 2, ends: false, forward: false };
    let died = HowEnded::Signaled { signal: 2, core_dumped: false };
    for order in 0..3 {
        let settings = settings(RestartPolicy::Always, Policy::Kill, None, None, false);
        let mut world = World::new(settings, habits());
        world.pass(500);
        match order {
            0 => {
                world.give(interrupt);
                world.end_main(died);
            }
            1 => {
                world.end_main(died);
                world.give(interrupt);
            }
            _ => {
                world.end_main(died);
                world.pass(100);
                assert_eq!(world.unit.phase(), UnitPhase::Waiting);
                world.give(interrupt);
            }
        }
        world.pass(5_000);
        assert!(
            world.finished.is_some() && world.spawns.len() == 1,
            "order {order}: {:?}",
            world.unit.phase()
        );
    }
}

/// A prompt that goes on after ^C and crashes much later is started again.
#[test]
fn an_interrupt_long_ago_is_forgotten() {
    let settings = settings(RestartPolicy::Always, Policy::Kill, None, None, false);
    let mut world = World::new(settings, habits());
    world.pass(500);
    world.give(Input::Signalled { signal: 2, ends: false, forward: false });
    world.pass(10_000);
    world.end_main(HowEnded::Exited { code: 1 });
    world.pass(5_000);
    assert_eq!(world.spawns.len(), 2);
}

/// R021, R022: a process of these habits under these settings, and when the machine began to recycle it for its leak.
fn recycled_at(
    settings: Settings,
    mut habits: Habits,
    mut then: impl FnMut(u64, &mut Habits),
) -> Option<u64> {
    habits.leak = 1;
    let mut world = World::new(settings, habits);
    for second in 0..1000 {
        then(second, &mut world.habits);
        world.pass(1000);
        let leak = |e: &EventKind| matches!(e, EventKind::RecycleStarted { reason: SignalReason::Leak, .. });
        if world.events.iter().any(leak) {
            return Some(second);
        }
    }
    None
}

fn on_leak(policy: Policy) -> Settings {
    Settings { recycle: RecyclePolicy::OnLeak, ..settings(RestartPolicy::Never, policy, None, None, false) }
}

/// R021: what leaks waits for a quiet moment, and is replaced in it.
#[test]
fn r021_a_leak_is_recycled_in_a_quiet_moment() {
    let quiet_from = |from: u64| {
        move |second: u64, habits: &mut Habits| {
            habits.known_leak = (second >= 60).then(|| limit_in(9000));
            habits.busy = if second < from { 0.5 } else { 0.01 };
        }
    };
    // The simulated processor time is use times age: a drop of the use stops it for long.
    let at = recycled_at(on_leak(Policy::Kill), habits(), quiet_from(300)).unwrap();
    assert!((300..315).contains(&at), "{at}");
    let idle = recycled_at(on_leak(Policy::Kill), Habits { busy: 0.0, ..habits() }, quiet_from(0)).unwrap();
    assert!((60..70).contains(&idle), "{idle}");
    for policy in [Policy::Observe, Policy::Alert] {
        assert_eq!(recycled_at(on_leak(policy), habits(), quiet_from(300)), None);
    }
    let never = Settings { recycle: RecyclePolicy::Never, ..on_leak(Policy::Kill) };
    assert_eq!(recycled_at(never, habits(), quiet_from(300)), None);
}

/// R022: where no quiet moment comes, it is replaced five minutes before its limit, or after nine tenths of the way.
#[test]
fn r022_a_leak_is_recycled_before_its_limit_however_busy_it_is() {
    let left = |first: u64| {
        move |second: u64, habits: &mut Habits| {
            habits.known_leak = Some(limit_in(first.saturating_sub(second)));
        }
    };
    let at = recycled_at(on_leak(Policy::Kill), habits(), left(700)).unwrap();
    assert!((400..=402).contains(&at), "{at}");
    let slow = Settings { grace: Duration::from_secs(200), ..on_leak(Policy::Kill) };
    let at = recycled_at(slow, habits(), left(700)).unwrap();
    assert!((300..=302).contains(&at), "twice the grace: {at}");
    // 10,000 s at first: a tenth of it is more than five minutes.
    let at = recycled_at(on_leak(Policy::Kill), habits(), |second, habits| {
        habits.known_leak = Some(limit_in(if second < 100 { 10_000 } else { 999 }));
    });
    assert!(at.is_some_and(|at| (100..=102).contains(&at)), "{at:?}");
}

/// A worker is drained alone, and the unit goes on; one at a time.
#[test]
fn workers_that_leak_are_replaced_one_at_a_time() {
    let habits = Habits { workers: 2, leak: 1, known_leak: Some(limit_in(10)), ..habits() };
    let mut world = World::new(on_leak(Policy::Kill), habits);
    world.processes[0].leak = 0;
    for _ in 0..200 {
        world.pass(50);
        let dying = world.processes.iter().filter(|p| p.dies_at.is_some()).count();
        assert!(dying <= 1);
    }
    assert_eq!(world.spawns.len(), 1, "the master stays");
    let roles: Vec<&str> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::RecycleStarted { role, reason: SignalReason::Leak, .. } => Some(role.as_str()),
            _ => None,
        })
        .collect();
    assert!(roles.len() >= 2 && roles.iter().all(|role| *role == "worker"), "{roles:?}");
}

/// A leak whose replacement leaks at once is not replaced without end.
#[test]
fn a_leak_is_recycled_within_the_budget() {
    let habits = Habits { leak: 1, known_leak: Some(limit_in(1)), ..habits() };
    let mut world = World::new(on_leak(Policy::Kill), habits);
    world.pass(300_000);
    assert!((3..20).contains(&world.spawns.len()), "{}", world.spawns.len());
}

/// What ends by itself just after its command was not left behind; what has to be ended was.
#[test]
fn fail_on_leak_turns_success_into_failure_for_what_is_left() {
    let failing =
        |policy| Settings { fail_on_leak: true, ..settings(RestartPolicy::Never, policy, None, None, false) };
    for (dies_after, code) in [(Some(500), 0), (None, 1)] {
        let habits = Habits { helpers: 1, leaves_helpers: true, ignores_term: true, ..habits() };
        let mut world = World::new(failing(Policy::Kill), habits);
        world.pass(500);
        let now = world.now;
        world.processes[1].dies_at = dies_after.map(|after| now + Duration::from_millis(after));
        world.end_main(HowEnded::Exited { code: 0 });
        world.pass(10_000);
        assert_eq!(world.finished, Some(code), "{dies_after:?}");
    }
    // A leak that was found, and a command that failed by itself.
    for (own, code) in [(0, 1), (7, 7)] {
        let mut world = World::new(failing(Policy::Observe), habits());
        world.pass(500);
        world.give(Input::LeakFound);
        world.end_main(HowEnded::Exited { code: own });
        world.pass(3_000);
        assert_eq!(world.finished, Some(code));
    }
}
