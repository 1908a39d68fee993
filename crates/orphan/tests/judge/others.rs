//! What is no orphan: idle servers, zombies, descriptors, groups.

use std::time::Duration;

use scupper_model::{Bytes, ProcessState};
use scupper_orphan::{Class, DescriptorKind};
use scupper_probe::snapshot::{Deleted, End, Process};
use scupper_probe::sockets::TcpState;

use crate::machine::*;

/// A client that holds a server's stdin and stdout.
fn held(machine: &mut Machine, number: i32) {
    let inode = u64::try_from(number).unwrap() * 10;
    if !machine.snapshot.processes.iter().any(|p| p.identity.pid.get() == 280) {
        machine.add(280, SHELL, "client", &["/usr/bin/client"]);
    }
    machine
        .add(number, 280, "node", &["node", "/x/node_modules/.bin/mcp-server-files"])
        .pipes(inode, inode + 1);
    machine.holds(280, inode, true);
    machine.holds(280, inode + 1, false);
}

fn idle(machine: &Machine) -> Vec<(i32, String)> {
    let findings = machine.findings();
    findings.held_idle.iter().map(|h| (h.process.identity.pid.get(), h.reason.clone())).collect()
}

#[test]
fn a_server_that_its_client_holds_and_does_not_use_is_policy_and_no_orphan() {
    let mut machine = Machine::new();
    held(&mut machine, 300);
    let findings = machine.findings();
    assert!(findings.left_behind.is_empty());
    assert_eq!(findings.held_idle.len(), 1);
    let found = &findings.held_idle[0];
    assert_eq!(found.holder, (pid(280), "client".to_owned()));
    assert_eq!(found.reason, "client holds its stdin and does not use it: 900ms of processor time in 2h");
}

#[test]
fn work_youth_a_keep_and_a_connection_are_not_idle() {
    for case in 0..5 {
        let mut machine = Machine::new();
        held(&mut machine, 300);
        match case {
            0 => machine.process(300).cpu = Duration::from_secs(15),
            1 => machine.process(300).age = Duration::from_mins(29),
            2 => machine.keep(scupper_model::Kept::Pattern { pattern: "node".into() }, None),
            3 => {
                machine.process(300).descriptors.as_mut().unwrap().sockets = vec![1, 2];
                machine.tcp(1, TcpState::Listening, "127.0.0.1:80", "0.0.0.0:0");
                machine.tcp(2, TcpState::Established, "127.0.0.1:80", "192.0.2.1:5");
            }
            // What it started works.
            _ => {
                machine.add(301, 300, "worker", &["worker"]).with(|p| p.cpu = Duration::from_mins(5));
            }
        }
        assert_eq!(idle(&machine), [], "{case}");
    }
}

#[test]
fn several_of_a_kind_say_so() {
    let mut machine = Machine::new();
    for number in [300, 301, 302] {
        held(&mut machine, number);
    }
    let found = idle(&machine);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(_, reason)| reason.ends_with("3 of them are held by the same process")));
}

#[test]
fn a_shells_pipeline_is_no_server() {
    let mut machine = Machine::new();
    machine.add(300, SHELL, "less", &["less"]).pipes(1, 2);
    machine.holds(SHELL, 1, true);
    machine.holds(SHELL, 2, false);
    assert_eq!(idle(&machine), []);
}

#[test]
fn a_client_that_closed_its_servers_stdin_and_did_not_end_it() {
    let mut machine = Machine::new();
    machine.add(280, SHELL, "client", &["client"]);
    machine.add(300, 280, "x", &["x"]).pipes(1, 2);
    machine.holds(280, 2, false);
    let found = idle(&machine);
    assert!(found[0].1.starts_with("its client client closed its stdin and did not end it"), "{found:?}");
    // `echo x | job > file` is no server.
    let mut machine = Machine::new();
    machine.add(280, SHELL, "client", &["client"]);
    machine.add(300, 280, "x", &["x"]).stdio(End::Pipe(1), End::File("/x".into()), End::Null);
    assert_eq!(idle(&machine), []);
}

#[test]
fn what_was_left_behind_is_not_idle_as_well() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "node", &["node", "x-mcp"]).pipes(1, 2);
    machine.holds(300, 1, true);
    machine.holds(300, 2, false);
    assert_eq!(idle(&machine), []);
}

#[test]
fn a_zombie_names_the_parent_that_does_not_wait() {
    let mut machine = Machine::new();
    let dead = |p: &mut Process| p.state = ProcessState::Zombie;
    machine.add(300, SHELL, "x", &[]).with(dead);
    machine.add(301, 299, "y", &[]).with(dead);
    machine.add(302, SHELL, "z", &[]).with(dead).with(|p| p.age = Duration::from_secs(1));
    let found: Vec<_> = machine
        .findings()
        .zombies
        .iter()
        .map(|z| (z.process.identity.pid.get(), z.waits_for.clone()))
        .collect();
    assert_eq!(found, [(300, Some((pid(SHELL), "bash".to_owned()))), (301, None)]);
}

fn descriptors(machine: &Machine) -> Vec<(i32, DescriptorKind, u64)> {
    let found = machine.findings().descriptors;
    found.iter().map(|d| (d.process.identity.pid.get(), d.kind, d.count)).collect()
}

#[test]
fn r120_descriptors_near_their_limit() {
    let mut machine = Machine::new();
    for (number, count, limit) in [
        (300, 819, Some(1024)),
        (301, 820, Some(1024)),
        (302, 1_000_000, None),
        (303, 5, Some(0)),
        (304, u64::MAX, Some(u64::MAX)),
    ] {
        machine.add(number, SHELL, "x", &["x"]).descriptors(|d| (d.count, d.limit) = (count, limit));
    }
    assert_eq!(
        descriptors(&machine),
        [(304, DescriptorKind::NearLimit, u64::MAX), (301, DescriptorKind::NearLimit, 820)]
    );
    assert_eq!(machine.findings().descriptors[1].limit, Some(1024));
}

