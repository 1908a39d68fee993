//! Watches a tree that Scupper did not start, with everything that a unit has: series, verdict, forecast, events, status.
//!
//! It never signals (ARCHITECTURE.md, Safety 7), and it is built so that it cannot: this is a loop of its own, without the
//! machine, whose effects are signals, and without `deliver`, which sends them. What it has is what reads: the tree, the
//! watch, a sink, a control socket that takes no request but to tell and to end the watching. Its record names no main
//! process: nobody who finds it later may take the tree for something that Scupper owned.

mod crossing;
mod ending;
mod following;
mod status;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use scupper_detect::{GrowRule, Horizon};
use scupper_model::{
    Bytes, Event, EventKind, HowEnded, Identity, Limits, Pid, Resource, RunId, UnitName, printable,
    redact_command,
};
use scupper_probe::cgroup::{self, Mounts};
use scupper_probe::{Detail, ProbeError, Proc, pidfd};

use self::crossing::Crossing;
use self::following::Following;
use super::clock::{self, Clock};
use super::closer::{Closer, Scene};
use super::engine::Sink;
use super::nearer::Nearer;
use super::poller::{Poller, Token};
use super::pss::PssReader;
use super::server::Server;
use super::signals::{Signals, asks_to_end, is_hang_up};
use super::stamp::stamp;
use super::trim::Program;
use crate::control::{Standing, socket_path};
use crate::record::{NameClaim, RecordError, Records};
use crate::unit::{Bounds, Look, pace};
use crate::watch::{Plan, Watch};

/// Longest time between two whole looks (descriptors, threads, sockets, swap, CPU time).
const WHOLE_LOOK: Duration = Duration::from_secs(30);
/// Time between two times that pages of the program are given back.
const TRIM: Duration = Duration::from_secs(10);
/// By then what only the start needed can be given back.
const SETTLED: Duration = Duration::from_secs(1);
/// Between two turns while somebody is being answered.
const SERVING: Duration = Duration::from_millis(5);

/// What is to be watched, and how.
#[derive(Debug)]
pub struct Setup {
    /// The topmost process.
    pub target: Identity,
    /// What it is called in events and `ps`; a number is put behind it where that is taken.
    pub name: UnitName,
    /// Where running units are written down.
    pub records: Records,
    /// Longest time between two looks.
    pub every: Duration,
    /// For how long; until the process ends where nothing is said.
    pub lasting: Option<Duration>,
    /// How much time there is to judge.
    pub horizon: Horizon,
    /// Growth that is a leak whatever its shape.
    pub grow: Option<GrowRule>,
    /// What forecasts are about. Where one is crossed that is said, and nothing is done.
    pub limits: Limits,
    /// Whether what leaks at the end is recorded as a finding.
    pub fail_on_leak: bool,
}

/// Whoever is shown what is seen. What it does must not block.
pub trait Viewer {
    /// The tree was looked at, so long after the watching began.
    fn look(&mut self, age: Duration, look: &Look, standing: &Standing);
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Whether there is anybody left to show it to.
    fn goes_on(&self) -> bool;
}

/// Why the watching is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The process ended.
    Ended(HowEnded),
    /// The time is over.
    TimeIsOver,
    /// Somebody asked: `scupper stop`, ^C, TERM, a closed terminal.
    Asked,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Detached {
    /// Why it is over.
    pub over: Over,
    /// How many series leaked at the end, or when what they are of ended.
    pub leaking: usize,
    /// Processes of the tree that live on.
    pub processes: u32,
}

