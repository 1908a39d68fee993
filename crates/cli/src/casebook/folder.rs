//! Where incidents lie: one folder, one file each, found by id, by fingerprint and by run.
//!
//! Numbers are given under the folder's lock and never twice: the last one is written down beside the records, so that a
//! record that was removed does not leave its number to another.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use scupper_casebook::incident::{Incident, id_of, number};

use crate::documents::{self, LARGEST_BYTES, Lock, Source, Written};
use crate::paths;

/// The folder's name in the state directory.
const FOLDER: &str = "incidents";
/// The last number that was given.
const LAST: &str = ".last-incident";
/// How long a writer waits for a hundred others.
const PATIENCE: Duration = Duration::from_mins(1);
/// Files of a folder that are looked at.
const MOST_FILES: usize = 100_000;

/// The folder of incidents.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// A record and its file.
#[derive(Debug)]
pub(crate) struct Kept {
    pub incident: Incident,
    source: Source,
}

/// Every record of a folder, by id, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct All {
    pub incidents: Vec<Kept>,
    /// One line for each file that is no record.
    pub problems: Vec<String>,
}

impl Kept {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// Writes what was changed; refused where somebody else changed the file meanwhile.
    pub(crate) fn write(&self) -> Result<Written> {
        self.source.write(self.incident.text())
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let Some(source) = Source::open(path, LARGEST_BYTES)? else { return Ok(None) };
        let incident =
            Incident::parse(source.text()).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(Self { incident, source }))
    }
}

impl Folder {
    /// `--incidents DIR`, else `incidents` in the state directory. Nothing is created.
    pub(crate) fn new(incidents: Option<&Path>, state: Option<&Path>) -> Result<Self> {
        let path = match incidents {
            Some(path) => path.to_owned(),
            None => paths::state(state)
                .context("no state directory: HOME is not set; use --state DIR or --incidents DIR")?
                .join(FOLDER),
        };
        Ok(Self { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it where it is missing, for this user alone.
    pub(crate) fn make(&self) -> Result<()> {
        let mut maker = fs::DirBuilder::new();
        let made = maker.recursive(true).mode(0o700).create(&self.path);
        made.with_context(|| format!("cannot make the folder {}", self.path.display()))
    }

    /// One writer at a time.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::take_within(&self.path, PATIENCE)
    }

    /// The record with this id; also one that is named as a file.
    pub(crate) fn find(&self, id: &str) -> Result<Kept> {
        if id.contains('/') || Path::new(id).extension().is_some_and(|extension| extension == "md") {
            return Kept::read(Path::new(id))?.with_context(|| format!("there is no file {id}"));
        }
        let wanted = id.to_ascii_uppercase();
        let Some(wanted_number) = number(&wanted) else {
            bail!(
                "`{}` is no id of an incident: write ISS-0001 or a file",
                scupper_model::printable(id.as_bytes(), 60)
            );
        };
        let mut found: Vec<PathBuf> =
            self.files()?.into_iter().filter(|path| number_of(path) == Some(wanted_number)).collect();
        match (found.pop(), found.pop()) {
            (Some(path), None) => {
                let inside = documents::inside(&self.path, &path)?;
                let kept = Kept::read(&inside)?.with_context(|| format!("{} is gone", path.display()))?;
                if number(kept.incident.id()) != Some(wanted_number) {
                    bail!("{} is named after {wanted}, and it is {}", path.display(), kept.incident.id());
                }
                Ok(kept)
            }
            (Some(one), Some(other)) => {
                bail!(
                    "{wanted} is there twice: {} and {}; remove or rename one",
                    one.display(),
                    other.display()
                )
            }
            _ => bail!("there is no incident {wanted} in {}", self.path.display()),
        }
    }

    /// The file of the record with this id, whether or not it can be read.
    pub(crate) fn file(&self, id: &str) -> Result<PathBuf> {
        let wanted = number(&id.to_ascii_uppercase());
        let found = self.files()?.into_iter().find(|path| wanted.is_some() && number_of(path) == wanted);
        found.with_context(|| {
            let shown = scupper_model::printable(id.as_bytes(), 60);
            format!("there is no incident {shown} in {}", self.path.display())
        })
    }

    /// Every record, by its number.
    pub(crate) fn all(&self) -> Result<All> {
        self.matching(|_| true)
    }

    /// Those whose text has this in it, before anything of it is parsed.
    pub(crate) fn matching(&self, fits: impl Fn(&str) -> bool) -> Result<All> {
        let mut all = All::default();
        for path in self.files()? {
            let inside = documents::inside(&self.path, &path);
            let source = match inside.and_then(|inside| Source::open(&inside, LARGEST_BYTES)) {
                Ok(Some(source)) => source,
                Ok(None) => continue,
                Err(error) => {
                    all.problems.push(format!("{error:#}"));
                    continue;
                }
            };
            if !fits(source.text()) {
                continue;
            }
            match Incident::parse(source.text()) {
                Ok(incident) => all.incidents.push(Kept { incident, source }),
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    all.problems.push(format!("cannot read {}: {error:#}", path.display()));
                }
            }
        }
        Ok(all)
    }

    /// Writes a new record, to which it gives the next number. The lock is the caller's proof that nobody else does.
    pub(crate) fn create(
        &self,
        _lock: &Lock,
        make: impl FnOnce(&str) -> Result<(Incident, String)>,
    ) -> Result<(Incident, PathBuf)> {
        let files = self.files()?;
        let highest = files.iter().filter_map(|path| number_of(path)).max().unwrap_or(0);
        let last = self.path.join(LAST);
        let given = Source::open(&last, 64)?.map(|source| source.text().trim().parse::<u64>());
        // Where it cannot be read the files say enough.
        let given = given.and_then(Result::ok).unwrap_or(0);
        let next = highest.max(given).checked_add(1).context("there are no numbers left")?;
        let (incident, name) = make(&id_of(next))?;
        documents::write(&last, &format!("{next}\n"))?;
        let path = self.path.join(name);
        match documents::write(&path, incident.text())? {
            Written::Created => Ok((incident, path)),
            Written::Updated | Written::Unchanged => bail!("{} was there already", path.display()),
        }
    }

    /// The files that are named like records, by number. A folder that is not there has none.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let context = || format!("cannot read the folder {}", self.path.display());
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(context),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(context)?.path();
            if number_of(&path).is_some() {
                files.push(path);
            }
            if files.len() > MOST_FILES {
                bail!(
                    "there are more than {MOST_FILES} incidents in {}: put the old ones elsewhere",
                    self.path.display()
                );
            }
        }
        files.sort_by_key(|path| (number_of(path), path.clone()));
        Ok(files)
    }
}

/// The number in a file's name: `ISS-0109-some-words.md`. A text that was put aside (`NAME.kept-1.md`) is no record.
fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".md").filter(|name| !name.contains(".kept-"))?;
    let digits = name.strip_prefix("ISS-")?.split('-').next()?;
    number(&format!("ISS-{digits}"))
}
