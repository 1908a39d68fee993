//! A scan as JSON: one object, and in it one flat list of processes for each thing that was found.

use std::collections::BTreeMap;

use scupper_detect::{Reason, Verdict};
use scupper_model::{BootId, Bytes, Pid};
use scupper_orphan::{
    Certainty, Class, DescriptorFinding, DescriptorKind, Evidence, HeldIdle, LeftBehind, NotTouched, Shown,
    Zombie,
};
use scupper_probe::snapshot::{Kinds, Unreadable};
use serde::Serialize;

use super::Scan;
use super::watch::{Course, Growing, What};

/// The whole answer of `scan --json`.
#[derive(Serialize)]
pub(super) struct Report<'s> {
    schema: &'static str,
    summary: Summary,
    left_behind: Vec<Left<'s>>,
    held_idle: Vec<Held<'s>>,
    growing: Vec<Grows<'s>>,
    zombies: Vec<Unwaited<'s>>,
    descriptors: Vec<Descriptors<'s>>,
    not_touched: Vec<Spared<'s>>,
    unreadable: Vec<NotRead<'s>>,
    /// What of scupper's own records could not be read: nothing is certain then.
    trouble: &'s [String],
}

#[derive(Serialize)]
struct Summary {
    clean: bool,
    /// Processes that were looked at.
    processes: usize,
    seconds: f64,
    left_behind: usize,
    certain: usize,
    /// Memory of those of which it is known.
    left_behind_bytes: Bytes,
    held_idle: usize,
    held_idle_bytes: Bytes,
    growing: usize,
    zombies: usize,
    descriptors: usize,
    not_touched: usize,
    /// Processes of which something could not be read.
    unreadable: usize,
    watch: Option<Watch>,
}

#[derive(Serialize)]
struct Watch {
    seconds: f64,
    processes: usize,
    /// How many were not watched, beyond the largest.
    left_out: usize,
}

/// One process. What could not be read is `null`.
#[derive(Serialize)]
pub(super) struct Entry<'s> {
    pid: Pid,
    start_time: u64,
    boot_id: BootId,
    name: &'s str,
    command: &'s str,
    uid: Option<u32>,
    rss_bytes: Option<Bytes>,
    cpu_seconds: f64,
    age_seconds: f64,
    parent: Option<Pid>,
    class: Class,
}

#[derive(Serialize)]
struct Left<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    root: Pid,
    group: &'s str,
    certainty: Certainty,
    evidence: &'s [Evidence],
    unit: Option<&'s str>,
}

#[derive(Serialize)]
struct Held<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    group: &'s str,
    holder: Other<'s>,
    reason: &'s str,
}

#[derive(Serialize)]
struct Grows<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    #[serde(flatten)]
    course: Growth<'s>,
}

/// How one number of a process went.
#[derive(Serialize)]
struct Growth<'s> {
    /// `rss_bytes` or `fds`.
    series: &'static str,
    verdict: Verdict,
    confidence: Option<f64>,
    first: u64,
    last: u64,
    slope_per_hour: Option<f64>,
    slope_interval: Option<(f64, f64)>,
    reasons: &'s [Reason],
}

#[derive(Serialize)]
struct Unwaited<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    /// The parent that does not wait for it.
    waits_for: Option<Other<'s>>,
}

#[derive(Serialize)]
struct Descriptors<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    kind: DescriptorKind,
    count: u64,
    limit: Option<u64>,
    kinds: KindCounts,
    deleted_bytes: Option<Bytes>,
    largest_deleted: Option<String>,
    growth: Option<Growth<'s>>,
}

#[derive(Serialize)]
struct KindCounts {
    files: u64,
    pipes: u64,
    sockets: u64,
    devices: u64,
    anonymous: u64,
}

#[derive(Serialize)]
struct Spared<'s> {
    #[serde(flatten)]
    process: Entry<'s>,
    because: &'s str,
    evidence: &'s [Evidence],
}

#[derive(Serialize)]
struct NotRead<'s> {
    pid: Pid,
    what: Vec<&'s str>,
    why: &'s str,
}

/// Another process, as far as it is named.
#[derive(Serialize)]
pub(super) struct Other<'s> {
    pid: Pid,
    name: &'s str,
}

