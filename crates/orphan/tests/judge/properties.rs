//! Whatever a snapshot says, some things hold. It is data: pids twice, parents in a circle, absurd numbers.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use scupper_model::{Identity, ProcessState, StartTime};
use scupper_orphan::{Certainty, Observer, explain, judge, questions};
use scupper_probe::snapshot::{End, Marks, Process};
use scupper_probe::sockets::TcpState;

use crate::machine::*;

/// One arbitrary process of few numbers, so that they meet.
#[derive(Clone, Debug)]
struct Any {
    number: i32,
    parent: i32,
    start: u64,
    session: i32,
    zombie: bool,
    uid: Option<u32>,
    name: Vec<u8>,
    command: Option<Vec<Vec<u8>>>,
    marked: Option<u32>,
    stdio: Option<[u8; 3]>,
    sockets: Vec<u64>,
    directory: Option<&'static str>,
    hangup: Option<bool>,
    age: u64,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(
            &["systemd", "scupper", "node", "bash", "chrome", "tini", "npx", "uv", "-m", "--"][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn any_process() -> impl Strategy<Value = Any> {
    let place = (
        1_i32..24,
        0_i32..26,
        prop_oneof![0_u64..30, Just(u64::MAX)],
        prop_oneof![-1_i32..26, Just(i32::MAX)],
    );
    let who = (
        prop::bool::weighted(0.1),
        prop::option::weighted(0.9, prop::sample::select(&[0, ME, 1001][..])),
        text(),
        prop::option::of(prop::collection::vec(text(), 0..5)),
        prop::option::of(0_u32..4),
    );
    let ends = (
        prop::option::weighted(0.9, any::<[u8; 3]>()),
        prop::collection::vec(0_u64..20, 0..4),
        prop::option::of(prop::sample::select(&["/", "/home", "/x (deleted)"][..])),
        any::<Option<bool>>(),
        prop_oneof![0_u64..7_200, Just(u64::MAX)],
    );
    (place, who, ends).prop_map(
        |(
            (number, parent, start, session),
            (zombie, uid, name, command, marked),
            (stdio, sockets, directory, hangup, age),
        )| Any {
            number,
            parent,
            start,
            session,
            zombie,
            uid,
            name,
            command,
            marked,
            stdio,
            sockets,
            directory,
            hangup,
            age,
        },
    )
}

fn end(byte: u8) -> End {
    match byte % 8 {
        0 => End::Closed,
        1 => End::Null,
        2 => End::File("/x".into()),
        3 => End::Terminal { path: "/dev/pts/1".into(), gone: byte >= 128 },
        4 | 5 => End::Pipe(u64::from(byte / 8)),
        6 => End::Socket(u64::from(byte / 8)),
        _ => End::Other("x".into()),
    }
}

fn machine_of(all: Vec<Any>) -> Machine {
    let mut machine = Machine::new();
    machine.snapshot.processes.clear();
    for any in all {
        machine.add(any.number, any.parent, "x", &[]);
        let process: &mut Process = machine.snapshot.processes.last_mut().unwrap();
        process.identity.start_time = StartTime(any.start);
        process.session = any.session;
        process.state = if any.zombie { ProcessState::Zombie } else { ProcessState::Alive };
        process.uid = any.uid;
        process.name = any.name;
        process.command = any.command.map(Into::into);
        process.marks = any.marked.map_or(Marks::Empty, |number| Marks::Read {
            run: Some(run(number).to_string().into_bytes()),
            unit: Some(b"web".to_vec()),
            keep: (number == 3).then(|| b"1".to_vec()),
        });
        process.working_directory = any.directory.map(Into::into);
        process.ignores_hangup = any.hangup;
        process.age = Duration::from_secs(any.age);
        match any.stdio {
            None => process.descriptors = None,
            Some(stdio) => {
                let descriptors = process.descriptors.as_mut().unwrap();
                descriptors.stdio = stdio.map(end);
                descriptors.sockets = any.sockets;
            }
        }
    }
    for inode in 0..10 {
        machine.connected(inode, inode + 10);
    }
    machine.unix(3, true, false);
    machine.unix(4, false, true);
    for inode in 14..18 {
        let state = if inode < 16 { TcpState::Listening } else { TcpState::Established };
        machine.tcp(inode, state, "127.0.0.1:80", "127.0.0.1:81");
    }
    // Run 0 has watchers by number, run 1 is over.
    machine.recorded(0, &[], &[]);
    machine.recorded(1, &[], &[]).ended = true;
    machine.known.runs[0].watchers = machine.snapshot.processes.iter().take(2).map(|p| p.identity).collect();
    machine.known.runs[1].mains =
        machine.snapshot.processes.iter().skip(2).take(3).map(|p| p.identity).collect();
    machine
}

/// A process and all above it, by the numbers in the snapshot alone.
fn with_above(machine: &Machine, number: i32) -> HashSet<i32> {
    let mut above = HashSet::from([number]);
    loop {
        let parents: Vec<i32> = machine
            .snapshot
            .processes
            .iter()
            .filter(|p| above.contains(&p.identity.pid.get()))
            .filter_map(|p| p.parent.map(scupper_model::Pid::get))
            .filter(|parent| !above.contains(parent))
            .collect();
        if parents.is_empty() {
            return above;
        }
        above.extend(parents);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn r118_some_things_hold_of_every_snapshot(
        all in prop::collection::vec(any_process(), 0..40),
        observer in 1_i32..24,
        root in any::<bool>(),
        trouble in any::<bool>(),
    ) {
        let mut machine = machine_of(all);
        machine.observer = Observer { pid: pid(observer), uid: if root { 0 } else { ME } };
        if trouble {
            machine.known.trouble.push("x".into());
        }
        let snapshot = machine.snapshot();
        let findings = judge(&snapshot, &machine.known, machine.observer, &machine.settings);
        let again = judge(&snapshot, &machine.known, machine.observer, &machine.settings);
        prop_assert_eq!(format!("{findings:?}"), format!("{again:?}"), "the same again");
        questions(&snapshot, &machine.settings);
        let own = with_above(&machine, observer);
        let watchers = &machine.known.runs[0].watchers;
        let is_alive = |who: &Identity| {
            let found = snapshot.processes.iter().find(|p| p.identity == *who);
            found.is_some_and(|p| p.state != ProcessState::Zombie)
        };
        let run_lives = watchers.iter().any(is_alive);
        let mut seen = HashSet::new();
        for left in &findings.left_behind {
            let identity = left.process.identity;
            let number = identity.pid.get();
            prop_assert!(seen.insert(identity), "once each");
            prop_assert!(number != 1 && !own.contains(&number), "{} is above the observer", number);
            prop_assert!(!trouble || left.certainty == Certainty::Likely);
            prop_assert!(root || left.process.uid == Some(ME));
            prop_assert!(left.process.uid.is_some());
            let process = snapshot.processes.iter().find(|p| p.identity == identity).unwrap();
            prop_assert!(process.state != ProcessState::Zombie);
            let mark = match &process.marks {
                Marks::Read { run, keep, .. } => (run.clone(), keep.is_some()),
                _ => (None, false),
            };
            prop_assert!(!mark.1, "it is kept");
            prop_assert!(!run_lives || mark.0 != Some(run(0).to_string().into_bytes()), "its run is alive");
            prop_assert!(!left.evidence.is_empty());
            prop_assert!(left.evidence.is_sorted_by_key(|piece| piece.kind));
            if left.certainty == Certainty::Certain {
                prop_assert!(left.evidence[0].kind <= scupper_orphan::EvidenceKind::Mark);
            }
            let plain = |text: &str| !text.chars().any(char::is_control);
            prop_assert!(plain(&left.group) && plain(&left.process.name) && plain(&left.process.command));
        }
        for number in 1..4 {
            let explained = explain(&snapshot, &machine.known, machine.observer, &machine.settings, pid(number));
            prop_assert!(explained.is_none_or(|explained| !explained.sentence.is_empty()));
        }
    }
}

#[test]
fn a_long_chain_and_a_circle_end() {
    let mut machine = Machine::new();
    machine.recorded(1, &[250], &[300]);
    machine.server(300);
    for number in 301..2_300 {
        // In order of their numbers: the parent is the one before.
        let mut process = machine.process(300).clone();
        process.identity = identity(number);
        process.parent = Some(pid(number - 1));
        machine.snapshot.processes.push(process);
    }
    assert_eq!(machine.left().len(), 2_000);
    machine.process(300).parent = Some(pid(2_299));
    assert_eq!(machine.left(), []);
}
