//! Findings as SARIF 2.1.0, which code hosts show beside the lines they are about.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::Finding;
use super::rule::{Rule, Severity};
use crate::incident::sha256;

/// A file with what was found in it, or why it could not be read.
#[derive(Clone, Debug)]
pub struct Examined<'a> {
    /// Its path, as it was given.
    pub path: &'a str,
    /// What was found.
    pub findings: &'a [Finding],
    /// Why it could not be looked at.
    pub problem: Option<&'a str>,
}

/// The log of one run of the tool.
pub fn log(version: &str, files: &[Examined<'_>]) -> Value {
    let results: Vec<Value> = files
        .iter()
        .flat_map(|file| file.findings.iter().map(|finding| result(file.path, finding)))
        .collect();
    let notifications: Vec<Value> =
        files.iter().filter_map(|file| Some(notification(file.path, file.problem?))).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "scupper lint",
                "semanticVersion": version,
                "rules": Rule::ALL.iter().map(|rule| described(*rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

fn described(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.summary() },
        "help": { "text": rule.help() },
        "defaultConfiguration": { "level": level(rule.severity()) },
    })
}

fn result(path: &str, finding: &Finding) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule).unwrap_or(0);
    // The line is left out of it: what moves down the page is still the same finding.
    let print = sha256(format!("{path}\n{}\n{}", finding.rule, finding.message).as_bytes());
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(path) },
            "region": { "startLine": finding.line },
        }}],
        "partialFingerprints": { "scupperFinding/v1": print },
    })
}

fn notification(path: &str, problem: &str) -> Value {
    json!({
        "level": "error",
        "message": { "text": problem },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(path) } } }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A path as a relative reference, or as `file:` where it begins at the root.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("./a b/\u{394}.md"), "a%20b/%CE%94.md");
        assert_eq!(uri("/tmp/x:y.md"), "file:///tmp/x%3Ay.md");
    }

    #[test]
    fn a_result_names_its_rule_twice_and_both_are_the_same() {
        let finding =
            Finding { severity: Severity::Info, rule: Rule::Emoji, line: 3, message: "a face".to_owned() };
        let log = log("1.2.3", &[Examined { path: "a.md", findings: &[finding], problem: None }]);
        let run = &log["runs"][0];
        let result = &run["results"][0];
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        assert_eq!(result["level"], "note");
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    }
}
