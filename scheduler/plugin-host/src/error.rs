//! What may go wrong with a plugin, sorted by what the caller can do about it.

use std::time::Duration;

/// The host itself cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime refuses its configuration: a fault of this program or its machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The network client cannot be set up.
    #[error("the client for plugins' fetches cannot be set up: {0}")]
    Network(String),
}

/// Why a call of a plugin brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The provider asks to slow down.
    #[error("the provider asks to slow down")]
    RateLimited {
        /// How long to wait, where it says.
        retry_after: Option<Duration>,
    },
    /// Credentials missing or refused.
    #[error("the provider refuses the credentials: {0}")]
    Unauthorized(String),
    /// The provider could not be reached or answered with an error.
    #[error("the provider is not available: {0}")]
    Unavailable(String),
    /// There is no such zone.
    #[error("no such zone: {0}")]
    InvalidRegion(String),
    /// There is nothing of the asked time.
    #[error("the provider has nothing of the asked time")]
    OutOfRange,
    /// A setting is missing or malformed.
    #[error("setting {0}")]
    InvalidConfig(String),
    /// The provider's answer, or the plugin's, makes no sense.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
    /// Anything else the plugin says.
    #[error("{0}")]
    Other(String),
    /// The plugin broke off.
    #[error("the plugin broke off: {0}")]
    Trapped(String),
    /// The plugin computed or waited too long.
    #[error("the plugin took longer than it may ({0})")]
    TimedOut(&'static str),
    /// The plugin wanted more memory than it may have.
    #[error("the plugin wanted more than its 64 MiB of memory")]
    OutOfMemory,
    /// The file is no component, or none of this contract.
    #[error("this is no region plugin: {0}")]
    NotAPlugin(String),
}

impl PluginError {
    /// A word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate-limited",
            Self::Unauthorized(_) => "unauthorized",
            Self::Unavailable(_) => "unavailable",
            Self::InvalidRegion(_) => "invalid-region",
            Self::OutOfRange => "out-of-range",
            Self::InvalidConfig(_) => "invalid-config",
            Self::Malformed(_) => "malformed",
            Self::Other(_) => "other",
            Self::Trapped(_) => "trapped",
            Self::TimedOut(_) => "timed-out",
            Self::OutOfMemory => "out-of-memory",
            Self::NotAPlugin(_) => "not-a-plugin",
        }
    }

    /// How long the provider asks to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }
}
