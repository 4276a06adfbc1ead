//! What the flags and the environment come to: where the daemon's state is, which configuration, which clock.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::client::Client;
use lowtide_api::place::StateDirectory;

use crate::args::Global;
use crate::failure::Failure;
use crate::output::layout::Look;
use crate::output::words::Clock;
use crate::printer::Printer;

/// What every verb that has to do with a daemon works with.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) printer: Printer,
    pub(crate) state: StateDirectory,
    /// The configuration a daemon is started with.
    pub(crate) config: Option<PathBuf>,
    /// Whether the user named that file, rather than it being the default one.
    pub(crate) config_is_named: bool,
}

impl Context {
    /// From flags and environment: flag, then `LOWTIDE_…`, then the default place.
    pub(crate) fn new(printer: Printer, global: Global) -> Result<Self, Failure> {
        let Global { config, state_dir, color: _, quiet: _ } = global;
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state = match state_dir {
            Some(path) => StateDirectory::new(absolute(&path)?),
            None => StateDirectory::default_of(variable).ok_or_else(|| {
                Failure::invalid("there is no place for lowtide's state: neither HOME nor XDG_STATE_HOME is set")
                    .hint("name one with `--state-dir` or LOWTIDE_STATE_DIR")
            })?,
        };
        let config_is_named = config.is_some();
        let config = match config {
            Some(path) => Some(absolute(&path)?),
            None => default_config(variable).filter(|path| path.exists()),
        };
        Ok(Self { printer, state, config, config_is_named })
    }

    /// For a verb that can do without any place of lowtide's own, where there is none.
    pub(crate) fn without_place(printer: Printer) -> Self {
        Self {
            printer,
            state: StateDirectory::new(PathBuf::from("/nonexistent")),
            config: None,
            config_is_named: false,
        }
    }

    /// The socket the daemon listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state.socket(rustix::process::getuid().as_raw())
    }

    /// A client of the daemon.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.socket())
    }

    /// How text for stdout may look.
    pub(crate) fn look(&self) -> Look {
        look(self.printer)
    }

    /// The reader's clock, at this moment of the daemon's.
    #[expect(clippy::unused_self, reason = "it belongs here, beside the other ways the terminal is read")]
    pub(crate) fn clock(&self, now: Timestamp) -> Clock {
        Clock { now, zone: TimeZone::system() }
    }
}

/// How text for stdout may look.
pub(crate) fn look(printer: Printer) -> Look {
    Look { width: printer.width(), color: printer.colors_stdout() }
}

/// `$XDG_CONFIG_HOME/lowtide/config.toml`, else `~/.config/lowtide/config.toml`.
fn default_config(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".config")))
        .map(|base| base.join("lowtide/config.toml"))
}

/// The path from the root: the daemon runs elsewhere.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(format!("the path {}", path.display()), &error))
}
