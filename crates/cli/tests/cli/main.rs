//! The binary from outside: what it prints, where, and how it exits. One fat binary, one file per command group.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod analyze;
mod arguments;
mod config;
mod events;
mod ps;
mod replay;
mod support;
mod tools;
