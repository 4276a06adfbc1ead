//! Asking the grid with no daemon: for `lowtide measure`, which has no queue and keeps no state.
//!
//! The same configuration, plugins and rights as the daemon's; of its directory only what is there already is used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lowtide_api::place::StateDirectory;
use lowtide_engine::Settings;
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::GramsPerKwh;
use lowtide_plugin_host::{Broker, Library, NetworkFetcher, PluginHost};

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Configuration;
use crate::intensity::Intensity;
use crate::start::{WORLD_MEAN, read_configuration};
use crate::watcher::Watcher;
use crate::zones::zone_of_time_zone;

/// Which zone is asked about, and by what configuration.
#[derive(Debug, Clone)]
pub struct Question {
    /// The zone; where left out that of the first site configured, else that of the system's time zone.
    pub zone: Option<ZoneId>,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// The daemon's directory: installed plugins, compiled ones and answers kept there are used, and nothing is made.
    pub state: StateDirectory,
    /// The program that compiles a stranger's plugin: `lowtide` itself.
    pub program: PathBuf,
    /// The IANA name of the system's time zone, if known.
    pub time_zone: Option<String>,
}

/// One zone, ready to be asked about.
pub struct Grid {
    zone: ZoneId,
    zone_origin: String,
    annual: Option<GramsPerKwh>,
    watcher: Watcher,
    intensity: Arc<Intensity>,
}

impl std::fmt::Debug for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grid").field("zone", &self.zone).field("zone_origin", &self.zone_origin).finish_non_exhaustive()
    }
}

impl Grid {
    /// Finds out which zone it is and who tells its intensity. Asks nobody.
    pub fn open(question: &Question) -> anyhow::Result<Self> {
        let (configuration, _) = read_configuration(question.config.as_deref())?;
        let (zone, zone_origin) = zone_of(question, &configuration);
        let settings = configuration.zones.get(&zone).cloned().unwrap_or_default();
        let annual = settings.annual;
        let there = |path: PathBuf| path.is_dir().then_some(path);
        let cache = there(question.state.plugin_cache());
        let host = PluginHost::new(cache.clone())?;
        let compiled = cache.unwrap_or_else(std::env::temp_dir);
        let catalogue =
            Catalogue::new(host, Library::new(question.state.plugins()), compiled, question.program.clone());
        let fetcher = Broker::new(Arc::new(NetworkFetcher::new()?), there(question.state.provider_answers()));
        let intensity = Arc::new(Intensity::default());
        let watcher = Watcher::new(
            Arc::new(catalogue),
            Arc::new(fetcher),
            Clock::real_time(),
            Settings::default().horizon,
            &BTreeMap::from([(zone.clone(), settings)]),
            intensity.clone(),
        );
        Ok(Self { zone, zone_origin, annual, watcher, intensity })
    }

    /// The zone, and how it is known.
    #[must_use]
    pub fn zone(&self) -> (&ZoneId, &str) {
        (&self.zone, &self.zone_origin)
    }

    /// Its annual mean and where that comes from: the configuration, or the built-in table. Needs no network.
    pub async fn annual_mean(&self) -> (GramsPerKwh, String) {
        if let Some(annual) = self.annual {
            return (annual, "annual mean of the configuration".to_owned());
        }
        self.watcher.annual_mean(&self.zone).await.unwrap_or_else(|| {
            (GramsPerKwh::saturating(WORLD_MEAN), "annual mean of the world, 2024 (Ember)".to_owned())
        })
    }

    /// What its plugin tells of the last day and the coming hours; else why it told nothing, for people.
    pub async fn ask(&self, within: Duration) -> Result<Forecast, String> {
        let told = self.watcher.ask_all(within).await;
        let main = told.into_iter().find(|(role, _)| *role == Role::Main).map(|(_, forecast)| forecast);
        main.ok_or_else(|| self.intensity.problem_of(&self.zone).unwrap_or_else(|| "no answer in time".to_owned()))
    }
}

fn zone_of(question: &Question, configuration: &Configuration) -> (ZoneId, String) {
    let configured = configuration.sites.first().and_then(|site| Some((site.zone.clone()?, &site.name)));
    match (&question.zone, configured, question.time_zone.as_deref()) {
        (Some(zone), ..) => (zone.clone(), "as you said".to_owned()),
        (None, Some((zone, site)), _) => (zone, format!("that of the site `{site}`; --zone names another")),
        (None, None, Some(name)) => {
            (zone_of_time_zone(name), "from the system's time zone; --zone names another".to_owned())
        }
        (None, None, None) => (zone_of_time_zone(""), "unknown; --zone names it".to_owned()),
    }
}
