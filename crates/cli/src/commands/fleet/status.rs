//! `fleet status`: the registry in a few numbers, and whether anybody should look.

use std::fmt::Write as _;

use scupper_fleet::{CoordinatorId, HostId, Phase, Status};
use scupper_model::{Bytes, Timestamp};
use serde::Serialize;

use super::{registry, view};
use crate::args::StatusArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::{Printer, Table};

#[derive(Serialize)]
struct Report<'s> {
    schema: &'static str,
    store: &'s str,
    now: Timestamp,
    round_trip_seconds: f64,
    #[serde(flatten)]
    phase: &'s Phase,
    members: u64,
    /// Members whose lease has ended and who are not claimed.
    expired: u64,
    claims: u64,
    coordinators: Vec<Coordinator<'s>>,
    /// What the store takes; `null` where it cannot be told.
    memory_bytes: Option<Bytes>,
    /// A line for whatever somebody should look at.
    findings: &'s [String],
}

#[derive(Serialize)]
struct Coordinator<'s> {
    id: &'s CoordinatorId,
    host: Option<&'s HostId>,
    until: Timestamp,
}

pub(super) fn run(args: &StatusArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let status = registry::open(&args.registry)?.status()?;
    let findings = findings(&status);
    if args.registry.json {
        printer.json(&report(&status, &findings))?;
    } else {
        printer.line(&said(&status))?;
        for finding in &findings {
            printer.note(finding);
        }
    }
    Ok(if findings.is_empty() { 0 } else { FINDINGS })
}

fn findings(status: &Status) -> Vec<String> {
    let mut findings = Vec::new();
    match status.expired {
        0 => {}
        1 => findings
            .push("1 member has not been heard of in time: `scupper fleet orphans` says who".to_owned()),
        n => findings
            .push(format!("{n} members have not been heard of in time: `scupper fleet orphans` says who")),
    }
    if let Phase::Hold { .. } = status.phase {
        findings.push(format!("clean-up is {}", view::phase(&status.phase, status.now)));
    }
    if status.coordinators.is_empty() {
        findings.push(
            "nobody coordinates: nobody is cleaned up after until `scupper serve` runs somewhere".to_owned(),
        );
    }
    findings
}

fn report<'s>(status: &'s Status, findings: &'s [String]) -> Report<'s> {
    let coordinators = status.coordinators.iter();
    Report {
        schema: "scupper.fleet.status/1",
        store: &status.store,
        now: status.now,
        round_trip_seconds: status.round_trip.as_secs_f64(),
        phase: &status.phase,
        members: status.members,
        expired: status.expired,
        claims: status.claims,
        coordinators: coordinators
            .map(|one| Coordinator { id: &one.id, host: one.host.as_ref(), until: one.until })
            .collect(),
        memory_bytes: status.memory,
        findings,
    }
}

fn said(status: &Status) -> String {
    let mut out = String::new();
    let millis = status.round_trip.as_secs_f64() * 1000.0;
    let takes = status.memory.map_or_else(String::new, |bytes| format!(", takes {bytes}"));
    let _ = writeln!(out, "registry      {}, answers in {millis:.1} ms{takes}", view::text(&status.store));
    let _ =
        writeln!(out, "members       {}, {} of them not heard of in time", status.members, status.expired);
    let _ = writeln!(out, "clean-up      {}", view::phase(&status.phase, status.now));
    let _ = writeln!(out, "in progress   {}", status.claims);
    if status.coordinators.is_empty() {
        let _ = writeln!(out, "coordinators  none");
        return out;
    }
    let mut table = Table::new(&["COORDINATOR", "HOST", "LEASE ENDS"], &[]);
    for one in &status.coordinators {
        let host = one.host.as_ref().map_or_else(view::unknown, ToString::to_string);
        table.row(vec![one.id.to_string(), host, view::left(status.now, one.until)]);
    }
    let _ = write!(out, "\n{table}");
    out
}
