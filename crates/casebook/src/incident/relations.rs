//! What other programs and people write into a record and may get wrong: words that are none, ids of nobody, circles.

use super::episode::Priority;
use super::record::{Incident, number};
use crate::document::Value;

/// A key whose value cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The key.
    pub key: String,
    /// Its line, from 1; `None` where it is missing.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

/// The lists of incidents that a record has.
const LISTS: [&str; 3] = ["related_issues", "blocked_by", "blocks"];

/// Everything that is wrong with the vocabulary and the links of a record, but for what another record says.
pub fn flaws(incident: &Incident) -> Vec<Flaw> {
    let document = incident.document();
    let mut flaws = Vec::new();
    let mut say = |key: &str, problem: String| {
        flaws.push(Flaw { key: key.to_owned(), line: document.line_of(&[key]), problem });
    };
    let word = |key: &str| document.get(&[key]).map(|value| value.as_text().unwrap_or("no text"));
    if let Some(priority) = word("priority")
        && Priority::ALL.iter().all(|known| known.name() != priority)
    {
        say("priority", format!("`{}` is none of low, medium, high, critical", shown(priority)));
    }
    if let Some(sync) = word("sync_status")
        && !["local", "synced", "conflict"].contains(&sync)
    {
        say("sync_status", format!("`{}` is none of local, synced, conflict", shown(sync)));
    }
    for key in ["estimated_tokens", "actual_tokens"] {
        if document.get(&[key]).is_some_and(|value| value.as_integer().is_none_or(|tokens| tokens < 0)) {
            say(key, "it is no whole number from 0".to_owned());
        }
    }
    if document
        .get(&["completion_percentage"])
        .is_some_and(|value| value.as_number().is_none_or(|percent| !(0.0..=100.0).contains(&percent)))
    {
        say("completion_percentage", "it is no number from 0 to 100".to_owned());
    }
    for key in LISTS {
        let Some(value) = document.get(&[key]) else { continue };
        let Some(list) = value.as_list() else {
            say(key, "it is no list".to_owned());
            continue;
        };
        for item in list {
            match item {
                Value::Text(id) if id == incident.id() => say(key, "it names the record itself".to_owned()),
                Value::Text(id) if number(id).is_some() => {}
                Value::Text(id) => say(key, format!("`{}` is no id of an incident", shown(id))),
                _ => say(key, "it has an item that is no text".to_owned()),
            }
        }
    }
    flaws
}

fn shown(text: &str) -> String {
    scupper_model::printable(text.as_bytes(), 40)
}

/// A circle of incidents that wait for each other, if there is one: the ids in order, the first one also last. `blocked_by`
/// of one and `blocks` of the other say the same.
pub fn cycle(incidents: &[Incident]) -> Option<Vec<String>> {
    let index = |id: &str| incidents.iter().position(|incident| incident.id() == id);
    // waits[n]: whom n waits for.
    let mut waits: Vec<Vec<usize>> = vec![Vec::new(); incidents.len()];
    for (at, incident) in incidents.iter().enumerate() {
        let blockers = incident.listed("blocked_by").into_iter().filter_map(index);
        if let Some(own) = waits.get_mut(at) {
            own.extend(blockers);
        }
        for blocked in incident.listed("blocks").into_iter().filter_map(index) {
            if let Some(other) = waits.get_mut(blocked) {
                other.push(at);
            }
        }
    }
    let mut seen = vec![Mark::New; incidents.len()];
    for start in 0..incidents.len() {
        if let Some(circle) = follow(start, &waits, &mut seen) {
            return Some(
                circle.into_iter().filter_map(|n| Some(incidents.get(n)?.id().to_owned())).collect(),
            );
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnTheWay,
    Left,
}

/// Without recursion: the chain may be as long as there are records.
fn follow(start: usize, waits: &[Vec<usize>], seen: &mut [Mark]) -> Option<Vec<usize>> {
    if seen.get(start) != Some(&Mark::New) {
        return None;
    }
    let mut way = vec![(start, 0_usize)];
    *seen.get_mut(start)? = Mark::OnTheWay;
    while let Some((node, next)) = way.last_mut() {
        let Some(&target) = waits.get(*node).and_then(|targets| targets.get(*next)) else {
            if let Some(mark) = seen.get_mut(*node) {
                *mark = Mark::Left;
            }
            way.pop();
            continue;
        };
        *next += 1;
        match seen.get(target).copied() {
            Some(Mark::OnTheWay) => {
                let nodes = way.iter().map(|(node, _)| *node);
                return Some(nodes.skip_while(|node| *node != target).chain([target]).collect());
            }
            Some(Mark::New) => {
                if let Some(mark) = seen.get_mut(target) {
                    *mark = Mark::OnTheWay;
                }
                way.push((target, 0));
            }
            _ => {}
        }
    }
    None
}
