//! How long a unit has been up without a death for want of memory: the criterion "worker uptime > 7 days without OOM", as
//! far as the events can say.

use scupper_model::{Certificate, EndedBy, Event, EventKind, LimitLevel, Resource, SignalReason, Timestamp};
use uuid::Uuid;

use super::words;

/// So long has a worker to be up.
pub const REQUIRED_MS: u64 = 7 * 24 * 3_600_000;

/// What the events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// Up to now, without interruption; `None` where it is not up, or nobody can say.
    pub current_ms: Option<u64>,
    /// The longest stretch without a death for want of memory, and whether it goes on.
    pub longest_ms: u64,
    /// Deaths for want of memory.
    pub ooms: Vec<Uuid>,
    /// The last one.
    pub last_oom: Option<Timestamp>,
    /// The events that the present stretch begins with.
    pub since: Option<(Timestamp, Uuid)>,
    /// Whether events were lost in the present stretch: then nobody can say.
    pub gap: bool,
}

/// Whether a criterion is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody can say.
    Unknown,
}

impl Met {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "met",
            Self::No => "not met",
            Self::Unknown => "unknown",
        }
    }
}

impl Uptime {
    /// Goes through the events of one unit, in order of time. Being replaced on purpose is no interruption: the service goes
    /// on. `runs` says whether the unit runs now; where that is not known, it is only known up to its last event.
    pub fn of(events: &[Event], now: Timestamp, runs: Option<bool>) -> Self {
        let mut up: Option<(Timestamp, Uuid)> = None;
        let mut found = Self {
            current_ms: None,
            longest_ms: 0,
            ooms: Vec::new(),
            last_oom: None,
            since: None,
            gap: false,
        };
        let mut last = None;
        let mut replaced = false;
        // A hard limit is one of memory where the last one that was crossed is.
        let mut hard = None;
        for event in events {
            last = Some(event.at);
            match &event.kind {
                EventKind::UnitStarted { .. } => {
                    // Replaced on purpose, it was up all the time.
                    if !(replaced && up.is_some()) {
                        up = Some((event.at, event.id));
                        found.gap = false;
                    }
                    replaced = false;
                }
                EventKind::UnitExited { certificate } => {
                    let oom = is_oom(certificate, hard);
                    if oom {
                        found.oom(event);
                    }
                    replaced = !oom && on_purpose(certificate);
                    if !replaced {
                        found.close(up.take(), event.at);
                    }
                }
                EventKind::ProcessDied { certificate } if is_oom(certificate, hard) => {
                    found.oom(event);
                    // The unit lives; its time without OOM begins anew.
                    if up.is_some() {
                        found.close(up.take(), event.at);
                        up = Some((event.at, event.id));
                    }
                }
                EventKind::UnitStopped { .. } | EventKind::UnitGaveUp { .. } => {
                    found.close(up.take(), event.at);
                    replaced = false;
                }
                EventKind::LimitCrossed { resource, level: LimitLevel::Hard, .. } => hard = Some(*resource),
                EventKind::EvidenceGap { .. } => found.gap = true,
                _ => {}
            }
        }
        let until = match runs {
            Some(true) => Some(now),
            Some(false) => None,
            None => last,
        };
        if let (Some((since, _)), Some(until)) = (up, until) {
            let length = until.0.saturating_sub(since.0);
            found.longest_ms = found.longest_ms.max(length);
            if runs == Some(true) {
                found.current_ms = Some(length);
            }
        }
        found.since = up;
        found
    }

    fn oom(&mut self, event: &Event) {
        self.ooms.push(event.id);
        self.last_oom = Some(event.at);
    }

    fn close(&mut self, up: Option<(Timestamp, Uuid)>, at: Timestamp) {
        if let Some((since, _)) = up {
            self.longest_ms = self.longest_ms.max(at.0.saturating_sub(since.0));
        }
    }

    /// Whether it has been up for more than seven days without OOM, and is still.
    pub fn met(&self) -> Met {
        match self.current_ms {
            _ if self.gap => Met::Unknown,
            Some(up) if up > REQUIRED_MS => Met::Yes,
            None if self.since.is_some() => Met::Unknown,
            Some(_) | None => Met::No,
        }
    }

    /// The sentence. It says since when and not for how long: what nothing has changed is told in the same words.
    pub fn said(&self) -> String {
        let ooms = match self.ooms.len() {
            0 => "no death for want of memory is recorded".to_owned(),
            1 => "1 death for want of memory is recorded".to_owned(),
            many => format!("{many} deaths for want of memory are recorded"),
        };
        let last = self.last_oom.map(|at| format!(", the last at {}", words::utc(at))).unwrap_or_default();
        let up = match (self.current_ms, self.since) {
            (Some(_), Some((since, _))) => format!("up without OOM since {}", words::utc(since)),
            (_, Some((since, _))) => format!(
                "whether it still runs is not known; up without OOM since {}, as far as events reach",
                words::utc(since)
            ),
            (_, None) => {
                format!("not up now; the longest time without OOM was {}", words::span_of(self.longest_ms))
            }
        };
        let gap = if self.gap { "; events were lost meanwhile" } else { "" };
        format!("{up}, more than {} are asked for; {ooms}{last}{gap}", words::span_of(REQUIRED_MS))
    }
}

/// Whether a process died for want of memory: by the kernel, at the hard limit that was crossed last, where that is one of
/// memory, or because its runtime's heap was full.
pub fn is_oom(certificate: &Certificate, hard: Option<Resource>) -> bool {
    let by = match certificate.by {
        EndedBy::OomKiller { .. } => true,
        EndedBy::Scupper { reason: SignalReason::HardLimit } => hard == Some(Resource::Memory),
        _ => false,
    };
    by || certificate.fatal.as_ref().is_some_and(|fatal| {
        let message = fatal.message.to_ascii_lowercase();
        message.contains("out of memory") || message.contains("memoryerror")
    })
}

fn on_purpose(certificate: &Certificate) -> bool {
    matches!(
        certificate.by,
        EndedBy::Scupper {
            reason: SignalReason::SoftLimit
                | SignalReason::Leak
                | SignalReason::Recycle
                | SignalReason::Restart
                | SignalReason::GraceExpired
        }
    )
}
