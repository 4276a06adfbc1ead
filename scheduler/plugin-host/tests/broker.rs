//! Fetching with manners, against a real server on loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use jiff::Timestamp;
use lowtide_plugin_host::{
    Broker, FetchRules, Fetched, Fetcher, Grants, HttpMethod, HttpRequest, NetworkFetcher, RateLimit,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A provider that answers by a script: the head lines and body for the n-th request.
struct Scripted {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn new(script: &'static (dyn Fn(usize, &str) -> String + Sync)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut reader = BufReader::new(&mut stream);
                let (mut request, mut line) = (String::new(), String::new());
                while reader.read_line(&mut line).await.is_ok_and(|read| 2 < read) {
                    request.push_str(&line.to_ascii_lowercase());
                    line.clear();
                }
                let number = {
                    let mut log = log.lock().expect("no panic");
                    log.push(request.clone());
                    log.len()
                };
                let _ = stream.write_all(script(number, &request).as_bytes()).await;
            }
        });
        Self { base, asked }
    }

    fn times(&self) -> usize {
        self.asked.lock().expect("no panic").len()
    }

    fn request(&self, path: &str) -> HttpRequest {
        let grants = Grants { hosts: vec![self.base.clone()], assets: BTreeMap::new() };
        HttpRequest::new(HttpMethod::Get, grants.check(&format!("{}{path}", self.base)).expect("granted"))
    }

    fn limited(&self, path: &str, rules: &FetchRules) -> HttpRequest {
        HttpRequest { rules: Arc::new(rules.clone()), ..self.request(path) }
    }
}

fn answer(status: &str, head: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A clock that is set by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn set(&self, second: i64) {
        self.0.store(second, Ordering::Relaxed);
    }

    fn broker(&self, folder: Option<&Path>) -> Broker {
        let hand = self.clone();
        let now = move || Timestamp::from_second(1_700_000_000 + hand.0.load(Ordering::Relaxed)).expect("in range");
        let network = Arc::new(NetworkFetcher::new().expect("a client"));
        Broker::with_clock(network, folder.map(|folder| folder.join("answers")), Box::new(now))
    }
}

async fn get(broker: &Broker, request: HttpRequest) -> Fetched {
    broker.fetch(request).await.expect("answered")
}

#[tokio::test]
async fn a_hundred_who_ask_the_same_share_one_request() {
    let provider = Scripted::new(&|number, _| answer("200 OK", "", &number.to_string())).await;
    let broker = Hand::default().broker(None);
    let told = join_all((0..100).map(|_| broker.fetch(provider.request("/a")))).await;
    assert!(told.iter().all(|told| told.as_ref().is_ok_and(|told| told.body == b"1")));
    assert_eq!(provider.times(), 1);
    get(&broker, provider.request("/b")).await;
    assert_eq!(provider.times(), 2, "another address is another question");
}

#[tokio::test]
async fn an_answer_is_given_again_while_it_is_fresh_also_after_a_restart() {
    let provider = Scripted::new(&|number, _| answer("200 OK", "", &number.to_string())).await;
    let (hand, folder) = (Hand::default(), tempfile::tempdir().expect("a folder"));
    let rules = FetchRules { fresh_seconds: 300, limits: Vec::new() };
    let broker = hand.broker(Some(folder.path()));
    assert_eq!(get(&broker, provider.limited("/a", &rules)).await.body, b"1");
    drop(broker);
    hand.set(299);
    let broker = hand.broker(Some(folder.path()));
    assert_eq!(get(&broker, provider.limited("/a", &rules)).await.body, b"1");
    hand.set(300);
    assert_eq!(get(&broker, provider.limited("/a", &rules)).await.body, b"2");
}

