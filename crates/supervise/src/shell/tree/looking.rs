//! Looks at a tree: what each member weighs, what it is by now, and the sums.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Bytes, Pid, TreeSample};
use scupper_probe::{Detail, Proc};

use super::{Member, Tree};
use crate::shell::clock;
use crate::unit::{Look, SETTLED, Seen};

impl Tree {
    /// Weighs every member, in the order of the members. One that has become another program since is called by its name
    /// from here on: what is read at each look anyway tells of it.
    fn weigh(&mut self, proc: &Proc, detail: Option<Detail>, now: Duration) -> Vec<Option<Bytes>> {
        let mut changed = false;
        let weights = self
            .order
            .iter()
            .map(|pid| {
                let (rss, another) = look_at(self.members.get_mut(pid)?, proc, detail, now);
                changed |= another;
                rss
            })
            .collect();
        if changed {
            self.executed = true;
            self.assign_roles();
        }
        weights
    }

    /// Looks at every member: memory always, the rest as `detail` says.
    pub fn look(&mut self, proc: &Proc, detail: Option<Detail>, now: Duration) -> Look {
        let since_boot = clock::since_boot();
        let mut look = Look { whole: detail.is_some(), ..Look::default() };
        let mut sums = TreeSample::default();
        let mut doubtful = false;
        let weights = self.weigh(proc, detail, now);
        for (pid, rss) in self.order.iter().zip(weights) {
            let Some(member) = self.members.get_mut(pid) else { continue };
            if member.zombie {
                sums.zombies += 1;
            } else {
                sums.processes += 1;
            }
            // Gone, or a zombie: the next look finds out by a walk.
            doubtful |= !member.zombie && rss.is_none_or(|rss| rss.0 == 0);
            if !member.zombie {
                sums.rss_bytes.add(rss.map(|b| b.0));
            }
            let started = ticks(member.identity.start_time.0, self.ticks);
            let age = since_boot.saturating_sub(started).max(now.saturating_sub(member.start));
            let became_at = member.became_at(now, age);
            if let Some(rss) = rss {
                member.history.push(now, rss, age.saturating_sub(became_at) >= SETTLED);
            }
            // A zombie holds nothing any more, whatever was last read of it.
            if let Some(sample) = member.sample.as_ref().filter(|_| !member.zombie) {
                sums.rss_anon_bytes.add(sample.rss_anon_bytes.map(|b| b.0));
                sums.swap_bytes.add(sample.swap_bytes.map(|b| b.0));
                sums.fds.add(sample.fds);
                sums.sockets.add(sample.sockets);
                sums.threads.add(sample.threads);
                sums.cpu_micros.add(sample.cpu.map(|cpu| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX)));
            }
            look.processes.push(seen(member, rss, (age, became_at), detail));
        }
        if doubtful {
            self.next_walk = Duration::ZERO;
        }
        count_children(&mut look.processes);
        look.size = Bytes(sums.rss_bytes.known);
        look.tree = sums;
        look
    }
}

/// Weighs a member. Whether it is seen to be another program than before; where that is told by its memory alone, its name
/// has to be read.
fn look_at(member: &mut Member, proc: &Proc, detail: Option<Detail>, now: Duration) -> (Option<Bytes>, bool) {
    const NOTHING: (Option<Bytes>, bool) = (None, false);
    if member.zombie {
        return NOTHING;
    }
    let pid = member.identity.pid;
    let opened;
    let process = if let Some(process) = &member.process {
        process
    } else {
        let found = proc.process(pid).ok().flatten().filter(|p| p.identity() == member.identity);
        let Some(found) = found else { return NOTHING };
        opened = found;
        &opened
    };
    // While a process ends, or lives on without its main thread, its memory is shown as 0: that is not what it weighs.
    let is_real = |bytes: &Bytes| bytes.0 > 0;
    if let Some(detail) = detail {
        let stat = proc.stat(pid).ok().flatten();
        member.sample = stat.as_ref().and_then(|stat| process.sample_of(stat, proc, detail).ok().flatten());
        let (Some(sample), Some(stat)) = (member.sample.as_mut(), stat) else { return NOTHING };
        sample.rss_bytes = sample.rss_bytes.filter(is_real);
        let rss = sample.rss_bytes;
        let another = !stat.is_zombie() && member.learn(proc, stat.name, stat.image, false, now);
        return (rss, another);
    }
    let Some(weight) = process.weigh().ok().flatten() else { return NOTHING };
    if !is_real(&weight.rss) {
        let sample = process.sample(proc, Detail::default()).ok().flatten();
        return (sample.and_then(|sample| sample.rss_bytes).filter(is_real), false);
    }
    let executed = member.code.zip(weight.code).is_some_and(|(before, now)| before != now);
    let mut another = false;
    if executed && let Some(stat) = proc.stat(pid).ok().flatten() {
        another = stat.identity(proc.boot_id()) == member.identity
            && member.learn(proc, stat.name, stat.image, true, now);
    }
    member.code = weight.code.or(member.code);
    (Some(weight.rss), another)
}

fn seen(
    member: &Member,
    rss: Option<Bytes>,
    (age, became_at): (Duration, Duration),
    detail: Option<Detail>,
) -> Seen {
    let sample = member.sample.as_ref();
    Seen {
        identity: member.identity,
        parent: member.parent,
        role: member.role,
        name: Arc::clone(&member.shown.0),
        program: Arc::clone(&member.shown.1),
        age,
        became_at,
        changes: member.changes,
        spared: member.spared,
        zombie: member.zombie,
        rss,
        // Before it settled nobody is blamed for having grown.
        growth: member.history.growth().unwrap_or(0),
        slope: member.history.slope(),
        cpu: sample.filter(|_| detail.is_some()).and_then(|s| s.cpu),
        leak: None,
        counts: [
            sample.and_then(|s| s.fds),
            sample.and_then(|s| s.threads),
            Some(0),
            sample.and_then(|s| s.sockets),
        ],
        connections: None,
        kind: None,
    }
}

fn count_children(processes: &mut [Seen]) {
    let mut counts: HashMap<Pid, u64> = HashMap::new();
    for parent in processes.iter().filter(|p| !p.zombie).filter_map(|p| p.parent) {
        *counts.entry(parent).or_insert(0) += 1;
    }
    for process in processes {
        process.counts[2] = Some(counts.get(&process.identity.pid).copied().unwrap_or(0));
    }
}

fn ticks(count: u64, per_second: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(1000) / per_second)
}
