//! A registry of one test, on a real Redis or in files of its own, with the library beside the binary.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::{
    AgentId, CoordinatorId, Epoch, HostId, Incarnation, Phase, Process, Registered, Registration, Status,
    Store, Sweep, Swept, Timing,
};
use serde_json::Value;

use crate::redis_server::RedisServer;
use crate::scene::{PATIENCE, Scene, wait_for};

/// A lease that a test does not outlive.
pub const LONG: Duration = Duration::from_hours(1);
/// One that is over before anybody looks.
pub const SHORT: Duration = Duration::from_millis(50);

pub struct Registry {
    pub url: String,
    pub store: Arc<dyn Store>,
    pub server: Option<RedisServer>,
    pub scene: Scene,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Registry {
    pub fn redis() -> Self {
        let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
        Self::over(server.url(), Some(server))
    }

    pub fn embedded() -> Self {
        let scene = Scene::new();
        let url = format!("embedded:{}", scene.path("state").display());
        let store = scupper_fleet::open(&url.parse().unwrap(), None).unwrap();
        Self { url, store, server: None, scene }
    }

    fn over(url: String, server: Option<RedisServer>) -> Self {
        let scene = Scene::new();
        let store = scupper_fleet::open(&url.parse().unwrap(), None).unwrap();
        Self { url, store, server, scene }
    }

    /// `scupper fleet ARGS` on this registry.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.scupper(&[]);
        command.arg("fleet").args(args).env("SCUPPER_REGISTRY", &self.url);
        command
    }

    pub fn fleet(&self, args: &[&str]) -> Answer {
        Answer::of(self.command(args).output().unwrap())
    }

    /// `scupper fleet ARGS --json`.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let answer = self.fleet(&[args, &["--json"]].concat());
        let said = serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        (answer.code, said)
    }

    /// Registers an agent of the host `h1`.
    pub fn register(&self, id: &str, ttl: Duration) -> Incarnation {
        self.register_on("h1", id, ttl)
    }

    pub fn register_on(&self, host: &str, id: &str, ttl: Duration) -> Incarnation {
        let registration = Registration {
            id: id.parse().unwrap(),
            nonce: format!("nonce-{id}").parse().unwrap(),
            ttl,
            takeover: false,
            earlier: None,
            coordinator: None,
            process: Process { host: host.parse().unwrap(), identity: None },
            secret: None,
        };
        let answer = self.store.register(&registration).unwrap();
        let Registered::Accepted { epoch, .. } = answer else { panic!("{id}: {answer:?}") };
        registration.incarnation(epoch)
    }

    /// Agents that are orphans by now.
    pub fn orphans(&self, ids: &[&str]) {
        let before = self.status().expired;
        for id in ids {
            self.register(id, SHORT);
        }
        wait_for("their leases have ended", PATIENCE, || {
            let expired = self.status().expired;
            if expired == before + ids.len() as u64 { Ok(()) } else { Err(expired.to_string()) }
        });
    }

    /// Sweeps until the grace of a registry that nobody has swept before is over.
    pub fn out_of_grace(&self) {
        wait_for("the grace is over", PATIENCE, || {
            let swept =
                self.sweep(|sweep| Sweep { asked: true, only: vec!["nobody".parse().unwrap()], ..sweep });
            if swept.phase == Phase::Open { Ok(()) } else { Err(format!("{:?}", swept.phase)) }
        });
    }

    /// A sweep of the coordinator `c1`, with scaled times.
    pub fn sweep(&self, change: impl FnOnce(Sweep) -> Sweep) -> Swept {
        let sweep = Sweep {
            coordinator: coordinator("c1"),
            host: "h1".parse::<HostId>().unwrap(),
            // No gap but a grace of a moment: a loaded machine may need a while between two sweeps.
            timing: Timing { max_gap: LONG, ..Timing::DEFAULT.faster(200) },
            dry: false,
            asked: false,
            only: Vec::new(),
        };
        self.store.sweep(&change(sweep)).unwrap()
    }

    pub fn status(&self) -> Status {
        self.store.status().unwrap()
    }

    pub fn has(&self, id: &str) -> bool {
        self.store.agent(&agent(id)).unwrap().is_some()
    }

    pub fn epoch(&self, id: &str) -> Option<Epoch> {
        self.store.agent(&agent(id)).unwrap().and_then(|view| view.epoch)
    }

    /// Everything that there is in it, as far as it can be seen; of Redis every key and value.
    pub fn everything(&self) -> String {
        if let Some(server) = &self.server {
            return server.ask(&["DEBUG", "DIGEST"]);
        }
        let agents = self.store.agents(None, 500).unwrap().entries;
        let claims = self.store.claims(None, 500).unwrap().entries;
        let events = self.store.events(None, 500).unwrap();
        let Status { phase, coordinators, .. } = self.status();
        format!("{agents:?}\n{claims:?}\n{events:?}\n{phase:?}\n{coordinators:?}")
    }
}

impl Answer {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by a signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn agent(id: &str) -> AgentId {
    id.parse().unwrap()
}

pub fn coordinator(id: &str) -> CoordinatorId {
    id.parse().unwrap()
}
