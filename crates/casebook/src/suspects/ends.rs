//! What the end of a process says of its memory: a runtime that ran out of it, the OOM killer, a limit; and what a soak showed.

use scupper_detect::{Quantity, Verdict, exact};
use scupper_model::{EndedBy, Fatal, Identity, Resource, SoakOutcome};

use super::facts::Facts;
use super::lead::{Growth, Lead, Leads};
use super::lives::Life;
use super::trail::Source;
use super::{Cause, words};

/// The runtime said that its heap is full of what is alive.
const FULL_OF_LIVE: i32 = 25;
/// It ended for want of memory, or at its limit.
const ENDED_FOR_IT: i32 = 8;
/// The same where its series was not judged.
const ENDED_ALONE: i32 = 28;
/// A soak that failed for its growth.
const SOAK: i32 = 12;
/// Full collections that gave back less than this together found a heap of what is alive.
const HARDLY_FREED_MIB: f64 = 64.0;

/// Suspects memory by it.
pub(super) fn suspect(facts: &Facts, leads: &mut Leads) {
    for (fatal, life, source) in &facts.fatals {
        by_fatal(facts, fatal, life, source, leads);
    }
    for (death, source) in &facts.deaths {
        let EndedBy::OomKiller { cgroup, .. } = &death.by else { continue };
        let of = facts.name_of(Some(death.identity), Some(&death.name));
        let text = format!("the kernel's OOM killer ended it in {}", words::shown(cgroup));
        ended(leads, &of, Some(death.identity), source, text);
    }
    for crossed in facts.crossed.iter().filter(|crossed| crossed.resource == Resource::Memory) {
        let whose = facts.whose(crossed.culprit, &crossed.life);
        let of = facts.name_of(whose, crossed.culprit_name.as_deref());
        let shown = |bytes: u64| words::amount(Quantity::Bytes, exact(bytes));
        let text = format!("memory crossed its limit: {} of {}", shown(crossed.value), shown(crossed.limit));
        ended(leads, &of, whose, &crossed.source, text);
    }
    by_soaks(facts, leads);
}

/// A message names its process, or there is only one; else it is of the tree.
fn by_fatal(facts: &Facts, fatal: &Fatal, life: &Life, source: &Source, leads: &mut Leads) {
    let whose = match fatal.pid {
        Some(pid) => facts.with_pid(pid, life),
        None => facts.whose(None, life),
    };
    let of = facts.name_of(whose, None);
    let freed: f64 = fatal.freed_mib.iter().sum();
    let runtime = words::shown(&fatal.runtime);
    let message = words::sentence(&fatal.message);
    let lead = leads.of(Cause::RetainedHeap, &of);
    lead.add_process(whose, &of);
    if !fatal.freed_mib.is_empty() && freed < HARDLY_FREED_MIB {
        let text = format!(
            "{runtime} said: {message}; its last full collections gave back {freed:.0} MiB together: what is on its heap is alive"
        );
        lead.speaks_for(FULL_OF_LIVE, source, text);
        lead.what.get_or_insert_with(|| format!("heap of {runtime}"));
    } else {
        lead.speaks_for(ENDED_FOR_IT, source, format!("{runtime} said: {message}"));
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
    let Some((soak, life, source)) = facts.soaks.last() else { return };
    let grown = soak.growth_bytes.filter(|grown| *grown > 0).map(|grown| exact(grown.unsigned_abs()));
    let memory = |lead: &&mut Lead| lead.cause == Cause::RetainedHeap;
    match soak.outcome {
        SoakOutcome::Passed => {
            let text = format!("a soak of {} passed", words::span(exact(soak.lasted_ms) / 1000.0));
            for lead in leads.0.iter_mut().filter(memory) {
                if life.run.is_some_and(|run| lead.runs.contains(&run)) {
                    lead.speaks_against(SOAK, source, text.clone());
                } else {
                    let text = format!("{text} in another run: mended, or at other work");
                    lead.speaks_against(0, source, text);
                }
            }
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
            if let Some(lead) = leads.0.iter_mut().filter(memory).max_by_key(|lead| lead.points) {
                lead.speaks_for(SOAK, source, text);
            } else if too_much {
                // A soak measures its tree.
                let whose = facts.whose(None, life);
                let of = facts.name_of(whose, None);
                let lead = leads.of(Cause::RetainedHeap, &of);
                lead.add_process(whose, &of);
                lead.speaks_for(ENDED_ALONE, source, text);
                let growth = Growth {
                    grown,
                    per_hour: soak.slope_bytes_per_hour,
                    per_operation: soak.bytes_per_operation,
                    ..Growth::default()
                };
                lead.add_growth(facts.part(whose, life), growth);
            }
        }
        SoakOutcome::CouldNotLook => {}
    }
}
