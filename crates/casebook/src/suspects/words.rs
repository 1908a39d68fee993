//! Numbers as a person reads them.

use scupper_detect::Quantity;
use scupper_model::{Bytes, Identity, Watched, printable};

/// Characters of a name that comes from a process.
const NAME: usize = 40;
/// Characters of a sentence that comes from an event.
const SENTENCE: usize = 160;

/// An amount: `1.2 MiB`, `63`, `0.5`.
pub fn amount(quantity: Quantity, value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    match quantity {
        Quantity::Bytes => format!("{sign}{}", Bytes(whole(size))),
        _ if size < 10.0 && size.fract() > 0.05 => format!("{sign}{size:.1}"),
        _ => format!("{sign}{size:.0}"),
    }
}

/// The same with a sign in front of what grew.
pub fn signed(quantity: Quantity, value: f64) -> String {
    let sign = if value >= 0.0 { "+" } else { "" };
    format!("{sign}{}", amount(quantity, value))
}

/// A span in its two largest units.
pub fn span(seconds: f64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut left = whole(seconds.max(0.0));
    let mut text = Vec::new();
    for (name, length) in UNITS {
        let count = left / length;
        if count > 0 && text.len() < 2 {
            text.push(format!("{count} {name}"));
        }
        left %= length;
    }
    if text.is_empty() { "0 s".to_owned() } else { text.join(" ") }
}

/// A number without its fraction; nothing where it is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; never negative here")]
pub fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A process: `python3 (pid 4711)`.
pub fn process(name: Option<&str>, target: Option<&Identity>) -> String {
    let name = name.filter(|name| !name.is_empty()).map(shown);
    match (name, target) {
        (Some(name), Some(target)) => format!("{name} ({target})"),
        (None, Some(target)) => target.to_string(),
        (Some(name), None) => name,
        (None, None) => "the tree".to_owned(),
    }
}

/// A name that a process gave itself.
pub fn shown(name: &str) -> String {
    printable(name.as_bytes(), NAME)
}

/// A sentence that was recorded.
pub fn sentence(text: &str) -> String {
    printable(text.as_bytes(), SENTENCE)
}

/// What a series counts, for a person.
pub const fn series(of: Watched) -> &'static str {
    match of {
        Watched::Memory => "memory",
        Watched::Descriptors => "open descriptors",
        Watched::Sockets => "sockets",
        Watched::Threads => "threads",
        Watched::Children => "children",
        Watched::Zombies => "zombies",
        Watched::Browsers => "browsers",
        Watched::StdioChildren => "helpers on pipes",
        Watched::CloseWait => "connections in CLOSE_WAIT",
        Watched::FinWait2 => "connections in FIN_WAIT2",
    }
}
