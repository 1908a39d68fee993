//! The guardian: the process that the user started. It starts the engine (this program again), waits, passes signals
//! on, and ends the tree if the engine dies.
//!
//! Why it is the outer one. Both are child subreapers, the guardian above the engine. When the engine dies, everything
//! it owned is re-parented to the guardian, which ends its own descendants: no cgroup, no mark and no list is needed
//! for that, and neither `setsid` nor a double fork escapes it. When the guardian is killed instead, the engine sees it
//! through a pidfd and ends the tree itself. Killed both at once, the command gets TERM from the kernel
//! (`PR_SET_PDEATHSIG`); what then still lives is found by the record, the cgroup and the mark: the next start of the
//! unit, `scupper ps` and `scupper stop` end it.
//!
//! It stays small: no command line is parsed here, no file is open, and nothing is allocated while it waits.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, WaitOptions, WaitStatus};
use scupper_model::{EventKind, Identity, Pid, Profile, SignalReason, UnitRecord};
use scupper_probe::{Proc, tree};

use super::clock::Clock;
use super::deliver::{Untouchable, deliver};
use super::judge::{Judge, Keeps};
use super::notify_socket::NotifySocket;
use super::ownership::remove_recorded_cgroup;
use super::relay;
use super::signals::{Signals, is_child, is_hang_up};
use super::spawn::OWN_PROGRAM;
use crate::record::Records;
use crate::unit::LEFTOVER_GRACE;

/// The variable through which the guardian tells the engine who it is; removed before the command starts.
pub(super) const HANDOVER: &str = "SCUPPER_GUARDIAN";

/// What somebody sends to scupper and right after it to the whole group (timeout(1), CI runners) is one signal for the
/// command: the engine has to see its own first.
const GROUP_FOLLOWS: Duration = Duration::from_millis(20);

/// What the guardian tells the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// The guardian.
    pub(super) guardian: Pid,
    /// The process that started the guardian.
    pub(super) parent: Option<Pid>,
    /// Whether that process's end ends the unit unless told otherwise: not for one that was detached on purpose.
    pub(super) follow_parent: bool,
}

impl Handover {
    /// What the guardian left for us, if it is our parent.
    pub(super) fn received() -> Option<Self> {
        let text = std::env::var(HANDOVER).ok()?;
        let mut fields = text.split(' ').map(|field| field.parse::<i32>().ok());
        let guardian = Pid::new(fields.next()??)?;
        let parent = fields.next()?.and_then(Pid::new);
        let follow_parent = fields.next()?? == 1;
        let real = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
        (real == Some(guardian.get())).then_some(Self { guardian, parent, follow_parent })
    }

    fn value(self) -> String {
        let parent = self.parent.map_or(0, Pid::get);
        format!("{} {parent} {}", self.guardian, i32::from(self.follow_parent))
    }
}

/// Whether this process is an engine with its guardian above it.
pub fn guarded() -> bool {
    Handover::received().is_some()
}

/// Becomes the guardian of an engine started with the same arguments. Returns the exit code. `report` gets what has to
/// be recorded where the engine can no longer do it; `keeps` is asked when the guardian has to end the tree.
pub fn guard(argv: &[OsString], keeps: &Keeps, report: &mut dyn FnMut(&UnitRecord, EventKind)) -> i32 {
    if std::env::var_os(HANDOVER).is_some() {
        use std::io::Write;
        // Whoever ended the guardian before its engine began wanted nothing to run.
        let _ = writeln!(
            std::io::stderr(),
            "scupper: {HANDOVER} is set, and that guardian is gone: nothing was started"
        );
        return 125;
    }
    match Guardian::start(argv) {
        Ok(mut guardian) => guardian.run(keeps, report),
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "scupper: cannot start: {}", crate::chain(&error));
            125
        }
    }
}

struct Guardian {
    proc: Proc,
    own: Pid,
    engine: Identity,
    pidfd: rustix::fd::OwnedFd,
    signals: Signals,
    notify: Option<NotifySocket>,
    records: Option<Records>,
    strangers: Vec<Pid>,
}

