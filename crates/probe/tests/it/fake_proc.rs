//! Trees, odd content and detection on a fixture.

use std::collections::HashSet;
use std::error::Error as _;
use std::os::unix::fs::symlink;
use std::time::Duration;

use scupper_model::{Bytes, ProcessState};
use scupper_probe::{Detail, ProbeError, Proc, pss, shared, sockets, tree};

use crate::support::{self, FakeProc, pid};

fn pids(members: &[tree::Member]) -> Vec<i32> {
    members.iter().map(|member| member.identity.pid.get()).collect()
}

#[test]
fn what_is_no_proc_is_refused_with_its_path() {
    let empty = tempfile::tempdir().unwrap();
    let error = Proc::open(empty.path()).unwrap_err();
    assert!(error.to_string().ends_with("sys/kernel/random/boot_id"), "{error}");
    assert!(!error.to_string().contains("No such file"), "the source is printed by whoever walks the chain");
    assert!(error.source().unwrap().to_string().contains("No such file"));
    assert!(Proc::open(&empty.path().join("nowhere")).is_err());
}

#[test]
fn who_is_not_there_is_gone_and_no_error() {
    let fake = FakeProc::new();
    let proc_ = fake.open();
    let nobody = pid(7);
    assert_eq!(proc_.identify(nobody).unwrap(), None);
    assert_eq!(proc_.children(nobody).unwrap(), None);
    assert_eq!(proc_.command_line(nobody).unwrap(), None);
    assert_eq!(proc_.environment(nobody).unwrap(), None);
    assert_eq!(proc_.executable(nobody).unwrap(), None);
    assert_eq!(proc_.cgroup_paths(nobody).unwrap(), None);
    assert_eq!(proc_.ignored_signals(nobody).unwrap(), None);
    assert!(proc_.process(nobody).unwrap().is_none());
    assert_eq!(pss(&proc_, nobody).unwrap(), None);
    assert_eq!(shared(&proc_, nobody).unwrap(), None);
    assert_eq!(sockets::count(&proc_, nobody).unwrap(), None);
    assert_eq!(tree::descendants(&proc_, nobody).unwrap(), []);
}

/// R043: what is shared is told by two sizes of one moment, and is unknown where one of them is.
#[test]
fn r043_what_is_shared_is_read_at_once() {
    let fake = FakeProc::new();
    fake.write("5/smaps_rollup", "55-7f r\nRss:      100 kB\nPss:       60 kB\nPss_Dirty: 7 kB\n");
    fake.write("6/smaps_rollup", "55-7f r\nPss:       60 kB\n");
    let proc_ = fake.open();
    assert_eq!(shared(&proc_, pid(5)).unwrap(), Some(Bytes(40 << 10)));
    assert_eq!(shared(&proc_, pid(6)).unwrap(), None);
}

#[test]
fn nonsense_is_an_error_that_names_the_file_and_the_item() {
    let fake = FakeProc::new();
    fake.write("5/stat", "5 (x) S one");
    fake.write("6/stat", "7 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 6 7");
    fake.write("meminfo", "MemFree: 1 kB\n");
    let proc_ = fake.open();
    let error = proc_.stat(pid(5)).unwrap_err();
    assert!(matches!(error, ProbeError::Parse { .. }) && error.path().ends_with("5/stat"));
    assert_eq!(error.source().unwrap().to_string(), "ppid is `one`, which is not a number that fits");
    assert!(proc_.stat(pid(6)).is_err(), "a line of somebody else");
    assert!(proc_.memory_total().is_err(), "unknown, not 0");
}

