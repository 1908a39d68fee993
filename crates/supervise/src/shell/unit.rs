//! One unit in the shell: its machine, its tree, its sockets and files; carries the machine's effects out.

mod advising;
mod answering;
mod dying;
mod holding;
mod looking;
mod parting;
mod signalling;
mod watching;

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use scupper_model::Size;
use scupper_model::{
    Bytes, EventKind, Fatal, Identity, Limits, Pid, RecyclePolicy, RestartPolicy, RunId, UnitName, UnitPhase,
    UnitSpec, redact_command, redact_line,
};
use scupper_probe::cgroup::Mounts;
use scupper_probe::{Proc, cgroup};

use self::parting::{Order, Partings};
use super::closer::Closer;
use super::death::Sent;
use super::deliver::Untouchable;
use super::guardian::Handover;
use super::judge::{Judge, Keeps};
use super::logs::LogTail;
use super::nearer::Nearer;
use super::notify_socket::NotifySocket;
use super::ownership::UnitCgroup;
use super::poller::{Poller, Token};
use super::pss::PssReader;
use super::server::Server;
use super::spawn::{self, Surroundings};
use super::tree::Tree;
use crate::control::socket_path;
use crate::record::{NameClaim, Records};
use crate::unit::{Effect, Idle, Input, Look, Settings, Unit};
use crate::watch::Watch;
use scupper_knowledge::notify;

/// Longest time between two whole looks (descriptors, threads, swap, CPU time, OOM counters) where no limit asks for
/// more. `ps` and the metrics page have one made when they ask.
const WHOLE_LOOK: Duration = Duration::from_secs(30);

/// What all units of an engine share.
#[derive(Debug)]
pub(super) struct Surrounding {
    pub(super) proc: Proc,
    pub(super) mounts: Mounts,
    pub(super) records: Records,
    pub(super) keeps: Keeps,
    pub(super) poller: Poller,
    pub(super) untouchable: Untouchable,
    pub(super) supervisor: Identity,
    pub(super) handover: Option<Handover>,
    pub(super) whole: OnceCell<Option<Bytes>>,
    pub(super) own_v2: Option<std::path::PathBuf>,
    pub(super) notify_upward: Option<std::ffi::OsString>,
    pub(super) descriptors: Option<u64>,
}

impl Surrounding {
    /// What 100 % of a memory limit is, found out where a limit is a percentage.
    fn whole(&self, limits: &Limits) -> Option<Bytes> {
        let share = |size: Option<Size>| matches!(size, Some(Size::Percent(_)));
        if !share(limits.mem_soft) && !share(limits.mem_hard) {
            return None;
        }
        *self.whole.get_or_init(|| allowance(&self.proc, &self.mounts))
    }
}

/// A fact on its way to the sink: which unit, which run, what.
pub(super) type Fact = EventKind;

/// One unit.
#[derive(Debug)]
pub(super) struct UnitShell {
    pub(super) spec: UnitSpec,
    /// The name that was asked for: where it was taken, the unit's own has a number behind it.
    pub(super) asked_name: UnitName,
    pub(super) run: RunId,
    pub(super) exit_code: Option<i32>,
    pub(super) next_look: Option<Duration>,
    pub(super) machine: Unit,
    index: u32,
    tree: Tree,
    look: Look,
    watch: Watch,
    nearer: Nearer,
    closer: Closer,
    partings: Partings,
    judge: Judge,
    cgroup: Option<UnitCgroup>,
    main_fd: Option<OwnedFd>,
    server: Option<Server>,
    notify: Option<NotifySocket>,
    logs: Vec<LogTail>,
    fatal: Option<Fatal>,
    sent: Sent,
    started_at: Duration,
    next_whole: Duration,
    last_whole: Duration,
    next_status_look: Duration,
    pss: PssReader,
    ready: Option<bool>,
    status_text: Option<String>,
    shown_phase: Option<UnitPhase>,
    zombies_reaped: u64,
    oom_kills: u64,
    pub(super) events: u64,
    kept: u32,
    newly_adopted: bool,
    heap_limits_compared: bool,
    left_behind: u32,
    left_behind_total: u64,
    reason_signal: Option<i32>,
    held: holding::Held,
    /// Why it is over.
    pub(super) stop_reason: Option<String>,
    observed: looking::Observed,
    idle: Idle,
    idle_unknown_said: bool,
    _claim: NameClaim,
}

