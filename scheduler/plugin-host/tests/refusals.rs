//! What each plugin that asks a network makes of a provider that fails: the typed error that says what to do, one request
//! where another would be no use, and no key in what is said.

use lowtide_model::forecast::Signal;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, Log, answer, ask};
use loopback::{Answer, Provider};

const KEY: &str = "geheim-4711";

/// A plugin, a zone of it and its settings.
struct Source {
    plugin: &'static str,
    zone: &'static str,
    config: &'static [(&'static str, &'static str)],
    signal: Signal,
    /// What a status means where it is not the usual thing.
    not_found: &'static str,
}

const fn source(plugin: &'static str, zone: &'static str, config: &'static [(&'static str, &'static str)]) -> Source {
    Source { plugin, zone, config, signal: Signal::Average, not_found: "unavailable" }
}

fn sources_on_the_network() -> [Source; 7] {
    [
        source("gb-neso", "GB", &[]),
        source("energi-data-service", "DK1", &[]),
        source("energy-charts", "DE", &[]),
        source("eia", "CISO", &[("api-key", KEY)]),
        source("openelectricity", "AU-NSW", &[]),
        Source { not_found: "invalid-region", ..source("electricitymaps", "DE", &[("token", KEY)]) },
        Source {
            signal: Signal::Marginal,
            not_found: "invalid-region",
            ..source("watttime", "US-CAL-CISO", &[("username", "ada"), ("password", KEY)])
        },
    ]
}

/// The last day, which every source tells.
fn yesterday(source: &Source) -> (Asked<'_>, [&'static str; 1]) {
    let asked = Asked {
        plugin: source.plugin,
        signal: source.signal,
        config: source.config,
        start: "2023-12-02T10:30:00Z",
        hours: 24.0,
        ..Asked::default()
    };
    (asked, [source.zone])
}

async fn outcome(source: &Source, refused: Answer) -> (lowtide_plugin_host::PluginError, Vec<String>) {
    let login = answer("/login", r#"{"token":"token-of-half-an-hour"}"#);
    let provider = Provider::with(vec![refused, login]).await;
    let (asked, zones) = yesterday(source);
    let error = ask(Asked { zones: &zones, ..asked }, Some(&provider)).await;
    let error = error.expect_err(source.plugin);
    let asked = provider.asked().into_iter().filter(|path| path != "/login").collect();
    (error, asked)
}

#[tokio::test]
async fn a_failing_provider_is_told_apart_by_what_to_do() {
    for source in &sources_on_the_network() {
        for (status, header, body, kind) in [
            (401, "x-a: b", "{}", "unauthorized"),
            (403, "x-a: b", "{}", "unauthorized"),
            (404, "x-a: b", "not here", source.not_found),
            (429, "Retry-After: 77", "slow down", "rate-limited"),
            (429, "x-a: b", "slow down", "rate-limited"),
            (429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", "slow down", "rate-limited"),
            (500, "x-a: b", "oops", "unavailable"),
            (503, "x-a: b", "<html>busy</html>", "unavailable"),
            (302, "Location: http://169.254.169.254/", "", "unavailable"),
            (200, "Content-Type: text/html", "<html>maintenance</html>", "malformed"),
            (200, "x-a: b", "", "malformed"),
            (200, "x-a: b", r#"{"data":[{"from":"2023-12-0"#, "malformed"),
            (200, "x-a: b", "null", "malformed"),
            (200, "x-a: b", "[]", "malformed"),
            (200, "x-a: b", r#"{"unexpected":true}"#, "malformed"),
        ] {
            let refused = Answer { path: "/", status, header, body: body.as_bytes().to_vec() };
            let (error, asked) = outcome(source, refused).await;
            assert_eq!(error.kind(), kind, "{}: {status} {body}: {error}", source.plugin);
            let wait = error.retry_after().map(|wait| wait.as_secs());
            assert_eq!(wait, header.contains("77").then_some(77), "{}: {header}", source.plugin);
            // A login is made anew once, and a plan is asked for its newest hour where it has no history.
            let again = match (source.plugin, status) {
                ("watttime", 401) | ("electricitymaps", 403 | 404) => 2,
                _ => 1,
            };
            assert_eq!(asked.len(), again, "{}: {status} {asked:?}", source.plugin);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    for source in &sources_on_the_network() {
        let (error, _) = outcome(source, Answer { body: vec![b' '; 3 << 20], ..answer("/", "") }).await;
        assert_eq!(error.kind(), "malformed", "{}: {error}", source.plugin);
        assert!(error.to_string().contains("2097152 bytes"), "{}: {error}", source.plugin);
    }
}

#[tokio::test]
async fn a_provider_that_repeats_the_key_does_not_publish_it() {
    for source in sources_on_the_network().iter().filter(|source| !source.config.is_empty()) {
        for status in [200, 400, 401, 403, 404, 422, 500] {
            let log = Log::begin();
            // Key, base64 of `ada:KEY`, and the token that the login gives.
            let body = format!("\"{KEY} YWRhOmdlaGVpbS00NzEx\"");
            let refused = Answer { path: "/", status, header: "x-a: b", body: body.into_bytes() };
            let (error, asked) = outcome(source, refused).await;
            let said = format!("{error} {error:?} {}", log.lines().join("\n"));
            for secret in [KEY, "dlaGVpbS00NzEx", "token-of-half"] {
                assert!(!said.contains(secret), "{}: {status}: {said}", source.plugin);
            }
            assert!(!asked.is_empty(), "{}: {status}", source.plugin);
        }
    }
}

#[tokio::test]
async fn nobody_there_and_no_grant_are_told_apart_from_an_answer() {
    for source in &sources_on_the_network() {
        let gone = Provider::with(Vec::new()).await.base.replace("127.0.0.1", "127.0.0.2");
        let network = std::sync::Arc::new(lowtide_plugin_host::NetworkFetcher::new().expect("a client"));
        let (asked, zones) = yesterday(source);
        let error = asking::ask_through(Asked { zones: &zones, ..asked }, Some(&gone), network).await;
        let error = error.expect_err("nobody listens there");
        assert_eq!(error.kind(), "unavailable", "{}: {error}", source.plugin);
        assert!(error.to_string().contains("cannot be reached"), "{}: {error}", source.plugin);
    }
}

#[tokio::test]
async fn an_intensity_that_cannot_be_is_refused() {
    for (value, kind) in [("-5", "malformed"), ("5001", "malformed")] {
        let time = "2023-12-03T09:00:00.000Z";
        for (source, body) in sources_on_the_network().iter().zip([
            format!(r#"{{"data":[{{"from":"2023-12-03T09:00Z","intensity":{{"forecast":{value}}}}}]}}"#),
            format!(
                r#"{{"records":[{{"Minutes5UTC":"2023-12-03T09:00:00","PriceArea":"DK1","CO2Emission":{value}}}]}}"#
            ),
            format!(r#"{{"unix_seconds":[1701594000],"co2eq":[{value}]}}"#),
        ]) {
            let (error, _) = outcome(source, answer("/", body)).await;
            assert_eq!(error.kind(), kind, "{}: {error}", source.plugin);
        }
        let maps = source("electricitymaps", "DE", &[("token", KEY)]);
        let body = format!(r#"{{"history":[{{"carbonIntensity":{value},"datetime":"{time}"}}]}}"#);
        assert_eq!(outcome(&maps, answer("/", body)).await.0.kind(), kind);
    }
}
