//! Safety 11 and 12, R047, R073: scupper itself stays as it is over many restarts and births, costs little beside a large
//! tree, and whatever it reads is data.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use scupper_supervise::control::{self, Reply, Request, UnitStatus};
use serde_json::Value;

use super::scene::{PATIENCE, Scene, rss_kib, wait_for};

fn socket(scene: &Scene) -> PathBuf {
    scene.path(&format!("run/scupper/{}.sock", scene.unit))
}

fn ask(scene: &Scene, request: &Request) -> Result<Reply, String> {
    control::ask(&socket(scene), request, Duration::from_secs(10)).map_err(|error| error.to_string())
}

fn status(scene: &Scene) -> Result<Box<UnitStatus>, String> {
    match ask(scene, &Request::Status)? {
        Reply::Status(status) => Ok(status),
        other => Err(format!("{other:?}")),
    }
}

fn open_files(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn heavy_safety_11_restarts_cost_scupper_nothing() {
    let scene = Scene::new();
    let running = scene.run(&["--grace", "5s"], &["sleep", "1000"]);
    let engine = running.engine();
    let mut starts = wait_for("the unit answers", PATIENCE, || status(&scene)).counts.starts;
    let mut restart = |times: u32| {
        for _ in 0..times {
            assert!(matches!(ask(&scene, &Request::Restart), Ok(Reply::Accepted { .. })));
            starts += 1;
            wait_for("it is started again", PATIENCE, || {
                let status = status(&scene)?;
                let again =
                    status.counts.starts == starts && status.phase == scupper_model::UnitPhase::Running;
                if again { Ok(()) } else { Err(format!("{status:?}")) }
            });
        }
    };
    restart(30);
    let weigh = |pid: i32| (rss_kib(pid), open_files(pid));
    let before = (weigh(engine), weigh(running.pid()));
    restart(300);
    // The last look may hold descriptors of a process that is just gone.
    let after = wait_for("no more descriptors than before", PATIENCE, || {
        let after = (weigh(engine), weigh(running.pid()));
        if after.0.1 <= before.0.1 && after.1.1 <= before.1.1 {
            Ok(after)
        } else {
            Err(format!("{before:?} {after:?}"))
        }
    });
    eprintln!("engine and guardian, KiB and descriptors, before {before:?} and after 300 restarts {after:?}");
    for (before, after) in [(before.0, after.0), (before.1, after.1)] {
        assert!(after.0 < before.0 + 1024, "grew from {before:?} to {after:?}");
    }
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
}

/// Memory that is nobody's but its own: a test binary's code, which is not optimised, does not count.
fn own_memory_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Time on a processor, all threads, to the nanosecond.
fn processor_time(pid: i32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let spent = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// R073: over ten thousand births scupper keeps nothing of those who came and went. `bench/soak.py --births` is the same
/// with a hundred thousand.
#[test]
fn heavy_r073_processes_that_come_and_go_cost_scupper_nothing() {
    let scene = Scene::new();
    let count = scene.at("births");
    let running = scene.run_script(&["--mem-hard", "1G"], "births.py", &[&count]);
    let engine = running.engine();
    let births = |wanted: u64| {
        wait_for("so many were born", PATIENCE * 2, || match scene.text("births").parse::<u64>() {
            Ok(births) if births >= wanted => Ok(births),
            other => Err(format!("{other:?}")),
        })
    };
    let first = births(1_500);
    let weigh = |pid: i32| (own_memory_kib(pid), open_files(pid));
    let before = (weigh(engine), weigh(running.pid()));
    let last = births(first + 10_000);
    // In the middle of it, a look holds descriptors of who is there.
    let after = wait_for("no more descriptors than before", PATIENCE, || {
        let after = (weigh(engine), weigh(running.pid()));
        if after.0.1 <= before.0.1 + 4 && after.1.1 <= before.1.1 {
            Ok(after)
        } else {
            Err(format!("{after:?}"))
        }
    });
    eprintln!(
        "{} births: own KiB and descriptors of engine and guardian {before:?} -> {after:?}",
        last - first
    );
    for (before, after) in [(before.0, after.0), (before.1, after.1)] {
        assert!(after.0 < before.0 + 512, "grew from {before:?} to {after:?}");
    }
    let status = scene.live();
    let reaped = status["counts"]["zombies_reaped"].as_u64().unwrap();
    assert!(reaped > 2_000, "the orphans were adopted and reaped: {status}");
    assert_eq!(status["counts"]["starts"], 1);
    scene.stop(running);
}

/// R047: beside 200 processes, with limits and nothing else said, at most 1 % of one core and 6 MiB of its own.
#[test]
fn timing_r047_two_hundred_processes_cost_a_hundredth_of_a_core() {
    let scene = Scene::new();
    let flags = ["--mem-soft", "3G", "--mem-hard", "4G"];
    let running = scene.run_script(&flags, "hold.py", &["children", "200"]);
    let (engine, guardian) = (running.engine(), running.pid());
    scene.wait_until("all are there, and looked at as seldom as it gets", |status| {
        status["tree"]["processes"] == 201
            && status["uptime_seconds"].as_f64().is_some_and(|seconds| seconds > 4.0)
    });
    let spent = || processor_time(engine) + processor_time(guardian);
    let (began, before) = (Instant::now(), spent());
    // Nothing is asked of it meanwhile: an answer costs more than a look.
    wait_for("eleven seconds went by, with two looks at least", PATIENCE, || {
        if began.elapsed() > Duration::from_secs(11) { Ok(()) } else { Err("they did not".to_owned()) }
    });
    let (took, spent) = (began.elapsed().as_secs_f64(), spent().saturating_sub(before));
    let share = spent.as_secs_f64() / took;
    let own = own_memory_kib(engine) + own_memory_kib(guardian);
    eprintln!("200 processes: {:.2} % of one core, {own} KiB of its own", share * 100.0);
    assert!(share <= 0.01, "{spent:?} in {took:.1} s");
    assert!(own <= 6 << 10, "{own} KiB");
    scene.stop(running);
}

#[test]
fn safety_12_whatever_comes_over_the_control_socket_is_data() {
    let scene = Scene::new();
    let running = scene.run(&[], &["sleep", "1000"]);
    wait_for("the unit answers", PATIENCE, || status(&scene));
    let connect = || UnixStream::connect(socket(&scene)).unwrap();
    let answer = |request: &[u8]| {
        let mut stream = connect();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may hang up before all of it is written.
        let _ = stream.write_all(request);
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        serde_json::from_str::<Value>(&line).unwrap_or_default()
    };
    let deep = [b"[".repeat(30_000), b"\n".to_vec()].concat();
    let refused: [&[u8]; 9] = [
        b"\n",
        b"nonsense\n",
        b"{\n",
        b"{\"ask\":\"explode\"}\n",
        b"{\"ask\":\"set\",\"change\":{\"mem_soft\":null},\"because\":1}\n",
        b"{\"ask\":\"set\",\"change\":{\"mem_soft\":{\"to\":\"-1\"}}}\n",
        b"\xff\xfe\x00\n",
        b"null\n",
        &deep,
    ];
    for request in refused {
        assert_eq!(
            answer(request)["reply"],
            "refused",
            "{:?}",
            String::from_utf8_lossy(&request[..20.min(request.len())])
        );
    }
    let huge = [b"x".repeat(1 << 20), b"\n".to_vec()].concat();
    assert_eq!(answer(&huge), Value::Null, "a line that never ends is hung up on");
    // Half a line and then nothing; nothing at all; gone at once.
    let mut silent: Vec<UnixStream> = Vec::new();
    for _ in 0..8 {
        let mut half = connect();
        half.write_all(b"{\"ask\":").unwrap();
        silent.extend([half]);
        drop(connect());
    }
    assert!(status(&scene).is_ok(), "others are answered meanwhile");
    // They are hung up on, without having been answered.
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut left = Vec::new();
        let end = stream.read_to_end(&mut left).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    }
    let status = status(&scene).unwrap();
    assert_eq!((status.counts.starts, status.phase), (1, scupper_model::UnitPhase::Running));
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
}

#[test]
fn safety_12_a_file_that_is_no_record_stops_nobody() {
    let scene = Scene::new();
    let dir = scene.path("run/scupper");
    assert_eq!(scene.code(&[], &["true"]), 0);
    let own = dir.join(format!("{}.json", scene.unit));
    let huge = "[".repeat(3 << 20);
    for text in ["", "{", "null", "{\"schema\":\"scupper.record/1\"}", "\u{0}\u{1}", huge.as_str()] {
        fs::write(&own, text).unwrap();
        assert_eq!(scene.code(&[], &["sh", "-c", "exit 3"]), 3, "{}", scene.text("stderr"));
        // Its own record takes the place of what lay there, and goes with it.
        assert!(!own.exists());
    }
    fs::create_dir(dir.join("directory.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.join("zero.json")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.join("pipe.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::write(dir.join("half.json"), "{\"schema\":").unwrap();
    let running = scene.run(&[], &["sleep", "1000"]);
    let out = wait_for("the unit is listed", PATIENCE, || {
        let out = scene.scupper(&["ps"]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        if text.contains(&scene.unit) && text.contains("running") { Ok(out) } else { Err(text) }
    });
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), 4, "{said}");
    assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
    assert_eq!(running.wait().code(), Some(143));
    scene.expect_nothing_left();
}
