//! One incident as a file: read from its text, and told what is in it. What people and the tool that made the first records
//! keep there stays as it is; what is ours lies below one key, `scupper`.

use std::time::Duration;

use scupper_model::{Bytes, Timestamp, UnitName, format_duration};

use super::history::{self, Breach, Broken, Moved};
use super::soak::{Observed, Required, Verdict};
use super::write::MOST_EVIDENCE;
use super::{Evidence, state::NoState, state::State};
use crate::document::{Document, DocumentError, Value};

/// The key below which our own things lie.
pub(super) const OURS: &str = "scupper";

/// Why a text is no incident, or cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The document cannot be read or edited.
    #[error("the record cannot be read or edited")]
    Document(#[from] DocumentError),
    /// A key that every record has is missing.
    #[error("it is no incident: its front matter has no `{0}`")]
    Missing(&'static str),
    /// Its state is none.
    #[error("line {line}: the state cannot be read")]
    State {
        /// Where it stands, from 1.
        line: usize,
        /// Why.
        source: NoState,
    },
    /// Its id is not of the form `ISS-0001`.
    #[error("`{0}` is no id of an incident: write ISS- and at least four digits")]
    Id(String),
}

/// A record with a state.
#[derive(Clone, Debug)]
pub struct Incident {
    pub(super) document: Document,
    /// What is ours of it, as it is to be written.
    pub(super) ours: Value,
    id: String,
    pub(super) state: State,
    pub(super) history: Vec<Moved>,
    unreadable: Vec<Broken>,
    /// What a soak has to show was just agreed on; the next move keeps it.
    pub(super) agreed: bool,
}

/// A suspect as the record names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// What is suspected.
    pub name: String,
    /// How much, 0 to 1.
    pub score: Option<f64>,
    /// The ids of the events that speak for it.
    pub evidence: Vec<String>,
}

/// Something that is to be done or was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was recorded.
    pub at: Timestamp,
    /// What: a commit, a path, a setting.
    pub what: String,
    /// By whom.
    pub by: String,
}

impl Incident {
    /// Reads a record. It needs an id and a state; everything else may be missing.
    pub fn parse(text: &str) -> Result<Self, IncidentError> {
        Self::of(Document::parse(text)?)
    }

    /// The same, of a document.
    pub fn of(document: Document) -> Result<Self, IncidentError> {
        let id = document.text_of(&["issue_id"]).ok_or(IncidentError::Missing("issue_id"))?.to_owned();
        if number(&id).is_none() {
            return Err(IncidentError::Id(scupper_model::printable(id.as_bytes(), 40)));
        }
        // Records that are older than states have a status alone.
        let key = if document.get(&["state"]).is_some() { "state" } else { "status" };
        let state = document.text_of(&[key]).ok_or(IncidentError::Missing("state"))?;
        let state = state
            .parse()
            .map_err(|source| IncidentError::State { line: document.line_of(&[key]).unwrap_or(1), source })?;
        let mut history = Vec::new();
        let mut unreadable = Vec::new();
        let ours = match document.get(&[OURS]) {
            Some(map @ Value::Map(_)) => map.clone(),
            _ => Value::Map(Vec::new()),
        };
        let lines = ours.get("history").and_then(Value::as_list).unwrap_or_default();
        for (index, value) in lines.iter().enumerate() {
            match Moved::read(value) {
                Ok(moved) => history.push(moved),
                Err(problem) => {
                    unreadable.push(Broken { position: index + 1, breach: Breach::Unreadable, problem });
                }
            }
        }
        Ok(Self { document, ours, id, state, history, unreadable, agreed: false })
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        self.document.text()
    }

