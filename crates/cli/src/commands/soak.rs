//! `soak`: a command as a unit that is followed until enough is seen, and the result of it.

mod follow;
mod keep;
mod report;
mod said;

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::Context;
use scupper_model::SoakOutcome;
use scupper_supervise::soak::{Judgement, Soak, WarmUp};

use self::follow::Follower;
use super::engine;
use crate::args::SoakArgs;
use crate::config::Output;
use crate::counter::{Counter, OpsFrom};
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;
use crate::paths;

pub(super) fn run(args: &SoakArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let output = checked(args)?;
    let records = paths::records()?;
    let spec = args.settings().spec();
    let spec = spec.ok_or_else(|| Failure::usage("there is no command").hint("scupper soak -- COMMAND"))?;
    let stdout = keep_stdout().context("cannot keep stdout for the result")?;
    let counter = args
        .ops_from
        .as_ref()
        .map(|from| Counter::start(from, &args.log))
        .transpose()
        .context("cannot start a thread that counts")?;
    let soak = Rc::new(RefCell::new(Soak::new(args.criteria())));
    let follower = Follower::new(Rc::clone(&soak), counter, args, &output);
    let judgement = follower.judgement();
    let name = follower.name();
    let ran = engine::follow(spec, &output, records, Box::new(follower));
    // Whatever happened, what is said from here on is data again.
    rustix::stdio::dup2_stdout(&stdout).context("cannot write the result")?;
    ran?;
    let Some(judgement) = judgement.borrow_mut().take() else {
        return Err(anyhow::anyhow!("cannot tell how the soak came out: the unit has not ended").into());
    };
    let kept = keep::keep(args, &soak.borrow(), &judgement);
    tell(args, &name.borrow(), &soak.borrow(), &judgement, printer)?;
    kept?;
    Ok(code(judgement.result.outcome))
}

/// Where it says what happens, for the guardian.
pub(super) fn output(args: SoakArgs) -> Output {
    Output::from(args.output)
}

fn checked(args: &SoakArgs) -> Result<Output, Failure> {
    let output = Output::from(args.output.clone());
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    if matches!(args.ops_from, Some(OpsFrom::Log(_))) && args.log.is_empty() {
        let message = "--ops-from log: counts lines of a log file, and none is given";
        return Err(Failure::usage(message).hint("add --log FILE; the command's own stdout is not read"));
    }
    if matches!(args.criteria().warm_up, Some(WarmUp::Operations(_))) && args.ops_from.is_none() {
        let message = "--warm-up in operations needs to know how many were done";
        return Err(Failure::usage(message).hint("add --ops-from, or write a time such as 30s"));
    }
    keep::can_keep(args)?;
    Ok(output)
}

/// stdout is the result's alone: the command gets stderr in its place. No proxy stands between.
pub(super) fn keep_stdout() -> std::io::Result<OwnedFd> {
    let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(kept)
}

fn tell(
    args: &SoakArgs,
    unit: &str,
    soak: &Soak,
    judgement: &Judgement,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if args.json {
        printer.json(&report::report(unit, soak, judgement))?;
    } else {
        printer.line(&said::said(judgement))?;
    }
    Ok(())
}

const fn code(outcome: SoakOutcome) -> u8 {
    match outcome {
        SoakOutcome::Passed => 0,
        SoakOutcome::Failed => FINDINGS,
        SoakOutcome::CouldNotLook => UNUSABLE,
    }
}
