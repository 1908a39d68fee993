//! `mcp`: an MCP server that ends with its client.

use std::ffi::OsString;

use clap::Args;

use super::mcp_files::McpFilesCommand;
use super::run::{OutputFlags, UnitFlags};

/// Run an MCP server: it ends with its client, however that ends
#[derive(Args, Debug)]
#[command(
    override_usage = "scupper mcp [FLAGS] -- COMMAND...\n       scupper mcp wrap|unwrap|check FILE...",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        scupper mcp -- npx -y @modelcontextprotocol/server-filesystem /srv\n  \
        scupper mcp --name files --mem-hard 1G -- uv run server.py\n  \
        scupper mcp --idle 30m --lifetime 24h -- node server.js\n  \
        scupper mcp wrap .mcp.json              # has a client start its servers so\n\n\
        When the client's end of stdin is closed, the server has half of the grace to end by itself, then TERM, then\n\
        KILL at the end of the grace. While the client is known to live (an ancestor that held the other end), that\n\
        time begins anew as long as the server does something, for at most 30 s: it may be answering. Behind a\n\
        pipe (`producer | scupper mcp -- ...`) nobody is known to live: a slow server needs a longer --grace there.\n\
        A parent that ends while such a client lives and keeps its end open ends nothing.\n\
        A server that closes its own stdin and lives on leaves its client without EPIPE until it ends: scupper holds\n\
        a descriptor of that stdin, to see the client's end.\n\n\
        Exit codes: those of `scupper run`: the server's own (128+n for a signal); 125 scupper failed, 126 not\n\
        executable, 127 not found, 2 bad usage."
)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    pub files: Option<McpFilesCommand>,
    /// The server and its arguments
    #[arg(last = true, value_name = "COMMAND", required = true)]
    pub command: Vec<OsString>,
    /// A note of `mcp wrap` to `mcp unwrap`: the command had an empty list of arguments. Means nothing here
    #[arg(long = "empty-args", hide = true)]
    pub _empty_args: bool,
    #[command(flatten)]
    pub settings: UnitFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}
