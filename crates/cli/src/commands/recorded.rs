//! What `analyze` and `replay` do alike: they take a recording from a file or from stdin, and say what of it they could
//! not use.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use scupper_recording::{Options, Recording};

use crate::output::Printer;

/// The recording. One that is for the most part not usable is none: a verdict on the rest would be on something else.
pub(super) fn read(file: &Path, options: &Options) -> anyhow::Result<Recording> {
    let input: Box<dyn Read> =
        if is_dash(file) { Box::new(io::stdin().lock()) } else { Box::new(open(file)?) };
    let recording = scupper_recording::read(input, options)?;
    let (rejected, usable) = (&recording.rejected, recording.samples());
    if rejected.count > usable {
        let all = usable.saturating_add(rejected.count);
        let why = rejected.commonest().map(|first| format!(": {first}")).unwrap_or_default();
        anyhow::bail!("{} of {all} samples cannot be used{why}", rejected.count);
    }
    Ok(recording)
}

fn open(file: &Path) -> Result<File, scupper_recording::Unreadable> {
    Ok(File::open(file)?)
}

/// Whether stdin or stdout is meant.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What a recording is called.
pub(super) fn shown(path: &Path) -> String {
    if is_dash(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Says in one line what could not be used, whatever was wrong.
pub(super) fn note_rejected(recording: &Recording, printer: &mut Printer) {
    let rejected = &recording.rejected;
    let (count, all) = (rejected.count, recording.samples().saturating_add(rejected.count));
    if count > 0 {
        let first = rejected.first.first().map(|first| format!(": {first}")).unwrap_or_default();
        let were = if count == 1 { "was" } else { "were" };
        printer.note(&format!("{count} of {all} samples {were} not usable{first}"));
    }
}
