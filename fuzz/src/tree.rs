//! Trees of processes, one a line: `PID PARENT NAME`, then its arguments, all between single tabs.

use std::collections::{HashMap, HashSet};

use scupper_model::{Pid, Profile};
use scupper_knowledge::{prefork as preforks, spare as spares};

struct Process {
    pid: Pid,
    parent: Option<Pid>,
    name: Vec<u8>,
    command: Vec<Vec<u8>>,
}

fn processes(data: &[u8]) -> Vec<Process> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok().and_then(Pid::new);
    let mut pids = HashSet::new();
    data.split(|&b| b == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|&b| b == b'\t');
            let pid = number(fields.next()?)?;
            let parent = number(fields.next()?);
            let name = fields.next().unwrap_or_default().to_vec();
            pids.insert(pid).then(|| Process {
                pid,
                parent,
                name,
                command: fields.map(<[u8]>::to_vec).collect(),
            })
        })
        .take(200)
        .collect()
}

/// Recognising prefork servers: who is a worker has a master, and one only.
pub fn prefork(data: &[u8]) {
    let processes = processes(data);
    let views: Vec<preforks::View<'_>> = processes
        .iter()
        .map(|p| preforks::View { pid: p.pid, parent: p.parent, name: &p.name, command: &p.command })
        .collect();
    let parents: HashMap<Pid, Option<Pid>> = processes.iter().map(|p| (p.pid, p.parent)).collect();
    let found = preforks::recognise(&views);
    let mut masters = HashSet::new();
    let mut workers = HashSet::new();
    for prefork in &found {
        assert!(parents.contains_key(&prefork.master) && masters.insert(prefork.master));
        for worker in &prefork.workers {
            assert_eq!(parents.get(worker), Some(&Some(prefork.master)), "a worker is a child of its master");
            assert!(workers.insert(*worker), "two masters for one worker");
        }
    }
    // The order in which they were read decides nothing.
    let backwards: Vec<_> = views.iter().rev().copied().collect();
    let again = preforks::recognise(&backwards);
    let short = |found: &[preforks::Prefork]| -> Vec<_> {
        found.iter().map(|p| (p.recipe.name, p.master, p.workers.clone())).collect()
    };
    assert_eq!(short(&again), short(&found));
}

/// Who is left alone. The arguments after one that is `--env` are its environment; a name in brackets is its cgroup.
pub fn spare(data: &[u8]) {
    let Some((&bits, data)) = data.split_first() else { return };
    let processes = processes(data);
    let flag = |n: u8, pid: Pid| (u32::from(bits) ^ pid.get().unsigned_abs()) >> n & 1 == 1;
    let cgroups: Vec<Vec<(String, String)>> = processes
        .iter()
        .map(|p| vec![(String::new(), format!("/{}", String::from_utf8_lossy(&p.name)))])
        .collect();
    let members: Vec<spares::Member<'_>> = processes
        .iter()
        .zip(&cgroups)
        .map(|(p, cgroups)| {
            let at = p.command.iter().position(|a| a == b"--env").unwrap_or(p.command.len());
            let candidate = spares::Candidate {
                name: &p.name,
                command: &p.command[..at],
                environment: p.command.get(at + 1..),
                same_user: flag(0, p.pid),
                cgroups,
                own_cgroups: &cgroups[..usize::from(flag(1, p.pid))],
                unit_cgroup: Some("/scupper.x"),
                session_leader: flag(2, p.pid),
                has_terminal: flag(3, p.pid),
                stdin_null: flag(4, p.pid).then_some(flag(5, p.pid)),
                cwd_root: flag(6, p.pid).then_some(flag(7, p.pid)),
                kept: p.command.get(at + 1..).filter(|env| env.len() > 2).map(|_| "kept"),
            };
            spares::Member { pid: p.pid, parent: p.parent, candidate }
        })
        .collect();
    let keep = ["*-keep".to_owned()];
    for profile in [Profile::Web, Profile::Agent] {
        let spared: HashMap<Pid, spares::Because> =
            spares::spared_members(&members, profile, &keep).into_iter().collect();
        for member in &members {
            let below = member.parent.is_some_and(|parent| spared.contains_key(&parent));
            let alone = spares::spared(&member.candidate, profile, &keep).is_some();
            assert_eq!(spared.contains_key(&member.pid), alone || below, "{member:?}");
            let marked = member.candidate.environment.is_some_and(|e| {
                e.iter()
                    .find(|entry| entry.starts_with(b"SCUPPER_KEEP="))
                    .is_some_and(|m| m == b"SCUPPER_KEEP=1")
            });
            assert!(!marked || alone, "a mark is obeyed");
            assert!(member.candidate.kept.is_none() || alone, "what is kept is kept");
        }
    }
}
