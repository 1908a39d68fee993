//! `keep`: says what is never touched, by anything of scupper's, and shows it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use scupper_model::{Identity, Keep, Kept, Timestamp, format_duration, printable};
use scupper_probe::Proc;
use scupper_supervise::shell::clock;
use serde::Serialize;

use crate::args::KeepArgs;
use crate::failure::Failure;
use crate::keeps::KeepsFile;
use crate::known;
use crate::output::figures::span;
use crate::output::{Printer, Table};
use crate::paths;

/// The answer of `--json`, whatever was asked.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    file: &'a Path,
    /// How many were added or removed.
    changed: usize,
    /// What is kept now.
    keeps: &'a [Keep],
}

pub(super) fn run(args: &KeepArgs, printer: &mut Printer) -> Result<u8, Failure> {
    if args.lasting.is_some_and(|time| time.is_zero()) {
        return Err(Failure::usage(
            "--for 0s keeps nothing: give a longer time, or leave it out to keep for good",
        ));
    }
    let file = KeepsFile::of_this_user(args.state.as_deref())
        .context("there is no place to write down what is kept: neither XDG_STATE_HOME nor HOME is set")
        .map_err(|error| Failure::from(error).hint("use --state DIR"))?;
    let proc_ = Proc::open(Path::new("/proc")).context("cannot look for processes")?;
    let now = clock::wall();
    let holds = |keep: &Keep| keep.holds(now) && !is_over(&proc_, keep);
    if !args.list
        && let Some(owner) = paths::state_of_a_user(args.state.as_deref())
    {
        let directory = file.path().parent().unwrap_or(file.path()).display();
        return Err(Failure::from(anyhow::anyhow!(
            "{directory} is of the user {owner}: root writes nothing there, and what is kept there holds for that user"
        ))
        .hint("use --state DIR, or HOME=/root"));
    }
    let changed = if args.list {
        0
    } else if args.remove {
        file.change(holds, |keeps| remove(args, keeps))?
    } else {
        let wanted = wanted(args, &proc_, now)?;
        file.change(holds, |keeps| Ok(add(keeps, &wanted)))?
    };
    let mut keeps = file.read()?;
    keeps.retain(holds);
    if args.json {
        printer.json(&Answer { schema: "scupper.keep/1", file: file.path(), changed, keeps: &keeps })?;
    } else if args.list {
        if keeps.is_empty() {
            printer.note("nothing is kept; keep a process with `scupper keep PID`");
        } else {
            printer.line(&table(&keeps, now).to_string())?;
        }
    } else if args.remove {
        printer.line(&format!("no longer kept: {}", said(args)))?;
    } else {
        let until = args.lasting.map(|time| format!(" for {}", format_duration(time))).unwrap_or_default();
        printer.line(&format!("kept{until}: {}", said(args)))?;
        for pattern in &args.matching {
            let count = matching(&proc_, pattern)?;
            let shown = printable(pattern.as_bytes(), 80);
            printer.note(&match count {
                0 => format!("warning: no process matches `{shown}` now; one that comes will be kept"),
                1 => format!("1 process matches `{shown}` now"),
                _ => format!("{count} processes match `{shown}` now"),
            });
        }
    }
    Ok(0)
}

/// What was asked for, as it is written down.
fn wanted(args: &KeepArgs, proc_: &Proc, now: Timestamp) -> Result<Vec<Keep>, Failure> {
    let until = args.lasting.map(|time| after(now, time));
    let keep = |what| Keep { what, until, since: now };
    let mut wanted = Vec::new();
    for &pid in &args.pid {
        let stat = proc_.stat(pid)?.filter(|stat| !stat.is_zombie());
        let Some(stat) = stat else {
            let or = "/proc does not show it to this user";
            return Err(Failure::usage(format!("there is no process {pid}, or {or}")));
        };
        known::refuse_thread(pid, proc_)?;
        let identity = stat.identity(proc_.boot_id());
        wanted.push(keep(Kept::Process { identity, name: printable(&stat.name, 64) }));
    }
    wanted.extend(args.matching.iter().map(|pattern| keep(Kept::Pattern { pattern: pattern.clone() })));
    Ok(wanted)
}

