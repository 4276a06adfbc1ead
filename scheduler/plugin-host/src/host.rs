//! Loading plugins and calling them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use lowtide_model::forecast::Forecast;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use crate::builtin::{BUILTINS, Builtin};
use crate::cache::Cache;
use crate::call::{Call, Info, Query, Usage};
use crate::error::{HostError, PluginError};
use crate::limits;
use crate::manifest::Manifest;
use crate::v0_1::Loaded;
use crate::validate;
use crate::workers::Workers;

/// The engine that all plugins share, and the thread they run on.
#[derive(Debug)]
pub struct PluginHost {
    engine: Engine,
    cache: Option<Cache>,
    workers: Arc<Workers>,
}

/// A plugin, compiled and linked. Each call has an instance of its own.
#[derive(Debug)]
pub struct RegionPlugin {
    linked: Arc<Linked>,
    workers: Arc<Workers>,
}

/// What the calls of a plugin share.
#[derive(Debug)]
struct Linked {
    manifest: Manifest,
    sha256: String,
    loaded: Loaded,
}

impl PluginHost {
    /// A host. Compiled components are kept in `cache` if it is a folder only this user can enter.
    pub fn new(cache: Option<PathBuf>) -> Result<Self, HostError> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        // The bits of a NaN would let a guest tell machines apart, and runs would not repeat.
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).map_err(|error| HostError::Engine(error.to_string()))?;
        let workers = Workers::start(&engine).map_err(|error| HostError::Engine(error.to_string()))?;
        Ok(Self { engine, cache: cache.and_then(Cache::open), workers: Arc::new(workers) })
    }

    /// The plugins that come with lowtide.
    #[must_use]
    pub fn builtins() -> &'static [Builtin] {
        &BUILTINS
    }

    /// Compiles and links a component. Nothing of it runs.
    pub fn load(&self, manifest: Manifest, wasm: &[u8]) -> Result<RegionPlugin, PluginError> {
        if limits::COMPONENT_BYTES < wasm.len() {
            return Err(PluginError::NotAPlugin(format!("it is larger than {} MiB", limits::COMPONENT_BYTES >> 20)));
        }
        let sha256 = sha256_of(wasm);
        let component = match &self.cache {
            Some(cache) => cache.component(&self.engine, wasm, &sha256),
            None => Component::new(&self.engine, wasm),
        };
        let component = component.map_err(|error| PluginError::NotAPlugin(first_line(&error)))?;
        let linked = Linked { manifest, sha256, loaded: Loaded::link(&self.engine, &component)? };
        Ok(RegionPlugin { linked: Arc::new(linked), workers: self.workers.clone() })
    }

    /// Whether a component's compiled form is at hand.
    #[must_use]
    pub fn has_compiled(&self, wasm: &[u8]) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.holds(&self.engine, &sha256_of(wasm)))
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Loads one of the built-in plugins.
    pub fn load_builtin(&self, id: &str) -> Result<RegionPlugin, PluginError> {
        let found = BUILTINS.iter().find(|builtin| builtin.manifest.id == id);
        let builtin = found.ok_or_else(|| PluginError::NotAPlugin(format!("there is no built-in plugin `{id}`")))?;
        self.load(builtin.manifest.clone(), builtin.wasm)
    }
}

impl RegionPlugin {
    /// What it says of itself in its manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.linked.manifest
    }

    /// The hash of its component.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.linked.sha256
    }

    /// What it can tell.
    pub async fn describe(&self, call: &Call) -> Result<Info, PluginError> {
        let (linked, call) = (self.linked.clone(), call.clone());
        self.workers.run(async move { linked.loaded.describe(&linked.manifest, &call).await }).await?
    }

    /// The intensity of zones, checked. A zone it has nothing of is left out.
    pub async fn series(&self, query: &Query, call: &Call) -> Result<Vec<Forecast>, PluginError> {
        self.series_measured(query, call).await.0
    }

    /// The same with what the call took, also where it failed.
    pub async fn series_measured(&self, query: &Query, call: &Call) -> (Result<Vec<Forecast>, PluginError>, Usage) {
        let (linked, query, call) = (self.linked.clone(), query.clone(), call.clone());
        let asked = async move {
            let Linked { manifest, loaded, .. } = &*linked;
            let mut usage = Usage::default();
            let told = loaded.series(manifest, &query, &call, &mut usage).await;
            (told.and_then(|told| validate::forecasts(told, &query, &call, manifest)), usage)
        };
        self.workers.run(asked).await.unwrap_or_else(|error| (Err(error), Usage::default()))
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// The first line of an error, which says what; the rest says where in the guest.
pub(crate) fn first_line(error: &wasmtime::Error) -> String {
    let root = error.root_cause().to_string();
    root.lines().next().unwrap_or_default().chars().take(300).collect()
}
