//! Other units in which the same was seen. A report computes with the events of one unit: restarts of one and deaths of
//! another make no sum. What the others have to say is told beside that, and that it is no part of the figures.

use scupper_detect::Verdict;
use scupper_model::{Event, EventKind, OBSERVED};

use super::curve::died;
use super::facts::{Elsewhere, Line};
use super::{timeline, words};

/// Units that are told of, at most.
const MOST_UNITS: usize = 20;
/// What is told of each, at most: the newest.
const MOST_TOLD: usize = 5;

/// A line for each of them.
pub fn lines(elsewhere: &[Elsewhere]) -> Vec<Line> {
    let mut lines: Vec<Line> = elsewhere.iter().take(MOST_UNITS).map(line).collect();
    if let Some(more) = elsewhere.len().checked_sub(MOST_UNITS).filter(|more| *more > 0) {
        lines.push(Line::plain(format!("Seen in {more} more units, which are not told of here.")));
    }
    lines
}

fn line(of: &Elsewhere) -> Line {
    let unit = words::code(of.unit.as_str());
    let unread = match of.unreadable {
        0 => String::new(),
        unread => format!(" {unread} more cannot be read by this version."),
    };
    if of.events.is_empty() {
        return Line::plain(format!(
            "Seen in {unit} as well: what happened there is unknown, no event of it was found.{unread}"
        ));
    }
    let news: Vec<&Event> =
        of.events.iter().map(|recorded| &recorded.event).filter(|event| is_news(&event.kind)).collect();
    let told = news.get(news.len().saturating_sub(MOST_TOLD)..).unwrap_or_default();
    let said: Vec<String> = told
        .iter()
        .filter_map(|event| {
            Some(format!("{} at {}", timeline::said(&event.kind, None)?, words::utc(event.at)))
        })
        .collect();
    let said = if said.is_empty() {
        "none of them is a leak, a crossed limit, a death or a soak".to_owned()
    } else {
        let earlier = news.len() - told.len();
        let earlier = if earlier > 0 { format!("{earlier} earlier ones, then ") } else { String::new() };
        format!("{earlier}{}", said.join("; "))
    };
    let text = format!("Seen in {unit} as well, {} recorded events: {said}.{unread}", of.events.len());
    Line::of(text, told.iter().map(|event| event.id))
}

fn is_news(kind: &EventKind) -> bool {
    match kind {
        EventKind::VerdictChanged { judged, .. } => {
            matches!(judged.verdict, Verdict::Growing | Verdict::Leaking)
        }
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => died(certificate),
        EventKind::LimitCrossed { action, .. } => action != OBSERVED,
        EventKind::SoakFinished { .. } | EventKind::LeakFound { .. } => true,
        _ => false,
    }
}
