//! Asking a plugin as the daemon does, with a provider on loopback.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

mod log;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Kind, Signal};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;
use lowtide_plugin_host::{
    Artifact, Call, Fetcher, Grants, NetworkFetcher, PluginError, PluginHost, Query, RegionPlugin,
};

pub(crate) use log::Log;

use crate::loopback::{Answer, Provider};
use crate::sources;

pub(crate) static HOST: LazyLock<PluginHost> = LazyLock::new(|| PluginHost::new(None).expect("a host"));

pub(crate) fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

pub(crate) fn answer(path: &'static str, body: impl Into<Vec<u8>>) -> Answer {
    Answer { path, status: 200, header: "x-a: b", body: body.into() }
}

/// What is asked of which plugin, and when.
pub(crate) struct Asked<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) zones: &'a [&'a str],
    pub(crate) signal: Signal,
    pub(crate) now: &'a str,
    pub(crate) start: &'a str,
    pub(crate) hours: f64,
    pub(crate) config: &'a [(&'a str, &'a str)],
    pub(crate) assets: &'a [(&'a str, PathBuf)],
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            plugin: "",
            zones: &[],
            signal: Signal::Average,
            now: "2023-12-03T10:30:00Z",
            start: "2023-12-03T10:30:00Z",
            hours: 48.0,
            config: &[],
            assets: &[],
        }
    }
}

pub(crate) async fn ask(asked: Asked<'_>, provider: Option<&Provider>) -> Result<Vec<Forecast>, PluginError> {
    let base = provider.map(|provider| provider.base.as_str());
    ask_through(asked, base, Arc::new(NetworkFetcher::new().expect("a client"))).await
}

/// The same by a fetcher of the test's own; without a base the plugin asks its provider's real address.
pub(crate) async fn ask_through(
    asked: Asked<'_>,
    base: Option<&str>,
    fetcher: Arc<dyn Fetcher>,
) -> Result<Vec<Forecast>, PluginError> {
    let start = at(asked.start);
    let query = Query {
        zones: asked.zones.iter().map(|zone| ZoneId::new(*zone).expect("a name")).collect(),
        signal: asked.signal,
        window: Window::new(start, Seconds::from_hours(asked.hours).after(start)).expect("not empty"),
    };
    let mut config: BTreeMap<String, String> =
        asked.config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    config.extend(base.map(|base| ("base-url".to_owned(), base.to_owned())));
    let plugin = plugin(asked.plugin);
    let hosts = base.map_or_else(|| plugin.manifest().hosts.clone(), |base| vec![base.to_owned()]);
    let call = Call {
        now: at(asked.now),
        config,
        grants: Grants {
            hosts,
            assets: asked.assets.iter().map(|(name, path)| ((*name).to_owned(), path.clone())).collect(),
        },
        fetcher,
    };
    plugin.series(&query, &call).await
}

/// A built-in plugin, or one of the examples.
fn plugin(id: &str) -> RegionPlugin {
    if !sources::EXAMPLES.contains(&id) {
        return HOST.load_builtin(id).expect("built in");
    }
    let file = sources::plugins_folder().join("dist").join(format!("{id}.wasm"));
    let Artifact { manifest, wasm, .. } = Artifact::read(&file).expect("it is kept with the others");
    HOST.load(manifest, &wasm).expect("it loads: its imports are ours alone")
}

/// An answer that is no success.
pub(crate) fn refusal(path: &'static str, status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, ..answer(path, body) }
}

/// Whether two intensities are the same but for the rounding of a computation.
pub(crate) fn is_close(told: f64, expected: f64) -> bool {
    (told - expected).abs() < 1e-9 * (1.0 + expected)
}

pub(crate) fn values(forecast: &Forecast) -> Vec<(String, f64, Kind)> {
    let slots = forecast.slots().iter();
    slots.map(|slot| (slot.window.start().to_string(), slot.intensity.get(), slot.kind)).collect()
}

/// A recorded answer, or `None`, said visibly.
#[expect(clippy::print_stderr, reason = "a skipped check must be seen")]
pub(crate) fn recorded(file: &str) -> Option<Vec<u8>> {
    let path = sources::plugins_folder().join("../../shared/fixtures").join(file);
    let found = fs::read(&path).ok();
    if found.is_none() {
        eprintln!("SKIPPED: no recorded answer at {}", path.display());
    }
    found
}
