//! The processes of a tree as its status lists them.

use std::cmp::Reverse;
use std::time::Duration;

use super::nearer::Nearer;
use super::tree::Member;
use crate::control::ProcessStatus;
use crate::watch::Watch;

/// Processes that a status lists.
const MOST: usize = 200;

/// The largest first; who was not looked at yet is left out.
pub(in crate::shell) fn listed<'m>(
    members: impl Iterator<Item = &'m Member>,
    watch: &mut Watch,
    nearer: &Nearer,
    now: Duration,
) -> Vec<ProcessStatus> {
    let mut processes: Vec<ProcessStatus> = members
        .filter_map(|member| {
            Some(ProcessStatus {
                sample: member.sample.clone()?,
                standing: watch.process(&member.identity, now).unwrap_or_default(),
                role: member.role.name().to_owned(),
                connections: nearer.connections(&member.identity),
                growth_bytes: member.history.growth(),
                generation: member.generation,
                command: member.shown_command(),
            })
        })
        .collect();
    processes.sort_by_key(|process| Reverse(process.sample.rss_bytes));
    processes.truncate(MOST);
    processes
}
