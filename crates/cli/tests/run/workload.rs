//! The workloads beside this file, and what is asked of them and of the events they cause.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::scene::{PATIENCE, Running, Scene, wait_for};

pub const MIB: u64 = 1 << 20;

/// A script beside this file.
pub fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").join(name).to_string_lossy().into_owned()
}

impl Scene {
    /// A path in the scene as text.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// `scupper run --verbose FLAGS -- python3 SCRIPT ARGUMENTS`.
    pub fn run_script(&self, flags: &[&str], name: &str, arguments: &[&str]) -> Running {
        let path = script(name);
        let mut command = vec!["python3", "-S", &path];
        command.extend(arguments);
        self.run(&[&["--verbose"], flags].concat(), &command)
    }

    /// Waits for the first event of a kind that fits.
    #[track_caller]
    pub fn wait_for_event(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(kind, PATIENCE, || {
            self.events_of(kind).into_iter().find(&fits).ok_or_else(|| self.text("stderr"))
        })
    }

    /// Waits for the first KILL: of one process, or of the unit's cgroup.
    #[track_caller]
    pub fn wait_for_kill(&self) -> Value {
        let kill = |event: &Value| event["event"] == "cgroup_kill" || event["signal"] == 9;
        let sent = |event: &Value| event["event"] == "signal_sent" || event["event"] == "cgroup_kill";
        wait_for("KILL", PATIENCE, || {
            self.events().into_iter().find(|e| sent(e) && kill(e)).ok_or_else(|| self.text("stderr"))
        })
    }

    /// Waits for the first death certificate of the main process.
    #[track_caller]
    pub fn wait_for_certificate(&self) -> Value {
        self.wait_for_event("unit_exited", |_| true)["certificate"].clone()
    }

    /// The one death certificate of the main process.
    #[track_caller]
    pub fn certificate(&self) -> Value {
        self.only("unit_exited")["certificate"].clone()
    }

    /// The one event of a kind.
    #[track_caller]
    pub fn only(&self, kind: &str) -> Value {
        let mut events = self.events_of(kind);
        assert_eq!(events.len(), 1, "{kind}: {}", self.text("stderr"));
        events.remove(0)
    }

    /// The unit's own status, once its scupper answers.
    #[track_caller]
    pub fn live(&self) -> Value {
        wait_for("the unit answers", PATIENCE, || {
            let status = self.status()["units"][0]["status"].clone();
            if status.is_null() { Err(self.text("stderr")) } else { Ok(status) }
        })
    }

    /// Waits until the unit answers and something is true of what it says.
    #[track_caller]
    pub fn wait_until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, PATIENCE, || {
            let status = self.status()["units"][0]["status"].clone();
            if fits(&status) { Ok(status) } else { Err(format!("{status}\n{}", self.text("stderr"))) }
        })
    }

    /// The pids that `parent.py` wrote down: its own, then its helpers'.
    #[track_caller]
    pub fn family(&self) -> Vec<i32> {
        wait_for("the helpers were started", PATIENCE, || {
            let pids: Vec<i32> = self.text("pids").lines().filter_map(|line| line.parse().ok()).collect();
            if pids.is_empty() { Err(self.text("stderr")) } else { Ok(pids) }
        })
    }

    /// `scupper stop`, and nothing is left.
    #[track_caller]
    pub fn stop(&self, running: Running) {
        let stopped = self.scupper(&["stop", &self.unit]).output().unwrap();
        assert!(stopped.status.success(), "{stopped:?}\n{}", self.text("stderr"));
        running.wait();
        self.expect_nothing_left();
    }

    /// `scupper ARGUMENTS`: exit code, and what it said.
    pub fn ask(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.scupper(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// What `leak.py --trace` wrote: moment and size.
    pub fn trace(&self, name: &str) -> Vec<(f64, u64)> {
        let text = self.text(name);
        let line = |line: &str| {
            let (at, size) = line.split_once(' ')?;
            Some((at.parse().ok()?, size.parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }
}

/// A number of an event.
#[track_caller]
pub fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} is no number: {value}"))
}

/// When an event was recorded, in seconds since 1970.
#[track_caller]
pub fn moment(event: &Value) -> f64 {
    let at = event["at"].as_str().unwrap();
    let at: scupper_model::Timestamp = at.parse().unwrap();
    Duration::from_millis(at.0).as_secs_f64()
}

/// Bytes as MiB, to be read by people.
#[expect(clippy::cast_precision_loss, reason = "shown")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

/// The real gunicorn of the cache that `install-masters.sh` fills.
pub fn gunicorn() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../knowledge/tests/install-masters.sh");
    let output = Command::new("sh").arg(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "install-masters.sh: {}", output.status);
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).join("venv/bin/gunicorn")
}

impl Scene {
    /// The real gunicorn with two sync workers, serving `web.py` on a Unix socket.
    pub fn run_gunicorn(&self, flags: &[&str], leak_mb: &str) -> Running {
        let program = gunicorn().to_string_lossy().into_owned();
        let bind = format!("unix:{}", self.at("socket"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").to_string_lossy().into_owned();
        let environment = format!("LEAK_MB={leak_mb}");
        let mut all = vec!["--env", &environment, "--env", "PYTHONDONTWRITEBYTECODE=1"];
        all.extend(flags);
        self.run(
            &all,
            &[
                &program,
                "web:app",
                "-w",
                "2",
                "--bind",
                &bind,
                "--chdir",
                &folder,
                "--timeout",
                "60",
                "--no-control-socket",
            ],
        )
    }
}

/// One HTTP request over a Unix socket: the body, or why there is none.
pub fn request(socket: &Path) -> Result<String, String> {
    get(socket, "/")
}

/// The same for some path.
pub fn get(socket: &Path, path: &str) -> Result<String, String> {
    let mut stream = UnixStream::connect(socket).map_err(|e| format!("connect: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())
        .map_err(|e| format!("write: {e}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| format!("read: {e} after {answer:?}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {answer:?}"))?;
    if head.starts_with("HTTP/1.1 200 ") { Ok(body.to_owned()) } else { Err(head.to_owned()) }
}

/// Requests one after the other from a few clients, at most so many a second in all, until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub fn start(socket: &Path, clients: u32, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicU64::new(0));
        let pause = Duration::from_secs(1) * clients / per_second;
        let client = |_| {
            let (stop, served, socket) = (Arc::clone(&stop), Arc::clone(&served), socket.to_owned());
            std::thread::spawn(move || {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match request(&socket) {
                        Ok(_) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(why) => failed.push(why),
                    }
                    std::thread::sleep(pause.saturating_sub(began.elapsed()));
                }
                failed
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, served, clients }
    }

    /// Stops it: how many were served, and why the others were not.
    pub fn end(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.clients.drain(..).flat_map(|client| client.join().unwrap()).collect();
        (self.served.load(Ordering::Relaxed), failed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}
