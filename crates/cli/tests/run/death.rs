//! R026, R062, R063: death certificates of real deaths. What the kernel proves is said, and nothing more: "OOM" only
//! with a step in the counter of the process's own cgroup.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::limits_tree::workers;
use super::scene::{PATIENCE, Scene, children, kill, wait_for};
use super::workload::{MIB, mib, number, request, script};

/// A memory cgroup (v1) of a test's own, removed with it.
struct MemoryCgroup(PathBuf);

impl MemoryCgroup {
    /// `None`, and the reason said, where it cannot be made.
    fn make(scene: &Scene, limit: u64) -> Option<Self> {
        let path = PathBuf::from("/sys/fs/cgroup/memory").join(format!("scupper-test-{}", scene.unit));
        let made = std::fs::create_dir(&path)
            .and_then(|()| std::fs::write(path.join("memory.limit_in_bytes"), limit.to_string()));
        match made {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                eprintln!("skipped: no memory cgroup v1 of its own at {}: {error}", path.display());
                None
            }
        }
    }

    fn members(&self) -> String {
        self.0.join("cgroup.procs").to_string_lossy().into_owned()
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        let mut left = Err(std::io::ErrorKind::Other.into());
        for _ in 0..500 {
            left = std::fs::remove_dir(&self.0);
            if left.is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("{} is left: {left:?}", self.0.display());
    }
}

/// The certificate of a process that died below the main one.
#[track_caller]
fn died(scene: &Scene, pid: i64) -> Value {
    scene.wait_for_event("process_died", |event| event["certificate"]["pid"] == pid)["certificate"].clone()
}

#[test]
fn r026_an_exit_code_and_who_it_was() {
    let scene = Scene::new();
    assert_eq!(scene.code(&["--verbose"], &["sh", "-c", "exit 7"]), 7);
    let death = scene.certificate();
    assert_eq!(
        (&death["how"], &death["code"], &death["by"]),
        (&"exited".into(), &7.into(), &"itself".into())
    );
    assert_eq!((&death["name"], &death["role"]), (&"sh".into(), &"main".into()));
    assert_eq!(death.get("fatal"), None);
}

/// A command that is gone before anybody could look at it still has its own name, not the launcher's.
#[test]
fn r026_a_command_that_ends_at_once_has_its_own_name() {
    for _ in 0..10 {
        let scene = Scene::new();
        assert_eq!(scene.code(&["--verbose"], &["/bin/false"]), 1);
        let death = scene.certificate();
        assert_eq!((&death["how"], &death["name"]), (&"exited".into(), &"false".into()), "{death}");
    }
}

/// A signal of its own fault, and whether a core was written: as the kernel says it without us, too.
#[test]
fn r026_a_fault_and_its_core() {
    for limit in ["0", "unlimited"] {
        let line = format!("ulimit -c {limit}; kill -ABRT $$");
        let scene = Scene::new();
        let directory = scene.path("").to_string_lossy().into_owned();
        let mut bare = Command::new("bash");
        bare.args(["-c", &line]).current_dir(&directory).process_group(0);
        let bare = bare.status().unwrap();
        assert_eq!(bare.signal(), Some(6));
        assert_eq!(scene.code(&["--directory", &directory], &["bash", "-c", &line]), 134);
        let death = scene.certificate();
        assert_eq!((&death["signal"], &death["by"]), (&6.into(), &"itself".into()), "{death}");
        assert_eq!(death["core_dumped"], bare.core_dumped(), "ulimit -c {limit}");
    }
}

/// Who sent the signal that scupper passed on.
#[test]
fn r026_a_signal_that_was_passed_on_names_its_sender() {
    let scene = Scene::new();
    let running = scene.run(&["--verbose"], &["sleep", "1000"]);
    scene.live();
    running.signal(15);
    assert_eq!(running.wait().code(), Some(143));
    let death = scene.certificate();
    assert_eq!((&death["by"], &death["passed_on"]), (&"forwarded".into(), &15.into()), "{death}");
    assert_eq!(death["sender"], std::process::id());
    let received = scene.only("signal_received");
    assert_eq!(received["sender"], std::process::id());
}

/// A signal that was passed on long before, and that the command took for what it was, has not ended it.
#[test]
fn r026_a_signal_that_was_only_passed_on_is_no_cause() {
    let scene = Scene::new();
    let (ready, got, go) = (scene.at("ready"), scene.at("got"), scene.at("go"));
    let line = format!(
        "trap 'echo >> {got}' USR1 HUP; echo > {ready}; while [ ! -e {go} ]; do sleep 0.02; done; exit 3"
    );
    let running = scene.run(&["--verbose"], &["sh", "-c", &line]);
    let is_there = |name: &str| if scene.path(name).exists() { Ok(()) } else { Err(scene.text("stderr")) };
    wait_for("its handlers are set", PATIENCE, || is_there("ready"));
    for (signal, lines) in [(10, 1), (1, 2)] {
        running.signal(signal);
        wait_for("it got the signal", PATIENCE, || {
            if scene.text("got").len() == lines { Ok(()) } else { Err(scene.text("stderr")) }
        });
    }
    std::fs::write(&go, "").unwrap();
    assert_eq!(running.wait().code(), Some(3));
    let death = scene.certificate();
    assert_eq!((&death["code"], &death["by"]), (&3.into(), &"itself".into()), "{death}");
}

