//! Rules for reports, by the sections they have: whys, changes, evidence, tests, documentation, verification, links, prevention.

use std::collections::HashSet;

use super::around::{Linked, Recorded, Surroundings};
use super::finding::{Findings, quoted};
use super::general::Stage;
use super::page::{Item, Page, items};
use super::rule::{Rule, Severity};
use super::wording::{
    cites, has_count, has_digit, has_measure, has_window, has_workload, is_assumption, issue_ids,
    says_unknown, words,
};
use super::{changes, moment};

/// Sections that a Delta report has.
const DELTA_SECTIONS: &[&str] = &[
    "summary",
    "root cause analysis",
    "changes made",
    "evidence",
    "tests added",
    "documentation updated",
    "verification",
    "linked issues",
    "prevention",
];

/// Whether the report says that it is over.
pub(super) fn stage(page: &Page<'_>) -> Stage {
    let status = page.header("status").map(|(value, _)| words(&value)).unwrap_or_default();
    let over = ["resolved", "done", "closed", "fixed", "completed", "complete"];
    let denied =
        status.iter().any(|word| matches!(word.as_str(), "not" | "un" | "partly" | "partially" | "nearly"));
    if !denied && status.iter().any(|word| over.contains(&word.as_str())) {
        Stage::Finished
    } else {
        Stage::Open
    }
}

/// The header and the sections that the first such report had.
pub(super) fn delta(page: &Page<'_>, findings: &mut Findings) {
    let title_line = page.title().map_or(1, |(_, line)| line);
    let mut missing = Vec::new();
    for (name, is_right) in [
        ("Date", (|value: &str| moment::moment(value).is_some() && value.len() >= 16) as fn(&str) -> bool),
        ("Severity", is_severity),
        ("Owner", |value| !value.is_empty()),
        ("Status", |value| !value.is_empty()),
    ] {
        match page.header(name) {
            None => missing.push(name),
            Some((value, line)) => {
                if !is_right(&value) && !says_unknown(&value) {
                    let wanted = match name {
                        "Date" => "YYYY-MM-DD HH:MM",
                        "Severity" => "P0 to P3 and the word for it, such as P1 - High",
                        _ => "a value",
                    };
                    findings.add(
                        Rule::Header,
                        line.number,
                        format!("{name} is {}, and not {wanted}", quoted(&value)),
                    );
                }
                if !line.breaks {
                    findings.add(
                        Rule::Header,
                        line.number,
                        format!("the line of {name} does not end with two spaces"),
                    );
                }
            }
        }
    }
    if !missing.is_empty() {
        findings.add(Rule::Header, title_line, format!("the header does not say: {}", missing.join(", ")));
    }
    let absent: Vec<&str> =
        DELTA_SECTIONS.iter().copied().filter(|title| page.section(title).is_none()).collect();
    if !absent.is_empty() {
        findings.add(Rule::SectionMissing, title_line, format!("there is no section {}", absent.join(", ")));
    }
}

fn is_severity(value: &str) -> bool {
    let (level, rest) = value.split_at_checked(2).unwrap_or((value, ""));
    matches!(level, "P0" | "P1" | "P2" | "P3") && rest.chars().any(char::is_alphabetic)
}

/// Every section that is there.
pub(super) fn check(page: &Page<'_>, stage: Stage, around: &dyn Surroundings, findings: &mut Findings) {
    owner(page, findings);
    dates(page, around, findings);
    whys(page, stage, findings);
    if let Some((_, section)) = page.section("changes made") {
        changes::check(section, around, findings);
    }
    measured(page, stage, findings);
    for item in entries(page, "tests added") {
        tests(&item, findings);
    }
    for item in entries(page, "documentation updated") {
        if !has_path(&item.text) && !is_linked(&item.text) {
            findings.add(
                Rule::DocumentationWithoutPath,
                item.line,
                format!("no page is named: {}", quoted(&item.text)),
            );
        }
    }
    for item in entries(page, "verification") {
        verification(&item, findings);
    }
    for item in entries(page, "linked issues") {
        if !is_linked(&item.text) && issue_ids(&item.text).next().is_none() {
            findings.add(
                Rule::IssueWithoutLink,
                item.line,
                format!("no number and no address: {}", quoted(&item.text)),
            );
        }
    }
    for item in entries(page, "prevention") {
        if !has_rule(&item) && !has_owner_and_date(&item.text) {
            findings.add(
                Rule::PreventionWithoutRule,
                item.line,
                format!("neither a rule that is on, nor an owner and a date: {}", quoted(&item.text)),
            );
        }
    }
    timeline(page, findings);
    linked(page, stage, around, findings);
    recorded(page, around, findings);
}

