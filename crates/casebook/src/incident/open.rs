//! A new incident, and what becomes of one when the same thing is seen again.

use std::time::Duration;

use scupper_model::{RunId, Timestamp, UnitName, printable, redact_line};

use super::Evidence;
use super::episode::{Episode, Priority};
use super::history::{MOST_MOVES, Moved};
use super::moves::{Checks, MoveError, Own};
use super::record::{Incident, IncidentError, Suspect, file_name};
use super::request::Request;
use super::soak::Required;
use super::state::State;
use super::write::{map, text, texts};
use crate::document::{Document, Value};

/// What a record is opened with.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// `ISS-0001`.
    pub id: &'a str,
    /// One line.
    pub title: &'a str,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: &'a str,
    /// How much it matters.
    pub priority: Priority,
    /// Who is to look after it.
    pub owner: Option<&'a str>,
    /// What it is about, as somebody wrote it: Markdown.
    pub description: Option<&'a str>,
    /// What was seen, where it was.
    pub episode: Option<&'a Episode>,
    /// In which unit.
    pub unit: Option<&'a UnitName>,
    /// In which run of it.
    pub run: Option<RunId>,
    /// The command of that run, redacted.
    pub command: Option<&'a str>,
    /// What was recorded of it.
    pub evidence: &'a [Evidence],
    /// Who is suspected.
    pub suspects: &'a [Suspect],
    /// What a soak has to show.
    pub required: Required,
    /// Incidents that have to do with it.
    pub related: &'a [String],
    /// Incidents that have to be solved before.
    pub blocked_by: &'a [String],
    /// How long it takes until it fails, where that is known.
    pub time_to_failure: Option<Duration>,
    /// Where the file lies.
    pub file_path: &'a str,
}

/// What became of a record when something was seen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is open: the evidence was added.
    Added,
    /// It was done, and is open again.
    Reopened,
    /// Nobody wants to do anything about it; it was counted.
    Counted,
    /// It is put away, or has moved too often: another record is to be opened and linked.
    Another,
}

impl Incident {
    /// A record in its first state, with the keys of the tool that made the first ones in their order.
    pub fn open(opening: &Opening<'_>) -> Result<Self, IncidentError> {
        let line = |words: &str| printable(redact_line(words).as_bytes(), 200).trim().to_owned();
        let title = line(opening.title);
        let by = line(opening.by);
        let at = text(opening.at.to_string());
        let description = opening.description.map_or_else(|| describe(opening), redacted);
        let content = body(&title, &description, opening);
        let mut document = Document::parse(&template(opening))?;
        let owner = opening.owner.map(line);
        let related = texts(opening.related.iter().map(String::as_str));
        let blocked_by = texts(opening.blocked_by.iter().map(String::as_str));
        let keys = [
            ("title", Some(text(&title))),
            ("description", Some(text(&description))),
            ("assignee", owner.map(text)),
            ("related_issues", Some(related).filter(|_| !opening.related.is_empty())),
            ("blocked_by", Some(blocked_by).filter(|_| !opening.blocked_by.is_empty())),
            ("content", Some(text(&content))),
            ("file_path", Some(text(opening.file_path))),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                document.set(&[key], &value)?;
            }
        }
        let first = Moved {
            at: opening.at,
            by: by.clone(),
            from: None,
            to: State::Planning,
            reason: opening.episode.map(|episode| line(&episode.title)),
            about: opening.evidence.first().map(|evidence| evidence.id.clone()),
            needs: None,
            forced: false,
            sha256: String::new(),
        };
        let metadata = map(vec![
            ("transitioned_at", Some(at.clone())),
            ("transitioned_by", Some(text(&by))),
            ("previous_state", Some(Value::Null)),
            ("automation_eligible", Some(Value::Bool(true))),
            ("transition_reason", Some(text(first.reason.clone().unwrap_or_else(|| "opened".to_owned())))),
            ("automation_source", opening.episode.map(|episode| text(episode.trigger.name()))),
        ]);
        document.set(&["state_metadata"], &metadata)?;
        document.set_body(&format!("\n{content}\n"));
        let mut incident = Self::of(document)?;
        incident.begin(opening, first)?;
        Ok(incident)
    }

    fn begin(&mut self, opening: &Opening<'_>, first: Moved) -> Result<(), IncidentError> {
        let fingerprint = opening.episode.map(|episode| episode.fingerprint.as_str());
        let ours = [
            ("fingerprint", fingerprint.map(text)),
            ("what", opening.episode.map(|episode| text(&episode.what))),
            ("trigger", opening.evidence.first().map(|evidence| text(&evidence.kind))),
            ("detection", opening.episode.map(|episode| text(episode.trigger.name()))),
            ("unit", opening.unit.map(|unit| text(unit.as_str()))),
            ("run", opening.run.map(|run| text(run.to_string()))),
            ("command", opening.command.map(|command| text(printable(redact_line(command).as_bytes(), 500)))),
        ];
        for (key, value) in ours {
            if let Some(value) = value {
                self.set_ours(key, value);
            }
        }
        if let Some(time) = opening.time_to_failure {
            // What took less than a second is not told apart from it.
            self.set_count("time_to_failure_seconds", time.as_secs().max(1));
        }
        if opening.evidence.is_empty() {
            self.set_ours("evidence", Value::List(Vec::new()));
        }
        self.add(opening.evidence);
        self.set_suspects(opening.suspects);
        self.set_ours("actions", Value::List(Vec::new()));
        self.set_required(&opening.required);
        let first = Moved { needs: self.needs(), ..first }.chained(None);
        self.set_ours("history", Value::List(vec![first.value()]));
        self.history = vec![first];
        self.keep()
    }

    /// The same thing was seen again, at this time. `new_run` says whether the run began after what the record knows.
    pub fn again(
        &mut self,
        episode: &Episode,
        evidence: &[Evidence],
        unit: &UnitName,
        run: RunId,
        at: Timestamp,
    ) -> Result<Again, MoveError> {
        // A clock that was set back does not lose what was seen.
        let at = self.latest().map_or(at, |latest| latest.max(at));
        let full = self.history.len() >= MOST_MOVES;
        let again = match self.state {
            State::Archived => return Ok(Again::Another),
            State::Done if full => return Ok(Again::Another),
            State::Done => Again::Reopened,
            State::WontDo => Again::Counted,
            _ => Again::Added,
        };
        let mut draft = self.clone();
        if !draft.add(evidence) {
            // It is known: written twice, or told twice.
            return Ok(if again == Again::Reopened { Again::Added } else { again });
        }
        draft.known_by(unit.as_str(), &episode.fingerprint);
        draft.set_count("seen_again", draft.seen_again().saturating_add(1));
        draft.set_ours("run", text(run.to_string()));
        if again == Again::Reopened {
            let reason = format!("it came back: {}", episode.title);
            let about = evidence.last().map(|evidence| evidence.id.as_str());
            let request = Request {
                reason: Some(&reason),
                automation: Some(episode.trigger.name()),
                about,
                // A history that somebody tampered with is no reason to stay closed.
                forced: true,
                ..Request::new(State::Active, "scupper", at)
            };
            draft.set_verified(&super::soak::Verified::default(), at);
            draft.transition(&request, &Checks::default())?;
        } else {
            draft.document.set(&["updated_date"], &text(at.to_string())).map_err(IncidentError::from)?;
            draft.keep()?;
        }
        *self = draft;
        Ok(again)
    }
}

