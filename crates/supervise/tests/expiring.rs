//! The ends of a unit that nobody has to ask for: its client is gone, it is idle, it is old. Each step by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scupper_detect::Horizon;
use scupper_model::{
    BootId, EventKind, HowEnded, Identity, Limits, Pid, Policy, RecyclePolicy, RestartPolicy, SignalReason,
    StartTime, UnitPhase,
};
use scupper_supervise::unit::{Ask, Bounds, Effect, Input, Look, Role, Seen, Settings, Unit};

const TERM: i32 = 15;
const KILL: i32 = 9;
const GRACE: Duration = Duration::from_secs(2);
const GONE: Input<'static> = Input::Ask(Ask::LetEnd(SignalReason::ClientGone));

fn settings(restart: RestartPolicy) -> Settings {
    Settings {
        grace: GRACE,
        restart,
        retry_after_giving_up: true,
        policy: Policy::Kill,
        bounds: Bounds::resolve(&Limits::default(), None),
        child_lifetimes: Vec::new(),
        horizon: Horizon::Long,
        grow: None,
        recycle: RecyclePolicy::Never,
        fail_on_leak: false,
        idle: None,
        lifetime: None,
    }
}

fn server() -> Identity {
    Identity { pid: Pid::new(7).unwrap(), start_time: StartTime(7), boot_id: BootId::NOWHERE }
}

fn started(settings: Settings) -> Unit {
    let mut unit = Unit::new(settings, 42);
    unit.step(Duration::ZERO, Input::Begin);
    unit.step(Duration::ZERO, Input::Started(server()));
    unit
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The signals among these: to the server alone, or to the whole tree.
fn signals(effects: &[Effect]) -> Vec<(i32, SignalReason, bool)> {
    let signal = |effect: &Effect| match effect {
        Effect::Signal { signal, reason, .. } => Some((*signal, *reason, false)),
        Effect::SignalTree { signal, reason } => Some((*signal, *reason, true)),
        _ => None,
    };
    effects.iter().filter_map(signal).collect()
}

fn stopped(effects: &[Effect]) -> Option<(String, i32)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Record(EventKind::UnitStopped { reason, exit_code, .. }) => {
            Some((reason.clone(), *exit_code))
        }
        _ => None,
    })
}

#[test]
fn a_server_whose_client_is_gone_may_end_by_itself() {
    for restart in [RestartPolicy::Never, RestartPolicy::Always] {
        let mut unit = started(settings(restart));
        assert_eq!(unit.step(seconds(10.0), GONE), []);
        assert_eq!(unit.phase(), UnitPhase::Draining);
        let effects = unit.step(seconds(10.3), Input::MainEnded(HowEnded::Exited { code: 3 }));
        assert_eq!(signals(&effects), [(TERM, SignalReason::LeftBehind, true)]);
        // What it left has the rest of the grace that began when the client went.
        assert_eq!(unit.next_deadline(), Some(seconds(12.0)));
        let effects = unit.step(seconds(10.4), Input::Look(&Look::default()));
        assert_eq!(stopped(&effects), Some(("client gone".into(), 3)), "its exit code stays its own");
    }
}

#[test]
fn one_that_does_not_is_told_after_half_of_the_grace_and_killed_at_its_end() {
    let mut unit = started(settings(RestartPolicy::Never));
    unit.step(seconds(10.0), GONE);
    assert_eq!(unit.next_deadline(), Some(seconds(11.0)));
    assert_eq!(unit.step(seconds(10.9), Input::Timer), []);
    let effects = unit.step(seconds(11.0), Input::Timer);
    assert_eq!(signals(&effects), [(TERM, SignalReason::ClientGone, false)]);
    assert_eq!(unit.next_deadline(), Some(seconds(12.0)));
    // A second sign of the same end changes nothing.
    assert_eq!(unit.step(seconds(11.5), GONE), []);
    assert_eq!(signals(&unit.step(seconds(11.9), Input::Timer)), []);
    let effects = unit.step(seconds(12.0), Input::Timer);
    assert_eq!(signals(&effects), [(KILL, SignalReason::GraceExpired, true)]);
}

