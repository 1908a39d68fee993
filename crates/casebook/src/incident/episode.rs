//! Which events an incident is opened for, and by what two of them are known to be the same thing.
//!
//! The same leak shows itself in many ways: as a verdict on a worker and one on its tree, as a limit, as a death. A
//! fingerprint is therefore what runs out in which unit, and neither which process it was nor how it was noticed.

use scupper_model::{
    EndedBy, Event, EventKind, FleetFact, LimitLevel, OBSERVED, Resource, SignalReason, UnitName, Watched,
    printable,
};

use scupper_detect::Verdict;

use super::sha256;

/// What an incident is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The detector says that something leaks.
    Leak,
    /// A limit was crossed.
    Limit,
    /// A process died, and nobody had asked for it.
    Death,
    /// A sweep found what was left behind.
    Sweep,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Leak, Self::Limit, Self::Death, Self::Sweep];

    /// The word in flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Limit => "limit",
            Self::Death => "death",
            Self::Sweep => "sweep",
        }
    }
}

/// How much it matters: the words of the tool that made the first records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// It can wait.
    Low,
    /// It should be done.
    Medium,
    /// It should be done now.
    High,
    /// It is what everybody works on.
    Critical,
}

impl Priority {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Something that happened and that an incident is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// How it was noticed.
    pub trigger: Trigger,
    /// By what it is known again.
    pub fingerprint: String,
    /// What runs out: `memory`, `descriptors`, `threads`, `processes`; else how it died.
    pub what: String,
    /// A title for a record that is opened for it.
    pub title: String,
    /// How much it matters.
    pub priority: Priority,
}

/// What two events of one thing have in common: the unit, without the number that several of one name have, and what runs
/// out. 16 hexadecimal digits.
pub fn fingerprint(unit: &UnitName, what: &str) -> String {
    let mut digest = sha256(format!("{}\n{what}", base(unit.as_str())).as_bytes());
    digest.truncate(16);
    digest
}

/// `claude` of `claude-2`: units of one name are numbered.
fn base(unit: &str) -> &str {
    match unit.rsplit_once('-') {
        Some((base, number))
            if !base.is_empty()
                && (1..=3).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => unit,
    }
}

/// The episode that an event tells of; `None` for what no incident is opened for.
pub fn episode(event: &Event) -> Option<Episode> {
    let (trigger, what, title, priority) = match &event.kind {
        EventKind::VerdictChanged { series, judged, name, .. } if judged.verdict == Verdict::Leaking => {
            let priority = if judged.urgent { Priority::High } else { Priority::Medium };
            (Trigger::Leak, family(*series).to_owned(), leak(*series, name.as_deref(), event), priority)
        }
        EventKind::LeakFound { series, name, .. } => (
            Trigger::Leak,
            family(*series).to_owned(),
            leak(*series, name.as_deref(), event),
            Priority::Medium,
        ),
        EventKind::HelperOutlives { name, .. } => {
            let title = format!("{}: {} outlives what it was started for", event.unit, shown(name));
            (Trigger::Leak, "processes".to_owned(), title, Priority::Medium)
        }
        EventKind::LimitCrossed { resource, level, value, limit, action, .. } if action != OBSERVED => {
            let (word, priority) = match level {
                LimitLevel::Soft => ("soft", Priority::Medium),
                LimitLevel::Hard => ("hard", Priority::High),
            };
            let (value, limit) = (resource.show(*value), resource.show(*limit));
            let title = format!("{}: {resource} {value} crossed the {word} limit {limit}", event.unit);
            (Trigger::Limit, of_resource(*resource).to_owned(), title, priority)
        }
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
            let (what, how) = death(certificate)?;
            let title = format!("{}: {} {how}", event.unit, shown(&certificate.name));
            (Trigger::Death, what, title, Priority::High)
        }
        kind => {
            let (what, title, priority) = sweep(kind, event.unit.as_str())?;
            (Trigger::Sweep, what.to_owned(), title, priority)
        }
    };
    Some(Episode { trigger, fingerprint: fingerprint(&event.unit, &what), what, title, priority })
}

fn sweep(kind: &EventKind, unit: &str) -> Option<(&'static str, String, Priority)> {
    const LEFT: &str = "left_behind";
    Some(match kind {
        EventKind::ReapFinished { ended, .. } if *ended > 0 => {
            (LEFT, format!("{unit}: {ended} processes were left behind"), Priority::Medium)
        }
        EventKind::EarlierRunFound { processes, .. } => (
            LEFT,
            format!("{unit}: {processes} processes of an earlier run were left behind"),
            Priority::Medium,
        ),
        EventKind::Fleet(FleetFact::OrphansDetected { count, .. }) if *count > 0 => {
            ("orphans", format!("{unit}: {count} agents were left behind"), Priority::Medium)
        }
        EventKind::Fleet(FleetFact::FleetLeak { growth_percent, .. }) => (
            "fleet_memory",
            format!("{unit}: the fleet's memory grew by {growth_percent:.0} %"),
            Priority::High,
        ),
        _ => return None,
    })
}

/// How it died, where that is worth a record: neither by itself with a code, nor because somebody wanted it.
fn death(certificate: &scupper_model::Certificate) -> Option<(String, String)> {
    const MEMORY: &str = "memory";
    if let EndedBy::OomKiller { .. } = certificate.by {
        return Some((MEMORY.to_owned(), "was ended by the OOM killer".to_owned()));
    }
    if let Some(fatal) = &certificate.fatal {
        return Some((MEMORY.to_owned(), format!("died: {}", shown(&fatal.message))));
    }
    match (&certificate.by, certificate.how) {
        (EndedBy::Scupper { reason: SignalReason::HardLimit }, _) => {
            Some((MEMORY.to_owned(), "was ended at its hard limit".to_owned()))
        }
        // What a terminal or another program sends on purpose is no death to look into.
        (EndedBy::Itself | EndedBy::Unknown, scupper_model::HowEnded::Signaled { signal, .. })
            if !matches!(signal, 1 | 2 | 3 | 13 | 15) =>
        {
            Some((format!("signal {signal}"), format!("died by signal {signal}")))
        }
        _ => None,
    }
}

fn leak(series: Watched, name: Option<&str>, event: &Event) -> String {
    let whose = name.map_or_else(String::new, |name| format!(" of {}", shown(name)));
    format!("{}: {} leak{whose}", event.unit, series.name().replace('_', " "))
}

/// Names are a program's own: one line of them, and no secret.
fn shown(text: &str) -> String {
    printable(scupper_model::redact_line(text).as_bytes(), 80)
}

/// What runs out, where this series grows.
pub const fn family(series: Watched) -> &'static str {
    match series {
        Watched::Memory => "memory",
        Watched::Descriptors | Watched::Sockets | Watched::CloseWait | Watched::FinWait2 => "descriptors",
        Watched::Threads => "threads",
        Watched::Children | Watched::Zombies | Watched::Browsers | Watched::StdioChildren => "processes",
    }
}

const fn of_resource(resource: Resource) -> &'static str {
    match resource {
        Resource::Memory => "memory",
        Resource::Descriptors | Resource::Sockets => "descriptors",
        Resource::Threads => "threads",
        Resource::Children => "processes",
    }
}
