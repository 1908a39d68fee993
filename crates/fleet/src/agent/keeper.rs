//! Keeps one agent a member: two threads around the machine. One turns it and is never held up; the other asks the
//! registry, which may take its time.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::bell::Bell;
use super::machine::{Call, Input, Machine, News, Output};
use crate::store::{Members, StoreError};
use crate::words::{
    AgentId, Answer, Beat, CoordinatorId, Epoch, Incarnation, Item, ItemKind, Lost, Nonce, Process,
    Registration, Report, SecretHash, Timing, Written,
};
use crate::{Clock, SystemClock};

/// Who an agent is, and by which times it goes.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name.
    pub id: AgentId,
    /// All times; [`times`](super::times) makes them of a lease.
    pub timing: Timing,
    /// Which process it is.
    pub process: Process,
    /// Fence whoever has the name now, instead of being refused.
    pub takeover: bool,
    /// Who beats for it, where it does not do so itself.
    pub coordinator: Option<CoordinatorId>,
    /// What its requests are checked against over HTTP.
    pub secret: Option<SecretHash>,
}

/// What an agent is told, with the error where a registry gave one.
#[derive(Debug)]
pub struct Told<'a> {
    /// What happened.
    pub news: &'a News,
    /// With [`News::Unanswered`], what the registry's client said.
    pub error: Option<&'a StoreError>,
    shared: &'a Shared,
}

impl Told<'_> {
    /// After [`News::Lost`]: whatever acted for the agent has been stopped. The same as [`Keeper::stopped`].
    pub fn stopped(&self) {
        self.shared.say(Input::Stopped);
    }
}

/// Why a write was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The agent may not act: it holds no lease, by its own clock or by the registry's word.
    #[error("the agent {id} holds no lease now: nothing was written for it")]
    Lost {
        /// Who.
        id: AgentId,
        /// How that was learned.
        lost: Lost,
    },
    /// The registry did not take it.
    #[error("cannot write for the agent {id}")]
    Store {
        /// Who.
        id: AgentId,
        /// Why.
        source: StoreError,
    },
}

/// Keeps an agent a member until it is dropped, which leaves neither a thread nor a departure behind: an agent that is
/// to be gone is told to [`leave`](Self::leave) first. Dropping waits for a call to the registry that is under way.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    members: Handle,
    threads: Vec<JoinHandle<()>>,
}

/// A registry, which has nothing to show.
#[derive(Clone)]
struct Handle(Arc<dyn Members>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Members(..)")
    }
}

#[derive(Debug)]
struct Shared {
    id: AgentId,
    bell: Bell,
    /// Nanoseconds since boot; 0 where it may not act.
    may_act_until: AtomicU64,
    /// 0 where it is nobody.
    epoch: AtomicU64,
    over: AtomicBool,
    quit: AtomicBool,
    said: Mutex<Said>,
}

