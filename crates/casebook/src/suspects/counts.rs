//! What piles up and can be counted: connections, children, threads, descriptors by kind. A series that counts names its cause
//! by itself; descriptors are told apart by what was compared at two times.

use scupper_detect::{Quantity, Verdict, exact};
use scupper_model::{Class, Comparison, Identity, Resource, ResourceChange, ResourceKind, Watched};

use super::compared::{Compared, KINDS, LEAST_PIECES, more, more_of};
use super::facts::{Facts, Outlives};
use super::lead::{Growth, Lead, Leads};
use super::trail::Trail;
use super::{Cause, words};

/// A series that is proven to leak.
const LEAKING: i32 = 60;
/// One that grows.
const GROWING: i32 = 40;
/// One that grew once and does not any more.
const OVER: i32 = 12;
/// A second series of the same cause.
const AGAIN: i32 = 5;
/// Two looks that show what exactly it is.
const COMPARED: i32 = 25;
/// The same where no series was judged.
const COMPARED_ALONE: i32 = 30;
/// It grows with each operation.
const PER_OPERATION: i32 = 8;
/// A limit was crossed by it.
const LIMIT: i32 = 10;
/// A limit was crossed and nothing else is known.
const LIMIT_ALONE: i32 = 28;
/// Helpers that outlive what they were started for.
const OUTLIVES: i32 = 18;
/// The same where no series was judged.
const OUTLIVES_ALONE: i32 = 35;
/// Most of them were gone at a later look.
const GONE_LATER: i32 = 12;
/// Of the descriptors that came this share has to be of a kind to be called so, in percent.
const MOST_OF: u64 = 60;

/// Suspects what is counted.
pub(super) fn suspect(facts: &Facts, leads: &mut Leads) {
    for trail in facts.trails.iter().filter(|trail| trail.series != Watched::Memory && trail.grew()) {
        by_series(facts, trail, leads);
    }
    for compared in &facts.compared {
        by_comparison(facts, compared, leads);
    }
    by_limits(facts, leads);
    by_helpers(facts, leads);
}

fn by_series(facts: &Facts, trail: &Trail, leads: &mut Leads) {
    let whose = facts.whose(trail.target, &trail.life);
    let cause = cause_of(facts, trail, whose);
    let of = facts.name_of(whose, trail.name.as_deref());
    let lead = leads.of(cause, &of);
    lead.add_process(whose, &of);
    let judged = &trail.judged;
    let text = trail.told();
    if trail.last() < Verdict::Growing {
        lead.speaks_again(OVER, &trail.source, text);
        lead.speaks_against(0, trail.last_reasons().1, format!("it is {} since", trail.last()));
    } else {
        let worth = if judged.verdict == Verdict::Leaking { LEAKING } else { GROWING };
        if lead.verdict < judged.verdict {
            // The worst of them counts, once.
            let before = if lead.verdict >= Verdict::Growing { GROWING } else { 0 };
            lead.speaks_for(worth - before, &trail.source, text);
        } else {
            lead.speaks_again(AGAIN, &trail.source, text);
        }
        lead.verdict = lead.verdict.max(judged.verdict);
    }
    lead.was_calm_later(facts, trail);
    let per_operation = judged.per_operation.map(|rate| rate.slope);
    if let Some(rate) = judged.per_operation {
        let text = format!(
            "{} with each operation, over {} operations",
            words::signed(Quantity::Count, rate.slope),
            rate.operations
        );
        lead.speaks_again(PER_OPERATION, &trail.source, text);
    }
    lead.add_growth(
        facts.part(whose, &trail.life),
        Growth {
            grown: None,
            at_least: false,
            per_hour: judged.slope_per_hour,
            per_operation,
            time_to_limit_seconds: judged.time_to_limit_seconds,
        },
    );
}