impl UnitShell {
    /// A unit that has not begun. Its name must have been claimed.
    pub(super) fn new(
        spec: UnitSpec,
        index: u32,
        run: RunId,
        claim: NameClaim,
        around: &Surrounding,
    ) -> Self {
        let cgroup = spec.cgroup.then_some(around.own_v2.as_deref()).flatten();
        let cgroup = cgroup.and_then(|own| UnitCgroup::make(own, &spec.name, &run).ok());
        let below_mount = cgroup.as_ref().map(|dir| below(around.mounts.v2.as_deref(), dir.path()));
        let keeps = around.keeps.clone();
        let judge = Judge::new(&around.proc, below_mount, spec.profile, spec.keep.clone(), keeps);
        let notify =
            around.notify_upward.as_deref().and_then(|upward| listen_for_notify(&spec, upward, around));
        if let Some(notify) = &notify {
            let _ = around.poller.add(notify, Token::Notify(index));
        }
        let seed = u64::from_le_bytes(run.0.as_bytes()[8..].try_into().unwrap_or([7; 8]));
        Self {
            machine: Unit::new(settings(&spec, around), seed),
            logs: spec.logs.iter().map(|path| LogTail::follow(path)).collect(),
            ready: notify.as_ref().map(|_| false),
            tree: Tree::new(around.proc.ticks_per_second()),
            watch: Watch::new(watching::plan(&spec, around)),
            nearer: Nearer::default(),
            closer: Closer::default(),
            partings: Partings::default(),
            asked_name: spec.name.clone(),
            spec,
            run,
            exit_code: None,
            next_look: None,
            index,
            look: Look::default(),
            judge,
            cgroup,
            main_fd: None,
            server: None,
            notify,
            fatal: None,
            sent: Sent::default(),
            started_at: Duration::ZERO,
            next_whole: Duration::ZERO,
            last_whole: Duration::ZERO,
            next_status_look: Duration::ZERO,
            pss: PssReader::default(),
            status_text: None,
            shown_phase: None,
            zombies_reaped: 0,
            oom_kills: 0,
            events: 0,
            kept: 0,
            newly_adopted: false,
            heap_limits_compared: false,
            left_behind: 0,
            left_behind_total: 0,
            reason_signal: None,
            held: holding::Held::default(),
            stop_reason: None,
            observed: looking::Observed::default(),
            idle: Idle::default(),
            idle_unknown_said: false,
            _claim: claim,
        }
    }

    /// What its command need not wait for: the control socket.
    pub(super) fn settle(&mut self, around: &Surrounding, facts: &mut Vec<Fact>) {
        if self.exit_code.is_some() {
            return;
        }
        match Server::listen(&socket_path(&around.records.path(&self.spec.name))) {
            Ok(server) => self.server = Some(server),
            Err(error) => facts.push(EventKind::Trouble {
                message: format!("nobody can talk to this unit, its control socket cannot be made: {error}"),
            }),
        }
        if let Some(server) = &self.server {
            let _ = around.poller.add(server.listener(), Token::Control(self.index));
        }
    }

    /// Gives the machine an input and carries out what follows from it. The facts it leaves behind are appended.
    pub(super) fn drive(
        &mut self,
        input: Input<'_>,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        let mut effects: VecDeque<Effect> = self.machine.step(now, input).into();
        while let Some(effect) = effects.pop_front() {
            if let Some(answer) = self.carry_out(effect, now, around, facts) {
                effects.extend(self.machine.step(now, answer));
            }
        }
        self.write_record(around, facts);
    }

