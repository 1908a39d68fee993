//! Heartbeats of a host's agents in one call, and objections of whoever hears them.

use std::sync::{Arc, mpsc};

use scupper_fleet::coordinator::{Looked, OnLost, Processes};
use scupper_fleet::{Answer, Beat, Happened, Incarnation, Members, Process, Store};
use scupper_model::Identity;

use crate::scene::{Scene, identity, secs};

#[test]
fn r114_heartbeats_that_come_together_are_sent_together_and_each_is_answered() {
    let scene = Scene::new();
    let a = scene.coordinator("a");
    let batch = a.batch();
    let agents: Vec<_> =
        (0..700).map(|n| scene.register_by(&format!("agent-{n}"), &*batch, "host-a", None)).collect();
    assert_eq!(batch.agents(), 700);
    let stranger = scupper_fleet::Incarnation { epoch: scupper_fleet::Epoch(7), ..agents[3].clone() };
    let (sender, receiver) = mpsc::channel();
    let before = scene.store.calls("beat");
    for (n, who) in agents.iter().enumerate() {
        let who = if n == 3 { stranger.clone() } else { who.clone() };
        let sender = sender.clone();
        let done = Box::new(move |answer| sender.send((n, answer)).unwrap());
        batch.submit(vec![Beat { who, report: None }], done);
    }
    assert_eq!(batch.flush(), 700);
    assert_eq!(scene.store.calls("beat") - before, 2, "500 and 200");
    drop(sender);
    let answers: Vec<(usize, _)> = receiver.iter().collect();
    assert_eq!(answers.len(), 700);
    for (n, answer) in answers {
        let answers = answer.unwrap().answers;
        assert_eq!(answers.len(), 1);
        assert_eq!(matches!(answers[0], Answer::Accepted { .. }), n != 3, "{n}: {answers:?}");
    }
}

/// As it runs in `serve`: a thread that sends, and many that wait for their answers.
#[test]
fn r114_agents_that_beat_at_once_are_each_answered_until_the_coordinator_ends() {
    let scene = Scene::new();
    let a = scene.coordinator("a");
    let batch = a.batch();
    let sending = std::thread::spawn({
        let batch = a.batch();
        move || batch.run()
    });
    let agents: Vec<_> =
        (0..40).map(|n| scene.register_by(&format!("agent-{n}"), &*batch, "host-a", None)).collect();
    std::thread::scope(|scope| {
        for who in &agents {
            scope.spawn(|| {
                for _ in 0..3 {
                    let beats = [Beat { who: who.clone(), report: None }];
                    let answers = batch.beat(&beats).unwrap().answers;
                    assert!(matches!(answers[..], [Answer::Accepted { .. }]), "{answers:?}");
                }
            });
        }
    });
    assert!(scene.store.calls("beat") <= 120);
    batch.close();
    sending.join().unwrap();
    let refused = batch.beat(&[Beat { who: agents[0].clone(), report: None }]);
    assert!(refused.unwrap_err().is_outage());
}

#[test]
fn where_the_registry_does_not_answer_no_agent_is_told_that_its_lease_holds() {
    let scene = Scene::new();
    let a = scene.coordinator("a");
    let who = scene.register_by("agent", &*a.batch(), "host-a", None);
    scene.store.down(true);
    let (sender, receiver) = mpsc::channel();
    for _ in 0..3 {
        let (who, sender) = (who.clone(), sender.clone());
        a.batch()
            .submit(vec![Beat { who, report: None }], Box::new(move |answer| sender.send(answer).unwrap()));
    }
    a.batch().flush();
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(scupper_fleet::StoreError::is_outage)));
}

