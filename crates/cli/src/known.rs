//! What Scupper has recorded of the processes of this boot: the record files, the evidence, and what is kept. Gathered
//! for those who judge what was left behind, and read alone: nothing is made, nothing is written.
//!
//! Every file is data. What cannot be read is said, and then nothing is certain. What a record says of a process is a
//! claim: of the user whose file it is, and of nobody else's processes. Root reads the files of all users, and takes a
//! claim only where every process it is about belongs to the user who makes it.

mod others;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use scupper_evidence::{Query, Store};
use scupper_knowledge::{KeepNames, keep_matches};
use scupper_model::{Event, EventKind, FleetFact, Keep, Kept, Pid, RunId, Timestamp, UnitPhase, UnitRecord};
use scupper_orphan::{Known, KnownRun};
use scupper_probe::Proc;
use scupper_probe::snapshot::{Process, Snapshot};
use scupper_supervise::record::{RecordError, Records};
use scupper_supervise::shell::KEEPS_UNREAD;

use self::others::{
    Signs, belongs_to, claims_only_own, directories_of_others, has_living_parent, other_own_directories,
    whose,
};
use crate::failure::Failure;
use crate::keeps::{self, KeepsFile};
use crate::{paths, users};

/// Root: the superuser, who is asked about everybody's processes.
const ROOT: u32 = 0;
/// So many other users' directories and keeps are read.
const MAX_USERS: usize = 1_000;
/// Events that are read of the evidence, the newest of this boot: a unit that restarts without end fills no memory.
const MAX_EVENTS: usize = 10_000;
/// So many patterns of another user are compared.
const MAX_PATTERNS: usize = 50;
/// The longest pattern of another user that is compared, in bytes.
const MAX_PATTERN: usize = 128;
/// What one other user's patterns may cost: bytes of patterns times bytes of names.
const MOST_WORK: usize = 50_000_000;
/// Longest list of troubles.
const MAX_TROUBLE: usize = 20;
/// The wall clock may have been set by this much since the boot.
const CLOCK_SLACK: Duration = Duration::from_hours(1);

/// What was gathered.
pub(crate) struct Gathered {
    /// All that the judgement needs.
    pub known: Known,
    /// What of other users' files was not believed or not read, where only their own processes are kept for it.
    pub notes: Vec<String>,
}

/// Gathers everything that is recorded of the processes in a snapshot. `state` is `--state`, `patterns` are those that
/// the user's configuration keeps, `uid` is who asks.
pub(crate) fn gather(
    snapshot: &Snapshot,
    state: Option<&Path>,
    patterns: &[String],
    uid: u32,
    now: Timestamp,
) -> Gathered {
    let mut gathering = Gathering::new(snapshot, uid, now);
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
    uid: u32,
    now: Timestamp,
    runs: HashMap<RunId, KnownRun>,
    known: Known,
    notes: Vec<String>,
    /// Users all of whose processes are kept.
    kept_whole: BTreeSet<u32>,
}

impl<'s> Gathering<'s> {
    fn new(snapshot: &'s Snapshot, uid: u32, now: Timestamp) -> Self {
        Self {
            snapshot,
            uid,
            now,
            runs: HashMap::new(),
            known: Known::default(),
            notes: Vec::new(),
            kept_whole: BTreeSet::new(),
        }
    }

    fn note(&mut self, text: String) {
        match self.notes.len() {
            few if few < MAX_TROUBLE => self.notes.push(text),
            MAX_TROUBLE => self.notes.push("and more".to_owned()),
            _ => {}
        }
    }

    /// Another user's file that cannot be read, or not to its end, is that user's trouble: all of their processes are
    /// kept, and nobody else's.
    fn keep_all_of(&mut self, owner: u32, why: impl Into<anyhow::Error>) {
        self.note(format!("all processes of the user {owner} are kept: {:#}", why.into()));
        if !self.kept_whole.insert(owner) {
            return;
        }
        let own = self.snapshot.processes.iter().filter(|process| process.uid == Some(owner));
        let until = None;
        let since = self.now;
        self.known.keeps.extend(own.map(|process| Keep { what: this_very(process), until, since }));
    }

    fn trouble(&mut self, error: impl Into<anyhow::Error>) {
        match self.known.trouble.len() {
            few if few < MAX_TROUBLE => self.known.trouble.push(format!("{:#}", error.into())),
            MAX_TROUBLE => self.known.trouble.push("and more".to_owned()),
            _ => {}
        }
    }

