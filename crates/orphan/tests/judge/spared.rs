//! Who is left alone, whatever speaks against it.

use scupper_model::{Kept, Timestamp};
use scupper_orphan::Certainty::{Certain, Likely};
use scupper_probe::snapshot::{End, Marks};
use scupper_probe::sockets::TcpState;

use crate::machine::*;

const GONE: i32 = 250;

/// Two processes that look left behind: one by its ends alone (300), one by a record (301).
fn two() -> Machine {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[301]);
    machine.server(300);
    machine.server(301);
    assert_eq!(machine.left(), [(300, Likely), (301, Certain)]);
    machine
}

fn both_alone(machine: &Machine, because: &str) {
    assert_eq!(machine.left(), [], "{because}");
    for number in [300, 301] {
        let found = machine.not_touched(number);
        assert!(found.because.contains(because), "{number}: {}", found.because);
        assert!(!found.evidence.is_empty());
    }
}

#[test]
fn r118_scupper_itself_and_those_above_it_are_never_left_behind() {
    let mut machine = Machine::new();
    machine.snapshot.processes.retain(|p| p.identity.pid.get() < 60);
    // An agent that lost its own client: everything speaks against it, even a record.
    machine.recorded(1, &[GONE], &[300, OBSERVER]);
    machine.server(300);
    machine.add(301, 300, "sh", &["sh"]).mark(1, "web");
    machine.add(OBSERVER, 301, "scupper", &["scupper", "scan"]).mark(1, "web");
    machine.add(302, 300, "node", &["node"]).mark(1, "web");
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "it is scupper itself or above it");
}

#[test]
fn r118_the_observer_is_not_judged_though_its_own_entry_is_not_clear() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.observer.pid = pid(300);
    let twin = machine.process(300).clone();
    machine.snapshot.processes.push(twin);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_what_a_service_manager_runs_is_left_alone() {
    for (path, unit) in [
        ("/system.slice/mcp.service", "mcp.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/pipewire.service", "pipewire.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope", "run-r1.scope"),
    ] {
        let mut machine = two();
        for number in [300, 301] {
            machine.process(number).cgroups = Some(vec![v2(path)].into());
        }
        both_alone(&machine, unit);
    }
}

#[test]
fn r118_containers_are_left_alone() {
    let id = "3f".repeat(32);
    for path in [
        format!("/docker/{id}"),
        format!("/machine.slice/libpod-{id}.scope/container"),
        "/lxc.payload.x".into(),
    ] {
        let mut machine = two();
        for number in [300, 301] {
            machine.process(number).cgroups = Some(vec![v2(&path)].into());
        }
        both_alone(&machine, "run by a service manager");
    }
}

#[test]
fn a_login_a_terminals_tab_and_an_application_of_a_desktop_run_nothing() {
    for path in [
        "/user.slice/user-1000.slice/session-77.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-code-4711.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope",
    ] {
        let mut machine = two();
        for number in [300, 301] {
            machine.process(number).cgroups = Some(vec![v2(path)].into());
        }
        assert_eq!(machine.left(), [(300, Likely), (301, Certain)], "{path}");
    }
}

#[test]
fn r118_multiplexers_and_everything_below_them_are_left_alone() {
    // A tmux server that was started inside of a run, with a pane.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[]);
    let tmux = machine.orphan(300, "tmux: server", &["tmux", "new", "-d"]);
    tmux.own_session().stdio_null().mark(1, "web");
    machine.add(301, 300, "bash", &["-bash"]).own_session().terminal(false).mark(1, "web");
    machine.add(302, 301, "node", &["node", "server.js"]).pipes(3020, 3021).mark(1, "web");
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "terminal multiplexer");
    assert_eq!(machine.findings().not_touched.len(), 1, "what is below it is not listed by itself");
}

#[test]
fn what_was_orphaned_in_a_pane_is_no_part_of_the_multiplexer() {
    let mut machine = Machine::new();
    machine.orphan(300, "tmux: server", &["tmux", "new", "-d"]).own_session().stdio_null();
    machine.add(301, 300, "bash", &["-bash"]).own_session().terminal(false);
    machine.server(302).session(301);
    assert_eq!(machine.left(), [(302, Likely)]);
}

