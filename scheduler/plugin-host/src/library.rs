//! The plugins a user installed: each with its manifest, and a lock file that says which bytes were consented to and where
//! they may go. A file that is not what was consented to is not loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, ArtifactError};
use crate::builtin::BUILTINS;
use crate::manifest::{Manifest, origin_of};
use crate::private::PrivateFolder;

const LOCK: &str = "lock.toml";

/// The folder of installed plugins.
#[derive(Debug, Clone)]
pub struct Library {
    path: PathBuf,
}

/// What was consented to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Its version.
    pub version: String,
    /// The hash of the file.
    pub sha256: String,
    /// The origins it may reach.
    pub hosts: Vec<String>,
    /// Where it came from.
    pub installed_from: String,
    /// When.
    pub installed_at: Timestamp,
}

/// An installed plugin, as consented to.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its manifest, with the hosts it asks for.
    pub manifest: Manifest,
    /// Its component.
    pub wasm: Vec<u8>,
    /// What was consented to.
    pub lock: Lock,
}

/// Why an installed plugin cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder or a file in it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Others can write into the folder.
    #[error("{} is not private to you: plugins are not kept where others can change them", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// The lock file was edited into something else.
    #[error("{} cannot be understood: {reason}", path.display())]
    BadLock {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is none of this name.
    #[error("no plugin `{0}` is installed")]
    NotInstalled(String),
    /// A built-in has this name.
    #[error("`{0}` is the name of a built-in plugin")]
    BuiltIn(String),
    /// The file is not what was consented to.
    #[error("the file of plugin `{id}` is not the one that was installed: its hash is {found}, not {locked}")]
    Changed {
        /// The plugin.
        id: String,
        /// The hash of the file.
        found: String,
        /// The hash that was consented to.
        locked: String,
    },
    /// The file is no plugin.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl Library {
    /// The library in a folder, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What was consented to, by plugin.
    pub fn locks(&self) -> Result<BTreeMap<String, Lock>, LibraryError> {
        let path = self.path.join(LOCK);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(LibraryError::Io { path, source }),
        };
        toml::from_str(&text).map_err(|error| LibraryError::BadLock { path, reason: error.to_string() })
    }

    /// An installed plugin, if its file is still what was consented to.
    pub fn get(&self, id: &str) -> Result<Installed, LibraryError> {
        let lock = self.locks()?.remove(id).ok_or_else(|| LibraryError::NotInstalled(id.to_owned()))?;
        let Artifact { manifest, wasm, .. } = Artifact::read(&self.file(id))?;
        let found = crate::sha256_of(&wasm);
        if found != lock.sha256 || manifest.id != id {
            return Err(LibraryError::Changed { id: id.to_owned(), found, locked: lock.sha256 });
        }
        Ok(Installed { manifest, wasm, lock })
    }

    /// The file of a plugin that is or may be installed.
    #[must_use]
    pub fn file(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.wasm"))
    }

    /// Installs a plugin, or another version of it, with the right to reach `hosts`.
    pub fn install(
        &self,
        artifact: &Artifact,
        hosts: Vec<String>,
        from: &Path,
        now: Timestamp,
    ) -> Result<Installed, LibraryError> {
        let id = &artifact.manifest.id;
        if BUILTINS.iter().any(|builtin| builtin.manifest.id == *id) {
            return Err(LibraryError::BuiltIn(id.clone()));
        }
        let folder = self.folder()?;
        // The manifest goes into the file, so that what is locked holds all that was consented to.
        let wasm = crate::artifact::sealed(artifact);
        let lock = Lock {
            version: artifact.manifest.version.clone(),
            sha256: crate::sha256_of(&wasm),
            hosts,
            installed_from: from.display().to_string(),
            installed_at: now,
        };
        let io = |source| LibraryError::Io { path: self.path.clone(), source };
        folder.keep(&format!("{id}.wasm"), &wasm).map_err(io)?;
        let mut locks = self.locks()?;
        locks.insert(id.clone(), lock.clone());
        self.write(&folder, &locks)?;
        Ok(Installed { manifest: artifact.manifest.clone(), wasm, lock })
    }

    /// Removes a plugin.
    pub fn remove(&self, id: &str) -> Result<Lock, LibraryError> {
        let mut locks = self.locks()?;
        let lock = locks.remove(id).ok_or_else(|| LibraryError::NotInstalled(id.to_owned()))?;
        let folder = self.folder()?;
        self.write(&folder, &locks)?;
        match fs::remove_file(self.file(id)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(LibraryError::Io { path: self.file(id), source })
            }
            _ => Ok(lock),
        }
    }

    fn folder(&self) -> Result<PrivateFolder, LibraryError> {
        PrivateFolder::open(self.path.clone()).ok_or_else(|| LibraryError::NotPrivate { path: self.path.clone() })
    }

    fn write(&self, folder: &PrivateFolder, locks: &BTreeMap<String, Lock>) -> Result<(), LibraryError> {
        let text = toml::to_string(locks).expect("locks can be written down");
        let head = "# What was consented to. Written by `lowtide plugin`; a plugin whose file differs is not loaded.\n";
        let kept = folder.keep(LOCK, format!("{head}{text}").as_bytes());
        kept.map(drop).map_err(|source| LibraryError::Io { path: self.path.join(LOCK), source })
    }
}

