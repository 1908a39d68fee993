//! What records, evidence and keeps come to, and whose word counts for whom.

use std::path::PathBuf;

use scupper_model::{BootId, EVENT_SCHEMA, Identity, Pid, ProcessState, Profile, StartTime};
use scupper_probe::snapshot::Marks;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn boot() -> BootId {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

fn identity(pid: i32) -> Identity {
    Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(7), boot_id: boot() }
}

fn process(pid: i32, uid: u32, name: &str) -> Process {
    Process {
        identity: identity(pid),
        age: Duration::from_mins(1),
        parent: Some(Pid::INIT),
        group: pid,
        session: pid,
        has_terminal: false,
        name: name.into(),
        state: ProcessState::Alive,
        rss: None,
        cpu: Duration::ZERO,
        threads: 1,
        uid: Some(uid),
        command: Some(vec![name.into()].into()),
        marks: Marks::Unreadable,
        cgroups: None,
        ignores_hangup: None,
        executable: None,
        working_directory: None,
        descriptors: None,
    }
}

fn snapshot(processes: Vec<Process>) -> Snapshot {
    Snapshot {
        boot_id: boot(),
        uptime: Duration::from_hours(2),
        processes,
        pipes: HashMap::new(),
        unix_sockets: None,
        tcp: None,
        unreadable: Vec::new(),
    }
}

fn run(watchers: &[i32], mains: &[i32]) -> KnownRun {
    KnownRun {
        unit: "web".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(7)),
        watchers: watchers.iter().map(|pid| identity(*pid)).collect(),
        mains: mains.iter().map(|pid| identity(*pid)).collect(),
        profile: Profile::Web,
        agent: None,
        keep: Vec::new(),
        ended: false,
    }
}

fn marked(mut process: Process) -> Process {
    let run = Some(RunId(uuid::Uuid::from_u128(7)).to_string().into_bytes());
    process.marks = Marks::Read { run, unit: None, keep: None };
    process
}

#[test]
fn safety_3_a_user_claims_no_process_of_somebody_else() {
    let (own, others) = (process(10, 1000, "own"), process(11, 0, "others"));
    let both = snapshot(vec![own.clone(), others.clone()]);
    assert!(claims_only_own(&run(&[], &[10]), 1000, &both));
    assert!(!claims_only_own(&run(&[], &[10, 11]), 1000, &both), "by its identity");
    let by_mark = snapshot(vec![own.clone(), marked(others.clone())]);
    assert!(!claims_only_own(&run(&[], &[10]), 1000, &by_mark));
    assert!(claims_only_own(&run(&[10], &[]), 1000, &by_mark), "a scupper that lives only protects");
    let unknown = snapshot(vec![Process { uid: None, ..marked(own) }]);
    assert!(!claims_only_own(&run(&[], &[]), 1000, &unknown), "whose it is cannot be told");
}

#[test]
fn safety_5_the_keeps_of_others_hold_for_their_own_processes_alone() {
    let pattern = Keep {
        what: Kept::Pattern { pattern: "own*".into() },
        until: Some(Timestamp(9)),
        since: Timestamp(1),
    };
    let kept_by = |process: &Process| {
        let names = KeepNames::of(&process.name, process.command.as_deref().unwrap());
        kept_by(std::slice::from_ref(&pattern), process, &names)
    };
    let kept = kept_by(&process(10, 1000, "own")).unwrap();
    assert_eq!(kept.what, Kept::Process { identity: identity(10), name: "own".into() });
    assert_eq!(kept.until, Some(Timestamp(9)));
    assert_eq!(kept_by(&process(11, 1000, "else")), None);
}

