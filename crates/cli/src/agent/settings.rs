//! What is said about a unit as an agent, in flags and in a file.

use std::time::Duration;

use scupper_fleet::AgentId;
use scupper_fleet::agent::{OnLeaseLost, times};

/// The registry where nobody names one.
const DEFAULT_REGISTRY: &str = "embedded";

/// The registry that is meant: what was said, else the variable, else the embedded one. What is empty says nothing.
pub(crate) fn registry(said: Option<&str>) -> String {
    meant(said, std::env::var(scupper_model::REGISTRY).ok().as_deref()).to_owned()
}

fn meant<'t>(said: Option<&'t str>, variable: Option<&'t str>) -> &'t str {
    let says = |text: &&str| !text.is_empty();
    said.filter(says).or(variable.filter(says)).unwrap_or(DEFAULT_REGISTRY)
}

/// What was said. What was not said is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AgentSettings {
    pub id: Option<AgentId>,
    /// As written: it may hold a password.
    pub registry: Option<String>,
    pub on_lease_lost: Option<OnLeaseLost>,
    pub ttl: Option<Duration>,
    pub beat: Option<Duration>,
    pub takeover: bool,
}

/// Settings of an agent that cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentSettingsError {
    /// The setting to point at, as it is called in a file.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl AgentSettings {
    /// These settings, and for what they leave open those of `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            id: self.id.or(base.id),
            registry: self.registry.or(base.registry),
            on_lease_lost: self.on_lease_lost.or(base.on_lease_lost),
            ttl: self.ttl.or(base.ttl),
            beat: self.beat.or(base.beat),
            takeover: self.takeover || base.takeover,
        }
    }

    /// The registry that is meant.
    pub(crate) fn registry(&self) -> String {
        registry(self.registry.as_deref())
    }

    /// The first thing that cannot hold. `called` says what a setting is called where it was written.
    pub(crate) fn contradiction(&self, called: impl Fn(&str) -> String) -> Option<AgentSettingsError> {
        let said = [
            ("registry", self.registry.is_some()),
            ("on_lease_lost", self.on_lease_lost.is_some()),
            ("ttl", self.ttl.is_some()),
            ("beat", self.beat.is_some()),
            ("takeover", self.takeover),
        ];
        if self.id.is_none() {
            let (key, _) = said.into_iter().find(|(_, said)| *said)?;
            let message = format!("{} is for an agent, and this is none", called(key));
            return Some(AgentSettingsError {
                key,
                message,
                hint: "name the agent as well, or leave it out",
            });
        }
        let error = times(self.ttl, self.beat).err()?;
        let key = if self.beat.is_some() { "beat" } else { "ttl" };
        let hint = "a lease of 120s and a heartbeat every 30s are the defaults";
        Some(AgentSettingsError { key, message: format!("{}: {error}", called(key)), hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_empty_is_not_named() {
        for (said, variable, is_meant) in [
            (Some("unix:/s"), Some("redis://h"), "unix:/s"),
            (None, Some("redis://h"), "redis://h"),
            (Some(""), Some("redis://h"), "redis://h"),
            (Some(""), Some(""), "embedded"),
            (None, None, "embedded"),
        ] {
            assert_eq!(meant(said, variable), is_meant);
        }
    }

    #[test]
    fn what_is_for_an_agent_needs_one() {
        let wrong =
            |settings: AgentSettings| settings.contradiction(str::to_owned).map(|wrong| wrong.message);
        let id = "coder-1".parse().ok();
        assert_eq!(wrong(AgentSettings::default()), None);
        assert_eq!(wrong(AgentSettings { id: id.clone(), ..AgentSettings::default() }), None);
        let alone = AgentSettings { registry: Some("redis://h".into()), ..AgentSettings::default() };
        assert_eq!(wrong(alone).unwrap(), "registry is for an agent, and this is none");
        let slow = AgentSettings { id, beat: Some(Duration::from_secs(100)), ..AgentSettings::default() };
        assert!(wrong(slow).unwrap().starts_with("beat: a heartbeat every 100s cannot keep a lease of 120s"));
    }
}
