//! Heartbeats of agents that were written to seed 004: JSON at a key of their own, with the agent's clock in it.

use std::time::Duration;

use scupper_model::{Timestamp, printable};
use serde::Deserialize;

use crate::words::{AgentId, Reason, Timing};

/// A longer heartbeat is not read.
const LENGTH_LIMIT: usize = 64 * 1024;

/// So much of what is not understood is shown.
const SHOWN: usize = 40;

/// An agent's clock may be ahead of the store's by so much.
const AHEAD: u64 = 5000;

/// What the store holds at the key of an agent's heartbeat.
#[derive(Clone, Copy, Debug)]
pub enum SeedHeartbeat<'h> {
    /// Nothing.
    Missing,
    /// Something of another type, named.
    WrongType(&'h str),
    /// Text, and how much longer the store keeps it, where it does not keep it for ever.
    Text {
        /// The text.
        text: &'h [u8],
        /// What is left of [`Timing::seed_ttl`].
        left: Option<Duration>,
    },
}

/// What such a heartbeat says of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It lives.
    Alive {
        /// Its last heartbeat.
        last_seen: Timestamp,
    },
    /// It is an orphan.
    Orphan {
        /// Why.
        reason: Reason,
        /// Its last heartbeat.
        last_seen: Option<Timestamp>,
        /// How long ago.
        idle: Option<Duration>,
    },
    /// Nothing can be told; nothing is done about it.
    Unknown {
        /// Why, in one line.
        trouble: String,
    },
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "agentId")]
    agent_id: Option<String>,
    timestamp: u64,
}

/// Judges one. The store's clock decides where it can: how long ago the text was written follows from how long it is still
/// kept. Only where it is kept for ever does the agent's own clock count, and then not from the future.
///
/// `Missing` is an orphan here; whether it is missing for long enough (an agent may be about to write) is the caller's.
pub fn judge_seed(id: &AgentId, heartbeat: SeedHeartbeat<'_>, now: Timestamp, timing: &Timing) -> Judged {
    let (text, left) = match heartbeat {
        SeedHeartbeat::Missing => {
            return Judged::Orphan { reason: Reason::MissingHeartbeat, last_seen: None, idle: None };
        }
        SeedHeartbeat::WrongType(kind) => {
            return unknown(id, &format!("is a {}", printable(kind.as_bytes(), SHOWN)));
        }
        SeedHeartbeat::Text { text, left } => (text, left),
    };
    if text.len() > LENGTH_LIMIT {
        return unknown(id, &format!("has {} bytes", text.len()));
    }
    let said: Said = match serde_json::from_slice(text) {
        Ok(said) => said,
        Err(error) => {
            let shown = printable(text, SHOWN);
            return unknown(id, &format!("is not understood ({error}): {shown}"));
        }
    };
    if said.agent_id.is_some_and(|said| said != id.as_str()) {
        return unknown(id, "names somebody else");
    }
    let idle = match left.filter(|left| *left <= timing.seed_ttl) {
        Some(left) => timing.seed_ttl.saturating_sub(left),
        None if said.timestamp > now.0.saturating_add(AHEAD) => return unknown(id, "is from the future"),
        None => Duration::from_millis(now.0.saturating_sub(said.timestamp)),
    };
    let millis = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    let last_seen = Timestamp(now.0.saturating_sub(millis));
    if idle > timing.ttl {
        let (last_seen, idle) = (Some(last_seen), Some(idle));
        return Judged::Orphan { reason: Reason::StaleHeartbeat, last_seen, idle };
    }
    Judged::Alive { last_seen }
}

fn unknown(id: &AgentId, what: &str) -> Judged {
    Judged::Unknown { trouble: format!("the heartbeat of {id} {what}: nothing is done about it") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn id() -> AgentId {
        "coder-1".parse().unwrap()
    }

    fn judged(text: &[u8], left: Option<Duration>) -> Judged {
        judge_seed(&id(), SeedHeartbeat::Text { text, left }, NOW, &Timing::DEFAULT)
    }

    fn beat(timestamp: u64) -> Vec<u8> {
        format!(r#"{{"agentId":"coder-1","timestamp":{timestamp},"pid":1,"memoryUsage":{{}},"state":"x"}}"#)
            .into_bytes()
    }

    fn stale(idle: u64) -> Judged {
        Judged::Orphan {
            reason: Reason::StaleHeartbeat,
            last_seen: Some(Timestamp(NOW.0 - idle)),
            idle: Some(Duration::from_millis(idle)),
        }
    }

    #[test]
    fn r093_two_minutes_are_not_more_than_two_minutes() {
        for idle in [119_999, 120_000] {
            let alive = Judged::Alive { last_seen: Timestamp(NOW.0 - idle) };
            assert_eq!(judged(&beat(NOW.0 - idle), None), alive);
            assert_eq!(judged(&beat(0), Some(Duration::from_millis(180_000 - idle))), alive);
        }
        assert_eq!(judged(&beat(NOW.0 - 120_001), None), stale(120_001));
        assert_eq!(judged(&beat(NOW.0), Some(Duration::from_millis(59_999))), stale(120_001));
    }

    #[test]
    fn r093_without_a_heartbeat_it_is_missing() {
        let said = judge_seed(&id(), SeedHeartbeat::Missing, NOW, &Timing::DEFAULT);
        let missing = Judged::Orphan { reason: Reason::MissingHeartbeat, last_seen: None, idle: None };
        assert_eq!(said, missing);
    }

    #[test]
    fn r117_the_stores_clock_counts_where_it_tells() {
        // 125 s slow, beat a moment ago; an hour fast, silent for 175 s.
        let moment = Some(Duration::from_mins(3));
        assert_eq!(judged(&beat(NOW.0 - 125_000), moment), Judged::Alive { last_seen: NOW });
        assert_eq!(judged(&beat(NOW.0 + 3_600_000), Some(Duration::from_secs(5))), stale(175_000));
        // Kept for longer than the protocol says: that tells nothing.
        assert_eq!(judged(&beat(NOW.0 - 130_000), Some(Duration::from_mins(10))), stale(130_000));
    }

    #[test]
    fn r117_what_is_not_understood_is_unknown() {
        let long = vec![b' '; LENGTH_LIMIT + 1];
        for text in [
            &b""[..],
            b"{",
            b"null",
            b"[]",
            b"\xff\xfe",
            br#"{"agentId":"coder-1"}"#,
            br#"{"agentId":"coder-1","timestamp":-1}"#,
            br#"{"agentId":"coder-1","timestamp":"soon"}"#,
            br#"{"agentId":"coder-2","timestamp":1}"#,
            &beat(NOW.0 + 60_000),
            &long,
        ] {
            for left in [None, Some(Duration::from_mins(10))] {
                let Judged::Unknown { trouble } = judged(text, left) else { panic!("{text:?}") };
                assert!(
                    trouble.contains("coder-1") && !trouble.contains('\n') && trouble.len() < 400,
                    "{trouble}"
                );
            }
        }
        let said = judge_seed(&id(), SeedHeartbeat::WrongType("list"), NOW, &Timing::DEFAULT);
        assert!(matches!(said, Judged::Unknown { .. }));
    }

    proptest! {
        #[test]
        fn r117_no_text_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..200), left in prop::option::of(0..400_u64)) {
            let said = judged(&text, left.map(Duration::from_secs));
            let is_unknown = matches!(&said, Judged::Unknown { trouble } if !trouble.contains('\n'));
            prop_assert!(is_unknown, "{said:?}");
        }
    }
}
