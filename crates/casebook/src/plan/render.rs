//! The text of a plan, in the form of seed 000. What is new in it stands below the headings that were always there.

use scupper_model::Timestamp;

use super::classify::{Classified, Matched, judge};
use super::cover::{Covered, cover};
use super::facts::Facts;
use super::kind::{Effort, Priority, TaskType};
use super::limits::{Limits, unit_name};
use super::note::Note;
use super::original::{CRITERIA, INBOX, notes, summary};
use super::recorded::{Fitting, fitting};
use super::risks::Risks;
use super::steps::{self, Asked, Item, Step};
use super::words::Word;
use crate::incident::Recorded;
use crate::merge::{step_id, step_mark};

/// Characters of a bullet that are kept in a step.
const LONGEST_ITEM: usize = 400;
/// What surrounds a note.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    pub created_at: &'a str,
    /// The moment, to tell how old evidence is.
    pub now: Timestamp,
    /// What was recorded, oldest first.
    pub recorded: &'a [Recorded],
    /// Where that lies, as `related_files` names it.
    pub evidence_file: &'a str,
    /// What a person has set in the plan before.
    pub chosen: Chosen,
}

/// What a person has set: no rule knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The kind of task.
    pub task_type: Option<TaskType>,
    /// How soon.
    pub priority: Option<Priority>,
}

/// A plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The document.
    pub text: String,
    /// What the note was taken for.
    pub classified: Classified,
    /// The priority in the document.
    pub priority: Priority,
    /// Why it is higher than the note says.
    pub raised: Option<String>,
    /// Its numbers.
    pub facts: Facts,
    /// Where its bullets went.
    pub covered: Vec<Covered>,
    /// Evidence that fits.
    pub evidence: Vec<Fitting>,
    rule: (TaskType, Priority),
}

impl Plan {
    /// The kind and the priority that the rules say, whatever a person has set.
    pub const fn by_rule(&self) -> (TaskType, Priority) {
        (self.rule.0, self.rule.1)
    }

    /// Whether evidence could fill in something.
    pub const fn wants_evidence(&self) -> bool {
        speaks_of_growth(self.classified.task_type)
    }
}

const fn speaks_of_growth(task_type: TaskType) -> bool {
    matches!(task_type, TaskType::MemoryLeak | TaskType::OrphanCleanup | TaskType::Incident)
}

