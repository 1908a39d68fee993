//! Asks a person, on a terminal. No answer is no.

use std::io::{self, IsTerminal};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::QueueSelector;

use crate::output::Printer;

/// Between two looks whether it was interrupted.
const STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// A longer line is no answer.
const LONGEST: usize = 256;

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// No, and why.
    No(&'static str),
    /// No, and no more questions.
    Enough,
}

/// Whether there is somebody to ask.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks once; `q`, the end of input and ^C end the asking.
pub(super) fn ask(question: &str, interrupted: &dyn Fn() -> bool, printer: &mut Printer) -> Answer {
    // What was typed before the question was shown is no answer to it. Where that cannot be thrown away there is none.
    if rustix::termios::tcflush(io::stdin(), QueueSelector::IFlush).is_err() {
        return Answer::No("what was typed before the question could not be thrown away");
    }
    printer.note(&format!("{question} [y/N/q]"));
    match line(interrupted) {
        None => Answer::Enough,
        Some(line) => understood(&line),
    }
}

fn understood(line: &str) -> Answer {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "q" | "quit" => Answer::Enough,
        _ => Answer::No("you said no"),
    }
}

/// One line of the terminal; `None` where it ends or somebody interrupts.
fn line(interrupted: &dyn Fn() -> bool) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        if interrupted() || line.len() > LONGEST {
            return None;
        }
        let stdin = io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        if !poll(&mut ready, Some(&STEP)).is_ok_and(|ready| ready > 0) {
            continue;
        }
        let mut byte = [0];
        // A terminal gives whole lines, so one byte after another is there.
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) => return None,
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for yes in ["y\n", "Y\n", " yes \n"] {
            assert_eq!(understood(yes), Answer::Yes);
        }
        for no in ["", "\n", "n\n", "yy\n", "j\n", "ye\n"] {
            assert!(matches!(understood(no), Answer::No(_)), "{no:?}");
        }
        assert_eq!(understood("q\n"), Answer::Enough);
    }
}
