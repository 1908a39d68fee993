//! The words of Scupper as types.
//!
//! One word per thing, the same in code, flags, JSON, metrics and docs. Every other room may use this one; it uses
//! the detector's words alone (what a series is judged to be), and it knows no clock, file or network.

#![forbid(unsafe_code)]

mod brake;
mod bytes;
mod certificate;
mod event;
mod history;
mod identity;
mod keep;
mod mark;
mod record;
mod redact;
mod resource;
mod sample;
mod soak;
mod text;
mod unit;
mod verification;
mod watched;

pub use brake::{allowed, brake};
pub use bytes::{Bytes, ParseSizeError, Size};
pub use certificate::{Certificate, EndedBy, Fatal, HowEnded};
pub use event::{
    ClientEnd, EVENT_SCHEMA, Event, EventKind, FleetFact, OBSERVED, Severity, SignalReason, Timestamp,
};
pub use history::{
    Comparison, Grows, History, MOST_CHANGES, MOST_POINTS, MemoryChange, MemoryKind, Pattern, ResourceChange,
    ResourceKind, Stretch, Work,
};
pub use identity::{BootId, Identity, ParseIdentityError, Pid, StartTime};
pub use keep::{Keep, Kept};
pub use mark::{KEEP, MARK, REGISTRY, TOKEN, UNIT, cgroup_name, holds_password};
pub use record::{RECORD_SCHEMA, UnitPhase, UnitRecord};
pub use redact::{REDACTED, redact_arguments, redact_assignment, redact_command, redact_line};
pub use resource::{LimitLevel, Resource};
pub use sample::{Connections, ProcessSample, ProcessState, Total, TreeSample};
pub use soak::{SoakOutcome, SoakResult};
pub use text::{ParseDurationError, duration, format_duration, parse_duration, printable};
pub use unit::{
    ChildLifetime, InvalidName, Limits, Policy, Profile, RecyclePolicy, RestartPolicy, RunId, UnitName,
    UnitSpec,
};
pub use verification::Verification;
pub use watched::{Class, Judged, Watched, time_to_limit};
