//! Changes that a report names, checked against the source tree: that the lines are there and say what the report says.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Changes of one report, at most.
pub const MOST_CHANGES: usize = 200;
/// Lines of one change, at most.
pub const MOST_LINES: usize = 400;

/// Lines of a file: `src/services/automator.py:51-52`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The path, relative to the source tree.
    pub path: String,
    /// The first line, from 1.
    pub first: usize,
    /// The last line.
    pub last: usize,
}

impl Place {
    /// How many lines it has.
    pub const fn len(&self) -> usize {
        self.last - self.first + 1
    }

    /// Whether it has none: never.
    pub const fn is_empty(&self) -> bool {
        false
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}:{}", self.path, self.first)
        } else {
            write!(f, "{}:{}-{}", self.path, self.first, self.last)
        }
    }
}

/// Text that names no lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It has another form.
    #[error("`{0}` names no lines: write PATH:FIRST-LAST, such as src/app.py:51-52")]
    Form(String),
    /// The path leads out of the tree, or into what no source file lies in.
    #[error("`{0}` is no path inside the source tree: it has to be relative, without `..`")]
    Outside(String),
    /// Too many lines.
    #[error("{0} lines are more than a report shows; name at most {MOST_LINES}")]
    TooMany(usize),
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || PlaceError::Form(scupper_model::printable(text.as_bytes(), 120));
        let (path, lines) = text.rsplit_once(':').ok_or_else(form)?;
        let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
        let line = |text: &str| {
            let number = text.parse::<usize>().ok().filter(|n| (1..=100_000_000).contains(n));
            number.filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or_else(form)
        };
        let (first, last) = (line(first)?, line(last)?);
        if last < first || path.is_empty() || path.len() > 1000 {
            return Err(form());
        }
        let outside = path.starts_with('/')
            || path.split('/').any(|part| part == ".." || part == ".git")
            || path.chars().any(char::is_control);
        if outside {
            return Err(PlaceError::Outside(scupper_model::printable(path.as_bytes(), 120)));
        }
        if last - first >= MOST_LINES {
            return Err(PlaceError::TooMany(last - first + 1));
        }
        Ok(Self { path: path.to_owned(), first, last })
    }
}

/// A change as a report describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// What, in a line of Markdown.
    pub what: String,
    /// The lines as the report shows them; `None` where it shows none.
    pub snippet: Option<String>,
}

/// What was found about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Finding {
    /// The lines are there and say the same.
    Same,
    /// There is no source tree to look at.
    NotLooked,
    /// There is no such file.
    NoFile,
    /// The file could not be read.
    Unreadable {
        /// Why.
        why: String,
    },
    /// The file is shorter.
    NoLines {
        /// How many lines it has.
        lines: usize,
    },
    /// The range is not as long as what is shown.
    OtherLength {
        /// Lines of the range.
        range: usize,
        /// Lines that are shown.
        shown: usize,
    },
    /// A line says something else.
    OtherText {
        /// Which one, in the file.
        line: usize,
    },
}

impl Finding {
    /// Whether the report may claim the change.
    pub fn holds(&self) -> bool {
        *self == Self::Same
    }

    /// The sentence.
    pub fn said(&self) -> String {
        match self {
            Self::Same => "the lines are there, and the text is the same".to_owned(),
            Self::NotLooked => "not checked: no source tree was given (--tree DIR)".to_owned(),
            Self::NoFile => "NOT CONFIRMED: there is no such file in the source tree".to_owned(),
            Self::Unreadable { why } => format!("NOT CONFIRMED: the file cannot be read: {why}"),
            Self::NoLines { lines } => format!("NOT CONFIRMED: the file has only {lines} lines"),
            Self::OtherLength { range, shown } => {
                format!("NOT CONFIRMED: the range has {range} lines, and {shown} are shown")
            }
            Self::OtherText { line } => format!("NOT CONFIRMED: line {line} of the file says something else"),
        }
    }
}

/// A change with what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The change.
    pub change: Change,
    /// What was found.
    pub finding: Finding,
    /// The commit that was checked out.
    pub commit: Option<String>,
    /// Whether the file differs from that commit; `None` where nobody can say.
    pub modified: Option<bool>,
}

