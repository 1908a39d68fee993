//! Sockets of one process, and the TCP ones by state: many in `CLOSE_WAIT` is how a connection leak looks.
//!
//! The kernel lists connections for a whole network namespace and names their owner nowhere; the inode number in
//! `/proc/PID/fd` is what ties the two together.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use scupper_model::Pid;

use crate::root::of;
use crate::{ProbeError, Proc, file, parse};

/// Descriptors looked at one by one. A process with more has an unknown number of sockets.
pub(crate) const DESCRIPTOR_LIMIT: u64 = 65_536;
/// Of each table of connections: about 100 000 of them.
const TABLE_LIMIT: usize = 16 << 20;

/// The states of a TCP connection: `include/net/tcp_states.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    /// Connected.
    Established,
    /// Connecting.
    SynSent,
    /// Being connected to.
    SynReceived,
    /// Closed here, not yet acknowledged.
    FinWait1,
    /// Closed here, not yet closed there.
    FinWait2,
    /// Closed on both sides, waiting for late packets.
    TimeWait,
    /// No connection.
    Closed,
    /// Closed there, and never closed here.
    CloseWait,
    /// Closed there and then here, not yet acknowledged.
    LastAck,
    /// Waiting for connections.
    Listening,
    /// Closed on both sides at once.
    Closing,
    /// A state this list does not know.
    Other,
}

impl TcpState {
    /// The name that `ss` and netstat(8) print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Closed => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listening => "LISTEN",
            Self::Closing => "CLOSING",
            Self::Other => "OTHER",
        }
    }

    pub(crate) const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listening,
            11 => Self::Closing,
            _ => Self::Other,
        }
    }
}

/// The sockets of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Sockets of any kind. `None` where it has more descriptors than are looked at.
    pub total: Option<u64>,
    /// The TCP ones among them by state. `None` where the tables could not be read to their end.
    pub tcp: Option<BTreeMap<TcpState, u64>>,
}

/// Counts the sockets of a process. `None` where it is gone.
///
/// # Errors
/// [`ProbeError::Denied`] for the descriptors of somebody else's process.
pub fn count(proc_: &Proc, pid: Pid) -> Result<Option<Sockets>, ProbeError> {
    let Some(seen) = descriptors(proc_, pid, "")? else { return Ok(None) };
    let Some(inodes) = seen.sockets else { return Ok(Some(Sockets::default())) };
    let total = u64::try_from(inodes.len()).ok();
    let mut tcp = Some(BTreeMap::new());
    for table in ["net/tcp", "net/tcp6"] {
        match proc_.read(pid, table, TABLE_LIMIT) {
            Ok(Some(content)) if content.truncated => tcp = None,
            Ok(Some(content)) => {
                let own = parse_tcp(&content.bytes).filter(|line| inodes.contains(&line.inode));
                for line in own {
                    if let Some(counts) = &mut tcp {
                        *counts.entry(line.state).or_insert(0) += 1;
                    }
                }
            }
            // No IPv6, or gone by now.
            Ok(None) => {}
            Err(error) if error.is_denied() => tcp = None,
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Sockets { total, tcp }))
}

/// One line of `/proc/net/tcp` or `/proc/net/tcp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLine<'a> {
    /// Its state.
    pub state: TcpState,
    /// The inode of its socket; 0 where no process has it any more.
    pub inode: u64,
    local: &'a [u8],
    remote: &'a [u8],
}

impl TcpLine<'_> {
    /// This end. `None` where it is no address as the kernel writes it.
    pub fn local(&self) -> Option<SocketAddr> {
        address(self.local)
    }

    /// The other end; the same.
    pub fn remote(&self) -> Option<SocketAddr> {
        address(self.remote)
    }
}

/// Every line of `/proc/net/tcp`. The heading and what else is no connection is left out.
pub fn parse_tcp(text: &[u8]) -> impl Iterator<Item = TcpLine<'_>> {
    parse::lines(text).filter_map(tcp_line)
}

fn tcp_line(line: &[u8]) -> Option<TcpLine<'_>> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
    let (local, remote) = (fields.nth(1)?, fields.next()?);
    let state = u8::try_from(hexadecimal(fields.next()?)?).ok()?;
    let inode = parse::number(fields.nth(5)?)?;
    Some(TcpLine { state: TcpState::from_number(state), inode, local, remote })
}

