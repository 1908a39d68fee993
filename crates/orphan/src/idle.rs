//! Servers that a living parent holds and does not use. Policy: nobody left them behind, and whoever holds them may
//! want them in a minute. They are listed, and ended only by name.
//!
//! A server over stdio is held where its parent has the other end of both its stdin and its stdout. A shell's pipeline
//! looks alike (`sort | less`), so a parent that is a shell counts for nothing. It is idle when it is old and, with all
//! that it started, has used next to no processor time of its life. That includes its start, so a server has to be old
//! before it can look idle, which is the safe side.

use std::collections::HashMap;
use std::time::Duration;

use scupper_model::{Pid, format_duration};

use crate::ends::OtherEnd;
use crate::finding::{Class, HeldIdle};
use crate::lineage::Parenthood;
use crate::scene::Scene;
use crate::verdict::{Opinion, never_touched};
use crate::wording::short_name;

/// The share of its life that an idle tree has used a processor for at most: 2 in 1,000.
const IDLE_PERMILLE: u128 = 2;

/// Every server that is held and not used.
pub(crate) fn held_idle(scene: &Scene<'_>, opinions: &[Opinion]) -> Vec<HeldIdle> {
    let candidates = (0..opinions.len()).filter(|&index| opinions[index] == Opinion::Ordinary);
    let mut found: Vec<HeldIdle> = candidates.filter_map(|index| of_one(scene, index)).collect();
    let mut alike: HashMap<(Pid, String), usize> = HashMap::new();
    for one in &found {
        *alike.entry((one.holder.0, one.group.clone())).or_default() += 1;
    }
    for one in &mut found {
        let count = alike.get(&(one.holder.0, one.group.clone())).copied().unwrap_or(1);
        if count > 1 {
            one.reason = format!("{}; {count} of them are held by the same process", one.reason);
        }
    }
    found
}

fn of_one(scene: &Scene<'_>, index: usize) -> Option<HeldIdle> {
    let process = scene.process(index);
    if !scene.is_asked_about(index) || process.age < scene.settings.idle_after {
        return None;
    }
    let started = *scene.lineage.parenthood(index) == Parenthood::Lives;
    let holder = scene.lineage.parent(index).filter(|_| started)?;
    let outside = |other: usize| !scene.lineage.is_within(other, index);
    let stdin = scene.ends.other_end(index, 0, &outside);
    // Most processes end here, before anything is made of their names.
    if stdin != OtherEnd::Held(holder) && !matches!(stdin, OtherEnd::Gone(_))
        || scene.kind(holder).class == Class::Shell
    {
        return None;
    }
    let stdout = scene.ends.other_end(index, 1, &outside);
    let kind = scene.kind(index);
    let speaks = stdin == OtherEnd::Held(holder) && stdout == OtherEnd::Held(holder);
    let is_server = matches!(kind.class, Class::McpServer | Class::Browser | Class::LanguageServer);
    let abandoned = matches!(stdin, OtherEnd::Gone(_)) && (is_server || stdout == OtherEnd::Held(holder));
    let held = stdin == OtherEnd::Held(holder) && (speaks || is_server);
    if !(abandoned || held) {
        return None;
    }
    let tree = scene.lineage.tree(index);
    let cpu = tree.iter().fold(Duration::ZERO, |sum, &member| sum.saturating_add(scene.process(member).cpu));
    if cpu.as_nanos().saturating_mul(1000) > process.age.as_nanos().saturating_mul(IDLE_PERMILLE)
        || never_touched(scene, index).is_some()
        || !scene.ends.users(tree, &outside).is_empty()
    {
        return None;
    }
    let parent = scene.process(holder);
    let name = short_name(parent);
    let used = format!(
        "{} of processor time in {}",
        format_duration(Duration::from_millis(u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX))),
        format_duration(Duration::from_secs(process.age.as_secs()))
    );
    let reason = if abandoned {
        format!("its client {name} closed its stdin and did not end it; {used}")
    } else {
        format!("{name} holds its stdin and does not use it: {used}")
    };
    let (process, group) = scene.shown(index);
    let below = tree[1..].iter().filter(|&&member| never_touched(scene, member).is_none());
    let below = below.map(|&member| scene.shown(member).0).collect();
    Some(HeldIdle { process, group, holder: (parent.identity.pid, name), reason, below })
}
