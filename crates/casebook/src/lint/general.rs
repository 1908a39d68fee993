//! Rules for every document: placeholders, claims, links, emoji, code that cannot work.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::around::{Known, Surroundings};
use super::finding::{Findings, quoted};
use super::page::{Kind, Line, Page, field, items, marker, ticked};
use super::rule::{Rule, Severity};
use super::snippet;
use super::wording::{Empty, bare_claim, emoji, empty, has_digit, sentences};

/// Whether a document says of itself that the work is over. What is left open in it then is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Finished,
}

/// Looks at the whole page.
pub(super) fn check(page: &Page<'_>, stage: Stage, around: &dyn Surroundings, findings: &mut Findings) {
    for line in &page.too_long {
        if !findings.has_room(Severity::Info) {
            continue;
        }
        findings.not_looked(
            Rule::LineTooLong,
            *line,
            "the line is longer than 64 KiB: its end was not looked at",
        );
    }
    let measured = measured_criteria(page);
    for line in page.written() {
        placeholder(line, stage, measured.contains(&line.number), findings);
        if entry(line.raw).0 != Some(false) {
            claims(&line.prose, line.number, findings);
        }
    }
    for line in &page.lines {
        // The status of a report has had its tick since the first one.
        if field(line.raw).is_some_and(|(name, _)| name == "Status") {
            continue;
        }
        if let Some(sign) = emoji(line.raw)
            && findings.has_room(Severity::Info)
        {
            findings.add(
                Rule::Emoji,
                line.number,
                format!("U+{:04X} in text that goes into logs and mails", u32::from(sign)),
            );
        }
    }
    links(page, around, findings);
    snippets(page, findings);
}

/// A line of a list without its marker and box.
fn entry(raw: &str) -> (Option<bool>, &str) {
    let text = raw.trim();
    marker(text).map_or((None, text), |(_, rest)| ticked(rest))
}

/// The lines of criteria of which one has a number: the others may be what every task asks for.
fn measured_criteria(page: &Page<'_>) -> Range<usize> {
    let Some((first, lines)) = page.section("success criteria") else { return 0..0 };
    let is_measured = items(lines).iter().any(|item| has_digit(&item.text));
    if is_measured { first..first + lines.len() + 1 } else { 0..0 }
}

fn placeholder(line: &Line<'_>, stage: Stage, is_measured: bool, findings: &mut Findings) {
    // What stands in backticks is named, not said.
    if !matches!(line.kind, Kind::Prose) || line.raw.contains('`') {
        return;
    }
    let (box_ticked, text) = entry(&line.prose);
    let is_entry = text.len() < line.raw.trim().len();
    match empty(text) {
        Some(Empty::Placeholder) => {
            let open = if box_ticked == Some(false) { "an open box" } else { "text" };
            let severity = match stage {
                Stage::Finished => Severity::Error,
                Stage::Open => Severity::Warning,
            };
            if !findings.has_room(severity) {
                return;
            }
            findings.add_as(
                severity,
                Rule::Placeholder,
                line.number,
                format!("{open} that nobody has written yet: {}", quoted(text)),
            );
        }
        Some(Empty::FitsAny) if is_entry && !is_measured && findings.has_room(Severity::Info) => {
            findings.add_as(
                Severity::Info,
                Rule::Placeholder,
                line.number,
                format!("it would fit any task, and names nothing of this one: {}", quoted(text)),
            );
        }
        _ => {}
    }
}

/// Claims of a piece of prose.
pub(super) fn claims(prose: &str, line: usize, findings: &mut Findings) {
    for sentence in sentences(prose) {
        if bare_claim(sentence).is_some() && findings.has_room(Severity::Warning) {
            let message = format!("a claim and no number beside it: {}", quoted(sentence));
            findings.add(Rule::ClaimWithoutNumber, line, message);
        }
    }
}

/// Files that the links of one page lead to and that are looked for, at most.
const MOST_LOOKED_FOR: usize = 2_000;

