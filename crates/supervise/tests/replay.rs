//! Recordings replayed by hand: what a policy would have done, and when. The last test replays random recordings under random
//! policies: whatever they are, there is no panic, time goes forward, and no budget is exceeded.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;
use scupper_detect::{GrowRule, Horizon, Sample, Verdict};
use scupper_model::{
    Bytes, EventKind, HowEnded, LimitLevel, Limits, Policy, Profile, RecyclePolicy, Resource, RestartPolicy,
    SignalReason, Size,
};
use scupper_supervise::replay::{After, Drains, Recorded, Setup, Stopped, Timeline, replay};
use scupper_supervise::unit::{Bounds, Settings};
use scupper_supervise::watch::Plan;

const MIB: u64 = 1 << 20;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A sample every `step` seconds.
fn series(rows: u64, step: u64, value: impl Fn(u64) -> u64) -> Vec<Sample> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let sample = |at: u64| Sample { at: seconds(at), value: value(at) as f64 };
    (0..rows).map(|row| sample(row * step)).collect()
}

/// 100 MiB, and one more each second, for ten minutes.
fn leak() -> Vec<Sample> {
    series(601, 1, |at| (100 + at) * MIB)
}

fn of(memory: &[Sample]) -> Recorded<'_> {
    Recorded { memory, ..Recorded::default() }
}

fn setup(limits: &Limits, more: impl FnOnce(&mut Setup)) -> Setup {
    let bounds = Bounds::resolve(limits, None);
    let settings = Settings {
        grace: seconds(30),
        restart: RestartPolicy::Never,
        retry_after_giving_up: true,
        policy: Policy::Kill,
        bounds,
        child_lifetimes: Vec::new(),
        horizon: Horizon::Long,
        grow: None,
        recycle: RecyclePolicy::Never,
        fail_on_leak: false,
        idle: None,
        lifetime: None,
    };
    let mut setup = Setup {
        settings,
        watch: Plan { bounds, ..Plan::default() },
        name: "web".into(),
        command: "web".into(),
        profile: Profile::Web,
        drains: Drains::In(seconds(1)),
        after: After::Restart,
    };
    more(&mut setup);
    setup
}

fn soft(mib: u64) -> Limits {
    Limits { mem_soft: Some(Size::Absolute(Bytes::mib(mib))), ..Limits::default() }
}

fn hard(mib: u64) -> Limits {
    Limits { mem_hard: Some(Size::Absolute(Bytes::mib(mib))), ..Limits::default() }
}

/// Events without their details: second and name.
fn told(timeline: &Timeline) -> Vec<(u64, &'static str)> {
    let acts = timeline.moments.iter().filter(|of| !matches!(of.kind, EventKind::VerdictChanged { .. }));
    acts.map(|moment| (moment.at.as_secs(), moment.kind.name())).collect()
}

fn signals(timeline: &Timeline) -> Vec<(u64, i32, SignalReason)> {
    let signal = |moment: &scupper_supervise::replay::Moment| match moment.kind {
        EventKind::SignalSent { signal, reason, .. } => Some((moment.at.as_secs(), signal, reason)),
        _ => None,
    };
    timeline.moments.iter().filter_map(signal).collect()
}

#[test]
fn a_leak_is_recycled_at_the_first_sample_above_its_soft_limit_and_begins_again() {
    let memory = leak();
    let timeline = replay(&of(&memory), &setup(&soft(150), |_| ()));
    assert_eq!(
        told(&timeline)[..6],
        [
            (0, "unit_started"),
            (51, "limit_crossed"),
            (51, "signal_sent"),
            (52, "unit_exited"),
            (52, "unit_restarting"),
            (52, "unit_started"),
        ]
    );
    // The second life is the first one again, and ends at the same age.
    assert_eq!(told(&timeline)[6..8], [(103, "limit_crossed"), (103, "signal_sent")]);
    let figures = &timeline.figures;
    assert_eq!((timeline.stopped, figures.replayed), (Stopped::Recording, seconds(600)));
    let of_memory = figures.resources[0];
    assert_eq!(of_memory.recorded.peak, Some(700 * MIB));
    assert_eq!(of_memory.replayed.peak, Some(151 * MIB));
    assert_eq!(of_memory.recorded.above_soft, seconds(600 - 51));
    assert_eq!(of_memory.recorded.soft_crossed_at, Some(seconds(51)));
    assert!(of_memory.replayed.above_soft <= seconds(12), "{:?}", of_memory.replayed);
    assert_eq!(figures.terms, figures.recycle_restarts);
    assert_eq!(figures.first_warning, Some(seconds(51)));
    assert!(timeline.has_findings());
}

