//! What agents ask: to be a member, to stay one, to write, to leave.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use scupper_fleet::wire::{
    self, BODY_LIMIT, Departed, Heartbeat, ITEM_LIMIT, Kept, Membership, Register, Renewed, TTL_LIMITS,
};
use scupper_fleet::{
    AgentId, Answer, Beat, Epoch, Incarnation, Item, ItemKind, Members, Nonce, Process, Registered,
    Registration, Written,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::access::Asker;
use super::refusal::Refusal;
use super::{Shared, body, token};

/// `?epoch=N`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    epoch: Epoch,
}

/// `?epoch=N&why=SIGTERM`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaving {
    epoch: Epoch,
    #[serde(default)]
    why: Option<String>,
}

/// An agent's id from the path.
pub(super) struct OfAgent(pub(super) AgentId);

/// An item's place from the path.
pub(super) struct OfItem {
    id: AgentId,
    kind: ItemKind,
    name: String,
}

/// A query, refused where something in it is not understood.
pub(super) struct Asked<T>(pub(super) T);

/// `POST /v1/agents/{id}`.
pub(super) async fn register(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    OfAgent(id): OfAgent,
    request: Request,
) -> Result<Response, Refusal> {
    asker.host(&api)?;
    let words: Register = words(&body(request, BODY_LIMIT).await?)?;
    let ttl = words.ttl_ms.map_or(api.api.timing.ttl, Duration::from_millis);
    if !(TTL_LIMITS.0..=TTL_LIMITS.1).contains(&ttl) {
        return Err(Refusal::bad("`ttl_ms` is from 100 (a tenth of a second) to 86400000 (a day)"));
    }
    let nonce = match words.nonce {
        Some(nonce) => nonce,
        None => {
            token::random().ok().and_then(|text| text.parse::<Nonce>().ok()).ok_or_else(Refusal::internal)?
        }
    };
    let token = api.api.token.of_agent(&id, &nonce).map_err(|_| Refusal::internal())?;
    let secret = token::hash_of(token.reveal());
    let registration = Registration {
        id: id.clone(),
        nonce,
        ttl,
        takeover: words.takeover,
        earlier: words.earlier,
        coordinator: Some(api.api.coordinator.clone()),
        process: Process {
            host: words.host.unwrap_or_else(|| api.api.host.clone()),
            identity: words.identity,
        },
        secret: Some(secret),
    };
    match api.member(move |members| members.register(&registration)).await? {
        Registered::Accepted { epoch, now, resumed } => {
            api.learn(id.clone(), epoch, secret);
            let (ttl_ms, interval_ms) = (wire::millis(ttl), wire::millis(interval(&api, ttl)));
            let membership = Membership { id, epoch, token, now, ttl_ms, interval_ms, resumed };
            Ok((StatusCode::CREATED, Json(membership)).into_response())
        }
        Registered::Taken { remaining } => Err(Refusal::taken(remaining)),
        Registered::Busy => Err(Refusal::busy()),
        Registered::Dead { why } => {
            let advice = "stop what it does, and register without \"earlier\" to go on as another one";
            Err(Refusal::new(wire::Code::Dead, why, advice))
        }
    }
}

/// As many beats in a lease as everybody has, and no more often than needed.
fn interval(api: &Shared, ttl: Duration) -> Duration {
    let timing = &api.api.timing;
    let share = timing.interval.as_secs_f64() / timing.ttl.as_secs_f64().max(f64::MIN_POSITIVE);
    ttl.mul_f64(share.clamp(0.01, 0.5)).min(timing.interval.max(Duration::from_millis(1)))
}

/// `POST /v1/agents/{id}/heartbeat?epoch=N`.
pub(super) async fn heartbeat(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    OfAgent(id): OfAgent,
    Asked(Which { epoch }): Asked<Which>,
    request: Request,
) -> Result<Json<Renewed>, Refusal> {
    let who = Incarnation { id, epoch };
    asker.agent(&api, &who).await?;
    let words: Heartbeat = words(&body(request, BODY_LIMIT).await?)?;
    let report = words.report().map_err(Refusal::bad)?;
    let (told, answer) = oneshot::channel();
    let beat = Beat { who: who.clone(), report };
    // Whoever asked may be gone when it is answered.
    api.api.members.submit(vec![beat], Box::new(move |beaten| drop(told.send(beaten))));
    let beaten = tokio::time::timeout(super::ANSWER_WITHIN, answer).await.map_err(|_| Refusal::waiting())?;
    let beaten = beaten.map_err(|_| Refusal::waiting())??;
    let now = beaten.now;
    let answer = beaten.answers.first().copied().ok_or_else(Refusal::internal)?;
    match answer {
        Answer::Accepted { directive } => Ok(Json(Renewed { now, directive })),
        Answer::Fenced { by } => {
            api.forget(&who);
            Err(Refusal::fenced(by))
        }
    }
}

