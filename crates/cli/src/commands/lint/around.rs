//! What stands around the documents: the time, the source tree, the recorded events, the incidents, the files beside them. What
//! cannot be read was not looked at; no finding is made of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use scupper_casebook::document::Document;
use scupper_casebook::lint::{Known, Linked, Recorded, Source, Surroundings};
use scupper_model::Timestamp;

use super::git;
use crate::args::LintArgs;
use crate::casebook::evidence::Evidence;
use crate::documents;
use crate::paths;

/// The largest source file that is compared.
const LARGEST_SOURCE: u64 = 8 << 20;
/// Incidents of the folder whose states are known.
const MOST_INCIDENTS: usize = 20_000;

pub(super) struct Around {
    now: Timestamp,
    root: Option<PathBuf>,
    evidence: Option<Evidence>,
    /// States of incidents by their ids.
    incidents: HashMap<String, String>,
    /// Whether every incident there is is known.
    knows_all: bool,
    /// The folder of the document that is looked at.
    folder: PathBuf,
    /// Digests that were asked for; documents cite the same events again and again.
    digests: RefCell<HashMap<String, Recorded>>,
}

impl Around {
    pub fn open(args: &LintArgs) -> anyhow::Result<Self> {
        let root = match &args.root {
            None => None,
            Some(root) => {
                let real = root
                    .canonicalize()
                    .with_context(|| format!("cannot read the source tree {}", root.display()))?;
                anyhow::ensure!(
                    real.is_dir(),
                    "cannot read the source tree {}: it is no folder",
                    root.display()
                );
                Some(real)
            }
        };
        let evidence = match (Evidence::open(args.state.as_deref()), &args.state) {
            (Ok(evidence), _) => Some(evidence).filter(Evidence::is_there),
            // Nobody named it: it is only not looked at.
            (Err(_), None) => None,
            (Err(error), Some(_)) => return Err(error.context("cannot compare evidence")),
        };
        let mut around = Self {
            #[expect(clippy::disallowed_methods, reason = "a command says what time it is")]
            now: Timestamp::from_system(SystemTime::now()),
            root,
            evidence,
            incidents: HashMap::new(),
            knows_all: false,
            folder: PathBuf::from("."),
            digests: RefCell::new(HashMap::new()),
        };
        if let Some(folder) = &args.incidents {
            around
                .learn_folder(folder)
                .with_context(|| format!("cannot read the incidents in {}", folder.display()))?;
        } else {
            let folder = paths::state(args.state.as_deref()).map(|state| state.join("incidents"));
            if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
                // Where it cannot be read, they are not known.
                let _ = around.learn_folder(&folder);
            }
        }
        Ok(around)
    }

    fn learn_folder(&mut self, folder: &Path) -> std::io::Result<()> {
        let mut is_whole = true;
        for (index, entry) in std::fs::read_dir(folder)?.enumerate() {
            let Ok(entry) = entry else {
                is_whole = false;
                continue;
            };
            let is_incident = entry.file_name().to_string_lossy().starts_with("ISS-");
            if index >= MOST_INCIDENTS {
                is_whole = false;
                break;
            }
            if is_incident {
                match documents::read(&entry.path(), super::LARGEST) {
                    Ok(text) => self.learn(&text),
                    Err(_) => is_whole = false,
                }
            }
        }
        self.knows_all = is_whole;
        Ok(())
    }

    /// An incident is known to the other documents from now on.
    pub fn learn(&mut self, text: &str) {
        if !text.contains("issue_id") {
            return;
        }
        let Ok(document) = Document::parse(text) else { return };
        if let (Some(id), Some(state)) = (document.text_of(&["issue_id"]), document.text_of(&["state"])) {
            self.incidents.insert(id.to_owned(), state.to_owned());
        }
    }

    /// Links of the document lead from its folder.
    pub fn stand_at(&mut self, document: &Path) {
        let folder = document.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.folder = folder.unwrap_or_else(|| Path::new(".")).to_path_buf();
    }
}

impl Surroundings for Around {
    fn now(&self) -> Option<Timestamp> {
        Some(self.now)
    }

    fn source(&self, path: &str, commit: Option<&str>) -> Source {
        let Some(root) = &self.root else { return Source::NotLooked };
        if let Some(commit) = commit {
            return match git::file(root, commit, path, LARGEST_SOURCE) {
                Ok(Some(text)) => Source::Text(text),
                Ok(None) => Source::Absent,
                Err(why) => Source::Unreadable(why),
            };
        }
        let path = root.join(path);
        if !path.exists() {
            return Source::Absent;
        }
        let read = documents::inside(root, &path).and_then(|path| documents::read(&path, LARGEST_SOURCE));
        read.map_or_else(|error| Source::Unreadable(format!("{error:#}")), Source::Text)
    }

    fn commit(&self, id: &str) -> Known {
        self.root.as_deref().map_or(Known::NotLooked, |root| git::commit(root, id))
    }

    fn recorded(&self, id: &str) -> Recorded {
        let Some(evidence) = &self.evidence else { return Recorded::NotLooked };
        let mut digests = self.digests.borrow_mut();
        let found = digests.entry(id.to_owned()).or_insert_with(|| match evidence.digest(id) {
            Ok(Some(digest)) => Recorded::Event(digest),
            Ok(None) => Recorded::Absent,
            Err(_) => Recorded::NotLooked,
        });
        found.clone()
    }

    fn incident(&self, id: &str) -> Linked {
        match self.incidents.get(id) {
            Some(state) => Linked::State(state.clone()),
            None if self.knows_all => Linked::Absent,
            None => Linked::NotLooked,
        }
    }

    fn file(&self, path: &str) -> Known {
        // What begins at a root begins at that of a site, which nobody knows here.
        if path.starts_with('/') || path.is_empty() {
            return Known::NotLooked;
        }
        match self.folder.join(path).try_exists() {
            Ok(true) => Known::Yes,
            Ok(false) => Known::No,
            Err(_) => Known::NotLooked,
        }
    }
}
