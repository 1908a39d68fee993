//! Several coordinators, one of which dies in the middle; a Redis that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scupper_fleet::{Answer, Beat, ItemKind};

use super::{Fleet, LONG, SHORT, Serve};
use crate::scene::{PATIENCE, kill, wait_for};

#[test]
fn heavy_r101_a_coordinator_killed_in_the_middle_of_cleanups_leaves_nothing_and_nothing_is_done_twice() {
    let mut fleet = Fleet::new();
    some_die_in_the_middle(&fleet);
    // What an agent kept, and seed 004's keys of it; tombstones tell why it ended, for a day.
    assert_eq!(fleet.redis().ask(&["KEYS", "agent:*:dead-*"]), "");
    let left = fleet.redis().ask(&["KEYS", "*dead-*"]);
    assert!(left.lines().all(|key| key.contains(":tomb:")), "{left}");
}

#[test]
fn heavy_r101_the_same_where_the_registry_is_files_of_this_host() {
    some_die_in_the_middle(&Fleet::embedded());
}

/// Stopped while it holds claims, seen to hold them, and killed. Orphans come in waves: five, and as many more as it takes to
/// catch one coordinator; how long a wave takes says nothing.
fn some_die_in_the_middle(fleet: &Fleet) {
    for n in 0..250 {
        fleet.register(&format!("living-{n}"), LONG);
    }
    let mut serves: Vec<(String, Serve)> = ["a", "b", "c", "d", "e"]
        .map(|host| (host.to_owned(), fleet.serve(host, &["--ttl", "4s", "--tick", "100ms"])))
        .into();
    for (_, serve) in &serves {
        serve.wait_for("fleet_grace");
    }
    let (mut dead, mut killed) = (0, 0);
    for wave in 0..30 {
        if wave >= 5 && killed > 0 {
            break;
        }
        for _ in 0..20 {
            let who = fleet.register(&format!("dead-{dead}"), SHORT);
            fleet.tasks(&who, 5);
            dead += 1;
        }
        if killed < 2 {
            killed += usize::from(kill_who_claims(fleet, &mut serves));
        }
    }
    assert!(killed > 0, "one was killed while it held claims");
    let completed = fleet.wait_for_completed(dead);
    assert_eq!(completed.len(), dead);
    assert!(completed.iter().all(|(id, times)| id.starts_with("dead-") && *times == 1), "{completed:?}");
    wait_for("nothing is in progress", PATIENCE, || {
        let status = fleet.store.status().unwrap();
        if (status.claims, status.members) == (0, 250) { Ok(()) } else { Err(format!("{status:?}")) }
    });
    for n in 0..dead {
        let id = format!("dead-{n}").parse().unwrap();
        assert!(fleet.store.agent(&id).unwrap().is_none());
        assert_eq!(fleet.store.get(&id, ItemKind::Task, "t0").unwrap(), None);
    }
    for (_, serve) in serves {
        assert!(serve.end().success());
    }
}

/// Waits for a claim, stops its holder, and kills it if it still has one. Whether it was; not where the wave is over before.
fn kill_who_claims(fleet: &Fleet, serves: &mut Vec<(String, Serve)>) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let claims = fleet.store.claims(None, 100).unwrap().entries;
        if claims.is_empty() {
            let status = fleet.store.status().unwrap();
            if (status.claims, status.members) == (0, 250) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // Claims of one that was killed stay until their lease is over.
        let living = claims.iter().filter_map(|claim| claim.coordinator.as_ref()).find_map(|holder| {
            serves.iter().position(|(host, _)| host == holder.as_str()).map(|at| (holder, at))
        });
        let Some((holder, at)) = living else { continue };
        kill(serves[at].1.pid(), 19);
        let held = fleet.store.claims(None, 100).unwrap().entries;
        if held.iter().any(|claim| claim.coordinator.as_ref() == Some(holder)) {
            serves.remove(at).1.kill();
            return true;
        }
        kill(serves[at].1.pid(), 18);
    }
    panic!("nobody cleans up after a wave of orphans");
}

/// Fifty agents beat all the time, two have stopped; Redis is killed, is away for longer than a lease, and comes back with what
/// it had saved before.
#[test]
fn heavy_r116_redis_away_for_longer_than_a_lease_costs_nobody_but_the_dead() {
    const LEASE: Duration = Duration::from_secs(5);
    let mut fleet = Fleet::new();
    let serve = fleet.serve("a", &["--ttl", "5s", "--tick", "100ms"]);
    let living: Vec<_> = (0..50).map(|n| fleet.register(&format!("living-{n}"), LEASE)).collect();
    let (ended, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let beating = std::thread::spawn({
        let (store, living) = (Arc::clone(&fleet.store), living.clone());
        let (ended, accepted) = (Arc::clone(&ended), Arc::clone(&accepted));
        move || {
            let beats: Vec<Beat> = living.iter().map(|who| Beat { who: who.clone(), report: None }).collect();
            while !ended.load(Ordering::Relaxed) {
                // Nobody ends because the registry does not answer.
                if let Ok(beaten) = store.beat(&beats) {
                    assert!(
                        beaten.answers.iter().all(|answer| matches!(answer, Answer::Accepted { .. })),
                        "{beaten:?}"
                    );
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    });
    serve.wait_for("fleet_open");
    fleet.register("dead-1", LEASE);
    fleet.register("dead-2", LEASE);
    fleet.redis().save();
    fleet.redis().kill();
    let away = Instant::now();
    serve.wait_for("registry_lost");
    wait_for("a lease is over", PATIENCE, || {
        if away.elapsed() > LEASE + Duration::from_secs(1) { Ok(()) } else { Err(String::new()) }
    });
    fleet.redis().restart();
    let before = accepted.load(Ordering::Relaxed);
    serve.wait_for("registry_back");
    let completed = fleet.wait_for_completed(2);
    assert_eq!(completed.into_iter().collect::<Vec<_>>(), [("dead-1".into(), 1), ("dead-2".into(), 1)]);
    assert_eq!(fleet.members(), 50);
    assert!(accepted.load(Ordering::Relaxed) > before, "all of them beat again");
    ended.store(true, Ordering::Relaxed);
    beating.join().unwrap();
    assert!(serve.told("fleet_grace").len() >= 2, "at its beginning, and after the outage");
    assert!(serve.end().success());
}
