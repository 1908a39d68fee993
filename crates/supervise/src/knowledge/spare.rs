//! Who is left alone at the end of a unit.
use std::fmt;

use scupper_model::{Pid, Profile};

use super::{base_name, glob};

/// What has to be known of a process to decide whether it is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// The kernel's short name for it.
    pub name: &'a [u8],
    /// Its command line, one entry an argument.
    pub command: &'a [Vec<u8>],
    /// Its environment, one entry a `NAME=value`; `None` where it cannot be read.
    pub environment: Option<&'a [Vec<u8>]>,
    /// Whether it runs as the user that Scupper runs as.
    pub same_user: bool,
    /// Its cgroups as in `/proc/PID/cgroup`: controllers (empty for v2) and path.
    pub cgroups: &'a [(String, String)],
    /// Those of Scupper itself.
    pub own_cgroups: &'a [(String, String)],
    /// The unit's own cgroup, where it has one: the path below the hierarchy's mount point.
    pub unit_cgroup: Option<&'a str>,
    /// Whether it leads its session.
    pub session_leader: bool,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Whether its descriptor 0 is `/dev/null`; `None` where that cannot be read.
    pub stdin_null: Option<bool>,
    /// Whether its working directory is `/`; `None` where that cannot be read.
    pub cwd_root: Option<bool>,
}

/// A member of the tree, to decide about a tree as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its pid.
    pub pid: Pid,
    /// Its parent.
    pub parent: Option<Pid>,
    /// What it looks like.
    pub candidate: Candidate<'a>,
}

/// Why a process is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// `SCUPPER_KEEP=1` in its environment, set inside the unit.
    KeepMark,
    /// This pattern of `--keep` matches its name.
    KeepPattern(String),
    /// This service manager's unit or container runs it.
    ServiceManaged(String),
    /// It runs as another user and its environment cannot be read, so it may carry the keep mark.
    EnvironmentUnreadable,
    /// A terminal multiplexer's server: the sessions in it were started to outlive whoever started them.
    Multiplexer,
    /// A daemon that detached itself on purpose.
    DaemonByChoice,
    /// It descends from this process, which is left alone.
    BelowSpared(Pid),
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepMark => f.write_str("SCUPPER_KEEP=1 in its environment"),
            Self::KeepPattern(pattern) => write!(f, "kept by the pattern {pattern}"),
            Self::ServiceManaged(unit) => write!(f, "run by a service manager as {unit}"),
            Self::EnvironmentUnreadable => {
                f.write_str("runs as another user, and whether it is marked to be kept cannot be read")
            }
            Self::Multiplexer => f.write_str("terminal multiplexer"),
            Self::DaemonByChoice => f.write_str("daemon by choice"),
            Self::BelowSpared(pid) => write!(f, "descends from pid {pid}, which is left alone"),
        }
    }
}

/// Why this process is left alone at the end of a unit; `None` where it is ended.
pub fn spared(candidate: &Candidate<'_>, profile: Profile, keep: &[String]) -> Option<Because> {
    let _ = (candidate, profile, keep, base_name(b""), glob::matches("", b""));
    None
}

/// The same for a whole tree: what descends from one that is left alone is left alone with it.
pub fn spared_members(members: &[Member<'_>], profile: Profile, keep: &[String]) -> Vec<(Pid, Because)> {
    let _ = (members, profile, keep);
    Vec::new()
}
