//! Every piece of evidence for one process, also for one that is live: what was looked for, whether it holds, and what
//! that comes to.

use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{End, Marks, Snapshot};
use serde::Serialize;

use crate::ends::OtherEnd;
use crate::finding::{Certainty, EvidenceKind, Shown};
use crate::known::{Known, Observer, Settings};
use crate::lineage::Parenthood;
use crate::scene::{Scene, with_scene};
use crate::signs::{Sign, Signs, State};
use crate::verdict::{Opinion, never_touched, opinions};
use crate::wording::{named, short_name, shown_path};
use crate::{idle, zombies};

/// Those above a process that are listed.
const MOST_ABOVE: usize = 32;

/// Everything that is known of one process, and what it comes to.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The process.
    pub process: Shown,
    /// What it is.
    pub group: String,
    /// Those above it with their names, the nearest first; at most 32.
    pub above: Vec<(Pid, String)>,
    /// What its stdin, stdout and stderr are, and who is at the other end.
    pub stdio: [String; 3],
    /// Every sign that was looked for, by rank.
    pub checks: Vec<Check>,
    /// Who is connected to it.
    pub users: Vec<String>,
    /// Why it is never touched, whatever the signs say.
    pub never_touched: Option<String>,
    /// What it comes to.
    pub verdict: Judged,
    /// The same in a sentence.
    pub sentence: String,
}

/// One sign that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked for.
    pub kind: EvidenceKind,
    /// Whether it holds.
    pub state: CheckState,
    /// In words.
    pub text: String,
}

/// Whether a sign holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It does.
    Holds,
    /// It does not.
    DoesNotHold,
    /// It cannot be told, and counts as if it did not.
    Unknown,
}

/// What is thought of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Its owner is gone, for certain or likely.
    LeftBehind(Certainty),
    /// A living parent holds it and does not use it.
    HeldIdle,
    /// It ended, and nobody waits for it.
    Zombie,
    /// It looks left behind and is left alone.
    NotTouched,
    /// Nothing speaks against it, or not enough.
    Live,
}

/// Explains one process; `None` where it is not in the snapshot, or is there twice.
pub fn explain(
    snapshot: &Snapshot,
    known: &Known,
    observer: Observer,
    settings: &Settings,
    pid: Pid,
) -> Option<Explanation> {
    with_scene(snapshot, known, observer, settings, |scene| {
        let index = scene.lineage.find(pid)?;
        Some(of_one(scene, index))
    })
}

fn of_one(scene: &Scene<'_>, index: usize) -> Explanation {
    let opinions = opinions(scene);
    let counts = |holder: usize| !opinions[holder].is_left() && !scene.lineage.is_within(holder, index);
    let signs = scene.look(index, &counts);
    let mut checks = ties(scene, index);
    checks.push(ancestry(scene, &opinions, index));
    checks.extend(signs.all.iter().map(check));
    checks.sort_by_key(|check| check.kind);
    let (process, group) = scene.shown(index);
    let (verdict, sentence) = verdict(scene, &opinions, index, &signs);
    Explanation {
        process,
        group,
        above: scene
            .lineage
            .above(index)
            .take(MOST_ABOVE)
            .map(|above| (scene.process(above).identity.pid, short_name(scene.process(above))))
            .collect(),
        stdio: [0, 1, 2].map(|descriptor| stdio(scene, index, descriptor, &signs.ends[descriptor])),
        checks,
        users: scene.ends.users(scene.lineage.tree(index), &counts),
        never_touched: never_touched(scene, index),
        verdict,
        sentence,
    }
}

fn check(sign: &Sign) -> Check {
    let state = match sign.state {
        State::Holds => CheckState::Holds,
        State::DoesNot => CheckState::DoesNotHold,
        State::Unknown => CheckState::Unknown,
    };
    Check { kind: sign.kind, state, text: sign.text.clone() }
}

/// What is recorded of it.
fn ties(scene: &Scene<'_>, index: usize) -> Vec<Check> {
    let process = scene.process(index);
    let mut checks: Vec<Check> = scene.ties[index]
        .iter()
        .map(|tie| Check { kind: tie.kind, state: CheckState::Holds, text: tie.evidence().text })
        .collect();
    let unreadable_marks = process.marks == Marks::Unreadable;
    let empty = process.marks == Marks::Empty;
    for (kind, unknown, text) in [
        (EvidenceKind::RecordedSpawn, !scene.known.trouble.is_empty(), "no record names it"),
        (EvidenceKind::Cgroup, process.cgroups.is_none(), "it sits in no cgroup of a unit"),
        (EvidenceKind::Mark, unreadable_marks, "it carries no mark of a unit"),
    ] {
        if checks.iter().any(|check| check.kind == kind) {
            continue;
        }
        let (state, text) = match (unknown, kind) {
            (true, EvidenceKind::RecordedSpawn) => (CheckState::Unknown, "not all records could be read"),
            (true, EvidenceKind::Cgroup) => (CheckState::Unknown, "its cgroup cannot be read"),
            (true, _) => (CheckState::Unknown, "its environment cannot be read"),
            (false, EvidenceKind::Mark) if empty => {
                (CheckState::Unknown, "its environment is empty, or was written over by a title")
            }
            (false, _) => (CheckState::DoesNotHold, text),
        };
        checks.push(Check { kind, state, text: text.to_owned() });
    }
    checks
}

