//! A report before it is text: everything that a template may show, computed once.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::criteria::{Criterion, criteria};
use super::curve::Curve;
use super::facts::{Kind, Line, Source};
use super::impact::impact;
use super::issue::{self, Fix, Group};
use super::judged::{confidence, detection, gaps, judged_well, trigger};
use super::measured::Measured;
use super::timeline::{Moments, Timeline};
use super::uptime::Uptime;
use super::whys::{Why, whys};
use super::{elsewhere, proof, words};
use crate::suspects::{self, Known, Ranking};

/// Rows of the appendix, at most; the digest over all of them covers the others.
const MOST_ROWS: usize = 300;

/// Suspects that an audit names.
const MOST_SUSPECTS: usize = 5;

/// A suspect as an audit shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuspectShown {
    /// Its name.
    pub name: String,
    /// What speaks for it and against it, and what each leak costs.
    pub lines: Vec<Line>,
}

/// A change as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeShown {
    /// `path:first-last`.
    pub place: String,
    /// What was changed.
    pub what: String,
    /// The lines; `None` where they are not known.
    pub snippet: Option<String>,
    /// The language, for the fence.
    pub language: String,
    /// What was found in the source tree.
    pub checked: String,
    /// Whether that agrees.
    pub holds: bool,
}

/// A row of the appendix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataRow {
    /// The event.
    pub id: Uuid,
    /// When.
    pub at: String,
    /// What kind of event.
    pub kind: &'static str,
    /// The digest of its line.
    pub sha256: String,
}

/// What was recorded, so that somebody can check it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Data {
    /// The first rows.
    pub rows: Vec<DataRow>,
    /// How many rows there are.
    pub count: usize,
    /// The digest over all their digests, one a line.
    pub sha256: String,
}

/// Everything that a template may show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// Which report.
    pub kind: Kind,
    /// The incident's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it says of itself.
    pub description: String,
    /// Its state.
    pub state: String,
    /// Whether it is over.
    pub done: bool,
    /// When this was written, to the minute.
    pub date: String,
    /// The day.
    pub day: String,
    /// When the incident was opened, to the day.
    pub reported: String,
    /// The status of a delta report.
    pub status: String,
    /// The status of an audit.
    pub progress: &'static str,
    /// `P1 - High`.
    pub severity: String,
    /// `High`.
    pub priority: String,
    /// Who has it.
    pub owner: String,
    /// The unit.
    pub unit: String,
    /// What happened, in a few sentences.
    pub summary: Vec<Line>,
    /// In order.
    pub timeline: Timeline,
    /// What it cost.
    pub impact: Vec<Line>,
    /// Why it happened.
    pub whys: Vec<Why>,
    /// Who is suspected.
    pub suspects: Vec<SuspectShown>,
    /// What was changed.
    pub changes: Vec<ChangeShown>,
    /// What else is said to have been changed, without lines to compare.
    pub named: Vec<String>,
    /// Whether a soak with the same command passed after it.
    pub soaked: bool,
    /// What was measured before.
    pub before: Vec<Line>,
    /// And after.
    pub after: Vec<Line>,
    /// Whether the one may be compared with the other.
    pub comparable: String,
    /// Tests that were run.
    pub tests: Vec<Line>,
    /// Commands that were run.
    pub verification: Vec<Line>,
    /// Other issues.
    pub related: Vec<String>,
    /// Rules that are on.
    pub prevention: Vec<Line>,
    /// The four criteria of an audit.
    pub criteria: Vec<Criterion>,
    /// Causes by kind.
    pub groups: Vec<Group>,
    /// Fixes by kind.
    pub fixes: Vec<Fix>,
    /// The last fatal message.
    pub error: Line,
    /// What began it, and how it was noticed.
    pub trigger: Line,
    /// How it was noticed.
    pub detection: Line,
    /// What went well.
    pub well: Vec<Line>,
    /// What went wrong.
    pub wrong: Vec<Line>,
    /// Where there was luck.
    pub lucky: Vec<Line>,
    /// How sure this is.
    pub confidence: Vec<Line>,
    /// What is not known.
    pub unknown: Vec<Line>,
    /// The file with the memory curve; empty where there is none.
    pub curve: String,
    /// What was recorded.
    pub data: Data,
}

