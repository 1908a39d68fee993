//! Which process is meant: by its number, or by what it is called.

use std::collections::HashSet;

use scupper_knowledge::glob;
use scupper_model::{Identity, Pid, printable, redact_command};
use scupper_probe::{Proc, Stat};

use crate::args::AttachArgs;
use crate::failure::Failure;
use crate::known::{named, refuse_thread};

/// Processes that are named where more than one matches.
const MOST_LISTED: usize = 20;

/// The one process that is meant.
pub(super) fn pick(args: &AttachArgs, proc_: &Proc) -> Result<Identity, Failure> {
    match (&args.matching, args.pid) {
        (Some(expression), _) => matching(expression, proc_),
        (None, Some(pid)) => numbered(pid, proc_),
        (None, None) => Err(Failure::usage("no process is named").hint("scupper attach PID")),
    }
}

fn numbered(pid: Pid, proc_: &Proc) -> Result<Identity, Failure> {
    match proc_.stat(pid)? {
        None => {
            Err(Failure::usage(format!("there is no process {pid}, or /proc does not show it to this user")))
        }
        Some(stat) if stat.is_zombie() => {
            Err(Failure::usage(format!("process {pid} has ended already: its parent has not waited for it")))
        }
        Some(stat) => {
            refuse_thread(pid, proc_)?;
            Ok(stat.identity(proc_.boot_id()))
        }
    }
}

/// Of those that match, the one that none of the others is above.
fn matching(expression: &str, proc_: &Proc) -> Result<Identity, Failure> {
    let own = Pid::new(rustix::process::getpid().as_raw_pid());
    let mut found: Vec<(Stat, Vec<Vec<u8>>)> = Vec::new();
    for pid in proc_.pids()? {
        // What cannot be read, or ended just now, is nobody who could be watched.
        let Ok(Some(stat)) = proc_.stat(pid) else { continue };
        let Ok(Some(command)) = proc_.command_line(pid) else { continue };
        if Some(pid) != own && !stat.is_zombie() && matches(expression, &stat.name, &command) {
            found.push((stat, command));
        }
    }
    let pids: HashSet<Pid> = found.iter().map(|(stat, _)| stat.pid).collect();
    found.retain(|(stat, _)| !has_ancestor_in(proc_, stat, &pids));
    let shown = printable(expression.as_bytes(), 80);
    match found.as_slice() {
        [] => Err(Failure::usage(format!("no process matches `{shown}`"))
            .hint("it is compared with name, program and command line; `*` is anything")),
        [(stat, _)] => Ok(stat.identity(proc_.boot_id())),
        several => Err(Failure::usage(format!("{} processes match `{shown}`", several.len()))
            .hint(format!("name one of them by its number:\n{}", list(several)))),
    }
}

/// Whether an expression means this process: its name or its program, as `keep` has it, or words of its command line.
fn matches(expression: &str, name: &[u8], command: &[Vec<u8>]) -> bool {
    // Kernel threads have no command line, and nothing to watch.
    if command.is_empty() {
        return false;
    }
    let several_words = expression.contains(' ');
    named(expression, name, command)
        || several_words && glob::matches(&format!("*{expression}*"), &command.join(&b' '))
}

fn has_ancestor_in(proc_: &Proc, stat: &Stat, pids: &HashSet<Pid>) -> bool {
    let mut seen = HashSet::new();
    let mut next = stat.parent;
    while let Some(pid) = next.filter(|pid| seen.insert(*pid)) {
        if pids.contains(&pid) {
            return true;
        }
        next = proc_.stat(pid).ok().flatten().and_then(|stat| stat.parent);
    }
    false
}

fn list(found: &[(Stat, Vec<Vec<u8>>)]) -> String {
    let mut lines: Vec<String> = found
        .iter()
        .take(MOST_LISTED)
        .map(|(stat, command)| {
            let shown = redact_command(command.iter().map(Vec::as_slice));
            format!("  {:>8}  {}", stat.pid.get(), printable(shown.as_bytes(), 90))
        })
        .collect();
    if found.len() > MOST_LISTED {
        lines.push(format!("  and {} more", found.len() - MOST_LISTED));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_means_name_program_or_words_of_the_command_line() {
        let command: Vec<Vec<u8>> =
            ["/usr/bin/node", "server.js", "--port", "80"].map(|word| word.as_bytes().to_vec()).into();
        let means = |expression: &str| matches(expression, b"MainThread", &command);
        assert!(means("node") && means("MainThread") && means("nod?") && means("node server.js"));
        // A script is known by its own name.
        assert!(means("server.js") && means("server.js --port"));
        // A word alone is a name: `80` means no server.
        assert!(!means("80") && !means("nod") && !means("server.js 80"));
        assert!(!matches("kthreadd", b"kthreadd", &[]));
    }
}
