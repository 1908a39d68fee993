//! The helpers of a unit as `ps --processes` shows them: whose they are, since when, for which request, and whether they
//! outlive it.

use std::time::Duration;

use scupper_model::{Bytes, Total, printable};
use scupper_supervise::control::UnitStatus;
use scupper_supervise::helpers::{Account, Group, HelperStatus};

use super::{short, unknown};
use crate::output::Table;

/// Helpers that are shown one by one; the rest is in their numbers.
const MOST_SHOWN: usize = 40;

/// One line for each helper; `None` where there is none.
pub(super) fn table(unit: &UnitStatus) -> Option<Table> {
    if unit.helpers.is_empty() {
        return None;
    }
    let mut table = Table::new(
        &["HELPER", "KIND", "OF", "AGE", "PROCS", "RSS", "OUTLIVES", "NAME", "REQUEST"],
        &["HELPER", "OF", "AGE", "PROCS", "RSS"],
    );
    for helper in unit.helpers.iter().take(MOST_SHOWN) {
        table.row(vec![
            helper.target.pid.to_string(),
            helper.browser.clone().unwrap_or_else(|| kind(helper.kind)),
            helper.started_by.map_or_else(unknown, |who| who.pid.to_string()),
            seconds(helper.age_seconds),
            helper.processes.to_string(),
            size(helper.rss_bytes),
            outlives(helper),
            printable(helper.name.as_bytes(), 24),
            printable(request(helper).as_bytes(), 80),
        ]);
    }
    Some(table)
}

/// What is worth a line of its own: helpers that outlive what they were started for, by worker and kind.
pub(super) fn notes(unit: &UnitStatus) -> impl Iterator<Item = String> {
    unit.helper_counts.iter().filter(|account| account.outliving > 0).map(note)
}

fn note(account: &Account) -> String {
    let of = account.started_by.map_or_else(String::new, |who| format!(" of process {}", who.pid));
    format!(
        "{} of {} {} helpers{of} outlive what they were started for; together {}",
        account.outliving,
        account.helpers,
        kind(account.kind),
        size(account.rss_bytes)
    )
}

fn kind(group: Option<Group>) -> String {
    group.map_or_else(unknown, |group| group.name().to_owned())
}

/// A lower bound where not all of them could be read.
fn size(total: Total) -> String {
    let at_least = if total.unreadable > 0 { ">" } else { "" };
    format!("{at_least}{}", Bytes(total.known))
}

fn seconds(age: f64) -> String {
    short(Duration::from_secs(Duration::try_from_secs_f64(age).unwrap_or_default().as_secs()))
}

fn outlives(helper: &HelperStatus) -> String {
    match helper.outlives.outlives {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => unknown(),
    }
}

/// The newest line that may be its request's, else the count at its start.
fn request(helper: &HelperStatus) -> String {
    let request = &helper.request;
    match (request.lines.last(), request.operations_before, request.operations_seen) {
        (Some(line), ..) => line.clone(),
        (None, Some(before), Some(seen)) if before == seen => format!("after operation {seen}"),
        (None, Some(before), Some(seen)) => format!("after operation {before}, by {seen}"),
        (None, None, Some(seen)) => format!("by operation {seen}"),
        _ => unknown(),
    }
}
