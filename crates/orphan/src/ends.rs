//! Who holds the other end of a process' stdin, stdout and stderr.
//!
//! A server that speaks over stdio has no other client than whoever holds those ends. Where nobody does but the process
//! itself, what descends from it, and what was left behind with it, nothing will ever come.
//!
//! **Nobody was seen is not nobody.** The descriptors of other users' processes can be read by root alone, and what is
//! outside of a container by nobody inside. So where somebody could not be looked at, the kernel's own answer about that
//! very pipe decides ([`crate::questions`]), and without one it is unknown.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::SocketAddr;

use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{End, Process, Snapshot};
use scupper_probe::sockets::TcpState;

use crate::known::PipeAnswer;
use crate::lineage::Lineage;
use crate::wording::named;

/// What is at the other end of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherEnd {
    /// It has no other end: a file, `/dev/null`, closed.
    Nothing,
    /// A terminal that is there.
    Terminal,
    /// A terminal that was closed.
    TerminalGone,
    /// Nobody any more; in words.
    Gone(String),
    /// This process.
    Held(usize),
    /// It cannot be told; why.
    Unknown(String),
}

/// Which way a descriptor is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Input,
    Output,
}

/// Who holds which end, over all processes.
pub(crate) struct Ends<'a> {
    snapshot: &'a Snapshot,
    lineage: &'a Lineage<'a>,
    answers: &'a HashMap<u64, PipeAnswer>,
    /// Whether the descriptors of everybody could be read.
    complete: bool,
    sockets: OnceCell<Vec<(u64, usize)>>,
    connections: OnceCell<HashMap<(SocketAddr, SocketAddr), u64>>,
}

impl<'a> Ends<'a> {
    pub fn new(
        snapshot: &'a Snapshot,
        lineage: &'a Lineage<'a>,
        answers: &'a HashMap<u64, PipeAnswer>,
    ) -> Self {
        let could_be_read =
            |process: &Process| process.state == ProcessState::Zombie || process.descriptors.is_some();
        // An entry without a process in the list stands for somebody who may hold anything.
        let unseen = snapshot.unreadable.iter().any(|entry| matches!(entry.what, "stat" | "descriptors"));
        let hidden = unseen || lineage.hides_others();
        let complete = !hidden && snapshot.processes.iter().all(could_be_read);
        let (sockets, connections) = (OnceCell::new(), OnceCell::new());
        Self { snapshot, lineage, answers, complete, sockets, connections }
    }

    /// What is at the other end of a standard descriptor. Holders that `counts` refuses do not count.
    pub fn other_end(&self, index: usize, descriptor: usize, counts: &dyn Fn(usize) -> bool) -> OtherEnd {
        let Some(descriptors) = &self.lineage.processes[index].descriptors else {
            return OtherEnd::Unknown("its descriptors cannot be read".to_owned());
        };
        match &descriptors.stdio[descriptor] {
            End::Closed | End::Null | End::File(_) | End::Other(_) => OtherEnd::Nothing,
            End::Terminal { gone: false, .. } => OtherEnd::Terminal,
            End::Terminal { gone: true, .. } => OtherEnd::TerminalGone,
            End::Pipe(inode) if descriptor == 0 => self.of_pipe(*inode, Direction::Input, counts),
            End::Pipe(inode) => self.of_pipe(*inode, Direction::Output, counts),
            End::Socket(inode) => self.of_socket(*inode, counts),
        }
    }

