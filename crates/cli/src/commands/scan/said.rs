//! A scan as a person reads it: one screen, what matters first, and what to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use scupper_detect::Quantity;
use scupper_model::{Pid, printable};
use scupper_orphan::{Certainty, DescriptorFinding, DescriptorKind, Findings, NotTouched, Settings, Zombie};
use scupper_probe::snapshot::Kinds;

use super::Scan;
use super::entries::memory;
use super::groups::{self, Group};
use super::look::OTHERS;
use super::watch::{Course, Watched, What};
use crate::output::Table;
use crate::output::figures::{amount, span};

/// Rows of one section; the rest is counted.
const ROWS: usize = 12;
/// Longest text in a column.
const WIDE: usize = 60;
/// Of a shorter watch nothing is said.
const LEAST_WATCH: Duration = Duration::from_secs(30);
/// Pids that a line names.
const FEW: usize = 8;

/// The whole answer.
pub(super) fn said(scan: &Scan) -> String {
    let findings = scan.findings();
    let mut out = String::new();
    if scan.is_clean() {
        let _ = writeln!(out, "{}", clean(scan));
    }
    left_behind(findings, &mut out);
    held_idle(findings, &mut out);
    if let Some(watched) = &scan.watched {
        growing(watched, &mut out);
    }
    zombies(&findings.zombies, &mut out);
    descriptors(findings, scan.watched.as_ref(), &mut out);
    not_touched(&findings.not_touched, &mut out);
    if !scan.is_clean()
        && let Some(unread) = not_read(scan)
    {
        section(&mut out, &sentence(&unread), "");
    }
    next_step(findings, &mut out);
    out
}

/// All that there is to say where nothing was found.
fn clean(scan: &Scan) -> String {
    let grows = if scan.watched.is_some() { ", nothing grows" } else { "" };
    let unread = not_read(scan).map(|unread| format!("; {unread}")).unwrap_or_default();
    let (processes, seconds) = (scan.looked.snapshot.processes.len(), scan.took.as_secs_f64());
    let asked = asked(&scan.looked.settings);
    format!(
        "clean: nothing was left behind{asked}{grows}; {processes} processes looked at in {seconds:.2} s{unread}"
    )
}

/// What alone was asked about: of the rest nothing is said.
fn asked(settings: &Settings) -> String {
    let user = settings.user.map(|user| format!(" by user {user}")).unwrap_or_default();
    let young =
        (!settings.min_age.is_zero()).then(|| format!(" that is at least {} old", whole(settings.min_age)));
    format!("{user}{}", young.unwrap_or_default())
}

fn section(out: &mut String, title: &str, body: &str) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{title}");
    for line in body.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

fn left_behind(findings: &Findings, out: &mut String) {
    let found = &findings.left_behind;
    if found.is_empty() {
        return;
    }
    let groups = groups::left_behind(found);
    let header = ["COUNT", "WHAT", "MEMORY", "CPU", "AGE", "CERTAINTY", "WHY", "PIDS"];
    let body = table(&header, &groups, |group| {
        vec![certainty(group.certainty), clip(in_short(group.why)), group.few()]
    });
    let all = memory(found.iter().map(|left| &left.process));
    section(out, &format!("Left behind: {}, {all}", count(found.len(), "process", "processes")), &body);
}

fn held_idle(findings: &Findings, out: &mut String) {
    let found = &findings.held_idle;
    if found.is_empty() {
        return;
    }
    let groups = groups::held(found);
    let header = ["COUNT", "WHAT", "MEMORY", "CPU", "AGE", "WHY", "PIDS"];
    let body = table(&header, &groups, |group| vec![clip(group.why), group.few()]);
    let all = memory(found.iter().map(|held| &held.process));
    let title =
        format!("Held idle by a living process: {}, {all}", count(found.len(), "process", "processes"));
    section(out, &title, &body);
}

