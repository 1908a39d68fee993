//! Suspects beside each other: one that is counted explains memory as far as each piece can be so large, processes that pile
//! up explain what their tree counts, and where nobody is left it is said what is known of that.

use scupper_detect::{Quantity, Verdict, exact};
use scupper_model::{SoakOutcome, Watched};

use super::facts::Facts;
use super::lead::{Lead, Leads};
use super::trail::{Source, Trail};
use super::{Cause, words};

/// What is explained by another suspect loses so much.
const EXPLAINED: i32 = 34;
/// A tree's numbers are explained by the processes that pile up in it.
const BY_CHILDREN: i32 = 45;
/// Memory beside something that is counted, where nobody knows how large a piece is.
const BESIDE: i32 = 14;
/// So much memory for each piece is too much for it.
const TOO_LARGE: i32 = 6;
/// A helper that is talked to over pipes has three of them.
const PIPES_OF_A_CHILD: f64 = 3.5;

/// What one piece takes of its process's memory, at most.
const fn most_bytes(cause: Cause) -> f64 {
    const KIB: f64 = 1024.0;
    match cause {
        // A stack as far as it was touched, and what the thread keeps on it.
        Cause::Threads => 1024.0 * KIB,
        // Buffers of both directions and a session of TLS; a record and the buffers of its pipes.
        Cause::Sockets | Cause::ChildTree => 256.0 * KIB,
        _ => 128.0 * KIB,
    }
}

/// Weighs them against each other.
pub(super) fn weigh(facts: &Facts, leads: &mut Leads) {
    one_of_each_cause(leads);
    by_children(leads);
    same_descriptors(leads);
    memory_beside_what_is_counted(facts, leads);
    plateau_beside_a_leak(leads);
}

fn source_of(lead: &Lead) -> Source {
    let first = lead.for_.iter().max_by_key(|evidence| evidence.points);
    first.map_or_else(Source::default, |evidence| Source {
        id: evidence.id.clone(),
        at: evidence.at,
        run: None,
    })
}

/// What the tree counts is what its processes count, where one of them is suspected of the same.
fn one_of_each_cause(leads: &mut Leads) {
    let whole = |lead: &Lead| lead.of.is_empty() && lead.cause.is_leak();
    while let Some(at) = leads.0.iter().position(|lead| {
        whole(lead)
            && leads.0.iter().any(|other| other.cause == lead.cause && !whole(other) && other.points > 0)
    }) {
        let tree = leads.0.swap_remove(at);
        let named = leads.0.iter_mut().filter(|lead| lead.cause == tree.cause && !whole(lead));
        if let Some(named) = named.max_by_key(|lead| lead.points) {
            named.absorb(tree);
        }
    }
}

/// Helpers bring descriptors, threads and memory: what the tree counts of those is theirs.
fn by_children(leads: &mut Leads) {
    let children = leads.0.iter().filter(|lead| lead.cause == Cause::ChildTree && lead.points >= 35);
    let Some(best) = children.max_by_key(|lead| lead.points) else { return };
    let (source, rate) = (source_of(best), best.growth().per_hour);
    for lead in &mut leads.0 {
        match lead.cause {
            Cause::ChildTree | Cause::NotALeak | Cause::Unknown => {}
            Cause::Pipes => {
                let pipes = lead.growth().per_hour;
                let theirs =
                    matches!((rate, pipes), (Some(rate), Some(pipes)) if pipes <= PIPES_OF_A_CHILD * rate);
                if theirs || lead.of.is_empty() {
                    let text = "each process that is left brings up to three pipes".to_owned();
                    lead.speaks_against(EXPLAINED, &source, text);
                }
            }
            _ if lead.of.is_empty() => {
                let text = "counted over the whole tree, whose processes pile up and may bring it".to_owned();
                lead.speaks_against(BY_CHILDREN, &source, text);
            }
            _ => {}
        }
    }
}

/// Descriptors of unknown kind beside some whose kind is known are the same ones.
fn same_descriptors(leads: &mut Leads) {
    let named = |lead: &&Lead| {
        matches!(lead.cause, Cause::Sockets | Cause::DeletedFiles | Cause::Pipes) && lead.points >= 40
    };
    let known: Vec<(String, Cause, Source)> =
        leads.0.iter().filter(named).map(|lead| (lead.of.clone(), lead.cause, source_of(lead))).collect();
    for lead in leads.0.iter_mut().filter(|lead| lead.cause == Cause::Descriptors) {
        if let Some((_, cause, source)) = known.iter().find(|(of, ..)| *of == lead.of) {
            let text = format!("each of them is a descriptor as well: {}", cause.title());
            lead.speaks_against(EXPLAINED, source, text);
        }
    }
}

