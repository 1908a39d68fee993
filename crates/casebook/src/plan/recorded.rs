//! What was recorded and belongs to a note: found by service, rate and day. Nothing is invented: where nothing fits, the plan
//! says which command would record it.

use std::collections::HashSet;
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{EndedBy, Event, EventKind, Timestamp, Watched};

use super::facts::Facts;
use super::note::Note;
use crate::incident::Recorded;

/// Evidence lines of one plan, at most.
const MOST: usize = 8;
/// A rate fits another within this share of it.
const SAME_RATE: f64 = 0.25;
/// An end this near raises the priority.
const NEAR: Duration = Duration::from_hours(24);
/// Names that say which program runs, not which service: they need a rate beside them.
const PROGRAMS: [&str; 14] = [
    "node", "python", "python3", "sh", "bash", "java", "ruby", "go", "perl", "php", "sleep", "npm", "npx",
    "env",
];
/// Kinds of events that plans are filled in from.
pub const RECORDED_KINDS: [&str; 8] = [
    "verdict_changed",
    "leak_found",
    "unit_exited",
    "process_died",
    "limit_crossed",
    "soak_finished",
    "helper_outlives",
    "earlier_run_found",
];

/// Of each kind of each unit the newest: no plan is filled in from more. Oldest first, as they come.
pub fn newest_of_each(recorded: Vec<Recorded>) -> Vec<Recorded> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Recorded> = recorded
        .into_iter()
        .rev()
        .filter(|each| {
            says(&each.event.kind).is_some() && seen.insert((each.event.unit.clone(), each.event.kind.name()))
        })
        .collect();
    kept.reverse();
    kept
}

/// An event that belongs to a note.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitting {
    /// Its id.
    pub id: String,
    /// Which unit.
    pub unit: String,
    /// Which run of it.
    pub run: String,
    /// When.
    pub at: Timestamp,
    /// The event's name.
    pub kind: &'static str,
    /// What it says, with its value.
    pub says: String,
    /// Why it fits: `service`, `rate`, `day`.
    pub by: Vec<&'static str>,
    /// SHA-256 of its line.
    pub sha256: String,
    /// Why it makes the task urgent, where it does.
    pub(super) urgent: Option<String>,
}

