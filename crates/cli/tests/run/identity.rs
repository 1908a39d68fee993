//! Safety 2, 3, 5 and 7: who is signalled, what proves that a process is ours, and that every signal is told.
//! (That a pid which was reused is never signalled is shown beside `deliver` in the supervise room.)

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, children, comm, kill, wait_for};
use super::workload::script;

/// A process that scupper did not start, ended with the test.
struct Stranger(Child);

impl Stranger {
    fn start(environment: &[(&str, &str)]) -> Self {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
        Self(sleep.stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The identity of a process as records spell it.
fn identity(pid: i32) -> Value {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    json!({ "pid": pid, "start_time": start, "boot_id": boot.trim() })
}

/// The run as the mark in an environment spells it.
fn mark(record: &Value) -> String {
    record["run"].as_str().unwrap().replace('-', "")
}

/// A process that has ended.
fn nobody() -> Value {
    let mut child = Command::new("true").spawn().unwrap();
    let mut gone = identity(child.id().try_into().unwrap());
    child.wait().unwrap();
    gone["start_time"] = json!(1);
    gone
}

/// The record of a run that is over, ready to be changed and put back.
fn record(scene: &Scene) -> Value {
    let running = scene.run(&[], &["sleep", "1000"]);
    let path = scene.path(&format!("run/scupper/{}.json", scene.unit));
    let record = wait_for("the record says running", PATIENCE, || {
        let record: Value =
            fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        if record["phase"] == "running" { Ok(record) } else { Err(record.to_string()) }
    });
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
    let mut record = record;
    record["supervisor"] = nobody();
    record["guardian"] = Value::Null;
    record["main"] = Value::Null;
    record["cgroup"] = Value::Null;
    record
}

fn put(scene: &Scene, record: &Value) {
    let path = scene.path(&format!("run/scupper/{}.json", scene.unit));
    fs::write(path, record.to_string()).unwrap();
}

#[test]
fn safety_3_a_record_that_names_a_stranger_is_not_acted_on() {
    let scene = Scene::new();
    let mut record = record(&scene);
    let mut stranger = Stranger::start(&[]);
    for who in [identity(1), identity(std::process::id().try_into().unwrap()), identity(stranger.pid())] {
        for supervisor in [nobody(), who.clone()] {
            record["supervisor"] = supervisor;
            record["main"] = who.clone();
            record["guardian"] = who.clone();
            for command in ["ps", "stop", "restart", "recycle"] {
                put(&scene, &record);
                let out = scene.scupper(&[command, &scene.unit]).output().unwrap();
                // What a run left whose scupper is gone is ended by `stop`: here, nothing.
                let stopped = command == "stop" && record["supervisor"]["start_time"] == 1;
                assert_eq!(out.status.success(), stopped, "{command}: {out:?}");
            }
            put(&scene, &record);
            assert_eq!(scene.code(&[], &["true"]), 0, "{}", scene.text("stderr"));
        }
    }
    assert!(stranger.lives());
    assert!(scene.events_of("signal_sent").is_empty(), "{}", scene.text("stderr"));
}

/// A cgroup is a claim of the record too: it counts where the kernel says that the process sits in this run's own.
#[test]
fn safety_3_a_record_that_names_a_foreign_cgroup_is_not_acted_on() {
    let root = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let Some(v2) =
        root.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4))
    else {
        return eprintln!("skipped: there is no cgroup v2");
    };
    let scene = Scene::new();
    let mut record = record(&scene);
    let mut strangers = Vec::new();
    let run = record["run"].as_str().unwrap();
    let own_name = format!("scupper.{}.{}", scene.unit, &run[run.len() - 12..]);

    // A group of somebody else, and a directory that only looks like a group of ours.
    let group = format!("{v2}/test-{}", scene.unit);
    let fake = scene.path(&own_name);
    fs::create_dir(&fake).unwrap();
    let mut claims = vec![fake.to_str().unwrap().to_owned()];
    let stranger = Stranger::start(&[]);
    fs::write(fake.join("cgroup.procs"), format!("{}\n", stranger.pid())).unwrap();
    strangers.push(stranger);
    let made = fs::create_dir(&group).is_ok();
    if made {
        let stranger = Stranger::start(&[]);
        fs::write(format!("{group}/cgroup.procs"), stranger.pid().to_string()).unwrap();
        strangers.push(stranger);
        claims.push(group.clone());
    }
    for claim in claims {
        record["cgroup"] = claim.clone().into();
        put(&scene, &record);
        assert_eq!(scene.code(&[], &["true"]), 0);
        assert!(strangers.iter_mut().all(Stranger::lives), "{claim}: {}", scene.text("stderr"));
    }
    assert!(fake.exists(), "a directory that was not made by scupper was removed");
    drop(strangers);
    if made {
        wait_for("the test's own group can go", PATIENCE, || {
            fs::remove_dir(&group).map_err(|e| e.to_string())
        });
    }
}

/// The run of a mark is what counts, and the unit beside it; and a record counts only under its own name.
#[test]
fn safety_3_a_mark_of_another_run_or_unit_is_not_acted_on() {
    let scene = Scene::new();
    let record = record(&scene);
    let run = mark(&record);
    let other = "0197f3a0000070008000000000000001";
    let mut strangers = [
        Stranger::start(&[("SCUPPER_UNIT", &scene.unit)]),
        Stranger::start(&[("SCUPPER_UNIT", &scene.unit), ("SCUPPER_RUN", other)]),
        Stranger::start(&[("SCUPPER_UNIT", "another"), ("SCUPPER_RUN", &run)]),
        Stranger::start(&[("SCUPPER_RUN", &run[..run.len() - 1]), ("SCUPPER_UNIT", &scene.unit)]),
    ];
    let mut left = Stranger::start(&[("SCUPPER_RUN", &run), ("SCUPPER_UNIT", &scene.unit)]);
    put(&scene, &record);
    // Found under another name, it is no record.
    let copy = scene.path("run/scupper/copy.json");
    fs::write(&copy, record.to_string()).unwrap();
    let out = scene.scupper(&["run", "--name", "copy", "--", "true"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(left.lives());
    // What the run itself left is ended by the next start, as recorded at its spawn.
    assert_eq!(scene.code(&[], &["true"]), 0);
    assert!(!left.lives());
    assert_eq!(scene.events_of("earlier_run_found")[0]["processes"], 1);
    assert!(strangers.iter_mut().all(Stranger::lives), "{}", scene.text("stderr"));
}

/// An earlier run's shell lives on, and somebody starts the unit again in it: the shell carries the mark of what is to
/// be ended, and is above scupper.
#[test]
fn safety_5_ancestors_are_never_signalled() {
    let scene = Scene::new();
    let record = record(&scene);
    put(&scene, &record);
    let mut sibling = Stranger::start(&[("SCUPPER_RUN", &mark(&record)), ("SCUPPER_UNIT", &scene.unit)]);
    let again = format!("'{SCUPPER}' run --name {} -- sh -c 'exit 3'; echo \"code=$?\"", scene.unit);
    let mut shell = Command::new("sh");
    shell.args(["-c", &again]);
    scene.dress(&mut shell);
    shell.env("SCUPPER_RUN", mark(&record)).env("SCUPPER_UNIT", &scene.unit);
    let out = shell.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(
        (out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref()),
        (Some(0), "code=3\n"),
        "{said}"
    );
    assert!(!sibling.lives());
    assert!(!said.contains("signal_failed"), "{said}");
}

/// Each process of the tree writes down what it gets; each of these has its event, with a reason, and no other is told.
#[test]
fn safety_7_every_signal_is_an_event_with_its_reason() {
    let scene = Scene::new();
    let watch = |name: &str| format!("python3 -S {} {}", script("signals.py"), scene.path(name).display());
    // A USR1 ends these: at the end there is nobody left to be killed by force, whose log would lack that.
    let line = format!("{} & setsid {} & exec {}", watch("one"), watch("two"), watch("main"));
    let flags = ["--cgroup", "off", "--grace", "400ms", "--verbose"];
    let running = scene.run(&flags, &["sh", "-c", &line]);
    let ready = |name: &str| {
        wait_for("the workload is ready", PATIENCE, || {
            if scene.text(name).contains("ready") { Ok(()) } else { Err(scene.text("stderr")) }
        });
    };
    for name in ["one", "two", "main"] {
        ready(name);
    }
    for (signal, name) in [(12, "SIGUSR2"), (1, "SIGHUP"), (28, "SIGWINCH"), (12, "SIGUSR2")] {
        let count = || scene.text("main").matches(name).count();
        let before = count();
        running.signal(signal);
        wait_for(name, PATIENCE, || if count() > before { Ok(()) } else { Err(scene.text("main")) });
    }
    assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
    assert_eq!(running.wait().code(), Some(137));
    scene.expect_nothing_left();

    let mut told: BTreeMap<i64, Vec<(i64, String)>> = BTreeMap::new();
    for event in scene.events_of("signal_sent") {
        let pid = event["target"]["pid"].as_i64().unwrap();
        let reason = event["reason"].as_str().unwrap().to_owned();
        told.entry(pid).or_default().push((event["signal"].as_i64().unwrap(), reason));
    }
    let main = scene.events_of("unit_started")[0]["main"]["pid"].as_i64().unwrap();
    let reasons = |list: &[(i64, &str)]| list.iter().map(|(s, r)| (*s, (*r).to_owned())).collect::<Vec<_>>();
    let forwarded = [12, 1, 28, 12].map(|signal| (signal, "forwarded"));
    let mut expected = reasons(&forwarded);
    expected.extend(reasons(&[(15, "stop"), (9, "grace_expired")]));
    assert_eq!(told.remove(&main).unwrap(), expected);
    assert_eq!(
        scene.text("main").lines().collect::<Vec<_>>(),
        ["ready", "SIGUSR2", "SIGHUP", "SIGWINCH", "SIGUSR2", "SIGTERM"]
    );
    // The grace of the whole tree was over: what the command left is killed with it, once each.
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.values().all(|signals| *signals == reasons(&[(9, "grace_expired")])), "{told:?}");
    for name in ["one", "two"] {
        assert_eq!(scene.text(name), "ready\n");
    }
}

/// What a service manager runs stays, in every profile, and is told.
#[test]
fn safety_5_what_a_service_manager_runs_is_left_alone() {
    let scene = Scene::new();
    let group = format!("/sys/fs/cgroup/unified/test-{}.service", scene.unit);
    if fs::create_dir(&group).is_err() {
        return eprintln!("skipped: no cgroup can be made");
    }
    let line = format!(
        "sh -c 'echo $$ >{group}/cgroup.procs; exec sleep 1000' & \
         while ! grep -q sleep /proc/$!/comm; do :; done; echo $! >{}; exit 5",
        scene.path("pid").display()
    );
    assert_eq!(scene.code(&["--profile", "job", "--cgroup", "off"], &["sh", "-c", &line]), 5);
    let managed: i32 = scene.text("pid").trim().parse().unwrap();
    let kept = scene.events_of("kept");
    assert!(alive(managed), "{}", scene.text("stderr"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["target"]["pid"], managed);
    assert!(kept[0]["because"].as_str().unwrap().contains(".service"), "{kept:?}");
    kill(managed, 9);
    wait_for("the test's own group can go", PATIENCE, || fs::remove_dir(&group).map_err(|e| e.to_string()));
}

/// A record directory that others may write to, or that is somebody else's, would let them decide who is signalled.
#[test]
fn safety_3_a_runtime_directory_of_others_is_refused() {
    for wrong in ["mode", "owner", "link", "file"] {
        let scene = Scene::new();
        let path = scene.path("run/scupper");
        match wrong {
            "link" => std::os::unix::fs::symlink(scene.path("state"), &path).unwrap(),
            "file" => fs::write(&path, "").unwrap(),
            _ => fs::create_dir(&path).unwrap(),
        }
        if wrong == "mode" {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        if wrong == "owner" && std::os::unix::fs::chown(&path, Some(65534), Some(65534)).is_err() {
            eprintln!("skipped: only root can give a directory away");
            continue;
        }
        for (arguments, code) in
            [(&["run", "--", "touch", "ran"][..], 125), (&["ps"], 2), (&["stop", "x"], 2)]
        {
            let mut scupper = scene.scupper(arguments);
            let out = scupper.current_dir(scene.dir.path()).output().unwrap();
            let said = String::from_utf8(out.stderr).unwrap();
            assert_eq!(out.status.code(), Some(code), "{wrong}: {said}");
            assert!(said.contains(path.to_str().unwrap()) && said.lines().count() <= 2, "{said}");
        }
        assert!(!scene.path("ran").exists());
    }
}

/// Unrelated children of whoever started scupper, and scupper's own parent, are none of its business.
#[test]
fn safety_5_what_was_there_before_is_left_alone() {
    let scene = Scene::new();
    let line = format!(
        "sleep 1000 & '{SCUPPER}' run --name {} -- sh -c 'sleep 1000 & exit 0'; echo $!; wait",
        scene.unit
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).stdout(Stdio::piped());
    scene.dress(&mut shell);
    let shell =
        Running { child: shell.stdout(fs::File::create(scene.path("stdout")).unwrap()).spawn().unwrap() };
    wait_for("scupper has ended", PATIENCE, || {
        if scene.text("stdout").ends_with('\n') { Ok(()) } else { Err(scene.text("stdout")) }
    });
    scene.expect_nothing_left();
    let left = children(shell.pid());
    assert_eq!(left.iter().map(|pid| comm(*pid)).collect::<Vec<_>>(), ["sleep"]);
    kill(left[0], 15);
    assert!(shell.wait().success());
}
