//! What is on the disk when a writer is slow, killed, refused or not alone.
//! Rows shown here: R018.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn pipe(path: &Path) {
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("zero"), b"a\0b").unwrap();
    fs::write(path("latin"), b"caf\xe9").unwrap();
    fs::write(path("wide"), b"\xff\xfea\0").unwrap();
    fs::write(path("long"), "x".repeat(101)).unwrap();
    pipe(&path("pipe"));
    let cases = [
        ("zero", "it is binary: byte 1 is 0"),
        ("latin", "it is not UTF-8 (byte 3): save it as UTF-8"),
        ("wide", "it is UTF-16: save it as UTF-8"),
        ("long", "it has 101 bytes, and 100 are the most"),
        ("pipe", "it is a named pipe, no regular file"),
        (".", "it is a folder, no regular file"),
        ("none", "No such file or directory (os error 2)"),
    ];
    for (name, problem) in cases {
        let error = format!("{:#}", read(&path(name), 100).unwrap_err());
        assert_eq!(error, format!("cannot read {}: {problem}", path(name).display()));
    }
    assert!(Source::open(&path("none"), 100).unwrap().is_none());
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "x").unwrap();
    fs::write(folder.path().join("note"), "x").unwrap();
    symlink(outside.path().join("secret"), folder.path().join("out")).unwrap();
    symlink("note", folder.path().join("in")).unwrap();
    assert!(inside(folder.path(), &folder.path().join("in")).unwrap().ends_with("note"));
    let error = inside(folder.path(), &folder.path().join("out")).unwrap_err();
    assert!(error.to_string().contains("it is a link out of"), "{error}");
    // Nothing is written through one either.
    let error = write(&folder.path().join("out"), "y").unwrap_err();
    assert!(format!("{error:#}").ends_with("it is a link, no regular file"), "{error:#}");
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "x");
}

#[test]
fn the_same_text_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    assert_eq!(write(&path, "one").unwrap(), Written::Created);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(write(&path, "one").unwrap(), Written::Unchanged);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert_eq!(write(&path, "two").unwrap(), Written::Updated);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(folder.path()), ["plan.md"]);
}

#[test]
fn what_was_changed_since_it_was_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, "read").unwrap();
    let source = Source::open(&path, LARGEST_BYTES).unwrap().unwrap();
    fs::write(&path, "theirs").unwrap();
    let error = format!("{:#}", source.write("ours").unwrap_err());
    assert!(error.ends_with("changed it meanwhile: nothing was written, try again"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    fs::remove_file(&path).unwrap();
    assert!(source.write("ours").is_err());
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Nobody writes to that pipe: whoever opens it as a file waits for ever.
#[test]
fn a_pipe_that_took_the_place_of_a_document_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, "theirs").unwrap();
    let source = Source::open(&path, LARGEST_BYTES).unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    pipe(&path);
    let error = source.write("ours").unwrap_err();
    assert!(format!("{error:#}").contains("somebody else has changed it meanwhile"), "{error:#}");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
    assert_eq!(names(folder.path()), ["plan.md"]);
}

/// Ends the other thread also where this one fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Somebody saves a document again and again, as editors do, while it is written here: each of their texts was read before
/// it was replaced, or is still there, or was put aside.
#[test]
fn no_text_of_somebody_who_writes_at_the_same_moment_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.md");
    fs::write(&path, "theirs 0").unwrap();
    let ended = AtomicBool::new(false);
    let seen = AtomicU32::new(0);
    let mut found = BTreeSet::new();
    let saved = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let mut saved = 0_u32;
            while !ended.load(Ordering::Relaxed) {
                // Only when their last one was taken note of: what they overwrite themselves is their own.
                if seen.load(Ordering::Relaxed) == saved {
                    saved += 1;
                    let new = folder.path().join("editor");
                    fs::write(&new, format!("theirs {saved}")).unwrap();
                    fs::rename(&new, &path).unwrap();
                }
            }
            saved
        });
        let end = Ends(&ended);
        let mut ours = 0;
        while ours < 200 {
            let Some(source) = Source::open(&path, LARGEST_BYTES).unwrap() else { continue };
            match source.write(&format!("ours {ours}")) {
                Ok(_) => {
                    ours += 1;
                    let number = source.text().strip_prefix("theirs ").map(|number| number.parse().unwrap());
                    seen.fetch_max(number.unwrap_or(0), Ordering::Relaxed);
                    found.insert(source.text().to_owned());
                }
                Err(error) => assert!(format!("{error:#}").contains("somebody else"), "{error:#}"),
            }
        }
        drop(end);
        theirs.join().unwrap()
    });
    // What is there, and what was put aside.
    for name in names(folder.path()) {
        assert!(name == "plan.md" || name.starts_with("plan.kept-"), "{name} was left");
        found.insert(fs::read_to_string(folder.path().join(name)).unwrap());
    }
    assert!(saved > 10, "{saved}");
    for number in 1..=saved {
        assert!(found.contains(&format!("theirs {number}")), "{number} of {saved} is lost");
    }
}

