//! What a command answers when it cannot do its work: one error with its causes, advice, and an exit code.

use std::fmt;

use crate::config::Problem;
use crate::output::Unwritten;

/// Exit code where something was found that somebody should look at.
pub(crate) const FINDINGS: u8 = 1;
/// Exit code for bad usage, and where a command could not look.
pub(crate) const UNUSABLE: u8 = 2;
/// Exit code of `run` where scupper itself failed.
pub(crate) const SCUPPER_FAILED: u8 = 125;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub code: u8,
    /// What is wrong, with its causes.
    pub error: anyhow::Error,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// Bad usage: said in one line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: UNUSABLE, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// The command could not be started or scupper could not do its part of `run`.
    pub(crate) fn scupper(error: impl Into<anyhow::Error>) -> Self {
        Self { code: SCUPPER_FAILED, error: error.into(), hint: None }
    }

    /// Whether the system gave this as the reason.
    pub(crate) fn is(&self, kind: std::io::ErrorKind) -> bool {
        self.error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == kind)
    }

    /// With advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Anything else that went wrong: could not look.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: UNUSABLE, error: error.into(), hint: None }
    }
}

/// Where the reader had enough there is nothing to say, and nobody who would read it.
impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Closed => Self { code: 0, error: anyhow::Error::msg(""), hint: None },
            Unwritten::Failed(error) => anyhow::Error::new(error).context("cannot write to stdout").into(),
        }
    }
}

/// A mistake in a configuration file, with the line it is in.
impl Failure {
    /// Bad usage, shown where it is written.
    pub(crate) fn config(problem: &Problem) -> Self {
        Self::usage(problem.rendered()).hint_if(problem.hint.clone())
    }

    fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {:#}", self.error)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}
