//! Follows the log files given with `--log`, from their end on, for fatal messages and last lines.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use scupper_model::{Fatal, redact_line};

use scupper_knowledge::fatal::FatalWatch;

/// Read at a time from one file, so that a flood of lines never delays a look.
const MOST_AT_ONCE: u64 = 1 << 20;
/// A line longer than this is cut.
const LONGEST_LINE: usize = 4096;

/// `O_NONBLOCK`, as the open call of std takes it.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Lines that are kept of what is new.
const KEPT: usize = 2;

/// What is new in some logs.
#[derive(Debug, Default)]
pub struct Fresh {
    /// How many lines.
    pub lines: u64,
    /// The last ones, as they were written.
    last: VecDeque<String>,
}

impl Fresh {
    fn push(&mut self, line: String) {
        self.lines += 1;
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The last lines, redacted.
    pub fn last(&self) -> Vec<String> {
        self.last.iter().map(|line| redact_line(line)).collect()
    }
}

/// One log file being followed.
#[derive(Debug)]
pub struct LogTail {
    path: PathBuf,
    file: Option<(File, u64)>,
    position: u64,
    partial: Vec<u8>,
    watch: FatalWatch,
}

impl LogTail {
    /// Follows a file from its present end; one that does not exist yet from its beginning.
    pub fn follow(path: &Path) -> Self {
        let mut tail = Self {
            path: path.to_owned(),
            file: None,
            position: 0,
            partial: Vec::new(),
            watch: FatalWatch::new(),
        };
        tail.open();
        if let Some((file, _)) = &tail.file {
            tail.position = file.metadata().map_or(0, |m| m.len());
        }
        tail
    }

    /// Reads what is new, and adds it to `lines`; the fatal messages in it.
    pub fn read(&mut self, lines: &mut Fresh) -> Vec<Fatal> {
        self.reopen_if_replaced();
        let Some((file, _)) = &mut self.file else { return Vec::new() };
        if file.metadata().is_ok_and(|m| m.len() < self.position) {
            self.position = 0;
        }
        let mut fresh = Vec::new();
        let read = file
            .seek(SeekFrom::Start(self.position))
            .and_then(|_| (&mut *file).take(MOST_AT_ONCE).read_to_end(&mut fresh));
        if read.is_err() {
            return Vec::new();
        }
        self.position += fresh.len() as u64;
        let mut found = Vec::new();
        for byte in fresh {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.partial).into_owned();
                found.extend(self.watch.push(&line));
                lines.push(line);
                self.partial.clear();
            } else if self.partial.len() < LONGEST_LINE {
                self.partial.push(byte);
            }
        }
        found
    }

    /// The last lines, redacted.
    pub fn last_lines(&self) -> Vec<String> {
        self.watch.last_lines().map(redact_line).collect()
    }

    fn open(&mut self) {
        // A FIFO that nobody writes to must not hold the loop: opened without waiting, and then left alone.
        let opened = File::options().read(true).custom_flags(NONBLOCK).open(&self.path);
        self.file = opened.ok().and_then(|file| {
            let found = file.metadata().ok()?;
            found.is_file().then_some((file, found.ino()))
        });
        self.position = 0;
    }

    fn reopen_if_replaced(&mut self) {
        let there = std::fs::metadata(&self.path).map(|m| m.ino()).ok();
        match (&self.file, there) {
            (Some((_, inode)), Some(now)) if *inode == now => {}
            (_, Some(_)) => self.open(),
            (_, None) => {}
        }
    }
}
