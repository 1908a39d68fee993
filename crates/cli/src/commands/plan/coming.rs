//! What is about to be written, kept until the index says it: of a plan that is in its place already, while whoever wrote it was
//! killed, it is known what was made and what people did since.

use std::fs;
use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::index::{Base, Entry, Index, sha256};
use super::pass::Making;
use super::vault::{self, Vault};

/// The largest such file that is read.
const LARGEST: u64 = 512 << 20;

/// One plan that was about to be written.
#[derive(Debug, Serialize, Deserialize)]
struct Coming {
    note: String,
    /// Of the whole plan. One that says something else is not this one.
    plan_sha256: String,
    entry: Entry,
}

/// Writes down what is known of plans before they are written, and the texts to compare them with. On the disk when this
/// returns.
pub(super) fn announce(vault: &Vault, index: &Index, making: &mut [Making]) -> Result<()> {
    if making.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = making.iter().map(|making| making.ours.as_str()).collect();
    let bases = Base::append(&vault.bases(index.bases), &texts)?;
    let mut lines = Vec::new();
    for (making, base) in making.iter_mut().zip(bases) {
        let is_alone = making.text == making.ours;
        let plan_sha256 = if is_alone { base.sha256().to_owned() } else { sha256(&making.text) };
        making.entry.base = Some(base);
        let coming = Coming {
            note: making.name.clone(),
            plan_sha256,
            entry: Entry { plan_stat: None, ..making.entry.clone() },
        };
        serde_json::to_writer(&mut lines, &coming)?;
        lines.push(b'\n');
    }
    let path = vault.coming();
    let written = vault::append_to(&path).and_then(|mut file| {
        file.write_all(&lines)?;
        file.sync_data()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Takes over what a killed writer got to: where a plan is what was about to be written. `true` where there was one.
pub(super) fn take_over(vault: &Vault, index: &mut Index) -> bool {
    let path = vault.coming();
    let Ok(metadata) = fs::symlink_metadata(&path) else { return false };
    if !metadata.is_file() || metadata.len() > LARGEST {
        return false;
    }
    // The last line may be half of one.
    let text = fs::read(&path).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    for coming in lines.filter_map(|line| serde_json::from_slice::<Coming>(line).ok()) {
        let Coming { note, plan_sha256, mut entry } = coming;
        let is_name = |name: &str| !name.is_empty() && !name.contains('/');
        if !is_name(&note) || !is_name(&entry.plan) {
            continue;
        }
        let plan = vault.plans.join(&entry.plan);
        let is_this = vault::read_plan(&plan).is_ok_and(|(text, stat)| {
            entry.plan_stat = Some(stat);
            sha256(&text) == plan_sha256
        });
        let bases = vault.bases(index.bases);
        if is_this && entry.base.as_ref().is_some_and(|base| base.text(&bases).is_some()) {
            index.notes.insert(note, entry);
        }
    }
    true
}

/// The index says it.
pub(super) fn forget(vault: &Vault) -> Result<()> {
    match fs::remove_file(vault.coming()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", vault.coming().display()))
        }
        _ => Ok(()),
    }
}