#[test]
fn the_evidence_of_this_boot_is_taken_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let seen = snapshot(Vec::new());
    let gather = |state: &PathBuf| {
        let mut gathering = Gathering::new(&seen, rustix::process::geteuid().as_raw(), NOW);
        gathering.evidence(Some(state));
        gathering.keeps(Some(state), &["conf*".to_owned()]);
        gathering.finished().known
    };
    let nothing = gather(&state);
    assert!(nothing.runs.is_empty() && nothing.trouble.is_empty() && !state.exists());
    assert_eq!(nothing.keeps.len(), 1);

    let other_boot = Identity { boot_id: BootId::NOWHERE, ..identity(12) };
    let started = |main| EventKind::UnitStarted {
        main,
        command: "x".into(),
        profile: Profile::Agent,
        start: 1,
        cgroup: None,
    };
    let kept =
        |because: &str| EventKind::Kept { target: identity(13), name: "x".into(), because: because.into() };
    let stopped = EventKind::UnitStopped { reason: "x".into(), exit_code: 0, ended: 0, kept: 1 };
    let events: Vec<Event> = [
        (1, 7, started(identity(10))),
        (2, 7, started(identity(11))),
        (3, 8, started(other_boot)),
        (4, 7, kept("daemon by choice")),
        (5, 7, kept("kept by hand")),
        (6, 7, stopped),
        (7, 9, started(identity(14))),
    ]
    .map(|(id, run, kind)| Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::from_u128(id),
        at: Timestamp(NOW.0 - 1000 + u64::try_from(id).unwrap()),
        unit: "web".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(run)),
        kind,
    })
    .into();
    let file = paths::evidence(Some(&state)).unwrap();
    let options = scupper_evidence::Options::default();
    Store::open(&file, &options).unwrap().insert(&events).unwrap();
    let known = gather(&state);
    let [ended, runs] = &known.runs[..] else { panic!("{:?}", known.runs) };
    assert_eq!((ended.ended, &ended.mains), (true, &vec![identity(10), identity(11)]));
    assert_eq!((runs.ended, &runs.mains, runs.profile), (false, &vec![identity(14)], Profile::Agent));
    assert_eq!(known.spared, [(identity(13), "kept by hand".to_owned())]);

    fs::write(&file, "no database").unwrap();
    let known = gather(&state);
    assert!(known.runs.is_empty() && known.trouble[0].contains("evidence.sqlite"), "{:?}", known.trouble);
}

/// Evidence of one run that is not ended.
fn evidence_of(state: &Path, main: Identity) -> PathBuf {
    let kind =
        EventKind::UnitStarted { main, command: "x".into(), profile: Profile::Web, start: 1, cgroup: None };
    let event = Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::from_u128(1),
        at: Timestamp(NOW.0 - 1000),
        unit: "web".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(7)),
        kind,
    };
    let file = paths::evidence(Some(state)).unwrap();
    Store::open(&file, &scupper_evidence::Options::default()).unwrap().insert(&[event]).unwrap();
    file
}

fn mains(seen: &Snapshot, state: &Path) -> Vec<Identity> {
    let mut gathering = Gathering::new(seen, rustix::process::geteuid().as_raw(), NOW);
    gathering.evidence(Some(state));
    let known = gathering.finished().known;
    assert_eq!(known.trouble, Vec::<String>::new());
    known.runs.into_iter().flat_map(|run| run.mains).collect()
}

#[test]
fn safety_3_evidence_alone_claims_nobody_whom_somebody_alive_holds() {
    let dir = tempfile::tempdir().unwrap();
    evidence_of(dir.path(), identity(10));
    let child = Process { parent: Pid::new(9), ..process(10, 0, "x") };
    let with = |child: Process| snapshot(vec![process(9, 0, "parent"), child]);
    assert_eq!(mains(&with(child.clone()), dir.path()), []);
    assert_eq!(mains(&with(marked(child)), dir.path()), [identity(10)]);
    assert_eq!(mains(&with(process(10, 0, "x")), dir.path()), [identity(10)], "its parent is gone");
}

