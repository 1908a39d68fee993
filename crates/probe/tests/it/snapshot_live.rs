//! The pass over every process, on the processes of this machine.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::MemfdFlags;
use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{self, Descriptors, End, Marks, Process, Snapshot, UnixSocket};
use scupper_probe::sockets::TcpState;

use crate::support::{Guarded, live, pid, wait_until};

fn me() -> Pid {
    pid(i32::try_from(std::process::id()).unwrap())
}

fn take() -> Snapshot {
    snapshot::take(&live()).unwrap()
}

fn of(seen: &Snapshot, pid: Pid) -> &Process {
    seen.processes.iter().find(|process| process.identity.pid == pid).unwrap()
}

fn open_of(seen: &Snapshot, pid: Pid) -> &Descriptors {
    of(seen, pid).descriptors.as_ref().unwrap()
}

fn inode(file: impl AsFd) -> u64 {
    rustix::fs::fstat(file).unwrap().st_ino
}

fn number(file: impl AsFd) -> u32 {
    u32::try_from(file.as_fd().as_raw_fd()).unwrap()
}

/// A `sleep` that has begun, with this as its standard input.
fn sleeper(stdin: impl Into<Stdio>) -> Guarded {
    started(Command::new("sleep").arg("600").stdin(stdin))
}

fn started(command: &mut Command) -> Guarded {
    let child = Guarded::spawn(command);
    wait_until("started", || {
        live().stat(child.pid()).unwrap().is_some_and(|stat| stat.name == b"sleep" && stat.state == b'S')
    });
    child
}

#[test]
fn a_pipe_whose_writer_is_gone_has_none() {
    let proc_ = live();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let inode = inode(&reader);
    let child = sleeper(reader);
    writer.write_all(b"abc").unwrap();
    let seen = take();
    assert_eq!(open_of(&seen, child.pid()).stdio[0], End::Pipe(inode));
    assert_eq!(
        (&seen.pipes[&inode].readers[..], &seen.pipes[&inode].writers[..]),
        (&[child.pid()][..], &[me()][..])
    );
    assert!(open_of(&seen, me()).pipes.contains(&inode));
    assert_eq!(snapshot::pipe_has_writer(&proc_, child.pid(), 0).unwrap(), Some(true));
    assert_eq!(snapshot::pipe_has_reader(&proc_, me(), number(&writer)).unwrap(), Some(true));
    drop(writer);
    let seen = take();
    assert_eq!(
        (&seen.pipes[&inode].readers[..], &seen.pipes[&inode].writers[..]),
        (&[child.pid()][..], &[][..])
    );
    assert_eq!(snapshot::pipe_has_writer(&proc_, child.pid(), 0).unwrap(), Some(false));
}

#[test]
fn to_ask_about_a_pipe_takes_nothing_out_of_it() {
    let proc_ = live();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"abc").unwrap();
    for _ in 0..3 {
        assert_eq!(snapshot::pipe_has_writer(&proc_, me(), number(&reader)).unwrap(), Some(true));
        assert_eq!(snapshot::pipe_has_reader(&proc_, me(), number(&writer)).unwrap(), Some(true));
    }
    drop(writer);
    assert_eq!(snapshot::pipe_has_writer(&proc_, me(), number(&reader)).unwrap(), Some(false));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc", "and then its end");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(snapshot::pipe_has_reader(&proc_, me(), number(&writer)).unwrap(), Some(false));
    // What is no pipe without a name is not opened.
    let file = File::open("/proc/self/stat").unwrap();
    assert_eq!(snapshot::pipe_has_writer(&proc_, me(), number(&file)).unwrap(), None);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let fifo = File::options().read(true).write(true).open(&path).unwrap();
    assert_eq!(snapshot::pipe_has_writer(&proc_, me(), number(&fifo)).unwrap(), None);
    let seen = take();
    assert!(!seen.pipes.contains_key(&inode(&fifo)), "nobody is at its other end only as far as can be seen");
    assert_eq!(snapshot::pipe_has_writer(&proc_, me(), 9999).unwrap(), None);
}

fn unix(seen: &Snapshot, inode: u64) -> UnixSocket {
    seen.unix_sockets.as_ref().unwrap()[&inode]
}

