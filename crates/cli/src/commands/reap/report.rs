//! `reap --json`: one object with everything that was planned, done and left.

use scupper_model::{Bytes, Identity, Pid, SignalReason};
use scupper_orphan::{Certainty, Class, Evidence, Plan};
use serde::Serialize;

use super::done::Done;
use super::view::One;
use super::{Mode, Planned};

#[derive(Serialize)]
pub(super) struct Report<'r> {
    schema: &'static str,
    /// `dry_run`, `person` or `timer`.
    mode: &'static str,
    /// In the order in which they are signalled.
    planned: Vec<Entry<'r>>,
    signalled: Vec<Signalled>,
    ended: Vec<Ended<'r>>,
    freed_bytes: Bytes,
    skipped: Vec<Reasoned<'r>>,
    /// Signalled and still there.
    left: Vec<Reasoned<'r>>,
    refused: Vec<Refusal<'r>>,
    not_touched: Vec<Reasoned<'r>>,
    /// Why nothing was done by itself; `null` where something was.
    brake: Option<&'r str>,
    interrupted: bool,
    trouble: &'r [String],
}

#[derive(Serialize)]
struct Entry<'r> {
    #[serde(flatten)]
    identity: Identity,
    name: &'r str,
    command: &'r str,
    group: &'r str,
    class: Class,
    unit: Option<&'r str>,
    root: Pid,
    uid: Option<u32>,
    rss_bytes: Option<Bytes>,
    age_seconds: f64,
    /// `null` for one that is held idle.
    certainty: Option<Certainty>,
    /// Whether it is ended without a question.
    decided: bool,
    evidence: &'r [Evidence],
    because: String,
}

#[derive(Serialize)]
struct Signalled {
    pid: Pid,
    signal: i32,
    reason: SignalReason,
}

#[derive(Serialize)]
struct Ended<'r> {
    #[serde(flatten)]
    identity: Identity,
    name: &'r str,
    forced: bool,
}

#[derive(Serialize)]
struct Reasoned<'r> {
    #[serde(flatten)]
    identity: Identity,
    name: &'r str,
    because: &'r str,
}

#[derive(Serialize)]
struct Refusal<'r> {
    target: &'r str,
    because: &'r str,
}

pub(super) fn report<'r>(mode: Mode, planned: &'r Planned, done: &'r Done) -> Report<'r> {
    let Plan { targets, to_ask, .. } = &planned.plan;
    let decided = targets.iter().map(|target| entry(One::from(target), true));
    Report {
        schema: "scupper.reap/1",
        mode: match mode {
            Mode::DryRun => "dry_run",
            Mode::Person => "person",
            Mode::Timer => "timer",
        },
        planned: decided.chain(to_ask.iter().map(|left| entry(One::from(left), false))).collect(),
        signalled: done
            .acted
            .signalled
            .iter()
            .map(|(identity, signal, reason)| Signalled {
                pid: identity.pid,
                signal: *signal,
                reason: *reason,
            })
            .collect(),
        ended: done
            .ended()
            .map(|(identity, name, forced)| Ended { identity: *identity, name, forced })
            .collect(),
        freed_bytes: done.freed,
        skipped: done
            .skipped
            .iter()
            .map(|one| Reasoned { identity: one.identity, name: &one.name, because: &one.because })
            .collect(),
        left: done
            .left()
            .map(|(identity, name, because)| Reasoned { identity: *identity, name, because })
            .collect(),
        refused: planned
            .refused
            .iter()
            .map(|refused| Refusal { target: &refused.target, because: &refused.because })
            .collect(),
        not_touched: planned
            .looked
            .findings
            .not_touched
            .iter()
            .map(|spared| Reasoned {
                identity: spared.process.identity,
                name: &spared.process.name,
                because: &spared.because,
            })
            .collect(),
        brake: done.brake.as_deref(),
        interrupted: done.acted.interrupted,
        trouble: &planned.looked.known.trouble,
    }
}

fn entry(one: One<'_>, decided: bool) -> Entry<'_> {
    Entry {
        identity: one.identity(),
        name: &one.process.name,
        command: &one.process.command,
        group: one.group,
        class: one.process.class,
        unit: one.unit,
        root: one.root,
        uid: one.process.uid,
        rss_bytes: one.process.rss,
        age_seconds: one.process.age.as_secs_f64(),
        certainty: one.certainty,
        decided,
        evidence: one.evidence,
        because: one.because(),
    }
}
