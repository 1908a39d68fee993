//! From one state to another: what the table allows and the gates let through, or what somebody forces and answers for.

use scupper_model::{Timestamp, printable, redact_line};

use super::history::{MOST_MOVES, Moved};
use super::record::{Change, Incident, IncidentError};
use super::request::Request;
use super::soak::{Verdict, Verified};
use super::state::{Gate, State};
use super::write::{map, text};
use crate::document::{CheckBox, Value};

/// A reason, a name, a change: no longer than this.
const MOST_TEXT: usize = 2000;

/// Whether a piece of evidence still is what was cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there, byte for byte.
    Intact,
    /// It is there, and is not what was cited.
    Changed,
    /// It is not there any more.
    Gone,
}

/// What the gates look at and the record itself does not know.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// What the recorded soaks show.
    pub soak: Verified,
    /// Each piece of evidence that is cited, by its id, and how it stands.
    pub evidence: Vec<(String, Standing)>,
    /// Incidents that block this one and are open.
    pub blocked_by: Vec<String>,
}

/// Why a move is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is there already.
    #[error("{id} is {state} already")]
    Same {
        /// The record.
        id: String,
        /// Where it stands.
        state: State,
    },
    /// The table has no such step.
    #[error("{id} cannot go from {from} to {to}: {}", allowed(*from))]
    NotAllowed {
        /// The record.
        id: String,
        /// Where it stands.
        from: State,
        /// Where it was to go.
        to: State,
    },
    /// What was not done is not opened again.
    #[error("{id} is {from}, and only what is done is opened again: {}", allowed(*from))]
    NotDone {
        /// The record.
        id: String,
        /// Where it stands.
        from: State,
    },
    /// Something that the gate asks for is missing.
    #[error("{id} cannot go from {from} to {to} yet: {}", missing.join("; "))]
    Unmet {
        /// The record.
        id: String,
        /// Where it stands.
        from: State,
        /// Where it was to go.
        to: State,
        /// What is missing.
        missing: Vec<String>,
    },
    /// Somebody changed the history by hand.
    #[error("{id} cannot be moved: its history was tampered with at move {position}: {problem}")]
    Tampered {
        /// The record.
        id: String,
        /// Which move, from 1.
        position: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The clock says that it is earlier than the last move.
    #[error(
        "{id} was last changed at {latest}, and the clock says that it is {now}: time does not go backwards"
    )]
    Past {
        /// The record.
        id: String,
        /// When it was changed last.
        latest: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// Without a reason nothing is forced.
    #[error("{id} is not forced without a reason: say why with --reason")]
    ForcedWithoutReason {
        /// The record.
        id: String,
    },
    /// It was moved too often.
    #[error("{id} has moved {MOST_MOVES} times: open another incident and link it")]
    TooOften {
        /// The record.
        id: String,
    },
}

/// A move that was not made.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The record cannot be edited.
    #[error(transparent)]
    Incident(#[from] IncidentError),
}

/// Whether a step says that what was changed is not enough.
const fn is_back(from: State, to: State) -> bool {
    matches!(from, State::Done | State::ReadyForQa | State::ReadyForDeployment)
        && matches!(to, State::Active | State::ReadyForEngineering)
}

fn allowed(from: State) -> String {
    let steps: Vec<String> =
        from.next().map(|step| format!("{} (needs {})", step.to, step.gate.asks())).collect();
    if steps.is_empty() {
        "nothing follows it".to_owned()
    } else {
        format!("allowed are {}", steps.join(", "))
    }
}

