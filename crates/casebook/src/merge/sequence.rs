//! Three sequences of pieces made one.
//!
//! Where all three agree, nothing is to be decided. Between two such places, whoever left the base alone gives way to the
//! other; where neither did, theirs stays, with the steps that are new in ours behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::Conflict;
use super::pieces::{Item, Key, Piece};

/// Whose order is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Theirs where they changed something, ours elsewhere.
    Both,
    /// Theirs everywhere; new steps are put in.
    Theirs,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub pieces: Vec<Piece>,
    pub conflicts: Vec<Conflict>,
}

/// What two versions have in common, as a base for those that have none. A piece that says something else in each was known
/// before, and nothing is known of what it said.
pub(super) fn common(theirs: &[Piece], ours: &[Piece]) -> Vec<Piece> {
    let same = matches(theirs, ours);
    let pieces = theirs.iter().enumerate().filter_map(|(at, piece)| {
        let other = ours.get(*same.get(&at)?)?;
        let lines = if piece.lines == other.lines { piece.lines.clone() } else { Vec::new() };
        Some(Piece { key: piece.key.clone(), lines })
    });
    pieces.collect()
}

/// Which piece of the second stands for which of the first, in order.
fn matches(old: &[Piece], new: &[Piece]) -> BTreeMap<usize, usize> {
    let keys = |pieces: &[Piece]| -> Vec<Key> { pieces.iter().map(|piece| piece.key.clone()).collect() };
    let mut found = BTreeMap::new();
    for change in capture_diff_slices(Algorithm::Patience, &keys(old), &keys(new)) {
        if let DiffOp::Equal { old_index, new_index, len } = change {
            found.extend((0..len).map(|at| (old_index + at, new_index + at)));
        }
    }
    found
}

struct Merging<'a> {
    base: &'a [Piece],
    theirs: &'a [Piece],
    ours: &'a [Piece],
    /// Where each named piece stands in each version.
    in_base: BTreeMap<&'a str, usize>,
    in_theirs: BTreeMap<&'a str, usize>,
    in_ours: BTreeMap<&'a str, usize>,
    put: BTreeSet<String>,
    heading: String,
    done: Sequence,
}

pub(super) fn merge(base: &[Piece], theirs: &[Piece], ours: &[Piece], way: Way) -> Sequence {
    let mut merging = Merging {
        base,
        theirs,
        ours,
        in_base: names(base),
        in_theirs: names(theirs),
        in_ours: names(ours),
        put: BTreeSet::new(),
        heading: String::new(),
        done: Sequence::default(),
    };
    let (to_theirs, to_ours) = (matches(base, theirs), matches(base, ours));
    let (mut b, mut t, mut o) = (0, 0, 0);
    // The next piece of the base that both still have, behind what was taken already.
    for at in 0..=base.len() {
        let next = if at == base.len() {
            Some((theirs.len(), ours.len()))
        } else {
            to_theirs.get(&at).copied().zip(to_ours.get(&at).copied())
        };
        let Some((next_t, next_o)) = next else { continue };
        if at > b || next_t > t || next_o > o {
            merging.chunk(b..at, t..next_t, o..next_o, way);
        }
        if at < base.len() {
            merging.put_theirs(next_t);
        }
        (b, t, o) = (at + 1, next_t + 1, next_o + 1);
    }
    merging.done
}

fn names(pieces: &[Piece]) -> BTreeMap<&str, usize> {
    pieces.iter().enumerate().filter_map(|(at, piece)| Some((piece.name()?, at))).collect()
}

