//! What the loop waits for: descriptors with a token each, and a time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A signal arrived.
    Signals,
    /// The guardian is gone.
    Guardian,
    /// The process that started scupper is gone.
    Parent,
    /// The guardian passed a signal on.
    Relay,
    /// Nobody holds the other end of our stdin any more.
    Stdin,
    /// The process that held the other end of our stdin is gone.
    Client,
    /// The leader of our session is gone.
    Session,
    /// A unit's lease has orders.
    Lease(u32),
    /// A unit's main process ended.
    Main(u32),
    /// Somebody talks to a unit's control socket.
    Control(u32),
    /// A unit's command said something over `NOTIFY_SOCKET`.
    Notify(u32),
}

impl Token {
    fn encode(self) -> u64 {
        let (kind, unit) = match self {
            Self::Signals => (0_u64, 0),
            Self::Guardian => (1, 0),
            Self::Parent => (2, 0),
            Self::Relay => (3, 0),
            Self::Main(unit) => (4, unit),
            Self::Control(unit) => (5, unit),
            Self::Notify(unit) => (6, unit),
            Self::Stdin => (7, 0),
            Self::Client => (8, 0),
            Self::Session => (9, 0),
            Self::Lease(unit) => (10, unit),
        };
        kind << 32 | u64::from(unit)
    }

    fn decode(raw: u64) -> Option<Self> {
        let unit = u32::try_from(raw & 0xffff_ffff).ok()?;
        Some(match raw >> 32 {
            0 => Self::Signals,
            1 => Self::Guardian,
            2 => Self::Parent,
            3 => Self::Relay,
            4 => Self::Main(unit),
            5 => Self::Control(unit),
            6 => Self::Notify(unit),
            7 => Self::Stdin,
            8 => Self::Client,
            9 => Self::Session,
            10 => Self::Lease(unit),
            _ => return None,
        })
    }
}

/// A set of descriptors to wait for (epoll, level-triggered).
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Waits for `source` to be readable from now on. It leaves the set when it is closed.
    pub fn add(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        self.add_for(source, token, epoll::EventFlags::IN)
    }

    /// Waits for the other end of a pipe or socket to be closed, whether there is something to read or not. Somebody
    /// else has it open as well: it stays in the set until it is removed.
    pub fn add_hang_up(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        self.add_for(source, token, epoll::EventFlags::RDHUP)
    }

    fn add_for(&self, source: impl AsFd, token: Token, what: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, epoll::EventData::new_u64(token.encode()), what)?)
    }

    /// Stops to wait for it.
    pub fn remove(&self, source: impl AsFd) {
        let _ = epoll::delete(&self.epoll, source);
    }

    /// What is ready within `timeout`; nothing when the time is over or a signal came between.
    pub fn wait(&self, timeout: Duration) -> io::Result<Vec<Token>> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut events = Vec::with_capacity(32);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(events.into_iter().filter_map(|event| Token::decode(event.data.u64())).collect())
    }
}
