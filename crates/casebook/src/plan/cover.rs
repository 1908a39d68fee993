//! Where each bullet of a request went: nothing that was asked for may get lost.

use super::kind::TaskType;
use super::note::{Bullet, Note};
use super::render::inline;
use super::steps::{Item, Step};

/// Bullets of a request that become steps; more are listed as not covered.
const MOST: usize = 200;
/// The title of the step that holds what no other step does.
const ASKED: &str = "Do What the Request Asks";

/// A bullet and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Its line, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// Where it went, or why it is nowhere.
    pub by: Result<String, &'static str>,
}

/// What a bullet is to a plan, by the heading it stands under.
enum Role {
    /// It says how things are.
    Statement,
    /// It has to hold in the end.
    Criterion,
    /// It says where to look.
    Look,
    /// It is to be done.
    Task,
}

/// Puts every bullet into a step or among the criteria.
pub(super) fn cover(
    note: &Note,
    task_type: TaskType,
    steps: &mut Vec<Step>,
    criteria: &mut Vec<Item>,
) -> Vec<Covered> {
    let mut asked = Step { key: "asked", title: ASKED.to_owned(), items: Vec::new() };
    let looks = matches!(
        task_type,
        TaskType::MemoryLeak | TaskType::OrphanCleanup | TaskType::BugFix | TaskType::Incident
    );
    let mut covered = Vec::new();
    for (place, bullet) in note.bullets().into_iter().enumerate() {
        let by = if bullet.ticked == Some(true) {
            Err("it is ticked already")
        } else if place >= MOST {
            Err("there are too many")
        } else {
            let text = inline(&bullet.text);
            let item = |text: String| Item { key: format!("bullet/{}", bullet.text), text };
            match role(&bullet) {
                Role::Criterion => {
                    add(criteria, item(text));
                    Ok("Success Criteria".to_owned())
                }
                Role::Statement => {
                    into(steps.first_mut(), item(format!("See whether it still holds: {text}")))
                }
                Role::Look if looks => into(steps.get_mut(1), item(text)),
                Role::Look | Role::Task => into(Some(&mut asked), item(text)),
            }
        };
        covered.push(Covered { line: bullet.line, text: bullet.text, by });
    }
    if !asked.items.is_empty() {
        // Before the last step: what checks or keeps the result.
        steps.insert(steps.len().saturating_sub(1), asked);
    }
    covered
}

fn into(step: Option<&mut Step>, item: Item) -> Result<String, &'static str> {
    let step = step.ok_or("the plan has no step for it")?;
    add(&mut step.items, item);
    Ok(step.title.clone())
}

/// What is said twice is done once.
fn add(items: &mut Vec<Item>, item: Item) {
    if !items.iter().any(|other| other.key == item.key) {
        items.push(item);
    }
}

fn role(bullet: &Bullet) -> Role {
    let section = bullet.section.to_lowercase();
    let under = |words: &[&str]| words.iter().any(|word| section.contains(word));
    if bullet.ticked.is_none()
        && under(&[
            "symptom",
            "observ",
            "context",
            "background",
            "environment",
            "current",
            "impact",
            "actual",
            "what happen",
        ])
    {
        Role::Statement
    } else if under(&["accept", "success", "criteria", "definition of done", "expected"]) {
        Role::Criterion
    } else if under(&["investigat", "analy", "debug", "to check", "suspect", "question"]) {
        Role::Look
    } else {
        Role::Task
    }
}
