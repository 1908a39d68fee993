//! The states of an incident, and which may follow which: the table of the tool that made the first records, with what it
//! lacked, and a gate for each step.

use std::fmt;
use std::str::FromStr;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Opened.
    Planning,
    /// Identified: somebody may work on it.
    ReadyForEngineering,
    /// Being fixed.
    Active,
    /// The fix is in, a soak is running.
    ReadyForQa,
    /// The soak passed on one unit.
    ReadyForDeployment,
    /// It passed wherever it was seen.
    Done,
    /// Nobody will do it: a false alarm, or not worth it.
    WontDo,
    /// Put away.
    Archived,
}

/// What has to hold before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Nothing.
    Open,
    /// A suspect with evidence, or a reason.
    SuspectOrReason,
    /// Somebody owns it.
    Owner,
    /// What was changed: a commit, a path, a setting.
    Change,
    /// A soak of a unit in which it was seen that passed after the change, long enough, and nothing of it was seen since.
    Soak,
    /// The same in every unit in which it was seen; no box is a placeholder or open.
    SoakEverywhere,
    /// A reason.
    Reason,
}

/// One step that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// From this state.
    pub from: State,
    /// To that one.
    pub to: State,
    /// What has to hold.
    pub gate: Gate,
    /// Whether a program may take it, where the gate is open.
    pub automatic: bool,
}

const fn step(from: State, to: State, gate: Gate, automatic: bool) -> Step {
    Step { from, to, gate, automatic }
}

/// Every step that is allowed. What is not here is refused.
pub const STEPS: [Step; 19] = {
    use Gate::{Change, Open, Owner, Reason, Soak, SoakEverywhere, SuspectOrReason};
    use State::{
        Active, Archived, Done, Planning, ReadyForDeployment, ReadyForEngineering, ReadyForQa, WontDo,
    };
    [
        step(Planning, ReadyForEngineering, SuspectOrReason, true),
        step(Planning, Active, Owner, false),
        step(Planning, WontDo, Reason, false),
        step(ReadyForEngineering, Active, Open, false),
        step(ReadyForEngineering, ReadyForQa, Change, true),
        step(ReadyForEngineering, WontDo, Reason, false),
        step(Active, ReadyForEngineering, Open, false),
        step(Active, ReadyForQa, Change, true),
        step(Active, WontDo, Reason, false),
        step(ReadyForQa, ReadyForDeployment, Soak, true),
        step(ReadyForQa, Active, Reason, false),
        step(ReadyForQa, ReadyForEngineering, Reason, false),
        step(ReadyForQa, WontDo, Reason, false),
        step(ReadyForDeployment, Done, SoakEverywhere, true),
        step(ReadyForDeployment, ReadyForQa, Reason, false),
        step(ReadyForDeployment, WontDo, Reason, false),
        // Reopened: because it came back, or because somebody says why.
        step(Done, Active, Reason, true),
        step(Done, Archived, Open, true),
        step(WontDo, Archived, Open, true),
    ]
};

impl State {
    /// All of them, in the order of a record that goes well.
    pub const ALL: [Self; 8] = [
        Self::Planning,
        Self::ReadyForEngineering,
        Self::Active,
        Self::ReadyForQa,
        Self::ReadyForDeployment,
        Self::Done,
        Self::WontDo,
        Self::Archived,
    ];

    /// The word in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::ReadyForEngineering => "ready_for_engineering",
            Self::Active => "active",
            Self::ReadyForQa => "ready_for_qa",
            Self::ReadyForDeployment => "ready_for_deployment",
            Self::Done => "done",
            Self::WontDo => "won_t_do",
            Self::Archived => "archived",
        }
    }

    /// What it means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Planning => "opened",
            Self::ReadyForEngineering => "identified",
            Self::Active => "being fixed",
            Self::ReadyForQa => "fix in, soak to pass",
            Self::ReadyForDeployment => "soak passed on one",
            Self::Done => "passed wherever it was seen",
            Self::WontDo => "will not be done",
            Self::Archived => "put away",
        }
    }

    /// Whether there is still something to do.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Done | Self::WontDo | Self::Archived)
    }

    /// What the key `status` says in this state: the other tool has four words for it.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::ReadyForEngineering | Self::Active | Self::ReadyForQa | Self::ReadyForDeployment => {
                "active"
            }
            Self::Done => "completed",
            Self::WontDo | Self::Archived => "archived",
        }
    }

    /// The states that may follow.
    pub fn next(self) -> impl Iterator<Item = Step> {
        STEPS.into_iter().filter(move |step| step.from == self)
    }

    /// The step to this state, where there is one.
    pub fn step_to(self, to: Self) -> Option<Step> {
        self.next().find(|step| step.to == to)
    }
}

