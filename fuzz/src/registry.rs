//! Where a registry is, and an embedded one whose durable file somebody has written into.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scupper_fleet::testing::Manual;
use scupper_fleet::{
    Address, Beat, EmbeddedStore, Item, ItemKind, Members, Process, Registered, Registration, Store,
    StoreError, Sweep, Timing,
};

/// An address of a registry.
pub fn fleet_address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Address>() {
        Ok(address) => {
            let shown = address.to_string();
            let again: Address = shown.parse().unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(again.to_string(), shown);
            assert_eq!(again.is_store(), address.is_store());
        }
        Err(error) => one_line(&error),
    }
    // Whatever stands where a password does is shown nowhere.
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if text.len() < 100 && !text.contains(odd) {
        let text = format!("redis://someone:SECRET{text}@host");
        let said = match text.parse::<Address>() {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("SECRET"), "{text}: {said}");
    }
}

/// A durable file with other bytes here and there: three for the place, one for the byte, and so on.
pub fn fleet_files(data: &[u8]) {
    let mut bytes = whole().clone();
    for patch in data.chunks_exact(4).take(64) {
        let place = usize::from(patch[0]) << 16 | usize::from(patch[1]) << 8 | usize::from(patch[2]);
        let length = bytes.len();
        bytes[place % length] = patch[3];
    }
    let home = home();
    fs::write(home.path().join(FILE), &bytes).expect("a file of ours");
    let clock = Arc::new(Manual::new());
    clock.pass(Duration::from_secs(600));
    if let Err(error) =
        EmbeddedStore::open(home.path(), clock.clone(), boot()).and_then(|store| use_it(&store, &clock))
    {
        one_line(&error);
    }
}

const FILE: &str = "fleet.sqlite";

fn use_it(store: &EmbeddedStore, clock: &Manual) -> Result<(), StoreError> {
    // Each by itself: one that fails says nothing of the others.
    let seen = [
        store.agents(None, 10).map(|_| ()),
        store.claims(None, 10).map(|_| ()),
        store.events(None, 10).map(|_| ()),
        store.status().map(|_| ()),
        store.epitaph(&"gone".parse().expect("an id")).map(|_| ()),
        store.get(&"a".parse().expect("an id"), ItemKind::Task, "t").map(|_| ()),
        store.delegated(&"host-1".parse().expect("an id")).map(|_| ()),
        store.check(),
    ];
    for turn in 0..40 {
        clock.pass(Duration::from_secs(5));
        let swept = store.sweep(&Sweep { dry: turn % 2 == 1, ..sweep() })?;
        for claim in &swept.claims {
            store.reap(claim, None, &Timing::DEFAULT)?;
        }
    }
    seen.into_iter().collect()
}

fn one_line(error: &StoreError) {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        assert!(!error.to_string().contains('\n'), "{error}");
        next = error.source();
    }
}

fn boot() -> scupper_model::BootId {
    scupper_model::BootId::NOWHERE
}

fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).expect("a directory of ours")
}

fn sweep() -> Sweep {
    Sweep {
        coordinator: "a".parse().expect("an id"),
        host: "host-1".parse().expect("an id"),
        timing: Timing::DEFAULT,
        dry: false,
        asked: false,
        only: Vec::new(),
    }
}

/// A registry with a little of everything.
fn whole() -> &'static Vec<u8> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let home = home();
        let store = EmbeddedStore::open(home.path(), Arc::new(Manual::new()), boot()).expect("a fresh one");
        for name in ["a", "b", "gone", "leaving"] {
            let registration = Registration {
                id: name.parse().expect("an id"),
                nonce: name.parse().expect("a nonce"),
                ttl: Timing::DEFAULT.ttl,
                takeover: false,
                earlier: None,
                coordinator: Some("a".parse().expect("an id")),
                process: Process { host: "host-1".parse().expect("an id"), identity: None },
                secret: None,
            };
            let Ok(Registered::Accepted { epoch, .. }) = store.register(&registration) else {
                panic!("{name}")
            };
            let who = registration.incarnation(epoch);
            let item = Item { kind: ItemKind::Task, name: "t".to_owned(), value: Some(vec![7; 100]) };
            store.put(&who, &item).expect("a write");
            store.beat(&[Beat { who: who.clone(), report: None }]).expect("a heartbeat");
            match name {
                "gone" => drop(store.depart(&who, "done", &Timing::DEFAULT).expect("a departure")),
                "leaving" => drop(store.leave(&who, "done", &Timing::DEFAULT).expect("a departure")),
                _ => {}
            }
        }
        // What is in the WAL goes into the file as the last one closes it.
        drop(store);
        fs::read(home.path().join(FILE)).expect("a file of ours")
    })
}
