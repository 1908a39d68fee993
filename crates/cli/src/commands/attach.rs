//! `attach`.

use crate::args::AttachArgs;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(_args: &AttachArgs, _printer: &mut Printer) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
