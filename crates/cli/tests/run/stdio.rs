//! Safety 10, R119: stdin, stdout, the exit code and everything else a command is started with are its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::scene::{PATIENCE, Running, SCUPPER, Scene, wait_for};

/// `scupper run` as a person types it, with stderr in the scene's file.
fn run(scene: &Scene, flags: &[&str], command: &[&str]) -> Command {
    let mut scupper = scene.scupper(&["run", "--name", &scene.unit]);
    scupper.args(flags).arg("--").args(command);
    scupper.stderr(File::options().create(true).append(true).open(scene.path("stderr")).unwrap());
    scupper
}

fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn safety_10_bytes_pass_untouched() {
    let scene = Scene::new();
    let sent = bytes(1 << 20);
    for flags in [&[][..], &["--log-format", "json", "--verbose"]] {
        let mut scupper = run(&scene, flags, &["cat"]);
        let mut child = scupper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut received = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                stdin.write_all(&sent).unwrap();
                drop(stdin);
            });
            stdout.read_to_end(&mut received).unwrap();
        });
        assert!(Running { child }.wait().success());
        assert!(sent == received, "{} bytes came back", received.len());
    }
}

#[test]
fn safety_10_nothing_of_ours_on_stdout() {
    let scene = Scene::new();
    let noisy = ["--log-format", "json", "--verbose", "--on-event", "echo from the hook"];
    // It leaves somebody behind, writes to both, and fails: there is a lot to say.
    let script = "sleep 1000 & echo out; echo err >&2; exit 7";
    let out = run(&scene, &noisy, &["sh", "-c", script]).output().unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(7), &b"out\n"[..]));
    assert!(scene.events().len() > 3, "{}", scene.text("stderr"));
    let missing = run(&scene, &noisy, &["no-such-command-here"]).output().unwrap();
    assert_eq!((missing.status.code(), missing.stdout.as_slice()), (Some(127), &b""[..]));
    scene.expect_nothing_left();
}

#[test]
fn safety_10_a_reader_sees_the_end_when_the_command_closes_its_stdout() {
    let scene = Scene::new();
    let mut scupper = run(&scene, &[], &["sh", "-c", "echo out; exec >&-; exec sleep 1000"]);
    let mut running = Running { child: scupper.stdout(Stdio::piped()).spawn().unwrap() };
    let mut text = String::new();
    running.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "out\n");
    // The end was seen while the command goes on: it has yet to be told to end.
    assert_eq!(scene.marked().len(), 1, "{:?}", scene.marked());
    running.signal(15);
    assert_eq!(running.wait().code(), Some(143));
    scene.expect_nothing_left();
}

#[test]
fn safety_10_command_substitution_ends_with_the_command() {
    let scene = Scene::new();
    for flags in ["", "--restart on-failure", "--mem-hard 1G"] {
        let script = format!(
            "x=$('{SCUPPER}' run --name {} {flags} -- sh -c 'sleep 1000 & echo out'); echo \"<$x>\"",
            scene.unit
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        scene.dress(&mut shell);
        let out = shell.output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), "<out>\n", "{flags}");
        scene.expect_nothing_left();
    }
}

#[test]
fn safety_10_a_writer_gets_epipe_when_the_command_closes_its_stdin() {
    for to_a_pipe in [true, false] {
        let scene = Scene::new();
        let mut scupper = run(&scene, &[], &["sh", "-c", "exec <&-; exec sleep 1000"]);
        let stdout =
            if to_a_pipe { Stdio::piped() } else { File::create(scene.path("stdout")).unwrap().into() };
        let mut running = Running { child: scupper.stdin(Stdio::piped()).stdout(stdout).spawn().unwrap() };
        let mut stdin = running.child.stdin.take().unwrap();
        let error =
            wait_for("a writer is told that nobody reads", PATIENCE, || match stdin.write_all(b"more\n") {
                Ok(()) => Err("still taken".to_owned()),
                Err(error) => Ok(error),
            });
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(running.child.try_wait().unwrap().is_none());
        running.signal(15);
        running.wait();
        scene.expect_nothing_left();
    }
}

