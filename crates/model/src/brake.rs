//! How many may look dead before it is the observer who is in doubt (ARCHITECTURE.md, Safety 6). The only place that computes it.

/// So many may look dead in one pass, however few members there are.
const ALWAYS_ALLOWED: usize = 3;

/// How many of so many members may look dead in one pass: three in ten, and never fewer than three.
pub const fn allowed(members: usize) -> usize {
    // Never a product that could overflow.
    let share = members / 10 * 3 + members % 10 * 3 / 10;
    if share > ALWAYS_ALLOWED { share } else { ALWAYS_ALLOWED }
}

/// Whether so many dead among so many known members say more about the observer than about them: automatic action
/// stops then.
pub const fn brake(dead: usize, members: usize) -> bool {
    dead > allowed(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r118_more_than_three_and_more_than_three_in_ten_brake() {
        for (dead, members, brakes) in [
            (0, 0, false),
            (3, 3, false),
            (4, 4, true),
            (4, 0, true),
            (3, 10, false),
            (4, 10, true),
            (4, 13, true),
            (4, 14, false),
            (30, 100, false),
            (31, 100, true),
            (usize::MAX, usize::MAX, true),
            (usize::MAX / 10 * 3, usize::MAX, false),
        ] {
            assert_eq!(brake(dead, members), brakes, "{dead} of {members}");
        }
        assert_eq!([0, 10, 11, 14, 19, 20, 101].map(allowed), [3, 3, 3, 4, 5, 6, 30]);
    }
}
