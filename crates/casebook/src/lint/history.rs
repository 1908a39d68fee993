//! What Scupper itself keeps in a record: the moves, chained by their digests, and the soaks. How they are read is said in
//! [`crate::incident`].

use scupper_model::{Timestamp, format_duration};

use super::around::{Recorded, Surroundings};
use super::finding::{Findings, quoted};
use super::report::first;
use super::rule::Rule;
use crate::document::Document;
use crate::incident::{Breach, Incident, State, Verdict};

/// The time of the last move.
pub(super) fn last_move(document: &Document) -> Option<Timestamp> {
    Incident::of(document.clone()).ok()?.history().iter().map(|moved| moved.at).max()
}

/// Looks at moves and soaks.
pub(super) fn check(document: &Document, around: &dyn Surroundings, findings: &mut Findings) {
    // What cannot be read has been told already: no id, no state.
    let Ok(incident) = Incident::of(document.clone()) else { return };
    let line = |path: &[&str]| document.line_of(path).or_else(|| document.line_of(&["state"])).unwrap_or(1);
    let history = line(&["scupper", "history"]);
    for broken in incident.tampered() {
        let rule = match broken.breach {
            Breach::Transition => Rule::Transition,
            Breach::Time => Rule::TimeBackwards,
            Breach::Missing | Breach::Unreadable | Breach::Digest | Breach::Gap | Breach::Basis => {
                Rule::HistoryChain
            }
        };
        let which = if broken.position == 0 { String::new() } else { format!("move {}: ", broken.position) };
        findings.add(rule, history, format!("{which}{}", broken.problem));
    }
    for (index, moved) in incident.history().iter().enumerate().filter(|(_, moved)| moved.forced) {
        let reason = moved.reason.as_deref().map_or_else(|| "no reason".to_owned(), quoted);
        let message =
            format!("move {} to {} was forced by {}: {reason}", index + 1, moved.to, quoted(&moved.by));
        findings.add(Rule::ForcedMove, history, message);
    }
    soaks(&incident, line(&["scupper", "soak"]), around, findings);
}

fn soaks(incident: &Incident, line: usize, around: &dyn Surroundings, findings: &mut Findings) {
    let needs_one = matches!(incident.state(), State::Done | State::ReadyForDeployment);
    let soaks = incident.soaks();
    let verdict = incident.soak_verdict();
    if needs_one && (soaks.is_empty() || verdict != Verdict::Passed) {
        let what = if soaks.is_empty() { "no soak is recorded" } else { "no soak has passed" };
        findings.add(Rule::DoneWithoutSoak, line, format!("state is {}, and {what}", incident.state()));
    }
    let required = incident.required();
    for soak in &soaks {
        let name = format!("the soak of {}", quoted(&soak.unit));
        if (needs_one || verdict == Verdict::Passed) && soak.lasted < required.lasting {
            let message = format!(
                "{name} lasted {}, and {} are required",
                format_duration(soak.lasted),
                format_duration(required.lasting)
            );
            findings.add(Rule::SoakTooShort, line, message);
        }
        if let Some(wanted) = required.operations
            && soak.operations.is_none_or(|done| done < wanted)
        {
            let done =
                soak.operations.map_or_else(|| "an unknown number of".to_owned(), |done| done.to_string());
            findings.add(
                Rule::SoakTooShort,
                line,
                format!("{name} did {done} operations, and {wanted} are required"),
            );
        }
        match around.recorded(&soak.id) {
            Recorded::Event(hash) if !hash.eq_ignore_ascii_case(&soak.sha256) => {
                let message = format!(
                    "{name}: the record has the hash {}..., and not {}...",
                    first(&hash),
                    first(&soak.sha256)
                );
                findings.add(Rule::EvidenceHash, line, message);
            }
            Recorded::Absent | Recorded::Run => {
                findings.add(Rule::EvidenceMissing, line, format!("{name}: no such event is recorded"));
            }
            Recorded::Event(_) | Recorded::NotLooked => {}
        }
    }
}
