//! The source tree that changes are compared with. Files are read inside of it alone; git is asked with arguments, never
//! through a shell, and what it does not know is unknown.

use std::path::Path;
use std::process::{Command, Stdio};

use scupper_casebook::report::changes::{self, Change, Checked, Finding, Looked, MOST_CHANGES};

use crate::args::ReportArgs;
use crate::documents;
use crate::failure::Failure;

/// Files larger than this are no source.
const LARGEST_BYTES: u64 = 8 << 20;

/// The changes that the report names already, those of the incident, and those that are named now.
pub(super) fn checked(args: &ReportArgs, report: &str, incident: &[Change]) -> Result<Vec<Checked>, Failure> {
    let mut named: Vec<Change> = Vec::new();
    for change in changes::read(report).into_iter().chain(incident.iter().cloned()) {
        if !named.iter().any(|known| known.place == change.place) {
            named.push(change);
        }
    }
    for change in &args.changes {
        match named.iter_mut().find(|known| known.place == change.place) {
            // Named again, it is as the tree has it now.
            Some(known) => {
                known.snippet = None;
                if !change.what.is_empty() {
                    known.what.clone_from(&change.what);
                }
            }
            None => named.push(change.clone()),
        }
    }
    if named.len() > MOST_CHANGES {
        return Err(Failure::usage(format!("a report holds at most {MOST_CHANGES} changes")));
    }
    let tree = args.tree.as_deref();
    if let Some(tree) = tree.filter(|tree| !tree.is_dir()) {
        return Err(Failure::usage(format!(
            "cannot look at the source tree {}: it is no folder",
            tree.display()
        )));
    }
    let commit = tree.and_then(commit);
    Ok(named.into_iter().map(|change| check(change, tree, commit.as_deref())).collect())
}

fn check(mut change: Change, tree: Option<&Path>, commit: Option<&str>) -> Checked {
    let text = tree.map(|tree| {
        let path = tree.join(&change.place.path);
        if !path.exists() {
            return Err(None);
        }
        let found = documents::inside(tree, &path).and_then(|path| documents::read(&path, LARGEST_BYTES));
        found.map_err(|error| Some(format!("{error:#}")))
    });
    let looked = match &text {
        None => Looked::NoTree,
        Some(Ok(text)) => Looked::Text(text),
        Some(Err(None)) => Looked::Missing,
        Some(Err(Some(why))) => Looked::Unreadable(why),
    };
    if let (None, Looked::Text(text)) = (&change.snippet, &looked) {
        change.snippet = changes::lines_of(text, &change.place).map(|lines| {
            let mut snippet = changes::without_indent(&lines).join("\n");
            snippet.push('\n');
            snippet
        });
    }
    let finding = changes::check(&change, &looked);
    let modified = match (tree, commit) {
        (Some(tree), Some(_)) if finding == Finding::Same => modified(tree, &change.place.path),
        _ => None,
    };
    Checked { change, finding, commit: commit.map(str::to_owned), modified }
}

/// The commit that is checked out.
pub(super) fn commit(tree: &Path) -> Option<String> {
    let output = git(tree, &["rev-parse", "--verify", "HEAD"])?;
    let text = String::from_utf8(output.stdout).ok()?;
    let hash = text.trim();
    let is_hash = (40..=64).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit());
    (output.status.success() && is_hash).then(|| hash.to_owned())
}

/// Whether a file differs from the commit; one that git does not know differs.
fn modified(tree: &Path, path: &str) -> Option<bool> {
    let literal = format!(":(literal){path}");
    if !git(tree, &["ls-files", "--error-unmatch", "--", &literal])?.status.success() {
        return Some(true);
    }
    let arguments = ["diff", "--quiet", "--no-ext-diff", "--no-textconv", "HEAD", "--", &literal];
    match git(tree, &arguments)?.status.code() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

fn git(tree: &Path, arguments: &[&str]) -> Option<std::process::Output> {
    Command::new("git")
        .args(["--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C"])
        .arg(tree)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
}
