//! Memory: where in a process it grows, along what, and whether anything of it is ever given back.
//!
//! What nothing else explains is retained heap. That a cache that is not full yet, or an allocator that keeps what was given
//! back, looks the same for a while stands beside it as a suspect of its own, with what would tell them apart.

use scupper_detect::{Quantity, Verdict, exact};
use scupper_model::{
    Class, Comparison, EndedBy, Grows, History, Identity, MemoryKind, Pattern, Resource, SoakOutcome, Watched,
};

use super::counts::name_of;
use super::curve::Curve;
use super::facts::{Facts, Source, Trail};
use super::lead::{Growth, Lead, Leads};
use super::{Cause, words};

/// Memory that is proven to leak. Less than for what is counted: it names no cause by itself.
const LEAKING: i32 = 52;
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
/// Nothing was ever given back.
const NEVER_FELL: i32 = 8;
/// Much was given back.
const FELL: i32 = 22;
/// It was used again: no new peak while work went on.
const USED_AGAIN: i32 = 25;
/// Most of the growth is in one place.
const PLACE: i32 = 12;
/// It grows along work, or while idle: then something makes it grow.
const ALONG: i32 = 6;
/// The runtime said that its heap is full of what is alive.
const FULL_OF_LIVE: i32 = 25;
/// It ended for want of memory, or at its limit.
const ENDED_FOR_IT: i32 = 8;
/// The same where its series was not judged.
const ENDED_ALONE: i32 = 28;
/// A soak that failed for its growth.
const SOAK: i32 = 12;
/// A place has this share of the growth, to be named.
const MOST_OF: f64 = 0.6;
/// A fall by this share of the growth is much.
const MUCH: f64 = 0.3;
/// Growth between two looks, in bytes, that says anything.
const LEAST_GROWTH: f64 = 1024.0 * 1024.0;
/// No new peak for so long, and with work, is a sign.
const LONG_SINCE_PEAK: f64 = 15.0;

/// Suspects memory.
pub(super) fn suspect(facts: &Facts, leads: &mut Leads) {
    let memory = || facts.trails.iter().filter(|trail| trail.series == Watched::Memory);
    let of_processes = memory().any(|trail| trail.target.is_some() && trail.grew());
    for trail in memory().filter(|trail| trail.target.is_some() || !of_processes) {
        if trail.judged.class == Class::ChildTree && trail.grew() {
            let lead = leads.of(Cause::ChildTree, "");
            let text =
                "the tree's memory grows with the number of its processes, and none of those who serve grows"
                    .to_owned();
            lead.speaks_again(5, &trail.source, text);
        } else if trail.grew() {
            grew(facts, trail, leads);
        } else if matches!(trail.judged.verdict, Verdict::WarmingUp | Verdict::Step) {
            plateau(facts, trail, leads);
        }
    }
    by_ends(facts, leads);
    by_soaks(facts, leads);
}

fn told_of(trail: &Trail) -> String {
    let judged = &trail.judged;
    let rate = judged
        .slope_per_hour
        .map_or_else(String::new, |slope| format!(", {} an hour", words::signed(Quantity::Bytes, slope)));
    let reason = judged
        .reasons
        .first()
        .map_or_else(String::new, |reason| format!(": {}", words::sentence(&reason.text)));
    let value = words::amount(Quantity::Bytes, exact(trail.value));
    let verb = if judged.verdict == Verdict::Leaking { "leaks" } else { "grows" };
    format!("memory {verb} ({value}{rate}){reason}")
}

