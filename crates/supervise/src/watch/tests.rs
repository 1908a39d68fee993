//! The watch over a unit that is played by hand: looks as a shell would give them, time turned by hand.

use scupper_detect::{GrowRule, Horizon, Verdict};
use scupper_model::{BootId, Bytes, Connections, Limits, Size, StartTime, Total, TreeSample};

use super::*;
use crate::helpers::Kind;
use crate::unit::Bounds;

mod classes;
mod recorded;

const MIB: u64 = 1 << 20;

fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(pid.unsigned_abs().into()),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    }
}

/// A unit of processes with a size each, which somebody changes between two looks.
struct Unit {
    watch: Watch,
    now: Duration,
    began: Duration,
    processes: Vec<(i32, Role, u64, Duration)>,
    /// Who became another program, what, and when.
    became: Option<(i32, &'static str, Duration)>,
    /// How often it has executed itself since.
    again: u32,
    /// What everybody else calls itself.
    title: &'static str,
    descriptors: u64,
    connections: Option<Connections>,
    /// What helpers are, and whose child everybody is but the first.
    kind: Option<Kind>,
    parent: i32,
    events: Vec<EventKind>,
    look: Look,
    whole_every: u32,
    looked: u32,
}

impl Unit {
    fn new(plan: Plan) -> Self {
        let watch = Watch::new(plan);
        let (now, began) = (Duration::from_secs(1000), Duration::from_secs(1000));
        let (processes, events, look) = (Vec::new(), Vec::new(), Look::default());
        let (connections, kind, parent) = (None, None, 1);
        let (descriptors, whole_every, looked) = (3, 1, 0);
        Self {
            watch,
            now,
            began,
            processes,
            became: None,
            again: 0,
            title: "x",
            descriptors,
            connections,
            kind,
            parent,
            events,
            look,
            whole_every,
            looked,
        }
    }

    fn add(&mut self, pid: i32, role: Role, mib: u64) -> &mut Self {
        self.processes.push((pid, role, mib * MIB, self.now));
        self
    }

    fn grow(&mut self, pid: i32, bytes: u64) {
        self.processes.iter_mut().filter(|process| process.0 == pid).for_each(|process| process.2 += bytes);
    }

    /// One look, half a second after the last one.
    fn look(&mut self) {
        self.now += Duration::from_millis(500);
        self.looked += 1;
        let seen = |&(pid, role, rss, born): &(i32, Role, u64, Duration)| {
            let first = pid == self.processes[0].0;
            let became = self.became.filter(|became| became.0 == pid);
            Seen {
                identity: identity(pid),
                parent: Pid::new(if first { 1 } else { self.parent }),
                role,
                name: became.map_or(self.title, |became| became.1).into(),
                program: "x".into(),
                age: self.now.saturating_sub(born),
                became_at: became.map_or(Duration::ZERO, |became| became.2.saturating_sub(born)),
                changes: became.map_or(0, |_| 1 + self.again),
                spared: false,
                zombie: false,
                rss: Some(Bytes(rss)),
                growth: 0,
                slope: None,
                cpu: None,
                leak: None,
                counts: [Some(if first { self.descriptors } else { 3 }), Some(1), Some(0), None],
                connections: self
                    .connections
                    .map(|of_first| if first { of_first } else { Connections::default() }),
                kind: (role == Role::Helper).then_some(self.kind).flatten(),
            }
        };
        let size = self.processes.iter().map(|process| process.2).sum();
        let known = |known| Total { known, unreadable: 0 };
        self.look = Look {
            processes: self.processes.iter().map(seen).collect(),
            size: Bytes(size),
            whole: self.looked.is_multiple_of(self.whole_every),
            tree: TreeSample {
                processes: self.processes.len().try_into().unwrap(),
                rss_bytes: known(size),
                fds: known(self.descriptors),
                sockets: Total { known: 0, unreadable: 1 },
                threads: known(self.processes.len() as u64),
                ..TreeSample::default()
            },
            ..Look::default()
        };
        let age = self.now.saturating_sub(self.began);
        let events = self.watch.observe(self.now, age, &mut self.look);
        self.events.extend(events);
    }

    fn looks(&mut self, count: u32, mut meanwhile: impl FnMut(&mut Self)) {
        for _ in 0..count {
            meanwhile(self);
            self.look();
        }
    }

    /// Verdicts that were told of a series, of the tree (`None`) or of a process.
    fn told(&self, of: Watched, pid: Option<i32>) -> Vec<Verdict> {
        let fits = |event: &EventKind| match event {
            EventKind::VerdictChanged { series, target, judged, .. } => {
                (*series == of && *target == pid.map(identity)).then_some(judged.verdict)
            }
            _ => None,
        };
        self.events.iter().filter_map(fits).collect()
    }

