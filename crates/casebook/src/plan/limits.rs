//! What has to hold in the end, in numbers that come from the note; and the name that its commands use.

use std::time::Duration;

use super::facts::Facts;
use super::kind::TaskType;
use super::lexicon::{TYPES, is_form_of};
use super::note::{Note, stem};
use super::recorded::{Fitting, bytes_text, per_hour};
use super::steps::Item;

/// A soak lasts at least this long.
const LEAST_SOAK: Duration = Duration::from_hours(24);
/// Slower growth than this is not asked for, in bytes an hour.
const LEAST_SLOPE: f64 = 1e6;
/// Words of a title that are no name of a service.
const NO_NAME: [&str; 20] = [
    "the",
    "a",
    "an",
    "in",
    "of",
    "on",
    "for",
    "to",
    "and",
    "with",
    "is",
    "our",
    "at",
    "from",
    "by",
    "process",
    "usage",
    "production",
    "investigate",
    "issue",
];

/// What has to hold in the end, in numbers.
pub(super) struct Limits {
    /// Bytes an hour.
    slope: f64,
    soak: Duration,
}

impl Limits {
    pub(super) fn of(facts: &Facts) -> Self {
        let slope = facts.rate().map_or(LEAST_SLOPE, |rate| (rate / 100.0).max(LEAST_SLOPE));
        let soak = facts.time_to_failure().map_or(LEAST_SOAK, |time| (time * 3).max(LEAST_SOAK));
        Self { slope, soak }
    }

    fn hours(&self) -> u64 {
        self.soak.as_secs().div_ceil(3600)
    }

    pub(super) fn soak_text(&self) -> String {
        format!("{}h", self.hours())
    }

    fn growth_bytes(&self) -> f64 {
        self.slope * self.soak.as_secs_f64() / 3600.0
    }

    /// Whole MiB, as `--max-growth` reads it.
    pub(super) fn growth_text(&self) -> String {
        format!("{:.0}M", (self.growth_bytes() / 1_048_576.0).floor().max(1.0))
    }

    pub(super) fn criteria(&self, task_type: TaskType, facts: &Facts) -> Vec<Item> {
        let mut lines = Vec::new();
        if task_type == TaskType::MemoryLeak {
            let rate = facts.rate().map_or_else(
                || "no rate is reported".to_owned(),
                |rate| format!("{} is reported", per_hour(rate)),
            );
            let time = facts.time_to_failure().map_or_else(
                || "no time to failure is reported".to_owned(),
                |time| format!("at least 3 x the reported {} until it fails", hours_text(time)),
            );
            lines.push(format!(
                "Memory grows by at most {} ({rate}), over a soak of at least {} h ({time}; never less than {} h)",
                per_hour(self.slope),
                self.hours(),
                LEAST_SOAK.as_secs() / 3600,
            ));
            lines.push(format!(
                "Memory is less than {} above its start when the soak ends",
                bytes_text(self.growth_bytes())
            ));
        }
        if matches!(task_type, TaskType::MemoryLeak | TaskType::OrphanCleanup) {
            lines.push(format!("0 OOM kills and 0 crashes in {} h", self.hours()));
            lines.push("0 processes left behind: `scupper scan` exits with 0".to_owned());
        }
        if task_type == TaskType::Incident {
            lines.push(format!("0 recurrences in {} h, by the record and not by memory", self.hours()));
        }
        let particular = match task_type {
            TaskType::BugFix => Some("1 test fails without the fix, and passes 10 times in a row with it"),
            TaskType::Testing => Some("The new tests pass 10 times in a row"),
            TaskType::ConfigChange => {
                Some("The new value is in use on every host, read back 24 h after the change")
            }
            _ => None,
        };
        lines.extend(particular.map(str::to_owned));
        let key = |place: usize| format!("criterion/{place}");
        lines.into_iter().enumerate().map(|(place, text)| Item { key: key(place), text }).collect()
    }
}

/// `10 h`, `0.1 h`.
fn hours_text(time: Duration) -> String {
    let text = format!("{:.1}", time.as_secs_f64() / 3600.0);
    format!("{} h", text.strip_suffix(".0").unwrap_or(&text))
}

/// A name for the unit: the one that was recorded, else what the title is about.
pub(super) fn unit_name(note: &Note, evidence: &[Fitting]) -> String {
    if let Some(named) = evidence.iter().find(|each| each.by.contains(&"service")) {
        return named.unit.clone();
    }
    let usable = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase);
        let speaks = |word: &String| {
            let is_lexical = TYPES.iter().any(|(_, phrases)| {
                phrases.iter().any(|(phrase, _)| phrase.split(' ').any(|base| is_form_of(word, base)))
            });
            !word.is_empty() && !is_lexical && !NO_NAME.contains(&word.as_str())
        };
        words.filter(speaks).take(4).collect::<Vec<_>>().join("-")
    };
    let mut name = usable(note.title());
    if name.is_empty() {
        name = usable(stem(note.name()));
    }
    name.truncate(40);
    if name.is_empty() { "service".to_owned() } else { name }
}
