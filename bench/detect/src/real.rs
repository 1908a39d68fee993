//! Series of real machines and processes, which are not shipped: a folder may hold `alibaba/m_*.csv.gz` (machines of the
//! Alibaba 2018 cluster trace, memory in percent, one value a minute, about 8 days; from
//! `github.com/ansjin/memory_leak_detection`, Apache-2.0) and `exathlon/*.csv.gz` (heaps of undisturbed Spark streaming
//! runs, bytes, one value a second, up to an hour; from `github.com/exathlonbenchmark/exathlon`, Apache-2.0).
//!
//! Nobody has labelled them. As they are, an alarm is not proven false, only unlikely to be right; with a ramp added whose
//! onset is known, an alarm can be right or premature. A ramp of .3 to 5 % an hour is one of the whole machine (Alibaba),
//! or of the heap's median (Exathlon), begins within the first half and ends the series where it would pass four times the
//! median. An hour of heap is too short for any detector of days: there a second counts for ten (`--scale`).

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use scupper_detect::Quantity;

use crate::detector::{Kind, Level, Subject};
use crate::random::Random;
use crate::recording::{self, files_of, name_of};
use crate::statistics::median;
use crate::synthetic::Point;
use crate::table::{Table, count, tenth};

/// How the series of a folder are judged.
struct Source {
    folder: &'static str,
    column: &'static str,
    quantity: Quantity,
    /// What the ramp is a share of, and what the raw series must not pass; the median where there is none.
    whole: Option<f64>,
    /// Seconds that a second counts for.
    scale: f64,
}

/// A series, with the ramp added if there is one.
struct Trace {
    name: String,
    points: Vec<Point>,
}

/// What is added to a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ramp {
    onset: f64,
    per_hour: f64,
}

/// First heard, in seconds.
#[derive(Clone, Copy, Default)]
struct Heard {
    growing: Option<f64>,
    leaking: Option<f64>,
}

/// Judges what is in `folder`; what is absent is said and skipped.
pub fn run(
    out: &mut dyn Write,
    folder: &Path,
    kinds: &[Kind],
    seed: u64,
    scale: f64,
    markdown: bool,
) -> Result<()> {
    let sources = [
        Source {
            folder: "alibaba",
            column: "mem_percent_mean",
            quantity: Quantity::Percent,
            whole: Some(100.0),
            scale: 1.0,
        },
        Source {
            folder: "exathlon",
            column: "heap_used_bytes",
            quantity: Quantity::Bytes,
            whole: None,
            scale,
        },
    ];
    for source in sources {
        let mut traces = Vec::new();
        for file in files_of(&folder.join(source.folder))? {
            let recording = recording::read(&file, Some(source.column))?;
            let mut points: Vec<Point> =
                recording.columns.iter().flat_map(|column| recording::points(&column.samples)).collect();
            for point in &mut points {
                point.at *= source.scale;
            }
            traces.push(Trace { name: name_of(&file), points });
        }
        if traces.is_empty() {
            writeln!(
                out,
                "{}: not there ({}), skipped",
                source.folder,
                folder.join(source.folder).display()
            )?;
            continue;
        }
        judge(out, &source, &traces, kinds, seed, markdown)?;
    }
    Ok(())
}

