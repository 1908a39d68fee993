//! Recorded series, packed with gzip: read by the reader that `analyze` uses.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use scupper_detect::Sample;
use scupper_recording::{Options, Recording};

use crate::synthetic::Point;

/// Reads a packed file: the columns that are known by name, or the one that is named.
pub fn read(path: &Path, column: Option<&str>) -> Result<Recording> {
    let context = || format!("read the recording {}", path.display());
    let file = File::open(path).with_context(context)?;
    let options = Options { columns: column.map(str::to_owned).into_iter().collect(), ..Options::default() };
    scupper_recording::read(GzDecoder::new(file), &options).with_context(context)
}

/// Samples as the rules of others take them.
pub fn points(samples: &[Sample]) -> Vec<Point> {
    samples.iter().map(|sample| Point { at: sample.at.as_secs_f64(), value: sample.value }).collect()
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
