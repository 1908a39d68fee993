//! The changes of a report, compared with the source tree: the path, the range, how long it is, what it says, the commit.

use super::around::{Known, Source, Surroundings};
use super::finding::{Findings, quoted};
use super::page::{Kind, Line, field, marker};
use super::rule::Rule;
use super::wording::{is_hex, says_unknown};
use crate::report::changes::{self as told, Looked, Place, PlaceError, without_indent};

/// One change as it is told.
#[derive(Debug, Default)]
struct Change<'a> {
    line: usize,
    /// What stands in the backticks of `File:`.
    place: Option<String>,
    commit: Option<(usize, String)>,
    code: Vec<&'a str>,
    has_code: bool,
    is_whole: bool,
}

/// Looks at the section that tells the changes.
pub(super) fn check(section: &[Line<'_>], around: &dyn Surroundings, findings: &mut Findings) {
    let mut not_looked = None;
    for change in changes(section, findings) {
        if check_one(&change, around, findings) == Known::NotLooked {
            not_looked.get_or_insert(change.line);
        }
    }
    if let Some(line) = not_looked {
        findings.not_looked(
            Rule::ChangesNotChecked,
            line,
            "no source tree to compare the changes with (--root DIR)",
        );
    }
}

fn changes<'a>(section: &[Line<'a>], findings: &mut Findings) -> Vec<Change<'a>> {
    let mut found: Vec<Change<'a>> = Vec::new();
    let mut fence_indent = 0;
    for line in section {
        match line.kind {
            Kind::Prose => read_prose(line, &mut found, findings),
            Kind::Fence => fence_indent = line.indent(),
            Kind::Code => {
                if let Some(change) = found.last_mut() {
                    change.has_code = true;
                    change.code.push(inside_fence(line.raw, fence_indent));
                }
            }
            Kind::Heading(_) | Kind::FrontMatter => {}
        }
    }
    found
}

fn read_prose(line: &Line<'_>, found: &mut Vec<Change<'_>>, findings: &mut Findings) {
    let named = field(line.raw);
    match named.as_ref().map(|(name, value)| (name.to_lowercase(), value)) {
        Some((name, value)) if name == "file" => {
            let whole = ["new file", "whole file", "deleted", "removed", "(new"]
                .iter()
                .any(|word| value.contains(word));
            found.push(Change {
                line: line.number,
                place: in_backticks(value),
                is_whole: whole,
                ..Change::default()
            });
        }
        Some((name, value)) if name == "commit" => {
            if let Some(change) = found.last_mut() {
                let id = in_backticks(value).unwrap_or_else(|| value.clone());
                change.commit = Some((line.number, id));
            }
        }
        Some(_) => {}
        None => {
            let Some((_, text)) = marker(line.raw.trim_start()) else { return };
            if line.indent() > 1 || says_unknown(text) {
                return;
            }
            match in_backticks(text).filter(|place| place.contains(['.', '/', ':'])) {
                Some(place) => {
                    found.push(Change { line: line.number, place: Some(place), ..Change::default() });
                }
                None => findings.add(
                    Rule::ChangeWithoutPath,
                    line.number,
                    format!("a change names neither file nor lines: {}", quoted(text)),
                ),
            }
        }
    }
}

fn check_one(change: &Change<'_>, around: &dyn Surroundings, findings: &mut Findings) -> Known {
    let Some(written) = &change.place else {
        findings.add(Rule::ChangeWithoutPath, change.line, "a change names no file in backticks");
        return Known::Yes;
    };
    let commit = change
        .commit
        .as_ref()
        .filter(|(line, id)| is_commit(id, *line, around, findings))
        .map(|(_, id)| id.as_str());
    let place = match written.parse::<Place>() {
        Ok(place) => place,
        Err(PlaceError::Form(_)) if change.is_whole => {
            return match around.source(written, commit) {
                Source::NotLooked => Known::NotLooked,
                Source::Absent => no_file(change, written, commit, findings),
                Source::Text(_) | Source::Unreadable(_) => Known::Yes,
            };
        }
        Err(PlaceError::Form(_)) => {
            findings.add(
                Rule::ChangeWithoutPath,
                change.line,
                format!("{} names no lines of a file: write path:first-last", quoted(written)),
            );
            return Known::Yes;
        }
        Err(PlaceError::Outside(_)) => {
            findings.add(
                Rule::ChangePathMissing,
                change.line,
                format!("{} leads out of the source tree", quoted(written)),
            );
            return Known::No;
        }
        Err(PlaceError::TooMany(lines)) => {
            findings.add(
                Rule::ChangeLength,
                change.line,
                format!("{lines} lines are more than anybody reads in a report"),
            );
            return Known::No;
        }
    };
    let source = around.source(&place.path, commit);
    compare(change, place, commit, &source, findings)
}

