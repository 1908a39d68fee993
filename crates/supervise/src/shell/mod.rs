//! The shell around the machine: one loop that waits, looks, and carries effects out.
//!
//! Three processes, all of this program: the *guardian* that the user started (`guardian.rs`), the *engine* with this
//! loop (`engine.rs`), and for a moment the *launch* stage that becomes the command (`launch.rs`). Everything that can
//! happen is a `poller::Token`, a time, or an answer to an effect; of what is decided, the machine decides it.

mod attach;
mod client;
pub mod clock;
mod closer;
mod death;
mod deliver;
mod earlier;
mod engine;
pub mod foreign;
mod guardian;
mod judge;
mod launch;
mod lease;
mod listed;
mod logs;
mod membership;
mod nearer;
mod notify_socket;
mod observer;
mod ownership;
mod poller;
mod pss;
mod relay;
mod server;
mod signals;
mod spawn;
mod stamp;
mod tidy;
mod tree;
mod trim;
mod unit;

pub use attach::{AttachError, Detached, Over, Setup as AttachSetup, Viewer, attach};
pub use deliver::{Untouchable, deliver};
pub use earlier::end_abandoned;
pub use engine::{
    Joins, Leasehold, Options, ParentExit, Reload, Sink, SuperviseError, observe, supervise, supervise_leased,
};
pub use guardian::{guard, guarded};
pub use judge::{KEEPS_UNREAD, Keeps};
pub use launch::{is_launch, launch};
pub use lease::{Lease, Order, View};
pub use observer::Observer;
pub use ownership::remove_cgroup;
pub use stamp::stamp;
pub use tidy::tidy_abandoned;
pub use trim::Program;

/// Lets go of stdin and stdout, which are the command's alone: a reader of its output sees the end when the command
/// ends, and a writer to its input sees when nobody reads.
fn let_go_of_stdio() {
    if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
