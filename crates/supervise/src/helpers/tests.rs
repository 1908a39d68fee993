//! Helpers of a unit that is played by hand.

use scupper_detect::Verdict;
use scupper_knowledge::browser::Browser;
use scupper_model::{BootId, Bytes, StartTime};

use super::*;

const MIB: u64 = 1 << 20;

fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(pid.unsigned_abs().into()),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    }
}

fn seen(pid: i32, parent: i32, role: Role, kind: Option<Kind>) -> Seen {
    let name = if kind.is_some() { "helper".into() } else { "server".into() };
    Seen {
        parent: Pid::new(parent),
        program: "x".into(),
        age: Duration::from_secs(1),
        rss: Some(Bytes::mib(10)),
        kind,
        ..Seen::there(identity(pid), role, &name)
    }
}

const WORKER: Role = Role::Worker { signal: 15 };
const CHROMIUM: Option<Kind> = Some(Kind::Browser(Browser::Chromium));
const RENDERER: Option<Kind> = Some(Kind::BrowserChild(Browser::Chromium));
const SERVER: Option<Kind> = Some(Kind::Stdio);

/// A master with two workers.
fn service() -> Vec<Seen> {
    vec![seen(1, 900, Role::Main, None), seen(2, 1, WORKER, None), seen(3, 1, WORKER, None)]
}

struct Played {
    helpers: Helpers,
    served: Moment,
    look: Look,
}

impl Played {
    fn new(processes: Vec<Seen>) -> Self {
        let mut played =
            Self { helpers: Helpers::default(), served: Moment::default(), look: Look::default() };
        played.look.processes = processes;
        played.observe();
        played
    }

    fn add(&mut self, pid: i32, parent: i32, kind: Option<Kind>) -> &mut Self {
        self.look.processes.push(seen(pid, parent, Role::Helper, kind));
        self
    }

    fn remove(&mut self, pid: i32) {
        self.look.processes.retain(|seen| seen.identity.pid.get() != pid);
    }

    fn get(&mut self, pid: i32) -> &mut Seen {
        self.look.processes.iter_mut().find(|seen| seen.identity.pid.get() == pid).unwrap()
    }

    fn observe(&mut self) {
        self.helpers.observe(&self.look, &self.served);
        self.served.lines.clear();
    }

    fn list(&self, number: Verdict) -> Vec<HelperStatus> {
        self.helpers.list(&self.served, |who| self.look.find(who).is_some(), |_, _| number)
    }

    fn of(&self, pid: i32) -> HelperStatus {
        self.list(Verdict::Unknown).into_iter().find(|helper| helper.target.pid.get() == pid).unwrap()
    }
}

/// R030: a browser is one helper of the worker that started it, with all its processes and their memory.
#[test]
fn r030_a_browser_is_counted_and_sized_as_a_tree_of_its_worker() {
    let mut unit = Played::new(service());
    unit.add(10, 2, CHROMIUM).add(11, 10, RENDERER).add(12, 11, RENDERER).observe();
    assert_eq!(unit.helpers.count(&identity(2), Watched::Browsers), Some(1));
    assert_eq!(unit.helpers.count(&identity(3), Watched::Browsers), None, "the other worker never had one");
    let browser = unit.of(10);
    assert_eq!((browser.started_by, browser.processes), (Some(identity(2)), 3));
    assert_eq!(browser.rss_bytes.exact(), Some(30 * MIB));
    assert_eq!(browser.browser.as_deref(), Some("chromium"));
    unit.add(20, 3, CHROMIUM).observe();
    assert_eq!(unit.helpers.count(&identity(3), Watched::Browsers), Some(1));
    assert_eq!(unit.list(Verdict::Unknown).len(), 2);
    for pid in [20, 10, 11, 12] {
        unit.remove(pid);
    }
    unit.observe();
    assert_eq!(unit.helpers.count(&identity(2), Watched::Browsers), Some(0), "it had one");
}

/// R030: who loses its parent stays tied to the worker that it was first seen below.
#[test]
fn r030_a_helper_that_was_given_to_another_parent_keeps_its_worker() {
    let mut unit = Played::new(service());
    unit.add(10, 2, Some(Kind::Other)).add(11, 10, CHROMIUM).observe();
    unit.remove(10);
    unit.get(11).parent = Pid::new(900);
    unit.observe();
    let browser = unit.of(11);
    assert_eq!((browser.started_by, browser.outlives.outlives), (Some(identity(2)), None));
    // And when the worker ends, it has outlived whatever it was for.
    unit.remove(2);
    unit.observe();
    assert_eq!(unit.of(11).outlives.outlives, Some(true));
    // It is told once.
    let mut news =
        || unit.helpers.news(&unit.served, |who| unit.look.find(who).is_some(), |_, _| Verdict::Unknown);
    assert!(matches!(
        news().as_slice(),
        [scupper_model::EventKind::HelperOutlives { started_by: Some(_), .. }]
    ));
    assert_eq!(news(), []);
}

