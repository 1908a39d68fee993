//! What a record rests on is kept in the evidence file when its time has come there: a claim must not come undone because a
//! month went by.

use scupper_casebook::incident::Incident;
use uuid::Uuid;

use super::checks;
use super::evidence::Evidence;

/// Keeps every event that the record rests on. What cannot be kept is told; the record itself is written.
pub(crate) fn keep(incident: &Incident, evidence: &Evidence) -> Option<String> {
    let kept = ids(incident, evidence).and_then(|ids| evidence.keep(&ids));
    kept.err().map(|error| {
        format!("what {} cites is kept only as long as other events are: {error:#}", incident.id())
    })
}

fn ids(incident: &Incident, evidence: &Evidence) -> anyhow::Result<Vec<Uuid>> {
    let mut ids: Vec<String> = incident.evidence().into_iter().map(|cited| cited.id).collect();
    ids.extend(incident.soaks().into_iter().map(|soak| soak.id));
    ids.extend(incident.suspects().into_iter().flat_map(|suspect| suspect.evidence));
    let mut ids: Vec<Uuid> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    // Without its start, what an old run still did after the change would look like one that came back.
    ids.extend(checks::older_starts(incident, evidence)?);
    Ok(ids)
}
