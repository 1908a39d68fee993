//! Which sockets of a process are what: protocol, state, direction, peer.
//!
//! A connection came in where somebody listens on its port here; all others went out. Of those that went out the peer
//! tells which service they are to; of those that came in the own port tells it, and the peers are too many.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use rustix::io::Errno;
use scupper_model::{Pid, ResourceKind};

use super::descriptors::{Socket, protocol};
use super::local::Local;
use super::{Bounds, Table, add, signature, why};
use crate::error::is_gone;
use crate::root::of;
use crate::snapshot::{Tcp, UnixSocket, tcp_of_own_namespace, unix_of_own_namespace};
use crate::sockets::{TcpState, parse_tcp};
use crate::{ProbeError, Proc, file, parse};

/// Ports from here on are given away by the kernel, and say nothing.
const EPHEMERAL: u16 = 32_768;
/// Sockets that no table knows and that are asked one by one.
const MOST_ASKED: usize = 1024;
/// Lines of a table that are read.
const MOST_LINES: usize = 200_000;

/// What the tables say of the sockets that were asked for.
#[derive(Debug, Default)]
pub(super) struct Network {
    tcp: HashMap<u64, Tcp>,
    udp: HashMap<u64, (SocketAddr, SocketAddr)>,
    unix: HashMap<u64, Unix>,
    /// Where anybody of the namespace listens.
    listening: HashSet<u16>,
}

#[derive(Clone, Debug)]
struct Unix {
    kind: &'static str,
    listens: bool,
    path: Option<String>,
    peer: Option<UnixSocket>,
}

impl Network {
    pub(super) fn read(
        proc_: &Proc,
        pid: Pid,
        sockets: &[Socket],
        bounds: Bounds<'_>,
    ) -> Result<Self, String> {
        let wanted: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        let mut network = Self::default();
        let own = proc_.is_the_kernels() && {
            let link = |name: &str| file::link_at(proc_.fd(), std::path::Path::new(name)).ok();
            let theirs = link(&format!("{pid}/ns/net"));
            theirs.is_some() && theirs == link("self/ns/net")
        };
        // Where that is cut or not there, the tables say the same at a higher price, and say where they are cut.
        let listed = own.then(|| tcp_of_own_namespace(bounds.goes_on)).and_then(Result::ok).flatten();
        match listed {
            Some(listed) => {
                network.listening = listening(listed.values());
                network.tcp = listed.into_iter().filter(|(inode, _)| wanted.contains(inode)).collect();
            }
            None => each_socket(proc_, pid, ["net/tcp", "net/tcp6"], bounds, |inode, socket| {
                if socket.state == TcpState::Listening {
                    network.listening.insert(socket.local.port());
                }
                if wanted.contains(&inode) {
                    network.tcp.insert(inode, socket);
                }
            })?,
        }
        let left = |network: &Self| wanted.iter().any(|inode| !network.tcp.contains_key(inode));
        if left(&network) {
            network.read_unix(proc_, pid, &wanted, own, bounds)?;
            each_socket(proc_, pid, ["net/udp", "net/udp6"], bounds, |inode, socket| {
                if wanted.contains(&inode) {
                    network.udp.insert(inode, (socket.local, socket.remote));
                }
            })?;
        }
        Ok(network)
    }

    fn read_unix(
        &mut self,
        proc_: &Proc,
        pid: Pid,
        wanted: &HashSet<u64>,
        own: bool,
        bounds: Bounds<'_>,
    ) -> Result<(), String> {
        let peers = if own { peers(bounds)? } else { HashMap::new() };
        let theirs = |inode: &u64| peers.get(inode).and_then(|socket| socket.peer);
        let of_peers: HashSet<u64> = wanted.iter().filter_map(theirs).collect();
        let mut paths: HashMap<u64, String> = HashMap::new();
        each_line(proc_, pid, "net/unix", bounds, |line| {
            let Some((inode, mut found)) = unix_line(line) else { return };
            if of_peers.contains(&inode) {
                paths.extend(found.path.clone().map(|path| (inode, path)));
            }
            if wanted.contains(&inode) {
                found.peer = peers.get(&inode).copied();
                self.unix.insert(inode, found);
            }
        })?;
        for socket in self.unix.values_mut().filter(|socket| socket.path.is_none()) {
            let peer = socket.peer.and_then(|socket| socket.peer);
            socket.path = peer.and_then(|peer| paths.get(&peer).cloned());
        }
        Ok(())
    }

