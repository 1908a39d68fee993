//! Events: one fact, recorded once. There is one event type and one way in; nobody formats a second one.

mod fleet;
mod reason;
#[cfg(test)]
mod tests;
mod timestamp;

use scupper_detect::{Reason, Verdict};
use serde::{Deserialize, Serialize};

pub use self::fleet::FleetFact;
pub use self::reason::{ClientEnd, Severity, SignalReason};
pub use self::timestamp::Timestamp;
use crate::{
    Bytes, Certificate, Comparison, History, Identity, Judged, LimitLevel, Profile, Resource, RunId,
    SoakOutcome, SoakResult, UnitName, Verification, Watched,
};

/// The schema of one event line. Grows when a field is added.
pub const EVENT_SCHEMA: &str = "scupper.event/1";

/// The action of a crossed limit where the policy is to observe: it is recorded, and nobody is told.
pub const OBSERVED: &str = "none: observe";

/// What happened. The tag is the event's name everywhere: log, evidence, metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "snake_case",
    expecting = "no event that this version knows, or not of its form"
)]
#[expect(missing_docs, reason = "fields are named by the words of the model and explained at their variant")]
pub enum EventKind {
    /// The command of a unit was started; `start` counts from 1 within a run.
    UnitStarted { main: Identity, command: String, profile: Profile, start: u64, cgroup: Option<String> },
    /// The command could not be started.
    StartFailed { command: String, code: i32, message: String },
    /// The main process of a unit ended.
    UnitExited { certificate: Box<Certificate> },
    /// Another process of the tree ended in a way worth recording.
    ProcessDied { certificate: Box<Certificate> },
    /// The unit will be started again.
    UnitRestarting { cause: String, restarts: u64, delay_ms: u64 },
    /// The restart budget is spent.
    UnitGaveUp { cause: String, restarts: u64, retry_ms: Option<u64> },
    /// The unit ended, and so much of its tree had to be ended after it.
    UnitStopped { reason: String, exit_code: i32, ended: u32, kept: u32 },
    /// A limit was crossed.
    LimitCrossed {
        resource: Resource,
        level: LimitLevel,
        value: u64,
        limit: u64,
        culprit: Option<Identity>,
        culprit_name: Option<String>,
        culprit_value: Option<u64>,
        growth_per_second: Option<f64>,
        action: String,
    },
    /// A limit is set below what the unit already uses, or has nothing it could end.
    LimitUnreachable { resource: Resource, level: LimitLevel, value: u64, limit: u64, message: String },
    /// What is thought of a series has changed: of the tree's, or of one process'.
    VerdictChanged {
        series: Watched,
        target: Option<Identity>,
        name: Option<String>,
        value: u64,
        previous: Verdict,
        #[serde(flatten)]
        judged: Box<Judged>,
    },
    /// The history of a series, as far as it is still known: for whoever explains it later.
    SeriesRecorded {
        #[serde(flatten)]
        history: Box<History>,
    },
    /// What a process that grows held at two times.
    ResourcesCompared {
        #[serde(flatten)]
        comparison: Box<Comparison>,
    },
    /// A browser or another helper of a worker is still there, and what it was started for is over.
    HelperOutlives {
        target: Identity,
        name: String,
        kind: String,
        started_by: Option<Identity>,
        processes: u32,
        rss_bytes: Option<Bytes>,
        operations_before: Option<u64>,
        operations_seen: Option<u64>,
        lines: Vec<String>,
        because: String,
    },
    /// `--fail-on-leak` has found something that the command leaks or has left behind.
    LeakFound {
        series: Watched,
        target: Option<Identity>,
        name: Option<String>,
        value: u64,
        confidence: Option<f64>,
        slope_per_hour: Option<f64>,
        reasons: Vec<Reason>,
    },
    /// A soak is over: what was asked for, what was seen, and whether the one holds for the other.
    SoakFinished {
        #[serde(flatten)]
        soak: Box<SoakResult>,
    },
    /// A command was run to verify something that a report says.
    VerificationRan {
        #[serde(flatten)]
        verification: Box<Verification>,
    },
    /// A process is being replaced or ended on purpose.
    RecycleStarted {
        target: Identity,
        name: String,
        role: String,
        reason: SignalReason,
        rss_bytes: Option<Bytes>,
    },
    /// It is gone.
    RecycleCompleted { target: Identity, name: String, role: String, took_ms: u64, forced: bool },
    /// A signal was sent.
    SignalSent { target: Identity, name: String, signal: i32, reason: SignalReason },
    /// A signal could not be sent.
    SignalFailed { target: Identity, signal: i32, reason: SignalReason, message: String },
    /// Somebody signalled scupper.
    SignalReceived { signal: i32, sender: Option<i32>, sender_name: Option<String> },
    /// The members of a cgroup, recorded before `cgroup.kill`.
    CgroupKill { cgroup: String, members: Vec<i32>, reason: SignalReason },
    /// Everybody in a cgroup stands still.
    CgroupFrozen { cgroup: String, members: Vec<i32>, reason: SignalReason },
    /// They go on.
    CgroupThawed { cgroup: String, members: Vec<i32>, reason: SignalReason },
    /// A process was left alone on purpose.
    Kept { target: Identity, name: String, because: String },
    /// A process that carries the unit's mark or sits in its cgroup was found outside its tree.
    EscapeeFound { target: Identity, name: String, evidence: String },
    /// Something of an earlier run of this unit was still there when it started.
    EarlierRunFound { earlier_run: RunId, processes: u32 },
    /// The process that started scupper is gone.
    ParentExited { pid: i32 },
    /// Whoever talked to the unit over its stdin is gone, and how that was seen. `pid` is the process that was followed.
    ClientGone { how: ClientEnd, pid: Option<i32> },
    /// The unit is ended because of its age, or because nothing passed through it for so long.
    UnitExpired { reason: SignalReason, after_ms: u64 },
    /// The guardian is gone; the unit ends with it.
    GuardianLost { pid: i32 },
    /// The supervisor is gone; the guardian ends what it owned.
    SupervisorLost { pid: i32, how: String },
    /// The command said over `NOTIFY_SOCKET` that it is ready, or what it does.
    Notified { ready: bool, status: Option<String> },
    /// A fatal message of a runtime was seen in a log.
    FatalMessage { fatal: Box<crate::Fatal> },
    /// A runtime was told that its heap may grow beyond the memory there is: its own limit can never help it.
    HeapLimitTooHigh {
        target: Identity,
        name: String,
        heap_limit_bytes: Bytes,
        memory_bytes: Bytes,
        message: String,
    },
    /// Limits were changed while running.
    LimitsChanged { message: String },
    /// The configuration was read again.
    Reloaded { message: String },
    /// A tree that Scupper did not start is being watched; nothing of it is ever signalled.
    Attached { target: Identity, name: String, command: String, processes: u32 },
    /// It is not watched any more: why, and how many of its processes live on.
    Detached { target: Identity, name: String, because: String, processes: u32, leaking: u32 },
    /// `scupper reap` is to act: how many it may signal, seen once. Who decided: `a person`, `a timer`.
    ReapPlanned { processes: u32, certain: u32, likely: u32, rss_bytes: Option<Bytes>, by: String },
    /// The second look, so long after the first: how many were judged the same again; the others are left alone.
    ReapConfirmed { processes: u32, left: u32, after_ms: u64 },
    /// It is done: who is gone, who of them only by KILL, whom it left, and why it ended.
    ReapFinished { ended: u32, forced: u32, left: u32, freed_bytes: Option<Bytes>, because: String },
    /// More members look dead than can be believed: automatic action stopped, the observer is the suspect.
    BrakeApplied { dead: u32, members: u32, allowed: u32, message: String },
    /// Events were lost: the evidence file could not be written for a while.
    EvidenceGap { lost: u64, message: String },
    /// The clocks disagree: suspended, or the wall clock was set.
    ClockJumped { seconds: f64 },
    /// An ability that was there is not there any more, or something could not be done.
    Trouble { message: String },
    /// Something of a fleet, under its own name.
    #[serde(untagged)]
    Fleet(FleetFact),
}

