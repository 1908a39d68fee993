//! `mcp`: one MCP server as a unit with the profile of one.

use scupper_model::Profile;

use super::{mcp_files, run as unit};
use crate::args::McpArgs;
use crate::config::Output;
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(args: McpArgs, printer: &mut Printer) -> Result<u8, Failure> {
    if let Some(files) = &args.files {
        return mcp_files::run(files, printer);
    }
    let mut settings = args.settings.settings(args.command);
    if settings.profile.is_some_and(|profile| profile != Profile::Mcp) {
        return Err(Failure::usage("`scupper mcp` has a profile of its own")
            .hint("leave --profile out, or use `scupper run`"));
    }
    settings.profile = Some(Profile::Mcp);
    unit::start(settings, &args.output.into())
}

/// The output settings alone.
pub(super) fn output(args: McpArgs) -> Output {
    args.output.into()
}
