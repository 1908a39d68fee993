//! What is said of the files: text for people, one object for programs. Mistakes go to stderr, one line each.

use std::path::PathBuf;

use anyhow::Result;
use scupper_mcp::{Change, Error, Server, State};
use scupper_model::{printable, redact_command};
use serde::Serialize;

use super::program;
use super::store::Backup;
use crate::failure::Failure;
use crate::output::{Printer, Table};

/// Characters of a name that are shown.
const MOST_OF_NAME: usize = 80;

/// What was found, file by file.
#[derive(Debug)]
pub(super) struct Report<T> {
    verb: &'static str,
    files: Vec<(PathBuf, Result<T>)>,
    not_there: Vec<PathBuf>,
}

/// A file that is changed, or would be.
#[derive(Debug)]
pub(super) struct Changed {
    pub change: Change,
    /// Whether the new text is another one.
    pub is_different: bool,
    /// What became of the backup, where the file was written.
    pub backup: Option<Backup>,
}

/// A server, and whether its wrapper can be started.
#[derive(Debug)]
pub(super) struct Checked {
    server: Server,
    problem: Option<&'static str>,
}

impl From<Server> for Checked {
    fn from(server: Server) -> Self {
        let problem = match &server.state {
            State::Wrapped { program, .. } | State::ByHand { program }
                if program::is_there(program) == Some(false) =>
            {
                Some("its scupper is not there")
            }
            State::NoCommand => Some("it has no command and no address"),
            State::EmptyCommand => Some("its command is empty"),
            _ => None,
        };
        Self { server, problem }
    }
}

impl Checked {
    /// Whether somebody should look at it.
    pub(super) fn is_finding(&self) -> bool {
        self.problem.is_some() || self.server.state == State::Plain
    }
}

impl<T> Report<T> {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, files: Vec::new(), not_there: Vec::new() }
    }

    pub(super) fn add(&mut self, path: PathBuf, found: Result<T>) {
        self.files.push((path, found));
    }

    pub(super) fn not_there(&mut self, path: PathBuf) {
        self.not_there.push(path);
    }

    /// Whether a file could not be read or written.
    pub(super) fn has_failed(&self) -> bool {
        self.files.iter().any(|(_, found)| found.is_err())
    }

    /// What is known of the others.
    pub(super) fn done(&self) -> impl Iterator<Item = &T> {
        self.files.iter().filter_map(|(_, found)| found.as_ref().ok())
    }

    /// What could not be read or written, and where was nothing to read.
    fn tell_rest(&self, printer: &mut Printer) {
        for (path, found) in &self.files {
            let Err(error) = found else { continue };
            let path = path.display();
            match error.downcast_ref::<Error>() {
                Some(error) => printer.note(&format!("error: {path}:{error}")),
                None => printer.note(&format!("error: {path} {error:#}")),
            }
        }
        if !self.not_there.is_empty() {
            let paths: Vec<String> = self.not_there.iter().map(|path| path.display().to_string()).collect();
            printer.note(&format!("Not there: {}", paths.join(", ")));
        }
        if self.files.is_empty() {
            printer.note("No configuration file of an MCP client was found.");
        }
    }

    fn json(&self, shown: impl Fn(&T) -> Shown, printer: &mut Printer) -> Result<(), Failure> {
        let files = self.files.iter().map(|(path, found)| {
            let file = path.display().to_string();
            match found {
                Ok(found) => Shown { file, ..shown(found) },
                Err(error) => Shown { file, error: Some(Fault::from(error)), ..Shown::default() },
            }
        });
        let not_there = self.not_there.iter().map(|path| path.display().to_string()).collect();
        let schema = format!("scupper.mcp_{}/1", self.verb);
        printer.json(&Whole { schema, files: files.collect(), not_there })?;
        Ok(())
    }
}

impl Report<Changed> {
    /// What is changed, or would be.
    pub(super) fn tell_changes(&self, json: bool, printer: &mut Printer) -> Result<(), Failure> {
        if json {
            return self.json(Changed::shown, printer);
        }
        let mut left = false;
        for (path, found) in &self.files {
            let Ok(changed) = found else { continue };
            let path = path.display();
            for server in changed.change.before.iter().filter(|one| one.state == State::EmptyCommand) {
                let (line, name) = (server.line, name(server));
                printer.note(&format!("{path}:{line}: {name} is left alone: its command is empty"));
            }
            let names: Vec<String> = changed.change.changed().map(name).collect();
            match &changed.backup {
                _ if !changed.is_different => {
                    printer.note(&format!("{path}: nothing to {}{}", self.verb, of_what(&changed.change)));
                }
                None => {
                    left = true;
                    printer.write(format!("--- {path}\n+++ {path}\n{}", changed.change.diff).as_bytes())?;
                }
                Some(backup) => {
                    let backup = match backup {
                        Backup::Made(at) => format!("; the file from before is {}", at.display()),
                        Backup::Kept(at) => format!("; the backup {} is as it was", at.display()),
                        Backup::None => String::new(),
                    };
                    printer.line(&format!("{path}: {}ped {}{backup}", self.verb, names.join(", ")))?;
                }
            }
        }
        self.tell_rest(printer);
        if left {
            printer
                .note("Nothing is written yet: --write does it. Clients read their files when they start.");
        }
        Ok(())
    }
}