fn table(header: &[&'static str], groups: &[Group<'_>], rest: impl Fn(&Group<'_>) -> Vec<String>) -> String {
    let mut table = Table::new(header, &["COUNT", "MEMORY", "CPU", "AGE"]);
    for group in groups.iter().take(ROWS) {
        let mut row = vec![
            group.count.to_string(),
            printable(group.what.as_bytes(), 40),
            group.memory(),
            whole(group.cpu),
            whole(group.age),
        ];
        row.extend(rest(group));
        table.row(row);
    }
    format!("{table}{}", more(groups.len(), "kind", "kinds"))
}

fn growing(watched: &Watched, out: &mut String) {
    if !watched.growing.is_empty() {
        let mut table = Table::new(
            &["PID", "NAME", "SERIES", "FROM", "TO", "SLOPE", "VERDICT", "CONFIDENCE", "WHY"],
            &["PID", "FROM", "TO", "SLOPE", "CONFIDENCE"],
        );
        for growing in watched.growing.iter().take(ROWS) {
            let course = &growing.course;
            let (series, quantity) = shown_as(course.what);
            let why = course.assessment.reasons.first().map_or("", |reason| reason.text.as_str());
            table.row(vec![
                growing.process.identity.pid.to_string(),
                growing.process.name.clone(),
                series.to_owned(),
                amount(quantity, scupper_detect::exact(course.from)),
                amount(quantity, scupper_detect::exact(course.to)),
                slope(course).unwrap_or_else(|| "-".to_owned()),
                course.assessment.verdict.to_string(),
                course.assessment.confidence.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}")),
                clip(why),
            ]);
        }
        let body = format!("{table}{}", more(watched.growing.len(), "process", "processes"));
        section(out, &format!("Growing, watched for {}", whole(watched.lasted)), &body);
    }
    if watched.lasted < LEAST_WATCH {
        let lasted = whole(watched.lasted);
        section(out, &format!("Watched for {lasted} alone: too short to say what grows"), "");
    }
    let left_out = watched.of.saturating_sub(watched.processes);
    if left_out > 0 {
        let were = count(left_out, "smaller process was", "smaller processes were");
        section(out, &format!("Watched were the {} largest; {were} not", watched.processes), "");
    }
}

const fn shown_as(what: What) -> (&'static str, Quantity) {
    match what {
        What::Memory => ("memory", Quantity::Bytes),
        What::Descriptors => ("descriptors", Quantity::Count),
    }
}

fn slope(course: &Course) -> Option<String> {
    let slope = course.assessment.slope?;
    let (_, quantity) = shown_as(course.what);
    let sign = if slope.per_hour < 0.0 { "" } else { "+" };
    Some(format!("{sign}{}/h", amount(quantity, slope.per_hour)))
}

fn zombies(found: &[Zombie], out: &mut String) {
    if found.is_empty() {
        return;
    }
    let mut by_parent: BTreeMap<Option<&(Pid, String)>, Vec<String>> = BTreeMap::new();
    for zombie in found {
        let pids = by_parent.entry(zombie.waits_for.as_ref()).or_default();
        pids.push(zombie.process.identity.pid.to_string());
    }
    let mut parents: Vec<_> = by_parent.into_iter().collect();
    parents.sort_by_key(|(_, pids)| std::cmp::Reverse(pids.len()));
    let mut body = String::new();
    for (parent, pids) in parents.iter().take(ROWS) {
        let whose = parent.map_or_else(
            || "whose parent cannot be told".to_owned(),
            |(pid, name)| format!("that {name} ({pid}) does not wait for"),
        );
        let _ = writeln!(body, "{:>5} {whose}: {}", pids.len(), few(pids));
    }
    body.push_str(&more(parents.len(), "parent", "parents"));
    section(out, "Zombies: ended, and their parent never waits", &body);
}

fn descriptors(findings: &Findings, watched: Option<&Watched>, out: &mut String) {
    let found = &findings.descriptors;
    if found.is_empty() {
        return;
    }
    let mut table = Table::new(&["PID", "NAME", "WHAT"], &["PID"]);
    for finding in found.iter().take(ROWS) {
        let pid = finding.process.identity.pid;
        let course = watched.and_then(|watched| watched.descriptors.get(&pid));
        table.row(vec![pid.to_string(), finding.process.name.clone(), descriptor(finding, course)]);
    }
    let body = format!("{table}{}", more(found.len(), "finding", "findings"));
    section(out, "Descriptors", &body);
}

/// `980 of 1024 open: 900 sockets, 80 files; +120/h`.
fn descriptor(finding: &DescriptorFinding, course: Option<&Course>) -> String {
    let mut text = match finding.kind {
        DescriptorKind::NearLimit => {
            let limit = finding.limit.map_or_else(|| "unknown".to_owned(), |limit| limit.to_string());
            format!("{} of {limit} open: {}", finding.count, kinds(finding.kinds))
        }
        DescriptorKind::DeletedOpen => {
            let size = finding.bytes.map_or_else(|| "an unknown size".to_owned(), |bytes| bytes.to_string());
            let largest =
                finding.largest.as_deref().map(|largest| format!(", the largest {}", path(largest)));
            let files = count_of(finding.count, "deleted file", "deleted files");
            format!("{files} still open, {size} on disk{}", largest.unwrap_or_default())
        }
        DescriptorKind::CloseWait => {
            let those = count_of(finding.count, "connection", "connections");
            format!("{those} that the other end has closed and this one has not (CLOSE_WAIT)")
        }
    };
    if finding.kind == DescriptorKind::NearLimit
        && let Some(slope) = course.and_then(slope)
    {
        let _ = write!(text, "; {slope}");
    }
    text
}

