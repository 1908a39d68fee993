//! What a soak has to show before an incident may be called solved, and whether the recorded ones show it.
//!
//! A soak that is shorter than the leak needs to be seen proves nothing: three times the time to failure, and a day unless a
//! number of operations was agreed on.

use std::time::Duration;

use scupper_detect::Verdict as Judged;
use scupper_model::{
    Bytes, Event, EventKind, SoakOutcome, SoakResult, Timestamp, format_duration, printable,
};

use super::Recorded;

/// Where no number of operations is asked for.
const A_DAY: Duration = Duration::from_hours(24);
/// As often as the time to failure a soak has to last.
const TIMES: u32 = 3;
/// Of the growth that was an incident, so much is a fix: a tenth.
const SHARE: f64 = 0.1;

/// What a soak has to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Required {
    /// It lasts at least so long.
    pub lasting: Duration,
    /// At least so many operations are counted.
    pub operations: Option<u64>,
    /// Memory grows by less than this.
    pub max_growth: Option<Bytes>,
    /// The upper end of its slope stays below this many bytes per hour.
    pub max_slope_per_hour: Option<f64>,
}

/// What is thought of the soaks of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// None was looked at.
    #[default]
    Pending,
    /// They show it.
    Passed,
    /// They do not, or there are none.
    Refused,
}

/// A soak that counts, as it is cited.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Of which unit.
    pub unit: String,
    /// The event's id.
    pub id: String,
    /// When it ended.
    pub at: Timestamp,
    /// How long it lasted.
    pub lasted: Duration,
    /// What was counted.
    pub operations: Option<u64>,
    /// By how much memory grew.
    pub growth_bytes: Option<i64>,
    /// The digest of the event's line.
    pub sha256: String,
}

/// The answer, with what it rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// The word.
    pub verdict: Verdict,
    /// Why it was refused; what held where it was not.
    pub reasons: Vec<String>,
    /// Those of the reasons that name a unit in which no soak passed yet, where it passed in others.
    pub still_open: Vec<String>,
    /// The soaks that passed, one for each unit.
    pub observed: Vec<Observed>,
    /// Whether there is one for every unit in which it was seen.
    pub everywhere: bool,
}

/// What is known about the time after a change.
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// When the change was recorded; `None` where none was.
    pub change: Option<Timestamp>,
    /// Units in which it was seen.
    pub units: &'a [String],
    /// The recorded soaks, in any order.
    pub soaks: &'a [Recorded],
    /// What was seen of it in runs that began after the change.
    pub seen_again: &'a [Recorded],
}

