//! The readers from outside: what they take, what they refuse, and that nothing makes them panic.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking, its helpers too; values are f64 by then"
)]

mod properties;
mod refused;
mod taken;

use scupper_recording::{Options, Recording, Unreadable, read};

/// Reads text with the defaults.
fn of(text: &str) -> Result<Recording, Unreadable> {
    read(text.as_bytes(), &Options::default())
}

/// Each column as its name and its samples, in seconds.
fn columns(recording: &Recording) -> Vec<(&str, Vec<(f64, f64)>)> {
    let samples = |column: &scupper_recording::Column| {
        column.samples.iter().map(|sample| (sample.at.as_secs_f64(), sample.value)).collect()
    };
    recording.columns.iter().map(|column| (column.name.as_str(), samples(column))).collect()
}

/// What could not be used, as it is told.
fn rejected(recording: &Recording) -> Vec<String> {
    recording.rejected.first.iter().map(ToString::to_string).collect()
}
