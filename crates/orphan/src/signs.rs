//! The signs that a process was left behind, each by itself: does it hold, does it not, or can it not be told.
//!
//! What they are worth together is said in `deciding`. No single one is enough: the parent has to be gone *and* another
//! sign has to hold that does not follow from it.
//!
//! - An end that nobody holds is strong: nothing will ever come from stdin, nobody reads what it writes.
//! - A deleted directory, a closed terminal and a session leader that is gone are weaker. People who want a process to
//!   outlive its terminal say so (nohup(1): SIGHUP is ignored), or send its output to a file, which somebody will read.
//! - A deleted program is what every upgrade leaves, so it only supports.

use std::collections::HashSet;
use std::path::Path;

use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{End, Process};

use crate::ends::{Ends, OtherEnd};
use crate::finding::{Evidence, EvidenceKind};
use crate::lineage::{Lineage, Parenthood};
use crate::wording::{deleted, named, shown_path};

/// One sign that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub kind: EvidenceKind,
    pub state: State,
    pub text: String,
}

/// Whether a sign holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Holds,
    DoesNot,
    /// An error means keep: it counts as if it did not hold.
    Unknown,
}

/// Everything that was seen of one process.
#[derive(Clone, Debug)]
pub(crate) struct Signs {
    pub parenthood: Parenthood,
    /// What is at the other end of stdin, stdout and stderr.
    pub ends: [OtherEnd; 3],
    pub all: Vec<Sign>,
}

/// What is looked at.
pub(crate) struct Looker<'a> {
    pub lineage: &'a Lineage<'a>,
    pub ends: &'a Ends<'a>,
    /// Pids of which nothing could be read.
    pub unseen: &'a HashSet<Pid>,
}

impl Looker<'_> {
    /// Looks for every sign. Holders that `counts` refuses do not count as holders.
    pub fn look(&self, index: usize, counts: &dyn Fn(usize) -> bool) -> Signs {
        let process = &self.lineage.processes[index];
        let ends = [0, 1, 2].map(|descriptor| self.ends.other_end(index, descriptor, counts));
        let parenthood = self.lineage.parenthood(index);
        let all = vec![
            self.stdin_gone(&ends[0]),
            self.output_gone(&ends),
            directory_deleted(process),
            program_deleted(process),
            terminal_gone(&ends),
            self.session_leader_gone(process),
            reparented(parenthood),
        ];
        Signs { parenthood: parenthood.clone(), ends, all }
    }

    fn stdin_gone(&self, stdin: &OtherEnd) -> Sign {
        let (state, text) = match stdin {
            OtherEnd::Gone(text) => {
                (State::Holds, format!("nobody holds the other end of its stdin: {text}"))
            }
            OtherEnd::Held(holder) => {
                let holder = named(&self.lineage.processes[*holder]);
                (State::DoesNot, format!("{holder} holds the other end of its stdin"))
            }
            OtherEnd::Unknown(why) => {
                (State::Unknown, format!("who holds the other end of its stdin: {why}"))
            }
            OtherEnd::Nothing | OtherEnd::Terminal | OtherEnd::TerminalGone => {
                (State::DoesNot, "its stdin is neither a pipe nor a socket".to_owned())
            }
        };
        Sign { kind: EvidenceKind::StdinGone, state, text }
    }

    fn output_gone(&self, ends: &[OtherEnd; 3]) -> Sign {
        let [_, stdout, stderr] = ends;
        let (state, text) = match (stdout, stderr) {
            (OtherEnd::Gone(out), OtherEnd::Gone(_)) => {
                (State::Holds, format!("nobody reads its stdout and its stderr: {out}"))
            }
            (OtherEnd::Gone(out), _) => (State::Holds, format!("nobody reads its stdout: {out}")),
            (OtherEnd::Held(reader), _) | (OtherEnd::Nothing, OtherEnd::Held(reader)) => {
                let reader = named(&self.lineage.processes[*reader]);
                (State::DoesNot, format!("{reader} reads its output"))
            }
            (OtherEnd::Unknown(why), _) | (_, OtherEnd::Unknown(why)) => {
                (State::Unknown, format!("who reads its output: {why}"))
            }
            (_, OtherEnd::Gone(err)) => (State::Holds, format!("nobody reads its stderr: {err}")),
            _ => (State::DoesNot, "its output goes neither to a pipe nor to a socket".to_owned()),
        };
        Sign { kind: EvidenceKind::OutputGone, state, text }
    }

    fn session_leader_gone(&self, process: &Process) -> Sign {
        let session = process.session;
        let (state, text) = match Pid::new(session) {
            None => (State::DoesNot, "its session began outside of what can be seen".to_owned()),
            Some(leader) if leader == process.identity.pid => {
                (State::DoesNot, "it leads a session of its own".to_owned())
            }
            Some(leader) if self.unseen.contains(&leader) => {
                (State::Unknown, format!("whether pid {leader} leads its session could not be read"))
            }
            Some(leader) => match self.lineage.find(leader).map(|index| &self.lineage.processes[index]) {
                Some(leader) if leader.state != ProcessState::Zombie => {
                    (State::DoesNot, format!("{} leads its session", named(leader)))
                }
                None if self.lineage.has(leader) => {
                    (State::Unknown, format!("what pid {leader} is, that leads its session, is not clear"))
                }
                _ => (State::Holds, format!("the leader of its session, pid {leader}, is gone")),
            },
        };
        Sign { kind: EvidenceKind::SessionLeaderGone, state, text }
    }
}

