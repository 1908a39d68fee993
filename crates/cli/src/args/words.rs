//! Flags that take one of a few words, read by the same serde names as files and JSON use.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StringDeserializer};

/// A word, and what it means.
pub(crate) type Word = (&'static str, &'static str);

pub(crate) const PROFILES: &[Word] = &[
    ("web", "a service that answers requests"),
    ("worker", "a worker that starts helpers; these live 5 minutes unless told otherwise"),
    ("job", "a command with an end"),
    ("mcp", "an MCP server: ends with its client"),
    ("agent", "a coding agent: keeps and lists multiplexers and daemons by choice"),
];

pub(crate) const POLICIES: &[Word] = &[
    ("observe", "record only"),
    ("alert", "also warn, and run the --on-event hook"),
    ("recycle", "also drain and replace; never kill for a limit"),
    ("kill", "everything the limits say"),
];

pub(crate) const RESTARTS: &[Word] = &[
    ("never", "the unit ends with its command"),
    ("on-failure", "after a non-zero exit or a signal"),
    ("always", "however it ended"),
];

pub(crate) const RECYCLES: &[Word] = &[
    ("never", "limits alone decide"),
    ("on-leak", "what leaks, in a quiet moment and before the limit that is forecast"),
];

pub(crate) const HORIZONS: &[Word] = &[
    ("long", "a service that runs for days: load of the day and caches are ruled out first"),
    ("short", "a test of some minutes under steady load"),
];

pub(crate) const LOG_FORMATS: &[Word] = &[("text", "key=value"), ("json", "one JSON object a line")];

pub(crate) const PARENT_EXITS: &[Word] = &[
    ("auto", "stop, unless scupper was started to run by itself"),
    ("stop", "stop the unit"),
    ("ignore", "go on"),
];

pub(crate) const LEASES_LOST: &[Word] = &[
    ("pause", "stand still until the registry answers; ends if it is over by then"),
    ("finish", "TERM, its grace, exit 75"),
    ("exit", "KILL at once, exit 75"),
];

pub(crate) const CGROUPS: &[Word] = &[("auto", "where one can be made"), ("off", "never")];

/// A parser for one of these words.
pub(crate) fn one_of<T>(words: &'static [Word]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let values = words.iter().map(|&(word, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(values).try_map(|word: String| {
        let deserializer: StringDeserializer<Error> = word.into_deserializer();
        T::deserialize(deserializer)
    })
}

#[cfg(test)]
mod tests {
    use scupper_model::{Policy, Profile, RecyclePolicy, RestartPolicy};
    use serde::de::IntoDeserializer;

    use super::*;
    use crate::config::{CgroupMode, HorizonMode, LogFormat, OnParentExit};

    #[test]
    fn every_word_is_known_to_its_type() {
        fn check<T: DeserializeOwned>(words: &[Word]) {
            for (word, _) in words {
                let deserializer: StringDeserializer<Error> = (*word).to_owned().into_deserializer();
                assert!(T::deserialize(deserializer).is_ok(), "{word}");
            }
        }
        check::<Profile>(PROFILES);
        check::<Policy>(POLICIES);
        check::<RestartPolicy>(RESTARTS);
        check::<RecyclePolicy>(RECYCLES);
        check::<HorizonMode>(HORIZONS);
        check::<LogFormat>(LOG_FORMATS);
        check::<OnParentExit>(PARENT_EXITS);
        check::<CgroupMode>(CGROUPS);
        check::<scupper_fleet::agent::OnLeaseLost>(LEASES_LOST);
    }
}