    fn carry_out(
        &mut self,
        effect: Effect,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> Option<Input<'static>> {
        match effect {
            Effect::Spawn => Some(self.spawn(now, around, facts)),
            Effect::Signal { target, signal, reason, subtree } => {
                self.tell(Order { target, signal, reason, subtree }, around, facts);
                None
            }
            Effect::SignalTree { signal, reason } => {
                self.partings.clear();
                facts.extend(self.note_signal(None, signal));
                let left = self.signal_tree(signal, reason, now, around, facts);
                left.then_some(Input::LeakFound)
            }
            Effect::HoldTree { reason } => {
                self.part_at_once(around, facts);
                self.hold_tree(reason, now, around, facts);
                None
            }
            Effect::ReleaseTree { reason } => {
                self.release_tree(reason, around, facts);
                None
            }
            Effect::Record(EventKind::UnitStopped { reason, exit_code, .. }) => {
                self.stop_reason = Some(reason.clone());
                let (ended, kept) = (self.left_behind, self.kept);
                facts.push(EventKind::UnitStopped { reason, exit_code, ended, kept });
                None
            }
            Effect::Record(fact) => {
                let known = self.note_end(&fact, now);
                facts.push(fact);
                facts.extend(known);
                None
            }
            Effect::Finish(code) => {
                self.exit_code = Some(code);
                self.next_look = None;
                around.records.remove(&self.spec.name);
                None
            }
        }
    }

    fn spawn(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) -> Input<'static> {
        let address = self.notify.as_ref().map(NotifySocket::address);
        let surroundings = Surroundings {
            run: &self.run,
            cgroup: self.cgroup.as_ref().map(UnitCgroup::path),
            notify: address.as_deref(),
            addressed: around.handover.map_or(0, |handover| handover.guardian.get()),
            descriptors: around.descriptors,
        };
        let started = spawn::start(&self.spec, surroundings).and_then(|mut child| {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::new);
            let found = pid.map(|pid| around.proc.identify(pid));
            if let Some(Ok(Some(main))) = found {
                return Ok(main);
            }
            // What cannot be identified cannot be owned, and must not run on unowned.
            let _ = child.kill().and_then(|()| child.wait());
            let why = match found {
                Some(Err(error)) => crate::chain(&error),
                _ => "it is not in /proc: is /proc mounted?".to_owned(),
            };
            Err(spawn::NotStarted {
                code: 125,
                message: format!("the command could not be identified: {why}"),
            })
        });
        let main = match started {
            Ok(main) => main,
            Err(error) => {
                facts.push(EventKind::StartFailed {
                    command: self.shown_command(),
                    code: error.code,
                    message: error.message,
                });
                return Input::StartFailed(error.code);
            }
        };
        self.started_at = now;
        self.next_look = Some(now + crate::unit::pace::SHORTEST);
        self.next_whole = now;
        self.observed.begin(now);
        self.idle = Idle::default();
        self.next_status_look = Duration::ZERO;
        self.fatal = None;
        (self.kept, self.left_behind) = (0, 0);
        self.heap_limits_compared = false;
        self.pss.forget();
        self.tree.begin(main);
        self.look = Look::default();
        self.watch.begin();
        self.closer.begin_anew();
        self.partings.clear();
        self.main_fd = scupper_probe::pidfd::open(&around.proc, &main).ok().flatten();
        if let Some(fd) = &self.main_fd {
            let _ = around.poller.add(fd, Token::Main(self.index));
        }
        facts.push(EventKind::UnitStarted {
            main,
            command: self.shown_command(),
            profile: self.spec.profile,
            start: self.machine.counts().starts,
            cgroup: self.cgroup.as_ref().map(|dir| dir.path().display().to_string()),
        });
        Input::Started(main)
    }

    /// What the command said over `NOTIFY_SOCKET`.
    pub(super) fn notified(&mut self, facts: &mut Vec<Fact>) {
        let Some(socket) = &self.notify else { return };
        while let Some(datagram) = socket.relay() {
            let message = notify::parse(&datagram);
            let status = message.status.as_deref().map(redact_line);
            if message.ready || status.is_some() {
                self.ready = Some(message.ready || self.ready == Some(true));
                if status.is_some() {
                    self.status_text.clone_from(&status);
                }
                facts.push(EventKind::Notified { ready: message.ready, status });
            }
        }
    }

    /// Takes over new settings of the same command while it runs.
    pub(super) fn adopt_settings(&mut self, spec: UnitSpec, around: &Surrounding) {
        self.machine.change(settings(&spec, around));
        self.watch.change(watching::plan(&spec, around));
        self.spec = spec;
    }

    /// Shortens the grace: nobody is left who would wait for a long one.
    pub(super) fn hurry(&mut self) {
        let mut settings = self.machine.settings().clone();
        settings.grace = settings.grace.min(crate::unit::LEFTOVER_GRACE);
        self.machine.change(settings);
    }

    /// Whether its command is started once, and nothing would start it again.
    pub(super) fn starts_once(&self) -> bool {
        self.spec.restart == RestartPolicy::Never
            && self.spec.recycle == RecyclePolicy::Never
            && !self.spec.limits.any()
    }

    /// An orphan that scupper adopted: is it of this unit?
    pub(super) fn claims(&self, pid: Pid, proc: &Proc) -> bool {
        let in_cgroup = || self.cgroup.as_ref().is_some_and(|dir| dir.members().contains(&pid));
        self.tree.contains(pid) || super::tree::carries_mark(proc, pid, &self.run) || in_cgroup()
    }

    /// Takes an orphan in.
    pub(super) fn adopt(&mut self, pid: Pid) {
        self.newly_adopted |= self.tree.adopt(pid);
    }

    /// Whether a process is a member as far as is known.
    pub(super) fn knows(&self, pid: Pid) -> bool {
        self.tree.contains(pid)
    }

    /// Counts a zombie that was waited for on the unit's behalf.
    pub(super) fn reaped(&mut self) {
        self.zombies_reaped += 1;
    }

    /// Its number within this engine: the tokens of its descriptors carry it.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// Whether its main process shares our process group, so that it gets what the terminal sends.
    pub(super) fn shares_group(&self, proc: &Proc) -> bool {
        let main = self.machine.main().and_then(|main| proc.stat(main.pid).ok().flatten());
        main.is_some_and(|stat| stat.group == rustix::process::getpgrp().as_raw_pid())
    }

    fn shown_command(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        redact_command(self.spec.command.iter().map(|argument| argument.as_bytes()))
    }
}

