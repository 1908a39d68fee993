//! What `fleet clean` answers. The counts are those of seed 004; a clean-up counts where it was completed.

use scupper_fleet::{AgentId, Orphan, Phase};
use scupper_model::{Timestamp, printable};
use serde::Serialize;

use super::Cleaning;
use crate::failure::Failure;
use crate::output::Printer;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'c> {
    schema: &'static str,
    /// `dry_run` or `person`.
    mode: &'static str,
    now: Timestamp,
    #[serde(flatten)]
    phase: &'c Phase,
    orphans_detected: usize,
    orphans_cleaned: usize,
    healthy_agents: u64,
    orphans: &'c [Orphan],
    cleaned: Vec<Cleaned<'c>>,
    /// Who turned out to live.
    kept: &'c [AgentId],
    left: Vec<Reasoned<'c>>,
    /// Named, and no orphans.
    refused: Vec<Reasoned<'c>>,
    /// Whether there are orphans that are not listed here.
    more: bool,
    /// Entries of the registry that were not understood.
    trouble: &'c [String],
}

#[derive(Serialize)]
struct Cleaned<'c> {
    agent: &'c AgentId,
    keys_deleted: u64,
}

#[derive(Serialize)]
struct Reasoned<'c> {
    agent: &'c AgentId,
    because: &'c str,
}

pub(super) fn report(yes: bool, cleaning: &Cleaning) -> Report<'_> {
    let Cleaning { found, done, .. } = cleaning;
    Report {
        schema: "scupper.fleet.clean/1",
        mode: if yes { "person" } else { "dry_run" },
        now: found.now,
        phase: &found.phase,
        orphans_detected: found.orphans.len(),
        orphans_cleaned: done.cleaned.len(),
        healthy_agents: found.healthy,
        orphans: &found.orphans,
        cleaned: done
            .cleaned
            .iter()
            .map(|(agent, keys_deleted)| Cleaned { agent, keys_deleted: *keys_deleted })
            .collect(),
        kept: &done.kept,
        left: done.left.iter().map(|(agent, because)| Reasoned { agent, because }).collect(),
        refused: cleaning
            .refused
            .iter()
            .map(|refused| Reasoned { agent: &refused.id, because: &refused.because })
            .collect(),
        more: found.more,
        trouble: &found.trouble,
    }
}

/// The same for a person; the orphans have been listed.
pub(super) fn say(yes: bool, cleaning: &Cleaning, printer: &mut Printer) -> Result<(), Failure> {
    let (found, done) = (cleaning.found.orphans.len(), &cleaning.done);
    for (id, keys) in &done.cleaned {
        let keys = if *keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
        printer.line(&format!("cleaned up after {id}: {keys} deleted"))?;
    }
    done.kept.iter().try_for_each(|id| printer.line(&format!("kept {id}: it lives, or is gone already")))?;
    for (id, because) in &done.left {
        printer.line(&format!("left {id}: {}", printable(because.as_bytes(), 400)))?;
    }
    if found == 0 && cleaning.refused.is_empty() {
        printer.line(&format!("clean: {} healthy agents, no orphans", cleaning.found.healthy))?;
    } else if yes {
        let (cleaned, healthy) = (done.cleaned.len(), cleaning.found.healthy);
        printer.line(&format!("{found} orphans, {cleaned} cleaned up after; {healthy} healthy agents"))?;
    } else if found > 0 {
        printer.note("a dry run: --yes cleans up after them");
    }
    if cleaning.found.more {
        printer.note("there are more orphans than are listed here");
    }
    for refused in &cleaning.refused {
        printer.note(&format!("{} is not cleaned up after: {}", refused.id, refused.because));
    }
    Ok(())
}
