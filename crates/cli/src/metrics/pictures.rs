//! What `monitor/` draws and alerts on is there: every expression is one, and every name and label value in it is on the
//! page. promtool parses the expressions and runs the rules' own tests, where the package `prometheus` is installed.
//! Rows shown here: R110.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::page::{self, Format};
use super::{fixture, fleet};

/// Since Grafana 12.
const SCHEMA: u64 = 42;
/// Panels of today's Grafana; `graph` and `singlestat` of the seed are gone from it.
const TYPES: [&str; 3] = ["timeseries", "stat", "row"];

fn monitor(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitor").join(file)
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(monitor("dashboards/memory-safety.json")).unwrap()).unwrap()
}

/// Title and expression of everything that is drawn.
fn drawn() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| -> Vec<(String, String)> {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (title.clone(), target["expr"].as_str().unwrap().to_owned())).collect()
    };
    panels.iter().flat_map(of).collect()
}

/// Everything that the two pages of the binary can show.
fn pages() -> String {
    let units = page::render(vec![fixture::status("web")], Format::OpenMetrics).unwrap();
    units + &fleet::render(fleet::tests::view(), Format::OpenMetrics).unwrap()
}

/// Names of samples, also of those that are absent at the moment.
fn names(pages: &str) -> BTreeSet<String> {
    let types = pages.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect()
}

/// The metrics that an expression asks for, and the label values it asks of them.
fn asked(expression: &str) -> (BTreeSet<String>, Vec<(String, String)>) {
    let matcher = Regex::new(r"([A-Za-z_:][A-Za-z0-9_:]*)\{([^}]*)\}").unwrap();
    let values = matcher
        .captures_iter(expression)
        .flat_map(|found| {
            found[2].split(',').map(|one| (found[1].to_owned(), one.trim().to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let without_labels = Regex::new(r"\{[^}]*\}").unwrap().replace_all(expression, "");
    let bare = Regex::new(r"\b(by|on|without|ignoring)\s*\([^)]*\)|\[[^\]]*\]")
        .unwrap()
        .replace_all(&without_labels, " ");
    let word = Regex::new(r"[A-Za-z_:][A-Za-z0-9_:]*\s*\(?").unwrap();
    let keywords = ["and", "or", "unless", "sum", "max", "min", "count"];
    let names = word
        .find_iter(&bare)
        .map(|found| found.as_str().trim())
        .filter(|word| !word.ends_with('(') && !keywords.contains(word))
        .map(str::to_owned)
        .collect();
    (names, values)
}

fn assert_there(expressions: &[(String, String)]) {
    let (pages, mut seen) = (pages(), 0);
    let names = names(&pages);
    for (title, expression) in expressions {
        let (metrics, values) = asked(expression);
        assert!(!metrics.is_empty(), "{title}: {expression} asks for nothing");
        for metric in metrics {
            assert!(names.contains(&metric), "{title}: {metric} is exposed by nobody");
            seen += 1;
        }
        for (metric, value) in values {
            let sample = |line: &&str| line.starts_with(&format!("{metric}{{")) && line.contains(&value);
            assert!(pages.lines().any(|line| sample(&line)), "{title}: {metric} has no {value}\n{pages}");
        }
    }
    assert!(seen >= expressions.len());
}

#[test]
fn r110_the_seeds_panels_are_there_in_types_of_today() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], json!(SCHEMA));
    let panels = dashboard["panels"].as_array().unwrap();
    for (title, kind, expression) in [
        ("Active Agents Over Time", "timeseries", "agent_count_total{state=\"active\"}"),
        ("Orphan Cleanup Rate", "timeseries", "rate(agent_orphan_cleanup_count[5m])"),
        ("Memory Growth", "timeseries", "memory_growth_bytes"),
        ("Memory Leak Detection", "stat", "memory_leak_detected"),
    ] {
        let panel = panels.iter().find(|panel| panel["title"] == title).unwrap_or_else(|| panic!("{title}"));
        assert_eq!((&panel["type"], &panel["targets"][0]["expr"]), (&json!(kind), &json!(expression)));
    }
    let growth = panels.iter().find(|panel| panel["title"] == "Memory Growth").unwrap();
    assert_eq!(growth["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"], json!(100 << 20));
    let datasource = json!({ "type": "prometheus", "uid": "${datasource}" });
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(TYPES.contains(&panel["type"].as_str().unwrap()), "{panel}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = &panel["gridPos"];
        assert!(places.insert((at["y"].as_u64().unwrap(), at["x"].as_u64().unwrap())), "{panel}");
        assert!(at["x"].as_u64().unwrap() + at["w"].as_u64().unwrap() <= 24, "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"], datasource, "{panel}");
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{panel}");
        }
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], json!("datasource"));
}

