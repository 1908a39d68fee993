//! Real processes of this machine.

use std::ffi::{OsStr, OsString};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use scupper_model::{Bytes, Identity, ProcessState, StartTime};
use scupper_probe::pidfd::{self, ExitInfo};
use scupper_probe::sockets::{self, TcpState};
use scupper_probe::{Detail, abilities, cgroup, pss, tree};

use crate::support::{Guarded, kill, live, pid, wait_until};

const ALL: Detail = Detail { memory_split: true, fds: true, sockets: true, pss: true };

fn me() -> scupper_model::Pid {
    pid(i32::try_from(std::process::id()).unwrap())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn names_of_any_bytes_are_read() {
    let proc_ = live();
    let temporary = tempfile::tempdir().unwrap();
    for name in
        [&b"a b"[..], b"x) S 1 (y", b"((", b"))", b"two\nlines", b"\xff\xfe\x80", b"quite-long-name-of-24-b"]
    {
        let program = temporary.path().join(OsStr::from_bytes(name));
        std::fs::copy("/bin/sleep", &program).unwrap();
        let child = Guarded::spawn(Command::new(&program).arg("60"));
        wait_until("started", || !proc_.command_line(child.pid()).unwrap().unwrap().is_empty());
        let stat = proc_.stat(child.pid()).unwrap().unwrap();
        assert_eq!(stat.name, &name[..name.len().min(15)]);
        assert_eq!(stat.parent, Some(me()));
        assert_eq!(stat.group, child.pid().get());
        assert_eq!(proc_.executable(child.pid()).unwrap(), Some(program.clone()));
        let arguments = proc_.command_line(child.pid()).unwrap().unwrap();
        assert_eq!(arguments, [program.as_os_str().as_bytes(), b"60"]);
    }
}

#[test]
fn a_zombie_is_there_until_it_is_waited_for() {
    let proc_ = live();
    let mut child = Guarded::spawn(&mut Command::new("true"));
    let process = proc_.process(child.pid()).unwrap().unwrap();
    let identity = process.identity();
    let pidfd = pidfd::open(&proc_, &identity).unwrap().unwrap();
    wait_until("a zombie", || proc_.stat(child.pid()).unwrap().is_some_and(|stat| stat.is_zombie()));
    assert!(proc_.is_same(&identity).unwrap());
    assert!(pidfd::has_exited(pidfd.as_fd()));
    assert_eq!(process.rss().unwrap(), Some(Bytes(0)));
    let sample = process.sample(&proc_, ALL).unwrap().unwrap();
    assert_eq!((sample.state, sample.fds), (ProcessState::Zombie, Some(0)));
    // Empty, none or denied, by the version of the kernel and by who asks.
    let environment = proc_.environment(child.pid());
    assert!(environment.is_ok_and(|found| found.is_none_or(|found| found.is_empty())) || !is_root());
    assert!(proc_.executable(child.pid()).is_ok_and(|found| found.is_none()) || !is_root());
    assert!(tree::descendants(&proc_, me()).unwrap().iter().any(|m| m.identity == identity && m.zombie));

    child.child.wait().unwrap();
    assert!(!proc_.is_same(&identity).unwrap());
    assert_eq!(process.rss().unwrap(), None);
    assert_eq!(process.sample(&proc_, ALL).unwrap(), None);
    assert_eq!(proc_.stat(identity.pid).unwrap(), None);
    assert_eq!(pss(&proc_, identity.pid).unwrap(), None);
    assert!(pidfd::open(&proc_, &identity).unwrap().is_none());
}

#[test]
fn a_pidfd_is_not_opened_on_somebody_else() {
    let proc_ = live();
    let child = Guarded::spawn(Command::new("sleep").arg("60"));
    let identity = proc_.identify(child.pid()).unwrap().unwrap();
    let pidfd = pidfd::open(&proc_, &identity).unwrap().unwrap();
    assert!(!pidfd::has_exited(pidfd.as_fd()));
    assert_eq!(pidfd::exit_status(pidfd.as_fd()), None);
    let earlier = Identity { start_time: StartTime(identity.start_time.0 - 1), ..identity };
    assert!(pidfd::open(&proc_, &earlier).unwrap().is_none());
    let other_boot =
        Identity { boot_id: "0b8ce0f8-5f5c-4cb6-9a4d-6a3f6e9c9a11".parse().unwrap(), ..identity };
    assert!(pidfd::open(&proc_, &other_boot).unwrap().is_none());
}

#[test]
fn the_end_of_a_grandchild_is_told() {
    let proc_ = live();
    if !abilities::all(&proc_).iter().any(|ability| ability.name == "pidfd_exit_info" && ability.available) {
        return;
    }
    let hold = |grandchild| {
        let identity = proc_.identify(grandchild).unwrap().unwrap();
        pidfd::open(&proc_, &identity).unwrap().unwrap()
    };
    let mut shell = Guarded::shell("exec 3<&0; sh -c 'read line; exit 7' <&3 & echo $!; wait; exec sleep 60");
    let exits = hold(shell.read_pid());
    drop(shell.close_stdin());
    wait_until("reaped", || pidfd::exit_status(exits.as_fd()).is_some());
    let seven = ExitInfo { code: Some(7), signal: None, core_dumped: false };
    assert_eq!(pidfd::exit_status(exits.as_fd()), Some(seven));

    let mut shell = Guarded::shell("sleep 60 & echo $!; wait; exec sleep 60");
    let grandchild = shell.read_pid();
    let killed = hold(grandchild);
    kill(grandchild);
    wait_until("reaped", || pidfd::exit_status(killed.as_fd()).is_some());
    let by_kill = ExitInfo { code: None, signal: Some(9), core_dumped: false };
    assert_eq!(pidfd::exit_status(killed.as_fd()), Some(by_kill));
    assert!(pidfd::has_exited(killed.as_fd()));
}

#[test]
fn a_tree_with_sessions_of_its_own_is_walked() {
    let proc_ = live();
    let mut shell = Guarded::shell("setsid sleep 60 & sh -c 'sleep 60 & sleep 60 & echo ready; wait' & wait");
    assert_eq!(shell.line(), "ready");
    wait_until("four below", || {
        let members = tree::descendants(&proc_, shell.pid()).unwrap();
        members.iter().filter(|member| member.name == b"sleep").count() == 3
            && members.iter().any(|member| member.session == member.identity.pid.get())
    });
    let members = tree::descendants(&proc_, shell.pid()).unwrap();
    assert_eq!(members.len(), 4);
    let inner = members.iter().find(|member| member.name == b"sh").unwrap();
    assert_eq!(tree::subtree(&members, inner.identity.pid).len(), 2);
    let place = |pid| members.iter().position(|member| member.identity.pid == pid);
    for member in &members {
        let parent = member.parent.unwrap();
        assert!(parent == shell.pid() || place(parent) < place(member.identity.pid));
    }
}

#[test]
fn who_forks_away_is_found_below_the_subreaper_and_by_its_mark() {
    let proc_ = live();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let mark = format!("run-{}", me());
    let mut shell = Guarded::spawn(
        Command::new("sh")
            .args(["-c", "(setsid sleep 60 </dev/null >/dev/null & echo $!); sleep 60"])
            .env("SCUPPER_PROBE_TEST", &mark)
            .stdout(Stdio::piped()),
    );
    let away = shell.read_pid();
    wait_until("re-parented to us", || {
        proc_.stat(away).unwrap().is_some_and(|stat| stat.parent == Some(me()) && stat.name == b"sleep")
    });
    let below = |root| tree::descendants(&proc_, root).unwrap();
    assert!(!below(shell.pid()).iter().any(|member| member.identity.pid == away));
    assert!(below(me()).iter().any(|member| member.identity.pid == away));
    let found = tree::marked(&proc_, "SCUPPER_PROBE_TEST", &mark).unwrap();
    assert!(found.iter().any(|member| member.identity.pid == away));
    assert!(found.iter().any(|member| member.identity.pid == shell.pid()));
    assert_eq!(tree::marked(&proc_, "SCUPPER_PROBE_TEST", &format!("{mark}0")).unwrap(), []);
    kill(away);
    let away = rustix::process::Pid::from_raw(away.get());
    rustix::process::waitpid(away, rustix::process::WaitOptions::empty()).unwrap();
}

#[test]
fn the_own_process_is_sampled_in_every_detail() {
    let proc_ = live();
    let process = proc_.process(me()).unwrap().unwrap();
    let before = process.sample(&proc_, ALL).unwrap().unwrap();
    let files: Vec<_> = (0..20).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ballast = vec![1_u8; 32 << 20];
    let after = process.sample(&proc_, ALL).unwrap().unwrap();
    assert_eq!(after.fds.unwrap(), before.fds.unwrap() + 21);
    assert_eq!(after.sockets.unwrap(), before.sockets.unwrap() + 1);
    for (before, after) in [
        (before.rss_bytes, after.rss_bytes),
        (before.rss_anon_bytes, after.rss_anon_bytes),
        (before.pss_bytes, after.pss_bytes),
    ] {
        let grown = after.unwrap().saturating_sub(before.unwrap());
        assert!(grown > Bytes::mib(30) && grown < Bytes::mib(40), "{grown}");
    }
    let only = |fds| process.sample(&proc_, Detail { fds, ..Detail::default() }).unwrap().unwrap();
    assert_eq!(only(true).fds, after.fds, "by size and by listing");
    assert_eq!(only(false).fds, None);
    assert!(after.cpu.is_some() && after.threads.unwrap() >= 1);
    drop((files, socket, ballast));
}

#[test]
fn sockets_are_counted_by_state() {
    let proc_ = live();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let count = |state| {
        let seen = sockets::count(&proc_, me()).unwrap().unwrap();
        seen.tcp.unwrap().get(&state).copied().unwrap_or(0)
    };
    assert_eq!((count(TcpState::Listening), count(TcpState::Established)), (1, 2));
    drop(client);
    wait_until("CLOSE_WAIT", || count(TcpState::CloseWait) == 1);
    assert_eq!(TcpState::CloseWait.name(), "CLOSE_WAIT");
    assert!(sockets::count(&proc_, me()).unwrap().unwrap().total.unwrap() >= 2);
    drop(server);
}

#[test]
fn what_a_child_was_given_is_read() {
    let proc_ = live();
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().canonicalize().unwrap();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    let odd = OsString::from(OsStr::from_bytes(b"\xff=\n"));
    let child = Guarded::spawn(
        Command::new("sleep").arg("60").env_clear().env("ODD", &odd).current_dir(&directory).stdout(log),
    );
    let pid = child.pid();
    wait_until("started", || !proc_.environment(pid).unwrap().unwrap().is_empty());
    assert_eq!(proc_.environment(pid).unwrap().unwrap(), [b"ODD=\xff=\n"]);
    assert_eq!(proc_.environment_value(pid, "ODD").unwrap(), Some(b"\xff=\n".to_vec()));
    assert_eq!(proc_.environment_value(pid, "OD").unwrap(), None);
    assert_eq!(proc_.working_directory(pid).unwrap(), Some(directory.clone()));
    assert_eq!(proc_.descriptor_target(pid, 1).unwrap(), Some(directory.join("log")));
    assert_eq!(proc_.descriptor_target(pid, 77).unwrap(), None);
    assert_eq!(proc_.uid(pid).unwrap(), Some(rustix::process::getuid().as_raw()));
    let hup = 1_u64;
    let ignoring = Guarded::spawn(Command::new("sh").args(["-c", "trap '' HUP; exec sleep 60"]));
    wait_until("HUP ignored", || proc_.ignored_signals(ignoring.pid()).unwrap().unwrap() & hup != 0);
}

#[test]
fn what_may_not_be_read_is_denied_and_not_empty() {
    let proc_ = live();
    // Whether the first process may be read depends on who runs this test, and it is never an empty environment.
    match proc_.environment(scupper_model::Pid::INIT) {
        Ok(environment) => assert!(environment.is_some()),
        Err(error) => assert!(error.is_denied(), "{error}"),
    }
}

#[test]
fn this_machine_is_described() {
    let proc_ = live();
    assert!(proc_.memory_total().unwrap() > Bytes::mib(64));
    assert!(proc_.pids().unwrap().contains(&me()));
    let mounts = cgroup::Mounts::read(&proc_).unwrap();
    let paths = proc_.cgroup_paths(me()).unwrap().unwrap();
    let allowance = cgroup::memory_allowance(&mounts, &paths, proc_.memory_total().unwrap());
    assert!(allowance.bytes > Bytes(0) && !allowance.source.is_empty());
    if let Some(own) = cgroup::own_v2(&mounts, &paths) {
        match cgroup::members(&own, false) {
            Ok(members) => assert!(members.contains(&me())),
            // In a container that shares the cgroups of its host, the kernel lists those outside of it as 0.
            Err(error) => assert!(error.to_string().contains("cgroup.procs"), "{error}"),
        }
    }
    let found = abilities::all(&proc_);
    for ability in &found {
        println!("{ability:?}");
    }
    let names: std::collections::HashSet<_> = found.iter().map(|ability| ability.name).collect();
    assert_eq!(names.len(), found.len(), "each once");
}

/// A cgroup that is removed at the end, after whoever is in it.
struct OwnGroup(std::path::PathBuf);

impl Drop for OwnGroup {
    fn drop(&mut self) {
        for member in cgroup::members(&self.0, true).unwrap_or_default() {
            kill(member);
        }
        wait_until("an empty cgroup", || cgroup::populated(&self.0).unwrap() != Some(true));
        let _ = std::fs::remove_dir(self.0.join("inner"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cgroup_of_this_machine_is_read() {
    let proc_ = live();
    let mounts = cgroup::Mounts::read(&proc_).unwrap();
    let own = cgroup::own_v2(&mounts, &proc_.cgroup_paths(me()).unwrap().unwrap());
    // Only where this user may make cgroups.
    let Some(group) = own.map(|own| own.join(format!("scupper-probe-{}", me()))) else { return };
    if std::fs::create_dir(&group).is_err() {
        return;
    }
    let group = OwnGroup(group);
    let inner = group.0.join("inner");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(cgroup::members(&group.0, true).unwrap(), []);
    assert_eq!(cgroup::populated(&group.0).unwrap(), Some(false));
    let mut child = Guarded::spawn(Command::new("sleep").arg("60"));
    std::fs::write(inner.join("cgroup.procs"), child.pid().to_string()).unwrap();
    assert_eq!(cgroup::members(&group.0, false).unwrap(), []);
    assert_eq!(cgroup::members(&group.0, true).unwrap(), [child.pid()]);
    assert_eq!(cgroup::populated(&group.0).unwrap(), Some(true));
    let paths = proc_.cgroup_paths(child.pid()).unwrap().unwrap();
    assert_eq!(cgroup::own_v2(&mounts, &paths), Some(inner.clone()));
    let found = abilities::all(&proc_);
    for (name, here) in
        [("cgroup.kill", cgroup::has_kill(&inner)), ("cgroup.freeze", inner.join("cgroup.freeze").exists())]
    {
        assert_eq!(found.iter().find(|ability| ability.name == name).unwrap().available, here, "{name}");
    }
    child.child.kill().unwrap();
    child.child.wait().unwrap();
    wait_until("empty", || cgroup::populated(&group.0).unwrap() == Some(false));
    assert_eq!(cgroup::members(&group.0, true).unwrap(), []);
}

#[test]
fn a_process_whose_main_thread_ended_is_alive() {
    let proc_ = live();
    let script = "import ctypes, threading\n\
                  held = bytearray(b'x') * (16 << 20)\n\
                  threading.Thread(target=threading.Event().wait).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)";
    // Only where there is a Python to do it.
    let mut command = Command::new("python3");
    command.args(["-c", script]).stderr(Stdio::null());
    if Command::new("python3").args(["-c", "import ctypes"]).status().map_or(true, |status| !status.success())
    {
        return;
    }
    let child = Guarded::spawn(&mut command);
    wait_until("without its main thread", || {
        proc_.stat(child.pid()).unwrap().is_some_and(|stat| stat.lost_its_main_thread())
    });
    let sample = proc_.process(child.pid()).unwrap().unwrap().sample(&proc_, ALL).unwrap().unwrap();
    assert_eq!(sample.state, ProcessState::Alive);
    assert!(sample.rss_bytes.unwrap() > Bytes::mib(16));
    assert!(sample.rss_anon_bytes.unwrap() > Bytes::mib(16));
    assert!(sample.fds.unwrap() >= 3);
    assert_eq!(sample.sockets, Some(0));
}
