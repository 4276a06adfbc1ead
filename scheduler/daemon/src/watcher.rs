//! Watching the grid: for every zone of a site, the plugin that serves it is asked again and again, one call for all
//! zones that share a plugin and its settings. What it tells becomes an event; when it fails, what was known stays, and
//! the trouble can be read in `lowtide forecast`, `site list` and `daemon status`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lowtide_engine::Event;
use lowtide_model::forecast::{Forecast, Role, Signal};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::window::Window;
use lowtide_plugin_host::{Call, Fetcher, Info, PluginError, Query, RegionPlugin};

use crate::catalogue::{self, Catalogue};
use crate::clock::Clock;
use crate::config::{Setting, SourceConfig, ZoneConfig};
use crate::event_loop::Handle;
use crate::intensity::{Intensity, Source};

/// How much of the past is asked for: providers settle their measured values within a day.
const PAST_ASKED_HOURS: f64 = 24.0;
/// The asked window begins and ends at full hours: the same question has the same address for an hour, so that answers
/// can be kept and asked about.
const HOUR: i64 = 3600;
/// A plugin that does not say how often it wants to be asked is asked every half hour, as most are re-issued.
const DEFAULT_REFRESH_MINUTES: f64 = 30.0;
/// Zones in one call: a plugin has eight fetches, and some providers need two for a zone, its past and its future.
const ZONES_A_CALL: usize = 4;
/// After a failure it is asked again after this many seconds, then twice as late each time, up to its refresh interval.
const FIRST_RETRY_SECONDS: f64 = 60.0;
/// However fast a virtual clock runs, a plugin is not asked more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Pauses are up to this much longer by chance, so that daemons that failed together do not come back together.
const JITTER: f64 = 0.1;
/// How long a starting daemon waits for providers in all: less than a user takes for a hang.
const FIRST_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// A forecast is stale when it is older than this many refresh intervals.
const STALE_AFTER_REFRESHES: f64 = 3.0;
/// The setting by which a source is asked for one of several signals.
const SIGNAL: &str = "signal";

/// What came of the first question.
enum FirstAnswer {
    Told,
    Refused,
}

/// Zones served by one plugin with the same settings: one call serves them all.
struct Group {
    plugin_id: String,
    zones: Vec<ZoneId>,
    role: Role,
    source: SourceConfig,
}

/// A plugin, what it can tell, and which of that is asked for.
struct Ready {
    plugin: RegionPlugin,
    signal: Signal,
    refresh: Seconds,
}

/// Asks plugins on behalf of the daemon.
pub(crate) struct Watcher {
    catalogue: Arc<Catalogue>,
    fetcher: Arc<dyn Fetcher>,
    clock: Clock,
    horizon: Seconds,
    intensity: Arc<Intensity>,
    groups: Vec<Group>,
}

