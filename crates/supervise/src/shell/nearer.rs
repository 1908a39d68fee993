//! Nearer looks, at what moved alone: what a helper is, once for each program it becomes; which connections wait to be closed, now and then.
//!
//! A unit at rest pays nothing for it: a helper's kind is found out once (four links), and connections are read only of
//! processes whose number of descriptors has changed or that had connections, never for more than a hundredth of a
//! processor. On a loaded machine a reading takes long because others are at work; that is no reason to read less often.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use scupper_detect::Horizon;
use scupper_knowledge::browser::{self, Part};
use scupper_model::{Connections, Identity, Pid};
use scupper_probe::{Proc, connections};

use super::clock;
use super::tree::{Member, Tree};
use crate::helpers::Kind;
use crate::unit::{Look, Role, Seen};

/// A script that is named like the browser that it starts has become it by then.
const STARTED: Duration = Duration::from_secs(10);
/// Descriptors that are looked at in one reading of connections, in all.
const MOST_DESCRIPTORS: u64 = 16_384;
/// Between two readings, times the processor time that one took: at most a hundredth of a processor.
const REST: u32 = 100;

/// What was found out by nearer looks.
#[derive(Debug, Default)]
pub struct Nearer {
    kinds: HashMap<Pid, (Program, Option<Kind>)>,
    connections: HashMap<Pid, Read>,
    next: Duration,
}

/// Who somebody is, and the how many-th program he executes.
type Program = (Identity, u32);

/// What was read of the connections of a process.
#[derive(Clone, Copy, Debug)]
struct Read {
    identity: Identity,
    descriptors: u64,
    connections: Connections,
}

impl Nearer {
    /// Adds to a look what is known, and finds out what is due.
    pub fn add(&mut self, look: &mut Look, tree: &Tree, proc: &Proc, now: Duration, horizon: Horizon) {
        self.add_kinds(look, tree, proc);
        if look.whole {
            self.forget(look);
            if now >= self.next {
                let began = clock::processor_time();
                self.read_connections(look, proc);
                let every = match horizon {
                    Horizon::Long => Duration::from_secs(5),
                    Horizon::Short => Duration::from_secs(1),
                };
                self.next = now + every.max(clock::processor_time().saturating_sub(began) * REST);
            }
        }
    }

    /// The connections of a process, as they were read last.
    pub fn connections(&self, identity: &Identity) -> Option<Connections> {
        self.connections
            .get(&identity.pid)
            .filter(|read| read.identity == *identity)
            .map(|read| read.connections)
    }

    fn add_kinds(&mut self, look: &mut Look, tree: &Tree, proc: &Proc) {
        for seen in look.processes.iter_mut().filter(|seen| seen.role == Role::Helper && !seen.zombie) {
            let pid = seen.identity.pid;
            let Some(member) = tree.member(pid) else { continue };
            let program = (seen.identity, member.programs());
            if let Some((_, kind)) = self.kinds.get(&pid).filter(|(of, _)| *of == program) {
                seen.kind = *kind;
            } else if member.is_settled() {
                let found = match kind_of(member, seen, tree, proc) {
                    Found::NotYet => continue,
                    Found::Unreadable => None,
                    Found::Kind(kind) => Some(kind),
                };
                self.kinds.insert(pid, (program, found));
                seen.kind = found;
            }
        }
    }

    fn forget(&mut self, look: &Look) {
        let most = look.processes.len();
        if self.kinds.len() > most || self.connections.len() > most {
            let there: HashMap<Pid, Identity> =
                look.processes.iter().map(|seen| (seen.identity.pid, seen.identity)).collect();
            self.kinds.retain(|pid, ((identity, _), _)| there.get(pid) == Some(identity));
            self.connections.retain(|pid, read| there.get(pid) == Some(&read.identity));
            self.kinds.shrink_to(2 * most);
            self.connections.shrink_to(2 * most);
        }
    }

