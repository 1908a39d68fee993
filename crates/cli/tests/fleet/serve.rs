//! `scupper serve`: real coordinators, a real Redis, real processes that are left behind. Times are scaled by `--ttl`.

mod coordinating;
mod ending;
mod hosting;
mod objecting;
mod outage;
mod window;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::{
    Event, Happened, Incarnation, Item, ItemKind, Process, Registered, Registration, Store, StoreError,
};
use scupper_model::Identity;

use crate::redis_server::RedisServer;
use crate::scene::{PATIENCE, Scene, kill, wait_for};

/// A lease that no test outlives.
const LONG: Duration = Duration::from_hours(1);
/// The shortest that there is.
const SHORT: Duration = Duration::from_secs(1);

/// A registry, on a real Redis or in files, and a place for coordinators.
struct Fleet {
    server: Option<RedisServer>,
    url: String,
    store: Arc<dyn Store>,
    scene: Scene,
}

impl Fleet {
    fn new() -> Self {
        let server = RedisServer::start();
        Self::at(server.url(), Some(server), Scene::new())
    }

    fn embedded() -> Self {
        let scene = Scene::new();
        Self::at(format!("embedded:{}", scene.path("registry").display()), None, scene)
    }

    fn at(url: String, server: Option<RedisServer>, scene: Scene) -> Self {
        let store = scupper_fleet::open(&url.parse().unwrap(), None).unwrap();
        Self { server, url, store, scene }
    }

    fn redis(&mut self) -> &mut RedisServer {
        self.server.as_mut().unwrap()
    }

    /// `scupper serve` on a host of this name, without an API.
    fn serve(&self, host: &str, flags: &[&str]) -> Serve {
        self.serve_with(host, &["--no-listen", "--no-socket"], flags)
    }

    fn serve_with(&self, host: &str, api: &[&str], flags: &[&str]) -> Serve {
        let args = ["serve", "--registry", &self.url, "--host", host, "--log-format", "json", "--verbose"];
        let mut command = self.scene.scupper(&[&args, api, flags].concat());
        let log = self.scene.path(&format!("{host}.log"));
        command.stderr(fs::File::options().create(true).append(true).open(&log).unwrap());
        Serve { child: command.spawn().unwrap(), log: log.display().to_string() }
    }

    fn register(&self, id: &str, ttl: Duration) -> Incarnation {
        self.register_process(id, ttl, "elsewhere", None)
    }

    fn register_process(
        &self,
        id: &str,
        ttl: Duration,
        host: &str,
        identity: Option<Identity>,
    ) -> Incarnation {
        let registration = Registration {
            id: id.parse().unwrap(),
            nonce: format!("nonce-{id}").parse().unwrap(),
            ttl,
            takeover: false,
            earlier: None,
            coordinator: None,
            process: Process { host: host.parse().unwrap(), identity },
            secret: None,
        };
        let answer = self.store.register(&registration).unwrap();
        let Registered::Accepted { epoch, .. } = answer else { panic!("{id}: {answer:?}") };
        registration.incarnation(epoch)
    }

    fn tasks(&self, who: &Incarnation, count: usize) {
        for n in 0..count {
            let item = Item { kind: ItemKind::Task, name: format!("t{n}"), value: Some(b"x".to_vec()) };
            self.store.put(who, &item).unwrap();
        }
    }

    fn events(&self) -> Vec<Event> {
        self.try_events().unwrap()
    }

    /// A store stays away for a moment from a server that was away.
    fn try_events(&self) -> Result<Vec<Event>, StoreError> {
        Ok(self.store.events(None, 10_000)?.into_iter().map(|(_, event)| event).collect())
    }

    fn members(&self) -> u64 {
        self.store.status().unwrap().members
    }

    /// Waits until so many are cleaned up after; how often it was said that everything of each is gone.
    #[track_caller]
    fn wait_for_completed(&self, count: usize) -> BTreeMap<String, usize> {
        wait_for("they are cleaned up after", PATIENCE, || {
            let mut completed = BTreeMap::new();
            for event in self.try_events().map_err(|error| format!("{error:?}"))? {
                if let Happened::CleanupCompleted { agent_id, .. } = event.what {
                    *completed.entry(agent_id.to_string()).or_default() += 1;
                }
            }
            if completed.len() >= count { Ok(completed) } else { Err(format!("{completed:?}")) }
        })
    }
}

/// One coordinator.
struct Serve {
    child: Child,
    log: String,
}

impl Serve {
    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its events of one name.
    fn told(&self, name: &str) -> Vec<serde_json::Value> {
        let lines: Vec<serde_json::Value> =
            self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter().filter(|event| event["event"] == name).collect()
    }

    #[track_caller]
    fn wait_for(&self, name: &str) -> serde_json::Value {
        wait_for(name, PATIENCE, || self.told(name).into_iter().next().ok_or_else(|| self.log()))
    }

    /// TERM, and how it ended.
    fn end(mut self) -> ExitStatus {
        kill(self.pid(), 15);
        wait_for("the coordinator ends", PATIENCE, || {
            self.child.try_wait().unwrap().ok_or_else(|| self.log())
        })
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