#[test]
fn a_socket_pair_whose_peer_is_gone_is_told() {
    let (stream, theirs) = UnixStream::pair().unwrap();
    let (one, other) = (inode(&stream), inode(&theirs));
    let child = sleeper(OwnedFd::from(theirs));
    let seen = take();
    assert_eq!(open_of(&seen, child.pid()).stdio[0], End::Socket(other));
    assert!(open_of(&seen, child.pid()).sockets.contains(&other));
    assert_eq!(
        unix(&seen, other),
        UnixSocket { peer: Some(one), peer_is_gone: false, listens: false, shows_windows: false }
    );
    // It will send nothing any more, and is there.
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(!unix(&take(), other).peer_is_gone);
    drop(stream);
    assert_eq!(
        unix(&take(), other),
        UnixSocket { peer: None, peer_is_gone: true, listens: false, shows_windows: false }
    );

    let (one, other) = UnixDatagram::pair().unwrap();
    assert_eq!(unix(&take(), inode(&other)).peer, Some(inode(&one)));
    drop(one);
    assert!(unix(&take(), inode(&other)).peer_is_gone);
}

#[test]
fn the_end_of_a_connection_that_a_display_server_holds_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(".X11-unix")).unwrap();
    let path = directory.path().join(".X11-unix/X7");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    let seen = take();
    let shows = |inode: u64| unix(&seen, inode).shows_windows;
    assert!(shows(inode(&listener)) && shows(inode(&server)));
    assert!(!shows(inode(&client)), "whose windows are shown shows none");
    assert_eq!(unix(&seen, inode(&client)).peer, Some(inode(&server)));
}

#[test]
fn a_server_that_is_slow_to_accept_is_not_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let alone = UnixDatagram::unbound().unwrap();
    let seen = take();
    assert_eq!(
        unix(&seen, inode(&listener)),
        UnixSocket { peer: None, peer_is_gone: false, listens: true, shows_windows: false }
    );
    let waiting = UnixSocket { peer: None, peer_is_gone: false, listens: false, shows_windows: false };
    assert_eq!((unix(&seen, inode(&client)), unix(&seen, inode(&alone))), (waiting, waiting));
    let (server, _) = listener.accept().unwrap();
    assert_eq!(unix(&take(), inode(&client)).peer, Some(inode(&server)));
    assert!(!unix(&seen, inode(&listener)).shows_windows);
    drop((server, listener));
    assert!(unix(&take(), inode(&client)).peer_is_gone);
}

#[test]
fn connections_are_listed_with_their_ends() {
    let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let four = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = take().tcp.unwrap();
    assert_eq!(tcp[&inode(&listener)].state, TcpState::Listening);
    assert_eq!(tcp[&inode(&four)].local, four.local_addr().unwrap());
    let (ours, theirs) = (tcp[&inode(&client)], tcp[&inode(&server)]);
    assert_eq!((ours.state, ours.local, ours.remote), (TcpState::Established, theirs.remote, theirs.local));
    assert_eq!(ours.local, client.local_addr().unwrap());
    drop(client);
    wait_until("CLOSE_WAIT", || take().tcp.unwrap()[&inode(&server)].state == TcpState::CloseWait);
}

#[test]
fn deleted_files_take_space_and_memory_is_none() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Where even that is in memory there is nothing to be seen.
    let in_memory = rustix::fs::statfs(directory.path()).unwrap().f_type == 0x0102_1994;
    let deleted = || open_of(&take(), me()).deleted.clone();
    let before = deleted();
    let mut made = Vec::new();
    for (name, size) in [("small", 1 << 16), ("large", 1 << 20), ("kept", 1 << 20)] {
        let path = directory.path().join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![b'x'; size]).unwrap();
        file.sync_all().unwrap();
        if name == "kept" {
            std::fs::hard_link(&path, directory.path().join("other")).unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        made.push(file);
    }
    // The same file twice; memory in its three shapes.
    let again = made[1].try_clone().unwrap();
    let memory = rustix::fs::memfd_create("held", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&memory, 1 << 20).unwrap();
    let shared = tempfile::tempfile_in("/dev/shm").unwrap();
    shared.set_len(1 << 20).unwrap();
    let after = deleted();
    drop((again, memory, shared));
    if in_memory {
        assert_eq!(after, before);
        return;
    }
    assert_eq!(after.count, before.count + 2);
    let blocks = made[0].metadata().unwrap().blocks() + made[1].metadata().unwrap().blocks();
    assert_eq!(after.bytes.0, before.bytes.0 + blocks * 512);
    assert_eq!(after.largest.as_deref(), Some(&*directory.path().canonicalize().unwrap().join("large")));
}

#[test]
fn a_directory_and_a_program_that_are_gone_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().canonicalize().unwrap().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let program = inner.join("sleep");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let child = started(Command::new(&program).arg("600").current_dir(&inner));
    std::fs::remove_dir_all(&inner).unwrap();
    let seen = take();
    let deleted = |path: &Path| Some(format!("{} (deleted)", path.display()).as_str().into());
    assert_eq!(of(&seen, child.pid()).working_directory, deleted(&inner));
    assert_eq!(of(&seen, child.pid()).executable, deleted(&program));
}

