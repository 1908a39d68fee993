//! Runs detectors over series whose truth is known, and counts who was right, and how late.

mod report;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use scupper_detect::{Forecast, Quantity, Slope};

pub use self::report::{list, per_detector, per_shape};

use crate::detector::{Alarm, Detector, Kind, Level, Subject};
use crate::synthetic::{Case, Extent, Synthetic};

/// What one detector said of one series.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The series.
    pub case: Case,
    /// When its leak begins, in seconds.
    pub onset: Option<f64>,
    /// When it meets its limit, if it does.
    pub crash: Option<f64>,
    /// First heard, in seconds, of each level or a louder one.
    pub growing: Option<f64>,
    /// See `growing`.
    pub urgent: Option<f64>,
    /// See `growing`.
    pub leaking: Option<f64>,
    /// What was said with the first `leaking`, and how fast it really was then.
    pub said: Option<(Slope, f64)>,
    /// The forecast that came with it.
    pub forecast: Forecast,
}

impl Outcome {
    fn new(case: Case, onset: Option<f64>) -> Self {
        Self {
            case,
            onset,
            crash: None,
            growing: None,
            urgent: None,
            leaking: None,
            said: None,
            forecast: Forecast::Unknown,
        }
    }

    fn hear(&mut self, at: f64, alarm: Alarm, really: Option<f64>) {
        self.growing.get_or_insert(at);
        if alarm.level >= Level::Urgent {
            self.urgent.get_or_insert(at);
        }
        if alarm.level >= Level::Leaking {
            self.leaking.get_or_insert(at);
            self.said = alarm.slope.zip(really);
            self.forecast = alarm.forecast;
        }
    }

    /// Hours from the onset to this moment; `None` if it came before the onset, or nothing leaks.
    pub fn delay(&self, heard: Option<f64>) -> Option<f64> {
        let (onset, heard) = self.onset.zip(heard)?;
        (heard >= onset).then_some((heard - onset) / 3600.0)
    }

    /// The leak was called after it began.
    pub fn is_found(&self) -> bool {
        self.delay(self.leaking).is_some()
    }

    /// A leak was called before it began.
    pub fn is_premature(&self) -> bool {
        self.onset.is_some() && self.leaking.is_some() && !self.is_found()
    }

    /// A leak was called where there was none yet, or never.
    pub fn is_false(&self) -> bool {
        self.leaking.is_some() && !self.is_found()
    }
}

/// Runs every kind over every case on so many threads. The answer is in the order of `cases`, then of `kinds`.
pub fn run(cases: &[Case], kinds: &[Kind], extent: Extent, threads: usize) -> Result<Vec<Vec<Outcome>>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Vec<Outcome>>>> = Mutex::new(vec![None; cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(place) else { break };
                    let outcomes = judge(*case, kinds, extent);
                    if let Ok(mut results) = results.lock() {
                        results[place] = Some(outcomes);
                    }
                }
            });
        }
    });
    let results = results.into_inner().map_err(|_| anyhow!("a thread of the run panicked"))?;
    results.into_iter().map(|one| one.ok_or_else(|| anyhow!("a series was not judged"))).collect()
}

/// One series is made once, and every detector is given each sample until it has called a leak.
fn judge(case: Case, kinds: &[Kind], extent: Extent) -> Vec<Outcome> {
    let mut series = Synthetic::new(case, extent);
    let subject = Subject { quantity: Quantity::Bytes, limit: series.limit };
    let mut outcomes = vec![Outcome::new(case, series.onset()); kinds.len()];
    let mut running: Vec<Option<Box<dyn Detector>>> = kinds.iter().map(|kind| (kind.make)(subject)).collect();
    let mut last = 0.0;
    while let Some(point) = series.next() {
        last = point.at;
        for (place, outcome) in running.iter_mut().zip(&mut outcomes) {
            let Some(detector) = place else { continue };
            let Some(alarm) = detector.push(point.at, point.value) else { continue };
            outcome.hear(point.at, alarm, series.leaks_per_hour(point.at));
            if outcome.leaking.is_some() {
                *place = None;
            }
        }
    }
    if series.met_its_limit() {
        for outcome in &mut outcomes {
            outcome.crash = Some(last + extent.interval);
        }
    }
    outcomes
}
