//! Sockets as `sock_diag(7)` lists them: who is connected to whom over Unix sockets, which no file of `/proc` says, and
//! the TCP connections, which `/proc/net/tcp` says too, at twelve times the cost: it stops at each of the hundred
//! thousands of empty slots of the kernel's table (0.3 ms against 4 ms with 262 144 slots).
//!
//! How the end of a Unix connection looks, as observed with Linux 6.18 (`UNIX_DIAG_PEER` and `UNIX_DIAG_SHUTDOWN` of
//! net/unix/diag.c):
//!
//! | socket | state | peer | shut down |
//! |---|---|---|---|
//! | connected | 1 | its inode | 0 |
//! | connected, the peer has called shutdown(2) and is open | 1 | its inode | 1 or 3; 0 for datagrams |
//! | connected, the peer is closed: stream, seqpacket | 1 | 0 | 3 |
//! | connected, the peer is closed: datagram | 1 | 0 | 0 |
//! | connected, not accepted yet: stream, seqpacket | 1 | 0 | 0 |
//! | never connected; a datagram socket that noticed that its peer is closed | 7 | absent | 0 |
//! | waits for connections | 10 | absent | 0 |
//!
//! So an inode of 0 alone is no peer that is gone: a server that is slow to accept looks the same.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::{Tcp, UnixSocket};
use crate::ParseError;
use crate::file::retry;
use crate::sockets::TcpState;

/// Sockets of one kind that are listed. Where there are more, all of them are unknown.
const SOCKET_LIMIT: usize = 131_072;
/// As much as the kernel puts into one answer at most (`netlink_dump()`).
const DATAGRAM: usize = 32 << 10;

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h, linux/inet_diag.h
const HEADER: usize = 16;
const UNIX_MESSAGE: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
const SHOW_PEER: u32 = 4;
const PEER: u16 = 2;
const SHUTDOWN: u16 = 6;

// linux/socket.h, linux/in.h, linux/net.h, net/tcp_states.h (whose numbers Unix sockets share), net/sock.h
const UNIX: u8 = 1;
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const DATAGRAMS: u8 = 2;
const ESTABLISHED: u8 = 1;
const LISTENING: u8 = 10;
const SHUT_BOTH: u8 = 3;

/// Every Unix socket of the own network namespace by its inode. `None` where there are more than are listed, or where
/// the kernel's answer is not understood.
pub(super) fn unix() -> Result<Option<HashMap<u64, UnixSocket>>, Errno> {
    let mut sockets = HashMap::new();
    // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie
    let mut request = vec![UNIX, 0, 0, 0];
    for word in [u32::MAX, 0, SHOW_PEER, 0, 0] {
        request.extend_from_slice(&word.to_ne_bytes());
    }
    let whole = dump(&request, |datagram| {
        let (seen, last) = unix_sockets(datagram)?;
        sockets.extend(seen);
        Ok((sockets.len(), last))
    })?;
    Ok(whole.then_some(sockets))
}

/// Every TCP socket of the own network namespace that a process has, by its inode; the same otherwise.
pub(super) fn tcp() -> Result<Option<HashMap<u64, Tcp>>, Errno> {
    let mut sockets = HashMap::new();
    for family in [INET, INET6] {
        // struct inet_diag_req_v2: family, protocol, extensions, padding, states, the addresses asked for (all)
        let mut request = vec![family, TCP, 0, 0];
        request.extend_from_slice(&u32::MAX.to_ne_bytes());
        request.resize(request.len() + 48, 0);
        let whole = dump(&request, |datagram| {
            let (seen, last) = tcp_sockets(datagram)?;
            sockets.extend(seen);
            Ok((sockets.len(), last))
        })?;
        if !whole {
            return Ok(None);
        }
    }
    Ok(Some(sockets))
}

/// Asks for a list and hands it on, a datagram at a time, until `each` has seen the last. `each` answers how many
/// sockets it has by now. Whether the list came to its end.
fn dump(
    request: &[u8],
    mut each: impl FnMut(&[u8]) -> Result<(usize, bool), ParseError>,
) -> Result<bool, Errno> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    // struct nlmsghdr: length, type, flags, sequence number, sender
    let mut message = u32::try_from(HEADER + request.len()).unwrap_or(0).to_ne_bytes().to_vec();
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(request);
    retry(|| rustix::net::send(&socket, &message, SendFlags::empty()))?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // The kernel answers while it is asked: an answer that is not there now will never be.
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        let (length, whole) = retry(|| rustix::net::recv(&socket, buffer.as_mut_slice(), flags))?;
        if length < whole || length == 0 {
            return Ok(false);
        }
        match each(buffer.get(..length).unwrap_or_default()) {
            Ok((_, true)) => return Ok(true),
            Ok((count, false)) if count <= SOCKET_LIMIT => {}
            _ => return Ok(false),
        }
    }
}

