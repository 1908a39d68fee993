//! `reap --json`: one object with everything that was planned, done and left.

use std::collections::HashMap;

use scupper_model::{Bytes, Identity, Pid, SignalReason};
use scupper_orphan::{Certainty, Class, Evidence};
use serde::Serialize;

use super::choose::Candidate;
use super::{Choice, Done, Looked, Mode};

#[derive(Serialize)]
pub(super) struct Report<'r> {
    schema: &'static str,
    /// `dry_run`, `person` or `timer`.
    mode: &'static str,
    /// In the order in which they are signalled.
    planned: Vec<Planned<'r>>,
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
struct Planned<'r> {
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
    named: bool,
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
    /// `null` for one that was forked while the others were ended.
    name: Option<&'r str>,
    forced: bool,
}

#[derive(Serialize)]
struct Reasoned<'r> {
    #[serde(flatten)]
    identity: Identity,
    name: Option<&'r str>,
    because: &'r str,
}

#[derive(Serialize)]
struct Refusal<'r> {
    target: &'r str,
    because: &'r str,
}

pub(super) fn report<'r>(
    mode: Mode,
    looked: &'r Looked,
    choice: &'r Choice<'_>,
    done: &'r Done<'_>,
) -> Report<'r> {
    let all = || choice.trees.iter().flat_map(|tree| &tree.members);
    let names: HashMap<Identity, &str> =
        all().map(|candidate| (candidate.identity(), candidate.shown().name.as_str())).collect();
    let name = |identity: &Identity| names.get(identity).copied();
    Report {
        schema: "scupper.reap/1",
        mode: match mode {
            Mode::DryRun => "dry_run",
            Mode::Person => "person",
            Mode::Timer => "timer",
        },
        planned: all().map(planned).collect(),
        signalled: done
            .outcome
            .signalled
            .iter()
            .map(|(identity, signal, reason)| Signalled {
                pid: identity.pid,
                signal: *signal,
                reason: *reason,
            })
            .collect(),
        ended: done
            .outcome
            .ended
            .iter()
            .map(|(identity, forced)| Ended { identity: *identity, name: name(identity), forced: *forced })
            .collect(),
        freed_bytes: done.freed,
        skipped: done
            .skipped
            .iter()
            .map(|skipped| {
                let identity = skipped.candidate.identity();
                Reasoned { identity, name: name(&identity), because: &skipped.because }
            })
            .collect(),
        left: done
            .outcome
            .left
            .iter()
            .map(|(identity, because)| Reasoned { identity: *identity, name: name(identity), because })
            .collect(),
        refused: choice
            .refused
            .iter()
            .map(|refused| Refusal { target: &refused.target, because: &refused.because })
            .collect(),
        not_touched: looked
            .findings
            .not_touched
            .iter()
            .map(|spared| Reasoned {
                identity: spared.process.identity,
                name: Some(&spared.process.name),
                because: &spared.because,
            })
            .collect(),
        brake: done.brake.as_deref(),
        interrupted: done.outcome.interrupted,
        trouble: &looked.known.trouble,
    }
}

fn planned<'r>(candidate: &'r Candidate<'_>) -> Planned<'r> {
    let shown = candidate.shown();
    Planned {
        identity: shown.identity,
        name: &shown.name,
        command: &shown.command,
        group: candidate.group(),
        class: shown.class,
        unit: candidate.unit(),
        root: candidate.root(),
        uid: shown.uid,
        rss_bytes: shown.rss,
        age_seconds: shown.age.as_secs_f64(),
        certainty: candidate.certainty(),
        named: candidate.named,
        decided: candidate.is_decided(),
        evidence: candidate.evidence(),
        because: candidate.because(),
    }
}
