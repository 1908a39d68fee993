//! What is said of one agent: what the scripts answer of it, read, and as whoever asks is shown it.

use scupper_model::Timestamp;

use super::members::{directive, process};
use super::reply::{Odd, Parts, Read};
use super::sweeping::reason;
use crate::rules::Judged;
use crate::{AgentId, AgentView, CoordinatorId, Epoch, Reason, SecretHash, Standing};

/// One agent as it is stored.
pub(super) struct Stored {
    id: AgentId,
    lives: Option<String>,
    deadline: Option<u64>,
    state: String,
    epoch: Option<u64>,
    ttl: u64,
    process: Option<crate::Process>,
    secret: Option<SecretHash>,
    since: Option<u64>,
    coordinator: Option<CoordinatorId>,
    seen: Option<u64>,
    pub(super) reason: Option<Reason>,
    pub(super) fence: Option<u64>,
    pub(super) by: Option<CoordinatorId>,
    directive: Option<String>,
    report: Option<String>,
}

impl Stored {
    /// There is something, and it is not understood.
    pub(super) fn odd(id: AgentId) -> Self {
        Self {
            id,
            lives: None,
            deadline: None,
            state: "?".to_owned(),
            epoch: None,
            ttl: 0,
            process: None,
            secret: None,
            since: None,
            coordinator: None,
            seen: None,
            reason: None,
            fence: None,
            by: None,
            directive: None,
            report: None,
        }
    }

    /// `None` where there is nothing of it.
    pub(super) fn view(self, now: Timestamp) -> Option<AgentView> {
        let standing = match (self.state.as_str(), self.deadline) {
            ("R", _) => Standing::Reaping,
            ("L", Some(deadline)) if self.lives.is_some() && deadline < now.0 => Standing::Expired,
            ("L", Some(_)) if self.lives.is_some() => Standing::Active,
            ("", None) if self.lives.is_none() => return None,
            _ => Standing::Unknown,
        };
        Some(AgentView {
            last_seen: self.seen.or_else(|| Some(self.deadline?.saturating_sub(self.ttl))).map(Timestamp),
            deadline: self.deadline.map(Timestamp),
            id: self.id,
            epoch: self.epoch.map(Epoch),
            standing,
            since: self.since.map(Timestamp),
            process: self.process,
            coordinator: self.coordinator,
            directive: self.directive.as_deref().and_then(directive),
            report: self.report.and_then(|report| serde_json::from_str(&report).ok()),
            secret: self.secret,
        })
    }
}

/// One answer of the script that reads agents.
pub(super) fn stored(mut parts: Parts) -> Read<Stored> {
    let id = parts.parse()?;
    let (lives, deadline, state) = (parts.some_text()?, parts.some_number()?, parts.text()?);
    let (epoch, ttl) = (parts.some()?, parts.some_number()?.unwrap_or(0));
    let host = parts.known()?;
    let identity = parts.some_text()?;
    Ok(Stored {
        id,
        lives,
        deadline,
        state,
        epoch,
        ttl,
        process: process(host, identity.as_deref()),
        secret: parts.some_text()?.map(|hex| secret(&hex).ok_or(Odd)).transpose()?,
        since: parts.some_number()?,
        coordinator: parts.known()?,
        seen: parts.some_number()?,
        reason: parts.some_text()?.map(|word| reason(&word)).transpose()?,
        fence: parts.some()?,
        by: parts.known()?,
        directive: parts.some_text()?,
        report: parts.some_text()?,
    })
}

/// An agent of seed 004.
pub(super) fn seed_view(id: AgentId, judged: &Judged) -> AgentView {
    let (standing, last_seen) = match judged {
        Judged::Alive { last_seen } => (Standing::Active, Some(*last_seen)),
        Judged::Orphan { last_seen, .. } => (Standing::Expired, *last_seen),
        Judged::Unknown { .. } => (Standing::Unknown, None),
    };
    AgentView { standing, last_seen, ..AgentView::unknown(id) }
}

fn secret(hex: &str) -> Option<SecretHash> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(SecretHash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_digits_or_none() {
        assert_eq!(secret(&"0a".repeat(32)), Some(SecretHash([10; 32])));
        for odd in ["", "0a", &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(secret(odd), None);
        }
    }
}
