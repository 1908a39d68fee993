//! `scupper report`: written from evidence, by the real program, of events that a real `scupper run` recorded.
//! Rows shown here: R081.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::scene::{PATIENCE, Room, wait_for};

const ID: &str = "ISS-0001";

/// A room whose unit ran, died and was recorded, and an incident of it in this state.
fn recorded(state: &str) -> Room {
    let room = Room::new();
    let ran = room.answer(&["run", "--name", &room.unit, "--", "sh", "-c", "echo served >&2; kill -9 $$"]);
    assert_eq!(ran.code, 137, "{ran:?}");
    incident(&room, state);
    room
}

fn incident(room: &Room, state: &str) {
    let folder = room.path("state/scupper/incidents");
    fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "---\nissue_id: {ID}\ntitle: \"Memory of web <script>grows</script>\"\nstatus: planning\npriority: high\n\
         assignee: ana\nrelated_issues:\n  - ISS-0002\nstate: {state}\nscupper:\n  unit: {}\n---\n\n# Issue: Memory of web\n",
        room.unit
    );
    fs::write(folder.join(format!("{ID}-memory-of-web.md")), text).unwrap();
}

fn events(room: &Room) -> Vec<String> {
    let answer = room.answer(&["events", &room.unit, "--json", "-n", "1000"]);
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    answer.out.lines().map(id).collect()
}

#[test]
fn a_report_is_written_from_what_was_recorded_and_cites_it() {
    let room = recorded("active");
    let recorded = events(&room);
    for kind in ["audit", "delta", "postmortem", "issue"] {
        let answer = room.answer(&["report", ID, "--kind", kind]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.out.contains("Memory of web \\<script\\>grows\\</script\\>"), "{}", answer.out);
        assert!(!answer.out.contains('\u{e000}') && !answer.out.contains("RESOLVED"), "{}", answer.out);
    }
    let text = room.answer(&["report", ID]).out;
    assert!(text.contains("| Started: sh -c ") && text.contains("SIGKILL"), "{text}");
    // Every event that it cites is one that was recorded.
    let cited: Vec<&str> = text.split('`').filter(|part| part.len() == 36 && part.contains("-7")).collect();
    assert!(cited.len() >= recorded.len(), "{text}");
    for id in cited {
        assert!(recorded.iter().any(|known| known == id), "{id}");
    }
    let json = room.json(&["report", ID, "--kind", "delta", "--json"]);
    assert_eq!(json["schema"], "scupper.report/1");
    assert_eq!(json["report"]["data"]["count"], recorded.len());
    assert_eq!(json["report"]["severity"], "P1 - High");
    assert!(
        json["report"]["timeline"]["rows"][0]["what"].as_str().unwrap().starts_with("Started: `sh -c "),
        "{json}"
    );
}

