//! A unit that must not act for a while: it stands still, ends when it is told to, and says with its exit code that its
//! lease was the reason.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scupper_detect::Horizon;
use scupper_model::{
    BootId, EventKind, HowEnded, Identity, Limits, Pid, Policy, RecyclePolicy, RestartPolicy, SignalReason,
    StartTime, UnitPhase,
};
use scupper_supervise::unit::{Ask, Bounds, Effect, Input, Look, Settings, Unit};

const TERM: i32 = 15;
const KILL: i32 = 9;
const LOST: SignalReason = SignalReason::LeaseLost;
const HOLD: Input<'static> = Input::Ask(Ask::Hold(LOST));
const RELEASE: Input<'static> = Input::Ask(Ask::Release(SignalReason::LeaseRegained));
const STILL: Effect = Effect::HoldTree { reason: LOST };
const LET_GO: Effect = Effect::ReleaseTree { reason: LOST };

fn started(restart: RestartPolicy) -> Unit {
    let mut unit = Unit::new(
        Settings {
            grace: Duration::from_secs(30),
            restart,
            retry_after_giving_up: false,
            policy: Policy::Kill,
            bounds: Bounds::resolve(&Limits::default(), None),
            child_lifetimes: Vec::new(),
            horizon: Horizon::Long,
            grow: None,
            recycle: RecyclePolicy::Never,
            fail_on_leak: false,
            idle: Some(Duration::from_secs(10)),
            lifetime: None,
        },
        42,
    );
    unit.step(Duration::ZERO, Input::Begin);
    unit.step(Duration::ZERO, Input::Started(main()));
    unit
}

fn main() -> Identity {
    Identity { pid: Pid::new(7).unwrap(), start_time: StartTime(7), boot_id: BootId::NOWHERE }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn signal(signal: i32, reason: SignalReason) -> Effect {
    Effect::Signal { target: main(), signal, reason, subtree: false }
}

fn code(effects: &[Effect]) -> Option<i32> {
    effects.iter().find_map(|effect| if let Effect::Finish(code) = effect { Some(*code) } else { None })
}

#[test]
fn it_stands_still_until_it_may_act_again() {
    let mut unit = started(RestartPolicy::Never);
    assert_eq!(unit.step(at(5), HOLD), [STILL]);
    assert_eq!(unit.step(at(5), HOLD), [], "it does already");
    assert!(unit.is_held() && unit.phase() == UnitPhase::Running);
    // Whoever was started meanwhile is met at each look; and nobody is idle who must not act.
    let idle = Look { idle: Some(at(500)), ..Look::default() };
    assert_eq!(unit.step(at(600), Input::Look(&idle)), [STILL]);
    let goes_on = Effect::ReleaseTree { reason: SignalReason::LeaseRegained };
    assert_eq!(unit.step(at(601), RELEASE), [goes_on]);
    assert_eq!(unit.step(at(602), RELEASE), []);
    assert!(!unit.is_held());
}

/// Anybody may let a stopped process go on: that is seen soon, however seldom the unit is looked at otherwise.
#[test]
fn while_it_stands_still_it_is_looked_at_often() {
    let mut unit = started(RestartPolicy::Never);
    let next = |unit: &Unit| unit.next_look(&Look::default(), at(3600), at(3600)).unwrap();
    let before = next(&unit);
    unit.step(at(3600), HOLD);
    assert!(next(&unit) <= Duration::from_millis(250) && before > Duration::from_millis(250), "{before:?}");
    unit.step(at(3601), RELEASE);
    assert_eq!(next(&unit), before);
}

/// TERM first: it is there when the tree goes on.
#[test]
fn what_is_told_to_end_goes_on_to_do_so() {
    let mut unit = started(RestartPolicy::Always);
    unit.step(at(5), HOLD);
    let effects = unit.step(at(6), Input::Ask(Ask::Stop(LOST)));
    assert_eq!(effects, [signal(TERM, LOST), LET_GO]);
    assert_eq!(unit.step(at(7), HOLD), [], "it ends already");
    unit.step(at(8), Input::MainEnded(HowEnded::Exited { code: 0 }));
    assert_eq!(code(&unit.step(at(8), Input::Look(&Look::default()))), Some(75));
}

#[test]
fn one_that_is_ended_at_once_gets_no_grace() {
    for draining in [false, true] {
        let mut unit = started(RestartPolicy::Always);
        if draining {
            unit.step(at(5), Input::Ask(Ask::Stop(SignalReason::Stop)));
        } else {
            unit.step(at(5), HOLD);
        }
        let effects = unit.step(at(6), Input::Ask(Ask::End(LOST)));
        assert_eq!(effects[0], Effect::SignalTree { signal: KILL, reason: LOST });
        assert!(!unit.is_held());
        unit.step(at(6), Input::MainEnded(HowEnded::Signaled { signal: KILL, core_dumped: false }));
        assert_eq!(code(&unit.step(at(7), Input::Look(&Look::default()))), Some(75));
    }
}

/// R108: an ordinary end keeps the command's own exit code.
#[test]
fn r108_whoever_ends_for_another_reason_keeps_its_exit_code() {
    let mut unit = started(RestartPolicy::Never);
    unit.step(at(5), HOLD);
    let effects = unit.step(at(6), Input::MainEnded(HowEnded::Exited { code: 3 }));
    assert_eq!(effects[1], LET_GO);
    assert_eq!(code(&unit.step(at(6), Input::Look(&Look::default()))), Some(3));
}

#[test]
fn started_again_without_a_lease_it_stands_still_again() {
    let mut unit = started(RestartPolicy::Always);
    unit.step(at(5), HOLD);
    unit.step(at(6), Input::MainEnded(HowEnded::Exited { code: 1 }));
    assert!(!unit.is_held());
    let effects = unit.step(at(6), Input::Look(&Look::default()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Record(EventKind::UnitRestarting { .. }))));
    let mut next = unit.next_deadline();
    if let Some(due) = next.take() {
        unit.step(due, Input::Timer);
    }
    assert_eq!(unit.step(at(60), Input::Started(main())), [STILL]);
}
