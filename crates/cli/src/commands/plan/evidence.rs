//! What was recorded, for plans to be filled in from: looked up once a pass, and only where a plan speaks of it.

use scupper_casebook::plan::{self, RECORDED_KINDS};
use scupper_evidence::Query;
use scupper_model::Timestamp;

use super::pass::Pass;
use crate::casebook::evidence::Evidence;

/// Events that plans are filled in from are no older.
const EVIDENCE_AGE_MS: u64 = 30 * 24 * 3_600_000;
/// The newest so many of them are looked at.
const MOST_EVENTS: usize = 5000;

impl Pass<'_> {
    /// Whether something was recorded since plans were last filled in.
    pub(super) fn look_for_evidence(&mut self) {
        if !self.index.notes.values().any(|entry| entry.wants_evidence) {
            return;
        }
        let newest = Evidence::open(self.options.state.as_deref()).and_then(|evidence| {
            let newest = evidence.gather(&Query { newest: Some(1), ..self.query() })?.events.pop();
            Ok(newest.map(|newest| newest.event.id.to_string()))
        });
        // What cannot be looked at is said where a plan is made.
        if let Ok(Some(newest)) = newest {
            self.evidence_is_new = self.index.evidence.as_ref() != Some(&newest);
        }
    }

    fn query(&self) -> Query {
        Query {
            kinds: RECORDED_KINDS.map(str::to_owned).to_vec(),
            since: Some(Timestamp(self.now.at.0.saturating_sub(EVIDENCE_AGE_MS))),
            newest: Some(MOST_EVENTS),
            ..Query::default()
        }
    }

    /// Looks up what was recorded, once.
    pub(super) fn look_up_evidence(&mut self) {
        if self.evidence.is_none() {
            let gathered = Evidence::open(self.options.state.as_deref()).and_then(|evidence| {
                let gathered = evidence.gather(&self.query())?;
                Ok((evidence.file().display().to_string(), gathered.events))
            });
            let events = match gathered {
                Ok((file, events)) => {
                    self.evidence_file = file;
                    events
                }
                Err(error) => {
                    self.outcome.aside(format!("no plan is filled in from evidence: {error:#}"));
                    Vec::new()
                }
            };
            if let Some(newest) = events.last() {
                let newest = newest.event.id.to_string();
                self.changed |= self.index.evidence.as_ref() != Some(&newest);
                self.index.evidence = Some(newest);
            }
            self.evidence = Some(plan::newest_of_each(events));
        }
    }
}
