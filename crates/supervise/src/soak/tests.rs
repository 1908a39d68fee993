//! Soaks that are played by hand.

use proptest::prelude::*;
use scupper_detect::Verdict;
use scupper_model::{
    BootId, Bytes, Certificate, EndedBy, Identity, Pid, Profile, SoakOutcome, SoakResult, StartTime, Watched,
};

use super::*;

const MIB: u64 = 1 << 20;

fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    }
}

fn started(start: u64) -> EventKind {
    EventKind::UnitStarted {
        main: identity(7),
        command: "app".into(),
        profile: Profile::Web,
        start,
        cgroup: None,
    }
}

fn exited(how: HowEnded) -> EventKind {
    EventKind::UnitExited {
        certificate: Box::new(Certificate {
            identity: identity(7),
            name: "app".into(),
            role: "main".into(),
            how,
            by: EndedBy::Itself,
            lived: Duration::from_secs(3),
            last_rss_bytes: None,
            peak_rss_bytes: None,
            growth_bytes: None,
            heap_limit_bytes: None,
            fatal: None,
            last_lines: Vec::new(),
        }),
    }
}

fn stopped(reason: &str, ended: u32) -> EventKind {
    EventKind::UnitStopped { reason: reason.into(), exit_code: 0, ended, kept: 0 }
}

fn killed(pid: i32, reason: SignalReason) -> EventKind {
    EventKind::SignalSent { target: identity(pid), name: "app".into(), signal: 9, reason }
}

fn row(millis: u64, operations: Option<u64>, memory: u64) -> Row {
    Row {
        at: Duration::from_millis(millis),
        operations,
        memory: Some(memory),
        descriptors: Some(10),
        ..Row::default()
    }
}

/// R072: "less than 50 MB over 1,550 operations".
fn r072() -> Criteria {
    Criteria { operations: Some(1550), max_growth: Some(Bytes::mib(50)), ..Criteria::default() }
}

/// Plays a soak at two looks and ten operations a second until it has seen enough, for at most so many seconds.
fn play(criteria: Criteria, seconds: u64, memory: impl Fn(u64) -> u64) -> Soak {
    let mut soak = Soak::new(criteria);
    soak.note(&started(1));
    for look in 1..=2 * seconds {
        let done = look * 5;
        if soak.take(row(look * 500, Some(done), memory(done))) == Wish::Enough {
            soak.note(&exited(HowEnded::Signaled { signal: 15, core_dumped: false }));
            soak.note(&stopped(SignalReason::Stop.describe(), 0));
            break;
        }
    }
    soak
}

fn result(soak: &Soak) -> SoakResult {
    let done = soak.rows().last().and_then(|row| row.operations);
    soak.conclude(&done.map_or(Counted::Nothing, Counted::Operations)).result
}

fn tags(result: &SoakResult) -> Vec<&str> {
    result.reasons.iter().map(|reason| &*reason.tag).collect()
}

#[test]
fn r072_a_command_that_stays_below_50_mb_over_1550_operations_passes() {
    let soak = play(r072(), 1000, |done| 80 * MIB + (done % 7) * MIB);
    let result = result(&soak);
    assert_eq!((result.outcome, result.operations), (SoakOutcome::Passed, Some(1550)), "{result:?}");
    assert!(result.passed && result.growth_bytes.unwrap().unsigned_abs() < MIB, "{result:?}");
    assert!(result.verdict < Verdict::Growing, "{result:?}");
    assert_eq!(tags(&result), ["operations", "growth", "verdict", "left_behind"]);
    assert_eq!((result.lasted_ms, result.max_bytes), (155_000, Some(Bytes(86 * MIB))));
}

#[test]
fn r072_a_hundred_kilobytes_with_each_operation_fail() {
    let soak = play(r072(), 1000, |done| 80 * MIB + done * 100_000);
    let result = result(&soak);
    assert_eq!(result.outcome, SoakOutcome::Failed, "{result:?}");
    assert_eq!(tags(&result), ["growth", "verdict"], "{result:?}");
    assert_eq!(result.verdict, Verdict::Leaking);
    let (slope, (low, high)) =
        (result.bytes_per_operation.unwrap(), result.bytes_per_operation_interval.unwrap());
    assert!((slope - 100_000.0).abs() < 10.0 && low <= slope && slope <= high, "{result:?}");
    let hourly = result.slope_bytes_per_hour.unwrap();
    assert!((hourly - 3.6e9).abs() < 1e7, "{hourly}");
}

