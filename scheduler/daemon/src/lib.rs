//! The imperative shell: configuration, clock, event loop, effects, plugins, HTTP. It decides nothing: the engine does.

mod ask;
mod catalogue;
mod clock;
pub mod config;
pub mod defaults;
mod effects;
mod event_loop;
mod http;
mod intensity;
mod past;
mod policies;
mod prices;
mod refusal;
mod seed;
mod start;
mod tariffs;
mod watcher;
pub mod zones;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use lowtide_api::place::StateDirectory;
use lowtide_model::identity::{SiteId, ZoneId};
use tokio::sync::Notify;

pub use ask::{Grid, Question};
pub use start::run;

use crate::clock::Clock;
use crate::defaults::Defaults;
use crate::effects::Executors;
use crate::event_loop::Handle;
use crate::intensity::Intensity;
use crate::policies::KnownPolicy;

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its directory.
    pub state: StateDirectory,
    /// The configuration file, if there is one. One that was named but cannot be read is an error.
    pub config: Option<PathBuf>,
    /// Virtual seconds in a real one; 1 is the wall's own time.
    pub time_scale: f64,
    /// The virtual time to begin at, for a daemon whose state holds no clock yet; now where left out.
    pub virtual_start: Option<Timestamp>,
    /// The program whose `agent` verb runs attempts: `lowtide` itself.
    pub program: PathBuf,
    /// The IANA name of the system's time zone, if known: it tells the zone of sites that name none.
    pub time_zone: Option<String>,
}

/// What requests share.
pub(crate) struct Shared {
    pub(crate) events: Handle,
    pub(crate) executors: Executors,
    pub(crate) clock: Clock,
    pub(crate) state: StateDirectory,
    pub(crate) socket: PathBuf,
    pub(crate) config_path: Option<PathBuf>,
    pub(crate) defaults: Defaults,
    pub(crate) policies: Vec<KnownPolicy>,
    pub(crate) zones: Vec<ZoneId>,
    pub(crate) zone_origins: BTreeMap<SiteId, String>,
    pub(crate) intensity: Arc<Intensity>,
    pub(crate) warnings: Vec<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) stopping: Arc<Notify>,
    /// Told when plugins were installed or removed.
    pub(crate) plugins_changed: Arc<Notify>,
}
