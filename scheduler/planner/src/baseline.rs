//! The field's own scheduling rules, as closed formulas over an intensity of even steps.
//!
//! They are what lowtide is measured against: each is written as its authors publish it, with their quirks where those are
//! needed to arrive at their numbers, and has a regression test against results of the authors' own programs
//! (`tests/reference_*.rs`). All are pure: time is hours since the origin of a [`Series`], and the carbon of a stretch is
//! grams per kilowatt of the job's power. None knows of capacity; whoever replays a trace adds that.

pub mod awhile;
pub mod flexibility;
pub mod gaia;
pub mod least;
pub mod scaler;
pub mod series;
pub mod threshold;

pub use series::Series;

/// A stretch of time in which a job runs, in hours since the origin of its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// When it begins.
    pub start: f64,
    /// When it ends.
    pub end: f64,
}

/// One job as the rules see it. Times are hours since the origin of its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// When it is submitted.
    pub arrival: f64,
    /// How long it runs, hours, more than 0.
    pub length: f64,
    /// When it has to be done: arrival, length, and the longest wait.
    pub latest_end: f64,
}

impl Task {
    /// How long it may wait, hours; 0 where the deadline cannot be met.
    #[must_use]
    pub fn slack(&self) -> f64 {
        (self.latest_end - self.arrival - self.length).max(0.0)
    }

    /// Its whole run from `start` on.
    #[must_use]
    pub fn from(&self, start: f64) -> Stretch {
        Stretch { start, end: start + self.length }
    }
}

/// What the stretches emit, grams per kilowatt.
#[must_use]
pub fn emitted(series: &Series, stretches: &[Stretch]) -> f64 {
    stretches.iter().map(|stretch| series.integral(stretch.start, stretch.end)).sum()
}

/// Appends a stretch, or lengthens the last one where they touch.
pub(crate) fn append(stretches: &mut Vec<Stretch>, start: f64, end: f64) {
    match stretches.last_mut() {
        Some(last) if start - last.end < SAME_MOMENT => last.end = end,
        _ => stretches.push(Stretch { start, end }),
    }
}

/// Hours below which two moments are one: far below a second, far above the rounding of a year counted in hours.
pub(crate) const SAME_MOMENT: f64 = 1e-7;

/// Of starts `arrival`, `arrival + step`, … up to `slack` later, the one at which `cost` is least; of equal ones the first.
pub(crate) fn least_start(arrival: f64, slack: f64, step: f64, cost: impl Fn(f64) -> f64) -> f64 {
    let mut best = (f64::INFINITY, arrival);
    for start in starts(arrival, slack, step) {
        let cost = cost(start);
        // Equal up to rounding counts as equal, so that the earliest wins.
        if cost < best.0 - 1e-9 * best.0.abs().min(1e12) || best.0.is_infinite() {
            best = (cost, start);
        }
    }
    best.1
}

/// The starts that are looked at.
pub(crate) fn starts(arrival: f64, slack: f64, step: f64) -> impl Iterator<Item = f64> {
    (0_u32..)
        .map(move |index| f64::from(index) * step)
        .take_while(move |wait| *wait <= slack + SAME_MOMENT)
        .map(move |wait| arrival + wait)
}
