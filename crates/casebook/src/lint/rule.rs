//! Every rule that a document can break: its name, how bad that is, and what it asks for. The one list of them: the text on the
//! screen, the JSON, SARIF's table of rules and the manual are made from it.

use std::fmt;

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// The document says what is not so, or what nothing shows.
    Error,
}

impl Severity {
    /// The word on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident $id:literal $severity:ident $help:literal;)+) => {
        /// What a document is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name, the same everywhere.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// How bad it is, where the finding does not say otherwise.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What is asked for, as one sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What to do about it.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)+ }
            }
        }
    };
}

rules! {
    /// The front matter can be read.
    FrontMatter "front-matter" Error "Repair the line that is named; the rest of the document cannot be judged before that.";
    /// No line is longer than 64 KiB.
    LineTooLong "line-too-long" Info "Only the beginning of such a line is looked at. Keep data in a file and link it.";

    /// What is done or resolved cites recorded evidence.
    DoneWithoutEvidence "done-without-evidence" Error "Attach recorded events: `scupper incident show ID` lists what there is.";
    /// What is done has passed a soak.
    DoneWithoutSoak "done-without-soak" Error "Run `scupper soak`, then `scupper incident verify ID`.";
    /// A soak lasts as long as is required.
    SoakTooShort "soak-too-short" Error "Soak for at least three times the time to failure; `scupper soak --for TIME`.";
    /// State, status and percentage say the same.
    StatusContradiction "status-contradiction" Error "Move it with `scupper incident move ID STATE`, which brings the three in line.";
    /// What is done has no open boxes.
    DoneWithOpenBox "done-with-open-box" Error "Tick what was done, and remove what nobody will do.";
    /// Nothing stands for text that was never written.
    Placeholder "placeholder" Warning "Write what is meant, or remove it.";
    /// States follow each other as the table of transitions has it.
    Transition "transition" Error "See the table in `scupper incident move --help`; a forced move is recorded as forced.";
    /// A forced move is shown.
    ForcedMove "forced-move" Warning "Somebody moved it past a gate: read why before you trust the state.";
    /// Time does not go backwards.
    TimeBackwards "time-backwards" Error "Correct the time that is wrong.";
    /// Nothing is dated in the future.
    TimeInFuture "time-in-future" Error "Correct the time, or the clock of the machine that wrote it.";
    /// Times are written so that they can be read.
    TimeUnreadable "time-unreadable" Error "Write 2025-07-14T02:48:59.917Z, or 2025-07-14 02:48:59 in a plan.";
    /// Evidence that is cited is there.
    EvidenceMissing "evidence-missing" Error "Cite an event that `scupper events` shows, or remove the claim.";
    /// Evidence carries a hash, and its event still has that hash.
    EvidenceHash "evidence-hash" Error "The record and the document differ: find out which of them was changed.";
    /// What is cited was compared with the record.
    EvidenceNotChecked "evidence-not-checked" Info "Give the place of the evidence file with --state DIR.";
    /// The history is a chain that nobody changed.
    HistoryChain "history-chain" Error "Somebody changed the history by hand: restore it from version control.";
    /// Two documents do not have one id.
    DuplicateId "duplicate-id" Error "Give one of them a new number.";
    /// Every key that such a document has is there.
    KeyMissing "key-missing" Error "Add the key; `scupper incident new` writes them all.";
    /// A key has one of the values that it can have.
    ValueUnknown "value-unknown" Warning "Use one of the values that are named.";
    /// Issues do not block each other in a circle.
    BlockedInCircle "blocked-in-circle" Error "Remove one of the links of the circle.";
    /// What blocks or relates to it is there, and is not itself.
    LinkedUnknown "linked-unknown" Warning "Correct the number.";

    /// What is called resolved has been measured before and after.
    ResolvedWithoutMeasure "resolved-without-measure" Error "Measure both with the same workload: `scupper soak` before and after.";
    /// What is called resolved has its incident done.
    ResolvedIncidentOpen "resolved-incident-open" Error "Bring the incident to done first: `scupper incident show ID`.";
    /// The last why is no assumption.
    LastWhyUnproved "last-why-unproved" Error "Go on until there is evidence, or say that the cause is not known.";
    /// A change names its file and its lines.
    ChangeWithoutPath "change-without-path" Error "Write File: `path:first-last`.";
    /// A change's file is in the source tree.
    ChangePathMissing "change-path-missing" Error "Correct the path, relative to the root of the tree.";
    /// A change's lines are in its file.
    ChangeRangeMissing "change-range-missing" Error "Correct the range: the file is shorter.";
    /// As many lines are quoted as the range has.
    ChangeLength "change-length" Error "Quote the lines that the range names, all of them and no other.";
    /// What is quoted is what the file says.
    ChangeText "change-text" Error "Quote the file as it is, or name the commit in which it was so.";
    /// A change's commit is in the repository.
    ChangeCommit "change-commit" Error "Correct the commit's id.";
    /// Changes were compared with a source tree.
    ChangesNotChecked "changes-not-checked" Info "Give the root of the source tree with --root DIR.";
    /// Code that is shown as the fix can work.
    SnippetCannotWork "snippet-cannot-work" Error "Run it once before it is called the fix.";
    /// A task that is started is kept somewhere.
    SnippetTaskNotKept "snippet-task-not-kept" Warning "Keep the task in a variable or a set: the event loop holds it weakly.";

    /// A claim has a number beside it.
    ClaimWithoutNumber "claim-without-number" Warning "Say what was measured: how much, over what, for how long.";
    /// The body is what `content` says.
    BodyDiffers "body-differs" Warning "Bring both in line: programs read one, people the other.";
    /// No path leads into somebody's home.
    HomePath "home-path" Warning "Write the path relative to the project.";
    /// A linked issue has a link.
    IssueWithoutLink "issue-without-link" Warning "Write its number or its address.";
    /// A link leads somewhere.
    BrokenLink "broken-link" Warning "Correct the target.";
    /// A test is named as `file::test`.
    TestWithoutFile "test-without-file" Warning "Write `path/of/file::name_of_test`.";
    /// A test has a result.
    TestWithoutResult "test-without-result" Warning "Say how it ended: passed, with the command and when.";
    /// Effort and priority are said.
    EffortUnknown "effort-unknown" Warning "Set a priority, and an estimate of the effort.";
    /// What is changed last is written down as changed last.
    UpdatedBeforeHistory "updated-before-history" Warning "Set updated_date to the time of the last move.";
    /// A verification is a command.
    VerificationWithoutCommand "verification-without-command" Warning "Write the command that was run, in backticks.";
    /// A verification has an exit code and a time.
    VerificationIncomplete "verification-incomplete" Warning "Write how the command ended and when: exit 0, 2025-07-14T02:48Z.";
    /// Evidence is measured: numbers, with workload, window and how many.
    NotMeasured "not-measured" Warning "Write numbers with their unit, the workload, for how long, and how many.";
    /// An answer cites evidence or is called an assumption.
    WhyWithoutEvidence "why-without-evidence" Warning "Cite an event, or write (assumption).";
    /// There are five whys, or fewer and the reason.
    TooFewWhys "too-few-whys" Warning "Ask on, or say why the last answer is the cause.";
    /// Prevention is a rule that is on, or has an owner and a date.
    PreventionWithoutRule "prevention-without-rule" Warning "Name the limit, lint or alert that is now on, or who does it by when.";
    /// Documentation that was updated is named.
    DocumentationWithoutPath "documentation-without-path" Warning "Write the path or the address of the page.";
    /// The header says when, how bad, whose, and how it stands.
    Header "header" Warning "Write Date, Severity, Owner and Status, each in a line of its own that ends with two spaces.";
    /// The sections that such a document has are there.
    SectionMissing "section-missing" Warning "Add the section; where there is nothing to say, say that.";
    /// Somebody owns it.
    NoOwner "no-owner" Warning "Name who sees to it.";
    /// What it says is shown by something.
    NoEvidence "no-evidence" Warning "Cite events, files or commands with their output.";
    /// What was asked for is taken up.
    NotCovered "not-covered" Info "Add a step for it, or say that it is left out.";
    /// A criterion can be measured.
    CriterionWithoutNumber "criterion-without-number" Info "Say which number shows it, and from when on.";
    /// Text that goes into logs has no emoji.
    Emoji "emoji" Info "Write the word.";
    /// No more findings than can be read.
    TooMany "too-many" Info "Repair the first ones and look again.";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_rule_has_one_name_and_says_what_to_do() {
        let mut names = HashSet::new();
        for rule in Rule::ALL {
            assert!(names.insert(rule.id()), "{rule}");
            assert!(rule.id().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{rule}");
            assert!(rule.summary().ends_with('.') && rule.help().ends_with('.'), "{rule}");
        }
    }
}
