//! Values of settings that have a notation of their own; the same in flags and files.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use scupper_casebook::incident::Trigger;
use scupper_detect::{GrowRule, Horizon};
use scupper_model::{Bytes, ParseDurationError, ParseSizeError, format_duration, parse_duration};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// Reads a string by its `FromStr`. A visitor, and not a string that is parsed afterwards: so the parser still knows
/// where an element of an array stands when it is wrong.
fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(PhantomData))
}

/// A soft and a hard count: `900`, `900:1000`, `:1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

impl FromStr for Counts {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("`{text}` is no limit: write SOFT, SOFT:HARD or :HARD, such as 900:1000");
        let count = |text: &str| match text.trim() {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| bad()),
        };
        let (soft, hard) = text.split_once(':').unwrap_or((text, ""));
        let counts = Self { soft: count(soft)?, hard: count(hard)? };
        if counts.soft.is_none() && counts.hard.is_none() { Err(bad()) } else { Ok(counts) }
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Counts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 900, or \"SOFT:HARD\" such as \"900:1000\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Counts, E> {
                let soft = u64::try_from(number).map_err(|_| E::custom("a limit cannot be negative"))?;
                Ok(Counts { soft: Some(soft), hard: None })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Counts, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Growth that is a leak: `100M/5m`, more than so much within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grow {
    pub by: Bytes,
    pub within: Duration,
}

/// A rule about less time than this is about noise.
const SHORTEST_RULE: Duration = Duration::from_secs(1);
/// A rule about more time than this would never be known to hold.
const LONGEST_RULE: Duration = Duration::from_hours(7 * 24);

impl From<Grow> for GrowRule {
    fn from(grow: Grow) -> Self {
        Self { by: grow.by.as_f64(), within: grow.within }
    }
}

impl FromStr for Grow {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((by, within)) = text.split_once('/') else {
            return Err(format!("`{text}` is no growth: write SIZE/TIME such as 100M/5m"));
        };
        let by: Bytes = by.parse().map_err(|error: ParseSizeError| error.to_string())?;
        let within = parse_duration(within).map_err(|error| error.to_string())?;
        if by.0 == 0 {
            return Err(format!("`{text}` would call every change a leak: write a size above 0"));
        }
        if !(SHORTEST_RULE..=LONGEST_RULE).contains(&within) {
            let (shortest, longest) = (format_duration(SHORTEST_RULE), format_duration(LONGEST_RULE));
            return Err(format!("`{text}`: the time of a rule is from {shortest} to {longest}"));
        }
        Ok(Self { by, within })
    }
}

impl<'de> Deserialize<'de> for Grow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// What incidents are opened for: `leak,death`, `all` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opens(Vec<Trigger>);

impl Opens {
    /// For what the detector calls a leak.
    pub(crate) fn leaks() -> Self {
        Self(vec![Trigger::Leak])
    }

    /// Whether one is opened for this.
    pub(crate) fn opens(&self, trigger: Trigger) -> bool {
        self.0.contains(&trigger)
    }

    /// Whether none ever is.
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Opens {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "all" => return Ok(Self(Trigger::ALL.to_vec())),
            "none" => return Ok(Self(Vec::new())),
            _ => {}
        }
        let word = |word: &str| {
            let known = Trigger::ALL.into_iter().find(|trigger| trigger.name() == word.trim());
            known.ok_or_else(|| {
                format!("`{word}` opens no incident: write some of leak,limit,death,sweep, or all or none")
            })
        };
        text.split(',').map(word).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for Opens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// How much time there is to judge growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HorizonMode {
    /// A service that runs for days.
    Long,
    /// A test of some minutes under steady load.
    Short,
}

impl From<HorizonMode> for Horizon {
    fn from(mode: HorizonMode) -> Self {
        match mode {
            HorizonMode::Long => Self::Long,
            HorizonMode::Short => Self::Short,
        }
    }
}

/// How long helpers that match may live: `chrome=15m`; or `off`, no default lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Of { pattern: String, lifetime: Duration },
    Off,
}

