//! Random worlds on a real redis-server, which is killed and comes up with what it saved: fewer of them, and smaller.

use crate::redis::Redis;
use crate::world::{Size, run};

const SIZE: Size = Size { names: 8, coordinators: 3, steps: 500 };

#[test]
fn heavy_the_invariants_hold_in_random_worlds_of_a_redis_server() {
    let tallies = [1, 2, 3].map(|seed| run(&Redis::start(), SIZE, seed));
    println!("{tallies:?}");
    assert!(tallies.iter().any(|tally| tally.completed > 0 && tally.losses > 0), "these worlds show nothing");
}
