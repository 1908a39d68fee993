//! What kind of task a note is, how soon and how much: by whole words, blind to code, aware of "not", and with the words and
//! lines it was decided by. The order of sentences changes nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::kind::{Effort, Priority, TaskType};
use super::lexicon::{COMPLEX, EXPLICIT, NEGATORS, NO_NEGATION, PRIORITIES, TAKEN_BACK, TYPES, is_form_of};
use super::note::{Note, What};
use super::original::effort_of;
use super::words::Word;

/// How far a negation reaches, in words.
const REACH: usize = 4;
/// A word that is said again counts once more, so often.
const MOST_AGAIN: u32 = 2;
/// Below this nothing was said.
const LEAST_SCORE: u32 = 3;
/// The winner has to have so much more than the next: this many points, and a quarter of its own.
const LEAST_MARGIN: u32 = 2;
/// Lines that are kept of each word.
const MOST_LINES: usize = 8;

/// What a note was taken for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What kind of task.
    pub task_type: TaskType,
    /// The kind that most speaks for: another one than `task_type` where a person has to decide, or has.
    pub nearest: Option<TaskType>,
    /// The words that speak for it.
    pub matched: Vec<Matched>,
    /// How loudly they do.
    pub score: u32,
    /// What else it could be.
    pub runner_up: Option<RunnerUp>,
    /// Whether a person has to say what it is: nothing speaks for any kind, or two are too near each other.
    pub needs_triage: bool,
    /// How soon.
    pub priority: Priority,
    /// The words that say so; none where nothing does.
    pub priority_by: Vec<Matched>,
    /// Whether the note names its priority.
    pub is_explicit: bool,
    /// How much work.
    pub effort: Effort,
    /// What that was judged by.
    pub words: usize,
    /// The words that speak of much work.
    pub complex: Vec<Matched>,
}

/// A word or phrase that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matched {
    /// As the list of words has it.
    pub word: String,
    /// The lines it stands in, from 1; not all of many.
    pub lines: Vec<usize>,
    /// What it is worth here.
    pub weight: u32,
}

/// The kind that came second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerUp {
    /// Which.
    pub task_type: TaskType,
    /// How loudly.
    pub score: u32,
    /// Its words.
    pub matched: Vec<Matched>,
}

/// Judges a note by its words.
pub(super) fn judge(note: &Note, words: &[Word]) -> Classified {
    let mut scored: Vec<(u32, TaskType, Vec<Matched>)> =
        by_type(words).into_iter().map(|(kind, matched)| (total(&matched), kind, matched)).collect();
    // Equal scores stand in the order of the kinds.
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut scored = scored.into_iter();
    let first = scored.next();
    let second = scored.next();

    let nearest = first.as_ref().map(|(_, kind, _)| *kind);
    let best = first.as_ref().map_or(0, |(score, ..)| *score);
    let next = second.as_ref().map_or(0, |(score, ..)| *score);
    let margin = best - next;
    let needs_triage = best < LEAST_SCORE || margin < LEAST_MARGIN || margin * 4 < best;
    // Two that are too near each other are both shown, and neither is claimed.
    let (task_type, score, matched) = match first {
        Some((score, kind, matched)) if !needs_triage => (kind, score, matched),
        Some((score, _, matched)) => (TaskType::GeneralTask, score, matched),
        None => (TaskType::GeneralTask, 0, Vec::new()),
    };
    let (priority, priority_by, is_explicit) = priority(note, words);
    let complex = find(words, &MUCH_WORK);
    let count = note.text().split_whitespace().count();
    Classified {
        task_type,
        nearest,
        matched,
        score,
        runner_up: second.map(|(score, task_type, matched)| RunnerUp { task_type, score, matched }),
        needs_triage,
        priority,
        priority_by,
        is_explicit,
        effort: effort_of(count, complex.len()),
        words: count,
        complex,
    }
}

fn total(matched: &[Matched]) -> u32 {
    matched.iter().map(|each| each.weight).sum()
}

fn by_type(words: &[Word]) -> BTreeMap<TaskType, Vec<Matched>> {
    let found = KINDS.iter().map(|(kind, phrases)| (*kind, find(words, phrases)));
    found.filter(|(_, matched)| !matched.is_empty()).collect()
}

