//! Which units, or which agents, are meant: one by its name, or all whose names fit a pattern.

use std::fmt;
use std::str::FromStr;

use scupper_fleet::{AgentId, InvalidId};
use scupper_knowledge::glob;
use scupper_model::UnitName;

/// A unit's name, or a pattern of names such as `claude*`: `*` is any characters, `?` is one. The sessions of one agent and
/// the clients of one MCP server share a name, with numbers behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitNames {
    /// This one.
    One(UnitName),
    /// All that fit.
    Pattern(String),
}

impl UnitNames {
    pub(crate) fn matches(&self, unit: &UnitName) -> bool {
        match self {
            Self::One(name) => name == unit,
            Self::Pattern(pattern) => glob::matches(pattern, unit.as_str().as_bytes()),
        }
    }
}

impl fmt::Display for UnitNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => f.write_str(name.as_str()),
            Self::Pattern(pattern) => f.write_str(pattern),
        }
    }
}

impl FromStr for UnitNames {
    type Err = <UnitName as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is left of a pattern has to be able to be in a name.
        let bare: String = text.chars().filter(|c| !matches!(c, '*' | '?')).collect();
        if bare.len() == text.len() {
            return text.parse().map(Self::One);
        }
        if !bare.is_empty() {
            format!("x{bare}").parse::<UnitName>()?;
        }
        Ok(Self::Pattern(text.to_owned()))
    }
}

/// An agent's id, or a pattern of ids such as `coder-*`. Compared here: no registry ever sees a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AgentNames {
    /// This one.
    One(AgentId),
    /// All that fit.
    Pattern(String),
}

impl AgentNames {
    pub(crate) fn matches(&self, agent: &AgentId) -> bool {
        match self {
            Self::One(id) => id == agent,
            Self::Pattern(pattern) => glob::matches(pattern, agent.as_str().as_bytes()),
        }
    }
}

impl fmt::Display for AgentNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(id) => id.fmt(f),
            Self::Pattern(pattern) => f.write_str(pattern),
        }
    }
}

impl FromStr for AgentNames {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare: String = text.chars().filter(|c| !matches!(c, '*' | '?')).collect();
        if bare.len() == text.len() {
            return text.parse().map(Self::One);
        }
        if !bare.is_empty() {
            bare.parse::<AgentId>()?;
        }
        Ok(Self::Pattern(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_unit_and_a_pattern_several() {
        let matches =
            |names: &str, unit: &str| names.parse::<UnitNames>().unwrap().matches(&unit.parse().unwrap());
        assert!(matches("claude", "claude") && !matches("claude", "claude-2"));
        assert!(matches("claude*", "claude") && matches("claude*", "claude-2") && !matches("claude*", "web"));
        assert!(matches("claude-?", "claude-2") && !matches("claude-?", "claude-12"));
        assert!(matches("*", "web"));
        for bad in ["", "a b*", "a/*", ".hidden"] {
            assert!(bad.parse::<UnitNames>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_one_agent_and_a_pattern_several() {
        let matches =
            |names: &str, id: &str| names.parse::<AgentNames>().unwrap().matches(&id.parse().unwrap());
        assert!(matches("agent-1", "agent-1") && !matches("agent-1", "agent-10"));
        assert!(matches("agent-*", "agent-10") && !matches("agent-*", "coder-1") && matches("*", "x:y"));
        for bad in ["", "a b", "a b*", "[x]", "a/*", &"x".repeat(129)] {
            assert!(bad.parse::<AgentNames>().is_err(), "{bad}");
        }
    }
}
