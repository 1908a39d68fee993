//! What is seen, shown while it is watched: one line on a terminal that is replaced, or JSON lines on stdout.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use scupper_detect::Quantity;
use scupper_model::{Event, Timestamp, TreeSample, format_duration};
use scupper_supervise::control::Standing;
use scupper_supervise::shell::{Viewer, clock};
use scupper_supervise::unit::Look;
use serde::Serialize;

use crate::output::{Printer, Unwritten, figures};

/// One look, as a line of JSON.
#[derive(Serialize)]
struct Sample<'a> {
    schema: &'static str,
    at: Timestamp,
    size_bytes: scupper_model::Bytes,
    growth_bytes_per_second: Option<f64>,
    /// Whether all of it was read at this look, and not memory alone.
    whole: bool,
    tree: &'a TreeSample,
    #[serde(flatten)]
    standing: &'a Standing,
}

/// Shows what is seen.
pub(super) struct Show {
    printer: Printer,
    json: bool,
    quiet: bool,
    lasting: Option<Duration>,
    /// Why stdout takes no more.
    broken: Rc<RefCell<Option<Unwritten>>>,
}

impl Show {
    pub(super) fn new(json: bool, quiet: bool, lasting: Option<Duration>) -> Self {
        Self { printer: Printer::new(), json, quiet, lasting, broken: Rc::default() }
    }

    /// Where it will be said why stdout took no more.
    pub(super) fn broken(&self) -> Rc<RefCell<Option<Unwritten>>> {
        Rc::clone(&self.broken)
    }

    fn line(&mut self, data: &impl Serialize) {
        if self.broken.borrow().is_none()
            && let Err(unwritten) = self.printer.line(&serde_json::to_string(data).unwrap_or_default())
        {
            *self.broken.borrow_mut() = Some(unwritten);
        }
    }
}

impl Viewer for Show {
    fn look(&mut self, age: Duration, look: &Look, standing: &Standing) {
        if self.json {
            self.line(&Sample {
                schema: "scupper.sample/1",
                at: clock::wall(),
                size_bytes: look.size,
                growth_bytes_per_second: look.slope,
                whole: look.whole,
                tree: &look.tree,
                standing,
            });
        } else if !self.quiet {
            self.printer.progress(&said(age, self.lasting, look, standing));
        }
    }

    fn event(&mut self, event: &Event) {
        if self.json {
            self.line(event);
        } else {
            // The log line comes where it stood; the next look writes it again.
            self.printer.end_progress();
        }
    }

    fn goes_on(&self) -> bool {
        self.broken.borrow().is_none()
    }
}

/// The line on a terminal: `12s  stable  450.2 MiB in 3 processes, +2.1 MiB/h, limit in 3 h 20 min`.
fn said(age: Duration, lasting: Option<Duration>, look: &Look, standing: &Standing) -> String {
    let whole = |time: Duration| format_duration(Duration::from_secs(time.as_secs()));
    let mut text = whole(age);
    if let Some(lasting) = lasting {
        let _ = write!(text, " of {}", whole(lasting));
    }
    let verdict = standing.verdict.map_or_else(|| "unknown".to_owned(), |verdict| verdict.to_string());
    let processes = if look.tree.processes == 1 { "process" } else { "processes" };
    let _ = write!(text, "  {verdict}  {} in {} {processes}", look.size, look.tree.processes);
    if look.tree.rss_bytes.unreadable > 0 {
        let _ = write!(text, " ({} not readable)", look.tree.rss_bytes.unreadable);
    }
    if let Some(slope) = standing.slope_bytes_per_hour {
        let sign = if slope < 0.0 { "" } else { "+" };
        let _ = write!(text, ", {sign}{}/h", figures::amount(Quantity::Bytes, slope));
    }
    if let Some(left) = standing.time_to_limit_seconds {
        let _ = write!(text, ", limit in {}", figures::span(Duration::from_secs(left)));
    }
    text
}

#[cfg(test)]
mod tests {
    use scupper_detect::Verdict;
    use scupper_model::Bytes;

    use super::*;

    #[test]
    fn the_line_says_verdict_size_slope_and_time() {
        let mut look = Look { size: Bytes::mib(450), ..Look::default() };
        look.tree.processes = 3;
        let standing = Standing {
            verdict: Some(Verdict::Growing),
            slope_bytes_per_hour: Some(2_202_009.6),
            time_to_limit_seconds: Some(12_000),
            ..Standing::default()
        };
        let age = Duration::from_millis(12_900);
        assert_eq!(
            said(age, None, &look, &standing),
            "12s  growing  450.0 MiB in 3 processes, +2.1 MiB/h, limit in 3 h 20 min"
        );
        // What is not known is not said.
        look.tree.rss_bytes.unreadable = 2;
        let nothing = said(age, Some(Duration::from_mins(1)), &look, &Standing::default());
        assert_eq!(nothing, "12s of 1m  unknown  450.0 MiB in 3 processes (2 not readable)");
    }
}
