//! `reap`: ends what was left behind. A dry run until `--yes`.
//!
//! Looks, shows whom it would end, asks where something is only likely, looks again at least 2 s later, and ends those of
//! whom both looks say the same (ARCHITECTURE.md, Safety 4). Every signal is an event of the unit `reap`.

pub(super) mod act;
mod ask;
mod done;
mod journal;
mod pick;
mod report;
mod said;
mod view;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use scupper_model::{Bytes, EventKind, Identity, Pid, UnitName, allowed, brake};
use scupper_orphan::{CONFIRM_AFTER, Certainty, Choice, Confirmed, Findings, Known, Plan, Selection, Target};
use scupper_probe::Proc;
use scupper_supervise::shell::{self, Untouchable};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use self::act::Around;
use self::done::Done;
use self::journal::Journal;
use self::pick::Refused;
use self::view::{One, memory};
use super::scan::look::{Ask, Looked, look};
use crate::args::ReapArgs;
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::{Printer, Unwritten};
use crate::{keeps, paths, wait};

/// So often what was started by those that are ended is looked for, and ended in its turn.
const MOST_ROUNDS: usize = 3;
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

/// One look, and what it comes to.
struct Planned {
    looked: Looked,
    selection: Selection,
    plan: Plan,
    refused: Vec<Refused>,
    /// Why nobody is ended, whatever is asked: what is kept cannot be read.
    held_back: Option<String>,
}

pub(super) fn run(args: &ReapArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let mode = match (args.yes, args.auto) {
        (true, _) => Mode::Person,
        (_, true) => Mode::Timer,
        _ => Mode::DryRun,
    };
    let planned = plan(args)?;
    planned.looked.warn(printer);
    // Nobody is ended by what is named beside something that cannot be.
    let refused = !planned.refused.is_empty();
    if !args.json && !refused {
        printer.line(&said::plan(&planned, mode)).map_err(|unwritten| unheard(unwritten, mode))?;
    }
    let mut done = Done::default();
    if mode != Mode::DryRun && !refused {
        let mut acting =
            Acting { args, mode, first: &planned, seen_at: wait::now(), journal: Journal::new(args) };
        let acted = acting.act(&mut done, printer);
        acting.journal.close();
        acted?;
    }
    if args.json {
        printer.json(&report::report(mode, &planned, &done))?;
    } else if mode != Mode::DryRun && !refused {
        printer.line(&said::done(&done))?;
    }
    if !args.json {
        said::refused(&planned, printer);
    }
    let nothing_to_do = planned.plan.targets.is_empty() && planned.plan.to_ask.is_empty();
    Ok(match mode {
        _ if refused => UNUSABLE,
        Mode::DryRun if nothing_to_do => 0,
        Mode::Person | Mode::Timer if done.is_complete() => 0,
        _ => FINDINGS,
    })
}

/// Nobody is ended whom nobody could see listed (ARCHITECTURE.md, Safety 6): that is no success, though the reader had enough.
fn unheard(unwritten: Unwritten, mode: Mode) -> Failure {
    match unwritten {
        Unwritten::Closed if mode != Mode::DryRun => {
            Failure::usage("nobody reads whom it is to end: nothing was ended")
                .hint("use --json, or send it to a file")
        }
        other => other.into(),
    }
}

fn plan(args: &ReapArgs) -> Result<Planned, Failure> {
    let looked = look(&asked(args))?;
    let selection = pick::selection(&args.targets, &args.classes, &looked.findings);
    let plan = Plan::new(&looked.findings, &selection);
    let refused = pick::refused(&plan, &looked.findings, &looked.snapshot, looked.observer.uid);
    let held_back = keeps::of_this_user(args.state.as_deref()).err();
    let held_back = held_back.map(|why| format!("what is kept cannot be read: {why}"));
    Ok(Planned { looked, selection, plan, refused, held_back })
}

fn asked(args: &ReapArgs) -> Ask<'_> {
    Ask {
        min_age: args.min_age.unwrap_or_default(),
        user: args.user,
        idle_after: args.idle,
        state: args.state.as_deref(),
    }
}

struct Acting<'a> {
    args: &'a ReapArgs,
    mode: Mode,
    first: &'a Planned,
    seen_at: Instant,
    journal: Journal,
}

