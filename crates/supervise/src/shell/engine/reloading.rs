//! Reads the configuration again.

use scupper_model::{EventKind, SignalReason, UnitName, UnitSpec};

use super::Engine;
use crate::shell::{Lease, SuperviseError};
use crate::unit::{Ask, Input};

/// A unit of the configuration, by the name that it has there: one that runs may have a number behind it.
type Wanted = (UnitName, UnitSpec);

impl Engine {
    /// Reads the configuration again: new units start, missing ones stop, changed limits are taken over at once, and
    /// a changed command is started again.
    pub(super) fn reload_units(&mut self) {
        let Some(reload) = &mut self.reload else { return };
        let mut wanted: Vec<Wanted> = match reload() {
            Ok(specs) => specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect(),
            Err(message) => {
                return self
                    .trouble(format!("the configuration was not read again, nothing changed: {message}"));
            }
        };
        for unit in 0..self.units.len() {
            let asked = &self.units[unit].asked_name;
            match wanted.iter_mut().find(|(name, _)| name == asked) {
                None => self.drive(unit, Input::Ask(Ask::Stop(SignalReason::Reloaded))),
                Some((_, spec)) => self.take_over(unit, spec),
            }
        }
        wanted.retain(|(name, _)| self.units.iter().all(|unit| unit.asked_name != *name));
        for (name, spec) in wanted {
            let joined = self.joins.as_mut().map_or(Ok(None), |joins| joins(&spec));
            let started =
                joined.and_then(|lease| self.start_anew(spec, lease).map_err(|error| crate::chain(&error)));
            if let Err(why) = started {
                self.trouble(format!("cannot start {name}: {why}"));
            }
        }
    }

    /// What a unit that runs is to be from now on. Its name and who it is in its fleet are settled when it starts.
    fn take_over(&mut self, unit: usize, spec: &mut UnitSpec) {
        let running = &self.units[unit].spec;
        spec.name.clone_from(&running.name);
        if spec.agent != running.agent {
            spec.agent.clone_from(&running.agent);
            let message =
                "its agent in the file is another one: that holds when it is started anew".to_owned();
            self.record(unit, vec![EventKind::Trouble { message }]);
        }
        let running = &self.units[unit].spec;
        if *spec == *running {
            return;
        }
        let restart = spec.command != running.command
            || spec.environment != running.environment
            || spec.directory != running.directory;
        self.units[unit].adopt_settings(spec.clone(), &self.around);
        self.record(unit, vec![EventKind::Reloaded { message: "settings taken over".to_owned() }]);
        if restart {
            self.drive(unit, Input::Ask(Ask::Restart(SignalReason::Reloaded)));
        }
    }

    /// A unit that the configuration did not have before.
    fn start_anew(&mut self, spec: UnitSpec, lease: Option<Box<dyn Lease>>) -> Result<(), SuperviseError> {
        self.add(spec)?;
        let last = self.units.len() - 1;
        if let Some(lease) = lease
            && let Err(error) = self.lease_to_last(lease)
        {
            // It has not begun, and never would.
            self.units.remove(last);
            return Err(error);
        }
        self.drive(last, Input::Begin);
        let mut facts = Vec::new();
        self.units[last].settle(&self.around, &mut facts);
        self.record(last, facts);
        Ok(())
    }

    /// Told of the first unit: of the configuration as a whole there is no event.
    fn trouble(&mut self, message: String) {
        if !self.units.is_empty() {
            self.record(0, vec![EventKind::Trouble { message }]);
        }
    }
}
