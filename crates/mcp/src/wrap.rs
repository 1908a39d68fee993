//! The edits that put a server into Scupper.

use crate::Format;
use crate::edit::{Edit, Piece};
use crate::servers::{Command, Found, wrapper};
use crate::spelling::{Joint, between_elements, is_separator, quoted};
use crate::tree::Node;

/// Stands among the wrapper's options where the original had `args` with nothing in it, so that `unwrap` can tell this
/// from no `args` at all. `scupper mcp` takes it and does nothing with it.
pub const EMPTY_ARGS: &str = "--empty-args";

/// How servers are to be wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapping {
    /// The program, as the client is to start it. [`may_be_called`] holds of it.
    pub program: String,
    /// Whether servers that are wrapped already get this program too.
    pub replace_program: bool,
    /// What is passed on to it, such as `--idle=30m`. `None` leaves servers that are wrapped already as they are.
    pub options: Option<Vec<String>>,
}

/// Whether a program is recognised as Scupper by its name, which is all that a file tells of it.
pub fn may_be_called(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| name.starts_with("scupper"))
}

impl Wrapping {
    fn options(&self) -> &[String] {
        self.options.as_deref().unwrap_or_default()
    }

    /// The words before the original command, the program not among them.
    fn words(&self, empty_args: bool) -> Vec<String> {
        let marker = empty_args.then(|| EMPTY_ARGS.to_owned());
        let first = std::iter::once("mcp".to_owned());
        first.chain(self.options().iter().cloned()).chain(marker).chain(["--".to_owned()]).collect()
    }
}

/// What a command line becomes.
pub(crate) fn wanted(words: &[&str], has_empty_args: bool, wrapping: &Wrapping) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let Some(wrapper) = wrapper(words) else {
        let mut line = vec![wrapping.program.clone()];
        line.extend(wrapping.words(has_empty_args));
        line.extend(owned(words));
        return line;
    };
    let mut line = owned(words);
    if wrapping.replace_program {
        line[0].clone_from(&wrapping.program);
    }
    if wrapping.options.is_some() {
        line.splice(1..=wrapper.dashes, wrapping.words(wrapper.empty_args));
    }
    line
}

/// The edits for one server; none where it is as it should be.
pub(crate) fn edits(
    text: &str,
    format: Format,
    server: &Found<'_, '_>,
    command: Command<'_, '_>,
    wrapping: &Wrapping,
) -> Vec<Edit> {
    let words = command.texts();
    if wrapper(&words).is_some() {
        return update(text, format, command, &words, wrapping);
    }
    let new_words = |empty_args| {
        wrapping.words(empty_args).into_iter().map(|word| quoted(&word, format)).collect::<Vec<_>>()
    };
    let program = quoted(&wrapping.program, format);
    match command {
        Command::List(list) => {
            let elements = list.list().unwrap_or_default();
            let Some(first) = elements.first() else { return Vec::new() };
            let separator = between_elements(text, list, elements);
            let mut new = vec![program];
            new.extend(new_words(false));
            let new: String = new.into_iter().map(|word| word + &separator).collect();
            vec![Edit::replace(first.span.start..first.span.start, new)]
        }
        Command::Pair { command, args: None } => {
            let joint = Joint::behind(text, command, server.table, format);
            let key = if format == Format::Json { "\"args\"" } else { "args" };
            let words = new_words(false).join(joint.comma);
            let Joint { separator, prefix, assign, comma } = joint;
            let before = format!("{program}{separator}{prefix}{key}{assign}[{words}{comma}");
            let with =
                vec![Piece::New(before), Piece::Moved(command.node.span.clone()), Piece::New("]".to_owned())];
            vec![Edit { at: command.node.span.clone(), with }]
        }
        Command::Pair { command, args: Some(args) } => {
            let elements = args.list().unwrap_or_default();
            let comma = Joint::behind(text, command, server.table, format).comma;
            let (at, separator, last) = match elements.first() {
                Some(first) => {
                    let separator = match between_elements(text, args, elements) {
                        // Of one element nobody can tell how far two would stand apart.
                        separator if elements.len() == 1 && separator == ", " => comma.to_owned(),
                        separator => separator,
                    };
                    (first.span.start, separator.clone(), separator)
                }
                None => (args.span.start + 1, comma.to_owned(), String::new()),
            };
            let words = new_words(elements.is_empty());
            let with = vec![
                Piece::New(words.into_iter().map(|word| word + &separator).collect()),
                Piece::Moved(command.node.span.clone()),
                Piece::New(last),
            ];
            vec![Edit::replace(command.node.span.clone(), program), Edit { at: at..at, with }]
        }
    }
}

/// The edits that give a wrapper another program and other options.
fn update(
    text: &str,
    format: Format,
    command: Command<'_, '_>,
    words: &[&str],
    wrapping: &Wrapping,
) -> Vec<Edit> {
    let wanted = wanted(words, false, wrapping);
    let nodes: Vec<&Node<'_>> = command.words().collect();
    let mut edits = Vec::new();
    if wanted[0] != words[0] {
        edits.push(Edit::replace(nodes[0].span.clone(), quoted(&wrapping.program, format)));
    }
    let Some(wrapper) = wrapper(words) else { return edits };
    let options = wanted.len() - (words.len() - wrapper.dashes);
    if wanted[2..options] != words[2..wrapper.dashes] {
        let between = &text[nodes[1].span.end..nodes[2].span.start];
        let on_lines = between.trim() == "," && between.contains('\n');
        let separator = if on_lines || is_separator(between) { between } else { ", " };
        let mut new = separator.to_owned();
        for option in &wanted[2..options] {
            new.push_str(&quoted(option, format));
            new.push_str(separator);
        }
        edits.push(Edit::replace(nodes[1].span.end..nodes[wrapper.dashes].span.start, new));
    }
    edits
}
