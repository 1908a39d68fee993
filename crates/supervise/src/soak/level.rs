//! How much memory a soak began and ended with, and how fast it grew: after the warm-up, by its floor.

use std::time::Duration;

use scupper_detect::exact;
use scupper_detect::stats::{Point, Sen, lows, median, quantile, slope};

use super::criteria::{Criteria, WarmUp};
use super::rows::Row;

/// Levels are taken over this share of the rows, and over no fewer rows than [`LEAST_ROWS`].
const SHARE: usize = 10;
const LEAST_ROWS: usize = 3;
/// A slope is fitted to the lows of so many stretches.
const STRETCHES: usize = 32;
/// The first second of a program is its start, however little it does.
const START: Duration = Duration::from_secs(1);

/// Beginning and end of a soak's memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    /// The median after the warm-up.
    pub base: u64,
    /// The floor at the end less the floor after the warm-up.
    pub growth: i64,
    /// Growth by operation, and by second.
    pub per_operation: Option<Sen>,
    pub per_second: Option<Sen>,
}

/// The index of the first row after the warm-up.
pub(super) fn warmed_up(rows: &[Row], criteria: &Criteria) -> usize {
    let lasted = rows.last().map_or(Duration::ZERO, |row| row.at);
    let done = rows.last().and_then(|row| row.operations).unwrap_or(0);
    let by_operations = |row: &Row, least: u64| row.operations.is_some_and(|operations| operations >= least);
    let start = START.min(lasted / 4);
    let is_warm = |row: &&Row| match criteria.warm_up {
        Some(WarmUp::Operations(least)) => by_operations(row, least),
        Some(WarmUp::Time(least)) => row.at >= least,
        None if done >= 10 => row.at >= start && by_operations(row, done.div_ceil(10)),
        None => row.at >= start.max(lasted / 10),
    };
    rows.iter().position(|row| is_warm(&row)).unwrap_or(rows.len())
}

/// The level of the rows after the warm-up; `None` where they are too few.
pub(super) fn level(rows: &[Row]) -> Option<Level> {
    let known: Vec<(Row, f64)> =
        rows.iter().filter_map(|row| row.memory.map(|memory| (*row, exact(memory)))).collect();
    if known.len() < 2 * LEAST_ROWS {
        return None;
    }
    let few = (known.len() / SHARE).max(LEAST_ROWS);
    let values = |rows: &[(Row, f64)]| rows.iter().map(|(_, memory)| *memory).collect::<Vec<_>>();
    let mut first = values(known.get(..few)?);
    let mut last = values(known.get(known.len() - few..)?);
    let (low_first, low_last) = (quantile(&mut first, 0.0)?, quantile(&mut last, 0.0)?);
    let base = median(&mut first)?;
    let by = |axis: fn(&Row) -> Option<f64>| {
        let points: Vec<Point> =
            known.iter().filter_map(|(row, memory)| Some((axis(row)?, *memory))).collect();
        slope(&lows(&points, STRETCHES))
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of memory")]
    Some(Level {
        base: base as u64,
        growth: (low_last - low_first) as i64,
        per_operation: by(|row| row.operations.map(exact)),
        per_second: by(|row| Some(row.at.as_secs_f64())),
    })
}

/// The rows that are judged: all of them, unless it was said what the warm-up is.
pub(super) fn judged<'r>(rows: &'r [Row], warm: usize, criteria: &Criteria) -> &'r [Row] {
    let from = if criteria.warm_up.is_some() { warm } else { 0 };
    rows.get(from..).unwrap_or_default()
}
