//! Files that are lost, damaged, foreign, full or not ours to write.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::testing::Manual;
use scupper_fleet::{
    Answer, Beat, EmbeddedStore, Happened, Item, ItemKind, Phase, Registered, Registration, Standing, Store,
    StoreError, Sweep, Written,
};

use crate::fixture::{BEATS, DURABLE, Embedded, Mount, boot, open};
use crate::suite::Fixture;
use crate::suite::scene::{Scene, id};

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

fn raw(embedded: &Embedded, file: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(embedded.path(file)).unwrap()
}

fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    assert!(!text.contains('\n'), "{text}");
    text
}

fn refused(directory: &Path) -> StoreError {
    EmbeddedStore::open(directory, Arc::new(Manual::new()), boot()).unwrap_err()
}

#[test]
fn files_are_the_owners_alone() {
    let embedded = Embedded::start();
    let below = embedded.path("new/state");
    let _store = open(&below, &embedded.clock);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&below), mode(&embedded.path("new"))), (0o700, 0o700));
    for entry in fs::read_dir(&below).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Everybody still lives, has a whole lease, and nobody is claimed before it is over.
fn counts_as_an_outage(embedded: &Embedded, damage: impl FnOnce(&Embedded)) {
    let scene = Scene::new(embedded);
    let (dead, living) = (scene.doomed("dead"), scene.living("living"));
    scene.task(&living, "t", "x");
    scene.expire();
    damage(embedded);
    assert!(scene.lives(&living));
    let swept = scene.sweep("a");
    assert!(matches!(swept.phase, Phase::Grace { .. }) && swept.claims.is_empty(), "{swept:?}");
    assert_eq!(swept.members, 2);
    let said = scene.said_after(None);
    assert!(
        said.iter()
            .any(|what| matches!(what, Happened::GraceStarted { why, .. } if why.contains("restarted")))
    );
    scene.settle();
    assert_eq!(scene.claim("a").id, dead.id);
    assert_eq!(scene.get("living", ItemKind::Task, "t").as_deref(), Some("x"));
}

#[test]
fn heartbeats_that_are_lost_are_an_outage() {
    counts_as_an_outage(&Embedded::start(), Embedded::lose_beats);
}

#[test]
fn heartbeats_that_are_garbage_are_an_outage() {
    counts_as_an_outage(&Embedded::start(), |embedded| {
        embedded.lose_beats();
        fs::write(embedded.path(BEATS), vec![0x5a; 20_000]).unwrap();
    });
}

#[test]
fn heartbeats_that_are_overwritten_in_place_are_an_outage() {
    counts_as_an_outage(&Embedded::start(), |embedded| {
        // As a disk that lies: the file that is open, and its WAL, now hold something else.
        for side in ["", "-wal"] {
            let path = embedded.path(&format!("{BEATS}{side}"));
            let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            OpenOptions::new().write(true).open(&path).unwrap().write_all(&vec![0xa5; length]).unwrap();
        }
        // Whoever has nothing in his memory of it yet finds out.
        drop(embedded.another());
    });
}

#[test]
fn heartbeats_that_are_cut_short_are_an_outage() {
    counts_as_an_outage(&Embedded::start(), |embedded| {
        let copy = read(&embedded.path(BEATS));
        embedded.lose_beats();
        fs::write(embedded.path(BEATS), &copy[..copy.len().min(5000)]).unwrap();
    });
}

#[test]
fn a_database_of_somebody_else_under_their_name_is_put_aside() {
    let embedded = Embedded::start();
    counts_as_an_outage(&embedded, |embedded| {
        embedded.lose_beats();
        raw(embedded, BEATS)
            .execute_batch("CREATE TABLE bookmarks (x); INSERT INTO bookmarks VALUES (7)")
            .unwrap();
    });
    let old = raw(&embedded, &format!("{BEATS}.old"));
    assert_eq!(old.query_row("SELECT x FROM bookmarks", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
}

#[test]
fn heartbeats_of_another_boot_are_an_outage() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    scene.doomed("dead");
    scene.expire();
    let rebooted = "99999999-2222-3333-4444-555555555555".parse().unwrap();
    let store = EmbeddedStore::open(embedded.directory.path(), embedded.clock.clone(), rebooted).unwrap();
    let swept = store.sweep(&scene.sweep_of("a")).unwrap();
    assert!(matches!(swept.phase, Phase::Grace { .. }) && swept.claims.is_empty(), "{swept:?}");
}

#[test]
fn a_clock_that_went_far_ahead_and_back_leaves_nobody_for_ever() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    let dead = scene.doomed("dead");
    let day = 24 * 60 * 60 * 1000;
    embedded.clock.jump(day);
    scene.beats(&dead);
    embedded.clock.jump(-day);
    assert!(matches!(scene.sweep("a").phase, Phase::Open | Phase::Grace { .. }));
    embedded.clock.jump(day);
    scene.sweep("a");
    scene.beats(&dead);
    embedded.clock.jump(-day);
    // Back: a grace, and leases of the future begin now.
    assert!(matches!(scene.sweep("a").phase, Phase::Grace { .. }));
    scene.expire();
    assert_eq!(scene.claim("a").id, dead.id);
}

