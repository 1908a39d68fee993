//! The corpus of staged situations (`bench/orphans`): those of it that need no large package, all at once.

use std::path::Path;
use std::process::{Command, Stdio};

use super::scene::SCUPPER;

/// What the corpus exits with where no pid namespace can be made.
const NO_NAMESPACE: i32 = 3;

/// R118, R119: what was left behind is found and ended, each `certain` one is right, and nobody who lives is listed or
/// signalled.
#[test]
fn heavy_what_was_left_behind_is_told_from_what_only_looks_like_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/orphans/corpus.py");
    let answer = Command::new("python3")
        .arg(corpus)
        .args(["--fast", "--allow-skips"])
        .env("SCUPPER", SCUPPER)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
    if answer.status.code() == Some(NO_NAMESPACE) {
        eprintln!("skipped: {err}");
        return;
    }
    assert_eq!(answer.status.code(), Some(0), "{out}\n{err}");
}
