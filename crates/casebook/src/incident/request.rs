//! What somebody asks of a record: to go to another state, and what that rests on.

use scupper_model::Timestamp;

use super::state::State;

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where it is to go.
    pub to: State,
    /// Who asks.
    pub by: &'a str,
    /// Now.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<&'a str>,
    /// What was changed because of it.
    pub change: Option<&'a str>,
    /// Who owns it from now on.
    pub owner: Option<&'a str>,
    /// Who has looked at it.
    pub reviewer: Option<&'a str>,
    /// Which program moves it; `None` where a person does.
    pub automation: Option<&'a str>,
    /// What it rests on: the id of an event.
    pub about: Option<&'a str>,
    /// Whether it is to be done although it is not allowed.
    pub forced: bool,
}

impl<'a> Request<'a> {
    /// A person asks for it, and says nothing else.
    pub const fn new(to: State, by: &'a str, at: Timestamp) -> Self {
        Self {
            to,
            by,
            at,
            reason: None,
            change: None,
            owner: None,
            reviewer: None,
            automation: None,
            about: None,
            forced: false,
        }
    }
}
