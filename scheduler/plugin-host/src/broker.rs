//! Fetching with manners: one request at a time for one address, whoever asks; answers kept while they are fresh and asked
//! about afterwards; a provider's own limits and the pauses it asks for are obeyed before it has to refuse.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use lowtide_model::quantity::Seconds;

use crate::fetch::{FetchFailure, Fetched, Fetcher, HttpMethod, HttpRequest};
use crate::response_cache::{Kept, ResponseCache, header};
use crate::throttle::Throttle;

const NOT_MODIFIED: u16 = 304;
const TOO_MANY_REQUESTS: u16 = 429;
const UNAVAILABLE: u16 = 503;

/// The time of the outer world: providers live in it, whatever a simulated clock says.
pub type WallClock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What came of a request.
type Outcome = Result<Fetched, FetchFailure>;
/// A request under way, shared by all who want its outcome.
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Stands between plugins and the network.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Inner>,
}

struct Inner {
    network: Arc<dyn Fetcher>,
    clock: WallClock,
    cache: Mutex<ResponseCache>,
    throttle: Mutex<Throttle>,
    flights: Mutex<HashMap<String, Flight>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.network)
    }
}

impl Broker {
    /// A broker that keeps answers in `folder`, if only this user can enter it; else in memory.
    #[must_use]
    pub fn new(network: Arc<dyn Fetcher>, folder: Option<PathBuf>) -> Self {
        Self::with_clock(network, folder, Box::new(Timestamp::now))
    }

    /// The same with a clock of the caller's.
    #[must_use]
    pub fn with_clock(network: Arc<dyn Fetcher>, folder: Option<PathBuf>, clock: WallClock) -> Self {
        let cache = Mutex::new(ResponseCache::open(folder));
        Self {
            shared: Arc::new(Inner { network, clock, cache, throttle: Mutex::default(), flights: Mutex::default() }),
        }
    }
}

impl Fetcher for Broker {
    fn fetch<'a>(&'a self, request: HttpRequest) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        if !may_be_shared(&request) {
            return Box::pin(self.shared.clone().ask(request));
        }
        let key = ResponseCache::key(&request);
        let mut flights = self.shared.flights.lock().expect("no holder panics");
        let flight = flights.entry(key.clone()).or_insert_with(|| {
            let inner = self.shared.clone();
            let flight = async move {
                let outcome = inner.clone().kept_or_asked(&key, request).await;
                inner.flights.lock().expect("no holder panics").remove(&key);
                outcome
            };
            flight.boxed().shared()
        });
        Box::pin(flight.clone())
    }
}

impl Inner {
    async fn kept_or_asked(self: Arc<Self>, key: &str, mut request: HttpRequest) -> Outcome {
        let kept = self.cache.lock().expect("no holder panics").get(key);
        let Some(kept) = kept else { return self.ask_and_keep(key, request).await };
        if kept.is_fresh(request.rules.fresh_seconds, (self.clock)()) {
            return Ok(kept.answer());
        }
        request.headers.extend(kept.conditions());
        match self.clone().ask(request).await? {
            Fetched { status: NOT_MODIFIED, .. } => Ok(self.confirm(key, kept)),
            fetched => Ok(self.keep(key, fetched)),
        }
    }

    async fn ask_and_keep(self: Arc<Self>, key: &str, request: HttpRequest) -> Outcome {
        let fetched = self.clone().ask(request).await?;
        Ok(self.keep(key, fetched))
    }

    fn keep(&self, key: &str, fetched: Fetched) -> Fetched {
        self.cache.lock().expect("no holder panics").put(key, &fetched, (self.clock)());
        fetched
    }

    fn confirm(&self, key: &str, kept: Kept) -> Fetched {
        self.cache.lock().expect("no holder panics").confirm(key, kept, (self.clock)())
    }

    /// Asks the provider, unless it may not be asked yet: then the guest is told what the provider would tell it.
    async fn ask(self: Arc<Self>, request: HttpRequest) -> Outcome {
        let url = request.origin.url.clone();
        let admitted = self.throttle.lock().expect("no holder panics").admit(&url, &request.rules, (self.clock)());
        if let Err(wait) = admitted {
            let seconds = wait.get().ceil();
            return Ok(Fetched {
                status: TOO_MANY_REQUESTS,
                headers: vec![("retry-after".to_owned(), format!("{seconds:.0}"))],
                body: b"held back by lowtide: the provider's limit".to_vec(),
            });
        }
        let fetched = self.network.fetch(request).await?;
        if matches!(fetched.status, TOO_MANY_REQUESTS | UNAVAILABLE) {
            let now = (self.clock)();
            if let Some(pause) = header(&fetched.headers, "retry-after").and_then(|text| pause_of(text, now)) {
                self.throttle.lock().expect("no holder panics").quiet(&url, pause, now);
            }
        }
        Ok(fetched)
    }
}

/// Whether an answer may be given to others: not what a guest asked with credentials of its own, such as a token it logged
/// in for, and nothing that is sent.
fn may_be_shared(request: &HttpRequest) -> bool {
    let own_credentials = request.secret_digest.is_none() && header(&request.headers, "authorization").is_some();
    let login = header(&request.headers, "authorization").is_some_and(|value| value.starts_with("Basic "));
    request.method == HttpMethod::Get && request.body.is_none() && !own_credentials && !login
}

/// `Retry-After`: seconds, or a date.
fn pause_of(text: &str, now: Timestamp) -> Option<Seconds> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Seconds::saturating(f64::from(seconds)));
    }
    let date = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    (now < date).then(|| Seconds::between(now, date))
}
