//! Who is connected to whom over Unix sockets, which no file of `/proc` says: `sock_diag(7)`.
//!
//! How the end of a connection looks, as observed with Linux 6.18 (`UNIX_DIAG_PEER` and `UNIX_DIAG_SHUTDOWN` of
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

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::UnixSocket;
use crate::ParseError;
use crate::file::retry;

/// Sockets of one network namespace that are listed. Where there are more, who is connected to whom is unknown.
const SOCKET_LIMIT: usize = 262_144;
/// As much as the kernel puts into one answer at most (`NLMSG_GOODSIZE` up to 32 KiB in `netlink_dump()`).
const DATAGRAM: usize = 32 << 10;

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h
const HEADER: usize = 16;
const MESSAGE: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
const SHOW_PEER: u32 = 4;
const PEER: u16 = 2;
const SHUTDOWN: u16 = 6;

// net/tcp_states.h, whose numbers Unix sockets share; linux/net.h; net/sock.h
const ESTABLISHED: u8 = 1;
const LISTENING: u8 = 10;
const DATAGRAMS: u8 = 2;
const SHUT_BOTH: u8 = 3;

/// Every Unix socket of the own network namespace by its inode. `None` where there are more than are listed, or where
/// the kernel's answer is not understood.
pub(super) fn unix() -> Result<Option<HashMap<u64, UnixSocket>>, Errno> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    retry(|| rustix::net::send(&socket, &request(), SendFlags::empty()))?;
    let mut buffer = vec![0; DATAGRAM];
    let mut sockets = HashMap::new();
    loop {
        // The kernel answers while it is asked: an answer that is not there now will never be.
        let (length, whole) = retry(|| {
            rustix::net::recv(&socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT | RecvFlags::TRUNC)
        })?;
        if length < whole || length == 0 {
            return Ok(None);
        }
        let Ok((seen, last)) = unix_sockets(buffer.get(..length).unwrap_or_default()) else {
            return Ok(None);
        };
        sockets.extend(seen);
        if last {
            return Ok(Some(sockets));
        }
        if sockets.len() > SOCKET_LIMIT {
            return Ok(None);
        }
    }
}

/// `struct nlmsghdr` and `struct unix_diag_req`: all sockets in all states, with their peers.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 24);
    bytes.extend_from_slice(&40_u32.to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[u8::try_from(AddressFamily::UNIX.as_raw()).unwrap_or(1), 0, 0, 0]);
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&SHOW_PEER.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// Reads one datagram of the answer: the sockets in it by inode, and whether it was the last.
///
/// # Errors
/// Where its lengths do not fit together, and where it says that the kernel cannot answer.
pub fn unix_sockets(datagram: &[u8]) -> Result<(Vec<(u64, UnixSocket)>, bool), ParseError> {
    let mut sockets = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = usize::try_from(u32_at(rest, 0)?).unwrap_or(usize::MAX);
        let kind = u16_at(rest, 4)?;
        let message = rest.get(..length).ok_or(CUT)?;
        let body = message.get(HEADER..).ok_or(CUT)?;
        match kind {
            DONE => return Ok((sockets, true)),
            ERROR => return Err(ParseError::malformed("answer", b"an error", "a list of sockets")),
            BY_FAMILY => sockets.push(unix_socket(body)?),
            _ => {}
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Ok((sockets, false))
}

/// `struct unix_diag_msg` and the attributes behind it.
fn unix_socket(body: &[u8]) -> Result<(u64, UnixSocket), ParseError> {
    let &[_, kind, state, _, ..] = body else { return Err(CUT) };
    let inode = u64::from(u32_at(body, 4)?);
    let (mut peer, mut shut_down) = (None, None);
    let mut rest = body.get(MESSAGE..).ok_or(CUT)?;
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 0)?);
        let attribute = rest.get(..length).ok_or(CUT)?;
        let value = attribute.get(4..).ok_or(CUT)?;
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
