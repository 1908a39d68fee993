//! The unit's machine in a world that is not honest: processes appear, end, grow, hide and are kept in any order. What
//! `crates/supervise/tests/machine.rs` asks of plausible histories is asked of every history here.

use std::time::Duration;

use scupper_detect::Horizon;
use scupper_model::{
    BootId, Bytes, ChildLifetime, HowEnded, Identity, Limits, Pid, Policy, RecyclePolicy, Resource,
    RestartPolicy, SignalReason, Size, StartTime, TreeSample, UnitPhase,
};
use scupper_supervise::unit::{Ask, Bounds, Effect, Input, Leak, Look, Role, Seen, Settings, Unit};

const TERM: i32 = 15;
const KILL: i32 = 9;
/// The longest that `--grace` takes.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);
/// More than these say nothing new.
const MOST_STEPS: usize = 300;
const MOST_PROCESSES: usize = 12;

struct Process {
    seen: Seen,
    born: Duration,
    first: u64,
    deaf: bool,
    told: bool,
    dying: bool,
    killed: bool,
}

struct World {
    unit: Unit,
    now: Duration,
    next_pid: i32,
    main: Option<Identity>,
    processes: Vec<Process>,
    refuse_start: bool,
    finished: bool,
}

/// Six bytes of settings, then two a step: what happens, and to whom or how much.
pub fn machine(data: &[u8]) {
    let [restart, policy, soft, hard, grace, lifetime, steps @ ..] = data else { return };
    let settings = settings([*restart, *policy, *soft, *hard, *grace, *lifetime]);
    let mut world = World {
        unit: Unit::new(settings, 42),
        now: Duration::ZERO,
        next_pid: 100,
        main: None,
        processes: Vec::new(),
        refuse_start: false,
        finished: false,
    };
    world.give(Input::Begin);
    for step in steps.chunks_exact(2).take(MOST_STEPS) {
        if world.finished {
            return;
        }
        world.step(step[0], step[1]);
    }
    world.stop();
}

fn settings([restart, policy, soft, hard, grace, lifetime]: [u8; 6]) -> Settings {
    let size = |mib: u8| (mib > 0).then(|| Size::Absolute(Bytes::mib(mib.into())));
    let count = |bits: u8| (bits & 8 == 8).then(|| u64::from(bits >> 4));
    let limits = Limits {
        mem_soft: size(soft),
        mem_hard: size(if hard == 0 { 0 } else { hard.max(soft) }),
        children: (count(policy), count(policy).map(|n| n + 2)),
        fds: (count(restart), None),
        ..Limits::default()
    };
    let lifetimes = [Duration::ZERO, Duration::from_secs(1), LONGEST];
    Settings {
        grace: [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(30), LONGEST]
            [usize::from(grace) % 4],
        restart: [RestartPolicy::Never, RestartPolicy::OnFailure, RestartPolicy::Always]
            [usize::from(restart) % 3],
        retry_after_giving_up: grace & 4 == 4,
        policy: [Policy::Observe, Policy::Alert, Policy::Recycle, Policy::Kill][usize::from(policy) % 4],
        bounds: Bounds::resolve(&limits, None),
        child_lifetimes: lifetimes
            .get(usize::from(lifetime & 15))
            .map(|&lifetime| ChildLifetime { pattern: "*".into(), lifetime })
            .into_iter()
            .collect(),
        horizon: if lifetime & 64 == 64 { Horizon::Short } else { Horizon::Long },
        grow: None,
        recycle: if lifetime & 16 == 16 { RecyclePolicy::OnLeak } else { RecyclePolicy::Never },
        fail_on_leak: lifetime & 32 == 32,
        idle: (lifetime & 128 == 128).then_some(Duration::from_secs(60)),
        lifetime: (grace & 64 == 64).then_some(Duration::from_secs(3600)),
    }
}

