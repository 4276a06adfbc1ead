//! Secrets of a call: the guest learns only that they are there, the host adds them to requests of the one origin they are
//! bound to, and takes them out of every text a guest says. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::call::Call;
use crate::error::PluginError;
use crate::fetch::HttpRequest;
use crate::host::sha256_of;
use crate::manifest::{Binding, Manifest, origin_of};

/// What a guest is told of a secret that is set.
pub(crate) const SET: &str = "(set)";
/// What stands in a text where a secret stood.
const HIDDEN: &str = "[hidden]";
/// Shorter ones are not looked for in texts: they would be found in every word.
const SHORTEST_HIDDEN: usize = 4;
/// The setting by which a user sends a plugin to another address of its provider.
const BASE_URL: &str = "base-url";

/// The secrets of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    all: Vec<Secret>,
}

#[derive(Clone)]
struct Secret {
    key: String,
    value: String,
    binding: Binding,
    /// The user's name, where the secret is a password.
    user: String,
    /// The origin that gets it.
    origin: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.key)
    }
}

impl Secrets {
    /// The secrets among a call's settings. A setting the plugin needs and the user did not give is an error by name.
    pub(crate) fn of(manifest: &Manifest, call: &Call) -> Result<Self, PluginError> {
        let given = |name: &str| call.config.get(name).filter(|value| !value.is_empty());
        if let Some((name, key)) = manifest.config.iter().find(|(name, key)| key.required && given(name).is_none()) {
            return Err(PluginError::InvalidConfig(format!("`{name}` is not set ({})", key.help)));
        }
        // A user who sends the plugin to another address of the provider, and grants it, sends the secret there.
        let moved = given(BASE_URL)
            .and_then(|address| origin_of(address))
            .filter(|origin| call.grants.hosts.iter().any(|granted| origin_of(granted).as_ref() == Some(origin)));
        let secret = |(name, key): (&String, &crate::manifest::ConfigKey)| {
            let binding = key.bind.clone()?;
            let origin = moved.clone().or_else(|| origin_of(&binding.host));
            let user = binding.basic_user.as_ref().and_then(|user| given(user)).cloned().unwrap_or_default();
            Some(Secret { key: name.clone(), value: given(name)?.clone(), binding, user, origin })
        };
        Ok(Self { all: manifest.config.iter().filter_map(secret).collect() })
    }

    /// Whether a setting is one of the secrets.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.all.iter().any(|secret| secret.key == key)
    }

    /// Adds what is bound to where a request goes. What the guest itself put there is replaced.
    pub(crate) fn add_to(&self, request: &mut HttpRequest) {
        let origin = request.origin.url.origin().ascii_serialization();
        for secret in self.all.iter().filter(|secret| secret.origin.as_ref() == Some(&origin)) {
            let Binding { path, header, prefix, query, basic_user, .. } = &secret.binding;
            if path.as_ref().is_some_and(|path| !request.origin.url.path().starts_with(path)) {
                continue;
            }
            request.secret_digest.get_or_insert_default().push_str(&sha256_of(secret.value.as_bytes()));
            if let Some(name) = header {
                let value = format!("{}{}", prefix.as_deref().unwrap_or_default(), secret.value);
                set_header(request, name, value);
            }
            if basic_user.is_some() {
                set_header(request, "authorization", format!("Basic {}", secret.basic()));
            }
            if let Some(name) = query {
                let others: Vec<(String, String)> =
                    request.origin.url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
                request.origin.url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, &secret.value);
            }
        }
    }

    /// A text without secrets, in whatever form they might stand in it.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for secret in self.all.iter().filter(|secret| SHORTEST_HIDDEN <= secret.value.len()) {
            let encoded: String = form_urlencoded::byte_serialize(secret.value.as_bytes()).collect();
            for form in [secret.value.clone(), encoded, secret.basic(), STANDARD.encode(&secret.value)] {
                hidden = hidden.replace(&form, HIDDEN);
            }
        }
        hidden
    }
}

impl Secret {
    fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.user, self.value))
    }
}

fn set_header(request: &mut HttpRequest, name: &str, value: String) {
    request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    request.headers.push((name.to_owned(), value));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::capability::Grants;
    use crate::fetch::{HttpMethod, NetworkFetcher};

    const MANIFEST: &str = "id = 'x'\nversion = '1'\napi = '0.1'\ndescription = 'd'\nhosts = ['https://api.example.org']\n\
        [config.key]\nhelp = 'a key'\nsecret = true\nrequired = true\n\
        bind = { host = 'https://api.example.org', query = 'api_key' }\n\
        [config.password]\nhelp = 'p'\nsecret = true\n\
        bind = { host = 'https://api.example.org', path = '/login', basic_user = 'username' }\n";

    fn call(config: &[(&str, &str)]) -> Call {
        Call {
            now: jiff::Timestamp::UNIX_EPOCH,
            config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            grants: Grants {
                hosts: vec!["https://api.example.org".into(), "https://other.org".into()],
                assets: BTreeMap::new(),
            },
            fetcher: Arc::new(NetworkFetcher::new().expect("a client")),
        }
    }

    fn request(call: &Call, address: &str) -> HttpRequest {
        HttpRequest::new(HttpMethod::Get, call.grants.check(address).expect("granted"))
    }

    fn secrets(call: &Call) -> Secrets {
        Secrets::of(&Manifest::parse(MANIFEST).expect("well-formed"), call).expect("complete")
    }

    #[test]
    fn a_secret_goes_to_its_host_and_nowhere_else() {
        let call = call(&[("key", "geheim&1"), ("username", "ada"), ("password", "lovelace")]);
        let secrets = secrets(&call);
        let mut own = request(&call, "https://api.example.org/data?api_key=mine&a=b%20c");
        secrets.add_to(&mut own);
        assert_eq!(own.origin.url.as_str(), "https://api.example.org/data?a=b+c&api_key=geheim%261");
        assert!(own.headers.is_empty(), "the password is for the login only");
        let mut login = request(&call, "https://api.example.org/login");
        login.headers.push(("Authorization".into(), "Basic mine".into()));
        secrets.add_to(&mut login);
        assert_eq!(login.headers, [("authorization".to_owned(), "Basic YWRhOmxvdmVsYWNl".to_owned())]);
        let mut other = request(&call, "https://other.org/data");
        secrets.add_to(&mut other);
        assert_eq!(other.origin.url.as_str(), "https://other.org/data");
    }

    #[test]
    fn no_form_of_a_secret_stays_in_a_text() {
        let call = call(&[("key", "geheim&1"), ("username", "ada"), ("password", "lovelace")]);
        let told = secrets(&call).hide("k=geheim&1 u=geheim%261 b=YWRhOmxvdmVsYWNl p=lovelace");
        assert_eq!(told, "k=[hidden] u=[hidden] b=[hidden] p=[hidden]");
    }

    #[test]
    fn a_missing_key_is_named() {
        let manifest = Manifest::parse(MANIFEST).expect("well-formed");
        let error = Secrets::of(&manifest, &call(&[])).expect_err("the key is missing");
        assert_eq!(error.kind(), "invalid-config");
        assert!(error.to_string().contains("`key`") && error.to_string().contains("a key"));
    }
}
