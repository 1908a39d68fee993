//! The unit's machine against random histories, time turned by hand. A small simulated world carries its effects out
//! as processes would: some end on TERM, some ignore it, some leave helpers, some leak. After every step the four
//! invariants are checked; they are the contract of `supervise::unit`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod interrupts;
mod leaks;
mod limits;
mod random;
mod world;
