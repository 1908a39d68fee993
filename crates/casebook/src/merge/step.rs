//! The mark by which a step is known.

use sha2::{Digest, Sha256};

const BEFORE: &str = "<!-- scupper:step=";
const BEHIND: &str = "-->";
/// Characters of an identity.
const LONG: usize = 8;
/// Most of one that somebody else wrote.
const LONGEST: usize = 64;

/// An identity for a step, made from whatever makes it this step and no other: a word for the template and for the step in it,
/// or a bullet of the request. The same parts give the same identity.
pub fn step_id(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    let mut id = format!("{:x}", digest.finalize());
    id.truncate(LONG);
    id
}

/// The comment that carries an identity: `<!-- scupper:step=ab12cd34 -->`. It stands at the end of the step's first line.
pub fn step_mark(id: &str) -> String {
    format!("{BEFORE}{id} {BEHIND}")
}

/// The identity in a line that has one.
pub fn step_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(BEFORE)?;
    let (id, _) = rest.split_once(BEHIND)?;
    let id = id.trim();
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.is_empty() && id.len() <= LONGEST && id.chars().all(is_id)).then_some(id)
}
