//! The embedded store keeps the suite that every store keeps, and what it alone promises: several processes, files that are
//! lost, damaged or full.

#[path = "../conformance/suite/mod.rs"]
#[macro_use]
mod suite;

mod fixture;

use fixture::Embedded;

conformance!(Embedded::start);
