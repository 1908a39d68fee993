//! How a tree is owned: its own cgroup v2 directory where one can be made, and the mark in its environment.
//!
//! Membership of a cgroup survives double forks, `setsid` and the death of scupper, and `cgroup.kill` ends a group in
//! one step. It needs no controller, and no root where the directory is delegated.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scupper_model::{EventKind, MARK, Pid, RunId, SignalReason, UNIT, UnitName, UnitRecord, cgroup_name};
use scupper_probe::{Proc, cgroup, tree};

/// Everybody who is owned by the run of a record: its mark and its unit's name in the environment, or the run's own
/// cgroup. Where that cgroup lies is the record's word alone, so the kernel has to say of each that it sits there.
pub(super) fn recorded_members(proc: &Proc, record: &UnitRecord) -> Vec<tree::Member> {
    let unit = record.unit.as_str().as_bytes();
    let mut found = tree::marked(proc, MARK, &record.run.to_string()).unwrap_or_default();
    found.retain(|member| {
        let named = proc.environment_value(member.identity.pid, UNIT).ok().flatten();
        named.is_some_and(|named| named == unit)
    });
    let name = cgroup_name(&record.unit, &record.run);
    let sits_there = |pid: Pid| {
        let paths = proc.cgroup_paths(pid).ok().flatten().unwrap_or_default();
        paths.iter().any(|path| path.is_v2() && path.path.iter().any(|part| part == name.as_str()))
    };
    let directory = record.cgroup.as_ref().map(Path::new);
    for pid in directory.and_then(|path| cgroup::members(path, true).ok()).unwrap_or_default() {
        if !found.iter().any(|member| member.identity.pid == pid)
            && sits_there(pid)
            && let Ok(Some(stat)) = proc.stat(pid)
        {
            found.push(tree::Member::new(proc, stat));
        }
    }
    found
}

/// Removes the cgroup of a record's run, as far as it is empty: not whatever directory the record names.
pub(super) fn remove_recorded_cgroup(record: &UnitRecord) {
    let name = cgroup_name(&record.unit, &record.run);
    if let Some(path) = record.cgroup.as_ref().map(Path::new).filter(|path| path.ends_with(&name)) {
        remove_cgroup(path);
    }
}

/// A cgroup directory that this scupper made.
#[derive(Debug)]
pub struct UnitCgroup {
    path: PathBuf,
}

impl UnitCgroup {
    /// Makes `scupper.UNIT.RUN` below scupper's own cgroup.
    pub fn make(own: &Path, unit: &UnitName, run: &RunId) -> io::Result<Self> {
        let path = own.join(cgroup_name(unit, run));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everybody in it and below it.
    pub fn members(&self) -> Vec<Pid> {
        cgroup::members(&self.path, true).unwrap_or_default()
    }

    /// Ends everybody in it and below it at once. The members are recorded first. `None` where the kernel cannot, or
    /// where somebody in it is to be kept.
    pub fn kill(&self, kept: &[Pid], reason: SignalReason) -> Option<EventKind> {
        let members = self.members();
        if !cgroup::has_kill(&self.path) || members.iter().any(|pid| kept.contains(pid)) || members.is_empty()
        {
            return None;
        }
        let event = EventKind::CgroupKill {
            cgroup: self.path.display().to_string(),
            members: members.iter().map(|pid| pid.get()).collect(),
            reason,
        };
        fs::write(self.path.join("cgroup.kill"), "1").ok().map(|()| event)
    }

    /// Whether somebody has let it go on; what cannot be told is not so.
    pub fn goes_on(&self) -> bool {
        matches!(cgroup::frozen(&self.path), Ok(Some(false)))
    }

    /// Lets everybody in it and below it stand still, or go on. `None` where the kernel cannot.
    pub fn freeze(&self, frozen: Frozen, reason: SignalReason) -> Option<EventKind> {
        let members: Vec<i32> = self.members().iter().map(|pid| pid.get()).collect();
        let file = self.path.join("cgroup.freeze");
        // Written only where it is: a file that is made in its place would say that it worked.
        let state = if frozen == Frozen::Yes { "1" } else { "0" };
        let mut file = fs::File::options().write(true).open(file).ok()?;
        io::Write::write_all(&mut file, state.as_bytes()).ok()?;
        let cgroup = self.path.display().to_string();
        Some(match frozen {
            Frozen::Yes => EventKind::CgroupFrozen { cgroup, members, reason },
            Frozen::No => EventKind::CgroupThawed { cgroup, members, reason },
        })
    }
}

/// Whether a cgroup is to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// It is.
    Yes,
    /// It goes on.
    No,
}

impl Drop for UnitCgroup {
    fn drop(&mut self) {
        remove_cgroup(&self.path);
    }
}

/// Removes a unit's cgroup directory and what is below it, as far as it is empty. Only a directory whose name is ours
/// is touched: the path may come from a file.
pub fn remove_cgroup(path: &Path) {
    let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("scupper."));
    if ours {
        remove_empty(path, 16);
    }
}

fn remove_empty(path: &Path, depth: u32) {
    if depth > 0 {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_empty(&entry.path(), depth - 1);
            }
        }
    }
    let _ = fs::remove_dir(path);
}
