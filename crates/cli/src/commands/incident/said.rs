//! What is said of incidents, to people and to programs.

use std::path::Path;

use scupper_casebook::incident::{Checks, Flaw, Incident, Moved, Refused, Standing, State, Verified};
use scupper_model::printable;
use serde_json::{Value, json};

use crate::casebook::folder::Kept;
use crate::output::Table;

const SCHEMA: &str = "scupper.incident/1";

/// Text of a file on a terminal: one line, nothing that a terminal obeys.
fn shown(text: &str, most: usize) -> String {
    printable(text.as_bytes(), most)
}

fn object(incident: &Incident, path: &Path) -> Value {
    json!({
        "id": incident.id(),
        "title": incident.title(),
        "state": incident.state().name(),
        "status": incident.document().text_of(&["status"]),
        "priority": incident.priority(),
        "owner": incident.owner(),
        "unit": incident.unit().map(|unit| unit.to_string()),
        "units": incident.units(),
        "fingerprint": incident.fingerprint(),
        "run": incident.run(),
        "seen_again": incident.seen_again(),
        "evidence": incident.evidence().len(),
        "soak": incident.soak_verdict().name(),
        "related_issues": incident.listed("related_issues"),
        "file": path.display().to_string(),
    })
}

fn with_schema(mut value: Value, schema: &str) -> Value {
    let mut whole = serde_json::Map::new();
    whole.insert("schema".to_owned(), schema.into());
    if let Value::Object(entries) = &mut value {
        whole.append(entries);
    }
    Value::Object(whole)
}

/// One in short.
pub(super) fn brief(incident: &Incident, path: &Path) -> Value {
    with_schema(object(incident, path), SCHEMA)
}

/// Many.
pub(super) fn list(shown: &[&Kept], problems: &[String]) -> Value {
    let incidents: Vec<Value> = shown.iter().map(|kept| object(&kept.incident, kept.path())).collect();
    json!({ "schema": "scupper.incidents/1", "incidents": incidents, "problems": problems })
}

/// The same for a person.
pub(super) fn table(kept: &[&Kept]) -> String {
    let mut table = Table::new(&["ID", "STATE", "PRIORITY", "OWNER", "SOAK", "TITLE"], &[]);
    for kept in kept {
        let incident = &kept.incident;
        table.row(vec![
            incident.id().to_owned(),
            incident.state().name().to_owned(),
            shown(incident.priority(), 12),
            shown(incident.owner().unwrap_or("-"), 20),
            incident.soak_verdict().name().to_owned(),
            shown(incident.title(), 80),
        ]);
    }
    table.to_string()
}

/// All of one.
pub(super) fn full(kept: &Kept, checks: &Checks, undone: &[String], flaws: &[Flaw]) -> Value {
    let incident = &kept.incident;
    let evidence: Vec<Value> = incident
        .evidence()
        .into_iter()
        .map(|cited| {
            let standing = standing(checks, &cited.id);
            json!({
                "id": cited.id, "kind": cited.kind, "value": cited.value, "unit": cited.unit, "at": cited.at,
                "sha256": cited.sha256, "standing": standing,
            })
        })
        .collect();
    let suspects: Vec<Value> = incident
        .suspects()
        .into_iter()
        .map(|suspect| json!({ "name": suspect.name, "score": suspect.score, "evidence": suspect.evidence }))
        .collect();
    let changes: Vec<Value> = incident
        .changes()
        .into_iter()
        .map(|change| json!({ "at": change.at, "what": change.what, "by": change.by }))
        .collect();
    let history: Vec<Value> = incident.history().iter().map(moved).collect();
    let next: Vec<Value> = incident
        .state()
        .next()
        .map(|step| json!({ "to": step.to.name(), "needs": step.gate.asks() }))
        .collect();
    let mut whole = brief(incident, kept.path());
    let required = incident.required();
    if let Value::Object(entries) = &mut whole {
        entries.insert("evidence".to_owned(), evidence.into());
        entries.insert("suspects".to_owned(), suspects.into());
        entries.insert("changes".to_owned(), changes.into());
        entries.insert(
            "soak".to_owned(),
            json!({
                "required": {
                    "seconds": required.lasting.as_secs(),
                    "operations": required.operations,
                    "max_growth_bytes": required.max_growth,
                    "max_slope_bytes_per_hour": required.max_slope_per_hour,
                    "because": incident.required_because(),
                },
                "recorded_verdict": incident.soak_verdict().name(),
                "verdict": checks.soak.verdict.name(),
                "reasons": checks.soak.reasons,
            }),
        );
        entries.insert("history".to_owned(), history.into());
        entries.insert("next".to_owned(), next.into());
        entries.insert("undone".to_owned(), undone.into());
        entries.insert(
            "flaws".to_owned(),
            flaws.iter().map(|f| json!({ "key": f.key, "line": f.line, "problem": f.problem })).collect(),
        );
    }
    whole
}

