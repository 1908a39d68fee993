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
/// Bytes of one list. Connections that no process has any more are in it as well, and count as no sockets.
const BYTES_LIMIT: usize = 64 << 20;
/// As much as the kernel puts into one answer at most (`netlink_dump()`).
const DATAGRAM: usize = 32 << 10;

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h, linux/inet_diag.h
const HEADER: usize = 16;
const UNIX_MESSAGE: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
const SHOW_NAME: u32 = 1;
const SHOW_PEER: u32 = 4;
const NAME: u16 = 0;
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
/// the kernel's answer is not understood, or comes too late: `goes_on` is asked again and again.
pub(crate) fn unix(goes_on: &dyn Fn() -> bool) -> Result<Option<HashMap<u64, UnixSocket>>, Errno> {
    let mut sockets = HashMap::new();
    // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie
    let mut request = vec![UNIX, 0, 0, 0];
    for word in [u32::MAX, 0, SHOW_NAME | SHOW_PEER, 0, 0] {
        request.extend_from_slice(&word.to_ne_bytes());
    }
    let whole = dump(&request, goes_on, |datagram| {
        let (seen, last) = unix_sockets(datagram)?;
        sockets.extend(seen);
        Ok((sockets.len(), last))
    })?;
    Ok(whole.then_some(sockets))
}