#[test]
fn a_hard_limit_alone_kills_and_the_unit_ends() {
    let memory = leak();
    let timeline = replay(&of(&memory), &setup(&hard(150), |_| ()));
    assert_eq!(
        told(&timeline),
        [
            (0, "unit_started"),
            (51, "limit_crossed"),
            (51, "signal_sent"),
            (51, "unit_exited"),
            (51, "unit_stopped")
        ]
    );
    assert_eq!(signals(&timeline), [(51, 9, SignalReason::HardLimit)]);
    assert_eq!((timeline.stopped, timeline.figures.down), (Stopped::Unit(137), seconds(549)));
    // With a restart it begins again, and its budget holds.
    let restarted = setup(&hard(150), |setup| setup.settings.restart = RestartPolicy::Always);
    let timeline = replay(&of(&memory), &restarted);
    assert!((8..=11).contains(&timeline.figures.limit_restarts), "{:?}", timeline.figures);
    assert_eq!(timeline.figures.terms, 0);
}

#[test]
fn who_observes_tells_and_does_nothing() {
    let memory = leak();
    for policy in [Policy::Observe, Policy::Alert] {
        let limits = Limits { mem_hard: hard(200).mem_hard, ..soft(150) };
        let timeline = replay(&of(&memory), &setup(&limits, |setup| setup.settings.policy = policy));
        let crossed = |level| {
            timeline.moments.iter().find_map(|moment| match &moment.kind {
                EventKind::LimitCrossed { level: of, .. } if *of == level => Some(moment.at),
                _ => None,
            })
        };
        assert_eq!(crossed(LimitLevel::Soft), Some(seconds(51)));
        assert_eq!(crossed(LimitLevel::Hard), Some(seconds(101)));
        assert!(signals(&timeline).is_empty() && told(&timeline).len() == 3, "{:?}", told(&timeline));
        assert_eq!(timeline.figures.resources[0].replayed, timeline.figures.resources[0].recorded);
    }
}

#[test]
fn who_ignores_term_is_killed_after_the_grace_and_the_hard_limit_does_not_wait() {
    let memory = leak();
    let ignores = |limits: &Limits| setup(limits, |setup| setup.drains = Drains::Never);
    let timeline = replay(&of(&memory), &ignores(&soft(150)));
    let first = &signals(&timeline)[..2];
    assert_eq!(first, [(51, 15, SignalReason::SoftLimit), (81, 9, SignalReason::GraceExpired)]);
    let both = Limits { mem_hard: hard(160).mem_hard, ..soft(150) };
    let timeline = replay(&of(&memory), &ignores(&both));
    let first = &signals(&timeline)[..2];
    assert_eq!(first, [(51, 15, SignalReason::SoftLimit), (61, 9, SignalReason::HardLimit)]);
}

#[test]
fn what_comes_after_it_was_replaced_is_as_it_was_asked_for() {
    let memory = leak();
    let after = |after| replay(&of(&memory), &setup(&soft(150), |setup| setup.after = after));
    let stop = after(After::Stop);
    assert_eq!(stop.stopped, Stopped::FirstSignal);
    assert_eq!(told(&stop), [(0, "unit_started"), (51, "limit_crossed"), (51, "signal_sent")]);
    let on = after(After::Continue);
    // The recording goes on: who is started at 152 MiB weighs 152 MiB.
    assert!(on.figures.resources[0].replayed.peak > Some(600 * MIB));
    assert!(on.figures.recycle_restarts > 1);
    let lived = on.moments.iter().find_map(|moment| match &moment.kind {
        EventKind::UnitExited { certificate } if moment.at > seconds(60) => Some(certificate.clone()),
        _ => None,
    });
    assert!(lived.unwrap().peak_rss_bytes > Some(Bytes::mib(152)));
}

