//! What `run`, `up`, `soak` and `report --verify` have in common: where events go, where metrics are served, and the engine itself.

use anyhow::Context;
use scupper_model::UnitSpec;
use scupper_supervise::record::Records;
use scupper_supervise::shell::{
    self, Joins, Leasehold, Observer, Options, ParentExit, Reload, Sink, SuperviseError,
};

use crate::config::{self, OnParentExit, Opens, Output};
use crate::failure::Failure;
use crate::keeps;
use crate::metrics;
use crate::sink::EventSink;

/// Runs units until they end. Gives the exit code.
pub(super) fn start(
    units: Vec<UnitSpec>,
    output: &Output,
    records: Records,
    reload: Option<Reload>,
) -> Result<u8, Failure> {
    let options = options(output, records)?;
    let sink = Box::new(EventSink::new(&opening(output, units.iter())));
    shell::supervise(units, options, sink, reload).map_err(failed)
}

/// Runs units until they end, those with a lease for as long as it says that they may act.
pub(super) fn start_leased(
    units: Vec<Leasehold>,
    output: &Output,
    records: Records,
    reload: Option<(Reload, Joins)>,
) -> Result<u8, Failure> {
    let options = options(output, records)?;
    let sink = Box::new(EventSink::new(&opening(output, units.iter().map(|(unit, _)| unit))));
    shell::supervise_leased(units, options, sink, reload).map_err(failed)
}

/// Where nothing else is said, an incident is opened for what leaks; a test has its answer anyway.
fn opening<'u>(output: &Output, mut units: impl Iterator<Item = &'u UnitSpec>) -> Output {
    let is_service = units.any(|unit| !unit.fail_on_leak);
    let default = is_service.then(Opens::leaks);
    Output { incident: output.incident.clone().or(default), ..output.clone() }
}

fn failed(error: SuperviseError) -> Failure {
    let code = error.exit_code();
    Failure { code, ..Failure::scupper(error) }
}

/// Runs one unit for somebody who follows it and says the exit code.
pub(super) fn follow(
    unit: UnitSpec,
    output: &Output,
    records: Records,
    observer: Box<dyn Observer>,
) -> Result<u8, Failure> {
    follow_into(unit, output, records, Box::new(EventSink::new(output)), observer)
}

/// The same, where somebody else takes its events.
pub(super) fn follow_into(
    unit: UnitSpec,
    output: &Output,
    records: Records,
    sink: Box<dyn Sink>,
    observer: Box<dyn Observer>,
) -> Result<u8, Failure> {
    let options = options(output, records)?;
    // An exit code of 125 would be the command's.
    Ok(shell::observe(unit, options, sink, observer)?)
}

fn options(output: &Output, records: Records) -> Result<Options, Failure> {
    if let Some(address) = output.metrics {
        metrics::serve(address.0, records.clone())
            .with_context(|| format!("cannot serve metrics on {}", address.0))
            .map_err(Failure::scupper)?;
    }
    let parent_exit = match output.on_parent_exit.unwrap_or_default() {
        OnParentExit::Auto => ParentExit::Auto,
        OnParentExit::Stop => ParentExit::Stop,
        OnParentExit::Ignore => ParentExit::Ignore,
    };
    // A mistake in what is to be kept is said before anything runs, not when something is to be ended.
    config::user_where_readable()?;
    let keeps = keeps::source(output.state.clone());
    Ok(Options { records, parent_exit, watch_terminal: true, keeps })
}