impl Gate {
    /// What is asked for, in words.
    pub const fn asks(self) -> &'static str {
        match self {
            Self::Open => "nothing",
            Self::SuspectOrReason => "a suspect with evidence, or --reason",
            Self::Owner => "an owner (--owner NAME)",
            Self::Change => "what was changed (--change COMMIT, path or setting)",
            Self::Soak => "a soak that passed after the change",
            Self::SoakEverywhere => "a soak that passed in every unit in which it was seen, and no open box",
            Self::Reason => "--reason",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No state of an incident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no state: one of planning, ready_for_engineering, active, ready_for_qa, ready_for_deployment, done, won_t_do, archived"
)]
pub struct NoState(String);

/// Reads a state; also the words of older records: `completed`, `closed`, `in-progress`.
impl FromStr for State {
    type Err = NoState;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "completed" | "closed" => return Ok(Self::Done),
            "in-progress" | "in_progress" => return Ok(Self::Active),
            "wont_do" => return Ok(Self::WontDo),
            _ => {}
        }
        let hyphens = |state: &Self| state.name() == text.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(hyphens)
            .ok_or_else(|| NoState(scupper_model::printable(text.as_bytes(), 40)))
    }
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R057, R058.

    use super::*;

    /// Rows are where it stands, columns where it is to go, both in the order of [`State::ALL`]. `.` is refused.
    const TABLE: [&str; 8] = [
        ". S O . . . R .", // planning
        ". . o C . . R .", // ready_for_engineering
        ". o . C . . R .", // active
        ". R R . Q . R .", // ready_for_qa
        ". . . R . E R .", // ready_for_deployment
        ". . R . . . . o", // done
        ". . . . . . . o", // won_t_do
        ". . . . . . . .", // archived
    ];

    #[test]
    fn r058_each_of_the_64_pairs_is_as_the_table_says() {
        for (from, row) in State::ALL.into_iter().zip(TABLE) {
            let cells: Vec<&str> = row.split(' ').collect();
            assert_eq!(cells.len(), 8);
            for (to, cell) in State::ALL.into_iter().zip(cells) {
                let gate = match cell {
                    "." => None,
                    "o" => Some(Gate::Open),
                    "S" => Some(Gate::SuspectOrReason),
                    "O" => Some(Gate::Owner),
                    "C" => Some(Gate::Change),
                    "Q" => Some(Gate::Soak),
                    "E" => Some(Gate::SoakEverywhere),
                    "R" => Some(Gate::Reason),
                    other => panic!("{other}"),
                };
                assert_eq!(from.step_to(to).map(|step| step.gate), gate, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn r058_the_path_of_the_seed_is_legal_and_what_a_program_may_do_is_known() {
        use State::{Active, Done, Planning, ReadyForDeployment, ReadyForEngineering, ReadyForQa};
        for pair in [Planning, ReadyForEngineering, ReadyForQa, ReadyForDeployment, Done].windows(2) {
            assert!(pair[0].step_to(pair[1]).is_some_and(|step| step.automatic), "{pair:?}");
        }
        assert!(!ReadyForQa.step_to(Active).unwrap().automatic);
        assert!(STEPS.iter().filter(|step| step.to == State::WontDo).all(|step| !step.automatic));
    }

    #[test]
    fn r057_states_are_read_and_written_and_the_words_of_older_records_are_read() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        for (word, state) in
            [("completed", State::Done), ("closed", State::Done), ("in-progress", State::Active)]
        {
            assert_eq!(word.parse(), Ok(state));
        }
        assert_eq!("ready-for-qa".parse(), Ok(State::ReadyForQa));
        assert!("finished".parse::<State>().unwrap_err().to_string().contains("won_t_do"));
    }
}