fn grew(facts: &Facts, trail: &Trail, leads: &mut Leads) {
    let whose = facts.whose(trail.target);
    let of = name_of(facts, whose, trail.name.as_deref());
    let judged = &trail.judged;
    let over = trail.last() < Verdict::Growing;
    let mut lead = take(leads, Cause::RetainedHeap, &of);
    lead.add_process(whose, &of);
    if over {
        lead.speaks_again(OVER, &trail.source, told_of(trail));
    } else if lead.verdict < judged.verdict {
        let before = if lead.verdict >= Verdict::Growing { GROWING } else { 0 };
        let worth = if judged.verdict == Verdict::Leaking { LEAKING } else { GROWING };
        lead.speaks_for(worth - before, &trail.source, told_of(trail));
        lead.verdict = judged.verdict;
    } else {
        lead.speaks_again(5, &trail.source, told_of(trail));
    }
    if let Some(burst) = judged.reasons.iter().find(|reason| reason.tag == "bursts_after_idle") {
        lead.grows = Grows::WithLoad;
        lead.speaks_for(ALONG, &trail.source, words::sentence(&burst.text));
    }
    let per_operation = judged.per_operation.map(|rate| rate.slope);
    lead.add_growth(
        whose,
        Growth {
            grown: None,
            per_hour: judged.slope_per_hour,
            per_operation,
            time_to_limit_seconds: judged.time_to_limit_seconds,
        },
    );
    let mut trapped = take(leads, Cause::AllocatorTrapped, &of);
    let mut cache = take(leads, Cause::CachePlateau, &of);
    for other in [&mut trapped, &mut cache] {
        other.add_process(whose, &of);
        other.add_growth(whose, lead.growth());
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
    let is_of = |target: Option<Identity>| target == trail.target || facts.whose(target) == whose;
    if let Some((history, source)) = facts
        .histories
        .iter()
        .rev()
        .find(|(history, _)| history.series == Watched::Memory && is_of(history.target))
    {
        by_curve(history, source, &mut lead, &mut trapped, &mut cache);
    }
    let compared = facts.comparisons.iter().rev();
    let compared = compared.filter(|(comparison, _)| whose.is_none_or(|who| comparison.target == who));
    match compared.into_iter().find(|(comparison, _)| grown_by_kind(comparison).is_some()) {
        Some((comparison, source)) => by_place(comparison, source, &mut lead, leads),
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
    let whose = facts.whose(trail.target);
    let of = name_of(facts, whose, trail.name.as_deref());
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

fn by_curve(history: &History, source: &Source, lead: &mut Lead, trapped: &mut Lead, cache: &mut Lead) {
    let amount = |bytes: f64| words::amount(Quantity::Bytes, bytes);
    let curve = Curve::of(history);
    if let Some(curve) = curve {
        if curve.grown > 0.0 {
            let whose = history.target;
            lead.add_growth(whose, Growth { grown: Some(curve.grown), ..Growth::default() });
        }
        if curve.fell >= MUCH * curve.grown.max(LEAST_GROWTH) {
            let text = format!("it fell by {} while it was watched", amount(curve.fell));
            trapped.speaks_for(FELL, source, text.clone());
            lead.speaks_against(FELL / 2, source, text);
        } else if curve.grown >= LEAST_GROWTH {
            let text = format!(
                "of {} nothing worth a word was given back in {}",
                amount(curve.grown),
                words::span(curve.seconds)
            );
            lead.speaks_for(NEVER_FELL, source, text);
        }
        if curve.ends_flat() {
            let text =
                format!("its last quarter is flat: {} of {}", amount(curve.at_the_end), amount(curve.grown));
            cache.speaks_for(USED_AGAIN, source, text.clone());
            lead.speaks_against(USED_AGAIN, source, text);
        }
    }
    if let Some(pattern) = history.pattern.as_deref() {
        by_pattern(pattern, curve, source, (lead, trapped, cache));
    }
}

fn by_pattern(
    pattern: &Pattern,
    curve: Option<Curve>,
    source: &Source,
    (lead, trapped, cache): (&mut Lead, &mut Lead, &mut Lead),
) {
    let amount = |bytes: i64| {
        let size = words::amount(Quantity::Bytes, exact(bytes.unsigned_abs()));
        if bytes < 0 { format!("-{size}") } else { format!("+{size}") }
    };
    let stretch = |name: &str, stretch: Option<scupper_model::Stretch>| {
        stretch.map_or_else(String::new, |stretch| {
            format!(", {} in {} {name}", amount(stretch.growth_bytes), words::span(stretch.seconds))
        })
    };
    let (idle, busy) = (stretch("at rest", pattern.idle), stretch("at work", pattern.busy));
    let text = match pattern.grows {
        Grows::WithLoad => Some(format!("it grows with work{busy}{idle}")),
        Grows::WhileIdle => {
            Some(format!("it grows while nothing is done, as a timer or a background task does{idle}{busy}"))
        }
        Grows::Both => Some(format!("it grows at work and at rest{busy}{idle}")),
        Grows::Undetermined => None,
    };
    if let Some(text) = text {
        lead.grows = pattern.grows;
        lead.speaks_for(ALONG, source, text);
    }
    if pattern.bursts >= 2 && pattern.burst_share.is_some_and(|share| share >= 0.5) {
        lead.grows = Grows::WithLoad;
        let rest = pattern.rest_seconds.map_or_else(String::new, |rest| format!(" of {}", words::span(rest)));
        let text =
            format!("it grows in bursts after rest: {} of them, each after a rest{rest}", pattern.bursts);
        lead.speaks_for(ALONG, source, text);
    }
    if pattern.since_peak_seconds >= LONG_SINCE_PEAK
        && pattern.since_peak_work > 0
        && lead.verdict < Verdict::Leaking
    {
        let text = format!("no new peak for {} while work went on", words::span(pattern.since_peak_seconds));
        cache.speaks_for(USED_AGAIN, source, text.clone());
        trapped.speaks_for(USED_AGAIN / 2, source, text.clone());
        lead.speaks_against(USED_AGAIN, source, text);
    }
    let fell = exact(pattern.fell_bytes);
    let seen = curve.is_some_and(|curve| curve.fell >= MUCH * curve.grown.max(LEAST_GROWTH));
    if !seen && fell >= MUCH * curve.map_or(LEAST_GROWTH, |curve| curve.grown.max(LEAST_GROWTH)) {
        let text = format!("it fell by {} below its peak", words::amount(Quantity::Bytes, fell));
        trapped.speaks_for(FELL, source, text.clone());
        lead.speaks_against(FELL / 2, source, text);
    }
}

/// What each kind of memory grew by, and all of them; `None` where it did not grow enough to say anything.
fn grown_by_kind(comparison: &Comparison) -> Option<(Vec<(MemoryKind, f64)>, f64)> {
    let grown = comparison.memory.iter().filter_map(|change| {
        let (before, after) = (change.before?, change.after?);
        Some((change.kind, exact(after) - exact(before)))
    });
    let mut grown: Vec<(MemoryKind, f64)> = grown.filter(|(_, by)| *by > 0.0).collect();
    grown.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all: f64 = grown.iter().map(|(_, by)| by).sum();
    (all >= LEAST_GROWTH).then_some((grown, all))
}

fn by_place(comparison: &Comparison, source: &Source, lead: &mut Lead, leads: &mut Leads) {
    let Some((grown, all)) = grown_by_kind(comparison) else { return };
    let Some(&(kind, by)) = grown.first() else { return };
    let amount = |bytes: f64| words::amount(Quantity::Bytes, bytes);
    let of = format!(
        "{} of {} that came in {}",
        amount(by),
        amount(all),
        words::span(exact(comparison.after_ms) / 1000.0)
    );
    let operations = comparison.operations.filter(|done| *done > 0);
    let per_operation = operations.map(|done| all / exact(done));
    lead.add_growth(Some(comparison.target), Growth { grown: Some(all), per_operation, ..Growth::default() });
    if let (Some(done), Some(rate)) = (operations, per_operation) {
        let text =
            format!("{} with each operation, over {done} operations", words::signed(Quantity::Bytes, rate));
        lead.speaks_for(ALONG, source, text);
    }
    if by < MOST_OF * all {
        let list: Vec<String> =
            grown.iter().take(3).map(|(kind, by)| format!("{} {}", amount(*by), place(*kind))).collect();
        lead.speaks_for(PLACE / 2, source, format!("it grows in several places: {}", list.join(", ")));
        return;
    }
    match kind {
        MemoryKind::File => {
            let text = format!("{of} are pages of files, which the kernel takes back when it needs them");
            lead.speaks_against(40, source, text.clone());
            let other = leads.of(Cause::NotALeak, &lead.of.clone());
            other.speaks_for(50, source, text);
        }
        MemoryKind::Shared => {
            let text = format!("{of} are shared memory");
            lead.speaks_against(30, source, text.clone());
            let other = leads.of(Cause::SharedMemory, &lead.of.clone());
            other.add_process(Some(comparison.target), &comparison.name);
            other.speaks_for(lead.points.max(LEAKING), source, text);
            other.what = Some("shared memory".to_owned());
        }
        MemoryKind::Stack => {
            let text = format!("{of} are stacks of threads");
            lead.speaks_against(25, source, text.clone());
            leads.of(Cause::Threads, &lead.of.clone()).speaks_for(20, source, text);
        }
        MemoryKind::Heap | MemoryKind::Arena | MemoryKind::Anonymous | MemoryKind::Swap => {
            lead.what = Some(place(kind).to_owned());
            let meaning = meaning(&comparison.name, kind);
            lead.speaks_for(PLACE, source, format!("{of} are {}{meaning}", place(kind)));
        }
    }
}

/// Where memory is, in words.
const fn place(kind: MemoryKind) -> &'static str {
    match kind {
        MemoryKind::Heap => "on the C heap (malloc)",
        MemoryKind::Arena => "in arenas of malloc",
        MemoryKind::Anonymous => "in anonymous mappings",
        MemoryKind::Stack => "stacks of threads",
        MemoryKind::File => "pages of files",
        MemoryKind::Shared => "shared memory",
        MemoryKind::Swap => "swapped out",
    }
}

/// What grows there in this runtime, as far as that can be said: names of runtimes are what the kernel calls the process.
fn meaning(name: &str, kind: MemoryKind) -> &'static str {
    let is = |start: &str| name.starts_with(start);
    let python = is("python") || is("gunicorn") || is("uvicorn") || is("celery");
    let malloc = matches!(kind, MemoryKind::Heap | MemoryKind::Arena);
    match (python, is("node"), malloc, kind) {
        (true, _, true, _) => {
            ": native code, or Python objects above 512 bytes (bytes, strings, tables of dicts)"
        }
        (true, _, false, MemoryKind::Anonymous) => ": small Python objects, or single blocks above 128 KiB",
        (_, true, true, _) => ": buffers or native add-ons, no objects of JavaScript",
        (_, true, false, MemoryKind::Anonymous) => ": objects of JavaScript, or large buffers",
        (_, _, false, MemoryKind::Anonymous) => ": large blocks, or the heap of a runtime of its own",
        _ => "",
    }
}

fn by_ends(facts: &Facts, leads: &mut Leads) {
    for (fatal, source) in &facts.fatals {
        let of = facts.main.map_or_else(String::new, |main| name_of(facts, Some(main), None));
        let freed: f64 = fatal.freed_mib.iter().sum();
        let runtime = words::shown(&fatal.runtime);
        let lead = leads.of(Cause::RetainedHeap, &of);
        let message = words::sentence(&fatal.message);
        if !fatal.freed_mib.is_empty() && freed < 64.0 {
            let text = format!(
                "{runtime} ended: {message}; its last full collections gave back {freed:.0} MiB together: what is on its heap is alive"
            );
            lead.speaks_for(FULL_OF_LIVE, source, text);
            lead.what.get_or_insert_with(|| format!("heap of {runtime}"));
        } else {
            lead.speaks_for(ENDED_FOR_IT, source, format!("{runtime} said: {message}"));
        }
    }
    for (death, source) in &facts.deaths {
        let EndedBy::OomKiller { cgroup, .. } = &death.by else { continue };
        let of = name_of(facts, Some(death.identity), Some(&death.name));
        let text = format!("the kernel's OOM killer ended it in {}", words::shown(cgroup));
        ended(leads, &of, Some(death.identity), source, text);
    }
    for crossed in facts.crossed.iter().filter(|crossed| crossed.resource == Resource::Memory) {
        let whose = facts.whose(crossed.culprit);
        let of = name_of(facts, whose, crossed.culprit_name.as_deref());
        let shown = |bytes: u64| words::amount(Quantity::Bytes, exact(bytes));
        let text = format!("memory crossed its limit: {} of {}", shown(crossed.value), shown(crossed.limit));
        ended(leads, &of, whose, &crossed.source, text);
    }
}

fn ended(leads: &mut Leads, of: &str, whose: Option<Identity>, source: &Source, text: String) {
    let lead = leads.of(Cause::RetainedHeap, of);
    lead.add_process(whose, of);
    if lead.points == 0 {
        lead.speaks_for(ENDED_ALONE, source, text);
        lead.unknown.push("whether it grows without end: too little of its curve was judged".to_owned());
    } else {
        lead.speaks_again(ENDED_FOR_IT, source, text);
    }
}

fn by_soaks(facts: &Facts, leads: &mut Leads) {
    let Some((soak, source)) = facts.soaks.last() else { return };
    let grown = soak.growth_bytes.filter(|grown| *grown > 0).map(|grown| exact(grown.unsigned_abs()));
    let memory = |lead: &&mut Lead| lead.cause == Cause::RetainedHeap;
    match soak.outcome {
        SoakOutcome::Passed => {
            let text = format!("a soak of {} passed", words::span(exact(soak.lasted_ms) / 1000.0));
            leads
                .0
                .iter_mut()
                .filter(memory)
                .for_each(|lead| lead.speaks_against(SOAK, source, text.clone()));
        }
        SoakOutcome::Failed => {
            let too_much =
                matches!((grown, soak.max_growth_bytes), (Some(grown), Some(most)) if grown >= most.as_f64());
            if !too_much && soak.verdict < Verdict::Growing {
                return;
            }
            let by = grown.map_or_else(String::new, |grown| {
                format!(" with {} of growth", words::amount(Quantity::Bytes, grown))
            });
            let text = format!("a soak failed{by}");
            let of = facts.main.map_or_else(String::new, |main| name_of(facts, Some(main), None));
            if let Some(lead) = leads.0.iter_mut().filter(memory).max_by_key(|lead| lead.points) {
                lead.speaks_for(SOAK, source, text);
            } else if too_much {
                let lead = leads.of(Cause::RetainedHeap, &of);
                lead.add_process(facts.main, &of);
                lead.speaks_for(ENDED_ALONE, source, text);
                lead.add_growth(
                    facts.main,
                    Growth {
                        grown,
                        per_hour: soak.slope_bytes_per_hour,
                        per_operation: soak.bytes_per_operation,
                        ..Growth::default()
                    },
                );
            }
        }
        SoakOutcome::CouldNotLook => {}
    }
}