    fn standing(&mut self) -> Verdict {
        self.watch.standing(self.now).verdict.unwrap()
    }
}

/// More than 20 MiB in 10 s is a leak: a rule that holds or does not, whatever else the detector thinks.
fn ruled() -> Plan {
    let grow = Some(GrowRule { by: 20.0 * 1_048_576.0, within: Duration::from_secs(10) });
    Plan { horizon: Horizon::Short, grow, ..Plan::default() }
}

#[test]
fn a_process_that_grows_is_found_and_so_is_its_tree() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50).add(8, Role::Helper, 50);
    unit.looks(20, |_| {});
    assert_eq!(unit.standing(), Verdict::Unknown, "too little was seen");
    unit.looks(160, |unit| unit.grow(8, 2 * MIB));
    assert_eq!(unit.standing(), Verdict::Leaking);
    assert!(unit.told(Watched::Memory, Some(8)).contains(&Verdict::Leaking), "{:?}", unit.events);
    assert_eq!(unit.told(Watched::Memory, Some(7)), []);
    assert!(unit.look.processes[1].leak.is_some());
    assert!(unit.look.processes[0].leak.is_none());
    let found = unit.watch.findings();
    let [EventKind::LeakFound { target, reasons, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*target, Some(identity(8)), "what a process explains is told of that process");
    assert_eq!(reasons[0].tag, "grew_faster_than_allowed");
}

/// A launcher takes its time: what it weighs is no beginning of a trend, the start of what it becomes is no leak, and a leak
/// of that is found by its name. What leaked before somebody became another program is not forgotten.
#[test]
fn a_program_that_comes_late_is_judged_from_its_start_on() {
    for role in [Role::Main, Role::Helper] {
        let mut unit = Unit::new(ruled());
        unit.add(7, Role::Main, 2).add(8, Role::Helper, 2);
        let pid = if role == Role::Main { 7 } else { 8 };
        unit.looks(20, |_| {});
        unit.became = Some((pid, "server", unit.now));
        unit.looks(3, |unit| unit.grow(pid, 40 * MIB));
        unit.looks(40, |_| {});
        assert_eq!(unit.told(Watched::Memory, Some(pid)), [], "its start is none");
        assert_eq!(unit.told(Watched::Memory, None), [], "nor that of the unit");
        unit.looks(60, |unit| unit.grow(pid, 2 * MIB));
        assert!(unit.told(Watched::Memory, Some(pid)).contains(&Verdict::Leaking), "{:?}", unit.events);
        unit.became = Some((pid, "other", unit.now));
        unit.looks(60, |_| {});
        let found = unit.watch.findings();
        let [EventKind::LeakFound { name, .. }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(name.as_deref(), Some("server"));
    }
}

/// A script that ends with `exec "$0"`, and leaves a child behind each time: each of them is small, the tree is what grows.
/// Whoever executes itself a few times is a launcher, and whoever does so seldom is started anew on purpose.
#[test]
fn a_main_process_that_executes_itself_again_and_again_is_judged_with_its_tree() {
    let found = |every: u32, turns: u32, leaves: u64| {
        let mut unit = Unit::new(Plan { grow: None, ..ruled() });
        unit.add(7, Role::Main, 50);
        unit.became = Some((7, "script", unit.now));
        for turn in 0..turns {
            unit.again = turn;
            unit.became = Some((7, "script", unit.now));
            unit.processes[0].2 = 20 * MIB;
            unit.add(100 + i32::try_from(turn).unwrap(), Role::Helper, leaves);
            unit.looks(every / 2, |_| {});
            unit.processes[0].2 = 50 * MIB;
            unit.looks(every / 2, |_| {});
        }
        (unit.told(Watched::Memory, None), unit.look.leak.is_some())
    };
    let (told, leaks) = found(4, 100, 4);
    assert!(told.contains(&Verdict::Leaking) && leaks, "{told:?}");
    let (told, leaks) = found(4, 3, 4);
    assert!(told.is_empty() && !leaks, "{told:?}");
    let (told, leaks) = found(1300, 8, 4);
    assert!(!told.contains(&Verdict::Leaking) && !leaks, "{told:?}");
    let (told, leaks) = found(7, 100, 0);
    assert!(!told.contains(&Verdict::Leaking) && !leaks, "{told:?}");
}

/// A server that shows in its name what it is at is the same one, and found by what it is called last.
#[test]
fn who_renames_itself_all_the_time_is_found_too() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 2).add(8, Role::Helper, 2);
    unit.looks(20, |_| {});
    unit.looks(61, |unit| {
        unit.grow(8, 2 * MIB);
        unit.title = if unit.title == "busy" { "idle" } else { "busy" };
    });
    assert!(unit.told(Watched::Memory, Some(8)).contains(&Verdict::Leaking), "{:?}", unit.events);
    let found = unit.watch.findings();
    let by =
        |found: &EventKind| matches!(found, EventKind::LeakFound { name: Some(name), .. } if name == "busy");
    assert!(found.iter().any(by), "{found:?}");
}

