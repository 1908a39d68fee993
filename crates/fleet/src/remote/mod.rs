//! A coordinator as a registry for agents: [`Members`] over the HTTP API of `scupper serve`.
//!
//! Calls block, each for a bounded time. Every one is safe to repeat, so one that is lost with an old connection is sent
//! again on a new one. What an agent is given at its registration (its token) is kept here and shown with its requests.

mod line;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::line::{Answered, Asked, Line, Place};
use crate::store::{BEATS_LIMIT, Members, StoreError};
use crate::wire::{
    self, Code, Departed, Fault, Heartbeat, Kept, Membership, Register, Renewed, Token, VERSION,
};
use crate::words::{
    AgentId, Answer, Beat, Beaten, Epoch, Incarnation, Item, ItemKind, Registered, Registration, Timing,
    Written,
};

/// How long one call may take, where nobody says otherwise: well below a lease, and longer than a store may.
const WITHIN: Duration = Duration::from_secs(5);
/// Connections that are kept for the next call.
const IDLE_LIMIT: usize = 4;
/// Agents of one process that go through one coordinator.
const AGENTS_LIMIT: usize = 10_000;
/// How long whoever has the name still has it, where that is not said.
const UNKNOWN_LEASE: Duration = Duration::from_secs(10);

/// A coordinator that is asked over HTTP. Blocks its callers: not to be called from inside an asynchronous runtime.
#[derive(Debug)]
pub struct Remote {
    place: Place,
    /// The host's; a Unix socket asks for none.
    token: Option<Token>,
    within: Duration,
    idle: Mutex<Vec<Line>>,
    agents: Mutex<HashMap<AgentId, (Epoch, Known)>>,
}

/// What is known here of an incarnation.
#[derive(Clone, Debug)]
enum Known {
    /// It lives, as far as was heard; what it shows.
    Living(Token),
    /// It is over, by the word of the coordinator. Kept: whoever asked may not have heard it, and asks again.
    Over(Option<Epoch>),
}

impl Remote {
    /// Over TCP: `http://host:port`. `host` is a name or an address without brackets. Without a token the coordinator
    /// refuses.
    pub fn tcp(host: &str, port: u16, token: Option<Token>) -> Self {
        Self::at(Place::Tcp { host: host.to_owned(), port }, token)
    }

