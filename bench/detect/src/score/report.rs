//! The tables of a score.

use std::io::Write;

use anyhow::Result;
use scupper_detect::Forecast;

use super::Outcome;
use crate::detector::Kind;
use crate::statistics::{median, quantile};
use crate::synthetic::Shape;
use crate::table::{Table, count, share, tenth};

/// Counts over some series.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    leaking: usize,
    clean: usize,
    found: usize,
    premature: usize,
    false_on_clean: usize,
    grew: usize,
    grew_right: usize,
    urgent_wrong: usize,
    delays: Vec<f64>,
    grew_delays: Vec<f64>,
}

impl Tally {
    fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            let leaks = usize::from(outcome.onset.is_some());
            tally.leaking += leaks;
            tally.clean += 1 - leaks;
            tally.found += usize::from(outcome.is_found());
            tally.premature += usize::from(outcome.is_premature());
            tally.false_on_clean += usize::from(leaks == 0 && outcome.leaking.is_some());
            tally.grew += usize::from(outcome.growing.is_some());
            tally.grew_right += usize::from(outcome.delay(outcome.growing).is_some());
            tally.urgent_wrong +=
                usize::from(outcome.urgent.is_some() && outcome.delay(outcome.urgent).is_none());
            tally.delays.extend(outcome.delay(outcome.leaking));
            tally.grew_delays.extend(outcome.delay(outcome.growing));
        }
        tally
    }

    fn called(&self) -> usize {
        self.found + self.premature + self.false_on_clean
    }

    /// The harmonic mean of precision and recall.
    fn f1(&self) -> String {
        share(2 * self.found, self.called() + self.leaking)
    }
}

/// One row a shape, one detector.
pub fn per_shape(out: &mut dyn Write, outcomes: &[&Outcome], markdown: bool) -> Result<()> {
    let mut table = Table::new(&[
        "shape",
        "n",
        "found",
        "false",
        "premature",
        "growing",
        "urgent wrong",
        "delay med h",
        "p90 h",
        "growing med h",
    ]);
    for shape in Shape::ALL {
        let mut tally = Tally::of(outcomes.iter().copied().filter(|outcome| outcome.case.shape == shape));
        let n = tally.leaking + tally.clean;
        if n == 0 {
            continue;
        }
        table.row([
            shape.name().into(),
            n.to_string(),
            if shape.leaks() { format!("{}/{n}", tally.found) } else { String::new() },
            if shape.leaks() { String::new() } else { count(tally.false_on_clean) },
            if shape.leaks() { count(tally.premature) } else { String::new() },
            count(tally.grew),
            count(tally.urgent_wrong),
            tenth(median(&mut tally.delays)),
            tenth(quantile(&mut tally.delays, 0.9)),
            tenth(median(&mut tally.grew_delays)),
        ]);
    }
    table.write(out, markdown)
}

/// One row a detector.
pub fn per_detector(
    out: &mut dyn Write,
    kinds: &[Kind],
    runs: &[Vec<Outcome>],
    markdown: bool,
) -> Result<()> {
    let mut table = Table::new(&[
        "detector",
        "series",
        "precision",
        "recall",
        "F1",
        "FPR",
        "premature",
        "delay med h",
        "p90 h",
    ]);
    for (index, kind) in kinds.iter().enumerate() {
        let mut tally = Tally::of(runs.iter().map(|run| &run[index]));
        table.row([
            kind.name.into(),
            runs.len().to_string(),
            share(tally.found, tally.called()),
            share(tally.found, tally.leaking),
            tally.f1(),
            share(tally.false_on_clean, tally.clean),
            count(tally.premature),
            tenth(median(&mut tally.delays)),
            tenth(quantile(&mut tally.delays, 0.9)),
        ]);
    }
    table.write(out, markdown)?;
    for (index, kind) in kinds.iter().enumerate() {
        let outcomes: Vec<&Outcome> = runs.iter().map(|run| &run[index]).collect();
        if outcomes.iter().any(|outcome| outcome.growing < outcome.leaking || outcome.said.is_some()) {
            said(out, kind, &outcomes, markdown)?;
        }
    }
    Ok(())
}

/// What a detector said besides: the watch state, and slope and forecast at the alarm.
fn said(out: &mut dyn Write, kind: &Kind, outcomes: &[&Outcome], markdown: bool) -> Result<()> {
    let mut tally = Tally::of(outcomes.iter().copied());
    writeln!(
        out,
        "{}: growing (a watch state, no alert): precision {}, recall {}, median delay {} h; urgent where nothing leaks: {}",
        kind.name,
        share(tally.grew_right, tally.grew),
        share(tally.grew_right, tally.leaking),
        tenth(median(&mut tally.grew_delays)),
        tally.urgent_wrong,
    )?;
    writeln!(out)?;
    let mut table = Table::new(&[
        "at the alarm",
        "n",
        "slope error med %",
        "its size p90 %",
        "slope in interval",
        "interval width",
        "n crashed",
        "crash in interval",
        "crash error med %",
    ]);
    for shape in Shape::ALL.into_iter().filter(|shape| shape.leaks()) {
        let of_shape = || outcomes.iter().filter(|outcome| outcome.case.shape == shape && outcome.is_found());
        slope_row(&mut table, shape.name(), of_shape().copied());
    }
    let lines = outcomes.iter().filter(|outcome| outcome.case.shape.is_line() && outcome.is_found());
    slope_row(&mut table, "all lines", lines.copied());
    table.write(out, markdown)
}

