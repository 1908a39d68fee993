//! Real agents under a registry that goes away for longer than their leases. The times are those of the protocol, scaled by
//! `SCUPPER_TEST_LEASE` (in seconds, 8 where nothing is said); with 120 and `SCUPPER_TEST_AWAY` 300 they are the real ones.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use scupper_fleet::{AgentView, Epoch, Happened, Standing};

use super::Fleet;
use crate::scene::{PATIENCE, Running, kill, wait_for};

const AGENTS: usize = 50;
/// Of those that were started so many more die while the registry is away.
const DEAD: usize = 2;

fn seconds(name: &str, otherwise: u64) -> Duration {
    let said = std::env::var(name).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(said.unwrap_or(otherwise))
}

/// Who is a member, and which incarnation.
fn members(fleet: &Fleet) -> Result<BTreeMap<String, AgentView>, String> {
    let page = fleet.store.agents(None, 500).map_err(|error| format!("{error:?}"))?;
    Ok(page.entries.into_iter().map(|agent| (agent.id.to_string(), agent)).collect())
}

fn epochs(members: &BTreeMap<String, AgentView>) -> BTreeMap<String, Option<Epoch>> {
    members.iter().map(|(id, agent)| (id.clone(), agent.epoch)).collect()
}

#[test]
fn heavy_r116_fifty_real_agents_outlive_a_registry_that_is_away_for_longer_than_a_lease() {
    let lease = seconds("SCUPPER_TEST_LEASE", 8);
    let away = seconds("SCUPPER_TEST_AWAY", lease.as_secs() + 1);
    let patience = PATIENCE.max(lease * 6);
    let mut fleet = Fleet::new();
    let ttl = format!("{}s", lease.as_secs());
    let serve = fleet.serve("a", &["--ttl", &ttl, "--no-processes"]);
    let mut agents: BTreeMap<String, Running> = (0..AGENTS + DEAD)
        .map(|n| {
            let id = format!("agent-{n}");
            let flags = ["--name", &id, "--agent", &id, "--registry", &fleet.url, "--ttl", &ttl];
            let all = [&["run"], &flags[..], &["--", "sleep", "100000"]].concat();
            let mut command = fleet.scene.scupper(&all);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            (id, Running { child: command.spawn().unwrap() })
        })
        .collect();
    wait_for("all of them are members", patience, || {
        let there = members(&fleet)?.len();
        if there == AGENTS + DEAD { Ok(()) } else { Err(format!("{there}")) }
    });
    wait_for("the first grace is over", patience, || {
        if serve.told("fleet_open").is_empty() { Err(serve.log()) } else { Ok(()) }
    });
    let before = epochs(&members(&fleet).unwrap());

    fleet.redis().save();
    fleet.redis().kill();
    let since = Instant::now();
    serve.wait_for("registry_lost");
    // Nobody is left to say that these two have ended.
    let dead = ["agent-0", "agent-1"];
    for id in dead {
        let running = agents.remove(id).unwrap();
        kill(running.engine(), 9);
        running.wait();
    }
    wait_for("the registry has been away", away + PATIENCE, || {
        if since.elapsed() >= away { Ok(()) } else { Err(String::new()) }
    });
    fleet.redis().restart();
    let back = Instant::now();
    serve.wait_for("registry_back");

    let completed = wait_for("the dead are cleaned up after", patience + lease * 3, || {
        let events = fleet.try_events().map_err(|error| format!("{error:?}"))?;
        let of = |event: scupper_fleet::Event| match event.what {
            Happened::CleanupCompleted { agent_id, .. } => Some(agent_id.to_string()),
            _ => None,
        };
        let completed: Vec<String> = events.into_iter().filter_map(of).collect();
        if completed.len() >= DEAD { Ok(completed) } else { Err(serve.log()) }
    });
    let after = back.elapsed();
    let mut sorted = completed;
    sorted.sort();
    assert_eq!(sorted, dead, "each of the dead once, and nobody else");
    assert!(after >= lease, "whoever beat last before the outage has a whole lease: {after:?}");
    wait_for("everybody beats", patience, || {
        let members = members(&fleet)?;
        let fine = members.values().filter(|agent| agent.standing == Standing::Active).count();
        if (members.len(), fine) == (AGENTS, AGENTS) { Ok(()) } else { Err(format!("{members:?}")) }
    });
    let mut expected = before;
    expected.retain(|id, _| !dead.contains(&id.as_str()));
    assert_eq!(epochs(&members(&fleet).unwrap()), expected, "the incarnations that they were");
    for (id, running) in &agents {
        assert!(crate::scene::alive(running.pid()), "{id} was stopped");
    }
    println!(
        "{AGENTS} agents, registry away for {away:?}, lease {lease:?}: {DEAD} dead cleaned up after {after:?}, 0 others"
    );

    for running in agents.values() {
        running.signal(15);
    }
    for (_, running) in std::mem::take(&mut agents) {
        running.wait();
    }
    assert_eq!(fleet.members(), 0);
    assert!(serve.end().success());
}