#[test]
fn r120_deleted_files_that_are_still_open() {
    let mut machine = Machine::new();
    for (number, bytes) in [(300, (1 << 20) - 1), (301, 1 << 20)] {
        let deleted = Deleted { count: 2, bytes: Bytes(bytes), largest: Some("/var/log/x\n.log".into()) };
        machine.add(number, SHELL, "x", &["x"]).descriptors(|d| d.deleted = deleted);
    }
    assert_eq!(descriptors(&machine), [(301, DescriptorKind::DeletedOpen, 2)]);
    let found = &machine.findings().descriptors[0];
    assert_eq!(found.bytes, Some(Bytes(1 << 20)));
    assert_eq!(found.largest.as_deref(), Some(std::path::Path::new("/var/log/x\u{fffd}.log")), "printable");
}

#[test]
fn r071_connections_that_the_other_end_has_closed() {
    let mut machine = Machine::new();
    machine.add(300, SHELL, "x", &["x"]).sockets(&[1, 2, 3, 4, 5, 6, 7]);
    machine.add(301, SHELL, "x", &["x"]).sockets(&[11, 12, 13, 14, 15, 16, 17, 18, 19]);
    for inode in (1..8).chain(11..19) {
        machine.tcp(inode, TcpState::CloseWait, "127.0.0.1:5000", "192.0.2.1:80");
    }
    machine.tcp(19, TcpState::Established, "127.0.0.1:5000", "192.0.2.1:80");
    assert_eq!(descriptors(&machine), [(301, DescriptorKind::CloseWait, 8)]);
}

#[test]
fn groups_are_what_people_call_a_program() {
    for (name, command, group, class) in [
        ("node", &["node", "/x/node_modules/.bin/foo"][..], "foo", Class::Other),
        (
            "node",
            &["node", "/x/node_modules/@scope/server-mcp/dist/index.js"],
            "@scope/server-mcp",
            Class::McpServer,
        ),
        (
            "node",
            &["/usr/bin/node", "--max-old-space-size=100", "-r", "x.js", "server.js"],
            "node server.js",
            Class::Other,
        ),
        (
            "npm exec @scope",
            &["npm exec @modelcontextprotocol/server-files /tmp"],
            "npm @modelcontextprotocol/server-files",
            Class::McpServer,
        ),
        ("npx", &["npx", "-y", "@scope/pkg@1.2.3", "--x"], "npx @scope/pkg", Class::Other),
        ("npm", &["npm", "run", "dev"], "npm dev", Class::Other),
        ("uvx", &["uvx", "mcp-server-fetch@latest"], "uvx mcp-server-fetch", Class::McpServer),
        ("uv", &["uv", "run", "--with", "x", "pytest"], "uv pytest", Class::TestRunner),
        ("python3", &["python3", "-m", "mcp_server_git"], "python mcp_server_git", Class::McpServer),
        ("python3.11", &["/usr/bin/python3.11", "-u", "/x/server.py"], "python server.py", Class::Other),
        ("python3", &["python3", "-c", "import secret; run('hunter2')"], "python3", Class::Other),
        ("pytest", &["/usr/bin/python3", "/home/me/.venv/bin/pytest", "-x"], "pytest", Class::TestRunner),
        ("chrome", &["/opt/google/chrome/chrome", "--type=renderer"], "chrome", Class::Browser),
        ("chromium", &["/usr/lib/chromium/chromium --type=utility"], "chromium", Class::Browser),
        ("claude", &["claude"], "claude", Class::Agent),
        ("bash", &["-bash"], "bash", Class::Shell),
        ("rust-analyzer", &["/x/rust-analyzer"], "rust-analyzer", Class::LanguageServer),
        (
            "node",
            &["node", "/x/node_modules/typescript/lib/tsserver.js"],
            "typescript",
            Class::LanguageServer,
        ),
        ("node", &["node", "/x/node_modules/.bin/vite"], "vite", Class::DevServer),
        ("esbuild", &["/x/esbuild", "--service=0.2"], "esbuild", Class::DevServer),
        ("java", &["java", "-Xmx1g", "-jar", "/x/app.jar"], "java app.jar", Class::Other),
        ("kthread", &[], "kthread", Class::Other),
        ("x\n", &["/bin/y\u{1b}[31m"], "y", Class::Other),
    ] {
        let mut machine = Machine::new();
        machine.orphan(300, name, command).stdio(End::Pipe(1), End::Pipe(2), End::Null);
        let found = machine.left_behind(300);
        assert_eq!((found.group.as_str(), found.process.class), (group, class), "{command:?}");
    }
}

#[test]
fn r118_secrets_are_shown_neither_in_a_command_nor_in_a_group() {
    let mut machine = Machine::new();
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    machine.orphan(300, "npx", &["npx", "--token", secret, "server"]).stdio(
        End::Pipe(1),
        End::Pipe(2),
        End::Null,
    );
    machine.orphan(301, "node", &["node", &format!("--api-key={secret}")]).stdio(
        End::Pipe(3),
        End::Pipe(4),
        End::Null,
    );
    machine.orphan(302, "node", &[&format!("node {secret}")]).stdio(End::Pipe(5), End::Pipe(6), End::Null);
    let findings = machine.findings();
    assert_eq!(findings.left_behind.len(), 3);
    assert!(!format!("{findings:?}").contains("ghp_0123"), "{findings:#?}");
}
