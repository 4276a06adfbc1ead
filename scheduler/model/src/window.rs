//! Half-open stretches of time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::quantity::Seconds;

/// A stretch of time `[start, end)` that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

/// The two bounds as they are written down.
#[derive(Deserialize)]
struct Bounds {
    start: Timestamp,
    end: Timestamp,
}

impl TryFrom<Bounds> for Window {
    type Error = EmptyWindow;
    fn try_from(Bounds { start, end }: Bounds) -> Result<Self, EmptyWindow> {
        Self::new(start, end)
    }
}

/// Bounds that hold no time between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no time lies between {start} and {end}")]
pub struct EmptyWindow {
    /// The bound given as start.
    pub start: Timestamp,
    /// The bound given as end.
    pub end: Timestamp,
}

impl Window {
    /// The time from `start` on, before `end`.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, EmptyWindow> {
        if start < end { Ok(Self { start, end }) } else { Err(EmptyWindow { start, end }) }
    }

    /// Its first moment.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// The first moment after it.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// How long it is.
    #[must_use]
    pub fn duration(&self) -> Seconds {
        Seconds::between(self.start, self.end)
    }

    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// The time that both hold, if any.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end)).ok()
    }
}