/// A number that does not change costs nothing, and is still judged when somebody asks.
#[test]
fn what_is_flat_has_no_series() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50);
    unit.looks(400, |_| {});
    assert_eq!((unit.watch.series(), unit.events.len()), (0, 0));
    assert_eq!(unit.standing(), Verdict::Stable);
    // What came before the first change is known to the series that it makes.
    unit.looks(4, |unit| unit.grow(7, 4096));
    assert_eq!(unit.watch.series(), 2);
    assert_eq!(unit.standing(), Verdict::Stable);
}

/// Looks at a unit that idles cost next to nothing, and what they saw is not lost.
#[test]
fn a_still_unit_is_judged_by_all_its_looks() {
    let mut unit = Unit::new(ruled());
    unit.whole_every = 50;
    unit.add(7, Role::Main, 50);
    unit.looks(220, |_| {});
    assert!(unit.watch.still.is_some_and(|still| still.looks > 0));
    assert_eq!(unit.standing(), Verdict::Stable);
    // Still, but for one look: the series that it makes knows the hour before.
    unit.looks(1, |unit| unit.grow(7, 4096));
    unit.looks(1, |_| {});
    assert!(unit.watch.still.is_none());
    assert_eq!((unit.watch.series(), unit.standing()), (2, Verdict::Stable));
    unit.looks(60, |unit| unit.grow(7, 2 * MIB));
    assert_eq!(unit.standing(), Verdict::Leaking);
}

#[test]
fn a_new_main_process_and_another_number_of_workers_begin_anew() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50).add(8, Role::Worker { signal: 15 }, 50);
    unit.looks(40, |_| {});
    // Two more workers: the tree grows by 100 MiB at once, and nothing leaks.
    unit.add(9, Role::Worker { signal: 15 }, 50).add(10, Role::Worker { signal: 15 }, 50);
    unit.looks(60, |_| {});
    // One is replaced by its master.
    unit.processes.pop();
    unit.looks(4, |_| {});
    unit.add(11, Role::Worker { signal: 15 }, 50);
    unit.looks(60, |_| {});
    assert!(!unit.told(Watched::Memory, None).contains(&Verdict::Leaking), "{:?}", unit.events);
    unit.looks(60, |unit| unit.grow(7, 2 * MIB));
    assert_eq!(unit.standing(), Verdict::Leaking);
    unit.watch.begin();
    unit.began = unit.now;
    unit.look();
    assert_eq!(unit.standing(), Verdict::Unknown);
}

/// What leaked and is gone is still a finding; told once.
#[test]
fn a_worker_that_leaked_and_ended_is_found() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50).add(8, Role::Worker { signal: 15 }, 50);
    unit.looks(60, |unit| unit.grow(8, 2 * MIB));
    unit.watch.recycling(identity(8));
    unit.processes.pop();
    unit.looks(2, |_| {});
    assert!(unit.look.leak.is_none(), "without it the tree is another one");
    let found = unit.watch.findings();
    assert!(
        matches!(found.as_slice(), [EventKind::LeakFound { target: Some(target), .. }] if *target == identity(8)),
        "{found:?}"
    );
    assert_eq!(unit.watch.findings(), []);
}

#[test]
fn many_processes_have_few_series() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50);
    for pid in 100..300 {
        unit.add(pid, Role::Helper, 1);
    }
    unit.looks(40, |unit| unit.processes.iter_mut().for_each(|process| process.2 += 4096));
    assert_eq!(unit.watch.processes.len(), MOST_FOLLOWED);
    assert!(unit.watch.processes.contains_key(&Pid::new(7).unwrap()), "the main process is followed first");
    assert!(unit.watch.series() <= MOST_SERIES);
    unit.processes.truncate(1);
    unit.look();
    assert_eq!(unit.watch.processes.len(), 1);
}