    /// The records of one directory: our own, or those of another user.
    fn records(&mut self, opened: Result<Option<Records>, RecordError>, owner: Option<u32>) {
        // Where another user has put a directory in the place of ours, nothing of ours is in it.
        if let (None, Err(RecordError::NotOurs { path })) = (owner, &opened)
            && fs::symlink_metadata(path).is_ok_and(|found| found.uid() != self.uid)
        {
            let shown = path.display().to_string();
            return self.note(format!("{shown} belongs to another user: not read as ours"));
        }
        let listed = opened.and_then(|records| records.map(|records| records.list()).transpose());
        let (records, bad) = match listed {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => return self.unread(owner, error),
        };
        for error in bad {
            self.unread(owner, error);
        }
        for record in records {
            let run = run_of(record);
            if owner.is_none_or(|owner| claims_only_own(&run, owner, self.snapshot)) {
                self.add(run);
            }
        }
    }

    /// What cannot be read is trouble where it is ours, and its owner's where it is somebody else's.
    fn unread(&mut self, owner: Option<u32>, error: impl Into<anyhow::Error>) {
        match owner {
            Some(owner) => self.keep_all_of(owner, error),
            None => self.trouble(error),
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

    /// What the evidence tells of this boot. Read only: a file that is not there is not made. One that another user may
    /// have written (`HOME` kept by sudo, `--state`) holds that user's claims, as their records do.
    fn evidence(&mut self, state: Option<&Path>) {
        let Some(file) = paths::evidence(state) else { return };
        let (file, owner) = match whose(&file, self.uid) {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                let shown = file.display();
                return self.trouble(anyhow::Error::new(error).context(format!("cannot look at {shown}")));
            }
        };
        let since_boot = self.snapshot.uptime.saturating_add(CLOCK_SLACK);
        let since = self.now.0.saturating_sub(u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX));
        let query = Query {
            kinds: ["unit_started", "unit_stopped", "kept", "agent_registered"].map(str::to_owned).to_vec(),
            since: Some(Timestamp(since)),
            newest: Some(MAX_EVENTS),
            ..Query::default()
        };
        let (mut runs, mut damaged) = (HashMap::new(), 0_u32);
        let read = Store::open_read_only(&file).and_then(|store| {
            store.map_or(Ok(()), |store| {
                store.visit(&query, |stored| {
                    match stored.event {
                        Ok(event) => self.event(event, owner, &mut runs),
                        Err(_) => damaged += 1,
                    }
                    ControlFlow::Continue(())
                })
            })
        });
        for run in runs.into_values() {
            self.add_recorded(run, owner);
        }
        if let Err(error) = read {
            self.unread(owner, error);
        }
        if damaged > 0 {
            self.unread(owner, anyhow::anyhow!("{damaged} events in {} cannot be read", file.display()));
        }
    }

    /// A run that the evidence tells of. Where no record file does, its word alone makes nothing of a process certain
    /// that somebody alive holds: it needs the run's mark or cgroup.
    fn add_recorded(&mut self, mut run: KnownRun, owner: Option<u32>) {
        if let Some(known) = self.runs.get_mut(&run.run) {
            // Of a run that a record file tells of, nobody else has anything to say.
            if owner.is_none() {
                run.mains.retain(|main| !known.mains.contains(main));
                known.mains.extend(run.mains);
                known.ended |= run.ended;
            }
            return;
        }
        if owner.is_some_and(|owner| !claims_only_own(&run, owner, self.snapshot)) {
            return;
        }
        let (signs, snapshot) = (Signs::of(&run), self.snapshot);
        run.mains.retain(|main| {
            let process = snapshot.processes.iter().find(|process| process.identity == *main);
            process.is_none_or(|process| signs.are_on(process) || !has_living_parent(process, snapshot))
        });
        self.runs.insert(run.run, run);
    }

    fn event(&mut self, event: Event, owner: Option<u32>, runs: &mut HashMap<RunId, KnownRun>) {
        let boot_id = self.snapshot.boot_id;
        match event.kind {
            EventKind::UnitStarted { main, profile, .. } if main.boot_id == boot_id => {
                let run = runs.entry(event.run).or_insert_with(|| KnownRun {
                    unit: event.unit,
                    run: event.run,
                    watchers: Vec::new(),
                    mains: Vec::new(),
                    profile,
                    agent: None,
                    keep: Vec::new(),
                    ended: false,
                });
                if !run.mains.contains(&main) {
                    run.mains.push(main);
                }
            }
            EventKind::Fleet(FleetFact::AgentRegistered { agent, .. }) => {
                if let Some(run) = runs.get_mut(&event.run) {
                    run.agent = Some(agent);
                }
            }
            EventKind::UnitStopped { .. } => {
                let recorded = self.runs.get_mut(&event.run).filter(|_| owner.is_none());
                if let Some(run) = runs.get_mut(&event.run).or(recorded) {
                    run.ended = true;
                }
            }
            EventKind::Kept { target, because, .. }
                // That nobody could tell is no wish: once it can be told, it is judged like any other.
                if target.boot_id == boot_id
                    && !because.starts_with(KEEPS_UNREAD)
                    && owner.is_none_or(|owner| belongs_to(&target, owner, self.snapshot)) =>
            {
                // The last word counts.
                self.known.spared.retain(|(spared, _)| *spared != target);
                self.known.spared.push((target, because));
            }
            _ => {}
        }
    }

