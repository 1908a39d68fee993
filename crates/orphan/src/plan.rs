//! Who is to be ended, in which order, and only after a second look has said the same.
//!
//! **Order.** The deepest and youngest first, the root last. A parent that is ended before its children hands them to an
//! init, and what tied them together is lost should we be stopped half-way; a parent that outlives its children waits
//! for them, so that no zombies stay; and whoever starts a child anew while its tree is ended does so below a process
//! that is still to be ended, where it is found ([`crate::Reaping::join`]).
//!
//! **Two looks** (ARCHITECTURE.md, Safety 4). A process that Scupper did not start dies only after two confirmations at least
//! [`CONFIRM_AFTER`] apart: in the moment between a client's exec and its first write, or while a service manager takes
//! over, a living process looks left behind.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use scupper_model::{Identity, Pid};

use crate::finding::{Certainty, Class, Evidence, Findings, HeldIdle, LeftBehind, Shown};

/// Time between the two looks that a process has to look left behind in, at least.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(2);

/// What somebody chose by hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// This process, with what was left behind below it. To name it is to agree.
    Pid(Pid),
    /// All of this group.
    Group(String),
    /// All of this class.
    Class(Class),
}

/// Which of the findings are meant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// All that was left behind where empty.
    pub choices: Vec<Choice>,
    /// Likely ones that a person has agreed to end, each by itself.
    pub agreed: HashSet<Identity>,
}

/// Why a process is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was left behind.
    LeftBehind {
        /// How certain.
        certainty: Certainty,
        /// The evidence, strongest first.
        evidence: Vec<Evidence>,
    },
    /// It is held and not used, and was named.
    HeldIdle {
        /// Who holds it.
        holder: Pid,
        /// Why it counts as idle.
        reason: String,
    },
}

/// One process that is to be ended.
#[derive(Clone, Debug)]
pub struct Target {
    /// The process.
    pub process: Shown,
    /// What it is.
    pub group: String,
    /// The topmost of its tree that was found with it.
    pub root: Pid,
    /// The unit it belonged to, where that is known.
    pub unit: Option<String>,
    /// Why.
    pub why: Why,
}

/// Who is to be ended, in the order in which they are signalled. Nothing is signalled by a plan: it has to be confirmed.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Who, children last to first.
    pub targets: Vec<Target>,
    /// Likely ones that were chosen and that nobody has agreed to end: to be asked about, or left.
    pub to_ask: Vec<LeftBehind>,
    /// Choices that mean nobody, and why.
    pub refused: Vec<(Choice, String)>,
}

impl Plan {
    /// Plans to end the certain ones of what is chosen, and the likely ones that somebody has agreed to end.
    pub fn new(findings: &Findings, selection: &Selection) -> Self {
        let mut plan = Self::default();
        let by_pid: HashMap<Pid, &LeftBehind> =
            findings.left_behind.iter().map(|found| (found.process.identity.pid, found)).collect();
        let named: HashSet<Pid> = selection
            .choices
            .iter()
            .filter_map(|choice| match choice {
                Choice::Pid(pid) => Some(*pid),
                Choice::Group(_) | Choice::Class(_) => None,
            })
            .collect();
        let below_named = below(&by_pid, &named);
        for found in &findings.left_behind {
            let is_named = below_named.contains(&found.process.identity.pid);
            if !is_named && !selection.means(found) {
                continue;
            }
            let agreed = is_named || selection.agreed.contains(&found.process.identity);
            if found.certainty == Certainty::Certain || agreed {
                plan.targets.push(Target::left_behind(found));
            } else {
                plan.to_ask.push(found.clone());
            }
        }
        for idle in findings.held_idle.iter().filter(|idle| named.contains(&idle.process.identity.pid)) {
            plan.targets.extend(Target::held_idle(idle));
        }
        let mut seen = HashSet::new();
        plan.targets.retain(|target| seen.insert(target.process.identity));
        plan.refused = refused(findings, selection);
        order(&mut plan.targets);
        plan
    }

    /// Keeps of a plan what a second look, so long after the first, judges the same again.
    pub fn confirm(self, second: &Findings, apart: Duration) -> Result<Confirmed, TooSoon> {
        if apart < CONFIRM_AFTER {
            return Err(TooSoon { apart });
        }
        let left: HashMap<Identity, Certainty> =
            second.left_behind.iter().map(|found| (found.process.identity, found.certainty)).collect();
        let idle: HashSet<(Identity, Pid)> = second
            .held_idle
            .iter()
            .flat_map(|idle| {
                let holder = idle.holder.0;
                std::iter::once(&idle.process).chain(&idle.below).map(move |shown| (shown.identity, holder))
            })
            .collect();
        let again = |target: &Target| match &target.why {
            Why::LeftBehind { certainty, .. } => {
                left.get(&target.process.identity).is_some_and(|second| second >= certainty)
            }
            Why::HeldIdle { holder, .. } => idle.contains(&(target.process.identity, *holder)),
        };
        let (targets, dropped) = self.targets.into_iter().partition(again);
        Ok(Confirmed { targets, dropped })
    }
}

/// A plan that two looks agree on: the only thing that a [`crate::Reaping`] takes.
#[derive(Clone, Debug)]
pub struct Confirmed {
    targets: Vec<Target>,
    dropped: Vec<Target>,
}

