//! What members say that they take: by the period, altogether, and how it grows.
//! Rows shown here: R103, R104.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_fleet::{Answer, Beat, CoordinatorId, Incarnation, LeakWindow, MemoryUse, Registration, Report};
use scupper_model::Bytes;

use super::Fixture;
use super::scene::Scene;

/// One that lives for long, and says what it takes.
fn says(scene: &Scene<'_>, who: &Incarnation, rss: Option<u64>, heap: Option<u64>, verdict: Option<Verdict>) {
    let memory =
        MemoryUse { rss: rss.map(Bytes::mib), heap_used: heap.map(Bytes::mib), ..MemoryUse::default() };
    let report = Some(Report { memory, verdict, ..Report::default() });
    let answers = scene.store.beat(&[Beat { who: who.clone(), report }]).unwrap().answers;
    assert_eq!(answers, [Answer::Accepted { directive: None }]);
}

fn long_lived(scene: &Scene<'_>, name: &str) -> Incarnation {
    scene.accepted(&Registration { ttl: Duration::from_hours(2), ..scene.registration(name) })
}

pub fn r104_memory_is_kept_by_the_minute(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let (one, two) = (scene.doomed("coder-1"), scene.doomed("coder-2"));
    let beat = |who: &Incarnation, rss: Option<u64>| {
        let memory = MemoryUse { rss: rss.map(Bytes::mib), ..MemoryUse::default() };
        let report = Report { memory, ..Report::default() };
        scene.store.beat(&[Beat { who: who.clone(), report: Some(report) }]).unwrap().now.0 / 60_000
    };
    let minute = beat(&one, Some(10));
    beat(&one, Some(11));
    beat(&two, None);
    let minutes = [minute, minute + 1].map(|minute| scene.store.memory(minute).unwrap());
    // The second beat may be the next minute's.
    assert!(minutes.iter().any(|all| all.get(&one) == Some(&Bytes::mib(11))), "{minutes:?}");
    assert!(minutes.iter().all(|all| !all.contains_key(&two)), "unknown is not 0: {minutes:?}");
    assert_eq!(scene.store.memory(minute - 1).unwrap().len(), 0);
    if fixture.is_exact() {
        let far = Registration { ttl: Duration::from_hours(2), ..scene.registration("coder-3") };
        let three = scene.accepted(&far);
        fixture.pass(Duration::from_mins(18));
        beat(&three, Some(3));
        assert_eq!(scene.store.memory(minute).unwrap().get(&one), Some(&Bytes::mib(11)));
        fixture.pass(Duration::from_mins(7));
        let later = beat(&three, Some(4));
        assert_eq!(scene.store.memory(later).unwrap().get(&three), Some(&Bytes::mib(4)));
        assert_eq!(scene.store.memory(minute).unwrap().len(), 0);
    }
}

pub fn r103_totals_are_of_the_members_and_of_what_each_said_last(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let total = || scene.store.totals().unwrap();
    assert_eq!((total().members, total().rss, total().heap_used), (0, Bytes(0), None));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| long_lived(&scene, name));
    says(&scene, &a, Some(10), Some(4), Some(Verdict::Stable));
    says(&scene, &b, Some(20), None, Some(Verdict::Leaking));
    says(&scene, &c, None, None, None);
    let totals = total();
    assert_eq!((totals.members, totals.rss, totals.heap_used), (4, Bytes::mib(30), Some(Bytes::mib(4))));
    assert_eq!(totals.verdicts, [(Verdict::Stable, 1), (Verdict::Leaking, 1)].into());
    assert_eq!((totals.leaks, totals.growth), (vec![b.id.clone()], None));
    assert_eq!(totals.largest, [(b.id.clone(), Bytes::mib(20)), (a.id.clone(), Bytes::mib(10))]);

    // Of two reports in one call the later one counts.
    let report = |rss| {
        let memory = MemoryUse { rss: Some(Bytes::mib(rss)), ..MemoryUse::default() };
        Some(Report { memory, verdict: Some(Verdict::Stable), ..Report::default() })
    };
    scene.store.beat(&[33, 25].map(|rss| Beat { who: b.clone(), report: report(rss) })).unwrap();
    says(&scene, &d, Some(1), Some(1), None);
    says(&scene, &a, Some(10), Some(5), Some(Verdict::Stable));
    let totals = total();
    assert_eq!((totals.rss, totals.heap_used), (Bytes::mib(36), Some(Bytes::mib(6))));
    assert_eq!((totals.verdicts, totals.leaks), ([(Verdict::Stable, 2)].into(), vec![]));

    // Who left takes nothing, and neither does who had the name before.
    scene.store.depart(&b, "test", &scene.timing).unwrap();
    let again = Registration { takeover: true, ..scene.registration("a") };
    scene.accepted(&again);
    let totals = total();
    assert_eq!((totals.members, totals.rss, totals.heap_used), (3, Bytes::mib(1), Some(Bytes::mib(1))));
    assert_eq!((totals.largest, totals.verdicts), (vec![(d.id, Bytes::mib(1))], [].into()));

    // Nor does who is being cleaned up.
    let doomed = scene.doomed("doomed");
    says(&scene, &doomed, Some(100), Some(100), Some(Verdict::Leaking));
    scene.wait(scene.timing.ttl + scene.timing.tick);
    assert_eq!(scene.sweep("x").claims.len(), 2, "the successor of a, and the doomed one");
    let totals = total();
    assert!(
        totals.rss <= Bytes::mib(1) && totals.leaks.is_empty() && totals.verdicts.is_empty(),
        "{totals:?}"
    );
}

