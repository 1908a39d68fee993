//! What an agent does, minute by minute.

use std::time::Duration;

use scupper_fleet::agent::machine::{Call, Input, Machine, News, Output};
use scupper_fleet::{Answer, Directive, Epoch, Lost, Registered, Timing};
use scupper_model::Timestamp;

pub const EPOCH: Epoch = Epoch(7);

pub const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn accepted(epoch: Epoch, resumed: bool) -> Input {
    Input::Registered(Registered::Accepted { epoch, now: Timestamp(0), resumed })
}

pub const fn beaten() -> Input {
    Input::Beaten(Answer::Accepted { directive: None })
}

const fn ask(call: Call) -> Output {
    Output::Ask(call)
}

const fn beat() -> Output {
    Output::Ask(Call::Beat(EPOCH))
}

const fn tell(news: News) -> Output {
    Output::Tell(news)
}

const LOST: Output = tell(News::Lost(Lost::Expired));

/// A member at 0 s whose first heartbeat was accepted.
fn member() -> Machine {
    let mut machine = Machine::new(Timing::DEFAULT, None);
    assert_eq!(machine.step(seconds(0), Input::Timer), [ask(Call::Register { earlier: None })]);
    let outputs = machine.step(seconds(0), accepted(EPOCH, false));
    assert_eq!(outputs, [tell(News::Registered { epoch: EPOCH }), beat()]);
    assert_eq!(machine.step(seconds(0), beaten()), []);
    machine
}

/// R089: every 30,000 ms, the first one at once.
#[test]
fn r089_it_beats_at_0_30_and_60_seconds() {
    let mut machine = Machine::new(Timing::DEFAULT, None);
    let mut beats = Vec::new();
    for at in 0..=100_000_u64 {
        let now = Duration::from_millis(at);
        let mut outputs = machine.step(now, Input::Timer);
        while let Some(output) = outputs.pop() {
            match output {
                Output::Ask(Call::Register { .. }) => {
                    outputs.extend(machine.step(now, accepted(EPOCH, false)));
                }
                Output::Ask(Call::Beat(_)) => {
                    beats.push(at);
                    outputs.extend(machine.step(now, beaten()));
                }
                _ => {}
            }
        }
    }
    assert_eq!(beats, [0, 30_000, 60_000, 90_000]);
}

#[test]
fn r089_with_jitter_the_interval_is_between_27_and_33_seconds() {
    let mut machine = Machine::new(Timing::DEFAULT, Some(42));
    let mut now = seconds(1000);
    machine.step(now, Input::Timer);
    machine.step(now, accepted(EPOCH, false));
    let mut waits = Vec::new();
    for _ in 0..500 {
        machine.step(now, beaten());
        let next = machine.next_deadline().unwrap();
        waits.push(next.saturating_sub(now).as_secs_f64());
        now = next;
        assert_eq!(machine.step(now, Input::Timer), [beat()]);
    }
    assert!(waits.iter().all(|wait| (27.0..=33.0).contains(wait)), "{waits:?}");
    let spread =
        waits.iter().copied().fold(f64::MIN, f64::max) - waits.iter().copied().fold(f64::MAX, f64::min);
    assert!(spread > 4.0, "{spread}");
}

/// The lease counts from when the heartbeat was sent, and ends ten seconds before the store's.
#[test]
fn past_its_own_deadline_it_stops_before_it_asks_again() {
    let mut machine = member();
    assert_eq!(machine.may_act_until(), Some(seconds(110)));
    assert_eq!(machine.step(seconds(30), Input::Timer), [beat()]);
    // It is answered late: the lease still counts from 30 s.
    assert_eq!(machine.step(seconds(50), beaten()), []);
    assert_eq!(machine.may_act_until(), Some(seconds(140)));
    assert_eq!(machine.next_deadline(), Some(seconds(60)));
    // The machine sleeps for an hour. Then: first stop, and nothing is asked before that was done.
    assert_eq!(machine.step(seconds(3600), Input::Timer), [LOST]);
    assert_eq!(machine.may_act_until(), None);
    assert_eq!(machine.step(seconds(3601), Input::Timer), []);
    assert_eq!(machine.next_deadline(), None);
    assert_eq!(machine.step(seconds(3602), Input::Stopped), [beat()]);
    // Nobody was fenced: it goes on, with a lease from the new heartbeat.
    assert_eq!(machine.step(seconds(3603), beaten()), [tell(News::Regained { epoch: EPOCH })]);
    assert_eq!(machine.may_act_until(), Some(seconds(3712)));
}

