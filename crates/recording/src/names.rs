//! What a column's name says about it.

use scupper_detect::Quantity;

use crate::{Kind, Options};

const BYTES: Kind = Kind::Level(Quantity::Bytes);
const COUNT: Kind = Kind::Level(Quantity::Count);

/// Columns that are found by their name.
pub const KNOWN: [(&str, Kind); 11] = [
    ("rss_bytes", BYTES),
    ("tree_rss_bytes", BYTES),
    ("rss_anon_bytes", BYTES),
    ("fds", COUNT),
    ("threads", COUNT),
    ("sockets", COUNT),
    ("children", COUNT),
    ("zombies", COUNT),
    ("tasks", COUNT),
    ("requests", Kind::Counter),
    ("cpu_seconds", Kind::Counter),
];

/// The columns that hold the time, where none is named. Others are not guessed: `timestamp` may be milliseconds.
pub(crate) const TIMES: [&str; 2] = ["seconds", "at"];

impl Options {
    /// Whether a column of this name is looked for, and what it holds.
    pub(crate) fn wanted(&self, name: &str) -> Option<Kind> {
        if self.columns.is_empty() {
            known(name)
        } else {
            self.columns.iter().any(|column| column == name).then(|| self.kind(name))
        }
    }

    /// What a column of this name holds.
    pub(crate) fn kind(&self, name: &str) -> Kind {
        known(name).or_else(|| self.quantity.map(Kind::Level)).unwrap_or_else(|| by_ending(name))
    }

    /// Whether the time is in a column of this name.
    pub(crate) fn is_time(&self, name: &str) -> bool {
        self.time.as_deref().map_or_else(|| TIMES.contains(&name), |time| time == name)
    }
}

fn known(name: &str) -> Option<Kind> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// By the endings that Prometheus asks of metrics.
fn by_ending(name: &str) -> Kind {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&["_total"]) {
        Kind::Counter
    } else if ends(&["_percent"]) {
        Kind::Level(Quantity::Percent)
    } else if ends(&["_fds", "_threads", "_sockets", "_processes", "_children", "_tasks", "_count"]) {
        COUNT
    } else {
        BYTES
    }
}

/// The name most like `wanted`, where one is.
pub(crate) fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // The measure takes the product of the lengths: a header may hold a name of a mebibyte.
    const LONGEST: usize = 100;
    if wanted.len() > LONGEST {
        return None;
    }
    names
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_counts() {
        let options = Options::default();
        assert_eq!(options.kind("process_resident_memory_bytes"), BYTES);
        assert_eq!(options.kind("process_open_fds"), COUNT);
        assert_eq!(options.kind("process_cpu_seconds_total"), Kind::Counter);
        assert_eq!(options.kind("heap"), BYTES);
        let counted = Options { quantity: Some(Quantity::Count), ..Options::default() };
        assert_eq!(counted.kind("heap"), COUNT);
        assert_eq!(counted.kind("rss_bytes"), BYTES);
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("rss_byte", ["fds", "rss_bytes"]), Some("rss_bytes"));
        assert_eq!(nearest("rss_bytes", ["fds", "x"]), None);
        assert_eq!(nearest("rss_bytes", ["é".repeat(200).as_str()]), None);
    }
}
