//! `mcp wrap`, `unwrap` and `check`: which files, what becomes of each, and what is said of it. What is in a file is the
//! business of `scupper_mcp`, how it is replaced that of [`store`].

mod places;
mod program;
mod report;
mod store;

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;
use scupper_mcp::{Change, Format, Wrapping};

use crate::args::{CheckArgs, FilesArgs, McpFilesCommand, UnwrapArgs, WrapArgs};
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;
use report::{Changed, Checked, Report};
use store::{Backup, Stored};

/// Does what is asked of the files.
pub(super) fn run(command: &McpFilesCommand, printer: &mut Printer) -> Result<u8, Failure> {
    match command {
        McpFilesCommand::Wrap(args) => wrap(args, printer),
        McpFilesCommand::Unwrap(args) => unwrap(args, printer),
        McpFilesCommand::Check(args) => check(args, printer),
    }
}

fn wrap(args: &WrapArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let wrapping = Wrapping {
        program: program::to_start(args.scupper.as_deref())?,
        replace_program: args.scupper.is_some(),
        options: args.passed_on.words(),
    };
    if program::is_there(&wrapping.program) == Some(false) {
        printer.note(&format!("note: there is no program {} here", wrapping.program));
    }
    let change = |file: &Stored| {
        scupper_mcp::wrap(&file.text, Format::of(&file.path), &wrapping).map_err(anyhow::Error::from)
    };
    let write = args.write.then_some(Stored::wrap as Writer);
    change_files(&args.which, "wrap", change, write, printer)
}

fn unwrap(args: &UnwrapArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let change =
        |file: &Stored| scupper_mcp::unwrap(&file.text, Format::of(&file.path)).map_err(anyhow::Error::from);
    let write = args.write.then_some(Stored::unwrap as Writer);
    change_files(&args.which, "unwrap", change, write, printer)
}

type Writer = fn(&Stored, &str) -> Result<Backup>;

/// Changes each file by itself: one that cannot be changed does not keep the others from it.
fn change_files(
    which: &FilesArgs,
    verb: &'static str,
    change: impl Fn(&Stored) -> Result<Change>,
    write: Option<Writer>,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let mut report = Report::new(verb);
    for_each_file(which, &mut report, |file| {
        let change = change(file)?;
        let is_different = change.text != file.text;
        let backup = match write {
            Some(write) if is_different => Some(write(file, &change.text)?),
            _ => None,
        };
        Ok(Changed { change, is_different, backup })
    })?;
    report.tell_changes(which.json, printer)?;
    let would_change = write.is_none() && report.done().any(|changed| changed.is_different);
    Ok(code(report.has_failed(), would_change))
}

fn check(args: &CheckArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let mut report = Report::new("check");
    for_each_file(&args.which, &mut report, |file| {
        let servers = scupper_mcp::servers(&file.text, Format::of(&file.path))?;
        Ok(servers.into_iter().map(Checked::from).collect::<Vec<_>>())
    })?;
    report.tell_servers(args.which.json, printer)?;
    let finding = report.done().flatten().any(Checked::is_finding);
    Ok(code(report.has_failed(), finding))
}

const fn code(failed: bool, finding: bool) -> u8 {
    match (failed, finding) {
        (true, _) => UNUSABLE,
        (false, true) => FINDINGS,
        (false, false) => 0,
    }
}

/// Looks at each file once, by whatever names it is given.
fn for_each_file<T>(
    which: &FilesArgs,
    report: &mut Report<T>,
    mut look: impl FnMut(&Stored) -> Result<T>,
) -> Result<(), Failure> {
    let mut paths: Vec<(PathBuf, Wanted)> =
        which.files.iter().map(|path| (path.clone(), Wanted::Named)).collect();
    if which.all {
        let here = env::current_dir()?;
        let known = places::all(|name| env::var_os(name), &here).into_iter();
        paths.extend(known.map(|path| (shortened(&path, &here), Wanted::Known)));
    }
    let mut seen = HashSet::new();
    for (path, wanted) in paths {
        match store::read(&path) {
            Ok(Some(file)) => {
                if seen.insert(file.path.clone()) {
                    report.add(path, look(&file));
                }
            }
            Ok(None) if wanted == Wanted::Known => report.not_there(path),
            Ok(None) => report.add(path, Err(anyhow::anyhow!("is not there"))),
            Err(error) => report.add(path, Err(error)),
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// By the user.
    Named,
    /// Because a client would look there.
    Known,
}

fn shortened(path: &Path, here: &Path) -> PathBuf {
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}
