//! What `reap` says to a person: the plan, the question, the result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use scupper_model::{Bytes, printable};
use scupper_orphan::{Certainty, Shown};

use super::choose::{Candidate, Choice, Tree, Why};
use super::{Done, Looked, Mode, Skipped};
use crate::output::{Printer, figures};

/// A command line on one line of a terminal.
const COMMAND: usize = 80;
/// Processes of one tree that are shown; their number is always said.
const MOST_SHOWN: usize = 40;
/// Processes left alone that are shown with their reason.
const MOST_SPARED: usize = 10;

/// Whom it would end, or is going to end, in order and why; whom it would leave alone.
pub(super) fn plan(looked: &Looked, choice: &Choice<'_>, mode: Mode) -> String {
    let mut text = String::new();
    let (decided, likely): (Vec<&Tree<'_>>, Vec<&Tree<'_>>) =
        choice.trees.iter().partition(|tree| tree.is_decided());
    if choice.trees.is_empty() && choice.refused.is_empty() {
        text.push_str("nothing was left behind\n");
    }
    let verb = if mode == Mode::DryRun { "would end" } else { "to end" };
    section(&mut text, &format!("{verb}, in this order"), &decided);
    let likely_ones = match mode {
        Mode::DryRun => "likely: would be asked about one by one, or ended where it is named",
        Mode::Person => "likely: asked about one by one",
        Mode::Timer => "likely: left alone",
    };
    section(&mut text, likely_ones, &likely);
    let held = looked.findings.held_idle.len();
    let held_named = choice.trees.iter().flat_map(|tree| &tree.members).any(|one| one.certainty().is_none());
    if held > 0 && !held_named {
        let _ =
            writeln!(text, "held idle: {held} (a living parent holds them; ended only where they are named)");
    }
    spared(&mut text, looked);
    if mode == Mode::DryRun && !choice.trees.is_empty() {
        text.push_str("nothing was signalled: `scupper reap --yes` acts\n");
    }
    text
}

fn section(text: &mut String, title: &str, trees: &[&Tree<'_>]) {
    if trees.is_empty() {
        return;
    }
    let members: Vec<Candidate<'_>> = trees.iter().flat_map(|tree| tree.members.iter().copied()).collect();
    let _ = writeln!(text, "{title}: {}", amount(&members));
    for tree in trees {
        text.push_str(&shown(tree));
    }
}

/// One tree, member by member.
fn shown(tree: &Tree<'_>) -> String {
    let mut text = String::new();
    let Some(top) = tree.top() else { return text };
    let certainty = match top.certainty() {
        Some(Certainty::Certain) => "certain",
        Some(Certainty::Likely) => "likely",
        None => "held idle",
    };
    let unit = top.unit().map_or_else(String::new, |unit| format!(", of unit {unit}"));
    let _ = writeln!(text, "  {} ({certainty}{unit})", top.group());
    let mut said: BTreeMap<String, ()> = BTreeMap::new();
    for candidate in tree.members.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "    {}", line(candidate.shown()));
        let because = candidate.because();
        // Of a hundred that hang below one, it is said once.
        if said.insert(because.clone(), ()).is_none() {
            let _ = writeln!(text, "             {because}");
        }
    }
    if tree.members.len() > MOST_SHOWN {
        let _ = writeln!(text, "    and {} more", tree.members.len() - MOST_SHOWN);
    }
    text
}

fn line(process: &Shown) -> String {
    let rss = process.rss.map_or_else(|| "unknown".to_owned(), |rss| rss.to_string());
    let age = figures::span(Duration::from_secs(process.age.as_secs()));
    let command = if process.command.is_empty() { &process.name } else { &process.command };
    let command = printable(command.as_bytes(), COMMAND);
    format!("{:>8}  {rss:>10}  {age:>12}  {command}", process.identity.pid.get())
}

fn spared(text: &mut String, looked: &Looked) {
    let spared = &looked.findings.not_touched;
    for one in spared.iter().take(MOST_SPARED) {
        let name = printable(one.process.name.as_bytes(), 32);
        let _ = writeln!(text, "left alone: {} {name}: {}", one.process.identity.pid, one.because);
    }
    if spared.len() > MOST_SPARED {
        let _ = writeln!(text, "left alone: {} more (`scupper scan` lists them)", spared.len() - MOST_SPARED);
    }
}

/// What is asked about one tree.
pub(super) fn question(tree: &Tree<'_>) -> String {
    let processes = amount(&tree.members);
    format!("{}  end {processes}?", shown(tree))
}

/// What was done.
pub(super) fn done(done: &Done<'_>) -> String {
    let mut text = String::new();
    if let Some(brake) = &done.brake {
        let _ = writeln!(text, "{brake}");
    }
    let forced = done.outcome.ended.iter().filter(|(_, forced)| *forced).count();
    if done.outcome.interrupted {
        text.push_str("interrupted: no more signals were sent\n");
    }
    let by_force = if forced == 0 { String::new() } else { format!(" ({forced} forced)") };
    let freed = if done.freed == Bytes(0) { String::new() } else { format!(", {} freed", done.freed) };
    let _ = writeln!(text, "ended {}{by_force}{freed}", count(done.outcome.ended.len()));
    for (identity, because) in &done.outcome.left {
        let _ = writeln!(text, "left: {identity}: {because}");
    }
    for (because, pids) in by_reason(&done.skipped) {
        let _ = writeln!(text, "left: {}: {because}", pids.join(" "));
    }
    text
}

fn by_reason<'s>(skipped: &'s [Skipped<'_>]) -> BTreeMap<&'s str, Vec<String>> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in skipped {
        reasons.entry(&one.because).or_default().push(one.candidate.identity().pid.to_string());
    }
    reasons
}

/// What is named and was not ended: as errors, each on a line.
pub(super) fn refused(choice: &Choice<'_>, printer: &mut Printer) {
    for refused in &choice.refused {
        printer.note(&format!("error: {}: {}", refused.target, refused.because));
    }
    if !choice.refused.is_empty() && !choice.trees.is_empty() {
        printer.note("nothing was ended: leave it out, and name the rest again");
    }
}

fn amount(members: &[Candidate<'_>]) -> String {
    let unknown = members.iter().any(|candidate| candidate.shown().rss.is_none());
    let at_least = if unknown { "at least " } else { "" };
    let held = members.iter().all(|candidate| matches!(candidate.why, Why::HeldIdle(_)));
    let what = if held && !members.is_empty() { "held " } else { "" };
    format!("{what}{}, {at_least}{}", count(members.len()), super::memory(members))
}

fn count(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}
