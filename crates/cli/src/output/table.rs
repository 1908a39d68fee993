//! Plain tables: columns as wide as they need to be, two spaces between them, nothing drawn.

use std::fmt::{self, Write as _};

/// Rows under a header. Columns named in `numbers` are set flush right.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    numbers: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(header: &[&'static str], numbers: &'static [&'static str]) -> Self {
        Self { header: header.to_vec(), numbers, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([self.header[column].len()]).max().unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.header.len()).map(|column| self.width(column)).collect();
        let header = self.header.iter().map(ToString::to_string).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, name), width) in row.iter().zip(&self.header).zip(&widths) {
                if self.numbers.contains(name) {
                    let _ = write!(line, "{cell:>width$}  ");
                } else {
                    let _ = write!(line, "{cell:<width$}  ");
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["UNIT", "SIZE"], &["SIZE"]);
        table.row(vec!["web".into(), "450.2 MiB".into()]);
        table.row(vec!["scheduler".into(), "9 B".into()]);
        assert_eq!(table.to_string(), "UNIT            SIZE\nweb        450.2 MiB\nscheduler        9 B\n");
    }
}
