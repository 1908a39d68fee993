//! What was held at two times: the look that says most counts, and never one at a process that was ending.

use super::*;

/// What a process held and, at the end, has nothing of any more.
fn dying() -> EventKind {
    let changes =
        vec![change(ResourceKind::Pipe, "pipe", 3, 0), change(ResourceKind::Thread, "python3", 8, 0)];
    because("recycled", compared(&[(MemoryKind::Heap, 10, 0), (MemoryKind::Anonymous, 30, 0)], changes))
}

fn because(why: &str, mut kind: EventKind) -> EventKind {
    let EventKind::ResourcesCompared { comparison } = &mut kind else { panic!("{kind:?}") };
    why.clone_into(&mut comparison.because);
    kind
}

/// A look at a process that is ending finds nothing: what was found before is not undone by it.
#[test]
fn a_look_at_a_dying_process_replaces_no_good_one() {
    let good = compared(
        &[(MemoryKind::Heap, 10, 120), (MemoryKind::Anonymous, 30, 31)],
        vec![change(ResourceKind::Pipe, "pipe", 3, 90)],
    );
    let leaks = |series| verdict(series, Verdict::Leaking, 3600.0);
    for kinds in
        [vec![good.clone(), dying()], vec![dying(), good.clone()], vec![good.clone(), dying(), dying()]]
    {
        let ranking =
            expect([vec![leaks(Watched::Descriptors)], kinds.clone()].concat(), Cause::Pipes, "pipe");
        let first = ranking.first().unwrap();
        assert_eq!((first.grown, first.grown_at_least), (Some(87.0), true), "two looks know no more");
        expect([vec![memory_leaks()], kinds].concat(), Cause::RetainedHeap, "C heap");
    }
    // Alone it says nothing, and that it was left out is said.
    let alone = ranked(vec![memory_leaks(), dying()]);
    assert_eq!(alone.first().unwrap().what, None, "{alone:#?}");
    assert!(alone.unknown.iter().any(|unknown| unknown.contains("was ending")), "{:?}", alone.unknown);
}

/// Of several pairs of looks the whole one that spans the most growth counts, whichever came last.
#[test]
fn the_whole_look_that_spans_most_growth_counts() {
    let of = |heap, pipes| {
        compared(&[(MemoryKind::Heap, 10, heap)], vec![change(ResourceKind::Pipe, "pipe", 3, pipes)])
    };
    let mut torn = compared(&[], vec![change(ResourceKind::File, "/var/x", 1, 200)]);
    let EventKind::ResourcesCompared { comparison } = &mut torn else { panic!() };
    comparison.unread.push("sockets by state at the second look: it took too long".into());
    // The memory of its children is not its own, and nothing that is counted.
    let mut most = of(120, 90);
    let EventKind::ResourcesCompared { comparison } = &mut most else { panic!() };
    comparison.unread.push("memory of children at the second look: it took too long".into());
    let leaks = verdict(Watched::Descriptors, Verdict::Leaking, 3600.0);
    let ranking = expect(vec![leaks, of(60, 40), most, of(20, 12), torn], Cause::Pipes, "pipe");
    let first = ranking.first().unwrap();
    assert_eq!(first.grown, Some(87.0), "{first:#?}");
    let heap = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap);
    assert!(heap.is_none(), "memory was not judged: {heap:#?}");
    // That most of them were gone at a later look is said.
    let gone = first.evidence_against.iter().find(|evidence| evidence.text.contains("at a later look"));
    assert!(gone.is_some_and(|gone| gone.text.contains("+9 ")), "{first:#?}");
}

/// Of one suspect everything that is said for it.
fn said_for(ranking: &Ranking, part: &str) -> bool {
    let heap = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap).unwrap();
    heap.evidence_for.iter().any(|evidence| evidence.text.contains(part))
}

/// What a process keeps is what grew without what shrank: pages that went to swap are no growth of swap, and pages that moved from
/// one kind to another are none at all.
#[test]
fn growth_is_net_and_swapped_pages_are_with_what_they_left() {
    use MemoryKind::{Anonymous, Arena, File, Heap, Swap};
    let of = |memory: &[(MemoryKind, u64, u64)]| ranked(vec![memory_leaks(), compared(memory, vec![])]);
    let heap = |ranking: &Ranking| {
        let found = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap).unwrap();
        (found.what.clone(), found.grown)
    };
    // The heap went to swap, and nothing grew.
    assert_eq!(heap(&of(&[(Heap, 100, 20), (Swap, 0, 80)])), (None, None));
    // It came back, and nothing grew.
    assert_eq!(heap(&of(&[(Heap, 20, 100), (Swap, 80, 0)])), (None, None));
    // The heap grew by 60, and 80 of it went to swap.
    let (what, grown) = heap(&of(&[(Heap, 100, 100), (Anonymous, 50, 50), (Swap, 0, 60)]));
    assert_eq!((what.as_deref(), grown), (None, Some(60.0 * 1_048_576.0)), "of which part nobody knows");
    let moved = of(&[(Heap, 100, 20), (Anonymous, 50, 110), (Swap, 0, 80)]);
    assert_eq!(heap(&moved), (Some("in anonymous mappings".into()), Some(60.0 * 1_048_576.0)));
    assert!(said_for(&moved, "60.0 MiB of 60.0 MiB that came"), "{moved:#?}");
    // What was called one kind and is called another is not growth.
    assert_eq!(heap(&of(&[(Arena, 0, 64), (Anonymous, 80, 16), (Swap, 0, 0)])), (None, None));
    // Pages of files that the kernel dropped were not given back by the program.
    let dropped = of(&[(File, 90, 10), (Heap, 10, 60), (Swap, 0, 0)]);
    assert_eq!(heap(&dropped), (Some("on the C heap (malloc)".into()), Some(50.0 * 1_048_576.0)));
    // Where much shrank beside it no place is named, and every number that is told is net.
    let torn = of(&[(Heap, 10, 110), (Anonymous, 90, 20), (Swap, 0, 0)]);
    assert_eq!(heap(&torn), (None, Some(30.0 * 1_048_576.0)));
    assert!(
        said_for(&torn, "30.0 MiB more in 20 s") && said_for(&torn, "other parts shrank by 70.0 MiB"),
        "{torn:#?}"
    );
    // Without swap it is said that it is not known.
    let bare = of(&[(Heap, 10, 110)]);
    assert!(bare.first().unwrap().unknown.iter().any(|said| said.contains("swapped out")), "{bare:#?}");
}

/// An arena of malloc may look like any other anonymous mapping: the claim covers it.
#[test]
fn anonymous_mappings_may_be_what_threads_have_from_malloc() {
    for name in ["python3", "node", "server"] {
        let swap = (MemoryKind::Swap, 0, 0);
        let grown = compared_in(name, &[(MemoryKind::Anonymous, 30, 130), swap], vec![]);
        let ranking = ranked(vec![memory_leaks(), grown]);
        assert!(said_for(&ranking, "malloc of threads"), "{ranking:#?}");
    }
}
