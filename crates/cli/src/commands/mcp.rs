//! `mcp`.

use crate::args::McpArgs;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(_args: &McpArgs, _printer: &mut Printer) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
