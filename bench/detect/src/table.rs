//! Tables for the screen and for a document.

use std::io::Write;

use anyhow::Result;

/// A table: the first column is text, the others are figures.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it, as Markdown if that is asked for.
    pub fn write(&self, out: &mut dyn Write, markdown: bool) -> Result<()> {
        let mut widths = vec![0; self.head.len()];
        for row in std::iter::once(&self.head).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in std::iter::once(&self.head).chain(&self.rows).enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(
                    |(column, (cell, width))| {
                        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            if markdown {
                writeln!(out, "| {} |", cells.join(" | "))?;
            } else {
                writeln!(out, "{}", cells.join("  ").trim_end())?;
            }
            if markdown && index == 0 {
                let marks = widths.iter().enumerate().map(|(column, width)| {
                    if column == 0 {
                        "-".repeat(*width)
                    } else {
                        format!("{}:", "-".repeat(width.saturating_sub(1).max(1)))
                    }
                });
                writeln!(out, "| {} |", marks.collect::<Vec<_>>().join(" | "))?;
            }
        }
        writeln!(out)?;
        Ok(())
    }
}

/// A share to three places, or a dash.
pub fn share(part: usize, of: usize) -> String {
    if of == 0 { "-".into() } else { format!("{:.3}", part as f64 / of as f64) }
}

/// A number to one place, or a dash.
pub fn tenth(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.1}"))
}

/// A number that may be 0, said as a dash then: the rows that matter stand out.
pub fn count(count: usize) -> String {
    if count == 0 { "-".into() } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_or_markdown() {
        let mut table = Table::new(&["shape", "n"]);
        table.row(["flat".into(), "16".into()]);
        let mut plain = Vec::new();
        table.write(&mut plain, false).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), "shape   n\nflat   16\n\n");
        let mut marked = Vec::new();
        table.write(&mut marked, true).unwrap();
        assert_eq!(String::from_utf8(marked).unwrap(), "| shape |  n |\n| ----- | -: |\n| flat  | 16 |\n\n");
    }
}
