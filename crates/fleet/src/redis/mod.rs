//! The registry in Redis or Valkey: what agents of many hosts share.
//!
//! - `link`: connections, and their errors; `check`: whether a server can be a registry.
//! - `keys`, `scripts`: where everything is, and the Lua that changes it. Whatever must hold at once is one script, and the
//!   server's clock is the only one. What they decide is said in plain functions in `rules/`.
//! - `members`, `sweeping`, `reaping`, `looking`, `taken`: the calls, one by one; `shown`: an agent as it is read; `told`: what
//!   goes along with a heartbeat.
//! - `seed`: agents that were written to seed 004 and know nothing of epochs. Its keys and channels are also written for ours
//!   (the mirror), so that its readers see them; `?seed=off` in the address leaves both out, for a cheaper heartbeat.
//! - `leaked`: what the seed's code left of agents that are in no registry any more.
//!
//! With asynchronous replication a failover can forget what was just written. Then two coordinators may clean up after the same
//! incarnation, which does no harm; two incarnations never both write through one primary.

mod check;
mod keys;
mod leaked;
mod link;
mod looking;
mod members;
mod reaping;
mod reply;
mod scripts;
mod seed;
mod shown;
mod sweeping;
mod taken;
mod told;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Value;
use scupper_model::{Bytes, Timestamp};

pub use self::link::RedisLimits;

use self::link::Link;
use self::reply::{Read, damaged};
use self::scripts::{Arguments, Lua, Scripts};
use self::told::Told;
use crate::address::RedisAddress;
use crate::store::OUT_OF_BOUNDS;
use crate::store::depart;
use crate::{
    AgentId, AgentView, Beat, Beaten, Claim, ClaimView, CoordinatorId, Directive, Event, EventId, Happened,
    HostId, Incarnation, Item, ItemKind, LeakWindow, Leaked, Members, Page, Process, Reaped, Reason,
    Registered, Registration, Status, Store, StoreError, Sweep, Swept, Timing, Totals, Written,
};

/// A registry in Redis or Valkey.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
    /// Whether seed 004's keys are written and read.
    seed: bool,
    /// What was last told of each agent.
    told: Mutex<Told>,
    /// Claims on agents of the seed whose keys have not been looked for: one search finds those of all.
    unsearched: Mutex<HashMap<AgentId, crate::Fence>>,
    /// Keys that one call of [`Store::reap`] deletes: the server does nothing else meanwhile.
    chunk: u64,
    /// Whether scripts are sent in the form for servers before Redis 7, whatever answers.
    plain: bool,
}

/// Keys of one call, where nothing else is said.
const CHUNK: u64 = 500;

impl RedisStore {
    /// Reads the address, and the files it names; nothing is connected yet.
    pub fn open(address: &RedisAddress) -> Result<Self, StoreError> {
        Self::open_with(address, RedisLimits::default())
    }

    /// The same with other time limits.
    pub fn open_with(address: &RedisAddress, limits: RedisLimits) -> Result<Self, StoreError> {
        let link = Link::new(address, limits)?;
        // A script of a cluster may touch one slot only, and the seed's keys are all over it.
        let seed = address.seed && !link.is_cluster();
        Ok(Self {
            link,
            scripts: Scripts::new(),
            seed,
            told: Mutex::default(),
            unsearched: Mutex::default(),
            chunk: CHUNK,
            plain: false,
        })
    }

    /// Deletes at most so many keys in one call of [`Store::reap`] (500 otherwise; at least 5, for the seed's own keys of an
    /// agent go at once): a short step for tests.
    #[must_use]
    pub fn chunked(self, keys: u64) -> Self {
        Self { chunk: keys.clamp(5, CHUNK), ..self }
    }

    /// Takes a guard out of the scripts, to show that the tests miss it: this text becomes that. `None` where no script has it.
    #[doc(hidden)]
    #[must_use]
    pub fn rewritten(self, from: &str, to: &str) -> Option<Self> {
        let scripts = Scripts::rewritten(from, to)?;
        Some(Self { scripts, ..self })
    }

    /// Sends scripts as to a server before Redis 7, to test these where there is a newer one only.
    #[doc(hidden)]
    #[must_use]
    pub fn as_before_redis_7(self) -> Self {
        Self { plain: true, ..self }
    }

    /// What agents take is told so often, instead of once in a period of the leak window: for a measurement.
    #[doc(hidden)]
    #[must_use]
    pub fn sampled_every(self, time: Duration) -> Self {
        locked(&self.told).sample_every(time);
        self
    }

