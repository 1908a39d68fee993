//! What holds whatever happens, in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use scupper_fleet::agent::machine::{Call, Input, Machine, News, Output};
use scupper_fleet::{Answer, Directive, Epoch, Registered, Timing};
use scupper_model::Timestamp;

/// One thing that happens, so many milliseconds after the last one.
fn happening() -> impl Strategy<Value = (u64, Input)> {
    let epoch = (1_u64..4).prop_map(Epoch);
    let registered = prop_oneof![
        6 => (epoch.clone(), any::<bool>())
            .prop_map(|(epoch, resumed)| Registered::Accepted { epoch, now: Timestamp(0), resumed }),
        1 => Just(Registered::Taken { remaining: Duration::from_secs(3) }),
        1 => Just(Registered::Busy),
        1 => Just(Registered::Dead { why: "over".into() }),
    ];
    let beaten = prop_oneof![
        8 => Just(Answer::Accepted { directive: None }),
        1 => Just(Answer::Accepted { directive: Some(Directive::Drain) }),
        1 => Just(Answer::Fenced { by: None }),
    ];
    let input = prop_oneof![
        8 => Just(Input::Timer),
        4 => registered.prop_map(Input::Registered),
        8 => beaten.prop_map(Input::Beaten),
        2 => Just(Input::Departed),
        3 => Just(Input::Failed),
        1 => epoch.prop_map(Input::WriteRefused),
        5 => Just(Input::Stopped),
        1 => Just(Input::Moved),
        1 => Just(Input::Leave { within: Duration::from_secs(10) }),
    ];
    let pause = prop_oneof![4 => 0_u64..5_000, 3 => 5_000_u64..60_000, 1 => 60_000_u64..4_000_000];
    (pause, input)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn whatever_happens_it_acts_only_inside_its_lease(
        seed in any::<Option<u64>>(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let timing = Timing::DEFAULT;
        let mut machine = Machine::new(timing, seed);
        let mut now = Duration::ZERO;
        let mut under_way: Option<(Call, Duration)> = None;
        let mut last_accepted: Option<Duration> = None;
        let (mut told_to_stop, mut stopped, mut departed, mut left) = (false, true, false, false);
        for (pause, input) in happenings {
            now += Duration::from_millis(pause);
            // The shell gives an answer only to the call that is under way.
            let answers = matches!(
                (&input, &under_way),
                (Input::Registered(_), Some((Call::Register { .. }, _)))
                    | (Input::Beaten(_), Some((Call::Beat(_), _)))
                    | (Input::Departed, Some((Call::Depart(_), _)))
                    | (Input::Failed, Some(_))
            );
            let is_answer = matches!(
                input,
                Input::Registered(_) | Input::Beaten(_) | Input::Departed | Input::Failed
            );
            if is_answer && !answers {
                continue;
            }
            if answers {
                let (_, sent) = under_way.take().unwrap();
                let ok = matches!(
                    input,
                    Input::Registered(Registered::Accepted { .. }) | Input::Beaten(Answer::Accepted { .. })
                );
                if ok {
                    last_accepted = last_accepted.max(Some(sent));
                }
            }
            if input == Input::Stopped {
                if !told_to_stop {
                    continue;
                }
                stopped = true;
            }
            for output in machine.step(now, input) {
                prop_assert!(!left, "it is over, and there is {output:?}");
                match output {
                    Output::Tell(News::Lost(_)) => (told_to_stop, stopped) = (true, false),
                    Output::Tell(News::Regained { .. } | News::Registered { .. }) => {
                        (told_to_stop, stopped) = (false, true);
                    }
                    Output::Tell(News::Left { .. }) => left = true,
                    Output::Tell(_) => {}
                    Output::Ask(call) => {
                        prop_assert_eq!(under_way, None, "two calls at once");
                        prop_assert!(!departed || matches!(call, Call::Depart(_)), "after leaving: {:?}", call);
                        let leaves = matches!(call, Call::Depart(_));
                        prop_assert!(stopped || leaves, "it asks before it has stopped: {:?}", call);
                        departed |= leaves;
                        under_way = Some((call, now));
                    }
                }
            }
            // It counts itself as allowed only inside the lease of an accepted call, and never while told to stop.
            if let Some(until) = machine.may_act_until() {
                let last = last_accepted.unwrap();
                prop_assert!(until + timing.margin <= last + timing.ttl);
                prop_assert!(!told_to_stop);
                prop_assert!(now < until, "nobody was told, at {now:?}, that the lease ended at {until:?}");
            }
            // It never forgets itself: there is a call under way, a time, or an owner to be waited for.
            let waits = under_way.is_some() || machine.next_deadline().is_some() || !stopped;
            prop_assert!(waits || machine.is_over());
            // What is due was done: a deadline lies ahead.
            prop_assert!(machine.next_deadline().is_none_or(|at| at > now), "{:?} at {now:?}", machine.next_deadline());
        }
    }
}
