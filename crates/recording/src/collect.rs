//! Puts samples into their columns, and keeps the rules: each later than the one before, bounded, what is unusable
//! counted.

use std::time::Duration;

use scupper_detect::Sample;

use crate::cell::Cell;
use crate::error::shown;
use crate::{
    Column, Format, Kind, MOST_COLUMNS, MOST_SAMPLES, Options, Place, Recording, Rejections, Unreadable, Why,
};

/// Nothing that runs is watched longer; times beyond would not add up.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// One look: its time, and what it has for which column.
#[derive(Debug)]
pub(crate) struct Row {
    pub time: Cell,
    /// Column (as [`Collector::column`] numbers them) and cell.
    pub cells: Vec<(usize, Cell)>,
}

impl Row {
    pub(crate) const fn new() -> Self {
        Self { time: Ok(None), cells: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.time = Ok(None);
        self.cells.clear();
    }
}

/// A recording in the making.
pub(crate) struct Collector {
    format: Format,
    columns: Vec<Column>,
    /// Where each column's last sample is.
    last: Vec<Place>,
    samples: usize,
    pub rejected: Rejections,
}

impl Collector {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format, columns: Vec::new(), last: Vec::new(), samples: 0, rejected: Rejections::new() }
    }

    /// The column of this name; a new one where there is none yet.
    pub(crate) fn column(&mut self, name: &str, kind: Kind) -> Result<usize, Unreadable> {
        match self.columns.iter().position(|column| column.name == name) {
            Some(column) => Ok(column),
            None => self.new_column(name, kind),
        }
    }

    /// A column that is not there yet.
    pub(crate) fn new_column(&mut self, name: &str, kind: Kind) -> Result<usize, Unreadable> {
        if self.columns.len() >= MOST_COLUMNS {
            return Err(Unreadable::TooManyColumns);
        }
        self.columns.push(Column { name: name.to_owned(), kind, samples: Vec::new() });
        self.last.push(Place::Line(0));
        Ok(self.columns.len() - 1)
    }

    /// Says what the column is that was made last.
    pub(crate) fn name_last(&mut self, name: String, kind: Kind) {
        if let Some(column) = self.columns.last_mut() {
            (column.name, column.kind) = (name, kind);
        }
    }

    /// Leaves out the column that was made last.
    pub(crate) fn drop_last(&mut self) {
        if let Some(column) = self.columns.pop() {
            self.samples -= column.samples.len();
            self.last.pop();
        }
    }

    /// Takes a row. One that has nothing for any column is not there.
    pub(crate) fn row(&mut self, place: Place, row: &Row) -> Result<(), Unreadable> {
        let present = row.cells.iter().filter(|(_, cell)| *cell != Ok(None)).count();
        if present == 0 {
            return Ok(());
        }
        let at = match moment(&row.time) {
            Ok(at) => at,
            Err(why) => {
                self.rejected.add(present, place, None, why);
                return Ok(());
            }
        };
        // The whole row is too early: one entry for it, not one for each of its columns.
        let (mut not_later, mut too_late) = (None, 0);
        for (column, cell) in &row.cells {
            match cell {
                Ok(None) => {}
                Ok(Some(value)) => match self.sample(*column, place, Sample { at, value: *value })? {
                    Ok(()) => {}
                    Err(Why::TooLate) => too_late += 1,
                    Err(why) => not_later.get_or_insert((0, why)).0 += 1,
                },
                Err(why) => {
                    // A Prometheus series may have its name later: its place says which one it is.
                    let name = self.columns.get(*column).map(|column| column.name.as_str());
                    let name = name.filter(|name| !name.is_empty());
                    self.rejected.add(1, place, name, why.clone());
                }
            }
        }
        if let Some((samples, why)) = not_later {
            self.rejected.add(samples, place, None, why);
        }
        if too_late > 0 {
            self.rejected.add(too_late, place, None, Why::TooLate);
        }
        Ok(())
    }

    fn sample(&mut self, column: usize, place: Place, sample: Sample) -> Result<Result<(), Why>, Unreadable> {
        let (Some(column), Some(before)) = (self.columns.get_mut(column), self.last.get_mut(column)) else {
            return Ok(Ok(()));
        };
        if let Some(last) = column.samples.last().filter(|last| sample.at <= last.at) {
            return Ok(Err(Why::NotLater { before: *before, at: last.at }));
        }
        if column.samples.first().is_some_and(|first| sample.at.saturating_sub(first.at) > LONGEST) {
            return Ok(Err(Why::TooLate));
        }
        if self.samples >= MOST_SAMPLES {
            return Err(Unreadable::TooManySamples);
        }
        self.samples += 1;
        column.samples.push(sample);
        *before = place;
        Ok(Ok(()))
    }

    /// What was collected, counted from its first moment.
    pub(crate) fn finish(self, options: &Options) -> Result<Recording, Unreadable> {
        let Self { format, mut columns, samples, rejected, .. } = self;
        if samples == 0 {
            return Err(Unreadable::NothingUsable { rejected });
        }
        let empty = |column: &&Column| column.samples.is_empty() && options.columns.contains(&column.name);
        if let Some(column) = columns.iter().find(empty) {
            return Err(Unreadable::EmptyColumn { name: shown(&column.name), rejected });
        }
        columns.retain(|column| !column.samples.is_empty());
        let first = |column: &Column| column.samples.first().map(|sample| sample.at);
        let origin = columns.iter().filter_map(first).min().unwrap_or_default();
        for sample in columns.iter_mut().flat_map(|column| &mut column.samples) {
            sample.at = sample.at.saturating_sub(origin);
        }
        Ok(Recording { format, origin, columns, rejected })
    }
}

fn moment(time: &Cell) -> Result<Duration, Why> {
    let seconds = time.clone()?.ok_or(Why::NoTime)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| Why::TooLate)
}

#[cfg(test)]
mod tests {
    use scupper_detect::Quantity;

    use super::*;

    #[test]
    fn a_row_too_early_is_told_once_and_counted_for_each_column() {
        let mut collector = Collector::new(Format::Csv);
        let kind = Kind::Level(Quantity::Count);
        let (a, b) = (collector.column("a", kind).unwrap(), collector.column("b", kind).unwrap());
        for (line, time) in [(2, 5.0), (3, 5.0), (4, 1e12), (5, 6.0)] {
            let row = Row { time: Ok(Some(time)), cells: vec![(a, Ok(Some(1.0))), (b, Ok(Some(2.0)))] };
            collector.row(Place::Line(line), &row).unwrap();
        }
        let recording = collector.finish(&Options::default()).unwrap();
        assert_eq!((recording.samples(), recording.rejected.count), (4, 4));
        let said: Vec<String> = recording.rejected.first.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "line 3: not later than the sample before it (line 2 is at 5 s)",
                "line 4: more than 100 years after the first sample"
            ]
        );
        assert_eq!(recording.origin, Duration::from_secs(5));
        assert_eq!(recording.columns[0].samples[1].at, Duration::from_secs(1));
    }
}