impl Guardian {
    fn start(argv: &[OsString]) -> Result<Self, std::io::Error> {
        let proc = Proc::open(Path::new("/proc")).map_err(std::io::Error::other)?;
        let own = Pid::new(rustix::process::getpid().as_raw_pid()).ok_or(std::io::ErrorKind::Unsupported)?;
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        let ignored = proc.ignored_signals(own).ok().flatten().unwrap_or(0);
        let mut records = None;
        let notify = std::env::var_os("NOTIFY_SOCKET").and_then(|upward| {
            records = Records::for_this_user().ok();
            let path = records.as_ref()?.directory().join(format!(".guardian-{own}.notify"));
            NotifySocket::listen(&path, &upward).ok()
        });
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0(argv.first().map_or(OsStr::new("scupper"), OsString::as_os_str));
        command.args(argv.get(1..).unwrap_or_default());
        command.env(HANDOVER, handover(&proc, own, ignored).value());
        if let Some(notify) = &notify {
            command.env("NOTIFY_SOCKET", notify.address());
        }
        // `helper & exec scupper run ...`: what was our child before is nobody we started.
        let strangers = proc.children(own).ok().flatten().unwrap_or_default();
        let child = command.spawn()?;
        // The rest is done while the engine starts. A signal that comes before this ends us, and the engine, seeing
        // that, the unit.
        let signals = Signals::take_over(ignored)?;
        let records = records.or_else(|| Records::for_this_user().ok());
        let pid = i32::try_from(child.id()).ok().and_then(Pid::new).ok_or(std::io::ErrorKind::Unsupported)?;
        let engine =
            proc.identify(pid).map_err(std::io::Error::other)?.ok_or(std::io::ErrorKind::NotFound)?;
        let raw = rustix::process::Pid::from_raw(pid.get()).ok_or(std::io::ErrorKind::NotFound)?;
        let pidfd = rustix::process::pidfd_open(raw, PidfdFlags::empty())?;
        super::let_go_of_stdio();
        super::trim::Program::default().release();
        Ok(Self { proc, own, engine, pidfd, signals, notify, records, strangers })
    }

    fn run(&mut self, keeps: &Keeps, report: &mut dyn FnMut(&UnitRecord, EventKind)) -> i32 {
        loop {
            self.wait(None);
            self.pass_signals_on();
            if let Some(notify) = &self.notify {
                while notify.relay().is_some() {}
            }
            if let Some(status) = reap(Some(self.engine.pid)) {
                return self.engine_ended(status, keeps, report);
            }
            self.reap_adopted();
        }
    }

    /// Waits for a signal, the engine's end or something to relay.
    fn wait(&self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if timeout.is_none() {
            fds.push(PollFd::new(&self.pidfd, PollFlags::IN));
        }
        if let Some(notify) = &self.notify {
            fds.push(PollFd::from_borrowed_fd(notify.as_fd(), PollFlags::IN));
        }
        let _ = poll(&mut fds, timeout.as_ref());
    }

    fn pass_signals_on(&mut self) {
        let pending = self.signals.pending();
        if pending.iter().any(|arrived| !is_child(arrived.signal)) {
            let pause = Timespec { tv_sec: 0, tv_nsec: GROUP_FOLLOWS.subsec_nanos().into() };
            let _ = poll(&mut [], Some(&pause));
        }
        for arrived in pending {
            // What the terminal sends goes to the whole foreground group: the engine has it already. Only its hang-up
            // goes to the leader of the session alone.
            let for_all = arrived.sender.is_none() && !(is_hang_up(arrived.signal) && leads_its_session());
            if is_child(arrived.signal) || for_all {
                continue;
            }
            // A stopped engine hears nothing.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::CONT);
            let directory = self.records.as_ref().map(Records::directory);
            let passed = directory.is_some_and(|dir| relay::pass_on(dir, self.own.get(), arrived));
            if !passed && let Some(signal) = Signal::from_named_raw(arrived.signal) {
                let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
            }
        }
    }

    /// Zombies that came to us because nobody below adopted them: as PID 1, or after the engine's end.
    fn reap_adopted(&self) {
        for pid in self.proc.children(self.own).ok().flatten().unwrap_or_default() {
            if pid != self.engine.pid {
                reap(Some(pid));
            }
        }
    }

    fn engine_ended(
        &mut self,
        status: WaitStatus,
        keeps: &Keeps,
        report: &mut dyn FnMut(&UnitRecord, EventKind),
    ) -> i32 {
        // Every exit code may be the command's own, 101 too; the engine's panics end in a signal.
        if let Some(code) = status.exit_status() {
            return code;
        }
        let how = status.terminating_signal().map_or_else(String::new, |signal| format!("signal {signal}"));
        let records = self.orphaned_records();
        for record in &records {
            let lost = EventKind::SupervisorLost { pid: self.engine.pid.get(), how: how.clone() };
            report(record, lost);
        }
        self.end_everything(&records, keeps, report);
        if let Some(store) = &self.records {
            relay::forget(store.directory(), self.own.get());
        }
        for record in &records {
            remove_recorded_cgroup(record);
            if let Some(store) = &self.records {
                store.remove(&record.unit);
            }
        }
        status.terminating_signal().map_or(125, |signal| 128 + signal)
    }

