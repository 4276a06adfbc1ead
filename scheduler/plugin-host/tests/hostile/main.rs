//! Broken and hostile guests, written as text and assembled here: each is contained, ends in a typed error, and leaves the
//! next call as it was. What they cost others is measured by the benchmark `plugins`, over the same catalogue.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Signal};
use lowtide_model::identity::ZoneId;
use lowtide_model::window::Window;
use lowtide_plugin_host::{Call, Grants, Manifest, NetworkFetcher, PluginError, PluginHost, Query};

mod catalogue;
mod guest;
mod network;

use catalogue::{Case, Outcome, SECRET};
use guest::{GOOD, Point, START, Told, answering};

static HOST: LazyLock<PluginHost> = LazyLock::new(|| PluginHost::new(None).expect("a host"));

/// The most characters a text of a guest's may have, with the words around it.
const LONGEST_WORDS: usize = 1200;

fn good() -> Case {
    let later = Point { start: START + 3600, intensity: 50.0, band: Some((40.0, 60.0)), ..GOOD };
    Case {
        name: "is good".into(),
        wasm: answering(&[Told::points(&[GOOD, later])]).assemble(),
        hosts: Vec::new(),
        config: BTreeMap::new(),
        manifest: String::new(),
        outcome: Outcome::Points(2),
        describes: false,
    }
}

async fn ask(case: &Case) -> Result<Vec<Forecast>, PluginError> {
    let text = format!("id = 'hostile'\nversion = '1'\napi = '0.1'\ndescription = 'x'\n{}", case.manifest);
    let manifest = Manifest::parse(&text).expect("a manifest");
    let at = |second| Timestamp::from_second(second).expect("in range");
    let query = Query {
        zones: vec![ZoneId::new("GB").expect("a name")],
        signal: Signal::Average,
        window: Window::new(at(START), at(START + 86_400)).expect("a day"),
    };
    let call = Call {
        now: at(START),
        config: case.config.clone(),
        grants: Grants { hosts: case.hosts.clone(), assets: BTreeMap::new() },
        // Ten seconds are for providers; a slow loris of ours need not take them.
        fetcher: Arc::new(NetworkFetcher::with_patience(Duration::from_millis(500)).expect("a client")),
    };
    let plugin = HOST.load(manifest, &case.wasm)?;
    if case.describes { plugin.describe(&call).await.map(|_| Vec::new()) } else { plugin.series(&query, &call).await }
}

/// What is wrong with what came of a case, if anything is.
fn complaint(case: &Case, told: &Result<Vec<Forecast>, PluginError>) -> Option<String> {
    let points = |told: &[Forecast]| told.iter().map(|forecast| forecast.slots().len()).sum::<usize>();
    match (told, case.outcome) {
        (Ok(told), Outcome::Points(expected)) if points(told) == expected => None,
        (Ok(told), Outcome::Nothing) if told.is_empty() => None,
        (Ok(_), Outcome::Refused(kinds)) if kinds.contains(&"*") => None,
        (Err(error), Outcome::Refused(kinds)) if kinds.contains(&error.kind()) => {
            let words = error.to_string();
            let bad = words.chars().any(char::is_control) || LONGEST_WORDS < words.len() || words.contains(SECRET);
            bad.then(|| format!("its words: {words:?}"))
        }
        (told, _) => Some(format!("{told:?}")),
    }
}

#[tokio::test]
async fn a_good_guest_is_understood() {
    let told = ask(&good()).await.expect("it is good");
    let values: Vec<f64> = told[0].slots().iter().map(|slot| slot.intensity.get()).collect();
    assert_eq!(values, [100.0, 50.0]);
    assert_eq!(told[0].slots()[1].band.map(|band| band.high.get()), Some(60.0));
}

#[tokio::test]
async fn every_hostile_guest_is_contained() {
    let server = network::serve();
    let cases = catalogue::all(&server);
    assert!(60 <= cases.len(), "{} guests", cases.len());
    let good = good();
    let mut complaints = Vec::new();
    for case in &cases {
        // Twice: what the first call did must not reach the second.
        for _ in 0..2 {
            let told = ask(case).await;
            complaints.extend(complaint(case, &told).map(|words| format!("a guest that {}: {words}", case.name)));
        }
        if let Some(words) = complaint(&good, &ask(&good).await) {
            complaints.push(format!("after a guest that {} a good one fails: {words}", case.name));
        }
    }
    assert!(complaints.is_empty(), "{} guests\n{}", cases.len(), complaints.join("\n"));
}

#[tokio::test]
async fn a_guest_that_never_ends_delays_nobody() {
    let server = network::serve();
    let spinning =
        catalogue::all(&server).into_iter().find(|case| case.name == "spins in series").expect("it is there");
    let good = good();
    ask(&good).await.expect("compiled once");
    let spin = tokio::spawn(async move { ask(&spinning).await });
    tokio::task::yield_now().await;
    // On one thread of this runtime, while the other guest computes.
    assert!(ask(&good).await.is_ok());
    assert!(!spin.is_finished(), "the good one was answered first");
    assert_eq!(spin.await.expect("no panic").expect_err("it never ends").kind(), "timed-out");
}
