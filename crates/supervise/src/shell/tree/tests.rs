//! A tree against a `/proc` made of files, so that what is there at each look is chosen.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use scupper_model::{BootId, StartTime};
use scupper_probe::Detail;
use tempfile::TempDir;

use scupper_detect::Horizon;
use scupper_knowledge::browser::Browser;

use super::super::clock::Clock;
use super::super::nearer::Nearer;
use super::member::EXECUTED;
use super::*;
use crate::helpers::Kind;
use crate::unit::{SETTLED, Seen};

/// No process has this number.
const PID: i32 = 4_194_304 + 7;

fn fixture() -> (TempDir, Proc, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let boot = "dbd84afd-811e-495f-92fb-cb306f93cefd";
    fs::create_dir_all(dir.path().join("sys/kernel/random")).unwrap();
    fs::write(dir.path().join("sys/kernel/random/boot_id"), boot).unwrap();
    let proc = Proc::open(dir.path()).unwrap();
    let boot_id = boot.parse::<BootId>().unwrap();
    let identity = Identity { pid: Pid::new(PID).unwrap(), start_time: StartTime(99), boot_id };
    (dir, proc, identity)
}

fn process(dir: &Path, name: &str, state: char, command: &[u8]) {
    let home = dir.join(PID.to_string());
    fs::create_dir_all(home.join("task").join(PID.to_string())).unwrap();
    let zeros = "0 ".repeat(30);
    let stat =
        format!("{PID} ({name}) {state} 1 {PID} {PID} 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 99 1000 10 {zeros}\n");
    fs::write(home.join("stat"), stat).unwrap();
    fs::write(home.join("cmdline"), command).unwrap();
    fs::write(home.join("task").join(PID.to_string()).join("children"), "").unwrap();
}

fn command(tree: &Tree) -> String {
    tree.member(Pid::new(PID).unwrap()).unwrap().shown_command()
}

/// Within `exec` the name is the new one already and the command line still empty: it is read again.
#[test]
fn a_command_line_that_was_read_within_exec_is_read_again() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "scupper-launch", 'R', b"scupper\0__launch\0");
    tree.refresh(&proc, None, Duration::ZERO);
    process(dir.path(), "node", 'R', b"");
    tree.refresh(&proc, None, Duration::from_millis(20));
    assert_eq!(command(&tree), "", "not the launcher's");
    process(dir.path(), "node", 'R', b"node\0--max-old-space-size=8192\0");
    tree.refresh(&proc, None, Duration::from_millis(40));
    assert_eq!(command(&tree), "node --max-old-space-size=8192");
    // While it ends it has no command line, and as a zombie neither: what was known of it stays.
    process(dir.path(), "node", 'R', b"");
    tree.refresh(&proc, None, Duration::from_millis(400));
    process(dir.path(), "node", 'Z', b"");
    tree.refresh(&proc, None, Duration::from_secs(9));
    assert_eq!(command(&tree), "node --max-old-space-size=8192");
}

/// A zombie that nobody waits for must not keep the tree from being at rest: each look would walk it.
#[test]
fn a_zombie_settles_too() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "gone", 'Z', b"");
    tree.refresh(&proc, None, Duration::ZERO);
    tree.refresh(&proc, None, Duration::from_secs(1));
    assert!(tree.members().all(|member| member.settled));
}

/// Python that starts Python has its parent's name and command line until it has executed.
#[test]
fn a_child_of_the_same_name_gets_its_own_command_line() {
    let (dir, proc, main) = fixture();
    let mut tree = Tree::new(100);
    tree.begin(main);
    process(dir.path(), "python3", 'R', b"python3\0parent.py\0");
    tree.refresh(&proc, None, Duration::ZERO);
    process(dir.path(), "python3", 'R', b"python3\0helper.py\0");
    tree.refresh(&proc, None, Duration::from_millis(400));
    assert_eq!(command(&tree), "python3 helper.py");
}

/// A shell that becomes another program when it is told to.
struct Launcher {
    child: Child,
    input: ChildStdin,
    tree: Tree,
    proc: Proc,
    now: Duration,
    /// When the next walk is due.
    walk: Duration,
}

