//! What a job asks of the sites, before any choice: how much, by when, where.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;

use super::PlanningInput;
use super::situation::{Rules, Situation};

/// A job as those see it who only make room for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Needs {
    /// How long the median of its work takes at the first site it may use.
    pub run_time: Seconds,
    /// When that has to have ended.
    pub latest_end: Timestamp,
    /// Power there, PUE included, kW.
    pub kilowatts: f64,
    /// Whether it may be paused.
    pub can_pause: bool,
    /// The sites it may use, by their numbers in the input.
    pub sites: Vec<usize>,
}

/// What a job asks for; nothing where it can run nowhere, or only in windows of its policy.
pub(crate) fn needs(input: &PlanningInput) -> Option<Needs> {
    let situation = Situation::of(input).ok()?;
    if !input.policy.is_always_open() {
        return None;
    }
    let rules = Rules { windows: true, delay: true, deadline: true, reserve: true };
    let first = situation.places.first()?;
    let mut sites: Vec<usize> = situation.places.iter().map(|place| place.number).collect();
    sites.sort_unstable();
    sites.dedup();
    Some(Needs {
        run_time: first.run_time,
        latest_end: situation.bound(0, rules),
        kilowatts: first.kilowatts,
        can_pause: situation.can_pause,
        sites,
    })
}
