//! The edits that take a server out of Scupper again.

use std::ops::Range;

use crate::Format;
use crate::edit::Edit;
use crate::servers::{Command, Found, wrapper};
use crate::spelling::Joint;
use crate::tree::Node;

/// What a command line becomes.
pub(crate) fn wanted(words: &[&str]) -> Vec<String> {
    let from = wrapper(words).map_or(0, |wrapper| wrapper.dashes + 1);
    words[from..].iter().map(|&word| word.to_owned()).collect()
}

/// The edits for one server; none where it is not wrapped, or by hand.
pub(crate) fn edits(
    text: &str,
    format: Format,
    server: &Found<'_, '_>,
    command: Command<'_, '_>,
) -> Vec<Edit> {
    let Some(wrapper) = wrapper(&command.texts()) else { return Vec::new() };
    let nodes: Vec<&Node<'_>> = command.words().collect();
    let original = wrapper.dashes + 1;
    match command {
        Command::List(_) => vec![Edit::remove(nodes[0].span.start..nodes[original].span.start)],
        Command::Pair { args: None, .. } => Vec::new(),
        Command::Pair { command, args: Some(args) } => {
            let program = Edit::moved(command.node.span.clone(), nodes[original].span.clone());
            if let Some(next) = nodes.get(original + 1) {
                return vec![program, Edit::remove(nodes[1].span.start..next.span.start)];
            }
            // Nothing is left in `args`: was there an empty list, or none?
            let joint = Joint::behind(text, command, server.table, format);
            let between = text.get(command.node.span.end..args_key_start(server).unwrap_or_default());
            if !wrapper.empty_args && between.is_some_and(|between| joint.is_between(between)) {
                let at = command.node.span.start..args.span.end;
                return vec![Edit::moved(at, nodes[original].span.clone())];
            }
            vec![program, Edit::remove(whole(text, args, nodes[1], nodes[original]))]
        }
    }
}

fn args_key_start(server: &Found<'_, '_>) -> Option<usize> {
    server.table.entries.iter().find(|entry| entry.key == "args").map(|entry| entry.key_span.start)
}

/// All elements of a list, and the comma that somebody's formatter may have put behind the last one.
fn whole(text: &str, list: &Node<'_>, first: &Node<'_>, final_one: &Node<'_>) -> Range<usize> {
    let behind = &text[final_one.span.end..list.span.end];
    let comma = behind.trim_start().starts_with(',').then(|| behind.find(',')).flatten();
    first.span.start..final_one.span.end + comma.map_or(0, |at| at + 1)
}