fn judge(
    out: &mut dyn Write,
    source: &Source,
    traces: &[Trace],
    kinds: &[Kind],
    seed: u64,
    markdown: bool,
) -> Result<()> {
    writeln!(out, "{}: {} series; a second counts for {}", source.folder, traces.len(), source.scale)?;
    writeln!(out)?;
    let mut table = Table::new(&[
        "detector",
        "raw leaking",
        "raw growing",
        "ramp found",
        "premature",
        "missed",
        "delay med h",
        "ramp growing",
    ]);
    for kind in kinds {
        let (mut raw_leaking, mut raw_growing) = (0, 0);
        let (mut found, mut premature, mut growing, mut delays) = (0, 0, 0, Vec::new());
        let mut judged = 0;
        for trace in traces {
            let level =
                median(&mut trace.points.iter().map(|point| point.value).collect::<Vec<_>>()).unwrap_or(0.0);
            let limit = source.whole.unwrap_or(4.0 * level);
            let Some(raw) = listen(*kind, source.quantity, limit, trace.points.iter().copied()) else {
                continue;
            };
            judged += 1;
            raw_leaking += usize::from(raw.leaking.is_some());
            raw_growing += usize::from(raw.growing.is_some());
            let ramp = draw(trace, source.whole.unwrap_or(level), seed);
            let limit = 4.0 * level;
            let ramped =
                trace.points.iter().map(|point| ramp.on(*point)).take_while(|point| point.value <= limit);
            let Some(heard) = listen(*kind, source.quantity, limit, ramped) else { continue };
            growing += usize::from(heard.growing.is_some_and(|at| at >= ramp.onset));
            match heard.leaking {
                Some(at) if at >= ramp.onset => {
                    found += 1;
                    delays.push((at - ramp.onset) / 3600.0);
                }
                Some(_) => premature += 1,
                None => {}
            }
        }
        if judged == 0 {
            continue;
        }
        table.row([
            kind.name.into(),
            count(raw_leaking),
            count(raw_growing),
            format!("{found}/{judged}"),
            count(premature),
            count(judged - found - premature),
            tenth(median(&mut delays)),
            count(growing),
        ]);
    }
    table.write(out, markdown)
}

/// The same ramp for a trace whatever else is in the folder.
fn draw(trace: &Trace, whole: f64, seed: u64) -> Ramp {
    let name = trace.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = Random::new(seed, name);
    let length = trace.points.last().map_or(0.0, |point| point.at);
    Ramp { onset: random.unit() * length / 2.0, per_hour: random.magnitude(0.003, 0.05) * whole }
}

impl Ramp {
    fn on(self, point: Point) -> Point {
        let hours = (point.at - self.onset).max(0.0) / 3600.0;
        Point { at: point.at, value: point.value + hours * self.per_hour }
    }
}

fn listen(kind: Kind, quantity: Quantity, limit: f64, points: impl Iterator<Item = Point>) -> Option<Heard> {
    let mut detector = (kind.make)(Subject { quantity, limit })?;
    let mut heard = Heard::default();
    for point in points {
        let Some(alarm) = detector.push(point.at, point.value) else { continue };
        heard.growing.get_or_insert(point.at);
        if alarm.level == Level::Leaking {
            heard.leaking = Some(point.at);
            break;
        }
    }
    Some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_added_from_its_onset_on() {
        let ramp = Ramp { onset: 3600.0, per_hour: 2.0 };
        let before = Point { at: 60.0, value: 5.0 };
        assert_eq!(ramp.on(before), before);
        assert_eq!(ramp.on(Point { at: 7200.0, value: 5.0 }), Point { at: 7200.0, value: 7.0 });
    }

    #[test]
    fn the_ramp_of_a_trace_depends_on_its_name_only() {
        let trace =
            |name: &str| Trace { name: name.into(), points: vec![Point { at: 86_400.0, value: 1.0 }] };
        let ramp = draw(&trace("m_1"), 100.0, 1);
        assert_eq!(ramp, draw(&trace("m_1"), 100.0, 1));
        assert_ne!(ramp, draw(&trace("m_2"), 100.0, 1));
        assert!((0.0..43_200.0).contains(&ramp.onset) && (0.3..5.0).contains(&ramp.per_hour));
    }

    #[test]
    fn what_is_absent_is_skipped() {
        let mut said = Vec::new();
        run(&mut said, Path::new("/nowhere"), &[], 1, 10.0, false).unwrap();
        assert!(String::from_utf8(said).unwrap().contains("skipped"));
    }
}
