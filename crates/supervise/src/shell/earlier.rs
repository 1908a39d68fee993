//! What an earlier run of a unit left, because its guardian and its engine were killed at once: found by its record,
//! its cgroup and its mark when the unit starts again, and ended then.

use std::path::Path;
use std::time::Duration;

use scupper_model::{EventKind, Identity, SignalReason, UnitName, UnitRecord};
use scupper_probe::Proc;

use super::clock::Clock;
use super::deliver::{Untouchable, deliver};
use super::engine::SuperviseError;
use super::judge::{Judge, Keeps};
use super::ownership::{recorded_members, remove_recorded_cgroup};
use super::unit::Surrounding;
use crate::record::Records;

/// Time between TERM and KILL for what an earlier run left.
const GRACE: Duration = Duration::from_secs(2);

/// Ends what an earlier run of this unit left behind. Its supervisor must be gone: the name was claimed.
pub(super) fn end_earlier_run(unit: &UnitName, around: &Surrounding) -> Vec<EventKind> {
    let Ok(Some(record)) = around.records.read(unit) else { return Vec::new() };
    let mut facts = Vec::new();
    if !lives(&around.proc, &record.supervisor) {
        // Whoever is above us may be of that run: a shell of it, in which the unit is started again.
        let untouchable = Untouchable::gather(&around.proc);
        end_recorded(&around.proc, &untouchable, &record, &around.keeps, &mut facts);
        around.records.remove(unit);
    }
    facts
}

/// Ends what is left of a unit whose scupper is gone, and removes its record. Returns what was done; `None` where its
/// scupper lives after all.
pub fn end_abandoned(
    records: &Records,
    record: &UnitRecord,
    keeps: &Keeps,
) -> Result<Option<Vec<EventKind>>, SuperviseError> {
    let proc = Proc::open(Path::new("/proc")).map_err(SuperviseError::Probe)?;
    // Held while we work, so that nobody starts the unit in between.
    let claim = records.claim(&record.unit)?;
    if claim.is_none() || lives(&proc, &record.supervisor) {
        return Ok(None);
    }
    let mut facts = Vec::new();
    end_recorded(&proc, &Untouchable::gather(&proc), record, keeps, &mut facts);
    records.remove(&record.unit);
    super::relay::remove_stale(records.directory());
    Ok(Some(facts))
}

/// Ends the processes of a record whose supervisor is gone, TERM first, KILL for whoever is there
/// after the grace. Returns how many there were.
pub(super) fn end_recorded(
    proc: &Proc,
    untouchable: &Untouchable,
    record: &UnitRecord,
    keeps: &Keeps,
    facts: &mut Vec<EventKind>,
) -> usize {
    let judge = Judge::new(proc, None, record.profile, record.keep.clone(), keeps.clone());
    let clock = Clock::start();
    let mut count = 0;
    loop {
        let found = recorded_members(proc, record);
        let spared = judge.spared_now(proc, &found);
        let left: Vec<_> = found
            .iter()
            .rev()
            .filter(|m| !m.zombie && !untouchable.contains(m.identity.pid))
            .filter(|m| !spared.iter().any(|(p, _)| *p == m.identity.pid))
            .collect();
        let passed = clock.now();
        if left.is_empty() || passed > GRACE * 5 {
            break;
        }
        let force = passed >= GRACE;
        if count == 0 || force {
            if count == 0 {
                count = left.len();
                let processes = u32::try_from(count).unwrap_or(u32::MAX);
                facts.push(EventKind::EarlierRunFound { earlier_run: record.run, processes });
            }
            let signal = if force { 9 } else { 15 };
            for member in left {
                let name = scupper_model::printable(&member.name, 32);
                facts.extend(deliver(
                    proc,
                    untouchable,
                    &member.identity,
                    &name,
                    signal,
                    SignalReason::LeftBehind,
                ));
            }
        }
        wait(Duration::from_millis(50));
    }
    remove_recorded_cgroup(record);
    count
}

/// Whether a supervisor still works: a zombie does not. What cannot be read is taken for alive.
pub(super) fn lives(proc: &Proc, supervisor: &Identity) -> bool {
    match proc.stat(supervisor.pid) {
        Ok(Some(stat)) => stat.identity(proc.boot_id()) == *supervisor && !stat.is_zombie(),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Waits: nothing else runs yet.
fn wait(time: Duration) {
    let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
    let _ = rustix::event::poll(&mut [], Some(&time));
}
