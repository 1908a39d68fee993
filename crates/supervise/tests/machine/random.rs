//! What holds in every history.

use proptest::prelude::*;
use scupper_model::{HowEnded, Policy, RecyclePolicy, RestartPolicy, SignalReason};
use scupper_supervise::unit::{Ask, Input, Leak, Role, Settings};

use super::world::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u16),
    Stop,
    Restart,
    Recycle,
    Term,
    HelperAppears,
    Crash,
    Succeed,
    Hold,
    Release,
    End,
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let restart =
        prop_oneof![Just(RestartPolicy::Never), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Always)];
    let policy =
        prop_oneof![Just(Policy::Observe), Just(Policy::Alert), Just(Policy::Recycle), Just(Policy::Kill)];
    let limit = prop_oneof![Just(None), (20_u64..300).prop_map(Some)];
    (restart, policy, limit.clone(), limit, any::<bool>(), 0_u8..4).prop_map(
        |(restart, policy, soft, hard, lifetime, leaks)| {
            let hard = hard.map(|hard| hard.max(soft.unwrap_or(0)));
            let recycle = if leaks & 1 == 1 { RecyclePolicy::OnLeak } else { RecyclePolicy::Never };
            let fail_on_leak = leaks & 2 == 2;
            Settings { recycle, fail_on_leak, ..settings(restart, policy, soft, hard, lifetime) }
        },
    )
}

fn any_habits() -> impl Strategy<Value = Habits> {
    let crash = prop_oneof![3 => Just(None), 1 => (1_u16..3000).prop_map(Some)];
    let never = Just(Some(Leak { time_to_limit: None }));
    let known = prop_oneof![Just(None), never, (0_u64..1000).prop_map(|seconds| Some(limit_in(seconds)))];
    let load = (0.0_f64..1.0, known);
    (0_u64..60, any::<bool>(), 0_u8..3, 0_u8..3, any::<bool>(), crash, any::<bool>(), load).prop_map(
        |(leak, ignores_term, helpers, workers, helper_leaks, crashes_after, leaves_helpers, load)| Habits {
            leak,
            ignores_term,
            helpers,
            workers,
            helper_leaks,
            crashes_after,
            leaves_helpers,
            busy: load.0,
            known_leak: load.1,
        },
    )
}

/// A leak that reaches its limit in so many seconds.
fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u16..4000).prop_map(Step::Pass),
        1 => Just(Step::Stop),
        1 => Just(Step::Restart),
        1 => Just(Step::Recycle),
        1 => Just(Step::Term),
        1 => Just(Step::HelperAppears),
        1 => Just(Step::Crash),
        1 => Just(Step::Succeed),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Never two signals for one decision, hard beats everything, no restart storm, nothing survives `Stopped`, and a
    /// unit that is asked to stop does.
    #[test]
    fn invariants_hold_in_random_histories(
        settings in any_settings(),
        habits in any_habits(),
        steps in prop::collection::vec(any_step(), 1..25),
    ) {
        let mut world = World::new(settings, habits);
        for step in steps {
            if world.finished.is_some() {
                break;
            }
            match step {
                Step::Pass(millis) => world.pass(millis.into()),
                Step::Stop => world.give(Input::Ask(Ask::Stop(SignalReason::Stop))),
                Step::Restart => world.give(Input::Ask(Ask::Restart(SignalReason::Restart))),
                Step::Recycle => world.give(Input::Ask(Ask::Recycle)),
                Step::Term => world.give(Input::Signalled { signal: TERM, ends: true, forward: true }),
                Step::HelperAppears => {
                    if let Some(main) = world.main {
                        world.add(main.pid, Role::Helper, 0);
                    }
                }
                Step::Crash => world.end_main(HowEnded::Signaled { signal: 11, core_dumped: true }),
                Step::Succeed => world.end_main(HowEnded::Exited { code: 0 }),
                Step::Hold => world.give(Input::Ask(Ask::Hold(SignalReason::LeaseLost))),
                Step::Release => world.give(Input::Ask(Ask::Release(SignalReason::LeaseRegained))),
                Step::End => world.give(Input::Ask(Ask::End(SignalReason::Stop))),
            }
        }
        // No storm: restarts that nobody asked for stay within the budgets.
        prop_assert!(world.spawns.len() <= 10 + 20 + 10 + 30, "{} starts", world.spawns.len());
        if world.finished.is_none() {
            world.give(Input::Ask(Ask::Stop(SignalReason::Stop)));
            world.pass(12_000);
        }
        prop_assert!(world.finished.is_some(), "asked to stop, and still {:?}", world.unit.phase());
        if world.leak_found && world.unit.settings().fail_on_leak {
            prop_assert_ne!(world.finished, Some(0), "something was left behind");
        }
    }
}