impl Acting<'_> {
    fn act(&mut self, done: &mut Done, printer: &mut Printer) -> Result<(), Failure> {
        let stopped = stopped(&self.first.looked.proc_, self.first.looked.observer.pid)?;
        let interrupted = || stopped.load(Ordering::Relaxed);
        let Plan { targets, to_ask, .. } = &self.first.plan;
        if targets.is_empty() && to_ask.is_empty() {
            return Ok(());
        }
        if let Some(because) = &self.first.held_back {
            for one in targets.iter().map(One::from).chain(to_ask.iter().map(One::from)) {
                done.skip(&one, because);
            }
            return Ok(());
        }
        self.journal.record(self.planned());
        self.seen_at = wait::now();
        if self.brakes(&self.first.looked, done) {
            for one in targets.iter().map(One::from).chain(to_ask.iter().map(One::from)) {
                done.skip(&one, "the brake");
            }
        } else {
            let agreed = self.agree(done, &interrupted, printer);
            let mut plan = Plan::new(&self.first.looked.findings, &agreed);
            done.acted.interrupted = plan.targets.is_empty() && interrupted();
            for round in 1..=MOST_ROUNDS {
                if plan.targets.is_empty() {
                    break;
                }
                plan = self.look_again_and_end(plan, done, &interrupted, printer)?;
                if round == MOST_ROUNDS {
                    done.skip_all(&plan.targets, "it was started while the others were ended: reap again");
                }
            }
        }
        self.finished(done);
        Ok(())
    }

    /// Ends those of whom a second look says the same. Gives those that were started meanwhile: for them that was the
    /// first look.
    fn look_again_and_end(
        &mut self,
        plan: Plan,
        done: &mut Done,
        interrupted: &dyn Fn() -> bool,
        printer: &mut Printer,
    ) -> Result<Plan, Failure> {
        if !self.args.json {
            printer.progress("looking again ...");
        }
        wait::until(CONFIRM_AFTER.saturating_sub(self.passed()), |_| interrupted());
        printer.end_progress();
        if interrupted() {
            done.acted.interrupted = true;
            done.skip_all(&plan.targets, "interrupted");
            return Ok(Plan::default());
        }
        let apart = self.passed();
        let again = look(&asked(self.args))?;
        if self.brakes(&again, done) {
            done.skip_all(&plan.targets, "the brake");
            return Ok(Plan::default());
        }
        let confirmed = plan.confirm(&again.findings, apart)?;
        self.tell_dropped(&confirmed, &again, apart, done);
        if confirmed.targets().is_empty() {
            return Ok(Plan::default());
        }
        self.end(confirmed, &again, done, interrupted, printer);
        if done.acted.interrupted { Ok(Plan::default()) } else { self.latecomers(&again, done) }
    }

    /// What was started by those that were ended, too late to be ended with them (a shell's loop starts its server anew
    /// before it ends itself), and was left behind in its turn. Of the same process group as one of those that ended,
    /// it is meant with them.
    fn latecomers(&mut self, again: &Looked, done: &Done) -> Result<Plan, Failure> {
        let ended: HashSet<Identity> = done.ended().map(|(identity, ..)| *identity).collect();
        let processes = &again.snapshot.processes;
        let of_ended = processes.iter().filter(|process| ended.contains(&process.identity));
        let groups: HashSet<i32> = of_ended.map(|process| process.group).collect();
        let before: HashSet<Identity> = processes.iter().map(|process| process.identity).collect();
        let met: HashSet<Identity> = done.acted.reaped.iter().map(|one| one.identity).collect();

        self.seen_at = wait::now();
        let now = look(&asked(self.args))?;
        let is_new = |identity: &Identity| !before.contains(identity) && !met.contains(identity);
        let late = now.snapshot.processes.iter().filter(|process| is_new(&process.identity));
        let mut selection = self.first.selection.clone();
        selection.agreed =
            late.filter(|process| groups.contains(&process.group)).map(|process| process.identity).collect();
        if !selection.choices.is_empty() {
            selection.choices.extend(selection.agreed.iter().map(|identity| Choice::Pid(identity.pid)));
        }
        let mut plan = Plan::new(&now.findings, &selection);
        plan.targets.retain(|target| is_new(&target.process.identity));
        Ok(plan)
    }

    /// Time since the first look.
    fn passed(&self) -> Duration {
        wait::now().saturating_duration_since(self.seen_at)
    }

    /// Safety 6: whether automatic action stops.
    fn brakes(&mut self, looked: &Looked, done: &mut Done) -> bool {
        let (dead, members) = dead(&looked.known, &looked.findings);
        if self.mode != Mode::Timer || !brake(dead, members) {
            return false;
        }
        let allowed = allowed(members);
        let message = format!(
            "{dead} of {members} known units look dead at once, and no more than {allowed} of them are believed: \
             nothing is ended by itself; `scupper reap --yes` goes on"
        );
        self.journal.record(EventKind::BrakeApplied {
            dead: number(dead),
            members: number(members),
            allowed: number(allowed),
            message: message.clone(),
        });
        done.brake = Some(message);
        true
    }

    /// Asks about what is only likely, tree by tree. What nobody agrees to is skipped.
    fn agree(&self, done: &mut Done, interrupted: &dyn Fn() -> bool, printer: &mut Printer) -> Selection {
        let terminal = self.mode == Mode::Person && !self.args.json && ask::is_terminal();
        let mut selection = self.first.selection.clone();
        let mut enough = false;
        for tree in view::trees(&self.first.plan.to_ask) {
            let answer = match self.mode {
                Mode::Timer => ask::Answer::No("it is only likely, and nobody is there to ask"),
                _ if !terminal => ask::Answer::No("it is only likely: name it, or answer on a terminal"),
                _ if enough || interrupted() => ask::Answer::No("not asked any more"),
                _ => ask::ask(&said::question(&tree), interrupted, printer),
            };
            let because = match answer {
                ask::Answer::Yes => {
                    selection.agreed.extend(tree.iter().map(One::identity));
                    continue;
                }
                ask::Answer::No(because) => because,
                ask::Answer::Enough => {
                    enough = true;
                    "not asked any more"
                }
            };
            for one in &tree {
                done.skip(one, because);
            }
        }
        selection
    }

    /// Who was planned and is not judged the same again is left alone. Who is gone needs nobody.
    fn tell_dropped(&mut self, confirmed: &Confirmed, again: &Looked, apart: Duration, done: &mut Done) {
        let is_there = |target: &&Target| {
            again.snapshot.processes.iter().any(|process| process.identity == target.process.identity)
        };
        let left: Vec<&Target> = confirmed.dropped().iter().filter(is_there).collect();
        self.journal.record(EventKind::ReapConfirmed {
            processes: number(confirmed.targets().len()),
            left: number(left.len()),
            after_ms: u64::try_from(apart.as_millis()).unwrap_or(u64::MAX),
        });
        for target in left {
            let identity = target.process.identity;
            let spared = again.findings.not_touched.iter().find(|one| one.process.identity == identity);
            let because = spared.map_or_else(
                || "the second look says something else of it".to_owned(),
                |one| format!("at the second look: {}", one.because),
            );
            done.skip(&One::from(target), &because);
        }
    }

    fn end(
        &mut self,
        confirmed: Confirmed,
        again: &Looked,
        done: &mut Done,
        interrupted: &dyn Fn() -> bool,
        printer: &mut Printer,
    ) {
        let targets = confirmed.targets().to_vec();
        let state = self.args.state.clone();
        let present: HashSet<_> = again.snapshot.processes.iter().map(|process| process.identity).collect();
        let json = self.args.json;
        let journal = &mut self.journal;
        let mut around = Around {
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
        };
        let acted = act::end(confirmed, self.args.grace, &mut around);
        done.acted.extend(acted);
        let ended: HashSet<Identity> = done.ended().map(|(identity, ..)| *identity).collect();
        let freed = targets.iter().map(|target| &target.process).filter(|one| ended.contains(&one.identity));
        done.freed = Bytes(done.freed.0.saturating_add(memory(freed).0));
        tidy(&targets, again);
    }

    fn planned(&self) -> EventKind {
        let Plan { targets, to_ask, .. } = &self.first.plan;
        let all: Vec<One<'_>> = targets.iter().map(One::from).chain(to_ask.iter().map(One::from)).collect();
        let certain = all.iter().filter(|one| one.certainty == Some(Certainty::Certain)).count();
        EventKind::ReapPlanned {
            processes: number(all.len()),
            certain: number(certain),
            likely: number(all.len() - certain),
            rss_bytes: Some(memory(all.iter().map(|one| one.process))),
            by: if self.mode == Mode::Timer { "a timer" } else { "a person" }.to_owned(),
        }
    }

    fn finished(&mut self, done: &Done) {
        self.journal.record(EventKind::ReapFinished {
            ended: number(done.ended().count()),
            forced: number(done.ended().filter(|(.., forced)| *forced).count()),
            left: number(done.left().count() + done.skipped.len()),
            freed_bytes: Some(done.freed),
            because: match (done.acted.interrupted, &done.brake) {
                (true, _) => "interrupted",
                (_, Some(_)) => "the brake",
                _ => "done",
            }
            .to_owned(),
        });
    }
}

