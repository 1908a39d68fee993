//! What an incident says of where its evidence is. It is a claim of a file: what is ranked are the events themselves.

use std::path::Path;

use scupper_model::{RunId, Timestamp, UnitName, printable};

use crate::casebook::folder::Folder;

/// Ids of events that are looked up, at most.
const MOST_CITED: usize = 200;

/// What to look for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub title: String,
    pub unit: Option<UnitName>,
    pub run: Option<RunId>,
    pub window: Option<(Timestamp, Timestamp)>,
    /// Ids of events that it cites.
    pub evidence: Vec<String>,
}

/// Reads it.
pub(super) fn read(id: &str, folder: Option<&Path>, state: Option<&Path>) -> anyhow::Result<Wanted> {
    let kept = Folder::new(folder, state)?.find(id)?;
    let incident = &kept.incident;
    let title = printable(incident.title().as_bytes(), 80);
    Ok(Wanted {
        title: format!("{} ({title})", incident.id()),
        unit: incident.unit(),
        run: incident.run().and_then(|run| run.parse().ok()),
        window: incident.window(),
        evidence: incident.evidence().into_iter().map(|evidence| evidence.id).take(MOST_CITED).collect(),
    })
}
