//! Who was left behind: ownership first, then signs, then what descends from those.
//!
//! It is found in rounds. A process that was left behind counts no more as somebody who holds the other end or uses a
//! server, so that of two that a dead client leaves, of which one inherited the other's pipe, both are found. Nobody
//! who was found is ever taken back, so the rounds end. Two that hold each other and are held by nobody else stay: they
//! may be one program.

use scupper_model::ProcessState;

use crate::ends::OtherEnd;
use crate::finding::{Certainty, Class, Evidence, EvidenceKind};
use crate::lineage::Parenthood;
use crate::ownership::{Standing, Tie};
use crate::scene::Scene;
use crate::signs::Signs;
use crate::spared::{detached, meant_to_stay};
use crate::wording::named;

/// What is thought of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// Nothing speaks against it.
    #[default]
    Ordinary,
    Left {
        certainty: Certainty,
        evidence: Vec<Evidence>,
        unit: Option<String>,
        root: usize,
    },
    /// It looks left behind, and is left alone.
    Alone {
        because: String,
        evidence: Vec<Evidence>,
    },
    /// It descends from one that is left alone.
    BelowAlone,
    /// It looks left behind if its parent is gone, and whether it is cannot be told.
    Unsure {
        because: String,
        evidence: Vec<Evidence>,
    },
}

impl Opinion {
    pub const fn is_left(&self) -> bool {
        matches!(self, Self::Left { .. })
    }

    const fn is_certain(&self) -> bool {
        matches!(self, Self::Left { certainty: Certainty::Certain, .. })
    }

    const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone { .. } | Self::BelowAlone)
    }
}

/// What is thought of every process.
pub(crate) fn opinions(scene: &Scene<'_>) -> Vec<Opinion> {
    let mut opinions = vec![Opinion::Ordinary; scene.lineage.processes.len()];
    loop {
        let mut found = false;
        for &index in &scene.lineage.order {
            if opinions[index].is_left() || scene.process(index).state == ProcessState::Zombie {
                continue;
            }
            let opinion = consider(scene, &opinions, index);
            found |= opinion.is_left();
            opinions[index] = opinion;
        }
        if !found {
            return opinions;
        }
    }
}

/// What is thought of one process, given what is thought of all others so far.
pub(crate) fn consider(scene: &Scene<'_>, opinions: &[Opinion], index: usize) -> Opinion {
    if scene.lineage.descent(index).nth(1).is_some_and(|parent| opinions[parent].is_alone()) {
        return Opinion::BelowAlone;
    }
    let parent = scene.lineage.parent(index).map(|parent| &opinions[parent]);
    if let Some(Opinion::Left { root, .. }) = parent {
        return descends(scene, opinions, index, *root);
    }
    if !scene.is_asked_about(index) {
        return Opinion::Ordinary;
    }
    let ties = &scene.ties[index];
    if let Some(tie) = ties.iter().find(|tie| tie.standing == Standing::Over) {
        return of_a_run_that_is_over(scene, opinions, index, tie);
    }
    let parenthood = scene.lineage.parenthood(index);
    if ties.is_empty() && !matches!(parenthood, Parenthood::Gone { .. } | Parenthood::Perhaps(_)) {
        return Opinion::Ordinary;
    }
    let signs = scene.look(index, &|holder| counts(scene, opinions, index, holder));
    let unrecorded = ties.iter().find(|tie| matches!(tie.standing, Standing::Unclear | Standing::Unrecorded));
    let belongs = unrecorded.filter(|_| {
        matches!(parenthood, Parenthood::Gone { .. })
            && signs.partner().is_none()
            && !signs.has_open_terminal()
    });
    if belongs.is_none() && !signs.decide(scene.process(index)) {
        return unsure(scene, opinions, index, &signs);
    }
    let mut evidence: Vec<Evidence> = belongs.iter().map(|tie| tie.evidence()).collect();
    evidence.extend(signs.evidence());
    match why_alone(scene, opinions, index, &signs, belongs.is_some()) {
        Some(because) => Opinion::Alone { because, evidence },
        None => Opinion::Left {
            certainty: Certainty::Likely,
            evidence: with_name(scene, index, evidence),
            unit: belongs.map(|tie| tie.unit.clone()),
            root: index,
        },
    }
}

/// Why a process that no run that is over is known of is left alone, whatever speaks against it.
fn why_alone(
    scene: &Scene<'_>,
    opinions: &[Opinion],
    index: usize,
    signs: &Signs,
    tied: bool,
) -> Option<String> {
    never_touched(scene, index)
        .or_else(|| meant_to_stay(scene.process(index), signs).map(str::to_owned))
        .or_else(|| in_use(scene, opinions, index))
        .or_else(|| in_front_of_somebody(scene, index, signs, tied))
}