impl World {
    fn step(&mut self, what: u8, how: u8) {
        let amount = u64::from(how);
        let alive = matches!(self.unit.phase(), UnitPhase::Running | UnitPhase::Draining | UnitPhase::Ending);
        match what % 12 {
            0 | 1 => self.pass(Duration::from_millis(amount * amount)),
            2 | 3 => self.look(),
            4 => self.end(how),
            5 | 6 if alive && self.processes.len() < MOST_PROCESSES => self.add(how),
            7 | 8 if !self.processes.is_empty() => {
                let n = usize::from(what / 12) % self.processes.len();
                let process = &mut self.processes[n];
                let rss = process.seen.rss.map_or(process.first, |rss| rss.0);
                // Also what no process does: it shrinks to nothing, cannot be read, or is larger than any machine.
                process.seen.rss = match how {
                    0 => None,
                    1 => Some(Bytes(u64::MAX)),
                    _ if how & 1 == 1 => Some(Bytes(rss.saturating_sub(amount << 18))),
                    _ => Some(Bytes(rss.saturating_add(amount << 19))),
                };
                let rss = process.seen.rss.map_or(process.first, |rss| rss.0);
                process.seen.growth =
                    i64::try_from(i128::from(rss) - i128::from(process.first)).unwrap_or(i64::MAX);
                process.seen.slope = (how & 2 == 2).then_some(f64::from(how) * 1e6);
                process.seen.counts = [Some(amount), Some(1), None, Some(amount)];
                process.seen.cpu = (how & 4 == 4).then(|| Duration::from_secs(amount));
                let left = (how & 8 == 8).then(|| Duration::from_secs(amount * amount));
                process.seen.leak = (how & 16 == 16).then_some(Leak { time_to_limit: left });
            }
            9 => self.give(Input::Ask(match how % 4 {
                0 => Ask::Stop(SignalReason::Stop),
                1 => Ask::Restart(SignalReason::Restart),
                _ => Ask::Recycle,
            })),
            10 => {
                let ends = how & 1 == 1;
                self.give(Input::Signalled {
                    signal: if ends { TERM } else { 10 },
                    ends,
                    forward: how & 2 == 2,
                });
            }
            11 if how & 1 == 1 => self.refuse_start = !self.refuse_start,
            11 => self.unit.change(settings([how, what, how, how / 2, what / 12, how / 4])),
            _ => {}
        }
    }

    fn add(&mut self, how: u8) {
        let parent = self.processes.get(usize::from(how >> 4)).map(|p| p.seen.identity.pid);
        let role = match how % 4 {
            0 => Role::Worker { signal: TERM },
            1 => Role::PoolWorker,
            _ => Role::Helper,
        };
        self.born(role, parent, how & 4 == 4, how & 8 == 8);
    }

    fn born(&mut self, role: Role, parent: Option<Pid>, deaf: bool, spared: bool) -> Identity {
        self.next_pid += 1;
        let identity = Identity {
            pid: Pid::new(self.next_pid).expect("above 0"),
            start_time: StartTime(self.next_pid.unsigned_abs().into()),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().expect("a UUID"),
        };
        let seen = Seen {
            parent,
            spared,
            rss: Some(Bytes::mib(10)),
            counts: [Some(3), Some(1), Some(0), Some(0)],
            ..Seen::there(identity, role, &"x".into())
        };
        let first = 10 << 20;
        self.processes.push(Process {
            seen,
            born: self.now,
            first,
            deaf,
            told: false,
            dying: false,
            killed: false,
        });
        identity
    }