    fn keeps(&mut self, state: Option<&Path>, patterns: &[String]) {
        let configured = keeps::together(Vec::new(), patterns, self.now);
        self.keep_by(configured, paths::user_config().as_deref());
        let Some(file) = KeepsFile::of_this_user(state) else { return };
        match file.read() {
            Ok(asked) => self.keep_by(keeps::together(asked, &[], self.now), Some(file.path())),
            Err(error) => self.unread(self.of_a_user(file.path()), error),
        }
    }

    /// What a file of ours keeps holds for everybody; where root is given the file of a user, for that user.
    fn keep_by(&mut self, kept: Vec<Keep>, file: Option<&Path>) {
        match file.and_then(|file| self.of_a_user(file)) {
            Some(owner) => self.keep_own(owner, &kept),
            None => self.known.keeps.extend(kept),
        }
    }

    /// Whose file it is that root reads as its own, where it is a user's.
    fn of_a_user(&self, file: &Path) -> Option<u32> {
        let owner = fs::metadata(file).ok().map(|found| found.uid());
        owner.filter(|owner| self.uid == ROOT && *owner != ROOT)
    }

    /// Everybody's own keeps hold for their own processes, also when root asks.
    fn keeps_of_others(&mut self) {
        let present: BTreeSet<u32> =
            self.snapshot.processes.iter().filter_map(|process| process.uid).collect();
        let homes = users::all().into_iter().filter(|user| user.uid != ROOT && present.contains(&user.uid));
        for user in homes.take(MAX_USERS) {
            match KeepsFile::of(user.uid, &user.home).read() {
                Ok(kept) => self.keep_own(user.uid, &keeps::together(kept, &[], self.now)),
                Err(error) => self.keep_all_of(user.uid, error),
            }
        }
    }

    /// Found out here, so that one user's pattern says nothing of another's process. Who asks for more than can be
    /// compared in short time has all of their processes kept.
    fn keep_own(&mut self, owner: u32, kept: &[Keep]) {
        let lengths = kept.iter().filter_map(|keep| match &keep.what {
            Kept::Pattern { pattern } => Some(pattern.len()),
            Kept::Process { .. } => None,
        });
        let lengths: Vec<usize> = lengths.collect();
        let (count, total) = (lengths.len(), lengths.iter().sum::<usize>());
        if count > MAX_PATTERNS || lengths.iter().any(|length| *length > MAX_PATTERN) {
            let most = format!("more than {MAX_PATTERNS} patterns, or one of more than {MAX_PATTERN} bytes");
            return self.keep_all_of(owner, anyhow::anyhow!("{most}, are not compared for another user"));
        }
        let mut work = MOST_WORK;
        for process in self.snapshot.processes.iter().filter(|process| process.uid == Some(owner)) {
            let names = KeepNames::of(&process.name, process.command.as_deref().unwrap_or_default());
            let Some(left) = work.checked_sub(total.saturating_mul(names.len())) else {
                let why = anyhow::anyhow!("their patterns take too long to compare");
                return self.keep_all_of(owner, why);
            };
            work = left;
            self.known.keeps.extend(kept_by(kept, process, &names));
        }
    }

    fn finished(self) -> Gathered {
        let mut known = self.known;
        known.runs = self.runs.into_values().collect();
        // A stable order: what is printed must not change from look to look.
        known.runs.sort_by_key(|run| run.run);
        Gathered { known, notes: self.notes }
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
        agent: record.agent,
        keep: record.keep,
        ended: record.phase == UnitPhase::Stopped,
    }
}

/// What keeps this process of these keeps, said of it alone.
fn kept_by(keeps: &[Keep], process: &Process, names: &KeepNames) -> Option<Keep> {
    let keep = keeps.iter().find(|keep| match &keep.what {
        Kept::Process { identity, .. } => *identity == process.identity,
        Kept::Pattern { pattern } => names.matches(pattern),
    })?;
    Some(Keep { what: this_very(process), ..keep.clone() })
}

fn this_very(process: &Process) -> Kept {
    let name = scupper_model::printable(&process.name, 64);
    Kept::Process { identity: process.identity, name }
}

/// Whether a pattern of `--keep` and `--match` means a process of this name and command line.
pub(crate) fn named(pattern: &str, name: &[u8], command: &[Vec<u8>]) -> bool {
    keep_matches(pattern, name, command)
}

/// Refuses the number of a thread: `/proc` answers for it as well, and lists it not.
pub(crate) fn refuse_thread(pid: Pid, proc_: &Proc) -> Result<(), Failure> {
    if proc_.pids()?.contains(&pid) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{pid} is no process but a thread of one, or has just ended: name the process (`ps -L` shows both)"
    )))
}

#[cfg(test)]
mod tests;
