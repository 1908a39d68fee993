//! The threads around the machine, against a store in memory, on the real clock. What is asserted is an order, never how
//! long something took.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scupper_fleet::agent::{Agent, Keeper, LEASE_LOST, Leaving, News, OnLeaseLost, Setup, StartError, State};
use scupper_fleet::{
    AgentId, Clock, Directive, Item, ItemKind, Lost, Members, MemoryUse, Process, Report, Store, SystemClock,
    Timing,
};
use scupper_model::Bytes;

use crate::registry::Registry;

/// Everything is waited for so long, on a machine that does something else as well.
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

fn id() -> AgentId {
    "a-1".parse().unwrap()
}

fn process() -> Process {
    Process { host: "here".parse().unwrap(), identity: None }
}

fn setup(timing: Timing) -> Setup {
    Setup { id: id(), timing, process: process(), takeover: false, coordinator: None, secret: None }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = SystemClock.since_boot() + PATIENCE;
    while !holds() {
        assert!(SystemClock.since_boot() < until, "waited for: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// An agent whose lease lasts as long as the test, and everything it is told.
fn agent(registry: &Arc<Registry>, policy: OnLeaseLost) -> (Agent, Receiver<News>, Arc<Mutex<Vec<u8>>>) {
    agent_with(registry, policy, 2 * PATIENCE)
}

fn agent_with(
    registry: &Arc<Registry>,
    policy: OnLeaseLost,
    ttl: Duration,
) -> (Agent, Receiver<News>, Arc<Mutex<Vec<u8>>>) {
    let (told, news) = channel();
    let exits = Arc::new(Mutex::new(Vec::new()));
    let ends = Arc::clone(&exits);
    let members: Arc<dyn Members> = Arc::clone(registry) as _;
    let agent = Agent::builder(id(), "here".parse().unwrap(), members)
        .ttl(ttl)
        .interval(Duration::from_millis(100))
        .drain(Duration::from_millis(50))
        .on_lease_lost(policy)
        .listener(move |it| drop(told.send(it.news.clone())))
        .end_with(move |code| ends.lock().unwrap().push(code))
        .start()
        .unwrap();
    assert!(agent.wait_until_member(PATIENCE).unwrap());
    assert!(matches!(news.recv_timeout(PATIENCE), Ok(News::Registered { .. })));
    (agent, news, exits)
}

fn next(news: &Receiver<News>) -> News {
    news.recv_timeout(PATIENCE).unwrap()
}

fn state(value: &[u8]) -> Item {
    Item { kind: ItemKind::State, name: String::new(), value: Some(value.to_vec()) }
}

/// R092: ten thousand agents leave while they beat as fast as they can. No heartbeat comes after the departure, and
/// nobody is left. Four at a time: each mostly waits for a thread to be woken.
#[test]
fn r092_no_heartbeat_follows_a_departure_in_ten_thousand_races() {
    let beaten: u64 = std::thread::scope(|scope| {
        let races: Vec<_> = (0..4).map(|_| scope.spawn(|| races(2_500))).collect();
        races.into_iter().map(|races| races.join().unwrap()).sum()
    });
    assert!(beaten > 1_000, "the races had hardly a heartbeat in them: {beaten}");
}

/// So many departures, one after the other; how many heartbeats there were.
fn races(rounds: u64) -> u64 {
    let registry = Registry::new();
    let timing =
        Timing { interval: Duration::from_nanos(1), ttl: PATIENCE, margin: SECOND, ..Timing::DEFAULT };
    let mut beaten = 0;
    for round in 0..rounds {
        registry.departed.store(false, SeqCst);
        registry.beats.store(0, SeqCst);
        let (told, news) = channel();
        let members: Arc<dyn Members> = Arc::clone(&registry) as _;
        let keeper =
            Keeper::start(members, setup(timing), move |it| drop(told.send(it.news.clone()))).unwrap();
        assert!(matches!(next(&news), News::Registered { .. }), "round {round}");
        // Not always at the same moment of a heartbeat.
        for _ in 0..round % 64 {
            std::hint::spin_loop();
        }
        keeper.leave("done", PATIENCE);
        assert_eq!(next(&news), News::Left { answered: true });
        beaten += registry.beats.load(SeqCst);
        drop(keeper);
        assert_eq!(registry.late.load(SeqCst), 0, "round {round}");
        assert_eq!(registry.store.agent(&id()).unwrap(), None, "round {round}");
    }
    beaten
}

#[test]
fn it_says_what_it_takes_and_is_told_what_is_asked_of_it() {
    let registry = Registry::new();
    let (agent, news, _) = agent(&registry, OnLeaseLost::Pause);
    let memory = MemoryUse { rss: Some(Bytes(7 << 20)), ..MemoryUse::default() };
    let report = Report { state: "working".into(), verdict: None, memory };
    agent.report(report.clone());
    wait_for("its report", || registry.store.agent(&id()).unwrap().unwrap().report.as_ref() == Some(&report));
    agent.put(&state(b"one")).unwrap();
    assert_eq!(agent.get(ItemKind::State, "").unwrap().as_deref(), Some(&b"one"[..]));
    registry.store.direct(&id(), Some(Directive::Drain)).unwrap();
    assert_eq!(next(&news), News::Directed(Directive::Drain));
    assert_eq!(agent.directive(), Some(Directive::Drain));
    assert_eq!(agent.leave("drained", PATIENCE), Leaving::Left);
    assert_eq!(registry.store.agent(&id()).unwrap(), None);
    assert_eq!(registry.store.get(&id(), ItemKind::State, "").unwrap(), None);
}

#[test]
fn r116_without_a_registry_it_works_on_until_its_lease_is_over_and_goes_on_when_it_is_back() {
    let registry = Registry::new();
    let (agent, news, exits) = agent_with(&registry, OnLeaseLost::Pause, SECOND);
    registry.away.store(true, SeqCst);
    // On a machine that stood still it may have lost and regained it before.
    while next(&news) != News::Unanswered {}
    wait_for("the end of its lease", || agent.state() == State::Lost);
    assert!(!agent.may_act());
    assert!(agent.put(&state(b"late")).is_err());
    registry.away.store(false, SeqCst);
    while next(&news) != News::Answered {}
    wait_for("its lease", || agent.may_act() && agent.state() == State::Member);
    assert_eq!(exits.lock().unwrap().as_slice(), [0_u8; 0]);
}

/// A call that hangs in the registry holds the agent's own deadline not up.
#[test]
fn a_registry_that_hangs_is_no_reason_to_act_on() {
    let registry = Registry::new();
    let (agent, _news, _) = agent_with(&registry, OnLeaseLost::Pause, SECOND);
    registry.open_gate(false);
    wait_for("the end of its lease", || agent.state() == State::Lost);
    assert!(!agent.may_act());
    registry.open_gate(true);
    wait_for("its lease", || agent.may_act() && agent.state() == State::Member);
}

#[test]
fn a_store_that_lost_its_data_takes_it_back_as_the_same_incarnation() {
    let registry = Registry::new();
    let before = registry.store.kept();
    let (agent, news, exits) = agent(&registry, OnLeaseLost::Pause);
    let was = agent.incarnation().unwrap();
    registry.store.restart(&before);
    assert!(matches!(next(&news), News::Lost(Lost::Fenced { .. })));
    assert_eq!(next(&news), News::Regained { epoch: was.epoch });
    wait_for("its incarnation", || agent.incarnation().as_ref() == Some(&was) && agent.may_act());
    agent.put(&state(b"mine")).unwrap();
    assert_eq!(exits.lock().unwrap().as_slice(), [0_u8; 0]);
}

#[test]
fn whoever_is_replaced_stops_and_exits_75() {
    for policy in [OnLeaseLost::Pause, OnLeaseLost::Finish, OnLeaseLost::Exit] {
        let registry = Registry::new();
        let (agent, news, exits) = agent(&registry, policy);
        agent.put(&state(b"old")).unwrap();
        let members: Arc<dyn Members> = Arc::clone(&registry) as _;
        let successor = Agent::builder(id(), "here".parse().unwrap(), members).takeover().start().unwrap();
        assert!(successor.wait_until_member(PATIENCE).unwrap());
        successor.put(&state(b"new")).unwrap();
        assert!(matches!(next(&news), News::Lost(Lost::Fenced { .. })), "{policy:?}");
        assert!(agent.put(&state(b"zombie")).is_err());
        wait_for("its end", || !exits.lock().unwrap().is_empty());
        assert_eq!(exits.lock().unwrap()[0], LEASE_LOST, "{policy:?}");
        assert_eq!(successor.get(ItemKind::State, "").unwrap().as_deref(), Some(&b"new"[..]));
        drop(agent);
        assert!(successor.may_act());
        assert_eq!(successor.leave("done", PATIENCE), Leaving::Left);
    }
}

#[test]
fn who_finds_its_name_taken_is_no_member() {
    let registry = Registry::new();
    let (first, _news, _) = agent(&registry, OnLeaseLost::Pause);
    let members: Arc<dyn Members> = Arc::clone(&registry) as _;
    let second = Agent::builder(id(), "here".parse().unwrap(), members).start().unwrap();
    let refused = second.wait_until_member(PATIENCE).unwrap_err();
    assert!(matches!(refused, StartError::Taken { .. }), "{refused}");
    assert!(refused.to_string().contains("a living process is the agent a-1"), "{refused}");
    assert!(!second.may_act() && first.may_act());
}

#[test]
fn dropped_it_leaves_no_thread_behind() {
    let registry = Registry::new();
    let (agent, _news, _) = agent(&registry, OnLeaseLost::Pause);
    // The threads hold the registry: its last holder is the test.
    drop(agent);
    assert_eq!(Arc::strong_count(&registry), 1);
}
