//! The side of whoever sweeps: finds orphans, claims them, cleans up after them, and sums the fleet's memory up.
//!
//! - `view.rs`: what one coordinator knows and has done, for metrics and for whoever asks.

mod view;

pub use view::{Done, FleetGrowth, LARGEST_LIMIT, Memory, SharedView, View};
