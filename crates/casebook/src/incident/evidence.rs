//! A piece of evidence: one recorded event, what it says in one number, and the digest that shows whether it is still
//! what it was.

use scupper_model::{Event, EventKind, FleetFact, Resource, SoakOutcome, Timestamp, Watched};
use sha2::{Digest, Sha256};

/// An event as it was recorded, and the digest of its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The event.
    pub event: Event,
    /// SHA-256 of the line as it was written, in hexadecimal.
    pub sha256: String,
}

/// What a document cites of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The event's id.
    pub id: String,
    /// Its kind: `verdict_changed`, `limit_crossed`.
    pub kind: String,
    /// What it measured, where it measured something.
    pub value: Option<f64>,
    /// In which unit: `bytes`, `bytes/h`, `descriptors`.
    pub unit: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// The digest of its line.
    pub sha256: String,
}

/// SHA-256 of these bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}

impl Evidence {
    /// What is cited of this event.
    pub fn of(recorded: &Recorded) -> Self {
        let Recorded { event, sha256 } = recorded;
        let measured = measured(&event.kind);
        Self {
            id: event.id.to_string(),
            kind: event.kind.name().to_owned(),
            value: measured.as_ref().map(|(value, _)| *value),
            unit: measured.map(|(_, unit)| unit.to_owned()),
            at: event.at,
            sha256: sha256.clone(),
        }
    }
}

/// The one number of an event, and its unit.
fn measured(kind: &EventKind) -> Option<(f64, &'static str)> {
    let count = |value: u64, of: &'static str| Some((scupper_detect::exact(value), of));
    match kind {
        EventKind::VerdictChanged { series, value, judged, .. } => match judged.slope_per_hour {
            Some(slope) => Some((slope, if *series == Watched::Memory { "bytes/h" } else { "per h" })),
            None => count(*value, unit_of(*series)),
        },
        EventKind::LeakFound { series, value, .. } => count(*value, unit_of(*series)),
        EventKind::LimitCrossed { resource, value, .. }
        | EventKind::LimitUnreachable { resource, value, .. } => {
            count(*value, if *resource == Resource::Memory { "bytes" } else { resource.name() })
        }
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => certificate
            .peak_rss_bytes
            .or(certificate.last_rss_bytes)
            .and_then(|bytes| count(bytes.0, "bytes")),
        EventKind::SoakFinished { soak } => match (soak.growth_bytes, soak.outcome) {
            (_, SoakOutcome::CouldNotLook) | (None, _) => None,
            #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
            (Some(growth), _) => Some((growth as f64, "bytes")),
        },
        EventKind::HelperOutlives { rss_bytes, .. } => rss_bytes.and_then(|bytes| count(bytes.0, "bytes")),
        EventKind::ReapFinished { ended, .. } | EventKind::UnitStopped { ended, .. } => {
            count(u64::from(*ended), "processes")
        }
        EventKind::EarlierRunFound { processes, .. } => count(u64::from(*processes), "processes"),
        EventKind::SeriesRecorded { history } => {
            history.values.last().and_then(|value| count(*value, unit_of(history.series)))
        }
        EventKind::Fleet(FleetFact::OrphansDetected { count: agents, .. }) => count(*agents, "agents"),
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
        EventKind::Fleet(FleetFact::FleetLeak { growth_bytes, .. }) => Some((*growth_bytes as f64, "bytes")),
        _ => None,
    }
}

const fn unit_of(series: Watched) -> &'static str {
    match series {
        Watched::Memory => "bytes",
        other => other.name(),
    }
}
