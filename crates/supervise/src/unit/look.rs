//! What the machine is told of one look at the tree: who is there, what each is, how large and how fast it grows.

use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Bytes, Connections, Identity, Pid, Resource, Total, TreeSample, Watched};

use crate::helpers::Kind;

/// What a process is to its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The command itself, or a wrapper's only child (`sh -c`, `npx`, `uv run`): ending it ends the service.
    Main,
    /// A child of a prefork master that the master replaces when it gets this signal.
    Worker {
        /// The signal that drains it.
        signal: i32,
    },
    /// A child of a prefork master that would lose work on a signal: it is drained through the main process.
    PoolWorker,
    /// Anything else: a browser, an MCP server, a subprocess.
    Helper,
}

impl Role {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Worker { .. } | Self::PoolWorker => "worker",
            Self::Helper => "helper",
        }
    }
}

/// What leaks, or grows so that it reaches its limit soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leak {
    /// Time until its limit is reached, where that can be said.
    pub time_to_limit: Option<Duration>,
}

/// One process as one look saw it. What could not be read is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Who it is.
    pub identity: Identity,
    /// Its parent now.
    pub parent: Option<Pid>,
    /// What it is.
    pub role: Role,
    /// The kernel's short name, printable.
    pub name: Arc<str>,
    /// The base name of its program, printable: the kernel's name is cut at 15 bytes, or set by the program.
    pub program: Arc<str>,
    /// Time since it started.
    pub age: Duration,
    /// Its age when it became the program that it is, as far as that was seen: 0 for most.
    pub became_at: Duration,
    /// How many times it became another program, as far as that was seen. Who only calls itself otherwise did not.
    pub changes: u32,
    /// Whether it must be left alone.
    pub spared: bool,
    /// Whether it ended and waits for its parent.
    pub zombie: bool,
    /// Resident memory.
    pub rss: Option<Bytes>,
    /// Growth since it was first seen.
    pub growth: i64,
    /// Growth over the last looks, bytes per second.
    pub slope: Option<f64>,
    /// Processor time it has used; read at whole looks alone.
    pub cpu: Option<Duration>,
    /// Whether its memory leaks.
    pub leak: Option<Leak>,
    /// Descriptors, threads, direct children, sockets, in the order of [`Resource::ALL`] without memory.
    pub counts: [Option<u64>; 4],
    /// Its connections; read now and then, and only where something has moved.
    pub connections: Option<Connections>,
    /// Of a helper, what it is; `None` before that is known.
    pub kind: Option<Kind>,
}

impl Seen {
    /// A process of which nothing is known but that it is there.
    pub fn there(identity: Identity, role: Role, name: &Arc<str>) -> Self {
        Self {
            identity,
            parent: None,
            role,
            name: Arc::clone(name),
            program: Arc::clone(name),
            age: Duration::ZERO,
            became_at: Duration::ZERO,
            changes: 0,
            spared: false,
            zombie: false,
            rss: None,
            growth: 0,
            slope: None,
            cpu: None,
            leak: None,
            counts: [None; 4],
            connections: None,
            kind: None,
        }
    }

    /// Time since it became the program that it is.
    pub const fn program_age(&self) -> Duration {
        self.age.saturating_sub(self.became_at)
    }

    /// How much of a resource it holds.
    pub fn value(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Memory => self.rss.map(|bytes| bytes.0),
            Resource::Descriptors => self.counts[0],
            Resource::Threads => self.counts[1],
            Resource::Children => self.counts[2],
            Resource::Sockets => self.counts[3],
        }
    }
}

/// One look at the whole tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Every member, parents before children.
    pub processes: Vec<Seen>,
    /// The size that memory limits are compared with: PSS where it was needed and could be read, else the sum of RSS.
    pub size: Bytes,
    /// Growth of that size, bytes per second.
    pub slope: Option<f64>,
    /// The totals.
    pub tree: TreeSample,
    /// Whether everything was read, and not memory alone.
    pub whole: bool,
    /// Whether the memory of the tree leaks.
    pub leak: Option<Leak>,
    /// How long nothing has passed through the tree, where that is asked for and could be read of every member.
    pub idle: Option<Duration>,
    /// Whether somebody new was met just before: whoever forks as fast as it is looked at may have slipped through.
    pub unsettled: bool,
}

impl Look {
    /// The tree's total of a resource: a lower bound where members could not be read, `None` where it was not asked.
    pub fn total(&self, resource: Resource) -> Option<u64> {
        let sum = |pick: fn(&Seen) -> Option<u64>| {
            self.processes.iter().filter(|p| !p.zombie).filter_map(pick).reduce(u64::saturating_add)
        };
        match resource {
            Resource::Memory => Some(self.size.0),
            Resource::Descriptors => sum(|p| p.counts[0]),
            Resource::Threads => sum(|p| p.counts[1]),
            Resource::Children => {
                let below = self.processes.iter().filter(|p| p.role != Role::Main && !p.zombie).count();
                u64::try_from(below).ok()
            }
            Resource::Sockets => sum(|p| p.counts[3]),
        }
    }

    /// A number of the tree as it is watched: `None` where this look has not read it of every member.
    pub fn watched(&self, of: Watched) -> Option<u64> {
        let whole = |total: Total| total.exact().filter(|_| self.whole);
        match of {
            Watched::Memory => self.tree.rss_bytes.exact(),
            Watched::Descriptors => whole(self.tree.fds),
            Watched::Sockets => {
                whole(self.tree.sockets).or_else(|| self.connections(|connections| connections.sockets))
            }
            Watched::Threads => whole(self.tree.threads),
            Watched::Children => self.total(Resource::Children),
            Watched::Zombies => Some(self.tree.zombies.into()),
            Watched::CloseWait => self.connections(|connections| connections.close_wait),
            Watched::FinWait2 => self.connections(|connections| connections.fin_wait2),
            // Who started them is what counts, and the tree did not.
            Watched::Browsers | Watched::StdioChildren => None,
        }
    }

    /// A sum over the connections of its members. `None` where this look has not read them of every one.
    fn connections(&self, pick: fn(&Connections) -> u64) -> Option<u64> {
        let living = self.processes.iter().filter(|seen| !seen.zombie);
        living.map(|seen| seen.connections.as_ref().map(pick)).try_fold(0, |sum, one| Some(one? + sum))
    }

    /// A member by its identity.
    pub fn find(&self, identity: &Identity) -> Option<&Seen> {
        self.processes.iter().find(|p| p.identity == *identity)
    }

    /// Members that live and may be ended.
    pub fn endable(&self) -> impl Iterator<Item = &Seen> {
        self.processes.iter().filter(|p| !p.zombie && !p.spared)
    }

    /// A process and everything below it, the process first.
    pub fn subtree(&self, root: &Identity) -> Vec<&Seen> {
        let mut found: Vec<&Seen> = self.processes.iter().filter(|p| p.identity == *root).collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).map(|p| p.identity) {
            for process in &self.processes {
                if process.parent == Some(parent.pid) && !found.iter().any(|f| f.identity == process.identity)
                {
                    found.push(process);
                }
            }
            next += 1;
        }
        found
    }
}
