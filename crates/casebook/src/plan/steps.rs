//! The steps of each kind of task. A step has a key that stays the same whatever its words become, so that what people did to
//! it can be kept.

use super::kind::TaskType;

/// A step of the original tool: a title and what to do.
pub(super) struct Fixed {
    pub title: &'static str,
    pub items: &'static [&'static str],
}

const fn step(title: &'static str, items: &'static [&'static str]) -> Fixed {
    Fixed { title, items }
}

/// Of [`original`] for a bug: the text of seed 000.
const BUG_FIX: &[Fixed] = &[
    step(
        "Reproduce the Issue",
        &["Identify steps to reproduce", "Verify the bug exists", "Document expected vs actual behavior"],
    ),
    step(
        "Investigate Root Cause",
        &[
            "Review relevant code sections",
            "Check logs and error messages",
            "Identify the source of the problem",
        ],
    ),
    step(
        "Implement Fix",
        &[
            "Write code to resolve the issue",
            "Ensure fix doesn't break existing functionality",
            "Add error handling if needed",
        ],
    ),
    step("Test the Fix", &["Verify bug is resolved", "Run regression tests", "Test edge cases"]),
    step(
        "Document Changes",
        &["Update code comments", "Add to changelog if applicable", "Document any new behavior"],
    ),
];

const FEATURE: &[Fixed] = &[
    step(
        "Agree on What It Does",
        &[
            "Write down who uses it and for what",
            "List what it does not do",
            "State how to tell that it works",
        ],
    ),
    step(
        "Design It",
        &[
            "Name the parts that change",
            "Decide what happens when something fails",
            "Have the design read by somebody else",
        ],
    ),
    step(
        "Build It",
        &[
            "Build the smallest part that works from end to end",
            "Write its tests beside it",
            "Add what is missing, part by part",
        ],
    ),
    step(
        "Try It",
        &["Use it as its users will", "Try bad input and load", "Check that nothing else changed"],
    ),
    step(
        "Release It",
        &[
            "Write what users have to know",
            "Release where it can be taken back",
            "Look at it after the first day",
        ],
    ),
];

const REVIEW: &[Fixed] = &[
    step("Get an Overview", &["Read all of it once", "State what it is for", "Decide where to look closely"]),
    step(
        "Look Closely",
        &["Check each part against its purpose", "Look for what is missing", "Try what can be tried"],
    ),
    step(
        "Write It Down",
        &["List findings with place and weight", "Say what is good", "Say what was not looked at"],
    ),
    step("Agree on What Follows", &["Decide who does what", "Set dates", "Look again when it is done"]),
];

const RESEARCH: &[Fixed] = &[
    step(
        "Ask the Question",
        &["Write the question as one sentence", "Say what an answer would change", "Set a limit of time"],
    ),
    step(
        "Gather",
        &["Read primary sources first", "Note where each fact is from", "Measure what can be measured"],
    ),
    step(
        "Weigh",
        &[
            "Compare the options by the same points",
            "Look for what speaks against each",
            "Say how sure you are",
        ],
    ),
    step(
        "Answer",
        &["Write the answer first, then the reasons", "List what is still open", "Name the next step"],
    ),
];

const REFACTORING: &[Fixed] = &[
    step(
        "Pin Down What It Does",
        &[
            "Cover it with tests that pass now",
            "Measure what must not get worse",
            "Name what is to get better",
        ],
    ),
    step(
        "Change It in Small Steps",
        &["Change the form, not the behavior", "Run the tests after each step", "Commit each step by itself"],
    ),
    step(
        "Show That It Is Better",
        &[
            "Compare the numbers before and after",
            "Have it read by somebody else",
            "Remove what nobody needs any more",
        ],
    ),
];

const TESTING: &[Fixed] = &[
    step(
        "Decide What to Show",
        &["List what has to hold", "List how it could fail", "Choose the cheapest place to see each"],
    ),
    step(
        "Write the Tests",
        &["See each test fail once", "Keep them free of time and order", "Name each after what holds"],
    ),
    step(
        "Keep Them Running",
        &["Run them where changes come in", "Run them ten times in a row", "Measure how long they take"],
    ),
];

const DOCUMENTATION: &[Fixed] = &[
    step(
        "Find the Reader",
        &["Say who reads it and what for", "List what they ask", "Read what is there already"],
    ),
    step(
        "Write It",
        &[
            "Answer the first question first",
            "Give an example for each thing",
            "Try every command that is in it",
        ],
    ),
    step(
        "Try It on Somebody",
        &["Have a newcomer follow it", "Mend where they stop", "Link it where they look for it"],
    ),
];

const CONFIG_CHANGE: &[Fixed] = &[
    step(
        "Know What Is There",
        &[
            "Read the value that is in use now, on each host",
            "Find out what else depends on it",
            "Write down how to go back",
        ],
    ),
    step(
        "Change It",
        &[
            "Check the new value before it is loaded",
            "Change one host first",
            "Record who changed what, and when",
        ],
    ),
    step(
        "Watch It",
        &[
            "Compare the numbers before and after",
            "Wait for a whole period of load",
            "Change the rest, or go back",
        ],
    ),
];

const INCIDENT: &[Fixed] = &[
    step(
        "Contain It",
        &[
            "Say who leads and who writes",
            "Stop the damage before looking for the cause",
            "Tell those who are affected",
        ],
    ),
    step(
        "Find Out What Happened",
        &[
            "Write the timeline from what was recorded",
            "Name what triggered it and how it was noticed",
            "Ask why until a cause can be removed",
        ],
    ),
    step(
        "Remove the Cause",
        &["Fix it where it began", "Show by a test that it is gone", "Look for the same elsewhere"],
    ),
    step(
        "Keep It from Coming Back",
        &[
            "Turn on a limit, an alert or a lint for it",
            "Give each action an owner and a date",
            "Publish the report",
        ],
    ),
];

const GENERAL: &[Fixed] = &[
    step(
        "Understand the Request",
        &["Read it to its end", "Ask about what is not clear", "Say what is not part of it"],
    ),
    step(
        "Decide How",
        &["Split it into parts", "Find out who and what is needed", "Say when it will be done"],
    ),
    step(
        "Do It",
        &[
            "Begin with what could go wrong",
            "Keep what is finished",
            "Write down what was decided on the way",
        ],
    ),
    step("Check It", &["Compare it with the request", "Show it to whoever asked", "Clean up behind you"]),
];

/// The steps of compatible plans: four kinds have their own, the rest share one.
pub(super) const fn original(task_type: TaskType) -> &'static [Fixed] {
    match task_type {
        TaskType::BugFix => BUG_FIX,
        TaskType::FeatureDevelopment => FEATURE,
        TaskType::Review => REVIEW,
        TaskType::Research => RESEARCH,
        _ => GENERAL,
    }
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it is, whatever its words are.
    pub key: &'static str,
    pub title: String,
    pub items: Vec<Item>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Unlike every other one's of its plan.
    pub key: String,
    pub text: String,
}