#[test]
fn a_report_in_a_file_keeps_what_people_wrote_and_is_written_only_when_it_changes() {
    let room = recorded("active");
    let out = ["report", ID, "--kind", "delta", "--out", "delta.md", "--html", "delta.html"];
    let first = room.answer(&out);
    assert_eq!(
        (first.code, first.out.as_str()),
        (0, "created: delta.md\ncreated: delta.html\n"),
        "{first:?}"
    );
    let inode = |name: &str| fs::metadata(room.work(name)).unwrap().ino();
    let before = inode("delta.md");
    let again = room.answer(&out);
    assert_eq!(
        (again.code, again.out.as_str()),
        (0, "unchanged: delta.md\nunchanged: delta.html\n"),
        "{again:?}"
    );
    assert_eq!(inode("delta.md"), before);
    assert_eq!(room.names(""), ["delta.html", "delta.md"]);
    // What is no report is not mixed with one.
    room.write("mine.md", "# Mine\n\n1. Ask Bob\n");
    let foreign = room.answer(&["report", ID, "--out", "mine.md", "--html", "mine.html"]);
    assert!(
        foreign.code == 2 && foreign.err.contains("mine.md holds something else than a report"),
        "{foreign:?}"
    );
    assert_eq!(room.read("mine.md"), "# Mine\n\n1. Ask Bob\n");
    fs::remove_file(room.work("mine.md")).unwrap();
    // Neither is a report of another kind, whoever has changed its title.
    let text = room.read("delta.md");
    for changed in [text.clone(), text.replace("# Δ-Report: ", "# Ours: ")] {
        room.write("delta.md", &changed);
        let other = room.answer(&["report", ID, "--kind", "postmortem", "--out", "delta.md"]);
        assert!(other.code == 2 && other.out.is_empty(), "{other:?}");
        assert!(
            other.err.contains("delta.md holds a report of the kind delta, and postmortem was"),
            "{other:?}"
        );
        assert_eq!(room.read("delta.md"), changed);
    }
    room.write("delta.md", &text);
    assert_eq!(room.names(""), ["delta.html", "delta.md"]);

    // A person writes into it, and something new is recorded.
    let text = room.read("delta.md").replace(
        "## Documentation Updated\nNo document is named yet.\n",
        "## Documentation Updated\n- `docs/tasks.md`: how background tasks end. (ana)\n",
    );
    room.write(
        "delta.md",
        text.replace("## Prevention\n", "## Prevention\nWe talked to the team of the client.\n"),
    );
    let verified = room.answer(&["report", "--verify", ID, "--", "sh", "-c", "echo checked; exit 0"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.err.contains("checked") && !verified.out.contains("checked\n"), "{verified:?}");
    let merged = room.answer(&out);
    assert!(merged.code == 0 && merged.out.starts_with("updated: delta.md\n"), "{merged:?}");
    let text = room.read("delta.md");
    for kept in
        ["- `docs/tasks.md`: how background tasks end. (ana)\n", "\nWe talked to the team of the client.\n"]
    {
        assert!(text.contains(kept), "{text}");
    }
    assert!(
        text.contains("- `sh -c 'echo checked; exit 0'`: exit code 0") || text.contains("echo checked"),
        "{text}"
    );
    assert!(room.read("delta.html").contains("how background tasks end"));
    assert_eq!(room.answer(&out).out, "unchanged: delta.md\nunchanged: delta.html\n");
}

#[test]
fn r081_a_report_is_not_resolved_while_its_incident_is_not_done() {
    let room = recorded("ready_for_qa");
    let out = ["report", ID, "--kind", "delta", "--out", "delta.md"];
    assert_eq!(room.answer(&out).code, 0);
    let refused = room.answer(&["report", ID, "--kind", "delta", "--out", "delta.md", "--resolved"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains(
            "ISS-0001 is `ready_for_qa` and not proved to be done, so the report cannot be RESOLVED"
        ),
        "{refused:?}"
    );
    // Nor where a person writes so.
    let text = room.read("delta.md");
    assert!(text.contains("\n**Status:** VERIFYING  \n"), "{text}");
    room.write("delta.md", text.replace("**Status:** VERIFYING  ", "**Status:** ✅ RESOLVED  "));
    let undone = room.answer(&out);
    assert_eq!(undone.code, 1, "{undone:?}");
    assert!(undone.err.contains("it said RESOLVED while the incident is not done"), "{undone:?}");
    assert_eq!(room.read("delta.md"), text);
    incident(&room, "done");
    // Nor where somebody writes into the record that it is done.
    let unproved = room.answer(&["report", ID, "--kind", "delta", "--out", "delta.md", "--resolved"]);
    assert!(unproved.code == 1 && unproved.err.contains("no soak shows it"), "{unproved:?}");
    assert_eq!(room.answer(&out).code, 1);
    assert!(room.read("delta.md").contains("\n**Status:** UNPROVEN  \n"), "{}", room.read("delta.md"));
    // And it comes undone when the incident does.
    incident(&room, "active");
    assert_eq!(room.answer(&out).code, 0);
    assert!(room.read("delta.md").contains("\n**Status:** IN PROGRESS  \n"), "{}", room.read("delta.md"));
}

#[test]
fn what_a_command_line_says_stays_text() {
    let room = Room::new();
    let hostile = "</code><script>alert(1)</script>\n## Prevention\n\u{1b}[31m`|x`";
    let ran = room.answer(&["run", "--name", &room.unit, "--", "sh", "-c", "kill -9 $$", hostile]);
    assert_eq!(ran.code, 137, "{ran:?}");
    incident(&room, "active");
    let answer = room.answer(&["report", ID, "--kind", "delta", "--out", "delta.md", "--html", "delta.html"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let (text, page) = (room.read("delta.md"), room.read("delta.html"));
    assert!(text.contains("script") && !text.contains('\u{1b}') && !page.contains('\u{1b}'), "{text}");
    assert_eq!(text.lines().filter(|line| line.trim() == "## Prevention").count(), 1, "{text}");
    assert!(!page.contains("<script") && page.matches("<h2>Prevention").count() == 1, "{page}");
    let row = text.lines().find(|line| line.contains("Started: ")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
}

#[test]
fn a_change_that_the_incident_names_is_looked_up() {
    let room = recorded("active");
    let path = room.path(&format!("state/scupper/incidents/{ID}-memory-of-web.md"));
    let change = "scupper:\n  changes:\n    - at: 2026-01-02T03:04:05.000Z\n      what: \"app.py:2\"\n      by: ana\n    \
                  - at: 2026-01-02T03:04:06.000Z\n      what: commit 0123abc\n      by: ana\n";
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("scupper:\n", change)).unwrap();
    room.write("tree/app.py", "a = 1\nb = 2\n");
    let text = room.answer(&["report", ID, "--kind", "delta", "--tree", "tree"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(
        text.out.contains("- **File:** `app.py:2`\n") && text.out.contains("\n  b = 2\n"),
        "{}",
        text.out
    );
    assert!(text.out.contains("; commit unknown"), "{}", text.out);
    // What names no lines is shown as well, and that nothing was compared.
    assert!(
        text.out
            .contains("- **Named:** commit 0123abc, by ana at 2026-01-02 03:04:06 UTC; it names no lines"),
        "{}",
        text.out
    );
    // Another unit in which it was seen is told of, with its own events.
    let other = room.answer(&["run", "--name", &format!("{}-2", room.unit), "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(other.code, 137, "{other:?}");
    let units = format!("scupper:\n  units:\n    - {}-2\n    - nowhere\n", room.unit);
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("scupper:\n", &units)).unwrap();
    let both = room.answer(&["report", ID, "--kind", "delta", "--tree", "tree"]);
    let seen = format!("Seen in `{}-2` as well, ", room.unit);
    assert!(both.out.contains(&seen) && both.out.contains("SIGKILL"), "{}", both.out);
    assert!(both.out.contains("Seen in `nowhere` as well: what happened there is unknown"), "{}", both.out);
}

fn git(room: &Room, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
        .arg(room.work("tree"))
        .args(arguments);
    let done = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn r078_changes_are_compared_with_the_source_tree_and_its_commit() {
    let room = recorded("active");
    room.write(
        "tree/src/app.py",
        "import a\n\nclass A:\n    def f(self):\n        # track `*` <b>\n        self.tasks = set()\n",
    );
    git(&room, &["init", "-q"]);
    git(&room, &["add", "."]);
    git(&room, &["commit", "-q", "-m", "one"]);
    let out = ["report", ID, "--kind", "delta", "--out", "delta.md", "--tree", "tree"];
    let named: Vec<&str> =
        out.iter().copied().chain(["--change", "src/app.py:5-6=Keep background_tasks *alive*"]).collect();
    let answer = room.answer(&named);
    assert_eq!(answer.code, 0, "{answer:?}");
    let text = room.read("delta.md");
    let section = "- **File:** `src/app.py:5-6`\n- **Change:** Keep background_tasks \\*alive\\*\n\
                   - **Checked:** the lines are there, and the text is the same; commit ";
    assert!(text.contains(section), "{text}");
    assert!(text.contains("\n  ```python\n  # track `*` <b>\n  self.tasks = set()\n  ```\n"), "{text}");
    // It stays named without the flag, and nothing is written.
    for _ in 0..3 {
        let again = room.answer(&out);
        assert_eq!((again.code, again.out.as_str()), (0, "unchanged: delta.md\n"), "{again:?}");
    }
    // Another text in the tree undoes the claim.
    room.write(
        "tree/src/app.py",
        "import a\n\nclass A:\n    def f(self):\n        # track `*` <b>\n        pass\n",
    );
    let changed = room.answer(&out);
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(
        changed.err.contains("src/app.py:5-6: NOT CONFIRMED: line 6 of the file says something else"),
        "{changed:?}"
    );
    assert!(
        room.read("delta.md").contains("- **Checked:** NOT CONFIRMED: line 6"),
        "{}",
        room.read("delta.md")
    );
    // A person names one by hand, in the words of the seed.
    let by_hand = "- **File:** `src/app.py:3`\n- **Change:** Made `A` a class\n- **Implementation:**\n  ```python\n  class A:\n  ```\n\n\
                   ## Evidence\n";
    room.write("delta.md", room.read("delta.md").replace("## Evidence\n", by_hand));
    let hand = room.answer(&out);
    let text = room.read("delta.md");
    assert_eq!((hand.code, text.matches("`src/app.py:3`").count()), (1, 1), "{hand:?}\n{text}");
    assert!(text.contains("- **Change:** Made `A` a class\n- **Checked:** the lines are there"), "{text}");
    assert!(text.contains("the file differs from commit"), "{text}");
    // What leads out of the tree is refused.
    std::os::unix::fs::symlink("/etc/passwd", room.work("tree/src/out.py")).unwrap();
    let link = room.answer(&["report", ID, "--kind", "delta", "--tree", "tree", "--change", "src/out.py:1"]);
    assert!(
        link.code == 1 && link.out.contains("it is a link out of") && !link.out.contains("root:"),
        "{link:?}"
    );
    let outside = room.answer(&["report", ID, "--tree", "tree", "--change", "../x:1-2=y"]);
    assert!(outside.code == 2 && outside.err.contains("is no path inside the source tree"), "{outside:?}");
}

#[test]
fn r080_only_what_was_run_counts_as_verification() {
    let room = recorded("active");
    room.write("tests/test_leak.py", "def test_flat():\n    pass\n");
    let test =
        ["report", "--verify", "--test", "tests/test_leak.py::test_flat", ID, "--", "sh", "-c", "exit 3"];
    let failed = room.answer(&test);
    assert!(failed.code == 1 && failed.out.contains("exit code 3"), "{failed:?}");
    let report = room.answer(&["report", ID, "--kind", "delta"]);
    assert_eq!(report.code, 1, "a command that was run failed: {report:?}");
    let why = "warning: `sh -c exit 3`: FAILED with exit code 3";
    assert!(report.err.contains(why), "what the exit code is for is said: {report:?}");
    assert!(
        report.out.contains("`tests/test_leak.py::test_flat`: FAILED with exit code 3"),
        "{}",
        report.out
    );
    let missing =
        room.answer(&["report", "--verify", "--test", "tests/test_leak.py::test_other", ID, "--", "true"]);
    assert!(missing.code == 2 && missing.err.contains("there is no test `test_other`"), "{missing:?}");
    let absent = room.answer(&["report", "--verify", ID, "--", "/no/such/program"]);
    assert!(absent.code == 2 && absent.err.contains("nothing was recorded"), "{absent:?}");
    let killed = room.answer(&["report", "--verify", ID, "--", "sh", "-c", "kill -9 $$"]);
    assert!(killed.code == 1 && killed.out.contains("signal 9"), "{killed:?}");
    let secret = room.answer(&["report", "--verify", ID, "--", "sh", "-c", "exit 0", "--password=hunter2"]);
    assert!(secret.code == 0 && !secret.out.contains("hunter2"), "{secret:?}");
    let text = room.answer(&["report", ID, "--kind", "delta"]).out;
    assert!(text.contains("FAILED, ended by SIGKILL") && !text.contains("hunter2"), "{text}");
    assert!(!text.contains("/no/such/program"), "{text}");
}

/// R080: a command that does not end is ended with all it started, and counts as failed, whatever it says at the end.
#[test]
fn waits_r080_what_does_not_end_in_time_is_ended_and_not_passed() {
    let room = recorded("active");
    // It answers TERM with 0, and its helper hides in a session of its own.
    let program = "trap 'exit 0' TERM; setsid sleep 300 & while :; do sleep 0.1; done";
    let ended = room.answer(&["report", "--verify", "--timeout", "2s", ID, "--", "sh", "-c", program]);
    assert!(ended.code == 1 && ended.out.contains("did not end within 2 s and was ended"), "{ended:?}");
    assert_eq!(room.living(), [0; 0]);
    let text = room.answer(&["report", ID, "--kind", "delta"]);
    assert!(text.code == 1 && text.out.contains("FAILED: it did not end within 2 s"), "{text:?}");
    let never = room.answer(&["report", "--verify", "--timeout", "0s", ID, "--", "true"]);
    assert!(never.code == 2 && never.err.contains("nothing ends in no time"), "{never:?}");
}

/// R080: what somebody stopped has shown nothing, and nothing of it stays.
#[test]
fn r080_of_what_is_stopped_nothing_is_recorded() {
    let room = recorded("active");
    let before = events(&room).len();
    let arguments = ["report", "--verify", ID, "--", "sh", "-c", "echo $$ >main.pid; exec sleep 300"];
    let mut stopped = room.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the command runs", PATIENCE, || {
        let file = fs::read_to_string(room.work("main.pid")).unwrap_or_default();
        if file.ends_with('\n') { Ok(()) } else { Err(file) }
    });
    assert!(room.living().len() >= 3);
    let pid = rustix::process::Pid::from_child(&stopped);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = stopped.wait().unwrap();
    let mut said = String::new();
    stopped.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("was stopped before it ended: nothing was recorded"), "{said}");
    assert_eq!(room.living(), [0; 0]);
    assert_eq!(events(&room).len(), before);
}

#[test]
fn templates_of_the_operator_are_used_and_bad_ones_named() {
    let room = recorded("active");
    room.write(
        "templates/delta.md",
        "{{ id }}: {{ title }}\n{% for line in impact %}\n* {{ line|cited }}\n{% endfor %}\n",
    );
    let own = ["report", ID, "--templates", "templates", "--kind", "delta"];
    let answer = room.answer(&own);
    assert!(answer.out.starts_with("ISS-0001: Memory of web \\<script\\>"), "{answer:?}");
    room.write("templates/delta.md", "one\ntwo {{ nothing }}\n");
    let wrong = room.answer(&own);
    assert!(
        wrong.code == 2 && wrong.err.contains("the template of the delta report is wrong in line 2"),
        "{wrong:?}"
    );
    assert_eq!(wrong.err.trim().lines().count(), 1, "{wrong:?}");
    // The other kinds keep those of the house, and those can be printed to begin with.
    assert!(room.answer(&["report", ID, "--templates", "templates"]).out.starts_with("# Postmortem: "));
    let printed = room.answer(&["report", "--kind", "audit", "--print-template"]);
    assert!(printed.code == 0 && printed.out.contains("{{ title }}"), "{printed:?}");
    room.write("templates/audit.md", &printed.out);
    let (house, same) = (
        room.answer(&["report", ID, "--kind", "audit"]),
        room.answer(&["report", ID, "--kind", "audit", "--templates", "templates"]),
    );
    assert_eq!(house.out, same.out);
}

#[test]
fn bad_input_is_one_clear_line() {
    let room = recorded("active");
    fs::write(room.path("state/scupper/incidents/ISS-0003-bad.md"), "---\nstate: [\n---\n").unwrap();
    for (arguments, said) in [
        (vec!["report", "ISS-0009"], "there is no incident ISS-0009 in "),
        (vec!["report", "../../etc/passwd"], "there is no file ../../etc/passwd"),
        (vec!["report", "somebody"], "is no id of an incident"),
        (vec!["report", "ISS-0003"], "cannot read "),
        (vec!["report", ID, "--templates", "nowhere"], "it is no folder"),
        (vec!["report", ID, "--out", "no/such/folder/x.md"], "cannot write to no/such/folder"),
        (vec!["report", ID, "--tree", "nowhere"], "it is no folder"),
    ] {
        let answer = room.answer(&arguments);
        assert!(answer.code == 2 && answer.err.contains(said), "{arguments:?} {answer:?}");
        let lines = answer.err.lines().filter(|line| !line.starts_with("hint: ")).count();
        assert!(lines == 1 && !answer.err.contains("panicked"), "{arguments:?} {answer:?}");
    }
    // Of an incident without a unit there is only what was run for it.
    let path = room.path(&format!("state/scupper/incidents/{ID}-memory-of-web.md"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&format!("unit: {}", room.unit), "seen_again: 0")).unwrap();
    assert_eq!(room.answer(&["report", "--verify", ID, "--", "true"]).code, 0);
    let alone = room.answer(&["report", ID, "--kind", "delta"]);
    assert!(alone.code == 0 && alone.out.contains("- `true`: exit code 0"), "{alone:?}");
    assert!(alone.out.contains("1 recorded events") && !alone.out.contains("SIGKILL"), "{alone:?}");
    // Nothing was recorded: that is said, and nothing is made up.
    let empty = Room::new();
    incident(&empty, "planning");
    let answer = empty.answer(&["report", ID]);
    assert!(answer.code == 0 && answer.out.contains("no event of this unit was found"), "{answer:?}");
    let curve = empty.answer(&["report", ID, "--svg", "x.svg"]);
    assert!(curve.code == 1 && curve.err.contains("no curve was drawn"), "{curve:?}");
    assert!(empty.names("").is_empty());
}

#[test]
fn waits_the_curve_of_a_leak_is_drawn_into_one_page() {
    let room = Room::new();
    let leak =
        "import time\nkept=[]\nfor n in range(60):\n    kept.append(bytearray(3<<20))\n    time.sleep(0.1)\n";
    let limit = ["run", "--name", &room.unit, "--horizon", "short", "--grow", "20M/1m", "--mem-soft", "4G"];
    let ran = room.answer(&[&limit[..], &["--", "python3", "-c", leak]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    // The incident was opened by the run itself.
    assert!(room.answer(&["report", ID]).out.contains(&room.unit));
    let answer = room.answer(&[
        "report",
        ID,
        "--out",
        "leak.md",
        "--html",
        "leak.html",
        "--svg",
        "leak.svg",
        "--data",
        "leak.jsonl",
    ]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let svg = room.read("leak.svg");
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    assert!(texts.iter().any(|text| text.starts_with("memory of ")), "{texts:?}");
    assert!(texts.contains(&"samples") && texts.iter().any(|text| text.contains("leaking")), "{texts:?}");
    assert!(room.read("leak.md").contains("\n![Memory curve](leak.svg)\n"));
    let page = room.read("leak.html");
    assert!(
        page.contains("<figure><svg ") && !page.contains("leak.svg") && !page.contains("<script"),
        "{page}"
    );
    assert!(!page.contains("http://") || page.contains("http://www.w3.org/2000/svg"), "{page}");
    let text = room.read("leak.md");
    assert!(text.contains("Alarm: verdict ") && text.contains("First sample of memory of "), "{text}");
    for line in room.read("leak.jsonl").lines() {
        let id = serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        assert!(text.contains(&format!("| `{id}` |")), "{id}");
    }
    assert_eq!(
        room.answer(&["report", ID, "--out", "leak.md", "--svg", "leak.svg"]).out,
        "unchanged: leak.svg\nunchanged: leak.md\n"
    );
}
