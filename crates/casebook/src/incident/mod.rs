//! Incidents: a record with a state, gates between the states, and a history that shows when somebody tampered with it.
//!
//! The file is that of another tool, with its keys in their order; our own lie below one key, `scupper`, so that both can
//! read and write it. [`Incident::parse`] reads it, [`Incident::transition`] moves it, [`Incident::open`] makes one and
//! [`Incident::again`] is what happens when the same thing, by its [`fingerprint`], is seen again.

mod episode;
mod evidence;
mod history;
mod moves;
mod open;
mod record;
mod relations;
mod request;
mod soak;
mod state;
#[cfg(test)]
mod tests;
mod write;

pub use episode::{Episode, Priority, Trigger, episode, family, fingerprint};
pub use evidence::{Evidence, Recorded, sha256};
pub use history::{Breach, Broken, MOST_MOVES, Moved};
pub use moves::{Checks, MoveError, Refused, Standing, is_placeholder};
pub use open::{Again, Opening};
pub use record::{Change, Incident, IncidentError, Suspect, file_name, id_of, number};
pub use relations::{Flaw, cycle, flaws};
pub use request::Request;
pub use soak::{After, Observed, Required, Verdict, Verified, verify};
pub use state::{Gate, NoState, STEPS, State, Step};
pub use write::MOST_EVIDENCE;
