//! What a process holds at one look, by signature: all there is of one that nobody watched. It says nothing of growth.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use scupper_model::{Identity, MemoryKind, ResourceKind};
use scupper_probe::Proc;
use scupper_probe::holdings::{self, Bounds, Holdings};
use scupper_supervise::shell::clock::Clock;
use serde::Serialize;

use crate::failure::Failure;

/// Descriptors that are looked at one by one.
const MOST_DESCRIPTORS: u64 = 65_536;
/// Bytes of `smaps` that are read.
const MOST_TEXT: usize = 32 << 20;
/// The look is broken off after this time, and says what it has not read. Where it hangs in the kernel, it is given up.
const LONGEST: Duration = Duration::from_secs(5);
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Signatures that are listed: most of the same first.
const LISTED: usize = 100;

/// What a process holds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Holds {
    #[serde(rename = "holds")]
    pub things: Vec<Holding>,
    /// Signatures beyond those.
    #[serde(rename = "holds_more")]
    pub more: usize,
    /// Its memory by kind. What is unknown is not there.
    #[serde(rename = "holds_memory")]
    pub memory: Vec<Memory>,
    /// What could not be read, and why.
    #[serde(rename = "holds_unread")]
    pub unread: Vec<String>,
}

/// So many things with one signature.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Holding {
    pub kind: ResourceKind,
    pub what: String,
    pub count: u64,
    pub bytes: Option<u64>,
}

/// Memory of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    pub kind: MemoryKind,
    pub bytes: u64,
}

/// One look.
pub(super) fn now(proc_: &Proc, who: &Identity) -> Result<Holds, Failure> {
    let (answers, answered) = mpsc::sync_channel(1);
    let (path, target) = (proc_.path().to_owned(), *who);
    let look = move || {
        let clock = Clock::start();
        let goes_on = || clock.now() < LONGEST;
        let bounds = Bounds { descriptors: MOST_DESCRIPTORS, memory_text: MOST_TEXT, goes_on: &goes_on };
        let found = Proc::open(&path).and_then(|proc_| holdings::read(&proc_, &target, bounds));
        let _ = answers.send(found);
    };
    thread::Builder::new()
        .name("scupper-closer".into())
        .spawn(look)
        .context("cannot start a thread to look on")?;
    let found = match answered.recv_timeout(GIVEN_UP) {
        Ok(found) => found,
        Err(error) => {
            let pid = who.pid;
            let failure = Failure::usage(format!("cannot see what pid {pid} holds: {}", given_up(error)));
            return Err(failure.hint(format!("`/proc/{pid}/status` says what it does")));
        }
    };
    match found? {
        Some(found) => Ok(Holds::of(found)),
        None => Err(Failure::usage(format!("pid {} ended while it was looked at", who.pid))),
    }
}

fn given_up(error: RecvTimeoutError) -> String {
    match error {
        RecvTimeoutError::Timeout => {
            format!("the look took longer than {} s and was given up", GIVEN_UP.as_secs())
        }
        RecvTimeoutError::Disconnected => "the look failed".to_owned(),
    }
}

impl Holds {
    fn of(found: Holdings) -> Self {
        let mut things: Vec<Holding> = found
            .table
            .into_iter()
            .map(|((kind, what), held)| Holding { kind, what, count: held.count, bytes: held.bytes })
            .collect();
        things.sort_by_key(|holding| std::cmp::Reverse(holding.count));
        let more = things.len().saturating_sub(LISTED);
        things.truncate(LISTED);
        let memory = found.memory.into_iter().map(|(kind, bytes)| Memory { kind, bytes }).collect();
        let unread = found.unread.into_iter().map(|(part, why)| format!("{}: {why}", part.name())).collect();
        Self { things, more, memory, unread }
    }
}
