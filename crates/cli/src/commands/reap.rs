//! `reap`: ends what was left behind. A dry run until `--yes`.
//!
//! Looks, shows whom it would end, asks where something is only likely, looks again at least [`APART`] later, and ends
//! those of whom both looks say the same (DESIGN, Safety 4). Every signal is an event of the unit `reap`.

mod act;
mod ask;
mod brake;
mod choose;
mod ending;
mod report;
mod said;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use scupper_model::{Bytes, EventKind, RunId, Severity, UnitName};
use scupper_orphan::Certainty;
use scupper_supervise::shell::{self, Sink, Untouchable};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::act::Around;
use self::choose::{Candidate, Choice, Tree, choose, memory};
use self::ending::{Member, Outcome};
use super::scan::look::{Ask, Looked, look};
use crate::args::ReapArgs;
use crate::config::Output;
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;
use crate::sink::EventSink;
use crate::{keeps, paths, wait};

/// Between the two looks that have to say the same.
const APART: Duration = Duration::from_secs(2);
/// The name under which it is recorded what was done.
const UNIT: &str = "reap";
/// A process that ended stays in its cgroup until its parent has waited for it.
const TIDY_WITHIN: Duration = Duration::from_secs(1);

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    DryRun,
    /// A person said `--yes`.
    Person,
    /// A timer said `--auto`.
    Timer,
}

/// A process that is not ended, and why.
struct Skipped<'f> {
    candidate: Candidate<'f>,
    because: String,
}

pub(super) fn run(args: &ReapArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let mode = match (args.yes, args.auto) {
        (true, _) => Mode::Person,
        (_, true) => Mode::Timer,
        _ => Mode::DryRun,
    };
    let looked = look(&asked(args))?;
    looked.warn(printer);
    let choice = chosen(args, &looked);
    if mode == Mode::DryRun {
        return dry_run(args, &looked, &choice, printer);
    }
    if !args.json && choice.refused.is_empty() {
        printer.line(&said::plan(&looked, &choice, mode))?;
    }
    // Nobody is ended by what is named beside something that cannot be.
    if !choice.refused.is_empty() {
        return told(args, &looked, &choice, Done::default(), printer);
    }
    let mut acting =
        Acting { args, mode, looked: &looked, seen_at: wait::now(), journal: Journal::new(args) };
    let done = acting.act(&choice, printer)?;
    acting.journal.close();
    told(args, &looked, &choice, done, printer)
}

fn asked(args: &ReapArgs) -> Ask<'_> {
    Ask {
        min_age: args.min_age.unwrap_or_default(),
        user: args.user,
        idle_after: args.idle,
        state: args.state.as_deref(),
    }
}

fn chosen<'f>(args: &ReapArgs, looked: &'f Looked) -> Choice<'f> {
    choose(&looked.findings, &looked.snapshot, &args.targets, &args.classes, looked.observer.uid)
}

fn dry_run(
    args: &ReapArgs,
    looked: &Looked,
    choice: &Choice<'_>,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    if args.json {
        printer.json(&report::report(Mode::DryRun, looked, choice, &Done::default()))?;
    } else {
        if choice.refused.is_empty() {
            printer.line(&said::plan(looked, choice, Mode::DryRun))?;
        }
        said::refused(choice, printer);
    }
    Ok(match choice {
        Choice { refused, .. } if !refused.is_empty() => UNUSABLE,
        Choice { trees, .. } if trees.is_empty() => 0,
        _ => FINDINGS,
    })
}

/// What was done, and what was not.
#[derive(Default)]
struct Done<'f> {
    outcome: Outcome,
    skipped: Vec<Skipped<'f>>,
    freed: Bytes,
    /// Why nothing was done by itself.
    brake: Option<String>,
}

fn told(
    args: &ReapArgs,
    looked: &Looked,
    choice: &Choice<'_>,
    done: Done<'_>,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let mode = if args.auto { Mode::Timer } else { Mode::Person };
    if args.json {
        printer.json(&report::report(mode, looked, choice, &done))?;
    } else {
        if choice.refused.is_empty() {
            printer.line(&said::done(&done))?;
        }
        said::refused(choice, printer);
    }
    Ok(if !choice.refused.is_empty() {
        UNUSABLE
    } else if !done.skipped.is_empty() || !done.outcome.left.is_empty() || done.brake.is_some() {
        FINDINGS
    } else {
        0
    })
}

/// Where it is recorded what is done: one run of the unit `reap` for each time it is called.
struct Journal {
    sink: EventSink,
    unit: UnitName,
    run: RunId,
}

