//! `keep`.

use crate::args::KeepArgs;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(_args: &KeepArgs, _printer: &mut Printer) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
