//! Whether a confidence means what it says: of the verdicts given at 90 %, about 90 % are right.
//!
//! Every six hours of every series the detector is asked. `growing` and `leaking` are right where a leak has begun, the calm
//! verdicts where none has: a leak that began an hour ago makes `stable` wrong.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use scupper_detect::{Sample, Series, Settings, Verdict};

use crate::synthetic::{Case, Extent, Synthetic};
use crate::table::Table;

/// Seconds between two questions.
const EVERY: f64 = 6.0 * 3600.0;

/// Answers of one kind.
#[derive(Clone, Copy, Default)]
struct Count {
    given: u64,
    right: u64,
    stated: f64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.given += other.given;
        self.right += other.right;
        self.stated += other.stated;
    }

    fn share(&self) -> f64 {
        self.right as f64 / self.given.max(1) as f64
    }
}

/// By verdict and the reason that decided; by tenths of the confidence that was stated.
#[derive(Default)]
struct Counts {
    kinds: BTreeMap<(Verdict, String), Count>,
    bins: BTreeMap<u64, Count>,
}

/// Asks, counts, and writes both tables.
pub fn run(
    out: &mut dyn Write,
    cases: &[Case],
    extent: Extent,
    threads: usize,
    markdown: bool,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = ask(*case, extent);
                    if let Ok(mut counts) = counts.lock() {
                        for (kind, confidence, count) in found {
                            counts.kinds.entry(kind).or_default().add(count);
                            counts.bins.entry((confidence * 20.0).floor() as u64).or_default().add(count);
                        }
                    }
                }
            });
        }
    });
    let counts = counts.into_inner().map_err(|_| anyhow!("a thread of the run panicked"))?;
    let mut table = Table::new(&["verdict, decided by", "given", "right", "stated"]);
    for ((verdict, reason), count) in &counts.kinds {
        table.row(row(format!("{verdict}, {reason}"), count));
    }
    table.write(out, markdown)?;
    writeln!(out)?;
    let mut table = Table::new(&["confidence stated", "given", "right", "stated"]);
    for (bin, count) in &counts.bins {
        let low = *bin as f64 / 20.0;
        table.row(row(format!("{low:.2} to {:.2}", low + 0.05), count));
    }
    table.write(out, markdown)
}

fn row(name: String, count: &Count) -> [String; 4] {
    let stated = count.stated / count.given.max(1) as f64;
    [name, count.given.to_string(), format!("{:.3}", count.share()), format!("{stated:.3}")]
}

/// Every answer: what was said and why, how sure, whether rightly.
fn ask(case: Case, extent: Extent) -> Vec<((Verdict, String), f64, Count)> {
    let source = Synthetic::new(case, extent);
    let onset = source.onset().unwrap_or(f64::INFINITY);
    let mut series = Series::new(Settings { limit: Some(source.limit), ..Settings::default() });
    let (mut answers, mut next) = (Vec::new(), EVERY);
    for point in source {
        let sample = Sample { at: Duration::from_secs_f64(point.at), value: point.value };
        if series.push(sample).is_err() {
            continue;
        }
        let said = series.assess();
        if point.at < next {
            continue;
        }
        next += EVERY;
        let Some(confidence) = said.confidence else { continue };
        let leaks = point.at >= onset;
        let right = leaks == (said.verdict >= Verdict::Growing);
        let reason = said.reasons.first().map(|reason| reason.tag.to_string()).unwrap_or_default();
        answers.push((
            (said.verdict, reason),
            confidence,
            Count { given: 1, right: right.into(), stated: confidence },
        ));
    }
    answers
}