const KILL: i32 = 9;

fn settings(spec: &UnitSpec, around: &Surrounding) -> Settings {
    Settings::of(spec, around.whole(&spec.limits))
}

fn below(mount: Option<&Path>, dir: &Path) -> String {
    let rest = mount.and_then(|mount| dir.strip_prefix(mount).ok()).unwrap_or(dir);
    format!("/{}", rest.display())
}

fn listen_for_notify(spec: &UnitSpec, upward: &OsStr, around: &Surrounding) -> Option<NotifySocket> {
    NotifySocket::listen(&crate::control::beside(&around.records.path(&spec.name), "notify"), upward).ok()
}

/// Whether scupper's stdin or stdout is a pipe or a socket: who is at its other end is told of the end only when
/// everybody who holds it has closed it.
pub(super) fn stdio_has_another_end() -> bool {
    let is_pipe = |stat: rustix::fs::Stat| {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        matches!(kind, rustix::fs::FileType::Fifo | rustix::fs::FileType::Socket)
    };
    rustix::fs::fstat(rustix::stdio::stdin()).is_ok_and(is_pipe)
        || rustix::fs::fstat(rustix::stdio::stdout()).is_ok_and(is_pipe)
}

/// Whether the terminal that scupper was started on is still there.
pub(super) fn terminal_is_there() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The memory that 100 % of a limit means: the smallest limit of the own cgroups, else the host's memory.
fn allowance(proc: &Proc, mounts: &Mounts) -> Option<Bytes> {
    let host = proc.memory_total().ok()?;
    let own = Pid::new(rustix::process::getpid().as_raw_pid())?;
    let paths = proc.cgroup_paths(own).ok().flatten().unwrap_or_default();
    Some(cgroup::memory_allowance(mounts, &paths, host).bytes)
}