impl Report<Vec<Checked>> {
    /// How each server is started.
    pub(super) fn tell_servers(&self, json: bool, printer: &mut Printer) -> Result<(), Failure> {
        if json {
            let shown = |servers: &Vec<Checked>| Shown {
                servers: servers.iter().map(|checked| ServerShown::new(checked, None)).collect(),
                ..Shown::default()
            };
            return self.json(shown, printer);
        }
        let mut table = Table::new(&["FILE", "SERVER", "STARTED", "DETAIL"], &[]);
        let mut rows = 0;
        for (path, found) in &self.files {
            let Ok(servers) = found else { continue };
            if servers.is_empty() {
                printer.note(&format!("{}: no MCP servers", path.display()));
            }
            for checked in servers {
                rows += 1;
                let file = format!("{}:{}", path.display(), checked.server.line);
                let detail = checked.problem.map_or_else(|| detail(&checked.server.state), str::to_owned);
                table.row(vec![file, name(&checked.server), how(&checked.server.state).to_owned(), detail]);
            }
        }
        if rows > 0 {
            printer.write(table.to_string().as_bytes())?;
        }
        self.tell_rest(printer);
        if self.done().flatten().any(|checked| checked.server.state == State::Plain) {
            printer.note("hint: `scupper mcp wrap FILE` shows what would change");
        }
        Ok(())
    }
}

/// Why there is nothing to do, in the words of what there is.
fn of_what(change: &Change) -> String {
    let count = |wanted: fn(&State) -> bool| change.before.iter().filter(|one| wanted(&one.state)).count();
    let wrapped = count(|state| matches!(state, State::Wrapped { .. } | State::ByHand { .. }));
    let remote = count(|state| *state == State::Remote);
    match change.before.len() {
        0 => " (no MCP servers)".to_owned(),
        all => format!(" ({wrapped} of {all} servers in scupper, {remote} remote)"),
    }
}

const fn how(state: &State) -> &'static str {
    match state {
        State::Plain => "by itself",
        State::Wrapped { .. } | State::ByHand { .. } => "in scupper",
        State::Remote => "remote",
        State::NoCommand | State::EmptyCommand => "not at all",
    }
}

fn detail(state: &State) -> String {
    match state {
        State::Wrapped { options, .. } => shown_options(options),
        State::ByHand { .. } => "written by hand".to_owned(),
        _ => String::new(),
    }
}

fn shown_options(options: &[String]) -> String {
    redact_command(options.iter().map(String::as_bytes))
}

fn name(server: &Server) -> String {
    let name = printable(server.name.as_bytes(), MOST_OF_NAME);
    match &server.project {
        Some(project) => format!("{name} ({})", printable(project.as_bytes(), MOST_OF_NAME)),
        None => name,
    }
}

#[derive(Serialize)]
struct Whole {
    schema: String,
    files: Vec<Shown>,
    /// Places that were looked at for nothing.
    not_there: Vec<String>,
}

/// A file, in JSON. What does not apply is left out.
#[derive(Default, Serialize)]
struct Shown {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    servers: Vec<ServerShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

#[derive(Serialize)]
struct ServerShown {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    line: usize,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// Why a file could not be read or written.
#[derive(Serialize)]
struct Fault {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl From<&anyhow::Error> for Fault {
    fn from(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Error>() {
            Some(Error { line, column, problem }) => {
                Self { message: problem.to_string(), line: Some(*line), column: Some(*column) }
            }
            None => Self { message: format!("{error:#}"), line: None, column: None },
        }
    }
}

impl ServerShown {
    fn new(checked: &Checked, changed: Option<bool>) -> Self {
        let Server { name, project, line, state } = &checked.server;
        let (state, program, options) = match state {
            State::Plain => ("plain", None, None),
            State::Wrapped { program, options } => ("wrapped", Some(program), Some(shown_options(options))),
            State::ByHand { program } => ("by_hand", Some(program), None),
            State::Remote => ("remote", None, None),
            State::NoCommand => ("no_command", None, None),
            State::EmptyCommand => ("empty_command", None, None),
        };
        let problem = checked.problem;
        let (name, project, program) = (name.clone(), project.clone(), program.cloned());
        Self { name, project, line: *line, state, changed, program, options, problem }
    }
}

impl Changed {
    fn shown(&self) -> Shown {
        let servers = self.change.before.iter().zip(&self.change.after).map(|(before, after)| {
            let checked = Checked::from(after.clone());
            ServerShown::new(&checked, Some(before.state != after.state))
        });
        let backup = match &self.backup {
            Some(Backup::Made(path) | Backup::Kept(path)) => Some(path.display().to_string()),
            _ => None,
        };
        Shown {
            changed: Some(self.is_different),
            written: Some(self.backup.is_some()),
            backup,
            servers: servers.collect(),
            diff: self.is_different.then(|| self.change.diff.clone()),
            ..Shown::default()
        }
    }
}