impl Journal {
    fn new(args: &ReapArgs) -> Self {
        let output = Output { state: args.state.clone(), ..Output::default() };
        // What is done is said in words; the log is for what somebody should look at.
        let sink = EventSink::new(&output).printed_from(Severity::Warning);
        Self { sink, unit: UnitName::from_command(UNIT), run: RunId(uuid::Uuid::now_v7()) }
    }

    fn record(&mut self, fact: EventKind) {
        self.sink.record(&shell::stamp(&self.unit, self.run, fact));
    }

    fn close(&mut self) {
        self.sink.close();
    }
}

struct Acting<'a> {
    args: &'a ReapArgs,
    mode: Mode,
    looked: &'a Looked,
    seen_at: Instant,
    journal: Journal,
}

impl Acting<'_> {
    fn act<'f>(&mut self, choice: &Choice<'f>, printer: &mut Printer) -> Result<Done<'f>, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("cannot take over ^C")?;
        }
        let is_interrupted = || interrupted.load(Ordering::Relaxed);
        let mut done = Done::default();
        if choice.trees.is_empty() {
            return Ok(done);
        }
        self.journal.record(planned(choice, self.mode));
        self.seen_at = wait::now();
        if self.brakes(self.looked, &mut done) {
            done.skipped.extend(all(choice, "the brake: too much looks dead at once to be believed"));
        } else {
            let agreed = self.agree(choice, &mut done, &is_interrupted, printer);
            self.look_again_and_end(agreed, &mut done, &is_interrupted, printer)?;
        }
        self.finished(&done);
        Ok(done)
    }

    /// Ends those of whom a second look, at least [`APART`] after the first, says the same.
    fn look_again_and_end<'f>(
        &mut self,
        agreed: Vec<Candidate<'f>>,
        done: &mut Done<'f>,
        interrupted: &dyn Fn() -> bool,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        if agreed.is_empty() {
            done.outcome.interrupted = interrupted();
            return Ok(());
        }
        if !self.args.json {
            printer.progress("looking again ...");
        }
        wait::until(APART.saturating_sub(self.passed()), |_| interrupted());
        printer.end_progress();
        if interrupted() {
            done.outcome.interrupted = true;
            done.skipped.extend(agreed.into_iter().map(|candidate| skipped(candidate, "interrupted")));
            return Ok(());
        }
        let again = look(&asked(self.args))?;
        if self.brakes(&again, done) {
            done.skipped.extend(agreed.into_iter().map(|candidate| skipped(candidate, "the brake")));
            return Ok(());
        }
        let confirmed = self.confirm(agreed, &again, done);
        if !confirmed.is_empty() {
            self.end(&confirmed, &again, done, interrupted, printer);
        }
        Ok(())
    }

    /// Time since the first look.
    fn passed(&self) -> Duration {
        wait::now().saturating_duration_since(self.seen_at)
    }

    /// Safety 6: whether automatic action stops.
    fn brakes(&mut self, looked: &Looked, done: &mut Done<'_>) -> bool {
        let dead = brake::dead(&looked.known, &looked.findings);
        let Some(brake) = brake::brake(dead).filter(|_| self.mode == Mode::Timer) else { return false };
        let message = brake.to_string();
        self.journal.record(EventKind::BrakeApplied {
            dead: brake.dead,
            members: brake.members,
            allowed: brake.allowed,
            message: message.clone(),
        });
        done.brake = Some(message);
        true
    }

    /// Who may be ended as far as somebody has to agree. The others are skipped.
    fn agree<'f>(
        &self,
        choice: &Choice<'f>,
        done: &mut Done<'f>,
        interrupted: &dyn Fn() -> bool,
        printer: &mut Printer,
    ) -> Vec<Candidate<'f>> {
        let terminal = self.mode == Mode::Person && !self.args.json && ask::is_terminal();
        let mut agreed = Vec::new();
        let mut enough = false;
        for tree in &choice.trees {
            let answer = match tree {
                tree if tree.is_decided() => ask::Answer::Yes,
                _ if self.mode == Mode::Timer => {
                    ask::Answer::No("it is only likely, and nobody is there to ask")
                }
                _ if !terminal => ask::Answer::No("it is only likely: name it, or answer on a terminal"),
                _ if enough || interrupted() => ask::Answer::No("not asked any more"),
                tree => ask::ask(&said::question(tree), interrupted, printer),
            };
            match answer {
                ask::Answer::Yes => agreed.extend(tree.members.iter().copied()),
                ask::Answer::No(because) => {
                    done.skipped.extend(tree.members.iter().map(|candidate| skipped(*candidate, because)));
                }
                ask::Answer::Enough => {
                    enough = true;
                    let because = "not asked any more";
                    done.skipped.extend(tree.members.iter().map(|candidate| skipped(*candidate, because)));
                }
            }
        }
        agreed
    }

    /// Safety 4: of these, those of whom the second look says the same.
    fn confirm<'f>(
        &mut self,
        agreed: Vec<Candidate<'f>>,
        again: &Looked,
        done: &mut Done<'f>,
    ) -> Vec<Candidate<'f>> {
        let (confirmed, dropped): (Vec<_>, Vec<_>) =
            agreed.into_iter().partition(|candidate| candidate.is_confirmed_by(&again.findings));
        let is_there = |candidate: &Candidate<'_>| {
            again.snapshot.processes.iter().any(|process| process.identity == candidate.identity())
        };
        let left = dropped.iter().filter(|candidate| is_there(candidate)).count();
        self.journal.record(EventKind::ReapConfirmed {
            processes: number(confirmed.len()),
            left: number(left),
            after_ms: u64::try_from(self.passed().as_millis()).unwrap_or(u64::MAX),
        });
        // Who is gone needs nobody.
        for candidate in dropped.into_iter().filter(is_there) {
            let identity = candidate.identity();
            let spared = again.findings.not_touched.iter().find(|one| one.process.identity == identity);
            let because = spared.map_or_else(
                || "the second look says something else of it".to_owned(),
                |one| format!("at the second look: {}", one.because),
            );
            done.skipped.push(Skipped { candidate, because });
        }
        confirmed
    }

    fn end(
        &mut self,
        confirmed: &[Candidate<'_>],
        again: &Looked,
        done: &mut Done<'_>,
        interrupted: &dyn Fn() -> bool,
        printer: &mut Printer,
    ) {
        let members = confirmed
            .iter()
            .map(|candidate| Member {
                identity: candidate.identity(),
                name: candidate.shown().name.clone(),
                reason: candidate.reason(),
            })
            .collect();
        let state = self.args.state.clone();
        let present: HashSet<_> = again.snapshot.processes.iter().map(|process| process.identity).collect();
        let json = self.args.json;
        let journal = &mut self.journal;
        done.outcome = act::end(
            members,
            self.args.grace,
            &mut Around {
                proc_: &again.proc_,
                untouchable: Untouchable::gather(&again.proc_),
                present,
                keeps: &|| keeps::of_this_user(state.as_deref()),
                interrupted,
                record: &mut |fact| journal.record(fact),
                tell: &mut |step| {
                    if !json {
                        printer.note(step);
                    }
                },
            },
        );
        let freed = confirmed.iter().copied().filter(|candidate| {
            done.outcome.ended.iter().any(|(identity, _)| *identity == candidate.identity())
        });
        done.freed = memory(&freed.collect::<Vec<_>>());
        tidy(confirmed, again);
    }

    fn finished(&mut self, done: &Done<'_>) {
        let Outcome { ended, left, interrupted, .. } = &done.outcome;
        self.journal.record(EventKind::ReapFinished {
            ended: number(ended.len()),
            forced: number(ended.iter().filter(|(_, forced)| *forced).count()),
            left: number(left.len()),
            freed_bytes: Some(done.freed),
            because: match (interrupted, &done.brake) {
                (true, _) => "interrupted",
                (_, Some(_)) => "the brake",
                _ => "done",
            }
            .to_owned(),
        });
    }
}

