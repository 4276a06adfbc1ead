//! Version 0.1 of the contract: its types, what the host lends, and the calls. A later version is another module like this.

use std::io::Read;
use std::sync::Arc;

use lowtide_model::forecast::Signal;
use lowtide_model::quantity::Seconds;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::call::{Call, Info, Query, Usage};
use crate::error::PluginError;
use crate::fetch::{FetchFailure, Fetched, HttpMethod, HttpRequest};
use crate::host::first_line;
use crate::limits::{self, Accountant};
use crate::manifest::{FetchRules, Manifest};
use crate::secret::{SET, Secrets};

mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        missing_debug_implementations,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        reason = "generated from the contract"
    )]
    wasmtime::component::bindgen!({
        path: "../../plugins/wit/region-0.1",
        world: "region-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(crate) use bindings::lowtide::region::types::{Accounting, Basis, Kind, Point, Signal as WireSignal, ZoneSeries};
use bindings::lowtide::region::{host, types};
use bindings::{RegionPlugin, RegionPluginPre};

/// A component linked to the host, ready to be instantiated.
pub(crate) struct Loaded {
    engine: Engine,
    pre: RegionPluginPre<Guest>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loaded")
    }
}

/// What the host knows of a guest during one call.
struct Guest {
    plugin: String,
    call: Call,
    secrets: Secrets,
    rules: Arc<FetchRules>,
    accountant: Accountant,
    fetches_left: u32,
    lines_left: u32,
    ticks_left: u32,
}

impl Loaded {
    /// Links a component. One that imports anything but the host's interface is refused here, before anything of it runs.
    pub(crate) fn link(engine: &Engine, component: &Component) -> Result<Self, PluginError> {
        let refused = |error: wasmtime::Error| PluginError::NotAPlugin(first_line(&error));
        let mut linker = Linker::new(engine);
        RegionPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest).map_err(refused)?;
        // The outermost context names the import that nobody lends; the root cause only says that something is missing.
        let unlinked = |error: wasmtime::Error| PluginError::NotAPlugin(error.to_string().chars().take(300).collect());
        let pre = linker.instantiate_pre(component).map_err(unlinked)?;
        Ok(Self { engine: engine.clone(), pre: RegionPluginPre::new(pre).map_err(refused)? })
    }

    pub(crate) async fn describe(&self, manifest: &Manifest, call: &Call) -> Result<Info, PluginError> {
        // What a plugin is can be told without its key.
        let mut store = self.store(manifest, call, Secrets::of(manifest, call).unwrap_or_default());
        let told = limited(&mut store, async |store| {
            let guest = self.pre.instantiate_async(&mut *store).await?;
            guest.lowtide_region_region().call_describe(&mut *store).await
        });
        let types::Info { zones, signals, resolution, horizon, refresh_interval, attribution } =
            told.await?.map_err(|error| said(error, &store.data().secrets))?;
        Ok(Info {
            zones,
            signals: signals.into_iter().map(signal).collect(),
            resolution: Seconds::saturating(f64::from(resolution)),
            horizon: Seconds::saturating(f64::from(horizon)),
            refresh_interval: Seconds::saturating(f64::from(refresh_interval)),
            attribution: attribution.map(|text| plain(&text)),
        })
    }

    pub(crate) async fn series(
        &self,
        manifest: &Manifest,
        query: &Query,
        call: &Call,
        usage: &mut Usage,
    ) -> Result<Vec<ZoneSeries>, PluginError> {
        let asked = types::Query {
            zones: query.zones.iter().map(ToString::to_string).collect(),
            signal: match query.signal {
                Signal::Average => types::Signal::Average,
                Signal::Marginal => types::Signal::Marginal,
            },
            start: seconds(query.window.start()),
            end: seconds(query.window.end()),
        };
        let mut store = self.store(manifest, call, Secrets::of(manifest, call)?);
        let told = limited(&mut store, async |store| {
            let guest = self.pre.instantiate_async(&mut *store).await?;
            guest.lowtide_region_region().call_series(&mut *store, &asked).await
        });
        let told = told.await;
        let guest = store.data();
        *usage = Usage { memory_bytes: guest.accountant.memory(), fetches: limits::FETCHES - guest.fetches_left };
        told?.map_err(|error| said(error, &store.data().secrets))
    }

    /// A store of its own for each call: a trap poisons an instance, and nothing a guest kept reaches its next call.
    fn store(&self, manifest: &Manifest, call: &Call, secrets: Secrets) -> Store<Guest> {
        let guest = Guest {
            plugin: manifest.id.clone(),
            call: call.clone(),
            secrets,
            rules: Arc::new(manifest.fetch.clone()),
            accountant: Accountant::default(),
            fetches_left: limits::FETCHES,
            lines_left: limits::LOG_LINES,
            ticks_left: limits::CPU_TICKS,
        };
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.accountant);
        store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let guest = context.data_mut();
            if guest.ticks_left == 0 {
                return Ok(UpdateDeadline::Interrupt);
            }
            guest.ticks_left -= 1;
            // Others run in between, however busy the guest is.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// Runs a call within its time and sorts what went wrong.
async fn limited<T>(
    store: &mut Store<Guest>,
    call: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Result<T, PluginError> {
    // Epochs do not interrupt a call of the host, so the whole has a time limit of its own.
    let outcome = tokio::time::timeout(limits::CALL, call(store)).await;
    let error = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(_) => return Err(PluginError::TimedOut("it waited longer than 30 s")),
    };
    if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
        return Err(PluginError::TimedOut("it computed longer than 1 s"));
    }
    if store.data().accountant.refused {
        return Err(PluginError::OutOfMemory);
    }
    Err(PluginError::Trapped(store.data().secrets.hide(&plain(&first_line(&error)))))
}

