//! The recorded events that documents are written from, each with the digest of its line.
//!
//! A document cites an event by its id and the SHA-256 of its line as it was stored. Where there is no evidence file
//! there is no evidence: that is an answer, not an error.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use scupper_casebook::incident::{Recorded, sha256};
use scupper_evidence::{Options, Query, Store};

use crate::paths;

/// Events that are held in memory at once; the newest of those that fit.
const MOST: usize = 20_000;

/// The evidence file, open to be read.
#[derive(Debug)]
pub(crate) struct Evidence {
    file: PathBuf,
    store: RefCell<Option<Store>>,
}

/// What was found, from oldest to newest.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub events: Vec<Recorded>,
    /// Rows that this scupper cannot read: of a newer one, or damaged.
    pub unreadable: usize,
    /// Whether there were more than are held; the oldest are left out.
    pub cut: bool,
}

impl Evidence {
    /// Below `--state DIR`, else where evidence lies by itself.
    pub(crate) fn open(state: Option<&Path>) -> anyhow::Result<Self> {
        let file = paths::evidence(state).context("no state directory: HOME is not set; use --state DIR")?;
        let store = Store::open_read_only(&file)?;
        Ok(Self { file, store: RefCell::new(store) })
    }

    /// Where it is looked for.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Whether anything was ever recorded there.
    pub(crate) fn is_there(&self) -> bool {
        self.store.borrow().is_some()
    }

    /// Keeps these events when their time has come. Without a file nothing is there to be kept.
    pub(crate) fn keep(&self, ids: &[uuid::Uuid]) -> anyhow::Result<()> {
        if ids.is_empty() || !self.is_there() {
            return Ok(());
        }
        // What one process has open of a file to read alone is not writable for it by another way in either.
        drop(self.store.take());
        let kept = Store::open(&self.file, &Options::default()).and_then(|mut store| store.keep(ids));
        *self.store.borrow_mut() = Store::open_read_only(&self.file)?;
        Ok(kept?)
    }

    /// The events that fit, with their digests.
    pub(crate) fn gather(&self, query: &Query) -> anyhow::Result<Gathered> {
        let store = self.store.borrow();
        let Some(store) = store.as_ref() else { return Ok(Gathered::default()) };
        let most = query.newest.unwrap_or(MOST).min(MOST);
        // One more than is held, to know whether there is more.
        let query = Query { newest: Some(most.saturating_add(1)), ..query.clone() };
        let mut gathered = Gathered::default();
        let mut rows = 0_usize;
        store.visit_lines(&query, |stored, line| {
            rows += 1;
            match stored.event {
                Ok(event) => gathered.events.push(Recorded { event, sha256: sha256(line) }),
                Err(_) => gathered.unreadable += 1,
            }
            ControlFlow::Continue(())
        })?;
        if rows > most {
            gathered.cut = true;
            if gathered.events.len() > most {
                gathered.events.remove(0);
            }
        }
        Ok(gathered)
    }

    /// The event with this id, where it is there and can be read.
    pub(crate) fn find(&self, id: &str) -> anyhow::Result<Option<Recorded>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let query = Query { id: Some(id), ..Query::default() };
        Ok(self.gather(&query)?.events.pop())
    }

    /// The digest of the event with this id, also of one that this scupper cannot read; `None` where there is none.
    pub(crate) fn digest(&self, id: &str) -> anyhow::Result<Option<String>> {
        let store = self.store.borrow();
        let (Some(store), Ok(id)) = (store.as_ref(), id.parse()) else { return Ok(None) };
        let mut digest = None;
        store.visit_lines(&Query { id: Some(id), ..Query::default() }, |_, line| {
            digest = Some(sha256(line));
            ControlFlow::Break(())
        })?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, Timestamp};

    use super::*;

    fn event(id: u128, message: &str) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            id: uuid::Uuid::from_u128(id),
            at: Timestamp(u64::try_from(id).unwrap()),
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind: EventKind::Trouble { message: message.to_owned() },
        }
    }

    #[test]
    fn events_are_kept_while_others_write_and_while_nobody_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = paths::evidence(Some(dir.path())).unwrap();
        let options = Options { max_age: std::time::Duration::ZERO, ..Options::default() };
        let mut writer = Store::open(&file, &options).unwrap();
        let (one, two, three) = (event(1, "one"), event(2, "two"), event(3, "three"));
        writer.insert(&[one.clone(), two.clone(), three]).unwrap();
        // As a process leaves it that is killed, or still writes: with its log and the index of that.
        let other = tempfile::tempdir().unwrap();
        let copy = paths::evidence(Some(other.path())).unwrap();
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let of = |file: &Path| format!("{}{suffix}", file.display());
            std::fs::copy(of(&file), of(&copy)).unwrap();
        }
        let evidence = Evidence::open(Some(other.path())).unwrap();
        assert!(evidence.find(&one.id.to_string()).unwrap().is_some());
        evidence.keep(&[one.id]).unwrap();
        assert!(evidence.find(&one.id.to_string()).unwrap().is_some());
        let evidence = Evidence::open(Some(dir.path())).unwrap();
        assert!(evidence.find(&one.id.to_string()).unwrap().is_some());
        evidence.keep(&[one.id]).unwrap();
        drop(writer);
        let evidence = Evidence::open(Some(dir.path())).unwrap();
        assert!(evidence.find(&two.id.to_string()).unwrap().is_some());
        evidence.keep(&[two.id]).unwrap();
        Store::open(&file, &options).unwrap().retain(Timestamp(1_000_000)).unwrap();
        let left = Evidence::open(Some(dir.path())).unwrap().gather(&Query::default()).unwrap().events;
        assert_eq!(left.iter().map(|left| &left.event).collect::<Vec<_>>(), [&one, &two]);
        assert!(evidence.is_there());
    }

    #[test]
    fn an_event_is_found_by_its_id_with_the_digest_of_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let none = Evidence::open(Some(dir.path())).unwrap();
        assert!(!none.is_there());
        assert!(none.digest("00000000-0000-0000-0000-000000000001").unwrap().is_none());
        let file = paths::evidence(Some(dir.path())).unwrap();
        let mut store = Store::open(&file, &Options::default()).unwrap();
        store.insert(&[event(1, "one"), event(2, "two"), event(3, "three")]).unwrap();
        drop(store);
        let evidence = Evidence::open(Some(dir.path())).unwrap();
        let two = event(2, "two");
        let id = two.id.to_string();
        let found = evidence.find(&id).unwrap().unwrap();
        assert_eq!(found.sha256, sha256(&serde_json::to_vec(&two).unwrap()));
        assert_eq!(evidence.digest(&id).unwrap(), Some(found.sha256));
        assert_eq!(found.event, two);
        assert!(evidence.find("not an id").unwrap().is_none());
        assert!(evidence.find(&uuid::Uuid::nil().to_string()).unwrap().is_none());
        let newest = evidence.gather(&Query { newest: Some(2), ..Query::default() }).unwrap();
        assert_eq!((newest.events.len(), newest.cut, newest.unreadable), (2, true, 0));
        assert_eq!(newest.events[0].event, two);
        let all = evidence.gather(&Query { newest: Some(3), ..Query::default() }).unwrap();
        assert!(!all.cut);
    }
}
