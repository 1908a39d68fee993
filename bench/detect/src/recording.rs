//! Recorded series: comma-separated, the first line names the columns, `seconds` is one of them, packed with gzip.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

use crate::synthetic::Point;

/// One recording.
pub struct Recording {
    columns: Vec<String>,
    rows: Vec<Vec<Option<f64>>>,
}

impl Recording {
    /// Reads a packed file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open the recording {}", path.display()))?;
        Self::parse(BufReader::new(GzDecoder::new(file)))
            .with_context(|| format!("read the recording {}", path.display()))
    }

    /// Reads text.
    pub fn parse(text: impl BufRead) -> Result<Self> {
        let mut lines = text.lines();
        let head = lines.next().context("it has no first line")??;
        let columns: Vec<String> = split(&head);
        if !columns.iter().any(|column| column == "seconds") {
            bail!("it has no column `seconds`: {head}");
        }
        let mut rows = Vec::new();
        for line in lines {
            let line = line?;
            if !line.is_empty() {
                rows.push(line.split(',').map(|cell| cell.trim().parse().ok()).collect());
            }
        }
        Ok(Self { columns, rows })
    }

    /// One column, without the rows in which it is empty.
    pub fn series(&self, column: &str) -> Vec<Point> {
        self.counted(column, "").into_iter().map(|(point, _)| point).collect()
    }

    /// The same, each with what another column counts in its row.
    pub fn counted(&self, column: &str, counter: &str) -> Vec<(Point, Option<u64>)> {
        let place = |name: &str| self.columns.iter().position(|known| known == name);
        let Some((time, value)) = place("seconds").zip(place(column)) else { return Vec::new() };
        let counter = place(counter);
        let cell = |row: &[Option<f64>], place: usize| row.get(place).copied().flatten();
        let point = |row: &[Option<f64>]| {
            let (at, value) = cell(row, time).zip(cell(row, value))?;
            let count = counter.and_then(|counter| cell(row, counter));
            Some((Point { at, value }, count.map(|count| count as u64)))
        };
        self.rows.iter().filter_map(|row| point(row)).collect()
    }
}

/// The packed recordings of a folder, by name; none where there is no such folder.
pub fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        if path.to_string_lossy().ends_with(".csv.gz") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The name of a recording: that of its file without `.csv.gz`.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".csv.gz").to_string()
}

/// The cells of a line; a quoted cell may hold commas, and doubled quotes.
pub fn split(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(cell) = cells.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cell.push(letter),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells_are_no_samples() {
        let text = "seconds,rss_bytes,fds\n0,4096,3\n1,,4\n2,8192,\n";
        let recording = Recording::parse(text.as_bytes()).unwrap();
        let rss = [Point { at: 0.0, value: 4096.0 }, Point { at: 2.0, value: 8192.0 }];
        assert_eq!(recording.series("rss_bytes"), rss);
        assert_eq!(recording.series("fds").len(), 2);
        let counted = recording.counted("rss_bytes", "fds");
        assert_eq!(counted.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [Some(3), None]);
        assert!(recording.series("none").is_empty());
        assert!(Recording::parse("a,b\n".as_bytes()).is_err());
    }

    #[test]
    fn a_quoted_cell_may_hold_a_comma() {
        assert_eq!(split("a,\"b, \"\"c\"\"\",d"), ["a", "b, \"c\"", "d"]);
    }
}
