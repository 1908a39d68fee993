//! Situations on an imagined machine, and what is said of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod ends;
mod explained;
mod machine;
mod others;
mod owned;
mod parents;
mod plan;
mod properties;
mod reaping;
mod spared;
mod weak;
