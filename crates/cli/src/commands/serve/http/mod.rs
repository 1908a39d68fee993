//! The HTTP API of `scupper serve`: any language takes part in a fleet with it, and the agents of a host reach their
//! registry through one program.
//!
//! - `listen.rs`: a Unix socket that is its owner's alone, TCP on this host
//! - `connections.rs`: how many, how long; the thread; the end
//! - `access.rs`: who may ask what; `token.rs`: what he shows; `limits.rs`: how often
//! - `agents.rs`: what agents ask; `fleet.rs`: what is asked about them; `refusal.rs`: what is answered where nothing is done
//! - `openapi.json`: all of it, for programs
//!
//! Handlers are thin: the registry decides, on threads of its own number, and everything is bounded in size and time.

mod access;
mod agents;
mod connections;
mod fleet;
mod limits;
mod listen;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware;
use axum::routing::{get, post};
use http_body_util::BodyExt;
use scupper_fleet::coordinator::Batch;
use scupper_fleet::{AgentId, Clock, CoordinatorId, Epoch, HostId, SecretHash, Store, StoreError, Timing};
use tokio::sync::{Semaphore, watch};

pub(crate) use self::connections::{Serving, serve};
use self::limits::Buckets;
pub(crate) use self::limits::Rate;
pub(crate) use self::listen::{Listener, Reach};
use self::refusal::Refusal;
pub(crate) use self::token::HostToken;

/// How long one answer of the registry is waited for. Longer than a store waits itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a request's body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a body that is too large that are read all the same, so that whoever sends it hears why it is refused.
const DRAINED: usize = 1 << 20;
/// Calls of the registry that are made or wait for a thread.
const CALLS_LIMIT: usize = 64;
/// Readers that follow the events.
const FOLLOWERS: usize = 16;

/// A page of metrics for an `Accept` header: its content type, and its text.
pub(crate) type MetricsPage = Arc<dyn Fn(&str) -> (&'static str, String) + Send + Sync>;

/// How often somebody may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    /// One agent.
    pub(crate) agent: Rate,
    /// Whoever has the host's token, or its Unix socket.
    pub(crate) host: Rate,
    /// Everybody together who shows nothing over TCP. No agent needs anything of it.
    pub(crate) strangers: Rate,
    /// Looks at the registry, for each incarnation that is named with a token that is not known here.
    pub(crate) looks: Rate,
    /// Looks of everybody together that found the token to be made up.
    pub(crate) made_up: Rate,
}

impl Rates {
    /// An agent beats twice a minute and writes what it does; a host starts a thousand agents at once, or looks at
    /// all of them; an agent is looked at once after this server has started.
    pub(crate) const DEFAULT: Self = Self {
        agent: Rate { burst: 100, per_second: 20 },
        host: Rate { burst: 2_000, per_second: 200 },
        strangers: Rate { burst: 1_000, per_second: 100 },
        looks: Rate { burst: 20, per_second: 5 },
        made_up: Rate { burst: 2_000, per_second: 500 },
    };
}

/// What the API serves.
pub(crate) struct Api {
    /// The registry.
    pub(crate) store: Arc<dyn Store>,
    /// Its address, without a password.
    pub(crate) registry: String,
    /// What the agents of this host ask; their heartbeats are sent together by its own thread ([`Batch::run`]).
    pub(crate) members: Arc<Batch>,
    /// Who serves.
    pub(crate) coordinator: CoordinatorId,
    /// On which host.
    pub(crate) host: HostId,
    /// All times.
    pub(crate) timing: Timing,
    /// What opens it over TCP.
    pub(crate) token: HostToken,
    /// Names by which it may be asked over TCP, beside addresses and localhost.
    pub(crate) names: Vec<String>,
    /// `/metrics`.
    pub(crate) metrics: MetricsPage,
    /// For [`Rates`].
    pub(crate) clock: Arc<dyn Clock>,
    /// How often somebody may ask.
    pub(crate) rates: Rates,
}