impl Incident {
    /// What is missing before it may go there; empty where it may. What only `--force` gets past is in the error.
    pub fn missing(&self, request: &Request<'_>, checks: &Checks) -> Result<Vec<String>, Refused> {
        let (id, from, to) = (self.id().to_owned(), self.state, request.to);
        if from == to {
            return Err(Refused::Same { id, state: from });
        }
        if let Some(broken) = self.tampered().into_iter().next() {
            return Err(Refused::Tampered { id, position: broken.position, problem: broken.problem });
        }
        let step = from.step_to(to).ok_or(Refused::NotAllowed { id, from, to })?;
        if request.automation.is_some() && !step.automatic {
            return Ok(vec!["a person has to decide that".to_owned()]);
        }
        let reason = request.reason.is_some_and(|reason| !reason.trim().is_empty());
        Ok(match step.gate {
            Gate::Open => Vec::new(),
            Gate::Reason if reason => Vec::new(),
            Gate::SuspectOrReason if reason || self.suspects().iter().any(|s| !s.evidence.is_empty()) => {
                Vec::new()
            }
            Gate::Owner if request.owner.or(self.owner()).is_some() => Vec::new(),
            // A change of before it came back proves nothing.
            Gate::Change if request.change.or(self.last_change().as_deref()).is_some() => Vec::new(),
            Gate::Soak => {
                let mut missing = soak(checks, false);
                missing.extend(self.unread_evidence());
                missing
            }
            Gate::SoakEverywhere => {
                let mut missing = soak(checks, true);
                missing.extend(self.unread_evidence());
                missing.extend(self.unfinished());
                missing.extend(checks.blocked_by.iter().map(|id| format!("{id} blocks it and is open")));
                missing
            }
            gate => vec![format!("{} is missing", gate.asks())],
        })
    }

    /// The change that its soaks have to be newer than: the last one since it was opened, came back or was sent back.
    pub fn last_change(&self) -> Option<String> {
        self.change().map(|change| change.what)
    }

    /// The same, with when it was recorded and by whom.
    pub fn change(&self) -> Option<Change> {
        let back = |moved: &&Moved| moved.from.is_some_and(|from| is_back(from, moved.to));
        let back = self.history.iter().rev().find(back).map(|moved| moved.at);
        self.changes().pop().filter(|change| back.is_none_or(|back| change.at > back))
    }

    /// Moves it, where it may be moved.
    pub fn transition(&mut self, request: &Request<'_>, checks: &Checks) -> Result<(), MoveError> {
        let id = self.id().to_owned();
        let forced = match self.missing(request, checks) {
            Ok(missing) if missing.is_empty() => false,
            Err(same @ Refused::Same { .. }) => return Err(same.into()),
            Ok(_) | Err(_)
                if request.forced && request.reason.is_none_or(|reason| reason.trim().is_empty()) =>
            {
                return Err(Refused::ForcedWithoutReason { id }.into());
            }
            Ok(_) | Err(_) if request.forced => true,
            Ok(missing) => {
                return Err(Refused::Unmet { id, from: self.state, to: request.to, missing }.into());
            }
            Err(refused) => return Err(refused.into()),
        };
        if let Some(latest) = self.latest().filter(|latest| *latest > request.at && !forced) {
            return Err(Refused::Past { id, latest, now: request.at }.into());
        }
        if self.history.len() >= MOST_MOVES {
            return Err(Refused::TooOften { id }.into());
        }
        let mut draft = self.clone();
        let claims = matches!(request.to, State::ReadyForDeployment | State::Done);
        if checks.soak.verdict == Verdict::Passed || claims {
            draft.set_verified(&checks.soak, request.at);
        }
        draft.carry_out(request, forced)?;
        *self = draft;
        Ok(())
    }

    fn carry_out(&mut self, request: &Request<'_>, forced: bool) -> Result<(), IncidentError> {
        let (from, to, at) = (self.state, request.to, request.at);
        if is_back(from, to) && self.soak_verdict() != Verdict::Pending {
            // What is worked on again has to be shown again.
            self.set_verified(&Verified::default(), at);
        }
        let said = |words: &str| printable(redact_line(words).as_bytes(), MOST_TEXT);
        let by = said(request.by);
        if let Some(owner) = request.owner {
            self.document.set(&["assignee"], &text(said(owner)))?;
        }
        if let Some(change) = request.change {
            self.changed(Change { at, what: said(change), by: by.clone() });
            if self.soak_verdict() != Verdict::Pending {
                // What was soaked was something else.
                self.set_verified(&Verified::default(), at);
            }
        }
        let reason = request.reason.map(said);
        let about = request.about.or(request.change).map(said);
        let needs = self.needs().filter(|needs| self.agreed_needs() != Some(needs.as_str()));
        let moved =
            Moved { at, by, from: Some(from), to, reason, about, needs, forced, sha256: String::new() };
        if self.history.is_empty() {
            // A record of another program: what it says of itself is where the chain begins.
            let first = Moved {
                reason: None,
                about: None,
                needs: None,
                from: None,
                to: from,
                forced: false,
                ..moved.clone()
            };
            self.history.push(first.chained(None));
        }
        let moved = moved.chained(self.history.last());
        let automatic = from.step_to(to).is_some_and(|step| step.automatic);
        self.metadata(&moved, automatic, request)?;
        self.history.push(moved);
        self.agreed = false;
        self.set_ours("history", Value::List(self.history.iter().map(Moved::value).collect()));
        self.state = to;
        self.document.set(&["updated_date"], &text(at.to_string()))?;
        self.in_line(from, at)?;
        self.keep()
    }

