//! Which words speak for which kind of task, and how loudly. Whole words and phrases, with the endings that verbs and plurals
//! take: `fix` is also `fixes`, `fixed`, `fixing`, and never `prefix`.

use super::kind::{Priority, TaskType};

/// Phrases and what each is worth.
type Weights = &'static [(&'static str, u32)];

/// For each kind, from the most particular to the most general: that order decides nothing but how equals are listed.
pub(super) const TYPES: &[(TaskType, Weights)] = &[
    (
        TaskType::MemoryLeak,
        &[
            ("memory leak", 10),
            ("leak memory", 10),
            ("leaking memory", 10),
            ("leak", 6),
            ("out of memory", 6),
            ("heap out of memory", 7),
            ("heap exhaustion", 7),
            ("oom", 6),
            ("oomkilled", 6),
            ("memory usage grow", 7),
            ("memory usage increase", 7),
            ("memory usage", 3),
            ("memory grow", 6),
            ("memory growth", 6),
            ("memory increase", 6),
            ("memory keeps growing", 7),
            ("memory climb", 6),
            ("memory", 2),
            ("rss", 2),
            ("heap", 2),
            ("unclosed connection", 2),
            ("object retention", 2),
        ],
    ),
    (
        TaskType::OrphanCleanup,
        &[
            ("orphan", 7),
            ("zombie", 6),
            ("left behind", 5),
            ("left running", 5),
            ("leftover process", 6),
            ("stale process", 6),
            ("dead process", 5),
            ("defunct", 6),
            ("dangling process", 6),
            ("stale browser", 5),
        ],
    ),
    (
        TaskType::Incident,
        &[
            ("incident", 6),
            ("outage", 7),
            ("postmortem", 7),
            ("post mortem", 7),
            ("is down", 5),
            ("went down", 6),
            ("downtime", 6),
            ("unavailable", 3),
            ("sev1", 6),
        ],
    ),
    (
        TaskType::BugFix,
        &[
            ("bug", 5),
            ("bug fix", 6),
            ("fix", 4),
            ("error", 3),
            ("crash", 3),
            ("broken", 4),
            ("fail", 3),
            ("failure", 2),
            ("regression", 4),
            ("exception", 3),
            ("wrong", 2),
            ("defect", 5),
            ("hotfix", 5),
        ],
    ),
    (
        TaskType::FeatureDevelopment,
        &[
            ("feature", 5),
            ("implement", 4),
            ("add", 4),
            ("add support", 5),
            ("user story", 5),
            ("introduce", 3),
            ("create", 2),
            ("build a", 2),
        ],
    ),
    (
        TaskType::Review,
        &[
            ("review", 5),
            ("code review", 6),
            ("audit", 5),
            ("analyze", 3),
            ("analyse", 3),
            ("assess", 4),
            ("pull request", 3),
        ],
    ),
    (
        TaskType::Research,
        &[
            ("research", 5),
            ("investigate", 4),
            ("explore", 3),
            ("evaluate", 4),
            ("compare", 3),
            ("find out", 3),
            ("spike", 2),
            ("feasibility", 4),
        ],
    ),
    (
        TaskType::Refactoring,
        &[
            ("refactor", 6),
            ("refactoring", 6),
            ("restructure", 5),
            ("simplify", 4),
            ("improve", 3),
            ("clean up the code", 5),
            ("technical debt", 5),
            ("rename", 3),
        ],
    ),
    (
        TaskType::Testing,
        &[
            ("test", 3),
            ("unit test", 5),
            ("integration test", 5),
            ("write test", 5),
            ("add test", 6),
            ("test coverage", 6),
            ("test suite", 4),
            ("flaky", 4),
        ],
    ),
    (
        TaskType::Documentation,
        &[
            ("document", 4),
            ("documentation", 5),
            ("doc", 4),
            ("readme", 5),
            ("tutorial", 5),
            ("guide", 3),
            ("runbook", 5),
        ],
    ),
    (
        TaskType::ConfigChange,
        &[
            ("config", 4),
            ("configuration", 4),
            ("configure", 4),
            ("setting", 4),
            ("environment variable", 5),
            ("feature flag", 6),
            ("change the limit", 5),
            ("raise the limit", 5),
            ("set the limit", 4),
        ],
    ),
];

/// Words that say how soon.
pub(super) const PRIORITIES: &[(Priority, &[&str])] = &[
    (
        Priority::High,
        &[
            "urgent",
            "urgently",
            "asap",
            "critical",
            "emergency",
            "immediately",
            "blocker",
            "right away",
            "production down",
        ],
    ),
    (
        Priority::Low,
        &[
            "whenever",
            "eventually",
            "nice to have",
            "optional",
            "optionally",
            "no rush",
            "no hurry",
            "some day",
            "low priority",
        ],
    ),
];

/// Words behind `priority:`.
pub(super) const EXPLICIT: &[(Priority, &[&str])] = &[
    (Priority::High, &["high", "highest", "urgent", "critical", "emergency", "asap", "p0", "p1"]),
    (Priority::Medium, &["medium", "normal", "p2"]),
    (Priority::Low, &["low", "lowest", "p3", "p4"]),
];

/// Words that speak of much work.
pub(super) const COMPLEX: &[&str] =
    &["complex", "multiple", "integrate", "integration", "system", "architecture"];

/// Words that negate what follows them in their clause.
pub(super) const NEGATORS: &[&str] = &[
    "not", "no", "never", "without", "cannot", "nothing", "neither", "nor", "none", "dont", "doesnt", "isnt",
    "cant", "wont", "avoid", "unlike",
];

/// Phrases that only look like a negation.
pub(super) const NO_NEGATION: &[&[&str]] = &[
    &["not", "only"],
    &["not", "just"],
    &["not", "forget"],
    &["don't", "forget"],
    &["dont", "forget"],
    &["no", "doubt"],
    &["no", "longer"],
    &["cannot", "wait"],
    &["can't", "wait"],
    &["why", "not"],
];

/// Behind `not` or `isn't`: what they take back is what stood before.
pub(super) const TAKEN_BACK: &[&str] =
    &["needed", "necessary", "required", "wanted", "planned", "urgent", "requested", "expected"];

/// Whether a word of a text is a word of a phrase, also with an ending.
pub(super) fn is_form_of(word: &str, base: &str) -> bool {
    if word.as_bytes().first() != base.as_bytes().first() {
        return false;
    }
    let Some(ending) = word.strip_prefix(base) else {
        // analyze, analyzing; clarify, clarified.
        let shorter = base.strip_suffix('e').and_then(|stem| word.strip_prefix(stem));
        let with_i = base.strip_suffix('y').and_then(|stem| word.strip_prefix(stem));
        return shorter == Some("ing") || matches!(with_i, Some("ies" | "ied"));
    };
    // Short words take few endings: an `added` is a form of `add`, an `ooms` of `oom`.
    matches!(ending, "" | "s" | "es" | "ed" | "d" | "ing" | "'s")
}