/// As much as the rule allows is allowed: 100M/5m is broken by the byte above 104,857,600.
#[test]
fn the_operators_rule_is_strict() {
    let within = seconds(300);
    for (by, verdict) in [(104_857_600, false), (104_857_601, true)] {
        let memory = series(361, 5, |at| 200 * MIB + if at >= 900 { by } else { 0 });
        let rule = GrowRule { by: 104_857_600.0, within };
        let timeline = replay(
            &of(&memory),
            &setup(&Limits::default(), |setup| {
                setup.settings.grow = Some(rule);
                setup.watch.grow = Some(rule);
            }),
        );
        let first = timeline.figures.first_leaking.map(|(at, _)| at);
        assert_eq!(first, verdict.then_some(seconds(900)), "{by}");
        assert_eq!(timeline.has_findings(), verdict);
        assert!(signals(&timeline).is_empty());
    }
}

/// 50 MiB an hour for a day towards 1 GiB; all that time as busy as `busy`.
fn recycled_on_leak(busy: Option<fn(u64) -> u64>) -> Timeline {
    // A little noise, the same each time.
    let memory = series(4321, 20, |at| 150 * MIB + at * 50 * MIB / 3600 + at * 7919 % 1000 * 1000);
    let cpu = busy.map(|busy| series(4321, 20, busy)).unwrap_or_default();
    let recorded = Recorded { memory: &memory, cpu_seconds: &cpu, ..Recorded::default() };
    let on_leak = setup(&hard(1024), |setup| setup.settings.recycle = RecyclePolicy::OnLeak);
    replay(&recorded, &on_leak)
}

#[test]
fn what_leaks_is_recycled_in_a_quiet_moment_or_in_good_time() {
    let recycled = |timeline: &Timeline| {
        let started = timeline.moments.iter().find(|moment| {
            matches!(moment.kind, EventKind::RecycleStarted { reason: SignalReason::Leak, .. })
        });
        assert_eq!(timeline.figures.kills, 0);
        let limits = &timeline.figures.resources[0];
        assert!(limits.recorded.hard_crossed_at.is_some() && limits.replayed.hard_crossed_at.is_none());
        started.unwrap().at
    };
    // Busy all the time, or nobody knows: a tenth of the first forecast before the limit.
    let unknown = recycled_on_leak(None);
    let found = unknown.figures.first_leaking.unwrap().0;
    let late = recycled(&unknown);
    assert!(late > found + seconds(8 * 3600) && late < seconds(17 * 3600), "{late:?}");
    assert_eq!(recycled(&recycled_on_leak(Some(|at| at / 2))), late);
    // Idle: as soon as it is known to leak.
    let idle = recycled(&recycled_on_leak(Some(|_| 7)));
    assert!(idle >= found && idle <= found + seconds(300), "{idle:?} {found:?}");
}

#[test]
fn counts_have_limits_too_and_what_is_not_recorded_is_unknown() {
    let (memory, counts) = (series(100, 10, |_| 50 * MIB), series(100, 10, |at| 5 + at / 10));
    let limited = |limits: Limits| setup(&limits, |_| ());
    let fds = Limits { fds: (Some(50), None), ..Limits::default() };
    let recorded = Recorded { memory: &memory, descriptors: &counts, ..Recorded::default() };
    let crossed = told(&replay(&recorded, &limited(fds)));
    assert_eq!(crossed[..3], [(0, "unit_started"), (460, "limit_crossed"), (460, "signal_sent")]);
    let children = Limits { children: (None, Some(50)), ..Limits::default() };
    let recorded = Recorded { children: &counts, ..Recorded::default() };
    let timeline = replay(&recorded, &limited(children));
    assert_eq!(signals(&timeline), [(460, 9, SignalReason::HardLimit)], "{:?}", told(&timeline));
    assert_eq!(timeline.figures.resources[0].resource, Resource::Children);
    // Memory is not there: it is unknown, and no limit of it is crossed.
    let timeline = replay(&recorded, &limited(soft(1)));
    assert_eq!(told(&timeline), [(0, "unit_started")]);
}