/// Reads one datagram of a list of Unix sockets: the sockets in it by inode, and whether it was the last.
///
/// # Errors
/// Where its lengths do not fit together, and where it says that the kernel cannot answer.
pub fn unix_sockets(datagram: &[u8]) -> Result<(Vec<(u64, UnixSocket)>, bool), ParseError> {
    let mut sockets = Vec::new();
    let last = messages(datagram, |body| {
        sockets.push(unix_socket(body)?);
        Ok(())
    })?;
    Ok((sockets, last))
}

/// Reads one datagram of a list of TCP sockets; the same otherwise. Those that no process has (they wait for late packets)
/// are left out.
///
/// # Errors
/// Where its lengths do not fit together, and where it says that the kernel cannot answer.
pub fn tcp_sockets(datagram: &[u8]) -> Result<(Vec<(u64, Tcp)>, bool), ParseError> {
    let mut sockets = Vec::new();
    let last = messages(datagram, |body| {
        let (inode, socket) = tcp_socket(body)?;
        if inode != 0 {
            sockets.push((inode, socket));
        }
        Ok(())
    })?;
    Ok((sockets, last))
}

/// The messages of a datagram without their headers, and whether the list ends there.
fn messages(
    datagram: &[u8],
    mut each: impl FnMut(&[u8]) -> Result<(), ParseError>,
) -> Result<bool, ParseError> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = usize::try_from(u32_at(rest, 0)?).unwrap_or(usize::MAX);
        let kind = u16_at(rest, 4)?;
        let message = rest.get(..length).ok_or(CUT)?;
        let body = message.get(HEADER..).ok_or(CUT)?;
        match kind {
            DONE => return Ok(true),
            ERROR => return Err(ParseError::malformed("answer", b"an error", "a list of sockets")),
            BY_FAMILY => each(body)?,
            _ => {}
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct unix_diag_msg` and the attributes behind it.
fn unix_socket(body: &[u8]) -> Result<(u64, UnixSocket), ParseError> {
    let &[_, kind, state, _, ..] = body else { return Err(CUT) };
    let inode = u64::from(u32_at(body, 4)?);
    let (mut peer, mut shut_down) = (None, None);
    let mut rest = body.get(UNIX_MESSAGE..).ok_or(CUT)?;
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(..length).and_then(|attribute| attribute.get(4..)).ok_or(CUT)?;
        match u16_at(rest, 2)? {
            PEER => peer = Some(u64::from(u32_at(value, 0)?)),
            SHUTDOWN => shut_down = value.first().copied(),
            _ => {}
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    let ended = kind == DATAGRAMS || shut_down == Some(SHUT_BOTH);
    let socket = UnixSocket {
        peer: peer.filter(|&peer| peer != 0),
        peer_is_gone: state == ESTABLISHED && peer == Some(0) && ended,
        listens: state == LISTENING,
    };
    Ok((inode, socket))
}

/// `struct inet_diag_msg`; nothing is asked for of what may stand behind it.
fn tcp_socket(body: &[u8]) -> Result<(u64, Tcp), ParseError> {
    let &[family, state, ..] = body else { return Err(CUT) };
    let socket = Tcp {
        state: TcpState::from_number(state),
        local: SocketAddr::new(host(family, body, 8)?, port(body, 4)?),
        remote: SocketAddr::new(host(family, body, 24)?, port(body, 6)?),
    };
    Ok((u64::from(u32_at(body, 68)?), socket))
}

fn host(family: u8, body: &[u8], at: usize) -> Result<IpAddr, ParseError> {
    let octets: &[u8; 16] = body.get(at..).and_then(|bytes| bytes.first_chunk()).ok_or(CUT)?;
    let &[a, b, c, d, ..] = octets;
    match family {
        INET => Ok(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
        // As in the tables: both ends of a connection look alike.
        INET6 => Ok(Ipv6Addr::from(*octets).to_canonical()),
        _ => Err(ParseError::malformed("family", family.to_string().as_bytes(), "IPv4 or IPv6")),
    }
}

fn port(body: &[u8], at: usize) -> Result<u16, ParseError> {
    u16_at(body, at).map(u16::from_be)
}

const CUT: ParseError = ParseError::Missing { item: "rest of the message" };

const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ParseError> {
    let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk()).ok_or(CUT)?;
    Ok(u32::from_ne_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ParseError> {
    let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk()).ok_or(CUT)?;
    Ok(u16::from_ne_bytes(*word))
}
