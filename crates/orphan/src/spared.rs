//! Who is left alone, whatever speaks against it (ARCHITECTURE.md, Safety 5).
//!
//! Two kinds. What may never be touched, recorded or not: scupper and those above it, what a service manager or a
//! container runs, multiplexers and daemons by choice, what people asked to keep. That reaches down to whatever
//! descends from such a one: a tmux server without its panes is not what was to be kept. And what was meant to stay by
//! the way it was started (nohup(1), daemon(7)): that counts only where no record says whose it is.
//!
//! **Scopes.** `scupper_knowledge::spare` takes every `.scope` for a unit of a service manager. For the end of a unit
//! that is right; for a search it is not: a desktop puts each login, terminal tab and application into a scope of its
//! own, starts nothing in it and ends nothing of it (systemd.scope(5)), and what an editor left behind sits in its
//! scope. Those few by name are no reason here; containers, transient and all other scopes are.

use std::cell::RefCell;
use std::collections::HashSet;

use scupper_knowledge::{Candidate, spared};
use scupper_model::{KEEP, Kept, Pid, Profile};
use scupper_probe::CgroupPath;
use scupper_probe::snapshot::{End, Marks, Process};

use crate::finding::EvidenceKind;
use crate::known::{Known, Observer, Settings};
use crate::lineage::Lineage;
use crate::ownership::{Runs, Tie, unit_cgroups};
use crate::signs::{Signs, sent_away};
use crate::wording::named;

/// Why a process is never touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spared {
    pub because: String,
    /// The process that is spared: itself, or one above it.
    pub whose: usize,
}

#[derive(Clone, Debug)]
enum Answer {
    Open,
    NotSpared,
    Spared(Spared),
}

/// Answers who is left alone. Answers are kept: many processes descend from few.
pub(crate) struct Sparing<'a> {
    lineage: &'a Lineage<'a>,
    known: &'a Known,
    settings: &'a Settings,
    observer: Observer,
    runs: &'a Runs,
    ties: &'a [Vec<Tie>],
    /// Scupper itself and those above it.
    own: HashSet<Pid>,
    own_cgroups: Vec<(String, String)>,
    answers: RefCell<Vec<Answer>>,
}

impl<'a> Sparing<'a> {
    pub fn new(
        lineage: &'a Lineage<'a>,
        known: &'a Known,
        settings: &'a Settings,
        observer: Observer,
        runs: &'a Runs,
        ties: &'a [Vec<Tie>],
    ) -> Self {
        let own = lineage.numbers_above(observer.pid);
        let observing = lineage.find(observer.pid).map(|index| &lineage.processes[index]);
        let own_cgroups = observing.map(as_pairs).unwrap_or_default();
        let answers = RefCell::new(vec![Answer::Open; lineage.processes.len()]);
        Self { lineage, known, settings, observer, runs, ties, own, own_cgroups, answers }
    }

    /// Why a process is never touched by this observer; `None` where it may be.
    pub fn hard(&self, index: usize) -> Option<String> {
        let process = &self.lineage.processes[index];
        if self.lineage.is_unclear(index) {
            return Some("its number or its parents are not clear".to_owned());
        }
        if process.identity.pid == Pid::INIT {
            return Some("it is the first process".to_owned());
        }
        if self.own.contains(&process.identity.pid) {
            return Some("it is scupper itself or above it".to_owned());
        }
        match process.uid {
            None => return Some("whose it is could not be read".to_owned()),
            Some(uid) if self.observer.uid != 0 && uid != self.observer.uid => {
                return Some("it belongs to another user".to_owned());
            }
            Some(_) => {}
        }
        let spared = self.inherited(index)?;
        if spared.whose == index {
            return Some(spared.because);
        }
        let above = &self.lineage.processes[spared.whose];
        Some(format!("descends from {}, which is left alone: {}", named(above), spared.because))
    }

    /// Whether it is spared itself or by one above it, walking up to the first whose answer is known.
    fn inherited(&self, index: usize) -> Option<Spared> {
        let mut way = Vec::new();
        let mut answer = None;
        for at in self.lineage.descent(index) {
            match &self.answers.borrow()[at] {
                Answer::Open => way.push(at),
                Answer::NotSpared => break,
                Answer::Spared(spared) => {
                    answer = Some(spared.clone());
                    break;
                }
            }
        }
        for at in way.into_iter().rev() {
            if answer.is_none() {
                answer = self.by_itself(at).map(|because| Spared { because, whose: at });
            }
            self.answers.borrow_mut()[at] = answer.clone().map_or(Answer::NotSpared, Answer::Spared);
        }
        answer
    }

