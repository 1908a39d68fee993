//! The one way a signal is sent: by pidfd, after the identity was checked once more, never to ourselves or to those
//! above us, and never without an event that says why.

use rustix::process::Signal;
use scupper_model::{EventKind, Identity, Pid, SignalReason};
use scupper_probe::{Proc, pidfd};

/// Processes that are never signalled: scupper's own, and all their ancestors.
#[derive(Clone, Debug, Default)]
pub struct Untouchable(Vec<Pid>);

impl Untouchable {
    /// This process and its ancestors, as they are now.
    pub fn gather(proc: &Proc) -> Self {
        let mut found = Vec::new();
        let mut next = Pid::new(rustix::process::getpid().as_raw_pid());
        while let Some(pid) = next {
            if found.contains(&pid) || found.len() > 1024 {
                break;
            }
            found.push(pid);
            next = proc.stat(pid).ok().flatten().and_then(|stat| stat.parent);
        }
        Self(found)
    }

    /// Whether a process is among them.
    pub fn contains(&self, pid: Pid) -> bool {
        pid == Pid::INIT || self.0.contains(&pid)
    }
}

/// Sends a signal to exactly that process. The event that says so, or why not; `None` where it is gone already.
pub fn deliver(
    proc: &Proc,
    untouchable: &Untouchable,
    target: &Identity,
    name: &str,
    signal: i32,
    reason: SignalReason,
) -> Option<EventKind> {
    let failed = |message: String| Some(EventKind::SignalFailed { target: *target, signal, reason, message });
    if untouchable.contains(target.pid) {
        return failed("it is scupper itself or one of its ancestors".to_owned());
    }
    let Some(number) = Signal::from_named_raw(signal) else {
        return failed(format!("there is no signal {signal}"));
    };
    match pidfd::open(proc, target) {
        Ok(None) => None,
        Err(error) => failed(crate::chain(&error)),
        Ok(Some(fd)) => match rustix::process::pidfd_send_signal(&fd, number) {
            Ok(()) => Some(EventKind::SignalSent { target: *target, name: name.to_owned(), signal, reason }),
            Err(rustix::io::Errno::SRCH) => None,
            Err(error) => failed(error.to_string()),
        },
    }
}
