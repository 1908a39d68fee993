//! A unit: one command that Scupper starts, and its policy.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use scupper_detect::{GrowRule, Horizon};
use serde::{Deserialize, Serialize};

use crate::{Bytes, Resource, Size};

/// A unit's name: `[A-Za-z0-9._:-]{1,128}`, not starting with a dot, so that it is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

impl UnitName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A valid name made from a command such as `/usr/bin/gunicorn`: its last path component, other characters
    /// replaced by `-`.
    pub fn from_command(command: &str) -> Self {
        let base = command.rsplit('/').next().unwrap_or_default();
        let mut name: String =
            base.chars().take(64).map(|c| if allowed(c) && c != ':' { c } else { '-' }).collect();
        if name.is_empty() || name.starts_with('.') {
            name.insert_str(0, "unit");
        }
        Self(name)
    }

    /// This name with a number behind it, for the second of two units that would share a name.
    pub fn numbered(&self, n: u32) -> Self {
        let mut base = self.0.clone();
        base.truncate(117);
        Self(format!("{base}-{n}"))
    }
}

const fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')
}

impl FromStr for UnitName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=128).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('.');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName(crate::printable(text.as_bytes(), 60))) }
    }
}

impl TryFrom<String> for UnitName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: use 1 to 128 of the characters A-Z a-z 0-9 . _ : - and no dot in front")]
pub struct InvalidName(String);

/// One run of a unit, from `scupper run` to its end. Part of the environment mark, so never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub uuid::Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What kind of program a unit is; sets defaults and says what of its tree may be kept at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A service that answers requests. Ends all it owns.
    #[default]
    Web,
    /// A worker that starts helpers; these live 5 minutes unless told otherwise. Ends all it owns.
    Worker,
    /// A command with an end: a test suite, a cron job. Ends all it owns.
    Job,
    /// An MCP server: ends with its client. Ends all it owns.
    Mcp,
    /// A coding agent: keeps and lists multiplexers and daemons by choice.
    Agent,
}

impl Profile {
    /// The word in flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Worker => "worker",
            Self::Job => "job",
            Self::Mcp => "mcp",
            Self::Agent => "agent",
        }
    }
}

/// How far Scupper may go with a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Record only.
    Observe,
    /// Record, and tell: warnings and the `--on-event` hook.
    Alert,
    /// Also drain and replace. A hard limit drains too, since nothing may be killed.
    Recycle,
    /// Everything the limits say, KILL past the hard limit included.
    #[default]
    Kill,
}

impl Policy {
    /// The word in flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Alert => "alert",
            Self::Recycle => "recycle",
            Self::Kill => "kill",
        }
    }
}

/// When a unit whose command ended by itself is started again. A recycle always starts it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never: the unit ends with its command.
    #[default]
    Never,
    /// After a non-zero exit or a signal.
    OnFailure,
    /// However it ended.
    Always,
}

/// Whether what leaks is replaced before it reaches its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecyclePolicy {
    /// Limits alone decide.
    #[default]
    Never,
    /// What leaks is replaced in a quiet moment, and before the limit that is forecast.
    OnLeak,
}

/// The two limits of each resource. Counts are of the whole tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Drain and replace above this much memory.
    pub mem_soft: Option<Size>,
    /// KILL at once above this much memory.
    pub mem_hard: Option<Size>,
    /// Soft and hard number of descriptors.
    pub fds: (Option<u64>, Option<u64>),
    /// Soft and hard number of threads.
    pub threads: (Option<u64>, Option<u64>),
    /// Soft and hard number of processes below the main one.
    pub children: (Option<u64>, Option<u64>),
    /// Soft and hard number of sockets.
    pub sockets: (Option<u64>, Option<u64>),
}

impl Limits {
    /// The soft and hard count of a resource other than memory.
    pub const fn counts(&self, resource: Resource) -> (Option<u64>, Option<u64>) {
        match resource {
            Resource::Memory => (None, None),
            Resource::Descriptors => self.fds,
            Resource::Threads => self.threads,
            Resource::Children => self.children,
            Resource::Sockets => self.sockets,
        }
    }