/// What scupper did itself is laid at its own door, with the reason.
#[test]
fn r026_our_own_kill_says_so() {
    let scene = Scene::new();
    let running = scene.run_script(&["--grace", "200ms"], "leak.py", &["--rate", "0", "--deaf"]);
    // Deaf from here on: its handler is set before it begins.
    wait_for("it is deaf", PATIENCE, || {
        let main = scene.live()["record"]["main"]["pid"].clone();
        let status = std::fs::read_to_string(format!("/proc/{main}/status")).unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
        let term = u64::from_str_radix(ignored, 16).unwrap_or(0) & 1 << 14 != 0;
        if term { Ok(()) } else { Err(status) }
    });
    scene.stop(running);
    let death = scene.certificate();
    assert_eq!((&death["signal"], &death["by"]), (&9.into(), &"scupper".into()), "{death}");
    assert_eq!(death["reason"], "grace_expired");
}

/// KILL from outside is of unknown origin, and never called OOM: neither of the main process nor of a grandchild that
/// its parent has reaped before anybody could ask.
#[test]
fn r026_a_kill_from_outside_is_unknown() {
    let scene = Scene::new();
    let pids = scene.at("pids");
    let running = scene.run_script(&[], "parent.py", &[&pids, "sleep 1000", "sh -c 'sleep 1001; :'"]);
    let family = scene.family();
    let grandchild = wait_for("the grandchild is there", PATIENCE, || {
        children(family[2]).first().copied().ok_or_else(|| "not yet".to_owned())
    });
    scene.wait_until("all are known", |status| status["tree"]["processes"] == 4);
    for pid in [family[1], grandchild] {
        kill(pid, 9);
        let death = died(&scene, pid.into());
        assert_eq!((&death["how"], &death["signal"]), (&"signaled".into(), &9.into()), "{death}");
        assert_eq!((&death["by"], &death["name"]), (&"unknown".into(), &"sleep".into()), "{death}");
        assert_eq!(death["role"], "helper");
    }
    kill(family[0], 9);
    assert_eq!(running.wait().code(), Some(137));
    let death = scene.certificate();
    assert_eq!((&death["signal"], &death["by"]), (&9.into(), &"unknown".into()), "{death}");
    assert_eq!(scene.text("stderr").matches("oom").count(), 0);
    scene.expect_nothing_left();
}

/// The OOM killer ends the main process, twice: each step of the counter proves one death.
#[test]
fn r026_the_oom_killer_is_proven_by_the_counter() {
    let scene = Scene::new();
    let Some(cgroup) = MemoryCgroup::make(&scene, 30 * MIB) else { return };
    let line = format!("echo $$ > {} && exec python3 -S {} --rate 20", cgroup.members(), script("leak.py"));
    let running = scene.run(&["--restart", "on-failure"], &["sh", "-c", &line]);
    let deaths = wait_for("it was killed twice", PATIENCE, || {
        let deaths = scene.events_of("unit_exited");
        if deaths.len() >= 2 { Ok(deaths) } else { Err(scene.text("stderr")) }
    });
    for (death, before) in deaths.iter().zip(0_u64..2) {
        let death = &death["certificate"];
        assert_eq!((&death["signal"], &death["by"]), (&9.into(), &"oom_killer".into()), "{death}");
        assert_eq!(death["cgroup"], cgroup.0.to_string_lossy().as_ref());
        assert_eq!((number(death, "count_before"), number(death, "count_after")), (before, before + 1));
        let (last, peak) = (number(death, "last_rss_bytes"), number(death, "peak_rss_bytes"));
        eprintln!(
            "OOM at 30 MiB: last {:.1}, peak {:.1} MiB, grown {}",
            mib(last),
            mib(peak),
            death["growth_bytes"]
        );
        // How far the last look was behind is the machine's affair.
        assert!(last > 5 * MIB && peak >= last, "{death}");
        // It lived for about as long as it takes to know what it weighs at rest: unknown, not 0.
        assert_ne!(death["growth_bytes"], 0, "{death}");
    }
    scene.stop(running);
}

