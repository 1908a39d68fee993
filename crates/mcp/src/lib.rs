//! Configuration files of MCP clients: wraps each server that is started over stdio in Scupper, and undoes it. Text in,
//! text out; what is not ours stays byte for byte.
//!
//! A file is parsed for the byte ranges of its values alone, and only those of `command` and `args` are replaced:
//! comments, order, indentation, line endings and unknown keys are never written again, because they are never touched.
//! The words of the original command stay in the file as they were written, one place further:
//!
//! ```text
//! "command": "npx",     "args": ["-y", "some-server"]
//! "command": "scupper", "args": ["mcp", "--", "npx", "-y", "some-server"]
//! ```
//!
//! A change is handed out only after it was read back: every server has the command line it should have, and unwrapping
//! gives the text from before. Where that does not hold, there is an error and no change.
//!
//! | File | Where its servers are | Documented at |
//! |---|---|---|
//! | `.mcp.json`, `~/.claude.json` (Claude Code) | `mcpServers`, `projects.PATH.mcpServers` | <https://code.claude.com/docs/en/mcp> |
//! | `claude_desktop_config.json` (Claude Desktop) | `mcpServers` | <https://modelcontextprotocol.io/docs/develop/connect-local-servers> |
//! | `.cursor/mcp.json` (Cursor) | `mcpServers` | <https://cursor.com/docs/context/mcp> |
//! | `.vscode/mcp.json` (VS Code) | `servers` | <https://code.visualstudio.com/docs/copilot/reference/mcp-configuration> |
//! | `settings.json` (VS Code, before 1.102) | `mcp.servers` | the same |
//! | `opencode.json` (opencode) | `mcp.NAME`, `mcp.servers.NAME`; `command` is a list | <https://opencode.ai/docs/mcp-servers> |
//! | `.gemini/settings.json` (Gemini CLI) | `mcpServers` | <https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md> |
//! | `.codex/config.toml` (Codex) | `mcp_servers.NAME` | <https://developers.openai.com/codex/mcp> |
//!
//! Which of them a file is, its keys say and not its name: whatever has `mcpServers` is read (Windsurf, Cline, Copilot).

#![forbid(unsafe_code)]

mod change;
mod diff;
mod edit;
mod error;
mod masks;
mod servers;
mod spelling;
mod surrogates;
mod tree;
mod unwrap;
mod wrap;

use std::path::Path;

pub use change::{Change, unwrap, wrap};
pub use error::{Error, Problem};
pub use servers::{Server, State, servers};
pub use wrap::{EMPTY_ARGS, Wrapping, may_be_called};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, with comments and trailing commas where the client allows them.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// TOML where the name ends in `.toml`, else JSON.
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("toml") => Self::Toml,
            _ => Self::Json,
        }
    }
}