/// Makes a plan of a note.
pub fn plan(note: &Note, around: &Surroundings) -> Plan {
    let chosen = around.chosen;
    let words = super::words::words(note);
    let mut classified = judge(note, &words);
    let ruled = classified.task_type;
    if let Some(task_type) = chosen.task_type {
        (classified.task_type, classified.needs_triage) = (task_type, false);
    }
    let facts = Facts::of(note);
    let task_type = classified.task_type;
    let recorded = if speaks_of_growth(task_type) { around.recorded } else { &[] };
    let evidence = fitting(note, &facts, recorded, around.now);
    let may_rise = chosen.priority.is_none() && classified.priority != Priority::High;
    let raised = evidence.iter().find_map(|each| each.urgent.clone()).filter(|_| may_rise);
    let judged = if raised.is_some() { Priority::High } else { classified.priority };
    let priority = chosen.priority.unwrap_or(judged);

    // Only where somebody is told to run something.
    let unit = if speaks_of_growth(task_type) { unit_name(note, &evidence) } else { String::new() };
    let limits = Limits::of(&facts);
    let asked = Asked { unit: &unit, soak: &limits.soak_text(), growth: &limits.growth_text() };
    let mut steps = steps::of(task_type, &asked);
    let mut criteria = limits.criteria(task_type, &facts);
    let covered = cover(note, task_type, &mut steps, &mut criteria);
    let asked_for = covered.iter().filter(|each| each.by.is_ok()).count();
    if asked_for > 0 {
        let text =
            format!("{asked_for} of {asked_for} points of the request are done, or left out with a reason");
        criteria.push(Item { key: "criterion/points".to_owned(), text });
    }

    let mut page = Page::default();
    page.front(note, &classified, priority, &evidence, around);
    page.summary(note, &classified, priority, raised.as_deref(), chosen);
    page.request(note, &facts, &evidence, &classified, &unit);
    page.steps(&steps, &covered);
    page.criteria(&criteria);
    page.risks(&words, &classified);
    page.end(note.name(), classified.effort);
    Plan { text: page.text, classified, priority, raised, facts, covered, evidence, rule: (ruled, judged) }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn front(
        &mut self,
        note: &Note,
        classified: &Classified,
        priority: Priority,
        evidence: &[Fitting],
        around: &Surroundings,
    ) {
        self.line("---\ntype: action_plan\nstatus: pending");
        self.line(&format!("priority: {priority}\ntask_type: {}", classified.task_type));
        self.line(&format!("created_at: {}", around.created_at));
        self.line(&format!("source_file: {}", scalar(&format!("{INBOX}{}", note.name()))));
        if evidence.is_empty() {
            self.line("related_files: []");
        } else {
            self.line("related_files:");
            for each in evidence {
                self.line(&format!("  - {}", scalar(&format!("{}#{}", around.evidence_file, each.id))));
            }
        }
        if classified.needs_triage {
            self.line("needs_triage: true");
        }
        self.line(&format!("---\n\n# Plan: {}\n", inline(note.title())));
    }

    fn summary(
        &mut self,
        note: &Note,
        classified: &Classified,
        priority: Priority,
        raised: Option<&str>,
        chosen: Chosen,
    ) {
        self.line("## Executive Summary");
        self.line(&summary(note.name(), classified.task_type, priority, classified.effort));
        self.line("\n### Why\n");
        let nearest = classified.nearest.map_or_else(
            || "no word of the request says what kind of task it is".to_owned(),
            |nearest| format!("{nearest}, score {}: {}", classified.score, said(&classified.matched)),
        );
        let by = if chosen.task_type.is_some() {
            format!("set by hand; the words say {nearest}")
        } else if classified.needs_triage && classified.nearest.is_some() {
            format!("not enough speaks for one kind alone; nearest is {nearest}")
        } else if classified.nearest.is_some() {
            format!("score {}: {}", classified.score, said(&classified.matched))
        } else {
            nearest
        };
        self.line(&format!("- Type **{}**: {by}", classified.task_type));
        match &classified.runner_up {
            Some(second) => self.line(&format!(
                "- Runner-up {}, score {}: {}",
                second.task_type,
                second.score,
                said(&second.matched)
            )),
            None => self.line("- Runner-up: none"),
        }
        if classified.needs_triage {
            self.line("- Somebody has to say what it is: set `task_type`, and remove `needs_triage`");
        }
        let by = match (raised, classified.priority_by.is_empty()) {
            _ if chosen.priority.is_some() => "set by hand".to_owned(),
            (Some(raised), _) => {
                format!("raised from {} by what was recorded: {}", classified.priority, inline(raised))
            }
            (None, true) => "the request does not say how soon".to_owned(),
            (None, false) => said(&classified.priority_by),
        };
        self.line(&format!("- Priority **{priority}**: {by}"));
        let complex = if classified.complex.is_empty() {
            String::new()
        } else {
            format!(", {}", said(&classified.complex))
        };
        self.line(&format!("- Effort **{}**: {} words{complex}\n", classified.effort, classified.words));
    }

    fn request(
        &mut self,
        note: &Note,
        facts: &Facts,
        evidence: &[Fitting],
        classified: &Classified,
        unit: &str,
    ) {
        let fence = fence(note.text());
        self.line("## Original Request");
        self.line(&format!("{fence}\n{}\n{fence}\n", note.text()));
        let said = [
            ("Rate", facts.rates.iter().map(|rate| &rate.said).collect::<Vec<_>>()),
            ("Time until it fails", facts.failures.iter().map(|failure| &failure.said).collect()),
            ("Size", facts.sizes.iter().collect()),
            ("Version", facts.versions.iter().collect()),
        ];
        if said.iter().any(|(_, facts)| !facts.is_empty()) {
            self.line("### Facts\n");
            for (name, fact) in
                said.iter().flat_map(|(name, facts)| facts.iter().map(move |fact| (name, fact)))
            {
                self.line(&format!("- {name}: {} (line {})", inline(&fact.text), fact.line));
            }
            self.line("");
        }
        if speaks_of_growth(classified.task_type) {
            self.line("### Evidence\n");
            for each in evidence {
                self.line(&format!(
                    "- {} of `{}` at {}: {} (fits by {}; event `{}`, run `{}`, sha256 `{}`)",
                    each.kind,
                    each.unit,
                    each.at,
                    each.says,
                    each.by.join(", "),
                    each.id,
                    each.run,
                    each.sha256
                ));
            }
            if evidence.is_empty() {
                self.line("- Nothing recorded fits by service, rate or day");
                self.line(&format!("- This would record it: `scupper run --name {unit} -- COMMAND`; the next `scupper plan` fills it in"));
            }
            self.line("");
        }
    }

    fn steps(&mut self, steps: &[Step], covered: &[Covered]) {
        self.line("## Step-by-Step Plan\n");
        for (number, step) in (1..).zip(steps) {
            self.line(&format!("{number}. **{}** {}", step.title, mark(step.key)));
            for item in &step.items {
                self.line(&format!("   - [ ] {} {}", item.text, mark(&format!("{}/{}", step.key, item.key))));
            }
            self.line("");
        }
        if covered.is_empty() {
            return;
        }
        let done = covered.iter().filter(|each| each.by.is_ok()).count();
        self.line("### Coverage\n");
        self.line(&format!("- {done} of {} bullets of the request are in this plan", covered.len()));
        for each in covered {
            if let Err(why) = &each.by {
                self.line(&format!("- Not covered, since {why}: line {}, {}", each.line, inline(&each.text)));
            }
        }
        self.line("");
    }

    fn criteria(&mut self, criteria: &[Item]) {
        self.line("## Success Criteria\n");
        for item in criteria {
            self.line(&format!("- [ ] {} {}", item.text, mark(&item.key)));
        }
        for criterion in CRITERIA {
            self.line(&format!("- [ ] {criterion} {}", mark(criterion)));
        }
        self.line("");
    }

    fn risks(&mut self, words: &[Word], classified: &Classified) {
        let any = |bases: &[&str]| {
            words.iter().any(|word| bases.iter().any(|base| super::lexicon::is_form_of(&word.text, base)))
        };
        let risks = Risks {
            depends: any(&["depend", "dependency", "dependencies", "require", "requirement"]),
            complex: any(&["complex", "complicated", "difficult", "hard"]),
            integrates: any(&["integrate", "integration", "connect", "connection"]),
            words: classified.words,
        };
        self.line("## Potential Risks/Blockers\n");
        for risk in risks.listed() {
            self.text.push_str(&risk.lines());
        }
        self.line("");
    }

    fn end(&mut self, name: &str, effort: Effort) {
        self.line("## Effort Estimate");
        self.line(effort.word());
        self.text.push_str("\n## Notes\n");
        self.text.push_str(&notes(name));
    }
}

/// The words and their lines.
fn said(matched: &[Matched]) -> String {
    let each = matched.iter().map(|each| {
        let lines: Vec<String> = each.lines.iter().map(usize::to_string).collect();
        let s = if lines.len() == 1 { "" } else { "s" };
        format!("\"{}\" (line{s} {})", each.word, lines.join(", "))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The hidden mark that a step is known by, whatever its words become.
fn mark(key: &str) -> String {
    step_mark(&step_id(&[key]))
}

/// Text of the note in a line of ours: on one line, bounded, and without marks that only we may write.
pub(super) fn inline(text: &str) -> String {
    let mut out: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).take(LONGEST_ITEM).collect();
    if text.chars().nth(LONGEST_ITEM).is_some() {
        out.push_str("...");
    }
    out.replace("<!--", "&lt;!--").replace("-->", "--&gt;")
}

/// A fence longer than any run of backticks in the text.
fn fence(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

/// A text as a value of YAML: as it is where that is one, else quoted.
pub(super) fn scalar(text: &str) -> String {
    let is_plain =
        text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ' | '(' | ')'))
            && text.starts_with(|c: char| c.is_alphabetic() || c == '/')
            && !text.ends_with(' ')
            && !text.contains(" #");
    if is_plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
