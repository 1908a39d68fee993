//! What a unit leaves in files when its scupper was killed: its record, its sockets, its cgroup directory. Removed when
//! nothing of it lives any more, and before that by nobody: the record is what its processes are known by.

use scupper_model::UnitRecord;
use scupper_probe::Proc;

use super::earlier::lives;
use super::ownership::{recorded_members, remove_recorded_cgroup};
use crate::record::{RecordError, Records};

/// Removes what a unit left, if its scupper is gone and nothing of it lives. Whether it did.
pub fn tidy_abandoned(proc: &Proc, records: &Records, record: &UnitRecord) -> Result<bool, RecordError> {
    // Held while it is looked at, so that nobody starts the unit in between.
    let Some(_claim) = records.claim(&record.unit)? else { return Ok(false) };
    let same = records.read(&record.unit)?.is_some_and(|now| now.run == record.run);
    let guarded = record.guardian.as_ref().is_some_and(|guardian| lives(proc, guardian));
    if !same || guarded || lives(proc, &record.supervisor) {
        return Ok(false);
    }
    if recorded_members(proc, record).iter().any(|member| !member.zombie) {
        return Ok(false);
    }
    remove_recorded_cgroup(record);
    records.remove(&record.unit);
    super::relay::remove_stale(records.directory());
    Ok(true)
}
