//! A fake `/proc` and children that end with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Signal, kill_process, kill_process_group};
use scupper_model::Pid;
use scupper_probe::{Proc, tree};
use tempfile::TempDir;

pub(crate) fn pid(raw: i32) -> Pid {
    Pid::new(raw).unwrap()
}

pub(crate) fn live() -> Proc {
    Proc::open(Path::new("/proc")).unwrap()
}

/// A directory that looks like `/proc`.
pub(crate) struct FakeProc {
    directory: TempDir,
}

impl FakeProc {
    pub(crate) fn new() -> Self {
        // In memory where that is to be had: 10 000 directories take 20 s on some disks.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let fake = Self { directory };
        fake.write("sys/kernel/random/boot_id", "0b8ce0f8-5f5c-4cb6-9a4d-6a3f6e9c9a11\n");
        fake.write("uptime", "1000.50 3999.00\n");
        fake
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub(crate) fn open(&self) -> Proc {
        Proc::open(self.directory.path()).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn process(&self, pid: i32, parent: i32) {
        self.stat(pid, parent, 'S', 1, 1000 + pid);
        self.write(&format!("{pid}/statm"), "100 25 10 1 0 50 0\n");
    }

    pub(crate) fn stat(&self, pid: i32, parent: i32, state: char, threads: u32, start: i32) {
        let line = stat_line(pid, parent, state, threads, start);
        self.write(&format!("{pid}/stat"), &line);
        self.write(&format!("{pid}/task/{pid}/stat"), &line);
    }

    pub(crate) fn children(&self, pid: i32, children: &[i32]) {
        let list: Vec<_> = children.iter().map(i32::to_string).collect();
        self.write(&format!("{pid}/task/{pid}/children"), list.join(" "));
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_dir_all(self.directory.path().join(name)).unwrap();
    }
}

/// A line of `stat` as far as this crate reads it.
pub(crate) fn stat_line(pid: i32, parent: i32, state: char, threads: u32, start: i32) -> String {
    format!(
        "{pid} (fake {pid}) {state} {parent} {pid} {pid} 0 -1 0 0 0 0 0 150 50 0 0 20 0 {threads} 0 {start} 4096 25\n"
    )
}

/// A child with a process group of its own; it and all below it are killed at the end.
pub(crate) struct Guarded {
    pub(crate) child: Child,
}

impl Guarded {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.process_group(0).spawn().unwrap() }
    }

    /// A shell script. What it writes is read line by line with [`Guarded::line`].
    pub(crate) fn shell(script: &str) -> Self {
        Self::spawn(Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()))
    }

    pub(crate) fn pid(&self) -> Pid {
        pid(i32::try_from(self.child.id()).unwrap())
    }

    /// The next line, byte by byte, so that nothing behind it is lost.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.child.stdout.as_mut().unwrap();
        BufReader::with_capacity(1, stdout).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn read_pid(&mut self) -> Pid {
        self.line().parse().unwrap()
    }

    pub(crate) fn close_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let below = tree::descendants(&live(), self.pid()).unwrap_or_default();
        for member in below {
            kill(member.identity.pid);
        }
        let group = rustix::process::Pid::from_raw(self.pid().get()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

pub(crate) fn kill(pid: Pid) {
    let _ = kill_process(rustix::process::Pid::from_raw(pid.get()).unwrap(), Signal::KILL);
}

/// Looks until it holds; panics after ten seconds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
    panic!("after 10 s still not: {what}");
}