/// `0100007F:1F90`, and four times as long for IPv6: words of the address as the machine that prints them holds them,
/// and the port as a number (`get_tcp4_sock()` and `get_tcp6_sock()` of the kernel). An IPv4 address within IPv6 is given as
/// what it is, so that both ends of a connection look alike.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let at = text.iter().position(|&b| b == b':')?;
    let (host, port) = (text.get(..at)?, text.get(at + 1..)?);
    let port = u16::try_from(hexadecimal(port)?).ok()?;
    let mut octets = [0; 16];
    for (word, octets) in host.chunks(8).zip(octets.chunks_mut(4)) {
        octets.copy_from_slice(&hexadecimal(word)?.to_ne_bytes());
    }
    let [a, b, c, d, ..] = octets;
    match host.len() {
        8 => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)),
        32 => Some(SocketAddr::new(Ipv6Addr::from(octets).to_canonical(), port)),
        _ => None,
    }
}

/// At most eight digits, and nothing else.
fn hexadecimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// What a listing of the descriptors shows.
pub(crate) struct Descriptors {
    /// How many there are.
    pub(crate) total: u64,
    /// The inodes of the sockets among them, where not too many had to be looked at.
    pub(crate) sockets: Option<HashSet<u64>>,
}

/// Looks at each descriptor of a process; `base` is empty or `task/TID/`.
pub(crate) fn descriptors(proc_: &Proc, pid: Pid, base: &str) -> Result<Option<Descriptors>, ProbeError> {
    let path = of(pid, &format!("{base}fd"));
    let Some(directory) = proc_.gone("list", &path, file::open_directory(proc_.fd(), &path))? else {
        return Ok(None);
    };
    let mut total = 0;
    let mut inodes = HashSet::new();
    let mut failed = None;
    let listed = file::each_name(&directory, |name| {
        if is_own_listing(pid, &directory, name) {
            return true;
        }
        total += 1;
        if total > DESCRIPTOR_LIMIT {
            return true;
        }
        let mut buffer = [0_u8; 64];
        match rustix::fs::readlinkat_raw(&directory, name, &mut buffer[..]) {
            Ok(length) => inodes.extend(buffer.get(..length).and_then(socket_inode)),
            Err(errno) if crate::error::is_gone(errno) => total -= 1,
            Err(errno) => failed = Some(errno),
        }
        failed.is_none()
    });
    let answer = failed.map_or(listed, Err);
    if proc_.gone("list", &path, answer)?.is_none() {
        return Ok(None);
    }
    let sockets = (total <= DESCRIPTOR_LIMIT).then_some(inodes);
    Ok(Some(Descriptors { total, sockets }))
}

/// Whether a descriptor is the one by which the own descriptors are listed, which would count itself.
pub(crate) fn is_own_listing(pid: Pid, directory: &OwnedFd, name: &[u8]) -> bool {
    pid.get() == rustix::process::getpid().as_raw_nonzero().get()
        && parse::number(name) == Some(directory.as_raw_fd())
}

pub(crate) fn socket_inode(target: &[u8]) -> Option<u64> {
    parse::number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8237 1 0000 100 0 0 10 0\n   1: 0100007F:1F90 0100007F:C001 08 00000000:00000001 00:00000000 00000000     0        0 9911 1 0000 20 4 30 10 -1\n   2: 0100007F:C001 0100007F:1F90 06 00000000:00000000 03:00001771 00000000     0        0 0 3 0000\n";

    #[test]
    fn states_and_inodes_are_read() {
        let seen: Vec<_> = parse_tcp(TABLE).map(|line| (line.state, line.inode)).collect();
        assert_eq!(seen, [(TcpState::Listening, 8237), (TcpState::CloseWait, 9911), (TcpState::TimeWait, 0)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read() {
        let ends: Vec<_> =
            parse_tcp(TABLE).map(|line| (line.local().unwrap(), line.remote().unwrap())).collect();
        let of = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(ends[0], (of("127.0.0.1:8080"), of("0.0.0.0:0")));
        assert_eq!(ends[1], (of("127.0.0.1:8080"), of("127.0.0.1:49153")));
        assert_eq!(address(b"00000000000000000000000001000000:0016"), Some(of("[::1]:22")));
        assert_eq!(address(b"0000000000000000FFFF00000100007F:0016"), Some(of("127.0.0.1:22")));
        assert_eq!(address(b"B80D0120000000000000000001000000:FFFF"), Some(of("[2001:db8::1]:65535")));
        for bad in [
            &b"0100007F"[..],
            b":",
            b"0100007F:",
            b"0100007F:10000",
            b"010000:1",
            b"+100007F:1",
            b"0100007FF:1",
        ] {
            assert_eq!(address(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn only_sockets_are_sockets() {
        assert_eq!(socket_inode(b"socket:[123]"), Some(123));
        assert_eq!(socket_inode(b"pipe:[123]"), None);
        assert_eq!(socket_inode(b"socket:[12"), None);
        assert_eq!(socket_inode(b"/tmp/socket:[12]"), None);
    }
}