/// What fits, newest first: of each kind of each unit the newest.
pub(super) fn fitting(note: &Note, facts: &Facts, recorded: &[Recorded], now: Timestamp) -> Vec<Fitting> {
    let words = plain_words(note.text());
    let days = days(note.text());
    let mut found: Vec<Fitting> = Vec::new();
    for Recorded { event, sha256 } in recorded.iter().rev() {
        let by = reasons(event, growth(&event.kind), facts, &words, &days);
        let unit = event.unit.as_str();
        let kind = event.kind.name();
        if by.is_empty() || found.iter().any(|other| other.unit == unit && other.kind == kind) {
            continue;
        }
        // Words are made of what fits alone: a vault has thousands of notes.
        let Some(says) = says(&event.kind) else { continue };
        found.push(Fitting {
            id: event.id.to_string(),
            run: event.run.to_string(),
            at: event.at,
            kind,
            says,
            urgent: by.contains(&"service").then(|| urgent(event, now)).flatten(),
            by,
            sha256: sha256.clone(),
            unit: unit.to_owned(),
        });
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// How fast memory grows, by an event that says so.
fn growth(kind: &EventKind) -> Option<f64> {
    match kind {
        EventKind::VerdictChanged { series: Watched::Memory, judged, .. }
            if matches!(judged.verdict, Verdict::Growing | Verdict::Leaking) =>
        {
            judged.slope_per_hour
        }
        EventKind::LeakFound { series: Watched::Memory, slope_per_hour, .. } => *slope_per_hour,
        _ => None,
    }
}

fn says(kind: &EventKind) -> Option<String> {
    let slope_of = |series: Watched, slope: Option<f64>| match slope {
        Some(slope) if series == Watched::Memory => format!(", {}", per_hour(slope)),
        Some(slope) => format!(", {slope:.1} an hour"),
        None => String::new(),
    };
    let text = match kind {
        EventKind::VerdictChanged { series, judged, .. }
            if matches!(judged.verdict, Verdict::Growing | Verdict::Leaking) =>
        {
            format!("{series} is judged {}{}", judged.verdict, slope_of(*series, judged.slope_per_hour))
        }
        EventKind::LeakFound { series, slope_per_hour, .. } => {
            format!("{series} leaks{}", slope_of(*series, *slope_per_hour))
        }
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
            if matches!(certificate.by, EndedBy::OomKiller { .. }) || certificate.fatal.is_some() =>
        {
            let how = if matches!(certificate.by, EndedBy::OomKiller { .. }) {
                "was ended by the kernel for want of memory"
            } else {
                "died with a fatal message of its runtime"
            };
            format!("{} {how} after {} s", certificate.name, certificate.lived.as_secs())
        }
        EventKind::LimitCrossed { resource, value, limit, .. } => {
            format!("{resource} reached {value}, the limit is {limit}")
        }
        EventKind::SoakFinished { soak } => {
            let slope = soak.slope_bytes_per_hour;
            let text = slope.map_or_else(String::new, |slope| format!(", {}", per_hour(slope)));
            format!("a soak of {} s: {}{text}", soak.lasted_ms / 1000, soak.outcome.word())
        }
        EventKind::HelperOutlives { name, because, .. } => format!("{name} was left: {because}"),
        EventKind::EarlierRunFound { processes, .. } => {
            format!("{processes} processes of an earlier run were still there")
        }
        _ => return None,
    };
    let text: String = text.chars().map(|c| if c == '`' || c.is_control() { ' ' } else { c }).collect();
    Some(text.replace("<!--", "< !--"))
}

/// Bytes an hour, in the units that people write them in.
pub(super) fn per_hour(bytes: f64) -> String {
    format!("{}/hour", bytes_text(bytes))
}

pub(super) fn bytes_text(bytes: f64) -> String {
    let (one, unit) = match bytes.abs() {
        size if size >= 1e9 => (1e9, "GB"),
        size if size >= 1e6 => (1e6, "MB"),
        size if size >= 1e3 => (1e3, "KB"),
        _ => (1.0, "B"),
    };
    let text = format!("{:.1}", bytes / one);
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

fn reasons(
    event: &Event,
    bytes_per_hour: Option<f64>,
    facts: &Facts,
    words: &[String],
    days: &[String],
) -> Vec<&'static str> {
    let same_rate = |slope: f64| {
        facts.rates.iter().any(|rate| (rate.bytes_per_hour - slope).abs() <= SAME_RATE * rate.bytes_per_hour)
    };
    let rate = bytes_per_hour.is_some_and(same_rate);
    let name = plain_words(event.unit.as_str());
    let is_named = !name.is_empty() && words.windows(name.len()).any(|window| window == name);
    let is_program = matches!(name.as_slice(), [one] if PROGRAMS.contains(&one.as_str()) || one.len() < 2);
    let service = is_named && (!is_program || rate);
    let day = days.iter().any(|day| event.at.to_string().starts_with(day.as_str()));
    let mut by = Vec::new();
    if service {
        by.push("service");
    }
    if rate {
        by.push("rate");
    }
    // A day alone is everybody's.
    if day && !by.is_empty() {
        by.push("day");
    }
    by
}

/// Small letters and digits, split at everything else; code too: services are often named in it.
fn plain_words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Days that are named: `2026-02-27`.
fn days(text: &str) -> Vec<String> {
    let is_day = |piece: &&str| {
        let bytes = piece.as_bytes();
        bytes.len() == 10
            && bytes.iter().enumerate().all(|(place, byte)| match place {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let pieces = text.split(|c: char| !(c.is_ascii_digit() || c == '-'));
    pieces.filter(is_day).map(str::to_owned).collect()
}

/// Whether a recorded end is near: it died for want of memory within a day, or is judged to within one.
fn urgent(event: &Event, now: Timestamp) -> Option<String> {
    let age = Duration::from_millis(now.0.saturating_sub(event.at.0));
    if age > NEAR || event.at.0 > now.0 {
        return None;
    }
    match &event.kind {
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
            if matches!(certificate.by, EndedBy::OomKiller { .. }) =>
        {
            Some(format!("{} ran out of memory at {}", event.unit, event.at))
        }
        EventKind::VerdictChanged { judged, .. } => {
            let left =
                judged.time_to_limit_seconds.filter(|seconds| Duration::from_secs(*seconds) <= NEAR)?;
            Some(format!("{} reaches its limit {} h after {}", event.unit, left.div_ceil(3600), event.at))
        }
        _ => None,
    }
}
