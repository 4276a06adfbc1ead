//! How a job runs at a site, where it can run in more than one way.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::capping::PowerCap;

/// With how many workers, and with its GPUs held to how much power. Neither for a job that runs in one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// With how many workers, of a job that is elastic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroU32>,
    /// The most each of its GPUs may draw; nothing is set where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_cap: Option<PowerCap>,
}

impl OperatingPoint {
    /// So many workers, without a cap.
    #[must_use]
    pub const fn of_workers(workers: NonZeroU32) -> Self {
        Self { workers: Some(workers), power_cap: None }
    }

    /// The same with its GPUs left alone.
    #[must_use]
    pub const fn uncapped(self) -> Self {
        Self { power_cap: None, ..self }
    }
}
