//! What the daemon asks of a plugin, and on which terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lowtide_model::forecast::Signal;
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use crate::capability::Grants;
use crate::fetch::Fetcher;

/// The terms of one call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The clock the plugin sees.
    pub now: Timestamp,
    /// Its settings.
    pub config: BTreeMap<String, String>,
    /// Where it may go and what it may read.
    pub grants: Grants,
    /// Who fetches for it.
    pub fetcher: Arc<dyn Fetcher>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Zones, all at once.
    pub zones: Vec<ZoneId>,
    /// Average or marginal.
    pub signal: Signal,
    /// The time asked for.
    pub window: Window,
}

/// What a plugin can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// Zones it serves, or patterns with `*` at the end.
    pub zones: Vec<String>,
    /// Signals it tells.
    pub signals: Vec<Signal>,
    /// Native length of a point.
    pub resolution: Seconds,
    /// How far ahead it tells.
    pub horizon: Seconds,
    /// How often it wants to be asked.
    pub refresh_interval: Seconds,
    /// Text to show with the data.
    pub attribution: Option<String>,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Linear memory at its most, in bytes.
    pub memory_bytes: usize,
    /// Fetches asked for.
    pub fetches: u32,
}