#[tokio::test]
async fn a_provider_is_asked_whether_its_answer_changed() {
    let provider = Scripted::new(&|number, request| match (number, request.contains("if-none-match: \"v1\"")) {
        (1, _) => answer("200 OK", "ETag: \"v1\"\r\n", "first"),
        (2, true) => answer("304 Not Modified", "", ""),
        (_, true) => answer("200 OK", "ETag: \"v2\"\r\n", "second"),
        _ => answer("500 unconditional", "", ""),
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Hand::default().broker(Some(folder.path()));
    for expected in ["first", "first", "second"] {
        assert_eq!(get(&broker, provider.request("/a")).await.body, expected.as_bytes());
    }
    assert_eq!(provider.times(), 3);
}

#[tokio::test]
async fn a_pause_asked_for_is_kept_without_asking() {
    let provider = Scripted::new(&|number, _| match number {
        1 => answer("429 Slow down", "Retry-After: 120\r\n", ""),
        2 => answer("503 Later", "Retry-After: Tue, 14 Nov 2023 22:20:00 GMT\r\n", ""),
        _ => answer("200 OK", "", "well"),
    })
    .await;
    let hand = Hand::default();
    let broker = hand.broker(None);
    assert_eq!(get(&broker, provider.request("/a")).await.status, 429);
    hand.set(30);
    let held = get(&broker, provider.request("/b")).await;
    assert_eq!((held.status, held.headers[0].1.as_str()), (429, "90"));
    assert_eq!(provider.times(), 1, "it was not asked");
    hand.set(120);
    assert_eq!(get(&broker, provider.request("/a")).await.status, 503);
    // The date is 400 s after the start of this clock.
    hand.set(399);
    assert_eq!(get(&broker, provider.request("/a")).await.status, 429);
    hand.set(400);
    assert_eq!(get(&broker, provider.request("/a")).await.body, b"well");
}

#[tokio::test]
async fn a_limit_of_the_manifest_is_kept_before_the_provider_has_to() {
    let provider = Scripted::new(&|_, _| answer("200 OK", "", "well")).await;
    let limit = RateLimit { host: provider.base.clone(), per_path: true, requests: 1, seconds: 60 };
    let rules = FetchRules { fresh_seconds: 0, limits: vec![limit] };
    let hand = Hand::default();
    let broker = hand.broker(None);
    assert_eq!(get(&broker, provider.limited("/set/a?x=1", &rules)).await.status, 200);
    assert_eq!(get(&broker, provider.limited("/set/a?x=2", &rules)).await.status, 429);
    assert_eq!(get(&broker, provider.limited("/set/b?x=1", &rules)).await.status, 200);
    hand.set(60);
    assert_eq!(get(&broker, provider.limited("/set/a?x=2", &rules)).await.status, 200);
    assert_eq!(provider.times(), 3);
}

#[tokio::test]
async fn answers_to_one_key_are_not_given_to_another_and_logins_are_not_kept() {
    let provider =
        Scripted::new(&|number, _| answer("200 OK", "Cache-Control: max-age=600\r\n", &number.to_string())).await;
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Hand::default().broker(Some(folder.path()));
    let with = |digest: &str| HttpRequest { secret_digest: Some(digest.to_owned()), ..provider.request("/a") };
    assert_eq!(get(&broker, with("one")).await.body, b"1");
    assert_eq!(get(&broker, with("two")).await.body, b"2");
    assert_eq!(get(&broker, with("one")).await.body, b"1");
    let mut login = with("one");
    login.headers.push(("authorization".into(), "Basic x".into()));
    let mut own = provider.request("/a");
    own.headers.push(("Authorization".into(), "Bearer x".into()));
    for (request, body) in [(login.clone(), "3"), (login, "4"), (own.clone(), "5"), (own, "6")] {
        assert_eq!(get(&broker, request).await.body, body.as_bytes());
    }
    let kept = std::fs::read_dir(folder.path().join("answers")).expect("made").count();
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn what_must_not_be_stored_and_failures_are_not_kept() {
    let provider = Scripted::new(&|number, _| match number {
        1 => answer("200 OK", "Cache-Control: no-store, max-age=600\r\n", "1"),
        2 => answer("500 Oh", "Cache-Control: max-age=600\r\n", ""),
        _ => answer("200 OK", "", "3"),
    })
    .await;
    let broker = Hand::default().broker(None);
    let told = [1, 2, 3].map(|_| broker.fetch(provider.request("/a")));
    let mut statuses = Vec::new();
    for told in told {
        statuses.push(told.await.expect("answered").status);
    }
    // The three were asked together, so they are one request; the next two find nothing kept.
    assert_eq!(statuses, [200, 200, 200]);
    assert_eq!(get(&broker, provider.request("/a")).await.status, 500);
    assert_eq!(get(&broker, provider.request("/a")).await.body, b"3");
}