/// The entries of a section that say something.
fn entries(page: &Page<'_>, title: &str) -> Vec<Item> {
    let section = page.section(title).map(|(_, lines)| items(lines)).unwrap_or_default();
    section.into_iter().filter(|item| !says_unknown(&item.text) && !item.text.is_empty()).collect()
}

fn owner(page: &Page<'_>, findings: &mut Findings) {
    if let Some((value, line)) = page.header("owner")
        && matches!(
            value.to_lowercase().trim(),
            "" | "unassigned" | "nobody" | "tbd" | "none" | "unknown" | "n/a"
        )
    {
        findings.add(Rule::NoOwner, line.number, "nobody owns it yet");
    }
}

fn dates(page: &Page<'_>, around: &dyn Surroundings, findings: &mut Findings) {
    let Some(now) = around.now() else { return };
    for (name, value, line) in page.headers() {
        if matches!(name.to_lowercase().as_str(), "date" | "created" | "updated" | "resolved")
            && moment::moment(&value).is_some_and(|moment| moment.is_after(now))
        {
            findings.add(
                Rule::TimeInFuture,
                line.number,
                format!("{name} is {}, and it is {now} now", quoted(&value)),
            );
        }
    }
}

fn whys(page: &Page<'_>, stage: Stage, findings: &mut Findings) {
    let Some((section_line, lines)) = page.section("root cause analysis") else { return };
    let is_why = |item: &Item| words(&item.text).first().is_some_and(|word| word == "why");
    let whys: Vec<Item> = items(lines).into_iter().filter(is_why).collect();
    let Some(last) = whys.last() else { return };
    for (index, why) in whys.iter().enumerate() {
        let is_last = index + 1 == whys.len();
        let answer = why.text.split_once('?').map_or(why.text.as_str(), |(_, answer)| answer);
        let is_open = says_unknown(answer) && !cites(answer);
        let is_assumed = is_assumption(answer);
        let is_shown = cites(answer);
        if is_last && (is_assumed || (!is_shown && stage == Stage::Finished)) {
            let what = if is_assumed { "is an assumption" } else { "cites no evidence" };
            findings.add(
                Rule::LastWhyUnproved,
                last.line,
                format!("the last answer {what}: the cause is not shown"),
            );
        } else if !is_shown && !is_assumed && !is_open {
            findings.add(
                Rule::WhyWithoutEvidence,
                why.line,
                format!("why {} cites no evidence and is not called an assumption", index + 1),
            );
        }
    }
    let last_is_open = says_unknown(&last.text);
    if whys.len() < 5 && !last_is_open && !cites(&last.text) {
        findings.add(
            Rule::TooFewWhys,
            section_line,
            format!("{} whys, and the last one shows no cause", whys.len()),
        );
    }
}

/// Before and after.
fn measured(page: &Page<'_>, stage: Stage, findings: &mut Findings) {
    let found = page.section_where(|title| {
        let title = title.to_lowercase();
        matches!(title.as_str(), "evidence" | "before and after" | "before/after")
    });
    // An audit has no such section: how it stands is told under its monitoring.
    let found = found.or_else(|| page.section_where(|title| title.eq_ignore_ascii_case("current state")));
    let Some((line, lines)) = found else {
        if stage == Stage::Finished {
            let at = page.header("status").map_or(1, |(_, line)| line.number);
            findings.add(
                Rule::ResolvedWithoutMeasure,
                at,
                "called resolved, and there is no section with evidence",
            );
        }
        return;
    };
    // Several lines of one side are one statement.
    let both: Vec<(&str, Option<Item>)> =
        ["before", "after"].into_iter().map(|side| (side, side_of(&items(lines), side))).collect();
    // A table says it otherwise.
    let has_table = lines.iter().any(|line| line.raw.trim_start().starts_with('|') && has_digit(line.raw));
    let is_measured = |item: &Option<Item>| {
        item.as_ref().is_some_and(|item| has_measure(&item.text) && !says_unknown(&item.text))
    };
    if stage == Stage::Finished && !has_table && !both.iter().all(|(_, item)| is_measured(item)) {
        let missing: Vec<&str> =
            both.iter().filter(|(_, item)| !is_measured(item)).map(|(side, _)| *side).collect();
        findings.add(
            Rule::ResolvedWithoutMeasure,
            line,
            format!("called resolved, and nothing was measured {}", missing.join(" and ")),
        );
    }
    for (side, item) in both {
        let Some(item) = item.filter(|item| !says_unknown(&item.text)) else { continue };
        let text = &item.text;
        if !has_measure(text) {
            findings.add(
                Rule::NotMeasured,
                item.line,
                format!("no number says what was {side}: {}", quoted(text)),
            );
            continue;
        }
        let mut missing = Vec::new();
        for (what, is_there) in [
            ("the workload", has_workload(text)),
            ("for how long", has_window(text)),
            ("how many", has_count(text)),
        ] {
            if !is_there {
                missing.push(what);
            }
        }
        if !missing.is_empty() {
            findings.add(
                Rule::NotMeasured,
                item.line,
                format!("\"{side}\" does not say {}", missing.join(", ")),
            );
        }
    }
}

