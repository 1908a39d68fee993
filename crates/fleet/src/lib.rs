//! Agents on many hosts: who is alive, who is not, and who cleans up after whom.
//!
//! - `words/`: what is said: agents, heartbeats, sweeps, events, times.
//! - `store.rs`: the one trait. Its stores (`memory/`, `embedded/`, `redis/`) promise the same, shown by one suite that
//!   runs against each (`tests/conformance/`).
//! - `rules/`: what the stores decide, pure: epochs, the guard after an outage, the brake, seed 004's heartbeats.
//! - `remote/`: a coordinator as a registry for agents, over its HTTP API (`wire.rs`).
//! - `agent/`: the side of an agent: beats, fences itself, leaves.
//! - `coordinator/`: the side of whoever sweeps: claims, reaps, sums memory up.
//!
//! Five invariants hold, however processes pause, crash and come back:
//!
//! - **I1** no write of a fenced incarnation is ever accepted, where the store can fence;
//! - **I2** a live agent never loses state;
//! - **I3** nobody is fenced inside a valid lease;
//! - **I4** one completion per incarnation, however many coordinators;
//! - **I5** every registration that ends is cleaned, whoever crashes half-way.
//!
//! Only the store's clock decides about a lease; an agent's own clock decides only that it stops earlier.

#![forbid(unsafe_code)]

mod address;
pub mod agent;
mod clock;
pub mod coordinator;
mod embedded;
pub mod memory;
mod open;
mod redis;
mod remote;
pub mod rules;
mod store;
pub mod testing;
mod totals;
pub mod wire;
mod words;

pub use address::{Address, COORDINATOR_PORT, Password, RedisAddress, RedisHost, RedisServers, TlsFiles};
pub use clock::{Clock, SystemClock};
pub use embedded::EmbeddedStore;
pub use open::{members, open};
pub use redis::{RedisLimits, RedisStore};
pub use remote::Remote;
pub use store::{BEATS_LIMIT, Members, Store, StoreError, depart};
pub use words::{
    AgentId, AgentView, Answer, Beat, Beaten, CLAIMS_LIMIT, Claim, ClaimView, CoordinatorId, CoordinatorView,
    Directive, Epoch, Event, EventId, Fence, FleetGrowth, Happened, HostId, Incarnation, InvalidId,
    InvalidWindow, Item, ItemKind, Kept, LEAKED_LIMIT, LeakWindow, Leaked, LeakedKey, Lost, MemoryStats,
    MemoryUse, NAMED_LIMIT, Nonce, Orphan, Page, Phase, Process, Reaped, Reason, Registered, Registration,
    Report, SecretHash, Standing, Status, Sweep, Swept, Timing, Totals, UNTOUCHED, Written, may_be_of,
};
