//! What the fleet takes: the sizes of a period, and the sums that heartbeats keep.

use std::collections::HashMap;

use redis::Value;
use scupper_detect::Verdict;
use scupper_model::{Bytes, Timestamp};

use super::RedisStore;
use super::keys::PREFIX;
use super::reply::{Parts, Read, list, number, text};
use crate::{
    AgentId, CoordinatorId, Epoch, FleetGrowth, Incarnation, LeakWindow, NAMED_LIMIT, StoreError, Totals,
};

/// Fields of a period's memory that are read in one call.
const SCANNED: u64 = 1000;

impl RedisStore {
    /// Asks for the window, or sets it.
    pub(super) fn do_leak_window(
        &self,
        wanted: Option<(LeakWindow, &CoordinatorId)>,
    ) -> Result<LeakWindow, StoreError> {
        let mut arguments = self.arguments();
        match wanted {
            Some((window, by)) => arguments.number(window.millis()).add(by.as_str()),
            None => arguments.add("").add(""),
        };
        let doing = if wanted.is_some() { "setting its leak window" } else { "reading its leak window" };
        self.call(doing, &self.scripts.window, &arguments, |said| Ok(LeakWindow::kept(Some(number(&said)?))))
    }

    pub(super) fn do_memory(&self, nth: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError> {
        let window = self.do_leak_window(None)?;
        // The minutes of the default window have no period in their names.
        let key = if window == LeakWindow::DEFAULT {
            format!("{PREFIX}mem:{nth}")
        } else {
            format!("{PREFIX}mem:{}:{nth}", window.period().as_millis())
        };
        let (mut taken, mut cursor) = (HashMap::new(), "0".to_owned());
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(&key).arg(&cursor).arg("COUNT").arg(SCANNED);
            let (next, found) = self.command("reading the fleet's memory", &scan, |said| {
                let mut parts = Parts::of(said)?;
                Ok((parts.text()?, list(parts.next()?)?))
            })?;
            for pair in found.chunks_exact(2) {
                if let [who, size] = pair
                    && let Some((who, size)) = sample(who, size)
                {
                    taken.insert(who, size);
                }
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        Ok(taken)
    }

    pub(super) fn do_totals(&self) -> Result<Totals, StoreError> {
        let mut arguments = self.arguments();
        arguments.number(NAMED_LIMIT as u64);
        self.call("adding up the fleet's memory", &self.scripts.totals, &arguments, totals)
    }
}

fn sample(who: &Value, size: &Value) -> Option<(Incarnation, Bytes)> {
    let who = text(who).ok()?;
    let (epoch, id) = who.split_once('|')?;
    let who = Incarnation { id: id.parse().ok()?, epoch: Epoch(epoch.parse().ok()?) };
    Some((who, Bytes(number(size).ok()?)))
}

/// What is not understood in one of its lists is left out: the sums stand.
fn totals(said: Value) -> Read<Totals> {
    let mut parts = Parts::of(said)?;
    let (now, members) = (Timestamp(parts.number()?), parts.number()?);
    // A sum may be off where the registry was tampered with: below 0 is nothing.
    let sum = |parts: &mut Parts| Ok(Bytes(u64::try_from(parts.parse::<i64>()?).unwrap_or(0)));
    let rss = sum(&mut parts)?;
    let heap_used = parts.some::<i64>()?.map(|heap| Bytes(u64::try_from(heap).unwrap_or(0)));
    let store = parts.some_number()?.map(Bytes);
    let (verdicts, largest) = (list(parts.next()?)?, list(parts.next()?)?);
    let leaks = list(parts.next()?)?;
    let mut growth = Parts::of(parts.next()?)?;
    let (baseline, current, grown) = (sum(&mut growth)?, sum(&mut growth)?, growth.number()?);
    let window = LeakWindow::kept(Some(parts.number()?));
    let verdict = |pair: &[Value]| {
        let [word, count] = pair else { return None };
        let word = text(word).ok()?;
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == word)?;
        Some((verdict, number(count).ok()?))
    };
    let size = |pair: &[Value]| {
        let [id, size] = pair else { return None };
        Some((text(id).ok()?.parse().ok()?, Bytes(number(size).ok()?)))
    };
    let mut leaks: Vec<AgentId> = leaks.iter().filter_map(|id| text(id).ok()?.parse().ok()).collect();
    leaks.sort();
    Ok(Totals {
        now,
        members,
        rss,
        heap_used,
        store,
        window,
        growth: FleetGrowth::of(baseline.0, current.0, grown),
        largest: largest.chunks_exact(2).filter_map(size).collect(),
        verdicts: verdicts.chunks_exact(2).filter_map(verdict).collect(),
        leaks,
    })
}
