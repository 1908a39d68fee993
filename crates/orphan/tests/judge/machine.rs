//! A small imagined machine: one says what matters of a process, and everything else is as it is for most.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use scupper_model::{
    BootId, Bytes, Identity, Keep, Kept, Pid, ProcessState, Profile, RunId, StartTime, Timestamp,
};
use scupper_orphan::{Findings, Known, KnownRun, LeftBehind, NotTouched, Observer, Settings, judge};
use scupper_probe::CgroupPath;
use scupper_probe::snapshot::{
    Descriptors, End, Marks, PipeHolders, Process, Snapshot, Tcp, UnixSocket, Unreadable,
};
use scupper_probe::sockets::TcpState;

/// The user who asks.
pub const ME: u32 = 1000;
/// The scupper that looks, and the shell it was typed in.
pub const OBSERVER: i32 = 200;
pub const SHELL: i32 = 100;
/// The user's service manager, to which orphans are handed.
pub const MANAGER: i32 = 50;
/// When the machine is looked at, in ticks of 10 ms since boot.
const NOW_TICKS: u64 = 100_000_000;
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub struct Machine {
    pub snapshot: Snapshot,
    pub known: Known,
    pub settings: Settings,
    pub observer: Observer,
    /// Ends of pipes beyond those of stdin, stdout and stderr: inode, pid, whether it is the writing one.
    more_ends: Vec<(u64, i32, bool)>,
}

pub fn pid(number: i32) -> Pid {
    Pid::new(number).unwrap()
}

pub fn boot() -> BootId {
    "0b8f2c9e-5d0d-4d8e-9f43-3f7c5b7f8a11".parse().unwrap()
}

/// The identity of a process of the machine: its start follows from its number, so that children are younger.
pub fn identity(number: i32) -> Identity {
    Identity {
        pid: pid(number),
        start_time: StartTime(u64::try_from(number).unwrap() * 1000),
        boot_id: boot(),
    }
}

pub fn run(number: u32) -> RunId {
    RunId(format!("0192a3b4-c5d6-7e8f-9012-{number:012x}").parse().unwrap())
}

impl Machine {
    /// An init, the user's service manager, a terminal's shell with scupper in it.
    pub fn new() -> Self {
        let snapshot = Snapshot {
            boot_id: boot(),
            uptime: Duration::from_millis(NOW_TICKS * 10),
            processes: Vec::new(),
            pipes: HashMap::new(),
            unix_sockets: Some(HashMap::new()),
            tcp: Some(HashMap::new()),
            unreadable: Vec::new(),
        };
        let settings = Settings {
            min_age: Duration::from_mins(1),
            user: None,
            idle_after: Duration::from_mins(30),
            now: NOW,
        };
        let observer = Observer { pid: pid(OBSERVER), uid: ME };
        let mut this = Self { snapshot, known: Known::default(), settings, observer, more_ends: Vec::new() };
        this.add(1, 0, "systemd", &["/sbin/init"]).session(1).uid(0).cgroup("/init.scope").stdio_null();
        this.add(MANAGER, 1, "systemd", &["/lib/systemd/systemd", "--user"])
            .session(MANAGER)
            .cgroup("/user.slice/user-1000.slice/user@1000.service/init.scope")
            .stdio_null();
        this.add(SHELL, 1, "bash", &["-bash"]).session(SHELL).terminal(false);
        this.add(OBSERVER, SHELL, "scupper", &["scupper", "scan"]).terminal(false);
        this
    }