/// What it needs to get going is no growth, whether it is said how much that is or not.
#[test]
fn a_warm_up_is_no_growth() {
    let warms = |done: u64| 20 * MIB + done.min(140) * MIB;
    assert_eq!(result(&play(r072(), 1000, warms)).outcome, SoakOutcome::Passed);
    let slow = |done: u64| 20 * MIB + done.min(400) * MIB;
    assert_eq!(result(&play(r072(), 1000, slow)).outcome, SoakOutcome::Failed);
    for warm_up in [WarmUp::Operations(400), WarmUp::Time(Duration::from_secs(40))] {
        let soak = play(Criteria { warm_up: Some(warm_up), ..r072() }, 1000, slow);
        let result = result(&soak);
        assert_eq!((result.outcome, result.growth_bytes), (SoakOutcome::Passed, Some(0)), "{result:?}");
        assert_eq!(result.base_bytes, Some(Bytes::mib(420)));
    }
}

/// Less than 50 MB are not 50 MB.
#[test]
fn growth_has_to_stay_below_what_is_allowed() {
    for (grown, outcome) in [(50 * MIB - 1, SoakOutcome::Passed), (50 * MIB, SoakOutcome::Failed)] {
        let soak = play(r072(), 1000, |done| 100 * MIB + if done < 700 { 0 } else { grown });
        let result = result(&soak);
        assert_eq!((result.outcome, result.growth_bytes), (outcome, Some(grown.cast_signed())));
    }
}

#[test]
fn a_command_that_ends_early_is_told_with_what_it_did() {
    let mut soak = play(r072(), 10, |_| 80 * MIB);
    soak.note(&exited(HowEnded::Exited { code: 0 }));
    soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
    let early = result(&soak);
    assert_eq!((early.outcome, tags(&early)), (SoakOutcome::Failed, vec!["operations"]));
    assert_eq!(early.reasons[0].text, "ended after 100 of 1550 operations");
    let mut soak = play(r072(), 10, |_| 80 * MIB);
    soak.note(&stopped(SignalReason::Forwarded.describe(), 0));
    assert_eq!(result(&soak).reasons[0].text, "was stopped after 100 of 1550 operations");
    let soak = play(Criteria { lasting: Some(Duration::from_secs(20)), ..r072() }, 1000, |_| 80 * MIB);
    assert_eq!(result(&soak).reasons[0].text, "200 of 1550 operations when its time of 20s was over");
    // What was done between the last look and the end counts.
    let mut soak = play(r072(), 10, |_| 80 * MIB);
    soak.note(&exited(HowEnded::Exited { code: 0 }));
    soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
    assert_eq!(soak.conclude(&Counted::Operations(1550)).result.outcome, SoakOutcome::Passed);
}

#[test]
fn without_operations_it_has_to_last() {
    let criteria = Criteria { lasting: Some(Duration::from_mins(1)), ..Criteria::default() };
    let mut soak = Soak::new(criteria);
    for look in 1..=119 {
        assert_eq!(soak.take(row(look * 500, None, MIB)), Wish::GoOn);
    }
    assert_eq!(soak.conclude(&Counted::Nothing).result.outcome, SoakOutcome::Failed);
    assert_eq!(soak.take(row(60_000, None, MIB)), Wish::Enough);
    let result = soak.conclude(&Counted::Nothing).result;
    assert_eq!((result.outcome, result.operations), (SoakOutcome::Passed, None), "{result:?}");
}

#[test]
fn a_command_that_fails_has_shown_nothing() {
    let ends = |how| {
        let mut soak = play(Criteria::default(), 60, |_| 80 * MIB);
        soak.note(&exited(how));
        soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
        result(&soak)
    };
    assert_eq!(ends(HowEnded::Exited { code: 0 }).outcome, SoakOutcome::Passed);
    assert_eq!(ends(HowEnded::Exited { code: 3 }).reasons[0].text, "it failed with code 3");
    let signaled = HowEnded::Signaled { signal: 11, core_dumped: false };
    assert_eq!(ends(signaled).reasons[0].text, "it was ended by signal 11");
    let mut soak = play(Criteria::default(), 60, |_| 80 * MIB);
    soak.note(&stopped(SignalReason::HardLimit.describe(), 0));
    assert_eq!(tags(&result(&soak)), ["command"]);
    let mut soak = play(Criteria::default(), 60, |_| 80 * MIB);
    soak.note(&started(2));
    assert_eq!(tags(&result(&soak)), ["command"]);
}

