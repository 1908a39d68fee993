//! Log lines, datagrams, patterns, command lines.

use scupper_model::Bytes;
use scupper_knowledge::{
    fatal::FatalWatch, glob as globs, heap_limit as heap, notify as sd_notify,
};

use crate::halves;

/// Lines of a log: bounded whatever comes, and fit to print.
pub fn fatal_log(data: &[u8]) {
    let mut watch = FatalWatch::new();
    let fits = |text: &str| text.chars().count() <= 403 && !text.contains(char::is_control);
    for line in String::from_utf8_lossy(data).split('\n') {
        if let Some(fatal) = watch.push(line) {
            assert!(fits(&fatal.message) && fatal.last_gcs.len() <= 16 && fatal.freed_mib.len() <= 16);
            assert!(fatal.last_gcs.iter().all(|gc| fits(gc)));
            assert!(fatal.pid.is_none_or(|pid| pid > 0));
            assert!(fatal.freed_mib.iter().chain(&fatal.mutator_utilization).all(|n| n.is_finite()));
            // A number that is no number would not be read back from the evidence.
            let text = serde_json::to_string(&fatal).expect("it is written as evidence");
            serde_json::from_str::<scupper_model::Fatal>(&text).expect("it is read back");
        }
        assert!(watch.last_lines().len() <= 20);
    }
    assert!(watch.last_lines().all(fits));
}

/// A pattern, a NUL, a name: the same answer as by the definition.
pub fn glob(data: &[u8]) {
    let (pattern, name) = halves(data);
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let answer = globs::matches(pattern, name);
    if pattern.len() * name.len() <= 4096 {
        assert_eq!(answer, by_definition(pattern.as_bytes(), name), "{pattern:?} {name:?}");
    }
}

/// `reached[n]`: whether the pattern so far matches the first n bytes.
fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for &letter in pattern {
        let mut next = vec![false; name.len() + 1];
        for n in 0..=name.len() {
            next[n] = match letter {
                b'*' => reached[n] || n > 0 && next[n - 1],
                _ => n > 0 && reached[n - 1] && (letter == b'?' || letter == name[n - 1]),
            };
        }
        reached = next;
    }
    reached[name.len()]
}

/// Arguments, one a line; a NUL; environment entries, one a line.
pub fn heap_limit(data: &[u8]) {
    let (command, environment) = halves(data);
    let list = |text: &[u8]| text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (command, environment) = (list(command), list(environment));
    for environment in [None, Some(environment.as_slice())] {
        if let Some(limit) = heap::heap_limit(&command, environment) {
            for allowance in [Bytes(0), Bytes(1), Bytes::mib(512), Bytes(u64::MAX)] {
                let said = heap::advice(limit, allowance).is_some();
                assert_eq!(said, limit.bytes > allowance && allowance > Bytes(0));
            }
        }
    }
}

/// One datagram of `sd_notify`.
pub fn notify(data: &[u8]) {
    let message = sd_notify::parse(data);
    assert!(message.main_pid.is_none_or(|pid| pid.get() > 0));
    assert!(message.status.is_none_or(|s| s.chars().count() <= 515 && !s.contains(char::is_control)));
}