fn ancestry(scene: &Scene<'_>, opinions: &[Opinion], index: usize) -> Check {
    let above = scene.lineage.above(index).find(|&above| opinions[above].is_left());
    let (state, text) = match above {
        Some(above) => (
            CheckState::Holds,
            format!("it descends from {}, which was left behind", named(scene.process(above))),
        ),
        None => (CheckState::DoesNotHold, "it descends from none that was left behind".to_owned()),
    };
    Check { kind: EvidenceKind::Ancestry, state, text }
}

/// What a standard descriptor is, and who is at the other end.
fn stdio(scene: &Scene<'_>, index: usize, descriptor: usize, end: &OtherEnd) -> String {
    let Some(descriptors) = &scene.process(index).descriptors else {
        return "cannot be read".to_owned();
    };
    let path = |path: &std::path::Path| {
        use std::os::unix::ffi::OsStrExt;
        shown_path(path.as_os_str().as_bytes())
    };
    let what = match &descriptors.stdio[descriptor] {
        End::Closed => "closed".to_owned(),
        End::Null => "/dev/null".to_owned(),
        End::Terminal { path: terminal, .. } => format!("terminal {}", path(terminal)),
        End::File(file) => format!("file {}", path(file)),
        End::Other(other) => path(other),
        End::Pipe(inode) => format!("pipe {inode}"),
        End::Socket(inode) => format!("socket {inode}"),
    };
    match end {
        OtherEnd::Nothing => what,
        OtherEnd::Terminal => format!("{what}, open"),
        OtherEnd::TerminalGone => format!("{what}, closed"),
        OtherEnd::Gone(_) => format!("{what}, nobody at its other end"),
        OtherEnd::Held(holder) => format!("{what}, {} at its other end", named(scene.process(*holder))),
        OtherEnd::Unknown(why) => format!("{what}, other end unknown: {why}"),
    }
}

fn verdict(scene: &Scene<'_>, opinions: &[Opinion], index: usize, signs: &Signs) -> (Judged, String) {
    match &opinions[index] {
        Opinion::Left { certainty, evidence, .. } => {
            let how = match certainty {
                Certainty::Certain => "left behind, for certain",
                Certainty::Likely => "likely left behind",
            };
            let because: Vec<&str> = evidence
                .iter()
                .filter(|piece| piece.kind != EvidenceKind::Name)
                .map(|piece| piece.text.as_str())
                .collect();
            (Judged::LeftBehind(*certainty), format!("{how}: {}", because.join("; ")))
        }
        Opinion::Alone { because, .. } => {
            (Judged::NotTouched, format!("it looks left behind and is left alone: {because}"))
        }
        Opinion::Unsure { because, .. } => {
            (Judged::NotTouched, format!("it would look left behind if its parent were gone: {because}"))
        }
        Opinion::BelowAlone => {
            let is_alone = |&above: &usize| matches!(opinions[above], Opinion::Alone { .. });
            let whom = scene.lineage.above(index).find(is_alone).map(|above| named(scene.process(above)));
            let whom = whom.unwrap_or_else(|| "one above it".to_owned());
            (Judged::NotTouched, format!("it is left alone with {whom}, from which it descends"))
        }
        Opinion::Ordinary => ordinary(scene, opinions, index, signs),
    }
}

/// Why nothing is said against a process.
fn ordinary(scene: &Scene<'_>, opinions: &[Opinion], index: usize, signs: &Signs) -> (Judged, String) {
    let process = scene.process(index);
    if process.state == ProcessState::Zombie {
        let found =
            zombies::zombies(scene).into_iter().find(|zombie| zombie.process.identity == process.identity);
        let parent =
            found.and_then(|zombie| zombie.waits_for).map(|(pid, name)| crate::wording::who(&name, pid));
        let parent = parent.unwrap_or_else(|| "its parent".to_owned());
        return (Judged::Zombie, format!("it ended, and {parent} has not waited for it"));
    }
    if !scene.is_asked_about(index) {
        return (
            Judged::Live,
            "it is too young, or another user's than was asked about: not judged".to_owned(),
        );
    }
    if let Some(found) =
        idle::held_idle(scene, opinions).into_iter().find(|found| found.process.identity == process.identity)
    {
        return (Judged::HeldIdle, format!("held and not used, which is policy: {}", found.reason));
    }
    let why = match (&signs.parenthood, signs.partner()) {
        (_, Some(partner)) => {
            format!("{} is at the other end of its stdin or stdout", named(scene.process(partner)))
        }
        (Parenthood::Lives, None) => {
            let parent = scene.lineage.parent(index).map(|parent| named(scene.process(parent)));
            format!("its parent {} lives", parent.unwrap_or_default())
        }
        (Parenthood::Outside, None) => "it was started from outside of what can be seen".to_owned(),
        (Parenthood::Unclear, None) => "its parent cannot be seen, and an error means keep".to_owned(),
        (Parenthood::Perhaps(text), None) => text.clone(),
        (Parenthood::Gone { .. }, None) if signs.has_open_terminal() => {
            "its parent is gone, but its terminal is open".to_owned()
        }
        (Parenthood::Gone { .. }, None) => {
            "its parent is gone, which alone says nothing, and no other sign that counts holds".to_owned()
        }
    };
    (Judged::Live, format!("nothing says that it was left behind: {why}"))
}
