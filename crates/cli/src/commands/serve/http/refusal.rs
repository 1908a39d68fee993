//! What is answered where something was not done: a status, and why, in JSON.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use scupper_fleet::wire::{Code, Fault};
use scupper_fleet::{Epoch, StoreError};

/// Nothing was done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    fault: Fault,
    /// When to ask again.
    after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(code: Code, error: impl Into<String>, advice: impl Into<String>) -> Self {
        let error = scupper_model::printable(error.into().as_bytes(), 400);
        let advice = advice.into();
        Self { fault: Fault { code, error, advice, epoch: None, remaining_ms: None }, after: None }
    }

    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, error, "see /v1/openapi.json for what may be said")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            Code::Unauthorized,
            "this needs a token, and the one that was shown, if any, is not it",
            "send `Authorization: Bearer TOKEN`: an agent's own from its registration, else the coordinator's",
        )
    }

    pub(super) fn not_its_own(id: &str) -> Self {
        Self::new(
            Code::Forbidden,
            format!("only {id} itself may do this, and this token is not its own"),
            "send the token that its registration was answered with",
        )
    }

    /// An incarnation is over.
    pub(super) fn fenced(by: Option<Epoch>) -> Self {
        let mut refusal = Self::new(
            Code::Fenced,
            "this incarnation is over: it was cleaned up, or somebody has taken its name over",
            "stop what it does, and register again to go on as another one",
        );
        refusal.fault.epoch = by;
        refusal
    }

    pub(super) fn taken(remaining: Duration) -> Self {
        let mut refusal = Self::new(
            Code::Taken,
            "a living process has that name",
            "take another name, wait until its lease is over, or say \"takeover\": true to fence it",
        );
        refusal.fault.remaining_ms = Some(scupper_fleet::wire::millis(remaining));
        refusal.retry_after(remaining)
    }

    pub(super) fn busy() -> Self {
        let error = "the last one of that name is being cleaned up";
        Self::new(Code::Busy, error, "ask again soon").retry_after(Duration::from_secs(1))
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let error = format!("it is larger than {limit} bytes");
        Self::new(Code::TooLarge, error, "send less")
    }

    pub(super) fn too_slow() -> Self {
        Self::new(Code::TooSlow, "the request did not arrive in time", "send it at once")
    }

    pub(super) fn too_many() -> Self {
        let error = "too many requests";
        Self::new(Code::TooMany, error, "beat as often as the registration says, and no more often")
            .retry_after(Duration::from_secs(1))
    }

    pub(super) fn waiting() -> Self {
        let error = "the registry does not answer in time, or too much is waiting for it";
        Self::new(Code::RegistryAway, error, "go on working, and ask again")
            .retry_after(Duration::from_secs(2))
    }

    pub(super) fn internal() -> Self {
        Self::new(Code::Internal, "a defect of the coordinator", "look at its log; nothing was done")
    }

    pub(super) fn unknown_path() -> Self {
        Self::new(Code::NotFound, "there is nothing here", "see /v1/openapi.json")
    }

    pub(super) fn no_such_agent() -> Self {
        Self::new(Code::NotFound, "there is no such agent", "GET /v1/agents lists them")
    }

    pub(super) fn no_such_item() -> Self {
        Self::new(Code::NotFound, "the agent keeps no such item", "an agent's items go when it goes")
    }

    pub(super) fn method() -> Self {
        let error = "that cannot be done with it";
        Self::new(Code::MethodNotAllowed, error, "see /v1/openapi.json")
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }
}

/// What a registry's error is to somebody who asked over HTTP. Its address shows no password.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let outage = error.is_outage();
        let code = if outage { Code::RegistryAway } else { Code::RegistryUnfit };
        let advice = if outage { "go on working, and ask again" } else { "look at the coordinator's log" };
        let refusal = Self::new(code, error.to_string(), advice);
        if outage { refusal.retry_after(Duration::from_secs(5)) } else { refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.fault.code;
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.fault)).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if code == Code::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
