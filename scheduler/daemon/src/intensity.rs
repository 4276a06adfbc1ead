//! Watching the grid: for every zone of a site, the plugin that serves it is asked again and again, one call for all
//! zones that share a plugin and its settings. What it tells becomes an event; when it fails, what was known stays, and
//! the trouble can be read in `lowtide forecast`, `site list` and `daemon status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lowtide_api::v1::forecast::{Point, Series};
use lowtide_engine::Event;
use lowtide_model::forecast::{Forecast, Signal};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::site::Site;
use lowtide_model::window::Window;
use lowtide_plugin_host::{Call, Fetcher, Grants, NetworkFetcher, PluginError, PluginHost, Query, RegionPlugin};

use crate::clock::Clock;
use crate::config::ZoneConfig;
use crate::event_loop::Handle;
use crate::zones::plugin_for;

/// How much of the past is asked for: providers settle their measured values within a day.
const PAST_ASKED_HOURS: f64 = 24.0;
/// A plugin that does not say how often it wants to be asked is asked every half hour, as most are re-issued.
const DEFAULT_REFRESH_MINUTES: f64 = 30.0;
/// Zones in one call: a plugin has eight fetches, and some providers need two for a zone, its past and its future.
const ZONES_A_CALL: usize = 4;
/// After a failure it is asked again after this many seconds, then twice as late each time, up to its refresh interval.
const FIRST_RETRY_SECONDS: f64 = 60.0;
/// However fast a virtual clock runs, a plugin is not asked more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// How long a starting daemon waits for providers in all: less than a user takes for a hang.
const FIRST_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// A forecast is stale when it is older than this many refresh intervals.
const STALE_AFTER_REFRESHES: f64 = 3.0;

/// What is known about the watching, to look at.
#[derive(Debug, Default)]
pub(crate) struct Intensity {
    sources: Mutex<BTreeMap<ZoneId, Source>>,
    plugins: Mutex<Vec<PluginFacts>>,
}

#[derive(Debug, Clone)]
struct Source {
    plugin: String,
    problem: Option<String>,
    told_at: Option<Timestamp>,
    refresh: Seconds,
    stale: bool,
}

/// What `plugin list` shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct PluginFacts {
    /// Its name.
    pub(crate) id: String,
    /// Its version.
    pub(crate) version: String,
    /// What it is.
    pub(crate) description: String,
    /// Hosts it may reach.
    pub(crate) hosts: Vec<String>,
    /// Zones of this daemon it serves.
    pub(crate) serves: Vec<String>,
    /// The hash of its component.
    pub sha256: String,
}

impl Intensity {
    /// The plugin that serves a zone.
    #[must_use]
    pub(crate) fn plugin_of(&self, zone: &ZoneId) -> Option<String> {
        self.source(zone).map(|source| source.plugin)
    }

    /// What is wrong with a zone's source, for people.
    #[must_use]
    pub(crate) fn problem_of(&self, zone: &ZoneId) -> Option<String> {
        self.source(zone).and_then(|source| source.problem)
    }

    /// Whether what is known of a zone is older than it should be.
    #[must_use]
    pub(crate) fn is_stale(&self, zone: &ZoneId) -> bool {
        self.source(zone).is_some_and(|source| source.stale)
    }

    /// All that is wrong.
    #[must_use]
    pub(crate) fn problems(&self) -> Vec<String> {
        let sources = self.sources.lock().expect("no holder panics");
        sources
            .iter()
            .filter_map(|(zone, source)| source.problem.as_ref().map(|problem| format!("{zone}: {problem}")))
            .collect()
    }

    /// The plugins there are.
    #[must_use]
    pub(crate) fn plugins(&self) -> Vec<PluginFacts> {
        self.plugins.lock().expect("no holder panics").clone()
    }

    fn source(&self, zone: &ZoneId) -> Option<Source> {
        self.sources.lock().expect("no holder panics").get(zone).cloned()
    }

    fn edit(&self, zone: &ZoneId, edit: impl FnOnce(&mut Source)) {
        if let Some(source) = self.sources.lock().expect("no holder panics").get_mut(zone) {
            edit(source);
        }
    }
}

/// What came of the first question.
enum FirstAnswer {
    Told,
    Refused,
}

/// Zones served by one plugin with the same settings: one call serves them all.
struct Group {
    plugin_id: String,
    zones: Vec<ZoneId>,
    settings: ZoneConfig,
}

/// Asks plugins on behalf of the daemon.
pub(crate) struct Watcher {
    host: PluginHost,
    fetcher: Arc<dyn Fetcher>,
    clock: Clock,
    horizon: Seconds,
    intensity: Arc<Intensity>,
    groups: Vec<Group>,
}

