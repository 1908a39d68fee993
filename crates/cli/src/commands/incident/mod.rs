//! `incident`: records with a state. What may follow what, and what each step needs, is the business of
//! `scupper_casebook::incident`; where records and evidence are, of `casebook/`.

mod record;
mod said;

use std::io::Read;

use anyhow::Context;
use scupper_casebook::incident::State;
use scupper_casebook::incident::{
    Checks, Incident, MoveError, Refused, Request, Required, Verdict, cycle, flaws,
};
use scupper_model::Timestamp;
use scupper_supervise::shell::clock;

use crate::args::{
    Acted, FailOn, IncidentArgs, IncidentCommand, LintArgs, LintIncidentArgs, ListArgs, MoveArgs, NewArgs,
    OneArgs, ReopenArgs, SoakNeeds, Told,
};
use crate::casebook::checks::checks;
use crate::casebook::evidence::Evidence;
use crate::casebook::folder::{Folder, Kept};
use crate::casebook::keep::keep;
use crate::casebook::recorder::{self, ByHand};
use crate::documents::Lock;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

/// The longest description that is read from stdin.
const LONGEST: u64 = 1 << 20;

pub(super) fn run(args: &IncidentArgs, printer: &mut Printer) -> Result<u8, Failure> {
    match &args.command {
        IncidentCommand::New(args) => new(args, printer),
        IncidentCommand::List(args) => list(args, printer),
        IncidentCommand::Show(args) => show(args, printer),
        IncidentCommand::Move(args) => move_it(args, printer),
        IncidentCommand::Verify(args) => verify(args, printer),
        IncidentCommand::Reopen(args) => reopen(args, printer),
        IncidentCommand::Lint(args) => lint(args, printer),
        IncidentCommand::Record(args) => record::run(args, printer),
    }
}

fn open(told: &Told) -> anyhow::Result<(Folder, Evidence)> {
    Ok((folder(told)?, Evidence::open(told.places.state.as_deref())?))
}

fn folder(told: &Told) -> anyhow::Result<Folder> {
    Folder::new(told.places.incidents.as_deref(), told.places.state.as_deref())
}

/// What is given and says nothing is a slip, as of a script with an unset variable: a name that is blank would open the gate that
/// asks for one, and a soak of no operations shows nothing.
fn sound(texts: &[(&str, Option<&String>)], needs: SoakNeeds) -> Result<(), Failure> {
    if let Some((flag, _)) = texts.iter().find(|(_, text)| text.is_some_and(|text| text.trim().is_empty())) {
        return Err(Failure::usage(format!("{flag} is empty")).hint("leave it out, or say what it asks for"));
    }
    if needs.soak_ops == Some(0) {
        return Err(Failure::usage("--soak-ops is 0: a soak without operations shows nothing")
            .hint("leave it out, and a soak lasts a day"));
    }
    if needs.soak_growth.is_some_and(|growth| growth.0 == 0) {
        return Err(Failure::usage("--soak-growth is 0: no soak grows by less than nothing")
            .hint("write how much it may grow, such as 50M"));
    }
    Ok(())
}

fn who(acted: &Acted) -> String {
    acted.by.clone().filter(|by| !by.trim().is_empty()).unwrap_or_else(|| {
        let uid = rustix::process::geteuid().as_raw();
        let user = crate::users::all().into_iter().find(|user| user.uid == uid);
        user.map_or_else(|| format!("uid {uid}"), |user| user.name)
    })
}

fn new(args: &NewArgs, printer: &mut Printer) -> Result<u8, Failure> {
    if args.title.trim().is_empty() {
        return Err(Failure::usage("the title is empty").hint("say in one line what it is about"));
    }
    sound(&[("--owner", args.owner.as_ref())], args.needs)?;
    let (folder, evidence) = open(&args.acted.told)?;
    let event = match &args.event {
        None => None,
        Some(id) => Some(evidence.find(id)?.with_context(|| {
            let shown = scupper_model::printable(id.as_bytes(), 60);
            format!("there is no event {shown} in {}", evidence.file().display())
        })?),
    };
    let description = args.description.as_deref().map(description).transpose()?;
    let by = who(&args.acted);
    let upper = |ids: &[String]| ids.iter().map(|id| id.to_ascii_uppercase()).collect::<Vec<_>>();
    let by_hand = ByHand {
        title: &args.title,
        by: &by,
        priority: args.priority,
        owner: args.owner.as_deref(),
        description: description.as_deref(),
        event: event.as_ref(),
        unit: args.unit.as_ref(),
        operations: args.needs.soak_ops,
        growth: args.needs.soak_growth,
        related: &upper(&args.related),
        blocked_by: &upper(&args.blocked_by),
    };
    let (incident, path, kept) = recorder::open(&folder, &evidence, &by_hand, clock::wall())?;
    warn(kept, printer);
    keep_evidence(&incident, &evidence, printer);
    if args.acted.told.json {
        printer.json(&said::brief(&incident, &path))?;
    } else {
        printer.line(&format!("{} {}", incident.id(), path.display()))?;
    }
    Ok(0)
}

