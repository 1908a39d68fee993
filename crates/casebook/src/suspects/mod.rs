//! What may be leaking, ranked by what was recorded: evidence for and against, what would confirm or refute each suspect, and
//! what is not known.
//!
//! From outside a process only so much can be told: which resource grows, in which process, with work or without, and
//! whether it is ever given back. Which variable holds it cannot: memory that nothing else explains is *retained heap*, and
//! that it could be a cache that is not full yet, or an allocator that keeps what the program gave back, is said beside it.
//!
//! * `lives` tells the starts of a unit apart; `facts` sorts events by series, process and start (`trail`), and what was held at
//!   two times by process (`compared`). What a running unit says of itself is one more source.
//! * `counts` suspects what piles up and can be counted: connections, children, threads, descriptors by kind.
//! * `memory` suspects memory, by its place (`place`), its curve (`curve`) and how it ended (`ends`).
//! * `relate` weighs suspects against each other: what is counted explains memory, as far as each piece can be so large.
//! * `warned` supports them with what a runtime warned of in the last lines of a log.
//! * `checks` says what to do next.
//!
//! A score is a sum of points, not a probability: each piece of evidence carries its own. Pure: events in, a ranking out; the
//! same events give the same ranking.

mod cause;
mod checks;
mod compared;
mod counts;
mod curve;
mod ends;
mod facts;
mod lead;
mod lives;
mod memory;
mod place;
mod relate;
mod suspect;
#[cfg(test)]
mod tests;
mod trail;
mod warned;
mod words;

use scupper_model::{Event, Identity};

pub use cause::{Cause, RowClass};
pub use facts::{Now, ProcessNow, SeriesNow};
pub use lives::processes_of;
pub use suspect::{Check, Evidence, Process, Ranking, Seen, Strength, Suspect};

use checks::Context;
use facts::Facts;
use lead::Leads;

/// Suspects that are told, at most.
const MOST_SUSPECTS: usize = 8;
/// Below so many points nobody is named as a suspect.
const LEAST_TOLD: i32 = 10;
/// Below so many points of the first one, the cause is unknown.
const LEAST_TO_NAME: i32 = 25;
/// What `not_a_leak` is worth where it is the answer.
const CONCLUSION: i32 = 50;

/// What is known of a unit, a run or a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k> {
    /// What was recorded; in any order.
    pub events: &'k [Event],
    /// What a running unit says of itself.
    pub now: Option<&'k Now>,
    /// Only of this process.
    pub only: Option<Identity>,
}

/// Ranks what may be leaking, the most likely first. There is always one: what is not known is said.
pub fn rank(known: &Known<'_>) -> Ranking {
    let facts = Facts::of(known);
    let mut leads = Leads::default();
    counts::suspect(&facts, &mut leads);
    memory::suspect(&facts, &mut leads);
    relate::weigh(&facts, &mut leads);
    warned::suspect(&facts, &mut leads);
    let context = Context::of(&facts, known);
    let mut found = leads.into_sorted();
    found.retain(|lead| lead.points >= LEAST_TOLD);
    let best = found.first().map_or(0, |lead| lead.points);
    found.truncate(MOST_SUSPECTS - 1);
    let mut unknown = facts.unknown();
    if best < LEAST_TO_NAME {
        let conclusion = relate::conclusion(&facts, CONCLUSION);
        if conclusion.cause == Cause::Unknown {
            if !found.is_empty() {
                unknown.insert(0, "the cause: too little speaks for any of these to name it".to_owned());
            }
            found.push(conclusion);
        } else {
            found.insert(0, conclusion);
        }
    }
    let suspects = found.into_iter().map(|lead| lead.told(&context)).collect();
    Ranking { schema: suspect::SCHEMA, seen: facts.seen(known), suspects, unknown }
}
