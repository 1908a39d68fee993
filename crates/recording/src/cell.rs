//! One cell: a time or a value, from text or from a JSON number.

use std::time::{Duration, UNIX_EPOCH};

use scupper_detect::Rejected;

use crate::Why;

/// The largest value that the detector takes.
const MOST: f64 = scupper_detect::Sample::MOST;

/// What a cell holds: nothing, a number, or something that cannot be used.
pub(crate) type Cell = Result<Option<f64>, Why>;

/// What it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A moment, in seconds.
    Time,
    /// A size, a count, a share.
    Amount,
}

impl Role {
    /// Reads text: empty is nothing.
    pub(crate) fn text(self, text: &str) -> Cell {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match (text.parse::<f64>(), self) {
            (Ok(number), _) => self.number(number),
            (Err(_), Self::Amount) => Err(Rejected::NotANumber.into()),
            (Err(_), Self::Time) => rfc3339(text).map(|time| Some(time.as_secs_f64())).ok_or(Why::NotATime),
        }
    }

    /// Checks a number, as the detector would: here it is known where the sample stands.
    pub(crate) fn number(self, number: f64) -> Cell {
        match self {
            Self::Amount if number.is_finite() && number > MOST => Err(Rejected::TooLarge.into()),
            _ if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            Self::Time if number.is_finite() => Err(Why::NegativeTime),
            Self::Time => Err(Why::NotATime),
            Self::Amount if number.is_finite() => Err(Rejected::Negative.into()),
            Self::Amount => Err(Rejected::NotANumber.into()),
        }
    }

    /// What is neither text nor number.
    pub(crate) fn other(self) -> Cell {
        match self {
            Self::Time => Err(Why::NotATime),
            Self::Amount => Err(Rejected::NotANumber.into()),
        }
    }
}

/// Time since 1970, of `2026-01-02T03:04:05Z`, `2026-01-02 03:04:05.5` (taken as UTC), `2026-01-02T03:04:05+02:00`.
fn rfc3339(text: &str) -> Option<Duration> {
    const DATE: usize = "2026-01-02".len();
    let zone = text.get(DATE..)?.find(['+', '-']).map(|at| at + DATE);
    let (moment, east) = match zone {
        None => (text, 0),
        Some(at) => (&text[..at], offset(&text[at..])?),
    };
    let moment = humantime::parse_rfc3339_weak(moment).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let distance = Duration::from_secs(east.unsigned_abs());
    if east > 0 { moment.checked_sub(distance) } else { moment.checked_add(distance) }
}

/// Seconds east of Greenwich, of `+02:00`.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let number = |digits: &str, below: i64| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| two && *number < below)
    };
    let seconds = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_dates() {
        let of = |text: &str| Role::Time.text(text);
        assert_eq!(of(" 1.5 "), Ok(Some(1.5)));
        assert_eq!(of("1970-01-01T00:01:00Z"), Ok(Some(60.0)));
        assert_eq!(of("1970-01-01 00:01:00.5"), Ok(Some(60.5)));
        assert_eq!(of("1970-01-02T00:00:00+01:30"), Ok(Some(81_000.0)));
        assert_eq!(of("1970-01-01T00:00:00-00:01"), Ok(Some(60.0)));
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("-1"), Err(Why::NegativeTime));
        for bad in
            ["inf", "NaN", "yesterday", "1970-01-01T00:00:00+1:30", "1970-01-01T00:00:00+é0", "é-é-éé-éé+"]
        {
            assert_eq!(of(bad), Err(Why::NotATime), "{bad}");
        }
    }

    #[test]
    fn values_are_finite_and_not_negative() {
        let of = |text: &str| Role::Amount.text(text);
        assert_eq!(of("18446744073709551615"), Ok(Some(18_446_744_073_709_551_615.0)));
        assert_eq!(of("1e24"), Ok(Some(1e24)));
        assert_eq!(of("1e308"), Err(Rejected::TooLarge.into()));
        assert_eq!(of("-0"), Ok(Some(-0.0)));
        assert_eq!(of("-1"), Err(Rejected::Negative.into()));
        for bad in ["1e309", "NaN", "inf", "-inf", "12 MiB", "0x10", "1,5"] {
            assert_eq!(of(bad), Err(Rejected::NotANumber.into()), "{bad}");
        }
    }
}