fn side_of(all: &[Item], side: &str) -> Option<Item> {
    let is_of = |item: &&Item| words(&item.text).first().is_some_and(|word| word == side);
    let mut of_side = all.iter().filter(is_of);
    let mut first = of_side.next()?.clone();
    for more in of_side {
        first.text.push_str("; ");
        first.text.push_str(&more.text);
    }
    Some(first)
}

fn tests(item: &Item, findings: &mut Findings) {
    if !item.text.contains("::") || !has_path(&item.text) {
        findings.add(
            Rule::TestWithoutFile,
            item.line,
            format!("no file::test is named: {}", quoted(&item.text)),
        );
        return;
    }
    let results = ["passed", "failed", "ok", "pass", "fail", "exit", "ignored", "skipped", "red", "green"];
    if !words(&item.text).iter().any(|word| results.contains(&word.as_str())) {
        findings.add(
            Rule::TestWithoutResult,
            item.line,
            format!("it does not say how the test ended: {}", quoted(&item.text)),
        );
    }
}

fn verification(item: &Item, findings: &mut Findings) {
    if !item.text.contains('`') {
        findings.add(
            Rule::VerificationWithoutCommand,
            item.line,
            format!("no command in backticks: {}", quoted(&item.text)),
        );
        return;
    }
    let said = words(&item.prose);
    let has_exit = said.windows(2).any(|pair| match pair {
        [word, number] => matches!(word.as_str(), "exit" | "code" | "status" | "exited") && has_digit(number),
        _ => false,
    }) || item.text.contains("exit code");
    let has_time = moment::first_in(&item.prose).is_some()
        || has_window(&item.prose)
        || moment::first_in(&item.text).is_some();
    // What was ended had none to give.
    let is_signal = |word: &str| word.starts_with("SIG") && word.len() > 3;
    let was_ended = item.prose.contains("did not end")
        || item.prose.split(|c: char| !c.is_ascii_alphanumeric()).any(is_signal);
    let missing: Vec<&str> = [("exit code", has_exit || was_ended), ("time", has_time)]
        .into_iter()
        .filter(|(_, there)| !there)
        .map(|(what, _)| what)
        .collect();
    if !missing.is_empty() {
        findings.add(
            Rule::VerificationIncomplete,
            item.line,
            format!("the command has no {}", missing.join(" and no ")),
        );
    }
}

/// Backticks with a path in them, or a word that is one.
fn has_path(text: &str) -> bool {
    text.split(['`', ' ', '(', ')', ',']).any(|word| {
        let word = word.split("::").next().unwrap_or_default().trim_matches(['*', '"', '\'']);
        let (_, extension) = word.rsplit_once('.').unwrap_or(("", ""));
        word.contains('/') && word.len() > 2
            || ((1..=5).contains(&extension.len())
                && extension.bytes().all(|b| b.is_ascii_alphanumeric())
                && extension.bytes().any(|b| b.is_ascii_alphabetic())
                && word.len() > extension.len() + 1)
    })
}

