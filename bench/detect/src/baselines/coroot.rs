//! Coroot's memory leak inspection (`auditor/memory.go`, `MemoryGrowthPct`; Apache-2.0): least squares over the longest
//! stretch without a fall by half, the last quarter at least .3 as steep, growth in an hour of at least 5 % of the limit, more
//! than 10 % an hour for 15 minutes. The source takes the range of the page that is looked at; here one hour of
//! one-minute samples, as its own alerting does.

use super::window::{Buckets, Window};
use super::{HOUR, Held, MINUTE};
use crate::detector::{Alarm, Detector};
use crate::statistics::Line;

/// See the module.
pub struct Coroot {
    limit: f64,
    scrape: Buckets,
    window: Window,
    held: Held,
}

impl Coroot {
    pub const fn new(limit: f64) -> Self {
        Self {
            limit,
            scrape: Buckets::new(MINUTE),
            window: Window::new(HOUR),
            held: Held::new(15.0 * MINUTE),
        }
    }

    /// Growth in an hour, in percent of where the line was an hour ago.
    fn growth(&self, now: f64) -> Option<f64> {
        let points: Vec<(f64, f64)> = self.window.points().collect();
        let stretch =
            points.chunk_by(|(_, early), (_, late)| *late >= early * 0.5).max_by_key(|chunk| chunk.len())?;
        if stretch.len() < 10 || stretch.len() < points.len() / 3 {
            return None;
        }
        let line = Line::through(stretch.iter().copied())?;
        // At least a quarter of an hour of it.
        let (last, _) = *stretch.last()?;
        let quarter = stretch.len() - stretch.len() / 4;
        let tail =
            stretch.iter().take(quarter + 1).rposition(|(at, _)| last - at >= 15.0 * MINUTE).unwrap_or(0);
        let tail = &stretch[tail.min(quarter)..];
        let tail_slope = Line::through(tail.iter().copied())?.slope;
        if line.slope <= 0.0 || tail.len() < 5 || tail_slope <= 0.0 || tail_slope < 0.3 * line.slope {
            return None;
        }
        let (before, after) = (line.at(now - HOUR), line.at(now));
        let enough = after > 0.0 && after - before >= 0.05 * self.limit;
        enough.then(|| (after - before) / if before > 0.0 { before } else { after } * 100.0)
    }
}

impl Detector for Coroot {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let scraped = self.scrape.push(at_seconds, value)?;
        self.window.push(scraped.at, scraped.last);
        // Four fifths of the range must be there.
        let condition =
            self.window.is_full() && self.growth(scraped.at).is_some_and(|percent| percent > 10.0);
        self.held.holds(scraped.at, condition).then_some(Alarm::LEAKING)
    }
}