/// Set by what asks it to stop, ^C and a terminal that is closed among them: what was done by then is recorded first. What
/// is ignored stays so (nohup).
fn stopped(proc_: &Proc, own: Pid) -> Result<Arc<AtomicBool>, Failure> {
    let ignored = proc_.ignored_signals(own).ok().flatten().unwrap_or(0);
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        if ignored & (1 << (signal - 1)) == 0 {
            signal_hook::flag::register(signal, Arc::clone(&stopped)).context("cannot take over ^C")?;
        }
    }
    Ok(stopped)
}

/// How many units look dead, and of how many that are known: those that did not end as they should, and those of which
/// something was certainly left.
fn dead(known: &Known, findings: &Findings) -> (usize, usize) {
    let certain = findings.left_behind.iter().filter(|left| left.certainty == Certainty::Certain);
    let left: HashSet<&str> = certain.filter_map(|left| left.unit.as_deref()).collect();
    let runs = known.runs.iter().filter(|run| !run.ended).map(|run| run.unit.as_str());
    let members: HashSet<&str> = runs.chain(left.iter().copied()).collect();
    (left.len(), members.len())
}

/// The records and cgroups of units of which nothing is left.
pub(super) fn tidy(ended: &[Target], looked: &Looked) {
    let units: HashSet<&str> = ended.iter().filter_map(|target| target.unit.as_deref()).collect();
    // Where there are none, there is nothing to remove.
    let Ok(records) = paths::records() else { return };
    for unit in units.into_iter().filter_map(|unit| unit.parse::<UnitName>().ok()) {
        let Ok(Some(record)) = records.read(&unit) else { continue };
        wait::until(TIDY_WITHIN, |_| shell::tidy_abandoned(&looked.proc_, &records, &record).unwrap_or(true));
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
