//! The one place that prints. Data goes to stdout, everything else to stderr; nothing is coloured, so `NO_COLOR` is
//! honoured as it is. What cannot be written to stderr is lost without a word; a stdout that takes no more ends the command.

use std::io::{self, IsTerminal, Write};

use std::os::fd::AsFd;

use clap::error::{ContextKind, ContextValue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::failure::{Failure, UNUSABLE};

/// Why data did not reach stdout.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// Nobody reads it any more. Not a failure: the reader had enough.
    Closed,
    /// The disk is full, the device is gone: what is there is not all there was to say.
    Failed(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(error) }
    }
}

/// Writes what a command has to say.
#[derive(Debug)]
pub(crate) struct Printer {
    out: io::Stdout,
    err: io::Stderr,
    /// Whether a progress line stands on the terminal.
    progress: bool,
    /// Log lines for which there was no room.
    lost: u64,
}

/// So much can be written to a pipe that is ready for writing (`PIPE_BUF`, pipe(7)).
const ROOM: usize = 4096;

impl Printer {
    /// On the process's own stdout and stderr.
    pub(crate) fn new() -> Self {
        Self { out: io::stdout(), err: io::stderr(), progress: false, lost: 0 }
    }

    /// One line (or several) of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Unwritten> {
        self.write(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// One object of data, readable; with a `schema` key of its own.
    pub(crate) fn json(&mut self, data: &impl Serialize) -> Result<(), Unwritten> {
        let mut text = serde_json::to_vec_pretty(data).unwrap_or_default();
        text.push(b'\n');
        self.write(&text)
    }

    /// Bytes of data.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Unwritten> {
        let mut out = self.out.lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(Unwritten::from)
    }

    /// A remark for the person in front of it.
    pub(crate) fn note(&mut self, text: &str) {
        self.end_progress();
        let _ = writeln!(self.err.lock(), "{text}");
    }

    /// One log line, for those who must never wait: where stderr has no room (nobody reads the pipe, ^S on the
    /// terminal) it is lost, and the next one that fits says how many were.
    pub(crate) fn log(&mut self, line: &str) {
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("scupper: event=log_lines_lost lost={lost}\n"),
        };
        if write_without_waiting(&self.err, format!("{lost}{line}\n").as_bytes()) {
            self.lost = 0;
        } else {
            self.lost += 1;
        }
    }

    /// What goes on, on one line that is replaced by the next one; only on a terminal.
    /// Says whether there is one. Nobody waits for it: where the terminal is held, it is left out.
    pub(crate) fn progress(&mut self, text: &str) -> bool {
        let is_terminal = self.err.is_terminal();
        if is_terminal {
            self.progress |= write_without_waiting(&self.err, format!("\r\x1b[K{text}").as_bytes());
        }
        is_terminal
    }

    /// Removes the progress line.
    pub(crate) fn end_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            let _ = write_without_waiting(&self.err, b"\r\x1b[K");
        }
    }

    /// Why a command could not do its work. A closed stdout (code 0) is no failure.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if failure.code != 0 {
            self.note(&failure.to_string());
        }
    }

    /// What the argument parser has to say: help and version are data, the rest is bad usage. Gives the exit code.
    pub(crate) fn usage(&mut self, answer: &clap::Error) -> u8 {
        let text = answer.render().to_string();
        if answer.use_stderr() {
            self.note(text.trim_end());
            if is_a_command_without_dashes(answer) {
                self.note(
                    "hint: what is to be run stands behind `--`, as in `scupper run -- gunicorn app:app`",
                );
            }
            UNUSABLE
        } else {
            let unwritten = self.line(&text).map_err(Failure::from).err();
            unwritten.map_or(0, |failure| {
                self.failure(&failure);
                failure.code
            })
        }
    }
}

/// Whether a word was given where only flags may stand, to a command that takes another one behind `--`.
fn is_a_command_without_dashes(answer: &clap::Error) -> bool {
    let takes_one = matches!(answer.get(ContextKind::Usage),
        Some(ContextValue::StyledStr(usage)) if usage.to_string().contains("-- COMMAND"));
    takes_one
        && matches!(answer.get(ContextKind::InvalidArg),
            Some(ContextValue::String(word)) if !word.starts_with('-'))
}

/// Writes as long as it needs no waiting; `false` where something is left. Not by `O_NONBLOCK`: stderr is shared with
/// the command, which must not see it change.
fn write_without_waiting(file: impl AsFd, mut bytes: &[u8]) -> bool {
    let now = Timespec::default();
    while !bytes.is_empty() {
        let mut ready = [PollFd::new(&file, PollFlags::OUT)];
        let polled = poll(&mut ready, Some(&now)).is_ok();
        if !polled || !ready[0].revents().contains(PollFlags::OUT) {
            return false;
        }
        match rustix::io::write(&file, &bytes[..bytes.len().min(ROOM)]) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody() {
        let (mut reader, writer) = io::pipe().unwrap();
        let line = vec![b'x'; 10_000];
        let fitting = (0..1000).take_while(|_| write_without_waiting(&writer, &line)).count();
        assert!((1..1000).contains(&fitting), "{fitting}");
        io::Read::read_exact(&mut reader, &mut vec![0; 40_000]).unwrap();
        assert!(write_without_waiting(&writer, b"again"));
        drop(reader);
        assert!(!write_without_waiting(&writer, b"nobody"));
    }
}