/// Every TCP socket of the own network namespace that a process has, by its inode; the same otherwise.
pub(crate) fn tcp(goes_on: &dyn Fn() -> bool) -> Result<Option<HashMap<u64, Tcp>>, Errno> {
    let mut sockets = HashMap::new();
    for family in [INET, INET6] {
        // struct inet_diag_req_v2: family, protocol, extensions, padding, states, the addresses asked for (all)
        let mut request = vec![family, TCP, 0, 0];
        request.extend_from_slice(&u32::MAX.to_ne_bytes());
        request.resize(request.len() + 48, 0);
        let whole = dump(&request, goes_on, |datagram| {
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
    goes_on: &dyn Fn() -> bool,
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
    let mut read = 0;
    loop {
        if read > BYTES_LIMIT || !goes_on() {
            return Ok(false);
        }
        // The kernel answers while it is asked: an answer that is not there now will never be.
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        let (length, whole) = retry(|| rustix::net::recv(&socket, buffer.as_mut_slice(), flags))?;
        if length < whole || length == 0 {
            return Ok(false);
        }
        read += length;
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
    let (mut peer, mut shut_down, mut shows_windows) = (None, None, false);
    let mut rest = body.get(UNIX_MESSAGE..).ok_or(CUT)?;
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(..length).and_then(|attribute| attribute.get(4..)).ok_or(CUT)?;
        match u16_at(rest, 2)? {
            PEER => peer = Some(u64::from(u32_at(value, 0)?)),
            SHUTDOWN => shut_down = value.first().copied(),
            NAME => shows_windows = is_of_a_display(value),
            _ => {}
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    let ended = kind == DATAGRAMS || shut_down == Some(SHUT_BOTH);
    let socket = UnixSocket {
        peer: peer.filter(|&peer| peer != 0),
        peer_is_gone: state == ESTABLISHED && peer == Some(0) && ended,
        listens: state == LISTENING,
        shows_windows,
    };
    Ok((inode, socket))
}

/// `/tmp/.X11-unix/X0`, also as an abstract name, or `/run/user/1000/wayland-0`.
fn is_of_a_display(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    has(b"/.X11-unix/X") || has(b"/wayland-")
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message with its header, padded as the kernel does.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(body);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn unix_message(kind: u8, state: u8, inode: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![UNIX, kind, state, 0];
        body.extend_from_slice(&inode.to_ne_bytes());
        body.resize(UNIX_MESSAGE, 0);
        for (kind, value) in attributes {
            body.extend_from_slice(&u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(value);
            body.resize(aligned(body.len()), 0);
        }
        message(BY_FAMILY, &body)
    }

    fn tcp_message(family: u8, state: u8, ports: (u16, u16), hosts: (&[u8], &[u8]), inode: u32) -> Vec<u8> {
        let mut body = vec![family, state, 0, 0];
        body.extend_from_slice(&ports.0.to_be_bytes());
        body.extend_from_slice(&ports.1.to_be_bytes());
        for (host, end) in [(hosts.0, 24), (hosts.1, 40)] {
            body.extend_from_slice(host);
            body.resize(end, 0);
        }
        body.resize(68, 0);
        body.extend_from_slice(&inode.to_ne_bytes());
        message(BY_FAMILY, &body)
    }

    #[test]
    fn every_state_that_was_observed_is_told() {
        let of = |kind, state, peer: Option<u32>, shut_down: u8| {
            let peer = peer.map(u32::to_ne_bytes);
            let mut attributes: Vec<(u16, &[u8])> = peer.iter().map(|peer| (PEER, &peer[..])).collect();
            let shut_down = [shut_down];
            // The name of a socket comes first, its receive queue between them.
            attributes.insert(0, (0, b"/run/x"));
            attributes.push((4, &[0; 8]));
            attributes.push((SHUTDOWN, &shut_down));
            let (sockets, last) = unix_sockets(&unix_message(kind, state, 7, &attributes)).unwrap();
            assert!(!last && sockets.len() == 1 && sockets[0].0 == 7);
            (sockets[0].1.peer, sockets[0].1.peer_is_gone, sockets[0].1.listens)
        };
        for stream in [1, 5] {
            assert_eq!(of(stream, 1, Some(9), 0), (Some(9), false, false), "connected");
            assert_eq!(
                of(stream, 1, Some(9), 3),
                (Some(9), false, false),
                "shut down by a peer that is open"
            );
            assert_eq!(of(stream, 1, Some(0), 3), (None, true, false), "closed");
            assert_eq!(of(stream, 1, Some(0), 0), (None, false, false), "not accepted yet");
            assert_eq!(of(stream, 7, None, 0), (None, false, false), "never connected");
            assert_eq!(of(stream, 10, None, 0), (None, false, true), "listens");
        }
        assert_eq!(of(DATAGRAMS, 1, Some(0), 0), (None, true, false));
        assert_eq!(of(DATAGRAMS, 1, Some(9), 0), (Some(9), false, false));
        assert_eq!(of(DATAGRAMS, 7, None, 0), (None, false, false));
    }

    #[test]
    fn a_display_servers_socket_is_known_by_its_name() {
        let of = |name: &[u8]| {
            let (sockets, _) =
                unix_sockets(&unix_message(1, 1, 7, &[(NAME, name), (PEER, &[9; 4])])).unwrap();
            sockets[0].1.shows_windows
        };
        for name in [&b"/tmp/.X11-unix/X0"[..], b"\0/tmp/.X11-unix/X1", b"/run/user/1000/wayland-0\0"] {
            assert!(of(name), "{name:?}");
        }
        for name in [&b""[..], b"\0", b"/run/dbus/system_bus_socket", b"/home/me/X0", b"/run/wayland"] {
            assert!(!of(name), "{name:?}");
        }
    }

    #[test]
    fn connections_are_read_in_both_families() {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
        let mut datagram = tcp_message(INET, 8, (8080, 49153), (&[127, 0, 0, 1], &[10, 0, 0, 2]), 9);
        datagram.extend(tcp_message(INET6, 10, (22, 0), (&mapped, &[0; 16]), 10));
        datagram.extend(tcp_message(INET, 6, (1, 2), (&[1, 2, 3, 4], &[1, 2, 3, 4]), 0));
        datagram.extend(message(DONE, &[0; 4]));
        let (sockets, last) = tcp_sockets(&datagram).unwrap();
        let of = |text: &str| text.parse::<SocketAddr>().unwrap();
        let waiting =
            Tcp { state: TcpState::CloseWait, local: of("127.0.0.1:8080"), remote: of("10.0.0.2:49153") };
        let listening = Tcp { state: TcpState::Listening, local: of("127.0.0.1:22"), remote: of("[::]:0") };
        assert!(last);
        assert_eq!(sockets, [(9, waiting), (10, listening)]);
    }

    #[test]
    fn a_list_that_is_stopped_is_none() {
        // Also where the kernel gives none at all.
        assert!(!matches!(tcp(&|| false), Ok(Some(_))));
        assert!(!matches!(unix(&|| false), Ok(Some(_))));
    }

    #[test]
    fn an_error_and_what_is_cut_are_no_lists() {
        assert!(unix_sockets(&message(ERROR, &[0; 20])).is_err());
        assert!(tcp_sockets(&tcp_message(17, 1, (0, 0), (&[], &[]), 1)).is_err(), "no such family");
        assert_eq!(unix_sockets(&message(DONE, &[0; 4])), Ok((Vec::new(), true)));
        assert_eq!(unix_sockets(b""), Ok((Vec::new(), false)));
        let whole = unix_message(1, 1, 7, &[(PEER, &[0; 4]), (SHUTDOWN, &[3])]);
        for cut in 1..whole.len() - 3 {
            assert!(unix_sockets(&whole[..cut]).is_err(), "{cut}");
        }
        // A length of nothing does not stand still.
        assert!(unix_sockets(&[0; 64]).is_err());
        assert!(unix_sockets(&unix_message(1, 1, 7, &[])[..HEADER]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (unix_sockets(&bytes), tcp_sockets(&bytes));
        }

        #[test]
        fn no_change_of_a_true_answer_panics_or_makes_more_of_it(at in 0_usize..200, byte: u8) {
            let mut bytes = unix_message(1, 1, 7, &[(PEER, &[1; 4]), (SHUTDOWN, &[3])]);
            bytes.extend(tcp_message(INET, 8, (1, 2), (&[1, 2, 3, 4], &[5, 6, 7, 8]), 9));
            let at = at % bytes.len();
            bytes[at] = byte;
            for count in [unix_sockets(&bytes).map_or(0, |(seen, _)| seen.len()), tcp_sockets(&bytes).map_or(0, |(seen, _)| seen.len())] {
                prop_assert!(count <= bytes.len() / HEADER);
            }
        }

        #[test]
        fn what_is_written_is_read(sockets in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 0..20)) {
            let mut datagram = Vec::new();
            for &(inode, peer, listens) in &sockets {
                let state = if listens { LISTENING } else { ESTABLISHED };
                datagram.extend(unix_message(1, state, inode, &[(PEER, &peer.to_ne_bytes()), (SHUTDOWN, &[0])]));
            }
            let (seen, last) = unix_sockets(&datagram).unwrap();
            let expected: Vec<_> = sockets.iter().map(|&(inode, peer, listens)| {
                let peer = (peer != 0).then_some(u64::from(peer));
                (u64::from(inode), UnixSocket { peer, peer_is_gone: false, listens, shows_windows: false })
            }).collect();
            prop_assert!(!last);
            prop_assert_eq!(seen, expected);
        }
    }
}
