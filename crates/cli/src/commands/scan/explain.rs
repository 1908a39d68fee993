//! `--explain`: every piece of evidence for one process, and what is made of it.

use scupper_model::Pid;
use scupper_orphan::Evidence;
use serde::Serialize;

use super::entries::{Entry, entry};
use super::look::Looked;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

#[derive(Serialize)]
struct Explained<'s> {
    schema: &'static str,
    /// `left_behind`, `not_touched` or `ordinary`.
    verdict: &'static str,
    process: Entry<'s>,
    group: &'s str,
    evidence: &'s [Evidence],
}

pub(super) fn explain(pid: Pid, looked: &Looked, json: bool, printer: &mut Printer) -> Result<u8, Failure> {
    let Some(process) = looked.snapshot.processes.iter().find(|process| process.identity.pid == pid) else {
        return Err(Failure::usage(format!("there is no process {pid}, or it is one of the kernel's own")));
    };
    let (process, group) = scupper_orphan::shown(process);
    let left = looked.findings.left_behind.iter().find(|left| left.process.identity == process.identity);
    let evidence = left.map_or(&[][..], |left| &left.evidence);
    let verdict = if left.is_some() { "left_behind" } else { "ordinary" };
    if json {
        let schema = "scupper.explain/1";
        printer.json(&Explained { schema, verdict, process: entry(&process), group: &group, evidence })?;
    } else {
        printer.line(&format!("{verdict} {pid}"))?;
        for piece in evidence {
            printer.line(&piece.text)?;
        }
    }
    Ok(if left.is_some() { FINDINGS } else { 0 })
}
