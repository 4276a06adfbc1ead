//! What the user allows and prefers: a policy, read from a short text file.
//!
//! [`parse`] turns text into a [`Policy`] or says in which line what is wrong. This module reads no file: the text comes
//! from the daemon or the CLI, that of the built-ins is compiled in. What a policy means for one job is decided where it
//! is used, in the plan and at admission.

mod check;
mod file;
mod library;
pub mod reading;
mod spelling;
pub mod timetable;
mod urgency;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::identity::{PolicyId, SiteId, ZoneId};
use lowtide_model::job::Urgency;
use lowtide_model::quantity::{GramsCo2e, Seconds};
use lowtide_model::window::Window;

use crate::policy::timetable::Timetable;

pub use check::advise;
pub use file::{PolicyError, parse};
pub use library::{KnownPolicy, Setting, read_all};
pub use urgency::Tier;

/// How far the next opening is looked for at once, hours, and how often: a year and more.
const SEARCHED_HOURS: f64 = 24.0 * 7.0;
const MOST_SEARCHES: usize = 60;

/// What a plan makes small: the sum of its footprint, its money and its delay, each times its weight. In gCO2e.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Of a gram of footprint; 1 but for who looks at money alone.
    pub carbon: f64,
    /// What a unit of money is worth, in gCO2e.
    pub grams_per_money: f64,
    /// What an hour of later end is worth, in gCO2e.
    pub grams_per_hour: f64,
}

impl Weights {
    /// The footprint alone.
    pub const CARBON: Self = Self { carbon: 1.0, grams_per_money: 0.0, grams_per_hour: 0.0 };

    /// Whether plans are ranked by grams as they are, with or without delay.
    #[must_use]
    pub fn ranks_by_footprint(&self) -> bool {
        (self.carbon - 1.0).abs() < f64::EPSILON && self.grams_per_money <= 0.0
    }
}

/// What happens to a job whose predicted footprint passes the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitAction {
    /// The user is told.
    Warn,
    /// It waits for a person's approval.
    Hold,
    /// It is refused, or ended.
    Stop,
}

/// The largest footprint a job may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarbonLimit {
    /// The limit for one whole job.
    pub grams: GramsCo2e,
    /// What happens beyond it.
    pub action: LimitAction,
}

/// What the user allows and prefers for jobs that name this policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub id: PolicyId,
    /// One sentence for listings.
    pub description: String,
    /// What a plan makes small.
    pub weights: Weights,
    /// A job has to end this long after its submission.
    pub deadline: Option<Seconds>,
    /// The longest a job may wait in sum: from submission to end, minus the time it runs.
    pub max_delay: Option<Seconds>,
    /// Sites it may run at; empty means all.
    pub sites: Vec<SiteId>,
    /// Grid zones it may run in; empty means all.
    pub zones: Vec<ZoneId>,
    /// When it may run; empty means always.
    pub windows: Vec<Timetable>,
    /// When it may not run, whatever the windows say; empty means never.
    pub blackouts: Vec<Timetable>,
    /// Whether it may be delayed for carbon.
    pub delay: bool,
    /// Whether it may run at another site than its first for carbon.
    pub route: bool,
    /// Whether a job that can leave a checkpoint may be paused for carbon.
    pub pausable: bool,
    /// The share of the run-now footprint that a delay, pause or move has to save at least; from 0 to below 1.
    pub minimum_saving: f64,
    /// The share of its footprint a job may give up to start in another slot than all the others; 0 to 0.05.
    pub spread: f64,
    /// How many first epochs of a job with checkpoints and no history are run at once, to be measured.
    pub probe_epochs: u32,
    /// The largest footprint of one job.
    pub limit: Option<CarbonLimit>,
    /// What is otherwise for jobs of a tier of urgency.
    pub urgency: BTreeMap<Urgency, Tier>,
}

impl Policy {
    /// The policy of that name without any wish: what every key is when a file does not set it.
    #[must_use]
    pub fn neutral(id: PolicyId) -> Self {
        Self {
            id,
            description: String::new(),
            weights: Weights::CARBON,
            deadline: None,
            max_delay: None,
            sites: vec![],
            zones: vec![],
            windows: vec![],
            blackouts: vec![],
            delay: true,
            route: false,
            pausable: true,
            minimum_saving: 0.05,
            spread: 0.0,
            probe_epochs: 1,
            limit: None,
            urgency: BTreeMap::new(),
        }
    }

    /// The policy as it holds for jobs of a tier: what the tier says, else what tiers mean anyway.
    #[must_use]
    pub fn at_urgency(mut self, urgency: Urgency) -> Self {
        let tier = Tier::over(Tier::meant(urgency, &self), self.urgency.get(&urgency));
        let Tier { max_delay, minimum_saving, delay, pausable } = tier;
        self.max_delay = max_delay.or(self.max_delay);
        self.minimum_saving = minimum_saving.unwrap_or(self.minimum_saving);
        self.delay = delay.unwrap_or(self.delay);
        self.pausable = pausable.unwrap_or(self.pausable);
        self
    }

    /// The policy with its `zone = "local"` windows and blackouts read in this time zone. Until this is said they are read
    /// in UTC.
    #[must_use]
    pub fn in_local_zone(mut self, zone: &TimeZone) -> Self {
        for timetables in [&mut self.windows, &mut self.blackouts] {
            *timetables = std::mem::take(timetables).into_iter().map(|one| one.in_local_zone(zone)).collect();
        }
        self
    }

    /// Whether it lets jobs run at any time.
    #[must_use]
    pub const fn is_always_open(&self) -> bool {
        self.windows.is_empty() && self.blackouts.is_empty()
    }

    /// The times within `within` at which it lets jobs run: in order, apart from one another.
    #[must_use]
    pub fn openings(&self, within: Window) -> Vec<Window> {
        let of = |timetables: &[Timetable]| {
            timetable::merge(timetables.iter().flat_map(|timetable| timetable.openings(within)).collect())
        };
        let open = if self.windows.is_empty() { vec![within] } else { of(&self.windows) };
        if self.blackouts.is_empty() { open } else { timetable::without(&open, &of(&self.blackouts)) }
    }

    /// The first moment from `at` on at which it lets jobs run; `None` if there is none within the years to come.
    #[must_use]
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        let mut at = at;
        for _ in 0..MOST_SEARCHES {
            if !self.windows.is_empty() {
                at = self.windows.iter().filter_map(|timetable| timetable.next_opening(at)).min()?;
            }
            let ahead = Window::new(at, Seconds::from_hours(SEARCHED_HOURS).after(at)).ok()?;
            match self.openings(ahead).first() {
                Some(opening) => return Some(opening.start()),
                None => at = ahead.end(),
            }
        }
        None
    }
}

/// The policies that come with lowtide.
#[must_use]
pub fn builtins() -> Vec<Policy> {
    builtin_texts().into_iter().map(|(id, text)| parse(id, text).expect("a test reads every built-in policy")).collect()
}

/// Names and texts of the policies that come with lowtide.
#[must_use]
pub fn builtin_texts() -> Vec<(PolicyId, &'static str)> {
    [
        ("run-now", include_str!("../../../../policies/run-now.toml")),
        ("patient", include_str!("../../../../policies/patient.toml")),
        ("overnight", include_str!("../../../../policies/overnight.toml")),
        ("follow-the-tide", include_str!("../../../../policies/follow-the-tide.toml")),
        ("strict-budget", include_str!("../../../../policies/strict-budget.toml")),
    ]
    .into_iter()
    .map(|(name, text)| (PolicyId::new(name).expect("the names above are plain"), text))
    .collect()
}

#[cfg(test)]
mod tests;