/// A process whose parent may have started it or taken it over: the first process of many containers. That it would count
/// as left behind in the second case is said; it is touched in neither.
fn unsure(scene: &Scene<'_>, opinions: &[Opinion], index: usize, signs: &Signs) -> Opinion {
    let Parenthood::Perhaps(because) = &signs.parenthood else { return Opinion::Ordinary };
    if !signs.decide_without_parent(scene.process(index))
        || why_alone(scene, opinions, index, signs, false).is_some()
    {
        return Opinion::Ordinary;
    }
    Opinion::Unsure { because: because.clone(), evidence: signs.evidence().collect() }
}

/// A process that is tied to a run whose scupper is gone.
fn of_a_run_that_is_over(scene: &Scene<'_>, opinions: &[Opinion], index: usize, tie: &Tie) -> Opinion {
    let signs = scene.look(index, &|holder| counts(scene, opinions, index, holder));
    let mut evidence: Vec<Evidence> =
        scene.ties[index].iter().filter(|other| other.run == tie.run).map(Tie::evidence).collect();
    evidence.extend(signs.evidence());
    let alone = |because: String, evidence| Opinion::Alone { because, evidence };
    if let Some(because) = never_touched(scene, index).or_else(|| in_use(scene, opinions, index)) {
        return alone(because, evidence);
    }
    if let [OtherEnd::Held(client), OtherEnd::Held(reader), _] = &signs.ends
        && client == reader
    {
        let client = named(scene.process(*client));
        let unit = &tie.unit;
        let because =
            format!("the scupper of unit {unit} is gone, and {client} still speaks to it over stdio");
        return alone(because, evidence);
    }
    if let Some(starter) = handed_on_by(scene, index, tie) {
        let starter = named(scene.process(starter));
        let because = format!("{starter}, which is of no run that is over, may have started it and lives");
        return alone(because, evidence);
    }
    if before_somebody(scene, index) {
        let unit = &tie.unit;
        let because = format!(
            "the scupper of unit {unit} is gone, and an open terminal is its stdin: somebody may sit before it"
        );
        return alone(because, evidence);
    }
    let certain =
        scene.known.trouble.is_empty() && !signs.has_open_terminal() && !has_partner(scene, index, &signs);
    Opinion::Left {
        certainty: if certain { Certainty::Certain } else { Certainty::Likely },
        evidence: with_name(scene, index, evidence),
        unit: Some(tie.unit.clone()),
        root: index,
    }
}

/// Whether somebody may sit before a process of a run that is over, or before the topmost of that run above it: its stdin
/// is a terminal that is open. Further down it may be a terminal that an agent made for one of its commands.
fn before_somebody(scene: &Scene<'_>, index: usize) -> bool {
    let is_over = |index: &usize| scene.ties[*index].iter().any(|tie| tie.standing == Standing::Over);
    let top = scene.lineage.descent(index).filter(is_over).last();
    top.is_some_and(|top| scene.ends.other_end(top, 0, &|_| true) == OtherEnd::Terminal)
}

/// Whether somebody outside speaks or listens to a process, at one end at least. `producer | job > log` is at work.
fn has_partner(scene: &Scene<'_>, index: usize, signs: &Signs) -> bool {
    signs.partner().is_some() || [0, 1].into_iter().any(|end| scene.ends.is_held_unseen(index, end))
}

/// An environment is also handed on without descent: by an editor that copied it from a terminal, by `sudo -E`. So of a
/// mark that nothing else confirms, the living process that may have started the topmost one with it, and has it not.
fn handed_on_by(scene: &Scene<'_>, index: usize, tie: &Tie) -> Option<usize> {
    if tie.kind != EvidenceKind::Mark {
        return None;
    }
    let has_it = |index: &usize| scene.ties[*index].iter().any(|other| other.run == tie.run);
    let top = scene.lineage.above(index).take_while(has_it).last().unwrap_or(index);
    match scene.lineage.parenthood(top) {
        Parenthood::Lives => scene.lineage.parent(top),
        _ => None,
    }
}

