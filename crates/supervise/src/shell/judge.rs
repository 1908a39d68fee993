//! Gathers what has to be known of a process to say whether it is left alone, and asks `scupper_knowledge::spare`.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use scupper_model::{Identity, Keep, Kept, Pid, Profile};
use scupper_probe::{Proc, tree};

use scupper_knowledge::spare::{Because, Candidate, Member, spared_members};

/// Where to ask what people asked to keep (`scupper keep`): this room knows no state directory. Asked each time that
/// somebody may be ended, so that what is asked for while a unit runs holds. The default knows of nothing.
#[derive(Clone, Default)]
pub struct Keeps(Option<Rc<AskKeeps>>);

/// Gives the keeps that hold now, or says why they cannot be read.
type AskKeeps = dyn Fn() -> Result<Vec<Keep>, String>;

impl Keeps {
    /// Asks this. What it cannot tell keeps everything.
    pub fn new(ask: impl Fn() -> Result<Vec<Keep>, String> + 'static) -> Self {
        Self(Some(Rc::new(ask)))
    }

    fn now(&self) -> Result<Vec<Keep>, String> {
        self.0.as_ref().map_or_else(|| Ok(Vec::new()), |ask| ask())
    }
}

impl fmt::Debug for Keeps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Keeps(asked)" } else { "Keeps(none)" })
    }
}

/// A member as the judgement needs it.
#[derive(Clone, Debug)]
pub struct Facts {
    identity: Identity,
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

/// Who judges: scupper's own user and cgroups, the unit's cgroup, its profile, its keep patterns, and what people asked
/// to keep.
#[derive(Clone, Debug)]
pub struct Judge {
    uid: u32,
    own_cgroups: Vec<(String, String)>,
    unit_cgroup: Option<String>,
    profile: Profile,
    keep: Vec<String>,
    keeps: Keeps,
}

impl Judge {
    /// A judge for one unit. `unit_cgroup` is the unit's directory below the mount point of cgroup v2.
    pub fn new(
        proc: &Proc,
        unit_cgroup: Option<String>,
        profile: Profile,
        keep: Vec<String>,
        keeps: Keeps,
    ) -> Self {
        let own = Pid::new(rustix::process::getpid().as_raw_pid());
        let own_cgroups = own.map(|own| cgroups(proc, own)).unwrap_or_default();
        Self { uid: rustix::process::geteuid().as_raw(), own_cgroups, unit_cgroup, profile, keep, keeps }
    }

    /// Looks at a process as it is now. `None` where it is gone.
    pub fn facts(&self, proc: &Proc, pid: Pid) -> Option<Facts> {
        let stat = proc.stat(pid).ok()??;
        let null = |path: std::path::PathBuf| path == Path::new("/dev/null");
        Some(Facts {
            identity: stat.identity(proc.boot_id()),
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
        let keeps = self.keeps.now();
        let mut patterns = Cow::Borrowed(&self.keep);
        for keep in keeps.iter().flatten() {
            if let Kept::Pattern { pattern } = &keep.what {
                patterns.to_mut().push(pattern.clone());
            }
        }
        let asked: Vec<Option<String>> = facts.iter().map(|f| asked(&keeps, &f.identity)).collect();
        let members: Vec<Member<'_>> = facts
            .iter()
            .zip(&asked)
            .map(|(f, asked)| Member {
                pid: f.identity.pid,
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
                    kept: asked.as_deref(),
                },
            })
            .collect();
        spared_members(&members, self.profile, &patterns)
    }

    /// The same for members of a tree, read as they are now.
    pub fn spared_now(&self, proc: &Proc, members: &[tree::Member]) -> Vec<(Pid, Because)> {
        let facts: Vec<Facts> = members.iter().filter_map(|m| self.facts(proc, m.identity.pid)).collect();
        self.spared(&facts)
    }
}

/// How the reason begins why a process is left alone of which it cannot be told whether somebody keeps it.
pub const KEEPS_UNREAD: &str = "what people asked to keep cannot be read";

/// Why this very process is kept. Where that cannot be read, it may be: an error means keep.
fn asked(keeps: &Result<Vec<Keep>, String>, process: &Identity) -> Option<String> {
    let keeps = match keeps {
        Ok(keeps) => keeps,
        Err(why) => return Some(format!("{KEEPS_UNREAD}: {why}")),
    };
    let keep = keeps
        .iter()
        .find(|keep| matches!(&keep.what, Kept::Process { identity, .. } if identity == process))?;
    let until = keep.until.map(|until| format!(" until {until}")).unwrap_or_default();
    Some(format!("kept by `scupper keep`{until}"))
}

fn cgroups(proc: &Proc, pid: Pid) -> Vec<(String, String)> {
    let paths = proc.cgroup_paths(pid).ok().flatten().unwrap_or_default();
    paths.into_iter().map(|path| (path.controllers.join(","), path.path.display().to_string())).collect()
}
