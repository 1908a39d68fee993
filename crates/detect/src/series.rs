//! One series: samples in, an assessment out.

use std::time::Duration;

use crate::forecast::{Peak, forecast};
use crate::grow::Grow;
use crate::history::History;
use crate::operations::Operations;
use crate::opinion::{Opinion, Seen};
use crate::wording::too_little;
use crate::{Assessment, Curve, Forecast, Horizon, Rejected, Sample, Settings, Verdict};

/// The bounded history of one number, and what is thought of it.
pub struct Series {
    settings: Settings,
    history: History,
    grow: Option<Box<Grow>>,
    operations: Option<Box<Operations>>,
    first: Option<Sample>,
    last: Option<Sample>,
    peak: Peak,
    opinion: Opinion,
    assessment: Assessment,
    /// At which age another calm verdict was thought of first.
    calmer_since: Option<f64>,
}

/// The share of its age for which a calmer verdict has to hold before it is told.
const PATIENCE: f64 = 1.0 / 32.0;

impl Series {
    /// The most bytes that a series takes, with all it points to.
    pub const MOST_BYTES: usize = 8192;

    /// An empty series.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            history: History::new(),
            grow: settings.grow.map(|rule| Box::new(Grow::new(rule))),
            operations: None,
            first: None,
            last: None,
            peak: Peak::default(),
            opinion: Opinion::default(),
            assessment: too_little(0.0),
            calmer_since: None,
        }
    }

    /// Adds a sample: some tens of nanoseconds, whatever was seen before. A refused one changes nothing.
    pub fn push(&mut self, sample: Sample) -> Result<(), Rejected> {
        sample.check(self.last)?;
        let first = *self.first.get_or_insert(sample);
        let age = sample.at.saturating_sub(first.at);
        self.history.push(age, sample.value);
        self.peak.push(age.as_secs_f64(), sample.value);
        if let Some(grow) = &mut self.grow {
            grow.push(age, sample.value);
        }
        self.last = Some(sample);
        Ok(())
    }

    /// Adds a sample together with how many requests or operations had been served by then.
    pub fn push_counted(&mut self, sample: Sample, operations: u64) -> Result<(), Rejected> {
        self.push(sample)?;
        self.operations.get_or_insert_with(|| Box::new(Operations::new())).push(operations, sample.value);
        Ok(())
    }

    /// Looks at what was pushed since the last call, as far as that is due, and says what is thought now. Cheap when
    /// nothing is due, so that it may follow every push.
    pub fn assess(&mut self) -> &Assessment {
        self.look(false);
        &self.assessment
    }

    /// `ended`: there is no more to come.
    fn look(&mut self, ended: bool) -> bool {
        let seen = Seen {
            age: self.age(),
            history: &self.history,
            grow: self.grow.as_deref(),
            operations: self.operations.as_deref(),
            ended,
            settings: &self.settings,
        };
        let due = self.opinion.look(&seen);
        if due {
            let (age, thought) = (seen.age, self.opinion.assessment(&seen));
            self.settle(age, thought, ended);
        }
        self.assessment.forecast = self.forecast();
        due
    }

    /// The time left is of this moment, whenever the slope was looked at last.
    fn forecast(&self) -> Forecast {
        let (verdict, peak) = (self.assessment.verdict, self.peak.value());
        match (self.settings.limit, self.assessment.slope) {
            (None, _) => Forecast::Unknown,
            _ if verdict == Verdict::Unknown => Forecast::Unknown,
            (Some(limit), _) if peak >= limit => Forecast::Reached,
            (Some(limit), Some(slope)) if verdict >= Verdict::Growing => forecast(limit, peak, slope),
            (Some(_), _) => Forecast::NotAtThisRate,
        }
    }

    /// Good news has time: what looks calmer, or calm in another way, has to look so for a while. Bad news is told at once.
    fn settle(&mut self, age: f64, thought: Assessment, ended: bool) {
        let known = self.assessment.verdict;
        let patient = self.settings.horizon == Horizon::Long && !ended && known != Verdict::Unknown;
        if patient && thought.verdict < Verdict::Growing && thought.verdict != known {
            let since = *self.calmer_since.get_or_insert(age);
            if age - since < age * PATIENCE {
                return;
            }
        }
        self.calmer_since = None;
        self.assessment = thought;
    }

    /// Looks at everything, due or not: the last word on a series that has ended, or has for now.
    pub fn conclude(&mut self) -> &Assessment {
        self.opinion.look_again();
        while self.look(true) {}
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
        self.assessment.forecast = self.forecast();
    }

    /// What was seen, for drawing: at most 128 points.
    pub fn curve(&self) -> Curve {
        let began = self.first.map_or(Duration::ZERO, |first| first.at);
        Curve::of(began, self.age(), &self.history, &self.assessment, &self.settings)
    }

    /// Seconds since the first sample.
    fn age(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.at.saturating_sub(first.at).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// Bytes it takes, with all it points to.
    pub fn bytes(&self) -> usize {
        let grow = self.grow.as_ref().map_or(0, |grow| size_of::<Grow>() + grow.heap());
        let operations = self.operations.as_ref().map_or(0, |o| size_of::<Operations>() + o.heap());
        let reasons = self.assessment.reasons.capacity() * size_of::<crate::Reason>();
        let texts: usize = self.assessment.reasons.iter().map(|reason| reason.text.capacity()).sum();
        size_of::<Self>() + self.history.heap() + grow + operations + reasons + texts
    }
}
