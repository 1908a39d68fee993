//! What a process holds at one look, by signature: all there is of one that nobody watched. It says nothing of growth.

use scupper_model::{Identity, ResourceKind};
use scupper_probe::Proc;
use scupper_probe::holdings::{self, Bounds};
use serde::Serialize;

use crate::failure::Failure;

/// Descriptors that are looked at one by one.
const MOST_DESCRIPTORS: u64 = 65_536;
/// Bytes of `smaps` that are read.
const MOST_TEXT: usize = 4 << 20;
/// What is told: most of the same first.
const TOLD: usize = 24;

/// So many things with one signature.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Holding {
    pub kind: ResourceKind,
    pub what: String,
    pub count: u64,
    pub bytes: Option<u64>,
}

/// One look.
pub(super) fn now(proc_: &Proc, who: &Identity) -> Result<Vec<Holding>, Failure> {
    let bounds = Bounds { descriptors: MOST_DESCRIPTORS, memory_text: MOST_TEXT, goes_on: &|| true };
    let Some(found) = holdings::read(proc_, who, bounds)? else {
        return Err(Failure::usage(format!("{who} ended while it was looked at")));
    };
    let mut all: Vec<Holding> = found
        .table
        .into_iter()
        .map(|((kind, what), held)| Holding { kind, what, count: held.count, bytes: held.bytes })
        .collect();
    all.sort_by_key(|holding| std::cmp::Reverse(holding.count));
    all.truncate(TOLD);
    Ok(all)
}
