//! Runs untrusted region plugins under limits and turns their answers into validated forecasts.
//!
//! A plugin is a WebAssembly component that can do nothing but ask the host: for a granted URL, a setting, a granted file,
//! the time, a line in the log. Whatever it does (spin, grow, trap, lie), the call ends with a typed error and the next call
//! finds a fresh instance. No provider is privileged: the built-in plugins come through the same door.

mod artifact;
mod broker;
mod builtin;
mod cache;
mod call;
mod capability;
mod compile;
mod error;
mod fetch;
mod host;
mod library;
mod limits;
mod manifest;
mod private;
mod record;
mod replay;
mod response_cache;
mod secret;
mod throttle;
mod v0_1;
mod validate;
mod workers;

pub use artifact::{Artifact, ArtifactError, with_manifest};
pub use broker::{Broker, WallClock};
pub use builtin::Builtin;
pub use call::{Call, Info, Query, Usage};
pub use capability::{Grants, NotGranted, Origin};
pub use compile::{compile_here, compile_in_child};
pub use error::{HostError, PluginError};
pub use fetch::{FetchFailure, Fetched, Fetcher, HttpMethod, HttpRequest, NetworkFetcher};
pub use host::{PluginHost, RegionPlugin, sha256_of};
pub use library::{Installed, Library, LibraryError, Lock};
pub use manifest::{Binding, ConfigKey, FetchRules, Manifest, ManifestError, RateLimit};
pub use record::RecordingFetcher;
pub use replay::{ReplayError, ReplayFetcher};
