//! Issue 2, 10: several units of one file, and the file again at SIGHUP.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::scene::{PATIENCE, Running, Scene, alive, kill, pids, wait_for};

/// A scene with a `scupper.toml` whose units are named after it.
struct House {
    scene: Scene,
    file: PathBuf,
}

impl House {
    fn new() -> Self {
        let scene = Scene::new();
        let file = scene.path("scupper.toml");
        Self { scene, file }
    }

    fn name(&self, unit: &str) -> String {
        format!("{}-{unit}", self.scene.unit)
    }

    /// Units as name, command line and further settings.
    fn write(&self, units: &[(&str, &str, &str)]) {
        let text: String = units
            .iter()
            .map(|(name, command, more)| {
                format!("[[unit]]\nname = \"{}\"\ncommand = [\"sh\", \"-c\", '''{command}''']\ngrace = \"2s\"\n{more}\n", self.name(name))
            })
            .collect();
        fs::write(&self.file, text).unwrap();
    }

    fn up(&self, flags: &[&str]) -> Running {
        let mut scupper = self.scene.scupper(&["up", "--log-format", "json", "--verbose"]);
        scupper.args(flags).arg("-f").arg(&self.file);
        scupper.stdout(fs::File::create(self.scene.path("stdout")).unwrap());
        scupper.stderr(fs::File::create(self.scene.path("stderr")).unwrap());
        Running { child: scupper.spawn().unwrap() }
    }

