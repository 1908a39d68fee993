//! A registry on a redis-server of its own. The server's clock is the real one: time passes by moving everything that was
//! written back, which is the same to the store, so that no load of the machine ends a lease.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scupper_fleet::{Address, RedisAddress, RedisLimits, RedisStore, Store};

use crate::redis_server::{Port, RedisServer};
use crate::suite::Fixture;

/// Moves all moments of the registry back by ARGV[1] ms, and of the seed's heartbeats where ARGV[2] is "1".
const PASS: &str = r"
local P, by = 'scupper:{0}:', tonumber(ARGV[1])
for _, set in ipairs({'dl', 'claims', 'coord', 'miss'}) do
  for _, id in ipairs(redis.call('ZRANGE', P .. set, 0, -1)) do redis.call('ZINCRBY', P .. set, -by, id) end
end
local function back(key, fields)
  for _, field in ipairs(fields) do
    local kept = redis.pcall('HGET', key, field)
    local at = type(kept) == 'string' and tonumber(kept)
    if at and at > 0 then redis.call('HSET', key, field, string.format('%.0f', at - by)) end
  end
end
back(P .. 'meta', {'last', 'grace', 'since', 'until', 'sscan'})
for _, key in ipairs(redis.call('KEYS', P:gsub('[{}]', '?') .. 'rec:*')) do back(key, {'at', 'seen', 'since'}) end
for _, key in ipairs(redis.call('KEYS', P:gsub('[{}]', '?') .. 'tomb:*')) do back(key, {'at'}) end
local limited = redis.call('KEYS', P:gsub('[{}]', '?') .. 'turn:*')
if ARGV[2] == '1' then
  for _, key in ipairs(redis.call('KEYS', 'agent:*')) do limited[#limited + 1] = key end
  for _, key in ipairs(redis.call('KEYS', 'cleanup:lock:*')) do limited[#limited + 1] = key end
end
-- Whole periods of memory (minutes where none is named), the oldest first, so that none is renamed onto one that is still to go.
for _, of in ipairs({'mem:', 'sum:'}) do
  local keys = redis.call('KEYS', P:gsub('[{}]', '?') .. of .. '*')
  table.sort(keys, function(a, b) return tonumber(a:match('%d+$')) < tonumber(b:match('%d+$')) end)
  for _, key in ipairs(keys) do
    local begin, nth = key:match('^(.-)(%d+)$')
    local periods = math.floor(by / (tonumber(begin:match('(%d+):$')) or 60000))
    if periods > 0 then redis.call('RENAME', key, begin .. string.format('%.0f', nth - periods)) end
  end
end
for _, key in ipairs(limited) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= by then redis.call('DEL', key) elseif left > by then redis.call('PEXPIRE', key, left - by) end
end
return 'passed'";

pub struct Redis {
    server: Mutex<RedisServer>,
    store: Arc<RedisStore>,
    passes_for_seed: bool,
}

/// An address as the store is opened with.
pub fn address(url: &str) -> RedisAddress {
    match url.parse().unwrap() {
        Address::Redis(address) => address,
        other => panic!("{other}"),
    }
}

/// Tries to connect again soon, since a test does not wait for 5 s.
pub fn limits() -> RedisLimits {
    RedisLimits { between: Duration::from_millis(20), ..RedisLimits::default() }
}

/// Waits for what comes by itself, for a minute at most.
#[expect(clippy::disallowed_methods, reason = "a real server takes real time")]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn store(url: &str) -> RedisStore {
    RedisStore::open_with(&address(url), limits()).unwrap()
}

impl Redis {
    /// With seed 004's keys.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Without them.
    pub fn lean() -> Self {
        Self::with("?seed=off")
    }

    /// The seed's heartbeats grow older too when time passes.
    pub fn for_seed() -> Self {
        Self { passes_for_seed: true, ..Self::start() }
    }

    fn with(query: &str) -> Self {
        Self::of(query, |store| store)
    }

    /// With a store that is odd in some way.
    pub fn of(query: &str, odd: impl FnOnce(RedisStore) -> RedisStore) -> Self {
        let server = RedisServer::start();
        let store = Arc::new(odd(store(&(server.url() + query))));
        Self { server: Mutex::new(server), store, passes_for_seed: false }
    }

    pub fn server(&self) -> MutexGuard<'_, RedisServer> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ask(&self, command: &[&str]) -> String {
        self.server().ask(command)
    }

    pub fn redis(&self) -> &RedisStore {
        &self.store
    }
}