impl Watcher {
    /// A watcher of these zones.
    pub(crate) fn new(
        host: PluginHost,
        clock: Clock,
        horizon: Seconds,
        zones: &BTreeMap<ZoneId, ZoneConfig>,
        intensity: Arc<Intensity>,
    ) -> anyhow::Result<Self> {
        let mut groups: Vec<Group> = Vec::new();
        for (zone, settings) in zones {
            let plugin_id = settings.plugin.as_ref().map_or_else(|| plugin_for(zone).to_owned(), ToString::to_string);
            let shares = |group: &&mut Group| {
                group.plugin_id == plugin_id && group.settings == *settings && group.zones.len() < ZONES_A_CALL
            };
            match groups.iter_mut().find(shares) {
                Some(group) => group.zones.push(zone.clone()),
                None => groups.push(Group { plugin_id, zones: vec![zone.clone()], settings: settings.clone() }),
            }
        }
        let source = |group: &Group| Source {
            plugin: group.plugin_id.clone(),
            problem: None,
            told_at: None,
            refresh: Seconds::from_hours(DEFAULT_REFRESH_MINUTES / 60.0),
            stale: false,
        };
        *intensity.sources.lock().expect("no holder panics") =
            groups.iter().flat_map(|group| group.zones.iter().map(move |zone| (zone.clone(), source(group)))).collect();
        *intensity.plugins.lock().expect("no holder panics") = facts(&groups);
        Ok(Self { host, fetcher: Arc::new(NetworkFetcher::new()?), clock, horizon, intensity, groups })
    }

    /// The annual mean of a zone and where it comes from, as the built-in table has it; that of the world for a zone
    /// the table does not know.
    pub(crate) async fn annual_mean(&self, zone: &ZoneId) -> Option<(GramsPerKwh, String)> {
        let plugin = self.host.load_builtin("static-annual").ok()?;
        let world = ZoneId::new("WORLD").ok()?;
        for candidate in [zone, &world] {
            let call = self.call(&ZoneConfig::default(), &plugin);
            let told = plugin.series(&self.query(vec![candidate.clone()]), &call).await;
            if let Some(forecast) = told.ok().and_then(|series| series.into_iter().next()) {
                let source = format!(
                    "annual mean of {candidate}: {}",
                    forecast.attribution.as_deref().unwrap_or("built-in table")
                );
                return Some((forecast.slots()[0].intensity, source));
            }
        }
        None
    }

    /// Asks every plugin once, so that the first plan already knows what they tell: a job that is submitted to a new
    /// daemon would else be started at once, a moment before the forecast that would have let it wait. A provider that
    /// does not answer soon is not waited for.
    pub(crate) async fn first_answers(&self) -> Vec<Forecast> {
        let deadline = tokio::time::Instant::now() + FIRST_ANSWERS_WITHIN;
        let mut told = Vec::new();
        for group in &self.groups {
            let Ok(plugin) = self.load(group) else { continue };
            match tokio::time::timeout_at(deadline, self.ask(group, &plugin)).await {
                Ok(Ok(forecasts)) => told.extend(forecasts),
                Ok(Err(error)) => self.failed(group, &error),
                Err(_) => tracing::warn!(plugin = group.plugin_id, "no answer yet; it is asked again"),
            }
        }
        told
    }

    /// Watches all zones until the daemon ends. Each group is a task of its own: a slow provider delays no other.
    pub(crate) fn watch(self, events: &Handle) -> tokio::task::JoinSet<()> {
        let watcher = Arc::new(self);
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..watcher.groups.len() {
            tasks.spawn(watcher.clone().watch_group(index, events.clone()));
        }
        tasks
    }

    async fn watch_group(self: Arc<Self>, index: usize, events: Handle) {
        let group = &self.groups[index];
        let plugin = match self.load(group) {
            Ok(plugin) => plugin,
            Err(error) => {
                self.failed(group, &error);
                return;
            }
        };
        let refresh = self.refresh_interval(group, &plugin).await;
        let mut retry = Seconds::ZERO;
        // What answered or refused a moment ago is not asked again at once: some allow one request a minute.
        match self.asked_before(group) {
            Some(FirstAnswer::Told) => self.pause(refresh).await,
            Some(FirstAnswer::Refused) => self.pause(Seconds::saturating(FIRST_RETRY_SECONDS)).await,
            None => {}
        }
        loop {
            let pause = match self.ask(group, &plugin).await {
                Ok(forecasts) => {
                    retry = Seconds::ZERO;
                    for forecast in forecasts {
                        events.happened(Event::ForecastArrived(Box::new(forecast))).await;
                    }
                    refresh
                }
                Err(error) => {
                    self.failed(group, &error);
                    let asked_for = error.retry_after().map(Seconds::from);
                    let first = Seconds::saturating(FIRST_RETRY_SECONDS);
                    retry = (retry + retry).max(first).min(refresh.max(first));
                    asked_for.unwrap_or(retry)
                }
            };
            self.pause(pause).await;
        }
    }