#[test]
fn r118_daemons_by_choice_are_left_alone_recorded_or_not() {
    let mut machine = two();
    for number in [300, 301] {
        let process = machine.process(number);
        process.name = b"redis-server".to_vec();
        process.command = Some(vec![b"redis-server *:6379".to_vec()].into());
        process.session = number;
    }
    machine.add(302, 301, "redis-server", &["redis-rdb-bgsave"]).mark(1, "web");
    both_alone(&machine, "daemon by choice");
}

#[test]
fn r118_the_keep_mark_keeps() {
    let mut machine = two();
    for (number, mark) in [(300, None), (301, Some(run(1).to_string().into_bytes()))] {
        let unit = mark.as_ref().map(|_| b"web".to_vec());
        machine.process(number).marks = Marks::Read { run: mark, unit, keep: Some(b"1".to_vec()) };
    }
    both_alone(&machine, "SCUPPER_KEEP=1");
    // Only as it is written.
    for number in [300, 301] {
        machine.process(number).marks = Marks::Read { run: None, unit: None, keep: Some(b"yes".to_vec()) };
    }
    assert_eq!(machine.left(), [(300, Likely), (301, Certain)]);
}

#[test]
fn r118_what_people_asked_to_keep_is_kept_with_what_is_below_it() {
    let mut machine = two();
    machine.add(302, 301, "worker", &["worker"]);
    for number in [300, 301] {
        machine.keep(Kept::Process { identity: identity(number), name: "node".into() }, None);
    }
    both_alone(&machine, "kept (scupper keep)");
    assert_eq!(machine.findings().not_touched.len(), 2);
}

#[test]
fn r118_a_keep_is_of_one_identity_and_ends_when_it_says() {
    let mut machine = two();
    let reused = scupper_model::Identity { start_time: scupper_model::StartTime(7), ..identity(300) };
    machine.keep(Kept::Process { identity: reused, name: "node".into() }, None);
    machine.keep(Kept::Process { identity: identity(301), name: "node".into() }, Some(Timestamp(NOW.0)));
    assert_eq!(machine.left(), [(300, Likely), (301, Certain)]);
    machine.known.keeps[1].until = Some(Timestamp(NOW.0 + 1));
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_a_pattern_keeps_by_name_program_or_script() {
    for pattern in ["node", "mcp-server-*", "*files"] {
        let mut machine = two();
        machine.keep(Kept::Pattern { pattern: pattern.into() }, None);
        both_alone(&machine, &format!("kept by the pattern {pattern}"));
    }
}

#[test]
fn r118_what_a_run_keeps_and_what_was_spared_at_its_end_stays() {
    let mut machine = two();
    machine.known.spared.push((identity(300), "daemon by choice".into()));
    machine.known.runs[0].keep = vec!["node".into()];
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "left alone at the end of its run: daemon by choice");
    assert_eq!(machine.not_touched(301).because, "kept by the pattern node");
}

