//! The TCP connections of a network namespace, by inode.

use std::collections::HashMap;
use std::path::Path;

use rustix::io::Errno;

use super::{Tcp, sock_diag};
use crate::file;
use crate::sockets::parse_tcp;
use crate::{ProbeError, Proc};

/// Connections that are kept. Where there are more, whose they are is unknown.
const CONNECTION_LIMIT: usize = 131_072;

/// Every connection and listener that a process has. As the kernel lists them, and where it does not (it was built
/// without, or it is none that answers) by its tables. `None` where there is no table, or more than are kept.
pub(super) fn connections(proc_: &Proc) -> Result<Option<HashMap<u64, Tcp>>, ProbeError> {
    if proc_.is_the_kernels()
        && let Ok(Some(listed)) = sock_diag::tcp(&|| true)
    {
        return Ok(Some(listed));
    }
    from_tables(proc_)
}

fn from_tables(proc_: &Proc) -> Result<Option<HashMap<u64, Tcp>>, ProbeError> {
    let mut connections = HashMap::new();
    let mut read = false;
    for table in ["net/tcp", "net/tcp6"] {
        let answer = file::each_line(proc_.fd(), Path::new(table), |line| {
            // Those that no process has (0) wait for late packets.
            for line in parse_tcp(line).filter(|line| line.inode != 0) {
                if let (Some(local), Some(remote)) = (line.local(), line.remote()) {
                    connections.insert(line.inode, Tcp { state: line.state, local, remote });
                }
            }
            connections.len() <= CONNECTION_LIMIT
        });
        match answer {
            Ok(()) if connections.len() > CONNECTION_LIMIT => return Ok(None),
            Ok(()) => read = true,
            // No IPv6.
            Err(errno) if crate::error::is_gone(errno) => {}
            Err(Errno::ACCESS | Errno::PERM) => return Ok(None),
            Err(errno) => return Err(ProbeError::new("read", proc_.path().join(table), errno)),
        }
    }
    Ok(read.then_some(connections))
}
