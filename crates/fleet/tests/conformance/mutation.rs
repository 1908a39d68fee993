//! Each guard of the protocol is missed when it is gone: some promise or the random world notices.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use scupper_fleet::memory::Guard;

use crate::memory::Memory;
use crate::suite::Promise;

const PROMISES: &[(&str, Promise)] = promises!(list_promises);

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What is expected to fail says nothing on its way.
fn quietly<T>(doing: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    let done = catch_unwind(AssertUnwindSafe(doing));
    EXPECTED.set(false);
    done
}

/// Promises that a store without this guard breaks.
fn broken(guard: Guard) -> Vec<&'static str> {
    let is_broken = |(_, promise): &&(&str, Promise)| {
        quietly(|| promise(&Memory::with(|store| store.weakened(guard)))).is_err()
    };
    PROMISES.iter().filter(is_broken).map(|(name, _)| *name).collect()
}

#[test]
fn every_guard_is_missed_by_some_promise() {
    let unseen: Vec<_> = Guard::ALL
        .into_iter()
        .filter(|guard| {
            let broken = broken(*guard);
            println!("{guard:?}: {broken:?}");
            broken.is_empty()
        })
        .collect();
    assert_eq!(unseen, [], "nobody notices that these are gone");
}
