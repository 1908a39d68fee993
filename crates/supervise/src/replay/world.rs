//! The world that the machine is told of: one process that weighs what was recorded, and a clock.

use std::collections::VecDeque;
use std::time::Duration;

use scupper_model::{
    Bytes, Certificate, EndedBy, EventKind, HowEnded, Identity, Resource, SignalReason, TreeSample, UnitPhase,
};

use super::figures::ResourceFigures;
use super::imagined::{identity, saturated, total, with_children};
use super::recorded::{Number, Recorded, Rows, whole};
use super::timeline::{Stopped, Timeline};
use super::{After, Drains, Setup};
use crate::unit::{Effect, History, Input, Look, Role, SETTLED, Seen, Unit};
use crate::watch::Watch;

const KILL: i32 = 9;
/// The spread of restart delays is the same in each replay.
const SEED: u64 = 7;
/// Steps that a replay may take beside those for each sample.
const FREE_STEPS: u64 = 100_000;
/// How often, at most, each sample may be met again after a restart.
const STEPS_PER_SAMPLE: u64 = 4;

/// One start of the imagined process.
#[derive(Debug)]
struct Life {
    main: Identity,
    born: Duration,
    /// Ages at which it is looked at beside the samples, the next one last.
    ages: Vec<Duration>,
    ends: Option<Ending>,
    history: History,
    first_cpu: Option<f64>,
}

/// How a process that was signalled will end.
#[derive(Clone, Copy, Debug)]
struct Ending {
    at: Duration,
    how: HowEnded,
    reason: SignalReason,
}

#[derive(Debug)]
pub(super) struct World<'r> {
    setup: &'r Setup,
    unit: Unit,
    watch: Watch,
    rows: Rows<'r>,
    /// When the recording began, for the process that runs.
    base: Duration,
    lasts: Duration,
    now: Duration,
    life: Option<Life>,
    look: Look,
    starts: u32,
    steps_left: u64,
    stopped: Option<Stopped>,
    timeline: Timeline,
}

impl<'r> World<'r> {
    pub(super) fn new(recorded: &Recorded<'r>, setup: &'r Setup) -> Self {
        let (begins, lasts) = (recorded.begins(), recorded.lasts());
        let mut timeline = Timeline::new();
        let recorded_ones = Resource::ALL.into_iter().filter(|resource| !recorded.of(*resource).is_empty());
        timeline.figures.resources = recorded_ones
            .map(|resource| {
                let bound = setup.settings.bounds.of(resource);
                ResourceFigures::new(resource, recorded.of(resource), begins, lasts, bound)
            })
            .collect();
        let samples = u64::try_from(recorded.samples()).unwrap_or(u64::MAX);
        Self {
            setup,
            unit: Unit::new(setup.settings.clone(), SEED),
            watch: Watch::new(setup.watch),
            rows: Rows::new(recorded),
            base: Duration::ZERO,
            lasts,
            now: Duration::ZERO,
            life: None,
            look: Look::default(),
            starts: 0,
            steps_left: samples.saturating_mul(STEPS_PER_SAMPLE).saturating_add(FREE_STEPS),
            stopped: None,
            timeline,
        }
    }

    /// Turns the clock from one moment at which something happens to the next, to the end of the recording.
    pub(super) fn run(&mut self) {
        self.give(Input::Begin);
        while self.stopped.is_none() {
            let next = self.next_moment().filter(|at| *at <= self.lasts);
            if self.steps_left == 0 {
                self.stopped = Some(Stopped::TooMuch);
            } else if let Some(at) = next {
                self.steps_left -= 1;
                self.pass(at);
                self.happen();
            } else {
                self.pass(self.lasts);
                self.stopped = Some(Stopped::Recording);
            }
        }
    }

    /// The last words.
    pub(super) fn conclude(mut self) -> Timeline {
        let stopped = self.stopped.unwrap_or(Stopped::Recording);
        self.timeline.figures.replayed = self.now;
        if let Stopped::Unit(_) = stopped {
            self.pass(self.lasts);
        }
        if self.life.is_some() {
            self.timeline.figures.standing = self.watch.standing(self.now);
            if stopped == Stopped::Recording {
                self.tell_findings();
            }
        }
        let counts = self.unit.counts();
        self.timeline.figures.recycle_restarts = counts.recycle_restarts;
        self.timeline.figures.limit_restarts = counts.limit_restarts;
        self.timeline.stopped = stopped;
        self.timeline
    }

