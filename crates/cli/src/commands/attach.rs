//! `attach`: a tree that scupper did not start, watched as a unit is, and never signalled.

mod pick;
mod show;

use std::path::Path;

use anyhow::Context;
use scupper_model::{HowEnded, Identity, UnitName, printable, redact_command};
use scupper_probe::{Detail, Proc};
use scupper_supervise::shell::{self, AttachSetup, Detached, Over};

use self::show::Show;
use crate::args::AttachArgs;
use crate::config::Output;
use crate::failure::{FINDINGS, Failure};
use crate::metrics;
use crate::output::Printer;
use crate::paths;
use crate::sink::EventSink;

pub(super) fn run(args: &AttachArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let output = Output::from(args.output.clone());
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    let proc_ = Proc::open(Path::new("/proc")).context("cannot look for processes")?;
    let target = pick::pick(args, &proc_)?;
    let records = paths::records()?;
    if let Some(address) = output.metrics {
        metrics::serve(address.0, records.clone())
            .with_context(|| format!("cannot serve metrics on {}", address.0))?;
    }
    let name = args.name.clone().unwrap_or_else(|| name_of(&proc_, &target));
    if !args.quiet {
        introduce(&proc_, &target, printer);
    }
    let setup = AttachSetup {
        target,
        name,
        records,
        every: args.every,
        lasting: args.lasting,
        horizon: args.horizon(),
        grow: args.grow.map(Into::into),
        limits: args.limits(),
        fail_on_leak: args.fail_on_leak,
    };
    let show = Show::new(args.json, args.quiet, args.lasting);
    let broken = show.broken();
    let detached = shell::attach(setup, Box::new(EventSink::new(&output)), Box::new(show))?;
    printer.end_progress();
    if let Some(unwritten) = broken.borrow_mut().take() {
        return Err(unwritten.into());
    }
    conclude(args, &target, &detached, printer);
    Ok(if args.fail_on_leak && detached.leaking > 0 { FINDINGS } else { 0 })
}

/// After its program: the kernel's name of a process is cut, and may be anything.
fn name_of(proc_: &Proc, target: &Identity) -> UnitName {
    let command = proc_.command_line(target.pid).ok().flatten().unwrap_or_default();
    let program = command.first().map(|program| String::from_utf8_lossy(program).into_owned());
    // A program that shows a title: `nginx: master process`, `redis-server *:6379`.
    let program = program.unwrap_or_default();
    let word = program.split([' ', ':']).next().unwrap_or_default();
    UnitName::from_command(word)
}

/// Whom it watches, and what of it cannot be read.
fn introduce(proc_: &Proc, target: &Identity, printer: &mut Printer) {
    let command = proc_.command_line(target.pid).ok().flatten().unwrap_or_default();
    let shown = redact_command(command.iter().map(Vec::as_slice));
    let name = proc_.stat(target.pid).ok().flatten().map(|stat| stat.name).unwrap_or_default();
    let shown = if shown.is_empty() { printable(&name, 32) } else { printable(shown.as_bytes(), 100) };
    printer.note(&format!("watching {target} ({shown}) and what is below it; nothing of it is signalled"));
    let detail = Detail { fds: true, sockets: true, ..Detail::default() };
    let process = proc_.process(target.pid).ok().flatten();
    let Some(sample) = process.and_then(|process| process.sample(proc_, detail).ok().flatten()) else {
        return;
    };
    let missing: Vec<&str> = [("descriptors", sample.fds), ("sockets", sample.sockets)]
        .into_iter()
        .filter_map(|(what, number)| number.is_none().then_some(what))
        .collect();
    if !missing.is_empty() {
        let owner = proc_.uid(target.pid).ok().flatten();
        let whose = owner.map_or_else(String::new, |uid| format!(" of user {uid}"));
        printer.note(&format!(
            "its {} cannot be read: it is a process{whose}, or one that hides them; its memory, threads and children \
             can (for all of it run scupper as that user or as root)",
            missing.join(" and ")
        ));
    }
}

fn conclude(args: &AttachArgs, target: &Identity, detached: &Detached, printer: &mut Printer) {
    if args.quiet {
        return;
    }
    let rest = match detached.processes {
        0 => String::new(),
        1 => "; 1 process of it runs on".to_owned(),
        more => format!("; {more} processes of it run on"),
    };
    let over = match detached.over {
        Over::Ended(how) => format!("{target} ended{}", how_ended(how)),
        Over::TimeIsOver => "the time is over".to_owned(),
        Over::Asked => "not watching any more".to_owned(),
    };
    printer.note(&format!("{over}{rest}"));
}

fn how_ended(how: HowEnded) -> String {
    match how {
        HowEnded::Exited { code } | HowEnded::NotStarted { code } => format!(" with exit code {code}"),
        HowEnded::Signaled { signal, core_dumped } => {
            format!(" by signal {signal}{}", if core_dumped { ", with a core dump" } else { "" })
        }
        HowEnded::Unknown => "; how, its parent alone was told".to_owned(),
    }
}