impl Page {
    /// Computes all of it.
    pub fn of(source: &Source, kind: Kind) -> Self {
        let events = source.plain();
        let events = events.as_slice();
        let curve = Curve::main(events);
        let curve = curve.as_ref();
        let moments = Moments::of(curve, events);
        let uptime = Uptime::of(events, source.now, source.runs);
        let ranking = suspects::rank(&Known { events, now: None, only: None });
        let measured = Measured::of(curve, moments.alarm.map(|(at, _)| at), events);
        let subject = &source.subject;
        let mut impact = impact(curve, &uptime, events);
        impact.extend(elsewhere::lines(&source.elsewhere));
        let groups = issue::groups(curve, events);
        let fixes = issue::fixes(curve, &source.rules, &groups);
        let criteria = criteria(source, &moments, &uptime);
        let (well, wrong, lucky) = judged_well(&moments, &uptime, &measured, events);
        let unit = subject.unit.as_ref().map_or_else(
            || events.first().map_or("unknown".to_owned(), |event| event.unit.to_string()),
            ToString::to_string,
        );
        Self {
            kind,
            id: subject.id.clone(),
            title: subject.title.clone(),
            description: subject.description.clone(),
            state: subject.state.clone(),
            done: subject.is_done(),
            date: words::minute(source.now),
            day: words::day(source.now),
            reported: subject.opened.map_or("unknown".to_owned(), words::day),
            status: status(source).to_owned(),
            progress: if subject.is_done() { "Complete" } else { "In Progress" },
            severity: severity(&subject.priority),
            priority: capital(&subject.priority),
            owner: subject.owner.clone().unwrap_or_else(|| "nobody yet".to_owned()),
            unit,
            summary: summary(curve, &moments, &uptime, &measured),
            timeline: Timeline::of(curve, &moments, events),
            impact,
            whys: whys(curve, &moments, &uptime, &ranking, events),
            suspects: shown(&ranking),
            changes: source.changes.iter().map(change).collect(),
            named: source.named.iter().map(named).collect(),
            soaked: measured.holds,
            before: measured.before,
            after: measured.after,
            comparable: measured.comparable,
            tests: proof::tests(events, &subject.id),
            verification: proof::verification(events, &subject.id),
            related: subject.related.clone(),
            prevention: proof::prevention(source, events),
            criteria,
            groups,
            fixes,
            error: issue::error_stack(events)
                .unwrap_or_else(|| Line::plain("unknown: no fatal message of a runtime was recorded")),
            trigger: trigger(&moments, curve),
            detection: detection(&moments),
            well,
            wrong,
            lucky,
            confidence: confidence(curve, &ranking, source),
            unknown: ranking
                .unknown
                .iter()
                .map(|text| Line::plain(sentence(text)))
                .chain(gaps(source, curve))
                .collect(),
            curve: source.curve.clone().unwrap_or_default(),
            data: data(source),
        }
    }
}

/// The status of a delta report. What is not done is not resolved.
fn status(source: &Source) -> &'static str {
    match source.subject.state.as_str() {
        _ if source.subject.is_done() => "✅ RESOLVED",
        "done" => "UNPROVEN",
        "archived" if !source.subject.undone.is_empty() => "UNPROVEN",
        "planning" => "OPEN",
        "ready_for_engineering" => "IDENTIFIED",
        "active" => "IN PROGRESS",
        "ready_for_qa" => "VERIFYING",
        "ready_for_deployment" => "VERIFIED ON ONE",
        "won_t_do" | "archived" => "CLOSED WITHOUT A FIX",
        _ => "UNKNOWN",
    }
}

fn severity(priority: &str) -> String {
    let level = match priority.to_ascii_lowercase().as_str() {
        "critical" => "P0",
        "high" => "P1",
        "medium" => "P2",
        "low" => "P3",
        _ => return "unknown".to_owned(),
    };
    format!("{level} - {}", capital(priority))
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(|| "Unknown".to_owned(), |first| first.to_uppercase().chain(chars).collect())
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}