    /// When the next thing happens: a process ends, the machine wanted to be told, a sample was taken.
    fn next_moment(&self) -> Option<Duration> {
        let life = self.life.as_ref();
        let ends = life.and_then(|life| life.ends).map(|ending| ending.at);
        let age = life.and_then(|life| Some(life.born.saturating_add(*life.ages.last()?)));
        let row = life.and_then(|_| self.rows.next_at()).map(|at| self.base.saturating_add(at));
        let next = [ends, self.unit.next_deadline(), age, row].into_iter().flatten().min()?;
        Some(next.max(self.now))
    }

    /// Lets time pass in which nothing happens.
    fn pass(&mut self, until: Duration) {
        let lasted = until.saturating_sub(self.now);
        self.now = self.now.max(until);
        if self.life.is_none() {
            self.timeline.figures.down = self.timeline.figures.down.saturating_add(lasted);
            return;
        }
        for figures in &mut self.timeline.figures.resources {
            if let Some(value) = self.rows.value(Number::Of(figures.resource)) {
                figures.replayed.held(whole(value), lasted, figures.bound);
            }
        }
    }

    /// One thing that is due; what else is due at this moment comes next.
    fn happen(&mut self) {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        if due(self.life.as_ref().and_then(|life| life.ends).map(|ending| ending.at)) {
            self.main_ends();
        } else if due(self.unit.next_deadline()) {
            self.give(Input::Timer);
        } else {
            self.look_at_it();
        }
    }

    fn tell(&mut self, kind: EventKind) {
        self.timeline.tell(self.now, kind);
    }

