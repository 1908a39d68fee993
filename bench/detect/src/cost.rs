//! What the detector costs: time for people, and work that can be counted by the instruction for `instructions.sh`.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use scupper_detect::{Sample, Series, Settings};

use crate::args::Cost;
use crate::synthetic::{Case, Extent, Shape, Synthetic};
use crate::table::Table;

/// Series that are judged in different ways: nothing to see, a leak, a leak that hides in the day.
const SHAPES: [Shape; 3] = [Shape::Flat, Shape::Linear, Shape::UnderDaily];

/// Measures, or only works.
pub fn run(args: &Cost, markdown: bool, out: &mut dyn Write) -> Result<()> {
    if let Some(samples) = args.work {
        let recording: Vec<Sample> = recording(Shape::Linear).collect();
        let mut series = series();
        for sample in recording.iter().take(samples) {
            push(&mut series, *sample)?;
            if args.assess {
                black_box(series.assess());
            }
        }
        black_box(&series);
        return Ok(());
    }
    let mut table = Table::new(&[
        "series",
        "samples",
        "push ns",
        "look us mean",
        "look us p99.9",
        "most",
        "looks",
        "bytes",
    ]);
    for shape in SHAPES {
        table.row(measure(shape)?);
    }
    table.write(out, markdown)
}

fn measure(shape: Shape) -> Result<[String; 8]> {
    let recording: Vec<Sample> = recording(shape).collect();
    // Pushes alone, by the best of five: what a busy machine adds is not ours.
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut series = series();
        let began = now();
        for sample in &recording {
            push(&mut series, *sample)?;
        }
        best = best.min(began.elapsed());
        black_box(&series);
    }
    // Looks, each by the best of three passes, since every pass does the same work.
    let mut looks: Vec<Duration> = Vec::new();
    let mut bytes = 0;
    for pass in 0..3 {
        let (mut series, mut index) = (series(), 0);
        for sample in &recording {
            push(&mut series, *sample)?;
            let began = now();
            black_box(series.assess());
            let took = began.elapsed();
            bytes = bytes.max(series.bytes());
            match looks.get_mut(index) {
                Some(look) => *look = took.min(*look),
                None if pass == 0 => looks.push(took),
                None => {}
            }
            index += 1;
        }
    }
    // Most calls find nothing due; those are no looks.
    looks.retain(|took| *took > Duration::from_micros(1));
    looks.sort_unstable();
    let mean = looks.iter().sum::<Duration>().as_secs_f64() / looks.len().max(1) as f64;
    let rank = (looks.len() as f64 * 0.999) as usize;
    let slow = looks.get(rank.min(looks.len().saturating_sub(1))).copied().unwrap_or_default();
    Ok([
        shape.name().to_owned(),
        recording.len().to_string(),
        format!("{:.0}", best.as_nanos() as f64 / recording.len() as f64),
        format!("{:.1}", mean * 1e6),
        format!("{:.1}", slow.as_secs_f64() * 1e6),
        format!("{:.1}", looks.last().copied().unwrap_or_default().as_secs_f64() * 1e6),
        looks.len().to_string(),
        bytes.to_string(),
    ])
}

fn series() -> Series {
    Series::new(Settings { limit: Some(1e10), ..Settings::default() })
}

fn push(series: &mut Series, sample: Sample) -> Result<()> {
    series.push(sample).map_err(|why| anyhow!("push a sample at {:?}: {why}", sample.at))
}

fn recording(shape: Shape) -> impl Iterator<Item = Sample> {
    let extent = Extent { days: 7.0, interval: 10.0 };
    let points = Synthetic::new(Case { shape, seed: 1001 }, extent);
    points.map(|point| Sample { at: Duration::from_secs_f64(point.at), value: point.value })
}

#[expect(clippy::disallowed_methods, reason = "this is what measures time")]
fn now() -> Instant {
    Instant::now()
}