/// Phrases as words, the longest first, each with what it is worth.
type Phrases = Vec<(Vec<&'static str>, u32)>;

/// The words of the lexicon, split once: a vault has thousands of notes.
static KINDS: LazyLock<Vec<(TaskType, Phrases)>> =
    LazyLock::new(|| TYPES.iter().map(|(kind, phrases)| (*kind, split(phrases.iter().copied()))).collect());
static HOW_SOON: LazyLock<Vec<(Priority, Phrases)>> = LazyLock::new(|| {
    PRIORITIES
        .iter()
        .map(|(priority, words)| (*priority, split(words.iter().map(|word| (*word, 1)))))
        .collect()
});
static MUCH_WORK: LazyLock<Phrases> = LazyLock::new(|| split(COMPLEX.iter().map(|word| (*word, 1))));

fn split(phrases: impl Iterator<Item = (&'static str, u32)>) -> Phrases {
    let mut phrases: Phrases =
        phrases.map(|(phrase, weight)| (phrase.split(' ').collect(), weight)).collect();
    phrases.sort_by_key(|(phrase, _)| std::cmp::Reverse(phrase.len()));
    phrases
}

/// The phrases that are said, longest first where they overlap, the weightiest first in the answer. What is negated is not
/// said.
fn find(words: &[Word], phrases: &Phrases) -> Vec<Matched> {
    let mut found: BTreeMap<String, (u32, Vec<usize>, u32, bool)> = BTreeMap::new();
    let mut at = 0;
    while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
        let hit = phrases.iter().find(|(phrase, _)| begins_with(rest, phrase));
        let Some((phrase, weight)) = hit else {
            at += 1;
            continue;
        };
        if !is_negated(words, at, phrase.len()) {
            let line = rest.first().map_or(0, |word| word.line);
            let in_title = rest.first().is_some_and(|word| word.in_title);
            let entry = found.entry(phrase.join(" ")).or_insert((*weight, Vec::new(), 0, false));
            entry.2 += 1;
            entry.3 |= in_title;
            if entry.1.last() != Some(&line) && entry.1.len() < MOST_LINES {
                entry.1.push(line);
            }
        }
        at += phrase.len();
    }
    let mut matched: Vec<Matched> = found
        .into_iter()
        .map(|(word, (weight, lines, times, in_title))| {
            let again = times.saturating_sub(1).min(MOST_AGAIN);
            // What the title says is what the note is about.
            Matched { word, lines, weight: weight * if in_title { 2 } else { 1 } + again }
        })
        .collect();
    matched.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.word.cmp(&b.word)));
    matched
}

fn begins_with(words: &[Word], phrase: &[&str]) -> bool {
    let Some(first) = words.first() else { return false };
    // Every form of a word begins as it does.
    let begins = |text: &str| text.as_bytes().first().copied();
    begins(&first.text) == phrase.first().and_then(|base| begins(base))
        && words.len() >= phrase.len()
        && words
            .iter()
            .zip(phrase)
            .all(|(word, base)| word.clause == first.clause && is_form_of(&word.text, base))
}

/// Whether the words at this place are taken back: by a "not" before them, or by a "not needed" behind, in their clause.
fn is_negated(words: &[Word], at: usize, length: usize) -> bool {
    let Some(clause) = words.get(at).map(|word| word.clause) else { return false };
    let before: Vec<&str> = words
        .get(at.saturating_sub(REACH)..at)
        .unwrap_or_default()
        .iter()
        .filter(|word| word.clause == clause)
        .map(|word| word.text.as_str())
        .collect();
    let behind: Vec<&str> = words
        .get(at + length..)
        .unwrap_or_default()
        .iter()
        .take(REACH)
        .take_while(|word| word.clause == clause)
        .map(|word| word.text.as_str())
        .collect();
    let negates = |place: usize, text: &[&str]| {
        let word = text.get(place).copied().unwrap_or_default();
        let is_negator = NEGATORS.contains(&word) || word.ends_with("n't");
        let pair = text.get(place..place + 2).unwrap_or_default();
        let turned = text.get(place.saturating_sub(1)..=place).unwrap_or_default();
        is_negator && !NO_NEGATION.iter().any(|phrase| *phrase == pair || *phrase == turned)
    };
    let by_before = (0..before.len()).any(|place| {
        // "no longer", "not only": the pair may be finished by the word itself.
        negates(place, &before)
    });
    let by_behind = behind.contains(&"unnecessary")
        || (0..behind.len()).any(|place| {
            negates(place, &behind)
                && behind.get(place + 1..).unwrap_or_default().iter().any(|word| TAKEN_BACK.contains(word))
        });
    by_before || by_behind
}

/// What the note names comes first, the most pressing of several; then its words.
fn priority(note: &Note, words: &[Word]) -> (Priority, Vec<Matched>, bool) {
    if let Some((priority, line, word)) = explicit(note) {
        let by = Matched { word: format!("priority: {word}"), lines: vec![line], weight: 1 };
        return (priority, vec![by], true);
    }
    for (priority, phrases) in HOW_SOON.iter() {
        let mut matched = find(words, phrases);
        if !matched.is_empty() {
            matched.sort();
            return (*priority, matched, false);
        }
    }
    (Priority::Medium, Vec::new(), false)
}

fn explicit(note: &Note) -> Option<(Priority, usize, String)> {
    let named = note.lines().iter().filter(|line| line.what != What::Code).filter_map(|line| {
        let lower = line.text.to_lowercase();
        let at = lower.find("priority")?;
        let before = lower.get(..at)?;
        // `Priority: x`, `**Priority**: x`, `- priority = x`; not "its priority: is it high".
        if before.chars().any(char::is_alphanumeric) {
            return None;
        }
        let behind = lower.get(at + "priority".len()..)?.trim_start_matches(['*', '_', ' ', '"']);
        let behind = behind.strip_prefix([':', '='])?;
        let mut words = behind.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let word = words.next()?.to_owned();
        let (priority, _) = EXPLICIT.iter().find(|(_, words)| words.contains(&word.as_str()))?;
        Some((*priority, line.number, word))
    });
    named.min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2.cmp(&b.2)))
}

#[cfg(test)]
mod tests;
