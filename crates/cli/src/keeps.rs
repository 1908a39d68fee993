//! What people asked to keep: `keeps.json` in the state directory. A small file that is read whole and replaced whole,
//! so that nobody ever sees half of one; whoever reads it makes nothing.
//!
//! An error here means that everything is kept: one file that cannot be read must not cost a process its life.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::fs::OFlags;
use scupper_model::{Keep, Kept, Timestamp};
use scupper_supervise::shell::{Keeps, clock};
use serde::{Deserialize, Serialize};

use crate::{config, paths, wait};

/// The schema of the file.
const SCHEMA: &str = "scupper.keeps/1";
/// A larger file is none of ours: a thousand keeps are a quarter of it.
const MAX_FILE: u64 = 1 << 20;
/// So many things can be kept at a time.
const MAX_KEEPS: usize = 1000;
/// Longest pattern, in bytes.
pub(crate) const MAX_PATTERN: usize = 200;
/// How long a change waits for another one.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Content {
    schema: String,
    keeps: Vec<Keep>,
}

/// The file of one user's keeps.
#[derive(Clone, Debug)]
pub(crate) struct KeepsFile {
    path: PathBuf,
    /// Whose it has to be, where it is somebody else's.
    owner: Option<u32>,
}

impl KeepsFile {
    /// Under `--state DIR`, else at the default place. `None` where there is no such place: nothing can be kept then.
    pub(crate) fn of_this_user(state: Option<&Path>) -> Option<Self> {
        Some(Self { path: paths::keeps(state)?, owner: None })
    }

    /// Of somebody else, who may have put anything there.
    pub(crate) fn of(owner: u32, home: &Path) -> Self {
        Self { path: paths::keeps_below(home), owner: Some(owner) }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All that is in it, ended or not. Nothing where there is no file; anything else that cannot be read is an error.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Keep>> {
        let shown = self.path.display();
        let Some(text) = self.text().with_context(|| format!("cannot read what is kept from {shown}"))?
        else {
            return Ok(Vec::new());
        };
        parse(&text).with_context(|| {
            format!(
                "cannot tell what is kept: {shown} is damaged; until it is repaired or removed, everything is kept"
            )
        })
    }

    fn text(&self) -> io::Result<Option<Vec<u8>>> {
        // A named pipe would be waited for, and root follows nobody's links.
        let follow = if self.owner.is_some() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = (OFlags::NONBLOCK | follow).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() || self.owner.is_some_and(|owner| found.uid() != owner) {
            return Err(io::Error::other("it is no regular file of its user"));
        }
        let mut text = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut text)?;
        Ok(Some(text))
    }

    /// Changes what is kept, as one step that no other change comes between. What does not hold any more by `holds` is
    /// dropped first. On disk when this returns; where `change` fails, nothing was changed.
    pub(crate) fn change<T>(
        &self,
        holds: impl Fn(&Keep) -> bool,
        change: impl FnOnce(&mut Vec<Keep>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let context = || format!("cannot use {} for what is kept", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(context)?;
        let directory = File::open(directory).with_context(context)?;
        lock(&directory).with_context(context)?;
        let mut keeps = self.read()?;
        keeps.retain(holds);
        let answer = change(&mut keeps)?;
        ensure!(
            keeps.len() <= MAX_KEEPS,
            "more than {MAX_KEEPS} things cannot be kept: keep them by a pattern"
        );
        self.replace(&directory, keeps).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(answer)
    }

    /// Under the lock: temporary file, rename, both on disk.
    fn replace(&self, directory: &File, keeps: Vec<Keep>) -> io::Result<()> {
        let temporary = self.path.with_extension("json.new");
        let mut text = serde_json::to_vec_pretty(&Content { schema: SCHEMA.to_owned(), keeps })?;
        text.push(b'\n');
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        directory.sync_all()
    }
}

fn parse(text: &[u8]) -> anyhow::Result<Vec<Keep>> {
    ensure!(text.len() as u64 <= MAX_FILE, "it is larger than 1 MiB");
    let content: Content = serde_json::from_slice(text)?;
    ensure!(
        content.schema == SCHEMA,
        "its schema is not {SCHEMA}: it is of a newer scupper, or not of scupper"
    );
    ensure!(content.keeps.len() <= MAX_KEEPS, "it holds more than {MAX_KEEPS} keeps");
    for keep in &content.keeps {
        if let Kept::Pattern { pattern } = &keep.what {
            check_pattern(pattern)?;
        }
    }
    Ok(content.keeps)
}

/// Whether this can be a pattern. An empty one matches nothing, and would be a mistake.
pub(crate) fn check_pattern(pattern: &str) -> anyhow::Result<()> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN || pattern.chars().any(char::is_control) {
        bail!("a pattern is 1 to {MAX_PATTERN} characters, none of them a control character");
    }
    Ok(())
}

/// The directory's own lock leaves no lock file behind. A file system without locks goes without.
fn lock(directory: &File) -> io::Result<()> {
    let mut taken = Ok(());
    let free = wait::until(PATIENCE, |_| match directory.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => {
            let none = matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput);
            taken = if none { Ok(()) } else { Err(error) };
            true
        }
    });
    if free { taken } else { Err(io::Error::new(io::ErrorKind::TimedOut, "another process has locked it")) }
}

