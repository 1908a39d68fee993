//! The `--on-event` hook: somebody's command, run for each event that somebody must see.
//!
//! It must never hold up the engine, so it has a thread of its own, started with the first event, and everything about
//! it is bounded: events that wait, hooks at once, hooks a minute, and the time each may take. What is dropped is
//! counted and said. The event is given as an anonymous file, so that a hook that never reads its stdin blocks nobody.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use scupper_model::Event;
use scupper_supervise::shell::foreign::{self, Foreign};

use crate::config::LogFormat;
use crate::output::{Printer, remark};
use crate::wait;

/// Events that may wait for their hook.
const QUEUE: usize = 64;
/// Hooks that may run at once.
const AT_ONCE: usize = 2;
/// Hooks that may be started in a minute.
const A_MINUTE: usize = 60;
/// How long one may take before TERM.
const TIME: Duration = Duration::from_secs(10);
/// How long it may take from TERM to KILL.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at hooks that run.
const LOOK: Duration = Duration::from_millis(100);

/// The hook, as the sink sees it.
#[derive(Debug)]
pub(crate) struct Hook {
    command: String,
    thread: Option<Thread>,
    dropped: u64,
}

#[derive(Debug)]
struct Thread {
    queue: SyncSender<Vec<u8>>,
    /// When the end was asked for.
    closing: Arc<OnceLock<Instant>>,
    handle: JoinHandle<()>,
}

impl Hook {
    /// For this shell command. Nothing is started yet.
    pub(crate) fn new(command: String) -> Self {
        Self { command, thread: None, dropped: 0 }
    }

    /// Hands over an event; never waits.
    pub(crate) fn tell(&mut self, event: &Event) {
        let Ok(mut json) = serde_json::to_vec(event) else { return };
        json.push(b'\n');
        if self.thread.is_none() {
            self.thread = start(self.command.clone());
        }
        let sent = self.thread.as_ref().map(|thread| thread.queue.try_send(json));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {
                self.dropped += 1;
                if self.dropped == 1 {
                    warn("the --on-event hook cannot keep up or cannot be started: events are dropped");
                }
            }
        }
    }

    /// Waits until the hooks have ended, for the time that one may take: what runs then is ended, what waits dropped.
    pub(crate) fn close(&mut self) {
        if let Some(Thread { queue, closing, handle }) = self.thread.take() {
            let _ = closing.set(wait::now());
            drop(queue);
            let _ = handle.join();
        }
        if self.dropped > 0 {
            warn(&format!("the --on-event hook was not told of {} events", self.dropped));
        }
    }
}

fn warn(message: &str) {
    Printer::new().log(&remark(LogFormat::Text, "hook_trouble", message));
}

fn start(command: String) -> Option<Thread> {
    let (sender, queue) = sync_channel(QUEUE);
    let closing = Arc::new(OnceLock::new());
    let runner = Runner::new(command, Arc::clone(&closing));
    let thread = std::thread::Builder::new().name("on-event".to_owned()).stack_size(128 << 10);
    let handle = thread.spawn(move || runner.run(&queue)).ok()?;
    Some(Thread { queue: sender, closing, handle })
}

/// The thread's own state.
struct Runner {
    command: String,
    closing: Arc<OnceLock<Instant>>,
    running: Vec<Running>,
    /// When the hooks of the last minute were started.
    started: VecDeque<Instant>,
    dropped: u64,
}

struct Running {
    child: Foreign,
    since: Instant,
    terminated: Option<Instant>,
}

impl Runner {
    fn new(command: String, closing: Arc<OnceLock<Instant>>) -> Self {
        Self { command, closing, running: Vec::new(), started: VecDeque::new(), dropped: 0 }
    }

