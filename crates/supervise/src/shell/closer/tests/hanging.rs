//! Looks that hang, and looks at whoever ends: nothing is said that was not seen.

use scupper_model::Pid;

use super::gate::Gate;
use super::*;
use crate::shell::closer::reading::look_closer;

fn until(mut condition: impl FnMut() -> bool, what: &str) {
    let clock = Clock::start();
    while !condition() {
        assert!(clock.now() < Duration::from_secs(30), "{what}");
        thread::yield_now();
    }
}

impl Followed {
    /// Steps once.
    fn step(&mut self, suspicion: Option<Stage>) -> Vec<EventKind> {
        let look = self.look();
        let target = Some(self.main());
        let suspicions: Vec<Suspicion> =
            suspicion.map(|stage| Suspicion { target, series: Watched::Memory, stage }).into_iter().collect();
        self.closer
            .step(&suspicions, Scene { look: &look, tree: &self.tree, operations: None, now: self.now })
    }

    /// A look begins that hangs, and is given up. What is told of it.
    fn hangs(&mut self, looker: work::Looker) -> String {
        (self.closer.works.looker, self.closer.works.given_up) = (looker, Duration::ZERO);
        self.now += AGAIN;
        let mut told = self.step(Some(Stage::Growing));
        until(
            || {
                told.extend(self.step(None));
                !told.is_empty()
            },
            "it is given up",
        );
        (self.closer.works.looker, self.closer.works.given_up) = (look_closer, Duration::from_mins(1));
        match told.as_slice() {
            [EventKind::Trouble { message }] => message.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_look_that_hangs_is_given_up_and_others_go_on_until_too_many_hang() {
    static GATE: Gate = Gate::new();
    let stuck: work::Looker = |target, children, more| {
        GATE.pass();
        look_closer(target, children, more)
    };
    let mut unit = Followed::start();
    let told = unit.hangs(stuck);
    assert!(told.contains("took longer than") && told.ends_with("what it holds is not known"), "{told}");
    assert!(unit.closer.kept.is_empty() && !told.contains("no other"), "{told}");
    // One hangs; the next is made all the same.
    let comparison = unit.compared(false, Watched::Memory, "held = [bytes(900) for _ in range(5000)]");
    assert_eq!(comparison.because, "growing");
    let told = unit.hangs(stuck);
    assert!(told.contains("no other is made before one of 2 that hang has ended"), "{told}");
    // Two hang: nobody is looked at, and nobody waits, not even another command of the unit.
    unit.now += AGAIN;
    unit.closer.begin_anew();
    assert_eq!(unit.step(Some(Stage::Leaking)), []);
    let look = unit.look();
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    assert_eq!(unit.closer.last_look(None, "recycled", Duration::from_mins(10), scene), []);
    assert!(!unit.closer.works.is_at_work() && !unit.closer.waiting.is_empty());
    GATE.open();
    until(|| unit.closer.works.is_free(), "they end");
    unit.closer.begin_anew();
    assert_eq!(unit.compared(false, Watched::Memory, "held += [bytes(900)]").because, "growing");
}

#[test]
fn whoever_was_told_to_end_is_not_compared_any_more() {
    static GATE: Gate = Gate::new();
    let mut unit = Followed::start();
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    unit.now += AGAIN;
    unit.closer.works.looker = |target, children, more| {
        GATE.pass();
        look_closer(target, children, more)
    };
    assert_eq!(unit.step(Some(Stage::Growing)), []);
    assert!(unit.closer.works.is_at_work());
    let main = unit.main();
    assert_eq!(unit.closer.ends(Some(main)), []);
    // It lets go of what it has, and then it is looked at.
    GATE.open();
    until(
        || {
            assert_eq!(unit.step(Some(Stage::Leaking)), []);
            unit.closer.is_idle()
        },
        "the look ends",
    );
    assert!(unit.closer.waiting.is_empty() && unit.closer.made.is_empty());
    let look = unit.look();
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    assert_eq!(unit.closer.last_look(Some(main), "recycled", Duration::from_secs(20), scene), []);
    // What had been found before that is told.
    unit.closer.begin_anew();
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    unit.now += AGAIN;
    assert_eq!(unit.step(Some(Stage::Growing)), []);
    let mut told = unit.closer.finish(Duration::from_secs(20));
    told.extend(unit.closer.ends(None));
    assert!(matches!(told.as_slice(), [EventKind::ResourcesCompared { .. }]), "{told:?}");
    assert_eq!(unit.step(Some(Stage::Leaking)), []);
    assert!(unit.closer.is_idle());
}

/// Its parent has not waited for it yet: the last look at the tree still shows it as it was.
#[test]
fn who_has_ended_since_the_last_look_holds_nothing_known() {
    let mut unit = Followed::start();
    unit.program.runs("held = 1");
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    assert_eq!(unit.closer.kept.len(), 1);
    unit.now += AGAIN;
    let look = unit.look();
    unit.program.child.kill().unwrap();
    let pid = Pid::new(unit.program.child.id().try_into().unwrap()).unwrap();
    until(|| unit.proc.stat(pid).unwrap().unwrap().is_zombie(), "it ends");
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    assert_eq!(unit.closer.last_look(None, "recycled", Duration::from_secs(20), scene), []);
    assert!(!unit.closer.works.is_at_work());
}

/// Whoever is gone by then does not keep the others from their last look.
#[test]
fn the_last_look_is_at_everybody_who_is_left() {
    let mut unit = Followed::start();
    unit.program.runs("held = 1");
    assert_eq!(unit.suspect(false, Watched::Memory, Stage::Suspected), []);
    let gone = Identity { start_time: scupper_model::StartTime(1), ..unit.main() };
    let oldest = Reading { at: unit.now, operations: None, holdings: Holdings::default(), shares: true };
    let subject = Subject { target: gone, tree: false };
    unit.closer.kept.push(Kept { subject, series: Watched::Memory, oldest, newer: None });
    unit.now += AGAIN;
    let look = unit.look();
    let scene = Scene { look: &look, tree: &unit.tree, operations: None, now: unit.now };
    let told = unit.closer.last_look(None, "soak", Duration::from_secs(20), scene);
    assert!(matches!(told.as_slice(), [EventKind::ResourcesCompared { .. }]), "{told:?}");
    // And nobody is looked at once all were told to end.
    unit.now += AGAIN;
    assert_eq!(unit.step(Some(Stage::Leaking)), []);
    unit.closer.all_end();
    assert_eq!(unit.closer.finish(Duration::from_secs(20)), []);
    until(
        || {
            assert_eq!(unit.step(Some(Stage::Leaking)), []);
            unit.closer.is_idle()
        },
        "the look ends",
    );
    assert_eq!(unit.closer.made.len(), 1);
}
