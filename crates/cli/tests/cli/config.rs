//! Each mistake in a scupper.toml is a file in `tests/bad-configs`, with what is said about it beside it.
//! `UPDATE_GOLDEN=1 cargo nextest run -p scupper-cli` writes what is said now: read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Sandbox;

fn bad_configs() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-configs");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_mistake_is_shown_where_it_is() {
    let files = bad_configs();
    assert!(files.len() > 10);
    let mut wrong = Vec::new();
    for file in files {
        let sandbox = Sandbox::new();
        fs::copy(&file, sandbox.path("scupper.toml")).unwrap();
        let answer = sandbox.run(&["config", "check"]);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{}: {}", file.display(), answer.err);
        let golden = file.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &answer.err).unwrap();
        }
        if fs::read_to_string(&golden).unwrap_or_default() != answer.err {
            wrong.push(format!("{}:\n{}", file.display(), answer.err));
        }
        let up = sandbox.run(&["up"]);
        assert_eq!((up.code, up.err), (2, answer.err), "{}", file.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mistake_as_json_has_its_place() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("x.toml"), "[[unit]]\nname = 'a'\ncommand = ['a']\nmem_sft = '1G'\n").unwrap();
    let answer = sandbox.run(&["config", "check", "x.toml", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(answer.code, 1);
    assert_eq!(report["schema"], "scupper.config_check/1");
    assert_eq!(report["problems"][0]["line"], 4);
    assert_eq!(report["problems"][0]["column"], 1);
    assert_eq!(report["problems"][0]["hint"], "did you mean `mem_soft`?");
}

#[test]
fn the_example_is_a_good_start() {
    let sandbox = Sandbox::new();
    let example = sandbox.run(&["config", "example"]);
    fs::write(sandbox.path("scupper.toml"), example.out).unwrap();
    let answer = sandbox.run(&["config", "check"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert_eq!(
        answer.out,
        "web: profile web, soft 450MiB, hard 600MiB, grace 30s\nagent-worker: profile worker, grace 30s\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["config", "check", "--json"]).out).unwrap();
    assert_eq!((json["ok"].as_bool(), json["units"][1].as_str()), (Some(true), Some("agent-worker")));
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    let sandbox = Sandbox::new();
    for command in [&["up"][..], &["config", "check"], &["run", "--unit", "web"]] {
        let answer = sandbox.run(command);
        assert_eq!(answer.code, 2, "{command:?}");
        assert_eq!(
            answer.err,
            "error: cannot read scupper.toml: No such file or directory (os error 2)\n\
             hint: `scupper config example` prints one to begin with\n"
        );
    }
    fs::write(sandbox.path("scupper.toml"), b"\xff\xfe").unwrap();
    assert_eq!(sandbox.run(&["config", "check"]).code, 2);
    fs::create_dir(sandbox.path("directory")).unwrap();
    assert_eq!(sandbox.run(&["config", "check", "directory"]).code, 2);
}

#[test]
fn a_unit_that_the_file_does_not_have_is_told_with_those_it_has() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("scupper.toml"), "[[unit]]\nname = 'web'\ncommand = ['true']\n").unwrap();
    let answer = sandbox.run(&["run", "--unit", "wbe"]);
    assert_eq!(
        (answer.code, answer.err.as_str()),
        (2, "error: no unit named wbe in scupper.toml; it has: web\n")
    );
}
