//! What a plugin says of itself in its `plugin.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The version of the contract that this host speaks.
const API: &str = "0.1";

/// A plugin's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The version of the contract it was written for.
    pub api: String,
    /// What it is, in one line.
    pub description: String,
    /// Origins it asks to reach, such as `https://api.example.org`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Zones it serves, or patterns with `*` at the end.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Text to show with the data.
    #[serde(default)]
    pub attribution: Option<String>,
    /// Settings it knows.
    #[serde(default)]
    pub config: BTreeMap<String, ConfigKey>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    /// What it is for.
    pub help: String,
    /// What is taken where it is not set, for people.
    #[serde(default)]
    pub default: Option<String>,
}

/// A manifest that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// It is for another version of the contract.
    #[error("plugin `{id}` is written for version {found} of the contract; this lowtide speaks {API}")]
    OtherApi {
        /// The plugin.
        id: String,
        /// Its version of the contract.
        found: String,
    },
}

impl Manifest {
    /// Reads a `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if manifest.api == API {
            Ok(manifest)
        } else {
            Err(ManifestError::OtherApi { id: manifest.id, found: manifest.api })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_another_contract_is_refused() {
        let text = |api: &str| format!("id = 'x'\nversion = '1'\napi = '{api}'\ndescription = 'd'\n");
        assert!(Manifest::parse(&text("0.1")).is_ok());
        assert!(matches!(Manifest::parse(&text("0.2")), Err(ManifestError::OtherApi { .. })));
        assert!(matches!(Manifest::parse("hosts = 3"), Err(ManifestError::Malformed(_))));
    }
}
