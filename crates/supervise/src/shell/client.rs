//! Who talks to a unit over its stdin, and how their end is seen, without reading a byte of it.
//!
//! An MCP server has one client, which starts it and holds the other end of its stdin. Three signs, because each of
//! them fails somewhere:
//!
//! * **The hang-up of stdin.** A descriptor of it is kept for poll(2) alone. It is let go of when the server ends, so
//!   that a client that goes on writing is told then; of a server that closes its own stdin and lives on, not before.
//!   Silent where somebody else has inherited the client's end.
//! * **The end of the client.** The nearest ancestor that holds the other end, or that made the pair of sockets, is the
//!   client, whatever stands between (`sh -c`, `npx`, `uv run`, `timeout`); a pidfd tells of its end.
//! * **The end of the session's leader**, the shell or the program that scupper was started from, for a client that is
//!   neither. A client that is known to live has outlived its session on purpose (`disown`), and is believed.
//!
//! What cannot be read is not followed; the parent's end is seen in any case (`engine.rs`). It ends nothing while the
//! client is known to live and has its end open. A client that has closed it and lives may be reading answers
//! (`engine/answering.rs`).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::FileType;
use scupper_model::{Identity, Pid};
use scupper_probe::{Proc, pidfd};

use super::guardian::Handover;
use super::poller::{Poller, Token};

/// More ancestors than this nobody has.
const MOST_ANCESTORS: usize = 64;
/// A process with more descriptors than this is not searched: it counts as unreadable.
const MOST_DESCRIPTORS: usize = 65_536;

/// What is followed. The default follows nothing.
#[derive(Debug, Default)]
pub(super) struct Client {
    stdin: Option<OwnedFd>,
    process: Option<Followed>,
    leader: Option<Followed>,
}

#[derive(Debug)]
struct Followed {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Client {
    /// Finds whoever is at the other end of our stdin. `processes` says whether the ends of other processes count,
    /// `session` whether that of the session's leader does.
    pub(super) fn find(proc: &Proc, handover: Option<Handover>, processes: bool, session: bool) -> Self {
        let stdin = duplicate_with_another_end();
        let mut found = Self { stdin, ..Self::default() };
        let (Some(handover), true) = (handover, processes) else { return found };
        let ancestors = ancestors(proc, handover.guardian);
        if found.stdin.is_some() {
            found.process =
                at_the_other_end(proc, &ancestors).and_then(|client| Followed::open(proc, client));
        }
        let leader = proc.stat(handover.guardian).ok().flatten().and_then(|stat| Pid::new(stat.session));
        // The guardian leads it where scupper was put into a session of its own; the parent is followed anyway.
        let others =
            [Some(handover.guardian), handover.parent, found.process.as_ref().map(|client| client.pid)];
        if let Some(leader) = leader.filter(|leader| session && !others.contains(&Some(*leader))) {
            let leader = proc.identify(leader).ok().flatten();
            found.leader = leader.and_then(|leader| Followed::open(proc, leader));
        }
        found
    }

    /// Has the poller tell of each end. Gives what it refused.
    pub(super) fn watch(&self, poller: &Poller) -> Vec<io::Error> {
        let stdin = self.stdin.as_ref().map(|fd| poller.add_hang_up(fd, Token::Stdin));
        let process = self.process.as_ref().map(|client| poller.add(&client.pidfd, Token::Client));
        let leader = self.leader.as_ref().map(|leader| poller.add(&leader.pidfd, Token::Session));
        [stdin, process, leader].into_iter().flatten().filter_map(Result::err).collect()
    }

    /// Whether a descriptor of stdin is still held.
    pub(super) const fn holds_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    /// The process that is known to be the client, while it lives.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.process.as_ref().map(|client| client.pid)
    }

    /// Lets go of stdin. Whether it was held.
    pub(super) fn release_stdin(&mut self, poller: &Poller) -> bool {
        let Some(fd) = self.stdin.take() else { return false };
        // The command has it open too: closing ours alone would leave it in the set.
        poller.remove(&fd);
        true
    }

    /// The client has ended. Its pid, the first time.
    pub(super) fn release_process(&mut self, poller: &Poller) -> Option<Pid> {
        let client = self.process.take()?;
        poller.remove(&client.pidfd);
        Some(client.pid)
    }

    /// The session's leader has ended. Its pid, the first time.
    pub(super) fn release_leader(&mut self, poller: &Poller) -> Option<Pid> {
        let leader = self.leader.take()?;
        poller.remove(&leader.pidfd);
        Some(leader.pid)
    }
}

impl Followed {
    fn open(proc: &Proc, identity: Identity) -> Option<Self> {
        let pidfd = pidfd::open(proc, &identity).ok().flatten()?;
        Some(Self { pid: identity.pid, pidfd })
    }
}

/// Another descriptor of our stdin, where that is a pipe or a socket: nothing else has an end that can be closed.
fn duplicate_with_another_end() -> Option<OwnedFd> {
    let stdin = rustix::stdio::stdin();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(stdin).ok()?.st_mode);
    let has_another_end = matches!(kind, FileType::Fifo | FileType::Socket);
    has_another_end.then(|| rustix::io::fcntl_dupfd_cloexec(stdin, 3).ok()).flatten()
}

/// The processes above the guardian, the nearest first.
fn ancestors(proc: &Proc, guardian: Pid) -> Vec<Identity> {
    let mut found: Vec<Identity> = Vec::new();
    let mut next = Some(guardian);
    while let Some(stat) = next.and_then(|pid| proc.stat(pid).ok().flatten()) {
        if stat.pid != guardian {
            found.push(stat.identity(proc.boot_id()));
        }
        next = stat.parent.filter(|_| found.len() < MOST_ANCESTORS);
    }
    found
}

/// The nearest of these that holds the other end of our stdin.
fn at_the_other_end(proc: &Proc, ancestors: &[Identity]) -> Option<Identity> {
    // Of a socket of a pair the kernel says who made it.
    if let Ok(peer) = rustix::net::sockopt::socket_peercred(rustix::stdio::stdin()) {
        let maker = peer.pid.as_raw_pid();
        return ancestors.iter().find(|ancestor| ancestor.pid.get() == maker).copied();
    }
    let pipe = fs::read_link("/proc/self/fd/0").ok()?;
    ancestors.iter().find(|ancestor| writes_to(proc, ancestor.pid, &pipe)).copied()
}

/// Whether a process has a pipe open for writing.
fn writes_to(proc: &Proc, pid: Pid, pipe: &Path) -> bool {
    let directory = proc.path().join(pid.to_string()).join("fd");
    let entries = fs::read_dir(&directory).into_iter().flatten().take(MOST_DESCRIPTORS).flatten();
    entries.map(|entry: fs::DirEntry| -> OsString { entry.file_name() }).any(|number| {
        let link = directory.join(number);
        fs::read_link(&link).is_ok_and(|target| target == pipe) && open_for_writing(&link)
    })
}

/// The permissions of a link in `/proc/PID/fd` are how the descriptor was opened (proc(5)).
fn open_for_writing(link: &Path) -> bool {
    const WRITE: u32 = 0o200;
    fs::symlink_metadata(link).is_ok_and(|found| found.permissions().mode() & WRITE != 0 && found.nlink() > 0)
}
