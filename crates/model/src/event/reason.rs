//! How loud an event is, and why a signal was sent.

use serde::{Deserialize, Serialize};

/// How much an event wants to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Routine: kept, and not printed while all is well.
    Routine,
    /// Something was done on purpose.
    Notice,
    /// Somebody should look.
    Warning,
    /// Something failed.
    Error,
}

/// Why a signal was sent. Every signal is an event with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalReason {
    /// Somebody signalled scupper; the command gets what they sent.
    Forwarded,
    /// The unit is to stop (`scupper stop`, end of the parent, end of scupper).
    Stop,
    /// The unit is to start again (`scupper restart`).
    Restart,
    /// The unit or a worker is to be replaced (`scupper recycle`).
    Recycle,
    /// A soft limit was crossed.
    SoftLimit,
    /// A hard limit was crossed.
    HardLimit,
    /// It leaks, and would reach its limit.
    Leak,
    /// It did not end within the grace after TERM.
    GraceExpired,
    /// A helper or a unit lived longer than it may.
    LifetimeExceeded,
    /// The command ended and this was left of its tree; or `scupper reap` found that its owner is gone.
    LeftBehind,
    /// `scupper reap`: a living parent holds it and does not use it, and somebody named it.
    HeldIdle,
    /// A new configuration has no such unit, or another command for it.
    Reloaded,
    /// The scupper that owned the tree is gone; its guardian ends the tree.
    SupervisorLost,
    /// Whoever talked to the unit over its stdin is gone.
    ClientGone,
    /// Nothing passed through the unit for as long as it may be idle.
    Idle,
    /// The unit is an agent of a registry, and holds no lease there: it must not act.
    LeaseLost,
    /// It holds its lease again.
    LeaseRegained,
    /// The registry asked the agent to leave.
    Directed,
}

impl SignalReason {
    /// The words for a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Stop => "stop",
            Self::Restart => "restart asked for",
            Self::Recycle => "recycle asked for",
            Self::SoftLimit => "soft limit crossed",
            Self::HardLimit => "hard limit crossed",
            Self::Leak => "leak",
            Self::GraceExpired => "grace expired",
            Self::LifetimeExceeded => "lifetime exceeded",
            Self::LeftBehind => "left behind",
            Self::HeldIdle => "held idle",
            Self::Reloaded => "configuration changed",
            Self::SupervisorLost => "supervisor lost",
            Self::ClientGone => "client gone",
            Self::Idle => "idle",
            Self::LeaseLost => "lease lost",
            Self::LeaseRegained => "lease regained",
            Self::Directed => "asked to leave by the registry",
        }
    }
}

/// How it was seen that a unit's client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientEnd {
    /// Nobody holds the other end of stdin any more.
    StdinClosed,
    /// The process that held the other end of stdin has ended.
    Exited,
    /// The leader of the session that scupper was started in has ended.
    SessionOver,
}
