//! What a note says in numbers: how fast, how long until it ends, how much, which versions. With the line each is from.

use std::time::Duration;

use super::note::{Note, What};

/// Facts that are kept of each kind.
const MOST: usize = 16;

/// The numbers of a note.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Growth per hour.
    pub rates: Vec<Rate>,
    /// How long until it fails.
    pub failures: Vec<Failure>,
    /// Sizes that are limits or were reached.
    pub sizes: Vec<Said>,
    /// Versions of programs.
    pub versions: Vec<Said>,
}

/// So many bytes an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// Bytes in an hour.
    pub bytes_per_hour: f64,
    /// Where it is from.
    pub said: Said,
}

/// So long until it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// At least.
    pub from: Duration,
    /// At most.
    pub until: Duration,
    /// Where it is from.
    pub said: Said,
}

/// Words of a note and their line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// As they stand there.
    pub text: String,
    /// From 1.
    pub line: usize,
}

impl Facts {
    /// Reads them from a note, code left out.
    pub fn of(note: &Note) -> Self {
        let mut facts = Self::default();
        for line in note.lines() {
            if !matches!(line.what, What::Front | What::Code | What::Blank) {
                facts.read(&line.text, line.number);
            }
        }
        facts.rates.truncate(MOST);
        facts.failures.truncate(MOST);
        facts.sizes.truncate(MOST);
        facts.versions.truncate(MOST);
        facts
    }

    /// The longest time until it fails; what has to be waited for.
    pub fn time_to_failure(&self) -> Option<Duration> {
        self.failures.iter().map(|failure| failure.until).max()
    }

    /// The fastest growth, in bytes an hour.
    pub fn rate(&self) -> Option<f64> {
        self.rates.iter().map(|rate| rate.bytes_per_hour).max_by(f64::total_cmp)
    }

    fn read(&mut self, text: &str, line: usize) {
        let tokens = tokens(text);
        let lower = text.to_lowercase();
        let speaks_of_failure = FAILING.iter().any(|word| lower.contains(word));
        for (place, token) in tokens.iter().enumerate() {
            // `1e308`, `v2`: not a number that stands alone.
            if text.get(..token.start).is_some_and(|before| before.ends_with(char::is_alphabetic)) {
                if let Some(version) = version(token, tokens.get(place.wrapping_sub(1))) {
                    self.versions.push(Said { text: version, line });
                }
                continue;
            }
            let rest = tokens.get(place + 1..).unwrap_or_default();
            if let Some(version) = version(token, tokens.get(place.wrapping_sub(1))) {
                self.versions.push(Said { text: version, line });
            }
            let Some((from, until)) = token.numbers() else { continue };
            let Some(unit) = rest.first() else { continue };
            if let Some(one) = size(unit.text) {
                match per(rest.get(1..).unwrap_or_default()) {
                    Some((time, last)) => {
                        let said = Said { text: cut(text, token, &last), line };
                        let bytes_per_hour = until * one * 3600.0 / time;
                        if (0.0..=MOST_RATE).contains(&bytes_per_hour) {
                            self.rates.push(Rate { bytes_per_hour, said });
                        }
                    }
                    None => self.sizes.push(Said { text: cut(text, token, unit), line }),
                }
            } else if let Some(one) = time(unit.text)
                && speaks_of_failure
            {
                let length = |count: f64| Duration::try_from_secs_f64(count * one).ok();
                let is_usable = |time: &Duration| *time > Duration::ZERO && *time < LONGEST;
                if let (Some(from), Some(until)) = (length(from), length(until).filter(is_usable)) {
                    let said = Said { text: cut(text, token, unit), line };
                    self.failures.push(Failure { from: from.min(until), until, said });
                }
            }
        }
    }
}

/// No memory grows faster, in bytes an hour; whatever is said to is no measurement.
const MOST_RATE: f64 = 1e18;

/// Nobody waits longer than a year for a failure.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// What is said of a service that ends.
const FAILING: [&str; 10] =
    ["crash", "oom", "out of memory", "die", "kill", "fail", "restart", "exhaust", "runtime", "falls over"];

/// A number, or letters; the text between their places is what was written.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl Token<'_> {
    /// A number or a range: `100`, `8-10`, `1.5`, `1,550`.
    fn numbers(&self) -> Option<(f64, f64)> {
        if !self.text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let number =
            |text: &str| text.replace(',', "").parse::<f64>().ok().filter(|number| number.is_finite());
        match self.text.split_once(['-', '\u{2013}']) {
            Some((from, until)) => Some((number(from)?, number(until)?)),
            None => number(self.text).map(|number| (number, number)),
        }
    }
}

/// Splits into numbers (with ranges), words, and single marks.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        let mut end = start + first.len_utf8();
        let is_number = first.is_ascii_digit();
        while let Some((at, c)) = chars.peek().copied() {
            let next_is_digit = text
                .get(at + c.len_utf8()..)
                .and_then(|rest| rest.chars().next())
                .is_some_and(|c| c.is_ascii_digit());
            let goes_on = if is_number {
                c.is_ascii_digit() || (matches!(c, '.' | ',' | '-' | '\u{2013}') && next_is_digit)
            } else {
                first.is_alphabetic() && c.is_alphabetic()
            };
            if !goes_on {
                break;
            }
            end = at + c.len_utf8();
            chars.next();
        }
        tokens.push(Token { text: text.get(start..end).unwrap_or_default(), start, end });
    }
    tokens
}