    fn orphaned_records(&self) -> Vec<UnitRecord> {
        let all = self.records.as_ref().and_then(|records| records.list().ok()).map(|(all, _)| all);
        all.unwrap_or_default().into_iter().filter(|record| record.supervisor == self.engine).collect()
    }

    /// TERM, a grace, KILL, until none of our descendants is left but those that are to be kept.
    fn end_everything(
        &mut self,
        records: &[UnitRecord],
        keeps: &Keeps,
        report: &mut dyn FnMut(&UnitRecord, EventKind),
    ) {
        let clock = Clock::start();
        let grace = records.iter().map(|r| r.grace).max().unwrap_or(LEFTOVER_GRACE).min(LEFTOVER_GRACE);
        let profile =
            if records.iter().any(|r| r.profile == Profile::Agent) { Profile::Agent } else { Profile::Web };
        let keep: Vec<String> = records.iter().flat_map(|r| r.keep.iter().cloned()).collect();
        let judge = Judge::new(&self.proc, None, profile, keep, keeps.clone());
        let untouchable = Untouchable::gather(&self.proc);
        let mut told: Vec<Identity> = Vec::new();
        let mut forced = false;
        // Thirty seconds more for whatever forks as fast as it is killed, or hangs in the kernel.
        while clock.now() < grace + Duration::from_secs(30) {
            self.reap_adopted();
            let mut found = tree::descendants(&self.proc, self.own).unwrap_or_default();
            for stranger in &self.strangers {
                let below = tree::subtree(&found, *stranger);
                found.retain(|m| m.identity.pid != *stranger && !below.contains(&m.identity.pid));
            }
            let spared = judge.spared_now(&self.proc, &found);
            let left: Vec<_> = found
                .iter()
                .rev()
                .filter(|m| !m.zombie && !spared.iter().any(|(pid, _)| *pid == m.identity.pid))
                .collect();
            if left.is_empty() {
                for (pid, because) in &spared {
                    if let (Some(member), Some(record)) =
                        (found.iter().find(|m| m.identity.pid == *pid), records.first())
                    {
                        let name = scupper_model::printable(&member.name, 32);
                        report(
                            record,
                            EventKind::Kept { target: member.identity, name, because: because.to_string() },
                        );
                    }
                }
                return;
            }
            let force = clock.now() >= grace;
            if force && !forced {
                forced = true;
                told.clear();
            }
            let signal = if force { Signal::KILL } else { Signal::TERM };
            for member in left {
                if told.contains(&member.identity) {
                    continue;
                }
                told.push(member.identity);
                let name = scupper_model::printable(&member.name, 32);
                let reason = SignalReason::SupervisorLost;
                let event =
                    deliver(&self.proc, &untouchable, &member.identity, &name, signal.as_raw(), reason);
                if let (Some(event), Some(record)) = (event, records.first()) {
                    report(record, event);
                }
            }
            self.wait(Some(Duration::from_millis(20)));
            let _ = self.signals.pending();
        }
    }
}

/// Whether the end of whoever started us is to end the unit: not where scupper was detached on purpose.
fn handover(proc: &Proc, own: Pid, ignored: u64) -> Handover {
    const HANG_UP: u64 = 1 << 0;
    let stat = proc.stat(own).ok().flatten();
    let parent = stat.as_ref().and_then(|stat| stat.parent);
    let nohup = ignored & HANG_UP != 0;
    let own_session = stat.as_ref().is_some_and(|stat| stat.session == own.get());
    let follow_parent = !nohup && !own_session && parent.is_some_and(|parent| parent != Pid::INIT);
    Handover { guardian: own, parent, follow_parent }
}

fn leads_its_session() -> bool {
    rustix::process::getsid(None).is_ok_and(|session| session == rustix::process::getpid())
}

/// Takes the exit status of one child, where it has ended.
pub(super) fn reap(pid: Option<Pid>) -> Option<WaitStatus> {
    let raw = rustix::process::Pid::from_raw(pid?.get())?;
    rustix::process::waitpid(Some(raw), WaitOptions::NOHANG).ok().flatten().map(|(_, status)| status)
}
