//! `doctor`: which abilities this machine and user have. Each is looked for by itself, and none but two is required.

use std::path::Path;

use scupper_probe::Proc;
use scupper_probe::abilities::{self, Ability};
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::{Printer, Table};

/// Without these nothing is signalled, and processes that fork away are lost.
const REQUIRED: [&str; 2] = ["pidfd", "child_subreaper"];

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    /// Whether scupper can do its main work here.
    ok: bool,
    abilities: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    available: bool,
    required: bool,
    detail: &'a str,
    lost_without: &'a str,
}

pub(super) fn run(args: &DoctorArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let found = abilities::all(&Proc::open(Path::new("/proc"))?);
    let ok = found.iter().all(|ability| ability.available || !REQUIRED.contains(&ability.name));
    if args.json {
        let abilities = found.iter().map(shown).collect();
        printer.json(&Report { schema: "scupper.doctor/1", ok, abilities })?;
    } else {
        printer.line(&table(&found).to_string())?;
        let missing = found.iter().filter(|ability| !ability.available);
        let lost: Vec<String> =
            missing.map(|ability| format!("  {}: {}", ability.name, ability.lost_without)).collect();
        if !lost.is_empty() {
            printer.line(&format!("\nLost without what is missing here:\n{}", lost.join("\n")))?;
        }
    }
    Ok(if ok { 0 } else { FINDINGS })
}

fn shown(ability: &Ability) -> Shown<'_> {
    Shown {
        name: ability.name,
        available: ability.available,
        required: REQUIRED.contains(&ability.name),
        detail: &ability.detail,
        lost_without: ability.lost_without,
    }
}

fn table(found: &[Ability]) -> Table {
    let mut table = Table::new(&["ABILITY", "HERE", "DETAIL"], &[]);
    for ability in found {
        let here = if ability.available { "yes" } else { "no" };
        table.row(vec![ability.name.to_owned(), here.to_owned(), ability.detail.clone()]);
    }
    table
}
