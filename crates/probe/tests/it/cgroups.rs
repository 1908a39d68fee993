//! cgroup directories of both versions, as files in a temporary directory.

use std::fs;
use std::path::{Path, PathBuf};

use scupper_model::Bytes;
use scupper_probe::cgroup::{self, Limit, Mounts};

use crate::support::{FakeProc, pid};

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn mounts(v2: Option<PathBuf>, v1_memory: Option<PathBuf>) -> Mounts {
    Mounts { v2, v1_memory, ..Mounts::default() }
}

#[test]
fn files_of_version_2() {
    let temporary = tempfile::tempdir().unwrap();
    let top = temporary.path();
    write(top, "a/cgroup.procs", "10\n11\n10\n");
    write(top, "a/b/cgroup.procs", "12\n");
    write(top, "a/b/c/cgroup.procs", "");
    write(top, "a/memory.max", "max\n");
    write(top, "a/b/memory.max", "1048576\n");
    write(top, "a/cgroup.events", "populated 1\nfrozen 0\n");
    write(top, "a/cgroup.kill", "");
    write(top, "a/memory.events", "low 0\nhigh 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 0\n");
    let (a, b) = (top.join("a"), top.join("a/b"));
    assert_eq!(cgroup::members(&a, false).unwrap(), [10, 11].map(pid));
    assert_eq!(cgroup::members(&a, true).unwrap(), [10, 11, 12].map(pid));
    assert_eq!(cgroup::members(&top.join("gone"), true).unwrap(), []);
    assert_eq!(cgroup::memory_max(&a).unwrap(), Some(Limit::Max));
    assert_eq!(cgroup::memory_max(&b).unwrap(), Some(Limit::Bytes(Bytes::mib(1))));
    assert_eq!(cgroup::memory_max(top).unwrap(), None);
    assert_eq!(cgroup::populated(&a).unwrap(), Some(true));
    assert_eq!(cgroup::populated(&b).unwrap(), None);
    assert!(cgroup::has_kill(&a) && !cgroup::has_kill(&b));
    assert_eq!(cgroup::oom_kills(&a).unwrap(), Some(2));
    write(top, "a/memory.events.local", "oom 1\noom_kill 1\n");
    assert_eq!(cgroup::oom_kills(&a).unwrap(), Some(1));
    assert_eq!(cgroup::oom_kills(&b).unwrap(), None);
}

#[test]
fn a_member_nobody_can_name_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    write(temporary.path(), "cgroup.procs", "10\n0\n");
    assert!(cgroup::members(temporary.path(), false).is_err());
}

#[test]
fn nonsense_in_a_cgroup_is_an_error_and_no_number() {
    let temporary = tempfile::tempdir().unwrap();
    for text in ["", "-5", "much", "99999999999999999999999"] {
        write(temporary.path(), "memory.max", text);
        assert!(cgroup::memory_max(temporary.path()).is_err(), "{text}");
    }
}

#[test]
fn files_of_version_1() {
    let temporary = tempfile::tempdir().unwrap();
    let top = temporary.path();
    write(top, "memory.limit_in_bytes", "9223372036854771712\n");
    write(top, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    assert_eq!(cgroup::v1_memory_limit(top).unwrap(), Some(Limit::Max));
    assert_eq!(cgroup::v1_oom_kills(top).unwrap(), Some(5));
    write(top, "memory.stat", "cache 1\nhierarchical_memory_limit 1000\n");
    assert_eq!(cgroup::v1_memory_limit(top).unwrap(), Some(Limit::Bytes(Bytes(1000))));
    write(top, "memory.limit_in_bytes", "500\n");
    assert_eq!(cgroup::v1_memory_limit(top).unwrap(), Some(Limit::Bytes(Bytes(500))));
    write(top, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
    assert_eq!(cgroup::v1_oom_kills(top).unwrap(), None, "before 4.13 there is no count");
}

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let temporary = tempfile::tempdir().unwrap();
    let (v2, v1) = (temporary.path().join("v2"), temporary.path().join("v1"));
    write(&v2, "a/memory.max", "3000\n");
    write(&v2, "a/b/memory.max", "5000\n");
    write(&v2, "a/b/c/memory.max", "max\n");
    write(&v1, "x/memory.limit_in_bytes", "4000\n");
    let both = mounts(Some(v2.clone()), Some(v1));
    let host = Bytes(10_000);
    let allowance = |paths: &[u8]| cgroup::memory_allowance(&both, &cgroup::parse_cgroup(paths), host);
    let found = allowance(b"0::/a/b/c\n");
    assert_eq!(found.bytes, Bytes(3000));
    assert_eq!(found.source, v2.join("a/memory.max").display().to_string());
    assert_eq!(allowance(b"4:memory:/x\n0::/a/b/c\n").bytes, Bytes(3000));
    assert_eq!(allowance(b"4:memory:/x\n0::/\n").bytes, Bytes(4000));
    assert_eq!(allowance(b"0::/\n").bytes, host);
    assert_eq!(allowance(b"0::/../outside\n").bytes, host);
    assert_eq!(allowance(b"").source, "memory of the host");
    let small = cgroup::memory_allowance(&both, &cgroup::parse_cgroup(b"0::/a\n"), Bytes(100));
    assert_eq!(small.bytes, Bytes(100), "no limit makes the host larger");
}

#[test]
fn the_counter_is_that_of_the_own_cgroup() {
    let temporary = tempfile::tempdir().unwrap();
    let (v2, v1) = (temporary.path().join("v2"), temporary.path().join("v1"));
    write(&v2, "u/cgroup.procs", "");
    write(&v1, "x/memory.oom_control", "oom_kill 7\n");
    write(&v1, "memory.oom_control", "oom_kill 99\n");
    let hybrid = mounts(Some(v2.clone()), Some(v1.clone()));
    let paths = cgroup::parse_cgroup(b"4:memory:/x\n0::/u\n");
    let counter = cgroup::oom_counter(&hybrid, &paths).unwrap();
    assert_eq!((counter.count, counter.cgroup), (7, v1.join("x")));
    write(&v2, "u/memory.events.local", "oom_kill 1\n");
    let counter = cgroup::oom_counter(&hybrid, &paths).unwrap();
    assert_eq!((counter.count, counter.cgroup), (1, v2.join("u")));
    assert_eq!(cgroup::oom_counter(&hybrid, &cgroup::parse_cgroup(b"4:memory:/gone\n")), None);
    assert_eq!(cgroup::own_v2(&hybrid, &paths), Some(v2.join("u")));
}

#[test]
fn abilities_are_found_on_a_fixture_too() {
    let fake = FakeProc::new();
    let own = i32::try_from(std::process::id()).unwrap();
    let point = fake.path().join("cg");
    fake.write("self/mountinfo", format!("9 8 0:1 / {} rw - cgroup2 c rw\n", point.display()));
    fake.write(&format!("{own}/cgroup"), "0::/me\n");
    fake.write("cg/me/cgroup.kill", "");
    fake.write("cg/me/cgroup.procs", "");
    fake.write("cg/me/cgroup.controllers", "cpu memory\n");
    fake.write("cg/me/memory.events", "oom_kill 3\n");
    let found = scupper_probe::abilities::all(&fake.open());
    let available = |name| found.iter().find(|ability| ability.name == name).unwrap().available;
    for name in ["cgroup2", "cgroup2_writable", "cgroup.kill", "cgroup2_memory", "oom_kill_counter"] {
        assert!(available(name), "{name}");
    }
    for name in ["cgroup1_memory", "children_files", "fd_count_by_stat", "smaps_rollup", "pressure"] {
        assert!(!available(name), "{name}");
    }
}