#[test]
fn what_had_to_be_killed_was_left_behind() {
    let mut soak = play(r072(), 1000, |_| 80 * MIB);
    assert_eq!(result(&soak).left_behind, 0);
    soak.note(&killed(8, SignalReason::HardLimit));
    assert_eq!(result(&soak).left_behind, 0);
    soak.note(&killed(8, SignalReason::GraceExpired));
    soak.note(&killed(8, SignalReason::LeftBehind));
    let members = vec![8, 9];
    soak.note(&EventKind::CgroupKill { cgroup: "x".into(), members, reason: SignalReason::GraceExpired });
    let left = result(&soak);
    assert_eq!((left.left_behind, tags(&left)), (2, vec!["left_behind"]));
    // Of a command that was stopped, others may end when they are asked to; of one that ended by itself they were left.
    let mut soak = play(r072(), 1000, |_| 80 * MIB);
    soak.note(&stopped(SignalReason::Stop.describe(), 3));
    assert_eq!(result(&soak).left_behind, 0);
    let mut soak = play(Criteria::default(), 60, |_| 80 * MIB);
    soak.note(&exited(HowEnded::Exited { code: 0 }));
    soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 3));
    assert_eq!(result(&soak).left_behind, 3);
}

#[test]
fn who_cannot_look_says_so() {
    let soak = Soak::new(r072());
    let silent = soak.conclude(&Counted::Silent("no file".into())).result;
    assert_eq!(silent.outcome, SoakOutcome::CouldNotLook);
    assert_eq!(silent.reasons[0].text, "nothing was counted: no file");
    let mut soak = Soak::new(Criteria::default());
    soak.note(&EventKind::StartFailed { command: "x".into(), code: 127, message: "gone".into() });
    soak.note(&stopped("the command could not be started", 0));
    let never = soak.conclude(&Counted::Nothing).result;
    assert_eq!((never.outcome, tags(&never)), (SoakOutcome::CouldNotLook, vec!["started"]));
    assert_eq!(never.reasons[0].text, "the command could not be started (127): gone");
    // Enough was done, and nothing of it was seen.
    let mut soak = Soak::new(r072());
    soak.take(row(20, Some(1550), MIB));
    let unseen = soak.conclude(&Counted::Operations(1550)).result;
    assert_eq!((unseen.outcome, tags(&unseen)), (SoakOutcome::CouldNotLook, vec!["growth"]));
    // A counter that says nothing for a minute says nothing.
    let mut soak = Soak::new(r072());
    assert_eq!(soak.take(row(59_900, None, MIB)), Wish::GoOn);
    assert_eq!(soak.take(row(60_000, None, MIB)), Wish::Enough);
}

#[test]
fn every_series_is_judged() {
    let mut soak = Soak::new(Criteria::default());
    for look in 1..=300_u64 {
        let memory = row(look * 500, None, 80 * MIB);
        soak.take(Row { descriptors: Some(10 + look), threads: None, zombies: Some(0), ..memory });
    }
    let judgement = soak.conclude(&Counted::Nothing);
    let verdicts: Vec<(Watched, Verdict)> =
        judgement.series.iter().map(|series| (series.of, series.analysis.assessment.verdict)).collect();
    assert_eq!(
        verdicts,
        [
            (Watched::Memory, Verdict::Stable),
            (Watched::Descriptors, Verdict::Leaking),
            (Watched::Zombies, Verdict::Stable)
        ]
    );
    assert_eq!((judgement.result.verdict, tags(&judgement.result)), (Verdict::Leaking, vec!["verdict"]));
    assert!(judgement.result.reasons[0].text.contains("leaking: descriptors"));
}

/// Who asked for no amount of growth asked for a verdict: one that saw too little to have one could not look.
#[test]
fn what_was_seen_too_briefly_for_a_verdict_does_not_pass() {
    let ends = |seconds: u64, max_growth| {
        let mut soak =
            play(Criteria { max_growth, ..Criteria::default() }, seconds, |done| 80 * MIB + done * 100_000);
        soak.note(&exited(HowEnded::Exited { code: 0 }));
        soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
        soak.conclude(&Counted::Nothing).result
    };
    let brief = ends(8, None);
    assert_eq!((brief.outcome, brief.verdict), (SoakOutcome::CouldNotLook, Verdict::Unknown), "{brief:?}");
    assert_eq!(brief.reasons[0].text, "only 8 s seen: a verdict needs 45 s, or give --max-growth");
    let nothing = ends(0, None);
    assert_eq!((nothing.outcome, tags(&nothing)), (SoakOutcome::CouldNotLook, vec!["verdict"]));
    assert_eq!(nothing.reasons[0].text, "nothing seen: a verdict needs 45 s, or give --max-growth");
    // An amount of growth is a criterion that needs no verdict.
    let allowed = ends(8, Some(Bytes::mib(50)));
    assert_eq!((allowed.outcome, allowed.verdict), (SoakOutcome::Passed, Verdict::Unknown), "{allowed:?}");
    // What is said of 45 s is true, and what failed is told without what could not be seen.
    assert_ne!(ends(45, None).verdict, Verdict::Unknown);
    let mut soak = play(r072_without_growth(), 8, |_| 80 * MIB);
    soak.note(&exited(HowEnded::Exited { code: 0 }));
    soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
    let failed = result(&soak);
    assert_eq!((failed.outcome, tags(&failed)), (SoakOutcome::Failed, vec!["operations"]));
    // Time is not all: too few looks are no verdict either.
    let mut soak = Soak::new(Criteria::default());
    (1..=8).for_each(|look| assert_eq!(soak.take(row(look * 10_000, None, MIB)), Wish::GoOn));
    let rare = soak.conclude(&Counted::Nothing).result;
    assert_eq!(rare.verdict, Verdict::Unknown);
    assert!(rare.reasons.iter().any(|reason| reason.text.contains("give --max-growth")), "{rare:?}");
}

