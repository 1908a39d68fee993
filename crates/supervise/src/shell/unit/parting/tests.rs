//! Real processes that are told to end while a closer look at them hangs: nobody else is held up by it.

use std::cell::OnceCell;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command};

use scupper_model::{
    Limits, Policy, Profile, RecyclePolicy, RestartPolicy, RunId, UnitName, UnitSpec, Watched,
};
use scupper_probe::Proc;
use scupper_probe::cgroup::Mounts;

use super::*;
use crate::record::Records;
use crate::shell::clock::Clock;
use crate::shell::closer::tests::GATE;
use crate::shell::deliver::Untouchable;
use crate::shell::judge::Keeps;
use crate::shell::poller::Poller;
use crate::unit::Effect;
use crate::watch::{Stage, Suspicion};

const TERM: i32 = 15;
const PATIENCE: Duration = Duration::from_millis(500);

fn around(directory: &Path) -> Surrounding {
    let proc = Proc::open(Path::new("/proc")).unwrap();
    let own = scupper_model::Pid::new(rustix::process::getpid().as_raw_pid()).unwrap();
    Surrounding {
        records: Records::open(directory, rustix::process::getuid().as_raw()).unwrap(),
        mounts: Mounts::default(),
        keeps: Keeps::default(),
        poller: Poller::new().unwrap(),
        untouchable: Untouchable::gather(&proc),
        supervisor: proc.identify(own).unwrap().unwrap(),
        handover: None,
        whole: OnceCell::new(),
        own_v2: None,
        notify_upward: None,
        descriptors: None,
        proc,
    }
}

fn spec() -> UnitSpec {
    UnitSpec {
        name: "parting".parse::<UnitName>().unwrap(),
        name_is_derived: false,
        command: vec!["sleep".into(), "1000".into()],
        directory: None,
        environment: Vec::new(),
        profile: Profile::Web,
        policy: Policy::Kill,
        limits: Limits::default(),
        grace: Duration::from_secs(30),
        idle: None,
        lifetime: None,
        restart: RestartPolicy::Never,
        retry_after_giving_up: true,
        child_lifetimes: Vec::new(),
        keep: Vec::new(),
        logs: Vec::new(),
        cgroup: false,
        grow: None,
        horizon: scupper_detect::Horizon::Long,
        recycle: RecyclePolicy::OnLeak,
        fail_on_leak: false,
        agent: None,
    }
}

/// A process that is about to be recycled because it leaks, while looks at it end only when the gate is opened.
struct Scene {
    unit: UnitShell,
    around: Surrounding,
    child: Child,
    target: Identity,
    facts: Vec<Fact>,
    now: Duration,
}

impl Scene {
    fn begin(directory: &Path) -> Self {
        let around = around(directory);
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = scupper_model::Pid::new(child.id().try_into().unwrap()).unwrap();
        let target = around.proc.identify(pid).unwrap().unwrap();
        let claim = around.records.claim(&spec().name).unwrap().unwrap();
        let mut unit = UnitShell::new(spec(), 0, RunId(uuid::Uuid::now_v7()), claim, &around);
        unit.tree.begin(target);
        let now = Duration::from_secs(100);
        unit.tree.refresh(&around.proc, None, now);
        unit.look = unit.tree.look(&around.proc, None, now);
        let mut scene = Self { unit, around, child, target, facts: Vec::new(), now };
        scene.suspect();
        scene.unit.closer.look_behind_the_gate();
        scene.now += Duration::from_secs(20);
        scene.carry_out(Effect::Record(EventKind::RecycleStarted {
            target,
            name: "sleep".to_owned(),
            role: "main".to_owned(),
            reason: SignalReason::Leak,
            rss_bytes: None,
        }));
        scene.signal(TERM, SignalReason::Leak);
        scene
    }

    /// What it held when it was first suspected.
    fn suspect(&mut self) {
        let suspicion =
            Suspicion { target: Some(self.target), series: Watched::Memory, stage: Stage::Suspected };
        let scene = crate::shell::closer::Scene {
            look: &self.unit.look,
            tree: &self.unit.tree,
            operations: None,
            now: self.now,
        };
        self.unit.closer.step(&[suspicion], scene);
        self.unit.closer.finish(Duration::from_secs(30));
    }

    fn carry_out(&mut self, effect: Effect) {
        self.unit.carry_out(effect, self.now, &self.around, &mut self.facts);
    }

    fn signal(&mut self, signal: i32, reason: SignalReason) {
        self.carry_out(Effect::Signal { target: self.target, signal, reason, subtree: false });
    }

    fn go_on(&mut self) {
        self.unit.go_on_parting(self.now, &self.around, &mut self.facts);
    }

    /// The signals that were sent, and whether its holdings had been compared by then.
    fn told(&self) -> Vec<&'static str> {
        let word = |fact: &Fact| match fact {
            EventKind::SignalSent { signal: TERM, .. } => Some("TERM"),
            EventKind::SignalSent { signal: KILL, .. } => Some("KILL"),
            EventKind::ResourcesCompared { .. } => Some("compared"),
            _ => None,
        };
        self.facts.iter().filter_map(word).collect()
    }

    fn ended_by(&mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// R043: a unit whose leak is being looked at closer holds up no look at another one, whose hard limit stays armed.
#[test]
fn r043_nobody_is_held_up_by_a_closer_look_at_who_is_about_to_end() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody waits, and nothing is said, until its time is over.
    let mut scene = Scene::begin(directory.path());
    assert_eq!(scene.told(), [""; 0], "it is told to end before it was looked at, or was waited for");
    assert!(scene.unit.next_parting().is_some_and(|next| next <= scene.now + PATIENCE));
    scene.now += PATIENCE / 2;
    scene.go_on();
    assert_eq!(scene.told(), [""; 0]);
    scene.now += PATIENCE / 2;
    scene.go_on();
    assert_eq!(scene.told(), ["TERM"]);
    assert_eq!((scene.ended_by(), scene.unit.next_parting()), (Some(TERM), None));
    drop(scene);
    // Its hard limit does not wait for a look, and says all there is to say.
    let mut scene = Scene::begin(directory.path());
    scene.signal(KILL, SignalReason::HardLimit);
    assert_eq!((scene.told(), scene.unit.next_parting()), (vec!["KILL"], None));
    scene.now += PATIENCE;
    scene.go_on();
    assert_eq!((scene.told(), scene.ended_by()), (vec!["KILL"], Some(KILL)));
    drop(scene);
    // The same for the tree: what is sent to all of them reaches it as well.
    let mut scene = Scene::begin(directory.path());
    scene.carry_out(Effect::SignalTree { signal: TERM, reason: SignalReason::LeftBehind });
    assert_eq!((scene.told(), scene.unit.next_parting()), (vec!["TERM"], None));
    drop(scene);
    // A look that ends before that is told first, and the signal follows at once.
    let mut scene = Scene::begin(directory.path());
    GATE.open();
    while let Some(next) = scene.unit.next_parting() {
        // It is asked 50 times within its time, so the look has 10 s.
        let clock = Clock::start();
        while clock.now() < Duration::from_millis(200) {
            std::thread::yield_now();
        }
        scene.now = next;
        scene.go_on();
    }
    assert_eq!((scene.told(), scene.ended_by()), (vec!["compared", "TERM"], Some(TERM)));
}
