//! Amounts of memory: `450M`, `3.5GiB`, `80%`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes. Printed with binary units; `M`, `MB` and `MiB` all mean 2^20, as in the seeds' "100MB".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Bytes {
    /// So many MiB (2^20 bytes).
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number as a float, for ratios and slopes. Exact below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^53")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// Difference that stops at zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, size) in UNITS {
            if self.0 >= size {
                return if size == 1 {
                    write!(f, "{} {name}", self.0)
                } else {
                    write!(f, "{:.1} {name}", self.as_f64() / Self(size).as_f64())
                };
            }
        }
        f.write_str("0 B")
    }
}

impl FromStr for Bytes {
    type Err = ParseSizeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseSizeError { text: text.to_owned() };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1_u64 << 40,
            _ => return Err(bad()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(bad);
        }
        let value: f64 = number.parse().map_err(|_| bad())?;
        let bytes = value * Self(factor).as_f64();
        if !bytes.is_finite() || bytes >= Self(u64::MAX).as_f64() {
            return Err(bad());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above; digits only"
        )]
        Ok(Self(bytes as u64))
    }
}

/// A limit as a person writes it: an amount, or a share of what the cgroup or else the host allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Size {
    /// So many bytes.
    Absolute(Bytes),
    /// A percentage of the memory limit of the own cgroup, or of the host's memory where there is none.
    Percent(f64),
}

impl Size {
    /// The limit in bytes, given what 100 % is. `None` where a share is asked of an unknown whole.
    pub fn resolve(self, whole: Option<Bytes>) -> Option<Bytes> {
        match self {
            Self::Absolute(bytes) => Some(bytes),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 < percent <= 100")]
            Self::Percent(percent) => whole.map(|whole| Bytes((whole.as_f64() * percent / 100.0) as u64)),
        }
    }
}

impl FromStr for Size {
    type Err = ParseSizeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseSizeError { text: text.to_owned() };
        if let Some(number) = text.trim().strip_suffix('%') {
            let percent: f64 = number.trim().parse().map_err(|_| bad())?;
            if !(percent > 0.0 && percent <= 100.0) {
                return Err(bad());
            }
            return Ok(Self::Percent(percent));
        }
        let bytes: Bytes = text.parse()?;
        if bytes.0 == 0 {
            return Err(bad());
        }
        Ok(Self::Absolute(bytes))
    }
}

impl TryFrom<String> for Size {
    type Error = ParseSizeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(bytes) => {
                match UNITS.iter().find(|(_, size)| bytes.0 > 0 && bytes.0 % size == 0) {
                    Some((name, size)) => write!(f, "{}{name}", bytes.0 / size),
                    None => write!(f, "{}B", bytes.0),
                }
            }
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Text that is no amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no size: write 450M, 3.5GiB, 800000000 or a percentage above 0 and up to 100 such as 80%"
)]
pub struct ParseSizeError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("450M", 450 << 20),
            ("3.5GiB", 3_758_096_384),
            ("100MB", 104_857_600),
            ("1k", 1024),
            ("17", 17),
            ("2 GiB", 2 << 30),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes, "{text}");
        }
        for text in ["", "M", "-1M", "1X", "nan", "inf", "1e400", "99999999999T", "1.2.3M"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["0", "0%", "101%", "-3%", "NaN%", "%"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_of_an_unknown_whole_is_unknown() {
        let half: Size = "50%".parse().unwrap();
        assert_eq!(half.resolve(Some(Bytes(1000))), Some(Bytes(500)));
        assert_eq!(half.resolve(None), None);
    }

    proptest! {
        #[test]
        fn size_survives_its_own_text(n in 1_u64..u64::MAX) {
            let size = Size::Absolute(Bytes(n));
            prop_assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Size>();
        }
    }
}
