//! CSV with a header. Read line by line, so that a stray quote costs one line and not the rest of the file; the
//! fields of a line are taken apart by `csv-core`.

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::cell::Role;
use crate::collect::{Collector, Row};
use crate::input::Lines;
use crate::{Format, Options, Place, Recording, Unreadable, Why};

pub(crate) fn read(input: impl BufRead, options: &Options) -> Result<Recording, Unreadable> {
    let mut lines = Lines::new(input);
    let Some((_, header)) = lines.next()? else { return Err(Unreadable::Empty) };
    let mut fields = Fields::new(delimiter(header));
    fields.split(header);
    let header: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
    let mut collector = Collector::new(Format::Csv);
    let layout = Layout::of(&header, options, &mut collector)?;

    let mut row = Row::new();
    while let Some((number, line)) = lines.next()? {
        fields.split(line);
        row.clear();
        if fields.len() > header.len() {
            let why = Why::TooManyFields { fields: fields.len(), header: header.len() };
            collector.rejected.add(layout.values.len(), Place::Line(number), None, why);
            continue;
        }
        row.time = Role::Time.text(fields.get(layout.time));
        row.cells.extend(
            layout.values.iter().map(|&(field, column)| (column, Role::Amount.text(fields.get(field)))),
        );
        collector.row(Place::Line(number), &row)?;
    }
    collector.finish(options)
}

/// Which field is what.
struct Layout {
    time: usize,
    /// Field, and column of the collector.
    values: Vec<(usize, usize)>,
}

impl Layout {
    fn of(header: &[String], options: &Options, collector: &mut Collector) -> Result<Self, Unreadable> {
        if header.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err(Unreadable::NoHeader);
        }
        let names = || header.iter().map(String::as_str);
        let time = names()
            .position(|name| options.is_time(name))
            .ok_or_else(|| Unreadable::no_time(options.time.as_deref(), names()))?;
        if let Some(missing) = options.columns.iter().find(|wanted| !header.contains(wanted)) {
            return Err(Unreadable::no_column(missing, names()));
        }
        let mut values = Vec::new();
        for (field, name) in names().enumerate().filter(|(field, _)| *field != time) {
            let Some(kind) = options.wanted(name) else { continue };
            let column = collector.column(name, kind)?;
            if column != values.len() {
                return Err(Unreadable::Twice { name: crate::error::shown(name) });
            }
            values.push((field, column));
        }
        if values.is_empty() {
            return Err(Unreadable::no_known_column(names()));
        }
        Ok(Self { time, values })
    }
}

/// A comma; where the header has none, a semicolon or a tab, as spreadsheets write them.
fn delimiter(header: &[u8]) -> u8 {
    *[b',', b';', b'\t'].iter().find(|delimiter| header.contains(delimiter)).unwrap_or(&b',')
}

/// The fields of one line. Keeps its buffers.
struct Fields {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, text: Vec::new(), ends: vec![0; 16], count: 0 }
    }

    const fn len(&self) -> usize {
        self.count
    }

    fn split(&mut self, line: &[u8]) {
        self.reader.reset();
        // Fields are never longer than the line.
        self.text.resize(line.len().max(self.text.len()), 0);
        let (mut input, mut written) = (line, 0);
        self.count = 0;
        loop {
            let (result, read, wrote, ends) =
                self.reader.read_record(input, &mut self.text[written..], &mut self.ends[self.count..]);
            input = &input[read..];
            written += wrote;
            self.count += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2 + 16, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
    }

    fn bytes(&self, field: usize) -> &[u8] {
        if field >= self.count {
            return b"";
        }
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[field]]
    }

    /// A field as text; one that is no UTF-8 is no number either.
    fn get(&self, field: usize) -> &str {
        std::str::from_utf8(self.bytes(field)).unwrap_or("\u{fffd}")
    }

    fn iter(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|field| String::from_utf8_lossy(self.bytes(field)).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        let mut fields = Fields::new(delimiter(line.as_bytes()));
        fields.split(b"1,2,3,4");
        fields.split(line.as_bytes());
        fields.iter().collect()
    }

    #[test]
    fn lines_are_split_into_fields() {
        assert_eq!(split("a,b"), ["a", "b"]);
        assert_eq!(split("a,,"), ["a", "", ""]);
        assert_eq!(split("\"a,\"\"b\",c"), ["a,\"b", "c"]);
        assert_eq!(split("a;b"), ["a", "b"]);
        assert_eq!(split("\"a,b"), ["a,b"]);
        assert_eq!(split(&",".repeat(100)).len(), 101);
    }
}
