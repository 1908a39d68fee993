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

    /// Whether a process is among them. As long as nobody was gathered, everybody is.
    pub fn contains(&self, pid: Pid) -> bool {
        self.0.is_empty() || pid == Pid::INIT || self.0.contains(&pid)
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Child, Command};

    use scupper_model::StartTime;

    use super::*;

    fn sleeper(proc: &Proc) -> (Child, Identity) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::new(child.id().try_into().unwrap()).unwrap();
        (child, proc.identify(pid).unwrap().unwrap())
    }

    fn send(proc: &Proc, target: &Identity, signal: i32) -> Option<EventKind> {
        deliver(proc, &Untouchable::gather(proc), target, "x", signal, SignalReason::Stop)
    }

    /// Safety 2: the pid of a process that is gone may be somebody else's by now.
    #[test]
    fn a_reused_pid_is_never_signalled() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let (mut child, identity) = sleeper(&proc);
        let earlier = Identity { start_time: StartTime(identity.start_time.0 - 1), ..identity };
        let other_boot = "0b8f2c9e-5d0d-4d8e-9f43-3f7c5b7f8a11".parse().unwrap();
        for reused in [earlier, Identity { boot_id: other_boot, ..identity }] {
            for signal in [15, 9] {
                assert_eq!(send(&proc, &reused, signal), None);
            }
        }
        assert!(child.try_wait().unwrap().is_none());
        // The very process gets it, and once it is waited for nobody does.
        let sent = send(&proc, &identity, 10).unwrap();
        assert_eq!(
            sent,
            EventKind::SignalSent {
                target: identity,
                name: "x".into(),
                signal: 10,
                reason: SignalReason::Stop
            }
        );
        assert_eq!(child.wait().unwrap().signal(), Some(10));
        assert_eq!(send(&proc, &identity, 10), None);
    }

    /// Safety 5: neither scupper itself nor anybody above it, whoever asks, and nobody before it is known who that is.
    #[test]
    fn self_and_ancestors_are_never_signalled() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let who_is =
            |pid: rustix::process::Pid| proc.identify(Pid::new(pid.as_raw_pid()).unwrap()).unwrap().unwrap();
        let own = who_is(rustix::process::getpid());
        let parent = who_is(rustix::process::getppid().unwrap());
        let init = proc.identify(Pid::INIT).unwrap().unwrap();
        for above in [own, parent, init] {
            let refused = send(&proc, &above, 15);
            assert!(matches!(refused, Some(EventKind::SignalFailed { .. })), "{refused:?}");
        }
        let (mut child, identity) = sleeper(&proc);
        let refused = deliver(&proc, &Untouchable::default(), &identity, "x", 9, SignalReason::Stop);
        assert!(matches!(refused, Some(EventKind::SignalFailed { .. })), "{refused:?}");
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let (mut child, identity) = sleeper(&proc);
        for signal in [0, -1, 99] {
            let refused = send(&proc, &identity, signal);
            assert!(matches!(refused, Some(EventKind::SignalFailed { .. })), "{refused:?}");
        }
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