fn links(page: &Page<'_>, around: &dyn Surroundings, findings: &mut Findings) {
    let mut anchors: Option<HashSet<String>> = None;
    let mut files: HashMap<&str, bool> = HashMap::new();
    let mut not_looked = None;
    for line in page.written() {
        for target in targets(&line.prose) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let is_broken = if target.is_empty() {
                true
            } else if let Some(anchor) = target.strip_prefix('#') {
                let anchors = anchors.get_or_insert_with(|| self::anchors(page));
                !anchor.is_empty() && !anchors.contains(&anchor.to_lowercase())
            } else if is_address(target) {
                false
            } else if let Some(is_broken) = files.get(path) {
                *is_broken
            } else if files.len() >= MOST_LOOKED_FOR {
                not_looked.get_or_insert(line.number);
                false
            } else {
                let is_broken = around.file(&path.replace("%20", " ")) == Known::No;
                files.insert(path, is_broken);
                is_broken
            };
            if !is_broken || !findings.has_room(Severity::Warning) {
                continue;
            }
            let why = if target.is_empty() {
                "a link leads nowhere".to_owned()
            } else if target.starts_with('#') {
                format!("there is no heading for {}", quoted(target))
            } else {
                format!("there is no file {}", quoted(&path.replace("%20", " ")))
            };
            findings.add(Rule::BrokenLink, line.number, why);
        }
    }
    if let Some(line) = not_looked {
        let message =
            format!("more than {MOST_LOOKED_FOR} files are linked: from here on they were not looked for");
        findings.not_looked(Rule::BrokenLink, line, message);
    }
}

/// Whether something else than a file is linked.
fn is_address(target: &str) -> bool {
    let scheme = target.split(':').next().unwrap_or_default();
    target.starts_with("//")
        || (scheme.len() < target.len()
            && scheme.len() > 1
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
}

/// What the links of a line lead to.
fn targets(prose: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = prose;
    while let Some((before, after)) = rest.split_once("](") {
        let Some(end) = after.find(')') else { break };
        let inside = after.get(..end).unwrap_or_default().trim();
        rest = after.get(end..).unwrap_or_default();
        if before.contains('[') {
            // `(target "title")`
            let target = inside.split([' ', '\t']).next().unwrap_or_default();
            found.push(target.trim_start_matches('<').trim_end_matches('>'));
        }
    }
    found
}

/// What a browser takes the headings for: lower case, dashes for spaces, nothing else but letters and digits.
fn anchors(page: &Page<'_>) -> HashSet<String> {
    let mut known = HashSet::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    for (_, title, _) in page.headings() {
        let slug: String = title
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
                _ => None,
            })
            .collect();
        let again = times.entry(slug.clone()).or_default();
        known.insert(if *again == 0 { slug } else { format!("{slug}-{again}") });
        *again += 1;
    }
    known
}

fn snippets(page: &Page<'_>, findings: &mut Findings) {
    let mut language = String::new();
    let mut code: Vec<&str> = Vec::new();
    let mut first = 0;
    for line in &page.lines {
        match line.kind {
            Kind::Code => {
                if code.is_empty() {
                    first = line.number;
                }
                code.push(line.raw);
            }
            Kind::Fence => {
                tell(&language, &code, first, findings);
                code.clear();
                line.raw.trim().trim_start_matches(['`', '~']).trim().clone_into(&mut language);
            }
            _ => {}
        }
    }
    tell(&language, &code, first, findings);
}

