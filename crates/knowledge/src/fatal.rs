//! What a dying runtime says, found in its log.
//!
//! A log is fed line by line; memory is bounded whatever comes. What is found is a claim of a log, not a proof: the
//! death certificate puts it beside what the kernel says, and gunicorn's "Perhaps out of memory?" is exactly that.
//!
//! Sources, each with a sample captured from the real thing in `tests/fixtures/logs` where one is named:
//! V8 (node 20.20.2; `Heap::FatalProcessOutOfMemory`, and `GCTracer::Print` for the lines of the last collections, two
//! of which V8 may run together in one line when its ring buffer cut the first), `CPython` 3.11 (`MemoryError` as the
//! last line of a traceback, `Fatal Python error:` of `Py_FatalError`), `OpenJDK` 17, Rust's `alloc::rt::oom`,
//! libstdc++'s `std::bad_alloc`, gunicorn's `arbiter.py` (27.0.1), Go's `runtime/malloc.go`.

use std::collections::VecDeque;

use scupper_model::{Fatal, printable, redact_line};

/// Lines kept for the certificate.
const LAST_LINES: usize = 20;
/// Characters kept of each.
const LINE_CHARS: usize = 400;
/// V8 prints the last seconds of collections; more than these say nothing new.
const LAST_GCS: usize = 16;
/// After so many other lines, the collections seen belong to no message any more.
const V8_PATIENCE: usize = 200;
/// A line longer than this is looked at in its beginning only.
const MAX_LINE: usize = 16 * 1024;

/// Recognises fatal messages in a stream of log lines.
#[derive(Clone, Debug, Default)]
pub struct FatalWatch {
    last_lines: VecDeque<String>,
    v8: LastGcs,
    traceback: Traceback,
}

/// The block `<--- Last few GCs --->` that V8 prints before its message.
#[derive(Clone, Debug, Default)]
struct LastGcs {
    open: bool,
    lines_since: usize,
    gcs: VecDeque<Gc>,
}

/// Where in a Python traceback the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Traceback {
    #[default]
    None,
    /// Its frames, which are indented; the first line that is not is the exception.
    Frames,
}

/// One line of V8's block.
#[derive(Clone, Debug)]
struct Gc {
    text: String,
    pid: Option<i32>,
    uptime_ms: Option<u64>,
    freed_mib: Option<f64>,
    mutator_utilization: Option<f64>,
}

impl FatalWatch {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one line. `Some` where it completes a fatal message.
    pub fn push(&mut self, line: &str) -> Option<Fatal> {
        let line = head(line.trim_end_matches(['\r', '\n']), MAX_LINE);
        if !line.trim().is_empty() {
            if self.last_lines.len() == LAST_LINES {
                self.last_lines.pop_front();
            }
            self.last_lines.push_back(presentable(line));
        }
        if let Some(message) = v8_message(line) {
            return Some(std::mem::take(&mut self.v8).fatal(message));
        }
        self.v8.push(line);
        self.python(line).or_else(|| others(line))
    }

    /// The last lines seen, oldest first; empty ones left out, each cut, printable and redacted.
    pub fn last_lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.last_lines.iter().map(String::as_str)
    }

    fn python(&mut self, line: &str) -> Option<Fatal> {
        if line.contains("Traceback (most recent call last):") {
            self.traceback = Traceback::Frames;
            return None;
        }
        if let Some(at) = line.find("Fatal Python error: ") {
            return Some(fatal("python", &line[at..]));
        }
        if self.traceback == Traceback::None || line.is_empty() || line.starts_with([' ', '\t']) {
            return None;
        }
        self.traceback = Traceback::None;
        let exception = line.split(':').next().unwrap_or_default();
        // `MemoryError`, and numpy's `numpy.core._exceptions._ArrayMemoryError: Unable to allocate ...`.
        let class = exception.rsplit('.').next().unwrap_or_default();
        let memory = class == "MemoryError" || class == "_ArrayMemoryError";
        memory.then(|| fatal("python", line))
    }
}

impl LastGcs {
    fn push(&mut self, line: &str) {
        if line.contains("<--- Last few GCs --->") {
            *self = Self { open: true, ..Self::default() };
        } else if line.contains("<--- JS stacktrace --->") {
            self.open = false;
        } else if self.open {
            for part in split_gcs(line) {
                if self.gcs.len() == LAST_GCS {
                    self.gcs.pop_front();
                }
                self.gcs.push_back(Gc::parse(part));
            }
        }
        self.lines_since += 1;
        if self.lines_since > V8_PATIENCE {
            *self = Self::default();
        }
    }

    fn fatal(self, message: &str) -> Fatal {
        let last = self.gcs.back();
        let pid = last.and_then(|gc| gc.pid);
        let full: Vec<&Gc> = self.gcs.iter().filter(|gc| gc.pid == pid).collect();
        Fatal {
            pid,
            uptime_ms: last.and_then(|gc| gc.uptime_ms),
            last_gcs: full.iter().map(|gc| gc.text.clone()).collect(),
            mutator_utilization: full.iter().rev().find_map(|gc| gc.mutator_utilization),
            freed_mib: full.iter().filter_map(|gc| gc.freed_mib).collect(),
            ..fatal("v8", message)
        }
    }
}