/// SIGSTOP while a heartbeat was under way: its answer, an hour old, is worth nothing.
#[test]
fn an_answer_that_waited_for_an_hour_renews_nothing() {
    let mut machine = member();
    assert_eq!(machine.step(seconds(30), Input::Timer), [beat()]);
    assert_eq!(machine.step(seconds(3600), beaten()), [LOST]);
    assert_eq!(machine.step(seconds(3600), Input::Stopped), [beat()]);
    assert_eq!(machine.step(seconds(3601), beaten()), [tell(News::Regained { epoch: EPOCH })]);
}

/// SIGSTOP while a registration was under way: what it is answered with an hour later is no lease either. It is told once
/// that it lost its own, and once that it has one again.
#[test]
fn a_registration_that_waited_for_an_hour_gives_nothing_back() {
    let mut machine = member();
    let again = ask(Call::Register { earlier: Some(EPOCH) });
    assert_eq!(machine.step(seconds(30), Input::Moved), std::slice::from_ref(&again));
    assert_eq!(machine.step(seconds(3600), Input::Timer), [LOST]);
    assert_eq!(machine.step(seconds(3600), accepted(EPOCH, false)), []);
    assert_eq!(machine.step(seconds(3601), Input::Stopped), [beat()]);
    assert_eq!(machine.step(seconds(3602), beaten()), [tell(News::Regained { epoch: EPOCH })]);
    assert_eq!(machine.may_act_until(), Some(seconds(3711)));

    // Whoever was refused, and is taken back by an answer that is too old by then.
    let mut machine = member();
    machine.step(seconds(30), Input::Timer);
    let lost = machine.step(seconds(30), Input::Beaten(Answer::Fenced { by: None }));
    assert_eq!(lost, [tell(News::Lost(Lost::Fenced { by: None }))]);
    assert_eq!(machine.step(seconds(31), Input::Stopped), [again]);
    let resumed = machine.step(seconds(3600), accepted(Epoch(9), true));
    assert_eq!(resumed, [ask(Call::Beat(Epoch(9)))]);
    assert_eq!(machine.may_act_until(), None);
    assert_eq!(machine.step(seconds(3601), beaten()), [tell(News::Regained { epoch: Epoch(9) })]);
    assert_eq!(machine.may_act_until(), Some(seconds(3710)));
}

#[test]
fn r116_an_outage_never_ends_it_and_stops_it_only_at_its_deadline() {
    let mut machine = member();
    let mut now = seconds(30);
    assert_eq!(machine.step(now, Input::Timer), [beat()]);
    let mut told = Vec::new();
    let mut pauses = Vec::new();
    while now < seconds(400) {
        let mut outputs = machine.step(now, Input::Failed);
        let next = machine.next_deadline().unwrap();
        pauses.push(next.saturating_sub(now).as_millis());
        now = next;
        outputs.extend(machine.step(now, Input::Timer));
        if outputs.contains(&LOST) {
            assert_eq!(now, seconds(110));
            outputs.extend(machine.step(now, Input::Stopped));
            now = machine.next_deadline().unwrap().max(now);
            outputs.extend(machine.step(now, Input::Timer));
        }
        told.extend(outputs.into_iter().filter(|output| matches!(output, Output::Tell(_))));
    }
    assert_eq!(told, [tell(News::Unanswered), LOST]);
    assert_eq!(pauses[..7], [100, 200, 400, 800, 1600, 3200, 5000]);
    assert_eq!(pauses.iter().max(), Some(&5000));
    let outputs = machine.step(now, beaten());
    assert_eq!(outputs, [tell(News::Answered), tell(News::Regained { epoch: EPOCH })]);
}

