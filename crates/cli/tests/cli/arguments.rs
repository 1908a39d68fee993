//! Bad usage: one clear line, exit code 2, nothing on stdout.

use crate::support::Sandbox;

fn refused(arguments: &[&str]) -> String {
    let answer = Sandbox::new().run(arguments);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}: {}", answer.err);
    assert!(answer.err.starts_with("error: "), "{}", answer.err);
    answer.err
}

#[test]
fn an_unknown_flag_is_named_with_the_nearest_one() {
    let said = refused(&["run", "--mem-sfot", "1G", "--", "true"]);
    assert!(said.contains("'--mem-sfot'") && said.contains("'--mem-soft'"), "{said}");
    assert!(!said.contains("behind `--`"), "{said}");
}

#[test]
fn an_unknown_command_is_named() {
    assert!(refused(&["pss"]).contains("'ps'"));
}

#[test]
fn contradictory_limits_are_refused_before_anything_starts() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["run", "--mem-soft", "2G", "--mem-hard", "1G", "--", "touch", "started"]);
    assert_eq!(
        answer.err,
        "error: --mem-soft (2GiB) is above --mem-hard (1GiB)\n\
         hint: the soft limit drains and replaces before the hard one kills: set it lower\n"
    );
    assert_eq!(answer.code, 2);
    assert!(!sandbox.path("started").exists());
    assert!(refused(&["run", "--max-fds", "20:10", "--", "true"]).contains("--max-fds: the soft limit 20"));
    assert!(refused(&["set", "web", "--mem-soft", "2G", "--mem-hard", "1G"]).contains("above --mem-hard"));
}

#[test]
fn bad_values_say_what_would_be_right() {
    for (arguments, words) in [
        (&["run", "--mem-soft", "lots", "--", "true"][..], "`lots` is no size: write 450M"),
        (&["run", "--grace", "30", "--", "true"], "`30` is no duration: write 500ms"),
        (&["run", "--name", "a b", "--", "true"], "`a b` is no name"),
        (&["run", "--max-fds", "many", "--", "true"], "write SOFT, SOFT:HARD"),
        (&["run", "--child-lifetime", "chrome", "--", "true"], "write PATTERN=TIME"),
        (&["run", "--profile", "wbe", "--", "true"], "possible values: web, worker"),
        (&["run", "--env", "NOVALUE", "--", "true"], "write NAME=VALUE"),
        (&["run", "--metrics", "nowhere", "--", "true"], "write IP:PORT"),
        (&["run"], "COMMAND"),
        (&["run", "true"], "unexpected argument 'true'"),
        (&["run", "--name", "web", "true"], "hint: what is to be run stands behind `--`"),
        (&["mcp", "npx", "-y", "server"], "hint: what is to be run stands behind `--`"),
        (&["set", "web"], "--mem-soft"),
        (&["run", "--config", "x.toml", "--", "true"], "--unit"),
        (&["soak"], "COMMAND"),
        (&["soak", "--ops", "5", "--", "true"], "--ops-from"),
        (&["soak", "--ops-from", "log:x", "--", "true"], "add --log FILE"),
        (&["soak", "--ops-from", "https://localhost/#x", "--", "true"], "https cannot be read"),
        (&["soak", "--ops-from", "http://localhost/", "--", "true"], "which metric"),
        (&["soak", "--ops-from", "log:(", "--log", "x", "--", "true"], "is no pattern"),
        (&["soak", "--warm-up", "5", "--", "true"], "add --ops-from"),
        (&["soak", "--warm-up", "some", "--", "true"], "write operations (200) or a time (30s)"),
        (&["soak", "--every", "1ms", "--", "true"], "from 20ms to 1m"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn metrics_for_other_machines_have_to_be_asked_for() {
    let said = refused(&["run", "--metrics", "0.0.0.0:9464", "--", "true"]);
    assert!(said.contains("0.0.0.0:9464 can be reached") && said.contains("--metrics-public"), "{said}");
}

#[test]
fn help_and_version_are_data() {
    let sandbox = Sandbox::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["-h"], &["--version"], &["up", "--help"]] {
        let answer = sandbox.run(arguments);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
        assert!(answer.out.is_ascii() && answer.out.contains("scupper"), "{}", answer.out);
    }
    assert!(sandbox.run(&["run", "--help"]).out.contains("scupper run -- gunicorn app:app -w 2"));
}

#[test]
fn a_unit_that_is_not_there_is_told_with_those_that_are() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["stop", "web"]);
    assert_eq!((answer.code, answer.err.as_str()), (2, "error: no unit named web; running: none\n"));
    sandbox.records().write(&crate::support::record("api", crate::support::myself())).unwrap();
    let answer = sandbox.run(&["restart", "web"]);
    assert_eq!((answer.code, answer.err.as_str()), (2, "error: no unit named web; running: api\n"));
}
