//! What real processes hold, beside what was put into them and what another reader of `/proc` says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use scupper_model::{MemoryKind, Pid};

use super::*;

mod ending;

/// A Python program that has done what it was asked for, and waits.
struct Program(Child);

impl Program {
    fn start(script: &str) -> Self {
        let script = format!("{script}\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()\n");
        let mut command = Command::new("python3");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn identity(&self, proc: &Proc) -> Identity {
        proc.identify(Pid::new(self.0.id().try_into().unwrap()).unwrap()).unwrap().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn proc() -> Proc {
    Proc::open(Path::new("/proc")).unwrap()
}

fn generous() -> Bounds<'static> {
    Bounds { descriptors: 16_384, memory_text: 8 << 20, goes_on: &|| true }
}

fn holdings(script: &str) -> (Program, Holdings) {
    let (proc, program) = (proc(), Program::start(script));
    let holdings = read(&proc, &program.identity(&proc), generous()).unwrap().unwrap();
    assert_eq!(holdings.unread, []);
    (program, holdings)
}

/// How many there are of a kind whose signature begins so.
fn count(holdings: &Holdings, kind: ResourceKind, begin: &str) -> u64 {
    let of_it =
        |((known, what), _): &(&(ResourceKind, String), &Held)| *known == kind && what.starts_with(begin);
    holdings.table.iter().filter(of_it).map(|(_, held)| held.count).sum()
}

#[test]
fn r024_connections_are_told_by_state_direction_and_peer() {
    let (_program, holdings) = holdings(
        "import socket, time\n\
         server = socket.create_server(('127.0.0.1', 0))\n\
         port = server.getsockname()[1]\n\
         ours = [socket.create_connection(('127.0.0.1', port)) for _ in range(5)]\n\
         theirs = [server.accept()[0] for _ in ours]\n\
         other = socket.create_server(('127.0.0.1', 0))\n\
         outside = socket.create_connection(other.getsockname())\n\
         peer = other.accept()[0]\n\
         other.close()\n\
         [one.close() for one in ours[:3]]\n\
         [one.recv(1) for one in theirs[:3]]\n\
         pair = socket.socketpair()\n\
         alone = socket.socket(socket.AF_UNIX)\n\
         never = [socket.socket() for _ in range(4)]\n\
         datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         datagrams.connect(('127.0.0.1', 9))\n\
         routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    );
    let sockets = |begin: &str| count(&holdings, ResourceKind::Socket, begin);
    assert_eq!(sockets("tcp LISTEN on 127.0.0.1:#"), 1, "{:?}", holdings.table);
    assert_eq!(sockets("tcp CLOSE_WAIT inbound on 127.0.0.1:"), 3, "{:?}", holdings.table);
    assert_eq!(sockets("tcp ESTABLISHED inbound on 127.0.0.1:"), 2);
    // Two to the first server, and both ends of the connection to the one that listens no more.
    assert_eq!(sockets("tcp ESTABLISHED outbound to 127.0.0.1:"), 4);
    assert_eq!(sockets("unix stream"), 3);
    assert_eq!(sockets("tcp not connected"), 4);
    assert_eq!(sockets("udp to 127.0.0.1:9"), 1);
    // Which is connected to nobody, and was not made to be.
    assert_eq!((sockets("netlink"), sockets("netlink ")), (1, 0), "{:?}", holdings.table);
}

#[test]
fn r024_deleted_files_are_told_by_name_and_size_and_pipes_by_their_end() {
    let (_program, holdings) = holdings(
        "import os, tempfile\n\
         directory = tempfile.mkdtemp(prefix='scupper-holdings-')\n\
         held = []\n\
         for n in range(6):\n\
        \x20   path = f'{directory}/part-{n}'\n\
        \x20   held.append(open(path, 'wb'))\n\
        \x20   held[-1].write(b'x' * 100_000)\n\
        \x20   held[-1].flush()\n\
        \x20   os.unlink(path)\n\
         held.append(os.dup(held[0].fileno()))\n\
         os.rmdir(directory)\n\
         pipes = [os.pipe() for _ in range(3)]\n\
         memory = os.memfd_create('cache-7')\n\
         os.write(memory, b'x' * 8192)\n\
         import select\n\
         polls = [select.epoll() for _ in range(2)]",
    );
    let deleted: Vec<_> =
        holdings.table.iter().filter(|((kind, _), _)| *kind == ResourceKind::DeletedFile).collect();
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    assert!(deleted[0].0.1.ends_with("/part-#"), "{deleted:?}");
    assert_eq!(deleted[0].1.count, 7);
    let bytes = deleted[0].1.bytes.unwrap();
    assert!((600_000..700_000).contains(&bytes), "each file once: {bytes}");
    // Beside what every program here is started with.
    let (_empty, at_first) = self::holdings("");
    for end in ["pipe, the end that reads", "pipe, the end that writes"] {
        let (now, then) =
            (count(&holdings, ResourceKind::Pipe, end), count(&at_first, ResourceKind::Pipe, end));
        assert_eq!(now, then + 3, "{end}");
    }
    assert_eq!(count(&holdings, ResourceKind::Kernel, "eventpoll"), 2);
    let memory = holdings.table[&(ResourceKind::File, "memfd:cache-#".to_owned())];
    assert_eq!(memory, Held { count: 1, bytes: Some(8192) });
}

#[test]
fn r024_threads_are_told_by_name_and_their_stacks_are_no_heap() {
    let (program, holdings) = holdings(
        "import ctypes, threading\n\
         libc = ctypes.CDLL(None)\n\
         wait = threading.Event()\n\
         def work(n):\n\
        \x20   libc.prctl(15, f'worker-{n}'.encode(), 0, 0, 0)\n\
        \x20   begun.release()\n\
        \x20   wait.wait()\n\
         begun = threading.Semaphore(0)\n\
         for n in range(12):\n\
        \x20   threading.Thread(target=work, args=(n,), daemon=True).start()\n\
         [begun.acquire() for _ in range(12)]",
    );
    assert_eq!(count(&holdings, ResourceKind::Thread, "worker-#"), 12, "{:?}", holdings.table);
    assert_eq!(count(&holdings, ResourceKind::Thread, ""), 13);
    let other = procfs::process::Process::new(program.0.id().try_into().unwrap()).unwrap();
    assert_eq!(other.tasks().unwrap().count(), 13);
    assert!(holdings.memory[&MemoryKind::Stack] >= 12 * 8192, "{:?}", holdings.memory);
}

/// Another reader, which sums everything, finds as much.
#[test]
fn memory_by_kind_is_all_of_it() {
    let (program, holdings) = holdings(
        "import mmap\n\
         block = mmap.mmap(-1, 40 << 20, flags=mmap.MAP_PRIVATE)\n\
         block.write(b'x' * (40 << 20))\n\
         shared = mmap.mmap(-1, 10 << 20, flags=mmap.MAP_SHARED)\n\
         shared.write(b'x' * (10 << 20))\n\
         small = [bytes(100) for _ in range(100_000)]",
    );
    let status = procfs::process::Process::new(program.0.id().try_into().unwrap()).unwrap().status().unwrap();
    let kib = |kind| holdings.memory[&kind] >> 10;
    let own =
        kib(MemoryKind::Heap) + kib(MemoryKind::Arena) + kib(MemoryKind::Anonymous) + kib(MemoryKind::Stack);
    let near = |seen: u64, said: Option<u64>| seen.abs_diff(said.unwrap()) <= 512;
    assert!(near(own, status.rssanon), "{own} of {:?}", status.rssanon);
    assert!(near(kib(MemoryKind::File), status.rssfile), "{:?} of {:?}", holdings.memory, status.rssfile);
    assert!(near(kib(MemoryKind::Shared), status.rssshmem), "{:?} of {:?}", holdings.memory, status.rssshmem);
    assert!(kib(MemoryKind::Shared) >= 10 << 10 && kib(MemoryKind::Anonymous) >= 40 << 10);
}

/// The arenas of the C library's threads are told from other mappings, those that are full as well.
#[test]
fn memory_of_threads_from_malloc_is_in_arenas() {
    // There the kernel does not say what was reserved without a claim to swap.
    let reserves = std::fs::read_to_string("/proc/sys/vm/overcommit_memory");
    if reserves.is_ok_and(|text| text.trim() == "2") {
        return;
    }
    let (_program, holdings) = holdings(
        "import ctypes, threading\n\
         libc = ctypes.CDLL(None)\n\
         libc.malloc.restype = ctypes.c_void_p\n\
         libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]\n\
         def work():\n\
        \x20   for _ in range(12_000):\n\
        \x20       libc.memset(libc.malloc(8000), 1, 8000)\n\
        \x20   done.set()\n\
        \x20   threading.Event().wait()\n\
         done = threading.Event()\n\
         threading.Thread(target=work, daemon=True).start()\n\
         done.wait()",
    );
    assert!(holdings.memory[&MemoryKind::Arena] >= 12_000 * 8000, "{:?}", holdings.memory);
    assert!(holdings.memory[&MemoryKind::Anonymous] < 32 << 20, "{:?}", holdings.memory);
}

#[test]
fn everything_open_is_counted_as_another_reader_counts_it() {
    let (program, holdings) = holdings(
        "import os\n\
         files = [open('/dev/null') for _ in range(50)] + [open(os.__file__) for _ in range(20)]",
    );
    let other = procfs::process::Process::new(program.0.id().try_into().unwrap()).unwrap();
    let of_descriptors = |kind: &ResourceKind| Part::of(*kind) == Part::Descriptors;
    let counted: u64 =
        holdings.table.iter().filter(|((kind, _), _)| of_descriptors(kind)).map(|(_, held)| held.count).sum();
    assert_eq!(counted, other.fd_count().unwrap() as u64);
    let (_empty, at_first) = self::holdings("");
    let null = |holdings: &Holdings| count(holdings, ResourceKind::File, "/dev/null");
    assert_eq!(null(&holdings), null(&at_first) + 50);
}

#[test]
fn what_inotify_watches_is_counted() {
    use rustix::fs::inotify;
    let proc = proc();
    let own = proc.identify(Pid::new(rustix::process::getpid().as_raw_pid()).unwrap()).unwrap().unwrap();
    let before = read(&proc, &own, generous()).unwrap().unwrap();
    let watcher = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    // In memory, where so many are made at once.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    // As many as some programs watch, and more than fit into little text.
    for n in 0..3000 {
        let path = directory.path().join(n.to_string());
        std::fs::write(&path, "").unwrap();
        inotify::add_watch(&watcher, &path, inotify::WatchFlags::MODIFY).unwrap();
    }
    let after = read(&proc, &own, generous()).unwrap().unwrap();
    let counted = |holdings: &Holdings| count(holdings, ResourceKind::InotifyWatch, "");
    assert_eq!(counted(&after), counted(&before) + 3000);
    // Which are too many for who has no time, and then none of them is told.
    let asked = std::cell::Cell::new(0);
    let goes_on = || {
        asked.set(asked.get() + 1);
        asked.get() < 30
    };
    let cut = read(&proc, &own, Bounds { goes_on: &goes_on, ..generous() }).unwrap().unwrap();
    assert!(!cut.has(Part::Watches) || !cut.has(Part::Descriptors), "{:?}", cut.unread);
    assert_eq!(counted(&cut), 0);
}

#[test]
fn what_is_not_read_whole_is_not_said_at_all() {
    let proc = proc();
    let program = Program::start("files = [open('/dev/null') for _ in range(30)]");
    let who = program.identity(&proc);
    let few = Bounds { descriptors: 10, memory_text: 1000, goes_on: &|| true };
    let found = read(&proc, &who, few).unwrap().unwrap();
    assert!(!found.has(Part::Descriptors) && !found.has(Part::Memory) && found.has(Part::Threads));
    assert!(found.table.keys().all(|(kind, _)| *kind == ResourceKind::Thread), "{:?}", found.table);
    assert!(!found.memory.contains_key(&MemoryKind::Heap));
    assert!(found.memory.contains_key(&MemoryKind::File), "that much is in `status`");
    let stopped = Bounds { goes_on: &|| false, ..generous() };
    let found = read(&proc, &who, stopped).unwrap().unwrap();
    assert!([Part::Descriptors, Part::Memory, Part::Threads].iter().all(|part| !found.has(*part)));
    drop(program);
    assert_eq!(read(&proc, &who, generous()).unwrap(), None, "gone is no error");
}

/// A file whose mount nobody lists may be of a server that is gone: who asked for its size would hang.
#[test]
fn a_file_on_a_mount_that_is_not_known_to_be_local_is_not_asked_for_its_size() {
    let (_program, holdings) = holdings(
        "import ctypes, os\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         name = f'/scupper-holdings-{os.getpid()}'.encode()\n\
         queue = libc.mq_open(name, os.O_RDWR | os.O_CREAT, 0o600, None)\n\
         libc.mq_unlink(name)\n\
         memory = os.memfd_create('m')",
    );
    assert_eq!(count(&holdings, ResourceKind::File, "memfd:m"), 1);
    let queues: Vec<_> =
        holdings.table.iter().filter(|((_, what), _)| what.starts_with("/scupper-holdings-#")).collect();
    // A kernel without message queues has none.
    assert!(queues.is_empty() || queues[0].1 == &Held { count: 1, bytes: None }, "{queues:?}");
    assert!(!queues.is_empty() || !Path::new("/proc/sys/fs/mqueue").exists(), "{:?}", holdings.table);
}

/// Wherever a look is stopped, what it says it has read is what there is.
#[test]
fn a_look_that_is_stopped_in_the_middle_says_what_it_has_not_read() {
    let (program, whole) = holdings(
        "import socket\n\
         pairs = [socket.socketpair() for _ in range(3)]\n\
         server = socket.create_server(('127.0.0.1', 0))\n\
         client = socket.create_connection(server.getsockname())\n\
         peer = server.accept()[0]\n\
         pairs[0][0].close()",
    );
    let proc = proc();
    let who = program.identity(&proc);
    let (mut whole_sockets, mut cut_sockets) = (0, 0);
    for most in 0..2000 {
        if whole_sockets == 5 {
            break;
        }
        let asked = std::cell::Cell::new(0);
        let goes_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= most
        };
        let found = read(&proc, &who, Bounds { goes_on: &goes_on, ..generous() }).unwrap().unwrap();
        assert!(!found.has(Part::Memory), "it takes more than {most} questions");
        let sockets = |holdings: &Holdings| -> Vec<_> {
            let of_it = |((kind, _), _): &(&(ResourceKind, String), &Held)| *kind == ResourceKind::Socket;
            holdings.table.iter().filter(of_it).map(|(key, held)| (key.clone(), *held)).collect()
        };
        if found.has(Part::Descriptors) && found.has(Part::Sockets) {
            assert_eq!(sockets(&found), sockets(&whole), "after {most} questions");
            whole_sockets += 1;
        } else if found.has(Part::Descriptors) {
            assert_eq!(count(&found, ResourceKind::Socket, "socket"), 8, "{:?}", found.table);
            cut_sockets += 1;
        } else {
            assert_eq!(count(&found, ResourceKind::Socket, ""), 0);
        }
    }
    assert!(whole_sockets > 0 && cut_sockets > 0, "{whole_sockets} and {cut_sockets}");
}

#[test]
fn a_table_stays_small() {
    let mut holdings = Holdings::default();
    let letters = |mut n: usize| {
        let mut text = String::new();
        for _ in 0..4 {
            text.push(char::from(b'g' + u8::try_from(n % 16).unwrap()));
            n /= 16;
        }
        text
    };
    for n in 0..5000 {
        holdings.add(ResourceKind::File, format!("/tmp/{}", letters(n)), Some(2));
        holdings.add(ResourceKind::File, format!("/var/{}/x", letters(n)), None);
    }
    assert!(holdings.table.len() <= 2 * MOST_SIGNATURES + 1, "{}", holdings.table.len());
    assert_eq!(holdings.table.values().map(|held| held.count).sum::<u64>(), 10_000, "nothing is lost");
    assert!(holdings.table.contains_key(&(ResourceKind::File, "/tmp/*".to_owned())));
}