    /// What `ps` says of a unit, once it fits.
    #[track_caller]
    fn status(&self, unit: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, PATIENCE, || {
            let out = self.scene.scupper(&["ps", &self.name(unit), "--json"]).output().unwrap();
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            let status = answer.pointer("/units/0/status").cloned().unwrap_or_default();
            if status.is_object() && fits(&status) {
                Ok(status)
            } else {
                Err(format!("{text}\n{}", self.scene.text("stderr")))
            }
        })
    }

    fn running(&self, unit: &str) -> i32 {
        let status = self.status(unit, "the unit runs", |status| status["phase"] == "running");
        status["record"]["main"]["pid"].as_i64().unwrap().try_into().unwrap()
    }

    fn events_of(&self, unit: &str, kind: &str) -> Vec<Value> {
        let name = self.name(unit);
        self.scene.events_of(kind).into_iter().filter(|event| event["unit"] == name.as_str()).collect()
    }

    fn wait_for_event(&self, unit: &str, kind: &str) -> Value {
        wait_for(kind, PATIENCE, || self.events_of(unit, kind).pop().ok_or_else(|| self.scene.text("stderr")))
    }

    fn nothing_left(&self, pids: &[i32]) {
        for pid in pids {
            wait_for("every process is gone", PATIENCE, || {
                if alive(*pid) { Err(self.scene.text("stderr")) } else { Ok(()) }
            });
        }
        let left: Vec<_> = fs::read_dir(self.scene.path("run/scupper"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for House {
    /// Whatever a failing test left is ended by id.
    fn drop(&mut self) {
        let mark = format!("SCUPPER_UNIT={}-", self.scene.unit);
        let ours = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|b| *b == 0).any(|entry| entry.starts_with(mark.as_bytes()))
        };
        pids().filter(ours).for_each(|pid| kill(pid, 9));
    }
}

const SLEEP: &str = "exec sleep 1000";

#[test]
fn up_runs_all_units_and_term_ends_them() {
    let house = House::new();
    house.write(&[
        ("web", SLEEP, ""),
        ("db", "sleep 1000 & setsid sleep 1000 & wait", ""),
        ("deaf", "trap '' TERM; sleep 1000 & wait; wait", "profile = \"worker\""),
    ]);
    let running = house.up(&[]);
    let pids = ["web", "db", "deaf"].map(|unit| house.running(unit));
    running.signal(15);
    assert_eq!(running.wait().code(), Some(0), "asked to end, it ended well: {}", house.scene.text("stderr"));
    assert_eq!(house.scene.events_of("unit_stopped").len(), 3);
    house.nothing_left(&pids);
}

#[test]
fn r023_one_unit_crashes_and_is_started_again_and_the_others_run_on() {
    let house = House::new();
    let count = house.scene.path("count");
    let crash = format!(
        "echo x >>{0}; if [ $(wc -l <{0}) -ge 3 ]; then exec sleep 1000; fi; exit 5",
        count.display()
    );
    house.write(&[("crash", &crash, "restart = \"on-failure\""), ("web", SLEEP, ""), ("job", "exit 0", "")]);
    let running = house.up(&[]);
    let web = house.running("web");
    house.status("crash", "it was started three times", |status| {
        status["counts"]["starts"] == 3 && status["phase"] == "running"
    });
    let delays: Vec<u64> =
        house.events_of("crash", "unit_restarting").iter().map(|e| e["delay_ms"].as_u64().unwrap()).collect();
    assert_eq!(delays.len(), 2);
    assert!(delays[1] > 0, "{delays:?}");
    assert_eq!(house.running("web"), web);
    assert_eq!(house.events_of("job", "unit_stopped").len(), 1);
    let crash = house.running("crash");
    running.signal(15);
    running.wait();
    house.nothing_left(&[web, crash]);
}

/// The code of the first unit that failed is scupper's, where nobody asked for its end.
#[test]
fn up_ends_with_its_last_unit_and_tells_of_a_failure() {
    let house = House::new();
    house.write(&[("one", "exit 0", ""), ("two", "exit 7", ""), ("three", "exit 0", "")]);
    assert_eq!(house.up(&[]).wait().code(), Some(7), "{}", house.scene.text("stderr"));
    house.nothing_left(&[]);
    house.write(&[("one", "exit 0", ""), ("two", "exit 0", "")]);
    assert_eq!(house.up(&[]).wait().code(), Some(0));
}

#[test]
fn sighup_reads_the_file_again() {
    let house = House::new();
    house.write(&[
        ("same", SLEEP, ""),
        ("limit", SLEEP, "mem_soft = \"400M\""),
        ("command", "exec sleep 1001", ""),
        ("gone", "sleep 1000 & exec sleep 1000", ""),
    ]);
    let running = house.up(&[]);
    let before = ["same", "limit", "command", "gone"].map(|unit| house.running(unit));
    house.write(&[
        ("same", SLEEP, ""),
        ("limit", SLEEP, "mem_soft = \"500M\"\nmem_hard = \"600M\"\nmax_fds = \"90:100\""),
        ("command", "exec sleep 1002", ""),
        ("new", SLEEP, ""),
    ]);
    running.signal(1);
    let new = house.running("new");
    let limit = house.status("limit", "its limits are the new ones", |status| {
        status["limits"]["mem_soft"] != Value::Null && status["limits"]["mem_hard"] != Value::Null
    });
    assert_eq!(limit["limits"]["mem_hard"], "600MiB", "{limit}");
    assert_eq!(limit["limits"]["fds"], serde_json::json!([90, 100]));
    let command = house.status("command", "it was started again", |status| {
        status["counts"]["starts"] == 2 && status["phase"] == "running"
    });
    assert_eq!(command["record"]["command"], "sh -c exec sleep 1002");
    assert_eq!(house.wait_for_event("gone", "unit_stopped")["reason"], "configuration changed");
    assert!(!alive(before[2]) && !alive(before[3]));
    // Neither of these was started again.
    assert_eq!([house.running("same"), house.running("limit")], [before[0], before[1]]);
    assert_eq!(house.events_of("same", "reloaded").len(), 0);
    running.signal(15);
    assert_eq!(running.wait().code(), Some(0));
    house.nothing_left(&[before[0], before[1], new]);
}

/// Sessions of an agent share a name and are numbered: the file that is read again still means the one that it started.
#[test]
fn a_numbered_unit_is_known_when_the_file_is_read_again() {
    let house = House::new();
    let agent = ("agent", SLEEP, "profile = \"agent\"");
    house.write(&[agent]);
    let first = house.up(&[]);
    let one = house.running("agent");
    let second = house.up(&[]);
    let two = house.running("agent-2");
    house.write(&[agent, ("new", SLEEP, "")]);
    second.signal(1);
    let new = house.running("new");
    assert_eq!(house.running("agent-2"), two, "it was started again: {}", house.scene.text("stderr"));
    assert!(house.events_of("agent-2", "unit_stopped").is_empty());
    second.signal(15);
    assert_eq!(second.wait().code(), Some(0));
    assert!(alive(one));
    first.signal(15);
    first.wait();
    house.nothing_left(&[one, two, new]);
}

#[test]
fn a_broken_file_keeps_what_runs_and_says_so() {
    let house = House::new();
    house.write(&[("web", SLEEP, ""), ("db", SLEEP, "")]);
    let running = house.up(&[]);
    let before = [house.running("web"), house.running("db")];
    for (count, broken) in
        ["[[unit]]\nname = \"x\"\ncomand = [\"true\"]\n", "", "\u{0}nonsense"].iter().enumerate()
    {
        fs::write(&house.file, broken).unwrap();
        running.signal(1);
        wait_for("it says so", PATIENCE, || {
            let told = house.scene.events_of("trouble").len();
            if told > count { Ok(()) } else { Err(house.scene.text("stderr")) }
        });
    }
    fs::remove_file(&house.file).unwrap();
    running.signal(1);
    wait_for("it says so", PATIENCE, || {
        if house.scene.events_of("trouble").len() == 4 { Ok(()) } else { Err(house.scene.text("stderr")) }
    });
    let told = house.scene.events_of("trouble");
    assert!(told[0]["message"].as_str().unwrap().contains("comand"), "{told:?}");
    assert!(
        told.iter().all(|event| event["message"].as_str().unwrap().contains("nothing changed")),
        "{told:?}"
    );
    assert_eq!([house.running("web"), house.running("db")], before);
    // Put right, it counts again.
    house.write(&[("web", SLEEP, "")]);
    running.signal(1);
    house.wait_for_event("db", "unit_stopped");
    assert_eq!(house.running("web"), before[0]);
    running.signal(15);
    running.wait();
    house.nothing_left(&before);
}

/// One unit can be stopped, restarted and changed by itself; the last one's end is scupper's.
#[test]
fn units_are_commanded_by_name() {
    let house = House::new();
    house.write(&[("web", SLEEP, ""), ("db", SLEEP, "")]);
    let running = house.up(&[]);
    let (web, db) = (house.running("web"), house.running("db"));
    let ask = |arguments: &[&str]| {
        let out = house.scene.scupper(arguments).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {out:?}");
    };
    ask(&["restart", &house.name("web")]);
    assert!(!alive(web));
    ask(&["set", &house.name("db"), "--mem-soft", "300M"]);
    house.status("db", "its limit is set", |status| status["limits"]["mem_soft"] == "300MiB");
    assert_eq!(house.running("db"), db);
    ask(&["stop", &house.name("db"), "--no-wait"]);
    house.wait_for_event("db", "unit_stopped");
    let web = house.running("web");
    ask(&["stop", &house.name("web"), "--no-wait"]);
    assert_eq!(running.wait().code(), Some(0), "both ended because somebody asked");
    house.nothing_left(&[web, db]);
}

/// In one scupper two units are told apart also where a process escapes to it.
#[test]
fn orphans_of_two_units_are_told_apart() {
    let house = House::new();
    let file = |name: &str| house.scene.path(name).display().to_string();
    let orphan = |name: &str| {
        format!("(setsid sleep 1000 & echo $! >{0}.new; mv {0}.new {0}); exec sleep 1000", file(name))
    };
    let (one, two) = (orphan("one"), orphan("two"));
    house.write(&[("one", &one, "cgroup = \"off\""), ("two", &two, "cgroup = \"off\"")]);
    let running = house.up(&[]);
    let pid = |name: &str| -> i32 {
        wait_for("the orphan is there", PATIENCE, || {
            house.scene.text(name).trim().parse().map_err(|_| house.scene.text("stderr"))
        })
    };
    let (first, second) = (pid("one"), pid("two"));
    house.status("two", "its orphan is counted", |status| status["tree"]["processes"] == 2);
    assert!(house.scene.scupper(&["stop", &house.name("one"), "--no-wait"]).status().unwrap().success());
    house.wait_for_event("one", "unit_stopped");
    assert!(!alive(first) && alive(second), "{}", house.scene.text("stderr"));
    running.signal(15);
    running.wait();
    house.nothing_left(&[first, second]);
}

/// The engine of all units is lost: its guardian ends them all.
#[test]
fn r119_up_leaves_nothing_behind_when_its_engine_is_killed() {
    let house = House::new();
    house.write(&[
        ("web", "sleep 1000 & exec sleep 1000", ""),
        ("db", "setsid sleep 1000 & exec sleep 1000", ""),
    ]);
    let running = house.up(&[]);
    let pids = [house.running("web"), house.running("db")];
    kill(running.engine(), 9);
    assert_eq!(running.wait().code(), Some(137));
    assert_eq!(house.scene.events_of("supervisor_lost").len(), 2, "{}", house.scene.text("stderr"));
    house.nothing_left(&pids);
}
