//! The lease of a unit: what its registry says becomes orders for the engine, and what the engine sees becomes reports.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::agent::{Keeper, News, OnLeaseLost};
use scupper_fleet::{
    Address, AgentId, Clock, Directive, Epoch, HostId, Lost, MemoryUse, Process, Report, SystemClock,
};
use scupper_model::{EventKind, FleetFact, Identity, SignalReason, UnitPhase};
use scupper_supervise::shell::{Lease, Order, View};

use super::inbox::{Inbox, Letter};
use super::settings::AgentSettings;

/// How long a departure may take.
const DEPARTS_WITHIN: Duration = Duration::from_secs(5);
/// The same where the registry does not answer already.
const UNANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// One unit's membership.
#[derive(Debug)]
pub(crate) struct Membership {
    /// `None` once it is over.
    keeper: Option<Keeper>,
    inbox: Arc<Inbox>,
    id: AgentId,
    registry: String,
    host: HostId,
    policy: OnLeaseLost,
    epoch: Option<Epoch>,
    /// Since when the registry does not answer, by the time since boot.
    unanswered: Option<Duration>,
    lost: Option<Duration>,
    process: Option<Identity>,
    why: String,
}

impl Membership {
    pub(crate) fn new(
        keeper: Keeper,
        inbox: Arc<Inbox>,
        settings: &AgentSettings,
        address: &Address,
        host: HostId,
    ) -> Self {
        let id = keeper.id().clone();
        Self {
            keeper: Some(keeper),
            inbox,
            id,
            registry: address.to_string(),
            host,
            policy: settings.on_lease_lost.unwrap_or_default(),
            epoch: None,
            unanswered: None,
            lost: None,
            process: None,
            why: String::new(),
        }
    }

    /// What a letter means for the unit.
    fn read(&mut self, letter: Letter, orders: &mut Vec<Order>) {
        let agent = self.id.to_string();
        let registry = self.registry.clone();
        let epoch = self.epoch.map_or(0, |epoch| epoch.0);
        let now = SystemClock.since_boot();
        let mut record = |fact| orders.push(Order::Record(Box::new(EventKind::Fleet(fact))));
        match letter.news {
            News::Registered { epoch } => {
                self.epoch = Some(epoch);
                record(FleetFact::AgentRegistered { agent, epoch: epoch.0, registry, resumed: false });
            }
            News::Unanswered => {
                self.unanswered = Some(now);
                let message = letter.error.unwrap_or_else(|| "it does not answer".to_owned());
                // It answers, and does not let this one in: no outage, and nothing that passes by itself.
                record(if letter.refused && self.epoch.is_none() {
                    FleetFact::AgentRefused { agent, registry, message, retry_ms: None }
                } else {
                    FleetFact::RegistryLost { registry, message }
                });
            }
            News::Answered => {
                let after_ms = since(self.unanswered.take(), now);
                record(FleetFact::RegistryBack { registry, after_ms });
            }
            News::Lost(lost) => {
                self.lost = Some(now);
                let action = match self.policy {
                    OnLeaseLost::Pause => "pause",
                    OnLeaseLost::Finish => "drain",
                    OnLeaseLost::Exit => "end",
                };
                record(FleetFact::LeaseLost { agent, epoch, how: how(&lost), action: action.to_owned() });
                orders.push(match self.policy {
                    OnLeaseLost::Pause => Order::Hold(SignalReason::LeaseLost),
                    OnLeaseLost::Finish => Order::Drain(SignalReason::LeaseLost),
                    OnLeaseLost::Exit => Order::End(SignalReason::LeaseLost),
                });
            }
            News::Regained { epoch } => {
                self.epoch = Some(epoch);
                let after_ms = since(self.lost.take(), now);
                record(FleetFact::LeaseRegained { agent, epoch: epoch.0, after_ms });
                orders.push(Order::Release(SignalReason::LeaseRegained));
            }
            News::Dead { why } => {
                let action = "drain".to_owned();
                record(FleetFact::LeaseLost { agent, epoch, how: format!("it is over: {why}"), action });
                orders.push(Order::Drain(SignalReason::LeaseLost));
            }
            News::Taken { .. } => {
                let message = "a living process has its name: it ends".to_owned();
                record(FleetFact::AgentRefused { agent, registry, message, retry_ms: None });
                orders.push(Order::Drain(SignalReason::LeaseLost));
            }
            News::Directed(directive) => {
                let (word, order) = match directive {
                    Directive::Drain => ("drain", Order::Drain(SignalReason::Directed)),
                    Directive::Stop => ("stop", Order::Stop(SignalReason::Directed)),
                };
                record(FleetFact::DirectiveReceived { agent, directive: word.to_owned() });
                orders.push(order);
            }
            News::Left { answered } => {
                if answered {
                    let reason = self.why.clone();
                    record(FleetFact::AgentLeft { agent, epoch, reason, keys_deleted: None });
                }
                self.let_go(answered);
                orders.push(Order::Left);
            }
            _ => {}
        }
    }

    /// Nothing is asked any more. One whose registry does not answer is not waited for: this process is about to end.
    fn let_go(&mut self, answered: bool) {
        match self.keeper.take() {
            Some(keeper) if !answered => std::mem::forget(keeper),
            keeper => drop(keeper),
        }
    }
}

impl Lease for Membership {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.inbox.descriptor()
    }

    fn orders(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        for letter in self.inbox.take() {
            self.read(letter, &mut orders);
        }
        orders
    }

    fn show(&mut self, view: &View) {
        let Some(keeper) = &self.keeper else { return };
        let memory = MemoryUse { rss: view.rss, ..MemoryUse::default() };
        keeper.report(Report { state: word(view.phase).to_owned(), verdict: view.verdict, memory });
        if view.main.is_some() && view.main != self.process {
            self.process = view.main;
            keeper.moved(Process { host: self.host.clone(), identity: view.main });
        }
    }

    fn stopped(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.stopped();
        }
    }

    fn leave(&mut self, why: &str) {
        why.clone_into(&mut self.why);
        match &self.keeper {
            Some(keeper) if !keeper.is_over() => {
                // Who has lost its lease is refused, or not answered: a call that hangs has not failed yet.
                let unanswered = self.unanswered.is_some() || self.lost.is_some();
                keeper.leave(why, if unanswered { UNANSWERED_WITHIN } else { DEPARTS_WITHIN });
            }
            _ => {
                let left = News::Left { answered: false };
                self.inbox.push(Letter { news: left, error: None, refused: false });
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Whoever drops it before the end of its unit has failed, and is not held up by a registry.
        self.let_go(false);
    }
}

fn since(begun: Option<Duration>, now: Duration) -> u64 {
    let passed = begun.map_or(Duration::ZERO, |begun| now.saturating_sub(begun));
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

/// The state of an agent in a fleet: what its unit is doing.
const fn word(phase: UnitPhase) -> &'static str {
    match phase {
        UnitPhase::Starting => "starting",
        UnitPhase::Running => "running",
        UnitPhase::Draining => "draining",
        UnitPhase::Ending => "ending",
        UnitPhase::Waiting => "waiting",
        UnitPhase::Stopped => "stopped",
    }
}

/// How the lease was lost, in words.
fn how(lost: &Lost) -> String {
    match lost {
        Lost::Fenced { by: Some(epoch) } => format!("fenced by another incarnation (epoch {epoch})"),
        Lost::Fenced { by: None } => "fenced".to_owned(),
        Lost::Expired => "it could not be renewed in time".to_owned(),
    }
}
