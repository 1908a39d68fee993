//! Keeps what a soak has measured: as CSV, which `analyze` reads, and as a picture.

use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use anyhow::Context;
use rustix::fs::{Access, access};
use scupper_supervise::soak::{Judgement, Row, SeriesJudgement, Soak};

use super::said;
use crate::args::SoakArgs;
use crate::chart::{self, Chart};
use crate::commands::analyze::draw;
use crate::failure::Failure;

/// The curve has two points for each of these.
const COLUMNS: usize = 1000;
const HEADER: &str = "seconds,rss_bytes,tree_rss_bytes,rss_anon_bytes,fds,threads,sockets,children,zombies,requests,\
                      cpu_seconds";

/// Whether what was asked for can be written: said before the command starts, not after hours.
pub(super) fn can_keep(args: &SoakArgs) -> Result<(), Failure> {
    for path in args.csv.iter().chain(&args.svg) {
        writable(path).map_err(|why| Failure::usage(format!("cannot write {}: {why}", path.display())))?;
    }
    Ok(())
}

/// A file is replaced by another one in its directory; what is no file, such as a pipe, is written into.
fn writable(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path);
    if found.as_ref().is_ok_and(Metadata::is_dir) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if found.is_ok_and(|found| !found.is_file()) {
        return Ok(access(path, Access::WRITE_OK)?);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if path.file_name().is_none() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fs::metadata(directory)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Writes what was asked for.
pub(super) fn keep(args: &SoakArgs, soak: &Soak, judgement: &Judgement) -> anyhow::Result<()> {
    if let Some(path) = &args.csv {
        draw::write(path, &csv(&soak.rows().all()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.svg {
        let charts: Vec<Chart> = judgement.series.iter().map(chart).collect();
        let picture = chart::svg(&charts).context("cannot draw the chart")?;
        draw::write(path, &picture).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What was not known is empty.
fn csv(rows: &[Row]) -> String {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        let _ = write!(text, "{:.3}", row.at.as_secs_f64());
        let whole = [
            row.main_rss,
            row.memory,
            row.anonymous,
            row.descriptors,
            row.threads,
            row.sockets,
            row.children,
            row.zombies,
            row.operations,
        ];
        for value in whole {
            let _ = write!(text, ",{}", value.map(|value| value.to_string()).unwrap_or_default());
        }
        let cpu = row.cpu_micros.map(|micros| std::time::Duration::from_micros(micros).as_secs_f64());
        let _ = writeln!(text, ",{}", cpu.map(|seconds| format!("{seconds:.3}")).unwrap_or_default());
    }
    text
}

fn chart(series: &SeriesJudgement) -> Chart {
    let curve = &series.analysis.curve;
    Chart {
        title: series.of.name().to_owned(),
        subtitle: said::summary(series),
        quantity: series.of.quantity(),
        points: chart::thin(series.samples.iter().map(|sample| (sample.at, sample.value)), COLUMNS),
        floor: curve.floor.clone(),
        fit: curve.fit,
        steps: curve.steps.clone(),
        changes: series.analysis.history.iter().map(|change| (change.at, change.verdict)).collect(),
        ..Chart::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_kept_is_what_analyze_reads() {
        let row = |at, operations| Row {
            at: Duration::from_millis(at),
            operations,
            main_rss: Some(1 << 20),
            memory: Some(2 << 20),
            zombies: Some(0),
            cpu_micros: Some(1_500_000),
            ..Row::default()
        };
        let text = csv(&[row(500, None), row(1000, Some(7))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "0.500,1048576,2097152,,,,,,0,,1.500");
        let recording =
            scupper_recording::read(text.as_bytes(), &scupper_recording::Options::default()).unwrap();
        assert_eq!(recording.rejected.count, 0, "{:?}", recording.rejected);
        let requests = recording.columns.iter().find(|column| column.name == "requests").unwrap();
        assert_eq!(requests.samples.len(), 1);
    }
}
