//! Where everything that `serve` does and learns is recorded: events of the unit `serve`, through the one sink.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scupper_fleet::coordinator::Facts;
use scupper_model::{EventKind, RunId, UnitName};
use scupper_supervise::shell::{self, Sink};

use crate::config::Output;
use crate::sink::EventSink;

/// The unit under which it is recorded.
const UNIT: &str = "serve";

/// The sink, for several threads.
#[derive(Clone)]
pub(super) struct Journal(Arc<Inner>);

struct Inner {
    sink: Mutex<EventSink>,
    unit: UnitName,
    run: RunId,
}

impl Journal {
    pub(super) fn new(output: &Output) -> Self {
        let sink = Mutex::new(EventSink::new(output));
        let (unit, run) = (UnitName::from_command(UNIT), RunId(uuid::Uuid::now_v7()));
        Self(Arc::new(Inner { sink, unit, run }))
    }

    pub(super) fn record(&self, fact: EventKind) {
        let event = shell::stamp(&self.0.unit, self.0.run, fact);
        self.sink().record(&event);
    }

    /// For a coordinator.
    pub(super) fn facts(&self) -> Facts {
        let journal = self.clone();
        Arc::new(move |fact| journal.record(EventKind::Fleet(fact)))
    }

    /// Everything is written down.
    pub(super) fn close(&self) {
        self.sink().close();
    }

    fn sink(&self) -> MutexGuard<'_, EventSink> {
        self.0.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