#[test]
fn a_test_that_leaks_is_told_at_the_end_of_its_recording() {
    let memory = series(181, 1, |at| 150 * MIB + at * MIB / 2 + at * 7919 % 1000 * 1000);
    let timeline = replay(
        &of(&memory),
        &setup(&Limits::default(), |setup| {
            setup.settings.fail_on_leak = true;
            (setup.settings.horizon, setup.watch.horizon) = (Horizon::Short, Horizon::Short);
        }),
    );
    assert_eq!(told(&timeline).last(), Some(&(180, "leak_found")));
    assert_eq!(timeline.figures.standing.verdict, Some(Verdict::Leaking));
}

/// Days between two samples are one step, and a century of restarts is told only so far.
#[test]
fn long_gaps_cost_nothing_and_endless_storms_end() {
    let gaps = series(50, 7 * 86_400, |at| (100 + at / 86_400) * MIB);
    let timeline = replay(&of(&gaps), &setup(&soft(150), |_| ()));
    assert!(timeline.figures.recycle_restarts > 3, "{:?}", timeline.figures);
    assert_eq!(timeline.stopped, Stopped::Recording);
    // Above its limit after ten seconds, for years.
    let mut storm = series(20, 1, |at| (100 + 10 * at) * MIB);
    storm.push(Sample { at: Duration::from_hours(90 * 365 * 24), value: 0.0 });
    let timeline = replay(&of(&storm), &setup(&soft(150), |_| ()));
    assert_eq!(timeline.stopped, Stopped::TooMuch);
    assert!(timeline.more > 0 && timeline.moments.len() == scupper_supervise::replay::MOST_MOMENTS);
}

/// The process that the policy acts on is nobody: no machine has its number, its boot is nowhere. The replay knows no other.
#[test]
fn nobody_is_signalled_but_who_is_imagined() {
    let memory = leak();
    let timeline =
        replay(&of(&memory), &setup(&Limits { mem_hard: hard(160).mem_hard, ..soft(150) }, |_| ()));
    let mut targets = 0;
    for moment in &timeline.moments {
        let target = match &moment.kind {
            EventKind::SignalSent { target, .. } => *target,
            EventKind::UnitStarted { main, .. } => *main,
            EventKind::UnitExited { certificate } => certificate.identity,
            _ => continue,
        };
        targets += 1;
        // PID_MAX_LIMIT of the kernel.
        assert!(target.pid.get() > 4_194_304, "{target}");
        assert_eq!(target.boot_id.to_string(), "00000000-0000-0000-0000-000000000000");
    }
    assert!(targets > 10);
}

/// Whatever carries signals to processes is out of its reach.
#[test]
fn the_replay_has_no_way_to_a_process() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/replay")).unwrap();
    let mut read = 0;
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for way in ["crate::shell", "scupper_probe", "rustix", "std::process", "signal_hook"] {
            assert!(!text.contains(way), "{way}");
        }
        read += 1;
    }
    assert!(read >= 5);
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let limit = || prop_oneof![Just(None), (1_u64..400).prop_map(Some)];
    (limit(), limit(), limit(), limit()).prop_map(|(soft, above, fds, children)| {
        let size = |mib: Option<u64>| mib.map(|mib| Size::Absolute(Bytes::mib(mib)));
        let hard = above.map(|above| above + soft.unwrap_or(0));
        let fds = (fds, fds.map(|fds| fds * 2));
        let children = (children, children);
        Limits { mem_soft: size(soft), mem_hard: size(hard), fds, children, ..Limits::default() }
    })
}