impl Watcher {
    /// A watcher of these zones.
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        fetcher: Arc<dyn Fetcher>,
        clock: Clock,
        horizon: Seconds,
        zones: &BTreeMap<ZoneId, ZoneConfig>,
        intensity: Arc<Intensity>,
    ) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (zone, settings) in zones {
            let beside = settings.marginal.as_ref().map(|source| (Role::Beside, source));
            for (role, source) in [(Role::Main, &settings.source)].into_iter().chain(beside) {
                let plugin_id = catalogue.plugin_of(zone, source);
                let shares = |group: &&mut Group| {
                    group.plugin_id == plugin_id
                        && group.source == *source
                        && group.role == role
                        && group.zones.len() < ZONES_A_CALL
                };
                match groups.iter_mut().find(shares) {
                    Some(group) => group.zones.push(zone.clone()),
                    None => groups.push(Group { plugin_id, zones: vec![zone.clone()], role, source: source.clone() }),
                }
            }
        }
        let source = |group: &Group| Source {
            plugin: group.plugin_id.clone(),
            problem: None,
            told_at: None,
            refresh: default_refresh(),
            stale: false,
        };
        let keyed = |group: &Group| {
            group.zones.iter().map(|zone| ((zone.clone(), group.role), source(group))).collect::<Vec<_>>()
        };
        intensity.begin(groups.iter().flat_map(keyed).collect(), catalogue.facts());
        Self { catalogue, fetcher, clock, horizon, intensity, groups }
    }

    /// The annual mean of a zone and where it comes from, as the built-in table has it; that of the world for a zone
    /// the table does not know.
    pub(crate) async fn annual_mean(&self, zone: &ZoneId) -> Option<(GramsPerKwh, String)> {
        let plugin = self.catalogue.load("static-annual").await.ok()?;
        let world = ZoneId::new("WORLD").ok()?;
        for candidate in [zone, &world] {
            let call = self.call(&SourceConfig::default(), &plugin);
            let told = plugin.series(&self.query(vec![candidate.clone()], Signal::Average), &call).await;
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
    pub(crate) async fn first_answers(&self) -> Vec<Event> {
        let told = self.ask_all(FIRST_ANSWERS_WITHIN).await;
        told.into_iter().map(|(role, forecast)| Event::told(role, forecast)).collect()
    }

    /// What every plugin tells when it is asked once; `within` is for all of them together.
    pub(crate) async fn ask_all(&self, within: Duration) -> Vec<(Role, Forecast)> {
        let deadline = tokio::time::Instant::now() + within;
        let mut told = Vec::new();
        for group in &self.groups {
            let asked = async { self.ask(group, &self.ready(group).await?).await };
            match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(forecasts)) => told.extend(forecasts.into_iter().map(|forecast| (group.role, forecast))),
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
        let ready = match self.ready(group).await {
            Ok(ready) => ready,
            Err(error) => {
                self.failed(group, &error);
                return;
            }
        };
        let refresh = ready.refresh;
        let mut retry = Seconds::ZERO;
        // What answered or refused a moment ago is not asked again at once: some allow one request a minute.
        match self.asked_before(group) {
            Some(FirstAnswer::Told) => self.pause(refresh).await,
            Some(FirstAnswer::Refused) => self.pause(Seconds::saturating(FIRST_RETRY_SECONDS)).await,
            None => {}
        }
        loop {
            let pause = match self.ask(group, &ready).await {
                Ok(forecasts) => {
                    retry = Seconds::ZERO;
                    for forecast in forecasts {
                        events.happened(Event::told(group.role, forecast)).await;
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
        let time = time.times(1.0 + JITTER * fastrand::f64());
        tokio::time::sleep(self.clock.real(time).max(SHORTEST_PAUSE)).await;
    }

    /// What came of asking a group before the daemon was ready, if it answered in time.
    fn asked_before(&self, group: &Group) -> Option<FirstAnswer> {
        let source = group.zones.first().and_then(|zone| self.intensity.source_as(zone, group.role))?;
        match (source.told_at, source.problem) {
            (Some(_), _) => Some(FirstAnswer::Told),
            (None, Some(_)) => Some(FirstAnswer::Refused),
            (None, None) => None,
        }
    }

    async fn ready(&self, group: &Group) -> Result<Ready, PluginError> {
        let plugin = self.catalogue.load(&group.plugin_id).await?;
        let info = plugin.describe(&self.call(&group.source, &plugin)).await.ok();
        let told = info.as_ref().map(|info| info.refresh_interval).filter(|refresh| *refresh > Seconds::ZERO);
        let refresh = told.unwrap_or_else(default_refresh);
        for zone in &group.zones {
            self.intensity.edit(zone, group.role, |source| source.refresh = refresh);
        }
        Ok(Ready { signal: signal_of(group, info.as_ref()), plugin, refresh })
    }

    /// One call for all zones of a group.
    async fn ask(&self, group: &Group, ready: &Ready) -> Result<Vec<Forecast>, PluginError> {
        let Ready { plugin, signal, .. } = ready;
        let query = self.query(group.zones.clone(), *signal);
        let told = plugin.series(&query, &self.call(&group.source, plugin)).await?;
        let now = self.clock.now();
        for zone in &group.zones {
            let found = told.iter().any(|forecast| forecast.zone == *zone);
            self.intensity.edit(zone, group.role, |source| {
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
            self.intensity.edit(zone, group.role, |source| {
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

    fn query(&self, zones: Vec<ZoneId>, signal: Signal) -> Query {
        let now = self.clock.now();
        let start = full_hour(Seconds::from_hours(PAST_ASKED_HOURS).before(now), 0);
        let end = full_hour(self.horizon.after(now), HOUR - 1);
        let window = Window::new(start, end).expect("the horizon lies after the past asked for");
        Query { zones, signal, window }
    }

    fn call(&self, source: &SourceConfig, plugin: &RegionPlugin) -> Call {
        Call {
            now: self.clock.now(),
            config: catalogue::settings(source),
            grants: catalogue::grants(plugin.manifest(), source),
            fetcher: self.fetcher.clone(),
        }
    }
}

fn default_refresh() -> Seconds {
    Seconds::from_hours(DEFAULT_REFRESH_MINUTES / 60.0)
}

/// The full hour at or before `at` plus `ahead` seconds.
fn full_hour(at: Timestamp, ahead: i64) -> Timestamp {
    let second = (at.as_second() + ahead).div_euclid(HOUR) * HOUR;
    Timestamp::from_second(second).unwrap_or(at)
}

/// Which signal a source is asked for: what its setting says, else the first its plugin tells.
fn signal_of(group: &Group, info: Option<&Info>) -> Signal {
    let set = match group.source.config.get(SIGNAL) {
        Some(Setting::Text(text)) if text == "marginal" => Some(Signal::Marginal),
        Some(Setting::Text(text)) if text == "average" => Some(Signal::Average),
        _ => None,
    };
    match group.role {
        Role::Beside => Signal::Marginal,
        Role::Main => set.or_else(|| info?.signals.first().copied()).unwrap_or(Signal::Average),
    }
}
