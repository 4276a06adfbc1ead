//! What a plugin says of itself in its `plugin.toml`.

use std::collections::BTreeMap;

use lowtide_model::identity::PluginId;
use serde::Deserialize;
use url::Url;

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
    /// How its requests are made.
    #[serde(default)]
    pub fetch: FetchRules,
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
    /// Whether the plugin cannot work without it.
    #[serde(default)]
    pub required: bool,
    /// Whether it is a secret: the guest learns only whether it is there, and the host adds it to requests.
    #[serde(default)]
    pub secret: bool,
    /// Where the host adds a secret. Every secret has this, and nothing else has it.
    #[serde(default)]
    pub bind: Option<Binding>,
}

/// Where the host adds a secret to a request. Exactly one of `header`, `query` and `basic_user` is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The only origin that ever gets it; one of the manifest's hosts.
    pub host: String,
    /// Only addresses whose path begins so get it.
    #[serde(default)]
    pub path: Option<String>,
    /// As this header.
    #[serde(default)]
    pub header: Option<String>,
    /// With this before it in the header, such as `Bearer `.
    #[serde(default)]
    pub prefix: Option<String>,
    /// As this parameter of the address.
    #[serde(default)]
    pub query: Option<String>,
    /// As the password of HTTP Basic; the user's name is the setting of this name.
    #[serde(default)]
    pub basic_user: Option<String>,
}

/// How the host fetches for a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchRules {
    /// For so many seconds the answer to an address is not asked for again.
    #[serde(default, rename = "fresh-seconds")]
    pub fresh_seconds: u32,
    /// What the providers allow.
    #[serde(default)]
    pub limits: Vec<RateLimit>,
}

/// A provider's own limit, kept by the host before the provider has to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// The origin it holds for.
    pub host: String,
    /// Whether it is counted for each path of the host alone.
    #[serde(default, rename = "per-path")]
    pub per_path: bool,
    /// So many requests
    pub requests: u32,
    /// in so many seconds.
    pub seconds: u32,
}

/// A manifest that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// It contradicts itself.
    #[error("the manifest of plugin `{id}`: {what}")]
    Contradictory {
        /// The plugin.
        id: String,
        /// What is wrong.
        what: String,
    },
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
        if manifest.api != API {
            return Err(ManifestError::OtherApi { id: manifest.id, found: manifest.api });
        }
        match manifest.contradiction() {
            None => Ok(manifest),
            Some(what) => Err(ManifestError::Contradictory { id: manifest.id, what }),
        }
    }

    /// Whether a zone is among those it says it serves.
    #[must_use]
    pub fn serves(&self, zone: &str) -> bool {
        self.zones.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => zone.starts_with(prefix),
            None => zone == pattern,
        })
    }

    fn contradiction(&self) -> Option<String> {
        if PluginId::new(self.id.clone()).is_err() {
            return Some("`id` must be letters, digits, `-`, `_` or `.`".to_owned());
        }
        let bad = self.hosts.iter().find(|host| origin_of(host).is_none());
        if let Some(host) = bad {
            return Some(format!("`{host}` in `hosts` is no origin such as https://api.example.org"));
        }
        if let Some(limit) = self.fetch.limits.iter().find(|limit| limit.requests == 0 || limit.seconds == 0) {
            return Some(format!("a limit of {} requests in {} s", limit.requests, limit.seconds));
        }
        self.config.iter().find_map(|(name, key)| self.wrong_key(key).map(|what| format!("setting `{name}`: {what}")))
    }

    fn wrong_key(&self, key: &ConfigKey) -> Option<&'static str> {
        match (&key.bind, key.secret) {
            (None, false) => None,
            (None, true) => Some("a secret needs `bind`, so that the host can add it to requests"),
            (Some(_), false) => Some("only a secret is bound: add `secret = true`"),
            (Some(bind), true) => {
                let places = [&bind.header, &bind.query, &bind.basic_user];
                let known = |host: &String| origin_of(host).is_some_and(|known| Some(known) == origin_of(&bind.host));
                if places.iter().filter(|place| place.is_some()).count() != 1 {
                    Some("`bind` needs exactly one of `header`, `query` and `basic_user`")
                } else if self.hosts.iter().any(known) {
                    None
                } else {
                    Some("the host of `bind` is not among `hosts`")
                }
            }
        }
    }
}

/// Scheme, host and port of what should be no more than that.
pub(crate) fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    plain.then(|| url.origin().ascii_serialization())
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

    #[test]
    fn a_secret_is_bound_to_one_host_in_one_way() {
        let text = |key: &str| {
            format!(
                "id = 'x'\nversion = '1'\napi = '0.1'\ndescription = 'd'\nhosts = ['https://api.example.org']\n\
                 [config.key]\nhelp = 'h'\n{key}\n"
            )
        };
        let refused = |key: &str| Manifest::parse(&text(key)).expect_err(key).to_string();
        let good = "secret = true\nbind = { host = 'https://api.example.org', header = 'x-key' }";
        assert!(Manifest::parse(&text(good)).is_ok());
        assert!(refused("secret = true").contains("needs `bind`"));
        assert!(refused("bind = { host = 'https://api.example.org', header = 'x' }").contains("secret = true"));
        assert!(refused("secret = true\nbind = { host = 'https://evil.net', header = 'x' }").contains("not among"));
        assert!(refused("secret = true\nbind = { host = 'https://api.example.org' }").contains("exactly one"));
    }

    #[test]
    fn zones_are_named_or_a_pattern() {
        let text = "id = 'x'\nversion = '1'\napi = '0.1'\ndescription = 'd'\nzones = ['GB', 'US-*']\n";
        let manifest = Manifest::parse(text).expect("well-formed");
        assert!(manifest.serves("GB") && manifest.serves("US-CAL-CISO"));
        assert!(!manifest.serves("GB-1") && !manifest.serves("FR"));
    }
}
