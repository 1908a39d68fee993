//! Turns of a coordinator until it is to end: the whole life of one thread.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::turn::Coordinator;

/// Tells a coordinator's thread to end, and wakes it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Nobody has said so yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// It is to end.
    pub fn stop(&self) {
        let (stopped, changed) = &*self.0;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is to end.
    pub fn wait_until_stopped(&self) {
        let (stopped, changed) = &*self.0;
        let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(stopped, |stopped| !*stopped));
    }

    /// Waits so long, or until it is to end: then `true`.
    pub fn wait(&self, time: Duration) -> bool {
        let (stopped, changed) = &*self.0;
        let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// However early the next turn could be, the thread rests a little in between.
const LEAST_WAIT: Duration = Duration::from_millis(1);

impl Coordinator {
    /// Takes turns until it is told to stop, then gives its lease back.
    pub fn run(mut self, stop: &Stop) {
        loop {
            let wait = self.turn(&|| stop.is_stopped());
            if stop.wait(wait.max(LEAST_WAIT)) {
                break;
            }
        }
        self.resign("it was asked to end");
    }
}
