//! Sizes of trees whose PSS is what the test says: readable, late, or not to be had.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use scupper_model::{BootId, StartTime, TreeSample};

use super::*;
use crate::shell::clock::Clock;
use crate::unit::{Role, Seen};

const MIB: u64 = 1 << 20;
const HARD: Bound = Bound { soft: None, hard: Some(140 * MIB) };

/// A prefork master, two workers, and one that comes later: each shares 20 MiB with the others.
const MASTER: i32 = 4_194_304 + 1;
const FIRST: i32 = MASTER + 1;
const SECOND: i32 = MASTER + 2;
const LATER: i32 = MASTER + 3;

fn identity(pid: i32) -> Identity {
    let boot_id = "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap();
    Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(1), boot_id }
}

/// A look at who weighs so many MiB.
fn look(members: &[(i32, u64)]) -> Look {
    let process = |(pid, mib): &(i32, u64)| Seen {
        rss: Some(Bytes::mib(*mib)),
        ..Seen::there(identity(*pid), Role::Helper, &"x".into())
    };
    Look {
        processes: members.iter().map(process).collect(),
        size: Bytes::mib(members.iter().map(|(_, mib)| mib).sum()),
        tree: TreeSample { processes: 3, ..TreeSample::default() },
        ..Look::default()
    }
}

fn size(reader: &mut PssReader, seconds: f64, members: &[(i32, u64)]) -> u64 {
    let mut look = look(members);
    let proc = Proc::open(std::path::Path::new("/proc")).unwrap();
    reader.confirm(&proc, &mut look, HARD, Duration::from_secs_f64(seconds));
    look.size.0 / MIB
}

/// 20 MiB of each are shared.
fn shares(_: &Proc, pid: Pid) -> Option<Bytes> {
    (MASTER..=LATER).contains(&pid.get()).then_some(Bytes::mib(20))
}

/// Looks again at the same moment until the size is known: on a loaded machine answers are late.
fn known_as(reader: &mut PssReader, seconds: f64, members: &[(i32, u64)], expected: u64) {
    let clock = Clock::start();
    while size(reader, seconds, members) != expected {
        reader.short_rest_until = Duration::ZERO;
        assert!(clock.now() < Duration::from_secs(20), "{reader:?}");
    }
}

/// What is shared leaves the sum with the member that shared it, and a new member is no growth.
#[test]
fn r043_a_member_that_goes_takes_its_double_count_along() {
    let mut reader = PssReader { read: shares, ..PssReader::default() };
    // 170 in sum, 20 of each counted more than once.
    known_as(&mut reader, 1.0, &[(MASTER, 30), (FIRST, 70), (SECOND, 70)], 110);
    // One has grown past the limit by what is its own, and is killed: the others are what they were.
    assert_eq!(size(&mut reader, 1.1, &[(MASTER, 30), (FIRST, 101), (SECOND, 70)]), 141);
    assert_eq!(size(&mut reader, 1.2, &[(MASTER, 30), (SECOND, 119)]), 109);
    // Its replacement is read at once, and not only when the others are read again.
    reader.rest_until = Duration::MAX;
    known_as(&mut reader, 1.3, &[(MASTER, 30), (SECOND, 119), (LATER, 25)], 114);
    assert_eq!(reader.known.len(), 3);
}

/// As long as it may yet be read, a tree is not above a limit for what may be counted twice. What one process holds alone,
/// no other counts; and what stays unread counts in full.
#[test]
fn r043_a_late_answer_ends_nobody_for_a_double_count() {
    static HANGS: AtomicBool = AtomicBool::new(true);
    fn hangs(proc: &Proc, pid: Pid) -> Option<Bytes> {
        while HANGS.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        shares(proc, pid)
    }
    let mut reader = PssReader { read: hangs, ..PssReader::default() };
    let tree = [(MASTER, 30), (FIRST, 70), (SECOND, 70)];
    assert_eq!(size(&mut reader, 1.0, &tree), 140, "not above it");
    assert_eq!(size(&mut reader, 1.1, &[(MASTER, 30), (FIRST, 150), (SECOND, 70)]), 250, "at once");
    assert_eq!(size(&mut reader, 1.9, &tree), 140);
    assert_eq!(size(&mut reader, 2.0, &tree), 170, "it was late");
    // The late answer is still one.
    HANGS.store(false, Ordering::Relaxed);
    known_as(&mut reader, 2.1, &tree, 110);
}

