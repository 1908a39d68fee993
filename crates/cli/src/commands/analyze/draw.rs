//! The findings as charts.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::termios::tcgetwinsize;
use scupper_detect::Forecast;
use scupper_model::Timestamp;
use scupper_recording::Recording;

use super::finding::Finding;
use super::said;
use crate::chart::{self, Charset, Chart, Cone};

/// More charts than these in one picture are seen by nobody.
const MOST_CHARTS: usize = 24;
/// The curve has two points for each of these.
const COLUMNS: usize = 1000;

/// One picture of all that was judged; of the counters, where there is nothing else.
pub(super) fn svg(recording: &Recording, findings: &[Finding<'_>]) -> anyhow::Result<String> {
    let any_level = findings.iter().any(|finding| finding.quantity.is_some());
    let shown = findings.iter().filter(|finding| finding.quantity.is_some() || !any_level);
    let charts: Vec<Chart> = shown.take(MOST_CHARTS).map(|finding| of(recording, finding)).collect();
    chart::svg(&charts).context("cannot draw the chart")
}

/// One series in the terminal that stdout is, or in 80 columns.
pub(super) fn terminal(recording: &Recording, finding: &Finding<'_>) -> String {
    const ROWS: usize = 18;
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0);
    let columns = size.map_or(80, |size| usize::from(size.ws_col)).min(120);
    chart::terminal(&of(recording, finding), columns, ROWS, charset())
}

/// What the locale says, in the order in which libc asks.
fn charset() -> Charset {
    let set = |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty());
    let locale: OsString = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") { Charset::Unicode } else { Charset::Ascii }
}

fn of(recording: &Recording, finding: &Finding<'_>) -> Chart {
    let samples = &finding.column.samples;
    let points = samples.iter().map(|sample| (sample.at, sample.value));
    let last = samples.last().map_or((Duration::ZERO, 0.0), |sample| (sample.at, sample.value));
    // The forecast is about the floor: it starts where the line through it ends.
    let from = finding.curve.fit.map_or(last, |[_, end]| (last.0.max(end.0), end.1));
    let cone = match finding.assessment.forecast {
        Forecast::Within { likely, earliest, latest } => Some(Cone { from, likely, earliest, latest }),
        Forecast::Unknown | Forecast::NotAtThisRate | Forecast::Reached => None,
    };
    Chart {
        title: said::name(finding),
        subtitle: said::summary(finding),
        quantity: finding.shown_as(),
        start: start(recording.origin),
        points: chart::thin(points, COLUMNS),
        floor: finding.curve.floor.clone(),
        fit: finding.curve.fit,
        steps: finding.curve.steps.clone(),
        changes: finding.history.iter().map(|change| (change.at, change.verdict)).collect(),
        limit: finding.limit,
        marks: Vec::new(),
        cone,
    }
}

/// A clock that is past this counts since 1970.
fn start(origin: Duration) -> Option<Timestamp> {
    const IN_2001: Duration = Duration::from_secs(1_000_000_000);
    (origin >= IN_2001).then(|| Timestamp(u64::try_from(origin.as_millis()).unwrap_or(u64::MAX)))
}

/// Writes a file so that it is there as a whole or not at all. What is no regular file (a pipe, `/dev/null`) is written
/// into, never replaced.
pub(in crate::commands) fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
        return File::options().write(true).open(&path)?.write_all(text.as_bytes());
    }
    let temporary = beside(&path);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}
