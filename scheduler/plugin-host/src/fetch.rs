//! Fetching for plugins. Each address is checked, resolved once and connected to as checked; nothing is redirected, no
//! proxy of the environment is used, and bodies are counted as they come.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::capability::Origin;
use crate::error::HostError;
use crate::limits;
use crate::manifest::FetchRules;

/// How a plugin asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// POST.
    Post,
}

/// A request that was granted.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// How.
    pub method: HttpMethod,
    /// Where.
    pub origin: Origin,
    /// The address as the guest gave it, without the secrets the host adds.
    pub asked: Url,
    /// With which headers.
    pub headers: Vec<(String, String)>,
    /// With which body.
    pub body: Option<Vec<u8>>,
    /// A digest of the secrets the host added: answers given to one key are not given to another.
    pub secret_digest: Option<String>,
    /// How the plugin's requests are made.
    pub rules: Arc<FetchRules>,
}

impl HttpRequest {
    /// A request with no headers and no body.
    #[must_use]
    pub fn new(method: HttpMethod, origin: Origin) -> Self {
        let asked = origin.url.clone();
        Self { method, origin, asked, headers: Vec::new(), body: None, secret_digest: None, rules: Arc::default() }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The headers that are text.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFailure {
    /// The address leads where it may not.
    Denied(String),
    /// The body is larger than this many bytes.
    TooLarge(u64),
    /// It took too long.
    Timeout,
    /// The network failed.
    Network(String),
    /// The request makes no sense.
    Invalid(String),
}

/// Who fetches: the network, or a recording.
pub trait Fetcher: Send + Sync + std::fmt::Debug {
    /// Fetches what was granted.
    fn fetch<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchFailure>> + Send + 'a>>;
}

/// The real network.
#[derive(Debug)]
pub struct NetworkFetcher {
    patience: Duration,
}

/// Headers that the host alone sets.
const HOST_OWNED: [&str; 6] =
    ["host", "content-length", "connection", "transfer-encoding", "proxy-authorization", "accept-encoding"];

impl NetworkFetcher {
    /// Sets the process's TLS provider if there is none yet.
    pub fn new() -> Result<Self, HostError> {
        Self::with_patience(limits::FETCH)
    }

    /// The same with another time that a fetch may take.
    pub fn with_patience(patience: Duration) -> Result<Self, HostError> {
        // Fails only where one is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { patience })
    }
}

impl Fetcher for NetworkFetcher {
    fn fetch<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchFailure>> + Send + 'a>> {
        Box::pin(async move {
            tokio::time::timeout(self.patience, fetch(request)).await.unwrap_or(Err(FetchFailure::Timeout))
        })
    }
}

async fn fetch(request: HttpRequest) -> Result<Fetched, FetchFailure> {
    let HttpRequest { method, origin, headers, body, .. } = request;
    let addresses = resolve(&origin).await?;
    // A client for each request: it knows exactly the addresses that were checked.
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("lowtide/", env!("CARGO_PKG_VERSION")));
    if let Host::Domain(name) = &origin.host {
        builder = builder.resolve_to_addrs(name, &addresses);
    }
    let client = builder.build().map_err(|error| FetchFailure::Network(told(&error)))?;
    let mut asked = match method {
        HttpMethod::Get => client.get(origin.url),
        HttpMethod::Post => client.post(origin.url),
    };
    for (name, value) in headers.iter().filter(|(name, _)| !HOST_OWNED.contains(&name.to_ascii_lowercase().as_str())) {
        asked = asked.header(name, value);
    }
    if let Some(body) = body {
        asked = asked.body(body);
    }
    let answer = asked.send().await.map_err(failure)?;
    let status = answer.status().as_u16();
    let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    let headers = answer.headers().iter().filter_map(text).collect();
    let mut body = Vec::new();
    let mut stream = answer.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(failure)?;
        if limits::BODY_BYTES < body.len() + piece.len() {
            return Err(FetchFailure::TooLarge(limits::BODY_BYTES as u64));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Fetched { status, headers, body })
}

/// The addresses of a host, each checked.
async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, FetchFailure> {
    let host = match &origin.host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let found = tokio::net::lookup_host((host.as_str(), origin.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| FetchFailure::Network(error.to_string()))?.collect();
    for address in &addresses {
        origin.check_address(address.ip()).map_err(|refused| FetchFailure::Denied(refused.to_string()))?;
    }
    if addresses.is_empty() { Err(FetchFailure::Network(format!("{host} has no address"))) } else { Ok(addresses) }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of `map_err`")]
fn failure(error: reqwest::Error) -> FetchFailure {
    if error.is_timeout() {
        FetchFailure::Timeout
    } else if error.is_builder() {
        FetchFailure::Invalid(told(&error))
    } else {
        FetchFailure::Network(told(&error))
    }
}

/// An error with its causes, without the address, whose query may hold a key.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes.last().cloned().unwrap_or_else(|| "the request failed".to_owned())
}
