//! `analyze`: a recording is read, judged as it would have been judged while it was made, told, and drawn.

pub(super) mod draw;
mod finding;
mod report;
mod said;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use scupper_detect::Verdict;
use scupper_recording::{Recording, Rejections, Unreadable};

use self::finding::Finding;
use crate::args::AnalyzeArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

pub(super) fn run(args: &AnalyzeArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let svg_to_stdout = args.svg.as_deref().is_some_and(is_dash);
    if svg_to_stdout && args.json {
        return Err(Failure::usage("--svg - and --json both want stdout: give --svg a file"));
    }
    let recording = read(args).with_context(|| format!("cannot analyze {}", shown(&args.file)))?;
    let requests = finding::requests(&recording);
    let findings: Vec<Finding> =
        recording.columns.iter().map(|column| Finding::of(column, requests, args)).collect();
    // A recording without any column is refused by the reader.
    let Some(worst) = finding::worst(&findings) else { return Ok(0) };

    if recording.rejected.count > 0 {
        printer.note(&not_usable(&recording.rejected, recording.samples()));
    }
    if let Some(path) = &args.svg {
        let picture = draw::svg(&recording, &findings)?;
        if svg_to_stdout {
            printer.write(picture.as_bytes())?;
        } else {
            draw::write(path, &picture).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if args.json {
        printer.json(&report::report(&recording, &findings, worst))?;
    } else {
        let mut text = said::said(&recording, &findings, worst);
        if args.draws(io::stdout().is_terminal()) && !svg_to_stdout {
            text = format!("{}\n{text}", draw::terminal(&recording, worst));
        }
        if svg_to_stdout { printer.note(text.trim_end()) } else { printer.line(&text)? }
    }
    Ok(if worst.assessment.verdict == Verdict::Leaking { FINDINGS } else { 0 })
}

fn read(args: &AnalyzeArgs) -> Result<Recording, Unreadable> {
    let input: Box<dyn Read> =
        if is_dash(&args.file) { Box::new(io::stdin().lock()) } else { Box::new(File::open(&args.file)?) };
    scupper_recording::read(input, &args.options())
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn shown(path: &Path) -> String {
    if is_dash(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// One line, whatever was wrong.
pub(super) fn not_usable(rejected: &Rejections, samples: usize) -> String {
    let (count, all) = (rejected.count, samples.saturating_add(rejected.count));
    let first = rejected.first.first().map(|first| format!(": {first}")).unwrap_or_default();
    let were = if count == 1 { "was" } else { "were" };
    format!("{count} of {all} samples {were} not usable{first}")
}
