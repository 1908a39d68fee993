//! `report`: what was recorded of an incident, as a document that people read and write on.

mod gather;
mod html;
mod keep;
mod tree;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Context;
use scupper_casebook::report::curve::Curve;
use scupper_casebook::report::{Kind, Page, ReportError, templates, words};
use serde_json::Value;

use self::gather::Gathered;
use self::keep::Kept;
use crate::args::ReportArgs;
use crate::chart;
use crate::config::Output;
use crate::documents::{self, Written};
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

/// Reports, bases and templates are far smaller.
const LARGEST_BYTES: u64 = 8 << 20;

pub(super) fn run(args: &ReportArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let kind = Kind::from(args.kind);
    if args.print_template {
        printer.write(templates::built_in(kind).as_bytes())?;
        return Ok(0);
    }
    let id = args.id.as_deref().unwrap_or_default();
    if args.verify {
        return verify::run(args, id, printer);
    }
    write(args, id, kind, printer)
}

/// Where `--verify` keeps what happens, for the guardian.
pub(super) fn output(args: &ReportArgs) -> Output {
    Output { state: args.state.clone(), ..Output::default() }
}

fn write(args: &ReportArgs, id: &str, kind: Kind, printer: &mut Printer) -> Result<u8, Failure> {
    let mut findings = Vec::new();
    let mut gathered = gather::gather(args, id)?;
    if gathered.cut {
        findings.push("there are more events than one report holds: the oldest are left out".to_owned());
    }
    may_say_resolved(args, &gathered)?;
    let subject = &gathered.source.subject;
    findings.extend(subject.undone.iter().map(|why| format!("{}: {why}", subject.id)));
    let template = template(args, kind)?;
    let kept = args.out.as_deref().map(|path| Kept::open(path, args.state.as_deref())).transpose()?;
    findings.extend(compare_changes(args, kept.as_ref(), &mut gathered)?);
    let picture = picture(args, &mut gathered)?;
    if args.svg.is_some() && picture.is_none() {
        findings.push("no curve was drawn: fewer than two values of a series were recorded".to_owned());
    }

    let template = template.as_deref().unwrap_or(templates::built_in(kind));
    let mut made = Made { page: Page::of(&gathered.source, kind), text: String::new(), kept };
    findings.extend(made.render(template)?);
    let written = made.write(args, &gathered, picture.as_deref())?;

    findings.extend(failed(&made.page));
    for finding in &findings {
        printer.note(&format!("warning: {}", scupper_model::printable(finding.as_bytes(), 400)));
    }
    if args.json {
        printer.json(&made.json(&findings, &written)?)?;
    } else if args.out.is_some() {
        for (path, how) in &written {
            printer.line(&format!("{}: {}", how.word(), path.display()))?;
        }
    } else {
        printer.write(made.text.as_bytes())?;
    }
    Ok(if findings.is_empty() { 0 } else { FINDINGS })
}

/// Refuses `--resolved` while the incident is not done.
fn may_say_resolved(args: &ReportArgs, gathered: &Gathered) -> Result<(), Failure> {
    let subject = &gathered.source.subject;
    if !args.resolved || subject.is_done() {
        return Ok(());
    }
    let hint = match subject.undone.first() {
        Some(why) => format!("what it claims does not hold: {why}"),
        None => {
            "its fix has to be proved first: scupper incident verify, then scupper incident move".to_owned()
        }
    };
    let refused = ReportError::NotDone { id: subject.id.clone(), state: subject.state.clone() };
    Err(Failure { code: FINDINGS, error: refused.into(), hint: Some(hint) })
}

/// Compares the changes that are named with the source tree; gives what does not hold, where there is a tree.
fn compare_changes(
    args: &ReportArgs,
    kept: Option<&Kept>,
    gathered: &mut Gathered,
) -> Result<Vec<String>, Failure> {
    let checked = tree::checked(args, kept.map_or("", Kept::text), &gathered.changes)?;
    let wrong = checked.iter().filter(|checked| args.tree.is_some() && !checked.finding.holds());
    let said = wrong.map(|checked| format!("{}: {}", checked.change.place, checked.finding.said())).collect();
    gathered.source.changes = checked;
    Ok(said)
}

