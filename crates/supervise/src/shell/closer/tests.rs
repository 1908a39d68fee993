//! Closer looks at real processes: what was put into them between two looks is what changed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use scupper_model::{MemoryKind, Pid, ResourceChange};
use scupper_probe::{Detail, Proc};

use super::*;

mod gate;
mod hanging;

pub(in crate::shell) use self::gate::GATE;

/// A Python program that runs what it is told, line by line, and says when it is done.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

const LISTENER: &str = "import sys\n\
     for line in sys.stdin:\n\
    \x20   exec(line, globals())\n\
    \x20   print('done', flush=True)\n";

impl Program {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", LISTENER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn runs(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{line}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = writeln!(self.input, "[child.kill() for child in globals().get('children', [])]");
        let mut answer = String::new();
        let _ = self.output.read_line(&mut answer);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is followed as a unit is.
struct Followed {
    program: Program,
    proc: Proc,
    tree: Tree,
    closer: Closer,
    now: Duration,
}

impl Followed {
    fn start() -> Self {
        let program = Program::start();
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let mut tree = Tree::new(proc.ticks_per_second());
        let pid = Pid::new(program.child.id().try_into().unwrap()).unwrap();
        tree.begin(proc.identify(pid).unwrap().unwrap());
        let mut closer = Closer::default();
        // A machine that is busy with other tests may let it wait.
        (closer.works.slow, closer.works.given_up) = (Duration::from_mins(1), Duration::from_mins(1));
        Self { program, proc, tree, closer, now: Duration::from_secs(100) }
    }

    fn look(&mut self) -> Look {
        self.tree.refresh(&self.proc, None, self.now);
        let detail = Detail { memory_split: true, fds: true, ..Detail::default() };
        self.tree.look(&self.proc, Some(detail), self.now)
    }

    fn main(&self) -> Identity {
        self.tree.members().next().unwrap().identity
    }

    /// Suspects something, and steps until nothing is at work.
    fn suspect(&mut self, tree: bool, series: Watched, stage: Stage) -> Vec<Comparison> {
        self.now += Duration::from_secs(20);
        let look = self.look();
        let target = (!tree).then(|| self.main());
        let suspicion = Suspicion { target, series, stage };
        let mut found = Vec::new();
        let mut suspicions = vec![suspicion];
        let clock = Clock::start();
        while !suspicions.is_empty() || !self.closer.is_idle() {
            assert!(clock.now() < Duration::from_secs(20), "the look does not end");
            let scene = Scene { look: &look, tree: &self.tree, operations: Some(7), now: self.now };
            found.extend(self.closer.step(&suspicions, scene));
            suspicions.clear();
            thread::yield_now();
        }
        let comparison = |event| match event {
            EventKind::ResourcesCompared { comparison } => *comparison,
            other => panic!("{other:?}"),
        };
        found.into_iter().map(comparison).collect()
    }

    /// What this changes.
    fn compared(&mut self, tree: bool, series: Watched, change: &str) -> Comparison {
        assert_eq!(self.suspect(tree, series, Stage::Suspected), []);
        self.program.runs(change);
        let mut found = self.suspect(tree, series, Stage::Growing);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }
}

fn change<'c>(comparison: &'c Comparison, what: &str) -> &'c ResourceChange {
    let found = comparison.resources.iter().find(|change| change.what.contains(what));
    found.unwrap_or_else(|| panic!("no {what} in {comparison:#?}"))
}

#[test]
fn r024_connections_that_were_never_closed_are_what_changed() {
    let mut unit = Followed::start();
    unit.program.runs("import socket; server = socket.create_server(('127.0.0.1', 0)); held = []");
    let connect = "held = [socket.create_connection(server.getsockname()) for _ in range(30)]; \
                   peers = [server.accept()[0] for _ in held]; [peer.close() for peer in peers]; \
                   [one.recv(1) for one in held]";
    let comparison = unit.compared(false, Watched::Descriptors, connect);
    let first = &comparison.resources[0];
    assert!(first.what.starts_with("tcp CLOSE_WAIT outbound to 127.0.0.1:"), "{comparison:#?}");
    assert_eq!((first.kind, first.before, first.after), (ResourceKind::Socket, 0, 30));
    assert_eq!((comparison.because.as_str(), comparison.role.as_str()), ("growing", "main"));
    assert_eq!((comparison.after_ms, comparison.operations, comparison.tree), (20_000, Some(0), false));
    assert_eq!((comparison.unread.len(), comparison.more_changes), (0, 0));
}