#[test]
fn a_sample_says_unknown_where_it_could_not_read() {
    let fake = FakeProc::new();
    fake.process(9, 1);
    let proc_ = fake.open();
    let process = proc_.process(pid(9)).unwrap().unwrap();
    let all = Detail { memory_split: true, fds: true, sockets: true, pss: true };
    let sample = process.sample(&proc_, all).unwrap().unwrap();
    assert_eq!(sample.rss_bytes, Some(Bytes(25 * proc_.page_size())));
    assert_eq!(sample.cpu, Some(Duration::from_millis(200 * 1000 / proc_.ticks_per_second())));
    assert_eq!((sample.name.as_str(), sample.threads), ("fake 9", Some(1)));
    assert_eq!((sample.rss_anon_bytes, sample.swap_bytes, sample.pss_bytes), (None, None, None));
    assert_eq!((sample.fds, sample.sockets), (None, None));

    fake.write("9/status", "Name:\tx\nRssAnon:\t 8 kB\nVmSwap:\t 4 kB\n");
    fake.write("9/smaps_rollup", "0-1 ---p 0 0:0 0 [rollup]\nRss: 99 kB\nPss:  12 kB\nPss_Anon: 3 kB\n");
    std::fs::create_dir(fake.path().join("9/fd")).unwrap();
    for (fd, target) in ["socket:[12]", "/dev/null", "pipe:[12]", "socket:[99]"].into_iter().enumerate() {
        symlink(target, fake.path().join(format!("9/fd/{fd}"))).unwrap();
    }
    assert!(!proc_.counts_descriptors_by_stat(), "the size of a fixture's directory counts nothing");
    let sample = process.sample(&proc_, all).unwrap().unwrap();
    assert_eq!((sample.rss_anon_bytes, sample.swap_bytes), (Some(Bytes(8192)), Some(Bytes(4096))));
    assert_eq!((sample.pss_bytes, sample.fds, sample.sockets), (Some(Bytes(12 * 1024)), Some(4), Some(2)));
    let sample = process.sample(&proc_, Detail { fds: true, ..Detail::default() }).unwrap().unwrap();
    assert_eq!((sample.fds, sample.sockets, sample.pss_bytes), (Some(4), None, None));
}

#[test]
fn another_start_time_is_another_process() {
    let fake = FakeProc::new();
    fake.process(9, 1);
    let proc_ = fake.open();
    let process = proc_.process(pid(9)).unwrap().unwrap();
    assert!(proc_.is_same(&process.identity()).unwrap());
    fake.stat(9, 1, 'S', 1, 5);
    assert!(!proc_.is_same(&process.identity()).unwrap());
    assert_eq!(process.sample(&proc_, Detail::default()).unwrap(), None);
}

#[test]
fn memory_of_a_process_without_its_main_thread_is_that_of_its_other_threads() {
    let fake = FakeProc::new();
    fake.stat(9, 1, 'Z', 2, 5);
    fake.write("9/statm", "0 0 0 0 0 0 0\n");
    let proc_ = fake.open();
    let process = proc_.process(pid(9)).unwrap().unwrap();
    let split = Detail { memory_split: true, ..Detail::default() };
    let sample = process.sample(&proc_, split).unwrap().unwrap();
    assert_eq!((sample.state, sample.rss_bytes), (ProcessState::Alive, None), "unknown, not 0");
    fake.write("9/task/10/statm", "100 30 0 0 0 0 0\n");
    fake.write("9/task/10/status", "RssAnon:\t 8 kB\n");
    let sample = process.sample(&proc_, split).unwrap().unwrap();
    assert_eq!(sample.rss_bytes, Some(Bytes(30 * proc_.page_size())));
    assert_eq!((sample.rss_anon_bytes, sample.swap_bytes), (Some(Bytes(8192)), None));
}

#[test]
fn a_zombie_holds_nothing() {
    let fake = FakeProc::new();
    fake.stat(9, 1, 'Z', 1, 5);
    fake.write("9/statm", "0 0 0 0 0 0 0\n");
    let proc_ = fake.open();
    let all = Detail { memory_split: true, fds: true, sockets: true, pss: true };
    let sample = proc_.process(pid(9)).unwrap().unwrap().sample(&proc_, all).unwrap().unwrap();
    assert_eq!((sample.state, sample.rss_bytes), (ProcessState::Zombie, Some(Bytes(0))));
    assert_eq!((sample.fds, sample.sockets, sample.pss_bytes), (Some(0), Some(0), Some(Bytes(0))));
}

#[test]
fn only_who_names_a_member_as_parent_is_a_descendant() {
    let fake = FakeProc::new();
    for (child, parent) in [(10, 1), (11, 10), (12, 11), (13, 1), (14, 10)] {
        fake.process(child, parent);
        fake.children(child, &[]);
    }
    // 13 is listed, and was re-parented before it was looked at; 99 is gone; 12 moved to 10; 10 is a circle.
    fake.children(10, &[11, 13, 99]);
    fake.children(11, &[12, 10, 11, 14]);
    let members = tree::descendants(&fake.open(), pid(10)).unwrap();
    assert_eq!(pids(&members), [11, 12, 14]);
    assert_eq!(tree::subtree(&members, pid(11)), [pid(12)]);
}