/// What a record cites outlives the month that other events have.
fn keep_evidence(incident: &Incident, evidence: &Evidence, printer: &mut Printer) {
    if let Some(why) = keep(incident, evidence) {
        printer.note(&format!("warning: {why}"));
    }
}

fn description(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    std::io::stdin()
        .take(LONGEST)
        .read_to_string(&mut read)
        .context("cannot read the description from stdin")?;
    Ok(read)
}

fn list(args: &ListArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let folder = folder(&args.told)?;
    let mut all = folder.all()?;
    let twice = twice(&all.incidents);
    all.problems.extend(twice);
    let incidents: Vec<_> = all.incidents.iter().map(|kept| kept.incident.clone()).collect();
    all.problems
        .extend(cycle(&incidents).map(|circle| format!("they wait for each other: {}", circle.join(" -> "))));
    let fits = |kept: &&Kept| {
        let incident = &kept.incident;
        (args.states.is_empty() || args.states.contains(&incident.state()))
            && (!args.open || incident.state().is_open())
            && args
                .unit
                .as_ref()
                .is_none_or(|unit| incident.units().iter().any(|known| known == unit.as_str()))
    };
    let shown: Vec<&Kept> = all.incidents.iter().filter(fits).collect();
    if args.told.json {
        printer.json(&said::list(&shown, &all.problems))?;
    } else {
        for problem in &all.problems {
            printer.note(&format!("warning: {problem}"));
        }
        if shown.is_empty() {
            let such = if all.incidents.is_empty() { "no incident" } else { "no such incident" };
            printer.note(&format!("{such} in {}", folder.path().display()));
        } else {
            printer.line(&said::table(&shown))?;
        }
    }
    Ok(if all.problems.is_empty() { 0 } else { FINDINGS })
}

fn twice(all: &[Kept]) -> Vec<String> {
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [one, other] if one.incident.id() == other.incident.id() => Some((one, other)),
        _ => None,
    });
    let line = |(one, other): (&Kept, &Kept)| {
        format!(
            "{} is there twice: {} and {}",
            one.incident.id(),
            one.path().display(),
            other.path().display()
        )
    };
    pairs.map(line).collect()
}

fn show(args: &OneArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let (folder, evidence) = open(&args.told)?;
    let kept = folder.find(&args.id)?;
    let checks = checks(&kept.incident, &evidence, &folder)?;
    let undone = kept.incident.undone(&checks);
    let flaws = flaws(&kept.incident);
    if args.told.json {
        printer.json(&said::full(&kept, &checks, &undone, &flaws))?;
    } else {
        printer.line(&said::page(&kept, &checks, &undone, &flaws))?;
    }
    Ok(if undone.is_empty() && flaws.is_empty() { 0 } else { FINDINGS })
}

fn move_it(args: &MoveArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let texts = [
        ("--reason", args.reason.as_ref()),
        ("--change", args.change.as_ref()),
        ("--owner", args.owner.as_ref()),
        ("--reviewer", args.reviewer.as_ref()),
    ];
    sound(&texts, args.needs)?;
    let (folder, evidence) = open(&args.acted.told)?;
    let by = who(&args.acted);
    let (mut kept, _lock) = locked(&folder, &args.id, printer)?;
    let mut reason = args.reason.clone();
    if args.needs.soak_ops.is_some() || args.needs.soak_growth.is_some() {
        let required = agreed(&kept, args);
        let agreed = format!("soak: {}", required.describe());
        reason = Some(reason.map_or_else(|| agreed.clone(), |reason| format!("{reason}; {agreed}")));
        kept.incident.require(&required)?;
    }
    let request = Request {
        to: args.to,
        by: &by,
        at: clock::wall(),
        reason: reason.as_deref(),
        change: args.change.as_deref(),
        owner: args.owner.as_deref(),
        reviewer: args.reviewer.as_deref(),
        automation: None,
        about: None,
        forced: args.force,
    };
    // A reason that only says what a soak has to show is none.
    let request = Request {
        reason: request.reason.filter(|_| args.reason.is_some() || !asks_for_reason(&kept, args.to)),
        ..request
    };
    carry_out(&mut kept, &request, &folder, &evidence, args.acted.told.json, printer)
}

fn asks_for_reason(kept: &Kept, to: State) -> bool {
    use scupper_casebook::incident::Gate;
    kept.incident
        .state()
        .step_to(to)
        .is_none_or(|step| matches!(step.gate, Gate::Reason | Gate::SuspectOrReason))
}

/// What was agreed on goes before a day, and never before three times the time to failure.
fn agreed(kept: &Kept, args: &MoveArgs) -> Required {
    let old = kept.incident.required();
    let failure = kept.incident.time_to_failure();
    let operations = args.needs.soak_ops.or(old.operations);
    let growth = args.needs.soak_growth.or(old.max_growth);
    let derived = Required::derive(failure, None, operations, growth);
    Required { max_slope_per_hour: old.max_slope_per_hour, ..derived }
}