fn r072_without_growth() -> Criteria {
    Criteria { max_growth: None, ..r072() }
}

/// The worst of several: what is not known is no better than what is stable.
#[test]
fn a_series_that_is_not_known_is_not_dropped() {
    let mut soak = Soak::new(Criteria { lasting: Some(Duration::from_mins(1)), ..Criteria::default() });
    for look in 1..=120_u64 {
        let sockets = (look > 110).then_some(3);
        soak.take(Row { sockets, ..row(look * 500, None, 80 * MIB) });
    }
    let judgement = soak.conclude(&Counted::Nothing);
    let result = &judgement.result;
    assert_eq!((result.outcome, result.verdict), (SoakOutcome::Passed, Verdict::Unknown), "{result:?}");
    let criterion = judgement.criteria.iter().find(|criterion| criterion.name == "verdict").unwrap();
    assert_eq!(criterion.observed, "memory is stable; unknown: sockets");
}

#[test]
fn a_long_soak_keeps_a_bounded_number_of_rows() {
    let mut soak = Soak::new(Criteria::default());
    for look in 1..=100_000_u64 {
        soak.take(row(look * 500, Some(look), if look == 77_777 { 90 * MIB } else { 80 * MIB }));
    }
    let rows = soak.rows().all();
    assert!((4000..=16_385).contains(&rows.len()), "{}", rows.len());
    assert!(rows.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert_eq!(rows.last().unwrap().operations, Some(100_000));
    let result = result(&soak);
    assert_eq!((result.max_bytes, result.growth_bytes), (Some(Bytes(90 * MIB)), Some(0)));
    assert_eq!(soak.rows().looks(), 100_000);
}

proptest! {
    /// Whatever was seen: it is judged, in numbers that can be written, and passes only where every criterion held.
    #[test]
    fn any_soak_is_judged(
        looks in prop::collection::vec((1_u64..5000, prop::option::of(0_u64..100), prop::option::of(any::<u64>())), 0..200),
        operations in prop::option::of(0_u64..2000),
        growth in prop::option::of(any::<u64>()),
        warm_up in prop::option::of(0_u64..3000),
        code in prop::option::of(0_i32..3),
        silent in any::<bool>(),
    ) {
        let criteria = Criteria {
            operations,
            max_growth: growth.map(Bytes),
            warm_up: warm_up.map(WarmUp::Operations),
            lasting: None,
        };
        let mut soak = Soak::new(criteria);
        let (mut at, mut done) = (0, 0);
        for (after, more, memory) in looks {
            at += after;
            done += more.unwrap_or(0);
            soak.take(Row { memory, ..row(at, more.map(|_| done), 0) });
        }
        if let Some(code) = code {
            soak.note(&exited(HowEnded::Exited { code }));
            soak.note(&stopped(crate::unit::ENDED_BY_ITSELF, 0));
        }
        let counted = if silent { Counted::Silent("x".into()) } else { Counted::Operations(done) };
        let judgement = soak.conclude(&counted);
        let result = &judgement.result;
        let held = judgement.criteria.iter().all(|criterion| criterion.held == Some(true));
        prop_assert_eq!(result.passed, held && !silent);
        prop_assert_eq!(result.passed, result.outcome == SoakOutcome::Passed);
        prop_assert!(!result.reasons.is_empty());
        let text = serde_json::to_string(result).unwrap();
        prop_assert!(serde_json::from_str::<SoakResult>(&text).is_ok(), "{}", text);
        for (slope, interval) in [
            (result.bytes_per_operation, result.bytes_per_operation_interval),
            (result.slope_bytes_per_hour, result.slope_interval),
        ] {
            let ordered = slope.zip(interval).is_none_or(|(slope, (low, high))| low <= slope && slope <= high);
            prop_assert!(ordered);
        }
    }
}