#[test]
fn the_back_off_is_spread_over_all_of_the_pause() {
    let pause = |seed: u64| {
        let mut machine = Machine::new(Timing::DEFAULT, Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut now = seconds(1);
        machine.step(now, Input::Timer);
        for _ in 0..9 {
            machine.step(now, Input::Failed);
            now = machine.next_deadline().unwrap();
            machine.step(now, Input::Timer);
        }
        machine.step(now, Input::Failed);
        machine.next_deadline().unwrap().saturating_sub(now).as_secs_f64()
    };
    let pauses: Vec<f64> = (1..200).map(pause).collect();
    assert!(pauses.iter().all(|pause| (0.0..=5.0).contains(pause)));
    assert!(pauses.iter().any(|pause| *pause < 1.0) && pauses.iter().any(|pause| *pause > 4.0), "{pauses:?}");
}

/// The store lost its data: it refuses whom it does not know, and takes back whom it can.
#[test]
fn a_registry_that_lost_its_data_takes_it_back() {
    let mut machine = member();
    machine.step(seconds(30), Input::Timer);
    let lost = machine.step(seconds(30), Input::Beaten(Answer::Fenced { by: None }));
    assert_eq!(lost, [tell(News::Lost(Lost::Fenced { by: None }))]);
    assert_eq!((machine.may_act_until(), machine.epoch()), (None, None));
    let again = machine.step(seconds(31), Input::Stopped);
    assert_eq!(again, [ask(Call::Register { earlier: Some(EPOCH) })]);
    let resumed = machine.step(seconds(31), accepted(Epoch(9), true));
    assert_eq!(resumed, [tell(News::Regained { epoch: Epoch(9) }), ask(Call::Beat(Epoch(9)))]);
    assert_eq!(machine.may_act_until(), Some(seconds(141)));
}

#[test]
fn whoever_is_over_stays_over() {
    let refused = || {
        let mut machine = member();
        machine.step(seconds(30), Input::Timer);
        machine.step(seconds(30), Input::Beaten(Answer::Fenced { by: Some(Epoch(8)) }));
        machine.step(seconds(30), Input::Stopped);
        machine
    };
    let dead = |why: &str| tell(News::Dead { why: why.to_owned() });
    let mut machine = refused();
    let answer = Input::Registered(Registered::Dead { why: "it was cleaned up".into() });
    assert_eq!(machine.step(seconds(31), answer), [dead("it was cleaned up")]);
    assert!(machine.is_over());
    assert_eq!((machine.step(seconds(99), Input::Timer), machine.next_deadline()), (vec![], None));

    let mut machine = refused();
    let answer = Input::Registered(Registered::Taken { remaining: seconds(9) });
    assert_eq!(machine.step(seconds(31), answer), [dead("another process has its name")]);

    // Begun anew, it would be another one with the work of the one that is over: it takes that registration back.
    let mut machine = refused();
    let outputs = machine.step(seconds(31), accepted(Epoch(12), false));
    assert_eq!(outputs, [dead("the registry knows it no longer"), ask(Call::Depart(Epoch(12)))]);
    let outputs = machine.step(seconds(31), Input::Departed);
    assert_eq!(outputs, [tell(News::Left { answered: true })]);
    assert!(machine.is_over());
}

#[test]
fn a_refused_write_is_as_good_as_a_refused_heartbeat() {
    let mut machine = member();
    assert_eq!(machine.step(seconds(5), Input::WriteRefused(Epoch(6))), []);
    let outputs = machine.step(seconds(5), Input::WriteRefused(EPOCH));
    assert_eq!(outputs, [tell(News::Lost(Lost::Fenced { by: None }))]);
    // While a heartbeat is under way: its answer says nothing any more.
    let mut machine = member();
    machine.step(seconds(30), Input::Timer);
    machine.step(seconds(30), Input::WriteRefused(EPOCH));
    machine.step(seconds(30), Input::Stopped);
    assert_eq!(machine.step(seconds(31), beaten()), [ask(Call::Register { earlier: Some(EPOCH) })]);
}

#[test]
fn who_finds_its_name_taken_is_told_once_and_asks_no_more() {
    let mut machine = Machine::new(Timing::DEFAULT, None);
    machine.step(seconds(0), Input::Timer);
    let remaining = seconds(87);
    let outputs = machine.step(seconds(0), Input::Registered(Registered::Taken { remaining }));
    assert_eq!(outputs, [tell(News::Taken { remaining })]);
    assert!(machine.is_over());
}

#[test]
fn while_the_last_one_is_cleaned_up_it_asks_again() {
    let mut machine = Machine::new(Timing::DEFAULT, None);
    let mut now = seconds(0);
    for _ in 0..20 {
        assert_eq!(machine.step(now, Input::Timer), [ask(Call::Register { earlier: None })]);
        assert_eq!(machine.step(now, Input::Registered(Registered::Busy)), []);
        let next = machine.next_deadline().unwrap();
        assert!(next > now && next <= now + seconds(5));
        now = next;
    }
}

/// R092: the heartbeat that is under way is waited for, and none comes after.
#[test]
fn r092_no_heartbeat_follows_a_departure() {
    let within = seconds(10);
    let mut machine = member();
    assert_eq!(machine.step(seconds(30), Input::Timer), [beat()]);
    assert_eq!(machine.step(seconds(31), Input::Leave { within }), []);
    assert_eq!(machine.step(seconds(32), Input::Timer), []);
    assert_eq!(machine.step(seconds(33), beaten()), [ask(Call::Depart(EPOCH))]);
    assert_eq!(machine.may_act_until(), None);
    assert_eq!(machine.step(seconds(34), Input::Departed), [tell(News::Left { answered: true })]);
    for later in 35..400 {
        assert_eq!(machine.step(seconds(later), Input::Timer), []);
    }
}

#[test]
fn who_leaves_while_the_registry_is_away_gives_up_after_a_while() {
    let within = seconds(10);
    let mut machine = member();
    assert_eq!(machine.step(seconds(40), Input::Leave { within }), [ask(Call::Depart(EPOCH))]);
    assert_eq!(machine.step(seconds(41), Input::Failed), [tell(News::Unanswered)]);
    let gave_up_at = loop {
        let now = machine.next_deadline().unwrap();
        match machine.step(now, Input::Timer).as_slice() {
            [Output::Ask(Call::Depart(EPOCH))] => assert_eq!(machine.step(now, Input::Failed), []),
            [Output::Tell(News::Left { answered: false })] => break now,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(gave_up_at, seconds(50));
    // One call that never comes back holds nobody up.
    let mut machine = member();
    machine.step(seconds(30), Input::Timer);
    machine.step(seconds(30), Input::Leave { within });
    assert_eq!(machine.next_deadline(), Some(seconds(40)));
    assert_eq!(machine.step(seconds(40), Input::Timer), [tell(News::Left { answered: false })]);
    // Who was never a member has nothing to leave.
    let mut machine = Machine::new(Timing::DEFAULT, None);
    assert_eq!(machine.step(seconds(0), Input::Leave { within }), [tell(News::Left { answered: false })]);
}

#[test]
fn what_it_is_asked_to_do_is_passed_on_once() {
    let mut machine = member();
    let answer = |directive| Input::Beaten(Answer::Accepted { directive });
    let mut told = Vec::new();
    for (n, directive) in [None, Some(Directive::Drain), Some(Directive::Drain), Some(Directive::Stop), None]
        .into_iter()
        .enumerate()
    {
        let now = seconds(30 * (n as u64 + 1));
        assert_eq!(machine.step(now, Input::Timer), [beat()]);
        told.extend(machine.step(now, answer(directive)));
    }
    let directed = |directive| tell(News::Directed(directive));
    assert_eq!(told, [directed(Directive::Drain), directed(Directive::Stop)]);
}

/// A command that is started again is another process of the same agent.
#[test]
fn another_process_is_said_at_once_by_the_same_registration() {
    let mut machine = member();
    let again = ask(Call::Register { earlier: Some(EPOCH) });
    assert_eq!(machine.step(seconds(5), Input::Moved), std::slice::from_ref(&again));
    assert_eq!(machine.step(seconds(5), Input::Failed), [tell(News::Unanswered)]);
    let next = machine.next_deadline().unwrap();
    assert_eq!(machine.step(next, Input::Timer), [again]);
    let outputs = machine.step(next, accepted(EPOCH, false));
    assert_eq!(outputs[0], tell(News::Answered));
    assert!(
        machine.epoch() == Some(EPOCH)
            && !outputs.iter().any(|o| matches!(o, Output::Tell(News::Dead { .. })))
    );
}