/// What others have said to the keeper.
#[derive(Debug, Default)]
struct Said {
    inputs: Vec<Input>,
    error: Option<StoreError>,
    report: Option<Report>,
    process: Option<Process>,
    why: String,
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        // Nothing is left half-done under this lock.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, input: Input) {
        self.said().inputs.push(input);
        self.bell.ring();
    }

    fn publish(&self, machine: &Machine) {
        let until = machine.may_act_until().map_or(0, nanos);
        self.may_act_until.store(until, Ordering::SeqCst);
        self.epoch.store(machine.epoch().map_or(0, |epoch| epoch.0), Ordering::SeqCst);
        self.over.store(machine.is_over(), Ordering::SeqCst);
    }

    fn incarnation(&self) -> Option<Incarnation> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        (epoch != 0).then(|| Incarnation { id: self.id.clone(), epoch: Epoch(epoch) })
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Keeper {
    /// Begins: registers, and beats. `tell` is called on a thread of its own, one thing after the other. After
    /// [`News::Lost`] the registry is not asked before somebody says [`stopped`](Self::stopped).
    pub fn start(
        members: Arc<dyn Members>,
        setup: Setup,
        tell: impl FnMut(&Told<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let nonce = uuid::Uuid::now_v7();
        let seed = u64::from_le_bytes(nonce.as_bytes()[8..].try_into().unwrap_or([7; 8]));
        let machine = Machine::new(setup.timing, Some(seed));
        let shared = Arc::new(Shared {
            id: setup.id.clone(),
            bell: Bell::new()?,
            may_act_until: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            over: AtomicBool::new(false),
            quit: AtomicBool::new(false),
            said: Mutex::default(),
        });
        let members = Handle(members);
        let (calls, asked) = sync_channel(1);
        let caller = Caller {
            shared: Arc::clone(&shared),
            members: members.clone(),
            nonce: nonce.simple().to_string(),
            setup,
        };
        let mut keeper = Self { shared: Arc::clone(&shared), members, threads: Vec::new() };
        let turning = thread::Builder::new().name("scupper-agent".into());
        keeper.threads.push(turning.spawn(move || turn(&shared, machine, &calls, tell))?);
        let asking = thread::Builder::new().name("scupper-beat".into());
        keeper.threads.push(asking.spawn(move || caller.ask(&asked))?);
        Ok(keeper)
    }

    /// Its name.
    pub fn id(&self) -> &AgentId {
        &self.shared.id
    }

    /// Whether it may act: it holds a lease, by its own clock, right now.
    pub fn may_act(&self) -> bool {
        nanos(SystemClock.since_boot()) < self.shared.may_act_until.load(Ordering::SeqCst)
    }

    /// Which incarnation it is, while it is one.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.shared.incarnation()
    }

    /// Whether it is over: left, dead, or never let in.
    pub fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::SeqCst)
    }

    /// What it says of itself with its next heartbeats.
    pub fn report(&self, report: Report) {
        self.shared.said().report = Some(report);
    }

    /// It is another process by now; said to the registry at once.
    pub fn moved(&self, process: Process) {
        self.shared.said().process = Some(process);
        self.shared.say(Input::Moved);
    }

    /// Whatever acted for it has been stopped.
    pub fn stopped(&self) {
        self.shared.say(Input::Stopped);
    }

    /// Begins to leave; [`News::Left`] says that it has. What has to be finished is finished before.
    pub fn leave(&self, why: &str, within: Duration) {
        why.clone_into(&mut self.shared.said().why);
        self.shared.say(Input::Leave { within });
    }

    /// Writes something of the agent, if it may act.
    pub fn put(&self, item: &Item) -> Result<(), WriteError> {
        let id = || self.shared.id.clone();
        let Some(who) = self.incarnation().filter(|_| self.may_act()) else {
            return Err(WriteError::Lost { id: id(), lost: Lost::Expired });
        };
        match self.members.0.put(&who, item) {
            Ok(Written::Accepted) => Ok(()),
            Ok(Written::Fenced { by }) => {
                self.shared.say(Input::WriteRefused(who.epoch));
                Err(WriteError::Lost { id: id(), lost: Lost::Fenced { by } })
            }
            Err(source) => Err(WriteError::Store { id: id(), source }),
        }
    }

    /// Reads something of the agent.
    pub fn get(&self, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.members.0.get(&self.shared.id, kind, name)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        self.shared.bell.ring();
        let own = thread::current().id();
        for thread in self.threads.drain(..) {
            // Dropped by what it tells: the thread ends when that returns.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

/// Turns the machine until the end.
fn turn(shared: &Shared, mut machine: Machine, calls: &SyncSender<Call>, mut tell: impl FnMut(&Told<'_>)) {
    while !shared.quit.load(Ordering::SeqCst) {
        let inputs = std::mem::take(&mut shared.said().inputs);
        for input in inputs.into_iter().chain([Input::Timer]) {
            let outputs = machine.step(SystemClock.since_boot(), input);
            // Who asks whether it may act is told the truth before anybody else.
            shared.publish(&machine);
            for output in outputs {
                match output {
                    // There is one call at a time: this never waits.
                    Output::Ask(call) => drop(calls.send(call)),
                    Output::Tell(news) => {
                        let error = shared.said().error.take();
                        tell(&Told { news: &news, error: error.as_ref(), shared });
                    }
                }
            }
        }
        shared.bell.wait(machine.next_deadline());
    }
}

/// Asks the registry what the machine wants to know.
#[derive(Debug)]
struct Caller {
    shared: Arc<Shared>,
    members: Handle,
    nonce: String,
    setup: Setup,
}

impl Caller {
    fn ask(mut self, asked: &Receiver<Call>) {
        for call in asked {
            if self.shared.quit.load(Ordering::SeqCst) {
                return;
            }
            let input = self.answer(call).unwrap_or_else(|error| {
                self.shared.said().error = Some(error);
                Input::Failed
            });
            self.shared.say(input);
        }
    }

    fn answer(&mut self, call: Call) -> Result<Input, StoreError> {
        let members = &self.members.0;
        Ok(match call {
            Call::Register { earlier } => {
                if let Some(process) = self.shared.said().process.take() {
                    self.setup.process = process;
                }
                let Ok(nonce) = self.nonce.parse::<Nonce>() else { return Ok(Input::Failed) };
                let registration = Registration {
                    id: self.setup.id.clone(),
                    nonce,
                    ttl: self.setup.timing.ttl,
                    takeover: self.setup.takeover && earlier.is_none(),
                    earlier,
                    coordinator: self.setup.coordinator.clone(),
                    process: self.setup.process.clone(),
                    secret: self.setup.secret,
                };
                Input::Registered(members.register(&registration)?)
            }
            Call::Beat(epoch) => {
                let report = self.shared.said().report.clone();
                let beat = Beat { who: self.incarnation(epoch), report };
                let answer = members.beat(&[beat])?.answers.into_iter().next();
                answer.map_or(Input::Failed, |answer: Answer| Input::Beaten(answer))
            }
            Call::Depart(epoch) => {
                let why = self.shared.said().why.clone();
                members.depart(&self.incarnation(epoch), &why, &self.setup.timing)?;
                Input::Departed
            }
        })
    }

    fn incarnation(&self, epoch: Epoch) -> Incarnation {
        Incarnation { id: self.setup.id.clone(), epoch }
    }
}