    fn metadata(
        &mut self,
        moved: &Moved,
        automatic: bool,
        request: &Request<'_>,
    ) -> Result<(), IncidentError> {
        let default = || format!("{} after {}", moved.to, moved.from.map_or("nothing", State::name));
        let metadata = map(vec![
            ("transitioned_at", Some(text(moved.at.to_string()))),
            ("transitioned_by", Some(text(&moved.by))),
            ("previous_state", moved.from.map(|from| text(from.name()))),
            ("automation_eligible", Some(Value::Bool(automatic))),
            ("transition_reason", Some(text(moved.reason.clone().unwrap_or_else(default)))),
            ("automation_source", request.automation.map(text)),
            ("reviewer", request.reviewer.map(text)),
        ]);
        self.document.set(&["state"], &text(moved.to.name()))?;
        Ok(self.document.set(&["state_metadata"], &metadata)?)
    }

    /// Status, percentage, boxes and times, as they are in this state.
    pub(super) fn in_line(&mut self, from: State, at: Timestamp) -> Result<(), IncidentError> {
        let state = self.state;
        self.document.set(&["status"], &text(state.status()))?;
        match state {
            State::ReadyForQa => self.set_ours("mitigated_at", text(at.to_string())),
            State::Done => self.set_ours("resolved_at", text(at.to_string())),
            _ if from == State::Done && state == State::Active => {
                self.remove_ours("resolved_at");
                self.remove_ours("mitigated_at");
            }
            _ => {}
        }
        self.tick()?;
        self.percentage(from)
    }

    /// Ticks our own boxes whose claim holds, and takes the tick from those whose does not. What people wrote is theirs.
    fn tick(&mut self) -> Result<(), IncidentError> {
        let same = self.content_is_body();
        let identified = !matches!(self.state, State::Planning) || !self.suspects().is_empty();
        let changed = self.change().is_some();
        let passed = self.soak_verdict() == Verdict::Passed && changed;
        for (line, ticked, key) in self.own_boxes() {
            let holds = match key {
                Own::Source => identified,
                Own::Change => changed,
                Own::Soak | Own::Gone => passed,
            };
            if holds != ticked {
                self.document.tick(line, holds)?;
            }
        }
        if same {
            let body = self.document.body().trim_matches(['\n', '\r']).to_owned();
            self.document.set(&["content"], &text(body))?;
        }
        Ok(())
    }

    /// Of a record that we wrote, the share of its boxes that are ticked; 100 when it is done, and not before.
    fn percentage(&mut self, from: State) -> Result<(), IncidentError> {
        let boxes = self.document.outline().boxes;
        let percent = match self.state {
            State::Done => 100,
            State::Archived => return Ok(()),
            _ if self.fingerprint().is_none() && from != State::Done => return Ok(()),
            _ if boxes.is_empty() => 0,
            _ => {
                let ticked = boxes.iter().filter(|b| b.ticked).count();
                (ticked * 100 / boxes.len()).min(99)
            }
        };
        let percent = Value::Integer(i64::try_from(percent).unwrap_or(0));
        Ok(self.document.set(&["completion_percentage"], &percent)?)
    }

    /// Whether `content` still says what the body says.
    pub fn content_is_body(&self) -> bool {
        let body = self.document.body().replace("\r\n", "\n");
        self.document
            .text_of(&["content"])
            .is_some_and(|content| content.trim_matches('\n') == body.trim_matches('\n'))
    }