/// For a unit that is about to end something: what this user keeps now. A state directory that may not even be entered
/// (`HOME` of another user in a container) is one in which this user has kept nothing.
pub(crate) fn source(state: Option<PathBuf>) -> Keeps {
    Keeps::new(move || of_this_user(state.as_deref()))
}

/// The same, asked now.
pub(crate) fn of_this_user(state: Option<&Path>) -> Result<Vec<Keep>, String> {
    let now = clock::wall();
    let configured = config::user_where_readable().map_err(|failure| format!("{:#}", failure.error))?;
    let asked = match KeepsFile::of_this_user(state).map_or_else(|| Ok(Vec::new()), |file| file.read()) {
        Ok(keeps) => keeps,
        Err(error) if is_closed_to_us(&error) => Vec::new(),
        Err(error) => return Err(format!("{error:#}")),
    };
    Ok(together(asked, &configured.keep, now))
}

/// What was asked for and still holds, and what the configuration keeps.
pub(crate) fn together(mut asked: Vec<Keep>, configured: &[String], now: Timestamp) -> Vec<Keep> {
    asked.retain(|keep| keep.holds(now));
    asked.extend(configured.iter().map(|pattern| Keep {
        what: Kept::Pattern { pattern: pattern.clone() },
        until: None,
        since: now,
    }));
    asked
}

fn is_closed_to_us(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Identity, Pid, StartTime};

    use super::*;

    fn process(pid: i32) -> Keep {
        let identity =
            Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(9), boot_id: BootId::NOWHERE };
        Keep { what: Kept::Process { identity, name: "x".into() }, until: None, since: Timestamp(5) }
    }

    fn pattern(text: &str, until: Option<u64>) -> Keep {
        let what = Kept::Pattern { pattern: text.to_owned() };
        Keep { what, until: until.map(Timestamp), since: Timestamp(5) }
    }

    fn keep(file: &KeepsFile, keeps: Vec<Keep>) -> anyhow::Result<()> {
        file.change(
            |_| true,
            |before| {
                before.extend(keeps);
                Ok(())
            },
        )
    }

    fn file(dir: &tempfile::TempDir) -> KeepsFile {
        KeepsFile::of_this_user(Some(&dir.path().join("state"))).unwrap()
    }

    #[test]
    fn what_is_kept_is_read_back_and_what_ended_is_dropped_at_the_next_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        assert_eq!(file.read().unwrap(), []);
        assert!(!dir.path().join("state").exists(), "reading makes nothing");
        let three = [process(7), pattern("a*", Some(10)), pattern("b", None)];
        keep(&file, three.to_vec()).unwrap();
        assert_eq!(file.read().unwrap(), three);
        let again = |keeps: &mut Vec<Keep>| {
            keeps.push(pattern("c", None));
            Ok(())
        };
        file.change(|keep| keep.holds(Timestamp(10)), again).unwrap();
        assert_eq!(file.read().unwrap(), [process(7), pattern("b", None), pattern("c", None)]);
        let mode = fs::metadata(file.path()).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        keep(&file, vec![process(7)]).unwrap();
        assert!(
            file.change(
                |_| true,
                |keeps| Err::<(), _>({
                    keeps.clear();
                    anyhow::anyhow!("no")
                })
            )
            .is_err()
        );
        let many = (1..=1000).map(process).collect();
        assert!(keep(&file, many).unwrap_err().to_string().contains("1000"));
        assert_eq!(file.read().unwrap(), [process(7)]);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        fs::create_dir(dir.path().join("state")).unwrap();
        let long = "x".repeat(MAX_PATTERN + 1);
        for text in [
            "",
            "{",
            "[]",
            r#"{"schema": "scupper.keeps/2", "keeps": []}"#,
            r#"{"schema": "scupper.keeps/1", "keeps": [{"kind": "process", "pid": 0, "start_time": 1}]}"#,
            r#"{"schema": "scupper.keeps/1", "keeps": [{"kind": "pattern", "pattern": "", "since": "2026-01-01T00:00:00Z"}]}"#,
            &format!(
                r#"{{"schema": "scupper.keeps/1", "keeps": [{{"kind": "pattern", "pattern": "{long}", "since": "2026-01-01T00:00:00Z"}}]}}"#
            ),
            &" ".repeat(usize::try_from(MAX_FILE).unwrap() + 1),
        ] {
            fs::write(file.path(), text).unwrap();
            let said = format!("{:#}", file.read().unwrap_err());
            assert!(said.contains("keeps.json") && said.contains("everything is kept"), "{said}");
            assert!(file.change(|_| true, |_| Ok(())).is_err());
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
        // What is no file is none.
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(file.read().is_err());
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        std::thread::scope(|scope| {
            for pid in 1..=8 {
                let file = &file;
                scope.spawn(move || keep(file, vec![process(pid)]).unwrap());
            }
        });
        assert_eq!(file.read().unwrap().len(), 8);
    }

    #[test]
    fn somebody_elses_file_is_read_only_as_their_own_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let theirs = KeepsFile::of(own, dir.path());
        fs::create_dir_all(theirs.path().parent().unwrap()).unwrap();
        let text = r#"{"schema": "scupper.keeps/1", "keeps": []}"#;
        fs::write(theirs.path(), text).unwrap();
        assert_eq!(theirs.read().unwrap(), []);
        assert!(KeepsFile::of(own + 1, dir.path()).read().is_err());
        fs::rename(theirs.path(), dir.path().join("x")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("x"), theirs.path()).unwrap();
        assert!(theirs.read().is_err(), "a link is not followed");
    }
}
