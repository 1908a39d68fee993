//! `up`: all units of a file, and the file again at SIGHUP.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use scupper_model::UnitSpec;
use scupper_supervise::shell::{Joins, Lease, Reload};

use super::engine;
use crate::agent::{self, AgentSettings};
use crate::args::UpArgs;
use crate::config::{self, Config, Output, UnitSettings};
use crate::failure::Failure;
use crate::paths;

pub(super) fn run(args: UpArgs) -> Result<u8, Failure> {
    let config = read(&args.file)?;
    let output = Output::from(args.output).over(config.output.clone());
    if let Some(refused) = output.metrics_refused() {
        return Err(Failure::usage(refused).hint("add --metrics-public if that is what you want"));
    }
    let records = paths::records().map_err(Failure::scupper)?;
    let agents: Vec<AgentSettings> = config.units.iter().map(|unit| unit.agent.clone()).collect();
    let specs = config.specs();
    if specs.len() != agents.len() {
        return Err(Failure::usage(format!("a unit of {} has no command", args.file.display())));
    }
    let memberships = agent::join_all(&agents.iter().collect::<Vec<_>>(), output.state.as_deref())?;
    let leases = memberships.into_iter().map(|one| one.map(|one| Box::new(one) as Box<dyn Lease>));
    let units = specs.into_iter().zip(leases).collect();
    // Where the file lies is settled now: a later SIGHUP must not depend on the working directory.
    let file = std::path::absolute(&args.file).unwrap_or(args.file);
    engine::start_leased(units, &output, records, Some(reloading(file, output.state.clone())))
}

/// The file again, and the agents that it names then.
fn reloading(file: PathBuf, state: Option<PathBuf>) -> (Reload, Joins) {
    let agents = Rc::new(RefCell::new(Vec::new()));
    let named = Rc::clone(&agents);
    let reload = move || {
        let config = reload(&file)?;
        let of = |unit: &UnitSettings| Some((unit.name.clone()?, unit.agent.clone()));
        *named.borrow_mut() = config.units.iter().filter_map(of).collect();
        Ok(config.specs())
    };
    let joins = move |spec: &UnitSpec| {
        let agents = agents.borrow();
        let Some((_, settings)) = agents.iter().find(|(name, _)| *name == spec.name) else { return Ok(None) };
        let joined = agent::join_without_waiting(settings, state.as_deref());
        let joined = joined.map_err(|failure| format!("{:#}", failure.error))?;
        Ok(joined.map(|one| Box::new(one) as Box<dyn Lease>))
    };
    (Box::new(reload), Box::new(joins))
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
fn reload(file: &Path) -> Result<Config, String> {
    let read = config::read(file).map_err(|failure| format!("{:#}", failure.error))?;
    read.map_err(|problem| problem.to_string())
}