impl FromStr for Lifetime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let Some((pattern, lifetime)) = text.rsplit_once('=').filter(|(pattern, _)| !pattern.is_empty())
        else {
            return Err(format!("`{text}` is no lifetime: write PATTERN=TIME such as chrome=15m, or off"));
        };
        let lifetime = parse_duration(lifetime).map_err(|error| error.to_string())?;
        if lifetime.is_zero() {
            return Err(format!("`{text}` would end every helper at once: write a time above 0, or off"));
        }
        Ok(Self::Of { pattern: pattern.to_owned(), lifetime })
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Time as people write it, in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub Duration);

impl FromStr for Time {
    type Err = ParseDurationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_duration(text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// A command in a file: an array, so that nobody has to guess how a string would be split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine(pub Vec<String>);

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = CommandLine;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of words such as [\"gunicorn\", \"app:app\"]")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CommandLine, E> {
                let words: Vec<&str> = text.split_whitespace().collect();
                Err(E::custom(format!("a command is an array of words: write command = {words:?}")))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<CommandLine, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element::<String>()? {
                    if word.contains('\0') {
                        return Err(de::Error::custom("a command cannot contain a NUL character"));
                    }
                    words.push(word);
                }
                if words.first().is_none_or(String::is_empty) {
                    return Err(de::Error::custom("the command is empty"));
                }
                Ok(CommandLine(words))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// `key=value`.
    #[default]
    Text,
    /// The event's own JSON, one object a line.
    Json,
}

/// What happens when the process that started scupper is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnParentExit {
    /// Stop, unless scupper was started to run by itself.
    #[default]
    Auto,
    /// Stop the unit.
    Stop,
    /// Go on.
    Ignore,
}

/// Whether to make a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CgroupMode {
    /// Where one can be made.
    Auto,
    /// Never.
    Off,
}

/// An address to listen on; a bare `:PORT` or `PORT` means the loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.strip_prefix(':').unwrap_or(text);
        if let Ok(port) = port.parse::<u16>() {
            return Ok(Self(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        named
            .as_deref()
            .unwrap_or(text)
            .parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is no address: write IP:PORT such as 127.0.0.1:9464, or a port"))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_incidents_are_opened_for_is_some_words_all_or_none() {
        let some: Opens = "leak, death".parse().unwrap();
        assert!(some.opens(Trigger::Leak) && some.opens(Trigger::Death) && !some.opens(Trigger::Limit));
        let (all, none): (Opens, Opens) = ("all".parse().unwrap(), "none".parse().unwrap());
        assert!(Trigger::ALL.into_iter().all(|trigger| all.opens(trigger) && !none.opens(trigger)));
        assert!(none.is_none() && !Opens::leaks().is_none());
        for wrong in ["", "leak,", "fire", "all,leak"] {
            assert!(wrong.parse::<Opens>().unwrap_err().contains("leak,limit,death,sweep"), "{wrong}");
        }
    }

    #[test]
    fn counts_are_soft_hard_or_both() {
        let of = |text: &str| text.parse::<Counts>().map(|counts| (counts.soft, counts.hard));
        assert_eq!(of("900"), Ok((Some(900), None)));
        assert_eq!(of("900:1000"), Ok((Some(900), Some(1000))));
        assert_eq!(of(":1000"), Ok((None, Some(1000))));
        for bad in ["", ":", "a", "1:b", "-1", "1:2:3"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lifetimes_have_a_pattern_and_a_time() {
        let chrome = Lifetime::Of { pattern: "chrome".into(), lifetime: Duration::from_mins(15) };
        assert_eq!("chrome=15m".parse(), Ok(chrome));
        assert_eq!("off".parse(), Ok(Lifetime::Off));
        for bad in ["chrome", "=5m", "chrome=5", "chrome=0s"] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn growth_is_a_size_in_a_time() {
        let grow: Grow = "100M/5m".parse().unwrap();
        assert_eq!((grow.by.0, grow.within), (104_857_600, Duration::from_mins(5)));
        for bad in ["100M", "100M/5", "0/5m", "/5m", "100M/", "10%/5m", "100M/10ms", "100M/30d", "-1M/5m"] {
            assert!(bad.parse::<Grow>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_alone_is_on_the_loopback_interface() {
        for text in ["9464", ":9464", "localhost:9464", "127.0.0.1:9464"] {
            assert_eq!(text.parse::<Address>().unwrap().0.to_string(), "127.0.0.1:9464");
        }
        assert!("example.com:1".parse::<Address>().is_err());
    }
}
