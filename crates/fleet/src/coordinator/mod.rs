//! The side of whoever sweeps: finds orphans, claims them, cleans up after them, and sums the fleet's memory up.
//!
//! - `pace.rs`, `cleanup.rs`: when what is due, and what becomes of what fails. Pure.
//! - `turn.rs`: one turn: sweep, clean up, look at processes and memory. `run.rs`: turns until it is to end.
//! - `memory.rs`: what the fleet takes, and whether it grows.
//! - `lost.rs`: agents of coordinators that are gone. `processes.rs`: processes of orphans of this host.
//! - `batch.rs`: heartbeats of this host's agents, in one call. `listening.rs`: objections in time to cleanups of these.
//! - `view.rs`: what one coordinator knows and has done, for metrics and for whoever asks.
//!
//! Any number of coordinators work on one registry at once, and nobody leads. A claim is the registry's: it has fenced the
//! incarnation, one coordinator holds it, and another takes it on when its lease ends. So a coordinator may die anywhere.
//! While the registry does not answer, nothing is done and nobody is ended.

mod batch;
mod cleanup;
mod listening;
mod lost;
mod memory;
mod pace;
mod processes;
mod run;
mod turn;
mod view;

use std::sync::Arc;

use scupper_model::FleetFact;

pub use self::batch::{Batch, Done as BatchDone};
pub use self::listening::Listening;
pub use self::lost::OnLost;
pub use self::memory::GROWTH_LIMIT;
pub use self::processes::{Fate, Looked, Processes};
pub use self::run::Stop;
pub use self::turn::Coordinator;
pub use self::view::{Done, FleetGrowth, LARGEST_LIMIT, Memory, SharedView, View};
use crate::words::{CoordinatorId, HostId, LeakWindow, Timing};

/// What a coordinator is told.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name.
    pub id: CoordinatorId,
    /// Where it runs: as agents of this host say it.
    pub host: HostId,
    /// The registry's address as it may be shown.
    pub registry: String,
    /// All times.
    pub timing: Timing,
    /// What becomes of the agents of coordinators that are gone.
    pub on_lost: OnLost,
    /// How far back the fleet's growth is to be measured; `None`: as the registry says.
    pub leak_window: Option<LeakWindow>,
}

/// Takes every fact that a coordinator has to tell, from its own thread.
pub type Facts = Arc<dyn Fn(FleetFact) + Send + Sync>;
