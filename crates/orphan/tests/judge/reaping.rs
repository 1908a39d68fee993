//! Ending confirmed processes, with time turned by hand.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use scupper_model::Identity;
use scupper_orphan::{CONFIRM_AFTER, Choice, Effect, Liveness, Outcome, Plan, Reaping, Selection};

use crate::machine::*;

const GRACE: Duration = Duration::from_secs(5);

/// The end of so many servers in a row, each below the one before.
fn reaping(count: i32) -> Reaping {
    let mut machine = Machine::new();
    machine.server(300);
    for number in 301..300 + count {
        machine.add(number, number - 1, "x", &["x"]);
    }
    let selection = Selection { choices: vec![Choice::Pid(pid(300))], ..Selection::default() };
    let plan = Plan::new(&machine.findings(), &selection);
    Reaping::new(plan.confirm(&machine.findings(), CONFIRM_AFTER).unwrap(), GRACE)
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One step: `(pid, whether it is KILL)`, and 0 for the end.
fn step(reaping: &mut Reaping, seconds: u64, liveness: &dyn Fn(i32) -> Liveness) -> Vec<(i32, bool)> {
    let effects = reaping.step(at(seconds), &|identity| liveness(identity.pid.get()));
    effects
        .into_iter()
        .map(|effect| match effect {
            Effect::Ask(identity, _) => (identity.pid.get(), false),
            Effect::Kill(identity, _) => (identity.pid.get(), true),
            Effect::Finished => (0, false),
        })
        .collect()
}

fn outcomes(reaping: &Reaping) -> Vec<(i32, Outcome)> {
    reaping.report().into_iter().map(|reaped| (reaped.identity.pid.get(), reaped.outcome)).collect()
}

#[test]
fn r118_term_in_order_the_grace_and_kill_for_who_is_left() {
    let mut reaping = reaping(3);
    let lives = |_| Liveness::Alive;
    assert_eq!(step(&mut reaping, 0, &lives), [(302, false), (301, false), (300, false)]);
    assert_eq!(step(&mut reaping, 4, &lives), []);
    // The middle one has ended.
    let rest = |pid| if pid == 301 { Liveness::Gone } else { Liveness::Alive };
    assert_eq!(step(&mut reaping, 5, &rest), [(302, true), (300, true)]);
    assert!(!reaping.is_finished());
    assert_eq!(step(&mut reaping, 6, &|_| Liveness::Gone), [(0, false)]);
    assert!(reaping.is_finished());
    assert_eq!(outcomes(&reaping), [(302, Outcome::Forced), (301, Outcome::Ended), (300, Outcome::Forced)]);
    assert_eq!(step(&mut reaping, 60, &lives), []);
}

#[test]
fn who_is_gone_before_gets_no_signal() {
    let mut reaping = reaping(2);
    let rest = |pid| if pid == 301 { Liveness::Gone } else { Liveness::Alive };
    assert_eq!(step(&mut reaping, 0, &rest), [(300, false)]);
    assert_eq!(step(&mut reaping, 1, &|_| Liveness::Gone), [(0, false)]);
    assert_eq!(outcomes(&reaping), [(301, Outcome::GoneBefore), (300, Outcome::Ended)]);
}

#[test]
fn r118_who_cannot_be_read_gets_no_signal_and_is_reported() {
    let mut reaping = reaping(1);
    for seconds in 0..20 {
        assert_eq!(step(&mut reaping, seconds, &|_| Liveness::Unknown), []);
    }
    assert_eq!(step(&mut reaping, 20, &|_| Liveness::Unknown), [(0, false)]);
    assert_eq!(outcomes(&reaping), [(300, Outcome::StillThere)]);
}

#[test]
fn who_hangs_in_the_kernel_is_not_waited_for_for_ever() {
    let mut reaping = reaping(1);
    let lives = |_| Liveness::Alive;
    step(&mut reaping, 0, &lives);
    assert_eq!(step(&mut reaping, 5, &lives), [(300, true)]);
    assert_eq!(step(&mut reaping, 9, &lives), []);
    assert_eq!(step(&mut reaping, 10, &lives), [(0, false)]);
    assert_eq!(outcomes(&reaping), [(300, Outcome::StillThere)]);
}

#[test]
fn who_may_not_be_signalled_gets_no_second_one() {
    let mut reaping = reaping(2);
    let lives = |_| Liveness::Alive;
    step(&mut reaping, 0, &lives);
    reaping.refused(&identity(300), "not permitted".into());
    assert_eq!(step(&mut reaping, 5, &lives), [(301, true)]);
    assert_eq!(step(&mut reaping, 6, &|_| Liveness::Gone), [(0, false)]);
    let expected = [(301, Outcome::Forced), (300, Outcome::Refused("not permitted".into()))];
    assert_eq!(outcomes(&reaping), expected);
}

#[test]
fn what_a_member_forks_meanwhile_is_ended_with_the_same_grace() {
    let mut reaping = reaping(1);
    let lives = |_| Liveness::Alive;
    step(&mut reaping, 0, &lives);
    assert!(reaping.join(identity(310), "x", pid(300), at(3)));
    assert!(!reaping.join(identity(310), "x", pid(300), at(3)), "it is there already");
    assert_eq!(step(&mut reaping, 3, &lives), [(310, false)]);
    assert_eq!(step(&mut reaping, 5, &lives), [(300, true)]);
    assert_eq!(step(&mut reaping, 7, &lives), []);
    assert_eq!(step(&mut reaping, 8, &lives), [(310, true)]);
    assert_eq!(reaping.living().count(), 2);
}

#[test]
fn r118_only_children_of_members_join() {
    let mut reaping = reaping(1);
    step(&mut reaping, 0, &|_| Liveness::Alive);
    assert!(!reaping.join(identity(310), "x", pid(299), at(1)), "its parent is a stranger");
    assert!(!reaping.join(identity(200), "x", pid(300), at(1)), "it is older than its parent");
    assert!(!reaping.join(identity(310), "x", pid(300), at(10)), "it came too late");
    assert_eq!(reaping.report().len(), 1);
}

#[test]
fn who_forks_without_end_is_followed_only_so_far() {
    let mut reaping = reaping(1);
    step(&mut reaping, 0, &|_| Liveness::Gone);
    assert!(!reaping.join(identity(310), "x", pid(300), at(0)), "it is over");
    let mut reaping = self::reaping(1);
    step(&mut reaping, 0, &|_| Liveness::Alive);
    let joined =
        (1_000..6_000).filter(|&number| reaping.join(identity(number), "x", pid(300), at(1))).count();
    assert_eq!(joined, 4096);
}

#[test]
fn nobody_to_end_is_the_end() {
    let machine = Machine::new();
    let plan = Plan::new(&machine.findings(), &Selection::default());
    let mut reaping = Reaping::new(plan.confirm(&machine.findings(), CONFIRM_AFTER).unwrap(), GRACE);
    assert_eq!(reaping.step(at(0), &|_| Liveness::Alive), [Effect::Finished]);
}

/// What happens between two steps.
#[derive(Clone, Debug)]
enum Turn {
    Wait(u64),
    Dies(i32),
    Hides(i32),
    Forks(i32, i32),
    Refused(i32),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        (0_u64..4_000).prop_map(Turn::Wait),
        (300..306).prop_map(Turn::Dies),
        (300..306).prop_map(Turn::Hides),
        (298..312, 306..340).prop_map(|(parent, child)| Turn::Forks(parent, child)),
        (300..312).prop_map(Turn::Refused),
    ];
    prop::collection::vec(turn, 0..60)
}

