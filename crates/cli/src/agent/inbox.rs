//! What the agent's thread has to say to the engine: a list, and a descriptor that is readable while there is something in
//! it. Neither waits for the other.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use scupper_fleet::StoreError;
use scupper_fleet::agent::{News, Told};

/// One thing that was told, with what the registry's client said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub news: News,
    pub error: Option<String>,
    /// The error is a refusal: it is there, and does not let this one in.
    pub refused: bool,
}

/// The list.
#[derive(Debug)]
pub(crate) struct Inbox {
    letters: Mutex<VecDeque<Letter>>,
    arrived: Condvar,
    bell: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { letters: Mutex::default(), arrived: Condvar::new(), bell })
    }

    /// From the agent's thread.
    pub(crate) fn put(&self, told: &Told<'_>) {
        let error = told.error.map(|error| chain(error));
        let refused = matches!(told.error, Some(StoreError::Refused { .. }));
        self.push(Letter { news: told.news.clone(), error, refused });
    }

    pub(crate) fn push(&self, letter: Letter) {
        self.letters().push_back(letter);
        self.arrived.notify_all();
        // It can only be full, and then it rings.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// What is told first, which stays in the list; waited for at most so long.
    pub(crate) fn first(&self, within: Duration) -> Option<Letter> {
        let waited = self.arrived.wait_timeout_while(self.letters(), within, |letters| letters.is_empty());
        let letters = waited.unwrap_or_else(PoisonError::into_inner).0;
        letters.front().cloned()
    }

    /// Everything that was told since.
    pub(crate) fn take(&self) -> VecDeque<Letter> {
        let _ = rustix::io::read(&self.bell, &mut [0_u8; 8]);
        std::mem::take(&mut self.letters())
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn letters(&self) -> MutexGuard<'_, VecDeque<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        next = cause.source();
    }
    said
}