/// The keys of a new record, in their order, with what is the same in all of them.
fn template(opening: &Opening<'_>) -> String {
    let (id, at, state) = (opening.id, opening.at, State::Planning);
    let (status, priority) = (state.status(), opening.priority.name());
    format!(
        "---\nissue_id: {id}\ntitle: \"\"\ndescription: \"\"\nstatus: {status}\npriority: {priority}\nassignee: unassigned\n\
         created_date: {at}\nupdated_date: {at}\nestimated_tokens: 0\nactual_tokens: 0\nai_context:\n  - context/requirements\n  \
         - context/constraints\n  - context/assumptions\n  - context/dependencies\nsync_status: local\nrelated_tasks: []\n\
         related_issues: []\ncompletion_percentage: 0\nblocked_by: []\nblocks: []\ncontent: \"\"\nfile_path: \"\"\n\
         state: {state}\n---\n"
    )
}

/// What somebody wrote, with its secrets taken out line by line.
fn redacted(words: &str) -> String {
    let lines: Vec<String> =
        words.trim_matches('\n').lines().map(|line| redact_line(line).trim_end().to_owned()).collect();
    lines.join("\n")
}

/// What a record is about that nobody described.
fn describe(opening: &Opening<'_>) -> String {
    let mut lines = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("- **{name}**: {value}")));
    };
    say("Unit", opening.unit.map(ToString::to_string));
    say("Noticed by", opening.episode.map(|episode| episode.trigger.name().to_owned()));
    say("What runs out", opening.episode.map(|episode| episode.what.replace('_', " ")));
    say("Run", opening.run.map(|run| run.to_string()));
    say("Command", opening.command.map(|command| format!("`{}`", redact_line(command).replace('`', "'"))));
    say("Seen", opening.evidence.first().map(|evidence| evidence.at.to_string()));
    if lines.is_empty() {
        return "Nobody has described it yet.".to_owned();
    }
    lines.push(String::new());
    lines.push("### Evidence".to_owned());
    lines.extend(opening.evidence.iter().take(8).map(said));
    if opening.evidence.is_empty() {
        lines.push("- none was recorded".to_owned());
    }
    lines.join("\n")
}

fn said(evidence: &Evidence) -> String {
    let value = match (evidence.value, evidence.unit.as_deref()) {
        (Some(value), Some(unit)) if unit.starts_with("bytes") && value >= 0.0 => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is above zero, and shown"
            )]
            let bytes = scupper_model::Bytes(value as u64);
            format!(", {bytes}{}", unit.trim_start_matches("bytes"))
        }
        (Some(value), Some(unit)) => format!(", {value} {unit}"),
        _ => String::new(),
    };
    format!("- {} `{}`{value} (event {})", evidence.at, evidence.kind, evidence.id)
}

fn body(title: &str, description: &str, opening: &Opening<'_>) -> String {
    let id = opening.id;
    let unit = opening.unit.map_or_else(|| "UNIT".to_owned(), ToString::to_string);
    let required = opening.required.describe();
    let mark = Own::mark;
    format!(
        "# Issue: {title}\n\n\
         ## Description\n{description}\n\n\
         ## Tasks\n\
         - [ ] Name the source: `scupper why {id}` {}\n\
         - [ ] Change it, and say what was changed: `scupper incident move {id} ready_for_qa --change COMMIT` {}\n\
         - [ ] Soak it: `scupper soak --name {unit} ... -- COMMAND`, then `scupper incident verify {id}` {}\n\n\
         ## Acceptance Criteria\n\
         - [ ] A soak after the change passes: {required} {}\n\
         - [ ] It was not seen again after the change {}\n\n\
         ## Notes\nNothing yet.",
        mark(Own::Source),
        mark(Own::Change),
        mark(Own::Soak),
        mark(Own::Soak),
        mark(Own::Gone),
    )
}

impl Opening<'_> {
    /// The name of its file.
    pub fn file_name(&self) -> String {
        file_name(self.id, self.title)
    }
}
