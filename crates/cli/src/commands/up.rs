//! `up`: all units of a file, and the file again at SIGHUP.

use std::path::Path;

use scupper_model::UnitSpec;

use super::engine;
use crate::args::UpArgs;
use crate::config::{self, Config, Output};
use crate::failure::Failure;
use crate::paths;

pub(super) fn run(args: UpArgs) -> Result<u8, Failure> {
    let config = read(&args.file)?;
    let output = Output::from(args.output).over(config.output.clone());
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    if let Some(unit) = config.units.iter().find(|unit| unit.agent.id.is_some()) {
        let name = unit.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!("the unit {name} of {} is an agent: one is run by itself", args.file.display());
        return Err(Failure::usage(message).hint(format!("scupper run --unit {name}")));
    }
    let records = paths::records().map_err(Failure::scupper)?;
    // Where the file lies is settled now: a later SIGHUP must not depend on the working directory.
    let file = std::path::absolute(&args.file).unwrap_or(args.file);
    let reload = move || reload(&file);
    engine::start(config.specs(), &output, records, Some(Box::new(reload)))
}

/// The output settings alone; a file that cannot be read any more adds nothing.
pub(super) fn output(args: UpArgs) -> Output {
    let file = read(&args.file).map(|config| config.output).unwrap_or_default();
    Output::from(args.output).over(file)
}

fn read(file: &Path) -> Result<Config, Failure> {
    config::read(file)?.map_err(|problem| Failure::config(&problem))
}

/// The units as the file has them now. Its other settings hold until the next start.
fn reload(file: &Path) -> Result<Vec<UnitSpec>, String> {
    let read = config::read(file).map_err(|failure| format!("{:#}", failure.error))?;
    read.map(Config::specs).map_err(|problem| problem.to_string())
}
