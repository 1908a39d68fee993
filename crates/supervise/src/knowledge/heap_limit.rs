//! stub
use scupper_model::Bytes;
use std::fmt;

/// Where a heap limit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapLimitSource {
    /// On the command line.
    CommandLine,
    /// In this environment variable.
    Environment(&'static str),
}

impl fmt::Display for HeapLimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
        }
    }
}

/// A heap limit that somebody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLimit {
    /// How large the heap may grow.
    pub bytes: Bytes,
    /// Where it is written.
    pub source: HeapLimitSource,
}

/// The heap limit of a Node or Java process.
pub fn heap_limit(command: &[Vec<u8>], environment: Option<&[Vec<u8>]>) -> Option<HeapLimit> {
    let _ = (command, environment);
    None
}

/// What to say about it.
pub fn advice(limit: HeapLimit, allowance: Bytes) -> Option<String> {
    let _ = (limit, allowance);
    None
}