impl Confirmed {
    /// Who is to be ended, in order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Who was planned and is left alone: gone, somebody else by now, or judged otherwise the second time.
    pub fn dropped(&self) -> &[Target] {
        &self.dropped
    }

    pub(crate) fn into_targets(self) -> Vec<Target> {
        self.targets
    }
}

/// The second look came too early to confirm anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon {
    /// Time between the two looks.
    pub apart: Duration,
}

impl fmt::Display for TooSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (apart, least) = (self.apart.as_millis(), CONFIRM_AFTER.as_millis());
        write!(f, "two looks only {apart} ms apart confirm nothing: at least {least} ms are needed")
    }
}

impl std::error::Error for TooSoon {}

impl Selection {
    fn means(&self, found: &LeftBehind) -> bool {
        self.choices.is_empty()
            || self.choices.iter().any(|choice| choice.means(&found.process, &found.group))
    }
}

impl Choice {
    fn means(&self, process: &Shown, group: &str) -> bool {
        match self {
            Self::Pid(pid) => process.identity.pid == *pid,
            Self::Group(name) => group == name,
            Self::Class(class) => process.class == *class,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Group(group) => write!(f, "group {group}"),
            Self::Class(class) => write!(f, "class {class:?}"),
        }
    }
}

impl Target {
    fn left_behind(found: &LeftBehind) -> Self {
        Self {
            process: found.process.clone(),
            group: found.group.clone(),
            root: found.root,
            unit: found.unit.clone(),
            why: Why::LeftBehind { certainty: found.certainty, evidence: found.evidence.clone() },
        }
    }

    fn held_idle(found: &HeldIdle) -> impl Iterator<Item = Self> {
        std::iter::once(&found.process).chain(&found.below).map(|process| Self {
            process: process.clone(),
            group: found.group.clone(),
            root: found.process.identity.pid,
            unit: None,
            why: Why::HeldIdle { holder: found.holder.0, reason: found.reason.clone() },
        })
    }
}

/// Those named and what was left behind below them.
fn below(by_pid: &HashMap<Pid, &LeftBehind>, named: &HashSet<Pid>) -> HashSet<Pid> {
    let mut answers: HashMap<Pid, bool> = HashMap::new();
    for &start in by_pid.keys() {
        let mut way = Vec::new();
        let mut at = Some(start);
        let answer = loop {
            let Some(pid) = at else { break false };
            if named.contains(&pid) {
                break true;
            }
            if let Some(&answer) = answers.get(&pid) {
                break answer;
            }
            // Entered before it is known, so that a circle ends.
            answers.insert(pid, false);
            way.push(pid);
            at = by_pid
                .get(&pid)
                .and_then(|found| found.process.parent)
                .filter(|pid| by_pid.contains_key(pid));
        };
        answers.extend(way.into_iter().map(|pid| (pid, answer)));
    }
    by_pid.keys().copied().filter(|pid| named.contains(pid) || answers.get(pid) == Some(&true)).collect()
}

fn refused(findings: &Findings, selection: &Selection) -> Vec<(Choice, String)> {
    let mut refused = Vec::new();
    for choice in &selection.choices {
        let is_meant = |process: &Shown, group: &str| choice.means(process, group);
        let named_idle =
            |idle: &HeldIdle| matches!(choice, Choice::Pid(_)) && is_meant(&idle.process, &idle.group);
        if findings.left_behind.iter().any(|found| is_meant(&found.process, &found.group))
            || findings.held_idle.iter().any(named_idle)
        {
            continue;
        }
        let alone = findings.not_touched.iter().find(|alone| is_meant(&alone.process, ""));
        let why = match (alone, findings.held_idle.iter().find(|idle| is_meant(&idle.process, &idle.group))) {
            (Some(alone), _) => format!("it is left alone: {}", alone.because),
            (None, Some(idle)) => {
                format!("it is held and not used, and ended only by its pid ({})", idle.process.identity.pid)
            }
            (None, None) => "nothing like that was left behind".to_owned(),
        };
        refused.push((choice.clone(), why));
    }
    refused
}

/// The deepest first, the youngest of these first.
fn order(targets: &mut [Target]) {
    let parents: HashMap<Pid, Pid> = targets
        .iter()
        .filter_map(|target| Some((target.process.identity.pid, target.process.parent?)))
        .collect();
    let mut depths: HashMap<Pid, usize> = HashMap::new();
    for target in targets.iter() {
        let mut way = Vec::new();
        let mut at = target.process.identity.pid;
        let known = loop {
            if let Some(&depth) = depths.get(&at) {
                break depth;
            }
            // Entered before it is known, so that a circle ends.
            depths.insert(at, 0);
            way.push(at);
            match parents.get(&at) {
                Some(&parent) if parents.contains_key(&parent) => at = parent,
                _ => break 0,
            }
        };
        for (above, pid) in way.into_iter().rev().enumerate() {
            depths.insert(pid, known + above + 1);
        }
    }
    targets.sort_by_key(|target| {
        let identity = target.process.identity;
        let depth = depths.get(&identity.pid).copied().unwrap_or(0);
        (Reverse(depth), Reverse(identity.start_time), Reverse(identity.pid))
    });
}
