//! What a unit should be told about itself: a heap limit that the memory there is can never hold.

use std::time::Duration;

use scupper_model::EventKind;
use scupper_probe::cgroup;

use super::{Fact, Surrounding, UnitShell};
use crate::unit::Role;
use scupper_knowledge::heap_limit::{advice, heap_limit};

/// By now a wrapper has become the program that it wraps.
const SETTLED: Duration = Duration::from_secs(1);

impl UnitShell {
    /// Compares, once a start, the heap limits of the unit's runtimes with the memory of their cgroup or of the host.
    pub(in crate::shell) fn compare_heap_limits(
        &mut self,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        if self.heap_limits_compared || now.saturating_sub(self.started_at) < SETTLED {
            return;
        }
        self.heap_limits_compared = true;
        let inherited = self.environment();
        let Ok(host) = around.proc.memory_total() else { return };
        for member in self.tree.members().filter(|member| member.role == Role::Main) {
            let own = around.proc.environment(member.identity.pid).ok().flatten();
            let Some(limit) = heap_limit(&member.command, Some(own.as_deref().unwrap_or(&inherited))) else {
                continue;
            };
            let paths = around.proc.cgroup_paths(member.identity.pid).ok().flatten().unwrap_or_default();
            let memory_bytes = cgroup::memory_allowance(&around.mounts, &paths, host).bytes;
            if let Some(message) = advice(limit, memory_bytes) {
                facts.push(EventKind::HeapLimitTooHigh {
                    target: member.identity,
                    name: member.shown_name(),
                    heap_limit_bytes: limit.bytes,
                    memory_bytes,
                    message,
                });
            }
        }
    }
}