/// What the steps about leaks need to know.
pub(super) struct Asked<'a> {
    /// A name for the unit.
    pub unit: &'a str,
    /// How long a soak has to last, as `scupper` reads it.
    pub soak: &'a str,
    /// By how much memory may grow in that time.
    pub growth: &'a str,
}

/// The steps of a plan.
pub(super) fn of(task_type: TaskType, asked: &Asked) -> Vec<Step> {
    match task_type {
        TaskType::MemoryLeak => memory_leak(asked),
        TaskType::OrphanCleanup => orphan_cleanup(asked),
        TaskType::BugFix => fixed(BUG_FIX),
        TaskType::FeatureDevelopment => fixed(FEATURE),
        TaskType::Review => fixed(REVIEW),
        TaskType::Research => fixed(RESEARCH),
        TaskType::Refactoring => fixed(REFACTORING),
        TaskType::Testing => fixed(TESTING),
        TaskType::Documentation => fixed(DOCUMENTATION),
        TaskType::ConfigChange => fixed(CONFIG_CHANGE),
        TaskType::Incident => fixed(INCIDENT),
        TaskType::GeneralTask => fixed(GENERAL),
    }
}

fn fixed(steps: &[Fixed]) -> Vec<Step> {
    let step = |step: &Fixed| {
        let items = step.items.iter();
        made(step.title, step.title, items.map(|item| ((*item).to_owned(), (*item).to_owned())))
    };
    steps.iter().map(step).collect()
}

