//! Events: one fact, recorded once. There is one event type and one way in; nobody formats a second one.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scupper_detect::{Reason, Verdict};
use serde::{Deserialize, Serialize};

use crate::{
    Bytes, Certificate, Identity, Judged, LimitLevel, Profile, Resource, RunId, SoakOutcome, SoakResult,
    UnitName, Watched,
};

/// The schema of one event line. Grows when a field is added.
pub const EVENT_SCHEMA: &str = "scupper.event/1";

/// The action of a crossed limit where the policy is to observe: it is recorded, and nobody is told.
pub const OBSERVED: &str = "none: observe";

/// A moment of wall-clock time, in milliseconds since 1970 (UTC). In JSON: RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment as milliseconds; before 1970 counts as 1970.
    pub fn from_system(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last second of year 9999 is the end of what RFC 3339 can write.
        let time = UNIX_EPOCH + Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = humantime::TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self::from_system)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = humantime::TimestampError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

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

/// What happened. The tag is the event's name everywhere: log, evidence, metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
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
}

impl EventKind {
    /// How much it wants to be seen.
    pub fn severity(&self) -> Severity {
        match self {
            Self::UnitExited { certificate } if !certificate.how.is_success() => Severity::Warning,
            Self::UnitExited { .. }
            | Self::UnitStarted { start: 1, .. }
            | Self::UnitStopped { ended: 0, kept: 0, .. }
            | Self::Notified { .. }
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
            Self::HelperOutlives { .. } => "helper_outlives",
            Self::LeakFound { .. } => "leak_found",
            Self::SoakFinished { .. } => "soak_finished",
            Self::RecycleStarted { .. } => "recycle_started",
            Self::RecycleCompleted { .. } => "recycle_completed",
            Self::SignalSent { .. } => "signal_sent",
            Self::SignalFailed { .. } => "signal_failed",
            Self::SignalReceived { .. } => "signal_received",
            Self::CgroupKill { .. } => "cgroup_kill",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BootId, EndedBy, HowEnded, Pid, StartTime};

    #[test]
    fn a_verdict_is_read_back_and_is_as_loud_as_it_is_bad() {
        let changed = |verdict, previous, urgent| EventKind::VerdictChanged {
            series: Watched::Memory,
            target: None,
            name: None,
            value: 1 << 20,
            previous,
            judged: Box::new(Judged {
                verdict,
                confidence: Some(0.9),
                slope_per_hour: Some(1.5),
                slope_interval: Some((1.0, 2.0)),
                time_to_limit_seconds: Some(60),
                urgent,
                reasons: vec![Reason { tag: "rising_floor".into(), text: "it rose".into() }],
                ..Judged::default()
            }),
        };
        for (kind, severity) in [
            (changed(Verdict::Leaking, Verdict::Growing, true), Severity::Warning),
            (changed(Verdict::Growing, Verdict::Growing, true), Severity::Warning),
            (changed(Verdict::Growing, Verdict::Stable, false), Severity::Notice),
            (changed(Verdict::Stable, Verdict::Leaking, false), Severity::Notice),
            (changed(Verdict::Stable, Verdict::Unknown, false), Severity::Routine),
        ] {
            assert_eq!(kind.severity(), severity, "{kind:?}");
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
        }
    }

    #[test]
    fn what_attach_and_reap_record_is_read_back_under_its_name() {
        let target = Identity {
            pid: Pid::new(7).unwrap(),
            start_time: StartTime(1),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
        };
        let (name, command) = ("node".to_owned(), "node server.js".to_owned());
        let because = "it ended".to_owned();
        let (by, message) = ("a person".to_owned(), "many".to_owned());
        let rss_bytes = Some(Bytes::mib(3));
        for (kind, severity) in [
            (EventKind::Attached { target, name: name.clone(), command, processes: 3 }, Severity::Routine),
            (
                EventKind::Detached {
                    target,
                    name: name.clone(),
                    because: because.clone(),
                    processes: 0,
                    leaking: 1,
                },
                Severity::Notice,
            ),
            (EventKind::ReapPlanned { processes: 4, certain: 2, likely: 2, rss_bytes, by }, Severity::Notice),
            (EventKind::ReapConfirmed { processes: 3, left: 1, after_ms: 2000 }, Severity::Notice),
            (
                EventKind::ReapFinished { ended: 3, forced: 1, left: 1, freed_bytes: None, because },
                Severity::Notice,
            ),
            (EventKind::BrakeApplied { dead: 9, members: 10, allowed: 3, message }, Severity::Warning),
            (
                EventKind::SignalSent { target, name, signal: 15, reason: SignalReason::HeldIdle },
                Severity::Notice,
            ),
        ] {
            assert_eq!(kind.severity(), severity, "{kind:?}");
            let json = serde_json::to_value(&kind).unwrap();
            assert_eq!(json["event"], kind.name());
            assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), kind);
        }
    }

    #[test]
    fn the_result_of_a_soak_is_read_back() {
        let of = |outcome| EventKind::SoakFinished {
            soak: Box::new(SoakResult {
                outcome,
                passed: outcome == SoakOutcome::Passed,
                lasted_ms: 1500,
                operations: Some(1550),
                required_operations: Some(1550),
                base_bytes: Some(Bytes::mib(40)),
                max_bytes: Some(Bytes::mib(50)),
                growth_bytes: Some(-4096),
                max_growth_bytes: None,
                bytes_per_operation: Some(0.5),
                bytes_per_operation_interval: Some((-0.5, 1.5)),
                slope_bytes_per_hour: None,
                slope_interval: None,
                verdict: Verdict::Unknown,
                left_behind: 0,
                reasons: vec![Reason { tag: "operations".into(), text: "1550 of 1550".into() }],
            }),
        };
        for (outcome, severity) in [
            (SoakOutcome::Passed, Severity::Routine),
            (SoakOutcome::Failed, Severity::Warning),
            (SoakOutcome::CouldNotLook, Severity::Warning),
        ] {
            let kind = of(outcome);
            assert_eq!((kind.severity(), kind.name()), (severity, "soak_finished"));
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
        }
    }

    /// Flattened parts must not share a key: what is written has to be read back.
    #[test]
    fn a_death_is_read_back_whoever_ended_it() {
        let identity = Identity {
            pid: Pid::new(7).unwrap(),
            start_time: StartTime(1),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
        };
        let hows = [
            HowEnded::Exited { code: 1 },
            HowEnded::Signaled { signal: 15, core_dumped: false },
            HowEnded::NotStarted { code: 127 },
            HowEnded::Unknown,
        ];
        let bys = [
            EndedBy::Itself,
            EndedBy::Scupper { reason: SignalReason::HardLimit },
            EndedBy::Forwarded { passed_on: 15, sender: Some(1) },
            EndedBy::OomKiller { cgroup: "/x".into(), count_before: 0, count_after: 1 },
            EndedBy::Unknown,
        ];
        for (how, by) in hows.into_iter().flat_map(|how| bys.iter().map(move |by| (how, by.clone()))) {
            let certificate = Certificate {
                identity,
                name: "x".into(),
                role: "main".into(),
                how,
                by,
                lived: Duration::from_secs(1),
                last_rss_bytes: Some(Bytes(1)),
                peak_rss_bytes: None,
                growth_bytes: Some(-1),
                heap_limit_bytes: None,
                fatal: Some(crate::Fatal::default()),
                last_lines: vec!["a".into()],
            };
            let event = Event {
                schema: EVENT_SCHEMA.into(),
                id: uuid::Uuid::nil(),
                at: Timestamp(1_700_000_000_123),
                unit: "web".parse().unwrap(),
                run: RunId(uuid::Uuid::nil()),
                kind: EventKind::UnitExited { certificate: Box::new(certificate) },
            };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
            assert!(text.contains("\"event\":\"unit_exited\""));
        }
    }
}
