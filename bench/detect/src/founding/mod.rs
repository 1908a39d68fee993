//! The cases this program was begun for, replayed with noise: is somebody told in time, and is nobody woken by what only
//! looks like them?

mod course;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use scupper_detect::{Forecast, Horizon, Quantity, Sample, Series, Settings};

use self::course::{CASES, Case, Wanted};
use crate::detector::{Level, level_of};
use crate::statistics::{median, quantile};
use crate::table::Table;

/// When something was heard first, and how far the course had grown.
#[derive(Clone, Copy, Debug)]
struct First {
    at: f64,
    grown: f64,
}

/// What was said of one replay.
#[derive(Debug, Default)]
struct Told {
    growing: Option<First>,
    forecast: Option<First>,
    urgent: Option<First>,
    leaking: Option<First>,
    /// The end of the series.
    end: f64,
    /// Seconds said to be left at the moment a case asks for it, and how many there were.
    checked: Option<(f64, f64)>,
}

/// Replays every case with so many seeds.
pub fn run(out: &mut dyn Write, seeds: u64, each: bool, markdown: bool) -> Result<()> {
    let mut table = Table::new(&[
        "case",
        "as wanted",
        "growing",
        "last",
        "forecast",
        "woken",
        "last",
        "leaking",
        "forecast error",
    ]);
    for (place, case) in CASES.into_iter().enumerate() {
        let mut replays = Vec::new();
        for seed in 1..=seeds {
            let told = replay(case, place as u64, seed)?;
            if each {
                writeln!(out, "{:<50} seed {seed:>3}  {}  {told:?}", case.name, verdict(case, &told))?;
            }
            replays.push(told);
        }
        let passed = replays.iter().filter(|told| is_as_wanted(case, told)).count();
        let of = |pick: fn(&Told) -> Option<First>| replays.iter().filter_map(pick).collect::<Vec<_>>();
        let errors: Vec<f64> = replays
            .iter()
            .filter_map(|told| told.checked)
            .map(|(said, really)| 100.0 * (said / really - 1.0).abs())
            .collect();
        table.row([
            case.name.into(),
            format!("{passed}/{seeds}"),
            middle(&of(|told| told.growing), seeds),
            latest(&of(|told| told.growing)),
            middle(&of(|told| told.forecast), seeds),
            middle(&of(|told| told.urgent), seeds),
            latest(&of(|told| told.urgent)),
            middle(&of(|told| told.leaking), seeds),
            quantile(&mut errors.clone(), 1.0).map_or_else(|| "-".into(), |worst| format!("<= {worst:.0} %")),
        ]);
    }
    table.write(out, markdown)?;
    for case in CASES {
        writeln!(out, "{}: {}", case.name.trim_start(), wanted(case.wanted))?;
    }
    Ok(())
}

fn replay(case: Case, place: u64, seed: u64) -> Result<Told> {
    let mut series = Series::new(Settings {
        quantity: Quantity::Bytes,
        horizon: Horizon::Long,
        limit: Some(case.limit),
        ..Settings::default()
    });
    let mut told = Told::default();
    let mut likely = None;
    for (point, grown) in case.samples(place, seed) {
        series
            .push(Sample { at: Duration::from_secs_f64(point.at), value: point.value })
            .with_context(|| format!("{} at {} s", case.name, point.at))?;
        let assessment = series.assess();
        let level = level_of(assessment);
        let first = First { at: point.at, grown };
        if level.is_some() {
            told.growing.get_or_insert(first);
            if matches!(assessment.forecast, Forecast::Within { .. }) {
                told.forecast.get_or_insert(first);
            }
        }
        if level >= Some(Level::Urgent) {
            told.urgent.get_or_insert(first);
        }
        if level >= Some(Level::Leaking) {
            told.leaking.get_or_insert(first);
        }
        if let Wanted::Woken { check, .. } = case.wanted
            && point.at <= check
        {
            likely = match assessment.forecast {
                Forecast::Within { likely, .. } => Some(likely.as_secs_f64() + point.at - check),
                _ => None,
            };
        }
        told.end = point.at;
    }
    if let Wanted::Woken { check, .. } = case.wanted {
        told.checked = likely.map(|likely| (likely, told.end - check));
    }
    Ok(told)
}

