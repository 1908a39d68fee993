//! `run`: one command as a unit. Settings come from flags, and with `--unit` from scupper.toml below them.

use std::ffi::OsString;

use scupper_model::UnitName;
use scupper_supervise::record::Records;

use super::engine;
use crate::args::RunArgs;
use crate::config::{self, Output, UnitSettings};
use crate::failure::Failure;
use crate::paths;

/// Units of one command that may run at once under names of their own.
const NUMBERS: u32 = 1000;

pub(super) fn run(args: RunArgs) -> Result<u8, Failure> {
    let (file, file_output) = from_file(&args)?;
    let settings = args.settings.settings(args.command).over(file);
    let output = Output::from(args.output).over(file_output);
    if let Some(wrong) = settings.contradiction(|key| format!("--{}", key.replace('_', "-"))) {
        return Err(Failure::usage(wrong.message).hint(wrong.hint));
    }
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    let records = paths::records().map_err(Failure::scupper)?;
    let spec = settings.spec(|program| free_name(&records, program));
    let spec = spec.ok_or_else(|| Failure::usage("there is no command").hint("scupper run -- COMMAND"))?;
    engine::start(vec![spec], &output, records, None)
}

fn from_file(args: &RunArgs) -> Result<(UnitSettings, Output), Failure> {
    let Some(name) = &args.unit else { return Ok(Default::default()) };
    let config = config::read(&args.config)?.map_err(|problem| Failure::config(&problem))?;
    let output = config.output.clone();
    let names: Vec<String> =
        config.units.iter().flat_map(|unit| &unit.name).map(ToString::to_string).collect();
    let Some(unit) = config.unit(name) else {
        let message =
            format!("no unit named {name} in {}; it has: {}", args.config.display(), names.join(", "));
        return Err(Failure::usage(message));
    };
    Ok((unit, output))
}

/// A name for a unit that was given none: that of its command, numbered where another scupper has it.
fn free_name(records: &Records, program: &OsString) -> UnitName {
    let name = UnitName::from_command(&program.to_string_lossy());
    let numbered = (2..NUMBERS).map(|n| name.numbered(n));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| matches!(records.claim(name), Ok(Some(_)))).unwrap_or(name)
}
