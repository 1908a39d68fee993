//! Text in and out: durations as people write them, and bytes of strangers made fit to print.

use std::time::Duration;

/// The longest duration that is read: added to any time, it is still a time.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Reads `30s`, `15m`, `1h 30m`, `500ms`. A bare number is refused: seconds and milliseconds would be guessed.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|_| ParseDurationError::Malformed { text: text.to_owned() })?;
    if duration > LONGEST {
        return Err(ParseDurationError::TooLong { text: text.to_owned() });
    }
    Ok(duration)
}

/// Prints a duration as `parse_duration` reads it, whole milliseconds.
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// It cannot be read.
    #[error("`{text}` is no duration: write 500ms, 30s, 15m, 1h 30m or 7d")]
    Malformed {
        /// The text.
        text: String,
    },
    /// Nobody waits that long.
    #[error("`{text}` is too long a duration: at most 100 years, such as 36500d")]
    TooLong {
        /// The text.
        text: String,
    },
}

/// For `#[serde(with = "scupper_model::duration")]`: a duration as text.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `30s`.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration(*value))
    }

    /// Reads `30s`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

/// Bytes of unknown origin (a command line, a process name, a log line) as one printable line of at most `max`
/// characters: control characters, characters that are not seen or turn the text around, and invalid UTF-8 are
/// replaced, what is cut is marked.
pub fn printable(bytes: &[u8], max: usize) -> String {
    let lossy = String::from_utf8_lossy(bytes);
    let mut out: String = lossy
        .chars()
        .take(max)
        .map(|c| if c.is_control() || is_unseen(c) { '\u{fffd}' } else { c })
        .collect();
    if lossy.chars().nth(max).is_some() {
        out.push_str("...");
    }
    out
}

/// Whether a character changes how its neighbours are shown and is not seen itself: Unicode's category Cf, and the
/// separators of lines and paragraphs. A terminal that obeys them shows another name than the one that is there.
pub(crate) const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strangers_are_printed_on_one_line() {
        assert_eq!(printable(b"a\nb\x1b[31m\xff", 80), "a\u{fffd}b\u{fffd}[31m\u{fffd}");
        assert_eq!(printable(b"abcdef", 3), "abc...");
    }

    #[test]
    fn a_name_that_turns_itself_around_is_not_obeyed() {
        for unseen in ["\u{202a}", "\u{202e}", "\u{2066}", "\u{2069}", "\u{200b}", "\u{200f}", "\u{feff}"] {
            assert_eq!(printable(format!("a{unseen}b").as_bytes(), 80), "a\u{fffd}b", "{unseen:?}");
        }
        for seen in ["\u{e4}", "\u{4e2d}", "\u{5d0}", "\u{1f600}"] {
            assert_eq!(printable(seen.as_bytes(), 80), seen);
        }
    }

    #[test]
    fn a_bare_number_is_no_duration() {
        assert!(parse_duration("30").is_err());
        assert!(parse_duration("-1s").is_err());
        assert_eq!(parse_duration("1h 30m").unwrap(), Duration::from_mins(90));
    }

    #[test]
    fn a_duration_can_be_added_to_any_time() {
        assert!(parse_duration("36500d").unwrap().checked_add(Duration::from_secs(u64::MAX / 2)).is_some());
        for text in ["36501d", "101y", "18446744073709551615s", "99999999999999y"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_survive_their_own_text(ms in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
        }
    }
}
