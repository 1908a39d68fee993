//! The binary from outside: what it prints, where, and how it exits. One fat binary, one file per command group.

mod arguments;
mod config;
mod events;
mod metrics;
mod ps;
mod support;
mod tools;