#[test]
fn marks_are_read_and_a_cleared_environment_is_empty() {
    let seen = |command: &mut Command| {
        let child = started(command.arg("600").stdin(Stdio::null()));
        let seen = take();
        of(&seen, child.pid()).clone()
    };
    let cleared = seen(Command::new("sleep").env_clear());
    assert_eq!(cleared.marks, Marks::Empty);
    assert_eq!(*cleared.command.unwrap(), [&b"sleep"[..], b"600"]);
    let marked = seen(Command::new("sleep").env("SCUPPER_RUN", "r").env("SCUPPER_KEEP", "1"));
    assert_eq!(marked.marks, Marks::Read { run: Some(b"r".to_vec()), unit: None, keep: Some(b"1".to_vec()) });
    assert_eq!((marked.parent, marked.threads, marked.state), (Some(me()), 1, ProcessState::Alive));
    assert_eq!(marked.uid, Some(rustix::process::geteuid().as_raw()));
    let open = marked.descriptors.unwrap();
    assert_eq!((open.stdio[0].clone(), open.limit), (End::Null, None));
    assert!(marked.cgroups.is_some() && marked.rss.unwrap().0 > 0);
}

#[test]
fn the_own_descriptors_are_counted_without_those_of_the_look() {
    let listed = || std::fs::read_dir("/proc/self/fd").unwrap().count() - 1;
    let proc_ = live();
    let many: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
    let seen = snapshot::take(&proc_).unwrap();
    let open = open_of(&seen, me());
    assert_eq!(usize::try_from(open.count).unwrap(), listed());
    assert_eq!(open.limit, rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    drop(many);
}

#[test]
fn gaps_between_descriptors_hide_none() {
    let mut shell = Guarded::shell("exec 7</dev/null 9</dev/null; echo ready; read line");
    assert_eq!(shell.line(), "ready");
    let count = || std::fs::read_dir(format!("/proc/{}/fd", shell.pid())).unwrap().count();
    let seen = take();
    let open = open_of(&seen, shell.pid());
    assert_eq!(usize::try_from(open.count).unwrap(), count());
    let kinds = open.kinds;
    assert_eq!(kinds.files + kinds.pipes + kinds.sockets + kinds.devices + kinds.anonymous, open.count);
    assert!(kinds.devices >= 2 && kinds.pipes >= 2);
}

#[test]
fn a_terminal_that_was_closed_is_gone() {
    let script = "import os\n\
                  told = os.dup(0)\n\
                  outer, inner = os.openpty()\n\
                  os.dup2(inner, 0)\n\
                  print(os.ttyname(inner), flush=True)\n\
                  os.read(told, 1)\n\
                  os.close(outer)\n\
                  print('closed', flush=True)\n\
                  os.read(told, 1)";
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    // Only where there is a Python to do it.
    let Ok(child) = command.spawn() else { return };
    let mut child = Guarded { child };
    let name = child.line();
    let stdin = |child: &Guarded| open_of(&take(), child.pid()).stdio[0].clone();
    assert_eq!(stdin(&child), End::Terminal { path: name.as_str().into(), gone: false });
    child.child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    assert_eq!(child.line(), "closed");
    assert_eq!(
        stdin(&child),
        End::Terminal { path: format!("{name} (deleted)").as_str().into(), gone: true }
    );
}

#[test]
fn who_is_not_root_gets_a_complete_answer() {
    // Only root can become somebody else; whoever else runs this has processes of others beside it, too.
    if !rustix::process::geteuid().is_root() {
        let seen = take();
        assert!(seen.processes.iter().any(|process| process.identity.pid == me()));
        return;
    }
    let nobody = 65_534;
    let roots = sleeper(Stdio::null());
    let theirs = started(Command::new("sleep").arg("600").uid(nobody).gid(nobody).stdin(Stdio::null()));
    let proc_ = live();
    let seen = std::thread::scope(|scope| {
        let as_nobody = || {
            use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
            let (uid, gid) = (Uid::from_raw(nobody), Gid::from_raw(nobody));
            set_thread_groups(&[]).unwrap();
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            let denied = snapshot::pipe_has_writer(&proc_, roots.pid(), 0).unwrap_err();
            assert!(denied.is_denied(), "{denied}");
            snapshot::take(&proc_).unwrap()
        };
        scope.spawn(as_nobody).join().unwrap()
    });
    let process = of(&seen, theirs.pid());
    assert_eq!(process.descriptors.as_ref().unwrap().stdio[0], End::Null);
    assert!(matches!(process.marks, Marks::Read { .. }) && process.working_directory.is_some());
    assert!(!seen.unreadable.iter().any(|one| one.pid == theirs.pid()));

    let process = of(&seen, roots.pid());
    assert_eq!(process.command.as_deref().unwrap(), [&b"sleep"[..], b"600"]);
    assert_eq!((process.uid, process.parent), (Some(0), Some(me())));
    assert!(process.descriptors.is_none() && process.marks == Marks::Unreadable);
    assert!(process.executable.is_none() && process.working_directory.is_none());
    let told: Vec<_> = seen.unreadable.iter().filter(|one| one.pid == roots.pid()).collect();
    assert_eq!(told.iter().map(|one| one.what).collect::<Vec<_>>(), ["environment", "descriptors"]);
    assert!(told.iter().all(|one| one.why.starts_with("Permission denied")), "{told:?}");
}

#[test]
fn a_storm_of_short_lives_hides_nobody() {
    let mut storm = Guarded::shell("while :; do /bin/true & /bin/true; echo one more; wait; done");
    let (reader, _writer) = std::io::pipe().unwrap();
    let inode = inode(&reader);
    let child = started(Command::new("sleep").arg("600").stdin(reader).env("SCUPPER_RUN", "r"));
    let proc_ = live();
    for _ in 0..40 {
        assert_eq!(storm.line(), "one more");
        let seen = snapshot::take(&proc_).unwrap();
        let process = of(&seen, child.pid());
        assert!(matches!(&process.marks, Marks::Read { run: Some(run), .. } if run == b"r"));
        assert_eq!(process.descriptors.as_ref().unwrap().stdio[0], End::Pipe(inode));
        assert!(seen.pipes[&inode].writers.contains(&me()));
        assert!(!seen.unreadable.iter().any(|one| one.pid == child.pid() || one.pid == me()));
        assert!(seen.processes.iter().any(|process| process.identity.pid == storm.pid()));
    }
}

#[test]
fn who_becomes_another_program_again_and_again_is_never_without_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("again");
    std::fs::write(&script, "exec sh \"$0\"\n").unwrap();
    let child = Guarded::spawn(Command::new("sh").arg(&script).env_clear().env("SCUPPER_RUN", "r"));
    let identity = live().identify(child.pid()).unwrap().unwrap();
    let proc_ = live();
    for _ in 0..100 {
        let seen = snapshot::take(&proc_).unwrap();
        let process = of(&seen, child.pid());
        assert_eq!(process.identity, identity);
        match &process.marks {
            Marks::Read { run, .. } => assert_eq!(run.as_deref(), Some(&b"r"[..])),
            Marks::Unreadable => assert!(seen.unreadable.iter().any(|one| one.pid == child.pid())),
            Marks::Empty => panic!("empty is what a cleared environment is"),
        }
    }
}