fn is_linked(text: &str) -> bool {
    text.contains("](") || text.contains("http://") || text.contains("https://") || {
        // #123, or owner/project#123.
        text.match_indices('#').any(|(at, _)| {
            text.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

/// A flag, a setting, a lint or an alert: something a program reads stands in backticks.
fn has_rule(item: &Item) -> bool {
    item.text.split('`').skip(1).step_by(2).any(|code| code.trim().len() > 1)
}

fn has_owner_and_date(text: &str) -> bool {
    let words = words(text);
    let has_owner = text.contains('@')
        || words.iter().any(|word| matches!(word.as_str(), "owner" | "owned" | "assignee"));
    has_owner && moment::first_in(text).is_some()
}

fn timeline(page: &Page<'_>, findings: &mut Findings) {
    let Some((_, lines)) = page.section("timeline") else { return };
    let mut last: Option<moment::Moment> = None;
    for line in lines {
        let Some(found) = moment::first_in(line.raw) else { continue };
        if let Some(before) = last.filter(|before| found.at < before.at)
            && findings.has_room(Severity::Error)
        {
            findings.add(
                Rule::TimeBackwards,
                line.number,
                format!("{} stands after {}", found.at, before.at),
            );
        }
        last = Some(last.map_or(found, |last| last.max(found)));
    }
}

/// A resolved report and its incidents.
fn linked(page: &Page<'_>, stage: Stage, around: &dyn Surroundings, findings: &mut Findings) {
    let identified = page
        .headers()
        .filter(|(name, _, _)| matches!(name.to_lowercase().as_str(), "id" | "incident" | "issue"));
    let mut named: Vec<(String, usize)> = identified
        .flat_map(|(_, value, line)| {
            issue_ids(&value).map(|id| (id.to_owned(), line.number)).collect::<Vec<_>>()
        })
        .collect();
    if let Some((_, lines)) = page.section("linked issues") {
        named
            .extend(lines.iter().flat_map(|line| issue_ids(line.raw).map(|id| (id.to_owned(), line.number))));
    }
    let mut known = HashSet::new();
    named.retain(|(id, _)| known.insert(id.clone()));
    if let Some((_, line)) = named.get(MOST_ASKED) {
        let message = format!("more than {MOST_ASKED} incidents are named: the rest was not looked up");
        findings.not_looked(Rule::EvidenceNotChecked, *line, message);
    }
    for (id, line) in named.into_iter().take(MOST_ASKED) {
        match around.incident(&id) {
            Linked::State(standing) => {
                if stage == Stage::Finished
                    && !matches!(standing.as_str(), "done" | "archived" | "completed" | "closed")
                {
                    findings.add(
                        Rule::ResolvedIncidentOpen,
                        line,
                        format!("called resolved, and {id} is in state {}", quoted(&standing)),
                    );
                }
            }
            Linked::Absent => {
                findings.add(Rule::LinkedUnknown, line, format!("there is no incident {id}"));
            }
            Linked::NotLooked => {}
        }
    }
}

/// The events that are cited, compared with what was recorded. A hash in the same line is that of the event.
pub(super) fn recorded(page: &Page<'_>, around: &dyn Surroundings, findings: &mut Findings) {
    let mut not_looked = None;
    let mut asked = 0;
    'page: for line in &page.lines {
        if line.kind == super::page::Kind::FrontMatter {
            continue;
        }
        let ids: Vec<&str> = super::wording::uuids(line.raw).collect();
        for id in &ids {
            asked += 1;
            if asked > MOST_ASKED {
                let message = format!("more than {MOST_ASKED} events are cited: the rest was not compared");
                findings.not_looked(Rule::EvidenceNotChecked, line.number, message);
                break 'page;
            }
            match around.recorded(id) {
                Recorded::Absent => {
                    findings.add(Rule::EvidenceMissing, line.number, format!("no event {id} is recorded"));
                }
                Recorded::NotLooked => {
                    not_looked.get_or_insert(line.number);
                }
                Recorded::Event(hash) => {
                    let said = line.raw.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 64);
                    if let Some(said) =
                        said.filter(|said| ids.len() == 1 && !said.eq_ignore_ascii_case(&hash))
                    {
                        findings.add(
                            Rule::EvidenceHash,
                            line.number,
                            format!(
                                "event {id} has the hash {}..., and not {}...",
                                first(&hash),
                                first(said)
                            ),
                        );
                    }
                }
                Recorded::Run => {}
            }
        }
    }
    if let Some(line) = not_looked {
        findings.not_looked(
            Rule::EvidenceNotChecked,
            line,
            "no evidence file to compare the cited events with (--state DIR)",
        );
    }
}

/// Events, and incidents, of one document that are looked up, at most.
const MOST_ASKED: usize = 2_000;

/// The beginning of a hash.
pub(super) fn first(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