impl Required {
    /// What follows from how long it took to fail, and from how fast it grew; what was agreed on goes before a day.
    pub fn derive(
        time_to_failure: Option<Duration>,
        slope_per_hour: Option<f64>,
        operations: Option<u64>,
        max_growth: Option<Bytes>,
    ) -> Self {
        let enough = time_to_failure.and_then(|time| time.checked_mul(TIMES));
        let lasting = match (enough, operations) {
            (Some(enough), Some(_)) => enough,
            (Some(enough), None) => enough.max(A_DAY),
            (None, Some(_)) => Duration::ZERO,
            (None, None) => A_DAY,
        };
        // Below a second nobody can say.
        let lasting = Duration::from_secs(lasting.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        let max_slope_per_hour =
            slope_per_hour.filter(|slope| *slope > 0.0).map(|slope| (slope * SHARE).ceil());
        Self { lasting, operations, max_growth, max_slope_per_hour }
    }

    /// In words: `>= 24h, growth < 50MiB`.
    pub fn describe(&self) -> String {
        let mut words = Vec::new();
        if !self.lasting.is_zero() {
            words.push(format!("at least {}", format_duration(self.lasting)));
        }
        words.extend(self.operations.map(|operations| format!("at least {operations} operations")));
        words.extend(self.max_growth.map(|growth| format!("growth below {growth}")));
        words.extend(self.max_slope_per_hour.map(|slope| format!("slope below {}/h", bytes(slope))));
        words.join(", ")
    }

    /// What this soak does not show.
    pub fn missing(&self, soak: &SoakResult) -> Vec<String> {
        let mut missing = Vec::new();
        let lasted = Duration::from_millis(soak.lasted_ms);
        if lasted < self.lasting {
            missing.push(format!(
                "it lasted {} of {}",
                format_duration(lasted),
                format_duration(self.lasting)
            ));
        }
        if let Some(required) = self.operations
            && soak.operations.is_none_or(|done| done < required)
        {
            let done =
                soak.operations.map_or_else(|| "an unknown number".to_owned(), |done| done.to_string());
            missing.push(format!("it did {done} of {required} operations"));
        }
        if let Some(most) = self.max_growth {
            match soak.growth_bytes {
                None => missing.push("how much memory grew is unknown".to_owned()),
                Some(growth) if u64::try_from(growth).is_ok_and(|growth| growth >= most.0) => {
                    missing.push(format!("memory grew by {}, {most} or more", Bytes(growth.unsigned_abs())));
                }
                Some(_) => {}
            }
        }
        if let Some(most) = self.max_slope_per_hour {
            match soak.slope_interval {
                None => missing.push("its slope is unknown".to_owned()),
                Some((_, high)) if high >= most => missing.push(format!(
                    "its slope may be {}/h, which is not below {}/h",
                    bytes(high),
                    bytes(most)
                )),
                Some(_) => {}
            }
        }
        if matches!(soak.verdict, Judged::Growing | Judged::Leaking) {
            missing.push(format!("its verdict is {}", soak.verdict));
        }
        missing
    }
}

fn bytes(slope: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a slope above zero, shown")]
    Bytes(slope.max(0.0) as u64).to_string()
}

/// Holds the recorded soaks against what is required.
pub fn verify(required: &Required, after: &After<'_>) -> Verified {
    let refused = |reasons| Verified { verdict: Verdict::Refused, reasons, ..Verified::default() };
    let Some(change) = after.change else {
        return refused(vec![
            "nobody said what was changed: a soak before the change proves nothing".to_owned(),
        ]);
    };
    let mut verified = Verified::default();
    let mut lacking = Vec::new();
    for unit in after.units {
        match of_unit(required, unit, change, after.soaks) {
            Ok(observed) => verified.observed.push(observed),
            Err(Lacking { failed: true, why }) => return refused(vec![why]),
            Err(Lacking { why, .. }) => lacking.push(why),
        }
    }
    if let Some(again) = after.seen_again.iter().max_by_key(|recorded| recorded.event.at) {
        return refused(vec![format!(
            "it was seen again after the change: {} of {} at {} (event {})",
            again.event.kind.name(),
            again.event.unit,
            again.event.at,
            again.event.id
        )]);
    }
    if verified.observed.is_empty() {
        if lacking.is_empty() {
            lacking.push("it is not known in which unit it was seen".to_owned());
        }
        return refused(lacking);
    }
    verified.everywhere = lacking.is_empty();
    verified.verdict = Verdict::Passed;
    let held = verified.observed.iter().map(|observed| {
        let growth = observed.growth_bytes.map_or_else(|| "unknown".to_owned(), signed);
        let operations = observed.operations.map_or_else(String::new, |done| format!(", {done} operations"));
        let lasted = format_duration(observed.lasted);
        format!("soak of {} passed at {}: {lasted}{operations}, growth {growth}", observed.unit, observed.at)
    });
    verified.still_open = lacking.into_iter().map(|why| format!("still open: {why}")).collect();
    verified.reasons = held.chain(verified.still_open.iter().cloned()).collect();
    verified
}

fn signed(bytes: i64) -> String {
    format!("{}{}", if bytes < 0 { "-" } else { "" }, Bytes(bytes.unsigned_abs()))
}

struct Lacking {
    failed: bool,
    why: String,
}

/// The newest soak of this unit that passed and is enough, where no later one failed.
fn of_unit(
    required: &Required,
    unit: &str,
    change: Timestamp,
    soaks: &[Recorded],
) -> Result<Observed, Lacking> {
    let mut of_unit: Vec<(&Event, &SoakResult, &str)> = soaks
        .iter()
        .filter(|recorded| recorded.event.unit.as_str() == unit)
        .filter_map(|recorded| match &recorded.event.kind {
            EventKind::SoakFinished { soak } => Some((&recorded.event, &**soak, recorded.sha256.as_str())),
            _ => None,
        })
        .filter(|(event, soak, _)| event.at.0.saturating_sub(soak.lasted_ms) >= change.0)
        .collect();
    of_unit.sort_by_key(|(event, ..)| std::cmp::Reverse(event.at));
    let mut why = format!("no soak of {unit} was recorded that began after the change ({change})");
    for (index, (event, soak, sha256)) in of_unit.into_iter().enumerate() {
        let lacks = match soak.outcome {
            SoakOutcome::Failed if index == 0 => {
                let why = format!("the soak of {unit} at {} failed: {}", event.at, reasons(soak));
                return Err(Lacking { failed: true, why });
            }
            // The newer ones are not enough, and what is older than this was before it failed.
            SoakOutcome::Failed => return Err(Lacking { failed: false, why }),
            SoakOutcome::CouldNotLook => format!("could not look: {}", reasons(soak)),
            SoakOutcome::Passed => {
                let missing = required.missing(soak);
                if missing.is_empty() {
                    return Ok(Observed {
                        unit: unit.to_owned(),
                        id: event.id.to_string(),
                        at: event.at,
                        lasted: Duration::from_millis(soak.lasted_ms),
                        operations: soak.operations,
                        growth_bytes: soak.growth_bytes,
                        sha256: sha256.to_owned(),
                    });
                }
                format!("is not enough: {}", missing.join("; "))
            }
        };
        if index == 0 {
            why = format!("the soak of {unit} at {} {lacks}", event.at);
        }
    }
    Err(Lacking { failed: false, why })
}

fn reasons(soak: &SoakResult) -> String {
    let all: Vec<&str> = soak.reasons.iter().map(|reason| reason.text.as_ref()).collect();
    if all.is_empty() {
        "no reason is recorded".to_owned()
    } else {
        printable(all.join("; ").as_bytes(), 300)
    }
}

impl Verdict {
    /// The word in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Passed => "passed",
            Self::Refused => "refused",
        }
    }

    /// Reads it; what is no such word was not looked at.
    pub fn read(text: &str) -> Self {
        [Self::Passed, Self::Refused].into_iter().find(|verdict| verdict.name() == text).unwrap_or_default()
    }
}
