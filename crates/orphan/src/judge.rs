//! The judgement: what was left behind, what is held and not used, and what else is wrong, from one look.

use scupper_probe::snapshot::Snapshot;

use crate::finding::{Findings, LeftBehind, NotTouched, Shown};
use crate::known::{Known, Observer, Settings};
use crate::scene::{Scene, with_scene};
use crate::verdict::{Opinion, opinions};
use crate::{descriptors, idle, zombies};

/// Says what was left behind. Pure: the same arguments, the same findings, in the same order (largest first).
pub fn judge(snapshot: &Snapshot, known: &Known, observer: Observer, settings: &Settings) -> Findings {
    with_scene(snapshot, known, observer, settings, findings)
}

fn findings(scene: &Scene<'_>) -> Findings {
    let opinions = opinions(scene);
    let mut findings = Findings {
        held_idle: idle::held_idle(scene, &opinions),
        zombies: zombies::zombies(scene),
        descriptors: descriptors::descriptors(scene),
        unreadable: scene.snapshot.unreadable.clone(),
        ..Findings::default()
    };
    for (index, opinion) in opinions.into_iter().enumerate() {
        match opinion {
            Opinion::Ordinary | Opinion::BelowAlone => {}
            Opinion::Alone { because, evidence } | Opinion::Unsure { because, evidence } => {
                let (process, _) = scene.shown(index);
                findings.not_touched.push(NotTouched { process, because, evidence });
            }
            Opinion::Left { certainty, evidence, unit, root } => {
                let (process, group) = scene.shown(index);
                let root = scene.process(root).identity.pid;
                findings.left_behind.push(LeftBehind { process, root, group, certainty, evidence, unit });
            }
        }
    }
    findings.left_behind.sort_by_key(|found| largest_first(&found.process));
    findings.held_idle.sort_by_key(|found| largest_first(&found.process));
    findings.zombies.sort_by_key(|found| found.process.identity.pid);
    findings
        .descriptors
        .sort_by_key(|found| (found.kind, std::cmp::Reverse(found.count), found.process.identity));
    findings.not_touched.sort_by_key(|found| largest_first(&found.process));
    findings
}

fn largest_first(shown: &Shown) -> impl Ord + use<> {
    (std::cmp::Reverse(shown.rss), shown.identity)
}
