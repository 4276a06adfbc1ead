//! Where and when a job is to run, and what else was considered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::estimate::Interval;
use crate::identity::SiteId;
use crate::operating_point::OperatingPoint;
use crate::price::Cost;
use crate::quantity::{GramsCo2e, Seconds};
use crate::site::Resources;
use crate::window::Window;

/// One stretch of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where.
    pub site: SiteId,
    /// When.
    pub window: Window,
    /// With how many workers and how much power.
    #[serde(flatten)]
    pub point: OperatingPoint,
}

impl Segment {
    /// What it occupies, of a job that asks for this much for each worker.
    #[must_use]
    pub fn takes(&self, of_worker: Resources) -> Resources {
        of_worker.of(self.point.workers)
    }
}

/// The decision for one job, complete and never changed: a new wish is a new plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was made.
    pub made_at: Timestamp,
    /// Stretches still to run, in order, never overlapping. Empty only for a job that cannot run anywhere now.
    pub segments: Vec<Segment>,
    /// Expected footprint of the work still to come.
    pub footprint: Interval<GramsCo2e>,
    /// When the job is expected to end.
    pub end: Timestamp,
    /// The same work begun at once at the best site that could take it: what the plan is measured against.
    pub run_now: Option<Alternative>,
    /// What was considered and lost, best first.
    pub alternatives: Vec<Alternative>,
    /// Why this one, in one sentence.
    pub reason: Reason,
    /// The oldest forecast it rests on: when that was issued, or `None` where it rests on a fallback.
    pub forecast_issued_at: Option<Timestamp>,
    /// The same decision seen by the marginal signal, where the zones of all sites tell that too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marginal: Option<Beside>,
    /// What the energy costs, where the prices of all sites are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The plan by carbon alone, where the policy weighs money or delay too and emits more for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanest: Option<Cleanest>,
    /// Warnings for the user, such as a stale forecast or a missed deadline.
    pub warnings: Vec<String>,
}

/// A plan as another signal sees it: footprints of the same work by that signal's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// That of the plan.
    pub footprint: GramsCo2e,
    /// That of running at once.
    pub run_now: GramsCo2e,
    /// The least there is by this signal, under the same rules.
    pub best: GramsCo2e,
    /// When and where that would be.
    pub segments: Vec<Segment>,
    /// Whether the decision would be another one by this signal, and not for a trifle.
    pub flips: bool,
}

/// The plan with the least carbon under the same rules, given up for money or an earlier end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cleanest {
    /// When and where it would be.
    pub segments: Vec<Segment>,
    /// What it would emit.
    pub footprint: GramsCo2e,
    /// When it would end.
    pub end: Timestamp,
    /// What it would cost, where prices are known, in the currency of the plan's own cost.
    pub cost: Option<f64>,
}

/// A plan that lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// What it is, for people: `start now at home`.
    pub label: String,
    /// Its stretches.
    pub segments: Vec<Segment>,
    /// Its expected footprint.
    pub footprint: GramsCo2e,
    /// When the job would end.
    pub end: Timestamp,
    /// Why it lost, for people.
    pub rejected: String,
}

/// Why a plan was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The policy or the user wants it at once.
    RunNow,
    /// The first epochs are run at once, to be measured.
    Probe,
    /// A cleaner window later.
    Delay,
    /// A cleaner site, at once.
    Route,
    /// A cleaner site, later.
    RouteAndDelay,
    /// At once and here, with another count of workers or less power for the GPUs than without a choice.
    OperatingPoint,
    /// Several clean windows with pauses between them.
    Pauses,
    /// No other window saves enough.
    NothingSaved,
    /// The deadline leaves no choice.
    Deadline,
    /// Already running in the best window.
    Continue,
    /// No allowed site can take the job now; it is planned again when something changes.
    NoCapacity,
}

impl Plan {
    /// When it begins, if it has anything to run.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.segments.first().map(|segment| segment.window.start())
    }

    /// How long after `now` it begins.
    #[must_use]
    pub fn delay(&self, now: Timestamp) -> Option<Seconds> {
        self.start().map(|start| Seconds::between(now, start))
    }
}
