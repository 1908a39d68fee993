//! Reads the configuration again.

use scupper_model::{EventKind, SignalReason};

use super::Engine;
use crate::unit::{Ask, Input};

impl Engine {
    /// Reads the configuration again: new units start, missing ones stop, changed limits are taken over at once, and
    /// a changed command is started again.
    pub(super) fn reload_units(&mut self) {
        let Some(reload) = &mut self.reload else { return };
        let mut specs = match reload() {
            Ok(specs) => specs,
            Err(message) => {
                let message = format!("the configuration was not read again, nothing changed: {message}");
                if !self.units.is_empty() {
                    self.record(0, vec![EventKind::Trouble { message }]);
                }
                return;
            }
        };
        for unit in 0..self.units.len() {
            let running = &self.units[unit].spec;
            // Who it is in its fleet is settled when it starts.
            if let Some(spec) =
                specs.iter_mut().find(|spec| spec.name == running.name && spec.agent != running.agent)
            {
                spec.agent.clone_from(&running.agent);
                let message =
                    "its agent in the file is another one: that holds when it is started anew".to_owned();
                self.record(unit, vec![EventKind::Trouble { message }]);
            }
            match specs.iter().find(|spec| spec.name == self.units[unit].spec.name) {
                None => self.drive(unit, Input::Ask(Ask::Stop(SignalReason::Reloaded))),
                Some(spec) if *spec == self.units[unit].spec => {}
                Some(spec) => {
                    let restart = spec.command != self.units[unit].spec.command
                        || spec.environment != self.units[unit].spec.environment
                        || spec.directory != self.units[unit].spec.directory;
                    self.units[unit].adopt_settings(spec.clone(), &self.around);
                    let message = "settings taken over".to_owned();
                    self.record(unit, vec![EventKind::Reloaded { message }]);
                    if restart {
                        self.drive(unit, Input::Ask(Ask::Restart(SignalReason::Reloaded)));
                    }
                }
            }
        }
        for spec in specs {
            if !self.units.iter().any(|unit| unit.spec.name == spec.name) {
                let name = spec.name.clone();
                let joined = self.joins.as_mut().map_or(Ok(None), |joins| joins(&spec));
                let lease = match joined {
                    Ok(lease) => lease,
                    Err(why) => {
                        if !self.units.is_empty() {
                            let message = format!("cannot start {name}: {why}");
                            self.record(0, vec![EventKind::Trouble { message }]);
                        }
                        continue;
                    }
                };
                let added = self.add(spec);
                match added.and_then(|()| lease.map_or(Ok(()), |lease| self.lease_to_last(lease))) {
                    Ok(()) => {
                        let last = self.units.len() - 1;
                        self.drive(last, Input::Begin);
                        let mut facts = Vec::new();
                        self.units[last].settle(&self.around, &mut facts);
                        self.record(last, facts);
                    }
                    Err(error) if !self.units.is_empty() => {
                        let message = format!("cannot start {name}: {}", crate::chain(&error));
                        self.record(0, vec![EventKind::Trouble { message }]);
                    }
                    Err(_) => {}
                }
            }
        }
    }
}