impl Merging<'_> {
    /// What lies between two places where all agree.
    fn chunk(&mut self, base: Range<usize>, theirs: Range<usize>, ours: Range<usize>, way: Way) {
        let (b, t, o) = (slice(self.base, &base), slice(self.theirs, &theirs), slice(self.ours, &ours));
        if same(t, b) && way == Way::Both {
            self.take_ours(theirs, ours);
        } else if same(o, b) || same(t, o) {
            theirs.for_each(|at| self.put_theirs(at));
        } else if way == Way::Both && t.len() == b.len() && o.len() == b.len() && !has_names(b, t, o) {
            // Line by line: two neighbours may each have been changed by another.
            let lines: Vec<(String, String, String)> = b
                .iter()
                .zip(t)
                .zip(o)
                .map(|((b, t), o)| (b.lines.concat(), t.lines.concat(), o.lines.concat()))
                .collect();
            for ((b, t, o), at) in lines.into_iter().zip(theirs) {
                if t == b {
                    self.put(Piece { key: Key::Line(o.clone()), lines: vec![o] });
                } else {
                    self.put_theirs(at);
                    if o != b && o != t {
                        self.conflict(t, o);
                    }
                }
            }
        } else {
            self.take_theirs(&base, theirs, ours);
        }
    }

    /// They left it alone: what is new is taken. What they changed within a piece stays, also where ours has it no longer.
    fn take_ours(&mut self, theirs: Range<usize>, ours: Range<usize>) {
        for at in ours {
            let Some(piece) = self.ours.get(at) else { continue };
            match piece.name() {
                Some(name) => match self.in_theirs.get(name).copied() {
                    // Where they have it elsewhere, it stays there.
                    Some(there) if theirs.contains(&there) => self.put_theirs(there),
                    Some(_) => {}
                    None if self.in_base.contains_key(name) => self.taken_away(at),
                    None => self.put(piece.clone()),
                },
                None => self.put(piece.clone()),
            }
        }
        for at in theirs {
            let Some(piece) = self.theirs.get(at) else { continue };
            let Some(name) = piece.name().filter(|name| !self.put.contains(*name)) else { continue };
            let was = self.in_base.get(name).and_then(|at| self.base.get(*at));
            if was.is_none_or(|was| was.lines != piece.lines) {
                self.put_theirs(at);
            }
        }
    }

    /// Both changed it: theirs, and what is new in ours.
    fn take_theirs(&mut self, base: &Range<usize>, theirs: Range<usize>, ours: Range<usize>) {
        let their_lines: Vec<String> = slice(self.theirs, &theirs)
            .iter()
            .filter(|piece| piece.name().is_none())
            .map(first_line)
            .collect();
        let base_lines: Vec<String> =
            slice(self.base, base).iter().filter(|piece| piece.name().is_none()).map(first_line).collect();
        theirs.for_each(|at| self.put_theirs(at));
        let mut lost = Vec::new();
        for at in ours.clone() {
            let Some(piece) = self.ours.get(at) else { continue };
            match piece.name() {
                Some(name) if self.in_theirs.contains_key(name) => {}
                Some(name) if self.in_base.contains_key(name) => self.taken_away(at),
                Some(_) => {
                    self.put(piece.clone());
                    // With the blank line that sets it apart.
                    let next = self.ours.get(at + 1).filter(|_| ours.contains(&(at + 1)));
                    if let Some(blank) =
                        next.filter(|next| next.lines.iter().all(|line| line.trim().is_empty()))
                    {
                        self.put(blank.clone());
                    }
                }
                None => {
                    let line = first_line(piece);
                    if !line.trim().is_empty() && !base_lines.contains(&line) && !their_lines.contains(&line)
                    {
                        lost.push(line);
                    }
                }
            }
        }
        if !lost.is_empty() {
            let theirs: Vec<String> =
                their_lines.into_iter().filter(|line| !base_lines.contains(line)).collect();
            self.conflict(theirs.join("\n").trim().to_owned(), lost.join("\n"));
        }
    }

    /// They took a piece away. Where ours has changed it since, that is told.
    fn taken_away(&mut self, at: usize) {
        let Some(piece) = self.ours.get(at) else { return };
        let was = piece.name().and_then(|name| self.in_base.get(name)).and_then(|at| self.base.get(*at));
        if was.is_some_and(|was| was.lines != piece.lines) {
            self.conflict(String::new(), piece.lines.join("\n"));
        }
    }

    /// A piece of theirs, with what ours changed in it.
    fn put_theirs(&mut self, at: usize) {
        let Some(piece) = self.theirs.get(at) else { return };
        let Some(name) = piece.name() else { return self.put(piece.clone()) };
        let was = self.in_base.get(name).and_then(|at| self.base.get(*at));
        let new = self.in_ours.get(name).and_then(|at| self.ours.get(*at));
        let Some(new) = new else { return self.put(piece.clone()) };
        let empty = Vec::new();
        let was = was.map_or(&empty, |was| &was.lines);
        let (lines, conflict) = within(was, &piece.lines, &new.lines);
        if let Some((theirs, ours)) = conflict {
            self.conflict(theirs, ours);
        }
        self.put(Piece { key: piece.key.clone(), lines });
    }

    fn put(&mut self, piece: Piece) {
        if let Some(name) = piece.name()
            && !self.put.insert(name.to_owned())
        {
            return;
        }
        if let Some(line) = piece.lines.first().filter(|line| line.starts_with('#')) {
            line.trim_start_matches('#').trim().clone_into(&mut self.heading);
        }
        self.done.pieces.push(piece);
    }

    fn conflict(&mut self, theirs: String, ours: String) {
        self.done.conflicts.push(Conflict { place: self.heading.clone(), theirs, ours });
    }
}