/// The same with what changes.
struct Inner {
    api: Api,
    limits: Mutex<Limits>,
    /// Tokens of agents that were seen to be theirs.
    known: Mutex<HashMap<AgentId, (Epoch, SecretHash)>>,
    calls: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    end: watch::Receiver<bool>,
}

type Shared = Arc<Inner>;

struct Limits {
    agents: Buckets<AgentId>,
    host: Buckets<()>,
    strangers: Buckets<()>,
    looks: Buckets<(AgentId, Epoch)>,
    made_up: Buckets<()>,
}

impl Inner {
    fn new(api: Api, end: watch::Receiver<bool>) -> Self {
        let Rates { agent, host, strangers, looks, made_up } = api.rates;
        let (agents, host) = (Buckets::new(agent), Buckets::new(host));
        let (strangers, looks) = (Buckets::new(strangers), Buckets::new(looks));
        let made_up = Buckets::new(made_up);
        let limits = Mutex::new(Limits { agents, host, strangers, looks, made_up });
        let (calls, followers) = (Semaphore::new(CALLS_LIMIT), Semaphore::new(FOLLOWERS));
        let (calls, followers) = (Arc::new(calls), Arc::new(followers));
        Self { api, limits, known: Mutex::default(), calls, followers, end }
    }

    fn is_ending(&self) -> bool {
        *self.end.borrow()
    }

    /// What an agent asks, with this coordinator as its own.
    async fn member<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Batch) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let members = Arc::clone(&self.api.members);
        self.blocking(move || question(&members)).await?.map_err(Refusal::from)
    }

    /// Asks the registry, on a thread of its own: it blocks.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.api.store);
        self.blocking(move || question(store.as_ref())).await?.map_err(Refusal::from)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = async {
            let call = Arc::clone(&self.calls).acquire_owned().await.map_err(|_| Refusal::internal())?;
            // The permit goes with the call, not with whoever waits for it: one that hangs keeps its place.
            let done = tokio::task::spawn_blocking(move || {
                let _call = call;
                work()
            });
            done.await.map_err(|_| Refusal::internal())
        };
        tokio::time::timeout(ANSWER_WITHIN, done).await.map_err(|_| Refusal::waiting())?
    }
}

fn router(api: Shared) -> Router {
    let items = || get(agents::get_item).put(agents::put_item).delete(agents::delete_item);
    let router = Router::new()
        .route("/v1/agents", get(fleet::agents))
        .route("/v1/agents/{id}", get(fleet::agent).post(agents::register).delete(agents::depart))
        .route("/v1/agents/{id}/heartbeat", post(agents::heartbeat))
        .route("/v1/agents/{id}/items/{kind}", items())
        .route("/v1/agents/{id}/items/{kind}/{name}", items())
        .route("/v1/status", get(fleet::status))
        .route("/v1/events", get(fleet::events))
        .route("/v1/openapi.json", get(fleet::contract))
        .route("/metrics", get(fleet::metrics))
        .route("/healthz", get(fleet::health))
        .fallback(|| async { Refusal::unknown_path() })
        .method_not_allowed_fallback(|| async { Refusal::method() });
    router.layer(middleware::from_fn_with_state(Arc::clone(&api), access::guard)).with_state(api)
}

/// The body of a request, whole.
async fn body(request: Request, limit: usize) -> Result<Bytes, Refusal> {
    let read = async {
        let mut body: Body = request.into_body();
        let (mut whole, mut size) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Err(Refusal::bad("the body broke off")) };
            let Some(data) = frame.data_ref() else { continue };
            size = size.saturating_add(data.len());
            if size <= limit {
                whole.extend_from_slice(data);
            } else if size > limit.saturating_add(DRAINED) {
                break;
            }
        }
        if size > limit { Err(Refusal::too_large(limit)) } else { Ok(Bytes::from(whole)) }
    };
    tokio::time::timeout(BODY_WITHIN, read).await.map_err(|_| Refusal::too_slow())?
}
