//! Which files are meant: files by their names, the Markdown of folders, and what fits a pattern.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;

/// Files that are looked at in one go.
const MOST_FILES: usize = 20_000;
/// Folders below each other.
const DEEPEST: usize = 32;
/// Entries of folders that are seen on the way.
const MOST_ENTRIES: usize = 1_000_000;
/// Folders in which nobody keeps documents of theirs.
const SKIPPED: &[&str] = &["node_modules", "target", "__pycache__", "venv"];

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub files: Vec<PathBuf>,
    pub problems: Vec<(PathBuf, String)>,
    seen: HashSet<PathBuf>,
    entries: usize,
    is_full: bool,
}

/// Whether a folder can be looked through, and no document is in it.
pub(super) fn is_empty(folder: &Path) -> bool {
    let mut found = Found::default();
    let nothing = (folder, String::new());
    found.walk(folder, &mut |path| is_markdown(path), DEEPEST, nothing);
    found.files.is_empty() && found.problems.iter().all(|(_, problem)| problem.is_empty())
}

/// Every file once, in the order in which they were named; those of a folder in the order of their names.
pub(super) fn find(named: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in named {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let message = format!("there is no Markdown document in {}", path.display());
                found.walk(path, &mut |path| is_markdown(path), DEEPEST, (path, message));
            }
            // What is no regular file is refused by whoever reads it.
            Ok(_) => found.add(path),
            Err(error) => match pattern(path) {
                Some((folder, parts)) => found.fitting(path, &folder, &parts),
                None => found.problem(
                    path,
                    &anyhow::Error::new(error).context(format!("cannot read {}", path.display())),
                ),
            },
        }
    }
    found
}

impl Found {
    fn add(&mut self, path: &Path) {
        if self.files.len() >= MOST_FILES {
            if !self.is_full {
                self.is_full = true;
                let message = format!("more than {MOST_FILES} files: the rest was not looked at");
                self.problems.push((path.to_path_buf(), message));
            }
            return;
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if self.seen.insert(real) {
            self.files.push(path.to_path_buf());
        }
    }

    fn problem(&mut self, path: &Path, error: &anyhow::Error) {
        self.problems.push((path.to_path_buf(), format!("{error:#}")));
    }

    /// Links to folders are not followed, so that a walk ends. One that finds nothing is a problem, told with `empty`: whoever
    /// names a place believes that something is looked at.
    fn walk(
        &mut self,
        folder: &Path,
        fits: &mut dyn FnMut(&Path) -> bool,
        depth: usize,
        empty: (&Path, String),
    ) {
        let problems = self.problems.len();
        let mut fitting = 0_usize;
        let mut open = vec![(folder.to_path_buf(), depth)];
        while let Some((folder, depth)) = open.pop() {
            let entries =
                match fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display())) {
                    Ok(entries) => entries,
                    Err(error) => {
                        self.problem(&folder, &error);
                        continue;
                    }
                };
            let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
            self.entries = self.entries.saturating_add(entries.len());
            if self.entries > MOST_ENTRIES {
                let message =
                    format!("more than {MOST_ENTRIES} entries of folders: the rest was not looked at");
                self.problems.push((folder, message));
                return;
            }
            entries.sort_by_key(std::fs::DirEntry::file_name);
            let mut below = Vec::new();
            for entry in entries {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let Ok(kind) = entry.file_type() else { continue };
                let path = entry.path();
                if kind.is_dir() {
                    if depth > 0 && !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                        below.push((path, depth - 1));
                    }
                } else if !name.starts_with('.') && fits(&path) && is_file(&path) {
                    fitting += 1;
                    self.add(&path);
                }
            }
            open.extend(below.into_iter().rev());
        }
        if fitting == 0 && self.problems.len() == problems {
            self.problems.push((empty.0.to_path_buf(), empty.1));
        }
    }

    fn fitting(&mut self, written: &Path, folder: &Path, parts: &[String]) {
        if !folder.is_dir() {
            let message =
                format!("nothing fits {}: there is no folder {}", written.display(), folder.display());
            self.problems.push((written.to_path_buf(), message));
            return;
        }
        let depth =
            if parts.iter().any(|part| part == "**") { DEEPEST } else { parts.len().saturating_sub(1) };
        let start = folder.to_path_buf();
        let mut fits = |path: &Path| {
            let names: Vec<String> = path
                .strip_prefix(&start)
                .unwrap_or(path)
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            path_fits(parts, &names)
        };
        let message = format!("nothing fits {}", written.display());
        self.walk(folder, &mut fits, depth, (written, message));
    }
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown")
    })
}