fn standing(checks: &Checks, id: &str) -> &'static str {
    match checks.evidence.iter().find(|(known, _)| known == id).map(|(_, standing)| *standing) {
        Some(Standing::Intact) => "intact",
        Some(Standing::Changed) => "changed",
        Some(Standing::Gone) => "gone",
        None => "unknown",
    }
}

fn moved(moved: &Moved) -> Value {
    json!({
        "at": moved.at, "by": moved.by, "from": moved.from.map(State::name), "to": moved.to.name(),
        "reason": moved.reason, "about": moved.about, "forced": moved.forced, "sha256": moved.sha256,
    })
}

/// One for a person.
pub(super) fn page(kept: &Kept, checks: &Checks, undone: &[String], flaws: &[Flaw]) -> String {
    let incident = &kept.incident;
    let state = incident.state();
    let mut lines = vec![
        format!("{} {}", incident.id(), shown(incident.title(), 200)),
        format!("  file      {}", kept.path().display()),
        format!(
            "  state     {state} ({}); priority {}, owner {}",
            state.meaning(),
            shown(incident.priority(), 12),
            shown(incident.owner().unwrap_or("nobody"), 60)
        ),
    ];
    let units = incident.units();
    if !units.is_empty() {
        let again = match incident.seen_again() {
            0 => String::new(),
            1 => "; seen again once".to_owned(),
            times => format!("; seen again {times} times"),
        };
        lines.push(format!("  seen in   {}{again}", units.join(", ")));
    }
    lines.extend(incident.suspects().iter().take(3).map(|suspect| {
        let score = suspect.score.map_or_else(String::new, |score| format!(" ({score})"));
        format!("  suspect   {}{score}", shown(&suspect.name, 100))
    }));
    lines.extend(incident.changes().iter().map(|change| {
        format!("  change    {} {} by {}", change.at, shown(&change.what, 100), shown(&change.by, 60))
    }));
    let evidence = incident.evidence();
    let intact = evidence.iter().filter(|cited| standing(checks, &cited.id) == "intact").count();
    lines.push(match evidence.len() {
        0 => "  evidence  none".to_owned(),
        1 if intact == 1 => "  evidence  1 event, as it was cited".to_owned(),
        all if intact == all => format!("  evidence  {all} events, all as they were cited"),
        all => format!("  evidence  {all} events, {intact} of them as they were cited"),
    });
    if incident.fingerprint().is_some() || !incident.changes().is_empty() {
        lines.push(format!("  soak      needs {}", incident.required().describe()));
        lines.push(format!("            because: {}", incident.required_because()));
        lines.push(if incident.change().is_none() && state.is_open() {
            "            counted from the change that is still to be named (--change)".to_owned()
        } else {
            let verdict = checks.soak.verdict.name();
            format!("            {verdict}: {}", shown(&checks.soak.reasons.join("; "), 400))
        });
    }
    for moved in incident.history() {
        let from = moved.from.map_or_else(|| "opened".to_owned(), |from| from.to_string());
        let forced = if moved.forced { ", forced" } else { "" };
        let reason =
            moved.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", shown(reason, 160)));
        let by = shown(&moved.by, 60);
        lines.push(format!("  {} {from} -> {} by {by}{forced}{reason}", moved.at, moved.to));
    }
    lines.extend(state.next().map(|step| format!("  next      {} (needs {})", step.to, step.gate.asks())));
    lines.extend(undone.iter().map(|why| format!("  undone    {}", shown(why, 400))));
    lines.extend(flaws.iter().map(|flaw| format!("  wrong     {}: {}", flaw.key, flaw.problem)));
    lines.join("\n")
}

/// A move that was refused.
pub(super) fn refused(incident: &Incident, to: State, refused: &Refused) -> Value {
    let missing = match refused {
        Refused::Unmet { missing, .. } => missing.clone(),
        _ => Vec::new(),
    };
    let allowed: Vec<&str> = incident.state().next().map(|step| step.to.name()).collect();
    json!({
        "schema": "scupper.refused/1", "id": incident.id(), "state": incident.state().name(), "to": to.name(),
        "message": refused.to_string(), "missing": missing, "allowed": allowed,
    })
}

/// What became of a verification.
pub(super) fn verified(incident: &Incident, verified: &Verified) -> Value {
    let soaks: Vec<Value> = verified
        .observed
        .iter()
        .map(|soak| {
            json!({
                "unit": soak.unit, "id": soak.id, "at": soak.at, "seconds": soak.lasted.as_secs(),
                "operations": soak.operations, "growth_bytes": soak.growth_bytes, "sha256": soak.sha256,
            })
        })
        .collect();
    json!({
        "schema": "scupper.verified/1", "id": incident.id(), "state": incident.state().name(),
        "verdict": verified.verdict.name(), "everywhere": verified.everywhere, "reasons": verified.reasons,
        "required": incident.required().describe(), "because": incident.required_because(), "soaks": soaks,
    })
}
