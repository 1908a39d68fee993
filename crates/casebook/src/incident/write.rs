//! What of an incident goes into its file, and how: values of the front matter.

use scupper_model::Timestamp;

use super::Evidence;
use super::record::{Change, Incident, IncidentError, OURS, Suspect};
use super::soak::{Observed, Required, Verified};
use crate::document::Value;

/// Pieces of evidence that one record cites; the first ones and the newest ones.
pub const MOST_EVIDENCE: usize = 64;
/// Of them the first ones: how it began.
const FIRST: usize = 24;
/// Units in which one thing is seen, other signs of it, changes because of it: at most so many are kept.
const MOST: usize = 64;

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn texts<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Value {
    Value::List(all.into_iter().map(text).collect())
}

pub(super) fn map(entries: Vec<(&str, Option<Value>)>) -> Value {
    Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

/// Whole numbers as such: 12 and not 12.0.
#[expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "it was compared")]
fn number(value: f64) -> Value {
    let whole = value as i64;
    #[expect(clippy::cast_precision_loss, reason = "compared with where it came from")]
    if whole as f64 == value { Value::Integer(whole) } else { Value::Float(value) }
}

fn count(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn evidence_value(evidence: &Evidence) -> Value {
    map(vec![
        ("id", Some(text(&evidence.id))),
        ("kind", Some(text(&evidence.kind))),
        ("value", evidence.value.filter(|value| value.is_finite()).map(number)),
        ("unit", evidence.unit.as_deref().map(text)),
        ("at", Some(text(evidence.at.to_string()))),
        ("sha256", Some(text(&evidence.sha256))),
    ])
}

fn required_value(required: &Required) -> Value {
    map(vec![
        ("seconds", Some(count(required.lasting.as_secs()))),
        ("operations", required.operations.map(count)),
        ("max_growth_bytes", required.max_growth.map(|bytes| count(bytes.0))),
        ("max_slope_bytes_per_hour", required.max_slope_per_hour.map(number)),
    ])
}

fn observed_value(observed: &Observed) -> Value {
    map(vec![
        ("unit", Some(text(&observed.unit))),
        ("id", Some(text(&observed.id))),
        ("at", Some(text(observed.at.to_string()))),
        ("seconds", Some(count(observed.lasted.as_secs()))),
        ("operations", observed.operations.map(count)),
        ("growth_bytes", observed.growth_bytes.map(Value::Integer)),
        ("sha256", Some(text(&observed.sha256))),
    ])
}

/// Cuts a list in its middle: how it began and how it is now matter most.
fn bounded<T>(mut all: Vec<T>) -> Vec<T> {
    if all.len() > MOST_EVIDENCE {
        let surplus = all.len() - MOST_EVIDENCE;
        all.drain(FIRST..FIRST + surplus);
    }
    all
}

fn put(map: &mut Value, key: &str, value: Value) {
    if !matches!(map, Value::Map(_)) {
        *map = Value::Map(Vec::new());
    }
    if let Value::Map(entries) = map {
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => entries.push((key.to_owned(), value)),
        }
    }
}

impl Incident {
    /// Sets what is ours. It is in the text after [`Incident::keep`], which writes all of it at once.
    pub(super) fn set_ours(&mut self, key: &str, value: Value) {
        put(&mut self.ours, key, value);
    }

    fn set_soak(&mut self, key: &str, value: Value) {
        let mut soak = self.ours.get("soak").cloned().unwrap_or_else(|| Value::Map(Vec::new()));
        put(&mut soak, key, value);
        self.set_ours("soak", soak);
    }

    pub(super) fn remove_ours(&mut self, key: &str) {
        if let Value::Map(entries) = &mut self.ours {
            entries.retain(|(known, _)| known != key);
        }
    }

    pub(super) fn keep(&mut self) -> Result<(), IncidentError> {
        Ok(self.document.set(&[OURS], &self.ours)?)
    }

    /// More evidence; what is cited already is not cited again. Says whether there was anything new; the document says it
    /// after [`Self::keep`].
    pub(super) fn add(&mut self, more: &[Evidence]) -> bool {
        let mut all = self.evidence();
        let before = all.len();
        for evidence in more {
            if all.iter().all(|known| known.id != evidence.id) {
                all.push(evidence.clone());
            }
        }
        if all.len() == before {
            return false;
        }
        all.sort_by_key(|evidence| evidence.at);
        let all = bounded(all);
        self.set_ours("evidence", Value::List(all.iter().map(evidence_value).collect()));
        if let Some((first, last)) = all.first().zip(all.last()) {
            let from = self.window().map_or(first.at, |(from, _)| from.min(first.at));
            let (from, to) = (text(from.to_string()), text(last.at.to_string()));
            self.set_ours("window", map(vec![("from", Some(from)), ("to", Some(to))]));
        }
        true
    }

    /// What a soak has to show from now on.
    pub fn require(&mut self, required: &Required) -> Result<(), IncidentError> {
        // What was changed by hand before stays visible as that.
        self.agreed = self.tampered().is_empty();
        self.set_required(required);
        self.keep()
    }

    pub(super) fn set_required(&mut self, required: &Required) {
        self.set_soak("required", required_value(required));
    }

    /// Whom `why` suspects, the first one first.
    pub fn suspect(&mut self, suspects: &[Suspect]) -> Result<(), IncidentError> {
        self.set_suspects(suspects);
        self.keep()
    }

    pub(super) fn set_suspects(&mut self, suspects: &[Suspect]) {
        let value = |suspect: &Suspect| {
            let evidence = Some(texts(suspect.evidence.iter().map(String::as_str)));
            map(vec![
                ("name", Some(text(&suspect.name))),
                ("score", suspect.score.filter(|score| score.is_finite()).map(number)),
                ("evidence", evidence.filter(|_| !suspect.evidence.is_empty())),
            ])
        };
        self.set_ours("suspects", Value::List(suspects.iter().take(MOST).map(value).collect()));
    }

    pub(super) fn changed(&mut self, change: Change) {
        let mut changes = self.changes();
        changes.push(change);
        let surplus = changes.len().saturating_sub(MOST);
        let value = |change: &Change| {
            map(vec![
                ("at", Some(text(change.at.to_string()))),
                ("what", Some(text(&change.what))),
                ("by", Some(text(&change.by))),
            ])
        };
        let changes = changes.iter().skip(surplus).map(value).collect();
        self.set_ours("changes", Value::List(changes));
    }

    /// What was found of its soaks, and when that was.
    pub fn verified(&mut self, verified: &Verified, at: Timestamp) -> Result<(), IncidentError> {
        self.set_verified(verified, at);
        self.keep()
    }

    pub(super) fn set_verified(&mut self, verified: &Verified, at: Timestamp) {
        let same =
            self.soak_verdict() == verified.verdict && self.soaks() == whole_seconds(&verified.observed);
        let reasons = texts(verified.reasons.iter().map(String::as_str));
        if same && self.in_soak("reasons") == Some(&reasons) {
            return;
        }
        self.set_soak("observed", Value::List(verified.observed.iter().map(observed_value).collect()));
        self.set_soak("verdict", text(verified.verdict.name()));
        self.set_soak("reasons", reasons);
        self.set_soak("checked_at", text(at.to_string()));
    }

    /// One more unit in which it is seen, one more sign by which it is known.
    pub(super) fn known_by(&mut self, unit: &str, fingerprint: &str) {
        let mut units = self.units();
        if units.iter().all(|known| known != unit) && units.len() < MOST {
            units.push(unit.to_owned());
            self.set_ours("units", texts(units));
        }
        let known: Vec<String> = self.fingerprints().into_iter().map(str::to_owned).collect();
        if known.iter().all(|known| known != fingerprint) && known.len() < MOST {
            let signs = known.into_iter().skip(1).chain([fingerprint.to_owned()]);
            self.set_ours("signs", texts(signs));
        }
    }

    /// Adds an id to a list such as `related_issues`.
    pub fn link(&mut self, key: &str, id: &str) -> Result<(), IncidentError> {
        let mut all: Vec<String> = self.listed(key).into_iter().map(str::to_owned).collect();
        if all.iter().all(|known| known != id) && all.len() < MOST {
            all.push(id.to_owned());
            self.document.set(&[key], &texts(all))?;
        }
        Ok(())
    }

    pub(super) fn set_count(&mut self, key: &str, value: u64) {
        self.set_ours(key, count(value));
    }
}

/// As they are read again: a file has whole seconds.
fn whole_seconds(observed: &[Observed]) -> Vec<Observed> {
    let whole = |observed: &Observed| Observed {
        lasted: std::time::Duration::from_secs(observed.lasted.as_secs()),
        ..observed.clone()
    };
    observed.iter().map(whole).collect()
}
