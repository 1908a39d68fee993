//! `scupper lint`: what is wrong with a document.
//! Rows shown here: R081.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::scene::{Room, seed};

const SEEDS: [&str; 4] = [
    "000-action-plan.md",
    "001-deployment-readiness-audit.md",
    "002-node-heap-issue.md",
    "003-delta-report-async-task-leak.md",
];

fn with_seeds() -> Room {
    let room = Room::new();
    for name in SEEDS {
        room.write(name, seed(name));
    }
    room
}

fn rules(file: &Value) -> Vec<&str> {
    file["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap()).collect()
}

#[test]
fn r060_the_seeds_are_found_fault_with_as_they_deserve() {
    let room = with_seeds();
    let report = room.json(&["lint", SEEDS[0], SEEDS[1], SEEDS[2], SEEDS[3], "--json"]);
    assert_eq!(report["schema"], "scupper.lint/1");
    let files = report["files"].as_array().unwrap();
    let errors = |index: usize| {
        let findings = files[index]["findings"].as_array().unwrap();
        findings.iter().filter(|finding| finding["severity"] == "error").count()
    };
    assert_eq!((errors(0), errors(1)), (0, 0));
    assert!(errors(2) >= 4 && errors(3) >= 2, "{report:#}");
    for (index, rule) in
        [(0, "not-covered"), (0, "placeholder"), (1, "not-covered"), (1, "placeholder"), (1, "no-owner")]
    {
        assert!(rules(&files[index]).contains(&rule), "{index}: no {rule}");
    }
    assert!(rules(&files[3]).contains(&"snippet-cannot-work"));
    for finding in files.iter().flat_map(|file| file["findings"].as_array().unwrap()) {
        assert!(finding["line"].as_u64().unwrap() >= 1 && !finding["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(room.answer(&["lint", SEEDS[0], SEEDS[1]]).code, 0);
    assert_eq!(room.answer(&["lint", SEEDS[0], "--fail-on", "info"]).code, 1);
    let answer = room.answer(&["lint", SEEDS[2]]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.out.contains("002-node-heap-issue.md:111: error:") || answer.out.contains(": error:"),
        "{answer:?}"
    );
    assert!(answer.out.lines().last().unwrap().starts_with("1 file: "), "{answer:?}");
}

#[test]
fn folders_and_patterns_give_their_documents_once() {
    let room = with_seeds();
    room.write("docs/a.md", "# A\n");
    room.write("docs/deep/b.md", "# B\n");
    room.write("docs/c.txt", "No leaks\n");
    let files = |args: &[&str]| room.json(args)["files"].as_array().unwrap().len();
    assert_eq!(files(&["lint", "docs", "--json"]), 2);
    assert_eq!(files(&["lint", "docs", "docs/a.md", "docs/**/*.md", "--json"]), 2);
    assert_eq!(files(&["lint", "docs/*.md", "--json"]), 1);
    let answer = room.answer(&["lint", "docs/*.markdown"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("nothing fits docs/*.markdown"), "{answer:?}");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_looked_at() {
    let room = with_seeds();
    room.write("binary.md", b"\x00\x01\x02");
    room.write("latin.md", b"caf\xe9\n");
    room.write("big.md", "x".repeat(17 << 20));
    let made = Command::new("mkfifo").arg(room.work("pipe.md")).status().unwrap();
    assert!(made.success());
    let args = ["lint", "binary.md", "latin.md", "big.md", "pipe.md", "gone.md", SEEDS[0]];
    let answer = room.answer(&args);
    assert_eq!(answer.code, 2);
    assert_eq!(answer.err.lines().count(), 5, "{answer:?}");
    for word in ["binary", "UTF-8", "the most", "named pipe", "No such file"] {
        assert!(answer.err.contains(word), "{word}: {answer:?}");
    }
    assert!(answer.out.contains("(not-covered)"), "{answer:?}");
    assert!(
        answer.out.contains("1 file: 0 errors") && answer.out.contains("; 5 could not be looked at"),
        "{answer:?}"
    );
}

#[test]
fn hostile_documents_cost_a_moment_and_give_findings() {
    let room = Room::new();
    room.write("line.md", format!("# A\n{}\n", "No leaks. ".repeat(1 << 20)));
    let bomb: String =
        (1..30).fold("a0: &a0 x\n".to_owned(), |all, n| all + &format!("a{n}: &a{n} [*a{0},*a{0}]\n", n - 1));
    room.write("bomb.md", format!("---\n{bomb}---\nx\n"));
    room.write("deep.md", format!("---\na: {}{}\n---\n", "[".repeat(5000), "]".repeat(5000)));
    room.write("twice.md", "---\na: 1\na: 2\n---\n");
    room.write("escape.md", "# A\n- [x] No leaks \u{1b}[m\u{202e} token=abcdefghijkl\n");
    let report = room.json(&["lint", "line.md", "bomb.md", "deep.md", "twice.md", "escape.md", "--json"]);
    let files = report["files"].as_array().unwrap();
    assert!(rules(&files[0]).contains(&"line-too-long"));
    for index in [1, 2, 3] {
        assert!(rules(&files[index]).contains(&"front-matter"), "{:#}", files[index]);
    }
    assert_eq!(files[3]["findings"][0]["line"], 3);
    let answer = room.answer(&["lint", "escape.md"]);
    assert!(answer.out.contains("claim-without-number"), "{answer:?}");
    assert!(
        !answer.out.contains('\u{1b}') && !answer.out.contains('\u{202e}') && !answer.out.contains("abcdef"),
        "{answer:?}"
    );
}

fn git(room: &Room, args: &[&str]) -> String {
    let out = Command::new("git")
        .arg("-C")
        .arg(room.work("tree"))
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// R078 with a real tree and a real repository.
#[test]
fn r078_changes_are_compared_with_the_tree_and_its_commits() {
    let room = Room::new();
    room.write("tree/app.py", "import x\n\ndef f():\n    return 1\n");
    room.write("secret", "def f():\n    return 1\n");
    git(&room, &["init", "-q"]);
    git(&room, &["add", "app.py"]);
    git(&room, &["commit", "-q", "-m", "one"]);
    let commit = git(&room, &["rev-parse", "HEAD"]);
    room.write("tree/app.py", "import x\nimport y\n\ndef f():\n    return 2\n");
    symlink(room.work("secret"), room.work("tree/link.py")).unwrap();
    let change = |place: &str, commit: &str| {
        format!(
            "# \u{394}-Report: x\n\n## Changes Made\n- **File:** `{place}`\n{commit}- **Implementation:**\n  ```python\n  def f():\n      return 1\n  ```\n"
        )
    };
    let found = |text: &str| {
        room.write("report.md", text);
        let report = room.json(&["lint", "report.md", "--root", "tree", "--json"]);
        let all: Vec<String> = rules(&report["files"][0]).into_iter().map(str::to_owned).collect();
        all.into_iter().filter(|rule| rule.starts_with("change")).collect::<Vec<_>>()
    };
    assert_eq!(found(&change("app.py:4-5", "")), ["change-text"]);
    assert_eq!(found(&change("app.py:3-4", &format!("- **Commit:** `{commit}`\n"))), [""; 0]);
    assert_eq!(
        found(&change("app.py:3-4", "- **Commit:** `0123456789`\n")),
        ["change-text", "change-commit"]
    );
    assert_eq!(found(&change("gone.py:3-4", "")), ["change-path-missing"]);
    assert_eq!(found(&change("../secret:1-2", "")), ["change-path-missing"]);
    assert_eq!(found(&change("app.py:30-31", "")), ["change-range-missing"]);
    // A link out of the tree is not read.
    assert_eq!(found(&change("link.py:1-2", "")), ["changes-not-checked"]);
    let answer = room.answer(&["lint", "report.md", "--root", "nowhere"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("nowhere"), "{answer:?}");
}

#[test]
fn the_same_id_twice_is_an_error_in_both() {
    let room = Room::new();
    room.write("a/ISS-0109-a.md", seed(SEEDS[2]));
    room.write("a/ISS-0109-b.md", seed(SEEDS[2]));
    let report = room.json(&["lint", "a", "--json"]);
    for file in report["files"].as_array().unwrap() {
        assert!(rules(file).contains(&"duplicate-id"), "{file:#}");
    }
}

#[test]
fn r081_a_resolved_report_is_refused_while_its_incident_is_open() {
    let room = Room::new();
    let open = seed(SEEDS[2]).replace("\nstate: done\n", "\nstate: active\n");
    room.write("ISS-0109.md", open);
    room.write(
        "report.md",
        format!("{}- ISS-0109\n", seed(SEEDS[3]).split("- Async task leak in line 415").next().unwrap()),
    );
    let with = |args: &[&str]| room.json(args);
    let report = with(&["lint", "report.md", "ISS-0109.md", "--json"]);
    assert!(rules(&report["files"][0]).contains(&"resolved-incident-open"), "{report:#}");
    let report = with(&["lint", "report.md", "--incidents", ".", "--json"]);
    assert!(rules(&report["files"][0]).contains(&"resolved-incident-open"), "{report:#}");
    let alone = with(&["lint", "report.md", "--json"]);
    assert!(!rules(&alone["files"][0]).contains(&"resolved-incident-open"));
}

/// The rules of the schema that apply to what is written here: what is required, what is allowed, and that references lead
/// somewhere.
#[test]
fn sarif_is_as_its_schema_asks() {
    let room = with_seeds();
    room.write("a b.md", "- [ ] TODO\n");
    let answer = room.answer(&["lint", SEEDS[2], SEEDS[3], "a b.md", "gone.md", "--sarif"]);
    assert_eq!(answer.code, 2);
    let log: Value = serde_json::from_str(&answer.out).unwrap();
    let keys = |value: &Value, allowed: &[&str], required: &[&str]| {
        let map = value.as_object().unwrap();
        for key in map.keys() {
            assert!(allowed.contains(&key.as_str()), "{key} is not allowed in {value}");
        }
        for key in required {
            assert!(map.contains_key(*key), "{key} is missing in {value}");
        }
    };
    keys(&log, &["$schema", "version", "runs"], &["version", "runs"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    keys(run, &["tool", "columnKind", "invocations", "results"], &["tool"]);
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
    let driver = &run["tool"]["driver"];
    keys(driver, &["name", "semanticVersion", "rules"], &["name"]);
    let table = driver["rules"].as_array().unwrap();
    let level =
        |value: &Value| assert!(["none", "note", "warning", "error"].contains(&value.as_str().unwrap()));
    let mut ids: Vec<&str> = Vec::new();
    for rule in table {
        keys(rule, &["id", "shortDescription", "help", "defaultConfiguration"], &["id"]);
        level(&rule["defaultConfiguration"]["level"]);
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
        ids.push(rule["id"].as_str().unwrap());
    }
    let many = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), many);
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 10);
    for result in results {
        keys(
            result,
            &["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
            &["message"],
        );
        level(&result["level"]);
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(table[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        keys(place, &["artifactLocation", "region"], &["artifactLocation"]);
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|b| b.is_ascii_graphic()), "{uri}");
        assert!(result["partialFingerprints"].as_object().unwrap().values().all(Value::is_string));
    }
    assert!(results.iter().any(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b.md"));
    let invocation = &run["invocations"][0];
    keys(invocation, &["executionSuccessful", "toolExecutionNotifications"], &["executionSuccessful"]);
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"].as_array().unwrap().len(), 1);
}

#[test]
fn bad_usage_is_one_line_and_2() {
    let room = Room::new();
    assert_eq!(room.answer(&["lint"]).code, 2);
    assert_eq!(room.answer(&["lint", "a.md", "--json", "--sarif"]).code, 2);
    let answer = room.answer(&["lint", "--help"]);
    assert_eq!(answer.code, 0);
    assert!(answer.out.contains("Examples:"));
}

/// A unit that ran and left events, and an incident that cites one of them. Gives the incident's file.
fn with_incident(room: &Room) -> std::path::PathBuf {
    assert_eq!(room.answer(&["run", "--name", "job", "--", "false"]).code, 1);
    let events = room.answer(&["events", "job", "--json"]).out;
    let exited = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == "unit_exited")
        .unwrap();
    let id = exited["id"].as_str().unwrap();
    let answer = room.answer(&["incident", "new", "job fails", "--event", id, "--incidents", "tasks"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let name = room.names("tasks").into_iter().find(|name| name.starts_with("ISS-0001")).unwrap();
    room.work("tasks").join(name)
}

/// What our own commands write has nothing wrong with it but what is worth knowing.
#[test]
fn what_scupper_writes_itself_is_clean() {
    let room = Room::new();
    let file = with_incident(&room);
    room.write(
        "vault/Inbox/leak.md",
        "# Worker leaks\n\nGrows by 100MB/hour.\n\n- Profile memory usage\n- Limit it to 1 GB\n",
    );
    assert_eq!(room.answer(&["plan", "vault"]).code, 0);
    for kind in ["audit", "delta", "postmortem", "issue"] {
        let out = format!("{kind}.md");
        let answer =
            room.answer(&["report", "ISS-0001", "--kind", kind, "--out", &out, "--incidents", "tasks"]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    let args = [
        "lint",
        "vault",
        "tasks",
        "audit.md",
        "delta.md",
        "postmortem.md",
        "issue.md",
        "--incidents",
        "tasks",
        "--fail-on",
        "warning",
    ];
    let answer = room.answer(&args);
    assert_eq!(answer.code, 0, "{}{}", answer.out, fs::read_to_string(file).unwrap());
    assert!(answer.out.contains(": 0 errors, 0 warnings, "), "{answer:?}");
}

/// R059, R060: a claim comes undone when its evidence does.
#[test]
fn what_is_changed_afterwards_is_seen() {
    let room = Room::new();
    let file = with_incident(&room);
    let text = fs::read_to_string(&file).unwrap();
    let found = |text: &str, more: &[&str]| -> Vec<String> {
        fs::write(&file, text).unwrap();
        let mut args = vec!["lint", "tasks", "--json"];
        args.extend(more);
        let report = room.json(&args);
        rules(&report["files"][0]).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(found(&text, &[]), [""; 0]);
    let evidence = text.find("evidence:").unwrap();
    let at = evidence + text[evidence..].find("sha256: ").unwrap() + "sha256: ".len();
    let at = at + usize::from(text[at..].starts_with('"'));
    let other = if text[at..].starts_with('0') { "1" } else { "0" };
    let tampered = format!("{}{other}{}", &text[..at], &text[at + 1..]);
    assert!(found(&tampered, &[]).contains(&"evidence-hash".to_owned()), "{tampered}");
    // Nobody looks where there is no evidence file, and that is said.
    assert_eq!(found(&text, &["--state", "elsewhere"]), ["evidence-not-checked"]);
    // Another evidence file does not have the event.
    let elsewhere = room.work("elsewhere").display().to_string();
    assert_eq!(room.answer(&["run", "--name", "other", "--state", &elsewhere, "--", "false"]).code, 1);
    assert_eq!(found(&text, &["--state", &elsewhere]), ["evidence-missing"]);
    let history = text.find("history:").unwrap();
    let renamed = format!("{}{}", &text[..history], text[history..].replacen("by: ", "by: x", 1));
    assert!(found(&renamed, &[]).contains(&"history-chain".to_owned()), "{renamed}");
    fs::write(&file, &text).unwrap();
    let forced = room.answer(&[
        "incident",
        "move",
        "ISS-0001",
        "done",
        "--force",
        "--reason",
        "because",
        "--incidents",
        "tasks",
    ]);
    assert_eq!(forced.code, 0, "{forced:?}");
    let rules = found(&fs::read_to_string(&file).unwrap(), &[]);
    for rule in ["forced-move", "done-without-soak"] {
        assert!(rules.contains(&rule.to_owned()), "{rules:?}");
    }
}

/// A build that names a place where nothing lies would be green without anybody having looked.
#[test]
fn a_place_without_a_document_is_said() {
    let room = Room::new();
    fs::create_dir(room.work("docs")).unwrap();
    room.write("docs/notes.txt", "# no");
    let answer = room.answer(&["lint", "docs"]);
    assert_eq!((answer.code, answer.err.as_str()), (2, "error: there is no Markdown document in docs\n"));
    assert_eq!(answer.out, "0 files: 0 errors, 0 warnings, 0 infos; 1 could not be looked at\n");
    let report = room.json(&["lint", "docs", "--json"]);
    assert_eq!(report["files"][0]["problem"], "there is no Markdown document in docs", "{report:#}");
    // That nothing has happened yet is another thing.
    for folder in ["none", "docs"] {
        let answer = room.answer(&["incident", "lint", "--incidents", folder]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.err.starts_with("there are no incidents"), "{answer:?}");
        let report = room.json(&["incident", "lint", "--incidents", folder, "--json"]);
        assert_eq!(report["files"].as_array().map(Vec::len), Some(0), "{report:#}");
    }
}
