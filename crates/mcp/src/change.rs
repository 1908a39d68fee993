//! A change of a file: made, read back, and only then handed out.

use crate::diff::Diff;
use crate::edit::{self, Edit};
use crate::error::{Error, Fault, Problem};
use crate::servers::{self, Found, Server, State};
use crate::tree::{Node, with_tree};
use crate::{Format, Wrapping, unwrap as unwrapping, wrap as wrapping_of};

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new text. The old one, where nothing is to be done.
    pub text: String,
    /// The servers as they were.
    pub before: Vec<Server>,
    /// The servers as they will be, in the same order.
    pub after: Vec<Server>,
    /// What is different, as a unified diff without its two first lines. Secrets are left out.
    pub diff: String,
}

impl Change {
    /// The servers that are started in another way than before.
    pub fn changed(&self) -> impl Iterator<Item = &Server> {
        self.before.iter().zip(&self.after).filter(|(old, new)| old.state != new.state).map(|(_, new)| new)
    }
}

/// Wraps each server that is started over stdio: `COMMAND` becomes `scupper mcp OPTIONS -- COMMAND`. Twice is as good as
/// once. A server that is switched off is wrapped too: it may be switched on again.
pub fn wrap(text: &str, format: Format, wrapping: &Wrapping) -> Result<Change, Error> {
    let change = make(text, format, Step::Wrap(wrapping))?;
    let Some(restored) = change.restored else { return Ok(change.change) };
    // What was wrapped before is unwrapped as well.
    let was_wrapped = change.change.before.iter().any(|one| matches!(one.state, State::Wrapped { .. }));
    let is_restored = if was_wrapped { unwrap(text, format)?.text == restored } else { text == restored };
    if is_restored { Ok(change.change) } else { Err(not_reversible(text, &change.change.before)) }
}

/// Undoes [`wrap`]: the bytes from before, in every place that only `wrap` has touched.
pub fn unwrap(text: &str, format: Format) -> Result<Change, Error> {
    make(text, format, Step::Unwrap).map(|made| made.change)
}

#[derive(Clone, Copy)]
enum Step<'w> {
    Wrap(&'w Wrapping),
    Unwrap,
}

impl Step<'_> {
    fn edits(self, text: &str, format: Format, server: &Found<'_, '_>) -> Vec<Edit> {
        let Some(command) = server.command else { return Vec::new() };
        match self {
            _ if server.is_by_hand() => Vec::new(),
            Self::Wrap(wrapping) => wrapping_of::edits(text, format, server, command, wrapping),
            Self::Unwrap => unwrapping::edits(text, format, server, command),
        }
    }

    /// The command line a server should have.
    fn wanted(self, server: &Found<'_, '_>) -> Vec<String> {
        let Some(command) = server.command else { return Vec::new() };
        let words = command.texts();
        match self {
            Self::Wrap(wrapping) if !server.is_by_hand() => {
                wrapping_of::wanted(&words, command.has_empty_args(), wrapping)
            }
            _ => unwrapping::wanted(&words),
        }
    }
}

/// A change that was read back.
struct Made {
    change: Change,
    /// What unwrapping makes of it. `None` where nothing was to be done.
    restored: Option<String>,
}

fn make(text: &str, format: Format, step: Step<'_>) -> Result<Made, Error> {
    let edited = with_tree(text, format, |tree| edit(text, format, step, tree));
    let Edited { text: new, before, diff, wanted } = edited.map_err(|fault| fault.within(text))?;
    if new == text {
        let change = Change { text: new, after: before.clone(), before, diff };
        return Ok(Made { change, restored: None });
    }
    let read_back = with_tree(&new, format, |tree| {
        let found = servers::find(tree)?;
        let as_wanted = found.len() == wanted.len()
            && found.iter().zip(&wanted).all(|(server, wanted)| server.words() == *wanted);
        let edits = found.iter().flat_map(|server| Step::Unwrap.edits(&new, format, server)).collect();
        let edits = edit::in_order(edits).filter(|_| as_wanted);
        Ok(edits.map(|edits| (servers::list(&new, &found), edit::apply(&new, &edits))))
    });
    match read_back {
        Ok(Some((after, restored))) => {
            Ok(Made { change: Change { text: new, before, after, diff }, restored: Some(restored) })
        }
        _ => Err(not_reversible(text, &before)),
    }
}

/// What becomes of a text, before anybody has read it back.
struct Edited {
    text: String,
    before: Vec<Server>,
    diff: String,
    /// The command line that each server should have.
    wanted: Vec<Vec<String>>,
}

fn edit(text: &str, format: Format, step: Step<'_>, tree: &Node<'_>) -> Result<Edited, Fault> {
    let found = servers::find(tree)?;
    let edits = found.iter().flat_map(|server| step.edits(text, format, server)).collect();
    let edits = edit::in_order(edits)
        .ok_or_else(|| Fault::new(found.first().map_or(0, |server| server.at), Problem::NotReversible))?;
    Ok(Edited {
        text: edit::apply(text, &edits),
        before: servers::list(text, &found),
        diff: Diff::new(text, &edits).masked(tree, &found, format).to_string(),
        wanted: found.iter().map(|server| step.wanted(server)).collect(),
    })
}

fn not_reversible(text: &str, servers: &[Server]) -> Error {
    let line = servers.first().map_or(1, |server| server.line);
    let at = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    Fault::new(at, Problem::NotReversible).within(text)
}
