//! `scan`.

use crate::args::ScanArgs;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(_args: &ScanArgs, _printer: &mut Printer) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
