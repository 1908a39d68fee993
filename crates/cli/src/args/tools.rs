//! `doctor`, `config` and `completions`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

/// Say which abilities this machine and user have, and what is lost without each.
///
/// Exit code 1 where one is missing that scupper cannot do its main work without (`pidfd`, `child_subreaper`).
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper doctor\n  scupper doctor --json\n\n\
    Exit codes: 0 its main work can be done here, 1 it cannot: `pidfd` or `child_subreaper` is missing.")]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Check a scupper.toml, or print an example.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  scupper config example > scupper.toml\n  scupper config check")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file; a mistake is shown with its line (exit code 1)
    #[command(after_help = "Example:\n  scupper config check /etc/scupper.toml")]
    Check {
        /// The file
        #[arg(default_value = crate::config::DEFAULT_FILE)]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a commented example
    #[command(after_help = "Example:\n  scupper config example > scupper.toml")]
    Example,
}

/// Print shell completions.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    scupper completions bash > /etc/bash_completion.d/scupper\n  \
    scupper completions zsh > \"${fpath[1]}/_scupper\"\n  \
    scupper completions fish > ~/.config/fish/completions/scupper.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
