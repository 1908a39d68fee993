//! `--explain`: every piece of evidence for one process, whether it holds, and what it all comes to.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_model::{Pid, printable};
use scupper_orphan::{Certainty, Check, CheckState, EvidenceKind, Explanation, Judged};
use serde::Serialize;

use super::entries::{Entry, Other, entry, other};
use super::look::Looked;
use crate::failure::{FINDINGS, Failure};
use crate::output::figures::span;
use crate::output::{Printer, Table};

/// The answer of `scan --explain PID --json`.
#[derive(Serialize)]
struct Explained<'s> {
    schema: &'static str,
    /// `left_behind`, `held_idle`, `zombie`, `not_touched` or `live`.
    verdict: &'static str,
    /// How certain, where it was left behind.
    certainty: Option<Certainty>,
    sentence: &'s str,
    process: Entry<'s>,
    group: &'s str,
    /// Those above it, the nearest first.
    above: Vec<Other<'s>>,
    stdin: &'s str,
    stdout: &'s str,
    stderr: &'s str,
    /// What holds of what was looked for, strongest first.
    evidence: Vec<Piece<'s>>,
    /// All that was looked for.
    checks: &'s [Check],
    /// Who is connected to it.
    users: &'s [String],
    never_touched: Option<&'s str>,
}

#[derive(Serialize)]
struct Piece<'s> {
    kind: EvidenceKind,
    text: &'s str,
}

pub(super) fn explain(pid: Pid, looked: &Looked, json: bool, printer: &mut Printer) -> Result<u8, Failure> {
    let Looked { snapshot, known, observer, settings, .. } = looked;
    let Some(explanation) = scupper_orphan::explain(snapshot, known, *observer, settings, pid) else {
        let or = "it is one of the kernel's own, or /proc does not show it to this user";
        return Err(Failure::usage(format!("there is no process {pid}, or {or}")));
    };
    if json {
        printer.json(&explained(&explanation))?;
    } else {
        printer.line(&said(&explanation))?;
    }
    let found = matches!(explanation.verdict, Judged::LeftBehind(_) | Judged::HeldIdle | Judged::Zombie);
    Ok(if found { FINDINGS } else { 0 })
}

fn explained(explanation: &Explanation) -> Explained<'_> {
    let (verdict, certainty) = verdict(explanation.verdict);
    let holds = explanation.checks.iter().filter(|check| check.state == CheckState::Holds);
    let [stdin, stdout, stderr] = &explanation.stdio;
    Explained {
        schema: "scupper.explain/1",
        verdict,
        certainty,
        sentence: &explanation.sentence,
        process: entry(&explanation.process),
        group: &explanation.group,
        above: explanation.above.iter().map(other).collect(),
        stdin,
        stdout,
        stderr,
        evidence: holds.map(|check| Piece { kind: check.kind, text: &check.text }).collect(),
        checks: &explanation.checks,
        users: &explanation.users,
        never_touched: explanation.never_touched.as_deref(),
    }
}

const fn verdict(judged: Judged) -> (&'static str, Option<Certainty>) {
    match judged {
        Judged::LeftBehind(certainty) => ("left_behind", Some(certainty)),
        Judged::HeldIdle => ("held_idle", None),
        Judged::Zombie => ("zombie", None),
        Judged::NotTouched => ("not_touched", None),
        Judged::Live => ("live", None),
    }
}

/// The same for a person: what it is, what it comes to, and then everything that was looked for.
fn said(explanation: &Explanation) -> String {
    let process = &explanation.process;
    let mut out = String::new();
    let _ = writeln!(out, "{} ({}): {}\n", process.name, process.identity.pid, explanation.sentence);
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<10} {text}");
    };
    line("command", &printable(process.command.as_bytes(), 400));
    let rss = process.rss.map_or_else(|| "unknown".to_owned(), |rss| rss.to_string());
    let (age, cpu) = (whole(process.age), whole(process.cpu));
    line("is", &format!("{}, {age} old, {rss}, {cpu} of CPU", explanation.group));
    let above: Vec<String> = explanation.above.iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
    let above = if above.is_empty() { "nobody that can be seen".to_owned() } else { above.join(", ") };
    line("below", &above);
    for (name, text) in ["stdin", "stdout", "stderr"].iter().zip(&explanation.stdio) {
        line(name, text);
    }
    for user in &explanation.users {
        line("used by", user);
    }
    if let Some(because) = &explanation.never_touched {
        line("kept", because);
    }
    let mut table = Table::new(&["SIGN", "HOLDS", "SEEN"], &[]);
    for check in &explanation.checks {
        table.row(vec![
            word(check.kind),
            state(check.state).to_owned(),
            printable(check.text.as_bytes(), 160),
        ]);
    }
    let _ = write!(out, "\n{table}");
    out
}

const fn state(state: CheckState) -> &'static str {
    match state {
        CheckState::Holds => "yes",
        CheckState::DoesNotHold => "no",
        CheckState::Unknown => "unknown",
    }
}

/// As it is called in JSON.
fn word(kind: EvidenceKind) -> String {
    let value = serde_json::to_value(kind).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn whole(time: Duration) -> String {
    span(Duration::from_secs(time.as_secs()))
}
