//! Tests against fixture trees, live processes, and the crate procfs.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod cgroups;
mod differential;
mod fake_proc;
mod live;
mod snapshot;
mod snapshot_live;
mod support;
