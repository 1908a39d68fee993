//! Random worlds on the memory store, and a few on a redis-server; and that each guard of the protocol is missed in them where
//! it is gone. A seed that fails is in the message; `SCUPPER_CHAOS_SEED=n` runs it alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

#[path = "../conformance/memory.rs"]
mod memory;
#[expect(dead_code, reason = "that store's own tests use the rest of it")]
#[path = "../redis/fixture.rs"]
mod redis;
#[path = "../common/redis_server.rs"]
mod redis_server;
#[path = "../conformance/suite/mod.rs"]
#[macro_use]
mod suite;
mod world;

mod real;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use memory::Memory;
use scupper_fleet::memory::Guard;
use world::{Size, Tally, run};

/// Worlds of one test.
const SEEDS: u64 = 60;

/// Keys that one step of a cleanup deletes: most cleanups take several.
const CHUNK: usize = 3;

const SIZE: Size = Size { names: 12, coordinators: 3, steps: 1500 };

fn world(seed: u64, weak: Option<Guard>) -> Tally {
    let memory = match weak {
        Some(guard) => Memory::with(|store| store.chunked(CHUNK).weakened(guard)),
        None => Memory::with(|store| store.chunked(CHUNK)),
    };
    run(&memory, SIZE, seed)
}

#[test]
fn the_invariants_hold_in_random_worlds() {
    let seeds = match std::env::var("SCUPPER_CHAOS_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let tallies: Vec<_> = seeds.map(|seed| world(seed, None)).collect();
    let all = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    for (what, count) in [
        ("registrations", all(|tally| tally.registrations)),
        ("takeovers", all(|tally| tally.takeovers)),
        ("incarnations that were lost and went on", all(|tally| tally.resumed)),
        ("fenced beats", all(|tally| tally.fenced)),
        ("claims", all(|tally| tally.claims)),
        ("cleanups that were taken on", all(|tally| tally.taken_on)),
        ("stale claims that were refused", all(|tally| tally.stale)),
        ("steps of cleanups before their last", all(|tally| tally.steps_of_cleanups)),
        ("cleanups", all(|tally| tally.completed)),
        ("objections", all(|tally| tally.objections)),
        ("sweeps in a hold", all(|tally| tally.holds)),
        ("sweeps in a grace", all(|tally| tally.graces)),
        ("restarts that lost the last second", all(|tally| tally.losses)),
    ] {
        println!("{what}: {count}");
        assert!(count > 0 || tallies.len() < 10, "no {what} in any of these worlds: they show nothing");
    }
}

/// Worlds in which a missing guard has to be noticed, at most.
const WORLDS: u64 = 60;

/// Guards whose absence no random world can show, since nothing in it does what they prevent: the conformance suite does.
const UNSEEN: [Guard; 5] =
    [Guard::LeaseOfSteps, Guard::Dry, Guard::LostAgain, Guard::LostStays, Guard::DoneAgain];

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What a test that is expected to fail says first; `None` where it does not fail.
fn first_line(test: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    let failed = catch_unwind(AssertUnwindSafe(test)).err();
    EXPECTED.set(false);
    let failed = failed?;
    let said = failed.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| failed.downcast_ref::<&str>().copied()).unwrap_or("");
    Some(said.lines().next().unwrap_or("").to_owned())
}

/// The first thing that does not hold where this guard is gone.
fn first_failure(guard: Guard) -> Option<String> {
    (0..WORLDS).find_map(|seed| {
        first_line(|| {
            world(seed, Some(guard));
        })
    })
}

/// The mutation check: with any guard gone, an invariant is broken in some world.
#[test]
fn heavy_every_guard_is_missed_in_random_worlds() {
    let unnoticed: Vec<_> = Guard::ALL
        .into_iter()
        .filter(|guard| !UNSEEN.contains(guard))
        .filter(|guard| {
            let failure = first_failure(*guard);
            println!("{guard:?}: {}", failure.as_deref().unwrap_or("not noticed"));
            failure.is_none()
        })
        .collect();
    assert_eq!(unnoticed, [], "nobody notices that these are gone");
}