pub fn r105_growth_is_of_those_who_were_there_a_window_ago(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let a = long_lived(&scene, "a");
    let early = long_lived(&scene, "early");
    says(&scene, &early, Some(5000), None, None);
    let mut late = None;
    for minute in 0..9 {
        says(&scene, &a, Some(100 + minute * 20), None, None);
        if minute == 5 {
            late = Some(long_lived(&scene, "late"));
        }
        if let Some(late) = &late {
            says(&scene, late, Some(100 + minute * 500), None, None);
        }
        fixture.pass(Duration::from_mins(1));
    }
    let growth = scene.store.totals().unwrap().growth.unwrap();
    assert_eq!(growth.members, 1);
    // On a real server a minute may have ended in between.
    let minutes = growth.growth / (20 << 20);
    assert!(if fixture.is_exact() { minutes == 5 } else { (4..=6).contains(&minutes) }, "{growth:?}");
    assert_eq!(growth.current.0 - growth.baseline.0, growth.growth.cast_unsigned());
}

fn window(minutes: u64) -> LeakWindow {
    LeakWindow::new(Duration::from_mins(minutes)).unwrap()
}

fn coordinator(name: &str) -> CoordinatorId {
    name.parse().unwrap()
}

/// Growth within fifteen minutes, of which nothing can be said within five: it is slow.
pub fn r104_the_window_is_the_registrys_and_samples_follow_it(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    assert_eq!(scene.store.leak_window().unwrap(), LeakWindow::DEFAULT);
    let a = long_lived(&scene, "a");
    // A sample of the window before, which is none of this one.
    says(&scene, &a, Some(1), None, None);
    assert_eq!(scene.store.set_leak_window(window(15), &coordinator("x")).unwrap(), window(15));
    assert_eq!(scene.store.leak_window().unwrap(), window(15));
    let mut nth = 0;
    for period in 0..9 {
        says(&scene, &a, Some(100 + period * 20), None, None);
        let now = scene.store.beat(&[]).unwrap().now.0;
        nth = window(15).nth(now);
        fixture.pass(Duration::from_mins(3));
    }
    let totals = scene.store.totals().unwrap();
    assert_eq!(totals.window, window(15));
    let growth = totals.growth.unwrap();
    assert_eq!(growth.members, 1);
    // On a real server a period may have ended in between.
    let periods = growth.growth / (20 << 20);
    assert!(if fixture.is_exact() { periods == 5 } else { (4..=6).contains(&periods) }, "{growth:?}");
    if fixture.is_exact() {
        assert_eq!(scene.store.memory(nth).unwrap().get(&a), Some(&Bytes::mib(260)));
    }
}

/// Who coordinates goes by the window that is set; who is alone may set another one.
pub fn r104_the_window_stays_while_others_go_by_it(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let set = |minutes, by: &str| scene.store.set_leak_window(window(minutes), &coordinator(by)).unwrap();
    scene.sweep("x");
    assert_eq!(set(15, "y"), window(15), "the first one");
    assert_eq!(set(30, "y"), window(15), "x coordinates");
    assert_eq!(set(15, "y"), window(15));
    scene.sweep("y");
    assert_eq!(set(30, "x"), window(15), "y coordinates");
    scene.store.resign(&coordinator("y")).unwrap();
    assert_eq!(set(30, "x"), window(30), "x is alone");
    // Who is silent for longer than a lease does not coordinate.
    assert_eq!(set(5, "z"), window(30));
    scene.wait(scene.timing.claim_lease + Duration::from_secs(1));
    assert_eq!(set(5, "z"), LeakWindow::DEFAULT);
    assert_eq!(scene.store.leak_window().unwrap(), LeakWindow::DEFAULT);
}
