//! Before and after, as numbers: the window, the workload, how many values.

use scupper_model::{Event, EventKind, RunId, SoakOutcome, SoakResult, Timestamp};
use uuid::Uuid;

use super::curve::Curve;
use super::facts::Line;
use super::words;

/// What was measured before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Before.
    pub before: Vec<Line>,
    /// After.
    pub after: Vec<Line>,
    /// Whether the one may be compared with the other, and why.
    pub comparable: String,
    /// Whether it was measured after, passed, and may be compared.
    pub holds: bool,
}

/// The command of a run, where its start was recorded.
pub fn workload(events: &[Event], run: RunId) -> Option<(&str, Uuid)> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::UnitStarted { command, .. } if event.run == run => Some((command.as_str(), event.id)),
        _ => None,
    })
}

impl Measured {
    /// Of the series that grew, and of the last soak after it.
    pub fn of(curve: Option<&Curve>, alarm: Option<Timestamp>, events: &[Event]) -> Self {
        let mut found = Self::default();
        let before_load = curve.and_then(|curve| workload(events, curve.run));
        match curve.and_then(|curve| Some((curve, curve.window()?))) {
            Some((curve, (from, to))) => {
                let load = before_load.map_or("unknown".to_owned(), |(command, _)| words::code(command));
                let slope = curve.alarm().and_then(|said| {
                    let slope = words::rate(curve.series, said.judged.slope_per_hour?);
                    let interval = said.judged.slope_interval.map(|(low, high)| {
                        format!(
                            " (from {} to {})",
                            words::rate(curve.series, low),
                            words::rate(curve.series, high)
                        )
                    });
                    Some((format!("{slope}{}", interval.unwrap_or_default()), said.event))
                });
                let (first, last) = (curve.points.first(), curve.points.last());
                let show = |point: Option<&(Timestamp, u64)>| {
                    point.map_or("unknown".to_owned(), |(_, value)| {
                        words::amount(curve.series, words::float(*value))
                    })
                };
                found.before.push(Line::of(
                    format!(
                        "{}: {} to {}; growth {}; window {} to {} ({}); n = {} values; workload: {load}.",
                        curve.title(),
                        show(first),
                        show(last),
                        slope.as_ref().map_or("unknown", |(text, _)| text),
                        words::utc(from),
                        words::utc(to),
                        words::span_of(to.0.saturating_sub(from.0)),
                        curve.points.len()
                    ),
                    curve.evidence().into_iter().chain(slope.map(|(_, id)| id)),
                ));
            }
            None => found.before.push(Line::plain(format!(
                "Not measured: no series was recorded before the change. {} records them.",
                words::code("scupper run -- COMMAND")
            ))),
        }
        let soak = events.iter().rev().find_map(|event| match &event.kind {
            EventKind::SoakFinished { soak } if alarm.is_none_or(|alarm| event.at > alarm) => {
                Some((event, soak.as_ref()))
            }
            _ => None,
        });
        if let Some((event, soak)) = soak {
            found.after(event, soak, before_load, events);
        } else {
            found.after.push(Line::plain(format!(
                "Not measured: no soak was recorded after the alarm. {} measures it.",
                words::code("scupper soak -- COMMAND")
            )));
            "There is nothing to compare.".clone_into(&mut found.comparable);
        }
        found
    }

    fn after(&mut self, event: &Event, soak: &SoakResult, before: Option<(&str, Uuid)>, events: &[Event]) {
        let after = workload(events, event.run);
        let from = Timestamp(event.at.0.saturating_sub(soak.lasted_ms));
        let load = after.map_or("unknown".to_owned(), |(command, _)| words::code(command));
        let operations = soak.operations.map_or("unknown".to_owned(), |n| n.to_string());
        let growth = soak.growth_bytes.map_or("unknown".to_owned(), |growth| {
            let sign = if growth < 0 { "-" } else { "+" };
            format!("{sign}{}", words::bytes(words::float(growth.unsigned_abs())))
        });
        let slope = match (soak.slope_bytes_per_hour, soak.slope_interval) {
            (Some(slope), Some((low, high))) => {
                let rate = |value| words::rate(scupper_model::Watched::Memory, value);
                format!("{} (from {} to {})", rate(slope), rate(low), rate(high))
            }
            (Some(slope), None) => words::rate(scupper_model::Watched::Memory, slope),
            (None, _) => "unknown".to_owned(),
        };
        self.after.push(Line::of(
            format!(
                "Soak {}: memory of the tree grew by {growth}, {slope}; window {} to {} ({}); n = {operations} operations; \
                 left behind: {}; workload: {load}.",
                soak.outcome.word(),
                words::utc(from),
                words::utc(event.at),
                words::span_of(soak.lasted_ms),
                soak.left_behind
            ),
            std::iter::once(event.id).chain(after.map(|(_, id)| id)),
        ));
        let same = before.zip(after).map(|((before, _), (after, _))| before == after);
        self.comparable = match same {
            Some(true) => "Both were measured with the same command.".to_owned(),
            Some(false) => {
                "Not the same workload: the commands differ, so the numbers cannot be compared.".to_owned()
            }
            None => "Whether the workload was the same is not known: a start was not recorded.".to_owned(),
        };
        self.holds = same == Some(true) && soak.outcome == SoakOutcome::Passed;
    }
}