    fn of_pipe(&self, inode: u64, direction: Direction, counts: &dyn Fn(usize) -> bool) -> OtherEnd {
        let answer = self.answers.get(&inode).copied().unwrap_or_default();
        let (answer, does) = match direction {
            Direction::Input => (answer.has_writer, "writes to"),
            Direction::Output => (answer.has_reader, "reads from"),
        };
        if answer == Some(false) {
            return OtherEnd::Gone(format!("nobody {does} pipe {inode}, says the kernel"));
        }
        let holders = self.snapshot.pipes.get(&inode);
        let (far, near) = match direction {
            Direction::Input => (holders.map(|h| &h.writers), holders.map(|h| &h.readers)),
            Direction::Output => (holders.map(|h| &h.readers), holders.map(|h| &h.writers)),
        };
        let mut only_itself = false;
        for pid in far.into_iter().flatten() {
            match self.lineage.find(*pid) {
                Some(holder) if counts(holder) => return OtherEnd::Held(holder),
                Some(_) => only_itself = true,
                None => return OtherEnd::Unknown(format!("what pid {pid} is, that holds it, is not clear")),
            }
        }
        let more = holders.is_some_and(|holders| match direction {
            Direction::Input => holders.more_writers,
            Direction::Output => holders.more_readers,
        });
        if more {
            return OtherEnd::Unknown(format!("pipe {inode} has more holders than are looked at"));
        }
        if answer == Some(true) && !only_itself {
            return OtherEnd::Unknown(format!("somebody who cannot be seen {does} pipe {inode}"));
        }
        if !self.complete && (answer.is_none() || only_itself) {
            return OtherEnd::Unknown(format!("not everybody who may hold pipe {inode} can be seen"));
        }
        // The output of a container's first process is read outside of the container.
        if direction == Direction::Output && near.into_iter().flatten().any(|&pid| pid == Pid::INIT) {
            return OtherEnd::Unknown(format!(
                "pid 1 writes to pipe {inode} too, whose reader may be outside"
            ));
        }
        let but = if only_itself { " but itself and what was left behind with it" } else { "" };
        OtherEnd::Gone(format!("nobody {does} pipe {inode}{but}"))
    }

    fn of_socket(&self, inode: u64, counts: &dyn Fn(usize) -> bool) -> OtherEnd {
        let Some(table) = &self.snapshot.unix_sockets else {
            return OtherEnd::Unknown(
                "the kernel does not say who is connected to which Unix socket".to_owned(),
            );
        };
        let Some(socket) = table.get(&inode) else {
            return OtherEnd::Unknown(format!("socket {inode} is none of the Unix sockets that can be seen"));
        };
        if socket.peer_is_gone {
            return OtherEnd::Gone(format!("the peer of Unix socket {inode} is closed"));
        }
        let Some(peer) = socket.peer else {
            return OtherEnd::Unknown(format!("Unix socket {inode} is connected to nobody"));
        };
        let mut only_itself = false;
        for holder in self.socket_holders(peer) {
            if counts(holder) {
                return OtherEnd::Held(holder);
            }
            only_itself = true;
        }
        if only_itself && self.complete {
            return OtherEnd::Gone(format!(
                "nobody has the peer of Unix socket {inode} but itself and what was left behind with it"
            ));
        }
        // It exists, so somebody holds it, whom we cannot see.
        OtherEnd::Unknown(format!("who has the peer of Unix socket {inode} cannot be seen"))
    }

    /// Whether somebody who cannot be seen holds the other end of a standard descriptor: it is held, and by nobody of
    /// those that were looked at.
    pub fn is_held_unseen(&self, index: usize, descriptor: usize) -> bool {
        let descriptors = self.lineage.processes[index].descriptors.as_ref();
        match descriptors.map(|descriptors| &descriptors.stdio[descriptor]) {
            Some(End::Pipe(inode)) => {
                let answer = self.answers.get(inode).copied().unwrap_or_default();
                let holders = self.snapshot.pipes.get(inode);
                let (answer, far, more) = if descriptor == 0 {
                    (answer.has_writer, holders.map(|h| &h.writers), holders.is_some_and(|h| h.more_writers))
                } else {
                    (answer.has_reader, holders.map(|h| &h.readers), holders.is_some_and(|h| h.more_readers))
                };
                answer == Some(true) && far.is_none_or(Vec::is_empty) || answer != Some(false) && more
            }
            Some(End::Socket(inode)) => {
                let socket = self.snapshot.unix_sockets.as_ref().and_then(|table| table.get(inode));
                let peer = socket.and_then(|socket| socket.peer);
                peer.is_some_and(|peer| self.socket_holders(peer).next().is_none())
            }
            _ => false,
        }
    }

