//! The files of a version 1 memory directory.

use std::path::Path;

use scupper_model::Bytes;

use super::{Limit, read, read_value};
use crate::{ProbeError, parse};

/// Version 1 writes "no limit" as the greatest number of whole pages, which depends on the page size.
const NO_LIMIT: u64 = 1 << 62;

/// The hard limit: the lower of the cgroup's own and of what the kernel says of all above it, which may not be visible
/// from here.
pub fn v1_memory_limit(directory: &Path) -> Result<Option<Limit>, ProbeError> {
    let own = read_value(directory, "memory.limit_in_bytes", "memory.limit_in_bytes", parse_v1_limit)?;
    let above = read(directory, "memory.stat")
        .ok()
        .flatten()
        .and_then(|text| parse::keyed(&text, "hierarchical_memory_limit"))
        .map(limit);
    Ok(match (own, above) {
        (Some(Limit::Bytes(own)), Some(Limit::Bytes(above))) => Some(Limit::Bytes(own.min(above))),
        (Some(Limit::Max), Some(above)) => Some(above),
        (own, _) => own,
    })
}

/// How many processes of this cgroup the OOM killer has ended (kernel 4.13 and later).
pub fn v1_oom_kills(directory: &Path) -> Result<Option<u64>, ProbeError> {
    Ok(read(directory, "memory.oom_control")?.and_then(|text| parse::keyed(&text, "oom_kill")))
}

/// Reads a number of bytes, where one that no machine has means no limit; `-1` is how it is written, never read.
pub fn parse_v1_limit(text: &[u8]) -> Option<Limit> {
    match text.trim_ascii() {
        b"-1" => Some(Limit::Max),
        number => parse::number(number).map(limit),
    }
}

const fn limit(bytes: u64) -> Limit {
    if bytes >= NO_LIMIT { Limit::Max } else { Limit::Bytes(Bytes(bytes)) }
}