fn memory_beside_what_is_counted(facts: &Facts, leads: &mut Leads) {
    let counted: Vec<usize> = (0..leads.0.len())
        .filter(|at| {
            leads.0[*at].cause.is_counted()
                && leads.0[*at].verdict >= Verdict::Growing
                && leads.0[*at].points >= 30
        })
        .collect();
    let memory: Vec<usize> = (0..leads.0.len())
        .filter(|at| leads.0[*at].cause == Cause::RetainedHeap && leads.0[*at].points > 0)
        .collect();
    for at in memory {
        let (of, bytes, source) = {
            let lead = &leads.0[at];
            (lead.of.clone(), lead.growth().per_hour, source_of(lead))
        };
        let mut explained = 0;
        let mut texts = Vec::new();
        for &other in &counted {
            let lead = &leads.0[other];
            // One process of the tree, or the tree that is one process.
            if lead.of != of && !facts.lives.all_alone() {
                continue;
            }
            let (title, pieces) = (lead.cause.title(), lead.growth().per_hour);
            match (bytes, pieces) {
                (Some(bytes), Some(pieces)) if bytes > 0.0 && pieces > 0.0 => {
                    let each = bytes / pieces;
                    let size = words::amount(Quantity::Bytes, each);
                    if each <= most_bytes(lead.cause) {
                        explained = explained.max(EXPLAINED);
                        texts.push((
                            source_of(lead),
                            format!("it may come with {title}: {size} of memory for each"),
                        ));
                    } else {
                        let text = format!(
                            "memory grows by {size} for each, more than one of them should take: it may have another cause as well"
                        );
                        leads.0[other].speaks_against(TOO_LARGE, &source, text);
                    }
                }
                _ => {
                    explained = explained.max(BESIDE);
                    texts.push((
                        source_of(lead),
                        format!("it grows beside it, and may be the cause: {title}"),
                    ));
                }
            }
        }
        for (number, (source, text)) in texts.into_iter().enumerate() {
            leads.0[at].speaks_against(if number == 0 { explained } else { 0 }, &source, text);
        }
    }
}

/// What has filled up explains nothing of what goes on growing elsewhere.
fn plateau_beside_a_leak(leads: &mut Leads) {
    let growing = leads.0.iter().filter(|lead| lead.cause.is_leak() && lead.verdict >= Verdict::Growing);
    let Some(leak) = growing.max_by_key(|lead| lead.points) else { return };
    let (source, of, text) =
        (source_of(leak), leak.of.clone(), format!("something else grows on: {}", leak.cause.title()));
    for lead in leads.0.iter_mut().filter(|lead| lead.cause == Cause::CachePlateau) {
        if lead.of != of || leak_is_counted(lead, &source) {
            lead.speaks_against(25, &source, text.clone());
        }
    }
}

/// Whether a plateau rests on nothing that the leak rests on.
fn leak_is_counted(plateau: &Lead, leak: &Source) -> bool {
    plateau.for_.iter().all(|evidence| evidence.id != leak.id)
}

/// What is said where nobody is suspected: that nothing grows, or that too little is known.
pub(super) fn conclusion(facts: &Facts, points: i32) -> Lead {
    let calm = facts
        .trails
        .iter()
        .filter(|trail| matches!(trail.judged.verdict, Verdict::Stable | Verdict::WarmingUp | Verdict::Step));
    let passed = facts.soaks.last().filter(|(soak, ..)| soak.outcome == SoakOutcome::Passed);
    let grew = facts.trails.iter().any(Trail::grew);
    // Memory that nobody could judge is not called calm because something else is; a soak has measured it.
    let memory = facts.trails.iter().filter(|trail| trail.series == Watched::Memory).map(Trail::last);
    let unjudged = passed.is_none() && memory.clone().any(|last| last == Verdict::Unknown);
    if grew || unjudged || (calm.clone().next().is_none() && passed.is_none()) {
        return unknown(facts, grew, unjudged);
    }
    let mut lead = Lead::new(Cause::NotALeak, "");
    if let Some((soak, _, source)) = passed {
        let done = soak.operations.map_or_else(String::new, |done| format!(" over {done} operations"));
        let text = format!("a soak of {}{done} passed", words::span(exact(soak.lasted_ms) / 1000.0));
        lead.speaks_for(15, source, text);
    }
    let mut first = true;
    for trail in calm.take(8) {
        let (reasons, source) = trail.last_reasons();
        let reason =
            reasons.first().map_or_else(String::new, |reason| format!(": {}", words::sentence(&reason.text)));
        let whose = match (&trail.name, &trail.target) {
            (None, None) => String::new(),
            (name, target) => format!(" of {}", words::process(name.as_deref(), target.as_ref())),
        };
        let text = format!("{}{whose}: {}{reason}", words::series(trail.series), trail.last());
        lead.speaks_for(if first { points } else { 0 }, source, text);
        first = false;
    }
    lead.points = lead.points.max(points);
    if memory.count() == 0 && passed.is_none() {
        lead.unknown.push("no verdict on memory was recorded".to_owned());
    }
    for trail in facts.trails.iter().filter(|trail| trail.last() == Verdict::Unknown) {
        lead.unknown.push(format!("{}: too little was seen for a verdict", words::series(trail.series)));
    }
    lead.unknown.push("what comes later than it was watched, and with other work".to_owned());
    lead
}

fn unknown(facts: &Facts, grew: bool, unjudged: bool) -> Lead {
    let mut lead = Lead::new(Cause::Unknown, "");
    let because = if grew {
        "something grew, and it grows no more or is explained by nothing that was watched"
    } else if facts.says_nothing() && facts.trails.is_empty() {
        "no verdict on any series was recorded"
    } else if unjudged {
        "too little was seen for a verdict on memory"
    } else {
        "too little was seen for a verdict"
    };
    lead.unknown.push(because.to_owned());
    for trail in facts.trails.iter().take(4) {
        let (reasons, source) = trail.last_reasons();
        let reason =
            reasons.first().map_or_else(String::new, |reason| format!(": {}", words::sentence(&reason.text)));
        lead.speaks_for(0, source, format!("{} is {}{reason}", words::series(trail.series), trail.last()));
    }
    lead
}