fn compare(
    change: &Change<'_>,
    place: Place,
    commit: Option<&str>,
    source: &Source,
    findings: &mut Findings,
) -> Known {
    let looked = match source {
        Source::NotLooked => Looked::NoTree,
        Source::Absent => Looked::Missing,
        Source::Unreadable(why) => Looked::Unreadable(why),
        Source::Text(text) => Looked::Text(text),
    };
    let snippet =
        change.has_code.then(|| change.code.iter().fold(String::new(), |all, line| all + line + "\n"));
    let said = told::Change { place, what: String::new(), snippet };
    let place = &said.place;
    match told::check(&said, &looked) {
        told::Finding::Same => {}
        told::Finding::NotLooked => return Known::NotLooked,
        told::Finding::NoFile => return no_file(change, &place.path, commit, findings),
        told::Finding::Unreadable { why } => {
            let message = format!("{} could not be compared: {}", quoted(&place.path), quoted(&why));
            findings.not_looked(Rule::ChangesNotChecked, change.line, message);
        }
        told::Finding::NoLines { lines } => {
            let message =
                format!("{} has {lines} lines, and not {}-{}", quoted(&place.path), place.first, place.last);
            findings.add(Rule::ChangeRangeMissing, change.line, message);
        }
        told::Finding::OtherLength { range, shown } => {
            findings.add(
                Rule::ChangeLength,
                change.line,
                format!("the range has {range} lines, and {shown} are quoted"),
            );
            match looked {
                Looked::NoTree => return Known::NotLooked,
                Looked::Missing => return no_file(change, &place.path, commit, findings),
                Looked::Text(_) | Looked::Unreadable(_) => {}
            }
        }
        told::Finding::OtherText { line } => {
            let text = if let Source::Text(text) = source { text.as_str() } else { "" };
            let lines: Vec<&str> = text.lines().collect();
            let code = without_indent(&change.code);
            let message = match place_of(&code, &lines) {
                Some(first) => {
                    format!(
                        "what is quoted stands in lines {first}-{} of {}",
                        first + code.len() - 1,
                        quoted(&place.path)
                    )
                }
                None => format!(
                    "line {line} of {} is {}, and {} is quoted",
                    quoted(&place.path),
                    quoted(lines.get(line - 1).copied().unwrap_or_default()),
                    quoted(code.get(line - place.first).copied().unwrap_or_default()),
                ),
            };
            findings.add(Rule::ChangeText, change.line, message);
        }
    }
    Known::Yes
}

fn no_file(change: &Change<'_>, path: &str, commit: Option<&str>, findings: &mut Findings) -> Known {
    let at = commit.map_or_else(String::new, |id| format!(" at commit {id}"));
    findings.add(
        Rule::ChangePathMissing,
        change.line,
        format!("there is no file {} in the tree{at}", quoted(path)),
    );
    Known::No
}

/// Whether the commit is there, as far as is known. What is not hexadecimal is not asked for.
fn is_commit(id: &str, line: usize, around: &dyn Surroundings, findings: &mut Findings) -> bool {
    if !(7..=40).contains(&id.len()) || !is_hex(id) {
        if !says_unknown(id) {
            findings.add(
                Rule::ChangeCommit,
                line,
                format!("{} is no commit: 7 to 40 hexadecimal digits", quoted(id)),
            );
        }
        return false;
    }
    match around.commit(id) {
        Known::Yes => true,
        Known::No => {
            findings.add(Rule::ChangeCommit, line, format!("there is no commit {id} in the repository"));
            false
        }
        Known::NotLooked => false,
    }
}

