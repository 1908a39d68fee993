//! A place to run scupper in: directories of its own, a unit name of its own, and eyes on its processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The binary under test.
pub const SCUPPER: &str = env!("CARGO_BIN_EXE_scupper");

/// Longest wait for a condition on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct Scene {
    pub dir: TempDir,
    pub unit: String,
}

impl Scene {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("scupper-test").tempdir().unwrap();
        for sub in ["run", "state"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        let unit = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { dir, unit }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `scupper ARGS` in this scene.
    pub fn scupper(&self, args: &[&str]) -> Command {
        let mut command = Command::new(SCUPPER);
        command.args(args);
        self.dress(&mut command);
        command
    }

    /// The same surroundings for another program.
    pub fn dress(&self, command: &mut Command) {
        command
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env_remove("SCUPPER_KEEP")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
    }

    /// `scupper run --name UNIT FLAGS -- COMMAND`, its stderr in `stderr`, its stdout in `stdout`.
    pub fn run(&self, flags: &[&str], command: &[&str]) -> Running {
        let mut args = vec!["run", "--name", &self.unit, "--log-format", "json"];
        args.extend(flags);
        args.push("--");
        args.extend(command);
        let mut scupper = self.scupper(&args);
        scupper.stdout(fs::File::create(self.path("stdout")).unwrap());
        scupper.stderr(fs::File::options().create(true).append(true).open(self.path("stderr")).unwrap());
        Running { child: scupper.spawn().unwrap() }
    }

    /// Runs to its end; the exit code.
    pub fn code(&self, flags: &[&str], command: &[&str]) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.run(flags, command).wait();
        status.code().unwrap_or_else(|| 1000 + status.signal().unwrap())
    }

    /// The events on stderr so far.
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.text("stderr").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The events of one kind.
    pub fn events_of(&self, kind: &str) -> Vec<serde_json::Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// Every process with this unit's mark, by its pid, zombies left out.
    pub fn marked(&self) -> BTreeMap<i32, String> {
        let mark = format!("SCUPPER_UNIT={}", self.unit);
        pids().filter(|pid| has_environment(*pid, &mark) && alive(*pid)).map(|pid| (pid, comm(pid))).collect()
    }

    /// `scupper ps UNIT --json`.
    pub fn status(&self) -> serde_json::Value {
        let out = self.scupper(&["ps", &self.unit, "--processes", "--json"]).output().unwrap();
        serde_json::from_slice(&out.stdout).unwrap_or_default()
    }

    /// Waits until nothing of the unit is left, and checks the pids that the workload wrote down as well.
    pub fn expect_nothing_left(&self) {
        wait_for("no process of the unit is left", PATIENCE, || {
            let left = self.marked();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
        for pid in self.kids().values() {
            assert!(
                !alive(*pid) || !has_environment(*pid, &format!("SCUPPER_UNIT={}", self.unit)),
                "{pid} lives"
            );
        }
    }

    /// The children that `tree.py` wrote down: kind to pid.
    pub fn kids(&self) -> BTreeMap<String, i32> {
        serde_json::from_str(&self.text("kids")).unwrap_or_default()
    }

    /// The workload: a process with children of every kind, which then does `then`.
    pub fn tree(&self, then: &str) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/tree.py");
        let kids = self.path("kids");
        ["python3", &script.to_string_lossy(), &kids.to_string_lossy(), then].map(str::to_owned).to_vec()
    }

    /// Starts the workload under scupper and waits until all its children are there.
    pub fn run_tree(&self, flags: &[&str], then: &str) -> Running {
        let command = self.tree(then);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let running = self.run(flags, &command);
        self.wait_for_kids();
        running
    }

    pub fn wait_for_kids(&self) -> BTreeMap<String, i32> {
        wait_for("the workload has its children", PATIENCE, || {
            let kids = self.kids();
            if kids.len() >= 5 { Ok(kids) } else { Err(self.text("stderr")) }
        })
    }
}

impl Drop for Scene {
    /// Whatever a failing test left is ended by id, and its cgroup removed.
    fn drop(&mut self) {
        for pid in self.marked().keys() {
            kill(*pid, 9);
        }
        let groups = fs::read_dir("/sys/fs/cgroup/unified").into_iter().flatten().flatten();
        let own = format!("scupper.{}.", self.unit);
        for group in groups.filter(|group| group.file_name().to_string_lossy().starts_with(&own)) {
            let deadline = Instant::now() + Duration::from_secs(2);
            // Those that were killed leave it when they are waited for.
            while fs::remove_dir(group.path()).is_err_and(|e| e.kind() != std::io::ErrorKind::NotFound)
                && Instant::now() < deadline
            {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

pub struct Running {
    pub child: Child,
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// The engine below the guardian that was started.
    pub fn engine(&self) -> i32 {
        wait_for("the engine is there", PATIENCE, || {
            children(self.pid()).first().copied().ok_or_else(|| "no child".to_owned())
        })
    }

    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    pub fn wait(self) -> ExitStatus {
        self.wait_at_most(PATIENCE * 2)
    }

    pub fn wait_at_most(mut self, patience: Duration) -> ExitStatus {
        wait_for("scupper ends", patience, || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!("still there: {}", comm(self.pid()))),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            for pid in children(self.pid()) {
                kill(pid, 9);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for a condition; on failure the last state is told.
#[track_caller]
pub fn wait_for<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(state) if Instant::now() > deadline => panic!("waited {patience:?} until {what}: {state}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

pub fn kill(pid: i32, signal: i32) {
    if let (Some(pid), Some(signal)) =
        (rustix::process::Pid::from_raw(pid), rustix::process::Signal::from_named_raw(signal))
    {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

pub fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub fn has_environment(pid: i32, entry: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|text| text.split(|b| *b == 0).any(|found| found == entry.as_bytes()))
}

/// Whether a process is there and not a zombie.
pub fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
}

/// The fields of `/proc/PID/stat` from the state on.
pub fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let rest = text.rsplit_once(')')?.1;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

pub fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

pub fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

pub fn children(pid: i32) -> Vec<i32> {
    pids().filter(|child| parent(*child) == Some(pid)).collect()
}

pub fn rss_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
