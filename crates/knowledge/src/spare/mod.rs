//! Who is left alone at the end of a unit (ARCHITECTURE.md, Safety 5; R118, R119).
//!
//! In every profile: what carries the keep mark, what `--keep` names, and what a service manager runs. In the profile
//! `agent` also multiplexers and daemons by choice: a coding agent that starts `tmux` or `redis-server --daemonize yes`
//! for its user means them to stay, where a web service that leaves one behind leaks it.
//!
//! **Daemon by choice** asks for two things at once. It is *detached*: no controlling terminal, and leader of a session
//! of its own, or (the second fork of daemon(7), step 5, which gives that up) standard input on `/dev/null` and working
//! directory `/`. And it *means it*: a program known to run as a daemon, or one told to on its own command line
//! (`--daemon`, `--daemonize`). Detachment alone is no choice: `setsid sleep 1000` and a double-forked
//! `node server.js` are what agents leave behind by accident, and what Scupper is there to end. A known program that
//! is not detached (`redis-server` as a test's child) is an ordinary helper.
//!
//! **Unknown.** All of these processes are owned, recorded at spawn, so it is not ownership that is in doubt, only
//! whether there is a reason to spare. An environment that cannot be read counts as unmarked where the process runs as
//! our user: that is how programs look that hide from ptrace (`ssh-agent`, anything `PR_SET_DUMPABLE` 0), and a leaking
//! one must not live for ever by that. Under another user it counts as marked: an error means keep (Safety 1). A
//! standard input or a working directory that cannot be read proves no choice. A mark counts only with the very value
//! `SCUPPER_KEEP=1`; Scupper removes one that it inherited itself when it spawns, so one that is seen was set inside.
//!
//! A program that writes its own title may write it over its environment (seen: redis 7.0, php-fpm 8.2, whatever uses
//! setproctitle), and /proc then shows no mark. Such a program is kept with `--keep NAME`.
//!
//! Sources: cgroups(7); systemd.unit(5) for the names of units; systemd's `CGROUP_DELEGATION.md` ("a service manager owns
//! its units' groups"); tmux 3.3a, screen 4.09 and redis 7.0 observed in `tests/spare.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use scupper_model::{Pid, Profile};

use super::base_name;

mod names;

pub use names::{KeepNames, keep_matches};

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
    /// Why this very process is kept, where somebody asked for that (`scupper keep PID`), or may have asked.
    pub kept: Option<&'a str>,
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
    /// Somebody asked to keep this very process, or may have asked: in these words.
    Asked(String),
    /// This pattern of `--keep` matches one of its names.
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
            Self::Asked(words) => f.write_str(words),
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
    if let Some(reason) = marked(candidate) {
        return Some(reason);
    }
    if let Some(words) = candidate.kept {
        return Some(Because::Asked(words.to_owned()));
    }
    if !keep.is_empty() {
        let names = KeepNames::of(candidate.name, candidate.command);
        if let Some(pattern) = keep.iter().find(|pattern| names.matches(pattern)) {
            return Some(Because::KeepPattern(pattern.clone()));
        }
    }
    if let Some(unit) = managed(candidate) {
        return Some(Because::ServiceManaged(unit));
    }
    match profile {
        Profile::Agent if multiplexer(candidate) => Some(Because::Multiplexer),
        Profile::Agent if daemon_by_choice(candidate) => Some(Because::DaemonByChoice),
        Profile::Agent | Profile::Web | Profile::Worker | Profile::Job | Profile::Mcp => None,
    }
}

/// The same for a whole tree: what descends from one that is left alone is left alone with it, since a multiplexer
/// without its shells, or a kept browser without its renderers, is not what was to be kept.
pub fn spared_members(members: &[Member<'_>], profile: Profile, keep: &[String]) -> Vec<(Pid, Because)> {
    let mut reasons: HashMap<Pid, Because> = members
        .iter()
        .filter_map(|member| Some((member.pid, spared(&member.candidate, profile, keep)?)))
        .collect();
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for member in members {
        if let Some(parent) = member.parent {
            children.entry(parent).or_default().push(member.pid);
        }
    }
    let mut above: Vec<Pid> = reasons.keys().copied().collect();
    while let Some(pid) = above.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if let Entry::Vacant(free) = reasons.entry(child) {
                free.insert(Because::BelowSpared(pid));
                above.push(child);
            }
        }
    }
    let mut reasons: Vec<(Pid, Because)> = reasons.into_iter().collect();
    reasons.sort_unstable_by_key(|(pid, _)| *pid);
    reasons
}

impl<'a> Candidate<'a> {
    /// The base name of its program: of argv\[0\], up to what a title adds to it (`tmux: server`, `bazel(workspace)`).
    pub fn program(&self) -> &'a [u8] {
        let first = self.command.first().map_or(self.name, Vec::as_slice);
        base_name(first)
    }

    /// Program and short name, cut where a title begins.
    fn names(&self) -> [&'a [u8]; 2] {
        let cut = |name: &'a [u8]| {
            let end = name.iter().position(|b| b": (".contains(b)).unwrap_or(name.len());
            &name[..end]
        };
        [cut(self.program()), cut(self.name)]
    }

    fn detached(&self) -> bool {
        let second_fork = self.stdin_null == Some(true) && self.cwd_root == Some(true);
        !self.has_terminal && (self.session_leader || second_fork)
    }
}