#[test]
fn one_that_still_answers_has_its_half_anew_until_it_is_told() {
    const PROLONG: Input<'static> = Input::Ask(Ask::Prolong);
    let mut unit = started(settings(RestartPolicy::Never));
    assert_eq!(unit.step(seconds(9.0), PROLONG), []);
    assert_eq!(unit.phase(), UnitPhase::Running, "nobody asked for its end");
    unit.step(seconds(10.0), GONE);
    assert_eq!(unit.step(seconds(10.9), PROLONG), []);
    assert_eq!(unit.next_deadline(), Some(seconds(11.9)));
    assert_eq!(unit.step(seconds(11.0), Input::Timer), []);
    let effects = unit.step(seconds(11.9), Input::Timer);
    assert_eq!(signals(&effects), [(TERM, SignalReason::ClientGone, false)]);
    unit.step(seconds(12.0), PROLONG);
    assert_eq!(unit.next_deadline(), Some(seconds(12.9)), "it was told");
    // Of a client that ends meanwhile nobody waits for answers.
    let mut unit = started(settings(RestartPolicy::Never));
    unit.step(seconds(10.0), GONE);
    unit.step(seconds(10.9), PROLONG);
    let effects = unit.step(seconds(11.0), Input::Ask(Ask::Stop(SignalReason::ClientGone)));
    assert_eq!(signals(&effects), [(TERM, SignalReason::ClientGone, false)]);
    unit.step(seconds(11.1), PROLONG);
    assert_eq!(unit.next_deadline(), Some(seconds(12.9)));
}

#[test]
fn a_killed_client_leaves_nothing_to_wait_for() {
    let stop = Input::Ask(Ask::Stop(SignalReason::ClientGone));
    let mut unit = started(settings(RestartPolicy::Never));
    unit.step(seconds(10.0), GONE);
    let effects = unit.step(seconds(10.1), stop);
    assert_eq!(signals(&effects), [(TERM, SignalReason::ClientGone, false)]);
    assert_eq!(unit.next_deadline(), Some(seconds(12.0)), "the grace goes on from the first sign");
    assert_eq!(signals(&unit.step(seconds(10.2), stop)), [], "told once");
}

#[test]
fn a_unit_that_is_old_ends_whatever_it_does() {
    let mut unit = started(Settings { lifetime: Some(seconds(60.0)), ..settings(RestartPolicy::Always) });
    // Started again meanwhile: its age is the unit's.
    unit.step(seconds(30.0), Input::MainEnded(HowEnded::Exited { code: 0 }));
    unit.step(seconds(30.1), Input::Look(&Look::default()));
    unit.step(seconds(31.0), Input::Timer);
    unit.step(seconds(31.0), Input::Started(server()));
    assert_eq!(unit.next_deadline(), Some(seconds(60.0)));
    assert_eq!(unit.step(seconds(59.9), Input::Timer), []);
    let effects = unit.step(seconds(60.0), Input::Timer);
    let expired = EventKind::UnitExpired { reason: SignalReason::LifetimeExceeded, after_ms: 60_000 };
    assert_eq!(effects[0], Effect::Record(expired));
    assert_eq!(signals(&effects), [(TERM, SignalReason::LifetimeExceeded, false)]);
    unit.step(seconds(60.1), Input::MainEnded(HowEnded::Signaled { signal: TERM, core_dumped: false }));
    let effects = unit.step(seconds(60.2), Input::Look(&Look::default()));
    assert_eq!(stopped(&effects), Some(("lifetime exceeded".into(), 143)));
}

#[test]
fn a_unit_is_idle_only_where_that_is_known_and_asked_about() {
    let with = |idle: Option<f64>| Settings { idle: idle.map(seconds), ..settings(RestartPolicy::Never) };
    let look =
        |idle: Option<f64>| Look { idle: idle.map(seconds), processes: vec![seen()], ..Look::default() };
    for (asked, known) in [(None, Some(99.0)), (Some(60.0), None), (Some(60.0), Some(59.0))] {
        let mut unit = started(with(asked));
        let effects = unit.step(seconds(100.0), Input::Look(&look(known)));
        assert_eq!(effects, [], "{asked:?} {known:?}");
    }
    let mut unit = started(with(Some(60.0)));
    let effects = unit.step(seconds(100.0), Input::Look(&look(Some(60.0))));
    assert_eq!(signals(&effects), [(TERM, SignalReason::Idle, false)]);
    assert_eq!(signals(&unit.step(seconds(101.0), Input::Look(&look(Some(61.0))))), [], "told once");
    // It is looked at often enough to be seen when it is.
    let next = started(with(Some(10.0))).next_look(&look(None), seconds(1000.0), seconds(1000.0)).unwrap();
    assert!(next <= seconds(0.5), "{next:?}");
}

fn seen() -> Seen {
    Seen { age: seconds(100.0), ..Seen::there(server(), Role::Main, &"node".into()) }
}
