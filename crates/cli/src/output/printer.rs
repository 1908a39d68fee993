//! The one place that prints. Data goes to stdout, everything else to stderr; nothing is coloured, so `NO_COLOR` is
//! honoured as it is. What cannot be written to stderr is lost without a word; a closed stdout ends the command.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::{Failure, UNUSABLE};

/// Nobody reads stdout any more. Not a failure: the reader had enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed;

/// Writes what a command has to say.
#[derive(Debug)]
pub(crate) struct Printer {
    out: io::Stdout,
    err: io::Stderr,
    /// Whether a progress line stands on the terminal.
    progress: bool,
}

impl Printer {
    /// On the process's own stdout and stderr.
    pub(crate) fn new() -> Self {
        Self { out: io::stdout(), err: io::stderr(), progress: false }
    }

    /// One line (or several) of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Closed> {
        self.write(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// One object of data, readable; with a `schema` key of its own.
    pub(crate) fn json(&mut self, data: &impl Serialize) -> Result<(), Closed> {
        let mut text = serde_json::to_vec_pretty(data).unwrap_or_default();
        text.push(b'\n');
        self.write(&text)
    }

    /// Bytes of data.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        let mut out = self.out.lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|_| Closed)
    }

    /// A remark for the person in front of it.
    pub(crate) fn note(&mut self, text: &str) {
        self.end_progress();
        let _ = writeln!(self.err.lock(), "{text}");
    }

    /// What goes on, on one line that is replaced by the next one; only on a terminal.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.err.is_terminal() {
            self.progress = true;
            let _ = write!(self.err.lock(), "\r\x1b[K{text}");
        }
    }

    /// Removes the progress line.
    pub(crate) fn end_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            let _ = write!(self.err.lock(), "\r\x1b[K");
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
            UNUSABLE
        } else {
            let _ = self.line(&text);
            0
        }
    }
}
