//! What `reap` says to a person: the plan, the question, the result.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use scupper_model::{Bytes, printable};
use scupper_orphan::{Certainty, Shown};

use super::done::{Done, Skipped};
use super::view::{One, memory, trees};
use super::{Mode, Planned};
use crate::output::{Printer, figures};

/// A command line on one line of a terminal.
const COMMAND: usize = 80;
/// Processes of one tree that are shown; their number is always said.
const MOST_SHOWN: usize = 40;
/// Processes left alone that are shown with their reason.
const MOST_SPARED: usize = 10;

/// Whom it would end, or is going to end, in order and why; whom it would leave alone.
pub(super) fn plan(planned: &Planned, mode: Mode) -> String {
    let mut text = String::new();
    let decided = trees(&planned.plan.targets);
    let likely = trees(&planned.plan.to_ask);
    if decided.is_empty() && likely.is_empty() {
        let _ = writeln!(text, "{}", nothing(planned));
    }
    let held_back = planned.held_back.is_some();
    let verb = match mode {
        _ if held_back => "left behind",
        Mode::DryRun => "would end",
        Mode::Person | Mode::Timer => "to end",
    };
    section(&mut text, verb, &decided);
    let title = match mode {
        _ if held_back => "likely left behind",
        Mode::DryRun => "likely, would be asked about one by one, or ended where it is named",
        Mode::Person => "likely, asked about one by one",
        Mode::Timer => "likely, left alone",
    };
    section(&mut text, title, &likely);
    let findings = &planned.looked.findings;
    let held = findings.held_idle.len();
    if held > 0 && decided.iter().flatten().all(|one| one.certainty.is_some()) {
        let _ = writeln!(text, "held idle: {held} (a living parent holds them; ended only by their pid)");
    }
    let spared = &findings.not_touched;
    for one in spared.iter().take(MOST_SPARED) {
        let name = printable(one.process.name.as_bytes(), 32);
        let _ = writeln!(text, "left alone: {} {name}: {}", one.process.identity.pid, one.because);
    }
    if spared.len() > MOST_SPARED {
        let _ = writeln!(text, "left alone: {} more (`scupper scan` lists them)", spared.len() - MOST_SPARED);
    }
    if mode == Mode::DryRun && !(decided.is_empty() && likely.is_empty()) {
        text.push_str(if held_back {
            "nothing was signalled, and --yes would end nobody: what is kept cannot be read\n"
        } else {
            "nothing was signalled: `scupper reap --yes` acts\n"
        });
    }
    text
}

/// Where there is nobody to end: of those that were asked about.
fn nothing(planned: &Planned) -> &'static str {
    let chosen = !planned.selection.choices.is_empty();
    let limited = planned.looked.settings.user.is_some() || !planned.looked.settings.min_age.is_zero();
    if chosen || limited {
        "nothing of what was asked for was left behind"
    } else {
        "nothing was left behind"
    }
}

fn section(text: &mut String, title: &str, trees: &[Vec<One<'_>>]) {
    if trees.is_empty() {
        return;
    }
    let all: Vec<One<'_>> = trees.iter().flatten().copied().collect();
    let _ = writeln!(text, "{title}: {}, children before their parents", amount(&all));
    text.extend(trees.iter().map(|tree| shown(tree)));
}

/// One tree, member by member, in the order in which they are signalled.
fn shown(tree: &[One<'_>]) -> String {
    let mut text = String::new();
    let Some(top) = tree.last() else { return text };
    let certainty = match top.certainty {
        Some(Certainty::Certain) => "certain",
        Some(Certainty::Likely) => "likely",
        None => "held idle",
    };
    let unit = top.unit.map_or_else(String::new, |unit| format!(", of unit {unit}"));
    let _ = writeln!(text, "  {} ({certainty}{unit})", top.group);
    // Of a hundred that hang below one, why is said once.
    let mut said: HashSet<String> = HashSet::new();
    for one in tree.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "    {}", line(one.process));
        let because = one.because();
        if said.insert(because.clone()) {
            let _ = writeln!(text, "              {because}");
        }
    }
    if tree.len() > MOST_SHOWN {
        let _ = writeln!(text, "    and {} more", tree.len() - MOST_SHOWN);
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

/// What is asked about one tree.
pub(super) fn question(tree: &[One<'_>]) -> String {
    format!("{}  end {}?", shown(tree), amount(tree))
}

/// What was done.
pub(super) fn done(done: &Done) -> String {
    let mut text = String::new();
    if let Some(brake) = &done.brake {
        let _ = writeln!(text, "{brake}");
    }
    if done.acted.interrupted {
        text.push_str("interrupted: no more signals were sent\n");
    }
    let forced = done.ended().filter(|(.., forced)| *forced).count();
    let by_force = if forced == 0 { String::new() } else { format!(" ({forced} forced)") };
    let freed = if done.freed == Bytes(0) { String::new() } else { format!(", {} freed", done.freed) };
    let _ = writeln!(text, "ended {}{by_force}{freed}", count(done.ended().count()));
    for (identity, name, because) in done.left() {
        let _ = writeln!(text, "left: {} {name}: {because}", identity.pid);
    }
    for (because, pids) in by_reason(&done.skipped) {
        let _ = writeln!(text, "left: {}: {because}", pids.join(" "));
    }
    text
}

fn by_reason(skipped: &[Skipped]) -> BTreeMap<&str, Vec<String>> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in skipped {
        reasons.entry(&one.because).or_default().push(one.identity.pid.to_string());
    }
    reasons
}

/// What is named and was not ended: as errors, each on a line.
pub(super) fn refused(planned: &Planned, printer: &mut Printer) {
    for refused in &planned.refused {
        let target = printable(refused.target.as_bytes(), 80);
        printer.note(&format!("error: {target}: {}", refused.because));
    }
    if !planned.refused.is_empty() && !planned.plan.targets.is_empty() {
        printer.note("nothing was ended: leave it out, and name the rest again");
    }
}

fn amount(all: &[One<'_>]) -> String {
    let unknown = all.iter().any(|one| one.process.rss.is_none());
    let at_least = if unknown { "at least " } else { "" };
    format!("{}, {at_least}{}", count(all.len()), memory(all.iter().map(|one| one.process)))
}

fn count(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}
