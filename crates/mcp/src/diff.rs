//! What edits change, as a unified diff. It is made from the edits themselves, since they are known: no comparison of two
//! texts has to find them again. It is for reading: what is hidden in it cannot be applied.

use std::fmt;
use std::ops::Range;

use scupper_model::redact_line;

use crate::Format;
use crate::edit::{Edit, render};
use crate::masks::Masks;
use crate::servers::Found;
use crate::tree::Node;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Of lines with more bytes than this, and of files of one line, only what is changed is shown.
const LONGEST_LINE: usize = 1_000;
/// Changes that are shown; of the others only how many they are.
const MOST_BLOCKS: usize = 400;

/// A diff, yet to be written.
#[derive(Debug)]
pub(crate) struct Diff<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
    blocks: Vec<Block<'t>>,
    /// Blocks beyond those that are shown.
    more: usize,
    masks: Masks,
    /// Where the name of each server begins.
    servers: Vec<usize>,
}

/// Lines that edits touch.
#[derive(Debug)]
struct Block<'t> {
    lines: Range<usize>,
    edits: &'t [Edit],
}

/// A line of the diff.
type Line = (char, String);

impl<'t> Diff<'t> {
    /// The edits are in order.
    pub(crate) fn new(text: &'t str, edits: &'t [Edit]) -> Self {
        let mut diff = Self {
            text,
            starts: Vec::new(),
            blocks: Vec::new(),
            more: 0,
            masks: Masks::default(),
            servers: Vec::new(),
        };
        if edits.is_empty() {
            return diff;
        }
        diff.starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        diff.starts.pop_if(|last| *last == text.len());
        let mut first = 0;
        let mut lines = diff.touched(&edits[0]);
        for (index, edit) in edits.iter().enumerate().skip(1) {
            let touched = diff.touched(edit);
            if touched.start <= lines.end {
                lines.end = lines.end.max(touched.end);
            } else {
                diff.blocks.push(Block { lines, edits: &edits[first..index] });
                (first, lines) = (index, touched);
            }
        }
        diff.blocks.push(Block { lines, edits: &edits[first..] });
        diff.more = diff.blocks.len().saturating_sub(MOST_BLOCKS);
        diff.blocks.truncate(MOST_BLOCKS);
        diff
    }

    /// With what should not be seen left out.
    pub(crate) fn masked(mut self, tree: &Node<'_>, servers: &[Found<'_, '_>], format: Format) -> Self {
        self.servers = servers.iter().map(|server| server.at).collect();
        self.masks = Masks::new(tree, servers, format, &self.windows());
        self
    }

    /// The bytes that are shown, in order.
    fn windows(&self) -> Vec<Range<usize>> {
        let mut windows = Vec::new();
        for blocks in self.hunks() {
            let window = self.window(blocks);
            if window.clone().any(|line| self.is_long(line)) {
                let lines =
                    window.filter(|&line| !self.is_long(line)).map(|line| self.bytes(&(line..line + 1)));
                windows.extend(lines);
                windows.extend(blocks.iter().flat_map(|block| self.parts(block)).map(|(part, _)| part));
            } else {
                windows.push(self.bytes(&window));
            }
        }
        windows.sort_by_key(|window| (window.start, window.end));
        windows
    }

