//! `fleet agents`: the members, a page at a time. With `--all` every page is written as it comes: a fleet of any size is
//! listed in the memory of one page.

use scupper_fleet::{AgentView, Store};
use scupper_model::{Timestamp, printable};

use super::{registry, view};
use crate::args::AgentsArgs;
use crate::failure::Failure;
use crate::output::{Printer, Table};

/// Agents that are asked for at once. Also how often a table says again what its columns are.
const PAGE: usize = 500;
/// The longest place in a list that a store gives.
const LONGEST_PLACE: usize = 400;

pub(super) fn run(args: &AgentsArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let store = registry::open(&args.registry)?;
    let now = store.status()?.now;
    let mut listing = Listing { json: args.registry.json, now, shown: 0, opened: false };
    listing.open(printer)?;
    let next = list(&*store, args, &mut listing, printer)?;
    listing.close(next.as_deref(), printer)?;
    Ok(0)
}

/// Shows what is asked for; gives where the rest begins.
fn list(
    store: &dyn Store,
    args: &AgentsArgs,
    listing: &mut Listing,
    printer: &mut Printer,
) -> Result<Option<String>, Failure> {
    let most = if args.all { usize::MAX } else { args.limit as usize };
    let mut from = args.from.clone();
    loop {
        // What a page brings is shown whole: a store may give more than it was asked for, and nobody is to be skipped.
        let page = store.agents(from.as_deref(), PAGE.min(most - listing.shown))?;
        let wanted: Vec<&AgentView> = page.entries.iter().filter(|agent| is_meant(args, agent)).collect();
        listing.page(&wanted, printer)?;
        from = page.next;
        if from.is_none() || listing.shown >= most {
            return Ok(from);
        }
    }
}

fn is_meant(args: &AgentsArgs, agent: &AgentView) -> bool {
    let host = agent.process.as_ref().map(|process| &process.host);
    args.agent.as_ref().is_none_or(|names| names.matches(&agent.id))
        && (args.host.is_none() || args.host.as_ref() == host)
        && args.standing.is_none_or(|standing| agent.standing == standing)
}

/// What is written page by page: one JSON object in the end, or tables.
struct Listing {
    json: bool,
    now: Timestamp,
    shown: usize,
    opened: bool,
}

impl Listing {
    fn open(&mut self, printer: &mut Printer) -> Result<(), Failure> {
        if self.json {
            let now = self.now;
            printer.write(
                format!(
                    "{{\n  \"schema\": \"scupper.fleet.agents/1\",\n  \"now\": \"{now}\",\n  \"agents\": ["
                )
                .as_bytes(),
            )?;
        }
        Ok(())
    }

    fn page(&mut self, agents: &[&AgentView], printer: &mut Printer) -> Result<(), Failure> {
        if agents.is_empty() {
            return Ok(());
        }
        if self.json {
            let mut text = String::new();
            for agent in agents {
                text.push_str(if self.opened { ",\n    " } else { "\n    " });
                self.opened = true;
                text.push_str(&serde_json::to_string(&view::Agent::from(*agent))?);
            }
            printer.write(text.as_bytes())?;
        } else {
            printer.line(&table(agents, self.now).to_string())?;
        }
        self.shown += agents.len();
        Ok(())
    }

    fn close(&self, next: Option<&str>, printer: &mut Printer) -> Result<(), Failure> {
        if self.json {
            let next = serde_json::to_string(&next)?;
            let end = format!("\n  ],\n  \"shown\": {},\n  \"next\": {next}\n}}\n", self.shown);
            printer.write(end.as_bytes())?;
            return Ok(());
        }
        if self.shown == 0 {
            printer.note("no such agents are registered here");
        }
        if let Some(next) = next {
            let next = printable(next.as_bytes(), LONGEST_PLACE);
            printer.note(&format!("there is more: --from '{next}' shows the next page, --all everything"));
        }
        Ok(())
    }
}

fn table(agents: &[&AgentView], now: Timestamp) -> Table {
    let mut table = Table::new(
        &["AGENT", "STANDING", "SEEN", "LEASE ENDS", "HOST", "PID", "MEMORY", "VERDICT", "STATE", "ASKED TO"],
        &["PID", "MEMORY"],
    );
    for agent in agents {
        let identity = agent.process.as_ref().and_then(|process| process.identity);
        let report = agent.report.as_ref();
        table.row(vec![
            agent.id.to_string(),
            view::standing(agent.standing).to_owned(),
            agent.last_seen.map_or_else(view::unknown, |at| view::ago(now, at)),
            agent.deadline.map_or_else(view::unknown, |at| view::left(now, at)),
            agent.process.as_ref().map_or_else(view::unknown, |process| process.host.to_string()),
            identity.map_or_else(view::unknown, |identity| identity.pid.to_string()),
            report.and_then(|report| report.memory.rss).map_or_else(view::unknown, |rss| rss.to_string()),
            report
                .and_then(|report| report.verdict)
                .map_or_else(view::unknown, |verdict| verdict.to_string()),
            report.map_or_else(view::unknown, |report| view::text(&report.state)),
            agent.directive.map_or_else(view::unknown, |asked| view::directive(asked).to_owned()),
        ]);
    }
    table
}