impl Gc {
    /// `[902:0x3f299ca0]  151 ms: Mark-Compact 32.6 (49.5) -> 32.0 (65.5) MB, 17.05 / 0.00 ms  (average mu = 0.477,
    /// current mu = 0.477) allocation failure; scavenge might not succeed`. What is missing stays unknown.
    fn parse(text: &str) -> Self {
        let (process, rest) = text.strip_prefix('[').and_then(|t| t.split_once(']')).unwrap_or_default();
        let (uptime, collection) = rest.split_once(" ms: ").unwrap_or_default();
        let full =
            ["Mark-Compact", "Mark-sweep", "Mark-Sweep"].iter().any(|name| collection.starts_with(name));
        let (before, after) = collection.split_once(" -> ").unwrap_or_default();
        // The size stands before its `(committed size)`: the last number before ` (` and the first after `->`.
        let before = before.rsplit_once(" (").and_then(|(sizes, _)| number(sizes.rsplit(' ').next()?));
        let after = number(after.split(' ').next().unwrap_or_default());
        let freed = before.zip(after).map(|(before, after)| hundredths(before - after));
        Self {
            text: presentable(text),
            pid: process.split(':').next().and_then(|pid| pid.parse().ok()).filter(|&pid| pid > 0),
            uptime_ms: uptime.trim().split('.').next().and_then(|ms| ms.parse().ok()),
            freed_mib: freed.filter(|_| full),
            mutator_utilization: collection
                .split_once("current mu = ")
                .and_then(|(_, rest)| number(rest.split(')').next()?))
                .filter(|mu| (0.0..=1.0).contains(mu)),
        }
    }
}

