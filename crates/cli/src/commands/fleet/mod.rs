//! `fleet`: what a registry says of the agents in it, and the little that a person changes there. Each command looks through
//! the one trait that every store keeps; what comes from the registry is shown as text, whatever it says.

mod agents;
mod clean;
mod drain;
mod events;
mod leaked;
mod locks;
mod orphans;
mod registry;
mod status;
mod view;

use crate::args::{FleetArgs, FleetCommand};
use crate::failure::Failure;
use crate::output::Printer;

pub(super) fn run(args: &FleetArgs, printer: &mut Printer) -> Result<u8, Failure> {
    match &args.command {
        FleetCommand::Status(args) => status::run(args, printer),
        FleetCommand::Agents(args) => agents::run(args, printer),
        FleetCommand::Orphans(args) => orphans::run(args, printer),
        FleetCommand::Clean(args) => clean::run(args, printer),
        FleetCommand::Locks(args) => locks::run(args, printer),
        FleetCommand::Events(args) => events::run(args, printer),
        FleetCommand::Drain(args) => drain::run(args, printer),
    }
}
