//! What can go wrong while looking: what was attempted, on what path, and the kernel's answer as the source.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A look that gave no answer. Never "the process is gone": that is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The kernel refused for lack of rights. The answer is unknown, and asking again will not help.
    #[error("not allowed to {attempt} {}", path.display())]
    Denied {
        /// A verb: `read`, `list`, `open`.
        attempt: &'static str,
        /// Which file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Any other failure of a system call.
    #[error("cannot {attempt} {}", path.display())]
    Io {
        /// A verb: `read`, `list`, `open`.
        attempt: &'static str,
        /// Which file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// This kernel does not have what was asked for.
    #[error("this kernel has no {what} (looked for {})", path.display())]
    Unsupported {
        /// What is missing.
        what: &'static str,
        /// Where it would be.
        path: PathBuf,
    },
    /// A file does not look as the kernel writes it.
    #[error("cannot understand {}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
}

impl ProbeError {
    /// Sorts a failed system call into denied and everything else.
    pub(crate) fn new(attempt: &'static str, path: impl Into<PathBuf>, errno: Errno) -> Self {
        let (path, source) = (path.into(), io::Error::from(errno));
        if matches!(errno, Errno::ACCESS | Errno::PERM) {
            Self::Denied { attempt, path, source }
        } else {
            Self::Io { attempt, path, source }
        }
    }

    pub(crate) fn parse(path: impl Into<PathBuf>, source: ParseError) -> Self {
        Self::Parse { path: path.into(), source }
    }

    /// Whether rights are what was missing.
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Whether this one process cannot be read, by lack of rights or because its memory fails to answer (`EIO`), while
    /// asking about others may go on. Running out of descriptors or memory is not that.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Denied { .. } => true,
            Self::Io { source, .. } => Errno::from_io_error(source) == Some(Errno::IO),
            Self::Unsupported { .. } | Self::Parse { .. } => false,
        }
    }

    /// The file the question was about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Denied { path, .. }
            | Self::Io { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Parse { path, .. } => path,
        }
    }
}

/// What is wrong with a file's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A field is not there.
    #[error("{item} is missing")]
    Missing {
        /// Which field, by the name that proc(5) or the kernel's documentation gives it.
        item: &'static str,
    },
    /// A field holds something else than it should.
    #[error("{item} is `{text}`, which is not {expected}")]
    Malformed {
        /// Which field.
        item: &'static str,
        /// What it holds, made printable and cut at 40 characters.
        text: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl ParseError {
    pub(crate) fn malformed(item: &'static str, text: &[u8], expected: &'static str) -> Self {
        Self::Malformed { item, text: scupper_model::printable(text, 40), expected }
    }
}

/// Whether an answer means that the process is no longer there.
pub(crate) const fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unreadable_is_told_from_what_is_broken() {
        let error = |errno| ProbeError::new("read", "/proc/1/environ", errno);
        assert!(error(Errno::ACCESS).is_denied() && error(Errno::PERM).is_denied());
        assert!(error(Errno::IO).is_unreadable() && !error(Errno::IO).is_denied());
        assert!(!error(Errno::MFILE).is_unreadable());
        assert_eq!(error(Errno::ACCESS).to_string(), "not allowed to read /proc/1/environ");
    }
}
