//! The suite that every store keeps, on the memory store; what that store alone can show; and that each guard is missed.

#[macro_use]
mod suite;

mod memory;
mod mutation;

use memory::Memory;
use scupper_fleet::Happened;
use suite::Fixture;
use suite::scene::Scene;

/// One with nothing odd about it.
fn plain() -> Memory {
    Memory::with(|store| store)
}

conformance!(plain);

#[test]
fn history_is_bounded() {
    let memory = plain();
    for count in 0..12_000 {
        memory.store().announce(&Happened::OrphansDetected { count, orphans: Vec::new() }).unwrap();
    }
    let scene = Scene::unswept(&memory);
    let said = scene.said_after(None);
    assert_eq!(said.len(), 10_000);
    assert_eq!(said.last(), Some(&Happened::OrphansDetected { count: 11_999, orphans: Vec::new() }));
}