#[test]
fn r119_exit_codes_pass() {
    let pass = |codes: Range<i32>| {
        let scene = Scene::new();
        for code in codes {
            let got = run(&scene, &[], &["sh", "-c", &format!("exit {code}")]).status().unwrap().code();
            assert_eq!(got, Some(code));
        }
    };
    std::thread::scope(|scope| {
        for quarter in 0..4 {
            scope.spawn(move || pass(quarter * 64..quarter * 64 + 64));
        }
    });
}

#[test]
fn r119_a_signal_becomes_128_and_its_number() {
    let scene = Scene::new();
    // Not those that stop or go on, and not those that are ignored at first.
    for signal in (1..=15).chain([24, 25, 26, 27, 29, 30, 31, 34, 50, 64]) {
        let mut scupper = run(&scene, &[], &["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")]);
        assert_eq!(scupper.status().unwrap().code(), Some(128 + signal), "{}", scene.text("stderr"));
    }
}

/// What `surroundings.py` tells when it is started by `before` and the given words.
fn told(scene: &Scene, name: &str, words: &[OsString], unusual: bool) -> BTreeMap<String, serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/surroundings.py");
    let file = scene.path(name);
    let mut line: Vec<OsString> = Vec::new();
    if unusual {
        line.extend(["python3".into(), script.clone().into(), "set".into()]);
    }
    let arguments = ["", "two words", "a\nnew line", "--", "-x", "$HOME", "\u{e9}"].map(OsString::from);
    let invalid = OsString::from_vec(b"not \xff utf-8".to_vec());
    line.extend(words.iter().cloned());
    line.extend(["python3".into(), script.into(), "tell".into(), file.clone().into()]);
    line.extend(arguments);
    line.push(invalid);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    scene.dress(&mut command);
    command.env_remove("_").env("ODD", OsStr::new("a\nb = \"c\"")).env("SCUPPER_TEST_EMPTY", "");
    command.env("BYTES", OsString::from_vec(b"\xfe\xff".to_vec()));
    command.current_dir(scene.dir.path()).stdout(Stdio::null());
    command.stderr(File::create(scene.path("stderr")).unwrap());
    let status = command.status().unwrap();
    assert!(status.success(), "{status:?} {}", scene.text("stderr"));
    serde_json::from_str(&scene.text(name)).unwrap()
}

#[test]
fn r119_a_command_is_started_with_what_scupper_was_started_with() {
    let scene = Scene::new();
    let words = |flags: &[&str]| -> Vec<OsString> {
        [&[SCUPPER, "run", "--name", &scene.unit][..], flags, &["--"]]
            .concat()
            .into_iter()
            .map(Into::into)
            .collect()
    };
    for unusual in [false, true] {
        let mut plain = told(&scene, "told", &[], unusual);
        for flags in [&[][..], &["--cgroup", "off"], &["--mem-hard", "1G", "--restart", "on-failure"]] {
            let mut ours = told(&scene, "told", &words(flags), unusual);
            let environment = |told: &mut BTreeMap<String, serde_json::Value>| {
                let found = told.remove("environment").unwrap();
                serde_json::from_value::<BTreeMap<String, String>>(found).unwrap()
            };
            let before = environment(&mut plain.clone());
            let mut after = environment(&mut ours);
            // The documented marks, and nothing else.
            for mark in ["SCUPPER_RUN", "SCUPPER_UNIT"] {
                let hex: String = mark.bytes().map(|b| format!("{b:02x}")).collect();
                assert!(after.remove(&hex).is_some(), "{mark} is missing");
            }
            assert_eq!(after, before);
            plain.remove("environment");
            for (key, value) in &plain {
                // Who starts scupper starts a new process in the same group and session either way.
                assert_eq!(ours.get(key), Some(value), "{key}, unusual: {unusual}, flags {flags:?}");
            }
            plain.insert("environment".into(), serde_json::to_value(before).unwrap());
        }
        assert_eq!(scene.text("stderr"), "");
    }
}

