//! What comes over the fleet's HTTP API, on both sides.

use scupper_fleet::wire::{
    Agents, BODY_LIMIT, Events, Fault, Heartbeat, Membership, Register, Renewed, Request, STATE_LIMIT, State,
    Token, read,
};
use serde::Serialize;

use crate::survives;

/// A body: of a request, of a reply, or the text of a token.
pub fn fleet_api(data: &[u8]) {
    request::<Register>(data);
    if let Some(words) = request::<Heartbeat>(data) {
        match words.report() {
            Ok(Some(report)) => {
                assert!(
                    report.state.chars().count() <= STATE_LIMIT && !report.state.contains(char::is_control)
                );
                let again = Heartbeat::of(&report).report().expect("it was sound before");
                assert_eq!(again.as_ref(), Some(&report));
            }
            Ok(None) => {}
            Err(why) => assert!(!why.is_empty()),
        }
    }
    survives::<Membership>(data);
    survives::<Renewed>(data);
    survives::<Agents>(data);
    survives::<Events>(data);
    survives::<State>(data);
    if let Some(fault) = survives::<Fault>(data) {
        assert!((400..600).contains(&fault.code.status()));
    }
    if let Ok(token) = std::str::from_utf8(data).unwrap_or_default().parse::<Token>() {
        assert!(
            token.reveal().bytes().all(|b| b.is_ascii_graphic())
                && !format!("{token:?}").contains(token.reveal())
        );
    }
}

fn request<T: Request + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) -> Option<T> {
    match read::<T>(data) {
        Ok(words) => {
            let again = read::<T>(&serde_json::to_vec(&words).expect("what was read can be written"));
            assert_eq!(again.as_ref(), Ok(&words));
            Some(words)
        }
        // It is told to whoever sent it, and is no longer than what he sent.
        Err(why) => {
            assert!(!why.is_empty() && (data.len() > BODY_LIMIT || why.len() <= data.len() + 300), "{why}");
            None
        }
    }
}
