//! What is asked about the fleet: its agents, its events, how it stands.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use scupper_fleet::EventId;
use scupper_fleet::wire::{Agent, Agents, Events, PAGE_DEFAULT, PAGE_LIMIT, Recorded, State as Fleet};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Shared;
use super::access::Asker;
use super::agents::{Asked, OfAgent};
use super::refusal::Refusal;

/// Between two looks for new events, for whoever follows them.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks without an event after which a word is sent all the same: whoever is gone is noticed by it.
const QUIET_LOOKS: u32 = 20;

/// `?from=&limit=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    from: Option<String>,
    limit: Option<usize>,
}

/// `?after=&limit=&follow=true`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    after: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    follow: bool,
}

/// `GET /v1/agents`.
pub(super) async fn agents(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    Asked(Part { from, limit }): Asked<Part>,
) -> Result<Json<Agents>, Refusal> {
    asker.host(&api)?;
    let limit = size(limit)?;
    // Its form says too little: the agent whose name it was may be gone by now.
    let from = match from {
        Some(given) => Some(api.api.token.place(&given).ok_or_else(never_given)?.to_owned()),
        None => None,
    };
    let page = api.ask(move |store| store.agents(from.as_deref(), limit)).await?;
    let agents = page.entries.into_iter().map(Agent::from).collect();
    let next = page.next.map(|next| api.api.token.given(&next).ok_or_else(Refusal::internal));
    Ok(Json(Agents { agents, next: next.transpose()? }))
}

/// `GET /v1/agents/{id}`.
pub(super) async fn agent(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    OfAgent(id): OfAgent,
) -> Result<Json<Agent>, Refusal> {
    asker.host(&api)?;
    let view = api.ask(move |store| store.agent(&id)).await?;
    view.map(|view| Json(Agent::from(view))).ok_or_else(Refusal::no_such_agent)
}

/// `GET /v1/status`.
pub(super) async fn status(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
) -> Result<Json<Fleet>, Refusal> {
    asker.host(&api)?;
    let status = api.ask(|store| store.status()).await?;
    Ok(Json(Fleet::of(status, api.api.registry.clone())))
}

/// `GET /v1/events`: a page, or a stream of server-sent events.
pub(super) async fn events(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    Asked(Since { after, limit, follow }): Asked<Since>,
) -> Result<Response, Refusal> {
    asker.host(&api)?;
    let limit = size(limit)?;
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let follow = follow || says(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream"));
    // What a reader that comes back has seen last.
    let after = says("last-event-id").filter(|_| follow).or(after);
    let after = after.map(event).transpose()?;
    if follow {
        let slot = api.followers.clone().try_acquire_owned().map_err(|_| Refusal::too_many())?;
        return Ok(stream(api, after, slot));
    }
    let seen = after.clone();
    let found = api.ask(move |store| store.events(seen.as_ref(), limit)).await?;
    let next = found.last().map(|(id, _)| id.clone()).or(after);
    let events = found.into_iter().map(|(id, event)| Recorded { id, event }).collect();
    Ok(Json(Events { events, next }).into_response())
}

fn stream(api: Shared, mut after: Option<EventId>, slot: OwnedSemaphorePermit) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let _slot = slot;
        let mut quiet = 0;
        loop {
            let seen = after.clone();
            // An outage is waited for: a reader would only come back and find the same.
            let found = api.ask(move |store| store.events(seen.as_ref(), PAGE_DEFAULT)).await;
            let found = found.unwrap_or_default();
            let full = found.len() >= PAGE_DEFAULT;
            quiet = if found.is_empty() { quiet + 1 } else { 0 };
            let text = if quiet >= QUIET_LOOKS {
                quiet = 0;
                ": nothing new\n\n".to_owned()
            } else {
                found.iter().map(|(id, event)| sent(id, event)).collect()
            };
            after = found.into_iter().last().map(|(id, _)| id).or(after);
            // A page at a time, and the next one when it is taken: a slow reader holds nothing but that.
            if !text.is_empty() && sender.send(Bytes::from(text)).await.is_err() {
                return;
            }
            if sender.is_closed() || api.is_ending() {
                return;
            }
            if !full {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::new(Following { receiver })).into_response()
}

/// One server-sent event. JSON has no line break in it, and an id of a store none either.
fn sent(id: &EventId, event: &scupper_fleet::Event) -> String {
    match serde_json::to_value(event) {
        Ok(value) => {
            let name = value.get("type").and_then(serde_json::Value::as_str).unwrap_or("event");
            format!("id: {}\nevent: {name}\ndata: {value}\n\n", id.0)
        }
        Err(_) => String::new(),
    }
}

/// The body of a stream: what its task sends, as long as it sends.
struct Following {
    receiver: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Following {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}

/// `GET /metrics`: as whoever renders it has it.
pub(super) async fn metrics(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    asker.host(&api)?;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default().to_owned();
    let page = Arc::clone(&api.api.metrics);
    let (kind, text) = api.blocking(move || page(&accept)).await?;
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

/// `GET /healthz`: this process answers. Whether its registry does stands in `/v1/status`: nobody should start a
/// coordinator again because its registry is away.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /v1/openapi.json`.
pub(super) async fn contract() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

/// A place among the events: a number, or two as Redis has them. It may be one of an earlier registry, after which all that
/// is kept comes.
fn event(text: String) -> Result<EventId, Refusal> {
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u64>().is_ok();
    let (first, second) = text.split_once('-').unwrap_or((&text, "0"));
    if number(first) && number(second) { Ok(EventId(text)) } else { Err(never_given()) }
}

fn never_given() -> Refusal {
    Refusal::bad("this place was never given: it is `next` of the part before")
}

fn size(limit: Option<usize>) -> Result<usize, Refusal> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_LIMIT).contains(&limit) { Ok(limit) } else { Err(Refusal::bad("`limit` is from 1 to 500")) }
}