proptest! {
    #[test]
    fn r118_each_gets_at_most_one_term_and_one_kill_and_never_before_its_grace(
        turns in turns(),
        count in 0_i32..6,
    ) {
        let mut reaping = reaping(count.max(1));
        let mut members: HashSet<Identity> = (300..300 + count.max(1)).map(identity).collect();
        let states: RefCell<HashMap<i32, Liveness>> = RefCell::default();
        let mut now = Duration::ZERO;
        let mut asked: HashMap<Identity, Duration> = HashMap::new();
        let mut killed: HashSet<Identity> = HashSet::new();
        let mut check = |reaping: &mut Reaping, members: &HashSet<Identity>, now: Duration| {
            let look = |identity: &Identity| {
                states.borrow().get(&identity.pid.get()).copied().unwrap_or(Liveness::Alive)
            };
            for effect in reaping.step(now, &look) {
                match effect {
                    Effect::Ask(identity, _) => {
                        prop_assert!(members.contains(&identity) && look(&identity) == Liveness::Alive);
                        prop_assert!(asked.insert(identity, now).is_none());
                    }
                    Effect::Kill(identity, _) => {
                        prop_assert!(look(&identity) == Liveness::Alive && killed.insert(identity));
                        prop_assert!(now >= asked[&identity] + GRACE);
                    }
                    Effect::Finished => prop_assert!(reaping.is_finished()),
                }
            }
            Ok(())
        };
        check(&mut reaping, &members, now)?;
        for turn in turns {
            match turn {
                Turn::Wait(millis) => now += Duration::from_millis(millis),
                Turn::Dies(number) => drop(states.borrow_mut().insert(number, Liveness::Gone)),
                Turn::Hides(number) => drop(states.borrow_mut().insert(number, Liveness::Unknown)),
                Turn::Forks(parent, child) => {
                    if reaping.join(identity(child), "x", pid(parent), now) {
                        members.insert(identity(child));
                    }
                }
                Turn::Refused(number) => reaping.refused(&identity(number), "no".into()),
            }
            check(&mut reaping, &members, now)?;
        }
        // However it went: it ends, and soon.
        check(&mut reaping, &members, now + Duration::from_secs(20))?;
        prop_assert!(reaping.is_finished());
        prop_assert_eq!(reaping.report().len(), members.len());
    }
}
