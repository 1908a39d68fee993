//! How a fact becomes an event: it gets its time, its number, its unit and its run.

use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, UnitName};

use super::clock;

/// The event of a fact that happens now.
pub fn stamp(unit: &UnitName, run: RunId, kind: EventKind) -> Event {
    Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        at: clock::wall(),
        unit: unit.clone(),
        run,
        kind,
    }
}
