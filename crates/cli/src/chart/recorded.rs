//! A recorded series as a chart: its values, the line that the recorded slope makes through them, where that leads, and
//! what happened meanwhile.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_casebook::report::curve::{Curve, Said};
use scupper_casebook::report::words;
use scupper_detect::{Horizon, Sample, Settings, analyze};
use scupper_model::Timestamp;

use super::{Chart, Cone, Point, thin};
use crate::output::figures;

/// The curve has two points for each of these.
const COLUMNS: usize = 1000;

/// The chart of a recorded series; `None` where fewer than two values of it were recorded.
///
/// What it says is what was recorded while it happened. Where no slope was, the line is the one that the detector finds in
/// the values now, and the subtitle says so. `limit` goes before the one that the events name.
pub(crate) fn recorded(curve: &Curve, limit: Option<u64>) -> Option<Chart> {
    let (start, end) = curve.window().filter(|(start, end)| end > start)?;
    let since = |at: Timestamp| Duration::from_millis(at.0.saturating_sub(start.0));
    let points: Vec<Point> =
        curve.points.iter().map(|(at, value)| (since(*at), words::float(*value))).collect();
    let length = since(end);
    let quantity = curve.series.quantity();
    let limit = limit.or(curve.limit).map(words::float);

    let horizon = if length >= Duration::from_hours(1) { Horizon::Long } else { Horizon::Short };
    let settings = Settings { quantity, horizon, limit, grow: None };
    let analysis = analyze(settings, points.iter().map(|(at, value)| Sample { at: *at, value: *value }));
    let alarm = curve.alarm();
    let stated = alarm.and_then(|said| line(said, &analysis.curve.floor, since(said.at)));
    let cone = stated.zip(limit).and_then(|(([_, end], slopes), limit)| cone(end, slopes, limit));
    Some(Chart {
        title: curve.title(),
        subtitle: subtitle(curve, alarm, limit, stated.is_none() && analysis.curve.fit.is_some()),
        quantity,
        start: Some(start),
        points: thin(points.iter().copied(), COLUMNS),
        floor: analysis.curve.floor,
        fit: stated.map(|(line, _)| line).or(analysis.curve.fit),
        steps: analysis.curve.steps,
        changes: curve.said.iter().map(|said| (since(said.at), said.judged.verdict)).collect(),
        limit,
        cone,
        // What happened before the first value or after the last is not in the picture.
        marks: curve
            .marks
            .iter()
            .filter(|mark| mark.at >= start && mark.at <= end)
            .map(|mark| (since(mark.at), mark.kind, mark.label.clone()))
            .collect(),
    })
}

/// Likely, highest and lowest slope per second.
type Slopes = (f64, f64, f64);

/// The line of the recorded slope through the floor up to when it was said. Of a shorter stretch than half of it little is
/// known, so it is drawn over the later half.
fn line(said: &Said, floor: &[Point], at: Duration) -> Option<([Point; 2], Slopes)> {
    let judged = &said.judged;
    let slope = judged.slope_per_hour.filter(|slope| slope.is_finite())? / 3600.0;
    let (low, high) =
        judged.slope_interval.map_or((slope, slope), |(low, high)| (low / 3600.0, high / 3600.0));
    let from = at / 2;
    let mut levels: Vec<f64> = floor
        .iter()
        .filter(|(x, _)| *x >= from && *x <= at)
        .map(|(x, y)| y - slope * x.as_secs_f64())
        .filter(|level| level.is_finite())
        .collect();
    levels.sort_by(f64::total_cmp);
    let level = *levels.get(levels.len() / 2)?;
    let on_line = |x: Duration| (x, level + slope * x.as_secs_f64());
    Some(([on_line(from), on_line(at)], (slope, high, low)))
}

fn cone(from: Point, (slope, high, low): Slopes, limit: f64) -> Option<Cone> {
    let left = limit - from.1;
    let within = |slope: f64| {
        (slope > 0.0 && left > 0.0).then(|| Duration::try_from_secs_f64(left / slope).ok()).flatten()
    };
    Some(Cone { from, likely: within(slope)?, earliest: within(high)?, latest: within(low) })
}

