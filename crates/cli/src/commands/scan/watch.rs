//! `--watch`: who grows. Memory and descriptors of the largest processes, looked at in even steps, and judged at the end
//! as a short run is.
//!
//! A look at memory is one system call on a descriptor that was opened at the beginning and that dies with its process,
//! so a reused number is never taken for it. Descriptors are counted in every fourth step. A number that never changed
//! is not judged.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit};
use scupper_detect::{Assessment, Horizon, Quantity, Sample, Series, Settings, Verdict, exact};
use scupper_model::{Identity, Pid, ProcessState};
use scupper_orphan::Shown;
use scupper_probe::snapshot;
use scupper_probe::{Detail, Proc, Process};
use signal_hook::consts::SIGINT;

use super::look::Looked;
use crate::failure::Failure;
use crate::output::Printer;
use crate::output::figures::span;
use crate::wait;

/// Processes that are watched, the largest of all.
const MOST: usize = 1_000;
/// Steps of a watch.
const STEPS: u32 = 120;
/// No step is shorter.
const SHORTEST_STEP: Duration = Duration::from_millis(250);
/// Descriptors are counted in every so manieth step.
const COUNT_EVERY: u32 = 4;

/// What is watched of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Resident memory.
    Memory,
    /// Open descriptors.
    Descriptors,
}

/// One number of one process over the watch.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// What it counts.
    pub what: What,
    /// The first that was seen of it.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// What is thought of it.
    pub assessment: Assessment,
}

/// One process that grows.
#[derive(Debug)]
pub(super) struct Growing {
    /// The process.
    pub process: Shown,
    /// What grows, and how.
    pub course: Course,
}

/// What a watch has seen.
#[derive(Debug)]
pub(super) struct Watched {
    /// Those that were judged to grow or to leak, the worst first.
    pub growing: Vec<Growing>,
    /// The descriptors of everybody in whom they changed.
    pub descriptors: HashMap<Pid, Course>,
    /// How many were watched.
    pub processes: usize,
    /// How many there would have been.
    pub of: usize,
    /// For how long.
    pub lasted: Duration,
}

/// Watches for so long, or until ^C.
pub(super) fn watch(looked: &Looked, time: Duration, printer: &mut Printer) -> Result<Watched, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted)).context("cannot take over ^C")?;
    let candidates = candidates(looked);
    let mut lines = open(&looked.proc_, &candidates);
    let (opened, of) = (lines.len(), candidates.len());
    let step = (time / STEPS).max(SHORTEST_STEP);
    let start = wait::now();
    let mut lasted = Duration::ZERO;
    for number in 0_u32.. {
        for line in &mut lines {
            line.look(&looked.proc_, lasted, number % COUNT_EVERY == 0);
        }
        let left = time.saturating_sub(lasted);
        if left.is_zero() || interrupted.load(Ordering::Relaxed) {
            break;
        }
        let seconds = Duration::from_secs(left.as_secs().saturating_add(1).min(time.as_secs()));
        printer
            .progress(&format!("watching {opened} processes ... {} left, ^C to end it now", span(seconds)));
        let next = step.saturating_mul(number.saturating_add(1)).min(time);
        wait::until(next.saturating_sub(lasted), |_| interrupted.load(Ordering::Relaxed));
        lasted = wait::now().saturating_duration_since(start);
    }
    printer.end_progress();
    Ok(judged(lines, looked, lasted, of))
}

/// Whoever is asked about and lives, the largest first.
fn candidates(looked: &Looked) -> Vec<&snapshot::Process> {
    let settings = &looked.settings;
    let mut found: Vec<&snapshot::Process> = looked
        .snapshot
        .processes
        .iter()
        .filter(|process| {
            process.state != ProcessState::Zombie
                && process.identity.pid != looked.observer.pid
                && process.age >= settings.min_age
                && settings.user.is_none_or(|user| process.uid == Some(user))
        })
        .collect();
    found.sort_by_key(|process| std::cmp::Reverse(process.rss));
    found
}

fn open(proc_: &Proc, candidates: &[&snapshot::Process]) -> Vec<Line> {
    let room = raise_descriptor_limit();
    let lines = candidates.iter().take(MOST.min(room)).filter_map(|candidate| {
        let process = proc_.process(candidate.identity.pid).ok().flatten()?;
        (process.identity() == candidate.identity).then(|| Line::new(process))
    });
    lines.collect()
}

/// One descriptor is kept open for each process: takes what the hard limit allows. How many there can be, with some left
/// for everything else.
fn raise_descriptor_limit() -> usize {
    const REST: u64 = 64;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted =
        limit.maximum.unwrap_or(u64::MAX).min(exact_count(MOST) + REST).max(limit.current.unwrap_or(0));
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let now = match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(wanted),
    };
    usize::try_from(now.saturating_sub(REST)).unwrap_or(MOST)
}