/// The written text from one token to another, with a `~` before it.
fn cut(text: &str, first: &Token, last: &Token) -> String {
    let before = text.get(..first.start).unwrap_or_default();
    let about = if before.ends_with('~') { "~" } else { "" };
    format!("{about}{}", text.get(first.start..last.end).unwrap_or_default())
}

/// How many bytes one of these is. `MB` is a million in what people write of memory as often as not; the difference is less
/// than their "about".
fn size(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "kb" => 1e3,
        "mb" | "megabytes" => 1e6,
        "gb" | "gigabytes" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    })
}

/// How many seconds one of these is.
fn time(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

/// `/hour`, `per hour`, `an hour`, `each day`, `every 5 minutes`: seconds, and the last token of it.
fn per<'a>(rest: &[Token<'a>]) -> Option<(f64, Token<'a>)> {
    let first = rest.first()?;
    if !matches!(first.text.to_ascii_lowercase().as_str(), "/" | "per" | "a" | "an" | "each" | "every") {
        return None;
    }
    let second = rest.get(1)?;
    if let Some(one) = time(second.text) {
        return Some((one, *second));
    }
    let (_, count) = second.numbers()?;
    let unit = rest.get(2)?;
    time(unit.text).map(|one| (one * count, *unit)).filter(|(time, _)| *time > 0.0)
}

/// `v1.2.3`, `Node 20`, `Python 3.12`.
fn version(token: &Token, before: Option<&Token>) -> Option<String> {
    const PROGRAMS: [&str; 12] = [
        "node", "python", "ruby", "java", "go", "rust", "php", "postgres", "redis", "gunicorn", "linux",
        "version",
    ];
    if !token.text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let before = before?;
    let name = before.text.to_ascii_lowercase();
    if name == "v" && before.end == token.start {
        return Some(format!("v{}", token.text));
    }
    PROGRAMS.contains(&name.as_str()).then(|| format!("{} {}", before.text, token.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Facts {
        Facts::of(&Note::parse("a.md", text).unwrap())
    }

    #[test]
    fn rates_are_read_however_they_are_written() {
        for (text, expected) in [
            ("- Memory increases by ~100MB/hour", 1e8),
            ("It takes 100 MB per hour", 1e8),
            ("24 MiB a day", 1_048_576.0),
            ("1.5 GB every 30 minutes", 3e9),
            ("grows 10-20 KB/s", 20e3 * 3600.0),
            ("1,000 MB/d", 1e9 / 24.0),
        ] {
            let rate = of(text).rate().unwrap_or_else(|| panic!("{text}"));
            assert!((rate - expected).abs() < expected * 1e-9, "{text}: {rate}");
        }
        assert_eq!(of("- by ~100MB/hour now").rates[0].said, Said { text: "~100MB/hour".into(), line: 1 });
        assert_eq!(of("8GB heap").sizes[0].text, "8GB");
        for absurd in [
            "1e308 GB/hour".to_owned(),
            format!("{} GB/hour", "9".repeat(300)),
            format!("{} MB/hour", "9".repeat(30)),
            "v308 GB/hour".to_owned(),
        ] {
            assert_eq!(of(&absurd).rate(), None, "{absurd}");
        }
        assert_eq!(of("5 MB every 0 minutes").rates, []);
    }

    #[test]
    fn the_time_until_it_fails_is_the_longest_that_is_said() {
        let facts = of("# A\n- Process crashes after 8-10 hours\n- wait 3 hours");
        assert_eq!(facts.time_to_failure(), Some(Duration::from_hours(10)));
        assert_eq!(facts.failures[0].said, Said { text: "8-10 hours".into(), line: 2 });
        assert_eq!(facts.failures.len(), 1);
        assert_eq!(
            of("out of memory after 386615ms runtime").time_to_failure(),
            Some(Duration::from_millis(386_615))
        );
        assert_eq!(of("crashes after 99999999999999 days").time_to_failure(), None);
        assert_eq!(of("```\ncrashes after 3 h\n```\nx").time_to_failure(), None);
    }

    #[test]
    fn versions_are_read_with_their_program() {
        let texts: Vec<_> =
            of("Node 20 and python 3.12, ours is v1.2.3").versions.into_iter().map(|v| v.text).collect();
        assert_eq!(texts, ["Node 20", "python 3.12", "v1.2.3"]);
    }

    #[test]
    fn odd_numbers_break_nothing() {
        for text in [
            "1-",
            "-1 MB",
            "1..2 MB/h",
            "\u{665} MB",
            "1e999 MB/h",
            "9".repeat(400).as_str(),
            "5\u{2013}6 h crash",
        ] {
            let _ = of(text);
        }
    }
}
