//! The words of a coordinator's HTTP API, `/v1`: what its server (`scupper serve`) and its client ([`crate::Remote`]) say
//! to each other in JSON. Requests refuse a field they do not know, since it is a misspelt one; replies may get more
//! fields. Times are milliseconds, moments RFC 3339.
//!
//! Which incarnation a request is about stands in its query, `?epoch=N`; whose it is shows its `Authorization` header.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{Bytes, Identity, Timestamp};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::words::{
    AgentId, AgentView, CoordinatorId, CoordinatorView, Directive, Epoch, Event, EventId, HostId, MemoryUse,
    Nonce, Phase, Process, Report, Standing, Status,
};

mod token;

pub use self::token::{InvalidToken, Token};

/// Where the API begins. Within one version fields are only added.
pub const VERSION: &str = "/v1";
/// Bytes of an item's value.
pub const ITEM_LIMIT: usize = 64 << 10;
/// Bytes of every other request.
pub const BODY_LIMIT: usize = 16 << 10;
/// Bytes of a reply that a client reads.
pub const REPLY_LIMIT: usize = 4 << 20;
/// Entries of one page.
pub const PAGE_LIMIT: usize = 500;
/// Entries of a page where nobody says how many.
pub const PAGE_DEFAULT: usize = 100;
/// Characters that the nonce of a registration has at least: who guesses it has the agent's token.
pub const NONCE_SHORTEST: usize = 16;
/// Characters of [`Report::state`].
pub const STATE_LIMIT: usize = 64;
/// Characters of the reason for which an agent leaves.
pub const WHY_LIMIT: usize = 200;
/// The shortest and the longest lease that can be asked for: a shorter one cannot be renewed in time over HTTP, a longer
/// one finds nobody dead.
pub const TTL_LIMITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(24));

/// `POST /v1/agents/{id}`: an agent asks to be a member. An empty body is a request with nothing but defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Register {
    /// The same in every retry of this registration, and in no other; unguessable, and therefore of at least
    /// [`NONCE_SHORTEST`] characters. Without one a retry is refused until the lease of the first try has ended.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "long_nonce")]
    pub nonce: Option<Nonce>,
    /// How long one heartbeat is good for; the coordinator's own where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Fence whoever has the name now, instead of being refused.
    pub takeover: bool,
    /// The epoch it had, where it was a member before and wants to go on as that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Epoch>,
    /// Where it runs; the coordinator's host where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Which process it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// The reply to a registration: it is a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Who.
    pub id: AgentId,
    /// Which incarnation: `?epoch=` of all its requests.
    pub epoch: Epoch,
    /// What shows that a request is its own. Nobody else is given it, and it cannot be asked for again.
    pub token: Token,
    /// The registry's time.
    pub now: Timestamp,
    /// How long one heartbeat is good for.
    pub ttl_ms: u64,
    /// How often to beat.
    pub interval_ms: u64,
    /// Whether it goes on as the incarnation it was before the registry lost its data.
    pub resumed: bool,
}

/// `POST /v1/agents/{id}/heartbeat?epoch=N`: an agent lives. An empty body says nothing but that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// What it is doing, in a word of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What is known of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Usage>,
}

/// What an agent takes, in bytes: [`MemoryUse`] where a misspelt field is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Usage {
    /// Resident memory of its process tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss: Option<Bytes>,
    /// Of the runtime's heap, what is reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_total: Option<Bytes>,
    /// Of the runtime's heap, what is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_used: Option<Bytes>,
    /// Memory of the runtime's objects outside of its heap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<Bytes>,
}

/// The reply to a heartbeat: the lease is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// The registry's time.
    pub now: Timestamp,
    /// What the agent is asked to do.
    #[serde(default)]
    pub directive: Option<Directive>,
}

/// The reply to `PUT` and `DELETE` of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whether there is such an item now.
    pub kept: bool,
}