    fn read_connections(&mut self, look: &mut Look, proc: &Proc) {
        let mut due: Vec<(&Seen, u64)> = look
            .processes
            .iter()
            .filter(|seen| !seen.zombie)
            .filter_map(|seen| Some((seen, seen.counts[0]?)))
            .filter(|(seen, descriptors)| {
                let read =
                    self.connections.get(&seen.identity.pid).filter(|read| read.identity == seen.identity);
                read.is_none_or(|read| read.descriptors != *descriptors || read.connections.connected > 0)
            })
            .collect();
        // Who serves comes first.
        due.sort_by_key(|(seen, _)| seen.role == Role::Helper);
        let mut room = MOST_DESCRIPTORS;
        let fits = |(_, descriptors): &(&Seen, u64)| {
            let left = room.checked_sub(*descriptors);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let due: HashMap<Pid, (Identity, u64)> = due
            .into_iter()
            .filter(fits)
            .map(|(seen, descriptors)| (seen.identity.pid, (seen.identity, descriptors)))
            .collect();
        let mut found = HashMap::new();
        if !due.is_empty() {
            found = connections::read(proc, due.keys().copied());
        }
        for (pid, (identity, descriptors)) in due {
            match found.get(&pid) {
                Some(&connections) => {
                    self.connections.insert(pid, Read { identity, descriptors, connections });
                }
                None => {
                    self.connections.remove(&pid);
                }
            }
        }
        for seen in look.processes.iter_mut().filter(|seen| !seen.zombie) {
            seen.connections = self.connections(&seen.identity);
        }
    }
}

/// What a look at a helper says of its kind.
enum Found {
    /// It is to be asked again.
    NotYet,
    /// It may not be looked at.
    Unreadable,
    /// This it is.
    Kind(Kind),
}

fn kind_of(member: &Member, seen: &Seen, tree: &Tree, proc: &Proc) -> Found {
    let mut recognised = browser::recognise(&member.name, &member.command);
    if recognised.is_none() && browser::recognise(&member.name, &[]).is_some() {
        // Named like one, and another program: the script that becomes it, or was when the command line was read.
        let command = proc.command_line(member.identity.pid).ok().flatten().unwrap_or_default();
        recognised = browser::recognise(&member.name, &command);
        if recognised.is_none() && seen.program_age() < STARTED {
            return Found::NotYet;
        }
    }
    if let Some((browser, part)) = recognised {
        return Found::Kind(match part {
            Part::Root => Kind::Browser(browser),
            Part::Child => Kind::BrowserChild(browser),
        });
    }
    let pid = member.identity.pid;
    let (Ok(input), Ok(output)) = (proc.descriptor_target(pid, 0), proc.descriptor_target(pid, 1)) else {
        return Found::Unreadable;
    };
    let made: Vec<PathBuf> =
        [input, output].into_iter().flatten().filter(|target| has_another_end(target)).collect();
    if made.is_empty() {
        return Found::Kind(Kind::Other);
    }
    // What its parent has itself was passed on, not made for it. Of who lost its parent, the main process stands for it.
    let main = tree.members().find(|member| member.role == Role::Main).map(|main| main.identity.pid);
    let parent = seen.parent.filter(|parent| tree.member(*parent).is_some()).or(main);
    let Some(parent) = parent else { return Found::NotYet };
    let passed = |target: &PathBuf| {
        (0..3).any(|fd| proc.descriptor_target(parent, fd).ok().flatten().as_ref() == Some(target))
    };
    Found::Kind(if made.iter().all(passed) { Kind::Other } else { Kind::Stdio })
}

/// Whether a descriptor is an end of a pipe or a socket.
fn has_another_end(target: &std::path::Path) -> bool {
    let text = target.as_os_str().as_encoded_bytes();
    text.starts_with(b"pipe:[") || text.starts_with(b"socket:[")
}
