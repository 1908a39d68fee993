//! `mcp`.

use clap::Args;

/// Run an MCP server: it ends with its client, however that ends
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper mcp")]
pub(crate) struct McpArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
