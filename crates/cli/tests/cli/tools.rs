//! `doctor` and `completions`.

use std::fs::File;
use std::process::Stdio;

use crate::support::Sandbox;

#[test]
fn doctor_says_what_is_lost_without_each_ability() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(report["schema"], "scupper.doctor/1");
    assert_eq!(answer.code == 0, report["ok"].as_bool().unwrap());
    let abilities = report["abilities"].as_array().unwrap();
    assert!(abilities.iter().any(|ability| ability["name"] == "pidfd" && ability["required"] == true));
    assert!(abilities.iter().all(|ability| !ability["lost_without"].as_str().unwrap().is_empty()));
    let text = sandbox.run(&["doctor"]).out;
    assert!(text.starts_with("ABILITY"), "{text}");
    for ability in abilities {
        assert!(text.contains(ability["name"].as_str().unwrap()));
    }
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let answer = sandbox.run(&["completions", shell]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        assert!(answer.out.contains("recycle") && answer.out.contains("mem-soft"), "{shell}");
    }
    let answer = sandbox.run(&["completions", "tcl"]);
    assert!(answer.code == 2 && answer.err.contains("bash"), "{}", answer.err);
}

/// What was to be said is not there: that is no success, whoever asked for it.
#[test]
fn what_cannot_be_written_is_said_and_no_success() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("rec.csv"), "seconds,rss_bytes\n0,1\n1,1\n").unwrap();
    for arguments in [
        &["analyze", "rec.csv"][..],
        &["analyze", "rec.csv", "--json"],
        &["analyze", "rec.csv", "--svg", "-"],
        &["replay", "rec.csv"],
        &["replay", "rec.csv", "--json"],
        &["ps", "--json"],
        &["doctor"],
        &["config", "example"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said, "error: cannot write to stdout: No space left on device (os error 28)\n");
    }
}

#[test]
fn a_reader_that_had_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = sandbox.command(&["doctor"]).stdout(Stdio::from(writer)).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