fn directory_deleted(process: &Process) -> Sign {
    of_file(EvidenceKind::DirectoryDeleted, "working directory", process.working_directory.as_deref())
}

fn program_deleted(process: &Process) -> Sign {
    of_file(EvidenceKind::ProgramDeleted, "program", process.executable.as_deref())
}

fn of_file(kind: EvidenceKind, what: &str, path: Option<&Path>) -> Sign {
    let (state, text) = match path.map(deleted) {
        None => (State::Unknown, format!("its {what} cannot be read")),
        Some(Some(path)) => (State::Holds, format!("its {what} {} was deleted", shown_path(path))),
        Some(None) => (State::DoesNot, format!("its {what} is there")),
    };
    Sign { kind, state, text }
}

fn terminal_gone(ends: &[OtherEnd; 3]) -> Sign {
    let (state, text) = if ends.contains(&OtherEnd::TerminalGone) {
        (State::Holds, "the terminal it was started on is closed")
    } else if ends.contains(&OtherEnd::Terminal) {
        (State::DoesNot, "its terminal is open")
    } else {
        (State::DoesNot, "no terminal is its stdin, stdout or stderr")
    };
    Sign { kind: EvidenceKind::TerminalGone, state, text: text.to_owned() }
}

fn reparented(parenthood: &Parenthood) -> Sign {
    let (state, text) = match parenthood {
        Parenthood::Gone { text, .. } => (State::Holds, text.clone()),
        Parenthood::Perhaps(text) => (State::Unknown, text.clone()),
        Parenthood::Lives => (State::DoesNot, "its parent lives".to_owned()),
        Parenthood::Outside => (State::DoesNot, "it was started from outside of what can be seen".to_owned()),
        Parenthood::Unclear => (State::Unknown, "its parent cannot be seen".to_owned()),
    };
    Sign { kind: EvidenceKind::Reparented, state, text }
}

impl Signs {
    pub fn holds(&self, kind: EvidenceKind) -> bool {
        self.all.iter().any(|sign| sign.kind == kind && sign.state == State::Holds)
    }

    /// A living process outside that speaks to it or listens to it.
    pub fn partner(&self) -> Option<usize> {
        let [stdin, stdout, stderr] = &self.ends;
        match (stdin, stdout, stderr) {
            // Stderr is often inherited by everything: it says little where stdout is dead.
            (OtherEnd::Held(partner), _, _)
            | (_, OtherEnd::Held(partner), _)
            | (_, OtherEnd::Nothing, OtherEnd::Held(partner)) => Some(*partner),
            _ => None,
        }
    }

    /// Whether somebody may sit before it: a terminal that is open, where its stdout has not been abandoned.
    pub fn has_open_terminal(&self) -> bool {
        let [stdin, stdout, stderr] = &self.ends;
        stdin == &OtherEnd::Terminal
            || stdout == &OtherEnd::Terminal
            || stderr == &OtherEnd::Terminal && stdout == &OtherEnd::Nothing
    }

    /// Whether the signs together say that it was left behind, if nothing speaks for it.
    pub fn decide(&self, process: &Process) -> bool {
        match self.parenthood {
            Parenthood::Gone { sure, .. } => self.decide_of_orphan(process, sure),
            // A first process that started it itself may have closed its stdin and reads its output, or has let go of its
            // output: one of the two it needs.
            Parenthood::Perhaps(_) => {
                self.holds(EvidenceKind::StdinGone)
                    && self.holds(EvidenceKind::OutputGone)
                    && self.decide_of_orphan(process, false)
            }
            Parenthood::Lives | Parenthood::Outside | Parenthood::Unclear => false,
        }
    }

    /// The same, if it were known that its parent is gone.
    pub fn decide_without_parent(&self, process: &Process) -> bool {
        self.decide_of_orphan(process, true)
    }

    /// Whether the signs say it of a process whose parent is gone; not `sure` where that may be otherwise.
    fn decide_of_orphan(&self, process: &Process, sure: bool) -> bool {
        if self.partner().is_some() || self.has_open_terminal() {
            return false;
        }
        let (stdin, output) = (self.holds(EvidenceKind::StdinGone), self.holds(EvidenceKind::OutputGone));
        let unknown = |end: &OtherEnd| matches!(end, OtherEnd::Unknown(_));
        if output || stdin && !unknown(&self.ends[1]) {
            return true;
        }
        if !sure || self.ends.iter().any(unknown) {
            return false;
        }
        self.holds(EvidenceKind::DirectoryDeleted)
            || process.ignores_hangup.is_some()
                && !writes_to_a_file(process)
                && (self.holds(EvidenceKind::TerminalGone)
                    || self.holds(EvidenceKind::SessionLeaderGone) && !sent_away(process))
    }

    /// What holds, as evidence.
    pub fn evidence(&self) -> impl Iterator<Item = Evidence> + '_ {
        let holding = self.all.iter().filter(|sign| sign.state == State::Holds);
        holding.map(|sign| Evidence { kind: sign.kind, text: sign.text.clone() })
    }
}

/// Whether it writes to a file, which somebody will read.
fn writes_to_a_file(process: &Process) -> bool {
    let mut outputs = process.descriptors.iter().flat_map(|d| &d.stdio[1..]);
    outputs.any(|end| matches!(end, End::File(_)))
}

/// Whether stdin, stdout and stderr were all redirected away when it was started: on purpose.
pub(crate) fn sent_away(process: &Process) -> bool {
    process.descriptors.as_ref().is_some_and(|descriptors| {
        descriptors.stdio.iter().all(|end| matches!(end, End::Null | End::File(_) | End::Closed))
    })
}
