//! `fleet drain`: asks agents to leave. They hear of it in the answer to their next heartbeat.

use scupper_fleet::{AgentId, AgentView, Directive, Standing, Store};
use serde::Serialize;

use super::{registry, view};
use crate::args::{AgentNames, DrainArgs};
use crate::failure::{FINDINGS, Failure};
use crate::output::{Printer, Table};

/// Agents that are asked for at once.
const PAGE: usize = 500;
/// Agents that one command asks.
const MOST: usize = 100_000;

#[derive(Serialize)]
struct Report<'d> {
    schema: &'static str,
    /// `dry_run` or `asked`.
    mode: &'static str,
    /// `drain`; `null` where it was taken back.
    directive: Option<Directive>,
    /// Whom it is about.
    agents: Vec<&'d AgentId>,
    /// Who was asked.
    asked: Vec<&'d AgentId>,
    /// Who was gone by then.
    gone: Vec<&'d AgentId>,
}

pub(super) fn run(args: &DrainArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let store = registry::open(&args.registry)?;
    let directive = (!args.undo).then_some(Directive::Drain);
    let meant = meant(&*store, args)?;
    let to_ask: Vec<&AgentView> = meant.iter().filter(|agent| agent.directive != directive).collect();
    let dry = to_ask.len() > 1 && !args.yes;
    let (mut asked, mut gone) = (Vec::new(), Vec::new());
    if !dry {
        for agent in &to_ask {
            let there = store.direct(&agent.id, directive)?;
            if there { asked.push(&agent.id) } else { gone.push(&agent.id) }
        }
    }
    if args.registry.json {
        printer.json(&Report {
            schema: "scupper.fleet.drain/1",
            mode: if dry { "dry_run" } else { "asked" },
            directive,
            agents: to_ask.iter().map(|agent| &agent.id).collect(),
            asked,
            gone: gone.clone(),
        })?;
    } else {
        tell(args, &to_ask, &gone, dry, printer)?;
    }
    Ok(if dry || !gone.is_empty() { FINDINGS } else { 0 })
}

/// The living agents that are meant; where there are none, a failure.
fn meant(store: &dyn Store, args: &DrainArgs) -> Result<Vec<AgentView>, Failure> {
    if let (Some(AgentNames::One(id)), None) = (&args.agent, &args.host) {
        let found = store.agent(id)?.filter(is_a_member);
        let found = found.ok_or_else(|| Failure::usage(format!("no agent {id} is registered here")))?;
        if !listens(&found) {
            return Err(Failure::usage(format!(
                "agent {id} cannot be asked: it beats with plain keys, which give no answer"
            )));
        }
        return Ok(vec![found]);
    }
    let mut found = Vec::new();
    let mut from = None;
    loop {
        let page = store.agents(from.as_deref(), PAGE)?;
        found.extend(page.entries.into_iter().filter(|agent| is_meant(args, agent)));
        if found.len() > MOST {
            return Err(Failure::usage(format!(
                "more than {MOST} agents are meant: name fewer, by a pattern or a host"
            )));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    if found.is_empty() {
        return Err(Failure::usage("no agent that is registered here is meant by this"));
    }
    // A store may give one twice while others come and go.
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

fn is_meant(args: &DrainArgs, agent: &AgentView) -> bool {
    let host = agent.process.as_ref().map(|process| &process.host);
    is_a_member(agent)
        && listens(agent)
        && args.agent.as_ref().is_none_or(|names| names.matches(&agent.id))
        && (args.host.is_none() || args.host.as_ref() == host)
}

fn is_a_member(agent: &AgentView) -> bool {
    matches!(agent.standing, Standing::Active | Standing::Expired)
}

/// Whether it can hear of anything. One that was written to seed 004 has no epoch, and nobody answers its heartbeats.
const fn listens(agent: &AgentView) -> bool {
    agent.epoch.is_some()
}

fn tell(
    args: &DrainArgs,
    agents: &[&AgentView],
    gone: &[&AgentId],
    dry: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let (already, what) = if args.undo {
        ("nobody of them is asked to leave", "to stay")
    } else {
        ("they are asked already", "to finish and leave")
    };
    if agents.is_empty() {
        printer.note(already);
        return Ok(());
    }
    let mut table = Table::new(&["AGENT", "STANDING", "HOST", "ANSWER"], &[]);
    for agent in agents {
        let answer = match () {
            () if dry => "would be asked",
            () if gone.contains(&&agent.id) => "was gone",
            () => "asked",
        };
        let host = agent.process.as_ref().map_or_else(view::unknown, |process| process.host.to_string());
        table.row(vec![
            agent.id.to_string(),
            view::standing(agent.standing).to_owned(),
            host,
            answer.to_owned(),
        ]);
    }
    printer.line(&table.to_string())?;
    if dry {
        printer.note(&format!("a dry run: --yes asks all {} of them {what}", agents.len()));
    }
    Ok(())
}