/// A double fork: the shell between ends, and what it started is a helper of the worker all the same.
#[test]
fn what_a_helper_leaves_stands_for_itself() {
    let mut unit = Played::new(service());
    unit.add(10, 2, SERVER).add(11, 10, SERVER).observe();
    assert_eq!(unit.list(Verdict::Unknown).len(), 1, "a wrapper and its server are one");
    unit.remove(10);
    unit.get(11).parent = Pid::new(900);
    unit.observe();
    let left = unit.of(11);
    assert_eq!((left.started_by, left.processes, left.kind), (Some(identity(2)), 1, Some(Group::Stdio)));
    assert_eq!(unit.helpers.count(&identity(2), Watched::StdioChildren), Some(1));
}

/// Who was never seen below a worker belongs to nobody, unless only one process can have started it.
#[test]
fn one_that_came_without_a_parent_is_nobodys_where_there_are_workers() {
    let mut unit = Played::new(service());
    unit.add(10, 900, CHROMIUM).observe();
    assert_eq!((unit.of(10).started_by, unit.of(10).outlives.outlives), (None, None));
    let mut alone = Played::new(vec![seen(1, 900, Role::Main, None)]);
    alone.add(10, 900, CHROMIUM).observe();
    assert_eq!(alone.of(10).started_by, Some(identity(1)));
}

/// R029: an MCP server with what it starts is one child; a browser that it starts is a helper of the worker, too.
#[test]
fn r029_what_a_stdio_child_starts_is_a_part_of_it_but_a_browser_is_counted() {
    let mut unit = Played::new(service());
    unit.add(10, 2, SERVER).add(11, 10, SERVER).add(12, 11, CHROMIUM).add(13, 12, RENDERER).observe();
    assert_eq!(unit.helpers.count(&identity(2), Watched::StdioChildren), Some(1));
    assert_eq!(unit.helpers.count(&identity(2), Watched::Browsers), Some(1));
    assert_eq!((unit.of(10).processes, unit.of(12).processes), (2, 2));
}

/// A kind that is found out later is counted from then on; a helper that turns out to be a worker is none.
#[test]
fn what_is_not_known_yet_is_not_counted() {
    let mut unit = Played::new(service());
    unit.add(10, 2, None).add(11, 2, None).observe();
    assert_eq!(unit.helpers.count(&identity(2), Watched::StdioChildren), None);
    assert_eq!(unit.of(10).kind, None);
    unit.get(10).kind = SERVER;
    unit.get(11).role = WORKER;
    unit.observe();
    assert_eq!(unit.helpers.count(&identity(2), Watched::StdioChildren), Some(1));
    assert_eq!(unit.list(Verdict::Unknown).len(), 1);
}

/// R030: the request is one of those between two looks, or the one that is being served.
#[test]
fn r030_a_helper_is_tied_to_what_was_served_about_then() {
    let mut unit = Played::new(service());
    unit.served.note_log(41, ["GET /before 200"].into_iter());
    unit.observe();
    unit.served.note_log(2, ["GET /other 200"].into_iter());
    unit.add(10, 2, CHROMIUM).observe();
    unit.served.note_log(1, ["GET /render 500"].into_iter());
    unit.observe();
    for _ in 0..9 {
        unit.served.note_log(1, ["GET /later 200"].into_iter());
        unit.observe();
    }
    let helper = unit.of(10);
    assert_eq!((helper.request.operations_before, helper.request.operations_seen), (Some(41), Some(43)));
    assert_eq!(helper.operations_since, Some(10));
    assert_eq!(helper.request.lines[..2], ["GET /other 200", "GET /render 500"]);
    assert_eq!(helper.request.lines.len(), 4, "bounded");
    // A counter is believed before lines, and neither is unknown.
    unit.served.operations = Some(7);
    unit.add(11, 2, CHROMIUM).observe();
    assert_eq!(unit.of(11).request.operations_seen, Some(7));
    let mut silent = Played::new(service());
    silent.add(10, 2, CHROMIUM).observe();
    assert_eq!((silent.of(10).request, silent.of(10).operations_since), (Request::default(), None));
}