/// A forecast is about the soft limit, in the terms of the series: the sum of RSS.
#[test]
fn a_limit_is_as_far_as_the_size_is_from_it() {
    let limits = Limits { mem_soft: Some(Size::Absolute(Bytes::mib(100))), ..Limits::default() };
    let plan = Plan { bounds: Bounds::resolve(&limits, None), descriptors: Some(1024), ..Plan::default() };
    let mut unit = Unit::new(plan);
    unit.descriptors = 10;
    unit.add(7, Role::Main, 60).look();
    let mut look = Look { size: Bytes::mib(60), ..unit.look.clone() };
    look.tree.rss_bytes = Total { known: 80 * MIB, unreadable: 0 };
    look.tree.processes = 1;
    assert_eq!(plan.limit(Watched::Memory, &look, 0, None), Some(120 * MIB));
    assert_eq!(plan.limit(Watched::Descriptors, &look, 10, None), Some(1024));
    assert_eq!(plan.limit(Watched::Descriptors, &look, 10, Some(100)), Some(100), "what it set itself");
    assert_eq!(plan.limit(Watched::CloseWait, &look, 4, Some(100)), Some(94), "beside 6 that are open");
    unit.add(8, Role::Helper, 1).look();
    look.processes = unit.look.processes;
    assert_eq!(plan.limit(Watched::Descriptors, &look, 10, None), None, "it is one of each process");
    let plan = Plan { memory: Some(Bytes::mib(500)), ..Plan::default() };
    assert_eq!(plan.limit(Watched::Memory, &look, 0, None), Some(520 * MIB));
}

/// Descriptors are watched like memory.
#[test]
fn descriptors_that_pile_up_are_found() {
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    unit.add(7, Role::Main, 50);
    unit.looks(360, |unit| unit.descriptors += 1);
    assert_eq!(unit.standing(), Verdict::Leaking, "{:?}", unit.watch.all(unit.now));
    let standing = unit.watch.standing(unit.now);
    assert!(!standing.reasons.is_empty());
    let found = unit.watch.findings();
    assert!(
        matches!(found.as_slice(), [EventKind::LeakFound { series: Watched::Descriptors, .. }]),
        "{found:?}"
    );
}

/// What a process does is a word of its own only when it is bad: the rest is told of the tree, once.
#[test]
fn calm_changes_of_a_process_are_told_of_its_tree_alone() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50);
    unit.looks(40, |_| {});
    unit.looks(4, |unit| unit.grow(7, 4096));
    unit.looks(160, |_| {});
    assert_eq!(unit.told(Watched::Memory, None), [Verdict::Stable], "{:?}", unit.events);
    assert_eq!(unit.told(Watched::Memory, Some(7)), []);
    unit.looks(40, |unit| unit.grow(7, 2 * MIB));
    unit.looks(400, |_| {});
    let (tree, process) = (unit.told(Watched::Memory, None), unit.told(Watched::Memory, Some(7)));
    let leaks = |told: &[Verdict]| told.iter().filter(|verdict| **verdict == Verdict::Leaking).count();
    assert_eq!((leaks(&tree), leaks(&process)), (0, 1), "{:?}", unit.events);
    assert!(process.last().is_some_and(|verdict| *verdict < Verdict::Growing), "that it is over is told");
    let calm = |event: &EventKind| match event {
        EventKind::VerdictChanged { previous, .. } => *previous < Verdict::Growing,
        _ => true,
    };
    let of_tree = |event: &&EventKind| matches!(event, EventKind::VerdictChanged { target: None, .. });
    assert!(unit.events.iter().filter(of_tree).all(calm), "its end is told once: {:?}", unit.events);
}

/// The figures beside a verdict are those it was made of: a process that leaks while the tree as a whole does not.
#[test]
fn the_figures_of_a_unit_are_of_what_decides() {
    let limits = Limits { mem_soft: Some(Size::Absolute(Bytes::mib(4000))), ..Limits::default() };
    let mut unit = Unit::new(Plan { bounds: Bounds::resolve(&limits, None), ..ruled() });
    unit.add(7, Role::Main, 1000).add(8, Role::Helper, 50);
    // What the one takes, the other gives back.
    unit.looks(160, |unit| {
        unit.grow(8, 2 * MIB);
        unit.processes[0].2 -= 2 * MIB;
    });
    let now = unit.now;
    let tree = unit.watch.tree_memory(now).unwrap();
    assert!(tree.verdict < Some(Verdict::Growing) && tree.time_to_limit_seconds.is_none(), "{tree:?}");
    let (standing, process) = (unit.watch.standing(now), unit.watch.process(&identity(8), now).unwrap());
    assert_eq!((standing.verdict, standing.urgent), (Some(Verdict::Leaking), true));
    assert!(standing.slope_bytes_per_hour.unwrap() > 0.0 && standing.time_to_limit_seconds.is_some());
    assert_eq!(standing, process);
    // A leak of something else has no figures in bytes: those of the tree's memory stay.
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    unit.add(7, Role::Main, 50);
    unit.looks(360, |unit| unit.descriptors += 1);
    let (standing, tree) = (unit.watch.standing(unit.now), unit.watch.tree_memory(unit.now).unwrap());
    assert_eq!(standing.verdict, Some(Verdict::Leaking));
    assert_eq!(standing.slope_bytes_per_hour, tree.slope_bytes_per_hour);
}
