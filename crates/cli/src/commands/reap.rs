//! `reap`.

use crate::args::ReapArgs;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(_args: &ReapArgs, _printer: &mut Printer) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
