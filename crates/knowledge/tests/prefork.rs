//! Every prefork recipe on the real server: recognised from the real /proc, one worker drained with a request in
//! flight, the request answered, the worker replaced. And for each recipe that differs from "TERM to the worker", what
//! TERM to the worker does there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests and their helpers")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use scupper_knowledge::{Drain, Recipe};
use scupper_model::Pid;
use support::{Running, installed, program, read_process, recognised, request, signal, tree, wait_for};

const TERM: i32 = 15;

/// Waits until the server is recognised with two workers.
fn recognised_as(server: &Running, name: &str) -> (&'static Recipe, Pid, Vec<Pid>) {
    wait_for(&format!("{name} with two workers"), || match recognised(server.pid).as_slice() {
        [one] if one.workers.len() == 2 => {
            assert_eq!(one.recipe.name, name);
            Some((one.recipe, one.master, one.workers.clone()))
        }
        [] | [_] => None,
        more => panic!("recognised {more:?}"),
    })
}

/// Begins a request and gives the worker that has it.
type Begin = fn(&Path) -> std::thread::JoinHandle<Result<(u16, String), String>>;

/// Drains one worker as the recipe says while it has a request.
fn drain(server: &mut Running, name: &str, begin: Begin) {
    let (recipe, master, before) = recognised_as(server, name);
    let answer = begin(&server.path("socket"));
    let worker = server.begun();
    assert!(before.contains(&worker), "{worker} has the request, recognised were {before:?}");
    match recipe.drain {
        Drain::Worker { signal: number } => {
            signal(worker, number);
            let (status, body) = answer.join().unwrap().expect("the request in flight survives");
            assert_eq!((status, body.trim()), (200, worker.to_string().as_str()));
            let after = wait_for("the worker to be replaced", || match recognised(server.pid).as_slice() {
                [one] if one.workers.len() == 2 && !one.workers.contains(&worker) => Some(one.clone()),
                _ => None,
            });
            assert_eq!(after.master, master, "the master is the same");
            assert!(after.workers.iter().any(|w| before.contains(w)), "the other worker was left alone");
            assert_eq!(begin(&server.path("socket")).join().unwrap().expect("it serves on").0, 200);
        }
        Drain::Main { signal: number } => {
            signal(master, number);
            let (status, body) = answer.join().unwrap().expect("the request in flight survives");
            assert_eq!((status, body.trim()), (200, worker.to_string().as_str()));
            wait_for("the main process to end", || server.ended());
            wait_for("the workers to end", || {
                before.iter().all(|w| read_process(w.get()).is_none()).then_some(())
            });
        }
    }
}

/// What TERM to the worker does where the recipe says otherwise: whether the request was lost.
fn term_to_worker_loses(server: &Running, name: &str, begin: Begin) -> bool {
    recognised_as(server, name);
    let answer = begin(&server.path("socket"));
    signal(server.begun(), TERM);
    answer.join().unwrap().is_err()
}

fn python(cache: &Path, script: &str) -> PathBuf {
    cache.join("venv/bin").join(script)
}

#[test]
fn r042_r025_gunicorn_worker_finishes_its_request_and_is_replaced() {
    let cache = installed();
    let arguments = ["-w", "2", "-b", "unix:@/socket", "app:wsgi"];
    let mut server = Running::start(&python(&cache, "gunicorn"), &arguments, &[]);
    drain(&mut server, "gunicorn", request);
}

#[test]
fn r042_r025_gunicorn_with_titles_as_a_module_and_threads() {
    let cache = installed();
    let titles = cache.join("titles");
    let environment = [("PYTHONPATH", titles.to_str().unwrap())];
    let arguments = ["-m", "gunicorn", "-w", "2", "-k", "gthread", "-b", "unix:@/socket", "app:wsgi"];
    let mut server = Running::start(&python(&cache, "python"), &arguments, &environment);
    drain(&mut server, "gunicorn", request);
}

#[test]
fn r042_r025_uvicorn_worker_finishes_its_request_and_is_replaced() {
    let cache = installed();
    let arguments = ["--workers", "2", "--uds", "@/socket", "app:asgi"];
    let mut server = Running::start(&python(&cache, "uvicorn"), &arguments, &[]);
    drain(&mut server, "uvicorn", request);
    let tracker = tree(server.pid)
        .into_iter()
        .find(|p| p.command.iter().any(|a| String::from_utf8_lossy(a).contains("resource_tracker")));
    let tracker = tracker.expect("its multiprocessing has a resource tracker").pid;
    assert!(!recognised(server.pid)[0].workers.contains(&tracker));
}

