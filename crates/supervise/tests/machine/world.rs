//! A unit's processes, simulated, and the habits that they may have.

use std::collections::HashMap;
use std::time::Duration;

use scupper_detect::Horizon;
use scupper_model::{
    BootId, Bytes, ChildLifetime, EventKind, HowEnded, Identity, LimitLevel, Limits, Pid, Policy,
    RecyclePolicy, Resource, RestartPolicy, SignalReason, Size, StartTime, TreeSample, UnitPhase,
};
use scupper_supervise::unit::{Bounds, Effect, Input, Leak, Look, Role, Seen, Settings, Unit};

pub const MIB: u64 = 1 << 20;
pub const TERM: i32 = 15;
pub const KILL: i32 = 9;

#[derive(Clone, Debug)]
pub struct Process {
    pub identity: Identity,
    pub parent: Pid,
    pub role: Role,
    pub rss: u64,
    pub first: u64,
    /// MiB a second.
    pub leak: u64,
    pub ignores_term: bool,
    pub born: Duration,
    pub dies_at: Option<Duration>,
    pub terms: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub leak: u64,
    pub ignores_term: bool,
    pub helpers: u8,
    pub workers: u8,
    pub helper_leaks: bool,
    pub crashes_after: Option<u16>,
    pub leaves_helpers: bool,
    /// Processors used.
    pub busy: f64,
    /// What the detector has found out about whoever leaks.
    pub known_leak: Option<Leak>,
}

pub struct World {
    pub unit: Unit,
    pub now: Duration,
    pub next_pid: i32,
    pub main: Option<Identity>,
    pub processes: Vec<Process>,
    pub habits: Habits,
    pub spawns: Vec<Duration>,
    pub events: Vec<EventKind>,
    pub finished: Option<i32>,
    pub kills: HashMap<Identity, u32>,
    pub leak_found: bool,
    pub held: bool,
}

impl World {
    pub fn new(settings: Settings, habits: Habits) -> Self {
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

    pub fn add(&mut self, parent: Pid, role: Role, leak: u64) -> Identity {
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

    pub fn give(&mut self, input: Input<'_>) {
        let mut effects = self.unit.step(self.now, input);
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                next.extend(self.carry_out(effect));
            }
            effects = next;
        }
    }

    pub fn carry_out(&mut self, effect: Effect) -> Vec<Effect> {
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

    pub fn signal(&mut self, target: &Identity, signal: i32, reason: SignalReason) {
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
    pub fn pass(&mut self, mut millis: u64) {
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

    pub fn end_main(&mut self, how: HowEnded) {
        let Some(main) = self.main.take() else { return };
        self.processes.retain(|p| p.identity != main);
        if !self.habits.leaves_helpers {
            self.processes.retain(|p| p.ignores_term);
        }
        self.give(Input::MainEnded(how));
    }

    pub fn look(&mut self) {
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
                changes: 0,
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
    pub fn hard_limit_was_obeyed(&self, look: &Look, phase: UnitPhase, _before: &HashMap<Identity, u32>) {
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

pub fn settings(
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

pub fn limit_in(seconds: u64) -> Leak {
    Leak { time_to_limit: Some(Duration::from_secs(seconds)) }
}

pub fn habits() -> Habits {
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

pub fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(pid.unsigned_abs().into()),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    }
}

pub fn limit_crossed(event: &EventKind) -> Option<(LimitLevel, &str)> {
    match event {
        EventKind::LimitCrossed { level, action, .. } => Some((*level, action)),
        _ => None,
    }
}
