//! `mcp wrap`, `unwrap` and `check`: the configuration files of MCP clients.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use scupper_model::{Size, format_duration, parse_duration};

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub(crate) enum McpFilesCommand {
    /// Have MCP clients start their servers in scupper: changes their configuration files
    ///
    /// Shows what would change, and writes with --write. `COMMAND` becomes `scupper mcp -- COMMAND`, and nothing else of a file
    /// changes: comments, order and formatting stay. Servers that are reached over HTTP, SSE or WebSocket are left alone, and so
    /// are those that are wrapped already; a server that is switched off is wrapped too. The file from before is kept beside it
    /// (FILE.scupper-backup), the first one only. Of secrets nothing is shown.
    ///
    /// Reads JSON with and without comments, and TOML (`.toml`): .mcp.json and ~/.claude.json of Claude Code, Claude Desktop,
    /// Cursor, VS Code, opencode, Codex, Gemini CLI, and whatever else has `mcpServers`.
    ///
    /// Exit codes: 0 nothing to change, or written; 1 something would be changed; 2 a file cannot be read or written.
    #[command(after_help = "Examples:\n  \
        scupper mcp wrap .mcp.json\n  \
        scupper mcp wrap --all --write\n  \
        scupper mcp wrap ~/.claude.json --idle 30m --mem-hard 1G --write")]
    Wrap(WrapArgs),
    /// Undo `mcp wrap`: the same bytes as before
    ///
    /// Shows what would change, and writes with --write. What was edited since stays. A backup that is the same as what is
    /// written is removed.
    ///
    /// Exit codes: 0 nothing to change, or written; 1 something would be changed; 2 a file cannot be read or written.
    #[command(after_help = "Examples:\n  scupper mcp unwrap .mcp.json\n  scupper mcp unwrap --all --write")]
    Unwrap(UnwrapArgs),
    /// Say which MCP servers are started in scupper, and which are not
    ///
    /// Exit codes: 0 all that can be are; 1 one is not, or its scupper is not where the file says; 2 a file cannot be read.
    #[command(after_help = "Examples:\n  scupper mcp check --all\n  scupper mcp check .mcp.json --json")]
    Check(CheckArgs),
}

/// Which files.
#[derive(Args, Debug)]
pub(crate) struct FilesArgs {
    /// The files
    #[arg(value_name = "FILE", required_unless_present = "all")]
    pub files: Vec<PathBuf>,
    /// Also the files of all known clients: this user's, and those of the current directory
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Have MCP clients start their servers in scupper.
#[derive(Args, Debug)]
pub(crate) struct WrapArgs {
    #[command(flatten)]
    pub which: FilesArgs,
    /// Write the files
    #[arg(long)]
    pub write: bool,
    /// The scupper to start, also for servers that are wrapped already [default: `scupper` where it is in /usr/local/bin, /usr/bin or
    /// /bin, which clients from a desktop's menu find too; else the path of this one]
    #[arg(long, value_name = "PATH")]
    pub scupper: Option<String>,
    #[command(flatten)]
    pub passed_on: PassedOn,
}

/// Undo it.
#[derive(Args, Debug)]
pub(crate) struct UnwrapArgs {
    #[command(flatten)]
    pub which: FilesArgs,
    /// Write the files
    #[arg(long)]
    pub write: bool,
}

/// Which servers are started in scupper.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub which: FilesArgs,
}

/// Flags of `scupper mcp` that `wrap` puts into the files. Given, they take the place of those that are there.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Passed on to `scupper mcp`")]
pub(crate) struct PassedOn {
    /// End a server when nothing was read, written or computed in its tree for this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub idle: Option<Duration>,
    /// End a server after this long, whatever it does
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub lifetime: Option<Duration>,
    /// Time between TERM and KILL
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub grace: Option<Duration>,
    /// KILL a server at once above this
    #[arg(long, value_name = "SIZE")]
    pub mem_hard: Option<Size>,
}

impl PassedOn {
    /// As they stand in a file, one word each; `None` where none is given.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        let times = [("idle", self.idle), ("lifetime", self.lifetime), ("grace", self.grace)];
        let times = times.into_iter().filter_map(|(flag, time)| Some((flag, format_duration(time?))));
        let size = self.mem_hard.map(|size| ("mem-hard", size.to_string()));
        let words: Vec<String> = times.chain(size).map(|(flag, value)| format!("--{flag}={value}")).collect();
        (!words.is_empty()).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::Bytes;

    use super::*;

    #[test]
    fn what_is_passed_on_is_one_word_each() {
        assert_eq!(PassedOn::default().words(), None);
        let some = PassedOn {
            idle: Some(Duration::from_mins(30)),
            mem_hard: Some(Size::Absolute(Bytes::mib(1024))),
            ..PassedOn::default()
        };
        assert_eq!(some.words().unwrap(), ["--idle=30m", "--mem-hard=1GiB"]);
    }
}