fn marked(candidate: &Candidate<'_>) -> Option<Because> {
    let Some(environment) = candidate.environment else {
        return (!candidate.same_user).then_some(Because::EnvironmentUnreadable);
    };
    // The first one counts, as for getenv.
    let mark = environment.iter().find_map(|entry| entry.strip_prefix(b"SCUPPER_KEEP="))?;
    (mark == b"1").then_some(Because::KeepMark)
}

/// The unit or container that a service manager runs this process in, where that is another one than Scupper's own.
fn managed(candidate: &Candidate<'_>) -> Option<String> {
    let inside_unit = |path: &str| {
        let unit =
            candidate.unit_cgroup.map(|unit| unit.trim_end_matches('/')).filter(|unit| !unit.is_empty());
        unit.and_then(|unit| path.strip_prefix(unit))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    candidate.cgroups.iter().filter(|(_, path)| !inside_unit(path)).find_map(|(controllers, path)| {
        let unit = manager_unit(path)?;
        let own =
            candidate.own_cgroups.iter().find(|(c, _)| c == controllers).and_then(|(_, p)| manager_unit(p));
        (own != Some(unit)).then(|| unit.rsplit('/').next().unwrap_or(unit).to_owned())
    })
}

/// The path up to its last component that names a unit (`nginx.service`, `session-2.scope`) or a container (64
/// hexadecimal digits, alone or as in `docker-<id>.scope`; `lxc.payload.NAME`).
fn manager_unit(path: &str) -> Option<&str> {
    let mut end = path.len();
    loop {
        let start = path[..end].rfind('/')?;
        let component = &path[start + 1..end];
        let is_unit =
            [".service", ".scope"].iter().any(|s| component.strip_suffix(s).is_some_and(|n| !n.is_empty()));
        let is_container = component.len() >= 64
            && component.split(|c: char| !c.is_ascii_hexdigit()).any(|part| part.len() == 64)
            || component.starts_with("lxc.payload.");
        if is_unit || is_container {
            return Some(&path[..end]);
        }
        end = start;
    }
}

/// The server of a terminal multiplexer. Its client has a terminal, and ends with it.
fn multiplexer(candidate: &Candidate<'_>) -> bool {
    const SERVERS: [&[u8]; 7] = [b"tmux", b"screen", b"SCREEN", b"zellij", b"dtach", b"abduco", b"byobu"];
    !candidate.has_terminal
        && candidate.session_leader
        && candidate.names().iter().any(|n| SERVERS.contains(n))
}

fn daemon_by_choice(candidate: &Candidate<'_>) -> bool {
    /// Servers and agents of a login that detach themselves when asked, or by default, and are meant to stay.
    const KNOWN: [&[u8]; 29] = [
        b"redis-server",
        b"valkey-server",
        b"postgres",
        b"mysqld",
        b"mariadbd",
        b"mongod",
        b"memcached",
        b"nginx",
        b"sshd",
        b"ssh-agent",
        b"gpg-agent",
        b"keyboxd",
        b"scdaemon",
        b"dirmngr",
        b"dbus-daemon",
        b"dockerd",
        b"containerd",
        b"containerd-shim-runc-v2",
        b"conmon",
        b"podman",
        b"watchman",
        b"adb",
        b"bazel",
        b"buck2d",
        b"sccache",
        b"emacs",
        b"keychain",
        b"pulseaudio",
        b"pipewire",
    ];
    candidate.detached()
        && (candidate.names().iter().any(|name| KNOWN.contains(name))
            || told_to(candidate)
            || build_daemon(candidate))
}

/// Whether its own command line says that it is to be a daemon.
fn told_to(candidate: &Candidate<'_>) -> bool {
    // After `--` and after a program's own arguments end nobody can tell whose option it is, so `sh -c` and the like
    // are not searched further: an option is one argument by itself.
    candidate.command.iter().skip(1).take_while(|a| a.as_slice() != b"--").any(|argument| {
        let name = argument.split(|&b| b == b'=').next().unwrap_or_default();
        let off = [&b"no"[..], b"0", b"false"]
            .iter()
            .any(|off| argument.strip_prefix(name).is_some_and(|v| v.strip_prefix(b"=") == Some(*off)));
        matches!(name, b"--daemon" | b"--daemonize" | b"--bg-daemon" | b"--fg-daemon") && !off
    })
}

/// Gradle's and Kotlin's daemons are Java processes that only their main class tells apart.
fn build_daemon(candidate: &Candidate<'_>) -> bool {
    const CLASSES: [&[u8]; 2] = [
        b"org.gradle.launcher.daemon.bootstrap.GradleDaemon",
        b"org.jetbrains.kotlin.daemon.KotlinCompileDaemon",
    ];
    candidate.program() == b"java" && candidate.command.iter().any(|a| CLASSES.contains(&a.as_slice()))
}

#[cfg(test)]
mod tests;