/// One that is there already gets the new end.
fn add(keeps: &mut Vec<Keep>, wanted: &[Keep]) -> usize {
    keeps.retain(|before| !wanted.iter().any(|keep| is_same(&keep.what, &before.what)));
    keeps.extend_from_slice(wanted);
    wanted.len()
}

fn is_same(one: &Kept, other: &Kept) -> bool {
    match (one, other) {
        (Kept::Process { identity: one, .. }, Kept::Process { identity: other, .. }) => one == other,
        (Kept::Pattern { pattern: one }, Kept::Pattern { pattern: other }) => one == other,
        _ => false,
    }
}

/// Removes all that was named, or nothing where one of them is not kept.
fn remove(args: &KeepArgs, keeps: &mut Vec<Keep>) -> anyhow::Result<usize> {
    let before = keeps.len();
    for pid in &args.pid {
        let is_it =
            |keep: &Keep| matches!(&keep.what, Kept::Process { identity, .. } if identity.pid == *pid);
        if !keeps.iter().any(is_it) {
            bail!("process {pid} is not kept; `scupper keep --list` shows what is");
        }
        keeps.retain(|keep| !is_it(keep));
    }
    for wanted in &args.matching {
        let is_it = |keep: &Keep| matches!(&keep.what, Kept::Pattern { pattern } if pattern == wanted);
        if !keeps.iter().any(is_it) {
            bail!(
                "the pattern `{}` is not kept; `scupper keep --list` shows what is",
                printable(wanted.as_bytes(), 80)
            );
        }
        keeps.retain(|keep| !is_it(keep));
    }
    Ok(before - keeps.len())
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// Whether it is about a process that has certainly ended. What cannot be told is not over.
fn is_over(proc_: &Proc, keep: &Keep) -> bool {
    let gone = |identity: &Identity| proc_.is_same(identity).is_ok_and(|same| !same);
    matches!(&keep.what, Kept::Process { identity, .. } if gone(identity))
}

/// How many processes a pattern means now.
fn matching(proc_: &Proc, pattern: &str) -> Result<usize, Failure> {
    let mut count = 0;
    for pid in proc_.pids()? {
        let Some(stat) = proc_.stat(pid)? else { continue };
        let command = proc_.command_line(pid).ok().flatten().unwrap_or_default();
        // A kernel thread and a zombie have no command line.
        count += usize::from(!command.is_empty() && known::named(pattern, &stat.name, &command));
    }
    Ok(count)
}

fn said(args: &KeepArgs) -> String {
    let pids = args.pid.iter().map(|pid| format!("process {pid}"));
    let patterns = args.matching.iter().map(|text| format!("`{}`", printable(text.as_bytes(), 80)));
    pids.chain(patterns).collect::<Vec<_>>().join(", ")
}

fn table(keeps: &[Keep], now: Timestamp) -> Table {
    let mut table = Table::new(&["PID", "WHAT", "SINCE", "LEFT"], &["PID", "LEFT"]);
    for keep in keeps {
        let (pid, what) = match &keep.what {
            Kept::Process { identity, name } => (identity.pid.to_string(), printable(name.as_bytes(), 64)),
            Kept::Pattern { pattern } => ("-".to_owned(), printable(pattern.as_bytes(), 80)),
        };
        let left = keep.until.map(|until| Duration::from_millis(until.0.saturating_sub(now.0)));
        table.row(vec![
            pid,
            what,
            keep.since.to_string(),
            left.map_or_else(|| "for good".to_owned(), |left| span(Duration::from_secs(left.as_secs()))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_kept_again_is_kept_once_and_for_the_new_time() {
        let keep = |pattern: &str, until| Keep {
            what: Kept::Pattern { pattern: pattern.to_owned() },
            until: Some(Timestamp(until)),
            since: Timestamp(1),
        };
        let mut keeps = vec![keep("a", 5), keep("b", 5)];
        assert_eq!(add(&mut keeps, &[keep("a", 9)]), 1);
        assert_eq!(keeps, [keep("b", 5), keep("a", 9)]);
    }
}