    /// Adds each to a table by what it is.
    pub(super) fn add_to(
        &self,
        proc_: &Proc,
        pid: Pid,
        sockets: &[Socket],
        local: Option<Local>,
        table: &mut Table,
    ) {
        let (mut asked, mut local) = (0, local);
        for socket in sockets {
            let what = if let Some(tcp) = self.tcp.get(&socket.inode) {
                self.of_tcp(tcp)
            } else if let Some(unix) = self.unix.get(&socket.inode) {
                of_unix(unix)
            } else if let Some((local, remote)) = self.udp.get(&socket.inode) {
                if remote.port() == 0 {
                    format!("udp on {}", shown(*local))
                } else {
                    format!("udp to {remote}")
                }
            } else {
                // Made and never connected, or closed by a reset: no table has it.
                asked += 1;
                let local = local.get_or_insert_with(|| Local::of(proc_, pid));
                let may = asked <= MOST_ASKED && local.has_socket(proc_, pid, socket.number);
                let name = may.then(|| protocol(proc_, pid, socket.number)).flatten();
                unlisted(name.as_deref())
            };
            add(table, ResourceKind::Socket, what, None);
        }
    }

    fn of_tcp(&self, tcp: &Tcp) -> String {
        let state = tcp.state.name();
        if tcp.state == TcpState::Listening {
            format!("tcp {state} on {}", shown(tcp.local))
        } else if self.listening.contains(&tcp.local.port()) {
            format!("tcp {state} inbound on {}", tcp.local)
        } else {
            format!("tcp {state} outbound to {}", tcp.remote)
        }
    }
}

/// A socket that no table has. Of those that are made to be connected that says something.
fn unlisted(protocol: Option<&str>) -> String {
    match protocol {
        Some(name @ ("tcp" | "tcpv6" | "udp" | "udpv6")) => format!("{name} not connected"),
        name => name.unwrap_or("socket").to_owned(),
    }
}

fn of_unix(unix: &Unix) -> String {
    let Unix { kind, listens, path, peer } = unix;
    let path = path.as_deref();
    match peer {
        _ if *listens => format!("unix {kind} LISTEN on {}", path.unwrap_or("no name")),
        Some(peer) if peer.peer_is_gone => match path {
            Some(path) => format!("unix {kind} closed by its peer, to {path}"),
            None => format!("unix {kind} closed by its peer"),
        },
        _ => match path {
            Some(path) => format!("unix {kind} to {path}"),
            None => format!("unix {kind}"),
        },
    }
}

fn listening<'t>(sockets: impl Iterator<Item = &'t Tcp>) -> HashSet<u16> {
    sockets.filter(|tcp| tcp.state == TcpState::Listening).map(|tcp| tcp.local.port()).collect()
}

/// An own address: a port that the kernel gave away is any port.
fn shown(local: SocketAddr) -> String {
    if local.port() < EPHEMERAL {
        return local.to_string();
    }
    match local {
        SocketAddr::V4(local) => format!("{}:#", local.ip()),
        SocketAddr::V6(local) => format!("[{}]:#", local.ip()),
    }
}

/// Who is connected to whom, where the kernel can say.
///
/// # Errors
/// Where it can, and did not to the end: at another look it may, and what is compared would differ by that.
fn peers(bounds: Bounds<'_>) -> Result<HashMap<u64, UnixSocket>, String> {
    match unix_of_own_namespace(bounds.goes_on) {
        Ok(Some(peers)) => Ok(peers),
        Ok(None) => Err("the kernel lists more Unix sockets than can be read in time".to_owned()),
        // It was built without, or does not tell us: never.
        Err(Errno::NOENT | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::ACCESS | Errno::PERM) => {
            Ok(HashMap::new())
        }
        Err(errno) => Err(format!("the kernel does not list Unix sockets: {errno}")),
    }
}

