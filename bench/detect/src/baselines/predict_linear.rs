//! `predict_linear(x[range], ahead) > limit` for some time: how Prometheus users alert on what fills up. One hour ahead by
//! four for five minutes: Brian Brazil, "Reduce noise from disk space alerts" (robustperception.io). Six hours ahead by
//! four days for an hour: kubernetes-mixin, `storage_alerts.libsonnet`, here without its second condition (85 % in use),
//! under which every alarm would come when the limit is all but reached. Evaluated each minute on one sample a minute.

use super::window::{Buckets, Window};
use super::{Held, MINUTE};
use crate::detector::{Alarm, Detector};
use crate::statistics::Line;

/// See the module.
pub struct PredictLinear {
    limit: f64,
    ahead: f64,
    scrape: Buckets,
    window: Window,
    held: Held,
}

impl PredictLinear {
    pub const fn new(limit: f64, range: f64, ahead: f64, held: f64) -> Self {
        Self { limit, ahead, scrape: Buckets::new(MINUTE), window: Window::new(range), held: Held::new(held) }
    }
}

impl Detector for PredictLinear {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let scraped = self.scrape.push(at_seconds, value)?;
        self.window.push(scraped.at, scraped.last);
        let line = Line::through(self.window.points())?;
        // Prometheus extrapolates from whatever the range holds; a minute of it would alarm on every start.
        let condition = self.window.is_full() && line.at(scraped.at + self.ahead) > self.limit;
        self.held.holds(scraped.at, condition).then_some(Alarm::LEAKING)
    }
}
