//! `run`: one command as a unit. Settings come from flags, and with `--unit` from scupper.toml below them.

use std::path::Path;

use scupper_model::UnitName;

use super::engine;
use crate::agent;
use crate::args::RunArgs;
use crate::config::{self, Output, UnitSettings};
use crate::failure::Failure;
use crate::paths;

pub(super) fn run(args: RunArgs) -> Result<u8, Failure> {
    let (file, file_output) = from_file(&args)?;
    let flags = UnitSettings { agent: args.agent.into(), ..args.settings.settings(args.command) };
    let settings = flags.over(file);
    start(settings, &Output::from(args.output).over(file_output))
}

/// Runs one unit with these settings, where they can hold.
pub(super) fn start(settings: UnitSettings, output: &Output) -> Result<u8, Failure> {
    if let Some(wrong) = settings.contradiction(|key| format!("--{}", key.replace('_', "-"))) {
        return Err(Failure::usage(wrong.message).hint(wrong.hint));
    }
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    let records = paths::records().map_err(Failure::scupper)?;
    let agent = settings.agent.clone();
    let spec = settings.spec();
    let spec = spec.ok_or_else(|| Failure::usage("there is no command").hint("scupper run -- COMMAND"))?;
    if let Some(membership) = agent::join(&agent, output.state.as_deref())? {
        return engine::start_leased(vec![(spec, Some(Box::new(membership)))], output, records, None);
    }
    engine::start(vec![spec], output, records, None)
}

/// The output settings alone; a file that cannot be read any more adds nothing.
pub(super) fn output(args: RunArgs) -> Output {
    let file = from_file(&args).map(|(_, output)| output).unwrap_or_default();
    Output::from(args.output).over(file)
}

fn from_file(args: &RunArgs) -> Result<(UnitSettings, Output), Failure> {
    args.unit.as_ref().map_or_else(|| Ok(Default::default()), |name| unit_of(name, &args.config))
}

/// A unit as a file has it, and where that file wants things said.
pub(super) fn unit_of(name: &UnitName, file: &Path) -> Result<(UnitSettings, Output), Failure> {
    let config = config::read(file)?.map_err(|problem| Failure::config(&problem))?;
    let output = config.output.clone();
    let names: Vec<String> =
        config.units.iter().flat_map(|unit| &unit.name).map(ToString::to_string).collect();
    let Some(unit) = config.unit(name) else {
        let message = format!("no unit named {name} in {}; it has: {}", file.display(), names.join(", "));
        return Err(Failure::usage(message));
    };
    Ok((unit, output))
}