    fn by_itself(&self, index: usize) -> Option<String> {
        let process = &self.lineage.processes[index];
        if let Some((_, reason)) = self.known.spared.iter().find(|(who, _)| *who == process.identity) {
            return Some(format!("left alone at the end of its run: {reason}"));
        }
        let holding = || self.known.keeps.iter().filter(|keep| keep.holds(self.settings.now));
        let asked =
            |kept: &Kept| matches!(kept, Kept::Process { identity, .. } if *identity == process.identity);
        if holding().any(|keep| asked(&keep.what)) {
            return Some("kept (scupper keep)".to_owned());
        }
        let mut patterns: Vec<String> = holding()
            .filter_map(|keep| match &keep.what {
                Kept::Pattern { pattern } => Some(pattern.clone()),
                Kept::Process { .. } => None,
            })
            .collect();
        for tie in &self.ties[index] {
            patterns.extend(self.runs.keep(&tie.run).iter().cloned());
        }
        let keep = keep_entry(process);
        let unit_cgroup = unit_cgroups(process).next().map(|(_, path)| path);
        let cgroups = as_pairs(process);
        let descriptors = process.descriptors.as_ref();
        let candidate = Candidate {
            name: &process.name,
            command: process.command.as_deref().unwrap_or_default(),
            environment: keep.as_deref(),
            same_user: process.uid == Some(self.observer.uid),
            cgroups: &cgroups,
            own_cgroups: &self.own_cgroups,
            unit_cgroup: unit_cgroup.as_deref(),
            session_leader: process.session == process.identity.pid.get(),
            has_terminal: process.has_terminal,
            stdin_null: descriptors.map(|descriptors| descriptors.stdio[0] == End::Null),
            cwd_root: process.working_directory.as_ref().map(|path| path.as_os_str() == "/"),
            ..Candidate::default()
        };
        spared(&candidate, Profile::Agent, &patterns).map(|because| because.to_string())
    }
}

/// What is known of the environment, as `spare` wants it.
fn keep_entry(process: &Process) -> Option<Vec<Vec<u8>>> {
    match &process.marks {
        Marks::Unreadable => None,
        Marks::Empty | Marks::Read { keep: None, .. } => Some(Vec::new()),
        Marks::Read { keep: Some(value), .. } => Some(vec![[KEEP.as_bytes(), b"=", value].concat()]),
    }
}

/// Cgroups as `spare` wants them, without those that only say at which desk somebody sits.
fn as_pairs(process: &Process) -> Vec<(String, String)> {
    let paths = process.cgroups.iter().flatten();
    let counts = |path: &&CgroupPath| !is_of_a_session(&path.path.to_string_lossy());
    paths.filter(counts).map(|path| (path.controllers.join(","), path.path.display().to_string())).collect()
}

/// Whether the innermost unit of a path is a login session, a terminal tab or an application of a desktop.
fn is_of_a_session(path: &str) -> bool {
    const DESKS: [&str; 4] = ["session-", "app-", "vte-spawn-", "tmux-spawn-"];
    let kind = |part: &str| part.rsplit_once('.').map(|(_, kind)| kind == "scope");
    let is_unit = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "scope" | "service")));
    let unit = path.rsplit('/').find(is_unit);
    unit.is_some_and(|unit| kind(unit) == Some(true) && DESKS.iter().any(|desk| unit.starts_with(desk)))
}

/// Why a process that nothing is recorded of was meant to stay.
pub(crate) fn meant_to_stay(process: &Process, signs: &Signs) -> Option<&'static str> {
    let descriptors = process.descriptors.as_ref()?;
    let from_null = descriptors.stdio[0] == End::Null;
    let at_root = process.working_directory.as_ref().is_some_and(|path| path.as_os_str() == "/");
    if from_null && at_root && !process.has_terminal {
        return Some("it made itself a daemon (stdin from /dev/null, working directory /)");
    }
    if process.ignores_hangup == Some(true) && !signs.holds(EvidenceKind::StdinGone) {
        return Some("it ignores SIGHUP, as under nohup: it was meant to outlive its terminal");
    }
    let detached = detached(process);
    if detached.is_some() {
        return detached;
    }
    // ssh's shared connection: what it says of its own troubles is all that goes to whoever started it.
    let away = |end: &End| matches!(end, End::Null | End::File(_) | End::Closed);
    if descriptors.stdio[..2].iter().all(away)
        && signs.holds(EvidenceKind::OutputGone)
        && process.session == process.identity.pid.get()
    {
        return Some("it was given a session of its own, and its stdin and stdout were sent away");
    }
    // `cat data | job > log &`: a job may have read all there is. Who speaks over stdio has no file for its answers.
    let only_stdin = !signs.holds(EvidenceKind::OutputGone) && !signs.holds(EvidenceKind::DirectoryDeleted);
    if signs.holds(EvidenceKind::StdinGone) && only_stdin && matches!(descriptors.stdio[1], End::File(_)) {
        return Some("it may have read all of its stdin, and writes to a file that somebody will read");
    }
    None
}

/// Why a process was meant to stay without whoever started it.
pub(crate) fn detached(process: &Process) -> Option<&'static str> {
    let leads = process.session == process.identity.pid.get();
    (leads && !process.has_terminal && sent_away(process))
        .then_some("it was given a session of its own and its ends were sent away: it was meant to stay")
}
