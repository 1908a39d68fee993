//! One look at the machine: what is, what was recorded, and what both together say. What `scan` and `reap` have in
//! common; it writes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use scupper_model::{Identity, Pid};
use scupper_orphan::{Findings, Known, Observer, PipeAnswer, Settings};
use scupper_probe::Proc;
use scupper_probe::snapshot::{self, Snapshot, Unreadable};
use scupper_supervise::shell::{Program, clock};

use crate::config;
use crate::failure::Failure;
use crate::known::{self, Gathered};
use crate::output::Printer;

/// What was not read where `/proc` hides processes: it stands with the first of them.
pub(super) const OTHERS: &str = "other processes";
/// What that means for an answer.
const HIDDEN: &str = "/proc hides the processes of others from this user (hidepid): who of them is left behind, uses or holds \
                      something cannot be seen; root sees all";
/// So many pipes are asked about.
const MOST_QUESTIONS: usize = 10_000;

/// What is looked for, and where.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct Ask<'a> {
    /// Younger processes are left out.
    pub min_age: Duration,
    /// Only this user's.
    pub user: Option<u32>,
    /// A held server is idle after this long without work.
    pub idle_after: Duration,
    /// `--state`.
    pub state: Option<&'a Path>,
}

/// What was seen, and what it means.
#[derive(Debug)]
pub(in crate::commands) struct Looked {
    pub proc_: Proc,
    pub snapshot: Snapshot,
    pub known: Known,
    /// What of other users' files was not read.
    pub notes: Vec<String>,
    pub observer: Observer,
    pub settings: Settings,
    pub findings: Findings,
}

/// Looks once.
pub(in crate::commands) fn look(ask: &Ask<'_>) -> Result<Looked, Failure> {
    // Half of what a small program weighs is its own code that only ran once. It lets go of that after each step.
    let mut program = Program::default();
    program.release();
    let configured = config::user()?;
    program.release();
    let proc_ = Proc::open(Path::new("/proc")).context("cannot look at processes")?;
    let own = Pid::new(rustix::process::getpid().as_raw_pid()).context("this process has no pid")?;
    let observer = Observer { pid: own, uid: rustix::process::geteuid().as_raw() };
    let now = clock::wall();
    let settings = Settings { min_age: ask.min_age, user: ask.user, idle_after: ask.idle_after, now };
    let mut snapshot = snapshot::take(&proc_).context("cannot look at processes")?;
    program.release();
    let Gathered { mut known, mut notes } =
        known::gather(&snapshot, ask.state, &configured.keep, observer.uid, now);
    if hides_others(&snapshot) {
        let why = "/proc hides them from this user (hidepid)".to_owned();
        snapshot.unreadable.push(Unreadable { pid: Pid::INIT, what: OTHERS, why });
        notes.push(HIDDEN.to_owned());
    }
    program.release();
    known.pipes = ask_the_kernel(&proc_, &snapshot, &settings);
    program.release();
    let findings = scupper_orphan::judge(&snapshot, &known, observer, &settings);
    program.release();
    Ok(Looked { proc_, snapshot, known, notes, observer, settings, findings })
}

/// Whether `/proc` shows no processes of others: the first one is always there.
fn hides_others(snapshot: &Snapshot) -> bool {
    let is_first = |pid: Pid| pid == Pid::INIT;
    !snapshot.processes.iter().any(|process| is_first(process.identity.pid))
        && !snapshot.unreadable.iter().any(|entry| is_first(entry.pid))
}

/// Whether anybody at all has the other end of a pipe open: where not all holders may be seen, the kernel knows. What it
/// does not say stays unknown.
fn ask_the_kernel(proc_: &Proc, snapshot: &Snapshot, settings: &Settings) -> HashMap<u64, PipeAnswer> {
    let mut answers = HashMap::new();
    for question in scupper_orphan::questions(snapshot, settings).into_iter().take(MOST_QUESTIONS) {
        let (pid, descriptor) = (question.identity.pid, u32::from(question.descriptor));
        let answer = match descriptor {
            0 => snapshot::pipe_has_writer(proc_, pid, descriptor),
            _ => snapshot::pipe_has_reader(proc_, pid, descriptor),
        };
        // Asked by its number: it was about this process only if that is still who has it.
        let is_same = proc_.is_same(&question.identity).unwrap_or(false);
        let somebody = answer.ok().flatten().filter(|_| is_same);
        let earlier = answers.get(&question.pipe).copied().unwrap_or_default();
        answers.insert(question.pipe, question.answered(somebody, earlier));
    }
    answers
}

impl Looked {
    /// Says what of the records could not be read.
    pub(in crate::commands) fn warn(&self, printer: &mut Printer) {
        for note in &self.notes {
            printer.note(&format!("note: {note}"));
        }
        for trouble in &self.known.trouble {
            printer.note(&format!("warning: {trouble}"));
        }
        if !self.known.trouble.is_empty() {
            printer.note("warning: as long as that is so, nothing is certain");
        }
    }

    /// Whether it has ended and is not waited for, now as before.
    pub(super) fn still_zombie(&self, identity: &Identity) -> bool {
        snapshot::still_zombie(&self.proc_, identity).unwrap_or(false)
    }
}
