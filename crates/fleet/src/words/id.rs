//! Names and numbers. Whatever comes from a registry, a socket or a flag is checked here, once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is no {what}: use 1 to 128 of the characters A-Z a-z 0-9 . _ : -")]
pub struct InvalidId {
    shown: String,
    what: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        /// `[A-Za-z0-9._:-]{1,128}`: nothing in it is a pattern, a path or a separator of the registry's keys.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text, $what).map(|()| Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                check(&text, $what).map(|()| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An agent's name in the registry.
    AgentId, "agent id"
);
id!(
    /// A coordinator's name: one running `scupper serve`.
    CoordinatorId, "coordinator id"
);
id!(
    /// A host's name, as its coordinator and its agents say it.
    HostId, "host id"
);
id!(
    /// What one registration is told by when it is sent twice.
    Nonce, "nonce"
);

fn check(text: &str, what: &'static str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    let shown: String = text.chars().take(64).flat_map(char::escape_default).collect();
    Err(InvalidId { shown, what })
}

/// Which incarnation of an agent: larger for each later one, whatever the store forgot in between. Hybrid-logical:
/// `max(last + 1, microseconds since 1970)`, below 2^53, so that it also fits a Lua number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// Which claim on a cleanup; made like an [`Epoch`]. A later claim on the same cleanup has a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence(pub u64);

/// One life of an agent. Once fenced it never comes back; the same agent may return as another incarnation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Whose.
    pub id: AgentId,
    /// Which.
    pub epoch: Epoch,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (epoch {})", self.id, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_12_an_id_is_no_pattern_and_no_path() {
        for good in ["agent-1", "a", "host.example:worker_2", &"x".repeat(128)] {
            assert_eq!(good.parse::<AgentId>().unwrap().as_str(), good);
        }
        for bad in ["", "*", "a*b", "[x]", "a/b", "a b", "a\n", "é", "a\0", &"x".repeat(129)] {
            let said = bad.parse::<AgentId>().unwrap_err().to_string();
            assert!(said.contains("is no agent id") && !said.contains('\n') && said.len() < 400, "{said}");
        }
    }
}
