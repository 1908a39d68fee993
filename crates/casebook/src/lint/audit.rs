//! Rules for readiness audits: suspects that nobody fixes, symptoms that nobody explains, criteria that cannot be measured.

use super::finding::{Findings, quoted};
use super::page::{Item, MOST_ITEMS, Page, items};
use super::plan::{covers, significant, touches};
use super::rule::Rule;
use super::wording::{cites, has_digit, has_measure, says_unknown, words};

/// Suspects and symptoms that are looked for further down.
const MOST_COMPARED: usize = 100;

/// Looks at an audit.
pub(super) fn check(page: &Page<'_>, findings: &mut Findings) {
    let line = page.title().map_or(1, |(_, line)| line);
    for name in ["Date", "Status", "Priority"] {
        if page.header(name).is_none() {
            findings.add(Rule::Header, line, format!("the header does not say {name}"));
        }
    }
    let names_owner =
        |text: &str| words(text).windows(2).any(|pair| pair.first().is_some_and(|word| word == "owner"));
    if !page.written().any(|line| names_owner(line.raw)) {
        findings.add(Rule::NoOwner, line, "no owner is named");
    }
    if !page.written().any(|line| cites(line.raw)) {
        findings.add(Rule::NoEvidence, line, "nothing recorded is cited: no event, no run, no link");
    }
    suspects(page, findings);
    symptoms(page, findings);
    criteria(page, findings);
}

/// Each suspect has a measure of what it costs, and something that is done about it.
fn suspects(page: &Page<'_>, findings: &mut Findings) {
    let Some((_, lines)) = page.section("primary suspects") else { return };
    let fixes = phase_entries(page, &["fix", "harden"]);
    let tests = phase_entries(page, &["detect", "test"]);
    for suspect in items(lines).into_iter().take(MOST_COMPARED) {
        if says_unknown(&suspect.text) {
            continue;
        }
        let name = name_of(&suspect);
        let wanted = significant(&name);
        let is_named = |entries: &[Vec<String>]| entries.iter().any(|entry| covers(entry, &wanted));
        // What recorded evidence speaks for is proved before it is fixed.
        let is_tested = cites(&suspect.text) && is_named(&tests);
        if !fixes.is_empty() && !is_named(&fixes) && !is_tested {
            findings.add(
                Rule::NotCovered,
                suspect.line,
                format!("no fix names the suspect {}", quoted(&name)),
            );
        }
        if !has_measure(&suspect.text) && !cites(&suspect.text) {
            findings.add(
                Rule::CriterionWithoutNumber,
                suspect.line,
                format!("nothing says how much one leak of it costs: {}", quoted(&name)),
            );
        }
    }
}

/// Entries of the sections that say what is done.
fn phase_entries(page: &Page<'_>, titles: &[&str]) -> Vec<Vec<String>> {
    page.sections_where(|title| {
        let title = title.to_lowercase();
        title.starts_with("phase") && titles.iter().any(|word| title.contains(word))
    })
    .flat_map(|(_, lines)| items(lines))
    .take(MOST_ITEMS)
    .map(|item| significant(&item.text))
    .collect()
}

fn name_of(item: &Item) -> String {
    let inside = item.text.split("**").nth(1).unwrap_or(&item.text);
    inside.trim_end_matches(':').to_owned()
}

/// Each symptom is met again further down.
fn symptoms(page: &Page<'_>, findings: &mut Findings) {
    let Some((_, lines)) = page.section("problem statement") else { return };
    let rest: Vec<Vec<String>> = page
        .sections_where(|title| {
            let title = title.to_lowercase();
            !title.starts_with("problem") && !title.contains("audit")
        })
        .flat_map(|(_, lines)| items(lines))
        .take(2 * MOST_ITEMS)
        .map(|item| significant(&item.text))
        .collect();
    for symptom in items(lines).into_iter().take(MOST_COMPARED) {
        let wanted = significant(&symptom.text);
        // A number behind its name is a measurement, and no complaint.
        let is_measured = symptom.text.split_once(": ").is_some_and(|(_, value)| has_digit(value));
        if !cites(&symptom.text)
            && !is_measured
            && !wanted.is_empty()
            && !says_unknown(&symptom.text)
            && !rest.iter().any(|there| touches(there, &wanted))
        {
            findings.add(
                Rule::NotCovered,
                symptom.line,
                format!("nothing further down takes up {}", quoted(&symptom.text)),
            );
        }
    }
}

fn criteria(page: &Page<'_>, findings: &mut Findings) {
    let Some((_, lines)) = page.section("success criteria") else { return };
    for item in items(lines) {
        let is_open = words(&item.text).iter().any(|word| word == "unknown");
        if !has_digit(&item.text) && !says_unknown(&item.text) && !is_open && !cites(&item.text) {
            findings.add(
                Rule::CriterionWithoutNumber,
                item.line,
                format!("no number shows it: {}", quoted(&item.text)),
            );
        }
    }
}
