//! Starting a daemon, and ending it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use lowtide_engine::{Event, Settings, World};
use lowtide_executors::{Executor, LocalExecutor};
use lowtide_model::identity::{SiteId, ZoneId};
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::site::{Resources, Site};
use lowtide_plugin_host::{Broker, Fetcher, Library, NetworkFetcher, PluginHost};
use lowtide_store::Store;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::{Configuration, PricesConfig, SiteConfig, ZoneConfig};
use crate::effects::{self, Executors};
use crate::event_loop::{EventLoop, Handle};
use crate::intensity::Intensity;
use crate::policies::{self, KnownPolicy};
use crate::prices::PriceFiles;
use crate::refusal::did_you_mean;
use crate::seed;
use crate::tariffs::Tariffs;
use crate::watcher::Watcher;
use crate::zones::zone_of_time_zone;
use crate::{Options, Shared, http};

/// The world's mean where not even the built-in table can be read: Ember, 2024, rounded.
pub(crate) const WORLD_MEAN: f64 = 473.0;

/// Runs a daemon until it is asked to stop or gets SIGTERM or SIGINT. Running jobs go on after it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(serve(options, runtime.handle()));
    // What still follows an agent's reports is let go: the agents spool on.
    runtime.shutdown_background();
    result
}

async fn serve(options: &Options, runtime: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let state = &options.state;
    private_directory(state.path())?;
    let (configuration, config_path) = read_configuration(options.config.as_deref())?;
    // The store's lock makes sure that no other daemon has this directory; all that follows relies on it.
    let store = Store::open(&state.database())?;
    tracing::debug!("the database is open");
    let clock = Clock::of(state.path(), options.time_scale, options.virtual_start)?;
    let started_at = clock.now();

    let policies_directory = configuration.policies.clone().or_else(|| default_policies(config_path.as_deref()));
    let (known_policies, mut warnings) = policies::load(policies_directory.as_deref());
    check_default_policy(&configuration, &known_policies)?;

    let (kept, not_kept) = seed::kept_in(&state.seed());
    warnings.extend(not_kept);
    let settings = Settings { seed: configuration.seed.unwrap_or(kept), ..settings_of(&configuration, clock) };
    let sites = configuration.sites_or_local();
    let zone_of = |site: &SiteConfig| site_zone(site, options.time_zone.as_deref());
    let zones: BTreeMap<ZoneId, ZoneConfig> = sites
        .iter()
        .map(|site| zone_of(site).0)
        .map(|zone| (zone.clone(), configuration.zones.get(&zone).cloned().unwrap_or_default()))
        .collect();
    let unused = configuration.zones.keys().filter(|zone| !zones.contains_key(*zone));
    warnings.extend(unused.map(|zone| format!("zone `{zone}` is configured but no site lies in it")));

    let (mut price_files, mut tariffs) = prices_of(&zones, options.time_zone.as_deref(), settings.horizon);
    let (mut first_prices, problems) = price_files.news();
    first_prices.extend(tariffs.news(started_at));
    warnings.extend(problems);

    let intensity = Arc::new(Intensity::default());
    private_directory(&state.plugin_cache())?;
    let host = PluginHost::new(Some(state.plugin_cache()))?;
    let library = Library::new(state.plugins());
    let catalogue = Arc::new(Catalogue::new(host, library, state.plugin_cache(), options.program.clone()));
    check_plugins(&zones, &catalogue)?;
    let fetcher: Arc<dyn Fetcher> =
        Arc::new(Broker::new(Arc::new(NetworkFetcher::new()?), Some(state.provider_answers())));
    let watch = {
        let (horizon, zones, intensity) = (settings.horizon, zones.clone(), intensity.clone());
        move || Watcher::new(catalogue.clone(), fetcher.clone(), clock, horizon, &zones, intensity.clone())
    };
    let watcher = watch();
    let machine = machine_capacity();
    let mut world_sites = Vec::new();
    let mut zone_origins: BTreeMap<SiteId, String> = BTreeMap::new();
    for site in &sites {
        let (zone, origin) = zone_of(site);
        let (fallback_intensity, fallback_source) = match configuration.zones.get(&zone).and_then(|zone| zone.annual) {
            Some(annual) => (annual, "annual mean of the configuration".to_owned()),
            None => watcher.annual_mean(&zone).await.unwrap_or_else(|| {
                (GramsPerKwh::saturating(WORLD_MEAN), "annual mean of the world, 2024 (Ember)".to_owned())
            }),
        };
        zone_origins.insert(site.name.clone(), origin);
        world_sites.push(Site {
            id: site.name.clone(),
            zone,
            executor: "local".to_owned(),
            capacity: site.capacity(machine),
            pue: site.pue,
            speed: site.speed,
            power: site.power,
            transfer: site.transfer,
            power_caps: site.power_caps.clone(),
            fallback_intensity,
            fallback_source,
        });
    }
    let world = World {
        sites: world_sites,
        policies: known_policies.iter().map(|known| (known.policy.id.clone(), known.text.clone())).collect(),
        time_zone: options.time_zone.clone(),
        budgets: configuration.budgets.clone(),
        fair_share: configuration.fair_share.clone(),
        settings,
    };

    private_directory(&state.attempts())?;
    let local: Arc<dyn Executor> =
        Arc::new(LocalExecutor::new(state.attempts(), options.program.clone(), vec!["agent".to_owned()])?);
    let executors = Executors::new(world.sites.iter().map(|site| (site.id.clone(), local.clone())).collect());

    tracing::debug!("asking for forecasts");
    let first_forecasts = watcher.first_answers().await;
    let (effects_in, effects_out) = mpsc::unbounded_channel();
    let (event_loop, events) = EventLoop::new(store, clock, world, effects_in)?;
    let on_thread = runtime.clone();
    let loop_thread = std::thread::Builder::new()
        .name("event-loop".to_owned())
        .spawn(move || event_loop.run(&on_thread))
        .context("starting the event loop")?;
    for series in first_prices {
        events.happened(Event::PricesTold(Box::new(series))).await;
    }
    let watching_prices =
        [tokio::spawn(price_files.watch(events.clone())), tokio::spawn(tariffs.watch(clock, events.clone()))];
    for told in first_forecasts {
        events.happened(told).await;
    }
    let effect_runner = tokio::spawn(effects::run(effects_out, executors.clone(), events.clone()));
    let plugins_changed = Arc::new(Notify::new());
    let watching = tokio::spawn(keep_watching(watcher, watch, events.clone(), plugins_changed.clone()));

    // The store's lock is held, so a socket that is there is nobody's.
    let socket = state.socket(rustix::process::getuid().as_raw());
    let listener = listen(&socket)?;
    let stopping = Arc::new(Notify::new());
    let shared = Arc::new(Shared {
        events: events.clone(),
        executors,
        clock,
        state: state.clone(),
        socket: socket.clone(),
        config_path,
        defaults: configuration.defaults.clone(),
        policies: known_policies,
        zones: zones.into_keys().collect(),
        zone_origins,
        intensity,
        warnings,
        started_at,
        stopping: stopping.clone(),
        plugins_changed,
    });
    tracing::info!(socket = %socket.display(), "listening");
    let serving = axum::serve(listener, http::router(shared)).with_graceful_shutdown(until_told_to_stop(stopping));
    // Clients that wait for a change would keep the daemon for half a minute; it does not wait for them.
    tokio::select! {
        served = async { serving.await } => served.context("serving the socket")?,
        () = loop_ended(&loop_thread) => bail!("the event loop ended: its last words are in {}", state.log().display()),
    }
    watching.abort();
    watching_prices.iter().for_each(tokio::task::JoinHandle::abort);
    // While the store's lock is held: afterwards it may be the next daemon's. Best effort: that one removes a socket that was left.
    let _ = fs::remove_file(&socket);
    events.stop().await;
    let _ = tokio::task::spawn_blocking(move || loop_thread.join()).await;
    effect_runner.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Who tells the prices of the zones.
fn prices_of(zones: &BTreeMap<ZoneId, ZoneConfig>, time_zone: Option<&str>, horizon: Seconds) -> (PriceFiles, Tariffs) {
    let local = time_zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let (mut files, mut tariffs) = (Vec::new(), Vec::new());
    for (zone, settings) in zones {
        match settings.prices.clone() {
            None => {}
            Some(PricesConfig::File(path)) => files.push((zone.clone(), path)),
            Some(PricesConfig::Tariff(tariff)) => tariffs.push((zone.clone(), tariff.in_local_zone(&local))),
        }
    }
    (PriceFiles::new(files), Tariffs::new(tariffs, horizon))
}

/// Watches until it is aborted, with the plugins as they are after each change of them.
async fn keep_watching(first: Watcher, watch: impl Fn() -> Watcher, events: Handle, plugins_changed: Arc<Notify>) {
    let mut watcher = first;
    loop {
        let mut watching = watcher.watch(&events);
        plugins_changed.notified().await;
        watching.shutdown().await;
        watcher = watch();
    }
}

async fn loop_ended(thread: &std::thread::JoinHandle<()>) {
    while !thread.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

async fn until_told_to_stop(stopping: Arc<Notify>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        stopping.notified().await;
        return;
    };
    tokio::select! {
        () = stopping.notified() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// A directory that only the user can enter, made if it is not there.
fn private_directory(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the directory {} cannot be made", path.display()))
}

/// Binds the socket so that only the user can connect to it.
fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    let in_words = || format!("listening on {}", socket.display());
    if let Some(directory) = socket.parent() {
        private_directory(directory)?;
        let metadata = fs::metadata(directory).with_context(in_words)?;
        if std::os::unix::fs::MetadataExt::uid(&metadata) != rustix::process::getuid().as_raw() {
            bail!("{} belongs to somebody else: lowtide does not listen there", directory.display());
        }
    }
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(in_words),
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(in_words)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).with_context(in_words)?;
    Ok(listener)
}

pub(crate) fn read_configuration(path: Option<&Path>) -> anyhow::Result<(Configuration, Option<PathBuf>)> {
    let Some(path) = path else { return Ok((Configuration::default(), None)) };
    let text =
        fs::read_to_string(path).with_context(|| format!("the configuration {} cannot be read", path.display()))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    let configuration = Configuration::parse(&text, directory)
        .with_context(|| format!("the configuration {} cannot be used", path.display()))?;
    Ok((configuration, Some(absolute)))
}

/// The directory `policies` beside the configuration file, if there is one.
fn default_policies(config: Option<&Path>) -> Option<PathBuf> {
    let directory = config?.parent()?.join("policies");
    directory.is_dir().then_some(directory)
}

fn check_default_policy(configuration: &Configuration, known: &[KnownPolicy]) -> anyhow::Result<()> {
    for (place, name) in configuration.defaults.named() {
        if known.iter().all(|policy| policy.policy.id != *name) {
            let hint = did_you_mean(name.as_str(), known.iter().map(|policy| policy.policy.id.as_str()), "policies");
            bail!("in the configuration, {place} is `{name}`, which does not exist; {hint}")
        }
    }
    Ok(())
}

fn check_plugins(zones: &BTreeMap<ZoneId, ZoneConfig>, catalogue: &Catalogue) -> anyhow::Result<()> {
    let known = catalogue.ids();
    for (zone, settings) in zones {
        let named = [Some(&settings.source), settings.marginal.as_ref()];
        let named = named.into_iter().flatten().filter_map(|source| source.plugin.as_ref());
        for plugin in named {
            if !known.iter().any(|id| id == plugin.as_str()) {
                let hint = did_you_mean(plugin.as_str(), known.iter().map(String::as_str), "plugins");
                bail!("zone `{zone}` names a plugin `{plugin}` that does not exist; {hint}");
            }
        }
    }
    Ok(())
}

fn settings_of(configuration: &Configuration, clock: Clock) -> Settings {
    let default = Settings::default();
    Settings {
        horizon: configuration.horizon.unwrap_or(default.horizon),
        slot: configuration.slot.unwrap_or(default.slot),
        stop_overhead: configuration.stop_overhead.unwrap_or(default.stop_overhead),
        start_overhead: configuration.start_overhead.unwrap_or(default.start_overhead),
        comparable: configuration.comparable,
        seed: default.seed,
        time: clock.time(),
    }
}

/// A site's zone and how it is known.
fn site_zone(site: &SiteConfig, time_zone: Option<&str>) -> (ZoneId, String) {
    match (&site.zone, time_zone) {
        (Some(zone), _) => (zone.clone(), "from the configuration".to_owned()),
        (None, Some(name)) => (
            zone_of_time_zone(name),
            format!("from the system's time zone {name}; set `zone` in the configuration if it is wrong"),
        ),
        (None, None) => {
            (zone_of_time_zone(""), "unknown, so the world's mean is used; set `zone` in the configuration".to_owned())
        }
    }
}

/// What this machine has: its processors, and the GPUs of NVIDIA's driver.
fn machine_capacity() -> Resources {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gpus = fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, Iterator::count);
    Resources { cpus: u32::try_from(cpus).unwrap_or(u32::MAX), gpus: u32::try_from(gpus).unwrap_or(u32::MAX) }
}