/// The coordinator of the agent's host cannot renew its lease for a while and hears it all the time; another one claims it.
#[test]
fn r114_a_claim_of_an_agent_that_is_heard_is_objected_to_and_nothing_of_it_is_deleted() {
    let scene = Scene::new();
    let (mut a, mut b) = (scene.coordinator("a"), scene.coordinator("b"));
    let living = scene.registered("living", 10);
    let heard = scene.register_by("heard", &*a.batch(), "host-a", None);
    scene.tasks(&heard, 3);
    let batch = a.batch();
    let beat = |who: &scupper_fleet::Incarnation| {
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |answer| sender.send(answer).unwrap());
        batch.submit(vec![Beat { who: who.clone(), report: None }], done);
        batch.flush();
        receiver.recv().unwrap()
    };
    for _ in 0..3 {
        scene.pass(secs(30), &mut [&mut a, &mut b], &living);
        assert!(beat(&heard).is_ok());
    }
    for _ in 0..4 {
        scene.store.silent("beat", true);
        assert!(beat(&heard).is_err());
        scene.store.silent("beat", false);
        scene.pass(secs(29), &mut [&mut b], &living);
    }
    // It claims, and has to wait for objections before it deletes.
    let mut turns = 0;
    while b.cleanups() == 0 {
        b.turn(&|| true);
        scene.clock.pass(std::time::Duration::from_millis(500));
        turns += 1;
        assert!(turns < 60, "it is claimed");
    }
    assert_eq!(scene.store.claims(None, 10).unwrap().entries.len(), 1);
    let answers = beat(&heard).unwrap().answers;
    assert!(matches!(answers[0], Answer::Accepted { .. }), "{answers:?}");
    scene.pass(secs(5), &mut [&mut b], &[]);
    assert_eq!(scene.told("cleanup_aborted").len(), 1);
    assert_eq!(b.view().read().done.aborted, 1);
    assert!(scene.completed().is_empty());
    let kept = scene.store.get(&heard.id, scupper_fleet::ItemKind::Task, "t2").unwrap();
    assert_eq!(kept.as_deref(), Some(&b"x"[..]));
}

/// What it is told by the registry in the moment in which a cleanup begins, before it sweeps itself.
#[test]
fn r114_it_objects_at_once_to_the_cleanup_of_whom_it_hears_unless_that_process_has_certainly_ended() {
    for (ended, silent, kept) in [
        (false, None, true),
        (true, None, false),
        (true, Some("agent"), true),
        (false, Some("claims"), false),
    ] {
        let scene = Scene::new();
        let hands = Arc::new(Gone(ended));
        let (a, mut b) = (scene.coordinator_with("a", OnLost::Adopt, Some(hands)), scene.coordinator("b"));
        let (batch, listening) = (a.batch(), a.listening());
        let living = scene.registered("living", 10);
        let who = scene.register_by("heard", &*batch, "host-a", Some(identity(4711)));
        let left = scene.register_by("left", &*batch, "host-a", None);
        scene.store.leave(&left, "SIGTERM", &crate::scene::TIMING).unwrap().unwrap();
        scene.pass(secs(70), &mut [&mut b], &living);
        scene.store.silent("beat", true);
        let beat = Box::new(drop);
        batch.submit(vec![Beat { who: who.clone(), report: None }], beat);
        batch.flush();
        scene.store.silent("beat", false);
        let mut turns = 0;
        while !scene
            .events()
            .iter()
            .any(|event| matches!(event, Happened::CleanupStarted { agent_id, .. } if *agent_id == who.id))
        {
            scene.pass(secs(1), &mut [], &living);
            b.turn(&|| true);
            turns += 1;
            assert!(turns < 90, "it is claimed");
        }
        if let Some(call) = silent {
            scene.store.silent(call, true);
        }
        // One of another host, and one that left by itself: nothing is said for them.
        for other in [&living[0].id, &left.id] {
            listening.begun(Some(other));
        }
        listening.begun(if silent == Some("claims") { None } else { Some(&who.id) });
        let objected = scene.told("cleanup_objected");
        assert_eq!(objected.len(), usize::from(kept), "{ended} {silent:?}: {objected:?}");
        if let Some(call) = silent {
            scene.store.silent(call, false);
        }
        scene.pass(secs(2), &mut [&mut b], &[]);
        assert_eq!(scene.completed().contains(&"heard".to_owned()), !kept, "{ended} {silent:?}");
    }
}

/// Knows of every process whether it has ended.
struct Gone(bool);

impl Processes for Gone {
    fn look_at(&self, _: &Incarnation, _: &Process) -> bool {
        false
    }

    fn looked_at(&self) -> Vec<Looked> {
        Vec::new()
    }

