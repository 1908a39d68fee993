//! How much a process has read and written: `/proc/PID/io`.

use std::path::PathBuf;

use scupper_model::Pid;

use crate::root::of;
use crate::{ParseError, ProbeError, Proc, parse};

const IO_LIMIT: usize = 4096;

impl Proc {
    /// Bytes that a process has read and written since it began, by read(2), write(2) and their like: on pipes, files and
    /// sockets alike, but not what it did with send(2) and recv(2). Only for processes of the own user. `None` where
    /// it is gone.
    pub fn bytes_passed(&self, pid: Pid) -> Result<Option<u64>, ProbeError> {
        let Some(content) = self.read(pid, "io", IO_LIMIT)? else { return Ok(None) };
        sum(&content.bytes)
            .map(Some)
            .ok_or_else(|| ProbeError::parse(self.path_of(pid), ParseError::Missing { item: "rchar, wchar" }))
    }

    fn path_of(&self, pid: Pid) -> PathBuf {
        self.path().join(of(pid, "io"))
    }
}

fn sum(text: &[u8]) -> Option<u64> {
    let count = |key| parse::value(text, key).and_then(parse::number::<u64>);
    count("rchar")?.checked_add(count("wchar")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_summed_and_half_a_file_is_unknown() {
        assert_eq!(sum(b"rchar: 10\nwchar: 5\nsyscr: 7\n"), Some(15));
        for bad in
            [&b""[..], b"rchar: 10\n", b"rchar: x\nwchar: 1\n", b"rchar: 18446744073709551615\nwchar: 1\n"]
        {
            assert_eq!(sum(bad), None);
        }
    }
}