    /// A process like most: the session and the user of its parent, ends on `/dev/null`, a directory at home.
    pub fn add(&mut self, number: i32, parent: i32, name: &str, command: &[&str]) -> Builder<'_> {
        let above = self.snapshot.processes.iter().find(|p| p.identity.pid.get() == parent);
        let process = Process {
            identity: identity(number),
            age: Duration::from_hours(2),
            parent: Pid::new(parent),
            group: number,
            session: above.map_or(0, |above| above.session),
            has_terminal: false,
            name: name.as_bytes().to_vec(),
            state: ProcessState::Alive,
            rss: Some(Bytes(10 << 20)),
            cpu: Duration::from_millis(900),
            threads: 1,
            uid: Some(ME),
            command: Some(command.iter().map(|word| word.as_bytes().to_vec()).collect()),
            marks: Marks::Read { run: None, unit: None, keep: None },
            cgroups: Some(vec![v2("/user.slice/user-1000.slice/session-2.scope")].into()),
            ignores_hangup: Some(false),
            executable: Some(PathBuf::from(format!("/usr/bin/{name}")).into()),
            working_directory: Some("/home/me/project".into()),
            descriptors: Some(Descriptors {
                count: 3,
                stdio: [End::Null, End::Null, End::Null],
                ..Descriptors::default()
            }),
        };
        self.snapshot.processes.push(process);
        Builder { machine: self, number }
    }

    /// An orphan: handed to the user's service manager, in the session of a terminal's shell that is gone.
    pub fn orphan(&mut self, number: i32, name: &str, command: &[&str]) -> Builder<'_> {
        self.add(number, MANAGER, name, command).session(90)
    }

    /// An MCP server whose client is gone: both pipes lead to nobody.
    pub fn server(&mut self, number: i32) -> Builder<'_> {
        let inode = u64::try_from(number).unwrap() * 10;
        self.orphan(number, "node", &["node", "/opt/node_modules/.bin/mcp-server-files", "/home/me"])
            .pipes(inode, inode + 1)
    }

    pub fn process(&mut self, number: i32) -> &mut Process {
        self.snapshot.processes.iter_mut().find(|p| p.identity.pid.get() == number).unwrap()
    }

    /// Gives an end of a pipe to one more process.
    pub fn holds(&mut self, number: i32, inode: u64, writes: bool) {
        self.more_ends.push((inode, number, writes));
    }

    /// Two connected Unix sockets.
    pub fn connected(&mut self, one: u64, other: u64) {
        let table = self.snapshot.unix_sockets.as_mut().unwrap();
        let socket =
            |peer| UnixSocket { peer: Some(peer), peer_is_gone: false, listens: false, shows_windows: false };
        table.insert(one, socket(other));
        table.insert(other, socket(one));
    }

    /// Gives a socket the name of a display server's.
    pub fn shows_windows(&mut self, inode: u64) {
        self.snapshot.unix_sockets.as_mut().unwrap().get_mut(&inode).unwrap().shows_windows = true;
    }

    /// A Unix socket of another kind.
    pub fn unix(&mut self, inode: u64, peer_is_gone: bool, listens: bool) {
        let table = self.snapshot.unix_sockets.as_mut().unwrap();
        table.insert(inode, UnixSocket { peer: None, peer_is_gone, listens, shows_windows: false });
    }

    pub fn tcp(&mut self, inode: u64, state: TcpState, local: &str, remote: &str) {
        let socket = Tcp { state, local: local.parse().unwrap(), remote: remote.parse().unwrap() };
        self.snapshot.tcp.as_mut().unwrap().insert(inode, socket);
    }

    /// A recorded run with these watchers and mains.
    pub fn recorded(&mut self, number: u32, watchers: &[i32], mains: &[i32]) -> &mut KnownRun {
        self.known.runs.push(KnownRun {
            unit: "web".parse().unwrap(),
            run: run(number),
            watchers: watchers.iter().map(|&n| identity(n)).collect(),
            mains: mains.iter().map(|&n| identity(n)).collect(),
            profile: Profile::Agent,
            agent: None,
            keep: Vec::new(),
            ended: false,
        });
        self.known.runs.last_mut().unwrap()
    }

    pub fn keep(&mut self, what: Kept, until: Option<Timestamp>) {
        self.known.keeps.push(Keep { what, until, since: Timestamp(0) });
    }

    pub fn unreadable(&mut self, number: i32, what: &'static str) {
        self.snapshot.unreadable.push(Unreadable { pid: pid(number), what, why: "EACCES".into() });
    }

    /// The snapshot with the pipes of everybody.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.snapshot.clone();
        let mut ends = Vec::new();
        for process in &snapshot.processes {
            for (descriptor, end) in process.descriptors.iter().flat_map(|d| d.stdio.iter().enumerate()) {
                if let End::Pipe(inode) = end {
                    ends.push((*inode, process.identity.pid, descriptor > 0));
                }
            }
        }
        ends.extend(self.more_ends.iter().map(|&(inode, number, writes)| (inode, pid(number), writes)));
        for (inode, pid, writes) in ends {
            let holders: &mut PipeHolders = snapshot.pipes.entry(inode).or_default();
            if writes { holders.writers.push(pid) } else { holders.readers.push(pid) }
        }
        snapshot
    }

    pub fn findings(&self) -> Findings {
        judge(&self.snapshot(), &self.known, self.observer, &self.settings)
    }

    pub fn left(&self) -> Vec<(i32, scupper_orphan::Certainty)> {
        let mut left: Vec<_> =
            self.findings().left_behind.iter().map(|l| (l.process.identity.pid.get(), l.certainty)).collect();
        left.sort_unstable();
        left
    }

    pub fn left_behind(&self, number: i32) -> LeftBehind {
        let findings = self.findings();
        let found = findings.left_behind.iter().find(|l| l.process.identity.pid.get() == number);
        found.unwrap_or_else(|| panic!("{number} is not left behind: {findings:#?}")).clone()
    }

    pub fn not_touched(&self, number: i32) -> NotTouched {
        let findings = self.findings();
        let found = findings.not_touched.iter().find(|n| n.process.identity.pid.get() == number);
        found.unwrap_or_else(|| panic!("{number} is not listed as left alone: {findings:#?}")).clone()
    }
}