    fn end(&mut self, how: u8) {
        if self.processes.is_empty() {
            return;
        }
        let n = usize::from(how >> 2) % self.processes.len();
        if how & 1 == 1 && Some(self.processes[n].seen.identity) != self.main {
            self.processes[n].seen.zombie = true;
            return;
        }
        let gone = self.processes.remove(n).seen.identity;
        if Some(gone) == self.main {
            self.main = None;
            self.give(Input::MainEnded(match how & 2 {
                0 => HowEnded::Exited { code: i32::from(how & 4) },
                _ => HowEnded::Signaled { signal: 11, core_dumped: true },
            }));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some(n) = self.processes.iter().position(|p| p.dying) {
            let gone = self.processes.remove(n).seen.identity;
            if Some(gone) == self.main {
                self.main = None;
                self.give(Input::MainEnded(HowEnded::Signaled { signal: TERM, core_dumped: false }));
            }
        }
        if !self.finished && self.unit.next_deadline().is_some_and(|at| at <= self.now) {
            self.give(Input::Timer);
        }
    }

    fn look(&mut self) {
        let mut look = Look { whole: self.processes.len() % 2 == 0, ..Look::default() };
        let mut tree = TreeSample::default();
        for process in &self.processes {
            let mut seen = process.seen.clone();
            seen.age = self.now.saturating_sub(process.born);
            tree.processes += u32::from(!seen.zombie);
            tree.rss_bytes.add(seen.rss.map(|rss| rss.0));
            look.processes.push(seen);
        }
        look.size = Bytes(tree.rss_bytes.known);
        look.slope = look.processes.first().and_then(|p| p.slope);
        look.tree = tree;
        look.leak = look.processes.last().and_then(|p| p.leak);
        // Idle for as long as the last of them says that there is time left: any number will do.
        look.idle = look.leak.and_then(|leak| leak.time_to_limit);
        let phase = self.unit.phase();
        self.give(Input::Look(&look));
        let settings = self.unit.settings();
        // Hard beats everything, where all of it is known and nobody is kept.
        let known = look.processes.iter().all(|p| !p.spared && !p.zombie && p.rss.is_some());
        if let Some(hard) = settings.bounds.of(Resource::Memory).hard
            && matches!(phase, UnitPhase::Running | UnitPhase::Draining)
            && settings.policy == Policy::Kill
            && known
            && look.size.0 > hard
        {
            assert!(
                self.processes.iter().any(|p| p.killed),
                "{} above the hard limit, in {phase:?}",
                look.size
            );
        }
        if !self.finished {
            let age = self.now;
            let _ = self.unit.next_look(&look, age, self.now);
        }
    }

    fn give(&mut self, input: Input<'_>) {
        let mut effects = self.unit.step(self.now, input);
        let mut rounds = 0;
        while !effects.is_empty() {
            rounds += 1;
            assert!(rounds < 50, "an effect that causes itself: {effects:?}");
            effects = effects.into_iter().flat_map(|effect| self.carry_out(effect)).collect();
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Effect> {
        assert!(!self.finished, "after the end: {effect:?}");
        match effect {
            Effect::Spawn => {
                assert!(self.main.is_none(), "started while it runs");
                assert!(
                    self.processes.iter().all(|p| p.seen.spared || p.seen.zombie),
                    "started while something of the last start lives"
                );
                if self.refuse_start {
                    return self.unit.step(self.now, Input::StartFailed(127));
                }
                let main = self.born(Role::Main, None, false, false);
                self.main = Some(main);
                self.unit.step(self.now, Input::Started(main))
            }
            Effect::Signal { target, signal, reason, subtree } => {
                let kept = self.processes.iter().any(|p| p.seen.identity == target && p.seen.spared);
                assert!(!kept, "{reason:?} to one that is kept");
                // What is below it is told with it; what is counted are decisions.
                assert!(
                    reason != SignalReason::Leak || self.unit.settings().recycle == RecyclePolicy::OnLeak,
                    "recycled for a leak, and nobody asked for it"
                );
                if signal == TERM && !matches!(reason, SignalReason::Forwarded | SignalReason::LeftBehind) {
                    let told = self.processes.iter_mut().find(|p| p.seen.identity == target);
                    let before = told.is_some_and(|p| std::mem::replace(&mut p.told, true));
                    assert!(!before, "two TERMs for one decision ({reason:?})");
                }
                self.signal(&target, signal);
                if subtree {
                    let below: Vec<Identity> = self
                        .processes
                        .iter()
                        .filter(|p| p.seen.parent == Some(target.pid) && !p.seen.spared)
                        .map(|p| p.seen.identity)
                        .collect();
                    for identity in below {
                        self.signal(&identity, signal);
                    }
                }
                Vec::new()
            }
            Effect::SignalTree { signal, reason } => {
                let all: Vec<Identity> =
                    self.processes.iter().filter(|p| !p.seen.spared).map(|p| p.seen.identity).collect();
                for identity in all {
                    self.signal(&identity, signal);
                }
                if reason == SignalReason::LeftBehind {
                    self.unit.step(self.now, Input::LeakFound)
                } else {
                    Vec::new()
                }
            }
            Effect::HoldTree { .. } | Effect::ReleaseTree { .. } => {
                panic!("held, and nobody has asked for it: {effect:?}")
            }
            Effect::Record(event) => {
                serde_json::to_string(&event).expect("every fact can be written");
                Vec::new()
            }
            Effect::Finish(_) => {
                assert!(self.main.is_none(), "over while its main process lives");
                assert!(
                    self.processes.iter().all(|p| p.seen.spared || p.seen.zombie),
                    "something owned is left"
                );
                self.finished = true;
                Vec::new()
            }
        }
    }

    fn signal(&mut self, target: &Identity, signal: i32) {
        let Some(process) = self.processes.iter_mut().find(|p| p.seen.identity == *target) else { return };
        if signal == KILL {
            (process.dying, process.killed) = (true, true);
        } else if signal == TERM {
            process.dying |= !process.deaf;
        }
    }

    /// Whatever happened before: asked to stop, it does.
    fn stop(&mut self) {
        if self.finished {
            return;
        }
        self.refuse_start = false;
        self.give(Input::Ask(Ask::Stop(SignalReason::Stop)));
        for _ in 0..400 {
            if self.finished {
                return;
            }
            let deadline = self.unit.next_deadline().filter(|_| self.processes.iter().all(|p| !p.dying));
            let wait = deadline.map_or(Duration::ZERO, |at| at.saturating_sub(self.now));
            self.pass(wait.max(Duration::from_millis(100)).min(Duration::from_secs(1 << 40)));
            if !self.finished {
                self.look();
            }
        }
        panic!("asked to stop, and still {:?}", self.unit.phase());
    }
}
