//! What a runtime warned of in the last lines of a log, as far as they are in the certificate of a death: something that was not
//! closed, or more listeners than one emitter should have.
//!
//! Such a line is about one object, and no proof of growth: it supports a suspect that is there, and alone it is told and names
//! nobody. The log is the unit's; which of its processes wrote the line is not known.
//!
//! Sources, as printed: node 20 (`lib/events.js`, `lib/internal/event_target.js`), `CPython` 3.11 (`socketmodule.c`, `fileio.c`,
//! `Lib/subprocess.py`, `Lib/asyncio`), aiohttp (`client.py`, `connector.py`), `HikariCP` (`ProxyLeakTask`), `OkHttp`
//! (`RealConnectionPool`), Netty (`ResourceLeakDetector`), Tomcat (`WebappClassLoaderBase`). Go's runtime has no such line.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::lead::{Lead, Leads};
use super::trail::Source;
use super::{Cause, words};

/// It supports what is suspected already.
const SUPPORTS: i32 = 10;
/// Nothing else speaks for it: enough to be told, and too little to name it.
const ALONE: i32 = 15;

/// Something that a runtime warns of.
struct Warning {
    /// All of these are in the line.
    marks: &'static [&'static str],
    what: &'static str,
    /// Which suspects it may speak of; the first one where there is none of them.
    causes: &'static [Cause],
}

const SOCKET: &[Cause] = &[Cause::Sockets, Cause::Descriptors];
const FILE: &[Cause] = &[Cause::Descriptors, Cause::DeletedFiles];
const CHILD: &[Cause] = &[Cause::ChildTree, Cause::Pipes];
const HEAP: &[Cause] = &[Cause::RetainedHeap];

const fn warning(marks: &'static [&'static str], what: &'static str, causes: &'static [Cause]) -> Warning {
    Warning { marks, what, causes }
}

/// The first one that fits a line is meant.
const WARNINGS: [Warning; 14] = [
    warning(&["MaxListenersExceededWarning: Possible "], "event listeners that are not removed", HEAP),
    warning(&["ResourceWarning: unclosed <socket.socket "], "sockets that are not closed", SOCKET),
    warning(&["ResourceWarning: unclosed <ssl.SSLSocket "], "sockets that are not closed", SOCKET),
    warning(&["ResourceWarning: unclosed transport "], "connections that are not closed", SOCKET),
    warning(&["ResourceWarning: unclosed file "], "files that are not closed", FILE),
    warning(&["ResourceWarning: unclosed event loop "], "event loops that are not closed", FILE),
    warning(&["ResourceWarning: unclosed database "], "databases that are not closed", FILE),
    warning(
        &["ResourceWarning: subprocess ", " is still running"],
        "subprocesses that nobody waited for",
        CHILD,
    ),
    warning(&["Unclosed client session"], "client sessions (aiohttp) that are not closed", SOCKET),
    warning(&["Unclosed connection"], "connections (aiohttp) that are not closed", SOCKET),
    warning(
        &["Connection leak detection triggered for "],
        "connections that are not given back (HikariCP)",
        SOCKET,
    ),
    warning(
        &["A connection to ", " was leaked. Did you forget to close a response body?"],
        "responses that are not closed (OkHttp)",
        SOCKET,
    ),
    warning(
        &["LEAK: ", ".release() was not called before it's garbage-collected"],
        "buffers that are not released (Netty)",
        HEAP,
    ),
    warning(
        &["appears to have started a thread named ", "but has failed to stop it"],
        "threads that are not stopped (Tomcat)",
        &[Cause::Threads],
    ),
];

/// Weighs what was warned of. After everything else: it only supports, and explains nothing by itself.
pub(super) fn suspect(facts: &Facts, leads: &mut Leads) {
    // The lines of one log are in the certificates of all who died near each other: once is enough.
    let mut found: BTreeMap<usize, (Vec<&str>, &Source)> = BTreeMap::new();
    for (death, source) in &facts.deaths {
        for line in death.last_lines.iter().map(String::as_str) {
            let fits = |warning: &Warning| warning.marks.iter().all(|mark| line.contains(mark));
            let Some(at) = WARNINGS.iter().position(fits) else { continue };
            let (lines, last) = found.entry(at).or_insert_with(|| (Vec::new(), source));
            if !lines.contains(&line) {
                lines.push(line);
                *last = source;
            }
        }
    }
    for (at, (lines, source)) in found {
        let (Some(warning), Some(line)) = (WARNINGS.get(at), lines.last()) else { continue };
        let times = if lines.len() > 1 { format!(", {} times", lines.len()) } else { String::new() };
        let text =
            format!("its log warned of {}{times}: {}", warning.what, words::sentence(said(line, warning)));
        let known = |lead: &&mut Lead| warning.causes.contains(&lead.cause) && lead.points > 0;
        if let Some(lead) = leads.0.iter_mut().filter(known).max_by_key(|lead| lead.points) {
            lead.speaks_again(SUPPORTS, source, text);
        } else if let Some(cause) = warning.causes.first() {
            let lead = leads.of(*cause, "");
            lead.speaks_for(ALONE - lead.points.max(0), source, text);
            lead.unknown
                .push("whether it grows: a warning is about one, and no series was judged".to_owned());
        }
    }
}

/// The line from where the runtime speaks: what stands before it is a time, or a path.
fn said<'l>(line: &'l str, warning: &Warning) -> &'l str {
    let at = warning.marks.first().and_then(|mark| line.find(mark)).unwrap_or(0);
    line.get(at..).unwrap_or(line)
}
