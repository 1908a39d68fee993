//! What the tests of `knowledge` need of the real machine: servers from `install-masters.sh`, process trees read from
//! /proc, waiting for a condition, and the end of everything that a test started.
#![allow(dead_code, reason = "every test file uses its part")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid as RawPid, Signal, kill_process};
use scupper_knowledge::{Prefork, View, recognise};
use scupper_model::Pid;

/// Waits until `look` sees it; says what was waited for, and the last log lines, when it never does.
#[expect(clippy::disallowed_methods, reason = "waits for real processes")]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited 40 s for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The directory of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Runs the install script, which does nothing where everything is there; gives the cache directory.
pub(crate) fn installed() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install-masters.sh");
    let output = Command::new("sh").arg(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "install-masters.sh: {}", output.status);
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The first of these programs that exists, for those that only root can install.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found =
        directories.filter_map(|d| fs::read_dir(d).ok()).flatten().filter_map(|e| Some(e.ok()?.path())).find(
            |p| {
                let file = p.file_name().unwrap_or_default().to_string_lossy();
                file == name || (name == "php-fpm" && file.starts_with("php-fpm"))
            },
        );
    if found.is_none() {
        eprintln!("skipped: {name} is missing, and only root can install it");
    }
    found
}

/// One process as /proc shows it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) pid: Pid,
    pub(crate) parent: Option<Pid>,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) terminal: i32,
    pub(crate) name: Vec<u8>,
    pub(crate) command: Vec<Vec<u8>>,
}

/// Reads one process; `None` where it is gone or a zombie.
pub(crate) fn read_process(pid: i32) -> Option<Found> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let open = stat.iter().position(|&b| b == b'(')?;
    let close = stat.iter().rposition(|&b| b == b')')?;
    let rest = String::from_utf8_lossy(&stat[close + 2..]).into_owned();
    let fields: Vec<&str> = rest.split(' ').collect();
    if fields[0] == "Z" || fields[0] == "X" {
        return None;
    }
    let number = |at: usize| fields[at].parse::<i32>().unwrap();
    Some(Found {
        pid: Pid::new(pid)?,
        parent: Pid::new(number(1)),
        group: number(2),
        session: number(3),
        terminal: number(4),
        name: stat[open + 1..close].to_vec(),
        command: split_nul(&fs::read(format!("/proc/{pid}/cmdline")).ok()?),
    })
}

/// Splits at NUL; the last one ends the last entry.
pub(crate) fn split_nul(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = bytes.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
    entries.pop();
    entries
}

/// All processes.
pub(crate) fn processes() -> Vec<Found> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|e| read_process(e.file_name().to_str()?.parse().ok()?)).collect()
}

/// A process and its living descendants.
pub(crate) fn tree(root: Pid) -> Vec<Found> {
    let all = processes();
    let mut members: Vec<Found> = all.iter().filter(|p| p.pid == root).cloned().collect();
    let mut at = 0;
    while at < members.len() {
        let parent = members[at].pid;
        members.extend(all.iter().filter(|p| p.parent == Some(parent)).cloned());
        at += 1;
    }
    members
}

/// What `recognise` says of a process and its descendants.
pub(crate) fn recognised(root: Pid) -> Vec<Prefork> {
    let members = tree(root);
    let views: Vec<View<'_>> = members
        .iter()
        .map(|m| View { pid: m.pid, parent: m.parent, name: &m.name, command: &m.command })
        .collect();
    recognise(&views)
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(pid: Pid, number: i32) {
    let signal = Signal::from_named_raw(number).unwrap();
    kill_process(RawPid::from_raw(pid.get()).unwrap(), signal).unwrap();
}

/// Ends a process that the test started, if it is still there.
pub(crate) fn end(pid: Pid) {
    let _ = kill_process(RawPid::from_raw(pid.get()).unwrap(), Signal::KILL);
}

/// A program that a test started, with a directory of its own; its whole tree ends with it.
pub(crate) struct Running {
    child: Child,
    pub(crate) pid: Pid,
    pub(crate) directory: tempfile::TempDir,
}

impl Running {
    /// Starts a program in the fixtures' directory. `@` in an argument stands for its own directory.
    pub(crate) fn start(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap().to_owned();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments.iter().map(|a| a.replace('@', &home)))
            .current_dir(fixtures())
            .env("SCUPPER_TEST_DIR", &home)
            .env("SCUPPER_TEST_SOCKET", format!("{home}/socket"))
            .env("HOME", &home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = Pid::new(i32::try_from(child.id()).unwrap()).unwrap();
        Self { child, pid, directory }
    }

    /// A file in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its end, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The process that says it has begun a request or a task.
    pub(crate) fn begun(&self) -> Pid {
        let begun = wait_for("the request to begin", || fs::read_to_string(self.path("started")).ok());
        begun.trim().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its log:\n{}", self.log());
        }
        // A master forks until it is gone, so what it left is looked for again: its descendants, and its group.
        let mut left = tree(self.pid);
        while !left.is_empty() {
            for member in &left {
                end(member.pid);
            }
            let _ = self.child.wait();
            left = processes().into_iter().filter(|p| p.group == self.pid.get()).collect();
        }
    }
}

/// An HTTP request in its own thread. The answer: status and body, or why there is none.
pub(crate) fn request(socket: &Path) -> std::thread::JoinHandle<Result<(u16, String), String>> {
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let mut stream = wait_for("the server to listen", || UnixStream::connect(&socket).ok());
        let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        sent.map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(format!("no answer: {ended:?} {answer:?}"))?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body.split("\r\n").nth(1).unwrap_or_default()
        } else {
            body
        };
        Ok((status, body.to_owned()))
    })
}
