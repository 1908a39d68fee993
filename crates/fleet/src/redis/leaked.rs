//! Keys that seed 004's code left for ever: its coordinator takes a name out of the set first and dies before the keys are
//! deleted, or its agent shuts down and forgets its tasks. No sweep visits them again, and none of ours looks for them: that
//! would be a search through all keys. A person asks for it.

use super::RedisStore;
use super::reply::{Odd, Parts, list, text};
use crate::words::{Kept, LEAKED_LIMIT, Leaked, LeakedKey, UNTOUCHED};
use crate::{AgentId, StoreError};

/// Keys that one SCAN looks at, and those that are judged together: the server does nothing else meanwhile.
const SCANNED: u64 = 1000;
const ASKED: usize = 100;
/// One pattern for all of [`KINDS`], so that one pass over the keys is enough; what else it finds is left out here.
const PATTERN: &str = "[ac][gl]e[na][tn]*:*:*";
const KINDS: [&str; 5] = ["agent:state:", "agent:memory:", "agent:task:", "agent:deps:", "cleanup:lock:"];

impl RedisStore {
    pub(super) fn do_leaked(&self) -> Result<Option<Leaked>, StoreError> {
        if !self.seed {
            return Ok(None);
        }
        let mut leaked = Leaked::default();
        let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
        // A pass may name a key twice.
        let mut seen = std::collections::HashSet::new();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(PATTERN).arg("COUNT").arg(SCANNED);
            let (next, found) = self.command("searching for leaked keys", &scan, |said| {
                let mut parts = Parts::of(said)?;
                Ok((parts.text()?, list(parts.next()?)?))
            })?;
            for key in found.iter().filter_map(|key| text(key).ok()) {
                if KINDS.iter().any(|kind| key.starts_with(kind)) {
                    if is_the_seeds(&key) {
                        keys.push(key);
                    } else {
                        *leaked.kept.entry(Kept::Unknown).or_default() += 1;
                    }
                }
            }
            let is_last = next == "0";
            while keys.len() >= ASKED || (is_last && !keys.is_empty()) {
                let some: Vec<String> = keys.drain(..keys.len().min(ASKED)).collect();
                for (key, (what, untouched_secs)) in some.iter().zip(self.judged(&some, false)?) {
                    match what {
                        Judged::Kept(why) => *leaked.kept.entry(why).or_default() += 1,
                        Judged::Leaked if leaked.keys.len() == LEAKED_LIMIT => leaked.more = true,
                        Judged::Leaked if seen.insert(key.clone()) => {
                            leaked.keys.push(LeakedKey { key: key.clone(), untouched_secs });
                        }
                        Judged::Leaked | Judged::Gone => {}
                    }
                }
            }
            if is_last || leaked.more {
                break;
            }
            cursor = next;
        }
        leaked.keys.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Some(leaked))
    }

    pub(super) fn do_delete_leaked(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let mut deleted = Vec::new();
        if !self.seed {
            return Ok(deleted);
        }
        let keys: Vec<String> = keys.iter().filter(|key| is_the_seeds(key)).cloned().collect();
        for some in keys.chunks(ASKED) {
            for (key, (what, _)) in some.iter().zip(self.judged(some, true)?) {
                if what == Judged::Leaked {
                    deleted.push(key.clone());
                }
            }
        }
        Ok(deleted)
    }

    fn judged(&self, keys: &[String], delete: bool) -> Result<Vec<(Judged, u64)>, StoreError> {
        let mut arguments = self.arguments();
        arguments.flag(delete).number(UNTOUCHED.as_secs());
        for key in keys {
            arguments.add(key);
        }
        let doing = if delete { "deleting leaked keys" } else { "searching for leaked keys" };
        self.call(doing, &self.scripts.leaked, &arguments, |said| {
            let mut parts = Parts::of(said)?;
            let mut judged = Vec::new();
            for _ in keys {
                let what = match parts.text()?.as_str() {
                    "leaked" | "deleted" => Judged::Leaked,
                    "gone" => Judged::Gone,
                    "member" => Judged::Kept(Kept::Member),
                    "busy" => Judged::Kept(Kept::Busy),
                    "touched" => Judged::Kept(Kept::Touched),
                    "limited" => Judged::Kept(Kept::Limited),
                    "unknown" => Judged::Kept(Kept::Unknown),
                    _ => return Err(Odd),
                };
                judged.push((what, parts.some_number()?.unwrap_or_default()));
            }
            Ok(judged)
        })
    }
}

/// What is to be done about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Leaked,
    Gone,
    Kept(Kept),
}

/// Whether it names an agent at all: another program may have keys that look alike.
fn is_the_seeds(key: &str) -> bool {
    let Some(rest) = KINDS.iter().find_map(|kind| key.strip_prefix(kind)) else { return false };
    let is_whole =
        ["agent:state:", "agent:memory:", "cleanup:lock:"].iter().any(|kind| key.starts_with(kind));
    let name = if is_whole { rest } else { rest.split(':').next().unwrap_or_default() };
    name.parse::<AgentId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_agent_is_somebody_elses() {
        for key in
            ["agent:state:coder-1", "agent:task:coder-1:fix a bug", "agent:deps:a:b", "cleanup:lock:a:b"]
        {
            assert!(is_the_seeds(key), "{key}");
        }
        for key in [
            "agent:state:",
            "agent:state:a b",
            "agent:task::x",
            "agent:task:*:x",
            "agent:heartbeat:a",
            "agents:active",
        ] {
            assert!(!is_the_seeds(key), "{key}");
        }
    }
}
