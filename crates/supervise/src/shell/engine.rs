//! The engine: all units of one scupper in one loop. Wait, look, let the machines decide, carry out, record.

mod answering;
mod children;
mod hearing;
mod leasing;
mod reloading;

use std::cell::OnceCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::process::{PidfdFlags, Resource, Rlimit};
use scupper_model::{Event, EventKind, Pid, RunId, SignalReason, UnitName, UnitPhase, UnitSpec};
use scupper_probe::cgroup::{self, Mounts};
use scupper_probe::{ProbeError, Proc};

use self::answering::Answering;
use self::leasing::Leased;
use super::client::Client;
use super::clock::{self, Clock};
use super::deliver::Untouchable;
use super::guardian::Handover;
use super::judge::Keeps;
use super::lease::Lease;
use super::observer::Observer;
use super::poller::{Poller, Token};
use super::relay::Relay;
use super::signals::{Signals, is_child};
use super::stamp::stamp;
use super::trim::Program;
use super::unit::{Surrounding, UnitShell, stdio_has_another_end, terminal_is_there};
use crate::record::{RecordError, Records};
use crate::soak::Wish;
use crate::unit::{Ask, Input};

/// Where events go. Exactly one per engine: it hands them to the log, the evidence, the hook.
pub trait Sink {
    /// Takes one event. Must not block.
    fn record(&mut self, event: &Event);
    /// The engine is done: writes down what is left, within a bounded time.
    fn close(&mut self);
}

/// Whether the end of whoever started scupper ends its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParentExit {
    /// Yes, unless scupper was detached on purpose: under `nohup`, as the leader of its own session, or started by
    /// PID 1.
    #[default]
    Auto,
    /// Yes.
    Stop,
    /// No.
    Ignore,
}

/// How the engine is to run.
#[derive(Debug)]
pub struct Options {
    /// Where the units are written down.
    pub records: Records,
    /// Whether the end of whoever started scupper ends its units.
    pub parent_exit: ParentExit,
    /// Whether a terminal's hang-up ends its units.
    pub watch_terminal: bool,
    /// What people asked to keep.
    pub keeps: Keeps,
}

/// Reads the units again, for SIGHUP. An error keeps what runs.
pub type Reload = Box<dyn FnMut() -> Result<Vec<UnitSpec>, String>>;

/// A unit that is to run, and what says whether it may act.
pub type Leasehold = (UnitSpec, Option<Box<dyn Lease>>);

/// The lease of a unit that a reload adds. Must not wait for anybody.
pub type Joins = Box<dyn FnMut(&UnitSpec) -> Result<Option<Box<dyn Lease>>, String>>;