pub fn v2(path: &str) -> CgroupPath {
    CgroupPath { hierarchy: 0, controllers: Vec::new(), path: path.into() }
}

/// Says more of one process.
pub struct Builder<'m> {
    machine: &'m mut Machine,
    number: i32,
}

impl Builder<'_> {
    pub fn with(self, change: impl FnOnce(&mut Process)) -> Self {
        change(self.machine.process(self.number));
        self
    }

    fn ends(self, change: impl FnOnce(&mut Descriptors)) -> Self {
        self.with(|process| change(process.descriptors.as_mut().unwrap()))
    }

    pub fn session(self, session: i32) -> Self {
        self.with(|process| process.session = session)
    }

    pub fn own_session(self) -> Self {
        let number = self.number;
        self.session(number)
    }

    pub fn uid(self, uid: u32) -> Self {
        self.with(|process| process.uid = Some(uid))
    }

    pub fn cgroup(self, path: &str) -> Self {
        self.with(|process| process.cgroups = Some(vec![v2(path)].into()))
    }

    pub fn stdio(self, stdin: End, stdout: End, stderr: End) -> Self {
        self.ends(|descriptors| descriptors.stdio = [stdin, stdout, stderr])
    }

    pub fn stdio_null(self) -> Self {
        self.stdio(End::Null, End::Null, End::Null).directory("/")
    }

    /// Stdin and stdout on pipes, stderr on a log.
    pub fn pipes(self, stdin: u64, stdout: u64) -> Self {
        self.stdio(End::Pipe(stdin), End::Pipe(stdout), End::File("/home/me/log".into()))
    }

    pub fn terminal(self, gone: bool) -> Self {
        let end = || End::Terminal { path: "/dev/pts/0".into(), gone };
        self.stdio(end(), end(), end()).with(|process| process.has_terminal = !gone)
    }

    pub fn file_output(self) -> Self {
        self.stdio(End::Null, End::File("/home/me/out".into()), End::File("/home/me/out".into()))
    }

    pub fn directory(self, path: &str) -> Self {
        self.with(|process| process.working_directory = Some(path.into()))
    }

    pub fn sockets(self, inodes: &[u64]) -> Self {
        self.ends(|descriptors| descriptors.sockets.extend(inodes))
    }

    pub fn mark(self, number: u32, unit: &str) -> Self {
        let marks = Marks::Read {
            run: Some(run(number).to_string().into_bytes()),
            unit: Some(unit.as_bytes().to_vec()),
            keep: None,
        };
        self.with(|process| process.marks = marks)
    }

    pub fn descriptors(self, change: impl FnOnce(&mut Descriptors)) -> Self {
        self.ends(change)
    }
}