#[test]
fn a_batch_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = Batch::default();
    for number in 0..20 {
        assert!(batch.add(&folder.path().join(format!("{number}.md")), "one").unwrap());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 20);
    assert!(names(folder.path()).iter().all(|name| name.starts_with(".scupper-")));
    for (path, written) in batch.put() {
        assert_eq!(written.unwrap(), Written::Created);
        assert_eq!(fs::read_to_string(path).unwrap(), "one");
    }
    assert!(!batch.add(&folder.path().join("7.md"), "one").unwrap() && batch.put().is_empty());
    // Dropped, it leaves nothing.
    assert!(batch.add(&folder.path().join("7.md"), "two").unwrap());
    drop(batch);
    assert_eq!(names(folder.path()).len(), 20);
    assert_eq!(fs::read_to_string(folder.path().join("7.md")).unwrap(), "one");
}

/// One that did not get to the disk is told under its own name, and the others are written.
#[test]
fn r018_what_fails_in_a_batch_is_the_one_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = Batch::default();
    for number in 0..100 {
        assert!(batch.add(&folder.path().join(format!("{number}.md")), &number.to_string()).unwrap());
    }
    let unfinished = |name: &String| fs::read_to_string(folder.path().join(name)).unwrap() == "42";
    let lost = names(folder.path()).into_iter().find(unfinished).unwrap();
    fs::remove_file(folder.path().join(lost)).unwrap();
    for (path, written) in batch.put() {
        if path.ends_with("42.md") {
            let error = format!("{:#}", written.unwrap_err());
            assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
        } else {
            assert_eq!(written.unwrap(), Written::Created, "{}", path.display());
        }
    }
    assert_eq!(names(folder.path()).len(), 99, "{:?}", names(folder.path()));
}

#[test]
fn r018_a_folder_has_one_writer_who_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let held = Lock::take(folder.path()).unwrap();
    let error = Lock::take_within(folder.path(), Duration::from_millis(60)).unwrap_err().to_string();
    assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
    drop(held);
    assert!(Lock::take(folder.path()).is_ok());
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(Lock::take(&folder.path().join("none")).is_err());
}

#[test]
fn a_killed_writers_files_are_removed_and_those_of_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("plan.md");
    fs::write(&document, "ours").unwrap();
    fs::write(folder.path().join(".scupper-abc.tmp"), "half a te").unwrap();
    fs::write(leftovers::swap_name(&document, "read", "ours"), "read").unwrap();
    fs::write(leftovers::swap_name(&document, "other", "ours"), "somebody's").unwrap();
    fs::write(folder.path().join(".hidden.tmp"), "not ours").unwrap();
    let _lock = Lock::take(folder.path()).unwrap();
    assert_eq!(names(folder.path()), [".hidden.tmp", "plan.kept-1.md", "plan.md"]);
    assert_eq!(fs::read_to_string(folder.path().join("plan.kept-1.md")).unwrap(), "somebody's");
}

/// The folder that the writer below writes in, where it is that.
const WRITER: &str = "SCUPPER_TEST_WRITES_IN";

/// What a killed process runs: writes until it is killed. As a test of its own it does nothing.
#[test]
fn a_writer_for_the_next_test() {
    let Some(folder) = std::env::var_os(WRITER) else { return };
    let folder = Path::new(&folder);
    let _lock = Lock::take(folder).unwrap();
    for round in 0_u64.. {
        write(&folder.join("plan.md"), &text_of(round)).unwrap();
    }
}

/// Long enough for a kill to come in the middle, and its end tells whether it is whole.
fn text_of(round: u64) -> String {
    format!("{round}\n{}{round} end\n", "a line that is written\n".repeat(2000))
}

#[test]
fn r018_a_document_is_whole_whenever_its_writer_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("plan.md");
    fs::write(&document, text_of(0)).unwrap();
    let this = std::env::current_exe().unwrap();
    for round in 0..25_u64 {
        let mut writer = Command::new(&this)
            .args(["--exact", "documents::tests::a_writer_for_the_next_test"])
            .env(WRITER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It has the lock, and is somewhere in the middle.
        let before = fs::read_to_string(&document).unwrap();
        assert!(
            crate::wait::until(Duration::from_secs(30), |_| fs::read_to_string(&document).unwrap() != before),
            "nothing was written"
        );
        for _ in 0..round * 97 {
            std::hint::black_box(fs::metadata(&document).unwrap());
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let text = fs::read_to_string(&document).unwrap();
        let number: u64 = text.split('\n').next().unwrap().parse().unwrap();
        assert_eq!(text, text_of(number), "round {round} left a part of a text");
        // Its lock went with it, and the next one finds what it left.
        let _lock = Lock::take(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["plan.md"]);
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("skipped: a small file system can be mounted by root alone");
        return;
    }
    let document = folder.path().join("plan.md");
    let outcome = std::panic::catch_unwind(|| {
        write(&document, "what is there").unwrap();
        let error = format!("{:#}", write(&document, &"x".repeat(1 << 20)).unwrap_err());
        assert!(error.starts_with(&format!("cannot write {}: ", document.display())), "{error}");
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(fs::read_to_string(&document).unwrap(), "what is there");
        assert_eq!(names(folder.path()), ["plan.md"]);
        // With a folder that may not be written to as well.
        let remounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(folder.path()).status().unwrap().success();
        assert!(remounted);
        let error = format!("{:#}", write(&document, "more").unwrap_err());
        assert!(error.contains("read-only") || error.contains("Read-only"), "{error}");
        assert_eq!(write(&document, "what is there").unwrap(), Written::Unchanged);
        assert!(Lock::take(folder.path()).is_ok());
    });
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
