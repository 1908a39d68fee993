//! What every store decides in the same way, as plain functions of what it has read. The embedded and the memory store call
//! them; the scripts of the Redis store say the same in Lua, and the conformance suite holds them to it.

mod hybrid;
mod limits;
mod mass;
mod outage;
mod seed;

pub use hybrid::{LostEpochs, NUMBERS_END, next_epoch, next_fence};
pub use limits::{ITEM_LIMIT, REPORT_STATE_LIMIT, TTL_LIMIT, check_item, clipped_state};
pub use mass::{Allowance, MassBrake};
pub use outage::{Leases, Outage, Why as OutageWhy};
pub use seed::{Judged, SeedHeartbeat, judge_seed};