#[test]
fn r042_puma_worker_finishes_its_request_and_is_replaced() {
    installed();
    let Some(puma) = program("puma") else { return };
    let arguments = ["-w", "2", "-t", "1:2", "-b", "unix://@/socket", "config.ru"];
    let mut server = Running::start(&puma, &arguments, &[]);
    drain(&mut server, "puma", request);
}

fn unicorn() -> Option<Running> {
    installed();
    let arguments = ["-c", "unicorn.rb", "-l", "@/socket", "config.ru"];
    Some(Running::start(&program("unicorn")?, &arguments, &[]))
}

#[test]
fn r042_unicorn_worker_finishes_its_request_on_quit_and_is_replaced() {
    let Some(mut server) = unicorn() else { return };
    drain(&mut server, "unicorn", request);
}

#[test]
fn r042_unicorn_worker_drops_its_request_on_term() {
    let Some(server) = unicorn() else { return };
    assert!(term_to_worker_loses(&server, "unicorn", request));
}

fn hypercorn() -> Running {
    let cache = installed();
    let arguments = ["-w", "2", "-b", "unix:@/socket", "app:asgi"];
    Running::start(&python(&cache, "hypercorn"), &arguments, &[])
}

#[test]
fn r042_hypercorn_worker_drops_its_request_on_term_and_all_others_end() {
    let mut server = hypercorn();
    assert!(term_to_worker_loses(&server, "hypercorn", request));
    wait_for("hypercorn to end", || server.ended());
}

/// No signal drains this one: its main process asks the workers to finish, waits for the first one only, and sends
/// TERM to the others. An idle worker ends first, so the busy one drops its request. Should this test fail one day,
/// hypercorn was repaired and its recipe's words are to be changed.
#[test]
fn r042_hypercorn_main_process_waits_for_its_first_worker_only() {
    let mut server = hypercorn();
    let (recipe, master, _) = recognised_as(&server, "hypercorn");
    assert_eq!(recipe.drain, Drain::Main { signal: TERM });
    // Both workers serve: an idle one is ready to end before the busy one.
    wait_for("both workers to serve", || (server.log().matches("Running on").count() == 2).then_some(()));
    let answer = request(&server.path("socket"));
    server.begun();
    signal(master, TERM);
    assert!(answer.join().unwrap().is_err(), "the request is lost");
    wait_for("hypercorn to end", || server.ended());
}

fn granian(environment: &[(&str, &str)]) -> Running {
    let cache = installed();
    let arguments = ["--interface", "asgi", "--workers", "2", "--uds", "@/socket", "app:asgi"];
    Running::start(&python(&cache, "granian"), &arguments, environment)
}

#[test]
fn r042_granian_is_drained_through_its_main_process() {
    drain(&mut granian(&[]), "granian", request);
}

#[test]
fn r042_granian_ends_with_an_error_when_a_worker_is_told_to_end() {
    let mut server = granian(&[]);
    assert!(!term_to_worker_loses(&server, "granian", request), "the request itself survives");
    let status = wait_for("granian to end", || server.ended());
    assert_eq!(status.code(), Some(1));
}

fn cluster(environment: &[(&str, &str)]) -> Option<Running> {
    installed();
    Some(Running::start(&program("node")?, &["cluster.js"], environment))
}

#[test]
fn r042_node_cluster_is_drained_through_its_primary() {
    let Some(mut server) = cluster(&[("GRACEFUL", "1")]) else { return };
    drain(&mut server, "node cluster", request);
}

#[test]
fn r042_node_cluster_worker_drops_its_request_on_term() {
    let Some(server) = cluster(&[("GRACEFUL", "1")]) else { return };
    assert!(term_to_worker_loses(&server, "node cluster", request));
}