/// The records and cgroups of units of which nothing is left.
fn tidy(ended: &[Candidate<'_>], looked: &Looked) {
    let units: HashSet<&str> = ended.iter().filter_map(Candidate::unit).collect();
    // Where there are none, there is nothing to remove.
    let Ok(records) = paths::records() else { return };
    for unit in units.into_iter().filter_map(|unit| unit.parse::<UnitName>().ok()) {
        let Ok(Some(record)) = records.read(&unit) else { continue };
        wait::until(TIDY_WITHIN, |_| shell::tidy_abandoned(&looked.proc_, &records, &record).unwrap_or(true));
    }
}

fn planned(choice: &Choice<'_>, mode: Mode) -> EventKind {
    let members: Vec<Candidate<'_>> = choice.trees.iter().flat_map(|tree| tree.members.clone()).collect();
    let certain = members.iter().filter(|one| one.certainty() == Some(Certainty::Certain)).count();
    EventKind::ReapPlanned {
        processes: number(members.len()),
        certain: number(certain),
        likely: number(members.len() - certain),
        rss_bytes: Some(memory(&members)),
        by: if mode == Mode::Timer { "a timer" } else { "a person" }.to_owned(),
    }
}

fn all<'f>(choice: &Choice<'f>, because: &str) -> Vec<Skipped<'f>> {
    let members = choice.trees.iter().flat_map(|tree: &Tree<'f>| &tree.members);
    members.map(|candidate| skipped(*candidate, because)).collect()
}

fn skipped<'f>(candidate: Candidate<'f>, because: &str) -> Skipped<'f> {
    Skipped { candidate, because: because.to_owned() }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
