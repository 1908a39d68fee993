//! Long lists come in pages, and events in their order.

use std::collections::HashSet;

use scupper_fleet::{AgentId, Happened, Reason, Standing};

use super::Fixture;
use super::scene::{Scene, id};

pub fn long_lists_come_in_pages(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let names: HashSet<AgentId> = (0..250).map(|number| id(&format!("coder-{number}"))).collect();
    for name in &names {
        scene.doomed(name.as_str());
    }
    let mut seen = HashSet::new();
    let mut from = None;
    loop {
        let page = scene.store.agents(from.as_deref(), 40).unwrap();
        for view in page.entries {
            assert_eq!(view.standing, Standing::Active);
            assert!(seen.insert(view.id.clone()), "{} came twice", view.id);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, names);
    scene.expire();
    let sweep = scupper_fleet::Sweep { asked: true, ..scene.sweep_of("a") };
    let claimed = scene.store.sweep(&sweep).unwrap().claims;
    assert_eq!(claimed.len(), scene.timing.batch);
    let mut shown = HashSet::new();
    let mut from = None;
    loop {
        let page = scene.store.claims(from.as_deref(), 40).unwrap();
        for view in page.entries {
            assert_eq!((view.coordinator.clone(), view.reason), (Some(id("a")), Reason::StaleHeartbeat));
            assert!(shown.insert((view.id.clone(), view.fence)), "{} came twice", view.id);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(shown, claimed.into_iter().map(|claim| (claim.id, claim.fence)).collect());
    let status = scene.store.status().unwrap();
    assert_eq!((status.claims, status.members, status.expired), (100, 150, 150));
}

pub fn events_follow_each_other(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let mark = scene.last_event();
    let said: Vec<_> = (0..25)
        .map(|count| Happened::OrphansDetected { count, orphans: Vec::new() })
        .inspect(|what| scene.store.announce(what).unwrap())
        .collect();
    scene.store.announce(&Happened::HeartbeatSent { agent_id: id("coder-1") }).unwrap();
    assert_eq!(scene.said_after(mark.as_ref()), said);
    let first = scene.store.events(mark.as_ref(), 10).unwrap();
    let second = scene.store.events(Some(&first[9].0), 10).unwrap();
    let got: Vec<_> = first.iter().chain(&second).map(|(_, event)| event.what.clone()).collect();
    assert_eq!(got, said[..20]);
    assert!(first[9].0 < second[0].0 && first[9].1.at <= second[0].1.at);
    let last = scene.last_event();
    assert_eq!(scene.store.events(last.as_ref(), 10).unwrap(), []);
}
