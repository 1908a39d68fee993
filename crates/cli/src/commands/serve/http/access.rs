//! Who may ask what.
//!
//! | who | shows | may |
//! |---|---|---|
//! | this user, over the Unix socket | nothing: the file is his alone | register agents, see everything |
//! | the host, over TCP | the host's token | the same |
//! | an agent, over either | its own token | beat, write, read its items, leave, as itself |
//! | everybody who reaches the port | nothing | `/healthz` and `/v1/openapi.json`, which say nothing of the fleet |
//!
//! Neither the host nor another agent may beat, write or leave for an agent. Who names an incarnation that is over is told
//! so, whatever he shows: its token is forgotten with it, and it has to learn that it is over. By whom, he is told only if
//! he may see the fleet, or shows the token of who lives.
//!
//! A web page reaches loopback as well, by a name of its own that it has point there. It cannot choose the `Host` its
//! browser sends, nor leave out its `Origin`: neither gets past here, and there is no CORS.

use std::net::IpAddr;
use std::sync::PoisonError;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use scupper_fleet::wire::{Code, Token};
use scupper_fleet::{AgentId, Epoch, Incarnation, SecretHash};

use super::Shared;
use super::refusal::Refusal;
use super::token::{hash_of, same};

/// Tokens of agents that are kept, so that a heartbeat does not ask the registry twice.
const KNOWN_LIMIT: usize = 100_000;

/// How a request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Unix,
    Tcp,
}

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    HostToken,
    /// Some other one.
    Token(SecretHash),
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    way: Way,
    shown: Shown,
}

/// Everybody comes through here first.
pub(super) async fn guard(State(api): State<Shared>, mut request: Request, next: Next) -> Response {
    let way = request.extensions().get::<Way>().copied().unwrap_or(Way::Tcp);
    let mut response = match admit(&api, way, &request) {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn admit(api: &Shared, way: Way, request: &Request) -> Result<Asker, Refusal> {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        let error = "requests of web pages are refused";
        return Err(Refusal::new(Code::Forbidden, error, "ask from a program of this host"));
    }
    if way == Way::Tcp {
        let host = request.uri().authority().map(ToString::to_string);
        let host =
            host.or_else(|| only(headers, &HOST).and_then(|host| host.to_str().ok()).map(str::to_owned));
        if !host.is_some_and(|host| is_ours(&host, &api.api.names)) {
            let error = "the Host header names another server";
            let advice = "ask by address or as localhost, or name it to the coordinator";
            return Err(Refusal::new(Code::Misdirected, error, advice));
        }
    }
    let shown = shown(api, headers)?;
    // Whoever shows nothing over TCP is somebody like all the others that do not; no agent is among them. Whose a token
    // is, and who pays for it, is seen where it is looked at.
    let free = match (way, shown) {
        (Way::Tcp, Shown::Nothing) => api.take_as_stranger(),
        (_, Shown::HostToken) | (Way::Unix, Shown::Nothing) => api.take_as_host(),
        (_, Shown::Token(_)) => true,
    };
    if free { Ok(Asker { way, shown }) } else { Err(Refusal::too_many()) }
}

fn shown(api: &Shared, headers: &HeaderMap) -> Result<Shown, Refusal> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(Shown::Nothing);
    }
    let token = only(headers, &AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, token)| token.trim().parse::<Token>().ok())
        .ok_or_else(Refusal::unauthorized)?;
    let hash = hash_of(token.reveal());
    Ok(if api.api.token.is(&hash) { Shown::HostToken } else { Shown::Token(hash) })
}

/// A header that stands there once: of two, another reader could take the other.
fn only<'h>(headers: &'h HeaderMap, name: &axum::http::HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