    async fn pause(&self, time: Seconds) {
        tokio::time::sleep(self.clock.real(time).max(SHORTEST_PAUSE)).await;
    }

    /// What came of asking a group before the daemon was ready, if it answered in time.
    fn asked_before(&self, group: &Group) -> Option<FirstAnswer> {
        let source = group.zones.first().and_then(|zone| self.intensity.source(zone))?;
        match (source.told_at, source.problem) {
            (Some(_), _) => Some(FirstAnswer::Told),
            (None, Some(_)) => Some(FirstAnswer::Refused),
            (None, None) => None,
        }
    }

    fn load(&self, group: &Group) -> Result<RegionPlugin, PluginError> {
        self.host.load_builtin(&group.plugin_id)
    }

    async fn refresh_interval(&self, group: &Group, plugin: &RegionPlugin) -> Seconds {
        let told = plugin.describe(&self.call(&group.settings, plugin)).await;
        let refresh = told
            .ok()
            .map(|info| info.refresh_interval)
            .filter(|refresh| *refresh > Seconds::ZERO)
            .unwrap_or(Seconds::from_hours(DEFAULT_REFRESH_MINUTES / 60.0));
        for zone in &group.zones {
            self.intensity.edit(zone, |source| source.refresh = refresh);
        }
        refresh
    }

    /// One call for all zones of a group.
    async fn ask(&self, group: &Group, plugin: &RegionPlugin) -> Result<Vec<Forecast>, PluginError> {
        let told = plugin.series(&self.query(group.zones.clone()), &self.call(&group.settings, plugin)).await?;
        let now = self.clock.now();
        for zone in &group.zones {
            let found = told.iter().any(|forecast| forecast.zone == *zone);
            self.intensity.edit(zone, |source| {
                if found {
                    source.told_at = Some(now);
                    source.stale = false;
                    source.problem = None;
                } else {
                    source.problem = Some(format!("plugin `{}` told nothing of this zone", group.plugin_id));
                }
            });
        }
        Ok(told)
    }

    fn failed(&self, group: &Group, error: &PluginError) {
        let now = self.clock.now();
        tracing::warn!(plugin = group.plugin_id, "{error}");
        for zone in &group.zones {
            self.intensity.edit(zone, |source| {
                let patience = source.refresh.times(STALE_AFTER_REFRESHES);
                source.stale = source.told_at.is_some_and(|told| patience < Seconds::between(told, now));
                let known = match source.told_at {
                    Some(at) => format!("what it told at {at} is used on"),
                    None => "the annual mean, or what an earlier daemon was told, is used".to_owned(),
                };
                source.problem = Some(format!("plugin `{}`: {error}; {known}", group.plugin_id));
            });
        }
    }

    fn query(&self, zones: Vec<ZoneId>) -> Query {
        let now = self.clock.now();
        let start = Seconds::from_hours(PAST_ASKED_HOURS).before(now);
        let window = Window::new(start, self.horizon.after(now)).expect("the horizon lies after the past asked for");
        Query { zones, signal: Signal::Average, window }
    }

    fn call(&self, settings: &ZoneConfig, plugin: &RegionPlugin) -> Call {
        // Built-in plugins are granted what their manifests ask; beyond that only what the configuration names.
        let mut hosts = plugin.manifest().hosts.clone();
        hosts.extend(settings.hosts.iter().cloned());
        Call {
            now: self.clock.now(),
            config: settings.config.clone(),
            grants: Grants { hosts, assets: settings.assets.clone() },
            fetcher: self.fetcher.clone(),
        }
    }
}

fn facts(groups: &[Group]) -> Vec<PluginFacts> {
    let serves = |id: &str| {
        let zones = groups.iter().filter(|group| group.plugin_id == id).flat_map(|group| &group.zones);
        zones.map(ToString::to_string).collect()
    };
    PluginHost::builtins()
        .iter()
        .map(|builtin| PluginFacts {
            id: builtin.manifest.id.clone(),
            version: builtin.manifest.version.clone(),
            description: builtin.manifest.description.clone(),
            hosts: builtin.manifest.hosts.clone(),
            serves: serves(&builtin.manifest.id),
            sha256: builtin.sha256.clone(),
        })
        .collect()
}

/// The series of a zone of which nothing was ever told: its annual mean, said plainly.
#[must_use]
pub(crate) fn fallback_series(site: &Site, start: Timestamp, end: Timestamp) -> Series {
    Series {
        zone: site.zone.to_string(),
        signal: "average".to_owned(),
        basis: "lifecycle".to_owned(),
        accounting: "production".to_owned(),
        source: site.fallback_source.clone(),
        issued_at: None,
        stale: false,
        attribution: None,
        problem: None,
        points: vec![Point {
            start,
            end,
            intensity_g_per_kwh: site.fallback_intensity.get(),
            low: None,
            high: None,
            kind: "static".to_owned(),
        }],
    }
}