#[test]
fn safety_3_evidence_that_a_user_may_have_written_is_that_users_claim() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (home, state) = (dir.path().join("home"), dir.path().join("home/state"));
    let file = evidence_of(&state, identity(10));
    let (roots, theirs) = (snapshot(vec![process(10, 0, "x")]), snapshot(vec![process(10, 1000, "x")]));
    assert_eq!(mains(&roots, &state), [identity(10)]);
    for part in [&file, &state, &home] {
        std::os::unix::fs::chown(part, Some(1000), None).unwrap();
        assert_eq!(mains(&roots, &state), [], "{}", part.display());
        assert_eq!(mains(&theirs, &state), [identity(10)], "{}", part.display());
        std::os::unix::fs::chown(part, Some(0), None).unwrap();
    }
    // By another way to it.
    std::os::unix::fs::chown(&state, Some(1000), None).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&state, &link).unwrap();
    assert_eq!(mains(&roots, &link), []);
}

#[test]
fn safety_1_evidence_that_is_no_file_is_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("evidence.sqlite");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let seen = snapshot(Vec::new());
    let mut gathering = Gathering::new(&seen, rustix::process::geteuid().as_raw(), NOW);
    gathering.evidence(Some(dir.path()));
    let trouble = gathering.finished().known.trouble;
    assert!(trouble[0].contains("no regular file"), "{trouble:?}");
}

/// The pids of those that are kept one by one.
fn kept_pids(known: &Known) -> Vec<i32> {
    let pid = |keep: &Keep| match &keep.what {
        Kept::Process { identity, .. } => Some(identity.pid.get()),
        Kept::Pattern { .. } => None,
    };
    known.keeps.iter().filter_map(pid).collect()
}

#[test]
fn safety_12_another_users_patterns_cost_root_no_time() {
    let seen = snapshot(vec![process(10, 1000, "x"), process(11, 1000, "y"), process(12, 0, "z")]);
    let pattern =
        |pattern: String| Keep { what: Kept::Pattern { pattern }, until: None, since: Timestamp(1) };
    let ask = |kept: &[Keep]| {
        let mut gathering = Gathering::new(&seen, ROOT, NOW);
        gathering.keep_own(1000, kept);
        gathering.finished()
    };
    let few = ask(&[pattern("x*".into())]);
    assert_eq!((kept_pids(&few.known), few.notes), (vec![10], Vec::new()));
    let many: Vec<Keep> = (0..=MAX_PATTERNS).map(|_| pattern("*q".into())).collect();
    for hostile in [&many[..], &[pattern("*a".repeat(MAX_PATTERN))]] {
        let gathered = ask(hostile);
        assert_eq!(kept_pids(&gathered.known), [10, 11]);
        assert!(gathered.notes[0].contains("user 1000"), "{:?}", gathered.notes);
        assert_eq!(gathered.known.trouble, Vec::<String>::new());
    }
}

#[test]
fn safety_1_what_cannot_be_read_of_a_user_keeps_that_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let own = rustix::process::geteuid().as_raw();
    fs::write(dir.path().join("a.json"), "x").unwrap();
    let seen = snapshot(vec![process(10, own, "x"), process(11, own + 1, "y")]);
    // The test's own directory stands for that of another user.
    let mut gathering = Gathering::new(&seen, own, NOW);
    gathering.records(Records::open_existing(dir.path(), own), Some(own));
    let gathered = gathering.finished();
    assert_eq!(kept_pids(&gathered.known), [10]);
    assert!(gathered.notes[0].contains("a.json"), "{:?}", gathered.notes);
    assert_eq!(gathered.known.trouble, Vec::<String>::new());
    // Somebody else's directory in the place of ours holds nothing of ours.
    let mut gathering = Gathering::new(&seen, own + 1, NOW);
    gathering.records(Records::open_existing(dir.path(), own + 1), None);
    let gathered = gathering.finished();
    assert!(gathered.known.trouble.is_empty() && gathered.notes[0].contains("another user"));
}