impl Launcher {
    fn start(line: &str) -> Self {
        let mut shell = Command::new("sh");
        let mut child = shell.args(["-c", line]).stdin(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let main = proc.identify(Pid::new(child.id().try_into().unwrap()).unwrap()).unwrap().unwrap();
        let mut tree = Tree::new(proc.ticks_per_second());
        tree.begin(main);
        Self { child, input, tree, proc, now: Duration::ZERO, walk: Duration::ZERO }
    }

    /// Looks as a unit does, each at a later time, until the main process is as expected. Walks come seldom.
    fn look_until(&mut self, detail: Option<Detail>, expected: impl Fn(&Seen, &Member) -> bool) {
        let clock = Clock::start();
        loop {
            self.tree.keep_up(&self.proc, None, self.now);
            let look = self.tree.look(&self.proc, detail, self.now);
            let (seen, member) = (&look.processes[0], self.tree.members().next().unwrap());
            if expected(seen, member) {
                return;
            }
            assert!(clock.now() < Duration::from_secs(20), "{seen:?} {}", member.shown_command());
            std::thread::yield_now();
        }
    }

    /// It has long been what it is, and nothing asks for a walk.
    fn settle(&mut self, name: &str) {
        self.look_until(None, |seen, _| &*seen.name == name);
        for _ in 0..4 {
            self.now += EXECUTED;
            self.look_until(None, |seen, member| &*seen.name == name && !member.command.is_empty());
        }
        assert!(self.tree.members().all(Member::is_settled));
        self.walk = self.tree.next_walk;
    }

    fn tell(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        for member in
            self.tree.members().filter(|member| self.proc.is_same(&member.identity).unwrap_or(false))
        {
            let pid = rustix::process::Pid::from_raw(member.identity.pid.get()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A launcher that takes its time is another program at the first look after its `exec`, and not at the next walk; where it
/// executes its own program again, at the first whole look. What it weighed before is not what the other one grew by.
#[test]
fn a_late_exec_is_seen_at_the_next_look() {
    let whole = Some(Detail { memory_split: true, ..Detail::default() });
    for (then, name, detail) in
        [("sleep 1000", "sleep", None), ("sleep 1000", "sleep", whole), ("sh -s", "sh", whole)]
    {
        let mut launcher = Launcher::start(&format!("read x; exec {then}"));
        launcher.settle("sh");
        launcher.now += Duration::from_secs(1);
        assert!(launcher.now < launcher.walk, "no walk is due");
        launcher.tell();
        launcher.look_until(detail, |seen, member| {
            (&*seen.name, &*seen.program, member.shown_command().as_str()) == (name, name, then)
        });
        launcher.look_until(detail, |seen, _| seen.program_age() == Duration::ZERO && seen.growth == 0);
        launcher.now += SETTLED * 2;
        launcher.look_until(detail, |seen, _| seen.program_age() == SETTLED * 2 && seen.growth == 0);
    }
}

/// Who calls itself otherwise, as servers do that show what they are at, is the same program: what it grew by stays known.
#[test]
fn a_program_that_renames_itself_is_the_same_program() {
    let whole = Some(Detail { memory_split: true, ..Detail::default() });
    for detail in [None, whole] {
        let mut launcher = Launcher::start("while read x; do printf busy > /proc/$$/comm; done");
        launcher.settle("sh");
        launcher.now += SETTLED * 2;
        launcher.look_until(detail, |_, _| true);
        launcher.now += SETTLED;
        launcher.look_until(detail, |_, member| member.history.growth().is_some());
        launcher.tell();
        let clock = Clock::start();
        let pid = Pid::new(launcher.child.id().try_into().unwrap()).unwrap();
        while launcher.proc.stat(pid).unwrap().unwrap().name != b"busy" {
            assert!(clock.now() < Duration::from_secs(20));
            std::thread::yield_now();
        }
        launcher.now = launcher.tree.next_walk.max(launcher.now);
        launcher.look_until(detail, |seen, _| &*seen.name == "busy");
        launcher.look_until(detail, |seen, member| {
            assert!(member.history.growth().is_some(), "{seen:?}");
            (seen.became_at, seen.changes, member.programs()) == (Duration::ZERO, 0, 0)
        });
    }
}

/// What a helper is, is found out again when it becomes another program.
#[test]
fn a_helper_that_becomes_a_browser_late_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let browser = dir.path().join("chromium");
    fs::copy("/bin/sleep", &browser).unwrap();
    let line = format!("exec 3<&0; sleep 1000 & (read x <&3; exec {} 1000) & wait", browser.display());
    let mut launcher = Launcher::start(&line);
    launcher.settle("sh");
    let mut nearer = Nearer::default();
    for (name, expected) in [("sh", Kind::Other), ("chromium", Kind::Browser(Browser::Chromium))] {
        let clock = Clock::start();
        loop {
            launcher.now += Duration::from_millis(20);
            launcher.tree.keep_up(&launcher.proc, None, launcher.now);
            let mut look = launcher.tree.look(&launcher.proc, None, launcher.now);
            nearer.add(&mut look, &launcher.tree, &launcher.proc, launcher.now, Horizon::Long);
            let mut helpers = look.processes.iter().filter(|seen| seen.role == Role::Helper);
            if helpers.any(|seen| &*seen.name == name && seen.kind == Some(expected)) {
                break;
            }
            assert!(clock.now() < Duration::from_secs(20), "{:?}", look.processes);
            std::thread::yield_now();
        }
        launcher.tell();
    }
}
