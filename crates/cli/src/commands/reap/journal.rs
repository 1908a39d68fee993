//! Where it is recorded what `reap` does: events of the unit `reap`, a run of its own for each time it is called.

use scupper_model::{EventKind, RunId, Severity, UnitName};
use scupper_supervise::shell::{self, Sink};

use crate::args::ReapArgs;
use crate::config::Output;
use crate::sink::EventSink;

/// The unit under which it is recorded.
const UNIT: &str = "reap";

/// Takes what happens; written down when it is closed at the latest.
pub(super) struct Journal {
    sink: EventSink,
    unit: UnitName,
    run: RunId,
}

impl Journal {
    pub(super) fn new(args: &ReapArgs) -> Self {
        let output = Output {
            state: args.state.clone(),
            incident: args.incident.clone(),
            incidents: args.incidents.clone(),
            ..Output::default()
        };
        // What is done is said in words; the log is for what somebody should look at.
        let sink = EventSink::new(&output).printed_from(Severity::Warning);
        Self { sink, unit: UnitName::from_command(UNIT), run: RunId(uuid::Uuid::now_v7()) }
    }

    pub(super) fn record(&mut self, fact: EventKind) {
        self.sink.record(&shell::stamp(&self.unit, self.run, fact));
    }

    pub(super) fn close(&mut self) {
        self.sink.close();
    }
}