    /// The first argument of every script but the heartbeat's.
    fn arguments(&self) -> Arguments {
        let mut arguments = Arguments::new();
        arguments.flag(self.seed);
        arguments
    }

    fn run(&self, doing: &'static str, script: &Lua, arguments: &Arguments) -> Result<Value, StoreError> {
        self.link.ask(doing, |connection, version| {
            let is_modern = version.is_some_and(check::Version::is_modern) && !self.plain;
            script.run(connection, is_modern, arguments)
        })
    }

    /// Runs a script and reads what it answers.
    fn call<T>(
        &self,
        doing: &'static str,
        script: &Lua,
        arguments: &Arguments,
        read: impl FnOnce(Value) -> Read<T>,
    ) -> Result<T, StoreError> {
        read(self.run(doing, script, arguments)?).map_err(|_| damaged(self.link.url(), doing))
    }

    /// One plain command, and what it answers.
    fn command<T>(
        &self,
        doing: &'static str,
        command: &redis::Cmd,
        read: impl FnOnce(Value) -> Read<T>,
    ) -> Result<T, StoreError> {
        let said = self.link.ask(doing, |connection, _| command.query(connection))?;
        read(said).map_err(|_| damaged(self.link.url(), doing))
    }

    fn refused(&self, doing: &'static str, what: &'static str) -> StoreError {
        let advice = OUT_OF_BOUNDS;
        StoreError::Refused { url: self.link.url().to_owned(), doing, advice, source: what.into() }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 12)
}

impl Members for RedisStore {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        self.do_register(registration)
    }

    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        self.do_beat(beats)
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        self.do_put(who, item)
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.do_get(id, kind, name)
    }

    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        depart(self, who, why, timing)
    }
}

impl Store for RedisStore {
    fn check(&self) -> Result<(), StoreError> {
        self.do_check()
    }

    fn leave(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<Claim>, StoreError> {
        self.do_leave(who, why, timing)
    }

    fn sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError> {
        self.do_sweep(sweep)
    }

    fn reap(&self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Result<Reaped, StoreError> {
        self.do_reap(claim, delegate, timing)
    }

    fn object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError> {
        self.do_object(id, by, why)
    }

    fn listen(
        &self,
        over: &dyn Fn() -> bool,
        begun: &mut dyn FnMut(Option<&AgentId>),
    ) -> Result<bool, StoreError> {
        self.do_listen(over, begun)
    }

    fn delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError> {
        self.do_delegated(host)
    }

    fn settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError> {
        self.do_settle(host, who)
    }

    fn direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError> {
        self.do_direct(id, directive)
    }

    fn adopt(&self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> Result<u64, StoreError> {
        self.do_adopt(from, to)
    }

    fn resign(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        let mut arguments = self.arguments();
        arguments.add(who.as_str());
        self.run("ending a coordinator's lease", &self.scripts.resign, &arguments)?;
        self.do_adopt(who, None).map(drop)
    }

    fn lost_settled(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        let mut arguments = self.arguments();
        arguments.add(who.as_str());
        self.run("settling a lost coordinator", &self.scripts.settled, &arguments).map(drop)
    }

    fn take_turn(&self, what: &str, by: &CoordinatorId, lease: Duration) -> Result<bool, StoreError> {
        self.do_take_turn(what, by, lease)
    }

    fn leak_window(&self) -> Result<LeakWindow, StoreError> {
        self.do_leak_window(None)
    }

    fn set_leak_window(&self, window: LeakWindow, by: &CoordinatorId) -> Result<LeakWindow, StoreError> {
        self.do_leak_window(Some((window, by)))
    }

    fn memory(&self, nth: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError> {
        self.do_memory(nth)
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        self.do_totals()
    }

    fn leaked(&self) -> Result<Option<Leaked>, StoreError> {
        self.do_leaked()
    }

    fn delete_leaked(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        self.do_delete_leaked(keys)
    }

    fn announce(&self, what: &Happened) -> Result<(), StoreError> {
        self.do_announce(what)
    }

    fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<(EventId, Event)>, StoreError> {
        self.do_events(after, limit)
    }

    fn agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError> {
        self.do_agents(from, limit)
    }

    fn agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError> {
        self.do_agent(id)
    }

    fn claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError> {
        self.do_claims(from, limit)
    }

    fn status(&self) -> Result<Status, StoreError> {
        self.do_status()
    }

    fn epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        self.do_epitaph(id)
    }
}