impl Installed {
    /// The manifest with the rights in force: what it asks for and what was granted.
    #[must_use]
    pub fn manifest_in_force(&self) -> Manifest {
        let granted = |host: &String| {
            self.lock.hosts.iter().any(|grant| origin_of(grant).is_some() && origin_of(grant) == origin_of(host))
        };
        let hosts = self.manifest.hosts.iter().filter(|host| granted(host)).cloned().collect();
        Manifest { hosts, ..self.manifest.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::with_manifest;

    fn artifact(id: &str, hosts: &str) -> Artifact {
        let text = format!("id = '{id}'\nversion = '1'\napi = '0.1'\ndescription = 'd'\nhosts = {hosts}\n");
        let component = wat::parse_str("(component)").expect("well-formed");
        let manifest = Manifest::parse(&text).expect("well-formed");
        Artifact { manifest, wasm: with_manifest(&component, &text), manifest_text: text }
    }

    fn install(library: &Library, artifact: &Artifact, hosts: &[&str]) -> Result<Installed, LibraryError> {
        let hosts = hosts.iter().map(ToString::to_string).collect();
        library.install(artifact, hosts, Path::new("/home/ada/mine.wasm"), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_installed_has_the_rights_asked_for_and_granted() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = Library::new(folder.path().join("plugins"));
        let mine = artifact("mine", "['https://a.org', 'https://b.org']");
        install(&library, &mine, &["https://b.org", "https://c.org"]).expect("installed");
        let installed = library.get("mine").expect("installed");
        assert_eq!(installed.manifest_in_force().hosts, ["https://b.org"]);
        assert_eq!(library.remove("mine").expect("installed").installed_from, "/home/ada/mine.wasm");
        assert!(matches!(library.get("mine"), Err(LibraryError::NotInstalled(_))));
    }

    #[test]
    fn a_file_that_was_changed_is_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = Library::new(folder.path().join("plugins"));
        let mine = artifact("mine", "[]");
        install(&library, &mine, &[]).expect("installed");
        let mut bytes = mine.wasm.clone();
        bytes.extend_from_slice(&[0, 2, 1, b'x']);
        fs::write(library.file("mine"), bytes).expect("written");
        assert!(matches!(library.get("mine"), Err(LibraryError::Changed { .. })));
    }

    #[test]
    fn a_built_in_is_not_replaced_by_a_file_of_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = Library::new(folder.path().join("plugins"));
        assert!(matches!(install(&library, &artifact("gb-neso", "[]"), &[]), Err(LibraryError::BuiltIn(_))));
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        let library = Library::new(folder.path().to_path_buf());
        assert!(matches!(install(&library, &artifact("mine", "[]"), &[]), Err(LibraryError::NotPrivate { .. })));
    }
}