/// The contract's error as the caller's.
fn said(error: types::Error, secrets: &Secrets) -> PluginError {
    let plain = |text: &str| plain(&secrets.hide(text));
    match error {
        types::Error::RateLimited(seconds) => PluginError::RateLimited {
            retry_after: seconds.map(|seconds| std::time::Duration::from_secs(u64::from(seconds))),
        },
        types::Error::Unauthorized(text) => PluginError::Unauthorized(plain(&text)),
        types::Error::Unavailable(text) => PluginError::Unavailable(plain(&text)),
        types::Error::InvalidRegion(text) => PluginError::InvalidRegion(plain(&text)),
        types::Error::OutOfRange => PluginError::OutOfRange,
        types::Error::InvalidConfig(text) => PluginError::InvalidConfig(plain(&text)),
        types::Error::Malformed(text) => PluginError::Malformed(plain(&text)),
        types::Error::Other(text) => PluginError::Other(plain(&text)),
    }
}

const fn signal(signal: types::Signal) -> Signal {
    match signal {
        types::Signal::Average => Signal::Average,
        types::Signal::Marginal => Signal::Marginal,
    }
}

fn seconds(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// A guest's text on one line: it must not write into a terminal or a log what it likes.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limits::LOG_CHARACTERS).collect()
}

impl types::Host for Guest {}

impl host::Host for Guest {
    async fn fetch(&mut self, request: host::Request) -> wasmtime::Result<Result<host::Response, host::FetchError>> {
        let host::Request { method, url, headers, body } = request;
        let Some(left) = self.fetches_left.checked_sub(1) else {
            return Ok(Err(host::FetchError::BudgetExhausted));
        };
        self.fetches_left = left;
        let origin = match self.call.grants.check(&url) {
            Ok(origin) => origin,
            Err(refused) => return Ok(Err(host::FetchError::Denied(refused.to_string()))),
        };
        let method = match method {
            host::Method::Get => HttpMethod::Get,
            host::Method::Post => HttpMethod::Post,
        };
        let mut request = HttpRequest { headers, body, rules: self.rules.clone(), ..HttpRequest::new(method, origin) };
        self.secrets.add_to(&mut request);
        let fetched = self.call.fetcher.fetch(request).await;
        Ok(match fetched {
            Ok(Fetched { body, .. }) if limits::BODY_BYTES < body.len() => {
                Err(host::FetchError::TooLarge(limits::BODY_BYTES as u64))
            }
            Ok(Fetched { status, headers, body }) => Ok(host::Response { status, headers, body }),
            Err(FetchFailure::Denied(why)) => Err(host::FetchError::Denied(why)),
            Err(FetchFailure::TooLarge(limit)) => Err(host::FetchError::TooLarge(limit)),
            Err(FetchFailure::Timeout) => Err(host::FetchError::Timeout),
            Err(FetchFailure::Network(why)) => Err(host::FetchError::Network(why)),
            Err(FetchFailure::Invalid(why)) => Err(host::FetchError::InvalidRequest(why)),
        })
    }

    async fn config_get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        // A secret is told as being there, no more: the host adds it to requests.
        Ok(if self.secrets.holds(&key) { Some(SET.to_owned()) } else { self.call.config.get(&key).cloned() })
    }

    async fn asset(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let Some(path) = self.call.grants.assets.get(&name).cloned() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            std::fs::File::open(path)?.take(limits::ASSET_BYTES + 1).read_to_end(&mut bytes)?;
            // Half a file would be read as a whole one.
            if limits::ASSET_BYTES < bytes.len() as u64 {
                return Err(std::io::Error::other(format!("it is larger than {} MiB", limits::ASSET_BYTES >> 20)));
            }
            Ok(bytes)
        });
        // A granted file that cannot be read is to the guest as one that is not granted; the log says which it is.
        match read.await {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(error)) => {
                tracing::warn!(plugin = self.plugin, asset = name, "a granted file cannot be read: {error}");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    async fn log(&mut self, level: host::Level, message: String) -> wasmtime::Result<()> {
        let Some(left) = self.lines_left.checked_sub(1) else { return Ok(()) };
        self.lines_left = left;
        let message = plain(&self.secrets.hide(&message));
        let plugin = &self.plugin;
        match level {
            host::Level::Debug => tracing::debug!(plugin, "{message}"),
            host::Level::Info => tracing::info!(plugin, "{message}"),
            host::Level::Warn => tracing::warn!(plugin, "{message}"),
            host::Level::Error => tracing::error!(plugin, "{message}"),
        }
        Ok(())
    }

    async fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(seconds(self.call.now))
    }
}