/// Scupper itself failed. Its exit code is 125.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// `/proc` cannot be read.
    #[error("cannot read /proc, without which no process can be owned")]
    Probe(#[source] ProbeError),
    /// A kernel facility is missing.
    #[error("cannot {what}")]
    Kernel {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A record cannot be written.
    #[error("cannot write down what is owned")]
    Record(#[from] RecordError),
    /// The unit runs already.
    #[error("a unit named {unit} is running: choose another --name, or `scupper stop {unit}`")]
    NameTaken {
        /// Its name.
        unit: UnitName,
    },
}

impl SuperviseError {
    /// The exit code it means.
    pub const fn exit_code(&self) -> u8 {
        125
    }
}

/// Time between two searches of all of `/proc` for members that left their tree.
const AUDIT: Duration = Duration::from_mins(1);
/// A search may cost this share of the time between two: 1 in 5,000.
const AUDIT_SHARE: u32 = 5_000;
/// A signal that reached us directly and comes again through the guardian within this time is the same one.
const SAME_SIGNAL: Duration = Duration::from_millis(300);
/// Least time between two searches for orphans that were re-parented to us.
const ADOPTION: Duration = Duration::from_millis(250);
/// Who has nothing to do for so long gives back what the last piece of work needed.
const REST: Duration = Duration::from_secs(1);
/// Time between two times that this is done where there is always something to do.
const TRIM: Duration = Duration::from_secs(10);
/// Monotonic and wall clock may drift apart this far between two turns before it is worth an event.
const CLOCK_JUMP: Duration = Duration::from_secs(5);

/// Runs the units until the last of them is over. Returns the exit code: the unit's own where there is one unit.
pub fn supervise(
    specs: Vec<UnitSpec>,
    options: Options,
    sink: Box<dyn Sink>,
    reload: Option<Reload>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let mut engine = Engine::new(options, sink, reload)?;
    for spec in specs {
        engine.add(spec)?;
    }
    engine.run_and_close()
}

/// Runs one unit for somebody who follows it, may end it, and says what its exit code is.
pub fn observe(
    spec: UnitSpec,
    options: Options,
    sink: Box<dyn Sink>,
    observer: Box<dyn Observer>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let mut engine = Engine::new(options, sink, None)?;
    engine.add(spec)?;
    for unit in &mut engine.units {
        unit.observe_every(observer.every());
    }
    engine.observer = Some(observer);
    engine.run_and_close()
}

/// Runs units until the last of them is over, those with a lease for as long as it says that they may act. Returns the exit
/// code as [`supervise`] does.
pub fn supervise_leased(
    units: Vec<Leasehold>,
    options: Options,
    sink: Box<dyn Sink>,
    reload: Option<(Reload, Joins)>,
) -> Result<u8, SuperviseError> {
    abort_on_panic();
    let (reload, joins) = reload.unzip();
    let mut engine = Engine::new(options, sink, reload)?;
    engine.joins = joins;
    for (spec, lease) in units {
        engine.add(spec)?;
        if let Some(lease) = lease {
            engine.lease_to_last(lease)?;
        }
    }
    engine.run_and_close()
}

struct Engine {
    around: Surrounding,
    clock: Clock,
    units: Vec<UnitShell>,
    next_index: u32,
    signals: Signals,
    relay: Option<Relay>,
    sink: Box<dyn Sink>,
    reload: Option<Reload>,
    observer: Option<Box<dyn Observer>>,
    joins: Option<Joins>,
    /// By the index of the unit.
    leased: Vec<(u32, Leased)>,
    /// The signal that ends it.
    ended_by: Option<i32>,
    guardian: Option<OwnedFd>,
    parent: Option<OwnedFd>,
    client: Client,
    answering: Option<Answering>,
    had_terminal: bool,
    parent_exit: ParentExit,
    watch_terminal: bool,
    direct: Vec<(i32, Duration)>,
    next_audit: Duration,
    next_trim: Duration,
    program: Program,
    next_adoption: Duration,
    next_reap: Option<Duration>,
    clocks: (Duration, u64),
    exit_code: i32,
    stopping: bool,
}

impl Engine {
    fn new(options: Options, sink: Box<dyn Sink>, reload: Option<Reload>) -> Result<Self, SuperviseError> {
        let kernel = |what| move |source: io::Error| SuperviseError::Kernel { what, source };
        let clock = Clock::start();
        let proc = Proc::open(Path::new("/proc")).map_err(SuperviseError::Probe)?;
        let own = Pid::new(rustix::process::getpid().as_raw_pid());
        let supervisor = own.and_then(|own| proc.identify(own).ok().flatten()).ok_or_else(|| {
            SuperviseError::Kernel { what: "find itself in /proc", source: io::ErrorKind::NotFound.into() }
        })?;
        // Started as `/proc/self/exe`, it would be listed as `exe`.
        let _ = rustix::thread::set_name(c"scupper");
        let handover = Handover::received();
        // Not fatal where it is refused: the tree is then owned by cgroup and mark.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        let ignored = proc.ignored_signals(supervisor.pid).ok().flatten().unwrap_or(0);
        let signals = Signals::take_over(ignored).map_err(kernel("take over signals"))?;
        let poller = Poller::new().map_err(kernel("make an epoll set"))?;
        poller.add(&signals, Token::Signals).map_err(kernel("wait for signals"))?;
        let mounts = Mounts::read(&proc).unwrap_or_default();
        let own_paths = proc.cgroup_paths(supervisor.pid).ok().flatten().unwrap_or_default();
        let around = Surrounding {
            whole: OnceCell::new(),
            own_v2: cgroup::own_v2(&mounts, &own_paths),
            untouchable: Untouchable::default(),
            notify_upward: std::env::var_os("NOTIFY_SOCKET").filter(|value| !value.is_empty()),
            descriptors: raise_descriptor_limit(),
            records: options.records,
            keeps: options.keeps,
            proc,
            mounts,
            poller,
            supervisor,
            handover,
        };
        Ok(Self {
            clocks: (clock.now(), clock::wall().0),
            around,
            clock,
            units: Vec::new(),
            next_index: 0,
            signals,
            relay: None,
            sink,
            reload,
            observer: None,
            joins: None,
            leased: Vec::new(),
            ended_by: None,
            guardian: None,
            parent: None,
            client: Client::default(),
            answering: None,
            had_terminal: false,
            parent_exit: options.parent_exit,
            watch_terminal: options.watch_terminal,
            direct: Vec::new(),
            next_audit: AUDIT,
            next_trim: TRIM,
            program: Program::default(),
            next_adoption: Duration::ZERO,
            next_reap: None,
            exit_code: 0,
            stopping: false,
        })
    }

    fn add(&mut self, mut spec: UnitSpec) -> Result<(), SuperviseError> {
        let records = &self.around.records;
        let claimed = if spec.name_may_be_numbered() {
            records.claim_numbered(&spec.name)?
        } else {
            records.claim(&spec.name)?.map(|claim| (spec.name.clone(), claim))
        };
        let Some((name, claim)) = claimed else {
            return Err(SuperviseError::NameTaken { unit: spec.name });
        };
        spec.name = name;
        let run = RunId(uuid::Uuid::now_v7());
        let earlier = super::earlier::end_earlier_run(&spec.name, &self.around);
        let unit = UnitShell::new(spec, self.next_index, run, claim, &self.around);
        self.next_index += 1;
        self.units.push(unit);
        let last = self.units.len() - 1;
        self.record(last, earlier);
        Ok(())
    }

    fn run_and_close(&mut self) -> Result<u8, SuperviseError> {
        let result = self.run();
        self.sink.close();
        result
    }

    fn run(&mut self) -> Result<u8, SuperviseError> {
        for unit in 0..self.units.len() {
            self.drive(unit, Input::Begin);
        }
        self.settle();
        self.let_go_of_stdio();
        self.retire();
        while !self.units.is_empty() {
            let rest = self.time_to_wait();
            self.trim(rest);
            let ready = self
                .around
                .poller
                .wait(rest)
                .map_err(|source| SuperviseError::Kernel { what: "wait for events", source })?;
            for token in ready {
                self.handle(token);
            }
            self.reap_adopted();
            self.turn();
            self.release_stdin();
            self.retire();
        }
        Ok(u8::try_from(self.exit_code.clamp(0, 255)).unwrap_or(125))
    }

    /// What the command need not wait for: its start has been made.
    fn settle(&mut self) {
        let around = &mut self.around;
        around.untouchable = Untouchable::gather(&around.proc);
        self.had_terminal = self.watch_terminal && terminal_is_there();
        let handover = around.handover;
        self.relay = handover.and_then(|h| Relay::listen(around.records.directory(), h.guardian.get()).ok());
        self.guardian = handover.and_then(|h| open_pidfd(h.guardian));
        let mut parent = followed_parent(handover, self.parent_exit);
        if self.follows_a_client() {
            let processes = self.parent_exit != ParentExit::Ignore;
            self.client = Client::find(&self.around.proc, handover, processes, parent.is_some());
            // Most often they are one: then it is the client that is gone.
            parent = parent.filter(|parent| self.client.pid() != Some(*parent));
        }
        let around = &self.around;
        self.parent = parent.and_then(open_pidfd);
        // Whoever is gone already has a pid that nobody or somebody else holds.
        let still_guarded = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
        let guardian_gone = handover.is_some_and(|h| still_guarded != Some(h.guardian.get()));
        let mut refused = Vec::new();
        for (fd, token) in [(&self.guardian, Token::Guardian), (&self.parent, Token::Parent)] {
            refused.extend(fd.as_ref().and_then(|fd| around.poller.add(fd, token).err()));
        }
        refused.extend(self.relay.as_ref().and_then(|relay| around.poller.add(relay, Token::Relay).err()));
        refused.extend(self.client.watch(&around.poller));
        for unit in 0..self.units.len() {
            let mut facts = Vec::new();
            self.units[unit].settle(&self.around, &mut facts);
            self.record(unit, facts);
            let trouble = |error: &io::Error| EventKind::Trouble {
                message: format!("cannot wait for a process: {error}"),
            };
            self.record(unit, refused.iter().map(trouble).collect());
        }
        if guardian_gone {
            self.guardian_lost();
        }
    }

    /// How long nothing has to be done.
    fn time_to_wait(&self) -> Duration {
        let now = self.clock.now();
        let serving = self.units.iter().any(UnitShell::serving).then_some(now + Duration::from_millis(5));
        let times = self.units.iter().flat_map(|unit| [unit.next_look, unit.machine.next_deadline()]);
        let answering = self.answering.as_ref().map(Answering::next);
        let departs = self.leased.iter().filter_map(|(_, leased)| leased.deadline()).min();
        let next =
            times.chain([serving, self.next_reap, answering, departs, Some(self.next_audit)]).flatten().min();
        next.map_or(AUDIT, |next| next.saturating_sub(now))
    }

    /// Gives back what the last piece of work needed, as the last thing before a long wait.
    fn trim(&mut self, rest: Duration) {
        let now = self.clock.now();
        if rest >= REST || now >= self.next_trim {
            self.next_trim = now + TRIM;
            self.program.release();
        }
    }

    fn handle(&mut self, token: Token) {
        let now = self.clock.now();
        match token {
            Token::Signals => self.take_signals(),
            Token::Relay => {
                // What went to the whole group reached us before the guardian could pass it on: seen first, it is
                // told apart from what the guardian alone got.
                self.take_signals();
                while let Some(arrived) = self.relay.as_ref().and_then(Relay::next) {
                    self.signalled(arrived, true);
                }
            }
            Token::Guardian => self.guardian_lost(),
            Token::Parent => self.parent_exited(),
            Token::Stdin => self.stdin_hung_up(),
            Token::Client => self.client_exited(),
            Token::Session => self.session_over(),
            Token::Lease(index) => {
                if let Some(unit) = self.position(index) {
                    self.obey_lease(unit);
                }
            }
            Token::Main(index) => {
                self.adopt_orphans();
                if let Some(unit) = self.position(index) {
                    let mut facts = Vec::new();
                    self.units[unit].check_main(now, &self.around, &mut facts);
                    self.record(unit, facts);
                }
            }
            Token::Control(index) => {
                // Whoever asks is told of everybody.
                self.adopt_orphans();
                if let Some(unit) = self.position(index) {
                    self.serve(unit);
                }
            }
            Token::Notify(index) => {
                if let Some(unit) = self.position(index) {
                    let mut facts = Vec::new();
                    self.units[unit].notified(&mut facts);
                    self.record(unit, facts);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        for arrived in self.signals.pending() {
            if is_child(arrived.signal) {
                self.child_ended();
            } else {
                self.signalled(arrived, false);
            }
        }
    }

    /// Whatever is due by the clock.
    fn turn(&mut self) {
        self.watch_clocks();
        self.let_answer();
        let now = self.clock.now();
        if now >= self.next_audit {
            self.audit(now);
        }
        // Units whose look is nearly due are looked at together: one wake-up serves many.
        let soon = now + Duration::from_millis(10);
        let looking: Vec<usize> = (0..self.units.len())
            .filter(|&unit| self.units[unit].next_look.is_some_and(|at| at <= soon))
            .collect();
        // At the end of a unit everybody has to be known: what looks empty then is left.
        let ending = looking.iter().any(|&unit| self.units[unit].machine.phase() != UnitPhase::Running);
        if ending || (!looking.is_empty() && now >= self.next_adoption) {
            self.next_adoption = now + ADOPTION;
            self.adopt_orphans();
        }
        for unit in 0..self.units.len() {
            let now = self.clock.now();
            let mut facts = Vec::new();
            if self.units[unit].machine.next_deadline().is_some_and(|at| at <= now) {
                self.units[unit].drive(Input::Timer, now, &self.around, &mut facts);
            }
            if looking.contains(&unit) {
                let counted = self.observer.as_mut().and_then(|observer| observer.operations());
                self.units[unit].note_operations(counted);
                self.units[unit].look(now, &self.around, &mut facts);
            }
            self.record(unit, facts);
            self.show(unit);
            if looking.contains(&unit) {
                self.show_lease(unit, now);
            }
            if self.units[unit].serving() {
                self.serve(unit);
            }
        }
    }

    /// Shows a look to whoever follows the unit, who may have seen enough.
    fn show(&mut self, unit: usize) {
        let (Some(observer), Some((age, look))) = (&mut self.observer, self.units[unit].take_shown()) else {
            return;
        };
        if observer.look(age, look) == Wish::Enough {
            let last = self.units[unit].note_soak_over(self.clock.now());
            self.record(unit, last);
            self.drive(unit, Input::Ask(Ask::Stop(SignalReason::Stop)));
        }
    }

    fn drive(&mut self, unit: usize, input: Input<'_>) {
        let now = self.clock.now();
        let mut facts = Vec::new();
        self.units[unit].drive(input, now, &self.around, &mut facts);
        self.record(unit, facts);
    }

    fn serve(&mut self, unit: usize) {
        let now = self.clock.now();
        let mut facts = Vec::new();
        self.units[unit].serve(now, &self.around, &mut facts);
        self.record(unit, facts);
    }

    /// The one way in for facts: each becomes an event, and the sink gets it.
    fn record(&mut self, unit: usize, facts: Vec<EventKind>) {
        let unit = &mut self.units[unit];
        for kind in facts {
            unit.events += 1;
            let event = stamp(&unit.spec.name, unit.run, kind);
            if let Some(observer) = &mut self.observer {
                observer.event(&event);
            }
            self.sink.record(&event);
        }
    }

    fn position(&self, index: u32) -> Option<usize> {
        self.units.iter().position(|unit| unit.index() == index)
    }

    /// Removes units that are over. The last one's exit code is ours; of several, the first that is not 0 and that
    /// nobody asked for.
    fn retire(&mut self) {
        let mut unit = 0;
        while unit < self.units.len() {
            if let Some(mut code) = self.units[unit].exit_code {
                if !self.has_departed(unit) {
                    unit += 1;
                    continue;
                }
                if let Some((facts, instead)) = self.observer.as_mut().map(|observer| observer.finish()) {
                    self.record(unit, facts);
                    code = instead;
                }
                let on_purpose = self.stopping || self.units[unit].machine.asked_to_end();
                if self.exit_code == 0 && !(on_purpose && self.reload.is_some()) {
                    self.exit_code = code;
                }
                self.serve(unit);
                self.end_lease(unit);
                self.units.remove(unit);
            } else {
                unit += 1;
            }
        }
    }

    /// Notices a suspend or a wall clock that was set: what was measured across it is no trend.
    fn watch_clocks(&mut self) {
        let (monotonic, wall) = (self.clock.now(), clock::wall().0);
        let passed = monotonic.saturating_sub(self.clocks.0).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let passed_on_the_wall = (wall as f64 - self.clocks.1 as f64) / 1000.0;
        self.clocks = (monotonic, wall);
        let jumped = passed_on_the_wall - passed;
        if jumped.abs() > CLOCK_JUMP.as_secs_f64() {
            for unit in 0..self.units.len() {
                self.record(unit, vec![EventKind::ClockJumped { seconds: jumped }]);
            }
        }
    }

    /// The command alone holds stdin and stdout, where somebody is at the other end and it will not be started again.
    fn let_go_of_stdio(&self) {
        if let [unit] = self.units.as_slice()
            && unit.starts_once()
            && stdio_has_another_end()
        {
            super::let_go_of_stdio();
        }
    }
}

/// A panic ends the engine by a signal in every build: the guardian takes an exit code for the command's own.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

fn open_pidfd(pid: Pid) -> Option<OwnedFd> {
    let raw = rustix::process::Pid::from_raw(pid.get())?;
    rustix::process::pidfd_open(raw, PidfdFlags::empty()).ok()
}

fn followed_parent(handover: Option<Handover>, policy: ParentExit) -> Option<Pid> {
    let handover = handover?;
    let follow = match policy {
        ParentExit::Auto => handover.follow_parent,
        ParentExit::Stop => true,
        ParentExit::Ignore => false,
    };
    handover.parent.filter(|_| follow)
}

/// One descriptor a member is kept open: takes what the hard limit allows. Returns the soft limit that the command is
/// to start with.
fn raise_descriptor_limit() -> Option<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum.or(Some(1 << 20)), maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).ok()?;
    limit.current
}
