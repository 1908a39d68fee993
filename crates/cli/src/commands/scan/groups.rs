//! Many processes of one kind as one row: how many, how large, how old, and why.

use std::collections::HashMap;
use std::time::Duration;

use scupper_model::Bytes;
use scupper_orphan::{Certainty, EvidenceKind, HeldIdle, LeftBehind, Shown};

/// Pids that a row names.
const FEW: usize = 6;

/// Processes that are shown together.
#[derive(Debug)]
pub(super) struct Group<'f> {
    /// What they are.
    pub what: &'f str,
    /// How certain it is, of those that were left behind.
    pub certainty: Option<Certainty>,
    /// How many.
    pub count: usize,
    /// Memory of those that it is known of.
    pub rss: Bytes,
    /// Whether it is not known of all.
    pub rss_is_partial: bool,
    /// Processor time of all together.
    pub cpu: Duration,
    /// The oldest of them.
    pub age: Duration,
    /// Why, of the one that says most.
    pub why: &'f str,
    /// Who they are, the topmost first.
    pub pids: Vec<i32>,
    rank: Rank,
    roots: usize,
}

/// What says most is said: of a root rather than of what hangs below it, and the strongest first.
type Rank = (bool, Option<EvidenceKind>);

impl Group<'_> {
    fn add(&mut self, process: &Shown) {
        self.count += 1;
        match process.rss {
            Some(rss) => self.rss = Bytes(self.rss.0.saturating_add(rss.0)),
            None => self.rss_is_partial = true,
        }
        self.cpu = self.cpu.saturating_add(process.cpu);
        self.age = self.age.max(process.age);
        self.pids.push(process.identity.pid.get());
    }

    /// `at least` where it is not known of all.
    pub(super) fn memory(&self) -> String {
        match (self.rss_is_partial, self.rss) {
            (true, Bytes(0)) => "unknown".to_owned(),
            (true, rss) => format!(">= {rss}"),
            (false, rss) => rss.to_string(),
        }
    }

    /// The first of them.
    pub(super) fn few(&self) -> String {
        let shown: Vec<String> = self.pids.iter().take(FEW).map(ToString::to_string).collect();
        let more = if self.pids.len() > FEW { " ..." } else { "" };
        format!("{}{more}", shown.join(" "))
    }
}

/// Those that were left behind, by what they are and how certain that is; the largest first.
pub(super) fn left_behind(found: &[LeftBehind]) -> Vec<Group<'_>> {
    let each = found.iter().map(|left| {
        let why = left.evidence.first();
        let is_below = left.process.identity.pid != left.root;
        let rank = (is_below, why.map(|why| why.kind));
        let text = why.map_or("", |why| why.text.as_str());
        (left.group.as_str(), Some(left.certainty), text, rank, &left.process)
    });
    grouped(each)
}

/// Those that are held, by what they are and why they count as idle.
pub(super) fn held(found: &[HeldIdle]) -> Vec<Group<'_>> {
    grouped(
        found
            .iter()
            .map(|held| (held.group.as_str(), None, held.reason.as_str(), (false, None), &held.process)),
    )
}

fn grouped<'f>(
    each: impl Iterator<Item = (&'f str, Option<Certainty>, &'f str, Rank, &'f Shown)>,
) -> Vec<Group<'f>> {
    let mut places: HashMap<(&str, Option<Certainty>), usize> = HashMap::new();
    let mut groups: Vec<Group<'f>> = Vec::new();
    for (what, certainty, why, rank, process) in each {
        let place = *places.entry((what, certainty)).or_insert_with(|| {
            groups.push(Group {
                what,
                certainty,
                count: 0,
                rss: Bytes(0),
                rss_is_partial: false,
                cpu: Duration::ZERO,
                age: Duration::ZERO,
                why,
                pids: Vec::new(),
                rank,
                roots: 0,
            });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(place) else { continue };
        if rank < group.rank {
            (group.rank, group.why) = (rank, why);
        }
        group.add(process);
        if !rank.0
            && let Some(last) = group.pids.pop()
        {
            // Roots first: they are what a person would ask about.
            let roots = group.pids.len().min(group.roots);
            group.pids.insert(roots, last);
            group.roots += 1;
        }
    }
    groups.sort_by(|a, b| b.certainty.cmp(&a.certainty).then(b.rss.cmp(&a.rss)).then(a.what.cmp(b.what)));
    groups
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Identity, Pid, StartTime};
    use scupper_orphan::{Class, Evidence};

    use super::*;

    fn shown(pid: i32, rss: Option<u64>) -> Shown {
        Shown {
            identity: Identity {
                pid: Pid::new(pid).unwrap(),
                start_time: StartTime(1),
                boot_id: BootId::NOWHERE,
            },
            parent: None,
            name: "x".into(),
            command: "x".into(),
            uid: Some(1),
            rss: rss.map(Bytes),
            cpu: Duration::from_secs(1),
            age: Duration::from_secs(u64::from(pid.unsigned_abs())),
            class: Class::Other,
        }
    }

    fn left(pid: i32, root: i32, group: &str, rss: Option<u64>, kind: EvidenceKind) -> LeftBehind {
        LeftBehind {
            process: shown(pid, rss),
            root: Pid::new(root).unwrap(),
            group: group.into(),
            certainty: Certainty::Likely,
            evidence: vec![Evidence { kind, text: format!("{kind:?}") }],
            unit: None,
        }
    }

    #[test]
    fn a_group_is_shown_by_its_roots_and_the_largest_comes_first() {
        let found = [
            left(4, 3, "chrome", Some(5), EvidenceKind::Ancestry),
            left(3, 3, "chrome", Some(7), EvidenceKind::StdinGone),
            left(9, 9, "node", Some(100), EvidenceKind::Reparented),
            left(2, 2, "chrome", None, EvidenceKind::Reparented),
        ];
        let groups = left_behind(&found);
        let [node, chrome] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((node.what, node.memory()), ("node", "100 B".to_owned()));
        assert_eq!((chrome.count, chrome.memory(), chrome.why), (3, ">= 12 B".to_owned(), "StdinGone"));
        assert_eq!((chrome.few(), chrome.age.as_secs()), ("3 2 4".to_owned(), 4));
    }

    #[test]
    fn what_is_certain_comes_first() {
        let mut found =
            [left(1, 1, "a", Some(9), EvidenceKind::StdinGone), left(2, 2, "a", Some(1), EvidenceKind::Mark)];
        found[1].certainty = Certainty::Certain;
        let groups = left_behind(&found);
        assert_eq!(groups.iter().map(Group::few).collect::<Vec<_>>(), ["2", "1"]);
    }
}
