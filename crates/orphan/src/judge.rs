//! The judgement.

use scupper_probe::snapshot::Snapshot;

use crate::{Findings, Known, Observer, Settings};

/// Says what was left behind.
pub fn judge(snapshot: &Snapshot, _known: &Known, _observer: Observer, _settings: &Settings) -> Findings {
    Findings { unreadable: snapshot.unreadable.clone(), ..Findings::default() }
}
