//! What is read of a request, and what an answer shows.

use super::*;
use crate::words::SecretHash;

#[test]
fn a_misspelt_field_of_a_request_is_refused_and_a_new_one_of_a_reply_is_not() {
    assert!(serde_json::from_str::<Register>(r#"{"take_over":true}"#).is_err());
    assert!(serde_json::from_str::<Heartbeat>(r#"{"memory":{"RSS":1}}"#).is_err());
    for list in ["[]", "[null]", r#"{"memory":[]}"#, "null", "1", "{} {}", r#"{"state":"a","state":"b"}"#] {
        assert!(read::<Heartbeat>(list.as_bytes()).is_err(), "{list}");
    }
    assert!(read::<Register>(br#"{"identity":[1,2,"00000000-0000-0000-0000-000000000000"]}"#).is_err());
    assert_eq!(read::<Register>(b""), Ok(Register::default()));
    let renewed = r#"{"now":"2026-11-22T00:00:00.000Z","later":1}"#;
    assert_eq!(serde_json::from_str::<Renewed>(renewed).unwrap().directive, None);
    let fault = r#"{"code":"on_fire","error":"e","advice":"a"}"#;
    assert_eq!(serde_json::from_str::<Fault>(fault).unwrap().code, Code::Other);
}

#[test]
fn a_nonce_that_can_be_guessed_is_refused() {
    let said = |nonce: &str| read::<Register>(format!(r#"{{"nonce":"{nonce}"}}"#).as_bytes());
    let short = said("0123456789abcde").unwrap_err();
    assert!(short.contains("at least 16 characters") && !short.contains("abcde"), "{short}");
    assert_eq!(said("0123456789abcdef").unwrap().nonce, "0123456789abcdef".parse().ok());
    assert_eq!(read::<Register>(br#"{"nonce":null}"#), Ok(Register::default()));
}

#[test]
fn a_token_has_no_text_where_it_is_printed() {
    let token: Token = "a".repeat(64).parse().unwrap();
    assert!(!format!("{token:?}").contains("aaa"));
    for bad in ["", "short", &"a b".repeat(20), &"x".repeat(513), &"é".repeat(40), &"a\n".repeat(32)] {
        assert_eq!(bad.parse::<Token>(), Err(InvalidToken));
        assert!(bad.is_empty() || !InvalidToken.to_string().contains(bad));
    }
}

#[test]
fn a_report_comes_back_as_it_was_and_nonsense_is_refused() {
    let memory = MemoryUse { rss: Some(Bytes(1)), ..MemoryUse::default() };
    let report = Report { state: "idle".to_owned(), verdict: Some(Verdict::Growing), memory };
    assert_eq!(Heartbeat::of(&report).report(), Ok(Some(report)));
    assert_eq!(Heartbeat::default().report(), Ok(None));
    let said = |state: &str| Heartbeat { state: Some(state.to_owned()), ..Heartbeat::default() }.report();
    assert!(said("a\nb").is_err() && said(&"x".repeat(65)).is_err() && said(&"é".repeat(64)).is_ok());
    let huge = Usage { rss: Some(Bytes(u64::MAX)), ..Usage::default() };
    assert!(Heartbeat { memory: Some(huge), ..Heartbeat::default() }.report().is_err());
}

#[test]
fn what_shows_an_agent_never_shows_its_secret() {
    let view = AgentView { secret: Some(SecretHash([7; 32])), ..AgentView::unknown("a".parse().unwrap()) };
    let text = serde_json::to_string(&Agent::from(view)).unwrap();
    assert!(!text.contains("secret") && !text.contains('7'), "{text}");
}