/// The reply to `DELETE /v1/agents/{id}?epoch=N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// How many keys were deleted.
    pub deleted: u64,
}

/// `GET /v1/agents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agents {
    /// A part of them, in no order that means something.
    pub agents: Vec<Agent>,
    /// `?from=` of the next part; `null` at the end.
    pub next: Option<String>,
}

/// One agent, as everybody who may ask sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub id: AgentId,
    /// Which incarnation; `null` for an agent that has none.
    pub epoch: Option<Epoch>,
    /// How it stands.
    pub standing: Standing,
    /// Its last heartbeat.
    pub last_seen: Option<Timestamp>,
    /// When its lease ends.
    pub deadline: Option<Timestamp>,
    /// When it registered.
    pub since: Option<Timestamp>,
    /// Which process it is, as it says.
    pub process: Option<Process>,
    /// Who beats for it.
    pub coordinator: Option<CoordinatorId>,
    /// What it is asked to do.
    pub directive: Option<Directive>,
    /// What it last said of itself.
    pub report: Option<Report>,
}

/// `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// A part of them, the oldest first.
    pub events: Vec<Recorded>,
    /// `?after=` of the next part: the last of these, or what was asked for where there are none yet.
    pub next: Option<EventId>,
}

/// One event and its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place.
    pub id: EventId,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Which registry.
    pub registry: String,
    /// What kind of store it is and which version.
    pub store: String,
    /// Its time.
    pub now: Timestamp,
    /// How long a call to it took.
    pub round_trip_ms: f64,
    /// Whether orphans are claimed.
    #[serde(flatten)]
    pub phase: Phase,
    /// Members.
    pub members: u64,
    /// Of them, how many have not been heard of for longer than they should.
    pub expired: u64,
    /// Cleanups in progress.
    pub claims: u64,
    /// Who coordinates.
    pub coordinators: Vec<Coordinator>,
    /// What the store takes.
    pub memory_bytes: Option<Bytes>,
}

/// One coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinator {
    /// Who.
    pub id: CoordinatorId,
    /// Where.
    pub host: Option<HostId>,
    /// When its lease ends.
    pub until: Timestamp,
}

/// The reply where something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What, for a program.
    pub code: Code,
    /// What, for a person.
    pub error: String,
    /// What can be done about it.
    pub advice: String,
    /// [`Code::Fenced`]: the incarnation that lives now, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// [`Code::Taken`]: how long the lease of whoever has the name still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
}

/// What was not done, and which status says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the request is not understood.
    BadRequest,
    /// 401: it shows no token, or one that nobody has.
    Unauthorized,
    /// 403: it shows another one's token, or comes from a web page.
    Forbidden,
    /// 404: there is no such thing.
    NotFound,
    /// 405: that cannot be done with it.
    MethodNotAllowed,
    /// 408: it did not arrive in time.
    TooSlow,
    /// 409: a living process has that name.
    Taken,
    /// 409: the last one of that name is being cleaned up: ask again soon.
    Busy,
    /// 409: the incarnation it wants to go on as is over, and must not.
    Dead,
    /// 409: the incarnation is over; nothing was renewed or written.
    Fenced,
    /// 413: it is too large.
    TooLarge,
    /// 421: it was meant for another server.
    Misdirected,
    /// 429: too many of them.
    TooMany,
    /// 500: a defect here.
    Internal,
    /// 502: the registry answers, and cannot be used.
    RegistryUnfit,
    /// 503: the registry does not answer, or too much is waiting for it: nothing is known, and nothing was done.
    RegistryAway,
    /// A word of a later version.
    #[serde(other)]
    Other,
}

impl Heartbeat {
    /// What an agent says of itself.
    pub fn of(report: &Report) -> Self {
        let MemoryUse { rss, heap_total, heap_used, external } = report.memory;
        Self {
            state: Some(report.state.clone()),
            verdict: report.verdict,
            memory: Some(Usage { rss, heap_total, heap_used, external }),
        }
    }

