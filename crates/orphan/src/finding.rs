//! What is found: each process with its evidence, from the strongest to the weakest.

use std::path::PathBuf;
use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid};
use scupper_probe::snapshot::{Kinds, Unreadable};
use serde::Serialize;

/// Everything one look found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Processes whose owner is gone.
    pub left_behind: Vec<LeftBehind>,
    /// Processes that a living parent holds and does not use. Policy, no orphans.
    pub held_idle: Vec<HeldIdle>,
    /// Processes that ended and that their parent does not wait for.
    pub zombies: Vec<Zombie>,
    /// Descriptors near their limit, deleted files that are still open, connections that nobody closes.
    pub descriptors: Vec<DescriptorFinding>,
    /// Processes that look left behind and are left alone, and why.
    pub not_touched: Vec<NotTouched>,
    /// What could not be looked at.
    pub unreadable: Vec<Unreadable>,
}

/// How certain it is that a process was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Several signs, none of which is a record: a person decides.
    Likely,
    /// Scupper itself recorded whose it is, and that one is gone.
    Certain,
}

/// What kind of program it is, by its name: for grouping and for people. Decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A browser, or a process of one.
    Browser,
    /// An MCP server.
    McpServer,
    /// A coding agent.
    Agent,
    /// A test runner.
    TestRunner,
    /// A development server, a bundler, a watcher.
    DevServer,
    /// A language server.
    LanguageServer,
    /// A shell.
    Shell,
    /// Anything else.
    Other,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// In words, with the numbers in it.
    pub text: String,
}

/// Evidence by rank, strongest first (ARCHITECTURE.md, Safety 3). Only the first three make anything certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// Its very identity was recorded when it was spawned.
    RecordedSpawn,
    /// It sits in the cgroup that was made for a run.
    Cgroup,
    /// It carries the mark of a run.
    Mark,
    /// It descends from one that was left behind.
    Ancestry,
    /// Nobody holds the other end of its stdin.
    StdinGone,
    /// Nobody reads what it writes.
    OutputGone,
    /// Its working directory was deleted.
    DirectoryDeleted,
    /// Its program was deleted.
    ProgramDeleted,
    /// The terminal it was started on is closed.
    TerminalGone,
    /// The leader of its session is gone.
    SessionLeaderGone,
    /// Its parent is gone: it was re-parented to init, a subreaper or a user service manager.
    Reparented,
    /// Its name is that of programs that are often left behind.
    Name,
}

/// What is shown of any process.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Who it is.
    pub identity: Identity,
    /// Its parent.
    pub parent: Option<Pid>,
    /// The kernel's short name, printable.
    pub name: String,
    /// Its command line, redacted.
    pub command: String,
    /// Its user.
    pub uid: Option<u32>,
    /// Resident memory.
    pub rss: Option<Bytes>,
    /// Processor time used.
    pub cpu: Duration,
    /// Time since it started.
    pub age: Duration,
    /// What kind of program it is.
    pub class: Class,
}

/// One process that was left behind.
#[derive(Clone, Debug)]
pub struct LeftBehind {
    /// The process.
    pub process: Shown,
    /// The topmost process that was left behind with it: itself, or one above it.
    pub root: Pid,
    /// What it is, the same for all of its kind: `chrome`, `npx @scope/server`, `node server.js`.
    pub group: String,
    /// How certain.
    pub certainty: Certainty,
    /// Why, strongest first.
    pub evidence: Vec<Evidence>,
    /// The unit it belonged to, where that is known.
    pub unit: Option<String>,
}

/// One process that is held and not used.
#[derive(Clone, Debug)]
pub struct HeldIdle {
    /// The process.
    pub process: Shown,
    /// What it is.
    pub group: String,
    /// The living process that holds it, and its name.
    pub holder: (Pid, String),
    /// Why it counts as idle.
    pub reason: String,
    /// What it started, and would end with it: none of these is used either.
    pub below: Vec<Shown>,
}

/// One zombie.
#[derive(Clone, Debug)]
pub struct Zombie {
    /// The process.
    pub process: Shown,
    /// The parent that does not wait for it, and its name.
    pub waits_for: Option<(Pid, String)>,
}

/// Something about the descriptors of one process.
#[derive(Clone, Debug)]
pub struct DescriptorFinding {
    /// The process.
    pub process: Shown,
    /// What.
    pub kind: DescriptorKind,
    /// How many there are of it.
    pub count: u64,
    /// How many descriptors may be open, where that is what is near.
    pub limit: Option<u64>,
    /// How many descriptors of the process are what.
    pub kinds: Kinds,
    /// What deleted files take on disk.
    pub bytes: Option<Bytes>,
    /// The largest deleted file.
    pub largest: Option<PathBuf>,
}

/// What is wrong with descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptorKind {
    /// Near the limit.
    NearLimit,
    /// Deleted files that are still open.
    DeletedOpen,
    /// Connections whose other end has closed, and that nobody here closes.
    CloseWait,
}

/// A process that looks left behind and is left alone.
#[derive(Clone, Debug)]
pub struct NotTouched {
    /// The process.
    pub process: Shown,
    /// Why it is left alone.
    pub because: String,
    /// What made it look left behind.
    pub evidence: Vec<Evidence>,
}
