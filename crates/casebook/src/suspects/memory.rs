//! Memory: where in a process it grows, along what, and whether anything of it is ever given back.
//!
//! What nothing else explains is retained heap. That a cache that is not full yet, or an allocator that keeps what was given
//! back, looks the same for a while stands beside it as a suspect of its own, with what would tell them apart.

use scupper_detect::Verdict;
use scupper_model::{Class, Grows, History, Watched};

use super::facts::Facts;
use super::lead::{Growth, Lead, Leads};
use super::lives::Life;
use super::trail::Trail;
use super::{Cause, curve, ends, place, words};

/// Memory that is proven to leak. Less than for what is counted: it names no cause by itself.
pub(super) const LEAKING: i32 = 52;
/// Memory that grows.
const GROWING: i32 = 34;
/// Memory that grew and does not any more.
const OVER: i32 = 12;
/// What a plateau looks like: it filled and stopped.
const PLATEAU: i32 = 45;
/// That it may be one, as long as it still grows.
const MAY_BE_PLATEAU: i32 = 14;
/// That it may be trapped, as long as nothing was seen of that.
const MAY_BE_TRAPPED: i32 = 12;
/// It grows along work, or while idle: then something makes it grow.
const ALONG: i32 = 6;

/// Suspects memory.
pub(super) fn suspect(facts: &Facts, leads: &mut Leads) {
    let memory = || facts.trails.iter().filter(|trail| trail.series == Watched::Memory);
    let in_processes = |tree: &Trail| {
        memory().any(|trail| trail.target.is_some() && trail.grew() && trail.life == tree.life)
    };
    for trail in memory().filter(|trail| trail.target.is_some() || !in_processes(trail)) {
        if trail.judged.class == Class::ChildTree && trail.grew() {
            let lead = leads.of(Cause::ChildTree, "");
            let text =
                "the tree's memory grows with the number of its processes, and none of those who serve grows"
                    .to_owned();
            lead.speaks_again(5, &trail.source, text);
        } else if trail.grew() {
            grew(facts, trail, leads);
        } else if matches!(trail.judged.verdict, Verdict::WarmingUp | Verdict::Step)
            && !facts.grew_earlier(trail)
        {
            plateau(facts, trail, leads);
        }
    }
    ends::suspect(facts, leads);
}

fn grew(facts: &Facts, trail: &Trail, leads: &mut Leads) {
    let whose = facts.whose(trail.target, &trail.life);
    let part = facts.part(whose, &trail.life);
    let of = facts.name_of(whose, trail.name.as_deref());
    let judged = &trail.judged;
    let over = trail.last() < Verdict::Growing;
    let mut lead = take(leads, Cause::RetainedHeap, &of);
    lead.add_process(whose, &of);
    if over {
        lead.speaks_again(OVER, &trail.source, trail.told());
    } else if lead.verdict < judged.verdict {
        let before = if lead.verdict >= Verdict::Growing { GROWING } else { 0 };
        let worth = if judged.verdict == Verdict::Leaking { LEAKING } else { GROWING };
        lead.speaks_for(worth - before, &trail.source, trail.told());
        lead.verdict = judged.verdict;
    } else {
        lead.speaks_again(5, &trail.source, trail.told());
    }
    if let Some(burst) = judged.reasons.iter().find(|reason| reason.tag == "bursts_after_idle") {
        lead.grows = Grows::WithLoad;
        lead.speaks_for(ALONG, &trail.source, words::sentence(&burst.text));
    }
    let own = Growth {
        grown: None,
        at_least: false,
        per_hour: judged.slope_per_hour,
        per_operation: judged.per_operation.map(|rate| rate.slope),
        time_to_limit_seconds: judged.time_to_limit_seconds,
    };
    lead.add_growth(part, own);
    lead.was_calm_later(facts, trail);
    let mut trapped = take(leads, Cause::AllocatorTrapped, &of);
    let mut cache = take(leads, Cause::CachePlateau, &of);
    for other in [&mut trapped, &mut cache] {
        other.add_process(whose, &of);
        other.add_growth(part, own);
    }
    if over {
        stopped(trail, &mut cache, &mut trapped);
    } else {
        if cache.points == 0 {
            cache.speaks_for(
                MAY_BE_PLATEAU,
                &trail.source,
                "a cache that is not full yet grows like this".to_owned(),
            );
        }
        if trapped.points == 0 {
            let text = "an allocator that gives nothing back to the kernel looks like this while load rises"
                .to_owned();
            trapped.speaks_for(MAY_BE_TRAPPED, &trail.source, text);
        }
    }
    let is_of = |history: &History, life: &Life| {
        life.run == trail.life.run
            && history.series == Watched::Memory
            && (history.target.is_some() || *life == trail.life)
            && (history.target == trail.target || facts.whose(history.target, life) == whose)
    };
    if let Some((history, _, source)) =
        facts.histories.iter().rev().find(|(history, life, _)| is_of(history, life))
    {
        curve::weigh(history, source, part, [&mut lead, &mut trapped, &mut cache]);
    }
    let mut compared = facts.compared.iter().rev().filter(|compared| {
        let (who, life) = compared.whose();
        life.run == trail.life.run && whose.is_none_or(|whose| whose == who)
    });
    match compared.find_map(|compared| compared.memory()) {
        Some(look) => place::weigh(look, whose.map(|_| part), &mut lead, leads),
        None => lead.unknown.push("in which part of its memory it grows".to_owned()),
    }
    if lead.grows == Grows::Undetermined {
        lead.unknown.push("whether it grows with work or with time".to_owned());
    }
    lead.unknown
        .push("which object or line of the program holds it: that cannot be seen from outside".to_owned());
    leads.0.extend([lead, trapped, cache]);
}

/// Takes a lead out, so that several can be worked on; whoever takes it puts it back.
fn take(leads: &mut Leads, cause: Cause, of: &str) -> Lead {
    let of = words::shown(of);
    match leads.0.iter().position(|lead| lead.cause == cause && lead.of == of) {
        Some(at) => leads.0.swap_remove(at),
        None => Lead::new(cause, &of),
    }
}

fn plateau(facts: &Facts, trail: &Trail, leads: &mut Leads) {
    let whose = facts.whose(trail.target, &trail.life);
    let of = facts.name_of(whose, trail.name.as_deref());
    let reason =
        trail.judged.reasons.first().map_or_else(String::new, |reason| words::sentence(&reason.text));
    let lead = leads.of(Cause::CachePlateau, &of);
    lead.add_process(whose, &of);
    let text = format!("memory is {}: {reason}", trail.judged.verdict);
    if lead.points < PLATEAU {
        lead.speaks_for(PLATEAU, &trail.source, text);
    } else {
        lead.speaks_again(5, &trail.source, text);
    }
    lead.unknown.push("whether it stays there for longer than it was watched".to_owned());
}

/// It grew, and does not any more.
fn stopped(trail: &Trail, cache: &mut Lead, trapped: &mut Lead) {
    let (reasons, source) = trail.last_reasons();
    let reason = reasons.first();
    let text = reason.map_or_else(String::new, |reason| format!(": {}", words::sentence(&reason.text)));
    let text = format!("memory grew and is {} since{text}", trail.last());
    if reason.is_some_and(|reason| reason.tag == "given_back") {
        trapped.speaks_for(PLATEAU, source, text);
    } else {
        cache.speaks_for(PLATEAU, source, text);
    }
}