#[test]
fn r024_files_threads_pipes_and_heap_are_told_apart() {
    let mut unit = Followed::start();
    unit.program.runs("import os, tempfile, threading; held = []; wait = threading.Event()");
    let grow = "held += [tempfile.TemporaryFile() for _ in range(10)]; \
                [(f.write(b'x' * 100000), f.flush()) for f in held]; \
                [threading.Thread(target=wait.wait, daemon=True).start() for _ in range(8)]; \
                held += [os.pipe() for _ in range(4)]; held += [bytes(900) for _ in range(20000)]";
    let comparison = unit.compared(false, Watched::Memory, grow);
    let files = comparison.resources.iter().find(|change| change.kind == ResourceKind::DeletedFile).unwrap();
    assert_eq!((files.before, files.after), (0, 10), "{comparison:#?}");
    assert!(files.bytes.is_some_and(|bytes| bytes >= 1_000_000) && files.bytes_before == Some(0));
    let threads = comparison.resources.iter().find(|change| change.kind == ResourceKind::Thread).unwrap();
    assert_eq!((threads.before, threads.after), (1, 9));
    assert_eq!(
        change(&comparison, "end that writes").after - change(&comparison, "end that writes").before,
        4
    );
    let grown = |wanted: &[MemoryKind]| -> u64 {
        let of_it = comparison.memory.iter().filter(|memory| wanted.contains(&memory.kind));
        of_it.map(|memory| memory.after.unwrap().saturating_sub(memory.before.unwrap())).sum()
    };
    assert!(grown(&[MemoryKind::Heap, MemoryKind::Anonymous]) >= 15 << 20, "{comparison:#?}");
    assert!(grown(&[MemoryKind::File, MemoryKind::Shared]) < 2 << 20, "{comparison:#?}");
}

#[test]
fn r029_children_of_the_tree_are_told_by_their_command_with_their_memory() {
    let mut unit = Followed::start();
    unit.program.runs("import subprocess; children = []");
    let start = "children += [subprocess.Popen(['sleep', f'{600 + n}']) for n in range(6)]; \
                 ended = [subprocess.Popen(['true']) for _ in range(3)]; \
                 [open(f'/proc/{e.pid}/stat').read() for e in ended]";
    assert_eq!(unit.suspect(true, Watched::Children, Stage::Suspected), []);
    unit.program.runs(start);
    let clock = Clock::start();
    let comparison = loop {
        let mut found = unit.suspect(true, Watched::Children, Stage::Growing);
        if found[0].resources.iter().any(|change| change.kind == ResourceKind::Zombie && change.after == 3) {
            break found.remove(0);
        }
        // One of them had not ended yet, or not become what it is.
        assert!(clock.now() < Duration::from_secs(20), "{found:#?}");
        unit.closer.made.clear();
    };
    assert!(comparison.tree);
    let sleeping = change(&comparison, "sleep #");
    assert_eq!((sleeping.kind, sleeping.before, sleeping.after), (ResourceKind::Child, 0, 6));
    assert!(sleeping.bytes.is_some_and(|bytes| bytes > 6 * 4096), "{comparison:#?}");
}

#[test]
fn the_same_is_compared_again_only_when_it_got_worse_or_after_a_while() {
    let mut unit = Followed::start();
    let first = unit.compared(false, Watched::Memory, "held = [bytes(900) for _ in range(5000)]");
    assert_eq!(first.because, "growing");
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Growing), []);
    let leaking = unit.suspect(false, Watched::Memory, Stage::Leaking);
    assert_eq!(leaking.len(), 1);
    assert_eq!((leaking[0].because.as_str(), leaking[0].after_ms), ("leaking", 60_000));
    unit.now += AGAIN;
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Growing).len(), 1);
    // Who is about to end is looked at once more, and waited for.
    unit.now += Duration::from_secs(5);
    let look = unit.look();
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    let target = Some(unit.tree.members().next().unwrap().identity);
    let last = unit.closer.last_look(target, "recycled", Duration::from_secs(20), scene);
    assert!(
        matches!(last.as_slice(), [EventKind::ResourcesCompared { comparison }] if comparison.because == "recycled"),
        "{last:?}"
    );
}

#[test]
fn what_is_kept_goes_with_its_process() {
    let mut unit = Followed::start();
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    assert_eq!(unit.closer.kept.len(), 1);
    let scene = Scene { look: &Look::default(), tree: &unit.tree, operations: None, now: unit.now };
    let nobody = Suspicion { target: None, series: Watched::Memory, stage: Stage::Growing };
    assert_eq!(unit.closer.step(&[nobody], scene), []);
    assert!(unit.closer.kept.is_empty() && unit.closer.is_idle());
}

/// Looks on suspicion rest; a confirmed one does not wait for that.
#[test]
fn looks_on_suspicion_take_a_hundredth_of_the_time() {
    let mut unit = Followed::start();
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    assert!(unit.closer.rest_until > unit.now);
    let look = unit.look();
    let main = Some(unit.main());
    let suspicion = |stage| Suspicion { target: main, series: Watched::Memory, stage };
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    unit.closer.rest_until = unit.now + Duration::from_secs(1);
    unit.closer.step(&[suspicion(Stage::Suspected)], scene);
    assert!(!unit.closer.works.is_at_work() && unit.closer.waiting.len() == 1);
    unit.closer.step(&[suspicion(Stage::Growing)], scene);
    assert!(unit.closer.works.is_at_work() && unit.closer.waiting.is_empty());
    unit.closer.finish(Duration::from_secs(20));
}