/// A file of the source tree, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked<'a> {
    /// Its text.
    Text(&'a str),
    /// There is none.
    Missing,
    /// It cannot be read, and why.
    Unreadable(&'a str),
    /// There is no tree.
    NoTree,
}

/// Whether the range is as long as what is shown: all that can be said without the file.
pub fn check_length(change: &Change) -> Option<Finding> {
    let shown = change.snippet.as_ref()?.lines().count();
    let range = change.place.len();
    (shown != range).then_some(Finding::OtherLength { range, shown })
}

/// Compares a change with the file that it names. How far the lines are indented together does not matter: a report shows
/// them without what surrounds them.
pub fn check(change: &Change, file: &Looked<'_>) -> Finding {
    if let Some(wrong) = check_length(change) {
        return wrong;
    }
    let text = match file {
        Looked::Text(text) => text,
        Looked::Missing => return Finding::NoFile,
        Looked::Unreadable(why) => return Finding::Unreadable { why: (*why).to_owned() },
        Looked::NoTree => return Finding::NotLooked,
    };
    let Some(found) = lines_of(text, &change.place) else {
        return Finding::NoLines { lines: text.lines().count() };
    };
    let Some(snippet) = &change.snippet else { return Finding::Same };
    let (found, shown) = (without_indent(&found), without_indent(&snippet.lines().collect::<Vec<_>>()));
    let differs = found.iter().zip(&shown).position(|(found, shown)| found.trim_end() != shown.trim_end());
    differs.map_or(Finding::Same, |at| Finding::OtherText { line: change.place.first + at })
}

/// The lines of a place; `None` where the file has not so many.
pub fn lines_of<'a>(text: &'a str, place: &Place) -> Option<Vec<&'a str>> {
    let lines: Vec<&str> = text.lines().skip(place.first - 1).take(place.len()).collect();
    (lines.len() == place.len()).then_some(lines)
}

/// Lines without the white space that all of them begin with.
pub fn without_indent<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let common = filled.map(indent).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or("")).collect()
}

/// Reads the changes of a report: below `## Changes Made`, each a `- **File:**` with its `- **Change:**` and its fence.
/// What names no lines is left out, and said by the lint.
pub fn read(report: &str) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    let mut inside = false;
    let mut fence: Option<(usize, usize, String)> = None;
    // Whether the file that was named last is one that can be read.
    let mut open = false;
    for line in report.lines() {
        let trimmed = line.trim_start_matches(' ');
        let indent = line.len() - trimmed.len();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        if let Some((length, depth, text)) = &mut fence {
            if ticks >= *length && trimmed.trim_matches('`').trim().is_empty() {
                if let Some(change) = found.last_mut().filter(|change| open && change.snippet.is_none()) {
                    change.snippet = Some(std::mem::take(text));
                }
                fence = None;
            } else {
                let code = line.get((*depth).min(indent)..).unwrap_or("");
                text.push_str(code);
                text.push('\n');
            }
            continue;
        }
        if ticks >= 3 && !trimmed.trim_start_matches('`').contains('`') {
            fence = Some((ticks, indent, String::new()));
            continue;
        }
        if let Some(heading) = line.strip_prefix("## ") {
            inside = heading.trim().eq_ignore_ascii_case("changes made");
            continue;
        }
        if !inside || found.len() >= MOST_CHANGES {
            continue;
        }
        if let Some(file) = field(trimmed, "File") {
            let place = file.trim_matches('`').parse::<Place>();
            open = place.is_ok();
            found.extend(place.ok().map(|place| Change { place, what: String::new(), snippet: None }));
        } else if let Some(what) = field(trimmed, "Change")
            && let Some(change) = found.last_mut().filter(|_| open)
        {
            what.clone_into(&mut change.what);
        }
    }
    found
}

/// A report with the changes of another one, where its own section holds nothing but changes: then each of them is in the
/// other one as well. `None` where people wrote something else there, or where one of them has no such section.
pub fn with_section_of(report: &str, other: &str) -> Option<String> {
    let (mine, theirs) = (section(report)?, section(other)?);
    let text = report.get(mine.clone())?;
    let all = read(other);
    let known = read(report).iter().all(|change| all.iter().any(|known| known.place == change.place));
    (known && is_plain(text))
        .then(|| format!("{}{}{}", &report[..mine.start], &other[theirs], &report[mine.end..]))
}

/// Where the changes stand: from the line below their heading to the next heading.
fn section(report: &str) -> Option<std::ops::Range<usize>> {
    let mut start = None;
    let mut at = 0;
    let mut fence: Option<usize> = None;
    for line in report.split_inclusive('\n') {
        let from = at;
        at += line.len();
        let ticks = fence_ticks(line);
        match fence {
            Some(open) => {
                if ticks >= open && line.trim().trim_matches('`').is_empty() {
                    fence = None;
                }
                continue;
            }
            None if ticks >= 3 => {
                fence = Some(ticks);
                continue;
            }
            None => {}
        }
        if let Some(heading) = line.strip_prefix("## ") {
            if let Some(start) = start {
                return Some(start..from);
            }
            if heading.trim().eq_ignore_ascii_case("changes made") {
                start = Some(at);
            }
        }
    }
    start.map(|start| start..report.len())
}

fn fence_ticks(line: &str) -> usize {
    let trimmed = line.trim_start_matches(' ');
    trimmed.len() - trimmed.trim_start_matches('`').len()
}

