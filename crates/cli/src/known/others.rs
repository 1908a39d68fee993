//! Whose word counts for what: another user's claims, and where those of other users and of other surroundings lie.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use scupper_model::{Identity, Pid, ProcessState, cgroup_name};
use scupper_orphan::KnownRun;
use scupper_probe::snapshot::{Marks, Process, Snapshot};
use scupper_supervise::record::runtime_directory;

use super::{MAX_USERS, ROOT};

/// Where login managers make the runtime directories of users.
const RUN_USER: &str = "/run/user";

/// Whether a run that this user says he had is about his own processes only. As long as its scupper lives it may say
/// what it likes: that only protects.
pub(super) fn claims_only_own(run: &KnownRun, owner: u32, snapshot: &Snapshot) -> bool {
    let lives = |identity: &Identity| {
        snapshot.processes.iter().any(|p| p.identity == *identity && p.state != ProcessState::Zombie)
    };
    if run.watchers.iter().any(lives) {
        return true;
    }
    let signs = Signs::of(run);
    let is_claimed = |process: &&Process| signs.are_on(process) || run.mains.contains(&process.identity);
    snapshot.processes.iter().filter(is_claimed).all(|process| process.uid == Some(owner))
}

/// What a process of a run has on itself.
pub(super) struct Signs {
    id: String,
    group: String,
}

impl Signs {
    pub(super) fn of(run: &KnownRun) -> Self {
        Self { id: run.run.to_string(), group: cgroup_name(&run.unit, &run.run) }
    }

    /// The run's mark in its environment, or the run's cgroup.
    pub(super) fn are_on(&self, process: &Process) -> bool {
        let marked =
            matches!(&process.marks, Marks::Read { run: Some(run), .. } if *run == self.id.as_bytes());
        let mut cgroups = process.cgroups.iter().flatten();
        marked || cgroups.any(|cgroup| cgroup.path.iter().any(|component| component == self.group.as_str()))
    }
}

/// Whether a process is there and this user's.
pub(super) fn belongs_to(identity: &Identity, owner: u32, snapshot: &Snapshot) -> bool {
    snapshot.processes.iter().any(|process| process.identity == *identity && process.uid == Some(owner))
}

/// Whether somebody other than the first process has it as a child.
pub(super) fn has_living_parent(process: &Process, snapshot: &Snapshot) -> bool {
    let is_above =
        |other: &Process| Some(other.identity.pid) == process.parent && other.state != ProcessState::Zombie;
    process.parent != Some(Pid::INIT) && snapshot.processes.iter().any(is_above)
}

/// Where a file really lies, and the user whose word its content is, where that is neither ours nor root's: whoever owns
/// it, a directory that leads to it, or a file that `SQLite` reads with it. `None` where there is no file.
pub(super) fn whose(file: &Path, uid: u32) -> io::Result<Option<(PathBuf, Option<u32>)>> {
    let file = match fs::canonicalize(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut owner = None;
    for part in file.ancestors() {
        owner =
            owner.or(Some(fs::symlink_metadata(part)?.uid()).filter(|found| ![uid, ROOT].contains(found)));
    }
    for suffix in ["-wal", "-shm"] {
        let mut beside = file.clone().into_os_string();
        beside.push(suffix);
        let found = fs::symlink_metadata(beside).ok().map(|found| found.uid());
        owner = owner.or(found.filter(|found| ![uid, ROOT].contains(found)));
    }
    Ok(Some((file, owner)))
}

/// Where this user's units are written down that were started with other surroundings: a scan by cron(8), which sets no
/// `XDG_RUNTIME_DIR`, has to see those of the desktop. Somebody else's directory in such a place is none of ours.
pub(super) fn other_own_directories(uid: u32) -> Vec<PathBuf> {
    let xdg = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let temporary = std::env::temp_dir();
    let usual = runtime_directory(uid, xdg.as_deref(), &temporary);
    let login = Path::new(RUN_USER).join(uid.to_string());
    let mut others =
        vec![runtime_directory(uid, Some(&login), &temporary), runtime_directory(uid, None, &temporary)];
    others.retain(|directory| {
        let is_ours =
            || fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir() && found.uid() == uid);
        *directory != usual && is_ours()
    });
    others
}

/// The runtime directories that other users may have on this machine.
pub(super) fn directories_of_others() -> Vec<(PathBuf, u32)> {
    let named = |root: &Path, prefix: &'static str, below: Option<&'static str>| {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let found = entries.filter_map(move |entry| {
            let owner: u32 = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            let path = entry.path();
            // Somebody else's directory of that name is nobody's runtime directory.
            let is_theirs =
                fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir() && found.uid() == owner);
            (owner != ROOT && is_theirs)
                .then(|| (below.map_or_else(|| path.clone(), |below| path.join(below)), owner))
        });
        found.take(MAX_USERS).collect::<Vec<_>>()
    };
    let mut all = named(Path::new(RUN_USER), "", Some("scupper"));
    all.extend(named(&std::env::temp_dir(), "scupper-", None));
    all
}