/// The answer of a scan.
pub(super) fn report(scan: &Scan) -> Report<'_> {
    let findings = scan.findings();
    let unreadable = unreadable(&findings.unreadable);
    Report {
        schema: "scupper.scan/1",
        summary: Summary {
            clean: scan.is_clean(),
            processes: scan.looked.snapshot.processes.len(),
            seconds: scan.took.as_secs_f64(),
            left_behind: findings.left_behind.len(),
            certain: findings.left_behind.iter().filter(|left| left.certainty == Certainty::Certain).count(),
            left_behind_bytes: memory(findings.left_behind.iter().map(|left| &left.process)),
            held_idle: findings.held_idle.len(),
            held_idle_bytes: memory(findings.held_idle.iter().map(|held| &held.process)),
            growing: scan.growing().len(),
            zombies: findings.zombies.len(),
            descriptors: findings.descriptors.len(),
            not_touched: findings.not_touched.len(),
            unreadable: unreadable.len(),
            watch: scan.watched.as_ref().map(|watched| Watch {
                seconds: watched.lasted.as_secs_f64(),
                processes: watched.processes,
                left_out: watched.of.saturating_sub(watched.processes),
            }),
        },
        left_behind: findings.left_behind.iter().map(left).collect(),
        held_idle: findings.held_idle.iter().map(held).collect(),
        growing: scan.growing().iter().map(grows).collect(),
        zombies: findings.zombies.iter().map(unwaited).collect(),
        descriptors: findings.descriptors.iter().map(|found| descriptors(found, scan)).collect(),
        not_touched: findings.not_touched.iter().map(spared).collect(),
        unreadable,
        trouble: &scan.looked.known.trouble,
    }
}

/// Of those of which it is known.
pub(super) fn memory<'s>(processes: impl Iterator<Item = &'s Shown>) -> Bytes {
    Bytes(processes.filter_map(|process| process.rss).fold(0, |sum, rss| sum.saturating_add(rss.0)))
}

/// One process, with the keys that it has in every list.
pub(super) fn entry(process: &Shown) -> Entry<'_> {
    Entry {
        pid: process.identity.pid,
        start_time: process.identity.start_time.0,
        boot_id: process.identity.boot_id,
        name: &process.name,
        command: &process.command,
        uid: process.uid,
        rss_bytes: process.rss,
        cpu_seconds: process.cpu.as_secs_f64(),
        age_seconds: process.age.as_secs_f64(),
        parent: process.parent,
        class: process.class,
    }
}

/// Another process by its pid and name.
pub(super) fn other((pid, name): &(Pid, String)) -> Other<'_> {
    Other { pid: *pid, name }
}

fn left(found: &LeftBehind) -> Left<'_> {
    Left {
        process: entry(&found.process),
        root: found.root,
        group: &found.group,
        certainty: found.certainty,
        evidence: &found.evidence,
        unit: found.unit.as_deref(),
    }
}

fn held(found: &HeldIdle) -> Held<'_> {
    Held {
        process: entry(&found.process),
        group: &found.group,
        holder: other(&found.holder),
        reason: &found.reason,
    }
}

fn grows(found: &Growing) -> Grows<'_> {
    Grows { process: entry(&found.process), course: growth(&found.course) }
}

fn growth(course: &Course) -> Growth<'_> {
    let slope = course.assessment.slope;
    Growth {
        series: if course.what == What::Memory { "rss_bytes" } else { "fds" },
        verdict: course.assessment.verdict,
        confidence: course.assessment.confidence,
        first: course.from,
        last: course.to,
        slope_per_hour: slope.map(|slope| slope.per_hour),
        slope_interval: slope.map(|slope| (slope.low, slope.high)),
        reasons: &course.assessment.reasons,
    }
}

fn unwaited(found: &Zombie) -> Unwaited<'_> {
    Unwaited { process: entry(&found.process), waits_for: found.waits_for.as_ref().map(other) }
}

fn descriptors<'s>(found: &'s DescriptorFinding, scan: &'s Scan) -> Descriptors<'s> {
    let Kinds { files, pipes, sockets, devices, anonymous } = found.kinds;
    let watched = scan.watched.as_ref();
    let course = watched.and_then(|watched| watched.descriptors.get(&found.process.identity.pid));
    Descriptors {
        process: entry(&found.process),
        kind: found.kind,
        count: found.count,
        limit: found.limit,
        kinds: KindCounts { files, pipes, sockets, devices, anonymous },
        deleted_bytes: found.bytes,
        largest_deleted: found.largest.as_deref().map(super::said::path),
        growth: course.map(growth),
    }
}

fn spared(found: &NotTouched) -> Spared<'_> {
    Spared { process: entry(&found.process), because: &found.because, evidence: &found.evidence }
}

/// One entry a process, whatever could not be read of it.
fn unreadable(found: &[Unreadable]) -> Vec<NotRead<'_>> {
    let mut each: BTreeMap<Pid, NotRead<'_>> = BTreeMap::new();
    for Unreadable { pid, what, why } in found {
        let entry = each.entry(*pid).or_insert_with(|| NotRead { pid: *pid, what: Vec::new(), why });
        entry.what.push(what);
    }
    each.into_values().collect()
}
