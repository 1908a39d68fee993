//! How an engine comes to be: what it takes over of the kernel, its units, and what they need not wait for.

use std::cell::OnceCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::process::{PidfdFlags, Resource, Rlimit};
use scupper_model::{EventKind, Pid, RunId, UnitSpec};
use scupper_probe::Proc;
use scupper_probe::cgroup::{self, Mounts};

use super::{AUDIT, Engine, Options, ParentExit, Reload, Sink, SuperviseError, TRIM};
use crate::shell::client::Client;
use crate::shell::clock::{self, Clock};
use crate::shell::deliver::Untouchable;
use crate::shell::guardian::Handover;
use crate::shell::poller::{Poller, Token};
use crate::shell::relay::Relay;
use crate::shell::signals::Signals;
use crate::shell::trim::Program;
use crate::shell::unit::{Surrounding, UnitShell, stdio_has_another_end, terminal_is_there};

impl Engine {
    pub(super) fn new(
        options: Options,
        sink: Box<dyn Sink>,
        reload: Option<Reload>,
    ) -> Result<Self, SuperviseError> {
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

    pub(super) fn add(&mut self, mut spec: UnitSpec) -> Result<(), SuperviseError> {
        let records = &self.around.records;
        let claimed = if spec.name_may_be_numbered() {
            records.claim_numbered(&spec.name)?
        } else {
            records.claim(&spec.name)?.map(|claim| (spec.name.clone(), claim))
        };
        let Some((name, claim)) = claimed else {
            return Err(SuperviseError::NameTaken { unit: spec.name });
        };
        let asked_name = std::mem::replace(&mut spec.name, name);
        let run = RunId(uuid::Uuid::now_v7());
        let earlier = crate::shell::earlier::end_earlier_run(&spec.name, &self.around);
        let mut unit = UnitShell::new(spec, self.next_index, run, claim, &self.around);
        unit.asked_name = asked_name;
        self.next_index += 1;
        self.units.push(unit);
        let last = self.units.len() - 1;
        self.record(last, earlier);
        Ok(())
    }

    /// What the command need not wait for: its start has been made.
    pub(super) fn settle(&mut self) {
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

    /// The command alone holds stdin and stdout, where somebody is at the other end and it will not be started again.
    pub(super) fn let_go_of_stdio(&self) {
        if let [unit] = self.units.as_slice()
            && unit.starts_once()
            && stdio_has_another_end()
        {
            crate::shell::let_go_of_stdio();
        }
    }
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
