//! At the same time: every call is before another one or after it, and there is no third order.

use std::collections::HashSet;
use std::sync::Barrier;

use scupper_fleet::{AgentId, Answer, Beat, ItemKind, Reaped, Registered, Sweep, Timing};

use super::Fixture;
use super::scene::{Scene, completions, id};

/// How many at once.
const THREADS: usize = 6;

/// F4 of the seed: whoever is found dead and beats in that moment is either spared or refused.
pub fn r092_a_beat_and_a_claim_in_one_moment(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let doomed: Vec<_> = (0..60).map(|number| scene.doomed(&format!("coder-{number}"))).collect();
    scene.expire();
    let one = Timing { batch: 1, ..scene.timing };
    let sweep = Sweep { asked: true, timing: one, ..scene.sweep_of("a") };
    let (store, start) = (fixture.store(), Barrier::new(2));
    let (spared, claimed) = std::thread::scope(|threads| {
        let beats = threads.spawn(|| {
            start.wait();
            // The longest silent are claimed first: they meet half-way.
            let accepted = doomed.iter().rev().filter(|who| {
                let beat = Beat { who: (*who).clone(), report: None };
                matches!(store.beat(&[beat]).unwrap().answers[0], Answer::Accepted { .. })
            });
            accepted.map(|who| who.id.clone()).collect::<HashSet<AgentId>>()
        });
        let claims = threads.spawn(|| {
            start.wait();
            let mut claimed = HashSet::new();
            for _ in 0..1000 {
                let claims = store.sweep(&sweep).unwrap().claims;
                if claims.is_empty() {
                    return claimed;
                }
                claimed.extend(claims.into_iter().map(|claim| claim.id));
            }
            panic!("there is no end to the claims");
        });
        (beats.join().unwrap(), claims.join().unwrap())
    });
    let both: Vec<_> = spared.intersection(&claimed).collect();
    assert_eq!(both, Vec::<&AgentId>::new(), "were told that they live, and were claimed");
    assert_eq!(spared.len() + claimed.len(), doomed.len());
    for who in &doomed {
        assert_eq!(scene.lives(who), spared.contains(&who.id), "{who}");
    }
}

pub fn many_want_one_name_and_one_has_it(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let registrations: Vec<_> = (0..THREADS).map(|_| scene.registration("coder-1")).collect();
    let (store, start) = (fixture.store(), Barrier::new(THREADS));
    let said: Vec<_> = std::thread::scope(|threads| {
        let ask = |registration| {
            start.wait();
            store.register(registration).unwrap()
        };
        let asking: Vec<_> =
            registrations.iter().map(|registration| threads.spawn(move || ask(registration))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let accepted: Vec<_> = said
        .iter()
        .filter_map(|said| match said {
            Registered::Accepted { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    assert_eq!(accepted.len(), 1, "{said:?}");
    let taken = said.iter().filter(|said| matches!(said, Registered::Taken { .. })).count();
    assert_eq!(taken, THREADS - 1, "{said:?}");
    assert_eq!(scene.store.agent(&id("coder-1")).unwrap().unwrap().epoch, Some(accepted[0]));
}

/// I4: a claim that somebody has given to several threads is still one.
pub fn a_cleanup_by_many_at_once_is_completed_once(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, 1100);
    scene.expire();
    let claim = scene.claim("a");
    let (store, start, timing) = (fixture.store(), Barrier::new(THREADS), scene.timing);
    let done: Vec<_> = std::thread::scope(|threads| {
        let reap = || {
            start.wait();
            loop {
                match store.reap(&claim, None, &timing).unwrap() {
                    Reaped::More { .. } => {}
                    last => return last,
                }
            }
        };
        let reaping: Vec<_> = (0..THREADS).map(|_| threads.spawn(reap)).collect();
        reaping.into_iter().map(|reaping| reaping.join().unwrap()).collect()
    });
    // Whoever asks with the claim that was completed hears that it was, since the first answer may have been lost.
    assert_eq!(done, vec![Reaped::Completed { deleted: own + 1100 }; THREADS]);
    assert_eq!(completions(&scene.said_of("coder-1", mark.as_ref())), [own + 1100]);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t0"), None);
}
