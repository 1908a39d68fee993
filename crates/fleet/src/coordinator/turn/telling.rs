//! What a coordinator says, and how often: an outage once, trouble once as long as it is the same.

use std::time::Duration;

use scupper_model::{FleetFact, Timestamp, format_duration, printable};

use super::{Coordinator, millis, number};
use crate::store::StoreError;
use crate::words::{Happened, LeakWindow, Phase};

/// Lines of one kind of trouble that are told.
const TROUBLE_LINES: usize = 10;

impl Coordinator {
    pub(super) fn answered(&mut self) {
        self.pace.answered();
        if let Some(since) = self.lost.take() {
            self.view.change(|view| view.lost_since = None);
            let after_ms = millis(self.clock.since_boot().saturating_sub(since));
            self.tell(FleetFact::RegistryBack { registry: self.setup.registry.clone(), after_ms });
        }
    }

    /// Nothing is known of anybody, and nothing is done about anybody. Said once, until it answers again.
    pub(super) fn failed(&mut self, error: &StoreError) {
        let now = self.clock.since_boot();
        self.pace.failed(now);
        let wall = self.clock.wall();
        self.view.change(|view| {
            view.failures += 1;
            view.lost_since.get_or_insert(wall);
        });
        if self.lost.is_none() {
            self.lost = Some(now);
            let registry = self.setup.registry.clone();
            self.tell(FleetFact::RegistryLost { registry, message: chain(error) });
        }
    }

    pub(super) fn tell_phase(&mut self, phase: Phase, store_now: Timestamp, now: Duration) {
        let until = |until: Timestamp| until.0.saturating_sub(store_now.0);
        let before = self.phase;
        let same = matches!(
            (before, phase),
            (Some((Phase::Open, _)), Phase::Open)
                | (Some((Phase::Grace { .. }, _)), Phase::Grace { .. })
                | (Some((Phase::Hold { .. }, _)), Phase::Hold { .. })
        );
        if same {
            return;
        }
        self.phase = Some((phase, now));
        match (phase, before) {
            (Phase::Grace { until: end }, _) => {
                self.view.change(|view| view.done.graces += 1);
                self.tell(FleetFact::FleetGrace { for_ms: until(end) });
            }
            (Phase::Hold { until: end, dead, members }, _) => {
                self.view.change(|view| view.done.holds += 1);
                self.tell(FleetFact::FleetHold { dead, members, for_ms: until(end) });
            }
            (Phase::Open, Some((_, since))) => {
                self.tell(FleetFact::FleetOpen { after_ms: millis(now.saturating_sub(since)) });
            }
            (Phase::Open, None) => {}
        }
    }

    pub(super) fn tell_lines(&mut self, lines: &[String]) {
        let shown: Vec<String> =
            lines.iter().take(TROUBLE_LINES).map(|line| printable(line.as_bytes(), 200)).collect();
        if self.is_news("entries", &shown.join("\n")) && !shown.is_empty() {
            self.tell(FleetFact::RegistryTrouble { count: number(lines.len()), lines: shown });
        }
    }

    /// Another window than the one that was asked for is the registry's.
    pub(super) fn tell_other_window(&mut self, other: Option<LeakWindow>) {
        let shown = |window: LeakWindow| format_duration(window.time());
        let text = match (other, self.setup.leak_window) {
            (Some(other), Some(wanted)) => format!(
                "its leak window is {}, by another coordinator, and not {} as asked for here",
                shown(other),
                shown(wanted)
            ),
            _ => String::new(),
        };
        if self.is_news("window", &text) && !text.is_empty() {
            self.tell(FleetFact::RegistryTrouble { count: 1, lines: vec![text] });
        }
    }

    /// What a call gave. An outage ends the turn; of anything else is said once what it was, and the turn goes on.
    pub(super) fn or_trouble<T>(
        &mut self,
        what: &'static str,
        result: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Ok(value) => {
                self.trouble.retain(|(known, _)| *known != what);
                Ok(Some(value))
            }
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                self.tell_trouble(what, &error);
                Ok(None)
            }
        }
    }

    pub(super) fn announce(&mut self, happened: &Happened) -> Result<(), StoreError> {
        let announced = self.store.announce(happened);
        self.or_trouble("announce", announced).map(|_| ())
    }

    pub(super) fn tell_trouble(&mut self, what: &'static str, error: &StoreError) {
        let message = chain(error);
        if self.is_news(what, &message) {
            self.view.change(|view| view.failures += 1);
            self.tell(FleetFact::RegistryTrouble { count: 1, lines: vec![message] });
        }
    }

    /// Whether this was not the last thing that was said of it.
    pub(super) fn is_news(&mut self, what: &'static str, text: &str) -> bool {
        if let Some((_, said)) = self.trouble.iter_mut().find(|(known, _)| *known == what) {
            return said != text && {
                text.clone_into(said);
                true
            };
        }
        self.trouble.push((what, text.to_owned()));
        true
    }

    pub(super) fn tell(&self, fact: FleetFact) {
        (self.facts)(fact);
    }
}

/// An error with its sources, in one line.
pub(in crate::coordinator) fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