/// The parts of a line that begin as a collection's line does: `[12345:0x...]`.
fn split_gcs(line: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = line
        .match_indices('[')
        .map(|(at, _)| at)
        .filter(|&at| {
            let rest = line[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
            rest.len() < line.len() - at - 1 && rest.starts_with(":0x")
        })
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([line.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| line[start..end].trim_end())
}

/// V8's message, in the words of node (`FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of
/// memory`) and of deno and Chrome (`# Fatal JavaScript out of memory: Reached heap limit`).
fn v8_message(line: &str) -> Option<&str> {
    let message = line.find("FATAL ERROR: ").map(|at| &line[at..]);
    let node = message.filter(|message| {
        [
            "JavaScript heap out of memory",
            "process out of memory",
            "Allocation failed",
            "invalid array length",
        ]
        .iter()
        .any(|words| message.contains(words))
            || message.starts_with("FATAL ERROR: v8::")
    });
    let others =
        ["Fatal JavaScript out of memory:", "Fatal process out of memory:", "Fatal javascript OOM in"];
    node.or_else(|| others.iter().find_map(|words| line.find(words).map(|at| &line[at..])))
}

/// Messages of a single line.
fn others(line: &str) -> Option<Fatal> {
    const MARKS: [(&str, &str); 10] = [
        ("gunicorn", "WORKER TIMEOUT (pid:"),
        ("gunicorn", "Worker (pid:"),
        ("java", "java.lang.OutOfMemoryError"),
        ("java", "There is insufficient memory for the Java Runtime Environment to continue"),
        ("go", "fatal error: runtime: out of memory"),
        ("go", "fatal error: runtime: cannot allocate memory"),
        ("go", "fatal error: out of memory"),
        ("rust", "memory allocation of "),
        ("c++", "terminate called after throwing an instance of 'std::bad_alloc'"),
        ("ruby", "[FATAL] failed to allocate memory"),
    ];
    let (runtime, at, mark) =
        MARKS.iter().find_map(|(runtime, mark)| line.find(mark).map(|at| (*runtime, at, *mark)))?;
    let (message, rest) = (&line[at..], &line[at + mark.len()..]);
    match mark {
        // Of the signals gunicorn reports, KILL is the one that nobody in a working system sends to a worker.
        "Worker (pid:" if !rest.contains("was sent SIGKILL") => return None,
        "memory allocation of " if !rest.ends_with("bytes failed") => return None,
        _ => {}
    }
    let pid = mark.ends_with("(pid:").then(|| rest.split(')').next()?.parse().ok()).flatten();
    Some(Fatal { pid: pid.filter(|&pid: &i32| pid > 0), ..fatal(runtime, message) })
}

fn fatal(runtime: &str, message: &str) -> Fatal {
    Fatal { runtime: runtime.to_owned(), message: presentable(message), ..Fatal::default() }
}

/// Redacted before it is cut: half a secret is still one.
fn presentable(line: &str) -> String {
    printable(redact_line(line).as_bytes(), LINE_CHARS)
}

fn head(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite() && n.abs() < 1e9)
}

/// A difference of numbers that were printed with one decimal: without what floating point adds to it.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn last(lines: &[&str]) -> Option<Fatal> {
        let mut watch = FatalWatch::new();
        lines.iter().filter_map(|line| watch.push(line)).last()
    }

    #[test]
    fn r063_the_process_of_seed_002_is_read() {
        // The numbers of seed 002 (8 GB, 386615 ms) in V8's format.
        let fatal = last(&[
            "<--- Last few GCs --->",
            "",
            "[12345:0x130008000]   384680 ms: Mark-Compact (reduce) 8180.0 (8235.7) -> 8172.0 (8236.2) MB, 1900.1 / 0.0 ms  (average mu = 0.200, current mu = 0.045) allocation failure; scavenge might not succeed",
            "[12345:0x130008000]   385000 ms: Scavenge 8173.0 (8235.7) -> 8172.9 (8236.2) MB, 3.5 / 0.0 ms  (average mu = 0.200, current mu = 0.045) allocation failure",
            "[12345:0x130008000]   386615 ms: Mark-Compact (reduce) 8172.4 (8235.7) -> 8171.9 (8236.2) MB, 1932.5 / 0.0 ms  (average mu = 0.123, current mu = 0.012) allocation failure; scavenge might not succeed",
            "",
            "<--- JS stacktrace --->",
            "",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        ])
        .unwrap();
        assert_eq!((fatal.runtime.as_str(), fatal.pid, fatal.uptime_ms), ("v8", Some(12345), Some(386_615)));
        assert_eq!(fatal.freed_mib, [8.0, 0.5]);
        assert_eq!((fatal.mutator_utilization, fatal.last_gcs.len()), (Some(0.012), 3));
    }

    #[test]
    fn r063_every_wording_of_v8_is_known() {
        for line in [
            "FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - process out of memory",
            "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: invalid array length Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: Committing semi space failed. Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: NewSpace::Rebalance Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal.",
            "2025-07-14T01:32:22Z web-1 | FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "# Fatal JavaScript out of memory: Reached heap limit",
        ] {
            assert_eq!(last(&[line]).unwrap().runtime, "v8", "{line}");
        }
        let alone =
            last(&["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"]);
        assert_eq!(alone.unwrap().pid, None);
    }

    #[test]
    fn r063_python_and_gunicorn_are_known() {
        let traceback = [
            "Traceback (most recent call last):",
            "  File \"m.py\", line 5, in <module>",
            "    grow()",
            "MemoryError",
        ];
        assert_eq!(last(&traceback).unwrap().message, "MemoryError");
        let numpy = [
            "Traceback (most recent call last):",
            "  File",
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB",
        ];
        assert!(last(&numpy).is_some());
        let caught = ["Traceback (most recent call last):", "  File", "ValueError: x", "MemoryError"];
        assert_eq!(last(&caught), None);
        assert_eq!(last(&["MemoryError"]), None, "only as the end of a traceback");
        assert_eq!(last(&["Fatal Python error: Segmentation fault"]).unwrap().runtime, "python");

        let timeout =
            last(&["[2025-01-01 10:00:00 +0000] [12] [CRITICAL] WORKER TIMEOUT (pid:456)"]).unwrap();
        assert_eq!((timeout.runtime.as_str(), timeout.pid), ("gunicorn", Some(456)));
        let killed = last(&[
            "[2025-01-01 10:00:01 +0000] [12] [ERROR] Worker (pid:456) was sent SIGKILL! Perhaps out of memory?",
        ]);
        assert_eq!(killed.unwrap().pid, Some(456));
        assert_eq!(last(&["[12] [ERROR] Worker (pid:456) was sent SIGTERM!"]), None);
    }

    #[test]
    fn ordinary_lines_are_not_fatal() {
        for line in [
            "GET /docs/MemoryError 200",
            "FATAL ERROR: could not open the config",
            "psql: FATAL:  role does not exist",
            "memory allocation of the pool changed",
            "[902:0x3f299ca0]      118 ms: Scavenge 1.0 (2.0) -> 0.5 (2.0) MB, 0.1 / 0.0 ms",
        ] {
            assert_eq!(last(&[line]), None, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_lines_are_taken_in_bounded_memory(lines in prop::collection::vec(
            prop_oneof![
                ".{0,600}",
                Just("<--- Last few GCs --->".to_owned()),
                Just("<--- JS stacktrace --->".to_owned()),
                Just("Traceback (most recent call last):".to_owned()),
                "\\[[0-9]{0,12}:0x[0-9a-f]{0,4}\\] {0,3}[0-9.]{0,25} ms: (Mark-Compact|Scavenge) [0-9.()]{0,9} [(].{0,9} -> .{0,40}",
                "FATAL ERROR: .{0,20}Allocation failed",
            ], 0..80)
        ) {
            let mut watch = FatalWatch::new();
            for line in &lines {
                if let Some(fatal) = watch.push(line) {
                    prop_assert!(fatal.message.chars().count() <= LINE_CHARS + 3);
                    prop_assert!(fatal.last_gcs.len() <= LAST_GCS);
                }
                prop_assert!(watch.v8.gcs.len() <= LAST_GCS);
                prop_assert!(watch.last_lines().len() <= LAST_LINES);
                prop_assert!(watch.last_lines().all(|l| l.chars().count() <= LINE_CHARS + 3));
            }
        }
    }
}