/// `PUT /v1/agents/{id}/items/{kind}/{name}?epoch=N`.
pub(super) async fn put_item(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    at: OfItem,
    Asked(Which { epoch }): Asked<Which>,
    request: Request,
) -> Result<Json<Kept>, Refusal> {
    let who = Incarnation { id: at.id.clone(), epoch };
    asker.agent(&api, &who).await?;
    let value = body(request, ITEM_LIMIT).await?;
    write(&api, who, at, Some(value.to_vec())).await
}

/// `DELETE` of the same.
pub(super) async fn delete_item(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    at: OfItem,
    Asked(Which { epoch }): Asked<Which>,
) -> Result<Json<Kept>, Refusal> {
    let who = Incarnation { id: at.id.clone(), epoch };
    asker.agent(&api, &who).await?;
    write(&api, who, at, None).await
}

async fn write(
    api: &Shared,
    who: Incarnation,
    at: OfItem,
    value: Option<Vec<u8>>,
) -> Result<Json<Kept>, Refusal> {
    let kept = value.is_some();
    let item = Item { kind: at.kind, name: at.name, value };
    let writer = who.clone();
    match api.member(move |members| members.put(&writer, &item)).await? {
        Written::Accepted => Ok(Json(Kept { kept })),
        Written::Fenced { by } => {
            api.forget(&who);
            Err(Refusal::fenced(by))
        }
    }
}

/// `GET` of the same: what was put there, as it was put there.
pub(super) async fn get_item(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    at: OfItem,
) -> Result<Response, Refusal> {
    asker.reader(&api, &at.id).await?;
    let value = api.member(move |members| members.get(&at.id, at.kind, &at.name)).await?;
    let value = value.ok_or_else(Refusal::no_such_item)?;
    let octets = HeaderValue::from_static("application/octet-stream");
    Ok(([(CONTENT_TYPE, octets)], Bytes::from(value)).into_response())
}

/// `DELETE /v1/agents/{id}?epoch=N`.
pub(super) async fn depart(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    OfAgent(id): OfAgent,
    Asked(Leaving { epoch, why }): Asked<Leaving>,
) -> Result<Json<Departed>, Refusal> {
    let who = Incarnation { id, epoch };
    asker.agent(&api, &who).await?;
    let why = why.unwrap_or_else(|| "left".to_owned());
    if why.chars().count() > wire::WHY_LIMIT || why.chars().any(char::is_control) {
        return Err(Refusal::bad("`why` is one line of at most 200 characters"));
    }
    let (leaver, timing) = (who.clone(), api.api.timing);
    let deleted = api.member(move |members| members.depart(&leaver, &why, &timing)).await?;
    api.forget(&who);
    deleted.map(|deleted| Json(Departed { deleted })).ok_or_else(|| Refusal::fenced(None))
}

fn words<T: wire::Request>(body: &[u8]) -> Result<T, Refusal> {
    wire::read(body).map_err(|error| Refusal::bad(format!("the body is not understood: {error}")))
}

fn agent_id(text: &str) -> Result<AgentId, Refusal> {
    text.parse().map_err(|error: scupper_fleet::InvalidId| Refusal::bad(error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for OfAgent {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(id) = path::<String, S>(parts, state).await?;
        agent_id(&id).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfItem {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(all) = path::<Vec<String>, S>(parts, state).await?;
        let part = |at: usize| all.get(at).map(String::as_str).unwrap_or_default();
        let (kind, name) = match (part(1), part(2)) {
            ("state", "") => (ItemKind::State, ""),
            ("task", name) if !name.is_empty() => (ItemKind::Task, name),
            ("deps", name) if !name.is_empty() => (ItemKind::Deps, name),
            _ => {
                return Err(Refusal::bad("an item is `state`, `task/NAME` or `deps/NAME`"));
            }
        };
        // The same characters as an id.
        if !name.is_empty() && name.parse::<AgentId>().is_err() {
            let error = "the name of an item has 1 to 128 of the characters A-Z a-z 0-9 . _ : -";
            return Err(Refusal::bad(error));
        }
        Ok(Self { id: agent_id(part(0))?, kind, name: name.to_owned() })
    }
}

async fn path<T, S>(parts: &mut Parts, state: &S) -> Result<Path<T>, Refusal>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    let refused = |_: PathRejection| Refusal::bad("the path is not understood: it is no UTF-8");
    Path::<T>::from_request_parts(parts, state).await.map_err(refused)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let refused = |error: QueryRejection| {
            Refusal::bad(format!("the query is not understood: {}", error.body_text()))
        };
        Query::<T>::from_request_parts(parts, state).await.map(|Query(asked)| Self(asked)).map_err(refused)
    }
}
