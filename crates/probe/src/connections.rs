//! The connections of some processes by state: how many wait to be closed.
//!
//! The kernel lists connections for a whole network namespace, so its tables are read once for all processes of one
//! namespace, and only where one of them has a socket at all.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use scupper_model::{Connections, Pid};

use crate::root::{SMALL_LIMIT, of};
use crate::snapshot::descriptor_limit;
use crate::sockets::{self, TcpState, parse_tcp};
use crate::{Proc, file};

/// Network namespaces that are looked into at a time.
const MOST_NAMESPACES: usize = 8;

/// The connections of each of these. Whoever is gone, or could not be read whole, is missing.
pub fn read(proc_: &Proc, pids: impl IntoIterator<Item = Pid>) -> HashMap<Pid, Connections> {
    let mut found = HashMap::new();
    let mut namespaces: HashMap<Option<PathBuf>, Vec<(Pid, HashSet<u64>)>> = HashMap::new();
    for pid in pids {
        let Ok(Some(seen)) = sockets::descriptors(proc_, pid, "") else { continue };
        let Some(inodes) = seen.sockets else { continue };
        let total = u64::try_from(inodes.len()).unwrap_or(u64::MAX);
        let descriptor_limit = limit_of(proc_, pid);
        found.insert(pid, Connections { sockets: total, descriptor_limit, ..Connections::default() });
        if !inodes.is_empty() {
            let namespace = file::link_at(proc_.fd(), &of(pid, "ns/net")).ok();
            namespaces.entry(namespace).or_default().push((pid, inodes));
        }
    }
    for (index, members) in namespaces.into_values().enumerate() {
        if index >= MOST_NAMESPACES || !count(proc_, &members, &mut found) {
            for (pid, _) in &members {
                found.remove(pid);
            }
        }
    }
    found
}

/// Counts by the tables of one namespace. Whether they could be read.
fn count(proc_: &Proc, members: &[(Pid, HashSet<u64>)], found: &mut HashMap<Pid, Connections>) -> bool {
    let Some((first, _)) = members.first() else { return true };
    for table in ["net/tcp", "net/tcp6"] {
        let answer = file::each_line(proc_.fd(), &of(*first, table), |line| {
            for line in parse_tcp(line).filter(|line| line.inode != 0) {
                for (pid, _) in members.iter().filter(|(_, inodes)| inodes.contains(&line.inode)) {
                    if let Some(connections) = found.get_mut(pid) {
                        add(connections, line.state);
                    }
                }
            }
            true
        });
        match answer {
            Ok(()) => {}
            // No IPv6, or gone by now.
            Err(errno) if crate::error::is_gone(errno) => {}
            Err(_) => return false,
        }
    }
    true
}

fn add(connections: &mut Connections, state: TcpState) {
    match state {
        TcpState::CloseWait => connections.close_wait += 1,
        TcpState::FinWait2 => connections.fin_wait2 += 1,
        _ => {}
    }
    let no_connection = matches!(state, TcpState::Listening | TcpState::Closed | TcpState::TimeWait);
    connections.connected += u64::from(!no_connection);
}

/// The soft `RLIMIT_NOFILE` of a process; `None` where it is unlimited or could not be read.
fn limit_of(proc_: &Proc, pid: Pid) -> Option<u64> {
    let content = proc_.read(pid, "limits", SMALL_LIMIT).ok()??;
    descriptor_limit(&content.bytes).filter(|limit| *limit < u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// R071: what the other side has closed and this one has not.
    #[test]
    fn r071_connections_that_wait_to_be_closed_are_counted() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let own = Pid::new(rustix::process::getpid().as_raw_pid()).unwrap();
        let before = read(&proc, [own])[&own];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (here, listener.accept().unwrap().0)
        };
        let (mut here, there) = connect();
        drop(there);
        // The end of the stream has been read, so the state is what it will stay.
        assert_eq!(here.read(&mut [0; 1]).unwrap(), 0);
        let after = read(&proc, [own])[&own];
        assert_eq!(after.close_wait, before.close_wait + 1);
        assert_eq!(after.sockets, before.sockets + 2, "the listener and this end");
        assert_eq!(after.connected, before.connected + 1, "a listener is not connected");
        let (here, mut there) = connect();
        here.shutdown(Shutdown::Write).unwrap();
        assert_eq!(there.read(&mut [0; 1]).unwrap(), 0);
        // It is acknowledged a moment later.
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let mut halves = read(&proc, [own])[&own];
        for _ in 0..2000 {
            if halves.fin_wait2 > before.fin_wait2 {
                break;
            }
            let _ = rustix::thread::nanosleep(&pause);
            halves = read(&proc, [own])[&own];
        }
        assert_eq!((halves.fin_wait2, halves.close_wait), (before.fin_wait2 + 1, before.close_wait + 2));
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        assert_eq!(halves.descriptor_limit, limit);
    }

    #[test]
    fn who_has_no_socket_has_none_and_who_is_gone_is_missing() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let mut child = Command::new("sleep").arg("100").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::new(child.id().try_into().unwrap()).unwrap();
        // What was inherited by mistake of the test's own process would show here.
        let found = read(&proc, [pid]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found[&pid].connected, 0);
        assert!(read(&proc, [pid]).is_empty());
    }
}
