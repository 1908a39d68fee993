//! Children of this process that are no part of a unit: hooks. Exactly one place reaps them, and it is not the loop.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use scupper_model::Pid;

static REGISTERED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A child that waits for itself: the loop leaves its exit status alone.
#[derive(Debug)]
pub struct Foreign {
    child: Child,
}

/// Starts a command that is no part of a unit.
pub fn spawn(command: &mut Command) -> io::Result<Foreign> {
    // Held until the pid is registered, so that the loop never sees it unregistered.
    let mut registered = lock();
    let child = command.spawn()?;
    registered.extend(pid_of(&child));
    Ok(Foreign { child })
}

impl Foreign {
    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has ended, and how.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it and takes its status.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let pid = pid_of(&self.child);
        lock().retain(|registered| Some(*registered) != pid);
    }
}

/// Those that are registered now. While the answer is held nobody else is started.
pub(super) fn lock() -> MutexGuard<'static, Vec<Pid>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::new)
}