/// The memory curve as SVG, where enough of it was recorded.
fn picture(args: &ReportArgs, gathered: &mut Gathered) -> Result<Option<String>, Failure> {
    let curve = Curve::main(&gathered.source.plain());
    let chart = curve.as_ref().and_then(|curve| chart::recorded(curve, gathered.limit));
    let picture =
        chart.map(|chart| chart::svg(&[chart])).transpose().context("cannot draw the memory curve")?;
    gathered.source.curve = args.svg.as_deref().and_then(file_name).filter(|_| picture.is_some());
    Ok(picture)
}

/// A report that is made: what it says, and its text together with what people wrote.
struct Made {
    page: Page,
    text: String,
    kept: Option<Kept>,
}

impl Made {
    /// Makes the text; gives what somebody should look at.
    fn render(&mut self, template: &str) -> Result<Vec<String>, Failure> {
        let mut findings = Vec::new();
        self.text = templates::render(&self.page, template)?;
        let rendered = self.text.clone();
        if let Some(kept) = &mut self.kept {
            // What nothing has changed keeps its date, and is not written.
            if let Some((date, day)) = kept.date() {
                let now = (self.page.date.clone(), self.page.day.clone());
                (self.page.date, self.page.day) = (date, day);
                let same = templates::render(&self.page, template)?;
                if kept.is_base(&same) {
                    self.text = same;
                } else {
                    (self.page.date, self.page.day) = now;
                }
            }
            kept.not_another(&self.text, self.page.kind)?;
            kept.not_foreign(&self.text)?;
            let merged = kept.merge(&self.text);
            findings.extend(merged.findings);
            self.text = merged.text;
        }
        if !self.page.done
            && let Some(honest) = keep::honest(&self.text, &rendered)
        {
            findings.push(
                "it said RESOLVED while the incident is not done: its status is what it was".to_owned(),
            );
            self.text = honest;
        }
        Ok(findings)
    }

    /// Writes every file that was asked for.
    fn write<'a>(
        &self,
        args: &'a ReportArgs,
        gathered: &Gathered,
        picture: Option<&str>,
    ) -> Result<Vec<(&'a PathBuf, Written)>, Failure> {
        let mut written = Vec::new();
        if let (Some(path), Some(picture)) = (&args.svg, picture) {
            written.push((path, documents::write(path, picture)?));
        }
        if let Some(path) = &args.data {
            written.push((path, documents::write(path, &gathered.lines())?));
        }
        if let (Some(path), Some(kept)) = (&args.out, &self.kept) {
            written.push((path, kept.write(&self.text)?));
        }
        if let Some(path) = &args.html {
            let page = html::page(&self.text, gathered.source.curve.as_deref(), picture);
            written.push((path, documents::write(path, &page)?));
        }
        Ok(written)
    }

    /// Everything that it is made from, for programs.
    fn json(&self, findings: &[String], written: &[(&PathBuf, Written)]) -> anyhow::Result<Value> {
        let files: Vec<Value> = written
            .iter()
            .map(|(path, how)| serde_json::json!({ "path": path.display().to_string(), "written": how.word() }))
            .collect();
        let mut report = serde_json::to_value(&self.page).context("cannot write the report as JSON")?;
        plain(&mut report);
        Ok(serde_json::json!({
            "schema": "scupper.report/1",
            "report": report,
            "findings": findings,
            "files": files,
        }))
    }
}

/// The commands that were run and failed.
fn failed(page: &Page) -> impl Iterator<Item = String> {
    let failed = page.verification.iter().filter(|line| line.text.contains(": FAILED"));
    failed.map(|line| words::plain(&line.text))
}

/// The operator's template, where there is one.
fn template(args: &ReportArgs, kind: Kind) -> Result<Option<String>, Failure> {
    let Some(folder) = &args.templates else { return Ok(None) };
    if !folder.is_dir() {
        let message = format!("cannot read templates from {}: it is no folder", folder.display());
        return Err(Failure::usage(message));
    }
    let path = folder.join(format!("{}.md", kind.name()));
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(documents::read(&path, LARGEST_BYTES)?))
}

fn file_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    // What stands between the brackets of a link may end it.
    name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)).then(|| name.to_owned())
}

/// Marks of code within sentences are for templates.
fn plain(value: &mut Value) {
    match value {
        Value::String(text) => *text = words::plain(text),
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(fields) => fields.values_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