fn subtitle(curve: &Curve, alarm: Option<&Said>, limit: Option<f64>, fitted_now: bool) -> String {
    let Some(said) = alarm else {
        let how = if fitted_now { "; the line is fitted to the values now" } else { "" };
        return format!("no verdict was recorded{how}");
    };
    let judged = &said.judged;
    let mut text = judged.verdict.name().replace('_', " ");
    match (judged.slope_per_hour, judged.slope_interval) {
        (Some(slope), Some((low, high))) => {
            let [low, high] = [low, high].map(|value| figures::amount(curve.series.quantity(), value));
            let _ = write!(text, ": {} ({low} to {high})", words::rate(curve.series, slope));
        }
        (Some(slope), None) => {
            let _ = write!(text, ": {}", words::rate(curve.series, slope));
        }
        (None, _) if fitted_now => text.push_str("; the line is fitted to the values now"),
        (None, _) => {}
    }
    if let (Some(left), Some(limit)) = (judged.time_to_limit_seconds, limit) {
        let limit = words::amount(curve.series, limit);
        let _ = write!(text, ", limit {limit} in {}", figures::span(Duration::from_secs(left)));
    }
    let _ = write!(text, ", said at {}", words::utc(said.at));
    let _ = write!(text, "; {} values", curve.points.len());
    text
}

#[cfg(test)]
mod tests {
    use scupper_casebook::report::curve::{Mark, MarkKind};
    use scupper_detect::Verdict;
    use scupper_model::{Judged, RunId, Watched};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(minutes: u64) -> Timestamp {
        Timestamp(1_767_323_045_000 + minutes * 60_000)
    }

    /// 60 MiB each hour for two hours, told after one.
    fn curve() -> Curve {
        let judged = Judged {
            verdict: Verdict::Leaking,
            slope_per_hour: Some(60.0 * 1_048_576.0),
            slope_interval: Some((50.0 * 1_048_576.0, 70.0 * 1_048_576.0)),
            ..Judged::default()
        };
        let mark = |minutes, kind| Mark { at: at(minutes), kind, label: "here".to_owned() };
        Curve {
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            series: Watched::Memory,
            target: None,
            name: None,
            points: (0..=120).map(|n| (at(n), (200 + n) * MIB)).collect(),
            said: vec![Said { event: uuid::Uuid::nil(), at: at(60), judged }],
            limit: Some(500 * MIB),
            marks: vec![mark(30, MarkKind::Limit), mark(500, MarkKind::Death)],
            recorded: Vec::new(),
        }
    }

    #[test]
    fn the_line_and_the_forecast_are_those_that_were_said() {
        let chart = recorded(&curve(), None).unwrap();
        let [from, to] = chart.fit.unwrap();
        assert_eq!((from.0, to.0), (Duration::from_mins(30), Duration::from_hours(1)));
        let per_hour = (to.1 - from.1) * 2.0 / 1_048_576.0;
        assert!((per_hour - 60.0).abs() < 1e-6, "{per_hour}");
        let cone = chart.cone.unwrap();
        // 240 MiB are left at 260, at 60 MiB/h.
        let hours = |time: Duration| time.as_secs_f64() / 3600.0;
        assert!((hours(cone.likely) - 4.0).abs() < 0.2, "{cone:?}");
        assert!(cone.earliest < cone.likely && cone.latest.unwrap() > cone.likely, "{cone:?}");
        assert_eq!(chart.marks, [(Duration::from_mins(30), MarkKind::Limit, "here".to_owned())]);
        assert_eq!(chart.changes, [(Duration::from_hours(1), Verdict::Leaking)]);
        assert!(chart.subtitle.contains("+60 MiB per hour (50 MiB to 70 MiB)"), "{}", chart.subtitle);
        // Asked for another limit it is drawn to that one.
        assert!(recorded(&curve(), Some(300 * MIB)).unwrap().cone.unwrap().likely < cone.likely);
    }

    #[test]
    fn what_was_not_said_is_fitted_now_and_said_to_be() {
        let mut curve = curve();
        curve.said.clear();
        let chart = recorded(&curve, None).unwrap();
        assert!(chart.subtitle.starts_with("no verdict was recorded"), "{}", chart.subtitle);
        assert!(chart.cone.is_none());
        curve.points.truncate(1);
        assert!(recorded(&curve, None).is_none());
    }
}