fn is_as_wanted(case: Case, told: &Told) -> bool {
    match case.wanted {
        Wanted::Watched { before, forecast, woken_before_crash } => {
            let first = if forecast { told.forecast } else { told.growing };
            let woken = woken_before_crash
                .is_none_or(|seconds| told.urgent.is_some_and(|urgent| urgent.at <= told.end - seconds));
            first.is_some_and(|first| first.grown < before) && woken
        }
        Wanted::Woken { within, share, .. } => {
            told.urgent.is_some_and(|urgent| urgent.at <= within)
                && told.checked.is_some_and(|(said, really)| (said / really - 1.0).abs() <= share)
        }
        Wanted::Noticed { within } => told.growing.is_some_and(|growing| growing.at <= within),
        Wanted::Quiet => told.urgent.is_none(),
    }
}

fn verdict(case: Case, told: &Told) -> &'static str {
    if is_as_wanted(case, told) { "as wanted" } else { "NOT" }
}

fn wanted(wanted: Wanted) -> String {
    match wanted {
        Wanted::Watched { before, forecast, woken_before_crash } => format!(
            "growing{} before +{:.0} MB{}",
            if forecast { " with a forecast" } else { "" },
            before / 1e6,
            woken_before_crash.map_or_else(String::new, |seconds| format!(
                ", somebody woken {:.0} h before the crash",
                seconds / 3600.0
            )),
        ),
        Wanted::Woken { within, check, share } => format!(
            "somebody woken within {within:.0} s, the forecast at {check:.0} s within {:.0} %",
            share * 100.0
        ),
        Wanted::Noticed { within } => format!("growing within {:.0} h", within / 3600.0),
        Wanted::Quiet => "nobody woken, no leak called".into(),
    }
}

/// The median of when, and of how far; how many, where it was not all.
fn middle(firsts: &[First], of: u64) -> String {
    let Some(at) = median(&mut firsts.iter().map(|first| first.at).collect::<Vec<_>>()) else {
        return "-".into();
    };
    let grown = median(&mut firsts.iter().map(|first| first.grown).collect::<Vec<_>>()).unwrap_or(0.0);
    let how_many =
        if firsts.len() as u64 == of { String::new() } else { format!(" ({} of {of})", firsts.len()) };
    format!("{} +{:.0} MB{how_many}", time(at), grown / 1e6)
}

fn latest(firsts: &[First]) -> String {
    match firsts.iter().max_by(|a, b| a.at.total_cmp(&b.at)) {
        Some(last) => format!("{} +{:.0} MB", time(last.at), last.grown / 1e6),
        None => "-".into(),
    }
}

fn time(seconds: f64) -> String {
    if seconds < 600.0 { format!("{seconds:.0} s") } else { format!("{:.1} h", seconds / 3600.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_checked() {
        let first = |at: f64| Some(First { at, grown: at * 1e6 });
        let watched = CASES[0];
        let told = Told {
            forecast: first(100.0),
            urgent: first(5.0 * 3600.0),
            end: 9.0 * 3600.0,
            ..Told::default()
        };
        assert!(is_as_wanted(watched, &told));
        assert!(!is_as_wanted(watched, &Told { forecast: first(200.0), ..told }));
        assert!(is_as_wanted(CASES[1], &Told { growing: first(1.0), ..Told::default() }));
        assert!(!is_as_wanted(CASES[1], &Told { urgent: first(1.0), ..Told::default() }));
        let told = Told { urgent: first(20.0), checked: Some((110.0, 100.0)), ..Told::default() };
        assert!(is_as_wanted(CASES[4], &told));
        assert!(!is_as_wanted(CASES[4], &Told { checked: Some((150.0, 100.0)), ..told }));
    }
}
