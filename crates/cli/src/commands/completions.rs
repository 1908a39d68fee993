//! `completions`: made from the same definition the arguments are parsed with.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(args: &CompletionsArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "scupper", &mut script);
    printer.write(&script)?;
    Ok(0)
}
