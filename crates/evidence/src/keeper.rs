//! Getting a batch into the file, whatever state the file is in. One attempt at a time: when to try again is the
//! writer's business.

use std::path::PathBuf;
use std::time::Duration;

use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, Timestamp, UnitName};

use crate::{EvidenceError, Options, Store, repair};

/// How long one statement waits for another process's lock. Short, so that a closing writer notices its deadline.
const PATIENCE: Duration = Duration::from_millis(250);
/// Events written between two looks at age and size.
const EVENTS_BETWEEN_TRIMS: usize = 512;

/// The file, open while there is something to write.
pub(crate) struct Keeper {
    path: PathBuf,
    options: Options,
    store: Option<Store>,
    /// What happened to the file and is not yet written in it.
    notes: Vec<String>,
    /// Times in a row that the file was found damaged.
    damaged: u32,
    until_trim: usize,
}

/// Events that were lost before this batch, and why.
pub(crate) struct Gap {
    pub(crate) lost: u64,
    pub(crate) why: String,
}

impl Keeper {
    pub(crate) const fn new(path: PathBuf, options: Options) -> Self {
        Self { path, options, store: None, notes: Vec::new(), damaged: 0, until_trim: 0 }
    }

    /// Tries to write a batch and, in the same transaction, what has to be said about the file itself.
    pub(crate) fn attempt(
        &mut self,
        batch: &[Event],
        gap: Option<&Gap>,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        let mut result = self.write(batch, gap, now);
        if matches!(&result, Err(error) if error.is_damage()) {
            self.store = None;
            self.damaged += 1;
            // Damage that a check does not find, but that is in the way again and again, is damage.
            let certain = self.damaged > 2;
            if let Some(aside) = repair::move_aside(&self.path, &self.options, PATIENCE, now, certain)? {
                self.notes.push(format!(
                    "the evidence file was damaged and moved to `{}`; a new one was started",
                    aside.display()
                ));
            }
            result = self.write(batch, gap, now);
        }
        match &result {
            Ok(()) => {
                self.damaged = 0;
                self.trim(batch.len(), now);
            }
            // A lock goes away by itself; after anything else a new connection is the better start.
            Err(error) if error.is_lock() => {}
            Err(_) => self.store = None,
        }
        result
    }

    /// Closes the file until the next attempt.
    pub(crate) fn rest(&mut self) {
        self.store = None;
    }

    fn write(&mut self, batch: &[Event], gap: Option<&Gap>, now: Timestamp) -> Result<(), EvidenceError> {
        let store = if let Some(store) = self.store.take().filter(Store::is_in_place) {
            self.store.insert(store)
        } else {
            self.until_trim = 0;
            self.store.insert(Store::open_with_patience(&self.path, &self.options, PATIENCE)?)
        };
        let own = own_events(batch, gap, &self.notes, now);
        if own.is_empty() {
            store.insert(batch)?;
        } else {
            store.insert(&[own.as_slice(), batch].concat())?;
        }
        self.notes.clear();
        Ok(())
    }

    /// Best effort: evidence that should have gone by now does no harm.
    fn trim(&mut self, written: usize, now: Timestamp) {
        self.until_trim = self.until_trim.saturating_sub(written);
        if self.until_trim == 0
            && let Some(store) = &mut self.store
        {
            let more = store.retain(now).is_ok_and(|removed| removed.more);
            self.until_trim = if more { 1 } else { EVENTS_BETWEEN_TRIMS };
        }
    }
}

/// Events about the evidence itself. They carry the names of the batch they come with.
fn own_events(batch: &[Event], gap: Option<&Gap>, notes: &[String], now: Timestamp) -> Vec<Event> {
    let Some(last) = batch.last() else { return Vec::new() };
    let notes = notes.iter().map(|message| EventKind::Trouble { message: message.clone() });
    let gap = gap.map(|gap| EventKind::EvidenceGap { lost: gap.lost, message: gap.why.clone() });
    notes.chain(gap).map(|kind| own_event(last.unit.clone(), last.run, kind, now)).collect()
}

fn own_event(unit: UnitName, run: RunId, kind: EventKind, at: Timestamp) -> Event {
    let nanoseconds = u32::try_from(at.0 % 1000 * 1_000_000).unwrap_or(0);
    let id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at.0 / 1000, nanoseconds));
    Event { schema: EVENT_SCHEMA.to_owned(), id, at, unit, run, kind }
}
