//! A lead: what speaks for and against one cause in one kind of process, while it is gathered.

use scupper_detect::{Quantity, Verdict};
use scupper_model::{Grows, Identity, RunId, Watched};

use super::checks::{self, Context};
use super::facts::Facts;
use super::lives::{Life, Span};
use super::suspect::{Evidence, Process, Strength, Suspect};
use super::trail::{Source, Trail};
use super::{Cause, words};

/// Pieces of evidence that are kept on each side, the heaviest first.
const MOST_EVIDENCE: usize = 8;
/// Processes that are named.
const MOST_PROCESSES: usize = 16;
/// More series of the same cause say little more.
const MOST_AGAIN: i32 = 10;

/// How much something grew.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Growth {
    pub grown: Option<f64>,
    /// Whether it comes from two looks only: what came before and after them is not known.
    pub at_least: bool,
    pub per_hour: Option<f64>,
    pub per_operation: Option<f64>,
    pub time_to_limit_seconds: Option<u64>,
}

/// What growth is counted by: a process, or the tree of one start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub target: Option<Identity>,
    /// Of the tree alone.
    pub life: Option<Life>,
    /// When it was there, where that is known.
    pub span: Option<Span>,
}

impl Part {
    fn is(&self, other: &Self) -> bool {
        self.target == other.target && self.life == other.life
    }

    fn is_over(&self) -> bool {
        self.span.is_some_and(|span| span.until.is_some())
    }

    /// Whether another was there already when this one began, and stayed.
    fn joins(&self, other: &Self) -> bool {
        self.is(other)
            || matches!((self.span, other.span), (Some(own), Some(other)) if other.began_by(&own) && own.is_beside(&other))
    }
}

/// One suspect in the making.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub cause: Cause,
    /// The name of the processes; empty for the tree.
    pub of: String,
    pub what: Option<String>,
    pub who: Vec<Process>,
    pub points: i32,
    pub verdict: Verdict,
    pub grows: Grows,
    pub for_: Vec<Evidence>,
    pub against: Vec<Evidence>,
    pub unknown: Vec<String>,
    /// Runs that say something of it.
    pub runs: Vec<RunId>,
    parts: Vec<(Part, Growth)>,
    again: i32,
}

impl Lead {
    pub fn new(cause: Cause, of: &str) -> Self {
        Self {
            cause,
            of: words::shown(of),
            what: None,
            who: Vec::new(),
            points: 0,
            verdict: Verdict::Unknown,
            grows: Grows::Undetermined,
            for_: Vec::new(),
            against: Vec::new(),
            unknown: Vec::new(),
            runs: Vec::new(),
            parts: Vec::new(),
            again: 0,
        }
    }

    /// What its numbers are.
    pub const fn quantity(&self) -> Quantity {
        if self.cause.is_counted() { Quantity::Count } else { Quantity::Bytes }
    }

    /// Evidence for it.
    pub fn speaks_for(&mut self, points: i32, source: &Source, text: String) {
        self.points += points;
        if let Some(run) = source.run
            && !self.runs.contains(&run)
        {
            self.runs.push(run);
        }
        let (id, at) = (source.id.clone(), source.at);
        self.for_.push(Evidence { id, at, text, points });
    }

    /// A series that says the same once more.
    pub fn speaks_again(&mut self, points: i32, source: &Source, text: String) {
        let worth = points.min(MOST_AGAIN - self.again).max(0);
        self.again += worth;
        self.speaks_for(worth, source, text);
    }

    /// Evidence against it.
    pub fn speaks_against(&mut self, points: i32, source: &Source, text: String) {
        self.points -= points;
        let (id, at) = (source.id.clone(), source.at);
        self.against.push(Evidence { id, at, text, points: -points });
    }

    /// That a series of it does not grow since the unit was started again: it may be mended, or has less to do.
    pub fn was_calm_later(&mut self, facts: &Facts, trail: &Trail) {
        if let Some(calm) = facts.calm_later(trail) {
            let (_, source) = calm.last_reasons();
            let text = format!(
                "after it was started again {} {} {}: mended, at other work, or too young",
                words::series(calm.series),
                if calm.series == Watched::Memory { "is" } else { "are" },
                calm.last()
            );
            self.speaks_against(0, source, text);
        }
    }

    /// Takes over what another lead says of the same: it is the same thing, counted over the tree.
    pub fn absorb(&mut self, other: Self) {
        for evidence in other.for_ {
            let source = Source { id: evidence.id, at: evidence.at, run: None };
            self.speaks_again(evidence.points / 4, &source, evidence.text);
        }
        self.against.extend(other.against.into_iter().map(|evidence| Evidence { points: 0, ..evidence }));
        self.verdict = self.verdict.max(other.verdict);
        self.what = self.what.take().or(other.what);
        for (part, growth) in other.parts {
            self.add_growth(part, growth);
        }
    }

