//! Places where jobs run.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::capping::PowerCap;
use crate::identity::{SiteId, ZoneId};
use crate::quantity::{GramsPerKwh, Joules, Pue, Seconds};

/// What a job occupies while it runs, or a site offers: whole processors and whole GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Processors.
    pub cpus: u32,
    /// Graphics processors.
    pub gpus: u32,
}

impl Resources {
    /// Whether this much leaves room for `other`, taking nothing away.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        other.cpus <= self.cpus && other.gpus <= self.gpus
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { cpus: self.cpus.saturating_add(other.cpus), gpus: self.gpus.saturating_add(other.gpus) }
    }

    /// What so many workers of this occupy together; one of a job that has no workers.
    #[must_use]
    pub fn of(&self, workers: Option<NonZeroU32>) -> Self {
        let times = workers.map_or(1, NonZeroU32::get);
        Self { cpus: self.cpus.saturating_mul(times), gpus: self.gpus.saturating_mul(times) }
    }

    /// What is left after `other` is taken; nothing where it takes more than there is.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self { cpus: self.cpus.saturating_sub(other.cpus), gpus: self.gpus.saturating_sub(other.gpus) }
    }
}

/// A place where jobs run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its name.
    pub id: SiteId,
    /// The grid zone it draws from.
    pub zone: ZoneId,
    /// What runs jobs there: `local` as yet.
    pub executor: String,
    /// How much may run at once.
    pub capacity: Resources,
    /// Overhead of its building.
    pub pue: Pue,
    /// Speed relative to the reference site: work of one hour takes `1 / speed` hours here.
    pub speed: f64,
    /// Power relative to the reference site while running.
    pub power: f64,
    /// What moving one job's checkpoint and data here costs.
    pub transfer: Transfer,
    /// To what its GPUs may be held for a job that gains by it; none where they are to be left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub power_caps: Vec<PowerCap>,
    /// Intensity when no provider answers and nothing is remembered; an annual mean.
    pub fallback_intensity: GramsPerKwh,
    /// Where the fallback comes from, for people.
    pub fallback_source: String,
}

impl Site {
    /// A site as fast and as hungry as the reference, in a building without overhead, to which nothing has to be brought; on a grid of
    /// which no more than this mean is known.
    #[must_use]
    pub fn like_the_reference(id: SiteId, zone: ZoneId, capacity: Resources, mean: GramsPerKwh) -> Self {
        Self {
            id,
            zone,
            executor: "local".to_owned(),
            capacity,
            pue: Pue::NONE,
            speed: 1.0,
            power: 1.0,
            transfer: Transfer::default(),
            power_caps: Vec::new(),
            fallback_intensity: mean,
            fallback_source: "as given".to_owned(),
        }
    }
}

/// What it takes to bring a job from another site.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Transfer {
    /// Time before the job can start.
    pub time: Seconds,
    /// Energy of network and disks.
    pub energy: Joules,
}