    /// Over the Unix socket of a coordinator on this host, which asks for no token but the agents' own.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Unix(path.into()), None)
    }

    fn at(place: Place, token: Option<Token>) -> Self {
        let (idle, agents) = (Mutex::default(), Mutex::default());
        Self { place, token, within: WITHIN, idle, agents }
    }

    /// How long one call may take.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// One request and its reply, on a connection that was kept or on a new one.
    fn ask(&self, asked: &Asked, doing: &'static str) -> Result<Answered, StoreError> {
        let unreachable = |source: line::LineError| StoreError::Unreachable {
            url: self.url(),
            doing,
            source: source.into(),
        };
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut line) = kept
            && let Ok(answered) = line.ask(asked, self.within)
        {
            self.keep(line);
            return Ok(answered);
        }
        // It was the first one, or the server had closed the old one meanwhile.
        let mut line = Line::open(&self.place, self.within).map_err(unreachable)?;
        let answered = line.ask(asked, self.within).map_err(unreachable)?;
        self.keep(line);
        Ok(answered)
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if line.is_open() && idle.len() < IDLE_LIMIT {
            idle.push(line);
        }
    }

    fn url(&self) -> String {
        self.place.to_string()
    }

    /// What is known of an incarnation; if nothing is, it has not registered here.
    fn known(&self, who: &Incarnation, doing: &'static str) -> Result<Known, StoreError> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        match agents.get(&who.id) {
            Some((epoch, known)) if *epoch == who.epoch => Ok(known.clone()),
            _ => Err(StoreError::Refused {
                url: self.url(),
                doing,
                advice: "register the agent through this connection first",
                source: format!("there is no token of {who}").into(),
            }),
        }
    }

    /// Its token is good for nothing any more.
    fn note_over(&self, who: &Incarnation, by: Option<Epoch>) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = agents.get_mut(&who.id).filter(|(epoch, _)| *epoch == who.epoch) {
            *known = Known::Over(by);
        }
    }

    fn forget(&self, who: &Incarnation) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if agents.get(&who.id).is_some_and(|(epoch, _)| *epoch == who.epoch) {
            agents.remove(&who.id);
        }
    }

    /// What went wrong, where nothing that the caller waits for was said.
    fn failed(&self, answered: &Answered, doing: &'static str) -> StoreError {
        let url = self.url();
        let said = match serde_json::from_slice::<Fault>(&answered.body) {
            Ok(fault) => format!("{} ({})", shown(&fault.error), shown(&fault.advice)),
            Err(_) => format!("status {}", answered.status),
        };
        let source = said.clone().into();
        match answered.status {
            401 => {
                let advice = "give the coordinator's token (the file `token` in its state directory)";
                StoreError::Refused { url, doing, advice, source }
            }
            403 | 421 => {
                let advice = "ask with the agent's own token, and by the coordinator's own address";
                StoreError::Refused { url, doing, advice, source }
            }
            400 | 404 | 405 | 409 | 413 => {
                let advice = "see what it says, and whether both sides are of one version";
                StoreError::Refused { url, doing, advice, source }
            }
            // It is there, and cannot now: what is not known of anybody is no reason to do anything.
            408 | 429 | 500..=599 => StoreError::Unreachable { url, doing, source },
            _ => self.odd(&said),
        }
    }

    fn odd(&self, what: &str) -> StoreError {
        let at = "its reply".to_owned();
        StoreError::Damaged { url: self.url(), at, what: shown(what) }
    }

    fn read<T: DeserializeOwned>(&self, answered: &Answered) -> Result<T, StoreError> {
        // The error says where, and none of what stands there: it could be a token.
        serde_json::from_slice(&answered.body)
            .map_err(|error| self.odd(&format!("no sound JSON in column {}", error.column())))
    }

    fn beat_one(&self, beat: &Beat) -> Result<(Answer, Option<scupper_model::Timestamp>), StoreError> {
        let doing = "renewing a lease";
        let token = match self.known(&beat.who, doing)? {
            Known::Living(token) => Some(token),
            Known::Over(by) => return Ok((Answer::Fenced { by }, None)),
        };
        let body = beat.report.as_ref().map(|report| json(&Heartbeat::of(report))).unwrap_or_default();
        let path = format!("{}/heartbeat?epoch={}", agent(&beat.who.id), beat.who.epoch);
        let answered = self.ask(&Asked { method: Method::POST, path, token, body }, doing)?;
        if answered.status == 200 {
            let Renewed { now, directive } = self.read(&answered)?;
            return Ok((Answer::Accepted { directive }, Some(now)));
        }
        let Over { by } = over(&answered).ok_or_else(|| self.failed(&answered, doing))?;
        self.note_over(&beat.who, by);
        Ok((Answer::Fenced { by }, None))
    }
}