#[test]
fn safety_5_a_keep_mark_from_outside_is_not_passed_on() {
    let scene = Scene::new();
    let script = "echo \"<${SCUPPER_KEEP-none}>\"";
    let out = run(&scene, &[], &["sh", "-c", script]).env("SCUPPER_KEEP", "1").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "<none>\n");
}

/// One line of plain ASCII on stderr, the exit code of a shell, and it names what could not be run.
#[test]
fn r119_a_command_that_cannot_be_started_says_why() {
    let scene = Scene::new();
    let script = |name: &str, text: &str, mode: u32| {
        let path = scene.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = script("plain", "#!/bin/sh\nexit 0\n", 0o644);
    let lost = script("lost", "#!/no/such/interpreter\n", 0o755);
    let directory = scene.path("run").to_str().unwrap().to_owned();
    let below = format!("{plain}/x");
    let cases = [
        ("no-such-command-here", 127),
        ("./no-such-file", 127),
        ("", 127),
        ("gr\u{fc}n \u{1b}[31m", 127),
        (plain.as_str(), 126),
        (directory.as_str(), 126),
        (below.as_str(), 126),
        (lost.as_str(), 127),
    ];
    for (command, code) in cases {
        for format in ["text", "json"] {
            let _ = fs::remove_file(scene.path("stderr"));
            let got = run(&scene, &["--log-format", format], &[command]).status().unwrap().code();
            let said = scene.text("stderr");
            assert_eq!(got, Some(code), "{command}: {said}");
            assert!(said.is_ascii() && !said.contains('\u{1b}'), "{said}");
            assert!((1..=2).contains(&said.lines().count()), "{command}: {said}");
        }
    }
    assert_eq!(scene.text("stdout"), "");
}

/// A script without a first line that names an interpreter is run by sh, as execvp(3) does.
#[test]
fn r119_a_script_without_an_interpreter_runs() {
    let scene = Scene::new();
    let path = scene.path("script");
    fs::write(&path, "echo ran; exit 5\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let out = run(&scene, &[], &[path.to_str().unwrap()]).output().unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(5), &b"ran\n"[..]));
}

/// R039: quiet when healthy.
#[test]
fn r039_a_healthy_run_says_nothing() {
    let scene = Scene::new();
    for flags in [&[][..], &["--mem-soft", "500M", "--mem-hard", "1G"], &["--log-format", "json"]] {
        let out = run(&scene, flags, &["sh", "-c", "sleep 0.2; true & wait; echo fine"]).output().unwrap();
        assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(0), &b"fine\n"[..]));
        assert_eq!(scene.text("stderr"), "");
    }
}

#[test]
fn r039_one_plain_line_an_event() {
    let scene = Scene::new();
    let script = "exec -a 'gr\u{fc}n\n(x) y' sleep 1000 & exit 3";
    for (format, verbose) in [("text", true), ("json", true), ("text", false)] {
        let _ = fs::remove_file(scene.path("stderr"));
        let mut flags = vec!["--log-format", format];
        flags.extend(verbose.then_some("--verbose"));
        assert_eq!(run(&scene, &flags, &["bash", "-c", script]).status().unwrap().code(), Some(3));
        let said = scene.text("stderr");
        assert!(said.is_ascii(), "{said}");
        assert!(!said.is_empty() && !said.bytes().any(|b| b.is_ascii_control() && b != b'\n'), "{said}");
        for line in said.lines() {
            let whole = match format {
                "json" => {
                    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|v| v["event"].is_string())
                }
                _ => line.starts_with("scupper: ") && line.contains(" event="),
            };
            assert!(whole, "{line}");
        }
    }
    scene.expect_nothing_left();
}
