//! Lines of log files that match a pattern. A line counts as one, or as the number that the pattern captures in it.
//!
//! Log files are renamed and made anew, or cut to nothing and written on: both are followed, and what was written just before
//! is read first.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use regex_lite::{Captures, Regex};

use super::Source;
use super::count::number;

/// Read at a time.
const CHUNK: u64 = 1 << 20;
/// Chunks read of one file before the others have their turn.
const MOST_CHUNKS: usize = 64;
/// A line longer than this is cut.
const LONGEST_LINE: usize = 64 << 10;
/// So much of what was read last is remembered, to know the file again.
const KNOWN: usize = 128;
/// `O_NONBLOCK`: a FIFO that nobody writes to holds nobody up.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The matching lines of some files.
#[derive(Debug)]
pub(super) struct Lines {
    pattern: Regex,
    /// The group that holds a number, where it has a name.
    named: bool,
    tails: Vec<Tail>,
    matched: bool,
}

impl Lines {
    /// Follows files from their present end; those that do not exist yet from their beginning.
    pub(super) fn follow(pattern: &Regex, files: &[PathBuf]) -> Self {
        let named = pattern.capture_names().any(|name| name == Some("n"));
        let tails = files.iter().map(|path| Tail::of(path)).collect();
        Self { pattern: pattern.clone(), named, tails, matched: false }
    }
}

impl Source for Lines {
    fn more(&mut self) -> Result<f64, String> {
        let Self { pattern, named, tails, matched } = self;
        let (mut more, mut found) = (0.0, false);
        for tail in tails.iter_mut() {
            tail.read(&mut |line| {
                if let Some(captures) = pattern.captures(line) {
                    *matched = true;
                    more += counts(&captures, *named);
                }
            });
            found |= tail.file.is_some();
        }
        let names: Vec<String> = tails.iter().map(|tail| tail.path.display().to_string()).collect();
        if found { Ok(more) } else { Err(format!("there is no file {}", names.join(" and no file "))) }
    }

    fn misses(&self) -> Option<String> {
        let names: Vec<String> = self.tails.iter().map(|tail| tail.path.display().to_string()).collect();
        (!self.matched).then(|| format!("no line of {} matches `{}`", names.join(", "), self.pattern))
    }
}

/// The number in the group `n`, else in the first group that holds one; a line without any is one operation.
fn counts(captures: &Captures<'_>, named: bool) -> f64 {
    let groups = captures.iter().skip(1).flatten();
    let of = if named {
        captures.name("n").and_then(|group| number(group.as_str()))
    } else {
        groups.map(|group| group.as_str()).find_map(number)
    };
    of.unwrap_or(1.0)
}

/// One file being followed.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    file: Option<(File, u64)>,
    position: u64,
    /// What stood right before the position.
    known: Vec<u8>,
    partial: Vec<u8>,
}

impl Tail {
    fn of(path: &Path) -> Self {
        let mut tail =
            Self { path: path.to_owned(), file: None, position: 0, known: Vec::new(), partial: Vec::new() };
        tail.open();
        tail.position = tail.length();
        let before = tail.position.min(KNOWN as u64);
        tail.known = tail.before(usize::try_from(before).unwrap_or(0)).unwrap_or_default();
        tail
    }

    fn length(&self) -> u64 {
        self.file.as_ref().and_then(|(file, _)| file.metadata().ok()).map_or(0, |found| found.len())
    }

    fn open(&mut self) {
        let opened = File::options().read(true).custom_flags(NONBLOCK).open(&self.path);
        self.file = opened.ok().and_then(|file| {
            let found = file.metadata().ok()?;
            found.is_file().then_some((file, found.ino()))
        });
        self.begin();
    }

    fn begin(&mut self) {
        self.position = 0;
        self.known.clear();
        self.partial.clear();
    }