    /// Gives the machine an input, and carries out on the imagined process what follows from it.
    fn give(&mut self, input: Input<'_>) {
        let mut effects: VecDeque<Effect> = self.unit.step(self.now, input).into();
        while let Some(effect) = effects.pop_front() {
            if let Some(answer) = self.carry_out(effect) {
                effects.extend(self.unit.step(self.now, answer));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Spawn => return Some(Input::Started(self.spawn())),
            Effect::Signal { target, signal, reason, .. } => {
                if self.life.as_ref().is_some_and(|life| life.main == target) {
                    self.signal(signal, reason);
                }
            }
            // Children stand in for a number alone: they go with the process.
            Effect::SignalTree { signal, reason } => self.signal(signal, reason),
            // Nobody asks for it: a recording has no lease.
            Effect::HoldTree { .. } | Effect::ReleaseTree { .. } => {}
            Effect::Record(kind) => {
                if let EventKind::RecycleStarted { target, reason: SignalReason::Leak, .. } = kind {
                    self.watch.recycling(target);
                }
                self.tell(kind);
            }
            Effect::Finish(code) => self.stopped = Some(Stopped::Unit(code)),
        }
        None
    }

    fn spawn(&mut self) -> Identity {
        self.starts = self.starts.saturating_add(1);
        let main = identity(self.starts, self.now);
        match self.setup.after {
            After::Restart => {
                self.base = self.now;
                self.rows.rewind();
            }
            // Of what went by while nothing ran, the last is what it is now.
            After::Continue | After::Stop => self.rows.read_until(self.now),
        }
        // Where its start is over its growth is counted from, and the watch begins.
        let mut ages = vec![Duration::ZERO, SETTLED, self.setup.watch.after()];
        ages.sort_by(|a, b| b.cmp(a));
        let born = self.now;
        self.life = Some(Life { main, born, ages, ends: None, history: History::default(), first_cpu: None });
        self.look = Look::default();
        self.watch.begin();
        self.tell(EventKind::UnitStarted {
            main,
            command: self.setup.command.clone(),
            profile: self.setup.profile,
            start: self.starts.into(),
            cgroup: None,
        });
        main
    }

    fn signal(&mut self, signal: i32, reason: SignalReason) {
        let Some(life) = &mut self.life else { return };
        let (target, now) = (life.main, self.now);
        let killed = HowEnded::Signaled { signal: KILL, core_dumped: false };
        if signal == KILL {
            if life.ends.is_some_and(|ending| ending.how == killed) {
                return;
            }
            life.ends = Some(Ending { at: now, how: killed, reason });
        } else if let (Drains::In(after), None) = (self.setup.drains, life.ends) {
            life.ends =
                Some(Ending { at: now.saturating_add(after), how: HowEnded::Exited { code: 0 }, reason });
        }
        if self.setup.after == After::Stop {
            self.stopped = Some(Stopped::FirstSignal);
        }
        self.tell(EventKind::SignalSent { target, name: self.setup.name.to_string(), signal, reason });
    }

    fn main_ends(&mut self) {
        let Some(Life { main, born, ends: Some(Ending { how, reason, .. }), history, .. }) = self.life.take()
        else {
            return;
        };
        let certificate = Certificate {
            identity: main,
            name: self.setup.name.to_string(),
            role: Role::Main.name().to_owned(),
            how,
            by: EndedBy::Scupper { reason },
            lived: self.now.saturating_sub(born),
            last_rss_bytes: history.last(),
            peak_rss_bytes: history.peak(),
            growth_bytes: history.growth(),
            heap_limit_bytes: None,
            fatal: None,
            last_lines: Vec::new(),
        };
        self.tell(EventKind::UnitExited { certificate: Box::new(certificate) });
        self.tell_findings();
        self.give(Input::MainEnded(how));
        if self.unit.phase() == UnitPhase::Ending {
            // Nobody is left of it.
            self.give(Input::Look(&Look::default()));
        }
    }

    /// What leaked, where that makes an exit code.
    fn tell_findings(&mut self) {
        if !self.setup.settings.fail_on_leak {
            return;
        }
        let findings = self.watch.findings();
        if !findings.is_empty() {
            for finding in findings {
                self.tell(finding);
            }
            self.give(Input::LeakFound);
        }
    }

    fn look_at_it(&mut self) {
        let Some(life) = &mut self.life else { return };
        let age = self.now.saturating_sub(life.born);
        self.rows.read_until(self.now.saturating_sub(self.base));
        // Between the samples everything is what it was.
        let held = life.ages.pop_if(|due| *due <= age).is_some();
        let rows = &self.rows;
        let read = |number| if held { rows.value(number) } else { rows.fresh(number) };
        let count = |resource| read(Number::Of(resource)).map(whole);
        let memory = count(Resource::Memory);
        let cpu = read(Number::Cpu).map(|cpu| cpu - *life.first_cpu.get_or_insert(cpu));
        let cpu = cpu.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let Some(memory) = memory {
            life.history.push(self.now, Bytes(memory), age >= SETTLED);
        }
        let mut look = std::mem::take(&mut self.look);
        look.size = Bytes(rows.value(Number::Of(Resource::Memory)).map_or(0, whole));
        look.slope = life.history.slope();
        look.whole = true;
        look.leak = None;
        look.tree = TreeSample {
            // Its numbers are those of the tree: as of a process that is alone in it.
            processes: 1,
            zombies: rows.value(Number::Zombies).map_or(0, |zombies| saturated(whole(zombies))),
            rss_bytes: total(memory),
            fds: total(count(Resource::Descriptors)),
            threads: total(count(Resource::Threads)),
            sockets: total(count(Resource::Sockets)),
            cpu_micros: total(cpu.map(|cpu| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX))),
            ..TreeSample::default()
        };
        let main = Seen {
            age,
            rss: memory.map(Bytes),
            growth: life.history.growth().unwrap_or(0),
            slope: life.history.slope(),
            cpu,
            counts: [Resource::Descriptors, Resource::Threads, Resource::Children, Resource::Sockets]
                .map(count),
            ..Seen::there(life.main, Role::Main, &self.setup.name)
        };
        let children = rows.value(Number::Of(Resource::Children)).map_or(0, whole);
        with_children(&mut look.processes, main, children, &self.setup.name);
        for figures in &mut self.timeline.figures.resources {
            if let Some(value) = count(figures.resource) {
                figures.replayed.note(self.now, value, figures.bound);
            }
        }
        for kind in self.watch.observe(self.now, age, &mut look) {
            self.tell(kind);
        }
        self.give(Input::Look(&look));
        self.look = look;
    }
}
