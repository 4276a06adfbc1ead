//! `lowtide plugin remove NAME`: takes an installed plugin and the consent to it away.

use lowtide_plugin_host::{Library, LibraryError, PluginHost};

use super::subject::unusable;
use crate::context::Context;
use crate::failure::{Failure, Kind};

/// Remove an installed plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin remove my-grid")]
pub(crate) struct Args {
    /// Name of the plugin
    name: String,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Args { name } = args;
    if PluginHost::builtins().iter().any(|builtin| builtin.manifest.id == *name) {
        return Err(Failure::invalid(format!("plugin `{name}` is built in and cannot be removed"))
            .hint("a zone uses another one where the configuration says so: [zones.NAME] plugin = \"…\""));
    }
    let serves = match context.client().plugins().await {
        Ok(known) => known.plugins.into_iter().find(|plugin| plugin.id == *name).map(|plugin| plugin.serves),
        Err(_) => None,
    };
    Library::new(context.state.plugins()).remove(name).map_err(|error| match error {
        LibraryError::NotInstalled(_) => {
            Failure::new(Kind::NotFound, error.to_string()).hint("`lowtide plugin list` shows which there are")
        }
        other => unusable(other),
    })?;
    let _ = context.client().plugins_changed().await;
    context.printer.data(&format!("plugin `{name}` is removed"))?;
    if let Some(zones) = serves.filter(|zones| !zones.is_empty()) {
        let zones = zones.join(", ");
        context.printer.warning(&format!("it served {zones}: what it told is used until another source tells more"));
    }
    Ok(())
}