/// The sockets of tables that are written as `net/tcp` is, by inode.
fn each_socket(
    proc_: &Proc,
    pid: Pid,
    tables: [&str; 2],
    bounds: Bounds<'_>,
    mut each: impl FnMut(u64, Tcp),
) -> Result<(), String> {
    for table in tables {
        each_line(proc_, pid, table, bounds, |line| {
            // Those that no process has (0) wait for late packets.
            for line in parse_tcp(line).filter(|line| line.inode != 0) {
                if let (Some(local), Some(remote)) = (line.local(), line.remote()) {
                    each(line.inode, Tcp { state: line.state, local, remote });
                }
            }
        })?;
    }
    Ok(())
}

fn each_line(
    proc_: &Proc,
    pid: Pid,
    table: &str,
    bounds: Bounds<'_>,
    mut each: impl FnMut(&[u8]),
) -> Result<(), String> {
    let path = of(pid, table);
    let mut left = MOST_LINES;
    let mut whole = true;
    let answer = file::each_line(proc_.fd(), &path, |line| {
        whole = left > 0 && (!left.is_multiple_of(64) || (bounds.goes_on)());
        left = left.saturating_sub(1);
        if whole {
            each(line);
        }
        whole
    });
    match answer {
        Ok(()) if whole => Ok(()),
        Ok(()) => Err(format!("{} has more lines than can be read in time", path.display())),
        // No IPv6, or gone by now.
        Err(errno) if is_gone(errno) => Ok(()),
        Err(errno) => Err(why(&ProbeError::new("read", proc_.path().join(&path), errno))),
    }
}

/// `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_line(line: &[u8]) -> Option<(u64, Unix)> {
    let mut fields = line.splitn(8, u8::is_ascii_whitespace).skip(3);
    let (flags, kind, _state) = (fields.next()?, fields.next()?, fields.next()?);
    // The inode is padded, so that what follows it may begin with spaces.
    let mut rest = fields.next()?;
    let mut path = fields.next().unwrap_or_default();
    while rest.is_empty() && !path.is_empty() {
        let end = path.iter().position(u8::is_ascii_whitespace).unwrap_or(path.len());
        rest = path.get(..end).unwrap_or_default();
        path = path.get(end + 1..).unwrap_or_default();
    }
    let inode = parse::number(rest)?;
    let kind = match kind {
        b"0001" => "stream",
        b"0002" => "datagram",
        b"0005" => "seqpacket",
        _ => "socket",
    };
    // SO_ACCEPTCON of linux/net.h.
    let listens = flags == b"00010000";
    let path = (!path.is_empty()).then(|| signature::normalised(path));
    Some((inode, Unix { kind, listens, path, peer: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_unix_sockets_are_read() {
        let of = |line: &str| {
            let (inode, unix) = unix_line(line.as_bytes()).unwrap();
            (inode, of_unix(&unix))
        };
        let head = "0000000000000000: 00000002 00000000";
        assert_eq!(
            of(&format!("{head} 00010000 0001 01  8237 /run/app.7.sock")),
            (8237, "unix stream LISTEN on /run/app.#.sock".into())
        );
        assert_eq!(of(&format!("{head} 00000000 0002 01 123456")), (123_456, "unix datagram".into()));
        for bad in ["", "Num       RefCount Protocol Flags    Type St Inode Path", head] {
            assert!(unix_line(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn own_ports_that_the_kernel_gave_away_are_one() {
        let of = |text: &str| shown(text.parse().unwrap());
        assert_eq!((of("127.0.0.1:40001"), of("[::1]:40001")), ("127.0.0.1:#".into(), "[::1]:#".into()));
        assert_eq!(of("0.0.0.0:8000"), "0.0.0.0:8000");
    }
}
