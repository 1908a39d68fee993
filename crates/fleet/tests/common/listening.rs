#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, of what comes in its own time")]

//! Two coordinators of one registry, of which one hears an agent, and the other claims it. The one that hears it does not
//! sweep meanwhile: it knows of the claim from what the registry tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scupper_fleet::coordinator::{Coordinator, Facts, Listening, OnLost, Setup, Stop};
use scupper_fleet::{
    Claim, Clock, Happened, Incarnation, Members, Nonce, Process, Reaped, Registered, Registration, Store,
    Sweep, Timing,
};

/// Long enough for any machine; nobody waits for it.
const TIMING: Timing = Timing { objection: Duration::from_mins(10), ..Timing::DEFAULT };

/// Of host a, over `store`; what it says goes nowhere.
pub fn coordinator(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Coordinator {
    let setup = Setup {
        id: "a".parse().unwrap(),
        host: "host-a".parse().unwrap(),
        registry: "test".to_owned(),
        timing: TIMING,
        on_lost: OnLost::Adopt,
        leak_window: None,
    };
    let facts: Facts = Arc::new(drop);
    Coordinator::new(setup, store, clock, None, facts)
}

/// An agent of host a.
pub fn member(with: &dyn Members) -> Incarnation {
    let registration = Registration {
        id: "heard".parse().unwrap(),
        nonce: "n".parse::<Nonce>().unwrap(),
        ttl: TIMING.ttl,
        takeover: false,
        earlier: None,
        coordinator: None,
        process: Process { host: "host-a".parse().unwrap(), identity: None },
        secret: None,
    };
    match with.register(&registration).unwrap() {
        Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
        other => panic!("{other:?}"),
    }
}

/// Coordinator b sweeps until it has claimed somebody.
pub fn claimed(b: &dyn Store, pass: &dyn Fn(Duration)) -> Claim {
    for _ in 0..30 {
        let swept = b.sweep(&Sweep {
            coordinator: "b".parse().unwrap(),
            host: "host-b".parse().unwrap(),
            timing: TIMING,
            dry: false,
            asked: false,
            only: Vec::new(),
        });
        if let Some(claim) = swept.unwrap().claims.into_iter().next() {
            return claim;
        }
        pass(Duration::from_secs(20));
    }
    panic!("it is not claimed");
}

/// Listens on a thread of its own, as in `serve`, until `until` has seen what it waits for.
pub fn while_listening(listening: Listening, act: impl FnOnce()) {
    let stop = Stop::new();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || listening.run(&stop)
    });
    act();
    stop.stop();
    drop(thread);
}

/// The cleanup is over before anything was deleted, and the agent a member.
pub fn is_kept(store: &dyn Store, claim: &Claim) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !store.claims(None, 10).unwrap().entries.is_empty() {
        assert!(Instant::now() < deadline, "nobody objects");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(store.reap(claim, None, &TIMING).unwrap(), Reaped::Aborted);
    assert_eq!(store.status().unwrap().members, 1);
    let aborted = |what: &Happened| matches!(what, Happened::CleanupAborted { .. });
    let events = store.events(None, 1000).unwrap();
    assert_eq!(events.iter().filter(|(_, event)| aborted(&event.what)).count(), 1);
}
