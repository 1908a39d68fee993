//! Gathers what has to be known of a process to say whether it is left alone, and asks `scupper_knowledge::spare`.

use std::path::Path;

use scupper_model::{Pid, Profile};
use scupper_probe::{Proc, tree};

use scupper_knowledge::spare::{Because, Candidate, Member, spared_members};

/// A member as the judgement needs it.
#[derive(Clone, Debug)]
pub struct Facts {
    pid: Pid,
    parent: Option<Pid>,
    name: Vec<u8>,
    command: Vec<Vec<u8>>,
    environment: Option<Vec<Vec<u8>>>,
    same_user: bool,
    cgroups: Vec<(String, String)>,
    session_leader: bool,
    has_terminal: bool,
    stdin_null: Option<bool>,
    cwd_root: Option<bool>,
}

/// Who judges: scupper's own user and cgroups, the unit's cgroup, its profile and its keep patterns.
#[derive(Clone, Debug)]
pub struct Judge {
    uid: u32,
    own_cgroups: Vec<(String, String)>,
    unit_cgroup: Option<String>,
    profile: Profile,
    keep: Vec<String>,
}

impl Judge {
    /// A judge for one unit. `unit_cgroup` is the unit's directory below the mount point of cgroup v2.
    pub fn new(proc: &Proc, unit_cgroup: Option<String>, profile: Profile, keep: Vec<String>) -> Self {
        let own = Pid::new(rustix::process::getpid().as_raw_pid());
        let own_cgroups = own.map(|own| cgroups(proc, own)).unwrap_or_default();
        Self { uid: rustix::process::geteuid().as_raw(), own_cgroups, unit_cgroup, profile, keep }
    }

    /// Looks at a process as it is now. `None` where it is gone.
    pub fn facts(&self, proc: &Proc, pid: Pid) -> Option<Facts> {
        let stat = proc.stat(pid).ok()??;
        let null = |path: std::path::PathBuf| path == Path::new("/dev/null");
        Some(Facts {
            pid,
            parent: stat.parent,
            command: proc.command_line(pid).ok().flatten().unwrap_or_default(),
            environment: proc.environment(pid).ok().flatten(),
            same_user: proc.uid(pid).ok().flatten() == Some(self.uid),
            cgroups: cgroups(proc, pid),
            session_leader: stat.session == pid.get(),
            has_terminal: stat.tty != 0,
            stdin_null: proc.descriptor_target(pid, 0).ok().flatten().map(null),
            cwd_root: proc.working_directory(pid).ok().flatten().map(|path| path == Path::new("/")),
            name: stat.name,
        })
    }

    /// Who of these is left alone, and why.
    pub fn spared(&self, facts: &[Facts]) -> Vec<(Pid, Because)> {
        let members: Vec<Member<'_>> = facts
            .iter()
            .map(|f| Member {
                pid: f.pid,
                parent: f.parent,
                candidate: Candidate {
                    name: &f.name,
                    command: &f.command,
                    environment: f.environment.as_deref(),
                    same_user: f.same_user,
                    cgroups: &f.cgroups,
                    own_cgroups: &self.own_cgroups,
                    unit_cgroup: self.unit_cgroup.as_deref(),
                    session_leader: f.session_leader,
                    has_terminal: f.has_terminal,
                    stdin_null: f.stdin_null,
                    cwd_root: f.cwd_root,
                },
            })
            .collect();
        spared_members(&members, self.profile, &self.keep)
    }

    /// The same for members of a tree, read as they are now.
    pub fn spared_now(&self, proc: &Proc, members: &[tree::Member]) -> Vec<(Pid, Because)> {
        let facts: Vec<Facts> = members.iter().filter_map(|m| self.facts(proc, m.identity.pid)).collect();
        self.spared(&facts)
    }
}

fn cgroups(proc: &Proc, pid: Pid) -> Vec<(String, String)> {
    let paths = proc.cgroup_paths(pid).ok().flatten().unwrap_or_default();
    paths.into_iter().map(|path| (path.controllers.join(","), path.path.display().to_string())).collect()
}