    /// Boxes that stand in the way of `done`: placeholders, and what people left open.
    pub fn unfinished(&self) -> Vec<String> {
        let ours: Vec<usize> = self.own_boxes().into_iter().map(|(line, ..)| line).collect();
        let boxes = self.document.outline().boxes;
        let open = boxes.iter().filter(|b| !ours.contains(&b.line));
        open.filter_map(|b| {
            let shown = printable(b.text.as_bytes(), 60);
            if is_placeholder(b) {
                Some(format!("the box of line {} is a placeholder: {shown}", b.line))
            } else if b.ticked {
                None
            } else {
                Some(format!("the box of line {} is open: {shown}", b.line))
            }
        })
        .collect()
    }

    fn own_boxes(&self) -> Vec<(usize, bool, Own)> {
        let lines: Vec<&str> = self.document.text().lines().collect();
        let own = |b: &CheckBox| {
            let line = lines.get(b.line.checked_sub(1)?)?;
            let key = line.split_once("<!-- scupper:box=")?.1.split_once(" -->")?.0;
            let key = Own::ALL.into_iter().find(|own| own.name() == key)?;
            Some((b.line, b.ticked, key))
        };
        self.document.outline().boxes.iter().filter_map(own).collect()
    }

    /// What the record claims and does not hold any more: it is done, and its soak, its evidence or its history is not what
    /// it rested on.
    pub fn undone(&self, checks: &Checks) -> Vec<String> {
        let mut undone: Vec<String> = self
            .tampered()
            .into_iter()
            .map(|broken| {
                format!("the history was tampered with at move {}: {}", broken.position, broken.problem)
            })
            .collect();
        undone.extend(self.unread_evidence());
        undone.extend(checks.evidence.iter().filter_map(|(id, standing)| standing.problem(id)));
        let claims = matches!(self.state, State::ReadyForDeployment | State::Done);
        if claims && checks.soak.verdict != Verdict::Passed {
            let why = checks.soak.reasons.join("; ");
            undone.push(format!("it is {}, and no soak shows it: {why}", self.state));
        } else if self.state == State::Done && !checks.soak.everywhere {
            undone.push("it is done, and did not pass a soak in every unit in which it was seen".to_owned());
        }
        undone
    }
}

impl Standing {
    /// What is wrong with evidence that stands like this.
    pub fn problem(self, id: &str) -> Option<String> {
        match self {
            Self::Intact => None,
            Self::Changed => Some(format!("event {id} is not what was cited: its digest differs")),
            Self::Gone => Some(format!("event {id} is not recorded any more")),
        }
    }
}

/// `Task 1`, `Criteria 2`, `TODO`: boxes that nobody filled in.
pub fn is_placeholder(check_box: &CheckBox) -> bool {
    let words: Vec<String> = check_box.text.split_whitespace().map(str::to_lowercase).collect();
    let known = ["task", "criteria", "criterion", "step", "item", "requirement"];
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["todo" | "tbd" | "..." | "fixme"] => true,
        [word, number] => known.contains(word) && number.trim_end_matches([':', '.']).parse::<u32>().is_ok(),
        _ => false,
    }
}

fn soak(checks: &Checks, everywhere: bool) -> Vec<String> {
    let mut missing: Vec<String> =
        checks.evidence.iter().filter_map(|(id, standing)| standing.problem(id)).collect();
    if checks.soak.verdict != Verdict::Passed {
        missing.extend(checks.soak.reasons.iter().cloned());
        if checks.soak.reasons.is_empty() {
            missing.push("no soak was looked at".to_owned());
        }
    } else if everywhere && !checks.soak.everywhere {
        missing.extend(checks.soak.still_open.iter().cloned());
    }
    missing
}

/// Boxes that a record of ours begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Source,
    Change,
    Soak,
    Gone,
}

impl Own {
    const ALL: [Self; 4] = [Self::Source, Self::Change, Self::Soak, Self::Gone];

    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Change => "change",
            Self::Soak => "soak",
            Self::Gone => "gone",
        }
    }

    /// How a line ends whose box is ours.
    pub(super) fn mark(self) -> String {
        format!("<!-- scupper:box={} -->", self.name())
    }
}
