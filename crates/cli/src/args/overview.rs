//! `scupper --help`: the commands by what they are for. Two dozen in one list tell nobody where to begin.

use std::fmt::Write;

use clap::Command;
use clap::error::ErrorKind;

/// The commands, by what they are for.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Run and watch", &["run", "mcp", "up", "attach"]),
    ("What runs", &["ps", "events", "stop", "restart", "recycle", "set"]),
    ("What was left behind", &["scan", "reap", "keep"]),
    ("Leaks", &["why", "soak", "analyze", "replay"]),
    ("Agents on many hosts", &["serve", "fleet"]),
    ("Documents from evidence", &["plan", "incident", "report", "lint"]),
    ("This machine", &["doctor", "config", "completions"]),
];

/// Whether an answer is help: at every other start nobody reads the overview, and none is made.
pub(super) fn is_shown_by(answer: &clap::Error) -> bool {
    matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

/// The same command, with its help grouped.
pub(super) fn grouped(command: Command) -> Command {
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in GROUPS {
        let _ = write!(template, "\n{heading}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(template, "  {name:<11}  {about}");
        }
    }
    template.push_str("\nOptions:\n{options}{after-help}");
    command.help_template(template)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_command_stands_in_one_group_with_what_it_does() {
        let mut command = grouped(Cli::command());
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let help = command.render_long_help().to_string();
        let mut all: Vec<String> =
            command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for subcommand in command.get_subcommands() {
            let about = subcommand.get_about().unwrap().to_string();
            assert!(help.contains(&about), "{about}\n{help}");
        }
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
        assert!(help.contains("--version") && help.contains("Exit codes"), "{help}");
        for argv in [&["scupper", "--help"][..], &["scupper", "-h"], &["scupper"]] {
            let argv: Vec<_> = argv.iter().map(Into::into).collect();
            let answer = Cli::read(&argv).unwrap_err().to_string();
            assert!(GROUPS.iter().all(|(heading, _)| answer.contains(heading)), "{answer}");
        }
    }
}
