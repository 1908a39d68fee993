//! What a person at the terminal asks for.

use scupper_model::{HowEnded, Policy, RestartPolicy, UnitPhase};
use scupper_supervise::unit::Input;

use super::world::*;

/// ^C at a terminal: a command that ends of it is not started again, whatever its policy; also not when its end was seen
/// first, or while it waits for its next start.
#[test]
fn a_person_who_presses_ctrl_c_is_obeyed() {
    let interrupt = Input::Signalled { signal: 2, ends: false, forward: false };
    let died = HowEnded::Signaled { signal: 2, core_dumped: false };
    for order in 0..3 {
        let settings = settings(RestartPolicy::Always, Policy::Kill, None, None, false);
        let mut world = World::new(settings, habits());
        world.pass(500);
        match order {
            0 => {
                world.give(interrupt);
                world.end_main(died);
            }
            1 => {
                world.end_main(died);
                world.give(interrupt);
            }
            _ => {
                world.end_main(died);
                world.pass(100);
                assert_eq!(world.unit.phase(), UnitPhase::Waiting);
                world.give(interrupt);
            }
        }
        world.pass(5_000);
        assert!(
            world.finished.is_some() && world.spawns.len() == 1,
            "order {order}: {:?}",
            world.unit.phase()
        );
    }
}

/// A prompt that goes on after ^C and crashes much later is started again.
#[test]
fn an_interrupt_long_ago_is_forgotten() {
    let settings = settings(RestartPolicy::Always, Policy::Kill, None, None, false);
    let mut world = World::new(settings, habits());
    world.pass(500);
    world.give(Input::Signalled { signal: 2, ends: false, forward: false });
    world.pass(10_000);
    world.end_main(HowEnded::Exited { code: 1 });
    world.pass(5_000);
    assert_eq!(world.spawns.len(), 2);
}
