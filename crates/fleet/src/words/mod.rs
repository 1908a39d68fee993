//! What agents, coordinators and stores say to each other.

mod agent;
mod beat;
mod event;
mod id;
mod leaked;
mod reaping;
mod sweep;
mod timing;
mod view;
mod window;

pub use agent::{Item, ItemKind, Lost, Process, Registered, Registration, SecretHash, Written};
pub use beat::{Answer, Beat, Beaten, Directive, MemoryUse, Report};
pub use event::{Event, EventId, Happened, MemoryStats};
pub use id::{AgentId, CoordinatorId, Epoch, Fence, HostId, Incarnation, InvalidId, Nonce};
pub use leaked::{Kept, LEAKED_LIMIT, Leaked, LeakedKey, UNTOUCHED, may_be_of};
pub use reaping::{Claim, Orphan, Reaped, Reason};
pub use sweep::{CLAIMS_LIMIT, Phase, Sweep, Swept};
pub use timing::Timing;
pub use view::{
    AgentView, ClaimView, CoordinatorView, FleetGrowth, NAMED_LIMIT, Page, Standing, Status, Totals,
};
pub use window::{InvalidWindow, LeakWindow};
pub(crate) use window::{PERIODS, PERIODS_KEPT};