#[test]
fn a_zombie_is_seen_and_confirmed() {
    let proc_ = live();
    let mut child = Guarded::spawn(&mut Command::new("true"));
    wait_until("a zombie", || of(&take(), child.pid()).state == ProcessState::Zombie);
    let seen = take();
    let identity = of(&seen, child.pid()).identity;
    assert!(snapshot::still_zombie(&proc_, &identity).unwrap());
    child.child.wait().unwrap();
    assert!(!snapshot::still_zombie(&proc_, &identity).unwrap());
}

/// `cargo nextest run -p scupper-probe --run-ignored only heavy_ten_thousand`
#[test]
#[ignore = "makes every other test that looks at all processes slow"]
fn heavy_ten_thousand_processes_are_all_seen() {
    const COUNT: usize = 10_000;
    // Shells that wait on one pipe: the cheapest processes there are. They end when its only writer does.
    let script = format!(
        "exec 3<&0; i=0; while [ $i -lt {COUNT} ]; do read line <&3 & i=$((i+1)); done; echo ready; wait; echo over"
    );
    let mut crowd = Guarded::shell(&script);
    assert_eq!(crowd.line(), "ready");
    let seen = take();
    let below: Vec<_> = seen.processes.iter().filter(|process| process.parent == Some(crowd.pid())).collect();
    assert_eq!(below.len(), COUNT);
    assert!(below.iter().all(|process| {
        process.descriptors.as_ref().is_some_and(|open| matches!(open.stdio[0], End::Pipe(_)))
    }));
    let End::Pipe(inode) = open_of(&seen, crowd.pid()).stdio[0] else { panic!("a pipe") };
    assert_eq!(seen.pipes[&inode].writers, [me()]);
    assert_eq!(seen.pipes[&inode].readers.len(), 64, "no more of them are named");
    drop(crowd.close_stdin());
    assert_eq!(crowd.line(), "over");
}