    /// A file of one line may hold anything beside its servers: histories, names, addresses.
    fn is_long(&self, line: usize) -> bool {
        self.starts.len() == 1 || self.bytes(&(line..line + 1)).len() > LONGEST_LINE
    }

    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at).saturating_sub(1)
    }

    fn touched(&self, edit: &Edit) -> Range<usize> {
        let last = edit.at.end.saturating_sub(usize::from(edit.at.end > edit.at.start));
        self.line_of(edit.at.start)..self.line_of(last) + 1
    }

    fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        let start = |line: usize| self.starts.get(line).copied().unwrap_or(self.text.len());
        start(lines.start)..start(lines.end)
    }

    /// Blocks that share their context.
    fn hunks(&self) -> impl Iterator<Item = &[Block<'t>]> {
        self.blocks.chunk_by(|one, next| next.lines.start <= one.lines.end + 2 * CONTEXT)
    }

    /// The lines of a hunk with its context.
    fn window(&self, blocks: &[Block<'t>]) -> Range<usize> {
        let first = blocks.first().map_or(0, |block| block.lines.start);
        let last = blocks.last().map_or(0, |block| block.lines.end);
        first.saturating_sub(CONTEXT)..(last + CONTEXT).min(self.starts.len())
    }

    /// The edits of each server, and what is shown of it where its lines are too long: from its name to the last edit.
    fn parts(&self, block: &Block<'t>) -> impl Iterator<Item = (Range<usize>, &'t [Edit])> {
        let server = |edit: &Edit| self.servers.partition_point(|&at| at <= edit.at.start);
        let edits = block.edits.chunk_by(move |one, next| server(one) == server(next));
        edits.filter_map(move |edits| {
            let (first, last) = (edits.first()?, edits.last()?);
            let start = server(first).checked_sub(1).map_or(first.at.start, |index| self.servers[index]);
            Some((start..last.at.end, edits))
        })
    }

    fn context(&self, lines: Range<usize>, out: &mut Vec<Line>) {
        for line in lines {
            let shown = if self.is_long(line) {
                "...".to_owned()
            } else {
                tidy(&self.masks.shown(self.text, self.bytes(&(line..line + 1))))
            };
            out.push((' ', shown));
        }
    }

    fn block(&self, block: &Block<'t>, out: &mut Vec<Line>) {
        let shown = |range| self.masks.shown(self.text, range);
        if block.lines.clone().any(|line| self.is_long(line)) {
            for (part, edits) in self.parts(block) {
                let (old, new) = (shown(part.clone()), render(part, edits, shown));
                for (sign, text) in [('-', old), ('+', new)] {
                    out.extend(text.lines().map(|line| (sign, format!("...{}...", tidy(line)))));
                }
            }
            return;
        }
        let part = self.bytes(&block.lines);
        let (old, new) = (shown(part.clone()), render(part, block.edits, shown));
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let rest = old[same..].iter().rev().zip(new[same..].iter().rev());
        let same_after = rest.take_while(|(old, new)| old == new).count();
        let mut add = |sign, lines: &[&str]| out.extend(lines.iter().map(|line| (sign, tidy(line))));
        add(' ', &old[..same]);
        add('-', &old[same..old.len() - same_after]);
        add('+', &new[same..new.len() - same_after]);
        add(' ', &old[old.len() - same_after..]);
    }
}

/// A line without its end, and without secrets that stand in comments. Its indentation stays.
fn tidy(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let rest = line.trim_start_matches([' ', '\t']);
    format!("{}{}", &line[..line.len() - rest.len()], redact_line(rest))
}

impl fmt::Display for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut more = 0_i64;
        for blocks in self.hunks() {
            let window = self.window(blocks);
            let mut lines = Vec::new();
            let mut at = window.start;
            for block in blocks {
                self.context(at..block.lines.start, &mut lines);
                self.block(block, &mut lines);
                at = block.lines.end;
            }
            self.context(at..window.end, &mut lines);
            let count = |sign: char| lines.iter().filter(|(is, _)| *is == sign || *is == ' ').count();
            let (old, new) = (count('-'), count('+'));
            let first = i64::try_from(window.start + 1).unwrap_or(i64::MAX);
            writeln!(f, "@@ -{first},{old} +{},{new} @@", first.saturating_add(more))?;
            more += i64::try_from(new).unwrap_or_default() - i64::try_from(old).unwrap_or_default();
            for (sign, line) in lines {
                writeln!(f, "{sign}{line}")?;
            }
        }
        match self.more {
            0 => Ok(()),
            more => writeln!(f, "... and {more} more changes"),
        }
    }
}
