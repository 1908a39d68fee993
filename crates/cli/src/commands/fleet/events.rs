//! `fleet events`: the registry's history, and with `-f` what happens from now on.

use std::collections::VecDeque;
use std::time::Duration;

use scupper_fleet::{Event, EventId, Store, StoreError};
use scupper_model::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::registry;
use crate::args::{AgentNames, FleetEventsArgs};
use crate::commands::events::listened_to;
use crate::failure::Failure;
use crate::output::{Printer, log_fact};

/// How many events are shown where nothing is said.
const NEWEST: usize = 100;
/// Events that are asked for at once.
const PAGE: usize = 500;

#[derive(Serialize)]
struct Line<'e> {
    schema: &'static str,
    id: &'e EventId,
    #[serde(flatten)]
    event: &'e Event,
}

/// Which events are shown.
struct Wanted<'a> {
    agent: Option<&'a AgentNames>,
    since: Option<Timestamp>,
}

pub(super) fn run(args: &FleetEventsArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let store = registry::open(&args.registry)?;
    let since = match args.since {
        Some(since) => Some(before(store.status()?.now, since)),
        None => None,
    };
    let newest = args.newest.map(|n| n as usize).or(since.is_none().then_some(NEWEST));
    let wanted = Wanted { agent: args.agent.as_ref(), since };
    let json = args.registry.json;

    // Of the history no more is held than will be shown.
    let mut kept: VecDeque<(EventId, Event)> = VecDeque::new();
    let mut last = None;
    loop {
        let page = store.events(last.as_ref(), PAGE)?;
        let Some((end, _)) = page.last() else { break };
        last = Some(end.clone());
        for found in page.into_iter().filter(|(_, event)| wanted.holds(event)) {
            match newest {
                None => show(&found, json, printer)?,
                Some(most) => {
                    kept.push_back(found);
                    if kept.len() > most {
                        kept.pop_front();
                    }
                }
            }
        }
    }
    kept.iter().try_for_each(|found| show(found, json, printer))?;
    if last.is_none() && !args.follow {
        printer.note("nothing has happened yet in this registry");
    }
    if args.follow {
        follow(&*store, &wanted, last, json, printer)?;
    }
    Ok(0)
}

/// Shows what comes until nobody reads it. A registry that goes away is waited for, and said once.
fn follow(
    store: &dyn Store,
    wanted: &Wanted<'_>,
    mut last: Option<EventId>,
    json: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut away = false;
    while listened_to() {
        let page = match store.events(last.as_ref(), PAGE) {
            Ok(page) => page,
            Err(error) if error.is_outage() => {
                note_once(&mut away, error, printer);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if std::mem::take(&mut away) {
            printer.note("the registry answers again");
        }
        for found in page {
            if wanted.holds(&found.1) {
                show(&found, json, printer)?;
            }
            last = Some(found.0);
        }
    }
    Ok(())
}

fn note_once(away: &mut bool, error: StoreError, printer: &mut Printer) {
    if !std::mem::replace(away, true) {
        printer.note(&format!("warning: {:#}; waiting for it", anyhow::Error::from(error)));
    }
}

impl Wanted<'_> {
    fn holds(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.at >= since)
            && self.agent.is_none_or(|names| event.what.agent().is_some_and(|agent| names.matches(agent)))
    }
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

fn show((id, event): &(EventId, Event), json: bool, printer: &mut Printer) -> Result<(), Failure> {
    let line = if json {
        serde_json::to_string(&Line { schema: "scupper.fleet.event/1", id, event })?
    } else {
        said(event)
    };
    Ok(printer.line(&line)?)
}

/// `at=... event=cleanup_started agent_id=... reason=...`: as every other event, with this house's spelling of the keys.
fn said(event: &Event) -> String {
    let mut line = Map::new();
    line.insert("at".to_owned(), event.at.to_string().into());
    if let Ok(Value::Object(fields)) = serde_json::to_value(event) {
        for (key, value) in fields {
            match key.as_str() {
                "timestamp" => {}
                "type" => {
                    line.insert("event".to_owned(), value);
                }
                // Each of them has an event of its own; a line names them.
                "orphans" => {
                    let names =
                        value.as_array().into_iter().flatten().filter_map(|orphan| orphan.get("agentId"));
                    line.insert(key, names.cloned().collect::<Vec<_>>().into());
                }
                "until" => {
                    let until = value.as_u64().map_or(value, |at| Timestamp(at).to_string().into());
                    line.insert(key, until);
                }
                "growth" => {
                    line.insert("growth_bytes".to_owned(), value);
                }
                _ => {
                    line.insert(snake(&key), value);
                }
            }
        }
    }
    log_fact(&Value::Object(line))
}

fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for character in key.chars() {
        if character.is_ascii_uppercase()
            && !out.ends_with(|last: char| last.is_ascii_uppercase() || last == '_')
        {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use scupper_fleet::{Happened, Orphan, Reason};

    use super::*;

    #[test]
    fn an_event_is_one_line_in_this_houses_words() {
        let line = |what| said(&Event { at: Timestamp(1_000), what });
        let started = Happened::CleanupStarted {
            agent_id: "coder-1".parse().unwrap(),
            reason: Reason::StaleHeartbeat,
            taken_on: true,
        };
        assert_eq!(
            line(started),
            "at=1970-01-01T00:00:01.000Z event=cleanup_started agent_id=coder-1 reason=stale_heartbeat taken_on=true"
        );
        let left =
            Happened::AgentShutdown { agent_id: "a".parse().unwrap(), reason: "by\nhand=\u{1b}".into() };
        assert!(line(left).ends_with("reason=\"by\\nhand=\\u001b\""));
        let hold = Happened::HoldStarted { dead: 5, members: 12, until: 61_000 };
        assert!(line(hold).ends_with("event=hold_started dead=5 members=12 until=1970-01-01T00:01:01.000Z"));
        let orphan = |id: &str| Orphan {
            agent_id: id.parse().unwrap(),
            reason: Reason::MissingHeartbeat,
            last_seen: None,
            idle_time: None,
        };
        let found = Happened::OrphansDetected { count: 2, orphans: vec![orphan("a"), orphan("b")] };
        assert!(line(found).ends_with("event=orphans_detected count=2 orphans=a,b"));
    }
}