#[test]
fn r118_another_users_process_is_no_finding_but_for_root() {
    let mut machine = two();
    for number in [300, 301] {
        machine.process(number).uid = Some(1001);
    }
    both_alone(&machine, "another user");
    machine.observer.uid = 0;
    assert_eq!(machine.left(), [(300, Likely), (301, Certain)]);
    // Whether it carries the keep mark cannot be read.
    machine.process(300).marks = Marks::Unreadable;
    assert_eq!(machine.left(), [(301, Certain)]);
    machine.process(301).uid = None;
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_below_a_root_what_belongs_to_another_user_is_left_alone() {
    let mut machine = Machine::new();
    machine.observer.uid = 0;
    machine.server(300);
    machine.add(301, 300, "sudo", &["sudo"]).uid(0);
    machine.add(302, 301, "x", &["x"]).uid(0);
    assert_eq!(machine.left(), [(300, Likely)]);
    assert!(machine.not_touched(301).because.contains("another user than node (pid 300)"));
}

#[test]
fn nohup_keeps_what_has_no_dead_stdin() {
    let mut machine = Machine::new();
    let nohup = |p: &mut scupper_probe::snapshot::Process| p.ignores_hangup = Some(true);
    machine.orphan(300, "train", &["python3", "train.py"]).terminal(true).with(nohup);
    machine.orphan(301, "job", &["job"]).stdio(End::Null, End::Pipe(1), End::Pipe(1)).with(nohup);
    machine.orphan(302, "job", &["job"]).directory("/tmp/x (deleted)").with(nohup);
    // A server of an agent that ran under nohup has inherited that.
    machine.server(303).with(nohup);
    assert_eq!(machine.left(), [(303, Likely)]);
    for number in [300, 301, 302] {
        assert!(machine.not_touched(number).because.contains("nohup"));
    }
}

#[test]
fn a_job_that_has_read_all_there_is_and_writes_to_a_file_is_left_alone() {
    // `cat data | job > log &` in a script that has ended.
    let mut machine = Machine::new();
    let log = || End::File("/home/me/log".into());
    machine.orphan(300, "job", &["job"]).stdio(End::Pipe(1), log(), log());
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("writes to a file"));
    // In a directory that is gone, nobody will look for the file.
    machine.process(300).working_directory = Some("/tmp/x (deleted)".into());
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn what_made_itself_a_daemon_is_left_alone_though_nobody_reads_its_output() {
    let mut machine = Machine::new();
    machine.orphan(300, "mydaemon", &["mydaemon"]).own_session().directory("/").stdio(
        End::Null,
        End::Pipe(1),
        End::Pipe(1),
    );
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("daemon"));
}

#[test]
fn a_deliberate_setsid_is_left_alone() {
    let mut machine = Machine::new();
    machine.orphan(300, "server", &["server"]).own_session().file_output();
    machine.orphan(301, "server", &["server"]).own_session();
    assert!(machine.findings().not_touched.is_empty());
    machine.orphan(302, "server", &["server"]).own_session().file_output().directory("/tmp/x (deleted)");
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(302).because.contains("meant to stay"));
}

#[test]
fn a_connection_that_ssh_shares_is_left_alone_though_its_stderr_is_dead() {
    let mut machine = Machine::new();
    machine.orphan(300, "ssh", &["ssh"]).own_session().stdio(End::Null, End::Null, End::Pipe(1));
    assert_eq!(machine.left(), []);
    machine.orphan(301, "job", &["job"]).stdio(End::Null, End::Null, End::Pipe(2));
    assert_eq!(machine.left(), [(301, Likely)]);
}

#[test]
fn r118_sockets_of_another_network_namespace_may_be_in_use() {
    let mut machine = Machine::new();
    machine.server(300).sockets(&[7, 8]);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("could not be read"));
    // One that is here, and one of a kind that is not listed, as every browser has.
    machine.unix(8, true, false);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn a_server_that_somebody_is_connected_to_is_in_use() {
    let mut machine = two();
    for (number, port) in [(300, 8300_u16), (301, 8301)] {
        machine.process(number).descriptors.as_mut().unwrap().sockets =
            vec![u64::from(port), u64::from(port) + 100];
        let here = format!("127.0.0.1:{port}");
        machine.tcp(u64::from(port), TcpState::Listening, &here, "0.0.0.0:0");
        machine.tcp(u64::from(port) + 100, TcpState::Established, &here, "192.0.2.7:5000");
    }
    both_alone(&machine, "in use: 1 connection, from 192.0.2.7:5000 to port 830");
}

#[test]
fn a_connection_from_one_that_was_left_behind_itself_is_no_use() {
    let mut machine = Machine::new();
    machine.server(300).sockets(&[1, 2]);
    machine.server(301).sockets(&[3]);
    machine.tcp(1, TcpState::Listening, "[::]:8300", "[::]:0");
    machine.tcp(2, TcpState::Established, "[::ffff:127.0.0.1]:8300", "[::ffff:127.0.0.1]:5000");
    machine.tcp(3, TcpState::Established, "127.0.0.1:5000", "127.0.0.1:8300");
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
    // From a living one it is.
    machine.process(301).parent = Some(pid(SHELL));
    machine.process(301).session = SHELL;
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("from node (pid 301) to port 8300"));
}

