//! Prefork servers, recognised from the tree: a master that starts workers and replaces those that end.
//!
//! A leaking worker of such a server is drained alone, which nobody notices from outside, where any other unit has
//! to be restarted. What drains a worker without losing its request differs from server to server (TERM ends a
//! gunicorn worker gracefully and a unicorn worker at once), so each has a recipe, and a recipe is only written down
//! when `tests/prefork.rs` has tried it on the real thing. What is not recognised is restarted as a whole,
//! which is always right, so every doubt ends in "not recognised".
//!
//! A process is recognised by the script that its interpreter runs or by the title it gave itself, never by a word
//! somewhere on its command line: `vim gunicorn.conf.py` and `python gunicorn_test.py` are no masters. No recipe sends
//! anything to a master but what ends it: HUP reloads code that may not be there any more.

mod recipes;

use std::collections::HashMap;

use scupper_model::Pid;

pub use recipes::RECIPES;

/// One process of the tree, as far as it is needed to recognise it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its pid.
    pub pid: Pid,
    /// Its parent.
    pub parent: Option<Pid>,
    /// The kernel's short name for it (`/proc/PID/comm`).
    pub name: &'a [u8],
    /// Its command line, one entry an argument (`/proc/PID/cmdline`, split at NUL; empty ones at its end count for
    /// nothing, as a process that writes its own title leaves them).
    pub command: &'a [Vec<u8>],
}

/// How a worker is replaced without losing work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// This signal to the worker: it finishes what it has and ends, and the master replaces it.
    Worker {
        /// The number.
        signal: i32,
    },
    /// A signal to the worker would lose work, or nobody would replace it: this signal to the main process, which
    /// ends them all gracefully; then the unit is started again.
    Main {
        /// The number.
        signal: i32,
    },
}

/// What is known of one kind of prefork server.
#[derive(Debug)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// How a worker of it is replaced.
    pub drain: Drain,
    /// Why it is drained so: what was seen when it was tried.
    pub why: &'static str,
    /// Where its makers say so.
    pub source: &'static str,
    /// The version it was tried on.
    pub tried: &'static str,
    /// Whether this can be its master.
    master: fn(&View<'_>) -> bool,
    /// Whether the second, a child of the first, is a worker of it.
    worker: fn(&View<'_>, &View<'_>) -> bool,
    /// Whether the master's look is proof enough while it has no worker.
    alone: bool,
}

/// A prefork server found in the tree.
#[derive(Clone, Debug)]
pub struct Prefork {
    /// Which kind.
    pub recipe: &'static Recipe,
    /// Its master.
    pub master: Pid,
    /// Its workers, in the order of their pids. Empty while it starts, or replaces its only one.
    pub workers: Vec<Pid>,
}

/// The prefork servers of a tree, in the order of their masters' pids. A process that a worker forked without exec
/// looks like the worker; it is neither worker nor master here, because its parent is no master.
pub fn recognise(views: &[View<'_>]) -> Vec<Prefork> {
    let views: Vec<View<'_>> = views.iter().map(|v| View { command: trimmed(v.command), ..*v }).collect();
    let by_pid: HashMap<Pid, &View<'_>> = views.iter().map(|v| (v.pid, v)).collect();
    let mut children: HashMap<Pid, Vec<&View<'_>>> = HashMap::new();
    for view in &views {
        if let Some(parent) = view.parent {
            children.entry(parent).or_default().push(view);
        }
    }
    let mut found: Vec<Prefork> =
        views.iter().filter_map(|view| master_of(view, &by_pid, &children)).collect();
    found.sort_by_key(|prefork| prefork.master);
    found
}

fn master_of(
    view: &View<'_>,
    by_pid: &HashMap<Pid, &View<'_>>,
    children: &HashMap<Pid, Vec<&View<'_>>>,
) -> Option<Prefork> {
    let parent = view.parent.and_then(|parent| by_pid.get(&parent));
    RECIPES.iter().find_map(|recipe| {
        let below_master = parent.filter(|parent| (recipe.master)(parent));
        if !(recipe.master)(view) || below_master.is_some_and(|parent| (recipe.worker)(parent, view)) {
            return None;
        }
        let mut workers: Vec<Pid> = children
            .get(&view.pid)
            .into_iter()
            .flatten()
            .filter(|child| (recipe.worker)(view, child))
            .map(|child| child.pid)
            .collect();
        workers.sort_unstable();
        // A fork that has not written its own title yet carries its master's.
        let alone = recipe.alone && below_master.is_none();
        (alone || !workers.is_empty()).then_some(Prefork { recipe, master: view.pid, workers })
    })
}

fn trimmed(command: &[Vec<u8>]) -> &[Vec<u8>] {
    let end = command.iter().rposition(|a| !a.is_empty()).map_or(0, |last| last + 1);
    &command[..end]
}

#[cfg(test)]
mod tests;