#[test]
fn a_kernel_without_children_files_is_passed_over_whole() {
    let fake = FakeProc::new();
    for (child, parent) in [(10, 1), (11, 10), (12, 11), (13, 1), (30, 31), (31, 30)] {
        fake.process(child, parent);
    }
    let proc_ = fake.open();
    assert!(matches!(proc_.children(pid(10)), Err(ProbeError::Unsupported { .. })));
    assert_eq!(pids(&tree::descendants(&proc_, pid(10)).unwrap()), [11, 12]);
    assert_eq!(pids(&tree::descendants(&proc_, pid(30)).unwrap()), [31], "a circle ends");
}

#[test]
fn children_of_every_thread_count() {
    let fake = FakeProc::new();
    fake.process(10, 1);
    fake.children(10, &[11]);
    fake.write("10/task/20/children", "12 x -4 0 13");
    let mut children = fake.open().children(pid(10)).unwrap().unwrap();
    children.sort_unstable();
    assert_eq!(children, [pid(11), pid(12), pid(13)]);
    // A thread that ended between the listing and the reading.
    std::fs::create_dir(fake.path().join("10/task/21")).unwrap();
    assert!(fake.open().children(pid(10)).is_ok());
    fake.remove("10");
    assert_eq!(fake.open().children(pid(10)).unwrap(), None);
}

#[test]
fn ten_thousand_processes_are_found_either_way() {
    let fake = FakeProc::new();
    // A comb: a chain of 5 000, each with one leaf.
    let last = 10_000;
    for child in 2..=last {
        let parent = if child % 2 == 0 { child - 2 } else { child - 1 };
        let parent = if child == 2 { 1 } else { parent };
        fake.write(&format!("{child}/stat"), support::stat_line(child, parent, 'S', 1, 1000 + child));
    }
    fake.process(2, 1);
    let proc_ = fake.open();
    let by_pass = tree::descendants(&proc_, pid(2)).unwrap();
    for child in 2..=last {
        let below = if child % 2 == 0 { vec![child + 1, child + 2] } else { vec![] };
        fake.children(child, &below);
    }
    let by_walk = tree::descendants(&proc_, pid(2)).unwrap();
    assert_eq!(by_walk.len(), 9_998);
    assert_eq!(by_walk, by_pass);
    let mut seen = HashSet::from([pid(2)]);
    for member in &by_walk {
        assert!(seen.contains(&member.parent.unwrap()), "parents come first");
        seen.insert(member.identity.pid);
    }
    assert_eq!(tree::subtree(&by_walk, pid(9_996)), [9_997, 9_998, 9_999, 10_000].map(pid));
}

#[test]
fn a_mark_is_matched_whole() {
    let fake = FakeProc::new();
    for (number, environ) in [
        (10, &b"A=1\0MARK=abc\0"[..]),
        (11, b"MARK=abcd\0"),
        (12, b"XMARK=abc\0"),
        (13, b"A=MARK=abc\0"),
        (14, b"MARK=abc"),
        (15, b""),
    ] {
        fake.process(number, 1);
        fake.write(&format!("{number}/environ"), environ);
    }
    fake.process(16, 1);
    let mut found = pids(&tree::marked(&fake.open(), "MARK", "abc").unwrap());
    found.sort_unstable();
    assert_eq!(found, [10, 14]);
}

#[test]
fn long_content_is_cut_at_whole_entries() {
    let fake = FakeProc::new();
    fake.process(10, 1);
    let mut environ = b"FIRST=1\0".to_vec();
    environ.extend_from_slice(b"LONG=");
    environ.resize(300 << 10, b'x');
    environ.extend_from_slice(b"\0LAST=1\0");
    fake.write("10/environ", &environ);
    fake.write("10/cmdline", vec![b'y'; 200 << 10]);
    let proc_ = fake.open();
    assert_eq!(proc_.environment(pid(10)).unwrap().unwrap(), [b"FIRST=1"]);
    assert_eq!(proc_.environment_value(pid(10), "LAST").unwrap(), None);
    assert_eq!(proc_.environment_value(pid(10), "FIRST").unwrap(), Some(b"1".to_vec()));
    assert_eq!(proc_.command_line(pid(10)).unwrap().unwrap()[0].len(), 128 << 10);
}
