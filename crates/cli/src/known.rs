//! What Scupper has recorded of the processes of this boot: the record files, the evidence, and what is kept. Gathered
//! for those who judge what was left behind, and read alone: nothing is made, nothing is written.
//!
//! Every file is data. What cannot be read is said, and then nothing is certain. What a record says of a process is a
//! claim: of the user whose file it is, and of nobody else's processes. Root reads the files of all users, and takes a
//! claim only where every process it is about belongs to the user who makes it.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scupper_evidence::{Query, Store};
use scupper_knowledge::{Candidate, glob};
use scupper_model::{
    Event, EventKind, Identity, Keep, Kept, ProcessState, RunId, Timestamp, UnitPhase, UnitRecord,
    cgroup_name,
};
use scupper_orphan::{Known, KnownRun};
use scupper_probe::snapshot::{Marks, Process, Snapshot};
use scupper_supervise::record::{RecordError, Records, runtime_directory};

use crate::keeps::{self, KeepsFile};
use crate::{paths, users};

/// Root: the superuser, who is asked about everybody's processes.
const ROOT: u32 = 0;
/// So many other users' directories and keeps are read.
const MAX_USERS: usize = 1_000;
/// Events that are read of the evidence, the newest of this boot: a unit that restarts without end fills no memory.
const MAX_EVENTS: usize = 10_000;
/// Longest list of troubles.
const MAX_TROUBLE: usize = 20;
/// The wall clock may have been set by this much since the boot.
const CLOCK_SLACK: Duration = Duration::from_hours(1);
/// Where login managers make the runtime directories of users.
const RUN_USER: &str = "/run/user";

/// Gathers everything that is recorded of the processes in a snapshot. `state` is `--state`, `patterns` are those that
/// the user's configuration keeps, `uid` is who asks.
pub(crate) fn gather(
    snapshot: &Snapshot,
    state: Option<&Path>,
    patterns: &[String],
    uid: u32,
    now: Timestamp,
) -> Known {
    let mut gathering = Gathering { snapshot, now, runs: HashMap::new(), known: Known::default() };
    gathering.records(Records::existing_for_this_user(), None);
    for directory in other_own_directories(uid) {
        gathering.records(Records::open_existing(&directory, uid), None);
    }
    if uid == ROOT {
        for (directory, owner) in directories_of_others() {
            gathering.records(Records::open_existing(&directory, owner), Some(owner));
        }
    }
    gathering.evidence(state);
    gathering.keeps(state, patterns);
    if uid == ROOT {
        gathering.keeps_of_others();
    }
    gathering.finished()
}

struct Gathering<'s> {
    snapshot: &'s Snapshot,
    now: Timestamp,
    runs: HashMap<RunId, KnownRun>,
    known: Known,
}