/// Where PSS cannot be read, the sum decides, and at once.
#[test]
fn r043_where_pss_cannot_be_read_the_sum_decides() {
    let mut reader = PssReader { read: |_, _| None, ..PssReader::default() };
    let tree = [(MASTER, 30), (FIRST, 70), (SECOND, 70)];
    known_as(&mut reader, 1.0, &tree, 170);
}

/// Whoever ends while it is read has no memory any more, and is known already.
#[test]
fn r043_who_ends_while_it_is_read_shares_what_it_shared() {
    static GONE: AtomicBool = AtomicBool::new(false);
    fn ends(proc: &Proc, pid: Pid) -> Option<Bytes> {
        if GONE.load(Ordering::Relaxed) && pid.get() == FIRST { None } else { shares(proc, pid) }
    }
    let mut reader = PssReader { read: ends, ..PssReader::default() };
    let tree = [(MASTER, 30), (FIRST, 70), (SECOND, 70)];
    known_as(&mut reader, 1.0, &tree, 110);
    GONE.store(true, Ordering::Relaxed);
    reader.rest_until = Duration::ZERO;
    assert_eq!(size(&mut reader, 30.0, &tree), 110);
}

/// Nobody escapes a limit by becoming another process faster than it is read: it waits a second in all.
#[test]
fn r043_processes_that_replace_themselves_are_not_for_ever_a_double_count() {
    static HANGS: AtomicBool = AtomicBool::new(true);
    fn hangs(_: &Proc, _: Pid) -> Option<Bytes> {
        while HANGS.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        None
    }
    let mut reader = PssReader { read: hangs, ..PssReader::default() };
    let mut tree = |at: f64, pid: i32, mib: u64| size(&mut reader, at, &[(pid, mib), (pid + 1, 90)]);
    assert_eq!(tree(1.0, MASTER, 90), 140, "not above it");
    assert_eq!(tree(1.5, MASTER + 10, 90), 140);
    assert_eq!(tree(2.0, MASTER + 20, 90), 180, "whoever they are");
    assert_eq!(tree(2.5, MASTER + 30, 90), 180);
    // Within the limit in full; after that it is another doubt.
    assert_eq!(tree(3.0, MASTER + 40, 45), 135);
    assert_eq!(tree(3.5, MASTER + 50, 90), 140);
    assert_eq!(tree(4.5, MASTER + 60, 90), 180);
    HANGS.store(false, Ordering::Relaxed);
}

/// Who shared much has left: what the others shared with it may be theirs alone now, and is read long before its time. Who is
/// new, and is read for the first time again and again, does not put that off.
#[test]
fn r043_what_was_shared_with_one_who_left_is_read_again() {
    static LEFT: AtomicBool = AtomicBool::new(false);
    fn forked(_: &Proc, pid: Pid) -> Option<Bytes> {
        // Long enough to be rested for.
        let begun = clock::processor_time();
        while clock::processor_time().saturating_sub(begun) <= FREE {
            std::hint::spin_loop();
        }
        match pid.get() {
            MASTER | FIRST => Some(Bytes::mib(if LEFT.load(Ordering::Relaxed) { 0 } else { 65 })),
            SECOND | LATER => Some(Bytes(0)),
            _ => None,
        }
    }
    let mut reader = PssReader { read: forked, ..PssReader::default() };
    known_as(&mut reader, 1.0, &[(MASTER, 130), (FIRST, 130), (SECOND, 5)], 135);
    let (all, left) = (reader.rest_until, reader.left_rest_until);
    assert!(left < all, "{reader:?}");
    LEFT.store(true, Ordering::Relaxed);
    assert_eq!(size(&mut reader, 1.0, &[(MASTER, 130), (SECOND, 5)]), 70, "as it was read");
    let clock = Clock::start();
    while reader.known.get(&identity(LATER)).is_none_or(|known| known.shared.is_none()) {
        reader.short_rest_until = Duration::ZERO;
        known_as(&mut reader, 1.0, &[(MASTER, 130), (SECOND, 5), (LATER, 5)], 75);
        assert!(clock.now() < Duration::from_secs(20), "{reader:?}");
    }
    assert_eq!((reader.rest_until, reader.left_rest_until), (all, left), "read who is new");
    known_as(&mut reader, left.as_secs_f64(), &[(MASTER, 130), (SECOND, 5), (LATER, 5)], 140);
    assert!(reader.asked_all);
}

