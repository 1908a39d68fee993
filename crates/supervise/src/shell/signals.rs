//! Signals as readable events, with who sent them. A signal that was ignored when scupper started (`nohup`) stays
//! ignored, so that the command inherits that.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Sent};

/// Signals that are passed on to the command.
const FORWARDED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// One signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which.
    pub signal: i32,
    /// Who sent it with `kill(2)`; `None` where the kernel did (a terminal, a child's end).
    pub sender: Option<i32>,
}

/// The signals of this process.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
}

impl Signals {
    /// Takes over the signals, except those in the mask of ignored ones (bit n-1 for signal n).
    pub fn take_over(ignored: u64) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let wanted =
            FORWARDED.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0).chain([SIGCHLD]);
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, WithOrigin::default(), wanted)? })
    }

    /// What has arrived since the last call. Never blocks.
    pub fn pending(&mut self) -> Vec<Arrived> {
        self.delivery
            .pending()
            .map(|origin| {
                let sent = matches!(origin.cause, Cause::Sent(Sent::User | Sent::TKill | Sent::Queue));
                Arrived { signal: origin.signal, sender: origin.process.filter(|_| sent).map(|p| p.pid) }
            })
            .collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Whether a signal is one that ends a program that does not handle it, sent to say so.
pub const fn asks_to_end(signal: i32) -> bool {
    matches!(signal, SIGTERM | SIGINT | SIGQUIT)
}

/// What a signal is called: `SIGTERM`.
pub fn name_of(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// The end of a child, or a signal that is passed on?
pub const fn is_child(signal: i32) -> bool {
    signal == SIGCHLD
}

/// A terminal's hang-up, or a request to read the configuration again.
pub const fn is_hang_up(signal: i32) -> bool {
    signal == SIGHUP
}
