//! What a helper is.

use scupper_knowledge::browser::Browser;
use scupper_model::Watched;
use serde::{Deserialize, Serialize};

/// What a helper is, by its name, its command line and what its stdin and stdout are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first process of a browser.
    Browser(Browser),
    /// A process that a browser started.
    BrowserChild(Browser),
    /// Its stdin or stdout is a pipe or a socket that was made for it: an MCP server, most often.
    Stdio,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind that it is counted as.
    pub const fn group(self) -> Group {
        match self {
            Self::Browser(_) | Self::BrowserChild(_) => Group::Browser,
            Self::Stdio => Group::Stdio,
            Self::Other => Group::Other,
        }
    }
}

/// The kinds that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Browsers, each with its children.
    Browser,
    /// What is talked to over its stdin or stdout.
    Stdio,
    /// Anything else.
    Other,
}

impl Group {
    /// The word in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Stdio => "stdio",
            Self::Other => "other",
        }
    }

    /// The series of its number. What is neither is watched with all children of a process.
    pub const fn series(self) -> Option<Watched> {
        match self {
            Self::Browser => Some(Watched::Browsers),
            Self::Stdio => Some(Watched::StdioChildren),
            Self::Other => None,
        }
    }
}