#[test]
fn a_damaged_registry_is_told_and_left_as_it_is() {
    let embedded = Embedded::start();
    Scene::new(&embedded).living("coder-1");
    let path = embedded.path(DURABLE);
    embedded.checkpoint();
    let whole = read(&path);
    let mut torn = whole.clone();
    torn[100..4096].fill(0x5a);
    let mut inner = whole.clone();
    inner[4096..].fill(0x5a);
    for damaged in [vec![0x5a; whole.len()], torn, inner, whole[..whole.len() / 2].to_vec()] {
        let place = tempfile::tempdir().unwrap();
        let copy = place.path().join(DURABLE);
        fs::write(&copy, &damaged).unwrap();
        let opened = EmbeddedStore::open(place.path(), embedded.clock.clone(), boot());
        let error = opened.and_then(|store| store.check()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        let said = chain(&error);
        assert!(said.contains(copy.to_str().unwrap()) && said.contains("move it away"), "{said}");
        assert_eq!(read(&copy)[..100], damaged[..100], "it is left as it is");
        assert_eq!(read(&copy).len(), damaged.len());
    }
}

#[test]
fn a_registry_of_somebody_else_or_of_a_later_scupper_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(DURABLE);
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (x)").unwrap();
    let before = read(&path);
    let said = chain(&refused(place.path()));
    assert!(said.contains("another program's database"), "{said}");
    assert_eq!(read(&path), before);

    let embedded = Embedded::start();
    raw(&embedded, DURABLE).execute_batch("PRAGMA user_version = 99").unwrap();
    let said = chain(&refused(embedded.directory.path()));
    assert!(said.contains("newer scupper (schema 99") && said.contains("upgrade"), "{said}");
    for not_a_file in ["directory", "pipe"] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(DURABLE);
        match not_a_file {
            "directory" => fs::create_dir(&path).unwrap(),
            _ => rustix::fs::mknodat(
                rustix::fs::CWD,
                &path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap(),
        }
        let said = chain(&refused(place.path()));
        assert!(said.contains("no regular file"), "{said}");
    }
}

#[test]
fn a_registry_that_is_removed_under_a_running_process_begins_anew_and_its_agents_go_on() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    let who = scene.living("coder-1");
    embedded.clock.pass(Duration::from_millis(5));
    embedded.lose_everything();
    assert_eq!(scene.beats(&who), Answer::Fenced { by: None });
    let back = Registration { earlier: Some(who.epoch), ..scene.registration("coder-1") };
    assert!(
        matches!(scene.register(&back), Registered::Accepted { epoch, resumed: true, .. } if epoch == who.epoch)
    );
    assert!(scene.lives(&who));
}

#[test]
fn a_row_that_is_not_understood_is_told_and_nothing_is_done_about_it() {
    for column in [
        "nonce = 'no nonce'",
        "host = '*'",
        "ttl_ms = -5",
        "ttl_ms = 'soon'",
        "since_ms = x'00'",
        "identity = '{'",
        "secret = x'0102'",
        "coordinator = ''",
        "directive = 'explode'",
        "aborted = -1",
        "resumed = 7",
    ] {
        let embedded = Embedded::start();
        let scene = Scene::new(&embedded);
        let (odd, even, other) = (scene.doomed("odd"), scene.doomed("even"), scene.living("other"));
        raw(&embedded, DURABLE).execute(&format!("UPDATE agents SET {column} WHERE id = 'odd'"), []).unwrap();
        // The others are renewed in the same call.
        let beats = [&odd, &other].map(|who| Beat { who: who.clone(), report: None });
        let answers = scene.store.beat(&beats).unwrap().answers;
        assert_eq!(answers, [Answer::Accepted { directive: None }; 2], "{column}");
        let view = scene.store.agent(&id("odd")).unwrap().unwrap();
        assert_eq!(view.standing, Standing::Unknown, "{column}");
        let (mut claimed, mut trouble) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            embedded.pass(scene.timing.tick);
            scene.beat_all();
            let swept = scene.sweep("a");
            claimed.extend(swept.claims.into_iter().filter(|claim| !claim.taken_on).map(|claim| claim.id));
            trouble.extend(swept.trouble);
        }
        assert_eq!(claimed, [even.id], "{column}");
        let named = column.split(' ').next().unwrap();
        let is_told = trouble.iter().any(|line| line.contains("`odd`") && line.contains(named));
        assert!(is_told, "{column}: {trouble:?}");
        let error =
            scene.store.put(&odd, &item("x")).map_or_else(|error| chain(&error), |said| format!("{said:?}"));
        assert!(error.contains("Fenced") || error.contains("Accepted") || error.contains("`odd`"), "{error}");
    }
}

