//! Processes that end, or have half ended, while they are looked at: what is no longer to be seen is unknown, never 0.

use std::io::Read as _;

use super::*;

/// What a process is given that is killed while it is looked at.
const FILES: u64 = 200;

fn descriptors(holdings: &Holdings) -> u64 {
    let of_descriptors = |kind: ResourceKind| Part::of(kind) == Part::Descriptors;
    holdings.table.iter().filter(|((kind, _), _)| of_descriptors(*kind)).map(|(_, held)| held.count).sum()
}

/// Waits until a condition holds.
fn until(mut condition: impl FnMut() -> bool, what: &str) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
    panic!("{what}");
}

#[test]
fn a_zombie_holds_nothing_that_could_be_seen_and_not_0() {
    let proc = proc();
    let mut program = Program::start("");
    let who = program.identity(&proc);
    program.0.kill().unwrap();
    until(|| proc.stat(who.pid).unwrap().unwrap().is_zombie(), "it becomes a zombie");
    assert_eq!(read(&proc, &who, generous()).unwrap(), None);
}

/// Whatever is said of a process that is killed meanwhile was so before that.
#[test]
fn a_process_that_is_killed_during_the_look_is_told_whole_or_not_at_all() {
    let proc = proc();
    for patience in 0..3_u32 {
        let mut program = Program::start(&format!(
            "files = [open('/dev/null') for _ in range({FILES})]\n\
             memory = bytearray(b'x' * (24 << 20))"
        ));
        let who = program.identity(&proc);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1_000_000 {
                    let Some(found) = read(&proc, &who, generous()).unwrap() else { return };
                    assert_eq!(found.unread, []);
                    assert!(descriptors(&found) >= FILES, "{:?}", found.table);
                    let own = found.memory[&MemoryKind::Heap] + found.memory[&MemoryKind::Anonymous];
                    assert!(own >= 24 << 20, "{:?}", found.memory);
                    assert!(count(&found, ResourceKind::Thread, "") >= 1);
                }
                panic!("it is gone at last");
            });
            // So that it dies at another moment of a look each time.
            let kept = (0..patience * 80_000).map(u64::from).fold(0_u64, u64::wrapping_add);
            std::hint::black_box(kept);
            program.0.kill().unwrap();
        });
    }
}

/// The first thread of a process may end while others run: what they hold is still there, and seen through them.
#[test]
fn a_process_whose_first_thread_has_ended_is_read_through_another() {
    let proc = proc();
    let script = "import ctypes, sys, threading\n\
                  files = [open('/dev/null') for _ in range(50)]\n\
                  memory = bytearray(b'x' * (24 << 20))\n\
                  def work():\n\
                 \x20   print('ready', flush=True)\n\
                 \x20   sys.stdin.read()\n\
                  threading.Thread(target=work).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)";
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = Program(command.spawn().unwrap());
    let mut ready = [0; 6];
    program.0.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let who = program.identity(&proc);
    until(|| proc.stat(who.pid).unwrap().unwrap().lost_its_main_thread(), "its first thread ends");
    let found = read(&proc, &who, generous()).unwrap().unwrap();
    assert_eq!(found.unread, []);
    assert!(count(&found, ResourceKind::File, "/dev/null") >= 50, "{:?}", found.table);
    assert!(found.memory[&MemoryKind::Heap] + found.memory[&MemoryKind::Anonymous] >= 24 << 20);
    drop(program);
    assert_eq!(read(&proc, &who, generous()).unwrap(), None);
}