    fn run(mut self, queue: &Receiver<Vec<u8>>) {
        loop {
            self.tend(wait::now());
            if self.running.len() >= AT_ONCE {
                std::thread::park_timeout(LOOK);
                continue;
            }
            let idle = self.running.is_empty();
            let next = if idle { queue.recv().map_err(Into::into) } else { queue.recv_timeout(LOOK) };
            match next {
                Ok(_) if self.is_over(wait::now()) => self.dropped += 1,
                Ok(event) => self.start(&event, wait::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if idle => break,
                Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(LOOK),
            }
        }
        if self.dropped > 0 {
            warn(&format!(
                "{} events had no hook: more than {A_MINUTE} a minute, or too slow at the end",
                self.dropped
            ));
        }
    }

    /// Whether the end was asked for, and the time for it has passed.
    fn is_over(&self, now: Instant) -> bool {
        self.closing.get().is_some_and(|&since| now.saturating_duration_since(since) >= TIME)
    }

    fn start(&mut self, event: &[u8], now: Instant) {
        while self.started.front().is_some_and(|&first| now - first >= Duration::from_mins(1)) {
            self.started.pop_front();
        }
        if self.started.len() >= A_MINUTE {
            self.dropped += 1;
            if self.dropped == 1 {
                warn("too many events: the --on-event hook is run 60 times a minute at most");
            }
            return;
        }
        match spawn(&self.command, event) {
            Ok(child) => {
                self.started.push_back(now);
                self.running.push(Running { child, since: now, terminated: None });
            }
            Err(error) => warn(&format!("the --on-event hook cannot be started: {error}")),
        }
    }

    /// Takes leave of hooks that ended, and ends those whose time is over.
    fn tend(&mut self, now: Instant) {
        let over = self.is_over(now);
        self.running.retain_mut(|hook| match hook.child.try_wait() {
            Ok(None) => {
                match hook.terminated {
                    None if over || now - hook.since >= TIME => {
                        signal(&mut hook.child, Signal::TERM);
                        hook.terminated = Some(now);
                    }
                    Some(since) if now - since >= GRACE => signal(&mut hook.child, Signal::KILL),
                    _ => {}
                }
                true
            }
            Ok(Some(_)) | Err(_) => false,
        });
    }
}

/// Signals a hook and what it started: its own process group. It was not waited for, so the number is still its own.
fn signal(child: &mut Foreign, signal: Signal) {
    if let Some(group) = i32::try_from(child.child().id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

fn spawn(command: &str, event: &[u8]) -> io::Result<Foreign> {
    let mut file = File::from(memfd_create("event", MemfdFlags::CLOEXEC)?);
    file.write_all(event)?;
    file.rewind()?;
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    // What it prints is a remark of ours: the command's stdout stays the command's own.
    shell.stdin(Stdio::from(file)).stdout(Stdio::null()).stderr(Stdio::inherit());
    shell.env_remove("NOTIFY_SOCKET").process_group(0);
    foreign::spawn(&mut shell)
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process_group;
    use scupper_model::{EVENT_SCHEMA, EventKind, RunId, Timestamp};

    use super::*;

    fn event(message: &str) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            id: uuid::Uuid::nil(),
            at: Timestamp(0),
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind: EventKind::Trouble { message: message.to_owned() },
        }
    }

    #[test]
    fn a_hook_gets_the_event_on_its_stdin() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut hook = Hook::new(format!("cat >> {}", out.display()));
        hook.tell(&event("one"));
        hook.tell(&event("two"));
        hook.close();
        let lines = std::fs::read_to_string(out).unwrap();
        let mut messages: Vec<Event> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        messages.sort_by_key(|event| format!("{event:?}"));
        assert_eq!(messages, [event("one"), event("two")]);
    }

    #[test]
    fn a_large_event_for_a_hook_that_does_not_read_holds_up_nobody() {
        let mut hook = Hook::new("exit 3".to_owned());
        hook.tell(&event(&"x".repeat(1 << 20)));
        hook.close();
        assert_eq!(hook.dropped, 0);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (queue, stuck) = sync_channel(QUEUE);
        let handle = std::thread::spawn(|| ());
        let mut hook = Hook::new(String::new());
        hook.thread = Some(Thread { queue, closing: Arc::default(), handle });
        for _ in 0..QUEUE + 3 {
            hook.tell(&event("flood"));
        }
        assert_eq!((hook.dropped, stuck.try_iter().count()), (3, QUEUE));
    }

    #[test]
    fn a_minute_has_sixty_hooks() {
        let mut runner = Runner::new("true".into(), Arc::default());
        let now = wait::now();
        for _ in 0..=A_MINUTE {
            runner.start(b"{}", now);
        }
        assert_eq!((runner.started.len(), runner.dropped), (A_MINUTE, 1));
        runner.start(b"{}", now + Duration::from_mins(1));
        assert_eq!(runner.started.len(), 1);
        assert!(wait::until(Duration::from_secs(10), |_| {
            runner.tend(wait::now());
            runner.running.is_empty()
        }));
    }

    #[test]
    fn one_that_ignores_term_is_ended_with_what_it_started() {
        let mut runner = Runner::new("trap '' TERM; sleep 1000 & wait; wait".into(), Arc::default());
        let now = wait::now();
        runner.start(b"{}", now);
        let group = i32::try_from(runner.running[0].child.child().id()).ok().and_then(Pid::from_raw).unwrap();
        runner.tend(now + TIME);
        assert!(runner.running[0].terminated.is_some());
        assert!(wait::until(Duration::from_secs(10), |_| {
            runner.tend(now + TIME + GRACE);
            runner.running.is_empty()
        }));
        assert!(wait::until(Duration::from_secs(10), |_| test_kill_process_group(group).is_err()));
    }
}
