//! A main process that executes itself again and again (a script that ends with `exec "$0"`). Each time it is another
//! program, whose start is no leak; but a tree whose series began anew each time would never be judged. What it leaves
//! behind at each turn, children and descriptors, is what grows.

use std::sync::Arc;
use std::time::Duration;

use crate::unit::Seen;

/// A launcher executes what it launches; one that has executed itself so many times goes on like that.
const OFTEN: u32 = 3;
/// Who executes itself less often is started anew on purpose: an upgrade, a reload.
const SELDOM: Duration = Duration::from_mins(10);

/// How often the main process has executed itself again.
#[derive(Debug, Default)]
pub(super) struct Again {
    last: Option<Executed>,
    times: u32,
}

#[derive(Debug)]
struct Executed {
    changes: u32,
    name: Arc<str>,
    program: Arc<str>,
    /// The age of the process when it was met.
    met_at: Duration,
}

impl Again {
    /// Looks at the main process.
    pub(super) fn note(&mut self, main: &Seen) {
        if let Some(last) = &self.last {
            if last.changes == main.changes {
                return;
            }
            let same = (&last.name, &last.program) == (&main.name, &main.program);
            let soon = main.age.saturating_sub(last.met_at) < SELDOM;
            self.times = if same && soon { self.times.saturating_add(1) } else { 0 };
        }
        self.last = Some(Executed {
            changes: main.changes,
            name: Arc::clone(&main.name),
            program: Arc::clone(&main.program),
            met_at: main.age,
        });
    }

    /// Whether it is what it does: its tree is one tree all the same.
    pub(super) const fn and_again(&self) -> bool {
        self.times >= OFTEN
    }
}
