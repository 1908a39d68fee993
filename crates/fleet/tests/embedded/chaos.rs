//! Random worlds on the embedded store, in which its durable file is restored from a copy. In a file system of memory where
//! there is one: it is about order, not about the disk.

use crate::fixture::Embedded;
use crate::world::{Size, Tally, run};

/// Keys that one step of a cleanup deletes: most cleanups take several.
const CHUNK: usize = 3;
const SIZE: Size = Size { names: 12, coordinators: 3, steps: 500 };

#[test]
fn the_invariants_hold_in_random_worlds() {
    let seeds = match std::env::var("SCUPPER_CHAOS_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..4,
    };
    let tallies: Vec<_> = seeds.map(|seed| run(&Embedded::chunked(CHUNK), SIZE, seed)).collect();
    let all = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    for (what, count) in [
        ("registrations", all(|tally| tally.registrations)),
        ("takeovers", all(|tally| tally.takeovers)),
        ("fenced beats", all(|tally| tally.fenced)),
        ("claims", all(|tally| tally.claims)),
        ("cleanups that were taken on", all(|tally| tally.taken_on)),
        ("steps of cleanups before their last", all(|tally| tally.steps_of_cleanups)),
        ("cleanups", all(|tally| tally.completed)),
        ("sweeps in a grace", all(|tally| tally.graces)),
        ("restored copies", all(|tally| tally.losses)),
    ] {
        println!("{what}: {count}");
        assert!(count > 0 || tallies.len() < 4, "no {what} in any of these worlds: they show nothing");
    }
}
