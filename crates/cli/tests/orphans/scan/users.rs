//! Several users: what root believes of what they wrote, what they are told themselves, and who is asked about.

use super::super::machine::Machine;
use super::*;

const NOBODY: u32 = 65534;

#[test]
fn safety_3_root_believes_no_evidence_that_a_user_wrote() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    if for_nobody(&scene).is_none() {
        return;
    }
    let pid = left_behind(&scene, &mut strays, &SLEEPER);
    // A row that names root's process, and says that its unit is over.
    let main = format!("\"pid\":{pid},\"start_time\":{}", start_time(pid));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let now: scupper_model::Timestamp = scupper_supervise::shell::clock::wall();
    let main: scupper_model::Identity =
        serde_json::from_str(&format!("{{{main},\"boot_id\":\"{}\"}}", boot.trim())).unwrap();
    let started = scupper_model::EventKind::UnitStarted {
        main,
        command: "x".into(),
        profile: scupper_model::Profile::Web,
        start: 1,
        cgroup: None,
    };
    let stopped =
        scupper_model::EventKind::UnitStopped { reason: "x".into(), exit_code: 0, ended: 0, kept: 0 };
    let events = [(1, started), (2, stopped)].map(|(id, kind)| scupper_model::Event {
        schema: scupper_model::EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::from_u128(id),
        at: scupper_model::Timestamp(now.0 - 10 + u64::try_from(id).unwrap()),
        unit: "forged".parse().unwrap(),
        run: scupper_model::RunId(uuid::Uuid::from_u128(7)),
        kind,
    });
    let file = scene.path("state/scupper/evidence.sqlite");
    let options = scupper_evidence::Options::default();
    scupper_evidence::Store::open(&file, &options).unwrap().insert(&events).unwrap();
    // As it would be believed where it is root's own, in a directory of root's.
    for (part, owner) in [("state", 0), ("state", NOBODY)] {
        chown(scene.path(part), Some(owner), Some(owner)).unwrap();
        let evidence: &[&str] = if owner == 0 { &["recorded_spawn"] } else { &[] };
        let (_, found) = found(&scene, pid, evidence);
        assert_eq!(kinds(&found).contains("recorded_spawn"), owner == 0, "{owner}: {found}");
        assert!(owner == 0 || found["certainty"] == "likely", "{found}");
    }
}

/// A copy of the binary where everybody may run it; `None` where this is not root, who alone can become nobody.
fn for_nobody(scene: &Scene) -> Option<std::path::PathBuf> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return None;
    }
    fs::set_permissions(scene.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for sub in ["run", "state"] {
        chown(scene.path(sub), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let copy = scene.path("scupper");
    fs::copy(SCUPPER, &copy).unwrap();
    Some(copy)
}

#[test]
fn r118_a_user_without_rights_gets_a_complete_answer_that_says_what_was_not_read() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let Some(binary) = for_nobody(&scene) else { return };
    let roots = left_behind(&scene, &mut strays, &SLEEPER);
    // Its pipes have to be nobody's as well: the kernel is asked about them.
    let theirs = left_behind_by(&scene, &mut strays, &NOBODYS_PYTHON, &["sleep", "1000"], |_| ());
    let found = wait_for("a user's scan finds it", PATIENCE, || {
        let mut command = Command::new("setpriv");
        command.args(&NOBODYS_PYTHON[1..4]).arg(&binary).args(["scan", "--json"]);
        scene.dress(&mut command);
        let answer = answer(&mut quiet(command, &scene));
        let scan = answer.json();
        assert!(matches!(answer.code, 0 | 1), "{}", answer.err);
        let unreadable = pids_in(&scan, "unreadable");
        assert!(unreadable.contains(&1) && unreadable.contains(&roots), "{unreadable:?}");
        assert!(!unreadable.contains(&theirs));
        assert!(!pids_in(&scan, "left_behind").contains(&roots), "what cannot be read is not found");
        let found = entry(&scan, "left_behind", theirs);
        if kinds(&found).contains("stdin_gone") { Ok(found) } else { Err(format!("{found} {}", answer.err)) }
    });
    assert_eq!(found["uid"], NOBODY);
}

/// Root is told of everybody, and of one user where it asks for that.
#[test]
fn one_users_processes_can_be_asked_about() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    if for_nobody(&scene).is_none() {
        return;
    }
    let roots = left_behind(&scene, &mut strays, &SLEEPER);
    let theirs = left_behind_by(&scene, &mut strays, &NOBODYS_PYTHON, &["sleep", "1000"], |_| ());
    for (user, is, is_not) in [("0", roots, theirs), ("root", roots, theirs), ("65534", theirs, roots)] {
        let left = |answer: &Answer| pids_in(&answer.json(), "left_behind");
        let answer = until(&scene, &["scan", "--user", user, "--json"], |answer| left(answer).contains(&is));
        assert!(!left(&answer).contains(&is_not), "{user}: {answer:?}, {is} and not {is_not}");
    }
}