fn any_setup() -> impl Strategy<Value = Setup> {
    let restart =
        prop_oneof![Just(RestartPolicy::Never), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Always)];
    let policy =
        prop_oneof![Just(Policy::Observe), Just(Policy::Alert), Just(Policy::Recycle), Just(Policy::Kill)];
    let after = prop_oneof![Just(After::Restart), Just(After::Continue), Just(After::Stop)];
    let drains = prop_oneof![Just(Drains::Never), (0_u64..90).prop_map(|time| Drains::In(seconds(time)))];
    let grace = (0_u64..60).prop_map(seconds);
    (any_limits(), restart, policy, after, drains, grace, 0_u8..16).prop_map(
        |(limits, restart, policy, after, drains, grace, bits)| {
            setup(&limits, |setup| {
                (setup.settings.restart, setup.settings.policy) = (restart, policy);
                (setup.after, setup.drains, setup.settings.grace) = (after, drains, grace);
                setup.settings.retry_after_giving_up = bits & 1 == 0;
                setup.settings.fail_on_leak = bits & 2 == 0;
                if bits & 4 == 0 {
                    setup.settings.recycle = RecyclePolicy::OnLeak;
                }
                if bits & 8 == 0 {
                    setup.watch.horizon = Horizon::Short;
                    setup.watch.grow = Some(GrowRule { by: 5e7, within: seconds(60) });
                    (setup.settings.horizon, setup.settings.grow) = (Horizon::Short, setup.watch.grow);
                }
            })
        },
    )
}

/// Samples after gaps of milliseconds to hours; values of any size.
fn any_track(most: f64) -> impl Strategy<Value = Vec<Sample>> {
    let gap = prop_oneof![8 => 1_u64..20_000, 1 => 1_u64..4_000_000];
    prop::collection::vec((gap, 0.0..most), 0..60).prop_map(|steps| {
        let mut at = Duration::ZERO;
        let after = |(gap, value): (u64, f64)| {
            at += Duration::from_millis(gap);
            Sample { at, value }
        };
        steps.into_iter().map(after).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn heavy_any_policy_holds_its_budgets_over_any_recording(
        setup in any_setup(),
        memory in any_track(5e8),
        descriptors in any_track(900.0),
        children in any_track(500.0),
        cpu_seconds in any_track(1e6),
    ) {
        let recorded = Recorded {
            memory: &memory,
            descriptors: &descriptors,
            children: &children,
            cpu_seconds: &cpu_seconds,
            ..Recorded::default()
        };
        let timeline = replay(&recorded, &setup);
        let figures = &timeline.figures;
        prop_assert!(timeline.moments.windows(2).all(|pair| pair[0].at <= pair[1].at));
        prop_assert!(timeline.moments.iter().all(|moment| moment.at <= recorded.lasts()));
        prop_assert!(figures.replayed <= recorded.lasts());
        // A burst, what time gave back, and of the slow retries one each four minutes at most.
        let lasted = figures.replayed.as_secs();
        prop_assert!(figures.recycle_restarts <= 20 + lasted / 30 + 1, "{figures:?}");
        prop_assert!(figures.limit_restarts <= 10 + lasted / 300 + 1, "{figures:?}");
        let starts = timeline.moments.iter().filter(|of| matches!(of.kind, EventKind::UnitStarted { .. })).count();
        let granted = 1 + figures.recycle_restarts + figures.limit_restarts + lasted / 240 + 1;
        prop_assert!(u64::try_from(starts).unwrap() <= granted, "{starts} starts: {figures:?}");
        // A KILL ends at once, and who ended gets no signal.
        prop_assert!(figures.kills <= u64::try_from(starts).unwrap() + timeline.more);
        if setup.settings.policy < Policy::Recycle {
            prop_assert!(figures.terms + figures.kills == 0);
        }
        if setup.settings.policy < Policy::Kill {
            let killed = |kind: &EventKind| matches!(kind, EventKind::UnitExited { certificate }
                if matches!(certificate.how, HowEnded::Signaled { .. }));
            let all_expired = signals(&timeline).iter().filter(|(_, signal, _)| *signal == 9)
                .all(|(_, _, reason)| *reason == SignalReason::GraceExpired);
            prop_assert!(all_expired || !timeline.moments.iter().any(|moment| killed(&moment.kind)));
        }
    }
}
