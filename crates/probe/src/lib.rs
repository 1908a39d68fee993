//! What Linux says of processes, trees, descriptors, sockets and cgroups. It reads and decides nothing.
//!
//! Three rules hold in every module, because whoever acts on these numbers sends signals:
//!
//! - **Gone is not an error.** Processes end while they are looked at: `ENOENT` and `ESRCH` on a read about one
//!   process are `Ok(None)`.
//! - **Unknown is not zero.** What may not be read is [`ProbeError::Denied`] where it was asked for by itself, and
//!   a `None` field where it is one number of many.
//! - **Whose number was it?** A pid is reused, so a look at a process either goes through a descriptor that dies
//!   with it ([`Process`], [`pidfd`]) or compares the start time.
//!
//! Roots are arguments (`/proc` in [`Proc::open`], cgroup mounts in [`cgroup::Mounts`]), so fixture trees can stand
//! in for the kernel. Nothing here reads a clock. Content of files is data: bounded and validated, and no content
//! of any file panics.
//!
//! Where `/proc` is mounted with `hidepid=2`, processes of other users look as if they were gone.

#![deny(unsafe_code)]

pub mod abilities;
pub mod cgroup;
pub mod connections;
mod error;
mod file;
pub mod holdings;
#[doc(hidden)]
pub mod parse;
mod passed;
pub mod pidfd;
mod process;
mod root;
pub mod snapshot;
pub mod sockets;
mod stat;
pub mod tree;

pub use cgroup::CgroupPath;
pub use error::{ParseError, ProbeError};
pub use process::{Detail, Process, Weight, pss, shared};
pub use root::Proc;
pub use stat::{Image, Stat};