/// Whether a `Host` is this server: an address (no name can stand for it), localhost, or a name that was given to it.
fn is_ours(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, port)) if port.is_empty() || is_port(port) => {
                return inner.parse::<std::net::Ipv6Addr>().is_ok();
            }
            _ => return false,
        },
        None => match host.find(':') {
            Some(at) if is_port(host.get(at..).unwrap_or_default()) => host.get(..at).unwrap_or_default(),
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

impl Asker {
    /// May see the fleet and register agents.
    pub(super) fn host(self, api: &Shared) -> Result<(), Refusal> {
        if !self.is_host() {
            return Err(Refusal::unauthorized());
        }
        self.pay_as_host(api)
    }

    fn is_host(self) -> bool {
        self.way == Way::Unix || self.shown == Shown::HostToken
    }

    /// Over the Unix socket a token that is nobody's is as good as none, and is paid for like none.
    fn pay_as_host(self, api: &Shared) -> Result<(), Refusal> {
        let unpaid = self.way == Way::Unix && matches!(self.shown, Shown::Token(_));
        if !unpaid || api.take_as_host() { Ok(()) } else { Err(Refusal::too_many()) }
    }

    /// May act as this incarnation: shows the token that its registration was answered with.
    pub(super) async fn agent(self, api: &Shared, who: &Incarnation) -> Result<(), Refusal> {
        let hash = match self.shown {
            Shown::Nothing => return Err(Refusal::unauthorized()),
            Shown::HostToken => None,
            Shown::Token(hash) => Some(hash),
        };
        let known = hash.is_some_and(|hash| api.knows(who, &hash));
        if !known {
            self.ask_registry(api, who, hash).await?;
        }
        if api.take_as_agent(&who.id) { Ok(()) } else { Err(Refusal::too_many()) }
    }

    /// As the registry has it. What is kept here may only say yes: another coordinator may have answered since.
    async fn ask_registry(
        self,
        api: &Shared,
        who: &Incarnation,
        hash: Option<SecretHash>,
    ) -> Result<(), Refusal> {
        if hash.is_some() && !api.take_for_a_look(who) {
            return Err(Refusal::too_many());
        }
        let id = who.id.clone();
        let view = api.ask(move |store| store.agent(&id)).await?;
        let (epoch, secret) = view.map_or((None, None), |view| (view.epoch, view.secret));
        let right = hash.zip(secret).is_some_and(|(hash, secret)| same(&hash, &secret));
        if right {
            api.was_not_made_up();
        }
        if epoch == Some(who.epoch) && right {
            if let Some(secret) = secret {
                api.learn(who.id.clone(), who.epoch, secret);
            }
            return Ok(());
        }
        self.pay_as_host(api)?;
        if epoch == Some(who.epoch) {
            return Err(Refusal::not_its_own(who.id.as_str()));
        }
        // Which agents there are, and who they are now, is nobody's business who shows nothing that is right: whether
        // nobody has the name or another incarnation is one answer to him.
        Err(Refusal::fenced(epoch.filter(|_| right || self.is_host())))
    }

    /// May read what this agent keeps.
    pub(super) async fn reader(self, api: &Shared, id: &AgentId) -> Result<(), Refusal> {
        match self.shown {
            _ if self.is_host() => self.pay_as_host(api),
            Shown::Nothing | Shown::HostToken => Err(Refusal::unauthorized()),
            Shown::Token(hash) => {
                // One that is known pays as the agent that it is, and is looked at all the same: it may have been taken
                // over since, elsewhere.
                let known = api.known_as(id, &hash);
                let free = if known {
                    api.take_as_agent(id)
                } else {
                    api.take_for_a_look(&Incarnation { id: id.clone(), epoch: Epoch(0) })
                };
                if !free {
                    return Err(Refusal::too_many());
                }
                let wanted = id.clone();
                let view = api.ask(move |store| store.agent(&wanted)).await?;
                let (epoch, secret) = view.map_or((None, None), |view| (view.epoch, view.secret));
                // Whether there is such an agent is nobody's business who does not show its token.
                match secret.filter(|secret| same(&hash, secret)) {
                    Some(secret) => {
                        if !known {
                            api.was_not_made_up();
                        }
                        if let Some(epoch) = epoch {
                            api.learn(id.clone(), epoch, secret);
                        }
                        Ok(())
                    }
                    None => Err(Refusal::not_its_own(id.as_str())),
                }
            }
        }
    }
}

impl super::Inner {
    fn take_as_stranger(&self) -> bool {
        self.allowed(|limits, now| limits.strangers.take((), now))
    }

    /// For a look at the registry, with a token that is not known here. For each incarnation that is named there is a
    /// bucket of its own: whoever makes tokens up for one that he can guess takes nothing of what others need. Whoever makes the
    /// names up as well meets what all of them have together: the registry is not asked any faster.
    fn take_for_a_look(&self, who: &Incarnation) -> bool {
        let of = (who.id.clone(), who.epoch);
        self.allowed(|limits, now| limits.looks.take(of, now) && limits.made_up.take((), now))
    }

    /// A look that found the token to be the right one takes nothing of what all that are made up have together.
    fn was_not_made_up(&self) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).made_up.give_back(&());
    }

    fn take_as_host(&self) -> bool {
        self.allowed(|limits, now| limits.host.take((), now))
    }

    fn take_as_agent(&self, id: &AgentId) -> bool {
        self.allowed(|limits, now| limits.agents.take(id.clone(), now))
    }

    fn allowed(&self, take: impl FnOnce(&mut super::Limits, std::time::Duration) -> bool) -> bool {
        let now = self.api.clock.since_boot();
        take(&mut self.limits.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    fn knows(&self, who: &Incarnation, shown: &SecretHash) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&who.id).is_some_and(|(epoch, secret)| *epoch == who.epoch && same(shown, secret))
    }

    /// The same, whichever incarnation it was.
    fn known_as(&self, id: &AgentId, shown: &SecretHash) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).is_some_and(|(_, secret)| same(shown, secret))
    }

    pub(super) fn learn(&self, id: AgentId, epoch: Epoch, secret: SecretHash) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_LIMIT && !known.contains_key(&id) {
            known.clear();
        }
        known.insert(id, (epoch, secret));
    }

    /// An incarnation is over, or its token was not it any more.
    pub(super) fn forget(&self, who: &Incarnation) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&who.id).is_some_and(|(epoch, _)| *epoch == who.epoch) {
            known.remove(&who.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_web_page_chose_is_no_name_of_ours() {
        let names = ["scupper.example".to_owned()];
        for ours in [
            "localhost",
            "LocalHost:9465",
            "127.0.0.1:9465",
            "127.0.0.1",
            "[::1]:9465",
            "[::1]",
            "10.1.2.3:1",
            "scupper.example:443",
        ] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for other in [
            "evil.example",
            "evil.example:9465",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            ":9465",
            "[::1",
            "[evil]:1",
            "127.0.0.1:x",
            "127.0.0.1:9465:1",
            "localhost:99999",
            "[::1]evil",
            "::1",
        ] {
            assert!(!is_ours(other, &names), "{other}");
        }
    }
}
