//! What would confirm or refute a suspect: commands that can be run as they stand, and what their results mean.

use scupper_model::{Identity, REDACTED};

use super::facts::Facts;
use super::lead::Lead;
use super::suspect::Check;
use super::{Cause, Known, words};

/// Characters of a command that is repeated.
const MOST_COMMAND: usize = 120;

/// What commands are about.
#[derive(Clone, Debug)]
pub(super) struct Context {
    unit: Option<String>,
    command: Option<String>,
    /// Processes that run now.
    living: Vec<Identity>,
    main: Option<Identity>,
}

impl Context {
    pub fn of(facts: &Facts, known: &Known<'_>) -> Self {
        let living =
            known.now.iter().flat_map(|now| &now.processes).map(|process| process.identity).collect();
        Self {
            unit: facts.seen(known).unit.map(|unit| unit.to_string()),
            command: facts.command.as_deref().and_then(repeatable),
            living,
            main: facts.main(),
        }
    }

    /// The command of the unit, or where it stands.
    fn command(&self) -> &str {
        self.command.as_deref().unwrap_or("COMMAND")
    }

    fn unit(&self) -> &str {
        self.unit.as_deref().unwrap_or("UNIT")
    }

    /// A process that runs now, where one does.
    fn pid(&self, lead: &Lead) -> Option<Identity> {
        let of_lead = lead.who.iter().map(|process| process.identity);
        of_lead.chain(self.main).find(|who| self.living.contains(who))
    }
}

/// A command that means the same when it is typed again: words without anything that a shell takes for itself.
fn repeatable(command: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+ ".contains(c);
    let fits = !command.is_empty() && command.len() <= MOST_COMMAND && command.chars().all(plain);
    (fits && !command.contains(REDACTED)).then(|| command.to_owned())
}

/// For one suspect, the most telling first.
#[expect(clippy::too_many_lines, reason = "a table: a line or two for each cause")]
pub(super) fn of(lead: &Lead, context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |command: String, means: &str| checks.push(Check { command, means: means.to_owned() });
    let again = |flags: &str| {
        let space = if flags.is_empty() { "" } else { " " };
        format!("scupper run --horizon short{space}{flags} -- {}", context.command())
    };
    let pid = context.pid(lead).map(|who| who.pid);
    match lead.cause {
        Cause::Sockets => {
            if let Some(pid) = pid {
                add(
                    format!("ss -tanp | grep pid={pid},"),
                    "a peer that repeats is the one whose connections are not closed",
                );
            }
            add(again(""), "sockets that grow again confirm it; with the close added they stay flat");
        }
        Cause::ChildTree => {
            if let Some(pid) = pid {
                add(
                    format!("ps -o pid,stat,etimes,rss,args --ppid {pid}"),
                    "children older than what they were started for confirm it",
                );
            }
            add(
                again("--child-lifetime '*=1m'"),
                "ends helpers after a minute: growth that stops confirms it; work that fails says that they were needed",
            );
        }
        Cause::Threads => {
            if let Some(pid) = pid {
                add(
                    format!("ps -L -o tid,stat,etimes,comm -p {pid}"),
                    "threads of one name that grow old confirm it",
                );
            }
            add(again(""), "threads that grow again confirm it");
        }
        Cause::DeletedFiles => {
            if let Some(pid) = pid {
                add(
                    format!("ls -l /proc/{pid}/fd | grep deleted"),
                    "names that repeat are the files; their sizes are disk that is not free",
                );
            }
            add(again(""), "the same again confirms it");
        }
        Cause::Pipes => {
            if let Some(pid) = pid {
                add(
                    format!("ls -l /proc/{pid}/fd | grep -c pipe:"),
                    "a number that rises with each call confirms it",
                );
            }
            add(again(""), "the same again confirms it; `with subprocess.Popen(...)` or .close() refutes it");
        }
        Cause::Descriptors => {
            if let Some(pid) = pid {
                add(format!("ls -l /proc/{pid}/fd"), "targets that repeat are what is not closed");
            }
            add(again(""), "records which kind it is");
        }
        Cause::SharedMemory => add("ls -l /dev/shm".to_owned(), "files there that grow confirm it"),
        Cause::RetainedHeap => {
            add(
                again("--env MALLOC_ARENA_MAX=2"),
                "less growth: arenas of malloc keep it; the same growth: the program does, or an allocator of its own",
            );
            add(
                format!("scupper soak --for 10m --max-growth 20M -- {}", context.command()),
                "growth that ends is a cache at its bound; one that goes on is no cache, or one without a bound",
            );
        }
        Cause::AllocatorTrapped => {
            add(
                again("--env MALLOC_ARENA_MAX=2"),
                "less growth confirms arenas of malloc; the same growth refutes them, and no other allocator",
            );
        }
        Cause::CachePlateau => add(
            format!("scupper soak --for 10m --max-growth 20M -- {}", context.command()),
            "passed: it stays where it is; failed: it goes on",
        ),
        Cause::NotALeak => add(
            format!("scupper soak --for 30m --max-growth 20M -- {}", context.command()),
            "passed under the work that is suspected: it does not leak",
        ),
        Cause::Unknown => {
            if let Some(pid) =
                pid.or_else(|| context.main.filter(|who| context.living.contains(who)).map(|who| who.pid))
            {
                add(
                    format!("scupper attach {pid} --horizon short --for 3m"),
                    "a verdict takes 45 s or more under load",
                );
            }
            add(again(""), "a verdict takes 45 s or more under load");
        }
    }
    if lead.cause.is_leak() && context.unit.is_some() {
        add(format!("scupper why {} --svg why.svg", words::shown(context.unit())), "draws the curve");
    }
    checks
}