#[test]
fn a_connection_within_its_own_tree_and_one_that_it_made_are_no_use() {
    let mut machine = Machine::new();
    machine.server(300).sockets(&[1, 2, 4]);
    machine.add(301, 300, "x", &["x"]).sockets(&[3]);
    machine.tcp(1, TcpState::Listening, "127.0.0.1:8300", "0.0.0.0:0");
    machine.tcp(2, TcpState::Established, "127.0.0.1:8300", "127.0.0.1:5000");
    machine.tcp(3, TcpState::Established, "127.0.0.1:5000", "127.0.0.1:8300");
    machine.tcp(4, TcpState::Established, "127.0.0.1:6000", "198.51.100.1:443");
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn a_tree_is_in_use_where_one_of_it_is() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "vite", &["vite"]).sockets(&[1, 2]);
    machine.tcp(1, TcpState::Listening, "127.0.0.1:5173", "0.0.0.0:0");
    machine.tcp(2, TcpState::Established, "127.0.0.1:5173", "127.0.0.1:5000");
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("in use"));
}

#[test]
fn r118_who_is_connected_is_unknown_where_the_tables_cannot_be_read() {
    let mut machine = Machine::new();
    machine.snapshot.tcp = None;
    machine.server(300);
    machine.server(301).sockets(&[7]);
    assert_eq!(machine.left(), [(300, Likely)]);
    assert!(machine.not_touched(301).because.contains("could not be read"));
}

#[test]
fn a_client_of_a_unix_socket_is_use_and_a_server_on_the_other_end_is_none() {
    let mut machine = Machine::new();
    machine.unix(1, false, true);
    machine.connected(2, 3);
    machine.connected(4, 5);
    machine.unix(6, false, true);
    machine.server(300).sockets(&[1, 4]);
    machine.add(310, SHELL, "dbus-daemon", &["dbus-daemon"]).sockets(&[5, 6]);
    assert_eq!(machine.left(), [(300, Likely)]);
    machine.process(300).descriptors.as_mut().unwrap().sockets.push(2);
    machine.add(311, SHELL, "client", &["client"]).sockets(&[3]);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("client (pid 311) over a Unix socket"));
}

#[test]
fn r118_what_is_not_clear_is_left_alone() {
    // One pid twice, and two that are each other's parent.
    let mut machine = two();
    for number in [300, 301] {
        let twin = machine.process(number).clone();
        machine.snapshot.processes.push(twin);
    }
    assert_eq!(machine.left(), []);
    let mut machine = two();
    machine.process(300).parent = Some(pid(301));
    machine.process(301).parent = Some(pid(300));
    assert_eq!(machine.left(), []);
}

#[test]
fn what_was_sent_away_on_purpose_stays_when_its_starter_was_left_behind() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "server", &["server"]).own_session().file_output();
    machine.add(302, 301, "worker", &["worker"]).own_session();
    machine.add(303, 300, "reader", &["reader"]).stdio(End::Null, End::Pipe(9), End::Null);
    machine.add(304, SHELL, "cat", &["cat"]).stdio(End::Pipe(9), End::Null, End::Null);
    assert_eq!(machine.left(), [(300, Likely)]);
    assert!(machine.not_touched(301).because.contains("meant to stay"));
    assert!(machine.not_touched(303).because.contains("cat (pid 304)"));
}

#[test]
fn r118_the_first_process_is_never_left_behind() {
    let mut machine = Machine::new();
    machine.observer.uid = 0;
    machine.recorded(1, &[GONE], &[1]);
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(1).because, "it is the first process");
}

#[test]
fn a_daemon_has_no_terminal() {
    let mut machine = Machine::new();
    let process = machine.orphan(300, "x", &["x"]).directory("/");
    process.stdio(End::Null, End::Pipe(1), End::Null).with(|p| p.has_terminal = true);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_what_looks_left_behind_below_a_living_scupper_is_listed_with_it() {
    let mut machine = Machine::new();
    machine.orphan(250, "scupper", &["scupper", "run"]).own_session();
    machine.add(300, 250, "server", &["server"]).session(90).pipes(3000, 3001);
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "scupper (pid 250) runs and looks after it");
}
