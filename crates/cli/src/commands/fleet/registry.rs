//! Which registry is meant, and who asks.

use std::sync::Arc;

use scupper_fleet::{Address, AgentId, CoordinatorId, HostId, Store, Sweep, Timing};

use crate::agent::registry_meant;
use crate::args::{RegistryArgs, SweepArgs};
use crate::commands::serve::times::times;
use crate::failure::Failure;
use crate::{host, paths};

/// The file without which an embedded registry is none.
const EMBEDDED: &str = "fleet.sqlite";
/// The longest name of a coordinator.
const LONGEST: usize = 128;

/// The registry that is meant. To look makes no file: where nobody has registered, there is none.
pub(super) fn open(args: &RegistryArgs) -> Result<Arc<dyn Store>, Failure> {
    let address: Address = registry_meant(args.registry.as_deref()).parse()?;
    let state = paths::state(args.state.as_deref());
    if let Address::Embedded(directory) = &address
        && let Some(directory) = directory.as_deref().or(state.as_deref())
        && !directory.join(EMBEDDED).exists()
    {
        let nothing =
            format!("there is no registry in {}: nobody has registered there yet", directory.display());
        return Err(
            Failure::usage(nothing).hint(
                "`scupper serve` and `scupper run --agent ID -- COMMAND` make it; --registry URL or SCUPPER_REGISTRY \
                 names another one",
            )
        );
    }
    Ok(scupper_fleet::open(&address, state.as_deref())?)
}

/// The same with the person in front of this, who sweeps by hand: as a claim names him, and his host.
pub(super) struct ByHand {
    pub store: Arc<dyn Store>,
    pub coordinator: CoordinatorId,
    host: HostId,
    timing: Timing,
}

impl ByHand {
    pub(super) fn open(args: &RegistryArgs, sweep: &SweepArgs) -> Result<Self, Failure> {
        let timing = times(sweep.ttl, None)?;
        let host = host::host_id();
        let mut name = format!("by-hand-{}-{host}", std::process::id());
        name.truncate(LONGEST);
        Ok(Self { store: open(args)?, coordinator: name.parse()?, host, timing })
    }

    /// A sweep that claims these, or everybody where none is named.
    pub(super) fn sweep(&self, only: &[AgentId]) -> Sweep {
        let (coordinator, host) = (self.coordinator.clone(), self.host.clone());
        Sweep { coordinator, host, timing: self.timing, dry: false, asked: true, only: only.to_vec() }
    }
}
