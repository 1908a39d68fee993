//! Two coordinators of one Redis, of which one hears an agent that the other takes for dead.

use scupper_fleet::{AgentId, AgentView, Happened, Standing};

use super::{Fleet, Serve};
use crate::scene::{PATIENCE, Running, wait_for};

/// What came of the cleanup of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cleanup {
    Aborted,
    Completed,
}

/// A real agent that beats through the coordinator of its host, which says so to Redis and to nobody else. It beats so seldom
/// that nothing but the objection keeps it.
struct Agent {
    id: AgentId,
    running: Running,
}

impl Agent {
    fn start(fleet: &Fleet, nth: usize) -> Self {
        let id = format!("heard-{nth}");
        let socket = fleet.scene.path("run/scupper/serve.sock");
        let registry = format!("unix:{}", socket.display());
        let flags = ["--name", &id, "--agent", &id, "--registry", &registry, "--ttl", "10m", "--beat", "3m"];
        let mut command = fleet.scene.scupper(&[&["run"], &flags[..], &["--", "sleep", "100000"]].concat());
        command.stderr(std::fs::File::create(fleet.scene.path(&format!("{id}.log"))).unwrap());
        let running = Running { child: command.spawn().unwrap() };
        let id: AgentId = id.parse().unwrap();
        wait_for("it is a member", PATIENCE, || {
            let view = fleet.store.agent(&id).unwrap();
            let said =
                |view: &AgentView| view.process.as_ref().is_some_and(|process| process.identity.is_some());
            // Heard after it was registered, and by the coordinator of its host.
            let beats = |view: &AgentView| view.last_seen > view.since && view.coordinator.is_some();
            if view.as_ref().is_some_and(|view| said(view) && beats(view)) {
                return Ok(());
            }
            Err(format!("{view:?}"))
        });
        Self { id, running }
    }

    /// Redis takes its lease for over from now on, and somebody sweeps.
    fn is_taken_for_dead(&self, fleet: &mut Fleet) -> Cleanup {
        let aged = fleet.redis().ask(&["ZADD", "scupper:{0}:dl", "XX", "CH", "1", self.id.as_str()]);
        assert_eq!(aged, ":1", "it has a lease");
        wait_for("its cleanup is over", PATIENCE, || {
            let events = fleet.events();
            let over = events.iter().find_map(|event| match &event.what {
                Happened::CleanupAborted { agent_id, .. } if *agent_id == self.id => Some(Cleanup::Aborted),
                Happened::CleanupCompleted { agent_id, .. } if *agent_id == self.id => {
                    Some(Cleanup::Completed)
                }
                _ => None,
            });
            over.ok_or_else(|| format!("{:?}", events.last()))
        })
    }
}

fn of(serve: &Serve, event: &str, agent: &Agent) -> usize {
    serve.told(event).iter().filter(|told| told["agent"] == agent.id.as_str()).count()
}

/// R114: whoever hears an agent objects to its cleanup as soon as it begins, within the 100 ms that there are for it, and the
/// agent works on as the incarnation that it was. A machine on which a process is not run for so long is too late: then
/// another agent is taken for dead.
#[test]
fn heavy_r114_a_coordinator_objects_to_the_cleanup_of_an_agent_that_it_hears() {
    let mut fleet = Fleet::new();
    let sweeps = fleet.serve("b", &["--ttl", "4s", "--tick", "50ms", "--no-processes"]);
    sweeps.wait_for("fleet_open");
    // This one sweeps so seldom that it would come too late, if Redis did not tell it of a cleanup that begins.
    let hears = fleet.serve_with("a", &["--no-listen"], &["--ttl", "10m", "--no-processes"]);
    let socket = fleet.scene.path("run/scupper/serve.sock");
    wait_for("it listens", PATIENCE, || if socket.exists() { Ok(()) } else { Err(hears.log()) });
    wait_for("Redis tells it of cleanups", PATIENCE, || {
        let listeners = fleet.redis().ask(&["PUBSUB", "NUMSUB", "scupper:{0}:begun"]);
        if listeners.ends_with('2') { Ok(()) } else { Err(listeners) }
    });
    let mut kept = None;
    for nth in 0..20 {
        let agent = Agent::start(&fleet, nth);
        let before = fleet.store.agent(&agent.id).unwrap().unwrap().epoch;
        let over = agent.is_taken_for_dead(&mut fleet);
        let now = fleet.store.agent(&agent.id).unwrap();
        if over == Cleanup::Aborted {
            let now = now.unwrap();
            assert_eq!((now.epoch, now.standing), (before, Standing::Active), "{}", hears.log());
            kept = Some(agent);
            break;
        }
        assert!(now.is_none_or(|view| view.epoch != before), "{}", sweeps.log());
    }
    let agent = kept.expect("nobody objected in time");
    wait_for("both have said so", PATIENCE, || {
        match (of(&hears, "cleanup_objected", &agent), of(&sweeps, "cleanup_aborted", &agent)) {
            (1, 1) => Ok(()),
            other => Err(format!("{other:?}\n{}\n{}", hears.log(), sweeps.log())),
        }
    });
    assert_eq!(of(&sweeps, "cleanup_completed", &agent), 0);
    // Its lease is as good as before: it leaves when it is told to, and by itself.
    agent.running.signal(15);
    assert_eq!(agent.running.wait().code(), Some(143), "{}", fleet.scene.text(&format!("{}.log", agent.id)));
    assert_eq!(fleet.store.agent(&agent.id).unwrap(), None);
    assert!(hears.end().success() && sweeps.end().success());
}