#[test]
fn r110_what_is_drawn_is_exposed() {
    assert_there(&drawn());
}

#[test]
fn r110_every_expression_is_one() {
    let rules: Vec<Value> = drawn()
        .iter()
        .enumerate()
        .map(|(n, (_, expression))| json!({ "record": format!("panel:{n}"), "expr": expression }))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    // JSON is YAML.
    let file = directory.path().join("panels.yml");
    let groups = |rules: &[Value]| json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string();
    fs::write(&file, groups(&rules)).unwrap();
    let Some(said) = promtool(&["check", "rules", file.to_str().unwrap()]) else { return };
    assert!(said.contains(&format!("SUCCESS: {} rules found", rules.len())), "{said}");
    fs::write(&file, groups(&[json!({ "record": "panel:0", "expr": "rate(memory_growth_bytes[5m)" })]))
        .unwrap();
    assert!(promtool(&["check", "rules", file.to_str().unwrap()]).unwrap().contains("FAILED"));
}

#[test]
fn r111_alerts_are_on_what_is_exposed() {
    let text = fs::read_to_string(monitor("alerts.yml")).unwrap();
    // A rule's lines: its name, and its expression on one line or on those that are indented below it.
    let rule =
        Regex::new(r"- alert: (\w+)\n(?:\s+#.*\n)*\s+expr: (?:>-\n)?((?:.+\n)+?)\s+(?:for|labels):").unwrap();
    let rules: Vec<(String, String)> =
        rule.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    assert_eq!(rules.len(), text.matches("- alert:").count(), "{rules:?}");
    assert_there(&rules);
    for wanted in [
        ("FleetMemoryGrowth", "memory_growth_bytes > 100 * 1024 * 1024"),
        ("FleetMemoryLeak", "memory_leak_detected == 1"),
        ("FleetBrakeTripped", "scupper_fleet_phase{phase=\"hold\"}"),
        ("FleetCoordinatorSilent", "scupper_fleet_sweeps_total"),
    ] {
        assert!(rules.iter().any(|(name, expr)| name == wanted.0 && expr.contains(wanted.1)), "{wanted:?}");
    }
    // Each has a test of its own.
    let tests = fs::read_to_string(monitor("alerts.test.yml")).unwrap();
    for (name, _) in rules {
        assert!(tests.contains(&format!("alertname: {name}\n        exp_alerts:")), "{name}");
    }
}

/// R111: what the rules say of series that are written down beside them.
#[test]
fn r111_the_rules_pass_their_own_tests() {
    let (rules, tests) = (monitor("alerts.yml"), monitor("alerts.test.yml"));
    let Some(said) = promtool(&["check", "rules", rules.to_str().unwrap()]) else { return };
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(&["test", "rules", tests.to_str().unwrap()]).unwrap();
    assert!(said.contains("SUCCESS") && !said.contains("FAILED"), "{said}");
    // They can fail: a rule that alerts at half of it does not pass.
    let directory = tempfile::tempdir().unwrap();
    let other = fs::read_to_string(&rules).unwrap().replace("> 100 * 1024 * 1024", "> 50 * 1024 * 1024");
    fs::write(directory.path().join("alerts.yml"), other).unwrap();
    fs::copy(tests, directory.path().join("alerts.test.yml")).unwrap();
    let said =
        promtool(&["test", "rules", directory.path().join("alerts.test.yml").to_str().unwrap()]).unwrap();
    assert!(said.contains("FAILED"), "{said}");
}

/// What promtool says; `None` where there is none.
fn promtool(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("promtool").args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned())
}