/// A `FastCGI` request for `slow.php` (<https://fastcgi-archives.github.io/FastCGI_Specification.html>, sections 3.3, 8).
fn fastcgi(socket: &Path) -> std::thread::JoinHandle<Result<(u16, String), String>> {
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let script = support::fixtures().join("slow.php");
        let mut parameters = Vec::new();
        for (name, value) in [
            ("SCRIPT_FILENAME", script.to_str().unwrap()),
            ("REQUEST_METHOD", "GET"),
            ("SCUPPER_TEST_DIR", socket.parent().unwrap().to_str().unwrap()),
        ] {
            parameters.extend([u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap()]);
            parameters.extend(name.bytes().chain(value.bytes()));
        }
        let record = |kind: u8, content: &[u8]| {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
        };
        let mut stream = wait_for("php-fpm to listen", || UnixStream::connect(&socket).ok());
        let sent =
            [record(1, &[0, 1, 0, 0, 0, 0, 0, 0]), record(4, &parameters), record(4, &[]), record(5, &[])]
                .concat();
        stream.write_all(&sent).map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n").ok_or(format!("no answer: {text:?}"))?;
        let body: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Ok((if head.contains("Status:") { 500 } else { 200 }, body))
    })
}

fn php_fpm() -> Option<Running> {
    installed();
    // Without -R it refuses to serve as root.
    Some(Running::start(&program("php-fpm")?, &["-F", "-R", "-y", "fpm.conf"], &[]))
}

#[test]
fn r042_php_fpm_child_finishes_its_request_on_quit_and_is_replaced() {
    let Some(mut server) = php_fpm() else { return };
    drain(&mut server, "php-fpm", fastcgi);
}

#[test]
fn r042_php_fpm_child_drops_its_request_on_term() {
    let Some(server) = php_fpm() else { return };
    assert!(term_to_worker_loses(&server, "php-fpm", fastcgi));
}

/// A celery worker that has begun its one task; gives the pool child that has it.
fn celery(environment: &[(&str, &str)]) -> (Running, Pid) {
    let cache = installed();
    let arguments = ["-A", "tasks", "worker", "-c", "2", "-l", "INFO"];
    let server = Running::start(&python(&cache, "celery"), &arguments, environment);
    let sent = Command::new(python(&cache, "python"))
        .arg("tasks.py")
        .current_dir(support::fixtures())
        .env("SCUPPER_TEST_DIR", server.directory.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .unwrap();
    assert!(sent.success());
    let child = server.begun();
    let (recipe, master, workers) = recognised_as(&server, "celery");
    assert_eq!((master, recipe.drain), (server.pid, Drain::Main { signal: TERM }));
    assert!(workers.contains(&child), "{child} has the task, recognised were {workers:?}");
    (server, child)
}

#[test]
fn r042_celery_finishes_its_task_when_its_main_process_is_told_to_end() {
    let (mut server, _) = celery(&[]);
    signal(server.pid, TERM);
    wait_for("celery to end", || server.ended());
    assert!(server.path("done").exists(), "warm shutdown finishes the task");
}

#[test]
fn r042_celery_loses_its_task_when_a_pool_child_is_told_to_end() {
    let titles = installed().join("titles");
    let (server, child) = celery(&[("PYTHONPATH", titles.to_str().unwrap())]);
    signal(child, TERM);
    wait_for("the child to be replaced", || match recognised(server.pid).as_slice() {
        [one] if one.workers.len() == 2 && !one.workers.contains(&child) => Some(()),
        _ => None,
    });
    wait_for("celery to report the loss", || server.log().contains("exited with 'signal 15").then_some(()));
    assert!(!server.path("done").exists(), "the task is lost");
}

#[test]
fn look_alikes_on_the_real_machine_are_not_recognised() {
    let cache = installed();
    let script = tempfile::Builder::new().prefix("gunicorn_test").suffix(".py").tempfile().unwrap();
    std::fs::write(
        script.path(),
        "import os, time\nif os.fork() == 0: time.sleep(60)\nopen(os.environ['SCUPPER_TEST_DIR'] + '/started', 'w')\n\
         time.sleep(60)\n",
    )
    .unwrap();
    let path = script.path().to_str().unwrap();
    let server = Running::start(&python(&cache, "python"), &[path], &[]);
    wait_for("its fork", || (server.path("started").exists() && tree(server.pid).len() == 2).then_some(()));
    assert!(recognised(server.pid).is_empty());

    let tail = Running::start(Path::new("/usr/bin/tail"), &["-f", "/dev/null", "gunicorn.conf.py"], &[]);
    assert!(recognised(tail.pid).is_empty());
}
