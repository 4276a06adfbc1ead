//! One way to run the rest of a job: stretches at sites, and what they emit.

use jiff::Timestamp;
use lowtide_model::window::Window;

/// A candidate. Stretches are in order, do not overlap, and there is at least one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course {
    pub stretches: Vec<Stretch>,
    /// Expected footprint in grams: stretches, transfers, and leaving where the job runs now.
    pub grams: f64,
}

/// Running at one of the situation's places for a time, losses of stop and start included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub place: usize,
    pub window: Window,
}

impl Course {
    pub(super) fn start(&self) -> Timestamp {
        self.stretches[0].window.start()
    }

    pub(super) fn end(&self) -> Timestamp {
        self.stretches[self.stretches.len() - 1].window.end()
    }
}