    fn is_gone(&self, of: &Identity) -> bool {
        *of == identity(4711) && self.0
    }
}

/// One that leaves has a heartbeat under way that arrives afterwards.
#[test]
fn r092_a_late_heartbeat_of_one_that_has_left_is_no_objection() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let who = scene.register_by("agent", &*a.batch(), "host-a", None);
    scene.tasks(&who, 2);
    let deleted = a.batch().depart(&who, "SIGTERM", &crate::scene::TIMING).unwrap();
    assert!(deleted.is_some_and(|keys| keys >= 2));
    let (sender, receiver) = mpsc::channel();
    a.batch().submit(vec![Beat { who, report: None }], Box::new(move |answer| sender.send(answer).unwrap()));
    a.batch().flush();
    assert_eq!(receiver.recv().unwrap().unwrap().answers, [Answer::Fenced { by: None }]);
    assert_eq!((scene.store.calls("object"), scene.members()), (0, 0));
    a.turn(&|| true);
    let view = a.view().read();
    assert_eq!((view.beats, view.fenced, view.agents_here), (1, 1, 0));
}

/// Its agent's name was taken over by a process elsewhere, which has died. What is heard here, or was, is another incarnation.
#[test]
fn r092_a_claim_of_another_incarnation_than_the_one_that_is_heard_is_not_objected_to() {
    let scene = Scene::new();
    let (mut a, mut b) = (scene.coordinator("a"), scene.coordinator("b"));
    let living = scene.registered("living", 10);
    scene.pass(secs(65), &mut [&mut a, &mut b], &living);
    for is_own in [false, true] {
        let name = if is_own { "own" } else { "of-b" };
        let heard = scene.register_by(name, &*a.batch(), "host-a", None);
        let after = scene.taken_over(name, secs(10));
        assert!(after.epoch > heard.epoch);
        scene.tasks(&after, 2);
        let claimer = if is_own { &mut a } else { &mut b };
        let mut turns = 0;
        while claimer.cleanups() == 0 {
            claimer.turn(&|| true);
            scene.clock.pass(std::time::Duration::from_millis(500));
            turns += 1;
            assert!(turns < 60, "it is claimed");
        }
        assert!(a.batch().hears(&heard.id, Some(heard.epoch)), "what is heard is good for 120 s");
        // Time enough to object to what the other one is about to do.
        a.turn(&|| is_own);
        scene.pass(secs(6), &mut [&mut a], &[]);
        scene.pass(secs(6), &mut [&mut a, &mut b], &[]);
        assert_eq!(scene.store.calls("object"), 0, "{name}");
        assert_eq!(scene.completed().last().map(String::as_str), Some(name));
    }
    assert_eq!((scene.completed().len(), scene.told("cleanup_objected").len()), (2, 0));
}

/// An idle turn costs a registry one call, however many agents there are: what else there may be is asked for where the sweep
/// says that there is some.
#[test]
fn an_idle_turn_is_one_call_and_the_numbers_are_asked_for_once_a_minute() {
    let scene = Scene::new();
    let mut a = scene.coordinator_with("a", OnLost::Adopt, Some(Arc::new(Nobody)));
    let batch = a.batch();
    let who = scene.register_by("agent", &*batch, "host-a", None);
    let agents = [who];
    scene.pass(secs(70), &mut [&mut a], &agents);
    let calls = ["sweep", "claims", "delegated", "agents", "agent", "status", "take_turn"];
    let count = || calls.map(|call| scene.store.calls(call));
    let before = count();
    scene.pass(secs(600), &mut [&mut a], &agents);
    let made: Vec<u32> = count().iter().zip(before).map(|(now, before)| now - before).collect();
    assert!((100..=140).contains(&made[0]), "{made:?}");
    assert_eq!(made[1..5], [0, 0, 0, 0], "{made:?}");
    assert!((8..=12).contains(&made[5]) && made[6] <= 12, "{made:?}");
    assert_eq!(a.view().read().claims, Some(0));
}

struct Nobody;

impl Processes for Nobody {
    fn look_at(&self, _: &Incarnation, _: &Process) -> bool {
        false
    }

    fn looked_at(&self) -> Vec<Looked> {
        Vec::new()
    }
}