    /// Processes that have this socket open.
    fn socket_holders(&self, inode: u64) -> impl Iterator<Item = usize> + '_ {
        let sockets = self.sockets.get_or_init(|| self.all_sockets());
        let start = sockets.partition_point(|&(other, _)| other < inode);
        sockets[start..].iter().take_while(move |&&(other, _)| other == inode).map(|&(_, index)| index)
    }

    fn all_sockets(&self) -> Vec<(u64, usize)> {
        let mut all = Vec::new();
        for (index, process) in self.lineage.processes.iter().enumerate() {
            all.extend(sockets_of(process).map(|inode| (inode, index)));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Who is connected to a TCP or Unix socket that this tree listens on, and counts. In words; empty where nobody is.
    pub fn users(&self, tree: &[usize], counts: &dyn Fn(usize) -> bool) -> Vec<String> {
        let mut users = self.tcp_users(tree, counts);
        users.extend(self.unix_users(tree, counts));
        users
    }

    fn tcp_users(&self, tree: &[usize], counts: &dyn Fn(usize) -> bool) -> Vec<String> {
        let Some(table) = &self.snapshot.tcp else { return Vec::new() };
        let processes = self.lineage.processes;
        let sockets = || {
            tree.iter().flat_map(|&index| sockets_of(&processes[index])).filter_map(|inode| table.get(&inode))
        };
        let ports: Vec<u16> =
            sockets().filter(|s| s.state == TcpState::Listening).map(|s| s.local.port()).collect();
        if ports.is_empty() {
            return Vec::new();
        }
        let mut seen = Vec::new();
        let mut users = Vec::new();
        for socket in sockets().filter(|s| s.state == TcpState::Established) {
            let ends = (plain(socket.remote), plain(socket.local));
            if !ports.contains(&socket.local.port()) || seen.contains(&ends) {
                continue;
            }
            seen.push(ends);
            let here = self.connections().get(&ends);
            let mut holders = here.into_iter().flat_map(|&inode| self.socket_holders(inode)).peekable();
            if holders.peek().is_none() {
                users.push(format!("{} to port {}", ends.0, ends.1.port()));
            } else if let Some(holder) = holders.find(|&holder| counts(holder)) {
                users.push(format!("{} to port {}", named(&processes[holder]), ends.1.port()));
            }
        }
        users
    }

    /// Connections of this machine with itself, by their two ends.
    fn connections(&self) -> &HashMap<(SocketAddr, SocketAddr), u64> {
        self.connections.get_or_init(|| {
            let table = self.snapshot.tcp.iter().flatten();
            let established = table.filter(|(_, socket)| socket.state == TcpState::Established);
            established.map(|(inode, socket)| ((plain(socket.local), plain(socket.remote)), *inode)).collect()
        })
    }

    /// Who is connected to a Unix socket that this tree listens on. The kernel does not say which end has called, so
    /// peers that are servers themselves (a message bus, a display, a log) are taken for those who were called.
    fn unix_users(&self, tree: &[usize], counts: &dyn Fn(usize) -> bool) -> Vec<String> {
        let Some(table) = &self.snapshot.unix_sockets else { return Vec::new() };
        let processes = self.lineage.processes;
        let listens = |index: usize| {
            sockets_of(&processes[index]).any(|inode| table.get(&inode).is_some_and(|socket| socket.listens))
        };
        let mut users: Vec<usize> = Vec::new();
        for &index in tree.iter().filter(|&&index| listens(index)) {
            let standard: Vec<u64> = standard_sockets(&processes[index]).collect();
            let connected = sockets_of(&processes[index]).filter(|inode| !standard.contains(inode));
            let peers = connected.filter_map(|inode| table.get(&inode)?.peer);
            users.extend(peers.filter_map(|peer| {
                self.socket_holders(peer).find(|&holder| counts(holder) && !listens(holder))
            }));
        }
        users.sort_unstable();
        users.dedup();
        users.into_iter().map(|index| format!("{} over a Unix socket", named(&processes[index]))).collect()
    }

    /// The display server that shows a window of this tree, in words. Its descriptors may be shown to nobody but its user
    /// (root, often): then its end of the connection is held by nobody who can be seen, and its name tells.
    pub fn display(&self, tree: &[usize]) -> Option<String> {
        const DISPLAYS: [&[u8]; 13] = [
            b"Xorg",
            b"Xwayland",
            b"X",
            b"gnome-shell",
            b"mutter",
            b"kwin_wayland",
            b"kwin_x11",
            b"sway",
            b"weston",
            b"Hyprland",
            b"labwc",
            b"wayfire",
            b"cosmic-comp",
        ];
        const SHOWN_TO_NOBODY: &[u8] = b"Xvfb";
        let processes = self.lineage.processes;
        let table = self.snapshot.unix_sockets.as_ref()?;
        let inodes = tree.iter().flat_map(|&index| sockets_of(&processes[index]));
        let mut peers = inodes.filter_map(|inode| table.get(&inode)?.peer);
        peers.find_map(|peer| {
            let is_named_so = table.get(&peer).is_some_and(|socket| socket.shows_windows);
            let mut holders = self.socket_holders(peer).peekable();
            if holders.peek().is_none() {
                return is_named_so.then(|| "a display server that cannot be looked into".to_owned());
            }
            let is_one = |name: &[u8]| DISPLAYS.contains(&name) || is_named_so && name != SHOWN_TO_NOBODY;
            holders.find(|&holder| is_one(&processes[holder].name)).map(|holder| named(&processes[holder]))
        })
    }

    /// Whether `/proc` hides processes of others: a display server may be among them.
    pub fn hides_others(&self) -> bool {
        self.lineage.hides_others()
    }

    /// Whether somebody who cannot be seen, or is outside of a container, is connected to this tree over a Unix socket:
    /// its display, perhaps.
    pub fn has_unseen_partner(&self, tree: &[usize]) -> bool {
        let Some(table) = &self.snapshot.unix_sockets else { return true };
        let inodes = tree.iter().flat_map(|&index| sockets_of(&self.lineage.processes[index]));
        let mut peers = inodes.filter_map(|inode| table.get(&inode)?.peer);
        peers.any(|peer| self.socket_holders(peer).next().is_none())
    }

    /// Whether somebody could be connected to this tree and cannot be seen: the tables could not be read, or a process
    /// of it has sockets of which none is in them, as in another network namespace.
    pub fn users_are_unknown(&self, tree: &[usize]) -> bool {
        let (unix, tcp) = (self.snapshot.unix_sockets.as_ref(), self.snapshot.tcp.as_ref());
        let is_unix = |inode: u64| unix.is_some_and(|table| table.contains_key(&inode));
        let is_tcp = |inode: u64| tcp.is_some_and(|table| table.contains_key(&inode));
        tree.iter().any(|&index| {
            let process = &self.lineage.processes[index];
            let standard: Vec<u64> = standard_sockets(process).collect();
            let mut others = sockets_of(process).filter(|inode| !standard.contains(inode)).peekable();
            if others.peek().is_none() {
                return false;
            }
            if tcp.is_none() {
                others.any(|inode| !is_unix(inode))
            } else {
                !others.any(|i| is_unix(i) || is_tcp(i))
            }
        })
    }

    /// Connections that a process does not close, though the other end has.
    pub fn close_wait(&self, index: usize) -> u64 {
        let Some(table) = &self.snapshot.tcp else { return 0 };
        let closed = |inode: &u64| table.get(inode).is_some_and(|socket| socket.state == TcpState::CloseWait);
        let inodes = sockets_of(&self.lineage.processes[index]);
        inodes.filter(closed).fold(0, |count, _| count + 1)
    }
}

fn standard_sockets(process: &Process) -> impl Iterator<Item = u64> + '_ {
    process.descriptors.iter().flat_map(|descriptors| &descriptors.stdio).filter_map(|end| match end {
        End::Socket(inode) => Some(*inode),
        _ => None,
    })
}

fn sockets_of(process: &Process) -> impl Iterator<Item = u64> + '_ {
    let more = process.descriptors.iter().flat_map(|descriptors| &descriptors.sockets).copied();
    let standard = standard_sockets(process)
        .filter(|inode| process.descriptors.as_ref().is_some_and(|d| !d.sockets.contains(inode)));
    more.chain(standard)
}

/// An address as both ends write it: `::ffff:127.0.0.1` is `127.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