    /// The document.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// `ISS-0001`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its title; empty where there is none.
    pub fn title(&self) -> &str {
        self.document.text_of(&["title"]).unwrap_or_default()
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Who is to look after it; `None` where nobody is.
    pub fn owner(&self) -> Option<&str> {
        self.document.text_of(&["assignee"]).filter(|owner| !owner.is_empty() && *owner != "unassigned")
    }

    /// `low`, `medium`, `high`, `critical`, or what somebody wrote.
    pub fn priority(&self) -> &str {
        self.document.text_of(&["priority"]).unwrap_or_default()
    }

    /// By what it is known again; `None` for one that nobody recorded.
    pub fn fingerprint(&self) -> Option<&str> {
        self.ours("fingerprint")
    }

    /// Every fingerprint under which it was seen: its own, and those of its other signs.
    pub fn fingerprints(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.fingerprint().into_iter().collect();
        all.extend(self.texts("signs"));
        all
    }

    /// The unit in which it was seen first.
    pub fn unit(&self) -> Option<UnitName> {
        self.ours("unit")?.parse().ok()
    }

    /// Every unit in which it was seen.
    pub fn units(&self) -> Vec<String> {
        let mut units: Vec<String> = self.unit().map(|unit| unit.to_string()).into_iter().collect();
        for unit in self.texts("units") {
            if unit.parse::<UnitName>().is_ok() && units.iter().all(|known| known != unit) {
                units.push(unit.to_owned());
            }
        }
        units
    }

    /// The run in which it was seen last, 32 hexadecimal digits.
    pub fn run(&self) -> Option<&str> {
        self.ours("run")
    }

    /// From when to when it was seen.
    pub fn window(&self) -> Option<(Timestamp, Timestamp)> {
        let time = |key| self.ours.get("window")?.get(key)?.as_text()?.parse().ok();
        Some((time("from")?, time("to")?))
    }

    /// What was recorded of it.
    pub fn evidence(&self) -> Vec<Evidence> {
        let list = self.ours.get("evidence").and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(read_evidence).collect()
    }

    /// Who is suspected.
    pub fn suspects(&self) -> Vec<Suspect> {
        let list = self.ours.get("suspects").and_then(Value::as_list).unwrap_or_default();
        let read = |value: &Value| {
            let evidence = value.get("evidence").and_then(Value::as_list).unwrap_or_default();
            Some(Suspect {
                name: value.get("name")?.as_text()?.to_owned(),
                score: value.get("score").and_then(Value::as_number),
                evidence: evidence.iter().filter_map(|id| id.as_text().map(str::to_owned)).collect(),
            })
        };
        list.iter().filter_map(read).collect()
    }

    /// What was changed because of it, the oldest first.
    pub fn changes(&self) -> Vec<Change> {
        let list = self.ours.get("changes").and_then(Value::as_list).unwrap_or_default();
        let read = |value: &Value| {
            let text = |key| value.get(key)?.as_text().map(str::to_owned);
            Some(Change { at: text("at")?.parse().ok()?, what: text("what")?, by: text("by")? })
        };
        list.iter().filter_map(read).collect()
    }

    /// How often it was seen again since it was opened.
    pub fn seen_again(&self) -> u64 {
        let count = self.ours.get("seen_again").and_then(Value::as_integer);
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }

    /// Every move, the oldest first. Of a record of another program there are none.
    pub fn history(&self) -> &[Moved] {
        &self.history
    }

    /// Where the history was tampered with: the chain is broken, or the record does not stand where it ends.
    pub fn tampered(&self) -> Vec<Broken> {
        let mut broken = self.unreadable.clone();
        broken.extend(history::check(&self.history));
        let Some(last) = self.history.last() else {
            if self.fingerprint().is_some() {
                let problem = "the history is missing".to_owned();
                broken.push(Broken { position: 0, breach: Breach::Missing, problem });
            }
            return broken;
        };
        let position = self.history.len();
        if last.to != self.state {
            let problem = format!("it ends in {}, and the record is in {}", last.to, self.state);
            broken.push(Broken { position, breach: Breach::Gap, problem });
        }
        let mut say = |problem: String| broken.push(Broken { position, breach: Breach::Basis, problem });
        if let Some(agreed) = self.agreed_needs().filter(|_| !self.agreed)
            && self.needs().as_deref() != Some(agreed)
        {
            say(format!("what a soak has to show was changed by hand: it was {agreed}"));
        }
        let evidence = self.evidence();
        if let Some(id) = self.history.first().and_then(|first| first.about.as_deref())
            && evidence.len() < MOST_EVIDENCE
            && evidence.iter().all(|cited| cited.id != id)
        {
            say(format!("event {id}, which it was opened for, is not cited any more"));
        }
        if let Some(change) = self.changes().pop()
            && !self.history.iter().any(|m| m.at == change.at && m.about.as_deref() == Some(&change.what))
        {
            say(format!("the change of {} was written by hand: no move names it", change.at));
        }
        let metadata = |key| self.document.text_of(&["state_metadata", key]);
        if metadata("transitioned_at").is_some_and(|at| at != last.at.to_string()) {
            say("state_metadata.transitioned_at is not the time of the last move".to_owned());
        }
        if metadata("transitioned_by").is_some_and(|by| by != last.by) {
            say("state_metadata.transitioned_by is not who made the last move".to_owned());
        }
        broken
    }

    /// What a soak has to show, and what that is derived from, in one line; `None` where the record does not say.
    pub(super) fn needs(&self) -> Option<String> {
        let required = self.in_soak("required")?;
        let of = |name: &str, value: Option<&Value>| {
            value.and_then(Value::as_number).map(|value| format!("{name} {value}"))
        };
        let words = [
            of("seconds", required.get("seconds")),
            of("operations", required.get("operations")),
            of("growth", required.get("max_growth_bytes")),
            of("slope", required.get("max_slope_bytes_per_hour")),
            of("time to failure", self.ours.get("time_to_failure_seconds")),
        ];
        Some(words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// The same, as the last move has it that says so.
    pub(super) fn agreed_needs(&self) -> Option<&str> {
        self.history.iter().rev().find_map(|moved| moved.needs.as_deref())
    }

    /// Cited evidence and soaks that cannot be read: nobody can hold them against what was recorded.
    pub(super) fn unread_evidence(&self) -> Option<String> {
        let listed = |value: Option<&Value>| value.and_then(Value::as_list).map_or(0, <[Value]>::len);
        let all = listed(self.ours.get("evidence")) + listed(self.in_soak("observed"));
        let read = self.evidence().len() + self.soaks().len();
        (all > read).then(|| format!("{} pieces of its evidence cannot be read", all - read))
    }

    /// Where what a soak has to last comes from.
    pub fn required_because(&self) -> String {
        let required = self.required();
        let day = "a day, as nobody agreed on a number of operations (--soak-ops)";
        let Some(failure) = self.time_to_failure() else {
            return match required.operations {
                Some(_) => "how long it takes to fail is not known, and operations were agreed on".to_owned(),
                None => format!("{day}; how long it takes to fail is not known"),
            };
        };
        let how = match self.ours("trigger") {
            Some("verdict_changed") => {
                "was forecast from how fast it grew, up to its limit or else to the memory of the machine"
            }
            _ => "was seen",
        };
        let failure = format!("{} until it fails, which {how}", format_duration(failure));
        if required.operations.is_none()
            && required.lasting == Required::derive(None, None, None, None).lasting
        {
            format!("{day}; three times the {failure}, is not more")
        } else {
            format!("three times the {failure}")
        }
    }

    /// How long it takes until it fails, as far as that was known when it was opened.
    pub fn time_to_failure(&self) -> Option<Duration> {
        let seconds = self.ours.get("time_to_failure_seconds")?.as_integer()?;
        // In no time nothing fails: what somebody wrote there is not known.
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// What a soak has to show.
    pub fn required(&self) -> Required {
        let value = |key: &str| self.ours.get("soak")?.get("required")?.get(key);
        let count = |key| value(key).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
        let none = Required::derive(None, None, None, None);
        Required {
            lasting: count("seconds").map_or(none.lasting, Duration::from_secs),
            operations: count("operations"),
            max_growth: count("max_growth_bytes").map(Bytes),
            max_slope_per_hour: value("max_slope_bytes_per_hour").and_then(Value::as_number),
        }
    }

    /// What the record says of its soaks, as it was verified last.
    pub fn soak_verdict(&self) -> Verdict {
        self.in_soak("verdict").and_then(Value::as_text).map(Verdict::read).unwrap_or_default()
    }

    /// The soaks that it cites.
    pub fn soaks(&self) -> Vec<Observed> {
        let list = self.in_soak("observed").and_then(Value::as_list).unwrap_or_default();
        let read = |value: &Value| {
            let text = |key| value.get(key)?.as_text();
            let number = |key| value.get(key)?.as_integer();
            Some(Observed {
                unit: text("unit")?.to_owned(),
                id: text("id")?.to_owned(),
                at: text("at")?.parse().ok()?,
                lasted: Duration::from_secs(number("seconds").and_then(|n| n.try_into().ok()).unwrap_or(0)),
                operations: number("operations").and_then(|n| n.try_into().ok()),
                growth_bytes: number("growth_bytes"),
                sha256: text("sha256")?.to_owned(),
            })
        };
        list.iter().filter_map(read).collect()
    }

    /// The ids in a list: `related_issues`, `blocked_by`, `blocks`, `related_tasks`.
    pub fn listed(&self, key: &str) -> Vec<&str> {
        let list = self.document.get(&[key]).and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(Value::as_text).collect()
    }

    /// When it was written last: no later move may be older.
    pub fn latest(&self) -> Option<Timestamp> {
        let of = |key: &[&str]| self.document.text_of(key)?.parse::<Timestamp>().ok();
        let known =
            [of(&["updated_date"]), of(&["created_date"]), of(&["state_metadata", "transitioned_at"])];
        known.into_iter().flatten().chain(self.history.last().map(|moved| moved.at)).max()
    }

    fn ours(&self, key: &str) -> Option<&str> {
        self.ours.get(key)?.as_text()
    }

    pub(super) fn in_soak(&self, key: &str) -> Option<&Value> {
        self.ours.get("soak")?.get(key)
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.ours.get(key).and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(Value::as_text).collect()
    }
}

/// The number of an id: 109 of `ISS-0109`.
pub fn number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix("ISS-")?;
    let fits = (4..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

/// `ISS-0109`.
pub fn id_of(number: u64) -> String {
    format!("ISS-{number:04}")
}

/// The file's name: the id, and words of the title.
pub fn file_name(id: &str, title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars() {
        if slug.len() >= 60 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { format!("{id}.md") } else { format!("{id}-{slug}.md") }
}

fn read_evidence(value: &Value) -> Option<Evidence> {
    let text = |key| value.get(key)?.as_text().map(str::to_owned);
    Some(Evidence {
        id: text("id")?,
        kind: text("kind")?,
        value: value.get("value").and_then(Value::as_number),
        unit: text("unit"),
        at: text("at")?.parse().ok()?,
        sha256: text("sha256").unwrap_or_default(),
    })
}