/// The cause of a series: by itself, or for descriptors by what was compared.
fn cause_of(facts: &Facts, trail: &Trail, whose: Option<Identity>) -> Cause {
    match trail.series {
        Watched::Threads => Cause::Threads,
        Watched::Children | Watched::Zombies | Watched::Browsers | Watched::StdioChildren => Cause::ChildTree,
        Watched::Sockets | Watched::CloseWait | Watched::FinWait2 => Cause::Sockets,
        Watched::Memory => Cause::RetainedHeap,
        Watched::Descriptors => {
            let mut compared = facts.compared.iter().rev().filter(|compared| {
                let (who, life) = compared.whose();
                life.run == trail.life.run && whose.is_none_or(|whose| whose == who)
            });
            match compared.next().and_then(|compared| kind_of_descriptors(&compared.pieces().comparison)) {
                Some(cause) => cause,
                None if trail.judged.class == Class::Sockets => Cause::Sockets,
                None => Cause::Descriptors,
            }
        }
    }
}

/// What most of the descriptors are that came between two looks.
fn kind_of_descriptors(comparison: &Comparison) -> Option<Cause> {
    const KINDS: [ResourceKind; 5] = [
        ResourceKind::Socket,
        ResourceKind::DeletedFile,
        ResourceKind::Pipe,
        ResourceKind::File,
        ResourceKind::Kernel,
    ];
    let of = |kind| more(comparison, kind);
    let all = more_of(comparison, &KINDS);
    KINDS
        .into_iter()
        .find(|kind| all > 0 && of(*kind).saturating_mul(100) >= all.saturating_mul(MOST_OF))
        .and_then(cause_of_kind)
}

const fn cause_of_kind(kind: ResourceKind) -> Option<Cause> {
    match kind {
        ResourceKind::Socket => Some(Cause::Sockets),
        ResourceKind::DeletedFile => Some(Cause::DeletedFiles),
        ResourceKind::Pipe => Some(Cause::Pipes),
        ResourceKind::File | ResourceKind::Kernel => Some(Cause::Descriptors),
        ResourceKind::Thread => Some(Cause::Threads),
        ResourceKind::Child | ResourceKind::Zombie => Some(Cause::ChildTree),
        // Watches cost memory of the kernel, and are no descriptors.
        ResourceKind::InotifyWatch => None,
    }
}

fn by_comparison(facts: &Facts, compared: &Compared, leads: &mut Leads) {
    let look = compared.pieces();
    let (comparison, source) = (&look.comparison, &look.source);
    let of = facts.name_of(Some(comparison.target), Some(&comparison.name));
    for kind in KINDS {
        let Some(cause) = cause_of_kind(kind) else { continue };
        let grown = more(comparison, kind);
        if grown < LEAST_PIECES {
            continue;
        }
        let mut changes: Vec<&ResourceChange> = comparison
            .resources
            .iter()
            .filter(|change| change.kind == kind && change.after > change.before)
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.after - change.before));
        let Some(largest) = changes.first() else { continue };
        // A helper's own threads and sockets are its business: it is judged by its series alone.
        let tree =
            leads.0.iter().position(|lead| lead.cause == cause && lead.of.is_empty() && lead.points > 0);
        let of = if tree.is_some() { "" } else { of.as_str() };
        let known =
            leads.0.iter().any(|lead| lead.cause == cause && lead.of == words::shown(of) && lead.points > 0);
        if comparison.role == "helper" && !known {
            continue;
        }
        let lead = leads.of(cause, of);
        lead.add_process(Some(comparison.target), &comparison.name);
        let plus = largest.after - largest.before;
        let bytes = largest.bytes.map_or_else(String::new, |bytes| {
            format!(", {} in all", words::amount(Quantity::Bytes, exact(bytes)))
        });
        let what = words::sentence(&largest.what);
        let text = format!(
            "{} more of `{what}` in {}{bytes}{}",
            words::signed(Quantity::Count, exact(plus)),
            words::span(exact(comparison.after_ms) / 1000.0),
            if plus < grown {
                format!("; {} of all its kinds together", words::signed(Quantity::Count, exact(grown)))
            } else {
                String::new()
            },
        );
        let named = lead.what.is_some();
        if known && !named {
            lead.speaks_for(COMPARED, source, text);
        } else if known {
            lead.speaks_again(AGAIN, source, text);
        } else {
            lead.speaks_for(COMPARED_ALONE, source, text);
            lead.unknown.push(
                "whether it goes on: it was seen at two moments, and no series of it was judged".to_owned(),
            );
        }
        lead.what.get_or_insert(what);
        let per_operation =
            comparison.operations.filter(|done| *done > 0).map(|done| exact(grown) / exact(done));
        let growth = Growth { grown: Some(exact(grown)), at_least: true, per_operation, ..Growth::default() };
        lead.add_growth(facts.part(Some(comparison.target), &look.life), growth);
        if let Some((later, left)) = compared.fewer_later(kind) {
            let text =
                format!("at a later look there were {} of them", words::signed(Quantity::Count, exact(left)));
            lead.speaks_against(GONE_LATER, &later.source, text);
        }
    }
}