fn made(key: &'static str, title: &str, items: impl Iterator<Item = (String, String)>) -> Step {
    let items = items.map(|(name, text)| Item { key: format!("{key}/{name}"), text }).collect();
    Step { key, title: title.to_owned(), items }
}

/// A step whose items are keyed by their place: their words hold numbers that change.
fn placed(key: &'static str, title: &str, items: Vec<String>) -> Step {
    made(key, title, items.into_iter().enumerate().map(|(place, text)| (place.to_string(), text)))
}

fn memory_leak(asked: &Asked) -> Vec<Step> {
    let Asked { unit, soak, growth } = asked;
    vec![
        placed(
            "leak/reproduce",
            "Reproduce It and Measure the Slope",
            vec![
                format!("Run the service so that its growth is recorded: `scupper run --name {unit} -- COMMAND`"),
                format!("Put on it the load that makes it grow, and follow it: `scupper events {unit} -f`"),
                "Write down the slope with its interval, and the time to the limit, from the first verdict `growing` or `leaking`"
                    .to_owned(),
            ],
        ),
        placed(
            "leak/attribute",
            "Find What Leaks",
            vec![
                format!("Rank the suspects: `scupper why {unit}`"),
                "Look whether processes, sockets or descriptors pile up beside memory: `scupper scan --watch 2m`".to_owned(),
                "For the first suspect: write down what would confirm it and what would refute it, and try both".to_owned(),
            ],
        ),
        placed(
            "leak/contain",
            "Contain It",
            vec![
                format!(
                    "Have it recycled before it reaches its limit: `scupper run --name {unit} --mem-soft SOFT --mem-hard HARD -- COMMAND`"
                ),
                "Check that a recycle loses no request".to_owned(),
            ],
        ),
        placed(
            "leak/fix",
            "Fix It",
            vec![
                "Release what the confirmed suspect keeps, also where an error or a time-out ends the work early".to_owned(),
                "Give every cache, list and map that outlives a request a bound".to_owned(),
                "Write a test that fails without the fix".to_owned(),
            ],
        ),
        placed(
            "leak/soak",
            "Prove It by a Soak",
            vec![
                format!("Same load as before the fix: `scupper soak --name {unit} --for {soak} --max-growth {growth} -- COMMAND`"),
                "Keep its result with the plan: a claim without it is not done".to_owned(),
            ],
        ),
        placed(
            "leak/prevent",
            "Keep It from Coming Back",
            vec![
                "Have the tests fail on a leak: `scupper run --fail-on-leak -- TEST_COMMAND`".to_owned(),
                "Leave the limits on, and an alert on the verdict `leaking`".to_owned(),
            ],
        ),
    ]
}

fn orphan_cleanup(asked: &Asked) -> Vec<Step> {
    let Asked { unit, soak, .. } = asked;
    vec![
        placed(
            "orphan/find",
            "Find What Was Left Behind",
            vec![
                "List it with its evidence: `scupper scan`".to_owned(),
                "Keep what must not be touched: `scupper keep PID|PATTERN`".to_owned(),
            ],
        ),
        placed(
            "orphan/end",
            "End It",
            vec![
                "Look at what would be ended, and why: `scupper reap`".to_owned(),
                "End it: `scupper reap --yes`".to_owned(),
                "Look again: `scupper scan` has to find nothing and exit with 0".to_owned(),
            ],
        ),
        placed(
            "orphan/cause",
            "Find Out Who Leaves It Behind",
            vec![
                format!("Run what starts it as a unit: `scupper run --name {unit} -- COMMAND`"),
                "End that in each way it ends in real life (exit, TERM, KILL, closed terminal), and look what stays".to_owned(),
            ],
        ),
        placed(
            "orphan/prevent",
            "Keep It from Being Left Behind",
            vec![
                "Start it so that it ends with its owner: `scupper run -- COMMAND`, for MCP servers `scupper mcp wrap FILE`".to_owned(),
                format!("Show that nothing stays: `scupper soak --name {unit} --for {soak} -- COMMAND`"),
            ],
        ),
    ]
}
