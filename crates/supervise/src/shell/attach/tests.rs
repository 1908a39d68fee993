use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use scupper_model::StartTime;

use super::following::Following;
use super::*;

/// A shell that does what it is told, line by line; ended with the test, and whoever it said that it started.
struct Told {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    started: Vec<i32>,
}

impl Told {
    fn start() -> Self {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", "while read -r line; do eval \"$line\"; done"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, started: Vec::new() }
    }

    /// Does it.
    fn does(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Does it, and gives the number of a process that it prints.
    fn told(&mut self, line: &str) -> i32 {
        self.does(line);
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        let pid = answer.trim().parse().unwrap();
        self.started.push(pid);
        pid
    }

    fn pid(&self) -> Pid {
        Pid::new(self.child.id().try_into().unwrap()).unwrap()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        for pid in &self.started {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proc() -> Proc {
    Proc::open(Path::new("/proc")).unwrap()
}

fn pids(following: &Following) -> Vec<i32> {
    following.members().map(|member| member.identity.pid.get()).collect()
}

/// Looks until it holds.
#[track_caller]
fn until(following: &mut Following, proc: &Proc, holds: impl Fn(&[i32]) -> bool) {
    let clock = Clock::start();
    loop {
        following.keep_up(proc, clock.now());
        if holds(&pids(following)) {
            return;
        }
        assert!(clock.now() < Duration::from_secs(20), "members: {:?}", pids(following));
        let _ =
            rustix::event::poll(&mut [], Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }
}

/// Safety 7: `attach` never signals. Neither this module nor what it is made of names anything that could: the one way a
/// signal is sent is `deliver`, and the machine's effects and the spawning of commands are the only other ways to it.
#[test]
fn attach_has_no_way_to_a_signal() {
    let sources = [
        ("attach", include_str!("mod.rs")),
        ("attach::ending", include_str!("ending.rs")),
        ("attach::following", include_str!("following.rs")),
        ("attach::status", include_str!("status.rs")),
        ("tree", include_str!("../tree.rs")),
        ("membership", include_str!("../membership.rs")),
        ("nearer", include_str!("../nearer.rs")),
        ("pss", include_str!("../pss.rs")),
        ("server", include_str!("../server.rs")),
        ("poller", include_str!("../poller.rs")),
        ("death", include_str!("../death.rs")),
    ];
    let ways = [
        "deliver::",
        "deliver(",
        "Untouchable",
        "send_signal",
        "kill_process",
        "kill_current",
        "tgkill",
        "cgroup.kill",
        "Effect",
        "spawn::",
        "guardian::",
        "earlier::",
        "UnitShell",
        "Command::new",
    ];
    for (name, source) in sources {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (number, line) in code.enumerate() {
            let found = ways.iter().find(|way| line.contains(**way));
            assert!(found.is_none(), "{name}: {found:?} in code line {number}: {line}");
        }
    }
}

#[test]
fn a_member_whose_parent_ends_is_still_followed() {
    let proc = proc();
    let mut shell = Told::start();
    let mut following = Following::begin(&proc, &proc.stat(shell.pid()).unwrap().unwrap());
    // A parent in between, in a session of its own, so that only the memory of it can tell.
    let middle =
        shell.told("setsid sh -c 'sleep 1000 & echo $!; read -r x < /dev/zero || :; exec sleep 1000' & : ");
    let grandchild = middle;
    until(&mut following, &proc, |pids| pids.contains(&grandchild) && pids.len() >= 3);
    let parent = proc.stat(Pid::new(grandchild).unwrap()).unwrap().unwrap().parent.unwrap();
    assert_ne!(parent, shell.pid());
    shell.does(&format!("kill -9 {parent}; wait"));
    until(&mut following, &proc, |pids| !pids.contains(&parent.get()));
    assert!(pids(&following).contains(&grandchild));
    let now = proc.stat(Pid::new(grandchild).unwrap()).unwrap().unwrap();
    assert_ne!(now.parent, Some(parent), "it was re-parented");
}

#[test]
fn who_left_the_tree_of_a_session_leader_before_the_first_look_is_found_by_its_session() {
    let proc = proc();
    let mut shell = Told::start();
    let orphan = shell.told("(sleep 1000 & echo $!)");
    let mut following = Following::begin(&proc, &proc.stat(shell.pid()).unwrap().unwrap());
    until(&mut following, &proc, |pids| pids.contains(&orphan));
    // Of a process that leads no session, the others in it are strangers.
    let child = Pid::new(shell.told("sleep 1000 & echo $!")).unwrap();
    let mut alone = Following::begin(&proc, &proc.stat(child).unwrap().unwrap());
    alone.keep_up(&proc, Duration::ZERO);
    assert_eq!(pids(&alone), [child.get()]);
}

#[test]
fn a_process_that_is_gone_or_another_by_now_is_not_watched() {
    struct Nowhere;
    impl Sink for Nowhere {
        fn record(&mut self, event: &Event) {
            panic!("{event:?}");
        }
        fn close(&mut self) {}
    }
    impl Viewer for Nowhere {
        fn look(&mut self, _: Duration, _: &Look, _: &Standing) {
            panic!("a look");
        }
        fn event(&mut self, event: &Event) {
            panic!("{event:?}");
        }
        fn goes_on(&self) -> bool {
            true
        }
    }
    let proc = proc();
    let directory = tempfile::tempdir().unwrap();
    let own = proc.identify(Pid::new(rustix::process::getpid().as_raw_pid()).unwrap()).unwrap().unwrap();
    let setup = Setup {
        target: Identity { start_time: StartTime(own.start_time.0 - 1), ..own },
        name: "x".parse().unwrap(),
        records: Records::open(directory.path(), rustix::process::geteuid().as_raw()).unwrap(),
        every: Duration::from_secs(1),
        lasting: None,
        horizon: Horizon::Long,
        grow: None,
        limits: Limits::default(),
        fail_on_leak: false,
    };
    let refused = attach(setup, Box::new(Nowhere), Box::new(Nowhere));
    assert!(matches!(refused, Err(AttachError::Gone { pid }) if pid == own.pid), "{refused:?}");
}
