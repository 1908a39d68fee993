//! One series: samples in, an assessment out.

use std::time::Duration;

use crate::{Assessment, Rejected, Sample, Settings};

/// The bounded history of one number, and what is thought of it.
pub struct Series {
    settings: Settings,
    last: Option<Sample>,
    assessment: Assessment,
}

impl Series {
    /// An empty series.
    pub fn new(settings: Settings) -> Self {
        Self { settings, last: None, assessment: Assessment::default() }
    }

    /// Adds a sample. A refused one changes nothing.
    pub fn push(&mut self, sample: Sample) -> Result<(), Rejected> {
        sample.check(self.last)?;
        self.last = Some(sample);
        Ok(())
    }

    /// Looks at what was pushed since the last call, as far as that is due, and says what is thought now. Cheap when
    /// nothing is due, so that it may follow every push.
    pub fn assess(&mut self) -> &Assessment {
        let _ = self.settings;
        &self.assessment
    }

    /// The last assessment.
    pub const fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// The process was started again or given another size: what comes is another life, compared with nothing before.
    pub fn begin_epoch(&mut self) {
        *self = Self::new(self.settings);
    }

    /// The limit the forecast is about, in units of the series.
    pub fn set_limit(&mut self, limit: Option<f64>) {
        self.settings.limit = limit;
    }

    /// What was seen, for drawing: at most 128 points.
    pub fn curve(&self) -> Curve {
        Curve::default()
    }
}

/// The whole life of a series in few points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The floor: lowest value of each stretch, at the middle of it.
    pub floor: Vec<(Duration, f64)>,
    /// The line that was fitted to it: two points.
    pub fit: Option<[(Duration, f64); 2]>,
    /// Moments at which the level changed at once: when, from, to.
    pub steps: Vec<(Duration, f64, f64)>,
}