/// Why a tree cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such process.
    #[error("there is no process {pid}, or /proc does not show it to this user")]
    Gone {
        /// Its number.
        pid: Pid,
    },
    /// `/proc` cannot be read.
    #[error("cannot read /proc")]
    Probe(#[source] ProbeError),
    /// A kernel facility is missing.
    #[error("cannot {what}")]
    Kernel {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// It cannot be written down.
    #[error("cannot write down what is watched")]
    Record(#[from] RecordError),
    /// The name is taken, and every number behind it.
    #[error("a unit named {unit} is running: choose another --name")]
    NameTaken {
        /// The name.
        unit: UnitName,
    },
}

/// Watches a tree until its topmost process ends, the time is over, or somebody asks to end it.
pub fn attach(setup: Setup, sink: Box<dyn Sink>, viewer: Box<dyn Viewer>) -> Result<Detached, AttachError> {
    let mut watcher = Watcher::begin(setup, sink, viewer)?;
    let detached = watcher.run();
    watcher.setup.records.remove(&watcher.setup.name);
    watcher.sink.close();
    detached
}

struct Watcher {
    setup: Setup,
    run: RunId,
    proc: Proc,
    clock: Clock,
    poller: Poller,
    signals: Signals,
    pidfd: OwnedFd,
    own: Identity,
    following: Following,
    watch: Watch,
    nearer: Nearer,
    closer: Closer,
    look: Look,
    pss: PssReader,
    crossing: Crossing,
    server: Option<Server>,
    sink: Box<dyn Sink>,
    viewer: Box<dyn Viewer>,
    command: String,
    shown: String,
    /// The memory that the process can grow into, as it was when the watching began.
    memory: Option<Bytes>,
    /// How old the process was when the watching began.
    age: Duration,
    next_look: Duration,
    next_whole: Duration,
    next_trim: Duration,
    program: Program,
    looks: u64,
    events: u64,
    stop: bool,
    _claim: NameClaim,
}

impl Watcher {
    fn begin(mut setup: Setup, sink: Box<dyn Sink>, viewer: Box<dyn Viewer>) -> Result<Self, AttachError> {
        let kernel = |what| move |source: std::io::Error| AttachError::Kernel { what, source };
        let clock = Clock::start();
        let proc = Proc::open(Path::new("/proc")).map_err(AttachError::Probe)?;
        let pid = setup.target.pid;
        let gone = || AttachError::Gone { pid };
        let target = pidfd::open(&proc, &setup.target).map_err(AttachError::Probe)?.ok_or_else(gone)?;
        let stat = proc.stat(pid).map_err(AttachError::Probe)?.ok_or_else(gone)?;
        let own = Pid::new(rustix::process::getpid().as_raw_pid());
        let own = own.and_then(|own| proc.identify(own).ok().flatten()).ok_or_else(gone)?;
        let (name, claim) = setup
            .records
            .claim_numbered(&setup.name)?
            .ok_or_else(|| AttachError::NameTaken { unit: setup.name.clone() })?;
        setup.name = name;
        let ignored = proc.ignored_signals(own.pid).ok().flatten().unwrap_or(0);
        let signals = Signals::take_over(ignored).map_err(kernel("take over signals"))?;
        let poller = Poller::new().map_err(kernel("make an epoll set"))?;
        poller.add(&signals, Token::Signals).map_err(kernel("wait for signals"))?;
        poller.add(&target, Token::Main(0)).map_err(kernel("wait for the process"))?;
        let command = proc.command_line(pid).ok().flatten().unwrap_or_default();
        let started =
            Duration::from_millis(stat.start_time.0.saturating_mul(1000) / proc.ticks_per_second().max(1));
        let memory = memory_of(&proc, pid);
        Ok(Self {
            watch: Watch::new(plan(&setup, memory)),
            memory,
            nearer: Nearer::default(),
            closer: Closer::default(),
            following: Following::begin(&proc, &stat),
            age: clock::since_boot().saturating_sub(started),
            run: RunId(uuid::Uuid::now_v7()),
            command: redact_command(command.iter().map(Vec::as_slice)),
            shown: printable(&stat.name, 32),
            pidfd: target,
            look: Look::default(),
            pss: PssReader::default(),
            crossing: Crossing::default(),
            server: None,
            next_look: Duration::ZERO,
            next_whole: Duration::ZERO,
            next_trim: SETTLED,
            program: Program::default(),
            looks: 0,
            events: 0,
            stop: false,
            _claim: claim,
            setup,
            proc,
            clock,
            poller,
            signals,
            own,
            sink,
            viewer,
        })
    }

    fn run(&mut self) -> Result<Detached, AttachError> {
        self.take_look(self.clock.now());
        self.record(EventKind::Attached {
            target: self.setup.target,
            name: self.shown.clone(),
            command: self.command.clone(),
            processes: self.look.tree.processes,
        });
        self.show();
        self.settle();
        let over = loop {
            let ready = self
                .poller
                .wait(self.time_to_wait())
                .map_err(|source| AttachError::Kernel { what: "wait for events", source })?;
            for token in ready {
                match token {
                    Token::Signals => self.take_signals(),
                    Token::Control(_) => self.serve(),
                    // Of the process' end its pidfd is asked below.
                    _ => {}
                }
            }
            let now = self.clock.now();
            if pidfd::has_exited(self.pidfd.as_fd()) {
                break Over::Ended(self.main_ended());
            }
            if self.stop {
                break Over::Asked;
            }
            if self.setup.lasting.is_some_and(|lasting| now >= lasting) {
                break Over::TimeIsOver;
            }
            if self.server.as_ref().is_some_and(Server::busy) {
                self.serve();
            }
            if now >= self.next_look {
                self.take_look(now);
                self.show();
            }
            if now >= self.next_trim {
                self.next_trim = now + TRIM;
                self.program.release();
            }
        };
        Ok(self.conclude(over))
    }

    /// Writes down that the tree is watched, and listens to who asks.
    fn settle(&mut self) {
        let now = self.clock.now();
        let record = self.setup.records.path(&self.setup.name);
        let written = self.setup.records.write(&self.written_down()).map_err(|error| crate::chain(&error));
        let listening = Server::listen(&socket_path(&record)).map_err(|error| error.to_string());
        let heard = listening.and_then(|server| {
            let added = self.poller.add(server.listener(), Token::Control(0));
            self.server = Some(server);
            added.map_err(|error| error.to_string())
        });
        for why in [written, heard].into_iter().filter_map(Result::err) {
            let message = format!("neither `ps` nor the metrics page show what is watched: {why}");
            self.record(EventKind::Trouble { message });
        }
        self.next_look = self.next_look.max(now);
    }

    fn time_to_wait(&self) -> Duration {
        let now = self.clock.now();
        let serving = self.server.as_ref().is_some_and(Server::busy).then_some(now + SERVING);
        let next = [serving, self.setup.lasting].into_iter().flatten().fold(self.next_look, Duration::min);
        next.saturating_sub(now)
    }

    fn take_signals(&mut self) {
        for arrived in self.signals.pending() {
            self.stop |= asks_to_end(arrived.signal) || is_hang_up(arrived.signal);
        }
    }

    fn take_look(&mut self, now: Duration) {
        for member in self.following.keep_up(&self.proc, now) {
            self.member_gone(&member, now);
        }
        let age = self.age + now;
        let detail = self.detail(now);
        let mut look = self.following.look(&self.proc, detail, now);
        let bound = Bounds::resolve(&self.setup.limits, self.memory).of(Resource::Memory);
        self.pss.confirm(&self.proc, &mut look, bound, now);
        look.slope = self.following.note_size(now, look.size);
        self.nearer.add(&mut look, self.following.tree(), &self.proc, now, self.setup.horizon);
        let mut facts = self.watch.observe(now, age, &mut look);
        facts.extend(self.crossing.seen(&look, bound));
        facts.extend(self.watch.take_parting());
        let suspicions = self.watch.take_suspicions();
        for suspicion in &suspicions {
            facts.extend(self.watch.histories_of(suspicion, now));
        }
        let (tree, operations) = (self.following.tree(), self.watch.operations());
        facts.extend(self.closer.step(&suspicions, Scene { look: &look, tree, operations, now }));
        for fact in facts {
            self.record(fact);
        }
        self.looks += 1;
        self.look = look;
        let judged = pace::to_judge(age, self.setup.horizon, self.setup.grow).min(self.setup.every);
        self.next_look = now + pace::while_young(now, judged);
    }

    /// What this look reads beside memory: everything early on, and then now and again.
    fn detail(&mut self, now: Duration) -> Option<Detail> {
        if now < self.next_whole {
            return None;
        }
        let every = pace::to_count(self.age + now, self.setup.horizon).unwrap_or(WHOLE_LOOK);
        self.next_whole = now + every.min(WHOLE_LOOK).min(now.max(Duration::from_secs(1)));
        Some(Detail { memory_split: true, fds: true, sockets: true, pss: false })
    }

    fn show(&mut self) {
        let now = self.clock.now();
        let standing = self.watch.standing(now);
        self.viewer.look(now, &self.look, &standing);
        self.stop |= !self.viewer.goes_on();
    }

    /// The one way in for facts: each becomes an event, and sink and viewer get it.
    fn record(&mut self, fact: EventKind) {
        self.events += 1;
        let event = stamp(&self.setup.name, self.run, fact);
        self.viewer.event(&event);
        self.sink.record(&event);
    }
}

fn plan(setup: &Setup, memory: Option<Bytes>) -> Plan {
    let bounds = Bounds::resolve(&setup.limits, memory);
    let limited = setup.limits.mem_soft.is_some() || setup.limits.mem_hard.is_some();
    Plan {
        horizon: setup.horizon,
        grow: setup.grow,
        bounds,
        memory: memory.filter(|_| !limited),
        descriptors: None,
    }
}

/// The memory that the process can grow into: the smallest limit of its cgroups, else the host's.
fn memory_of(proc: &Proc, pid: Pid) -> Option<Bytes> {
    let host = proc.memory_total().ok()?;
    let paths = proc.cgroup_paths(pid).ok().flatten().unwrap_or_default();
    let mounts = Mounts::read(proc).unwrap_or_default();
    Some(cgroup::memory_allowance(&mounts, &paths, host).bytes)
}

#[cfg(test)]
mod tests;