/// Where in a file the quoted lines stand, if anywhere. The first line finds the candidates.
fn place_of(said: &[&str], lines: &[&str]) -> Option<usize> {
    let first = said.first()?.trim();
    let same = |window: &[&str]| window.iter().zip(said).all(|(is, said)| is.trim() == said.trim());
    (!first.is_empty()).then_some(())?;
    lines
        .windows(said.len())
        .position(|window| window.first().is_some_and(|line| line.trim() == first) && same(window))
        .map(|at| at + 1)
}

fn inside_fence(raw: &str, indent: usize) -> &str {
    let spaces = raw.len() - raw.trim_start_matches(' ').len();
    raw.get(spaces.min(indent)..).unwrap_or(raw)
}

fn in_backticks(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('`')?;
    let (inside, _) = rest.split_once('`')?;
    Some(inside.trim().to_owned()).filter(|inside| !inside.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::page::Page;
    use super::*;

    struct Tree(&'static str);

    impl Surroundings for Tree {
        fn source(&self, path: &str, _: Option<&str>) -> Source {
            if path == "a.py" { Source::Text(self.0.to_owned()) } else { Source::Absent }
        }
        fn commit(&self, id: &str) -> Known {
            if id == "0123abc" { Known::Yes } else { Known::No }
        }
    }

    const FILE: &str =
        "import x\n\nclass A:\n    def f(self):\n        self.tasks = set()\n        return 1\n";

    fn rules(report: &str) -> Vec<Rule> {
        let page = Page::of(report);
        let mut findings = Findings::default();
        check(&page.lines, &Tree(FILE), &mut findings);
        findings.into_list().into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn r078_what_is_quoted_is_what_the_file_says() {
        let told = |place: &str, code: &str| {
            format!(
                "- **File:** `{place}`\n- **Change:** x\n- **Implementation:**\n  ```python\n{code}\n  ```\n"
            )
        };
        let two = "  self.tasks = set()\n  return 1";
        assert_eq!(rules(&told("a.py:5-6", two)), []);
        assert_eq!(rules(&told("a.py:5-7", two)), [Rule::ChangeLength]);
        assert_eq!(rules(&told("a.py:4-5", two)), [Rule::ChangeText]);
        assert_eq!(rules(&told("a.py:5-6", "  self.tasks = []\n  return 1")), [Rule::ChangeText]);
        assert_eq!(rules(&told("a.py:50-51", two)), [Rule::ChangeRangeMissing]);
        assert_eq!(rules(&told("a.py:6-5", two)), [Rule::ChangeWithoutPath]);
        assert_eq!(rules(&told("../a.py:5-6", two)), [Rule::ChangePathMissing]);
        assert_eq!(rules(&told("b.py:5-6", two)), [Rule::ChangePathMissing]);
        assert_eq!(rules(&told("a.py", two)), [Rule::ChangeWithoutPath]);
    }

    #[test]
    fn r078_a_commit_is_in_the_repository() {
        let told = |commit: &str| format!("- **File:** `a.py:1-1`\n- **Commit:** `{commit}`\n");
        assert_eq!(rules(&told("0123abc")), []);
        assert_eq!(rules(&told("0123abd")), [Rule::ChangeCommit]);
        assert_eq!(rules(&told("--help")), [Rule::ChangeCommit]);
    }

    #[test]
    fn a_change_names_its_file() {
        assert_eq!(rules("- made it better\n"), [Rule::ChangeWithoutPath]);
        assert_eq!(rules("- `a.py:3`: a class\n"), []);
        assert_eq!(rules("- **File:** somewhere\n"), [Rule::ChangeWithoutPath]);
        assert_eq!(rules("- None recorded.\n"), []);
        assert_eq!(rules("- **File:** `a.py` (new file)\n"), []);
    }

    #[test]
    fn where_the_text_stands_elsewhere_that_is_said() {
        let page = Page::of("- **File:** `a.py:1-2`\n```\nself.tasks = set()\nreturn 1\n```\n");
        let mut findings = Findings::default();
        check(&page.lines, &Tree(FILE), &mut findings);
        let list = findings.into_list();
        assert!(list.iter().any(|finding| finding.message.contains("lines 5-6")), "{list:?}");
    }
}