/// Nobody's lease can be found by such an epoch: the row is told with every look, in the same words, and kept; the sweeps go
/// on, also after the file of heartbeats was made anew. Whoever has that name is not told that it is over.
#[test]
fn a_row_whose_epoch_is_not_understood_is_told_kept_and_ends_no_sweep() {
    for epoch in ["'soon'", "x'00'", "-5", "9223372036854775807", "7.5"] {
        let embedded = Embedded::start();
        let scene = Scene::new(&embedded);
        let (odd, even) = (scene.doomed("odd"), scene.doomed("even"));
        raw(&embedded, DURABLE)
            .execute(&format!("UPDATE agents SET epoch = {epoch} WHERE id = 'odd'"), [])
            .unwrap();
        let beat = [Beat { who: odd, report: None }];
        let answered = scene.store.beat(&beat).unwrap().answers;
        assert_eq!(answered, [Answer::Accepted { directive: None }], "{epoch}");
        assert_eq!(scene.store.agent(&id("odd")).unwrap().unwrap().standing, Standing::Unknown, "{epoch}");
        let (mut claimed, mut times) = (Vec::new(), 0);
        for turn in 0..60 {
            if turn == 30 {
                embedded.lose_beats();
            }
            embedded.pass(scene.timing.tick);
            let swept = scene.sweep("a");
            claimed.extend(swept.claims.into_iter().filter(|claim| !claim.taken_on).map(|claim| claim.id));
            let told = "agent `odd`: column `epoch` is not what was written there";
            // Between two whole numbers it is found when its own lease leads nowhere.
            assert!(
                swept.trouble == [told] || (epoch == "7.5" && swept.trouble.is_empty()),
                "{epoch}, turn {turn}: {:?}",
                swept.trouble
            );
            times += swept.trouble.len();
        }
        assert!(times > 0, "{epoch}");
        assert_eq!(claimed, [even.id], "{epoch}");
        let kept: i64 = raw(&embedded, DURABLE)
            .query_row("SELECT count(*) FROM agents WHERE id = 'odd' AND fence IS NULL", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 1, "{epoch}");
    }
}

fn item(value: &str) -> Item {
    Item { kind: ItemKind::Task, name: "t".to_owned(), value: Some(value.as_bytes().to_vec()) }
}

#[test]
fn a_full_disk_is_told_and_nothing_that_was_acknowledged_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(home.path(), "size=2m") else { return };
    let embedded = Embedded::at(home.path());
    let scene = Scene::new(&embedded);
    let who = scene.living("coder-1");
    let mut kept = 0;
    let error = loop {
        let item = Item { name: format!("t{kept}"), value: Some(vec![7; 60_000]), kind: ItemKind::Task };
        match scene.store.put(&who, &item) {
            Ok(written) => assert_eq!(written, Written::Accepted),
            Err(error) => break error,
        }
        kept += 1;
        assert!(kept < 100, "the disk is never full");
    };
    let said = chain(&error);
    assert!(said.contains("the file system is full"), "{said}");
    for number in 0..kept {
        let value = scene.store.get(&who.id, ItemKind::Task, &format!("t{number}")).unwrap();
        assert_eq!(value.map(|value| value.len()), Some(60_000), "t{number} of {kept}");
    }
    assert!(kept > 2);
    // Room is made, and it works again, on the same files.
    mount.remount("size=16m");
    assert_eq!(scene.store.put(&who, &item("x")).unwrap(), Written::Accepted);
    assert!(scene.lives(&who));
    assert_eq!(fs::read_dir(embedded.directory.path()).unwrap().flatten().filter(is_aside).count(), 0);
}

fn is_aside(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().ends_with(".old")
}

#[test]
fn a_directory_that_nobody_may_write_is_told() {
    // Where not even root may.
    let said = chain(&refused(Path::new("/proc/self/scupper")));
    assert!(said.contains("embedded:/proc/self/scupper") && said.contains("--state DIR"), "{said}");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    let said = chain(&refused(&file.join("state")));
    assert!(said.contains("--state DIR"), "{said}");
    let Some(mount) = Mount::tmpfs(home.path(), "size=2m") else { return };
    drop(open(&home.path().join("state"), &Arc::new(Manual::new())));
    mount.remount("ro");
    for directory in ["state", "other"] {
        let said = chain(&refused(&home.path().join(directory)));
        assert!(said.contains("check owner and mode") && said.contains("--state DIR"), "{said}");
    }
}

#[test]
fn an_idle_sweep_and_a_heartbeat_write_nothing_to_the_durable_file() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    scene.living("coder-1");
    scene.settle();
    scene.sweep("a");
    let look = || [DURABLE, "fleet.sqlite-wal"].map(|name| read(&embedded.path(name)));
    let before = look();
    for _ in 0..10 {
        embedded.pass(scene.timing.tick);
        scene.beat_all();
        assert_eq!(scene.sweep("a").phase, Phase::Open);
        let dry = Sweep { dry: true, ..scene.sweep_of("b") };
        assert_eq!(scene.store.sweep(&dry).unwrap().members, 1);
    }
    assert_eq!(look(), before);
}
