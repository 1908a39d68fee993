//! In which part of a process its memory grows, by what was held at two times.

use scupper_detect::{Quantity, exact};
use scupper_model::MemoryKind;

use super::compared::{Grown, LEAST_GROWTH, Look};
use super::lead::{Growth, Lead, Leads, Part};
use super::memory::LEAKING;
use super::{Cause, words};

/// Most of the growth is in one place.
const PLACE: i32 = 12;
/// A place has this share of the growth, to be named.
const MOST_OF: f64 = 0.6;

/// Weighs two looks at a process. `part` is what the lead counts; nothing where that is a tree of several processes, of which
/// this is one.
pub(super) fn weigh(look: &Look, part: Option<Part>, lead: &mut Lead, leads: &mut Leads) {
    let comparison = &look.comparison;
    let (Some(grown), source) = (Grown::of(comparison), &look.source) else { return };
    let Some(&(kind, by)) = grown.kinds.first() else { return };
    let amount = |bytes: f64| words::amount(Quantity::Bytes, bytes);
    let operations = comparison.operations.filter(|done| *done > 0);
    let whom = if part.is_some() {
        String::new()
    } else {
        format!(" in {}", words::process(Some(&comparison.name), Some(&comparison.target)))
    };
    if let Some(part) = part {
        let per_operation = operations.map(|done| grown.all / exact(done));
        let growth = Growth { grown: Some(grown.all), at_least: true, per_operation, ..Growth::default() };
        lead.add_growth(part, growth);
        if let (Some(done), Some(rate)) = (operations, per_operation) {
            // A quotient: that it grows with them it does not show.
            let text =
                format!("{} for each of {done} operations meanwhile", words::signed(Quantity::Bytes, rate));
            lead.speaks_for(0, source, text);
        }
    }
    if grown.without_swap {
        lead.unknown.push("how much of it is swapped out".to_owned());
    }
    let gross = grown.gross();
    let seconds = words::span(exact(comparison.after_ms) / 1000.0);
    let elsewhere = if grown.shrank >= LEAST_GROWTH {
        format!(", while other parts shrank by {}", amount(grown.shrank))
    } else {
        String::new()
    };
    let moved = grown.unsure + grown.shrank > (1.0 - MOST_OF) * gross;
    if by < MOST_OF * gross || moved {
        let list: Vec<String> = grown
            .kinds
            .iter()
            .take(3)
            .map(|(kind, by)| format!("{} {}", amount(*by), place(*kind)))
            .collect();
        let list = list.join(", ");
        let text = format!("{} more in {seconds}{whom}: {list}{elsewhere}", amount(grown.all));
        lead.speaks_for(if moved { 0 } else { PLACE / 2 }, source, text);
        lead.unknown.push("in which part of its memory most of it is".to_owned());
        return;
    }
    let of = format!("{} of {} that came in {seconds}{whom}{elsewhere}", amount(by), amount(gross));
    match kind {
        MemoryKind::File => {
            let text = format!(
                "{of} are pages of files: but for a file system in memory the kernel takes them back when it needs them"
            );
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
            if let Some(part) = part {
                other.add_growth(part, Growth { grown: Some(by), at_least: true, ..Growth::default() });
            }
        }
        MemoryKind::Stack => {
            let text = format!("{of} are stacks of threads");
            lead.speaks_against(25, source, text.clone());
            let other = leads.of(Cause::Threads, &lead.of.clone());
            other.add_process(Some(comparison.target), &comparison.name);
            other.speaks_for(20, source, text);
        }
        MemoryKind::Swap => {
            lead.speaks_for(0, source, format!("{of} are swapped out"));
            lead.unknown.push("of which part of its memory the swapped pages are".to_owned());
        }
        MemoryKind::Heap | MemoryKind::Arena | MemoryKind::Anonymous => {
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

/// What lies there in this runtime, as far as that can be said: names of runtimes are what the kernel calls the process. An arena
/// of malloc that is not laid out as glibc lays it out is an anonymous mapping like any other.
fn meaning(name: &str, kind: MemoryKind) -> &'static str {
    let is = |start: &str| name.starts_with(start);
    let python = is("python") || is("gunicorn") || is("uvicorn") || is("celery");
    let malloc = matches!(kind, MemoryKind::Heap | MemoryKind::Arena);
    // Short, so that the event that says so is shown behind it.
    match (python, is("node"), malloc) {
        (true, _, true) => ": native code, or objects above 512 bytes of CPython's",
        (true, _, false) => ": small objects, large blocks, or malloc of threads",
        (_, true, true) => ": buffers or native add-ons, hardly objects of JavaScript",
        (_, true, false) => ": JavaScript's objects, large buffers, or malloc of threads",
        (_, _, true) => "",
        (_, _, false) => ": large blocks, a runtime's own heap, or malloc of threads",
    }
}
