//! A unit as an agent of a registry: `run --agent`.
//!
//! - `settings.rs`: what is said about it, and what cannot hold
//! - `registry.rs`: the registry, which need not answer yet
//! - `inbox.rs`: what the agent's thread says to the engine
//! - `membership.rs`: what the engine is told to do about it; what the registry is told of the unit

mod inbox;
mod membership;
mod registry;
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use scupper_fleet::agent::{Keeper, News, Setup, times};
use scupper_fleet::{Address, Clock, HostId, Process, SystemClock};

pub(crate) use self::membership::Membership;
pub(crate) use self::settings::{AgentSettings, AgentSettingsError, registry as registry_meant};

use self::inbox::{Inbox, Letter};
use crate::failure::Failure;
use crate::host::host_id;

/// How long the start of a command waits for the registry. Where it does not answer by then, the command runs.
const ASKED_FOR: Duration = Duration::from_secs(3);
/// How long those may take to leave that do not start.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Makes the unit that is about to start a member of its registry, or at least begins to. Refused where a living process
/// is the agent already, and where what was asked for cannot be.
pub(crate) fn join(settings: &AgentSettings, state: Option<&Path>) -> Result<Option<Membership>, Failure> {
    Ok(join_all(&[settings], state)?.into_iter().next().flatten())
}

/// The same for several units, all at once: where one is refused none starts, and those that were let in leave.
pub(crate) fn join_all(
    settings: &[&AgentSettings],
    state: Option<&Path>,
) -> Result<Vec<Option<Membership>>, Failure> {
    let mut joining: Vec<Option<Joining>> = Vec::new();
    let by = SystemClock.since_boot() + ASKED_FOR;
    let begun = settings.iter().try_for_each(|settings| {
        joining.push(Joining::begin(settings, state)?);
        Ok(())
    });
    let told = begun.and_then(|()| {
        let mut all = joining.iter().flatten();
        all.try_for_each(|one| one.heard(by.saturating_sub(SystemClock.since_boot())))
    });
    match told {
        Ok(()) => Ok(joining.into_iter().map(|one| one.map(Joining::membership)).collect()),
        Err(refused) => {
            leave_all(joining.into_iter().flatten().collect());
            Err(refused)
        }
    }
}

/// The same for a unit that is started beside others, which cannot wait: what the registry says comes as an order.
pub(crate) fn join_without_waiting(
    settings: &AgentSettings,
    state: Option<&Path>,
) -> Result<Option<Membership>, Failure> {
    Ok(Joining::begin(settings, state)?.map(Joining::membership))
}

/// One that is about to be a member.
struct Joining {
    keeper: Keeper,
    inbox: Arc<Inbox>,
    settings: AgentSettings,
    address: Address,
    host: HostId,
}

impl Joining {
    fn begin(settings: &AgentSettings, state: Option<&Path>) -> Result<Option<Self>, Failure> {
        let Some(id) = settings.id.clone() else { return Ok(None) };
        let timing = times(settings.ttl, settings.beat).map_err(|error| Failure::usage(error.to_string()))?;
        let address: Address = settings.registry().parse().map_err(Failure::from)?;
        let registry = registry::open(&address, state)?;
        let host = host_id();
        let setup = Setup {
            id,
            timing,
            process: Process { host: host.clone(), identity: None },
            takeover: settings.takeover,
            coordinator: None,
            secret: None,
        };
        let inbox = Inbox::new().context("cannot make an event descriptor").map_err(Failure::scupper)?;
        let inbox = Arc::new(inbox);
        let heard = Arc::clone(&inbox);
        let keeper = Keeper::start(registry, setup, move |told| heard.put(told))
            .context("cannot start the thread of the agent")
            .map_err(Failure::scupper)?;
        Ok(Some(Self { keeper, inbox, settings: settings.clone(), address, host }))
    }

    /// What the registry says first, where that is that it must not start.
    fn heard(&self, within: Duration) -> Result<(), Failure> {
        let (id, address) = (self.keeper.id(), &self.address);
        let failed = |failure: Failure| Failure { code: crate::failure::SCUPPER_FAILED, ..failure };
        match self.inbox.first(within) {
            Some(Letter { news: News::Taken { remaining }, .. }) => {
                let left = scupper_model::format_duration(whole_seconds(remaining));
                let message = format!(
                    "a living process is the agent {id} in {address}: its lease holds for another {left}"
                );
                let hint = "choose another --agent, end that one, or take its name over with --takeover";
                Err(failed(Failure::usage(message).hint(hint)))
            }
            // A coordinator that says no is there: asking again says no again. Of a store that is less sure: one that is
            // taken over by another refuses for a while.
            Some(Letter { news: News::Unanswered, error: Some(error), refused: true })
                if !address.is_store() =>
            {
                let hint = format!(
                    "set {} to that coordinator's token, or on its own host use --registry unix:SOCKET",
                    crate::token::VARIABLE
                );
                Err(failed(Failure::usage(format!("the agent {id} is not let in: {error}")).hint(hint)))
            }
            _ => Ok(()),
        }
    }

    fn membership(self) -> Membership {
        Membership::new(self.keeper, self.inbox, &self.settings, &self.address, self.host)
    }
}

/// They do not start after all: whoever was let in would keep its own next start out until its lease is over.
fn leave_all(joined: Vec<Joining>) {
    for one in &joined {
        one.keeper.leave("not started", LEAVES_WITHIN);
    }
    let by = SystemClock.since_boot() + LEAVES_WITHIN;
    for Joining { keeper, inbox, .. } in joined {
        while !keeper.is_over() && SystemClock.since_boot() < by {
            inbox.first(by.saturating_sub(SystemClock.since_boot()));
            inbox.take();
        }
        if !keeper.is_over() {
            // A call that hangs is not waited for.
            std::mem::forget(keeper);
        }
    }
}

/// Rounded up: who waits that long does not wait in vain.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}
