//! What the watch thinks now: for `ps` and metrics, and at the end for `--fail-on-leak`.

use std::cmp::Reverse;
use std::time::Duration;

use scupper_detect::{Horizon, Verdict};
use scupper_model::{Class, EventKind, Identity, Judged, Watched};

use super::class::class_in;
use super::line::Line;
use super::news::number;
use super::{Followed, MOST_FOUND, Watch};
use crate::control::{SeriesStatus, Standing};
use crate::helpers::{Account, HelperStatus};
use crate::unit::Look;

/// The classes that can be told, what brings the others first: a helper comes with pipes, a socket is a descriptor.
const CAUSES: [Class; 3] = [Class::ChildTree, Class::Sockets, Class::Descriptors];

impl Watch {
    /// How much time it judges by.
    pub const fn horizon(&self) -> Horizon {
        self.plan.horizon
    }

    /// The unit, as its worst series is judged. Slope and forecast are about memory: where the worst series counts
    /// something else, those of the tree's memory.
    pub fn standing(&mut self, now: Duration) -> Standing {
        self.catch_up();
        let mut standing = self.tree_memory(now).unwrap_or_default();
        let all = self.all(now);
        let classes: Vec<(Verdict, Class)> =
            all.iter().map(|status| (status.judged.verdict, status.judged.class)).collect();
        if let Some(SeriesStatus { series, judged, .. }) = all.into_iter().max_by_key(weight)
            && (standing.verdict, standing.urgent) < (Some(judged.verdict), judged.urgent)
            && judged.verdict != Verdict::Unknown
        {
            let of_worst = Standing::of_memory(judged);
            standing = if series == Watched::Memory {
                of_worst
            } else {
                let Standing { slope_bytes_per_hour, slope_interval, time_to_limit_seconds, .. } = standing;
                Standing { slope_bytes_per_hour, slope_interval, time_to_limit_seconds, ..of_worst }
            };
        }
        standing.verdict.get_or_insert(Verdict::Unknown);
        let verdict = standing.verdict.unwrap_or_default();
        if verdict >= Verdict::Growing {
            let is_there =
                |class: &Class| classes.iter().any(|known| known.0 >= verdict && known.1 == *class);
            standing.class = CAUSES.into_iter().find(is_there).or(standing.class);
        }
        standing
    }

    /// The memory of one process.
    pub fn process(&mut self, identity: &Identity, now: Duration) -> Option<Standing> {
        self.catch_up();
        let followed =
            self.processes.get_mut(&identity.pid).filter(|followed| followed.identity == *identity)?;
        memory(&mut followed.lines, now)
    }

    /// Every series there is: the tree's first, then those of the processes.
    pub fn all(&mut self, now: Duration) -> Vec<SeriesStatus> {
        self.catch_up();
        let status = |of: Watched, line: &mut Line, whose: Option<&(Identity, String)>| SeriesStatus {
            series: of,
            target: whose.map(|(identity, _)| *identity),
            name: whose.map(|(_, name)| name.clone()),
            value: line.value().unwrap_or_default(),
            judged: line.judged(now),
        };
        let mut of_processes: Vec<SeriesStatus> = Vec::new();
        let mut followed: Vec<&mut Followed> = self.processes.values_mut().collect();
        followed.sort_by_key(|followed| followed.identity);
        for Followed { identity, name, lines, .. } in followed {
            let whose = (*identity, name.to_string());
            let first = of_processes.len();
            of_processes.extend(lines.iter_mut().map(|(of, line)| status(*of, line, Some(&whose))));
            // A class is known when all of them have been judged.
            for status in of_processes.iter_mut().skip(first) {
                status.judged.class = class_in(lines, status.series);
            }
        }
        let mut all: Vec<SeriesStatus> =
            self.tree.iter_mut().map(|(of, line)| status(*of, line, None)).collect();
        for status in &mut all {
            status.judged.class = self.class_in_tree(status.series);
        }
        all.append(&mut of_processes);
        all
    }

    /// Every helper with what is thought of it, and how many of each kind a worker has.
    pub fn helpers(&mut self, look: &Look) -> (Vec<HelperStatus>, Vec<Account>) {
        self.catch_up();
        let is_there = |who: &Identity| look.find(who).is_some_and(|seen| !seen.zombie);
        let processes = &self.processes;
        let judged = |who: &Identity, group| number(processes, who, group);
        let list = self.helpers.list(&self.served, is_there, judged);
        (list, self.helpers.accounts(&self.served, is_there, judged))
    }

    /// What leaks now, or leaked when it ended: one finding for each series. What was found is forgotten.
    pub fn findings(&mut self) -> Vec<EventKind> {
        let mut found = std::mem::take(&mut self.found);
        for followed in self.processes.values_mut() {
            found.extend(leaks_of(followed));
        }
        let is_memory =
            |event: &EventKind| matches!(event, EventKind::LeakFound { series: Watched::Memory, .. });
        let explained = found.iter().any(is_memory);
        let tree = self.tree.iter_mut().filter(|(of, _)| *of != Watched::Memory || !explained);
        found.extend(tree.filter_map(|(of, line)| finding(*of, line, None)));
        found.truncate(MOST_FOUND);
        found
    }

    pub(super) fn tree_memory(&mut self, now: Duration) -> Option<Standing> {
        let standing = memory(&mut self.tree, now)?;
        Some(Standing { class: Some(self.class_in_tree(Watched::Memory)), ..standing })
    }
}

/// What of a process leaks.
pub(super) fn leaks_of(followed: &mut Followed) -> Vec<EventKind> {
    let whose = (followed.identity, followed.name.to_string());
    followed.lines.iter_mut().filter_map(|(of, line)| finding(*of, line, Some(&whose))).collect()
}

/// What of a tree leaks beside its memory, which one of its processes holds.
pub(super) fn leaks_of_tree(lines: &mut [(Watched, Line)]) -> Vec<EventKind> {
    let counts = lines.iter_mut().filter(|(of, _)| *of != Watched::Memory);
    counts.filter_map(|(of, line)| finding(*of, line, None)).collect()
}

fn finding(of: Watched, line: &mut Line, whose: Option<&(Identity, String)>) -> Option<EventKind> {
    line.conclude();
    if !line.leaks() {
        return None;
    }
    let value = line.value().unwrap_or_default();
    let assessment = line.assessment();
    Some(EventKind::LeakFound {
        series: of,
        target: whose.map(|(identity, _)| *identity),
        name: whose.map(|(_, name)| name.clone()),
        value,
        confidence: assessment.confidence,
        slope_per_hour: assessment.slope.map(|slope| slope.per_hour.round()),
        reasons: assessment.reasons.clone(),
    })
}

fn memory(lines: &mut [(Watched, Line)], now: Duration) -> Option<Standing> {
    let line = lines.iter_mut().find(|(of, _)| *of == Watched::Memory).map(|(_, line)| line)?;
    let judged = line.judged(now);
    Some(Standing::of_memory(Judged { class: class_in(lines, Watched::Memory), ..judged }))
}

/// How bad it is. Of several that are as bad, memory, which has figures that a unit shows, and the one whose limit is
/// next. A series that is too young to be judged says nothing about the unit.
fn weight(status: &SeriesStatus) -> (Verdict, bool, bool, Reverse<u64>) {
    let Judged { verdict, urgent, time_to_limit_seconds, .. } = status.judged;
    let verdict = if verdict == Verdict::Unknown { Verdict::Stable } else { verdict };
    let left = time_to_limit_seconds.unwrap_or(u64::MAX);
    (verdict, urgent, status.series == Watched::Memory, Reverse(left))
}
