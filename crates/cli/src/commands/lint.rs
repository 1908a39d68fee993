//! `lint`: which files, what stands around them, and what is said of each. What is wrong with a document is the business of
//! `scupper_casebook::lint`.

mod around;
mod files;
mod git;
mod report;

use std::path::Path;

use scupper_casebook::lint::{Severity, across, lint};

use self::around::Around;
use self::report::{File, Report};
use crate::args::LintArgs;
use crate::documents;
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;

/// The largest document that is looked at. Nobody reads a longer one.
const LARGEST: u64 = 16 << 20;

pub(super) fn run(args: &LintArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let found = files::find(&args.files);
    let mut around = Around::open(args)?;
    for path in &found.files {
        // Documents name each other: whoever is looked at is known to the others.
        if let Ok(text) = documents::read(path, LARGEST) {
            around.learn(&text);
        }
    }
    let mut report = Report::default();
    for (path, problem) in found.problems {
        report.files.push(File::unreadable(&path, &problem));
    }
    let many = found.files.len();
    for (index, path) in found.files.iter().enumerate() {
        if index % 100 == 99 {
            printer.progress(&format!("{} of {many}", index + 1));
        }
        report.files.push(examine(path, &mut around));
    }
    printer.end_progress();
    together(&mut report);

    if args.sarif {
        printer.json(&report.sarif())?;
    } else if args.json {
        printer.json(&report.json())?;
    } else {
        for file in &report.files {
            if let Some(problem) = &file.problem {
                printer.note(&format!("error: {problem}"));
            }
        }
        printer.line(&report.said())?;
    }
    Ok(code(&report, args.fail_on.into()))
}

/// Whether a folder can be looked through, and no document is in it.
pub(super) fn is_empty(folder: &Path) -> bool {
    files::is_empty(folder)
}

fn examine(path: &Path, around: &mut Around) -> File {
    match documents::read(path, LARGEST) {
        Ok(text) => {
            around.stand_at(path);
            File::examined(path, lint(&text, &*around))
        }
        Err(error) => File::unreadable(path, &format!("{error:#}")),
    }
}

/// What only shows where all of them are seen.
fn together(report: &mut Report) {
    let names: Vec<_> = report.files.iter().map(|file| file.name.clone()).collect();
    let shown: Vec<_> = report.files.iter().map(|file| file.path.clone()).collect();
    for (index, finding) in across(&names, &shown) {
        if let Some(file) = report.files.get_mut(index) {
            file.findings.push(finding);
            file.findings.sort_by_key(|finding| finding.line);
        }
    }
}

fn code(report: &Report, fail_on: Severity) -> u8 {
    let worst = report.files.iter().flat_map(|file| &file.findings).map(|finding| finding.severity).max();
    if report.files.iter().any(|file| file.problem.is_some()) {
        UNUSABLE
    } else if worst.is_some_and(|worst| worst >= fail_on) {
        FINDINGS
    } else {
        0
    }
}
