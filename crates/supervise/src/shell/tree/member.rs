//! One member: who it is, which program it executes, what was last seen of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Identity, Pid, ProcessSample, printable, redact_command};
use scupper_probe::cgroup::OomCounter;
use scupper_probe::{Image, Proc, Process};

use crate::unit::{History, Role};

/// So long after it was first seen, what was forked has executed its own program.
pub(super) const EXECUTED: Duration = Duration::from_millis(300);
/// Whose command line is empty so long is not within `exec` any more: it has none.
const NAMELESS: Duration = Duration::from_secs(3);

/// One member.
#[derive(Debug)]
pub struct Member {
    pub(super) process: Option<Process>,
    /// Who it is.
    pub identity: Identity,
    /// Its parent at the last look.
    pub parent: Option<Pid>,
    /// The kernel's name for it.
    pub name: Vec<u8>,
    /// Its command line; empty until it could be read.
    pub command: Vec<Vec<u8>>,
    /// Its name and its program's base name, printable.
    pub shown: (Arc<str>, Arc<str>),
    /// What it is.
    pub role: Role,
    /// For a worker: the how many-th of its master's.
    pub generation: u64,
    /// Whether it ended and waits for its parent.
    pub zombie: bool,
    /// Since when it is known to be one.
    pub zombie_since: Option<Duration>,
    /// Tells how it ended, for a process that is not our child. Kept for the first [`MOST_PIDFDS`] members.
    pub pidfd: Option<OwnedFd>,
    /// The OOM counter of its own cgroup, as it was when the process was last looked at whole.
    pub oom: Option<OomCounter>,
    /// Whether it must be left alone, once that was judged.
    pub spared: bool,
    /// Its memory over time.
    pub history: History,
    /// The last whole look at it.
    pub sample: Option<ProcessSample>,
    pub(super) start: Duration,
    /// How many programs it was seen to execute.
    pub(super) programs: u32,
    /// How many times it became another program, also where nothing but its name told so.
    pub(super) changes: u32,
    /// When the last of them was noticed.
    pub(super) executed_at: Duration,
    /// Where what it executes lies, and how many pages of code that has.
    pub(super) image: Option<Image>,
    pub(super) code: Option<u64>,
    /// Whether its command line was read when it must have been its own.
    pub(super) settled: bool,
}

impl Member {
    /// A process that ended before it was looked at.
    pub fn unseen(identity: Identity, name: Vec<u8>, command: Vec<Vec<u8>>) -> Self {
        Self {
            process: None,
            identity,
            parent: None,
            shown: shown(&name, &command),
            name,
            command,
            role: Role::Main,
            generation: 0,
            zombie: true,
            zombie_since: None,
            pidfd: None,
            oom: None,
            spared: false,
            history: History::default(),
            sample: None,
            start: Duration::ZERO,
            programs: 0,
            changes: 0,
            executed_at: Duration::ZERO,
            image: None,
            code: None,
            settled: true,
        }
    }

    /// When it was first seen.
    pub const fn first_seen(&self) -> Duration {
        self.start
    }

    /// How many programs it was seen to execute. What was found out of an earlier one says nothing of this one.
    pub const fn programs(&self) -> u32 {
        self.programs
    }

    /// Whether it has had the time to become what it was forked for, and is not within `exec` any more.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Its age when it became the program that it is, as far as that was seen.
    pub(super) fn became_at(&self, now: Duration, age: Duration) -> Duration {
        if self.programs == 0 {
            Duration::ZERO
        } else {
            age.saturating_sub(now.saturating_sub(self.executed_at))
        }
    }

    /// Takes over what its `stat` says of its program, and reads its command line where that may be another one now.
    /// `executed` says that it is another program, however that is known. Whether anything of it changed.
    pub(super) fn learn(
        &mut self,
        proc: &Proc,
        name: Vec<u8>,
        image: Option<Image>,
        executed: bool,
        now: Duration,
    ) -> bool {
        let elsewhere = self.image.zip(image).is_some_and(|(before, now)| before != now);
        let in_place = self.image.is_some() && self.image == image;
        self.image = image.or(self.image);
        let executed = executed || elsewhere;
        let same = !executed && in_place;
        if executed {
            self.programs += 1;
            self.executed_at = now;
            self.settled = false;
        }
        // Between fork and exec a process has its parent's command line, and within exec none: what was read then is
        // read again. One that ends has none either, and keeps what is known of it.
        let lasted = now.saturating_sub(self.start.max(self.executed_at));
        let due = lasted >= EXECUTED;
        let renamed = self.name != name;
        let unsure = self.command.is_empty() || executed || (!self.settled && due);
        let mut another = renamed || executed;
        if (renamed || unsure) && !self.zombie {
            let command = proc.command_line(self.identity.pid).ok().flatten().unwrap_or_default();
            if renamed || executed || !command.is_empty() {
                another |= command != self.command;
                self.command = command;
            }
        }
        self.settled |= due && (!self.command.is_empty() || self.zombie || lasted >= NAMELESS);
        self.name = name;
        if another {
            self.shown = shown(&self.name, &self.command);
        }
        if another && !same {
            // Another program: what the launcher or the parent weighed says nothing about it. But who only calls itself
            // otherwise, as servers do that show what they are at, would never be seen to grow.
            self.history = History::default();
            self.changes += u32::from(renamed || executed);
        }
        another
    }

    /// Its command line, redacted.
    pub fn shown_command(&self) -> String {
        redact_command(self.command.iter().map(Vec::as_slice))
    }

    /// Its name, printable.
    pub fn shown_name(&self) -> String {
        self.shown.0.to_string()
    }
}

pub(super) fn shown(name: &[u8], command: &[Vec<u8>]) -> (Arc<str>, Arc<str>) {
    let program = command.first().map(Vec::as_slice).unwrap_or_default();
    let start = program.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    (printable(name, 32).into(), printable(program.get(start..).unwrap_or_default(), 64).into())
}