/// What a prefork server's children have of their own after all shows in no RSS: the limit waits for no answer of five
/// seconds ago. Faults that have other reasons do not keep the reader at work.
#[test]
fn r043_copies_of_what_was_shared_are_seen_near_a_limit() {
    static SHARED: AtomicU64 = AtomicU64::new(0);
    static FAULTS: AtomicU64 = AtomicU64::new(0);
    fn copies(_: &Proc, pid: Pid) -> Option<Bytes> {
        (MASTER..=SECOND).contains(&pid.get()).then(|| Bytes::mib(SHARED.load(Ordering::Relaxed)))
    }
    SHARED.store(50, Ordering::Relaxed);
    let mut reader = PssReader { read: copies, ..PssReader::default() };
    reader.unsharing.faults = |_, _| Some(FAULTS.load(Ordering::Relaxed) * MIB);
    let tree = [(MASTER, 60), (FIRST, 60), (SECOND, 60)];
    known_as(&mut reader, 1.0, &tree, 60 - 50 + 2 * 10);
    // Every reading is one that is rested for.
    (reader.rest_until, reader.left_rest_until) = (Duration::MAX, Duration::MAX);
    // 110 MiB are left, of which 10 % of the limit are gone in a second: nothing is read, nothing was faulted in.
    SHARED.store(20, Ordering::Relaxed);
    assert_eq!(size(&mut reader, 2.9, &tree), 30);
    assert_eq!(size(&mut reader, 3.2, &tree), 30, "there is no sign of it");
    // Each faulted in 30 MiB: more than a quarter of what is left.
    FAULTS.store(30, Ordering::Relaxed);
    assert_eq!(size(&mut reader, 3.3, &tree), 30, "it cannot be much yet");
    // On a loaded machine a reading takes long, and is rested for as long as that asks for.
    known_as(&mut reader, 50.0, &tree, 120);
    (reader.rest_until, reader.left_rest_until) = (Duration::MAX, Duration::MAX);
    // 20 are left: 5 of them are much.
    SHARED.store(10, Ordering::Relaxed);
    FAULTS.store(32, Ordering::Relaxed);
    assert_eq!(size(&mut reader, 50.2, &tree), 120);
    known_as(&mut reader, 100.0, &tree, 150);
}

/// A reading for faults that turn out to be none of that makes the next one rest longer, and one that finds something does not.
#[test]
fn readings_that_find_nothing_become_fewer() {
    let proc = Proc::open(std::path::Path::new("/proc")).unwrap();
    let mut unsharing = Unsharing::default();
    unsharing.faults = |_, _| None;
    let took = Duration::from_millis(20);
    let mut now = Duration::from_secs(100);
    let mut rests = Vec::new();
    for after in [100, 100, 100, 100, 100, 90, 90] {
        let sharing = || [(identity(FIRST), 100 * MIB)].into_iter();
        while !unsharing.is_due(&proc, sharing(), (200 * MIB, MIB), now) {
            now += Duration::from_millis(10);
        }
        unsharing.note_asked(&proc, &[identity(FIRST)], true, now);
        unsharing.note_read(100 * MIB, after * MIB, took, now);
        let asked = now;
        while !unsharing.is_due(&proc, sharing(), (200 * MIB, MIB), now) {
            now += Duration::from_millis(10);
        }
        rests.push(now.saturating_sub(asked).as_millis() / took.as_millis());
    }
    assert_eq!(rests, [10, 20, 40, 80, 100, 5, 5]);
}
