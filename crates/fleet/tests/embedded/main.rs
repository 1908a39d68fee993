//! The embedded store keeps the suite that every store keeps, and what it alone promises: several processes, files that are
//! lost, damaged or full.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the helpers of tests are tests")]

#[path = "../common/listening.rs"]
mod listening;
#[path = "../conformance/suite/mod.rs"]
#[macro_use]
mod suite;
#[path = "../chaos/world/mod.rs"]
mod world;

mod chaos;
mod files;
mod fixture;
mod hearing;
mod processes;

use fixture::Embedded;

conformance!(Embedded::start);