impl Gathering<'_> {
    fn trouble(&mut self, error: impl Into<anyhow::Error>) {
        match self.known.trouble.len() {
            few if few < MAX_TROUBLE => self.known.trouble.push(format!("{:#}", error.into())),
            MAX_TROUBLE => self.known.trouble.push("and more".to_owned()),
            _ => {}
        }
    }

    /// The records of one directory: our own, or those of another user.
    fn records(&mut self, opened: Result<Option<Records>, RecordError>, owner: Option<u32>) {
        let listed = opened.and_then(|records| records.map(|records| records.list()).transpose());
        let (records, bad) = match listed {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => return self.trouble(error),
        };
        for error in bad {
            self.trouble(error);
        }
        for record in records {
            let run = run_of(record);
            if owner.is_none_or(|owner| claims_only_own(&run, owner, self.snapshot)) {
                self.add(run);
            }
        }
    }

    /// Two files may tell of one run: then it is as alive as either of them says.
    fn add(&mut self, run: KnownRun) {
        match self.runs.get_mut(&run.run) {
            None => {
                self.runs.insert(run.run, run);
            }
            Some(before) => {
                before.watchers.extend(run.watchers);
                before.mains.extend(run.mains);
                before.keep.extend(run.keep);
                before.ended &= run.ended;
            }
        }
    }

    /// What the evidence tells of this boot. Read only: a file that is not there is not made.
    fn evidence(&mut self, state: Option<&Path>) {
        let Some(file) = paths::evidence(state) else { return };
        let since_boot = self.snapshot.uptime.saturating_add(CLOCK_SLACK);
        let since = self.now.0.saturating_sub(u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX));
        let query = Query {
            kinds: ["unit_started", "unit_stopped", "kept"].map(str::to_owned).to_vec(),
            since: Some(Timestamp(since)),
            newest: Some(MAX_EVENTS),
            ..Query::default()
        };
        let mut damaged = 0_u32;
        let read = Store::open_read_only(&file).and_then(|store| {
            store.map_or(Ok(()), |store| {
                store.visit(&query, |stored| {
                    match stored.event {
                        Ok(event) => self.event(event),
                        Err(_) => damaged += 1,
                    }
                    ControlFlow::Continue(())
                })
            })
        });
        if let Err(error) = read {
            self.trouble(error);
        }
        if damaged > 0 {
            self.trouble(anyhow::anyhow!("{damaged} events in {} cannot be read", file.display()));
        }
    }

    fn event(&mut self, event: Event) {
        let boot_id = self.snapshot.boot_id;
        match event.kind {
            EventKind::UnitStarted { main, profile, .. } if main.boot_id == boot_id => {
                let run = self.runs.entry(event.run).or_insert_with(|| KnownRun {
                    unit: event.unit,
                    run: event.run,
                    watchers: Vec::new(),
                    mains: Vec::new(),
                    profile,
                    keep: Vec::new(),
                    ended: false,
                });
                if !run.mains.contains(&main) {
                    run.mains.push(main);
                }
            }
            EventKind::UnitStopped { .. } => {
                if let Some(run) = self.runs.get_mut(&event.run) {
                    run.ended = true;
                }
            }
            EventKind::Kept { target, because, .. } if target.boot_id == boot_id => {
                // The last word counts.
                self.known.spared.retain(|(spared, _)| *spared != target);
                self.known.spared.push((target, because));
            }
            _ => {}
        }
    }

    fn keeps(&mut self, state: Option<&Path>, patterns: &[String]) {
        let file = KeepsFile::of_this_user(state);
        match file.map_or_else(|| Ok(Vec::new()), |file| file.read()) {
            Ok(asked) => self.known.keeps = keeps::together(asked, patterns, self.now),
            Err(error) => {
                self.known.keeps = keeps::together(Vec::new(), patterns, self.now);
                self.trouble(error);
            }
        }
    }

    /// Everybody's own keeps hold for their own processes, also when root asks: found out here, so that one user's
    /// pattern says nothing of another's process.
    fn keeps_of_others(&mut self) {
        let present: BTreeSet<u32> =
            self.snapshot.processes.iter().filter_map(|process| process.uid).collect();
        let homes = users::all().into_iter().filter(|user| user.uid != ROOT && present.contains(&user.uid));
        for user in homes.take(MAX_USERS) {
            match KeepsFile::of(user.uid, &user.home).read() {
                Ok(kept) => {
                    let kept = keeps::together(kept, &[], self.now);
                    let own = self.snapshot.processes.iter().filter(|process| process.uid == Some(user.uid));
                    self.known.keeps.extend(own.filter_map(|process| kept_by(&kept, process)));
                }
                Err(error) => self.trouble(error),
            }
        }
    }

    fn finished(self) -> Known {
        let mut known = self.known;
        known.runs = self.runs.into_values().collect();
        // A stable order: what is printed must not change from look to look.
        known.runs.sort_by_key(|run| run.run);
        known
    }
}

/// A record, as far as the judgement needs it.
fn run_of(record: UnitRecord) -> KnownRun {
    KnownRun {
        unit: record.unit,
        run: record.run,
        watchers: [Some(record.supervisor), record.guardian].into_iter().flatten().collect(),
        mains: record.main.into_iter().collect(),
        profile: record.profile,
        keep: record.keep,
        ended: record.phase == UnitPhase::Stopped,
    }
}

/// Whether a run that this user says he had is about his own processes only. As long as its scupper lives it may say
/// what it likes: that only protects.
fn claims_only_own(run: &KnownRun, owner: u32, snapshot: &Snapshot) -> bool {
    let lives = |identity: &Identity| {
        snapshot.processes.iter().any(|p| p.identity == *identity && p.state != ProcessState::Zombie)
    };
    if run.watchers.iter().any(lives) {
        return true;
    }
    let id = run.run.to_string();
    let group = cgroup_name(&run.unit, &run.run);
    let is_claimed = |process: &&Process| {
        let marked = matches!(&process.marks, Marks::Read { run: Some(run), .. } if *run == id.as_bytes());
        let inside = process
            .cgroups
            .iter()
            .flatten()
            .any(|cgroup| cgroup.path.iter().any(|component| component == group.as_str()));
        marked || inside || run.mains.contains(&process.identity)
    };
    snapshot.processes.iter().filter(is_claimed).all(|process| process.uid == Some(owner))
}

/// What keeps this process of these keeps, said of it alone.
fn kept_by(keeps: &[Keep], process: &Process) -> Option<Keep> {
    let keep = keeps.iter().find(|keep| match &keep.what {
        Kept::Process { identity, .. } => *identity == process.identity,
        Kept::Pattern { pattern } => {
            named(pattern, &process.name, process.command.as_deref().unwrap_or_default())
        }
    })?;
    let name = scupper_model::printable(&process.name, 64);
    Some(Keep { what: Kept::Process { identity: process.identity, name }, ..keep.clone() })
}

/// Whether a pattern of `--keep` and `--match` means a process of this name and command line.
pub(crate) fn named(pattern: &str, name: &[u8], command: &[Vec<u8>]) -> bool {
    let candidate = Candidate { name, command, ..Candidate::default() };
    glob::matches(pattern, name) || glob::matches(pattern, candidate.program())
}

/// Where this user's units are written down that were started with other surroundings: a scan by cron(8), which sets no
/// `XDG_RUNTIME_DIR`, has to see those of the desktop. Somebody else's directory in such a place is none of ours.
fn other_own_directories(uid: u32) -> Vec<PathBuf> {
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
fn directories_of_others() -> Vec<(PathBuf, u32)> {
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

#[cfg(test)]
mod tests;
