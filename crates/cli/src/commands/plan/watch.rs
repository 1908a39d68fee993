//! `--watch`: a pass for whatever changes, once it has been quiet for a moment.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::pass::{Options, pass};
use super::said::Outcome;
use super::vault::{self, Vault};
use crate::failure::Failure;
use crate::output::Printer;

/// So long nothing may have changed before a note counts as written.
const QUIET: Duration = Duration::from_millis(250);
/// A folder that never comes to rest is looked at all the same.
const LONGEST: Duration = Duration::from_secs(5);
/// Without any change: new evidence, and what inotify did not tell (a shared folder of another machine).
const ONCE_IN: Duration = Duration::from_mins(1);
/// Until a pass that failed is made again.
const AGAIN: Duration = Duration::from_secs(5);

/// Goes on until TERM or ^C.
pub(super) fn watch(
    vault: &Vault,
    options: &Options,
    json: bool,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let stop = Stop::new()?;
    if let Err(error) = vault.prepare() {
        return Err(Failure::from(error));
    }
    let changes = Changes::of(vault)?;
    let mut last_trouble = String::new();
    let mut failed = HashSet::new();
    loop {
        let wait = match pass(vault, options, printer) {
            Ok(mut outcome) => {
                last_trouble.clear();
                outcome.without_said(&mut failed);
                tell(&outcome, json, printer)?;
                ONCE_IN
            }
            // Said once, tried again: the disk may be full for a while.
            Err(error) => {
                let trouble = format!("error: {error:#}");
                if trouble != last_trouble {
                    printer.note(&trouble);
                    last_trouble = trouble;
                }
                AGAIN
            }
        };
        if changes.settled(&stop, wait)? {
            return Ok(0);
        }
    }
}

fn tell(outcome: &Outcome, json: bool, printer: &mut Printer) -> Result<(), Failure> {
    if outcome.is_quiet() { Ok(()) } else { outcome.say(json, true, printer) }
}

/// TERM and INT, as a descriptor.
struct Stop(std::os::unix::net::UnixStream);

impl Stop {
    fn new() -> Result<Self> {
        let (reader, writer) =
            std::os::unix::net::UnixStream::pair().context("cannot make a pair of sockets")?;
        for signal in [SIGTERM, SIGINT] {
            pipe::register(signal, writer.try_clone()?).context("cannot wait for signals")?;
        }
        Ok(Self(reader))
    }
}

/// What the kernel tells of the folders.
struct Changes(rustix::fd::OwnedFd);

impl Changes {
    fn of(vault: &Vault) -> Result<Self> {
        let told =
            inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).context("cannot watch folders")?;
        let what = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::ONLYDIR;
        for folder in [&vault.inbox, &vault.plans] {
            inotify::add_watch(&told, folder, what)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(Self(told))
    }

    /// Waits for a change and for quiet after it, or until `longest` is over. `true` where it is time to end.
    fn settled(&self, stop: &Stop, longest: Duration) -> Result<bool> {
        let mut left = longest;
        let mut until_forced: Option<Duration> = None;
        loop {
            let mut ready = [PollFd::new(&stop.0, PollFlags::IN), PollFd::new(&self.0, PollFlags::IN)];
            let waited = left;
            match poll(&mut ready, Some(&timespec(waited))) {
                Ok(0) => return Ok(false),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for changes"),
            }
            let [stopped, changed] = &ready;
            if !stopped.revents().is_empty() {
                return Ok(true);
            }
            if changed.revents().is_empty() || !self.is_of_notes() {
                continue;
            }
            // Each change begins the quiet anew, but not without end.
            let forced = until_forced.get_or_insert(LONGEST);
            if forced.is_zero() {
                return Ok(false);
            }
            *forced = forced.saturating_sub(QUIET / 2);
            left = QUIET;
        }
    }

    /// Reads what is told; whether any of it is of a note or a plan, and not of somebody's draft.
    fn is_of_notes(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.0.as_fd(), &mut buffer);
        let mut any = false;
        while let Ok(event) = reader.next() {
            any |= match event.file_name() {
                Some(name) => vault::is_note(&name.to_string_lossy()),
                // The queue ran over, or a folder is gone: look at all of it.
                None => true,
            };
        }
        any
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
