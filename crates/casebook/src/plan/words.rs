//! The words of a note, with the clause they stand in. Code, addresses and front matter have none.

use super::note::{Note, What};

/// A word of a note, in small letters.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    /// The line it stands in, from 1.
    pub line: usize,
    /// Words of one clause share a number: what negates one word negates nothing beyond it.
    pub clause: usize,
    pub in_title: bool,
}

/// Words that are looked at; what is behind them is not classified.
const MOST_WORDS: usize = 50_000;

/// All words of a note, in order.
pub(super) fn words(note: &Note) -> Vec<Word> {
    let mut words = Vec::new();
    let mut clause = 0;
    let mut may_go_on = false;
    for line in note.lines() {
        let text = match &line.what {
            What::Front | What::Code | What::Blank => {
                may_go_on = false;
                continue;
            }
            What::Heading(text) | What::Bullet { text, .. } => {
                may_go_on = false;
                text
            }
            What::Prose => &line.text,
        };
        // A sentence goes on in the next line of its paragraph or bullet.
        clause += usize::from(!may_go_on);
        may_go_on = !matches!(line.what, What::Heading(_));
        read(text, line.number, line.is_title, &mut clause, &mut words);
        if words.len() >= MOST_WORDS {
            break;
        }
    }
    words.truncate(MOST_WORDS);
    words
}

fn read(text: &str, line: usize, in_title: bool, clause: &mut usize, words: &mut Vec<Word>) {
    let text = without_code(text);
    for piece in text.split_whitespace() {
        if piece.contains("://") || piece.starts_with("www.") {
            continue;
        }
        let mut word = String::new();
        let mut chars = piece.chars().peekable();
        while let Some(c) = chars.next() {
            let next_is_word = chars.peek().is_some_and(|next| next.is_alphanumeric());
            match c {
                c if c.is_alphanumeric() => word.extend(c.to_lowercase()),
                '\'' | '\u{2019}' if !word.is_empty() && next_is_word => word.push('\''),
                // 3.5 and 1,000 are one number, v1.2 one word.
                '.' | ',' if next_is_word && word.ends_with(|c: char| c.is_ascii_digit()) => word.push(c),
                _ => {
                    push(&mut word, line, in_title, *clause, words);
                    let ends = matches!(
                        c,
                        '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '|' | '\u{2014}' | '\u{2013}'
                    );
                    // `app.py` and `host:port` end no clause.
                    *clause += usize::from(ends && !next_is_word);
                }
            }
        }
        push(&mut word, line, in_title, *clause, words);
    }
}

/// Words that begin a clause of their own.
const TURNS: [&str; 4] = ["but", "however", "instead", "although"];

fn push(word: &mut String, line: usize, in_title: bool, clause: usize, words: &mut Vec<Word>) {
    if word.is_empty() {
        return;
    }
    let text = std::mem::take(word);
    // The number of a clause says only which words belong together: every other one is left free for such a turn.
    let turned =
        TURNS.contains(&text.as_str()) || words.last().is_some_and(|last| last.clause == 2 * clause + 1);
    words.push(Word { text, line, clause: 2 * clause + usize::from(turned), in_title });
}

/// The text without what stands between backticks.
fn without_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('`') {
        out.push_str(before);
        let length = behind.chars().take_while(|c| *c == '`').count();
        let mark = "`".repeat(length + 1);
        let inner = behind.get(length..).unwrap_or_default();
        let Some((_, after)) = inner.split_once(mark.as_str()) else {
            out.push(' ');
            rest = inner;
            continue;
        };
        out.push(' ');
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, usize)> {
        let note = Note::parse("a.md", text).unwrap();
        words(&note).into_iter().map(|word| (word.text, word.clause)).collect()
    }

    fn clauses(text: &str) -> Vec<String> {
        let mut found: Vec<(usize, String)> = Vec::new();
        for (word, clause) in read(text) {
            match found.last_mut() {
                Some((last, words)) if *last == clause => {
                    words.push(' ');
                    words.push_str(&word);
                }
                _ => found.push((clause, word)),
            }
        }
        found.into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn code_and_addresses_have_no_words() {
        assert_eq!(
            clauses("see `fix the bug` and ``a ` b`` at https://bugs.example/fix now\n```\nbug\n```\n"),
            ["see and at now"]
        );
        assert_eq!(clauses("an open ` tick"), ["an open tick"]);
    }

    #[test]
    fn a_clause_ends_where_a_reader_stops() {
        assert_eq!(clauses("It is not\nurgent. Fix it, now"), ["it is not urgent", "fix it", "now"]);
        assert_eq!(clauses("# Not\nurgent\n- one\n- two"), ["not", "urgent", "one", "two"]);
        assert_eq!(clauses("no bug but a leak. yes"), ["no bug", "but a leak", "yes"]);
        assert_eq!(
            clauses("Don\u{2019}t raise v1.2.3 of app.py to 1,000"),
            ["don't raise v1.2.3 of app py to 1,000"]
        );
    }
}