/// The lines of one named piece, merged; and what was not taken over.
fn within(base: &[String], theirs: &[String], ours: &[String]) -> (Vec<String>, Option<(String, String)>) {
    if theirs == base || theirs == ours {
        return (ours.to_vec(), None);
    }
    if ours == base {
        return (theirs.to_vec(), None);
    }
    let (first, head_conflict) = head(base.first(), theirs.first(), ours.first());
    let rest = |lines: &[String]| lines.get(1..).unwrap_or_default().to_vec();
    let (b, t, o) = (rest(base), rest(theirs), rest(ours));
    let (below, below_conflict) = if t == b {
        (o, None)
    } else if o == b || o == t {
        (t, None)
    } else {
        let new: Vec<String> =
            o.iter().filter(|line| !b.contains(line) && !t.contains(line)).cloned().collect();
        let conflict = (!new.is_empty()).then(|| (t.join("\n"), new.join("\n")));
        (t, conflict)
    };
    let lines = first.into_iter().chain(below).collect();
    let conflict = match (head_conflict, below_conflict) {
        (Some((theirs, ours)), Some((more_theirs, more_ours))) => {
            Some((format!("{theirs}\n{more_theirs}"), format!("{ours}\n{more_ours}")))
        }
        (one, other) => one.or(other),
    };
    (lines, conflict)
}

/// The first line of an item. One that they changed stays, be it by a tick alone: under a tick no other words may come to stand
/// than those that somebody ticked.
fn head(
    base: Option<&String>,
    theirs: Option<&String>,
    ours: Option<&String>,
) -> (Option<String>, Option<(String, String)>) {
    let (Some(theirs), Some(ours)) = (theirs, ours) else { return (theirs.cloned(), None) };
    if base == Some(theirs) {
        return (Some(ours.clone()), None);
    }
    let words = |line: &String| Item::of(line).map_or_else(|| line.clone(), |item| item.text);
    let (was, have, new) = (base.map(words), words(theirs), words(ours));
    let is_conflict = was.as_ref() != Some(&new) && have != new;
    (Some(theirs.clone()), is_conflict.then_some((have, new)))
}

fn slice<'a>(pieces: &'a [Piece], range: &Range<usize>) -> &'a [Piece] {
    pieces.get(range.clone()).unwrap_or_default()
}

fn same(a: &[Piece], b: &[Piece]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key)
}

fn has_names(b: &[Piece], t: &[Piece], o: &[Piece]) -> bool {
    [b, t, o].iter().any(|pieces| pieces.iter().any(|piece| piece.name().is_some() || piece.lines.len() != 1))
}

fn first_line(piece: &Piece) -> String {
    piece.lines.first().cloned().unwrap_or_default()
}
