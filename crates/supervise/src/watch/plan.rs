//! How a unit's numbers are judged: against which limits, by which rule, with how much time.

use std::time::Duration;

use scupper_detect::{GrowRule, Horizon, Settings};
use scupper_model::{Bytes, Resource, UnitSpec, Watched};

use crate::unit::{Bounds, Look, Seen};

/// What has to be known of a unit to judge its growth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    /// How much time there is.
    pub horizon: Horizon,
    /// Growth of memory that is a leak whatever its shape.
    pub grow: Option<GrowRule>,
    /// The limits, resolved.
    pub bounds: Bounds,
    /// The memory there is where no limit is set: of the cgroup, or of the host.
    pub memory: Option<Bytes>,
    /// Descriptors that a process may open.
    pub descriptors: Option<u64>,
}

impl Plan {
    /// That of a unit. `whole` is what its limits are a percentage of, where they are.
    pub fn of(spec: &UnitSpec, whole: Option<Bytes>) -> Self {
        let bounds = Bounds::resolve(&spec.limits, whole);
        Self { horizon: spec.horizon, grow: spec.grow, bounds, ..Self::default() }
    }

    /// How a series of the tree is judged.
    pub(super) fn tree(&self, of: Watched) -> Settings {
        Settings { quantity: of.quantity(), horizon: self.horizon, limit: None, grow: None }
    }

    /// How a series of one process is judged. The operator's rule is about a process: a worker that is started is growth
    /// of the tree, and no leak.
    pub(super) fn process(&self, of: Watched) -> Settings {
        Settings { grow: self.grow.filter(|_| of == Watched::Memory), ..self.tree(of) }
    }

    /// At this age a tree or a process has started: what it grew by until then was its start. Most processes never get
    /// there.
    pub(crate) const fn after(&self) -> Duration {
        match self.horizon {
            Horizon::Long => Duration::from_secs(5),
            Horizon::Short => Duration::from_secs(2),
        }
    }

    /// What the tree's series of it runs into: the soft limit, else the hard one, else what there is.
    ///
    /// `own` is the descriptor limit of the only process, where that was read.
    ///
    /// The series of memory is the sum of RSS, while limits are compared with the unit's size, which near a limit is its
    /// PSS: what is counted more than once there may be counted more than once here.
    pub(super) fn limit(&self, of: Watched, look: &Look, value: u64, own: Option<u64>) -> Option<u64> {
        let set = |resource| {
            let bound = self.bounds.of(resource);
            bound.soft.or(bound.hard)
        };
        match of {
            Watched::Memory => {
                let limit = set(Resource::Memory).or(self.memory.map(|bytes| bytes.0))?;
                Some(limit.saturating_add(look.tree.rss_bytes.known.saturating_sub(look.size.0)))
            }
            // The kernel's own limit is one of each process.
            Watched::Descriptors => {
                set(Resource::Descriptors).or_else(|| self.of_the_only_one(of, look, value, own))
            }
            Watched::Sockets => set(Resource::Sockets).or_else(|| self.of_the_only_one(of, look, value, own)),
            Watched::CloseWait | Watched::FinWait2 => self.of_the_only_one(of, look, value, own),
            Watched::Threads => set(Resource::Threads),
            Watched::Children => set(Resource::Children),
            Watched::Zombies | Watched::Browsers | Watched::StdioChildren => None,
        }
    }

    /// What is a limit of each process is one of the tree where that is a single process.
    fn of_the_only_one(&self, of: Watched, look: &Look, value: u64, own: Option<u64>) -> Option<u64> {
        let mut living = look.processes.iter().filter(|seen| !seen.zombie);
        let only = living.next().filter(|_| living.next().is_none())?;
        Some(value.saturating_add(descriptors_left(of, only, own.or(self.descriptors))?))
    }
}

/// So many descriptors a process may still open: what a series of some of them has left.
pub(super) fn descriptors_left(of: Watched, seen: &Seen, limit: Option<u64>) -> Option<u64> {
    match of {
        Watched::Descriptors | Watched::Sockets | Watched::CloseWait | Watched::FinWait2 => {
            Some(limit?.saturating_sub(seen.value(Resource::Descriptors)?))
        }
        _ => None,
    }
}
