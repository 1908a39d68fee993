//! Opens incidents for what happens, as the policy says: this program again for a moment, one at a time.
//!
//! Whoever supervises must stay small and must never wait, so records are read and written by a child, which is told of the
//! event on its stdin. All of it is bounded: what waits, how long one may take, and how often one thing is told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use scupper_casebook::incident::episode;
use scupper_model::Event;
use scupper_supervise::shell::foreign::{self, Foreign};

use crate::config::{LogFormat, Opens, Output};
use crate::output::{Printer, remark};
use crate::wait;

/// This program.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Events that may wait.
const QUEUE: usize = 32;
/// How long one may take.
const TIME: Duration = Duration::from_secs(70);
/// How long the end of a unit waits for what is still to be written.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);
/// The same kind of event of one thing is not told again within this time.
const AGAIN: Duration = Duration::from_mins(1);
/// Things that are remembered for that.
const MOST_KNOWN: usize = 256;

/// What opens incidents, as the sink sees it.
#[derive(Debug)]
pub(crate) struct Opener {
    opens: Opens,
    told: HashMap<(String, &'static str), Instant>,
    runner: Runner,
    thread: Option<Thread>,
    dropped: u64,
}

#[derive(Debug)]
struct Thread {
    queue: SyncSender<Vec<u8>>,
    closing: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

/// How the child is started.
#[derive(Clone, Debug)]
struct Runner {
    state: Option<PathBuf>,
    incidents: Option<PathBuf>,
    format: LogFormat,
}

impl Opener {
    /// As the settings say; `None` where no incident is ever opened.
    pub(crate) fn new(output: &Output) -> Option<Self> {
        let opens = output.incident.clone().filter(|opens| !opens.is_none())?;
        let runner = Runner {
            state: output.state.clone(),
            incidents: output.incidents.clone(),
            format: output.log_format.unwrap_or_default(),
        };
        Some(Self { opens, told: HashMap::new(), runner, thread: None, dropped: 0 })
    }

    /// Hands over an event for which one may be opened; never waits.
    pub(crate) fn tell(&mut self, event: &Event) {
        let Some(episode) = episode(event).filter(|episode| self.opens.opens(episode.trigger)) else {
            return;
        };
        let now = wait::now();
        let key = (episode.fingerprint, event.kind.name());
        if self.told.get(&key).is_some_and(|&last| now.saturating_duration_since(last) < AGAIN) {
            return;
        }
        if self.told.len() >= MOST_KNOWN {
            self.told = HashMap::new();
        }
        self.told.insert(key, now);
        let Ok(line) = serde_json::to_vec(event) else { return };
        if self.thread.is_none() {
            self.thread = start(self.runner.clone());
        }
        match self.thread.as_ref().map(|thread| thread.queue.try_send(line)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => self.dropped += 1,
        }
    }

    /// Waits until what was told is written down, for some seconds.
    pub(crate) fn close(&mut self) {
        if let Some(Thread { queue, closing, handle }) = self.thread.take() {
            drop(queue);
            wait::until(CLOSE_WITHIN, |_| handle.is_finished());
            closing.store(true, Ordering::Release);
            let _ = handle.join();
        }
        if self.dropped > 0 {
            self.runner.warn(&format!("{} events came too fast to be written into incidents", self.dropped));
        }
    }
}

fn start(runner: Runner) -> Option<Thread> {
    let (sender, queue) = sync_channel(QUEUE);
    let closing = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&closing);
    let thread = std::thread::Builder::new().name("incidents".to_owned()).stack_size(128 << 10);
    let handle = thread.spawn(move || runner.run(&queue, &told)).ok()?;
    Some(Thread { queue: sender, closing, handle })
}

impl Runner {
    fn run(&self, queue: &Receiver<Vec<u8>>, closing: &AtomicBool) {
        while let Ok(line) = queue.recv() {
            if closing.load(Ordering::Acquire) {
                self.warn("an incident was not written: the end came first");
                continue;
            }
            let mut child = match self.spawn(&line) {
                Ok(child) => child,
                Err(error) => {
                    self.warn(&format!("an incident cannot be written: scupper cannot be started: {error}"));
                    continue;
                }
            };
            let ended = wait::until(TIME, |_| {
                !matches!(child.try_wait(), Ok(None)) || closing.load(Ordering::Acquire)
            });
            if !ended || matches!(child.try_wait(), Ok(None)) {
                let _ = child.kill();
                self.warn("an incident was not written in time");
            }
        }
    }

    /// It says itself what goes wrong, on the same stderr.
    fn spawn(&self, line: &[u8]) -> io::Result<Foreign> {
        let mut file = File::from(memfd_create("event", MemfdFlags::CLOEXEC)?);
        file.write_all(line)?;
        file.rewind()?;
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("scupper").args(["incident", "record", "--wait"]);
        command.args(["--log-format", if self.format == LogFormat::Json { "json" } else { "text" }]);
        for (flag, path) in [("--state", &self.state), ("--incidents", &self.incidents)] {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        command.stdin(Stdio::from(file)).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.env_remove("NOTIFY_SOCKET").process_group(0);
        foreign::spawn(&mut command)
    }

    fn warn(&self, message: &str) {
        Printer::new().log(&remark(self.format, "incident_trouble", message));
    }
}