fn tell(language: &str, code: &[&str], first: usize, findings: &mut Findings) {
    for mistake in snippet::mistakes(language, code) {
        findings.add(mistake.rule, first + mistake.line, mistake.message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::around::Nowhere;
    use super::*;

    fn rules(text: &str, stage: Stage) -> Vec<(Severity, Rule)> {
        let mut findings = Findings::default();
        check(&Page::of(text), stage, &Nowhere, &mut findings);
        findings.into_list().into_iter().map(|finding| (finding.severity, finding.rule)).collect()
    }

    #[test]
    fn a_placeholder_is_worse_where_the_work_is_called_done() {
        assert_eq!(rules("- [ ] Task 1\n", Stage::Open), [(Severity::Warning, Rule::Placeholder)]);
        assert_eq!(rules("- [ ] Task 1\n", Stage::Finished), [(Severity::Error, Rule::Placeholder)]);
        assert_eq!(
            rules("- [ ] Task reviewed and approved\n", Stage::Finished),
            [(Severity::Info, Rule::Placeholder)]
        );
        assert_eq!(rules("The word `TODO`\n```\nTODO\n```\n<!-- TODO -->\n", Stage::Finished), []);
    }

    #[test]
    fn a_goal_is_no_claim() {
        assert_eq!(rules("- [ ] No resource leaks\n", Stage::Open), []);
        assert_eq!(
            rules("- [x] No resource leaks\n", Stage::Open),
            [(Severity::Warning, Rule::ClaimWithoutNumber)]
        );
        assert_eq!(rules("- **x** No resource leaks in 24 h\n", Stage::Open), []);
    }

    #[test]
    fn links_within_the_page_lead_somewhere() {
        let text = "# The One: two\n[a](#the-one-two) [b](#three) [c]() [d](https://x.org/y) [e](mailto:a@b.c) `[f](#no)`\n";
        let broken = rules(text, Stage::Open);
        assert_eq!(broken, [(Severity::Warning, Rule::BrokenLink), (Severity::Warning, Rule::BrokenLink)]);
    }

    #[test]
    fn the_line_of_a_mistake_in_code_is_that_of_the_page() {
        let text = "# A\n```python\nx = 1\nt = asyncio.create_task(asyncio.gather(a))\n```\n";
        let mut findings = Findings::default();
        check(&Page::of(text), Stage::Open, &Nowhere, &mut findings);
        let list = findings.into_list();
        assert_eq!(list.iter().map(|f| (f.line, f.rule)).collect::<Vec<_>>(), [(4, Rule::SnippetCannotWork)]);
    }

    /// Counts the files that are looked for.
    struct Counting(std::cell::Cell<usize>);

    impl Surroundings for Counting {
        fn file(&self, _: &str) -> Known {
            self.0.set(self.0.get() + 1);
            Known::No
        }
    }

    #[test]
    fn however_many_links_there_are_few_files_are_looked_for() {
        let looked_for = |text: &str| {
            let counting = Counting(std::cell::Cell::new(0));
            let mut findings = Findings::default();
            check(&Page::of(text), Stage::Open, &counting, &mut findings);
            (counting.0.get(), findings.into_list())
        };
        assert_eq!(looked_for(&"[a](b)\n[a](c#d)\n".repeat(10_000)).0, 2);
        let many = (0..MOST_LOOKED_FOR).map(|n| format!("[a]({n})")).collect::<Vec<_>>().join("\n");
        let (exactly, list) = looked_for(&many);
        assert_eq!(exactly, MOST_LOOKED_FOR);
        assert!(!list.iter().any(|finding| finding.message.contains("not looked for")), "{list:?}");
        let (no_more, list) = looked_for(&format!("{many}\n[a](x)\n[a](0)\n[a](y)\n"));
        assert_eq!(no_more, MOST_LOOKED_FOR);
        // 200 warnings do not hide it.
        assert!(list.iter().any(|finding| finding.message.contains("not looked for")), "{list:?}");
        let end = list.last().map(|finding| (finding.rule, finding.message.clone()));
        assert_eq!(end, Some((Rule::TooMany, "1801 more findings are left out".to_owned())));
    }

    #[test]
    fn an_emoji_is_mentioned() {
        assert_eq!(rules("all \u{2705}\n", Stage::Open), [(Severity::Info, Rule::Emoji)]);
        assert_eq!(rules("all \u{2192} good\n", Stage::Open), []);
        assert_eq!(rules("**Status:** \u{2705} RESOLVED  \n", Stage::Open), []);
    }
}
