//! `analyze`: a recording is read, judged as it would have been judged while it was made, told, and drawn.

pub(super) mod draw;
mod finding;
mod fleet;
mod report;
mod said;

use std::io::{self, IsTerminal};

use anyhow::Context;
use scupper_detect::Verdict;

use self::finding::Finding;
use super::recorded::{self, is_dash, shown};
use crate::args::AnalyzeArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

pub(super) fn run(args: &AnalyzeArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let svg_to_stdout = args.svg.as_deref().is_some_and(is_dash);
    if svg_to_stdout && args.json {
        return Err(Failure::usage("--svg - and --json both want stdout: give --svg a file"));
    }
    let recording = recorded::read(&args.file, &args.options())
        .with_context(|| format!("cannot analyze {}", shown(&args.file)))?;
    let requests = recording.requests();
    let findings: Vec<Finding> =
        recording.columns.iter().map(|column| Finding::of(column, requests, args)).collect();
    // A recording without any column is refused by the reader.
    let Some(worst) = finding::worst(&findings) else { return Ok(0) };

    let unlike = fleet::unlike(&recording, &findings);
    recorded::note_rejected(&recording, printer);
    if let Some(path) = &args.svg {
        let picture = draw::svg(&recording, &findings)?;
        if svg_to_stdout {
            printer.write(picture.as_bytes())?;
        } else {
            draw::write(path, &picture).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if args.json {
        printer.json(&report::report(&recording, &findings, worst, &unlike))?;
    } else {
        let mut text = said::said(&recording, &findings, worst, &unlike);
        if args.draws(io::stdout().is_terminal()) && !svg_to_stdout {
            text = format!("{}\n{text}", draw::terminal(&recording, worst));
        }
        if svg_to_stdout { printer.note(text.trim_end()) } else { printer.line(&text)? }
    }
    Ok(if worst.assessment.verdict == Verdict::Leaking { FINDINGS } else { 0 })
}
