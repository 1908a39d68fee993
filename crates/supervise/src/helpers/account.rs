//! The account of a unit's helpers: each of them, and how many of each kind every worker has.

use std::collections::{BTreeMap, HashMap};

use scupper_detect::Verdict;
use scupper_model::{Bytes, EventKind, Identity, Total};
use serde::{Deserialize, Serialize};

use super::outlives::{Case, Outlives};
use super::{Group, Helper, Helpers, Kind, Moment, Request};

/// Helpers that are listed one by one.
const MOST_LISTED: usize = 200;
/// Helpers of one life of a unit that are told of, one event each; the rest is told by their number.
const MOST_TOLD: u32 = 20;

/// One helper with everything below it that is no helper of its own: a browser with its renderers is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HelperStatus {
    /// Its first process.
    pub target: Identity,
    /// The name of that.
    pub name: String,
    /// What it is; `None` before that is known.
    pub kind: Option<Group>,
    /// Of a browser, its family.
    pub browser: Option<String>,
    /// The worker or main process that it belongs to; `None` where it could have been one of several.
    pub started_by: Option<Identity>,
    /// Seconds since it started.
    pub age_seconds: f64,
    /// Its living processes.
    pub processes: u32,
    /// Their resident memory: counts what they share once for each.
    pub rss_bytes: Total,
    /// Which request it was started for.
    #[serde(flatten)]
    pub request: Request,
    /// Operations since it was first seen.
    pub operations_since: Option<u64>,
    /// Whether it outlives that request.
    #[serde(flatten)]
    pub outlives: Outlives,
}

/// The helpers of one kind that one worker has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The worker or main process; `None` for those that could be of several.
    pub started_by: Option<Identity>,
    /// The kind; `None` for those that are too young to say.
    pub kind: Option<Group>,
    /// How many.
    pub helpers: u32,
    /// Their processes.
    pub processes: u32,
    /// Their resident memory: counts what they share once for each.
    pub rss_bytes: Total,
    /// How many of them outlive what they were started for, as far as can be said.
    pub outliving: u32,
}

impl Helpers {
    /// Every helper, the oldest first; at most 200. `number` is what is thought of how many a worker has of a kind.
    pub fn list(
        &self,
        served: &Moment,
        is_there: impl Fn(&Identity) -> bool,
        number: impl Fn(&Identity, Group) -> Verdict,
    ) -> Vec<HelperStatus> {
        let mut all = self.all(served, is_there, number);
        all.truncate(MOST_LISTED);
        all
    }

    /// The same by worker and kind.
    pub fn accounts(
        &self,
        served: &Moment,
        is_there: impl Fn(&Identity) -> bool,
        number: impl Fn(&Identity, Group) -> Verdict,
    ) -> Vec<Account> {
        let mut accounts: BTreeMap<(Option<Identity>, Option<Group>), Account> = BTreeMap::new();
        for helper in self.all(served, is_there, number) {
            let HelperStatus { started_by, kind, .. } = helper;
            let account = accounts.entry((started_by, kind)).or_insert(Account {
                started_by,
                kind,
                helpers: 0,
                processes: 0,
                rss_bytes: Total::default(),
                outliving: 0,
            });
            account.helpers += 1;
            account.processes += helper.processes;
            account.rss_bytes.known = account.rss_bytes.known.saturating_add(helper.rss_bytes.known);
            account.rss_bytes.unreadable += helper.rss_bytes.unreadable;
            account.outliving += u32::from(helper.outlives.outlives == Some(true));
        }
        accounts.into_values().collect()
    }

    /// Helpers that are found to outlive what they were started for; each is told of once.
    pub fn news(
        &mut self,
        served: &Moment,
        is_there: impl Fn(&Identity) -> bool,
        number: impl Fn(&Identity, Group) -> Verdict,
    ) -> Vec<EventKind> {
        if self.known.is_empty() || self.told >= MOST_TOLD {
            return Vec::new();
        }
        let mut events = Vec::new();
        for status in self.all(served, is_there, number) {
            let (Some(true), Some(because)) = (status.outlives.outlives, &status.outlives.because) else {
                continue;
            };
            let Some(helper) = self.known.get_mut(&status.target.pid).filter(|helper| !helper.told) else {
                continue;
            };
            helper.told = true;
            self.told += 1;
            events.push(EventKind::HelperOutlives {
                target: status.target,
                name: status.name,
                kind: status.kind.unwrap_or(Group::Other).name().to_owned(),
                started_by: status.started_by,
                processes: status.processes,
                rss_bytes: status.rss_bytes.exact().map(Bytes),
                operations_before: status.request.operations_before,
                operations_seen: status.request.operations_seen,
                lines: status.request.lines,
                because: because.clone(),
            });
            if self.told >= MOST_TOLD {
                break;
            }
        }
        events
    }

    fn all(
        &self,
        served: &Moment,
        is_there: impl Fn(&Identity) -> bool,
        number: impl Fn(&Identity, Group) -> Verdict,
    ) -> Vec<HelperStatus> {
        let mut parts: HashMap<Identity, (u32, Total)> = HashMap::new();
        for helper in self.known.values() {
            let Some(root) = self.root_of(helper) else { continue };
            let (processes, rss) = parts.entry(root).or_default();
            *processes += 1;
            rss.add(helper.rss);
        }
        let mut roots: Vec<&Helper> = self.known.values().filter(|helper| self.is_root(helper)).collect();
        roots.sort_by_key(|helper| (helper.identity.start_time, helper.identity.pid));
        let mut younger: HashMap<(Option<Identity>, Option<Group>, &str), usize> = HashMap::new();
        let mut statuses: Vec<HelperStatus> = Vec::with_capacity(roots.len());
        for helper in roots.into_iter().rev() {
            let group = helper.group();
            let younger = younger.entry((helper.owner, group, &helper.name)).or_default();
            let ofkind = helper.owner.zip(group);
            let newest = ofkind.and_then(|of| self.newest.get(&of));
            let outlives = Outlives::of(&Case {
                owner_is_there: helper.owner.as_ref().map(&is_there),
                age: helper.age,
                request: &helper.request,
                served,
                lives: ofkind.and_then(|of| self.lives.get(&of)).copied().unwrap_or_default(),
                number: ofkind.map_or(Verdict::Unknown, |(owner, group)| number(&owner, group)),
                younger: *younger,
                followed: newest.is_some_and(|newest| *newest != helper.identity),
            });
            *younger += 1;
            let (processes, rss_bytes) = parts.get(&helper.identity).copied().unwrap_or_default();
            statuses.push(HelperStatus {
                target: helper.identity,
                name: helper.name.to_string(),
                kind: group,
                browser: match helper.kind {
                    Some(Kind::Browser(browser) | Kind::BrowserChild(browser)) => Some(browser.to_string()),
                    _ => None,
                },
                started_by: helper.owner,
                age_seconds: helper.age.as_secs_f64(),
                processes,
                rss_bytes,
                operations_since: helper.request.since(served),
                request: helper.request.clone(),
                outlives,
            });
        }
        statuses.reverse();
        statuses
    }
}