    /// One process more in which it is so.
    pub fn add_process(&mut self, identity: Option<Identity>, name: &str) {
        let Some(identity) = identity else { return };
        if self.who.len() < MOST_PROCESSES && !self.who.iter().any(|known| known.identity == identity) {
            self.who.push(Process { identity, name: words::shown(name) });
        }
    }

    /// How much one process, or the tree, grew; of several series of the same one the one that grew most counts.
    pub fn add_growth(&mut self, part: Part, growth: Growth) {
        match self.parts.iter_mut().find(|(known, _)| known.is(&part)) {
            None => self.parts.push((part, growth)),
            Some((_, known)) => {
                // Of equals the one that was watched all the time.
                if growth.grown > known.grown || (!growth.at_least && growth.grown >= known.grown) {
                    (known.grown, known.at_least) = (growth.grown, growth.at_least);
                }
                known.per_hour = larger(known.per_hour, growth.per_hour);
                known.per_operation = known.per_operation.or(growth.per_operation);
                known.time_to_limit_seconds =
                    sooner(known.time_to_limit_seconds, growth.time_to_limit_seconds);
            }
        }
    }

    /// All of it: the sum over its processes, or what the tree says where no process does. Rates are those of processes
    /// that were there at the same time, where they were fastest together.
    pub fn growth(&self) -> Growth {
        let of_processes = self.parts.iter().any(|(part, _)| part.target.is_some());
        let counted: Vec<&(Part, Growth)> =
            self.parts.iter().filter(|(part, _)| part.target.is_some() == of_processes).collect();
        let mut all = Growth::default();
        for (part, growth) in &counted {
            all.grown = added(all.grown, growth.grown);
            all.at_least |= growth.at_least;
            if !part.is_over() {
                all.time_to_limit_seconds = sooner(all.time_to_limit_seconds, growth.time_to_limit_seconds);
            }
            let beside = || counted.iter().filter(|(other, _)| part.joins(other)).map(|(_, growth)| growth);
            let sum = |of: fn(&Growth) -> Option<f64>| beside().map(of).fold(None, added);
            all.per_hour = larger(all.per_hour, sum(|growth| growth.per_hour));
            all.per_operation = larger(all.per_operation, sum(|growth| growth.per_operation));
        }
        all
    }

    /// As it is told.
    pub fn told(mut self, context: &Context) -> Suspect {
        let growth = self.growth();
        let unit = match self.cause {
            Cause::NotALeak | Cause::Unknown => None,
            _ if self.quantity() == Quantity::Bytes => Some("bytes"),
            _ => Some("count"),
        };
        for list in [&mut self.for_, &mut self.against] {
            list.sort_by_key(|evidence| std::cmp::Reverse(evidence.points.abs()));
            list.truncate(MOST_EVIDENCE);
        }
        // That nobody knows is no suspicion.
        let score = Some(u8::try_from(self.points.clamp(0, 99)).unwrap_or(0));
        let score = score.filter(|_| self.cause != Cause::Unknown);
        let checks = checks::of(&self, context);
        let mut said = Vec::new();
        self.unknown.retain(|unknown| {
            let new = !said.contains(unknown);
            said.push(unknown.clone());
            new
        });
        let mut name = self.cause.title().to_owned();
        if self.cause.is_leak() || self.cause == Cause::CachePlateau {
            let whom = match (self.who.as_slice(), self.of.as_str()) {
                ([one], _) => words::process(Some(&one.name), Some(&one.identity)),
                ([], "") => "the tree".to_owned(),
                ([], of) => of.to_owned(),
                (several, of) => format!("{} processes {of}", several.len()),
            };
            name = format!("{name}: {whom}");
        }
        Suspect {
            cause: self.cause,
            class: self.cause.class(),
            name,
            what: self.what,
            processes: self.who,
            score,
            strength: score.map(Strength::of),
            unit,
            grown: growth.grown,
            grown_at_least: growth.at_least,
            per_hour: growth.per_hour,
            per_operation: growth.per_operation,
            time_to_limit_seconds: growth.time_to_limit_seconds,
            grows: self.grows,
            evidence_for: self.for_,
            evidence_against: self.against,
            checks,
            unknown: self.unknown,
        }
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

fn added(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn sooner(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// All leads: one for each cause and name of process.
#[derive(Debug, Default)]
pub(super) struct Leads(pub Vec<Lead>);

impl Leads {
    /// The lead of a cause in processes of this name; made where there is none.
    pub fn of(&mut self, cause: Cause, of: &str) -> &mut Lead {
        let of = words::shown(of);
        let at = self.0.iter().position(|lead| lead.cause == cause && lead.of == of);
        let at = at.unwrap_or_else(|| {
            self.0.push(Lead::new(cause, &of));
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// The most likely first; of equals what can be counted, which names its cause by itself.
    pub fn into_sorted(mut self) -> Vec<Lead> {
        self.0.sort_by(|a, b| {
            b.points.cmp(&a.points).then_with(|| a.cause.cmp(&b.cause)).then_with(|| a.of.cmp(&b.of))
        });
        self.0
    }
}
