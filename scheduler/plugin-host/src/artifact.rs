//! A plugin as a file: a component that carries its manifest in a section of its own, or a component with a `plugin.toml`
//! beside it.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::{Parser, Payload};

use crate::host::sha256_of;
use crate::limits;
use crate::manifest::{Manifest, ManifestError};

/// The custom section that holds the manifest.
const SECTION: &str = "lowtide:plugin";
/// A manifest is some lines.
const MANIFEST_BYTES: u64 = 256 << 10;

/// A plugin's manifest and component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The same as text.
    pub manifest_text: String,
    /// The component, with the manifest in it if it came so.
    pub wasm: Vec<u8>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is larger than a component may be.
    #[error("{} is larger than {most} bytes: that is no region plugin", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most there may be.
        most: u64,
    },
    /// There is no manifest, neither in it nor beside it.
    #[error("{} holds no manifest, and there is no plugin.toml beside it", path.display())]
    NoManifest {
        /// The file.
        path: PathBuf,
    },
    /// Its manifest cannot be used.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ManifestError,
    },
}

impl Artifact {
    /// Reads a `.wasm` file. Nothing of it is compiled or run.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let wasm = read(path, limits::COMPONENT_BYTES as u64)?;
        let manifest_text = match embedded(&wasm) {
            Some(text) => text,
            None => beside(path)?,
        };
        let manifest = Manifest::parse(&manifest_text)
            .map_err(|source| ArtifactError::Manifest { path: path.to_path_buf(), source })?;
        Ok(Self { manifest, manifest_text, wasm })
    }

    /// The hash of its component: what a consent is bound to.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256_of(&self.wasm)
    }
}

/// A component that carries this manifest.
#[must_use]
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let mut bytes = component.to_vec();
    CustomSection { name: Cow::Borrowed(SECTION), data: Cow::Borrowed(manifest.as_bytes()) }
        .append_to_component(&mut bytes);
    bytes
}

/// The component with its manifest in it, whether it came so or not.
pub(crate) fn sealed(artifact: &Artifact) -> Vec<u8> {
    match embedded(&artifact.wasm) {
        Some(_) => artifact.wasm.clone(),
        None => with_manifest(&artifact.wasm, &artifact.manifest_text),
    }
}

/// The manifest in a component's own section; those of modules inside it do not count.
fn embedded(wasm: &[u8]) -> Option<String> {
    let mut depth = 0_usize;
    let mut found = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                // Two would be a riddle: which of them did the user consent to?
                if found.is_some() {
                    return None;
                }
                found = Some(String::from_utf8(section.data().to_vec()).ok()?);
            }
            _ => {}
        }
    }
    found
}

fn beside(path: &Path) -> Result<String, ArtifactError> {
    let manifest = path.with_file_name("plugin.toml");
    if !manifest.is_file() {
        return Err(ArtifactError::NoManifest { path: path.to_path_buf() });
    }
    let bytes = read(&manifest, MANIFEST_BYTES)?;
    String::from_utf8(bytes).map_err(|error| ArtifactError::Manifest {
        path: manifest,
        source: ManifestError::Malformed(error.to_string()),
    })
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, ArtifactError> {
    let unreadable = |source| ArtifactError::Unreadable { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(unreadable)?.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if most < bytes.len() as u64 { Err(ArtifactError::TooLarge { path: path.to_path_buf(), most }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "id = 'x'\nversion = '1'\napi = '0.1'\ndescription = 'd'\n";

    #[test]
    fn a_component_carries_its_manifest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.wasm");
        let plain = wat::parse_str("(component (component (core module)))").expect("well-formed");
        fs::write(&path, &plain).expect("written");
        assert!(matches!(Artifact::read(&path), Err(ArtifactError::NoManifest { .. })));
        fs::write(&path, with_manifest(&plain, MANIFEST)).expect("written");
        assert_eq!(Artifact::read(&path).expect("a plugin").manifest.id, "x");
        // The one in the file counts, not a stranger's beside it.
        fs::write(folder.path().join("plugin.toml"), MANIFEST.replace('x', "y")).expect("written");
        assert_eq!(Artifact::read(&path).expect("a plugin").manifest.id, "x");
        fs::write(&path, &plain).expect("written");
        assert_eq!(Artifact::read(&path).expect("a plugin").manifest.id, "y");
    }
}
