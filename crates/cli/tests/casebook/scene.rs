//! A place to write documents in: a runtime and a state directory of its own, and a folder `work` that commands run in.

use std::fs;
use std::ops::Deref;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::running::{self, Scene};
#[allow(unused_imports, reason = "each module uses what it needs")]
pub(crate) use crate::running::{PATIENCE, wait_for};

/// A [`Scene`] with documents in it. Its unit's name, `run`, `events` and so on are those of the scene.
pub(crate) struct Room {
    scene: Scene,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit code; 1000 and the signal where it was killed.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Deref for Room {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        let scene = Scene::new();
        fs::create_dir(scene.path("work")).unwrap();
        Self { scene }
    }

    /// A path below the folder that commands run in.
    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.scene.path("work").join(name)
    }

    /// Writes a file below that folder, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A file below that folder; panics where it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.work(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The names in a folder below that folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.work(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// `scupper ARGS`, run in that folder, with a home of its own: not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.scupper(args);
        command.current_dir(self.work("")).env("HOME", self.scene.path("home")).env("TZ", "UTC");
        command
    }

    /// Every process that lives and was started by such a command: its home tells it from all others.
    pub(crate) fn living(&self) -> Vec<i32> {
        let home = format!("HOME={}", self.scene.path("home").display());
        running::pids().filter(|pid| running::has_environment(*pid, &home) && running::alive(*pid)).collect()
    }

    /// Runs it to its end.
    pub(crate) fn answer(&self, args: &[&str]) -> Answer {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        Answer {
            code: status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or(0)),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// What it says with `--json`; panics where that is no JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let answer = self.answer(args);
        serde_json::from_str(&answer.out)
            .unwrap_or_else(|error| panic!("{args:?} answered no JSON ({error}): {answer:?}"))
    }
}

/// One of the documents that this room grew from.
pub(crate) fn seed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../casebook/tests/seeds").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
