//! Fatal messages as real runtimes wrote them: captured logs, and node run live.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests and their helpers")]

mod support;

use std::process::Command;

use scupper_knowledge::{FatalWatch, heap_limit};
use scupper_model::{Bytes, Fatal};

fn last(log: &str) -> Option<Fatal> {
    let mut watch = FatalWatch::new();
    log.lines().filter_map(|line| watch.push(line)).last()
}

fn captured(name: &str) -> Fatal {
    let log = std::fs::read_to_string(support::fixtures().join("logs").join(name)).unwrap();
    last(&log).unwrap_or_else(|| panic!("nothing found in {name}"))
}

#[test]
fn r063_captured_logs_are_read() {
    let node = captured("node-20-reached-heap-limit.log");
    assert_eq!(
        node.message,
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"
    );
    assert_eq!((node.runtime.as_str(), node.pid, node.uptime_ms), ("v8", Some(902), Some(151)));
    // V8 ran both of its lines together in one.
    assert_eq!(node.last_gcs.len(), 2);
    assert_eq!(node.freed_mib, [0.4, 0.6]);
    assert_eq!(node.mutator_utilization, Some(0.477));

    for (name, runtime, message) in [
        ("python-3.11-memory-error.log", "python", "MemoryError"),
        ("java-17-out-of-memory.log", "java", "java.lang.OutOfMemoryError: Java heap space"),
        ("java-17-exit-on-out-of-memory.log", "java", "java.lang.OutOfMemoryError: Java heap space"),
        ("rust-allocation.log", "rust", "memory allocation of 10485760 bytes failed"),
        ("cxx-bad-alloc.log", "c++", "terminate called after throwing an instance of 'std::bad_alloc'"),
    ] {
        let found = captured(name);
        assert_eq!((found.runtime.as_str(), found.message.as_str()), (runtime, message), "{name}");
    }
}

#[test]
fn r063_r062_node_run_out_of_its_heap_is_read_live() {
    support::installed();
    let Some(node) = support::program("node") else { return };
    let command = ["--max-old-space-size=32", "hog.js"];
    let child = Command::new(&node)
        .args(command)
        .current_dir(support::fixtures())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let found = last(&log).unwrap_or_else(|| panic!("nothing found in {log}"));
    assert_eq!((found.runtime.as_str(), found.pid), ("v8", Some(pid)));
    assert!(found.message.contains("JavaScript heap out of memory"), "{found:?}");
    assert!(found.uptime_ms.is_some_and(|ms| (1..600_000).contains(&ms)), "{found:?}");
    assert!(found.mutator_utilization.is_some() && !found.last_gcs.is_empty(), "{found:?}");
    // A heap full of live objects: the last full collections gave next to nothing back.
    assert!(found.freed_mib.last().is_some_and(|freed| *freed < 8.0), "{found:?}");

    let command: Vec<Vec<u8>> = ["node"].iter().chain(&command).map(|a| a.as_bytes().to_vec()).collect();
    assert_eq!(heap_limit(&command, None).unwrap().bytes, Bytes::mib(32));
}
