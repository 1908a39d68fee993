//! The suite that every store keeps, on the memory store; what that store alone can show; and that each guard is missed.

#[macro_use]
mod suite;

mod memory;
mod mutation;

use memory::Memory;

conformance!(Memory::start);
