//! Whether anybody joined or left a tree since the last look, without walking it.
//!
//! A walk costs some ten system calls a process. Most looks find the same processes as the one before, and that is told by
//! reading one kept-open file again: the unit's `cgroup.procs`, or without a cgroup the `children` files and the number of
//! the threads of every member (as long as these are few). What they do not tell is found by the walk that comes every
//! [`WALK_EVERY`] anyway. That a childless member ended is told by its memory, which reads 0 then.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use scupper_model::Pid;

/// A walk comes at least this often where there is no cgroup, and three times as seldom where there is one: its list is
/// whole, and a walk only finds out about new names and parents.
pub const WALK_EVERY: Duration = Duration::from_secs(5);
/// Above this many members or threads without a cgroup, every look walks.
const MOST_WATCHED: usize = 64;
/// A list longer than this is not compared: every look walks.
const LONGEST: usize = 16 << 10;

/// The lists of a tree's members, kept open.
#[derive(Debug, Default)]
pub struct Membership {
    files: Vec<File>,
    tasks: Vec<File>,
    directory: Option<File>,
    last: Vec<u8>,
    fresh: Vec<u8>,
    known: bool,
}

impl Membership {
    /// Notes the members as they are now. Called *before* a walk, so that whoever comes while it walks is noticed.
    pub fn note(&mut self, cgroup: Option<&Path>, members: impl ExactSizeIterator<Item = Pid>) {
        self.known = self.open(cgroup, members) && self.read();
        std::mem::swap(&mut self.last, &mut self.fresh);
    }

    /// Whether the lists read as they did when they were noted. Where that cannot be told, no.
    pub fn unchanged(&mut self) -> bool {
        self.known && self.read() && self.fresh == self.last
    }

    fn open(&mut self, cgroup: Option<&Path>, members: impl ExactSizeIterator<Item = Pid>) -> bool {
        if let Some(path) = cgroup {
            if self.directory.is_none() {
                self.directory = File::open(path).ok();
                self.files = File::open(path.join("cgroup.procs")).into_iter().collect();
            }
            return self.directory.is_some() && self.files.len() == 1;
        }
        if members.len() > MOST_WATCHED {
            self.files = Vec::new();
            return false;
        }
        let wanted = members.len();
        (self.files, self.tasks) = (Vec::new(), Vec::new());
        for pid in members {
            if self.watch(pid).is_none() || self.files.len() > MOST_WATCHED {
                return false;
            }
        }
        wanted > 0
    }

    /// The list of each thread: a child belongs to the thread that forked it.
    fn watch(&mut self, pid: Pid) -> Option<()> {
        let tasks = format!("/proc/{pid}/task");
        for entry in std::fs::read_dir(&tasks).ok()? {
            self.files.push(File::open(entry.ok()?.path().join("children")).ok()?);
        }
        self.tasks.push(File::open(tasks).ok()?);
        Some(())
    }

    fn read(&mut self) -> bool {
        self.fresh.clear();
        for directory in self.directory.iter().chain(&self.tasks) {
            // Two links, and one for each cgroup below (a command that makes its own is walked into) or each thread.
            match directory.metadata() {
                Ok(found) => self.fresh.extend(found.nlink().to_le_bytes()),
                Err(_) => return false,
            }
        }
        let mut chunk = [0; 4096];
        for file in &self.files {
            let mut at = 0;
            loop {
                match file.read_at(&mut chunk, at) {
                    Ok(0) => break,
                    Ok(length) => {
                        at += length as u64;
                        self.fresh.extend_from_slice(chunk.get(..length).unwrap_or_default());
                        // The kernel fills what it is given as far as it can: far from full, this was all.
                        if length < chunk.len() / 2 {
                            break;
                        }
                    }
                    Err(_) => return false,
                }
                if self.fresh.len() > LONGEST {
                    return false;
                }
            }
            self.fresh.push(b'\n');
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_comes_and_goes_is_noticed() {
        let own = Pid::new(rustix::process::getpid().as_raw_pid()).unwrap();
        // A test runs on a thread of its own, whose children only a walk finds: a shell stands for the command.
        let mut shell = Command::new("sh")
            .args(["-c", "read x; sleep 100 & read y; kill $!; wait; read z"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        let pid = Pid::new(shell.id().try_into().unwrap()).unwrap();
        let mut membership = Membership::default();
        membership.note(None, [pid].into_iter());
        assert!(membership.unchanged());
        for _ in 0..2 {
            std::io::Write::write_all(&mut input, b"\n").unwrap();
            let clock = super::super::clock::Clock::start();
            while membership.unchanged() {
                assert!(clock.now() < Duration::from_secs(10), "not noticed below {own}");
            }
            membership.note(None, [pid].into_iter());
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn nothing_noted_is_nothing_known() {
        assert!(!Membership::default().unchanged());
    }
}