/// The most first: `900 sockets, 80 files`.
fn kinds(kinds: Kinds) -> String {
    let Kinds { files, pipes, sockets, devices, anonymous } = kinds;
    let mut each = [
        (files, "files"),
        (pipes, "pipes"),
        (sockets, "sockets"),
        (devices, "devices"),
        (anonymous, "of the kernel's own"),
    ];
    each.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let some = each.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    some.collect::<Vec<_>>().join(", ")
}

fn not_touched(found: &[NotTouched], out: &mut String) {
    if found.is_empty() {
        return;
    }
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for spared in found {
        let pid = spared.process.identity.pid;
        by_reason.entry(&spared.because).or_default().push(format!("{} ({pid})", spared.process.name));
    }
    let mut reasons: Vec<_> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, who)| std::cmp::Reverse(who.len()));
    let mut body = String::new();
    for (because, who) in reasons.iter().take(ROWS) {
        let _ = writeln!(body, "{:>5} {}: {}", who.len(), printable(because.as_bytes(), 120), few(who));
    }
    body.push_str(&more(reasons.len(), "reason", "reasons"));
    section(out, "Not touched, although it looks left behind", &body);
}

/// `of 120 processes something was not readable: descriptors, environment (Permission denied)`.
fn not_read(scan: &Scan) -> Option<String> {
    let found = &scan.findings().unreadable;
    if found.iter().any(|one| one.what == OTHERS) {
        return Some("the processes of other users are hidden from this one; root sees more".to_owned());
    }
    let processes: BTreeSet<Pid> = found.iter().map(|one| one.pid).collect();
    let whats: BTreeSet<&str> = found.iter().map(|one| one.what).collect();
    let mut whys: BTreeMap<&str, usize> = BTreeMap::new();
    for one in found {
        *whys.entry(&one.why).or_default() += 1;
    }
    let (why, _) = whys.into_iter().max_by_key(|(_, count)| *count)?;
    let of = count(processes.len(), "process", "processes");
    let what = whats.into_iter().collect::<Vec<_>>().join(", ");
    let root = if scan.looked.observer.uid == 0 { "" } else { "; root sees more" };
    Some(format!("of {of} not all was readable: {what} ({}){root}", printable(why.as_bytes(), 100)))
}

/// With a capital letter in front.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn next_step(findings: &Findings, out: &mut String) {
    let left = &findings.left_behind;
    let Some(first) = left.first() else { return };
    let pid = first.root;
    let certain = left.iter().any(|left| left.certainty == Certainty::Certain);
    let does = if certain {
        "what is certain is ended with --yes, what is likely is asked about"
    } else {
        "nothing is ended without --yes"
    };
    section(
        out,
        &format!(
            "Next: `scupper scan --explain {pid}` says why; `scupper reap` shows what it would end ({does})"
        ),
        "",
    );
}

fn certainty(certainty: Option<Certainty>) -> String {
    match certainty {
        Some(Certainty::Certain) => "certain".to_owned(),
        Some(Certainty::Likely) => "likely".to_owned(),
        None => String::new(),
    }
}

/// Evidence up to its details, which `--explain` and JSON have: `nobody holds the other end of its stdin`.
fn in_short(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(short, _)| short)
}

fn clip(text: &str) -> String {
    printable(text.as_bytes(), WIDE)
}

fn few(all: &[String]) -> String {
    let more = if all.len() > FEW { " ..." } else { "" };
    format!("{}{more}", all.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(" "))
}

fn more(all: usize, one: &str, several: &str) -> String {
    match all.saturating_sub(ROWS) {
        0 => String::new(),
        rest => format!("and {} more; --json has all\n", count(rest, one, several)),
    }
}

fn count(count: usize, one: &str, several: &str) -> String {
    count_of(count as u64, one, several)
}

fn count_of(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Whole seconds: nobody reads tenths of an age.
fn whole(time: Duration) -> String {
    span(Duration::from_secs(time.as_secs()))
}

/// A path of a stranger, fit to print.
pub(super) fn path(path: &Path) -> String {
    scupper_model::redact_line(&printable(path.as_os_str().as_bytes(), 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_by_their_number() {
        let all = Kinds { files: 3, pipes: 0, sockets: 900, devices: 1, anonymous: 0 };
        assert_eq!(kinds(all), "900 sockets, 3 files, 1 devices");
    }

    #[test]
    fn evidence_is_short_in_a_row() {
        assert_eq!(in_short("nobody reads its stdout: nobody reads from pipe 7"), "nobody reads its stdout");
        assert_eq!(in_short("its parent is gone"), "its parent is gone");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(few(&all), "0 1 2 3 4 5 6 7 ...");
        assert_eq!(more(13, "kind", "kinds"), "and 1 kind more; --json has all\n");
        assert_eq!(more(ROWS, "kind", "kinds"), "");
    }
}