/// Where a path is a pattern: the folder in front of it, and its parts.
fn pattern(path: &Path) -> Option<(PathBuf, Vec<String>)> {
    let mut folder = PathBuf::new();
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => {
                let part = part.to_string_lossy();
                if parts.is_empty() && !part.contains(['*', '?']) {
                    folder.push(part.as_ref());
                } else {
                    parts.push(part.into_owned());
                }
            }
            other => folder.push(other),
        }
    }
    if folder.as_os_str().is_empty() {
        folder.push(".");
    }
    (!parts.is_empty()).then_some((folder, parts))
}

/// `**` is any number of folders, also none.
fn path_fits(parts: &[String], names: &[String]) -> bool {
    // One row of a table, as for a name: no pattern takes more than its length times that of the path.
    let mut row = vec![false; names.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for part in parts {
        let mut next = vec![false; names.len() + 1];
        for at in 0..=names.len() {
            let is_here = row.get(at) == Some(&true);
            let here = if part == "**" {
                is_here || (at > 0 && next.get(at - 1) == Some(&true))
            } else {
                at > 0
                    && row.get(at - 1) == Some(&true)
                    && names.get(at - 1).is_some_and(|name| name_fits(part, name))
            };
            if let Some(slot) = next.get_mut(at) {
                *slot = here;
            }
        }
        row = next;
    }
    row.last() == Some(&true)
}

/// `*` is any characters, `?` is one.
fn name_fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        let split = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        path_fits(&split(pattern), &split(path))
    }

    #[test]
    fn a_pattern_fits_as_in_a_shell() {
        assert!(fits("*.md", "a.md") && !fits("*.md", "a/b.md") && !fits("*.md", "a.txt"));
        assert!(fits("**/*.md", "a.md") && fits("**/*.md", "a/b/c.md"));
        assert!(fits("a/**", "a/b/c.md") && !fits("a/**", "b/c.md"));
        assert!(fits("a?c*", "abcd") && !fits("a?c", "ac"));
        assert!(!name_fits(&"*a".repeat(30), &"a".repeat(20)));
    }

    #[test]
    fn a_folder_gives_its_markdown_once_and_a_pattern_what_fits() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.md", "a.MD", "c.txt", ".d.md", "sub/e.md", "node_modules/f.md", ".git/g.md"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/loop")).unwrap();
        let names = |found: &Found| -> Vec<String> {
            let relative = |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().display().to_string();
            found.files.iter().map(relative).collect()
        };
        let found = find(&[dir.path().join("b.md"), dir.path().to_path_buf()]);
        assert_eq!(names(&found), ["b.md", "a.MD", "sub/e.md"]);
        assert_eq!(found.problems, []);
        fs::create_dir_all(dir.path().join("bare/deeper")).unwrap();
        let (bare, all) = (dir.path().join("bare"), dir.path().to_path_buf());
        assert!(is_empty(&bare) && !is_empty(&all) && !is_empty(&dir.path().join("none")));
        let found = find(&[bare.clone(), all]);
        let problem = format!("there is no Markdown document in {}", bare.display());
        assert_eq!(found.problems, [(bare, problem)]);
        let found = find(&[dir.path().join("*/*.md"), dir.path().join("*.x"), dir.path().join("no.md")]);
        assert_eq!(names(&found), ["sub/e.md"]);
        assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
    }
}