fn by_limits(facts: &Facts, leads: &mut Leads) {
    for crossed in &facts.crossed {
        let cause = match crossed.resource {
            Resource::Memory => continue,
            Resource::Descriptors => Cause::Descriptors,
            Resource::Threads => Cause::Threads,
            Resource::Children => Cause::ChildTree,
            Resource::Sockets => Cause::Sockets,
        };
        let text =
            format!("{} crossed their limit: {} of {}", crossed.resource, crossed.value, crossed.limit);
        let whose = facts.whose(crossed.culprit, &crossed.life);
        let of = facts.name_of(whose, crossed.culprit_name.as_deref());
        // Descriptors are of some kind, where that is known; what the tree counts is whoever's.
        let fits = |lead: &&mut Lead| {
            let descriptors = matches!(lead.cause, Cause::Sockets | Cause::DeletedFiles | Cause::Pipes);
            (lead.cause == cause || cause == Cause::Descriptors && descriptors)
                && (lead.of == of || lead.of.is_empty() || of.is_empty())
        };
        if let Some(lead) = leads.0.iter_mut().filter(fits).max_by_key(|lead| lead.points) {
            lead.speaks_again(LIMIT, &crossed.source, text);
            continue;
        }
        let lead = leads.of(cause, &of);
        lead.add_process(whose, &of);
        lead.speaks_for(LIMIT_ALONE, &crossed.source, text);
        lead.unknown.push("whether it grows without end: its series was not judged".to_owned());
    }
}

fn by_helpers(facts: &Facts, leads: &mut Leads) {
    let Some(first) = facts.outlives.first() else { return };
    let count = facts.outlives.len();
    let of = first.started_by.map_or_else(String::new, |who| facts.name_of(Some(who), None));
    let at = leads.0.iter().position(|lead| lead.cause == Cause::ChildTree && lead.points > 0);
    let known = at.is_some();
    let lead = match at {
        Some(at) => &mut leads.0[at],
        None => leads.of(Cause::ChildTree, &of),
    };
    for who in facts.outlives.iter().filter_map(|helper| helper.started_by) {
        lead.add_process(Some(who), &facts.name_of(Some(who), None));
    }
    let several = if count > 1 {
        format!("{count} helpers outlive what they were started for")
    } else {
        "a helper outlives what it was started for".to_owned()
    };
    let text = format!(
        "{several}, the first a {} `{}`{}: {}",
        words::shown(&first.kind),
        words::shown(&first.name),
        memory_of(&facts.outlives),
        words::sentence(&first.because)
    );
    lead.speaks_for(if known { OUTLIVES } else { OUTLIVES_ALONE }, &first.source, text);
    // The name of the helper says more than the command lines of its processes.
    lead.what = Some(words::shown(&first.name));
}

/// What helpers hold together, as far as it was read.
fn memory_of(helpers: &[Outlives]) -> String {
    let known: Vec<u64> = helpers.iter().filter_map(|helper| helper.rss).collect();
    let sum = known.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let sum = words::amount(Quantity::Bytes, exact(sum));
    match (known.len(), helpers.len()) {
        (0, _) => "; their memory was not read".to_owned(),
        (known, all) if known == all => format!(", {sum} together"),
        (known, all) => format!(", {sum} in {known} of them; the memory of {} was not read", all - known),
    }
}
