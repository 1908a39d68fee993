//! A test of one to some minutes under steady load.

use crate::history::Sketch;
use crate::{Assessment, Quantity, Settings};

/// What a short run amounts to.
#[derive(Clone, Debug)]
pub struct Short {}

impl Short {
    pub fn assessment(&self, _settings: &Settings) -> Assessment {
        Assessment::default()
    }
}

/// Judges a whole run.
pub fn judge_short(_sketch: &Sketch, _quantity: Quantity) -> Option<Short> {
    None
}
