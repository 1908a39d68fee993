//! What the fuzz targets do, one function each: bytes of a stranger in, no panic, and what must hold of any answer.
//! Without libFuzzer they are ordinary functions, so every input that once broke something stays a test.

mod casebook;
mod fleet;
mod lines;
mod mcp;
mod recordings;
mod redaction;
mod registry;
mod tree;
mod unit;

use std::time::Duration;

use scupper_model::{BootId, Bytes, Event, Pid, RunId, Size, Timestamp, UnitName, UnitRecord};
use scupper_probe::{Stat, parse};
use scupper_supervise::control::{Reply, Request};
use scupper_supervise::unit::{Bounds, contradiction};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use casebook::{casebook_document, casebook_merge};
pub use fleet::fleet_api;
pub use lines::{fatal_log, glob, heap_limit, notify};
pub use mcp::mcp_files;
pub use recordings::recording;
pub use redaction::redact;
pub use registry::{fleet_address, fleet_files};
pub use tree::{prefork, spare};
pub use unit::machine;

/// Takes the bytes of a stranger.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("casebook_document", casebook_document),
    ("casebook_merge", casebook_merge),
    ("cgroups", cgroups),
    ("control", control),
    ("event_json", event_json),
    ("fatal_log", fatal_log),
    ("fleet_address", fleet_address),
    ("fleet_api", fleet_api),
    ("fleet_files", fleet_files),
    ("glob", glob),
    ("heap_limit", heap_limit),
    ("machine", machine),
    ("mcp_files", mcp_files),
    ("notify", notify),
    ("prefork", prefork),
    ("proc_files", proc_files),
    ("record_json", record_json),
    ("recording", recording),
    ("redact", redact),
    ("sock_diag", sock_diag),
    ("spare", spare),
    ("stat", stat),
    ("tcp", tcp),
    ("text", text),
];

/// `/proc/PID/stat`.
pub fn stat(data: &[u8]) {
    if let Ok(stat) = Stat::parse(data) {
        assert!(stat.pid.get() > 0);
        assert!(stat.name.is_empty() || data.windows(stat.name.len()).any(|part| part == stat.name));
        assert!(!(stat.is_zombie() && stat.lost_its_main_thread()));
    }
}

/// The other small files of `/proc`. The first byte says whether the text was cut.
pub fn proc_files(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let cut = first & 1 == 1;
    for key in ["RssAnon", "VmSwap", "SigIgn", "NSpid", "MemTotal", "Pss", ""] {
        let _ = (parse::kilobytes(text, key), parse::keyed(text, key), parse::mask(text, key));
        assert!(parse::value(text, key).is_none_or(|value| value.len() <= text.len()));
    }
    let _ = (parse::resident_pages(text), parse::trim_nuls(text).len());
    assert!(parse::pids(text, cut).all(|pid| pid.get() > 0));
    let strings = parse::strings(text, cut);
    // One entry is found where the list shows it, and it is the first of its name.
    let listed = strings.iter().find_map(|entry| entry.strip_prefix(b"SCUPPER_RUN="));
    let found = parse::environment_value(text, cut, "SCUPPER_RUN");
    assert_eq!(listed, found.as_deref());
}

