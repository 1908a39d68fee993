//! Incidents: a record with a state, gates between the states, and a history that shows when somebody tampered with it.

mod evidence;

pub use evidence::{Evidence, Recorded, sha256};
