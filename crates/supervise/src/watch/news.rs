//! What is told of the series: that one grows or leaks, or does so no more; and which helpers outlive their request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{Class, EventKind, Identity, Judged, Pid, Watched};

use super::class::class_in;
use super::line::Line;
use super::{Followed, Watch, memory};
use crate::helpers::Group;
use crate::unit::Look;

/// Between two times that helpers are asked whether they outlive their request.
const HELPERS_EVERY: Duration = Duration::from_secs(1);

impl Watch {
    /// What changed: of a process only that it grows or leaks, or does so no more; whatever else changes is told of the
    /// tree.
    pub(super) fn news(&mut self, now: Duration) -> Vec<EventKind> {
        let mut events = Vec::new();
        let mut told = Vec::new();
        for followed in self.processes.values_mut() {
            for at in 0..followed.lines.len() {
                let Some((of, line)) = followed.lines.get_mut(at) else { continue };
                let (of, Some(previous)) = (*of, line.loud_news(now)) else { continue };
                let class = class_in(&followed.lines, of);
                let Some((_, line)) = followed.lines.get_mut(at) else { continue };
                let whose = Some((followed.identity, &followed.name));
                told.push((Some(followed.identity), of, line.verdict()));
                events.push(changed((of, class), line, previous, whose, now));
            }
        }
        for at in 0..self.tree.len() {
            let Some((of, line)) = self.tree.get_mut(at) else { continue };
            // What one of its processes explains is told of that one, and so is that it is over.
            let explains = |followed: &&Followed| memory(&followed.lines).is_some_and(|it| it.explains(line));
            let by = self.processes.values().find(explains).map(|followed| followed.identity);
            let (of, Some(previous)) = (*of, line.news(now)) else { continue };
            if of == Watched::Memory {
                let before = std::mem::replace(&mut self.explained, by);
                let stays = |who: Identity| self.processes.values().any(|followed| followed.identity == who);
                let over = previous >= Verdict::Growing && line.verdict() < Verdict::Growing;
                if by.is_some() || (over && before.is_some_and(stays)) {
                    continue;
                }
            }
            let class = self.class_in_tree(of);
            let Some((_, line)) = self.tree.get_mut(at) else { continue };
            told.push((None, of, line.verdict()));
            events.push(changed((of, class), line, previous, None, now));
        }
        for (target, of, verdict) in told {
            self.told(target, of, verdict);
        }
        events
    }

    /// Helpers that outlive what they were started for.
    pub(super) fn helpers_news(&mut self, now: Duration, look: &Look) -> Vec<EventKind> {
        if self.helpers.is_empty() || now < self.next_helpers {
            return Vec::new();
        }
        self.next_helpers = now + HELPERS_EVERY;
        let is_there = |who: &Identity| look.find(who).is_some_and(|seen| !seen.zombie);
        let processes = &self.processes;
        self.helpers.news(&self.served, is_there, |who, group| number(processes, who, group))
    }
}

/// What is thought of how many helpers of a kind a worker has, as far as it is known without judging a flat stretch.
pub(super) fn number(processes: &HashMap<Pid, Followed>, who: &Identity, group: Group) -> Verdict {
    let followed = processes.get(&who.pid).filter(|followed| followed.identity == *who);
    let of = group.series().unwrap_or(Watched::Children);
    let line = followed.and_then(|followed| followed.lines.iter().find(|(known, _)| *known == of));
    line.map_or(Verdict::Unknown, |(_, line)| line.verdict())
}

fn changed(
    (series, class): (Watched, Class),
    line: &mut Line,
    previous: Verdict,
    whose: Option<(Identity, &Arc<str>)>,
    now: Duration,
) -> EventKind {
    EventKind::VerdictChanged {
        series,
        target: whose.map(|(identity, _)| identity),
        name: whose.map(|(_, name)| name.to_string()),
        value: line.value().unwrap_or_default(),
        previous,
        judged: Box::new(Judged { class, ..line.judged(now) }),
    }
}
