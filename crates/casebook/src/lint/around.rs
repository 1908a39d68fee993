//! What a document speaks of and does not hold itself: the time, the source tree, the recorded events, other documents. Who lints
//! hands it in; what was not looked at is `NotLooked`, and no finding is made of it.

use scupper_model::Timestamp;

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody looked, or it could not be seen.
    NotLooked,
}

/// A file of the source tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its text.
    Text(String),
    /// There is no such file in the tree, or the path leads out of it.
    Absent,
    /// It is there, and could not be read: why.
    Unreadable(String),
    /// There is no tree to look in.
    NotLooked,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The SHA-256 of its line, in hexadecimal digits.
    Event(String),
    /// The id is that of a run, of which events are recorded.
    Run,
    /// No such event is recorded.
    Absent,
    /// There is no evidence file, or it could not be read.
    NotLooked,
}

/// Another document that is named by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// Its state.
    State(String),
    /// There is none.
    Absent,
    /// Nobody looked.
    NotLooked,
}

/// Looks up what a document speaks of. Whoever does not look says so, by not answering.
pub trait Surroundings {
    /// The time.
    fn now(&self) -> Option<Timestamp> {
        None
    }
    /// A file of the source tree, by its path from the root; as of a commit where one is named.
    fn source(&self, _path: &str, _commit: Option<&str>) -> Source {
        Source::NotLooked
    }
    /// A commit of the source tree, by 7 to 40 hexadecimal digits.
    fn commit(&self, _id: &str) -> Known {
        Known::NotLooked
    }
    /// An event, by its id.
    fn recorded(&self, _id: &str) -> Recorded {
        Recorded::NotLooked
    }
    /// An incident, by its id.
    fn incident(&self, _id: &str) -> Linked {
        Linked::NotLooked
    }
    /// A file, by its path from the folder of the document.
    fn file(&self, _path: &str) -> Known {
        Known::NotLooked
    }
}

/// Nothing but the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Surroundings for Nowhere {}