/// Whether there is nothing but changes, as this program writes them.
fn is_plain(section: &str) -> bool {
    let mut fence: Option<usize> = None;
    section.lines().all(|line| {
        let ticks = fence_ticks(line);
        match fence {
            Some(open) => {
                if ticks >= open && line.trim().trim_matches('`').is_empty() {
                    fence = None;
                }
                true
            }
            None if ticks >= 3 => {
                fence = Some(ticks);
                true
            }
            None => {
                let line = line.trim();
                let place = || {
                    field(line, "File").is_some_and(|file| file.trim_matches('`').parse::<Place>().is_ok())
                };
                line.is_empty()
                    || ["No change is named yet.", "not shown"].contains(&line)
                    || place()
                    || ["Change", "Checked", "Named"].iter().any(|name| field(line, name).is_some())
                    || field(line, "Implementation").is_some_and(str::is_empty)
            }
        }
    })
}

/// The text behind `- **Name:**`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))?.trim_start();
    let rest = rest.strip_prefix("**")?.strip_prefix(name)?;
    Some(rest.strip_prefix(":**").or_else(|| rest.strip_prefix("**:"))?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(place: &str, snippet: &str) -> Change {
        Change { place: place.parse().unwrap(), what: String::new(), snippet: Some(snippet.to_owned()) }
    }

    #[test]
    fn r078_the_seed_passes_the_length_check_and_an_altered_one_fails() {
        let seed = include_str!("../../tests/seeds/003-delta-report-async-task-leak.md");
        let changes = read(seed);
        let lengths: Vec<usize> = changes.iter().map(|change| change.place.len()).collect();
        assert_eq!(lengths, [2, 4, 10]);
        for change in &changes {
            assert_eq!(check_length(change), None, "{change:?}");
        }
        assert_eq!(changes[1].what, "Track background tasks properly");
        assert!(
            changes[2]
                .snippet
                .as_ref()
                .unwrap()
                .starts_with("# Cancel all background tasks\ntry:\n    if hasattr")
        );
        let altered = seed.replace("  self.background_tasks = set()\n", "");
        let wrong = Finding::OtherLength { range: 2, shown: 1 };
        assert_eq!(check_length(&read(&altered)[0]), Some(wrong));
    }

    #[test]
    fn r078_a_change_holds_where_the_tree_says_the_same() {
        let file =
            "import asyncio\n\nclass A:\n    def f(self):\n        # track\n        self.tasks = set()\n";
        let of = |place: &str, snippet: &str| check(&change(place, snippet), &Looked::Text(file));
        assert_eq!(of("a.py:5-6", "# track\nself.tasks = set()\n"), Finding::Same);
        assert_eq!(of("a.py:5-6", "# track\nself.tasks = []\n"), Finding::OtherText { line: 6 });
        assert_eq!(of("a.py:4-5", "# track\nself.tasks = set()\n"), Finding::OtherText { line: 4 });
        assert_eq!(
            of("a.py:5-7", "# track\nself.tasks = set()\n"),
            Finding::OtherLength { range: 3, shown: 2 }
        );
        assert_eq!(of("a.py:6-7", "self.tasks = set()\n\n"), Finding::NoLines { lines: 6 });
        let some = change("a.py:5-6", "# track\nself.tasks = set()\n");
        assert_eq!(check(&some, &Looked::Missing), Finding::NoFile);
        assert_eq!(check(&some, &Looked::NoTree), Finding::NotLooked);
        assert!(!check(&some, &Looked::Unreadable("permission denied")).holds());
    }

    #[test]
    fn a_place_stays_inside_the_tree() {
        for bad in ["/etc/passwd:1-2", "../x:1", "a/../../b:1-2", ".git/config:1", "a\nb:1"] {
            assert!(matches!(bad.parse::<Place>(), Err(PlaceError::Outside(_))), "{bad}");
        }
        for bad in ["a", "a:", "a:0", "a:2-1", "a:1-+2", ":1", "a:99999999999999999999"] {
            assert!(matches!(bad.parse::<Place>(), Err(PlaceError::Form(_))), "{bad}");
        }
        assert_eq!("a:1-401".parse::<Place>(), Err(PlaceError::TooMany(401)));
        assert_eq!("a:7".parse::<Place>().unwrap().to_string(), "a:7");
    }

    #[test]
    fn fences_and_other_sections_hide_nothing_and_invent_nothing() {
        let report = "## Summary\n- **File:** `x.py:1-1`\n\n````\n## Changes Made\n- **File:** `y.py:1-1`\n````\n\
                      ## Changes Made\n- **File:** `no lines`\n- **Change:** odd\n- **File:** `z.py:3`\n- **Change:** c\n  \
                      ````md\n  ```\n  ````\n";
        let changes = read(report);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((changes[0].place.to_string(), changes[0].what.as_str()), ("z.py:3".to_owned(), "c"));
        assert_eq!(changes[0].snippet.as_deref(), Some("```\n"));
    }
}