    /// So many bytes that stand before the position.
    fn before(&self, count: usize) -> Option<Vec<u8>> {
        let (file, _) = self.file.as_ref()?;
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, self.position.checked_sub(count as u64)?).ok()?;
        Some(bytes)
    }

    /// Cut to nothing and written on: it is shorter than it was, or something else stands in it.
    fn was_cut(&self) -> bool {
        self.position > 0 && self.before(self.known.len()).is_none_or(|bytes| bytes != self.known)
    }

    /// Every whole line that is new.
    fn read(&mut self, line: &mut impl FnMut(&str)) {
        self.read_open(line);
        let there = std::fs::metadata(&self.path).map(|found| found.ino()).ok();
        let open = self.file.as_ref().map(|(_, inode)| *inode);
        if there.is_some() && there != open {
            // A program that has moved its log away may have written to it until a moment ago: read above.
            self.open();
            self.read_open(line);
        }
    }

    fn read_open(&mut self, line: &mut impl FnMut(&str)) {
        if self.was_cut() {
            self.begin();
        }
        for _ in 0..MOST_CHUNKS {
            let Some((file, _)) = &mut self.file else { return };
            let mut fresh = Vec::new();
            let read = file
                .seek(SeekFrom::Start(self.position))
                .and_then(|_| (&mut *file).take(CHUNK).read_to_end(&mut fresh));
            if read.is_err() || fresh.is_empty() {
                return;
            }
            self.position += fresh.len() as u64;
            self.known.extend_from_slice(&fresh);
            self.known.drain(..self.known.len().saturating_sub(KNOWN));
            for byte in fresh {
                if byte == b'\n' {
                    line(&String::from_utf8_lossy(&self.partial));
                    self.partial.clear();
                } else if self.partial.len() < LONGEST_LINE {
                    self.partial.push(byte);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_are_counted_through_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "done\ndone\n");
        let mut lines = Lines::follow(&Regex::new("^done").unwrap(), std::slice::from_ref(&path));
        assert_eq!(lines.more(), Ok(0.0));
        assert!(lines.misses().unwrap().contains("^done"));
        append(&path, "done\nother\ndo");
        assert_eq!((lines.more(), lines.misses()), (Ok(1.0), None));
        append(&path, "ne\ndone\n");
        assert_eq!(lines.more(), Ok(2.0));
        // Moved away with a last line, and made anew.
        append(&path, "done\n");
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        append(&path, "done\ndone\n");
        assert_eq!(lines.more(), Ok(3.0));
        // Cut to nothing and written on.
        File::options().write(true).truncate(true).open(&path).unwrap();
        assert_eq!(lines.more(), Ok(0.0));
        append(&path, "done\n");
        assert_eq!(lines.more(), Ok(1.0));
        // The same, with as much in it as before until it is looked at.
        append(&path, "1 done\ndone 2\n");
        assert_eq!(lines.more(), Ok(1.0));
        File::options().write(true).truncate(true).open(&path).unwrap();
        append(&path, "done\ndone 3\n1 done\n");
        assert_eq!(lines.more(), Ok(2.0));
        // Moved away, and not yet there again.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines.more(), Ok(0.0));
    }

    #[test]
    fn a_group_holds_how_many_they_were() {
        let counted = |pattern: &str, line: &str| {
            let pattern = Regex::new(pattern).unwrap();
            let named = pattern.capture_names().any(|name| name == Some("n"));
            pattern.captures(line).map(|captures| counts(&captures, named))
        };
        assert_eq!(counted("handled (\\d+)", "handled 25 in 3 s"), Some(25.0));
        assert_eq!(counted("(\\w+): (\\d+) (\\d+)", "batch: 4 9"), Some(4.0));
        assert_eq!(counted("(\\d+) of (?P<n>\\d+)", "3 of 50"), Some(50.0));
        assert_eq!(counted("(ok|done)", "done 7"), Some(1.0));
        assert_eq!(counted("x", "y"), None);
    }

    #[test]
    fn a_file_that_is_not_there_is_no_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later");
        let mut lines = Lines::follow(&Regex::new("x").unwrap(), std::slice::from_ref(&path));
        assert!(lines.more().unwrap_err().contains("later"));
        append(&path, "x\n");
        assert_eq!(lines.more(), Ok(1.0));
    }
}
