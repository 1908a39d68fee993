//! The window of the leak check: one for all who use this registry.

use rusqlite::Connection;
use scupper_model::Timestamp;

use super::error::{Fault, beats, durable};
use super::files::Pulse;
use super::{leases, rows, write_both};
use crate::{CoordinatorId, LeakWindow};

/// Sets it, unless it is another one and somebody else goes by it. Gives what it is now.
pub(super) fn set(
    pulse: &mut Pulse,
    writer: &mut Connection,
    now: Timestamp,
    window: LeakWindow,
    by: &CoordinatorId,
) -> Result<LeakWindow, Fault> {
    let (heard, kept, registry) = write_both(pulse, writer)?;
    if let Some(set) = registry.window.filter(|set| *set != window) {
        let all = leases::coordinators(&heard).map_err(beats)?;
        if all.iter().any(|other| other.id != *by && now <= other.until) {
            return Ok(set);
        }
    }
    if registry.window == Some(window) {
        return Ok(window);
    }
    kept.execute("UPDATE registry SET window_ms = ?1", [rows::signed(window.millis())]).map_err(durable)?;
    if registry.window.unwrap_or_default() != window {
        leases::forget_memory(&heard).map_err(beats)?;
    }
    // Whoever beats waits for the second, and reads the first then.
    kept.commit().map_err(durable)?;
    heard.commit().map_err(beats)?;
    Ok(window)
}
