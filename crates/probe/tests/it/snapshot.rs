//! The pass over every process, on a fixture.

use std::error::Error as _;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use scupper_model::{Bytes, ProcessState};
use scupper_probe::snapshot::{self, End, Kinds, Marks, PipeHolders, Process, Snapshot, Tcp};
use scupper_probe::sockets::TcpState;

use crate::support::{FakeProc, pid};

/// `PF_KTHREAD` and what else kthreadd shows.
const KERNEL_THREAD: u32 = 2_129_984;

fn take(fake: &FakeProc) -> Snapshot {
    snapshot::take(&fake.open()).unwrap()
}

fn of(seen: &Snapshot, number: i32) -> &Process {
    seen.processes.iter().find(|process| process.identity.pid == pid(number)).unwrap()
}

fn link(fake: &FakeProc, name: &str, target: &str) {
    let path = fake.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

#[test]
fn everything_of_a_process_is_read() {
    let fake = FakeProc::new();
    fake.process(40, 1);
    fake.write("40/cmdline", b"node\0server.js\0\0\0");
    fake.write(
        "40/environ",
        b"PATH=/bin\0SCUPPER_RUN=r1\0XSCUPPER_UNIT=no\0SCUPPER_UNIT=api\0SCUPPER_RUN=r2\0",
    );
    fake.write("40/cgroup", "4:memory:/a\n0::/b\n");
    fake.write("40/status", "Name:\tx\nSigIgn:\t0000000000001001\n");
    link(&fake, "40/exe", "/usr/bin/node (deleted)");
    link(&fake, "40/cwd", "/srv");
    for (fd, target) in [
        "/dev/null",
        "/dev/pts/7 (deleted)",
        "pipe:[5]",
        "socket:[6]",
        "socket:[6]",
        "pipe:[7]",
        "pipe:[7]",
        "anon_inode:[eventpoll]",
        "/memfd:x (deleted)",
        "/dev/shm/x",
        "/dev/fuse",
        "/var/log/x",
        "/gone (deleted)",
    ]
    .into_iter()
    .enumerate()
    {
        link(&fake, &format!("40/fd/{fd}"), target);
    }
    let seen = take(&fake);
    assert_eq!(seen.uptime, Duration::from_millis(1_000_500));
    let process = of(&seen, 40);
    let ticks = fake.open().ticks_per_second();
    assert_eq!(process.age + Duration::from_millis(1040 * 1000 / ticks), seen.uptime);
    assert_eq!((process.parent, process.group, process.session), (Some(pid(1)), 40, 40));
    assert_eq!((process.name.as_slice(), process.state), (&b"fake 40"[..], ProcessState::Alive));
    assert_eq!(process.rss, Some(Bytes(25 * fake.open().page_size())));
    assert_eq!(process.uid, Some(rustix::process::geteuid().as_raw()), "whose directory it is");
    assert_eq!(process.command.as_deref().unwrap(), [&b"node"[..], b"server.js"]);
    let (run, unit) = (Some(b"r1".to_vec()), Some(b"api".to_vec()));
    assert_eq!(process.marks, Marks::Read { run, unit, keep: None });
    let cgroups: Vec<_> = process.cgroups.iter().flatten().map(|group| group.path.as_path()).collect();
    assert_eq!(cgroups, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(process.ignores_hangup, Some(true));
    assert_eq!(process.executable.as_deref(), Some(Path::new("/usr/bin/node (deleted)")));
    assert_eq!(process.working_directory.as_deref(), Some(Path::new("/srv")));
    let open = process.descriptors.as_ref().unwrap();
    let kinds = Kinds { files: 3, pipes: 3, sockets: 2, devices: 3, anonymous: 2 };
    assert_eq!((open.count, open.kinds, open.limit), (13, kinds, None));
    let terminal = End::Terminal { path: "/dev/pts/7 (deleted)".into(), gone: true };
    assert_eq!(open.stdio, [End::Null, terminal, End::Pipe(5)]);
    assert_eq!((open.pipes.as_slice(), open.sockets.as_slice()), (&[7][..], &[6][..]), "each once");
    assert_eq!(open.deleted.count, 0, "what cannot be looked at is not known to be deleted");
    let holders = PipeHolders { readers: vec![pid(40)], writers: vec![pid(40)], ..PipeHolders::default() };
    assert_eq!((seen.pipes.get(&5), seen.pipes.get(&7)), (Some(&holders), Some(&holders)));
    assert_eq!(seen.unreadable, []);
}

#[test]
fn what_is_not_there_is_unknown() {
    let fake = FakeProc::new();
    fake.process(40, 1);
    let seen = take(&fake);
    let process = of(&seen, 40);
    assert_eq!(process.marks, Marks::Unreadable);
    assert!(process.command.is_none() && process.cgroups.is_none() && process.ignores_hangup.is_none());
    assert!(process.executable.is_none() && process.working_directory.is_none());
    assert!(process.descriptors.is_none() && seen.tcp.is_none() && seen.unix_sockets.is_none());
    assert_eq!(seen.unreadable, [], "a file that is not there was not refused");
}

#[test]
fn who_vanishes_is_missing_and_who_makes_no_sense_is_told() {
    let fake = FakeProc::new();
    fake.process(40, 1);
    std::fs::create_dir(fake.path().join("41")).unwrap();
    fake.write("42/stat", "42 (x) S one");
    fake.write("43/stat", "44 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 6 7");
    // A directory where a file is: EISDIR stands for whatever else the kernel may answer.
    std::fs::create_dir(fake.path().join("40/environ")).unwrap();
    fake.write("40/cmdline", "x\0");
    let seen = take(&fake);
    assert_eq!(seen.processes.len(), 1);
    assert_eq!((of(&seen, 40).marks.clone(), seen.processes.len()), (Marks::Unreadable, 1));
    let told: Vec<_> = seen.unreadable.iter().map(|one| (one.pid.get(), one.what)).collect();
    assert_eq!(told, [(40, "environment"), (42, "stat"), (43, "stat")]);
    assert_eq!(seen.unreadable[1].why, "ppid is `one`, which is not a number that fits");
}

#[test]
fn threads_of_the_kernel_are_left_out_and_zombies_are_not() {
    let fake = FakeProc::new();
    for (number, flags, state) in [(2, KERNEL_THREAD, 'S'), (3, 4_194_560, 'Z'), (4, 4_194_560, 'S')] {
        let line =
            format!("{number} (x) {state} 0 0 0 0 -1 {flags} 0 0 0 0 1 1 0 0 20 0 1 0 99999999 0 25\n");
        fake.write(&format!("{number}/stat"), line);
    }
    fake.write("3/environ", "");
    let seen = take(&fake);
    let numbers: Vec<_> = seen.processes.iter().map(|process| process.identity.pid.get()).collect();
    assert_eq!(numbers, [3, 4]);
    let zombie = of(&seen, 3);
    assert_eq!((zombie.state, zombie.command.as_deref()), (ProcessState::Zombie, Some(&[][..])));
    assert!(zombie.descriptors.is_none() && zombie.marks == Marks::Unreadable);
    assert_eq!(zombie.age, Duration::ZERO, "it started after the pass began");
}

#[test]
fn an_environment_that_says_nothing_is_empty_and_not_unmarked() {
    let fake = FakeProc::new();
    let unmarked = Marks::Read { run: None, unit: None, keep: None };
    let kept = Marks::Read { run: None, unit: None, keep: Some(b"1".to_vec()) };
    for (number, environ, marks) in [
        (10, &b""[..], &Marks::Empty),
        (11, b"\0\0\0", &Marks::Empty),
        (12, b"nginx: worker\0PATH=/bin\0", &Marks::Empty),
        (13, b"PATH=/bin\0", &unmarked),
        (14, b"title\0SCUPPER_KEEP=1\0", &kept),
        (15, b"\0SCUPPER_KEEP=1", &kept),
    ] {
        fake.process(number, 1);
        fake.write(&format!("{number}/cmdline"), "x\0");
        fake.write(&format!("{number}/environ"), environ);
        assert_eq!(&of(&take(&fake), number).marks, marks, "{number}");
    }
}

#[test]
fn neither_arguments_nor_environment_is_an_exec_and_proves_nothing() {
    let fake = FakeProc::new();
    fake.process(10, 1);
    fake.write("10/cmdline", "");
    fake.write("10/environ", "");
    let seen = take(&fake);
    assert_eq!((&of(&seen, 10).marks, &of(&seen, 10).command), (&Marks::Unreadable, &None));
    assert_eq!(seen.unreadable.len(), 1);
    assert_eq!(seen.unreadable[0].what, "environment");
}

#[test]
fn what_is_long_is_cut() {
    let fake = FakeProc::new();
    fake.process(10, 1);
    fake.write("10/cmdline", vec![b'y'; 5000]);
    let mut environ = b"LONG=".to_vec();
    environ.resize(300 << 10, b'x');
    environ.extend_from_slice(b"\0SCUPPER_RUN=late\0");
    fake.write("10/environ", &environ);
    fake.process(11, 1);
    fake.write("11/cmdline", "x\0");
    // Longer than what is read at once, and not too long.
    environ.drain(5..200 << 10);
    fake.write("11/environ", &environ);
    let seen = take(&fake);
    assert_eq!(of(&seen, 10).command.as_ref().unwrap()[0].len(), 1024);
    assert_eq!(of(&seen, 10).marks, Marks::Empty, "not one whole entry");
    let run = Some(b"late".to_vec());
    assert_eq!(of(&seen, 11).marks, Marks::Read { run, unit: None, keep: None });
}

#[test]
fn what_lives_on_without_its_main_thread_is_read_of_another() {
    let fake = FakeProc::new();
    fake.stat(9, 1, 'Z', 2, 5);
    fake.write("9/cmdline", "");
    fake.write("9/task/10/statm", "100 30 0 0 0 0 0\n");
    fake.write("9/task/10/cmdline", "python3\0");
    fake.write("9/task/10/environ", "A=1\0");
    link(&fake, "9/task/10/fd/0", "pipe:[5]");
    let seen = take(&fake);
    let process = of(&seen, 9);
    assert_eq!(process.state, ProcessState::Alive);
    assert_eq!(process.rss, Some(Bytes(30 * fake.open().page_size())));
    assert_eq!(process.command.as_deref().unwrap(), [b"python3"]);
    assert_eq!(process.descriptors.as_ref().unwrap().stdio[0], End::Pipe(5));
}

#[test]
fn the_limit_is_read_where_there_are_many() {
    let fake = FakeProc::new();
    for (number, count) in [(10, 47), (11, 48), (12, 48)] {
        fake.process(number, 1);
        for fd in 0..count {
            link(&fake, &format!("{number}/fd/{fd}"), "/dev/null");
        }
        let soft = if number == 12 { "unlimited" } else { "64" };
        fake.write(
            &format!("{number}/limits"),
            format!("Limit      Soft Limit  Hard Limit  Units\nMax open files   {soft}   4096   files\n"),
        );
    }
    let seen = take(&fake);
    let limit = |number| of(&seen, number).descriptors.as_ref().unwrap().limit;
    assert_eq!((limit(10), limit(11), limit(12)), (None, Some(64), Some(u64::MAX)));
}

#[test]
fn a_list_of_holders_that_is_cut_says_so() {
    let fake = FakeProc::new();
    for number in 40..104 {
        fake.process(number, 1);
        link(&fake, &format!("{number}/fd/0"), "pipe:[5]");
        link(&fake, &format!("{number}/fd/7"), "pipe:[5]");
    }
    let holders = &take(&fake).pipes[&5];
    assert_eq!((holders.readers.len(), holders.more_readers, holders.more_writers), (64, false, false));
    fake.process(104, 1);
    link(&fake, "104/fd/0", "pipe:[5]");
    let holders = &take(&fake).pipes[&5];
    assert_eq!((holders.writers.len(), holders.more_readers, holders.more_writers), (64, true, true));
}

#[test]
fn what_a_hangup_does_is_read_of_those_on_their_own() {
    let fake = FakeProc::new();
    let stat = |number: i32, parent: i32, session: i32| {
        fake.write(
            &format!("{number}/stat"),
            format!("{number} (x) S {parent} {number} {session} 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 6 7\n"),
        );
        fake.write(&format!("{number}/status"), "SigIgn:\t0000000000000000\n");
    };
    stat(20, 1, 20);
    stat(21, 20, 20);
    stat(22, 20, 22);
    stat(23, 22, 19);
    let seen = take(&fake);
    let known: Vec<_> = seen.processes.iter().map(|process| process.ignores_hangup).collect();
    assert_eq!(known, [Some(false), None, Some(false), Some(false)]);
}

#[test]
fn connections_are_read_from_both_tables() {
    let fake = FakeProc::new();
    let heading =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let line = |local: &str, remote: &str, state: &str, inode: u32| {
        format!(
            "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 20 4\n"
        )
    };
    let many: String = (0..5000).map(|at| line("0100007F:1F90", "0100007F:C001", "01", 100 + at)).collect();
    fake.write("net/tcp", heading.to_owned() + &many + &line("0100007F:1F90", "0100007F:C002", "06", 0));
    fake.write(
        "net/tcp6",
        line("0000000000000000FFFF00000100007F:0016", "00000000000000000000000000000000:0000", "0A", 7),
    );
    let tcp = take(&fake).tcp.unwrap();
    assert_eq!(tcp.len(), 5001, "those that nobody has are left out");
    assert_eq!(tcp[&5099].state, TcpState::Established);
    let (local, remote): (SocketAddr, SocketAddr) =
        ("127.0.0.1:22".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
    let local = if cfg!(target_endian = "little") { local } else { tcp[&7].local };
    assert_eq!(tcp[&7].local, local);
    let remote = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), remote.port());
    assert_eq!(tcp[&7], Tcp { state: TcpState::Listening, local, remote });
}

#[test]
fn without_an_uptime_nothing_has_an_age() {
    let fake = FakeProc::new();
    fake.write("uptime", "soon\n");
    let error = snapshot::take(&fake.open()).unwrap_err();
    assert!(error.path().ends_with("uptime"), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "uptime is `soon`, which is not a number of seconds");
    std::fs::remove_file(fake.path().join("uptime")).unwrap();
    assert!(snapshot::take(&fake.open()).is_err());
}

#[test]
fn a_fixture_has_no_pipes_to_ask_the_kernel_about() {
    let fake = FakeProc::new();
    fake.process(40, 1);
    link(&fake, "40/fd/0", "pipe:[5]");
    assert_eq!(snapshot::pipe_has_writer(&fake.open(), pid(40), 0).unwrap(), None);
    assert_eq!(snapshot::pipe_has_reader(&fake.open(), pid(40), 0).unwrap(), None);
}

#[test]
fn a_second_look_at_a_zombie_asks_for_the_same_process() {
    let fake = FakeProc::new();
    fake.stat(9, 1, 'Z', 1, 5);
    let proc_ = fake.open();
    let identity = proc_.identify(pid(9)).unwrap().unwrap();
    assert!(snapshot::still_zombie(&proc_, &identity).unwrap());
    fake.stat(9, 1, 'Z', 1, 6);
    assert!(!snapshot::still_zombie(&proc_, &identity).unwrap(), "somebody else");
    fake.stat(9, 1, 'S', 1, 5);
    assert!(!snapshot::still_zombie(&proc_, &identity).unwrap());
    fake.remove("9");
    assert!(!snapshot::still_zombie(&proc_, &identity).unwrap());
}
