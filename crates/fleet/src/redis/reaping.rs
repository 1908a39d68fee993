//! Cleanups, step by step.

use std::time::Duration;

use super::members::{identity_json, padded, process};
use super::reply::{Odd, Parts, number, text};
use super::{RedisStore, keys, millis};
use crate::{AgentId, Claim, CoordinatorId, Epoch, HostId, Incarnation, Process, Reaped, StoreError, Timing};

/// Processes that one host is asked to look at in one call.
const DELEGATED: u64 = 1000;

/// Where the names of those are published whose cleanups begin because they are silent. Not `agent:lifecycle`: there every
/// heartbeat is told as soon as anybody listens.
const BEGUN: &str = "begun";

/// What a step came to, for the caller or for us.
enum Step {
    Said(Reaped),
    Wait(Duration),
    Search,
}

impl RedisStore {
    pub(super) fn do_reap(
        &self,
        claim: &Claim,
        delegate: Option<&Process>,
        timing: &Timing,
    ) -> Result<Reaped, StoreError> {
        let mut arguments = self.arguments();
        arguments
            .add(claim.id.as_str())
            .add(padded(claim.fence.0))
            .number(millis(timing.claim_lease))
            .number(millis(timing.objection))
            .number(self.chunk)
            .add(delegate.map_or("", |process| process.host.as_str()))
            .add(delegate.map(identity_json).unwrap_or_default());
        loop {
            let step = self.call("cleaning up", &self.scripts.reap, &arguments, |said| {
                let mut parts = Parts::of(said)?;
                Ok(match parts.text()?.as_str() {
                    "stale" => Step::Said(Reaped::Stale),
                    "aborted" => Step::Said(Reaped::Aborted),
                    "more" => Step::Said(Reaped::More { deleted: parts.number()? }),
                    "done" => Step::Said(Reaped::Completed { deleted: parts.number()? }),
                    "wait" => Step::Wait(Duration::from_millis(parts.number()?)),
                    "index" => Step::Search,
                    _ => return Err(Odd),
                })
            })?;
            match step {
                Step::Said(reaped) => return Ok(reaped),
                Step::Wait(left) => wait(left.min(timing.objection)),
                Step::Search => self.search_for(claim, timing)?,
            }
        }
    }

    pub(super) fn do_object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError> {
        let why: String = why.chars().take(200).collect();
        let why = serde_json::Value::from(format!("{by} objected: {why}")).to_string();
        let mut arguments = self.arguments();
        arguments.add(id.as_str()).add(why);
        self.call("objecting to a cleanup", &self.scripts.object, &arguments, |said| Ok(number(&said)? == 1))
    }

    pub(super) fn do_listen(
        &self,
        over: &dyn Fn() -> bool,
        begun: &mut dyn FnMut(Option<&AgentId>),
    ) -> Result<bool, StoreError> {
        let mut heard = |text: Option<&[u8]>| match text {
            // Anybody may publish there: what is no name is nobody's.
            Some(text) => {
                if let Some(id) = std::str::from_utf8(text).ok().and_then(|id| id.parse().ok()) {
                    begun(Some(&id));
                }
            }
            None => begun(None),
        };
        self.link.listen("listening for cleanups", &keys::ours(BEGUN), over, &mut heard)?;
        Ok(true)
    }

    pub(super) fn do_delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(delegated_to(host)).arg("0").arg("COUNT").arg(DELEGATED);
        self.command("reading its requests", &scan, |said| {
            let mut parts = Parts::of(said)?;
            parts.next()?;
            let found = super::reply::list(parts.next()?)?;
            let pairs = found.chunks_exact(2).filter_map(|pair| {
                let (field, identity) = (text(pair.first()?).ok()?, text(pair.get(1)?).ok()?);
                let (epoch, id) = field.split_once('|')?;
                let who = Incarnation { id: id.parse().ok()?, epoch: Epoch(epoch.parse().ok()?) };
                let identity = Some(identity).filter(|identity| !identity.is_empty());
                Some((who, process(Some(host.clone()), identity.as_deref())?))
            });
            Ok(pairs.collect())
        })
    }

    pub(super) fn do_settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError> {
        let mut delete = redis::cmd("HDEL");
        delete.arg(delegated_to(host)).arg(format!("{}|{}", padded(who.epoch.0), who.id));
        self.command("settling a request to look at a process", &delete, |said| number(&said).map(drop))
    }
}

fn delegated_to(host: &HostId) -> String {
    keys::ours(&format!("deleg:{host}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "others have this long to object, and the registry's clock says how long"
)]
fn wait(left: Duration) {
    std::thread::sleep(left);
}