impl EventKind {
    /// How much it wants to be seen.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Fleet(fact) => fact.severity(),
            Self::UnitExited { certificate } if !certificate.how.is_success() => Severity::Warning,
            Self::UnitExited { .. }
            | Self::UnitStarted { start: 1, .. }
            | Self::UnitStopped { ended: 0, kept: 0, .. }
            | Self::Notified { .. }
            | Self::SeriesRecorded { .. }
            | Self::ResourcesCompared { .. }
            | Self::VerificationRan { .. }
            | Self::ClientGone { .. }
            | Self::Attached { .. }
            | Self::SignalReceived { .. }
            | Self::SignalSent { reason: SignalReason::Forwarded, .. } => Severity::Routine,
            Self::LimitCrossed { action, .. } if action == OBSERVED => Severity::Notice,
            Self::VerdictChanged { judged, previous, .. } => match judged.verdict {
                Verdict::Leaking => Severity::Warning,
                _ if judged.urgent => Severity::Warning,
                Verdict::Growing => Severity::Notice,
                // Who was told of the leak is told of its end.
                _ if *previous == Verdict::Leaking => Severity::Notice,
                _ => Severity::Routine,
            },
            // Whoever ran it has the result on stdout.
            Self::SoakFinished { soak } if soak.outcome == SoakOutcome::Passed => Severity::Routine,
            Self::StartFailed { .. }
            | Self::UnitGaveUp { .. }
            | Self::SignalFailed { .. }
            | Self::EvidenceGap { .. }
            | Self::Trouble { .. } => Severity::Error,
            Self::ProcessDied { .. }
            | Self::LimitCrossed { .. }
            | Self::LimitUnreachable { .. }
            | Self::EscapeeFound { .. }
            | Self::EarlierRunFound { .. }
            | Self::GuardianLost { .. }
            | Self::SupervisorLost { .. }
            | Self::HeapLimitTooHigh { .. }
            | Self::BrakeApplied { .. }
            | Self::LeakFound { .. }
            | Self::SoakFinished { .. }
            | Self::FatalMessage { .. } => Severity::Warning,
            _ => Severity::Notice,
        }
    }

    /// The event's name: the tag of its JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnitStarted { .. } => "unit_started",
            Self::StartFailed { .. } => "start_failed",
            Self::UnitExited { .. } => "unit_exited",
            Self::ProcessDied { .. } => "process_died",
            Self::UnitRestarting { .. } => "unit_restarting",
            Self::UnitGaveUp { .. } => "unit_gave_up",
            Self::UnitStopped { .. } => "unit_stopped",
            Self::LimitCrossed { .. } => "limit_crossed",
            Self::LimitUnreachable { .. } => "limit_unreachable",
            Self::VerdictChanged { .. } => "verdict_changed",
            Self::SeriesRecorded { .. } => "series_recorded",
            Self::ResourcesCompared { .. } => "resources_compared",
            Self::HelperOutlives { .. } => "helper_outlives",
            Self::LeakFound { .. } => "leak_found",
            Self::SoakFinished { .. } => "soak_finished",
            Self::VerificationRan { .. } => "verification_ran",
            Self::RecycleStarted { .. } => "recycle_started",
            Self::RecycleCompleted { .. } => "recycle_completed",
            Self::SignalSent { .. } => "signal_sent",
            Self::SignalFailed { .. } => "signal_failed",
            Self::SignalReceived { .. } => "signal_received",
            Self::CgroupKill { .. } => "cgroup_kill",
            Self::CgroupFrozen { .. } => "cgroup_frozen",
            Self::CgroupThawed { .. } => "cgroup_thawed",
            Self::Kept { .. } => "kept",
            Self::EscapeeFound { .. } => "escapee_found",
            Self::EarlierRunFound { .. } => "earlier_run_found",
            Self::ParentExited { .. } => "parent_exited",
            Self::ClientGone { .. } => "client_gone",
            Self::UnitExpired { .. } => "unit_expired",
            Self::GuardianLost { .. } => "guardian_lost",
            Self::SupervisorLost { .. } => "supervisor_lost",
            Self::Notified { .. } => "notified",
            Self::FatalMessage { .. } => "fatal_message",
            Self::HeapLimitTooHigh { .. } => "heap_limit_too_high",
            Self::LimitsChanged { .. } => "limits_changed",
            Self::Reloaded { .. } => "reloaded",
            Self::Attached { .. } => "attached",
            Self::Detached { .. } => "detached",
            Self::ReapPlanned { .. } => "reap_planned",
            Self::ReapConfirmed { .. } => "reap_confirmed",
            Self::ReapFinished { .. } => "reap_finished",
            Self::BrakeApplied { .. } => "brake_applied",
            Self::EvidenceGap { .. } => "evidence_gap",
            Self::ClockJumped { .. } => "clock_jumped",
            Self::Trouble { .. } => "trouble",
            Self::Fleet(fact) => fact.name(),
        }
    }
}

/// One fact about one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`EVENT_SCHEMA`].
    pub schema: String,
    /// Unique, and in order of time (UUID v7).
    pub id: uuid::Uuid,
    /// When, by the wall clock.
    pub at: Timestamp,
    /// Which unit.
    pub unit: UnitName,
    /// Which run of it.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}