    /// The same with percentages turned into bytes. One of an unknown whole stays as it is.
    pub fn resolved(mut self, whole: Option<Bytes>) -> Self {
        for size in [&mut self.mem_soft, &mut self.mem_hard].into_iter().flatten() {
            *size = size.resolve(whole).map_or(*size, Size::Absolute);
        }
        self
    }

    /// Whether any limit at all is set.
    pub fn any(&self) -> bool {
        self.mem_soft.is_some()
            || self.mem_hard.is_some()
            || Resource::ALL.iter().any(|&r| self.counts(r) != (None, None))
    }
}

impl fmt::Display for Limits {
    /// `mem_soft=300MiB fds=100:200`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.mem_soft.map(|size| format!("mem_soft={size}")));
        parts.extend(self.mem_hard.map(|size| format!("mem_hard={size}")));
        for resource in Resource::ALL {
            let (soft, hard) = self.counts(resource);
            let show = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
            if soft.is_some() || hard.is_some() {
                parts.push(format!("{resource}={}:{}", show(soft), show(hard)));
            }
        }
        if parts.is_empty() { f.write_str("none") } else { f.write_str(&parts.join(" ")) }
    }
}

/// How long a helper whose name matches may live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildLifetime {
    /// A glob over the process name and the base name of its program (`chrome`, `*-mcp-server`, `*`).
    pub pattern: String,
    /// After this long it gets TERM, and KILL after the grace.
    #[serde(with = "crate::duration")]
    pub lifetime: Duration,
}

/// Everything Scupper has to know to run one command.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct UnitSpec {
    /// Its name.
    pub name: UnitName,
    /// Whether the name was made from the command.
    pub name_is_derived: bool,
    /// Program and arguments, as given: any bytes.
    pub command: Vec<OsString>,
    /// Where to start it; the own directory where none is given.
    pub directory: Option<PathBuf>,
    /// Environment entries added to the inherited ones.
    pub environment: Vec<(OsString, OsString)>,
    /// What kind of program it is.
    pub profile: Profile,
    /// How far Scupper may go.
    pub policy: Policy,
    /// When to intervene.
    pub limits: Limits,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// It is ended when nothing was read or written in its tree for so long.
    pub idle: Option<Duration>,
    /// It is ended so long after it began, whatever it does.
    pub lifetime: Option<Duration>,
    /// What happens when the command ends by itself.
    pub restart: RestartPolicy,
    /// Whether it is tried again slowly after its restart budget is spent.
    pub retry_after_giving_up: bool,
    /// How long helpers may live.
    pub child_lifetimes: Vec<ChildLifetime>,
    /// Globs over names of processes that are never touched.
    pub keep: Vec<String>,
    /// Log files of the command to search for fatal messages.
    pub logs: Vec<PathBuf>,
    /// Whether to make a cgroup where one can be made.
    pub cgroup: bool,
    /// Growth that is a leak whatever its shape: of the tree's memory, and of each process'.
    pub grow: Option<GrowRule>,
    /// How much time there is to judge.
    pub horizon: Horizon,
    /// Whether what leaks is replaced.
    pub recycle: RecyclePolicy,
    /// Whether a leak, or a process that is left behind, turns exit code 0 into 1.
    pub fail_on_leak: bool,
    /// The agent of a fleet that it is: its name in the registry.
    pub agent: Option<String>,
}

impl UnitSpec {
    /// Whether a number may be put behind its name where that is taken: it was made from the command, or it names a group.
    /// Several clients start the same MCP server, and several sessions of one agent run at once.
    pub const fn name_may_be_numbered(&self) -> bool {
        self.name_is_derived || matches!(self.profile, Profile::Mcp | Profile::Agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_safe_as_file_names() {
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad:?}");
        }
        assert!("web-1.example:2".parse::<UnitName>().is_ok());
    }

    proptest! {
        #[test]
        fn every_command_has_a_valid_name(command in ".{0,200}", n in 0_u32..) {
            let name = UnitName::from_command(&command);
            prop_assert!(name.as_str().parse::<UnitName>().is_ok(), "{}", name);
            prop_assert!(name.numbered(n).as_str().parse::<UnitName>().is_ok());
        }
    }
}
