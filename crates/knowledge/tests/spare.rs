//! Who is left alone, on real processes: a tmux and a screen server, a redis that made itself a daemon, and look-alikes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests and their helpers")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scupper_knowledge::{Because, Candidate, Member, spared, spared_members};
use scupper_model::Profile;
use support::{Found, end, installed, processes, program, split_nul, tree, wait_for};

/// What /proc says of one process, owned, so that a `Candidate` can borrow it.
struct Seen {
    found: Found,
    environment: Option<Vec<Vec<u8>>>,
    cgroups: Vec<(String, String)>,
    own_cgroups: Vec<(String, String)>,
    stdin_null: Option<bool>,
    cwd_root: Option<bool>,
}

fn cgroups(pid: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let parts = text.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    parts.map(|part| (part[1].to_owned(), part[2].to_owned())).collect()
}

impl Seen {
    fn of(found: Found) -> Self {
        let pid = found.pid;
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
        Self {
            environment: fs::read(format!("/proc/{pid}/environ")).ok().map(|e| split_nul(&e)),
            cgroups: cgroups(&pid.to_string()),
            own_cgroups: cgroups("self"),
            stdin_null: link("fd/0").map(|to| to == Path::new("/dev/null")),
            cwd_root: link("cwd").map(|to| to == Path::new("/")),
            found,
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            name: &self.found.name,
            command: &self.found.command,
            environment: self.environment.as_deref(),
            same_user: true,
            cgroups: &self.cgroups,
            own_cgroups: &self.own_cgroups,
            unit_cgroup: None,
            session_leader: self.found.session == self.found.pid.get(),
            has_terminal: self.found.terminal != 0,
            stdin_null: self.stdin_null,
            cwd_root: self.cwd_root,
            kept: None,
        }
    }

    fn reason(&self, profile: Profile) -> Option<Because> {
        spared(&self.candidate(), profile, &[])
    }
}

/// A process that left its parent, found by the mark in its environment; ended with its tree.
struct Daemon {
    mark: String,
    directory: tempfile::TempDir,
}

impl Daemon {
    /// Runs a program that leaves something behind. `@` in an argument stands for a directory of its own.
    fn start(program: &Path, arguments: &[&str]) -> Self {
        // screen refuses a directory that others may read.
        let private = fs::Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        let mark = format!("SCUPPER_TEST_MARK={home}");
        let status = Command::new(program)
            .args(arguments.iter().map(|a| a.replace('@', home)))
            .env("SCUPPER_TEST_MARK", home)
            .env("SCREENDIR", home)
            .env("TMUX_TMPDIR", home)
            .env("TERM", "xterm")
            .env_remove("TMUX")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{} {status}", program.display());
        Self { mark, directory }
    }

    /// Those with the mark, and those whose command line names the directory: a program that writes its own title, as
    /// redis does, writes it over its environment too.
    fn members(&self) -> Vec<Found> {
        let home = self.directory.path().to_str().unwrap();
        let is_ours = |process: &Found| {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            split_nul(&environment).iter().any(|entry| entry == self.mark.as_bytes())
                || process.command.iter().any(|a| String::from_utf8_lossy(a).contains(home))
        };
        processes().into_iter().filter(is_ours).collect()
    }

    /// The one of this name.
    fn find(&self, name: &str) -> Seen {
        let is = |p: &Found| p.name.starts_with(name.as_bytes()) && p.session == p.pid.get();
        let found = wait_for(name, || self.members().into_iter().find(|p| is(p)));
        Seen::of(found)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for member in self.members() {
            end(member.pid);
        }
    }
}

fn is_spared_for_agents_only(seen: &Seen, because: &Because) {
    assert_eq!(seen.reason(Profile::Agent).as_ref(), Some(because), "{:?}", seen.found);
    for profile in [Profile::Web, Profile::Worker, Profile::Job, Profile::Mcp] {
        assert_eq!(seen.reason(profile), None);
    }
}

#[test]
fn r118_a_real_tmux_server_and_its_shell_are_spared_for_agents_only() {
    installed();
    let Some(tmux) = program("tmux") else { return };
    let daemon =
        Daemon::start(&tmux, &["-f", "/dev/null", "-S", "@/tmux", "new-session", "-d", "sleep 1000"]);
    let server = daemon.find("tmux: server");
    is_spared_for_agents_only(&server, &Because::Multiplexer);
    let pid = server.found.pid;
    let members = wait_for("its session", || Some(tree(pid)).filter(|tree| tree.len() >= 2));
    let seen: Vec<Seen> = members.into_iter().map(Seen::of).collect();
    let members: Vec<Member<'_>> = seen
        .iter()
        .map(|s| Member { pid: s.found.pid, parent: s.found.parent, candidate: s.candidate() })
        .collect();
    let spared = spared_members(&members, Profile::Agent, &[]);
    assert_eq!(spared.len(), members.len(), "{spared:?}");
    assert_eq!(spared_members(&members, Profile::Worker, &[]), []);
}

#[test]
fn r118_a_real_screen_server_is_spared_for_agents_only() {
    installed();
    let Some(screen) = program("screen") else { return };
    let daemon = Daemon::start(&screen, &["-dmS", "scupper", "sleep", "1000"]);
    is_spared_for_agents_only(&daemon.find("screen"), &Because::Multiplexer);
}

#[test]
fn r118_a_real_redis_that_made_itself_a_daemon_is_spared_for_agents_only() {
    installed();
    let Some(redis) = program("redis-server") else { return };
    let arguments = ["--daemonize", "yes", "--port", "0", "--unixsocket", "@/s", "--save", "", "--dir", "@"];
    let daemon = Daemon::start(&redis, &arguments);
    is_spared_for_agents_only(&daemon.find("redis-server"), &Because::DaemonByChoice);
}

#[test]
fn r119_a_sleep_that_called_setsid_is_spared_by_nobody_unless_it_is_marked() {
    let setsid = PathBuf::from("/usr/bin/setsid");
    let daemon = Daemon::start(&setsid, &["-f", "sleep", "1000"]);
    assert_eq!(daemon.find("sleep").reason(Profile::Agent), None);
    let kept = Daemon::start(Path::new("/usr/bin/env"), &["SCUPPER_KEEP=1", "setsid", "-f", "sleep", "1000"]);
    // Until it is another program, the environment is that of `setsid`, and the mark is in both.
    assert_eq!(kept.find("sleep").reason(Profile::Job), Some(Because::KeepMark));
}