/// A process below one that was left behind.
fn descends(scene: &Scene<'_>, opinions: &[Opinion], index: usize, root: usize) -> Opinion {
    let process = scene.process(index);
    let top = scene.process(root);
    let signs = scene.look(index, &|holder| counts(scene, opinions, root, holder));
    let over = scene.ties[index].iter().find(|tie| tie.standing == Standing::Over);
    let tie = over.filter(|tie| handed_on_by(scene, index, tie).is_none());
    let mut evidence: Vec<Evidence> = tie.iter().map(|tie| tie.evidence()).collect();
    let text = format!("it descends from {}, which was left behind", named(top));
    evidence.push(Evidence { kind: EvidenceKind::Ancestry, text });
    evidence.extend(signs.evidence());
    let strangers = || {
        let other_user = process.uid != top.uid;
        other_user.then(|| format!("it belongs to another user than {}, from which it descends", named(top)))
    };
    let meant = || detached(process).filter(|_| tie.is_none()).map(str::to_owned);
    let partner = || {
        let partner = signs.partner().filter(|_| tie.is_none())?;
        Some(format!("{} is at the other end of its stdin or stdout", named(scene.process(partner))))
    };
    let because = never_touched(scene, index).or_else(strangers).or_else(meant).or_else(partner);
    if let Some(because) = because {
        return Opinion::Alone { because, evidence };
    }
    // What speaks for the one above it speaks for all of the same run.
    let asked_with_top =
        |tie: &Tie| !opinions[root].is_certain() && scene.ties[root].iter().any(|other| other.run == tie.run);
    let certain = tie.is_some_and(|tie| !asked_with_top(tie))
        && scene.known.trouble.is_empty()
        && !has_partner(scene, index, &signs);
    Opinion::Left {
        certainty: if certain { Certainty::Certain } else { Certainty::Likely },
        evidence: with_name(scene, index, evidence),
        unit: tie.map(|tie| tie.unit.clone()),
        root,
    }
}

/// Whether somebody who holds an end of a process, or uses it, counts: neither what is part of it nor what was left
/// behind with it. What is left alone of the same run does.
fn counts(scene: &Scene<'_>, opinions: &[Opinion], root: usize, holder: usize) -> bool {
    let of_same_run = || {
        let ties = &scene.ties[root];
        let shared = |tie: &Tie| tie.standing == Standing::Over && ties.iter().any(|own| own.run == tie.run);
        scene.ties[holder].iter().any(shared)
            && never_touched(scene, holder).is_none()
            && !before_somebody(scene, holder)
    };
    !opinions[holder].is_left() && !scene.lineage.is_within(holder, root) && !of_same_run()
}

/// Why a process is never touched, recorded or not.
pub(crate) fn never_touched(scene: &Scene<'_>, index: usize) -> Option<String> {
    scene.sparing.hard(index).or_else(|| scene.owners[index].as_ref().map(ToString::to_string))
}

/// Who uses a tree.
fn in_use(scene: &Scene<'_>, opinions: &[Opinion], index: usize) -> Option<String> {
    let tree = scene.lineage.tree(index);
    let users = scene.ends.users(tree, &|holder| counts(scene, opinions, index, holder));
    match users.as_slice() {
        [] if scene.ends.users_are_unknown(tree) => {
            Some("whether somebody is connected to it could not be read".to_owned())
        }
        [] => None,
        [first] => Some(format!("in use: 1 connection, from {first}")),
        [first, ..] => Some(format!("in use: {} connections, one from {first}", users.len())),
    }
}

/// Whether somebody may sit before a window or a terminal of a tree. Where one of its ends is dead only windows are asked
/// for, and any partner that is hidden may be what shows them.
fn in_front_of_somebody(scene: &Scene<'_>, index: usize, signs: &Signs, tied: bool) -> Option<String> {
    let tree = scene.lineage.tree(index);
    if let Some(display) = scene.ends.display(tree) {
        return Some(format!("{display} shows its windows"));
    }
    let unseen = || {
        let has_one = scene.ends.has_unseen_partner(tree);
        has_one.then(|| "it is connected to somebody who cannot be seen".to_owned())
    };
    if tied {
        return None;
    }
    if signs.holds(EvidenceKind::StdinGone) || signs.holds(EvidenceKind::OutputGone) {
        return scene.ends.hides_others().then(unseen).flatten();
    }
    if let Some(because) = unseen() {
        return Some(because);
    }
    let on_terminal = |index: &&usize| {
        scene.process(**index).has_terminal
            && scene.kind(**index).class == Class::Shell
            && scene.ends.other_end(**index, 0, &|_| true) == OtherEnd::Terminal
    };
    let shell = tree.iter().find(on_terminal)?;
    Some(format!("the shell {} of it has an open terminal", named(scene.process(*shell))))
}

/// Evidence from the strongest to the weakest, with what the name adds.
fn with_name(scene: &Scene<'_>, index: usize, mut evidence: Vec<Evidence>) -> Vec<Evidence> {
    let what = match scene.kind(index).class {
        Class::Browser => Some("browsers"),
        Class::McpServer => Some("MCP servers"),
        Class::TestRunner => Some("test runners"),
        Class::DevServer => Some("development servers"),
        Class::LanguageServer => Some("language servers"),
        Class::Agent | Class::Shell | Class::Other => None,
    };
    evidence.extend(
        what.map(|what| Evidence { kind: EvidenceKind::Name, text: format!("{what} are often left behind") }),
    );
    evidence.sort_by_key(|piece| piece.kind);
    evidence
}