/// `mountinfo`, a NUL, `/proc/PID/cgroup`.
pub fn cgroups(data: &[u8]) {
    let (mountinfo, paths) = halves(data);
    let _ = (parse::parse_limit(data), parse::parse_v1_limit(data));
    let (mounts, paths) = (parse::Mounts::parse(mountinfo), parse::parse_cgroup(paths));
    for (own, top) in [
        (scupper_probe::cgroup::own_v2(&mounts, &paths), &mounts.v2),
        (scupper_probe::cgroup::own_v1_memory(&mounts, &paths), &mounts.v1_memory),
    ] {
        let Some(own) = own else { continue };
        // Nothing that was read leads out of the mount.
        let below = own.strip_prefix(top.as_ref().expect("it was mounted")).expect("below its mount");
        assert!(below.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{own:?}");
    }
}

/// `/proc/net/tcp`.
pub fn tcp(data: &[u8]) {
    let lines = data.split(|&b| b == b'\n').count();
    let seen: Vec<_> = parse::parse_tcp(data).map(|line| (line.local(), line.remote())).collect();
    assert!(seen.len() <= lines);
}

/// What the kernel answers to a question about sockets: first byte odd, Unix ones; else TCP.
pub fn sock_diag(data: &[u8]) {
    let Some((&first, datagram)) = data.split_first() else { return };
    // A header alone has 16 bytes.
    let most = datagram.len() / 16;
    if first & 1 == 1 {
        let Ok((sockets, _)) = parse::unix_sockets(datagram) else { return };
        assert!(sockets.len() <= most);
        for (_, socket) in sockets {
            assert!(!(socket.peer_is_gone && socket.peer.is_some()), "one that is gone has no number");
            assert!(!(socket.peer_is_gone && socket.listens));
        }
    } else if let Ok((sockets, _)) = parse::tcp_sockets(datagram) {
        assert!(sockets.len() <= most && sockets.iter().all(|(inode, _)| *inode != 0));
    }
}

/// A line of the evidence, or of `--log-format json`.
pub fn event_json(data: &[u8]) {
    if let Some(event) = survives::<Event>(data) {
        let _ = event.kind.severity();
        let name = serde_json::to_value(&event).expect("it was written before")["event"].clone();
        assert_eq!(name, event.kind.name());
    }
}

/// A unit's record file.
pub fn record_json(data: &[u8]) {
    if let Some(record) = survives::<UnitRecord>(data) {
        let name = record.unit.as_str();
        assert!(!name.is_empty() && !name.starts_with('.') && !name.contains('/'));
        let _ = (record.limits.to_string(), contradiction(&record.limits));
        let _ = Bounds::resolve(&record.limits, Some(Bytes::mib(512)));
    }
}

/// Both sides of the control socket.
pub fn control(data: &[u8]) {
    survives::<Reply>(data);
    if let Some(Request::Set { change }) = survives::<Request>(data) {
        let limits = change.apply(scupper_model::Limits::default());
        let _ = (limits.to_string(), contradiction(&limits), limits.resolved(Some(Bytes(1 << 40))).any());
        assert_eq!(change.apply(limits), limits, "a change made twice is the change");
    }
}

/// Sizes, durations, names and ids as people write them.
pub fn text(data: &[u8]) {
    let printed = scupper_model::printable(data, 100);
    assert!(printed.chars().count() <= 103 && !printed.contains(char::is_control));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(size) = text.parse::<Size>() {
        assert_eq!(size.to_string().parse::<Size>().as_ref(), Ok(&size));
        let whole = Bytes(1 << 40);
        assert!(!matches!(size, Size::Percent(_)) || size.resolve(Some(whole)) <= Some(whole));
    }
    if let Ok(bytes) = text.parse::<Bytes>() {
        let _ = bytes.to_string();
    }
    if let Ok(duration) = scupper_model::parse_duration(text) {
        let again = scupper_model::format_duration(duration);
        let whole = Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        assert_eq!(scupper_model::parse_duration(&again).as_ref(), Ok(&whole));
    }
    if let Ok(name) = text.parse::<UnitName>() {
        assert_eq!(name.as_str(), text);
    }
    let made = UnitName::from_command(text).numbered(u32::MAX);
    assert!(made.as_str().parse::<UnitName>().is_ok());
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time));
    }
    let _ = (text.parse::<Pid>().is_ok(), text.parse::<BootId>().is_ok(), text.parse::<RunId>().is_ok());
}

/// What can be read is written so that it is read back as the same text.
fn survives<T: Serialize + DeserializeOwned>(data: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(data).ok()?;
    let text = serde_json::to_string(&read).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(digits_aside(&text), digits_aside(&serde_json::to_string(&again).expect("again")));
    Some(again)
}

/// Fractions may differ in their last digit (`serde_json` without `float_roundtrip`): they are left out.
fn digits_aside(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '.' {
            while chars.next_if(|c| c.is_ascii_digit() || matches!(c, 'e' | '-' | '+')).is_some() {}
        }
    }
    out
}

/// What stands before the first NUL, and what stands behind it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_seed_passes() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        for (name, target) in TARGETS {
            target(b"");
            let mut paths: Vec<_> =
                fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            assert!(!paths.is_empty(), "{name} has no seed");
            for path in paths {
                println!("{}", path.display());
                target(&fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn every_target_is_a_program() {
        for (name, _) in TARGETS {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
            assert!(fs::read_to_string(&path).unwrap().contains(&format!("scupper_fuzz::{name}(")), "{name}");
        }
        let programs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets")).unwrap();
        assert_eq!(programs.count(), TARGETS.len());
    }
}