const fn exact_count(count: usize) -> u64 {
    count as u64
}

/// One process and its numbers.
struct Line {
    process: Process,
    memory: Numbers,
    descriptors: Numbers,
    ended: bool,
}

/// The numbers of one kind, each with its time.
#[derive(Default)]
struct Numbers(Vec<(Duration, u64)>);

impl Line {
    fn new(process: Process) -> Self {
        Self { process, memory: Numbers::default(), descriptors: Numbers::default(), ended: false }
    }

    fn look(&mut self, proc_: &Proc, at: Duration, counts: bool) {
        if self.ended {
            return;
        }
        match self.process.rss() {
            Ok(Some(rss)) => self.memory.0.push((at, rss.0)),
            Ok(None) => self.ended = true,
            Err(_) => {}
        }
        let fds = Detail { fds: true, ..Detail::default() };
        if counts && let Ok(Some(sample)) = self.process.sample(proc_, fds) {
            self.descriptors.0.extend(sample.fds.map(|fds| (at, fds)));
        }
    }
}

impl Numbers {
    /// What is thought of them; nothing where they never changed.
    fn course(&self, what: What) -> Option<Course> {
        let (&(_, from), &(_, to)) = (self.0.first()?, self.0.last()?);
        if self.0.iter().all(|(_, value)| *value == from) {
            return None;
        }
        let quantity = if what == What::Memory { Quantity::Bytes } else { Quantity::Count };
        let mut series = Series::new(Settings { quantity, horizon: Horizon::Short, ..Settings::default() });
        for &(at, value) in &self.0 {
            // Times only rise, and a count is a number: nothing is rejected.
            let _ = series.push(Sample { at, value: exact(value) });
        }
        Some(Course { what, from, to, assessment: series.conclude().clone() })
    }
}

fn judged(lines: Vec<Line>, looked: &Looked, lasted: Duration, of: usize) -> Watched {
    let mut watched =
        Watched { growing: Vec::new(), descriptors: HashMap::new(), processes: lines.len(), of, lasted };
    // Who ended meanwhile grows no more.
    for line in lines.into_iter().filter(|line| !line.ended) {
        let identity = line.process.identity();
        let memory = line.memory.course(What::Memory);
        let descriptors = line.descriptors.course(What::Descriptors);
        let worse = [memory, descriptors.clone()].into_iter().flatten();
        for course in worse.filter(|course| course.assessment.verdict >= Verdict::Growing) {
            if let Some(process) = shown(looked, &identity) {
                watched.growing.push(Growing { process, course });
            }
        }
        watched.descriptors.extend(descriptors.map(|course| (identity.pid, course)));
    }
    let grown = |growing: &Growing| growing.course.to.saturating_sub(growing.course.from);
    watched.growing.sort_by(|a, b| {
        let (ours, theirs) = (a.course.assessment.verdict, b.course.assessment.verdict);
        theirs.cmp(&ours).then(grown(b).cmp(&grown(a)))
    });
    watched
}

fn shown(looked: &Looked, identity: &Identity) -> Option<Shown> {
    let process = looked.snapshot.processes.iter().find(|process| process.identity == *identity)?;
    Some(scupper_orphan::shown(process).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: impl Fn(u64) -> u64) -> Numbers {
        Numbers((0..120).map(|step| (Duration::from_millis(500 * step), of(step))).collect())
    }

    #[test]
    fn what_rises_all_the_time_grows_and_what_stands_still_is_not_judged() {
        assert!(numbers(|_| 7 << 20).course(What::Memory).is_none());
        let course = numbers(|step| (50 << 20) + step * (1 << 20)).course(What::Memory).unwrap();
        assert!(course.assessment.verdict >= Verdict::Growing, "{course:?}");
        assert_eq!((course.from, course.to), (50 << 20, 169 << 20));
        let slope = course.assessment.slope.unwrap().per_hour / f64::from(1 << 20);
        assert!((7_000.0..7_400.0).contains(&slope), "{slope}");
        let course = numbers(|step| (50 << 20) + (step % 2) * 4096).course(What::Memory).unwrap();
        assert!(course.assessment.verdict < Verdict::Growing, "{course:?}");
    }

    #[test]
    fn a_descriptor_a_second_is_growth() {
        let each_fourth = Numbers(numbers(|step| 100 + step / 2).0.into_iter().step_by(4).collect());
        let course = each_fourth.course(What::Descriptors).unwrap();
        assert!(course.assessment.verdict >= Verdict::Growing, "{course:?}");
    }
}