/// The OOM killer ends a worker of a real gunicorn: its certificate proves it, the master replaces it; the next worker
/// that is killed from outside in the same cgroup is not blamed on it.
#[test]
fn heavy_r026_an_oom_killed_worker_is_proven_and_the_next_kill_is_not_blamed_on_it() {
    let scene = Scene::new();
    let Some(cgroup) = MemoryCgroup::make(&scene, 60 * MIB) else { return };
    let join = format!("JOIN={}", cgroup.members());
    let running = scene.run_gunicorn(&["--env", &join], "0.3");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    scene.wait_until("both workers are recognised", |status| workers(status).len() == 2);
    let death = wait_for("the OOM killer came", PATIENCE, || {
        // Some of these are what the killed worker was answering.
        let _ = request(&socket);
        let died = scene.events_of("process_died").into_iter().next();
        died.map(|event| event["certificate"].clone()).ok_or_else(|| scene.text("stderr"))
    });
    assert_eq!(
        (&death["by"], &death["role"], &death["signal"]),
        (&"oom_killer".into(), &"worker".into(), &9.into())
    );
    assert_eq!((number(&death, "count_before"), number(&death, "count_after")), (0, 1));
    assert!(
        number(&death, "peak_rss_bytes") > 30 * MIB && number(&death, "growth_bytes") > 5 * MIB,
        "{death}"
    );
    eprintln!(
        "worker: peak {:.1} MiB, grown {}",
        mib(number(&death, "peak_rss_bytes")),
        death["growth_bytes"]
    );
    let status = scene.wait_until("it was replaced", |status| {
        let now = workers(status);
        now.len() == 2 && !now.contains_key(&death["pid"].as_i64().unwrap())
    });
    assert_eq!(status["counts"]["oom_kills"], 1);

    let next = *workers(&status).keys().next().unwrap();
    kill(i32::try_from(next).unwrap(), 9);
    let death = died(&scene, next);
    assert_eq!((&death["by"], &death["signal"]), (&"unknown".into(), &9.into()), "{death}");
    scene.wait_until("that one was replaced too", |status| {
        let now = workers(status);
        now.len() == 2 && !now.contains_key(&next)
    });
    assert_eq!(scene.live()["counts"]["starts"], 1);
    scene.stop(running);
}

/// R062, R063: V8 runs out of its heap; what it printed is in the certificate, beside the limit that it had.
#[test]
fn r063_v8_says_why_it_died() {
    for by_environment in [false, true] {
        let scene = Scene::new();
        let (log, hog) = (scene.at("log"), script("../../../knowledge/tests/fixtures/hog.js"));
        let option = if by_environment { "" } else { "--max-old-space-size=32" };
        let line = format!("exec node {option} {hog} > {log} 2>&1");
        let environment = ["--env", "NODE_OPTIONS=--max-old-space-size=32"];
        let mut flags = vec!["--log", &log];
        flags.extend(if by_environment { &environment[..] } else { &[] });
        assert_eq!(scene.code(&flags, &["sh", "-c", &line]), 134);
        let death = scene.certificate();
        assert_eq!((&death["signal"], &death["by"]), (&6.into(), &"itself".into()), "{death}");
        assert_eq!(death["heap_limit_bytes"], 32 * MIB, "{death}");
        let fatal = &death["fatal"];
        assert_eq!(fatal["runtime"], "v8");
        assert!(fatal["message"].as_str().unwrap().contains("heap out of memory"), "{fatal}");
        assert!(
            number(fatal, "uptime_ms") > 0 && !fatal["last_gcs"].as_array().unwrap().is_empty(),
            "{fatal}"
        );
        assert_eq!(fatal["pid"], death["pid"]);
        assert!(!death["last_lines"].as_array().unwrap().is_empty());
        assert_eq!(scene.only("fatal_message")["fatal"], *fatal);
    }
}

/// A Python that ran out of memory, and said so in its log.
#[test]
fn r063_python_says_why_it_died() {
    let scene = Scene::new();
    let log = scene.at("log");
    std::fs::write(&log, "Traceback (most recent call last):\nMemoryError: of yesterday\n").unwrap();
    let line = format!("exec python3 -S {} --cap 1 --error 2>> {log}", script("leak.py"));
    assert_eq!(scene.code(&["--log", &log], &["sh", "-c", &line]), 1);
    let death = scene.certificate();
    assert_eq!((&death["fatal"]["runtime"], &death["code"]), (&"python".into(), &1.into()), "{death}");
    assert_eq!(death["fatal"]["message"], "MemoryError: no more");
    let lines = death["last_lines"].as_array().unwrap();
    assert_eq!(lines.last().unwrap(), "MemoryError: no more");
    assert!(!lines.iter().any(|line| line.as_str().unwrap().contains("yesterday")), "{lines:?}");
    scene.only("fatal_message");
}

/// A heap that may grow beyond all memory is said while there is time to change it: seed 002's 8 GB on a smaller host.
#[test]
fn r062_a_heap_limit_above_the_memory_is_said() {
    for by_environment in [false, true] {
        let scene = Scene::new();
        let environment = ["--env", "NODE_OPTIONS=--max-old-space-size=90000000"];
        let wait = "setTimeout(() => {}, 60000)";
        let command = ["node", "--max-old-space-size=90000000", "-e", wait];
        let running = if by_environment {
            scene.run(&environment, &["node", "-e", wait])
        } else {
            scene.run(&[], &command)
        };
        let said = wait_for("the heap limit is said", PATIENCE, || {
            scene.events_of("heap_limit_too_high").pop().ok_or_else(|| scene.text("stderr"))
        });
        assert_eq!(said["heap_limit_bytes"], 90_000_000 * MIB, "{said}");
        assert!(number(&said, "memory_bytes") < 90_000_000 * MIB, "{said}");
        running.signal(15);
        running.wait();
        scene.expect_nothing_left();
    }
}