fn slope_row<'a>(table: &mut Table, name: &str, outcomes: impl Iterator<Item = &'a Outcome> + Clone) {
    let slopes: Vec<_> = outcomes.clone().filter_map(|outcome| outcome.said).collect();
    if slopes.is_empty() {
        return;
    }
    let mut errors: Vec<f64> =
        slopes.iter().map(|(slope, really)| 100.0 * (slope.per_hour / really - 1.0)).collect();
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let covered = slopes.iter().filter(|(slope, really)| (slope.low..=slope.high).contains(really)).count();
    let mut widths: Vec<f64> =
        slopes.iter().map(|(slope, _)| (slope.high - slope.low) / slope.per_hour.abs()).collect();
    let crashes: Vec<(f64, bool)> = outcomes.filter_map(crash_error).collect();
    let crash_covered = crashes.iter().filter(|(_, covered)| *covered).count();
    let mut crash_errors: Vec<f64> = crashes.iter().map(|(error, _)| *error).collect();
    table.row([
        name.into(),
        slopes.len().to_string(),
        tenth(median(&mut errors)),
        tenth(quantile(&mut sizes, 0.9)),
        share(covered, slopes.len()),
        median(&mut widths).map_or_else(|| "-".into(), |width| format!("{width:.2}")),
        crashes.len().to_string(),
        share(crash_covered, crashes.len()),
        tenth(median(&mut crash_errors)),
    ]);
}

/// How far the forecast was off the time that was really left, in percent, and whether its interval held it.
fn crash_error(outcome: &Outcome) -> Option<(f64, bool)> {
    let (crash, alarm) = outcome.crash.zip(outcome.leaking)?;
    let left = crash - alarm;
    match outcome.forecast {
        Forecast::Within { likely, earliest, latest } if left > 0.0 => {
            let held =
                earliest.as_secs_f64() <= left && latest.is_none_or(|latest| left <= latest.as_secs_f64());
            Some((100.0 * (likely.as_secs_f64() / left - 1.0), held))
        }
        _ => None,
    }
}

/// The series a detector was wrong about.
pub fn list(out: &mut dyn Write, outcomes: &[&Outcome]) -> Result<()> {
    for outcome in outcomes {
        let Some(what) = wrong(outcome) else { continue };
        let hours = |at: Option<f64>| tenth(at.map(|at| at / 3600.0));
        writeln!(
            out,
            "{what:<9}  --shapes {:<14} --seeds {:<6} onset {:>6} h  growing {:>6} h  leaking {:>6} h  crash {:>6} h",
            outcome.case.shape.name(),
            outcome.case.seed,
            hours(outcome.onset),
            hours(outcome.growing),
            hours(outcome.leaking),
            hours(outcome.crash),
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn wrong(outcome: &Outcome) -> Option<&'static str> {
    if outcome.is_premature() {
        Some("premature")
    } else if outcome.is_false() {
        Some("false")
    } else if outcome.onset.is_some() && !outcome.is_found() {
        Some("missed")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Case;

    fn outcome(shape: Shape, onset: Option<f64>, leaking: Option<f64>) -> Outcome {
        Outcome {
            case: Case { shape, seed: 1 },
            onset,
            crash: None,
            growing: leaking,
            urgent: None,
            leaking,
            said: None,
            forecast: Forecast::Unknown,
        }
    }

    #[test]
    fn an_alarm_before_the_onset_is_false_and_the_leak_is_missed() {
        let outcomes = [
            outcome(Shape::Linear, Some(3600.0), Some(7200.0)),
            outcome(Shape::Linear, Some(3600.0), Some(1800.0)),
            outcome(Shape::Flat, None, Some(10.0)),
            outcome(Shape::Flat, None, None),
        ];
        let tally = Tally::of(&outcomes);
        assert_eq!((tally.found, tally.premature, tally.false_on_clean), (1, 1, 1));
        assert_eq!((tally.leaking, tally.clean, tally.called()), (2, 2, 3));
        assert_eq!(tally.delays, [1.0]);
        assert_eq!(tally.f1(), "0.400");
        assert_eq!(wrong(&outcomes[1]), Some("premature"));
    }
}