    /// The same in the registry's words; `None` where it says nothing of itself.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for whoever sent it.
    pub fn report(self) -> Result<Option<Report>, &'static str> {
        if self == Self::default() {
            return Ok(None);
        }
        let state = self.state.unwrap_or_default();
        if state.chars().count() > STATE_LIMIT || state.chars().any(char::is_control) {
            return Err("`state` is one line of at most 64 characters");
        }
        let Usage { rss, heap_total, heap_used, external } = self.memory.unwrap_or_default();
        // Larger numbers no machine has, and a Lua number does not hold.
        let most = Bytes(1 << 53);
        if [rss, heap_total, heap_used, external].into_iter().flatten().any(|bytes| bytes >= most) {
            return Err("`memory` is in bytes, below 2^53");
        }
        let memory = MemoryUse { rss, heap_total, heap_used, external };
        Ok(Some(Report { state, verdict: self.verdict, memory }))
    }
}

impl From<AgentView> for Agent {
    fn from(view: AgentView) -> Self {
        // Named one by one: what is added to the view is shown only if somebody says so.
        let AgentView {
            id,
            epoch,
            standing,
            last_seen,
            deadline,
            since,
            process,
            coordinator,
            directive,
            report,
            secret: _,
        } = view;
        Self { id, epoch, standing, last_seen, deadline, since, process, coordinator, directive, report }
    }
}

impl From<CoordinatorView> for Coordinator {
    fn from(view: CoordinatorView) -> Self {
        let CoordinatorView { id, host, until } = view;
        Self { id, host, until }
    }
}

impl State {
    /// What is told of a registry whose address is this one, without a password.
    pub fn of(status: Status, registry: String) -> Self {
        Self {
            registry,
            store: status.store,
            now: status.now,
            round_trip_ms: status.round_trip.as_secs_f64() * 1e3,
            phase: status.phase,
            members: status.members,
            expired: status.expired,
            claims: status.claims,
            coordinators: status.coordinators.into_iter().map(Coordinator::from).collect(),
            memory_bytes: status.memory,
        }
    }
}

impl Code {
    /// The status it comes with.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Taken | Self::Busy | Self::Dead | Self::Fenced => 409,
            Self::TooLarge => 413,
            Self::Misdirected => 421,
            Self::TooMany => 429,
            Self::Internal | Self::Other => 500,
            Self::RegistryUnfit => 502,
            Self::RegistryAway => 503,
        }
    }
}

/// Words of a request that can be read from its body.
pub trait Request: DeserializeOwned + Default {
    /// Fields that are objects themselves.
    const OBJECTS: &'static [&'static str];
}

impl Request for Register {
    const OBJECTS: &'static [&'static str] = &["identity"];
}

impl Request for Heartbeat {
    const OBJECTS: &'static [&'static str] = &["memory"];
}

/// The words of a body; an empty one says nothing but defaults.
///
/// # Errors
///
/// What is wrong with it, for whoever sent it; bounded, as the body is.
pub fn read<T: Request>(body: &[u8]) -> Result<T, String> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let words = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    // serde takes a list for an object as well: what is meant by its places nobody has promised.
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let object = |value: &serde_json::Value| value.is_object() || value.is_null();
    if !value.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    match T::OBJECTS.iter().find(|field| value.get(field).is_some_and(|value| !object(value))) {
        Some(field) => Err(format!("`{field}` is no JSON object")),
        None => Ok(words),
    }
}

fn long_nonce<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Nonce>, D::Error> {
    let nonce = Option::<Nonce>::deserialize(from)?;
    if nonce.as_ref().is_some_and(|nonce| nonce.as_str().len() < NONCE_SHORTEST) {
        let what = format!("`nonce` has at least {NONCE_SHORTEST} characters that nobody can guess");
        return Err(D::Error::custom(what));
    }
    Ok(nonce)
}

/// Milliseconds, as they stand in JSON.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