/// R030: three came and went; the fourth stays.
#[test]
fn r030_the_one_that_stays_is_told_from_those_that_came_and_went() {
    let mut unit = Played::new(service());
    for pid in 10..13 {
        unit.add(pid, 2, CHROMIUM).observe();
        unit.get(pid).age = Duration::from_secs(3);
        unit.observe();
        unit.remove(pid);
        unit.observe();
    }
    unit.add(20, 2, CHROMIUM).add(30, 3, CHROMIUM).observe();
    for pid in [20, 30] {
        unit.get(pid).age = Duration::from_mins(1);
    }
    unit.observe();
    assert_eq!(unit.of(20).outlives.outlives, Some(true));
    assert_eq!(unit.of(30).outlives.outlives, None, "nobody else of its worker came and went");
}

/// R030: pages that are rendered so fast that nobody ever looked at what rendered them; they are known by name.
#[test]
fn r030_browsers_that_lived_too_short_to_be_looked_at_count_as_come_and_gone() {
    for (name, expected) in [("chromium", Some(true)), ("chrome_crashpad", None), ("python3", None)] {
        let mut unit = Played::new(service());
        unit.add(10, 2, CHROMIUM).observe();
        for pid in 11..14 {
            unit.add(pid, 2, None);
            unit.get(pid).name = name.into();
            unit.observe();
            unit.remove(pid);
            unit.observe();
        }
        unit.get(10).age = Duration::from_mins(1);
        unit.observe();
        assert_eq!(unit.of(10).outlives.outlives, expected, "{name}");
    }
}

/// R029: of helpers whose number grows all but the newest of a name outlive; one that stands alone does not.
#[test]
fn r029_those_that_pile_up_outlive_and_the_one_that_is_used_again_does_not() {
    let mut unit = Played::new(service());
    unit.served.operations = Some(0);
    unit.add(10, 2, SERVER).observe();
    for pid in 20..26 {
        unit.add(pid, 3, SERVER).observe();
        unit.served.operations = Some(pid.unsigned_abs().into());
    }
    unit.observe();
    let grown = unit.list(Verdict::Leaking);
    let outliving = |who: i32| {
        let of = grown.iter().filter(|helper| helper.started_by == Some(identity(who)));
        of.filter(|helper| helper.outlives.outlives == Some(true)).count()
    };
    assert_eq!((outliving(3), outliving(2)), (5, 0));
    // As long as nothing is known of their number, the one that was used 25 times is.
    assert_eq!(unit.of(10).outlives.outlives, Some(false));
    assert_eq!(unit.of(20).outlives.outlives, None);
    let accounts =
        unit.helpers.accounts(&unit.served, |who| unit.look.find(who).is_some(), |_, _| Verdict::Leaking);
    let of_three = accounts.iter().find(|account| account.started_by == Some(identity(3))).unwrap();
    assert_eq!((of_three.helpers, of_three.outliving, of_three.processes), (6, 5, 6));
}

#[test]
fn a_number_that_another_process_has_now_is_another_helper() {
    let mut unit = Played::new(service());
    unit.add(10, 2, CHROMIUM).observe();
    unit.get(10).identity.start_time = StartTime(9999);
    unit.get(10).parent = Pid::new(3);
    unit.observe();
    assert_eq!(unit.list(Verdict::Unknown)[0].started_by, Some(identity(3)));
    assert_eq!(unit.helpers.count(&identity(2), Watched::Browsers), Some(0));
}

/// A thousand helpers, each replaced by another: what is remembered stays as large as what is there.
#[test]
fn what_is_remembered_is_bounded() {
    let mut unit = Played::new(service());
    for pid in 10..2000 {
        unit.add(pid, 2 + pid % 2, SERVER).observe();
        unit.remove(pid);
    }
    unit.observe();
    assert!(unit.helpers.is_empty());
    assert_eq!((unit.helpers.lives.len(), unit.helpers.newest.len(), unit.helpers.counts.len()), (2, 2, 2));
    unit.remove(3);
    unit.observe();
    assert_eq!((unit.helpers.lives.len(), unit.helpers.newest.len(), unit.helpers.counts.len()), (2, 2, 2));
    unit.add(3000, 2, SERVER).observe();
    unit.observe();
    assert_eq!((unit.helpers.lives.len(), unit.helpers.newest.len(), unit.helpers.counts.len()), (1, 1, 1));
}
