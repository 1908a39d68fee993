//! Rules for several documents together: ids that stand twice, issues that block each other in a circle.

use std::collections::HashMap;

use super::finding::{Finding, quoted};
use super::rule::Rule;
use crate::document::{Document, Value};

/// What the others have to know of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Where that stands.
    pub line: usize,
    /// By whom it is blocked, and where that stands.
    pub blocked_by: Vec<String>,
    /// The line of `blocked_by`.
    pub blocked_line: usize,
    /// Whom it blocks.
    pub blocks: Vec<String>,
}

impl Name {
    pub(super) fn of(document: &Document) -> Self {
        let list = |key: &str| -> Vec<String> {
            let list = document.get(&[key]).and_then(Value::as_list).unwrap_or_default();
            list.iter().take(MOST_LINKS).filter_map(Value::to_word).collect()
        };
        Self {
            id: document.text_of(&["issue_id"]).map(str::to_owned),
            line: document.line_of(&["issue_id"]).unwrap_or(1),
            blocked_by: list("blocked_by"),
            blocked_line: document
                .line_of(&["blocked_by"])
                .or_else(|| document.line_of(&["blocks"]))
                .unwrap_or(1),
            blocks: list("blocks"),
        }
    }
}

/// Links of one document that are followed.
const MOST_LINKS: usize = 200;

/// Findings of documents that were looked at together, each with the position of its document. `shown` is what they are called.
pub fn across(names: &[Name], shown: &[String]) -> Vec<(usize, Finding)> {
    let mut found = twice(names, shown);
    found.extend(circles(names));
    found
}

fn finding(rule: Rule, line: usize, message: String) -> Finding {
    Finding { severity: rule.severity(), rule, line: line.max(1), message }
}

fn twice(names: &[Name], shown: &[String]) -> Vec<(usize, Finding)> {
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(id) = &name.id {
            by_id.entry(id).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    for (id, indexes) in by_id.into_iter().filter(|(_, indexes)| indexes.len() > 1) {
        for index in &indexes {
            let other = indexes.iter().find(|other| *other != index).and_then(|other| shown.get(*other));
            let other = other.map_or_else(String::new, |other| {
                format!(" {}", scupper_model::printable(other.as_bytes(), 200))
            });
            let line = names.get(*index).map_or(1, |name| name.line);
            found.push((
                *index,
                finding(Rule::DuplicateId, line, format!("{} is the id of{other} as well", quoted(id))),
            ));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    found
}

/// Each circle is told once for every document in it. Ids that no document has end a path.
fn circles(names: &[Name]) -> Vec<(usize, Finding)> {
    let index_of: HashMap<&str, usize> =
        names.iter().enumerate().filter_map(|(index, name)| Some((name.id.as_deref()?, index))).collect();
    let mut blockers: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for (index, name) in names.iter().enumerate() {
        for other in name.blocked_by.iter().filter_map(|id| index_of.get(id.as_str())) {
            if let Some(list) = blockers.get_mut(index) {
                list.push(*other);
            }
        }
        for other in name.blocks.iter().filter_map(|id| index_of.get(id.as_str())) {
            if let Some(list) = blockers.get_mut(*other) {
                list.push(index);
            }
        }
    }
    // Who waits for nobody leaves, again and again: what is left is in a circle, or waits for one. Then the same from the other
    // end, which leaves the circles and what lies between them.
    let mut alive = vec![true; names.len()];
    leave(&blockers, &mut alive);
    leave(&turned(&blockers), &mut alive);
    alive
        .iter()
        .enumerate()
        .filter(|(_, alive)| **alive)
        .filter_map(|(index, _)| {
            let name = names.get(index)?;
            let id = name.id.as_deref().unwrap_or_default();
            let others: Vec<&str> = names
                .iter()
                .zip(&alive)
                .filter(|(other, alive)| **alive && other.id != name.id)
                .filter_map(|(other, _)| other.id.as_deref())
                .take(5)
                .collect();
            let message = match others.as_slice() {
                [] => format!("{} blocks itself", quoted(id)),
                _ => format!(
                    "{} stands in a circle of issues that block each other, with {}",
                    quoted(id),
                    quoted(&others.join(", "))
                ),
            };
            Some((index, finding(Rule::BlockedInCircle, name.blocked_line, message)))
        })
        .collect()
}

/// Takes away whoever has no edge to one that is left.
fn leave(edges: &[Vec<usize>], alive: &mut [bool]) {
    let back = turned(edges);
    let is_left = |alive: &[bool], index: usize| alive.get(index) == Some(&true);
    let mut many: Vec<usize> =
        edges.iter().map(|list| list.iter().filter(|to| is_left(alive, **to)).count()).collect();
    let mut leaving: Vec<usize> = (0..edges.len()).filter(|index| many.get(*index) == Some(&0)).collect();
    while let Some(index) = leaving.pop() {
        if !is_left(alive, index) {
            continue;
        }
        if let Some(alive) = alive.get_mut(index) {
            *alive = false;
        }
        for from in back.get(index).into_iter().flatten() {
            if let Some(many) = many.get_mut(*from) {
                *many = many.saturating_sub(1);
                if *many == 0 {
                    leaving.push(*from);
                }
            }
        }
    }
}

fn turned(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut back = vec![Vec::new(); edges.len()];
    for (from, list) in edges.iter().enumerate() {
        for to in list {
            if let Some(list) = back.get_mut(*to) {
                list.push(from);
            }
        }
    }
    back
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R075.

    use super::*;

    fn name(id: &str, blocked_by: &[&str]) -> Name {
        let blocked_by = blocked_by.iter().map(|id| (*id).to_owned()).collect();
        Name { id: Some(id.to_owned()), line: 2, blocked_by, blocked_line: 7, blocks: Vec::new() }
    }

    fn found(names: &[Name]) -> Vec<(usize, Rule)> {
        let shown: Vec<String> = (0..names.len()).map(|index| format!("{index}.md")).collect();
        across(names, &shown).into_iter().map(|(index, finding)| (index, finding.rule)).collect()
    }

    #[test]
    fn an_id_stands_once() {
        assert_eq!(found(&[name("ISS-0001", &[]), name("ISS-0002", &[])]), []);
        let twice = [name("ISS-0001", &[]), name("ISS-0002", &[]), name("ISS-0001", &[])];
        assert_eq!(found(&twice), [(0, Rule::DuplicateId), (2, Rule::DuplicateId)]);
        assert_eq!(found(&[Name::default(), Name::default()]), []);
    }

    #[test]
    fn r075_issues_do_not_block_each_other_in_a_circle() {
        let chain = [
            name("ISS-0001", &["ISS-0002"]),
            name("ISS-0002", &["ISS-0003"]),
            name("ISS-0003", &["ISS-0099"]),
        ];
        assert_eq!(found(&chain), []);
        let circle = [
            name("ISS-0001", &["ISS-0002"]),
            name("ISS-0002", &["ISS-0003"]),
            name("ISS-0003", &["ISS-0002"]),
            name("ISS-0004", &[]),
        ];
        assert_eq!(found(&circle), [(1, Rule::BlockedInCircle), (2, Rule::BlockedInCircle)]);
        let mut both = [name("ISS-0001", &["ISS-0002"]), name("ISS-0002", &[])];
        both[0].blocks.push("ISS-0002".to_owned());
        assert_eq!(found(&both), [(0, Rule::BlockedInCircle), (1, Rule::BlockedInCircle)]);
        assert_eq!(found(&[name("ISS-0001", &["ISS-0001"])]), [(0, Rule::BlockedInCircle)]);
    }
}
