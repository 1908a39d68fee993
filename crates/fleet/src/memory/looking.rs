//! What can be seen.

use std::time::Duration;

use super::Call;
use super::tables::Member;
use crate::{AgentId, AgentView, ClaimView, CoordinatorView, Event, EventId, Page, Phase, Standing, Status};

/// Entries of one page at most.
const PAGE: usize = 1000;

impl Call<'_> {
    pub(super) fn events(&self, after: Option<&EventId>, limit: usize) -> Vec<(EventId, Event)> {
        self.tables.events_after(after, limit)
    }

    pub(super) fn agents(&self, from: Option<&str>, limit: usize) -> Page<AgentView> {
        page(self.tables.members.iter().map(|(id, member)| self.view(id, member)), |v| &v.id, from, limit)
    }

    pub(super) fn agent(&self, id: &AgentId) -> Option<AgentView> {
        self.tables.members.get(id).map(|member| self.view(id, member))
    }

    pub(super) fn claims(&self, from: Option<&str>, limit: usize) -> Page<ClaimView> {
        let claims = self.tables.members.iter().filter_map(|(id, member)| {
            let reaping = member.reaping.as_ref()?;
            Some(ClaimView {
                id: id.clone(),
                fence: reaping.claim.fence,
                coordinator: reaping.by.as_ref().map(|(by, _)| by.clone()),
                reason: reaping.claim.reason,
                until: reaping.until,
            })
        });
        page(claims, |view| &view.id, from, limit)
    }

    fn view(&self, id: &AgentId, member: &Member) -> AgentView {
        let standing = match &member.reaping {
            Some(_) => Standing::Reaping,
            None if member.deadline < self.now => Standing::Expired,
            None => Standing::Active,
        };
        AgentView {
            id: id.clone(),
            epoch: Some(member.epoch),
            standing,
            last_seen: Some(member.last_seen),
            deadline: Some(member.deadline),
            since: Some(member.since),
            process: Some(member.process.clone()),
            coordinator: member.coordinator.clone(),
            directive: member.directive,
            report: member.report.clone(),
            secret: member.secret,
        }
    }

    pub(super) fn status(&self) -> Status {
        let now = self.now;
        let tables = &*self.tables;
        let hold = tables.mass.until.filter(|until| now < *until).zip(tables.held);
        let phase = match (tables.outage.grace(now), hold) {
            (Some(until), _) => Phase::Grace { until },
            (None, Some((until, (dead, members)))) => Phase::Hold { until, dead, members },
            (None, None) => Phase::Open,
        };
        let of = |standing| {
            let all = tables.members.iter().map(|(id, member)| self.view(id, member));
            all.filter(|view| view.standing == standing).count() as u64
        };
        let (active, expired, claims) = (of(Standing::Active), of(Standing::Expired), of(Standing::Reaping));
        let coordinators = tables.coordinators.iter().map(|(id, (host, until))| CoordinatorView {
            id: id.clone(),
            host: host.clone(),
            until: *until,
        });
        Status {
            store: "memory".to_owned(),
            now,
            round_trip: Duration::ZERO,
            phase,
            members: active + expired,
            expired,
            claims,
            coordinators: coordinators.collect(),
            memory: None,
        }
    }
}

/// A part of a list that is sorted by id: it goes on after the last one that was given, whoever came or went since.
fn page<T>(
    all: impl Iterator<Item = T>,
    id: impl Fn(&T) -> &AgentId,
    from: Option<&str>,
    limit: usize,
) -> Page<T> {
    let limit = limit.clamp(1, PAGE);
    let mut entries: Vec<T> =
        all.filter(|entry| from.is_none_or(|from| id(entry).as_str() > from)).take(limit + 1).collect();
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| id(last).to_string());
    Page { entries, next }
}
