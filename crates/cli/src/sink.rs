//! Where every event goes: the log on stderr, the evidence file, the hook. One way in; each of the three may fail
//! without the others or the engine noticing.

use std::time::Duration;

use scupper_evidence::Writer;
use scupper_model::{Event, Severity};
use scupper_supervise::shell::{Sink, clock};

use crate::casebook::opener::Opener;
use crate::config::{LogFormat, Output};
use crate::hook::Hook;
use crate::output::{Printer, ascii_json, log_line, remark};
use crate::paths;

/// How long the end of a unit waits for its last events to be on disk.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The sink of one `run` or `up`.
pub(crate) struct EventSink {
    printer: Printer,
    format: LogFormat,
    printed_from: Severity,
    evidence: Option<Writer>,
    /// The user in whose directory root keeps none.
    others: Option<u32>,
    /// Whether it was said that evidence is not being kept.
    said: bool,
    hook: Option<Hook>,
    opener: Option<Opener>,
}

impl EventSink {
    /// As the settings say. Nothing is opened or started before the first event that needs it.
    pub(crate) fn new(output: &Output) -> Self {
        let others = paths::state_of_a_user(output.state.as_deref());
        let file = paths::evidence(output.state.as_deref()).filter(|_| others.is_none());
        Self {
            printer: Printer::new(),
            format: output.log_format.unwrap_or_default(),
            printed_from: if output.verbose { Severity::Routine } else { Severity::Notice },
            evidence: file.map(|file| Writer::new(file, scupper_evidence::Options::default(), clock::wall)),
            others,
            said: false,
            hook: output.on_event.clone().map(Hook::new),
            opener: Opener::new(output).filter(|_| others.is_none()),
        }
    }

    /// Prints what is at least so severe alone: for those who say in words what they do.
    pub(crate) const fn printed_from(mut self, severity: Severity) -> Self {
        self.printed_from = severity;
        self
    }

    /// Says once that evidence is not being kept, and why.
    fn evidence_trouble(&mut self, why: &str) {
        if !std::mem::replace(&mut self.said, true) {
            self.printer.log(&remark(self.format, "evidence_trouble", why));
        }
    }
}

impl Sink for EventSink {
    fn record(&mut self, event: &Event) {
        let severity = event.kind.severity();
        if severity >= self.printed_from {
            self.printer.log(&match self.format {
                LogFormat::Text => log_line(event),
                LogFormat::Json => ascii_json(event),
            });
        }
        match &self.evidence {
            Some(writer) => {
                writer.record(event.clone());
                if let Some(error) = writer.error() {
                    self.evidence_trouble(&error);
                }
            }
            None if severity > Severity::Routine => {
                let why = self.others.map_or_else(
                    || "there is neither XDG_STATE_HOME nor HOME".to_owned(),
                    |owner| format!("the state directory is of the user {owner}, and this is root"),
                );
                self.evidence_trouble(&format!("no evidence is kept: {why}; use --state DIR"));
            }
            None => {}
        }
        if let Some(hook) = self.hook.as_mut().filter(|_| severity >= Severity::Warning) {
            hook.tell(event);
        }
        if let Some(opener) = &mut self.opener {
            opener.tell(event);
        }
    }

    fn close(&mut self) {
        if let Some(writer) = self.evidence.take() {
            let report = writer.close(CLOSE_WITHIN);
            if report.lost > 0 {
                let why = report.error.unwrap_or_else(|| "they came too fast".to_owned());
                let lost = format!("{} events were not kept: {why}", report.lost);
                self.said = false;
                self.evidence_trouble(&lost);
            }
        }
        // What opens incidents reads what was recorded.
        self.opener.iter_mut().for_each(Opener::close);
        self.hook.iter_mut().for_each(Hook::close);
    }
}

#[cfg(test)]
mod tests {
    use scupper_evidence::{Query, Store};
    use scupper_model::{EVENT_SCHEMA, EventKind, RunId};

    use super::*;

    fn event(id: u128, kind: EventKind) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            id: uuid::Uuid::from_u128(id),
            at: clock::wall(),
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind,
        }
    }

    #[test]
    fn an_event_reaches_the_evidence_and_the_hook() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("told");
        let output = Output {
            state: Some(dir.path().to_owned()),
            on_event: Some(format!("cat >> {}", told.display())),
            ..Output::default()
        };
        let mut sink = EventSink::new(&output);
        sink.record(&event(1, EventKind::Notified { ready: true, status: None }));
        sink.record(&event(2, EventKind::Trouble { message: "no".into() }));
        sink.close();
        let file = paths::evidence(output.state.as_deref()).unwrap();
        let kept = Store::open_read_only(&file).unwrap().unwrap().events(&Query::default()).unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!(std::fs::read_to_string(told).unwrap().lines().count(), 1);
    }

    #[test]
    fn routine_alone_opens_nothing_until_the_end_and_trouble_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("file");
        std::fs::write(&state, "in the way").unwrap();
        let mut sink = EventSink::new(&Output { state: Some(state), ..Output::default() });
        sink.record(&event(1, EventKind::Notified { ready: true, status: None }));
        assert!(!sink.said);
        sink.record(&event(2, EventKind::ParentExited { pid: 7 }));
        assert!(crate::wait::until(Duration::from_secs(5), |_| {
            sink.record(&event(3, EventKind::ParentExited { pid: 7 }));
            sink.said
        }));
    }
}
