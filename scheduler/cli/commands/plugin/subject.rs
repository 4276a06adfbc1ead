//! The plugin a verb is about: a built-in, an installed one, or a file.

use std::path::{Path, PathBuf};

use lowtide_plugin_host::{Artifact, Library, Lock, Manifest, PluginHost, RegionPlugin, compile_in_child, sha256_of};

use crate::context::Context;
use crate::failure::{Failure, Kind};

/// Where it comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    BuiltIn,
    Installed(Lock),
    File(PathBuf),
}

/// The plugin.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// With what it asks for.
    pub(crate) manifest: Manifest,
    pub(crate) wasm: Vec<u8>,
    pub(crate) origin: Origin,
    /// The file, where there is one.
    file: Option<PathBuf>,
}

impl Subject {
    /// The plugin of a name, or of a file: what ends in `.wasm` or holds a `/` is a file.
    pub(crate) fn find(name: &str, context: &Context) -> Result<Self, Failure> {
        let is_file = name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "wasm");
        if is_file {
            return Self::file(Path::new(name));
        }
        if let Some(builtin) = PluginHost::builtins().iter().find(|builtin| builtin.manifest.id == name) {
            let (manifest, wasm) = (builtin.manifest.clone(), builtin.wasm.to_vec());
            return Ok(Self { manifest, wasm, origin: Origin::BuiltIn, file: None });
        }
        let library = Library::new(context.state.plugins());
        let locks = library.locks().map_err(unusable)?;
        if !locks.contains_key(name) {
            return Err(Failure::new(Kind::NotFound, format!("there is no plugin `{name}`, built in or installed"))
                .hint("`lowtide plugin list` lists them; a file is named by its path, such as ./mine.wasm"));
        }
        let installed = library.get(name).map_err(unusable)?;
        Ok(Self {
            manifest: installed.manifest,
            wasm: installed.wasm,
            origin: Origin::Installed(installed.lock),
            file: Some(library.file(name)),
        })
    }

    /// The plugin of a file.
    pub(crate) fn file(path: &Path) -> Result<Self, Failure> {
        let Artifact { manifest, wasm, .. } = Artifact::read(path).map_err(unusable)?;
        Ok(Self { manifest, wasm, origin: Origin::File(path.to_path_buf()), file: Some(path.to_path_buf()) })
    }

    /// The hash of the file.
    pub(crate) fn sha256(&self) -> String {
        sha256_of(&self.wasm)
    }

    /// Compiles it, a stranger's in a process of its own, and links it.
    pub(crate) async fn load(&self, context: &Context) -> Result<(PluginHost, RegionPlugin), Failure> {
        let cache = context.state.plugin_cache();
        private_state(context)?;
        let host =
            PluginHost::new(Some(cache.clone())).map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
        if let Some(file) = self.file.as_ref().filter(|_| !host.has_compiled(&self.wasm)) {
            let program = std::env::current_exe().map_err(|error| Failure::io("lowtide's own program", &error))?;
            compile_in_child(&program, file, &cache).await.map_err(|error| self.refused(&error.to_string()))?;
        }
        let plugin = host.load(self.manifest.clone(), &self.wasm).map_err(|error| self.refused(&error.to_string()))?;
        Ok((host, plugin))
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::invalid(format!("plugin `{}` cannot be used: {why}", self.manifest.id))
            .hint("`lowtide plugin new --lang rust NAME` makes one that can")
    }
}

/// The state directory, which only the user may enter.
fn private_state(context: &Context) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let path = context.state.path();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::io(format!("the state directory {} cannot be made", path.display()), &error))
}

/// A library or a file that cannot be used.
pub(crate) fn unusable(error: impl std::error::Error) -> Failure {
    Failure::invalid(error.to_string())
}

/// What a plugin asks for, as sentences a user consents to.
pub(crate) fn rights(manifest: &Manifest) -> Vec<String> {
    let mut rights = Vec::new();
    if manifest.hosts.is_empty() {
        rights.push("reach no host".to_owned());
    }
    rights.extend(manifest.hosts.iter().map(|host| format!("reach {host}")));
    rights.extend(manifest.config.iter().filter_map(|(name, key)| {
        let bind = key.bind.as_ref()?;
        Some(format!("have your secret `{name}` sent to {} (it never sees it)", bind.host))
    }));
    rights
}
