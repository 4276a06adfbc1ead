//! The plugins there are, built in and installed, and what a zone's settings come to: which plugin serves it, with which
//! rights, settings and keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lowtide_model::identity::ZoneId;
use lowtide_plugin_host::{
    Grants, Installed, Library, Manifest, PluginError, PluginHost, RegionPlugin, compile_in_child,
};

use crate::config::{Setting, SourceConfig};
use crate::zones::plugin_for;

/// All plugins.
pub(crate) struct Catalogue {
    host: PluginHost,
    library: Library,
    /// Compiled components.
    cache: PathBuf,
    /// The program that compiles a stranger's component: `lowtide` itself.
    program: PathBuf,
}

/// What `plugin list` shows.
#[derive(Debug, Clone)]
pub(crate) struct PluginFacts {
    /// What it says of itself, with the hosts it may reach.
    pub(crate) manifest: Manifest,
    /// `built-in`, or the file it was installed from.
    pub(crate) origin: String,
    /// The hash of its component.
    pub(crate) sha256: String,
    /// Why it cannot be used, if it cannot.
    pub(crate) problem: Option<String>,
}

impl Catalogue {
    pub(crate) const fn new(host: PluginHost, library: Library, cache: PathBuf, program: PathBuf) -> Self {
        Self { host, library, cache, program }
    }

    /// The plugin that serves a zone: the one its settings name, an installed one that names the zone, or the keyless
    /// built-in for it. A plugin for every zone (`*`) serves only those whose settings name it.
    pub(crate) fn plugin_of(&self, zone: &ZoneId, source: &SourceConfig) -> String {
        if let Some(named) = &source.plugin {
            return named.to_string();
        }
        let names = |manifest: &Manifest| {
            let patterns: Vec<String> = manifest.zones.iter().filter(|pattern| *pattern != "*").cloned().collect();
            Manifest { zones: patterns, ..manifest.clone() }.serves(zone.as_str())
        };
        let installed =
            self.installed().into_iter().find(|(_, found)| found.as_ref().is_ok_and(|i| names(&i.manifest)));
        installed.map_or_else(|| plugin_for(zone).to_owned(), |(id, _)| id)
    }

    /// The names of all plugins.
    pub(crate) fn ids(&self) -> Vec<String> {
        let built_in = PluginHost::builtins().iter().map(|builtin| builtin.manifest.id.clone());
        built_in.chain(self.library.locks().unwrap_or_default().into_keys()).collect()
    }

    /// All plugins, to look at.
    pub(crate) fn facts(&self) -> Vec<PluginFacts> {
        let built_in = PluginHost::builtins().iter().map(|builtin| PluginFacts {
            manifest: builtin.manifest.clone(),
            origin: "built-in".to_owned(),
            sha256: builtin.sha256.clone(),
            problem: None,
        });
        let installed = self.installed().into_iter().map(|(id, found)| match found {
            Ok(installed) => PluginFacts {
                manifest: installed.manifest_in_force(),
                origin: installed.lock.installed_from,
                sha256: installed.lock.sha256,
                problem: None,
            },
            Err(problem) => PluginFacts {
                manifest: unknown(id),
                origin: "installed".to_owned(),
                sha256: String::new(),
                problem: Some(problem),
            },
        });
        built_in.chain(installed).collect()
    }

    /// Compiles and links a plugin; one of a stranger's in a process of its own, unless that was done before.
    pub(crate) async fn load(&self, id: &str) -> Result<RegionPlugin, PluginError> {
        if PluginHost::builtins().iter().any(|builtin| builtin.manifest.id == id) {
            return self.host.load_builtin(id);
        }
        let unusable = |error: lowtide_plugin_host::LibraryError| PluginError::NotAPlugin(error.to_string());
        let installed = self.library.get(id).map_err(unusable)?;
        if !self.host.has_compiled(&installed.wasm) {
            compile_in_child(&self.program, &self.library.file(id), &self.cache).await?;
        }
        self.host.load(installed.manifest_in_force(), &installed.wasm)
    }

    fn installed(&self) -> Vec<(String, Result<Installed, String>)> {
        match self.library.locks() {
            Ok(locks) => locks
                .into_keys()
                .map(|id| {
                    let found = self.library.get(&id).map_err(|error| error.to_string());
                    (id, found)
                })
                .collect(),
            Err(error) => {
                tracing::error!("the installed plugins cannot be listed: {error}");
                Vec::new()
            }
        }
    }
}

/// What stands for the manifest of a plugin whose file cannot be used.
fn unknown(id: String) -> Manifest {
    Manifest {
        id,
        version: "?".to_owned(),
        api: String::new(),
        description: String::new(),
        hosts: Vec::new(),
        zones: Vec::new(),
        attribution: None,
        config: BTreeMap::new(),
        fetch: lowtide_plugin_host::FetchRules::default(),
    }
}

/// A plugin's rights for one source: what its manifest has in force, and what the configuration names for this zone.
pub(crate) fn grants(manifest: &Manifest, source: &SourceConfig) -> Grants {
    let mut hosts = manifest.hosts.clone();
    hosts.extend(source.hosts.iter().cloned());
    Grants { hosts, assets: source.assets.clone() }
}

/// The settings as values. They are looked up at each call, so that a key can be changed under a running daemon. One that
/// cannot be found is left out and said: the plugin then names what it misses.
pub(crate) fn settings(source: &SourceConfig) -> BTreeMap<String, String> {
    let found = |(name, setting): (&String, &Setting)| {
        let value = match setting {
            Setting::Text(text) => Some(text.clone()),
            Setting::Variable(variable) => std::env::var(variable).ok().or_else(|| {
                tracing::warn!("setting `{name}`: the daemon's environment has no {variable}");
                None
            }),
            Setting::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Some(text.trim().to_owned()),
                Err(error) => {
                    tracing::warn!("setting `{name}`: {} cannot be read: {error}", path.display());
                    None
                }
            },
        };
        Some((name.clone(), value?))
    };
    source.config.iter().filter_map(found).collect()
}
