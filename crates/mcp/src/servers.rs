//! Which servers a file has, and how each is started.

use std::collections::HashSet;

use crate::error::{Error, Fault, Problem, name};
use crate::tree::{Entry, Node, Table, with_tree};
use crate::{EMPTY_ARGS, Format, may_be_called};

/// A server as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// The project it belongs to, where the file has several (`projects.PATH` in `~/.claude.json`).
    pub project: Option<String>,
    /// The line its name is in, from 1.
    pub line: usize,
    /// How it is started.
    pub state: State,
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// By its own command.
    Plain,
    /// By Scupper, as `wrap` writes it.
    Wrapped {
        /// The program, as it is written.
        program: String,
        /// What is passed on to it.
        options: Vec<String>,
    },
    /// By Scupper, in words that `wrap` does not use: somebody's own work.
    ByHand {
        /// The program, as it is written.
        program: String,
    },
    /// Not at all: the client connects to an address.
    Remote,
    /// There is no command, and no address either. Some clients merge such an entry with one from elsewhere.
    NoCommand,
    /// Not at all: its command is the empty text or an empty list.
    EmptyCommand,
}

/// The servers of a text, in its order.
pub fn servers(text: &str, format: Format) -> Result<Vec<Server>, Error> {
    with_tree(text, format, |tree| Ok(list(text, &find(tree)?))).map_err(|fault| fault.within(text))
}

/// Servers as they are told of.
pub(crate) fn list(text: &str, found: &[Found<'_, '_>]) -> Vec<Server> {
    let mut line = Lines { text, at: 0, line: 1 };
    found
        .iter()
        .map(|server| Server {
            name: server.name.to_owned(),
            project: server.project.map(str::to_owned),
            line: line.of(server.at),
            state: server.state(),
        })
        .collect()
}

/// Lines of positions that (mostly) ascend, each byte looked at once.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> usize {
        if at < self.at {
            (self.at, self.line) = (0, 1);
        }
        self.line += self.text.get(self.at..at).unwrap_or_default().matches('\n').count();
        self.at = at;
        self.line
    }
}

/// A server in the tree.
#[derive(Debug)]
pub(crate) struct Found<'t, 'a> {
    pub project: Option<&'t str>,
    pub name: &'t str,
    /// Where its name begins.
    pub at: usize,
    /// What it consists of.
    pub table: &'t Table<'a>,
    /// Its command line, if it has one.
    pub command: Option<Command<'t, 'a>>,
    has_empty_command: bool,
    remote: bool,
}

/// A command line in the tree: at least one word.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command<'t, 'a> {
    /// `command` is the program, `args` are its arguments.
    Pair { command: &'t Entry<'a>, args: Option<&'t Node<'a>> },
    /// `command` is all of it.
    List(&'t Node<'a>),
}

impl<'t, 'a> Command<'t, 'a> {
    /// The program and its arguments.
    pub(crate) fn words(self) -> impl Iterator<Item = &'t Node<'a>> {
        let (program, rest) = match self {
            Self::Pair { command, args } => (Some(&command.node), args.and_then(Node::list)),
            Self::List(list) => (None, list.list()),
        };
        program.into_iter().chain(rest.unwrap_or_default())
    }

    /// The same as text.
    pub(crate) fn texts(self) -> Vec<&'t str> {
        self.words().filter_map(Node::text).collect()
    }

    /// Whether there are `args`, with nothing in them.
    pub(crate) fn has_empty_args(self) -> bool {
        matches!(self, Self::Pair { args: Some(args), .. } if args.list().is_some_and(<[_]>::is_empty))
    }
}

/// Where the words of a wrapper are in a command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrapper {
    /// The index of the `--`; the original command begins behind it.
    pub dashes: usize,
    /// Whether the original had `args` without anything in it.
    pub empty_args: bool,
}

/// The wrapper of a command line as `wrap` writes it: `scupper mcp OPTIONS -- COMMAND`.
pub(crate) fn wrapper(words: &[&str]) -> Option<Wrapper> {
    if !is_ours(words) || words[1] != "mcp" {
        return None;
    }
    let dashes = 2 + words[2..].iter().position(|&word| word == "--")?;
    let empty_args = words[2..dashes].contains(&EMPTY_ARGS);
    (dashes + 1 < words.len()).then_some(Wrapper { dashes, empty_args })
}

/// Whether a command line runs something in Scupper.
fn is_ours(words: &[&str]) -> bool {
    words.len() > 1 && may_be_called(words[0]) && (words[1] == "mcp" || words[1] == "run")
}

impl Found<'_, '_> {
    /// The program and its arguments; nothing where there is no command.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.command.map(Command::texts).unwrap_or_default()
    }

    /// Whether somebody runs it in Scupper in words of their own.
    pub(crate) fn is_by_hand(&self) -> bool {
        let words = self.words();
        is_ours(&words) && wrapper(&words).is_none()
    }

    fn state(&self) -> State {
        let Some(command) = self.command else {
            return match self {
                Self { remote: true, .. } => State::Remote,
                Self { has_empty_command: true, .. } => State::EmptyCommand,
                _ => State::NoCommand,
            };
        };
        let words = command.texts();
        if let Some(wrapper) = wrapper(&words) {
            let options = words[2..wrapper.dashes].iter().filter(|&&word| word != EMPTY_ARGS);
            let options = options.map(|&word| word.to_owned()).collect();
            return State::Wrapped { program: words[0].to_owned(), options };
        }
        if is_ours(&words) {
            return State::ByHand { program: words[0].to_owned() };
        }
        State::Plain
    }
}

