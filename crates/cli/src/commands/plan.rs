//! `plan`: the notes of a vault's inbox become action plans.

mod books;
mod coming;
mod evidence;
mod front;
mod index;
mod pass;
mod said;
mod settle;
mod vault;
mod watch;
mod writing;

use self::pass::{Options, pass};
use self::vault::Vault;
use crate::args::PlanArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

pub(super) fn run(args: &PlanArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let vault = Vault::open(&args.vault).map_err(|error| {
        Failure::from(error).hint("a vault is a folder with Inbox/, which holds notes in Markdown")
    })?;
    let options = Options {
        compat: args.compat,
        dry_run: args.dry_run,
        json: args.json,
        now: args.now.clone(),
        state: args.state.clone(),
    };
    if args.watch {
        return watch::watch(&vault, &options, args.json, printer);
    }
    // A vault that cannot be written was found all the same: that is a finding, said in one line.
    let outcome = pass(&vault, &options, printer)
        .map_err(|error| Failure { code: FINDINGS, ..Failure::from(error) })?;
    outcome.say(args.json, false, printer)?;
    Ok(outcome.code())
}