fn locked(folder: &Folder, id: &str, printer: &mut Printer) -> anyhow::Result<(Kept, Lock)> {
    // A file that is named may lie elsewhere: its own folder is the one that is locked.
    let first = folder.find(id)?;
    let of = first.path().parent().map_or_else(|| folder.path().to_owned(), std::path::Path::to_path_buf);
    let lock = Lock::take(&of)?;
    warn(lock.said(), printer);
    Ok((folder.find(id)?, lock))
}

fn warn(lines: impl IntoIterator<Item = String>, printer: &mut Printer) {
    for line in lines {
        printer.note(&format!("warning: {line}"));
    }
}

fn reopen(args: &ReopenArgs, printer: &mut Printer) -> Result<u8, Failure> {
    sound(&[("--reason", Some(&args.reason))], SoakNeeds { soak_ops: None, soak_growth: None })?;
    let (folder, evidence) = open(&args.acted.told)?;
    let by = who(&args.acted);
    let (mut kept, _lock) = locked(&folder, &args.id, printer)?;
    let from = kept.incident.state();
    // From elsewhere it is a step of its own, with what that asks for.
    if !matches!(from, State::Done | State::Active) {
        let refused = Refused::NotDone { id: kept.incident.id().to_owned(), from };
        return refuse(&kept.incident, State::Active, &refused, args.acted.told.json, printer);
    }
    let request = Request { reason: Some(&args.reason), ..Request::new(State::Active, &by, clock::wall()) };
    carry_out(&mut kept, &request, &folder, &evidence, args.acted.told.json, printer)
}

fn carry_out(
    kept: &mut Kept,
    request: &Request<'_>,
    folder: &Folder,
    evidence: &Evidence,
    json: bool,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let before = kept.incident.state();
    let checks = checks(&kept.incident, evidence, folder)?;
    match kept.incident.transition(request, &checks) {
        Ok(()) => {}
        Err(MoveError::Refused(refused)) => {
            return refuse(&kept.incident, request.to, &refused, json, printer);
        }
        Err(error) => {
            return Err(anyhow::Error::new(error)
                .context(format!("cannot move {}", kept.incident.id()))
                .into());
        }
    }
    kept.write()?;
    keep_evidence(&kept.incident, evidence, printer);
    if json {
        printer.json(&said::brief(&kept.incident, kept.path()))?;
    } else {
        let forced =
            if kept.incident.history().last().is_some_and(|moved| moved.forced) { " (forced)" } else { "" };
        printer.line(&format!("{} {before} -> {}{forced}", kept.incident.id(), kept.incident.state()))?;
    }
    Ok(0)
}

fn refuse(
    incident: &Incident,
    to: State,
    refused: &Refused,
    json: bool,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    if json {
        printer.json(&said::refused(incident, to, refused))?;
        return Ok(FINDINGS);
    }
    Err(Failure { code: FINDINGS, ..Failure::usage(refused.to_string()) })
}

fn verify(args: &OneArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let (folder, evidence) = open(&args.told)?;
    let (mut kept, _lock) = locked(&folder, &args.id, printer)?;
    let mut checks: Checks = checks(&kept.incident, &evidence, &folder)?;
    let lost: Vec<String> =
        checks.evidence.iter().filter_map(|(id, standing)| standing.problem(id)).collect();
    if !lost.is_empty() {
        checks.soak.verdict = Verdict::Refused;
        checks.soak.reasons.splice(0..0, lost);
    }
    let now: Timestamp = clock::wall();
    kept.incident.verified(&checks.soak, now)?;
    kept.write()?;
    keep_evidence(&kept.incident, &evidence, printer);
    let passed = checks.soak.verdict == Verdict::Passed;
    if args.told.json {
        printer.json(&said::verified(&kept.incident, &checks.soak))?;
    } else {
        let word = if passed { "passed" } else { "refused" };
        printer.line(&format!("{} {word}: {}", kept.incident.id(), checks.soak.reasons.join("\n  ")))?;
    }
    Ok(if passed { 0 } else { FINDINGS })
}

fn lint(args: &LintIncidentArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let folder = folder(&args.told)?;
    let mut files = Vec::new();
    if args.ids.is_empty() {
        // Nothing has happened yet: that is no mistake.
        let place = folder.path().display();
        if !folder.path().exists() {
            printer.note(&format!("there are no incidents: there is no folder {place}"));
        } else if super::lint::is_empty(folder.path()) {
            printer.note(&format!("there are no incidents in {place}"));
        } else {
            files.push(folder.path().to_owned());
        }
    }
    for id in &args.ids {
        // What is not readable is what lint is for: a file is passed on as it is.
        if id.contains('/') || std::path::Path::new(id).is_file() {
            files.push(id.into());
        } else {
            files.push(folder.file(id)?);
        }
    }
    let lint = LintArgs {
        files,
        root: None,
        incidents: folder.path().exists().then(|| folder.path().to_owned()),
        fail_on: FailOn::Error,
        json: args.told.json,
        sarif: false,
        state: args.told.places.state.clone(),
    };
    super::lint::run(&lint, printer)
}