impl Members for Remote {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        let doing = "registering an agent";
        let full = {
            let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
            if agents.len() >= AGENTS_LIMIT {
                agents.retain(|_, (_, known)| matches!(known, Known::Living(_)));
            }
            agents.len() >= AGENTS_LIMIT
        };
        if full {
            let why = format!("{AGENTS_LIMIT} agents of this process go through it already");
            return Err(StoreError::Unfit { url: self.url(), why });
        }
        let body = json(&Register {
            nonce: Some(registration.nonce.clone()),
            ttl_ms: Some(wire::millis(registration.ttl)),
            takeover: registration.takeover,
            earlier: registration.earlier,
            host: Some(registration.process.host.clone()),
            identity: registration.process.identity,
        });
        let path = agent(&registration.id);
        let answered =
            self.ask(&Asked { method: Method::POST, path, token: self.token.clone(), body }, doing)?;
        if matches!(answered.status, 200 | 201) {
            let Membership { epoch, token, now, resumed, .. } = self.read(&answered)?;
            let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.insert(registration.id.clone(), (epoch, Known::Living(token)));
            return Ok(Registered::Accepted { epoch, now, resumed });
        }
        let fault = serde_json::from_slice::<Fault>(&answered.body).ok().filter(|_| answered.status == 409);
        match fault {
            Some(Fault { code: Code::Taken, remaining_ms, .. }) => {
                let remaining = remaining_ms.map_or(UNKNOWN_LEASE, Duration::from_millis);
                Ok(Registered::Taken { remaining })
            }
            Some(Fault { code: Code::Busy, .. }) => Ok(Registered::Busy),
            Some(Fault { code: Code::Dead, error, .. }) => Ok(Registered::Dead { why: shown(&error) }),
            _ => Err(self.failed(&answered, doing)),
        }
    }

    /// One request for each: every agent shows its own token. The coordinator makes one call to the registry of them.
    ///
    /// An error about one of them, or an outage half-way, is the answer to all. What was renewed is renewed once more with
    /// the next call, and who was fenced by then is told so with it: that is kept.
    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        if beats.len() > BEATS_LIMIT {
            let why = format!("{} heartbeats in one call, of at most {BEATS_LIMIT}", beats.len());
            return Err(StoreError::Unfit { url: self.url(), why });
        }
        let mut answers = Vec::with_capacity(beats.len());
        let (mut last, mut failed) = (None, None);
        for beat in beats {
            match self.beat_one(beat) {
                Ok((answer, now)) => {
                    last = last.max(now);
                    answers.push(answer);
                }
                Err(error) if error.is_outage() => return Err(error),
                // What is wrong with one keeps none of the others from being renewed.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or_else(|| Ok(Beaten { now: last.unwrap_or(scupper_model::Timestamp(0)), answers }), Err)
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        let doing = "writing what an agent keeps";
        let token = match self.known(who, doing)? {
            Known::Living(token) => Some(token),
            Known::Over(by) => return Ok(Written::Fenced { by }),
        };
        let path = format!("{}?epoch={}", at_item(&who.id, item.kind, &item.name), who.epoch);
        let (method, body) = match &item.value {
            Some(value) => (Method::PUT, value.clone()),
            None => (Method::DELETE, Vec::new()),
        };
        let answered = self.ask(&Asked { method, path, token, body }, doing)?;
        if answered.status == 200 {
            let Kept { .. } = self.read(&answered)?;
            return Ok(Written::Accepted);
        }
        let Over { by } = over(&answered).ok_or_else(|| self.failed(&answered, doing))?;
        self.note_over(who, by);
        Ok(Written::Fenced { by })
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "reading what an agent keeps";
        let own = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let token = match own.get(id) {
            Some((_, Known::Living(token))) => Some(token.clone()),
            _ => self.token.clone(),
        };
        drop(own);
        let asked = Asked { method: Method::GET, path: at_item(id, kind, name), token, body: Vec::new() };
        let answered = self.ask(&asked, doing)?;
        let missing =
            || serde_json::from_slice::<Fault>(&answered.body).is_ok_and(|f| f.code == Code::NotFound);
        match answered.status {
            200 => Ok(Some(answered.body)),
            // A 404 of some other server says nothing about an item.
            404 if missing() => Ok(None),
            _ => Err(self.failed(&answered, doing)),
        }
    }

    /// `timing` is the coordinator's own here.
    fn depart(&self, who: &Incarnation, why: &str, _timing: &Timing) -> Result<Option<u64>, StoreError> {
        let doing = "leaving";
        let token = match self.known(who, doing)? {
            Known::Living(token) => Some(token),
            Known::Over(_) => return Ok(None),
        };
        let why: String = why.chars().take(wire::WHY_LIMIT).collect();
        let why = percent_encoding::utf8_percent_encode(&why, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("{}?epoch={}&why={why}", agent(&who.id), who.epoch);
        let asked = Asked { method: Method::DELETE, path, token, body: Vec::new() };
        let answered = self.ask(&asked, doing)?;
        let deleted = if answered.status == 200 {
            let Departed { deleted } = self.read(&answered)?;
            Some(deleted)
        } else {
            over(&answered).ok_or_else(|| self.failed(&answered, doing))?;
            None
        };
        self.forget(who);
        Ok(deleted)
    }
}

/// An incarnation is over.
struct Over {
    /// The one that lives now, if any.
    by: Option<Epoch>,
}

/// Whether the answer says so, in so many words.
fn over(answered: &Answered) -> Option<Over> {
    let fault: Fault = serde_json::from_slice(&answered.body).ok()?;
    (answered.status == 409 && fault.code == Code::Fenced).then_some(Over { by: fault.epoch })
}

/// The path of an agent. Its characters mean nothing in a URL.
fn agent(id: &AgentId) -> String {
    format!("{VERSION}/agents/{id}")
}

fn at_item(id: &AgentId, kind: ItemKind, name: &str) -> String {
    let kind = match kind {
        ItemKind::State => return format!("{}/items/state", agent(id)),
        ItemKind::Task => "task",
        ItemKind::Deps => "deps",
    };
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("{}/items/{kind}/{name}", agent(id))
}

fn json(words: &impl Serialize) -> Vec<u8> {
    // These words have no map with keys that are no text, and nothing else of them can fail.
    serde_json::to_vec(words).unwrap_or_default()
}

/// What a server says, as one line of bounded length.
fn shown(text: &str) -> String {
    scupper_model::printable(text.as_bytes(), 300)
}

#[cfg(test)]
mod tests;
