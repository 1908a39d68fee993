//! Times as documents write them.

use scupper_model::Timestamp;

/// A moment, and whether its zone was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub has_zone: bool,
}

/// So far ahead of us a time without a zone can be and still be now: the easternmost zone, and a little.
const ZONES: u64 = 15 * 3_600_000;
/// Clocks of two machines differ by less.
const CLOCKS: u64 = 10 * 60_000;

impl Moment {
    /// Whether it is still to come.
    pub fn is_after(self, now: Timestamp) -> bool {
        let slack = if self.has_zone { CLOCKS } else { ZONES };
        self.at.0 > now.0.saturating_add(slack)
    }
}

/// `2025-07-14T02:48:59.917Z`, `2025-07-14 02:48:59`, `2025-07-14 02:48`, `2025-07-14`, and with `+02:00` or ` UTC` behind it.
pub(super) fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    if !text.is_ascii() || !(10..=40).contains(&text.len()) {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let rest = rest.trim_start_matches(['T', 't', ' ']).trim();
    let (clock, zone) = split_zone(rest)?;
    let clock = match clock.len() {
        0 => "00:00:00".to_owned(),
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let at: Timestamp = format!("{date}T{clock}Z").parse().ok()?;
    let offset = zone.unwrap_or(0);
    let shifted = i64::try_from(at.0).ok()?.checked_sub(offset.checked_mul(60_000)?)?;
    Some(Moment { at: Timestamp(u64::try_from(shifted).ok()?), has_zone: zone.is_some() })
}

/// The time of day, and the minutes that its zone is ahead of UTC.
fn split_zone(rest: &str) -> Option<(&str, Option<i64>)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']).or_else(|| rest.strip_suffix("UTC")) {
        return Some((clock.trim_end(), Some(0)));
    }
    let Some(at) = rest.rfind(['+', '-']) else { return Some((rest, None)) };
    let (clock, zone) = rest.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 =
        digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| rest.parse().ok())?;
    (hours <= 15 && minutes < 60).then_some((clock.trim_end(), Some(sign * (hours * 60 + minutes))))
}

/// The first time in a line: a date, and the time of day behind it.
pub(super) fn first_in(line: &str) -> Option<Moment> {
    let bytes = line.as_bytes();
    let is_date = |window: &[u8]| {
        window.iter().enumerate().all(|(at, b)| match at {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        })
    };
    let start = bytes.windows(10).position(is_date)?;
    let rest = line.get(start..)?;
    let ends = |(at, c): (usize, char)| {
        (at >= 10 && !(c.is_ascii_digit() || matches!(c, 'T' | ':' | '.' | 'Z' | ' '))).then_some(at)
    };
    let end = rest.char_indices().find_map(ends).unwrap_or(rest.len()).min(24);
    let candidate = rest.get(..end)?.trim_end();
    moment(candidate).or_else(|| moment(candidate.split_once(' ').map_or(candidate, |(date, _)| date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_time_is_read() {
        let exact = moment("2025-07-14T02:48:59.917Z").unwrap();
        assert!(exact.has_zone);
        assert_eq!(exact.at.to_string(), "2025-07-14T02:48:59.917Z");
        assert_eq!(moment("2025-07-14T04:48:59.917+02:00").unwrap().at, exact.at);
        assert_eq!(moment("2025-07-14 02:48").unwrap().at.to_string(), "2025-07-14T02:48:00.000Z");
        assert!(!moment("2026-02-27 10:45:30").unwrap().has_zone);
        assert_eq!(moment("2026-02-02").unwrap().at.to_string(), "2026-02-02T00:00:00.000Z");
        for wrong in ["yesterday", "2025-13-40", "2025-07-14T25:00:00Z", "", "2025-07-1\u{fc}"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_found_in_a_line() {
        let found = first_in("| 2025-07-14T02:48:59.917Z | +3 min | leak |").unwrap();
        assert_eq!(found.at.to_string(), "2025-07-14T02:48:59.917Z");
        assert_eq!(first_in("- 2025-07-14 and more").unwrap().at.to_string(), "2025-07-14T00:00:00.000Z");
        assert_eq!(first_in("no time"), None);
    }

    #[test]
    fn a_time_without_a_zone_may_be_hours_ahead() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(!moment("2026-01-01 12:00:00").unwrap().is_after(now));
        assert!(moment("2026-01-01T12:00:00Z").unwrap().is_after(now));
        assert!(moment("2026-01-02 12:00:00").unwrap().is_after(now));
    }
}