impl Fixture for Redis {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass(&self, time: Duration) {
        let (by, seed) = (time.as_millis().to_string(), if self.passes_for_seed { "1" } else { "0" });
        assert_eq!(self.ask(&["EVAL", PASS, "0", &by, seed]), "passed");
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn restart(&self) -> bool {
        let mut server = self.server();
        server.save();
        server.kill();
        server.restart();
        true
    }

    fn lose(&self, doing: &mut dyn FnMut()) -> bool {
        self.server().save();
        doing();
        let mut server = self.server();
        server.kill();
        server.restart();
        true
    }
}

/// A cluster of three nodes, which have all slots between them.
pub struct Cluster {
    servers: Vec<RedisServer>,
    store: Arc<RedisStore>,
    url: String,
    _ports: Vec<(Port, Port)>,
}

/// The same servers with nothing in them.
pub struct Fresh<'c>(&'c Cluster, Arc<RedisStore>);

impl Cluster {
    pub fn start() -> Self {
        let held: Vec<(Port, Port)> = (0..3).map(|_| (Port::take(), Port::take())).collect();
        let ports: Vec<(String, String)> =
            held.iter().map(|(port, bus)| (port.to_string(), bus.to_string())).collect();
        let start = |(port, bus): &(String, String)| {
            let own =
                ["--bind", "127.0.0.1", "--port", port, "--cluster-port", bus, "--cluster-enabled", "yes"];
            RedisServer::start_with(&[&own[..], &["--cluster-node-timeout", "10000"]].concat())
        };
        let servers: Vec<RedisServer> = ports.iter().map(start).collect();
        for (server, range) in servers.iter().zip([["0", "5000"], ["5001", "10000"], ["10001", "16383"]]) {
            assert_eq!(server.ask(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]), "+OK");
        }
        for (port, bus) in &ports[1..] {
            assert_eq!(servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", port, bus]), "+OK");
        }
        let is_up = |server: &RedisServer| {
            let info = server.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        until("the cluster", || servers.iter().all(is_up).then_some(()));
        let url = format!("redis+cluster://127.0.0.1:{}", ports[0].0);
        Self { servers, store: Arc::new(store(&url)), url, _ports: held }
    }

    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    pub fn fresh(&self) -> Fresh<'_> {
        for server in &self.servers {
            assert_eq!(server.ask(&["FLUSHALL"]), "+OK");
        }
        Fresh(self, Arc::new(store(&self.url)))
    }

    /// The node that has our slot.
    fn node(&self) -> &RedisServer {
        let has = |server: &&RedisServer| !server.ask(&["GET", "scupper:{0}:"]).starts_with("-MOVED");
        self.servers.iter().find(has).expect("a node")
    }
}

impl Fixture for Cluster {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass(&self, time: Duration) {
        let by = time.as_millis().to_string();
        assert_eq!(self.node().ask(&["EVAL", PASS, "1", "scupper:{0}:", &by, "0"]), "passed");
    }

    fn is_exact(&self) -> bool {
        false
    }
}

impl Fixture for Fresh<'_> {
    fn store(&self) -> Arc<dyn Store> {
        self.1.clone()
    }

    fn pass(&self, time: Duration) {
        self.0.pass(time);
    }

    fn is_exact(&self) -> bool {
        false
    }
}