/// Every server of a tree, in the order of the file.
pub(crate) fn find<'t, 'a>(tree: &'t Node<'a>) -> Result<Vec<Found<'t, 'a>>, Fault> {
    let root = tree.table().ok_or_else(|| Fault::of_type(tree.span.start, "what it holds", "an object"))?;
    let mut found = Vec::new();
    for key in ["mcpServers", "mcp_servers", "servers"] {
        if let Some(map) = root.get(key)? {
            add_map(&map.node, key, None, &mut found)?;
        }
    }
    if let Some(table) = root.get("mcp")?.and_then(|mcp| mcp.node.table()) {
        add_mcp(table, &mut found)?;
    }
    if let Some(projects) = root.get("projects")?.and_then(|projects| projects.node.table()) {
        for project in &projects.entries {
            let map = project.node.table().map(|table| table.get("mcpServers")).transpose()?.flatten();
            if let Some(map) = map {
                add_map(&map.node, "mcpServers", Some(&project.key), &mut found)?;
            }
        }
    }
    found.sort_by_key(|server| server.at);
    Ok(found)
}

/// `mcp` holds servers (opencode), or `servers` which holds them (VS Code, opencode 2), or settings (Gemini CLI).
fn add_mcp<'t, 'a>(table: &'t Table<'a>, found: &mut Vec<Found<'t, 'a>>) -> Result<(), Fault> {
    let is_server = |node: &Node<'_>| {
        let has = |key| node.table().is_some_and(|table| table.entries.iter().any(|entry| entry.key == key));
        ["command", "url", "type"].into_iter().any(has)
    };
    let mut names = HashSet::new();
    for entry in &table.entries {
        if is_server(&entry.node) {
            once(&mut names, entry)?;
            found.push(server(entry, None)?);
        } else if entry.key == "servers" {
            once(&mut names, entry)?;
            add_map(&entry.node, "mcp.servers", None, found)?;
        }
    }
    Ok(())
}

fn add_map<'t, 'a>(
    map: &'t Node<'a>,
    key: &str,
    project: Option<&'t str>,
    found: &mut Vec<Found<'t, 'a>>,
) -> Result<(), Fault> {
    let table = map.table().ok_or_else(|| Fault::of_type(map.span.start, name(key), "an object"))?;
    let mut names = HashSet::new();
    for entry in &table.entries {
        once(&mut names, entry)?;
        found.push(server(entry, project)?);
    }
    Ok(())
}

fn once<'t>(names: &mut HashSet<&'t str>, entry: &'t Entry<'_>) -> Result<(), Fault> {
    if names.insert(&entry.key) {
        return Ok(());
    }
    Err(Fault::new(entry.key_span.start, Problem::Duplicate(entry.key.clone().into_owned())))
}

fn server<'t, 'a>(entry: &'t Entry<'a>, project: Option<&'t str>) -> Result<Found<'t, 'a>, Fault> {
    let wrong = |at: usize, what: &str, wanted| {
        Err(Fault::of_type(at, format!("{what} of {}", name(&entry.key)), wanted))
    };
    let Some(table) = entry.node.table() else {
        return Err(Fault::of_type(entry.node.span.start, name(&entry.key), "an object"));
    };
    let kind = table.get("type")?.and_then(|kind| kind.node.text()).unwrap_or_default();
    let is_address = |key: &&str| table.entries.iter().any(|other| other.key == *key);
    // Codex can have another machine start the command, where nobody knows of a scupper.
    let environment = table.get("experimental_environment")?.and_then(|place| place.node.text());
    let is_remote_kind = environment == Some("remote")
        || matches!(
            kind,
            "http" | "sse" | "remote" | "streamable-http" | "streamableHttp" | "ws" | "websocket"
        );
    let command = table.get("command")?.filter(|_| !is_remote_kind);
    let args = table.get("args")?.filter(|_| command.is_some());
    let remote =
        command.is_none() && (is_remote_kind || ["url", "httpUrl", "serverUrl"].iter().any(is_address));
    if let Some(args) = args {
        let Some(list) = args.node.list() else { return wrong(args.node.span.start, "args", "a list") };
        if let Some(odd) = list.iter().find(|word| word.text().is_none()) {
            return wrong(odd.span.start, "one of the args", "text");
        }
    }
    let command = match command {
        None => None,
        Some(command) if command.node.list().is_some() => {
            let list = command.node.list().unwrap_or_default();
            if let Some(odd) = list.iter().find(|word| word.text().is_none()) {
                return wrong(odd.span.start, "a part of the command", "text");
            }
            if let Some(args) = args {
                return wrong(args.node.span.start, "args", "of use where the command is a list");
            }
            Some(Command::List(&command.node))
        }
        Some(command) if command.node.text().is_some() => {
            Some(Command::Pair { command, args: args.map(|args| &args.node) })
        }
        Some(command) => return wrong(command.node.span.start, "the command", "text or a list of text"),
    };
    let is_empty = |line: &Command<'_, '_>| line.texts().first().is_none_or(|program| program.is_empty());
    let has_empty_command = command.as_ref().is_some_and(is_empty);
    Ok(Found {
        project,
        name: &entry.key,
        at: entry.key_span.start,
        table,
        command: command.filter(|line| !is_empty(line)),
        has_empty_command,
        remote,
    })
}