#[test]
fn r118_a_unit_is_known_to_a_scan_with_other_surroundings() {
    if rustix::process::geteuid().is_root() {
        let (scene, mut strays) = (Scene::new(), Strays::default());
        let Some(binary) = for_nobody(&scene) else { return };
        chown(scene.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        // A unit of the desktop, as it were, and a scan by cron: one temporary directory, no XDG_RUNTIME_DIR there.
        let records = scene.path(&format!("scupper-{NOBODY}"));
        let as_nobody = |arguments: &[&str]| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).args(arguments);
            scene.dress(&mut command);
            command.env("TMPDIR", scene.dir.path()).current_dir(scene.dir.path());
            quiet(command, &scene)
        };
        let mut unit =
            as_nobody(&["run", "--name", &scene.unit, "--", "sh", "-c", "trap '' TERM; sleep 1000"]);
        unit.env_remove("XDG_RUNTIME_DIR").stderr(Stdio::null());
        let mut running = crate::scene::Running { child: unit.spawn().unwrap() };
        let record = records.join(format!("{}.json", scene.unit));
        let main = wait_for("it is written down", PATIENCE, || {
            let text = fs::read(&record).map_err(|error| error.to_string())?;
            let record: serde_json::Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
            record["main"]["pid"].as_i64().ok_or_else(|| "no main yet".to_owned())
        });
        let main = strays.add(i32::try_from(main).unwrap());
        let helper = wait_for("it has its child", PATIENCE, || {
            children(main).first().copied().ok_or_else(|| "none".to_owned())
        });
        strays.add(helper);
        let (guardian, engine) = (running.pid(), running.engine());
        for (pid, signal) in [(guardian, 19), (engine, 19), (engine, 9), (guardian, 9)] {
            crate::scene::kill(pid, signal);
        }
        // While the guardian is there, what was the engine's is a child of it, and ends with it when `running` is dropped.
        running.child.wait().unwrap();
        drop(running);
        wait_for("they are gone", PATIENCE, || if alive(engine) { Err(String::new()) } else { Ok(()) });
        let found = wait_for("it is found", PATIENCE, || {
            let answer = answer(&mut as_nobody(&["scan", "--json"]));
            let found = entry(&answer.json(), "left_behind", main);
            if found.is_null() { Err(format!("{answer:?}")) } else { Ok(found) }
        });
        assert_eq!((&found["certainty"], &found["unit"]), (&"certain".into(), &scene.unit.as_str().into()));
    }
}

/// What `/proc` hides (hidepid) is said, and who was handed to a hidden first process is found all the same.
#[test]
fn r118_a_user_from_whom_others_are_hidden_finds_what_is_theirs_and_is_told_so() {
    let Some(machine) = Machine::start() else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root, who alone can become another user");
        return;
    }
    let scene = &machine.scene;
    for_nobody(scene);
    chown(scene.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let path = |name: &str| scene.path(name).to_string_lossy().into_owned();
    let orphaned = "import os, subprocess, sys\n\
        pipe = subprocess.PIPE\n\
        child = subprocess.Popen(['sleep', '1000'], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)\n\
        print(child.pid, file=open(sys.argv[1], 'w'))\n\
        os._exit(0)";
    let (theirs, roots) = (path("theirs"), path("roots"));
    for (python, told) in [(&NOBODYS_PYTHON[..], &theirs), (&["/usr/bin/python3"][..], &roots)] {
        let starter = machine.start_command(&[python, &["-S", "-c", orphaned, told]].concat());
        machine.wait(starter);
    }
    let pid = |name: &str| scene.text(name).trim().parse::<i32>().unwrap();
    let hidden = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\"";
    let as_nobody = |arguments: &[&str]| {
        let before = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
        machine.run(&[&before, &NOBODYS_PYTHON[..4], &[&path("scupper")], arguments].concat())
    };
    let (scan, found) = wait_for("it is found", PATIENCE, || {
        let answer = as_nobody(&["scan", "--json"]);
        let found = entry(&answer.json(), "left_behind", pid("theirs"));
        if found.is_null() { Err(format!("{answer:?}")) } else { Ok((answer.json(), found)) }
    });
    assert!(kinds(&found).is_superset(&["stdin_gone", "reparented"].map(str::to_owned).into()), "{found}");
    assert!(pids_in(&scan, "unreadable").contains(&1), "{scan}");
    assert!(!scan.to_string().contains(&format!("\"pid\":{},", pid("roots"))), "{scan}");
    let said = as_nobody(&["scan"]);
    assert!(said.out.contains("of other users are hidden") && said.err.contains("hidepid"), "{said:?}");
    let ended = as_nobody(&["reap", "--yes", &pid("theirs").to_string()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!machine.alive(pid("theirs")) && machine.alive(pid("roots")));
}
