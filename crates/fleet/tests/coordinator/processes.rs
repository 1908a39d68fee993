//! Processes of orphans: handed to the coordinator of their host, told of, settled.

use std::sync::{Arc, Mutex};

use scupper_fleet::coordinator::{Fate, Looked, OnLost, Processes};
use scupper_fleet::{Happened, Incarnation, Process, Store};
use scupper_model::FleetFact;

use crate::scene::{Scene, host, identity, secs};

/// Remembers what it was handed, and answers when it is told to.
#[derive(Default)]
struct Hands {
    handed: Mutex<Vec<(Incarnation, Process)>>,
    fate: Mutex<Option<Fate>>,
}

impl Processes for Hands {
    fn look_at(&self, who: &Incarnation, process: &Process) -> bool {
        self.handed.lock().unwrap().push((who.clone(), process.clone()));
        true
    }

    fn looked_at(&self) -> Vec<Looked> {
        let Some(fate) = self.fate.lock().unwrap().take() else { return Vec::new() };
        let handed = self.handed.lock().unwrap();
        let of = |(who, process): &(Incarnation, Process)| Looked {
            who: who.clone(),
            process: process.clone(),
            fate: fate.clone(),
        };
        handed.iter().map(of).collect()
    }
}

#[test]
fn r115_the_process_is_handed_to_the_coordinator_of_its_host_once_and_settled_when_it_was_looked_at() {
    for here in [true, false] {
        let scene = Scene::new();
        let (hands_a, hands_b) = (Arc::new(Hands::default()), Arc::new(Hands::default()));
        let mut a = scene.coordinator_with("a", OnLost::Adopt, Some(hands_a.clone()));
        let mut b = scene.coordinator_with("b", OnLost::Adopt, Some(hands_b.clone()));
        let on = if here { "host-a" } else { "host-b" };
        let who = scene.register_by("agent", &*scene.store, on, Some(identity(4711)));
        // Only `a` sweeps: `b` comes when all is over.
        scene.pass(secs(140), &mut [&mut a], &[]);
        assert_eq!(scene.completed(), ["agent"]);
        scene.pass(secs(20), &mut [&mut a, &mut b], &[]);
        let (mine, other) = if here { (&hands_a, &hands_b) } else { (&hands_b, &hands_a) };
        let process = Process { host: on.parse().unwrap(), identity: Some(identity(4711)) };
        assert_eq!(*mine.handed.lock().unwrap(), [(who.clone(), process)], "once");
        assert!(other.handed.lock().unwrap().is_empty());
        assert_eq!(scene.told("process_delegated").len(), usize::from(!here));
        assert_eq!(scene.store.delegated(&on.parse().unwrap()).unwrap().len(), 1, "until it was looked at");

        let unit = "coder".to_owned();
        *mine.fate.lock().unwrap() =
            Some(Fate::Ended { unit, target: identity(4711), processes: 2, forced: 1 });
        // The registry is away when it is to be told: it is told later.
        scene.store.silent("announce", true);
        scene.pass(secs(10), &mut [&mut a, &mut b], &[]);
        assert!(scene.told("process_ended").is_empty());
        scene.store.silent("announce", false);
        scene.pass(secs(20), &mut [&mut a, &mut b], &[]);
        let [FleetFact::ProcessEnded { processes: 2, forced: 1, .. }] = &scene.told("process_ended")[..]
        else {
            panic!("{:?}", scene.told("process_ended"))
        };
        let ended = scene.events().into_iter().filter(|event| matches!(event, Happened::ProcessEnded { .. }));
        assert_eq!(ended.count(), 1);
        assert!(scene.store.delegated(&on.parse().unwrap()).unwrap().is_empty());
    }
}

#[test]
fn r115_what_is_left_alone_is_said_with_its_reason_and_what_is_gone_is_not() {
    for (fate, said) in [(Fate::Left { because: "nothing confirms it".into() }, 1), (Fate::Gone, 0)] {
        let scene = Scene::new();
        let hands = Arc::new(Hands::default());
        let mut a = scene.coordinator_with("a", OnLost::Adopt, Some(hands.clone()));
        scene.register_by("agent", &*scene.store, "host-a", Some(identity(4711)));
        scene.pass(secs(150), &mut [&mut a], &[]);
        *hands.fate.lock().unwrap() = Some(fate);
        scene.pass(secs(10), &mut [&mut a], &[]);
        assert_eq!(scene.told("process_left").len(), said);
        let left = scene.events().into_iter().filter(|event| matches!(event, Happened::ProcessLeft { .. }));
        assert_eq!(left.count(), said);
        assert!(scene.store.delegated(&host("a")).unwrap().is_empty());
    }
}

/// It never said which process it is: nobody is asked to look for one.
#[test]
fn r115_an_agent_without_an_identity_has_no_process_to_look_at() {
    let scene = Scene::new();
    let hands = Arc::new(Hands::default());
    let mut a = scene.coordinator_with("a", OnLost::Adopt, Some(hands.clone()));
    scene.register_by("agent", &*scene.store, "host-a", None);
    scene.pass(secs(150), &mut [&mut a], &[]);
    assert_eq!(scene.completed(), ["agent"]);
    assert!(hands.handed.lock().unwrap().is_empty());
}
