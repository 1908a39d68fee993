//! Processes that ended and that nobody waits for. One look shows a zombie that its parent is about to wait for as
//! well: whoever reports them looks twice.

use scupper_model::ProcessState;

use crate::finding::Zombie;
use crate::scene::Scene;
use crate::wording::short_name;

/// Every zombie, with the living parent that does not wait for it.
pub(crate) fn zombies(scene: &Scene<'_>) -> Vec<Zombie> {
    let processes = scene.lineage.processes.iter().enumerate();
    let asked = processes.filter(|(_, process)| {
        process.state == ProcessState::Zombie
            && process.age >= scene.settings.min_age
            && scene.is_of_asked_user(process)
    });
    asked
        .map(|(index, _)| {
            let parent = scene.lineage.parent(index).map(|parent| scene.process(parent));
            let waits_for = parent
                .filter(|parent| parent.state != ProcessState::Zombie)
                .map(|parent| (parent.identity.pid, short_name(parent)));
            Zombie { process: scene.shown(index).0, waits_for }
        })
        .collect()
}