fn summary(curve: Option<&Curve>, moments: &Moments, uptime: &Uptime, measured: &Measured) -> Vec<Line> {
    let mut lines = Vec::new();
    match curve.and_then(|curve| Some((curve, curve.alarm()?))) {
        Some((curve, said)) => {
            let rate =
                said.judged.slope_per_hour.map(|slope| format!(", {}", words::rate(curve.series, slope)));
            lines.push(Line::of(
                format!(
                    "The {} of unit {} was judged {}{} at {}.",
                    curve.title(),
                    curve.unit,
                    said.judged.verdict.name().replace('_', " "),
                    rate.unwrap_or_default(),
                    words::utc(said.at)
                ),
                [said.event],
            ));
        }
        None => lines.push(Line::plain(
            "No series of this unit was recorded, so nothing measured says that it leaks.",
        )),
    }
    if let Some(oom) = uptime.ooms.last() {
        lines.push(Line::of(format!("It died for want of memory, {} recorded.", uptime.ooms.len()), [*oom]));
    }
    if let Some((at, id)) = moments.containment {
        lines.push(Line::of(format!("It was acted upon at {}.", words::utc(at)), [id]));
    }
    lines.push(if measured.holds {
        Line::of(
            "A soak with the same command passed afterwards.",
            measured.after.iter().filter_map(|line| line.evidence.first().copied()),
        )
    } else {
        Line::plain("That it is over is not proved: no soak with the same command has passed since.")
    });
    lines
}

fn shown(ranking: &Ranking) -> Vec<SuspectShown> {
    let of = |suspect: &crate::suspects::Suspect| {
        let line = |evidence: &crate::suspects::Evidence, prefix: &str| {
            let id = evidence.id.as_deref().and_then(|id| id.parse::<Uuid>().ok());
            Line::of(sentence(&format!("{prefix}{}", evidence.text)), id)
        };
        let mut lines: Vec<Line> = suspect.evidence_for.iter().take(4).map(|one| line(one, "")).collect();
        lines.extend(suspect.evidence_against.iter().take(2).map(|one| line(one, "against it: ")));
        let memory = suspect.unit == Some("bytes");
        let amount = |value: f64| if memory { words::bytes(value) } else { words::number(value) };
        let each = match (suspect.per_operation, suspect.per_hour) {
            (Some(each), _) => format!("Each leak: {} per operation", amount(each)),
            (None, Some(hour)) => format!("Each leak: size unknown; {} per hour", amount(hour)),
            (None, None) => "Each leak: size unknown".to_owned(),
        };
        lines.push(Line::plain(each));
        let strength =
            suspect.strength.map_or_else(String::new, |strength| format!(" ({})", strength.name()));
        SuspectShown { name: format!("{}{strength}", capital(&suspect.name)), lines }
    };
    ranking.suspects.iter().take(MOST_SUSPECTS).map(of).collect()
}

fn named(named: &super::facts::Named) -> String {
    format!(
        "{}, by {} at {}; it names no lines, so nothing was compared",
        named.what,
        named.by,
        words::utc(named.at)
    )
}

fn change(checked: &super::changes::Checked) -> ChangeShown {
    let commit = match (&checked.commit, checked.modified) {
        (Some(commit), Some(true)) => {
            format!("; the file differs from commit {}", commit.get(..12).unwrap_or(commit))
        }
        (Some(commit), Some(false)) => format!("; commit {}", commit.get(..12).unwrap_or(commit)),
        (Some(commit), None) => {
            format!(
                "; checked out is {}, whether the file is of it is not known",
                commit.get(..12).unwrap_or(commit)
            )
        }
        (None, _) => "; commit unknown".to_owned(),
    };
    let extension = checked.change.place.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let language = match extension {
        "py" => "python",
        "js" | "mjs" | "cjs" => "javascript",
        "ts" => "typescript",
        "rs" => "rust",
        other => other,
    };
    ChangeShown {
        place: checked.change.place.to_string(),
        what: if checked.change.what.is_empty() {
            "not described".to_owned()
        } else {
            checked.change.what.clone()
        },
        snippet: checked.change.snippet.clone(),
        language: language.to_owned(),
        checked: format!("{}{commit}", checked.finding.said()),
        holds: checked.finding.holds(),
    }
}

fn data(source: &Source) -> Data {
    let mut digest = Sha256::new();
    for recorded in &source.events {
        digest.update(recorded.sha256.as_bytes());
        digest.update(b"\n");
    }
    let sha256 = digest.finalize().iter().fold(String::new(), |mut text, byte| {
        for nibble in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
        text
    });
    let rows = source.events.iter().take(MOST_ROWS);
    Data {
        rows: rows
            .map(|recorded| DataRow {
                id: recorded.event.id,
                at: recorded.event.at.to_string(),
                kind: recorded.event.kind.name(),
                sha256: recorded.sha256.clone(),
            })
            .collect(),
        count: source.events.len(),
        sha256,
    }
}
