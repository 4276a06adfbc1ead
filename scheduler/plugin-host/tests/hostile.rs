//! Broken and hostile guests, written as text and assembled here: each is contained, ends in a typed error, and leaves the
//! next call as it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Signal};
use lowtide_model::identity::ZoneId;
use lowtide_model::window::Window;
use lowtide_plugin_host::{Call, Grants, Manifest, NetworkFetcher, PluginError, PluginHost, Query};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

static HOST: LazyLock<PluginHost> = LazyLock::new(|| PluginHost::new(None).expect("a host"));

const START: i64 = 1_700_000_000;

/// A guest whose `series` has this body, over memory that holds these bytes from 1024 on. It leaves its answer at 64.
fn guest(body: &str, memory: &[u8]) -> Vec<u8> {
    let data = memory.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").expect("a string takes everything");
        text
    });
    let module = format!(
        r#"(module
            (import "lowtide:region/host@0.1.0" "fetch"
                (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
            (import "lowtide:region/host@0.1.0" "log" (func $log (param i32 i32 i32)))
            (memory (export "memory") 8)
            (data (i32.const 1024) "{data}")
            (global $heap (mut i32) (i32.const 262144))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 15)) (i32.const -16)))
                (local.get $at))
            (func $recurse (param i32) (result i32)
                (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func (export "lowtide:region/region@0.1.0#describe") (result i32) (unreachable))
            (func (export "lowtide:region/region@0.1.0#series") (param i32 i32 i32 i64 i64) (result i32)
                (local $count i32)
                {body}
                (i32.const 64)))"#
    );
    let mut module = wat::parse_str(module).expect("the guest's text is well-formed");
    let mut resolve = Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/wit/region-0.1");
    let (package, _) = resolve.push_dir(contract).expect("the contract");
    let world = resolve.select_world(&[package], Some("region-plugin")).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("embedded");
    ComponentEncoder::default().validate(true).module(&module).expect("a module").encode().expect("a component")
}

/// One point of an answer.
#[derive(Clone, Copy)]
struct Point {
    start: i64,
    duration: u32,
    intensity: f64,
    band: Option<(f64, f64)>,
}

const GOOD: Point = Point { start: START, duration: 3600, intensity: 100.0, band: None };

/// A guest that answers with these points, for each of these zones.
fn answering(zones: &[&str], points: &[Point]) -> Vec<u8> {
    let mut memory = Vec::new();
    let names: Vec<(u32, u32)> = zones
        .iter()
        .map(|zone| {
            let at = 1024 + u32::try_from(memory.len()).expect("small");
            memory.extend_from_slice(zone.as_bytes());
            (at, u32::try_from(zone.len()).expect("small"))
        })
        .collect();
    memory.resize(memory.len().next_multiple_of(8), 0);
    let points_at = 1024 + u32::try_from(memory.len()).expect("small");
    for Point { start, duration, intensity, band } in points {
        memory.extend_from_slice(&start.to_le_bytes());
        memory.extend_from_slice(&duration.to_le_bytes());
        memory.extend_from_slice(&[0; 4]);
        memory.extend_from_slice(&intensity.to_le_bytes());
        memory.extend_from_slice(&u64::from(band.is_some()).to_le_bytes());
        let (low, high) = band.unwrap_or_default();
        memory.extend_from_slice(&low.to_le_bytes());
        memory.extend_from_slice(&high.to_le_bytes());
        memory.extend_from_slice(&1_u64.to_le_bytes());
    }
    let series_at = 1024 + u32::try_from(memory.len()).expect("small");
    for (name, length) in names {
        memory.extend_from_slice(&name.to_le_bytes());
        memory.extend_from_slice(&length.to_le_bytes());
        memory.extend_from_slice(&[0; 8]);
        memory.extend_from_slice(&[0; 16]);
        memory.extend_from_slice(&points_at.to_le_bytes());
        memory.extend_from_slice(&u32::try_from(points.len()).expect("small").to_le_bytes());
    }
    let body = format!(
        "(i32.store8 (i32.const 64) (i32.const 0))
         (i32.store (i32.const 68) (i32.const {series_at}))
         (i32.store (i32.const 72) (i32.const {}))",
        zones.len()
    );
    guest(&body, &memory)
}

fn manifest() -> Manifest {
    Manifest::parse("id = 'hostile'\nversion = '1'\napi = '0.1'\ndescription = 'x'\n").expect("a manifest")
}

fn terms(hosts: &[&str]) -> Call {
    Call {
        now: Timestamp::from_second(START).expect("in range"),
        config: BTreeMap::new(),
        grants: Grants { hosts: hosts.iter().map(ToString::to_string).collect(), assets: BTreeMap::new() },
        fetcher: Arc::new(NetworkFetcher::new().expect("a client")),
    }
}

async fn ask_granted(wasm: &[u8], hosts: &[&str]) -> Result<Vec<Forecast>, PluginError> {
    let at = |second| Timestamp::from_second(second).expect("in range");
    let query = Query {
        zones: vec![ZoneId::new("GB").expect("a name")],
        signal: Signal::Average,
        window: Window::new(at(START), at(START + 86_400)).expect("a day"),
    };
    HOST.load(manifest(), wasm)?.series(&query, &terms(hosts)).await
}

async fn ask(wasm: &[u8]) -> Result<Vec<Forecast>, PluginError> {
    ask_granted(wasm, &[]).await
}

/// The error, as kind and words.
async fn refused(wasm: &[u8]) -> (&'static str, String) {
    let error = ask(wasm).await.expect_err("it is not taken");
    // Whatever that guest did, the host goes on.
    assert!(ask(&answering(&["GB"], &[GOOD])).await.is_ok());
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_good_guest_is_understood() {
    let later = Point { start: START + 3600, intensity: 50.0, band: Some((40.0, 60.0)), ..GOOD };
    let told = ask(&answering(&["GB"], &[GOOD, later])).await.expect("it is good");
    let values: Vec<f64> = told[0].slots().iter().map(|slot| slot.intensity.get()).collect();
    assert_eq!(values, [100.0, 50.0]);
    assert_eq!(told[0].slots()[1].band.map(|band| band.high.get()), Some(60.0));
}

#[tokio::test]
async fn points_outside_the_asked_time_are_dropped() {
    let before = Point { start: START - 7200, ..GOOD };
    let after = Point { start: START + 90_000, ..GOOD };
    let told = ask(&answering(&["GB"], &[before, GOOD, after])).await.expect("it is good");
    assert_eq!(told[0].slots().len(), 1);
    assert_eq!(ask(&answering(&["GB"], &[before])).await.expect("it is good"), Vec::new());
}

#[tokio::test]
async fn answers_that_make_no_sense_are_refused() {
    let point = |change: fn(&mut Point)| {
        let mut point = GOOD;
        change(&mut point);
        answering(&["GB"], &[point])
    };
    let many: Vec<Point> = (0..2017).map(|n| Point { start: START + 60 * n, duration: 60, ..GOOD }).collect();
    for (what, wasm) in [
        ("not a number", point(|p| p.intensity = f64::NAN)),
        ("infinite", point(|p| p.intensity = f64::INFINITY)),
        ("negative", point(|p| p.intensity = -1.0)),
        ("more than can be", point(|p| p.intensity = 5001.0)),
        ("no length", point(|p| p.duration = 0)),
        ("too short", point(|p| p.duration = 59)),
        ("beyond the end of time", point(|p| p.start = i64::MAX)),
        ("a band that is no number", point(|p| p.band = Some((f64::NAN, 1.0)))),
        ("a band beside its value", point(|p| p.band = Some((1.0, 2.0)))),
        ("out of order", answering(&["GB"], &[Point { start: START + 3600, ..GOOD }, GOOD])),
        ("overlapping", answering(&["GB"], &[GOOD, Point { start: START + 1800, ..GOOD }])),
        ("the same time twice", answering(&["GB"], &[GOOD, GOOD])),
        ("a zone nobody asked for", answering(&["FR"], &[GOOD])),
        ("a zone twice", answering(&["GB", "GB"], &[GOOD])),
        ("too many points", answering(&["GB"], &many)),
    ] {
        let (kind, words) = refused(&wasm).await;
        assert_eq!(kind, "malformed", "{what}: {words}");
    }
}

#[tokio::test]
async fn a_guest_that_never_ends_is_ended_and_delays_nobody() {
    let spinning = guest("(loop $again (br $again))", &[]);
    let good = answering(&["GB"], &[GOOD]);
    ask(&good).await.expect("compiled once");
    let spin = tokio::spawn(async move { ask(&spinning).await });
    tokio::task::yield_now().await;
    // On one thread of this runtime, while the other guest computes.
    assert!(ask(&good).await.is_ok());
    let error = spin.await.expect("no panic").expect_err("it never ends");
    assert_eq!(error.kind(), "timed-out", "{error}");
}

#[tokio::test]
async fn a_guest_that_grows_recurses_or_traps_is_contained() {
    for (kind, body) in [
        (
            "out-of-memory",
            "(loop $again (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then (unreachable))) (br $again))",
        ),
        ("trapped", "(drop (call $recurse (i32.const 0)))"),
        ("trapped", "(unreachable)"),
        ("trapped", "(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
        ("trapped", "(drop (i32.load (i32.const -4)))"),
        // A list that lies about its length, and one that begins beyond memory.
        ("trapped", "(i32.store (i32.const 68) (i32.const 1024)) (i32.store (i32.const 72) (i32.const 268435455))"),
        ("trapped", "(i32.store (i32.const 68) (i32.const -16)) (i32.store (i32.const 72) (i32.const 1))"),
        // An answer that is neither of the two there are.
        ("trapped", "(i32.store8 (i32.const 64) (i32.const 7))"),
    ] {
        let (told, words) = refused(&guest(body, &[])).await;
        assert_eq!(told, kind, "{body}: {words}");
    }
}

/// A guest that fetches this address so many times and says out-of-range if the last answer was this refusal.
fn fetching(address: &str, times: u32, refusal: u8) -> Vec<u8> {
    let length = address.len();
    let body = format!(
        "(loop $again
            (call $fetch (i32.const 0) (i32.const 1024) (i32.const {length}) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const {times}))))
         (if (i32.and (i32.eq (i32.load8_u (i32.const 256)) (i32.const 1))
                      (i32.eq (i32.load8_u (i32.const 264)) (i32.const {refusal})))
             (then (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const 4)))
             (else (unreachable)))"
    );
    guest(&body, address.as_bytes())
}

/// Numbers of the contract's `fetch-error`.
const DENIED: u8 = 0;
const BUDGET_EXHAUSTED: u8 = 5;

#[tokio::test]
async fn a_guest_fetches_nothing_that_is_not_granted() {
    let granted = ["https://api.example.org", "https://localhost"];
    for address in [
        "https://evil.example.net/",
        "http://api.example.org/",
        "https://api.example.org:8443/",
        "https://user:pass@api.example.org/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:22/",
        "file:///etc/passwd",
        // Granted by name, but the name leads to this machine.
        "https://localhost/",
    ] {
        let told = ask_granted(&fetching(address, 1, DENIED), &granted).await;
        assert_eq!(told.expect_err("it was denied").kind(), "out-of-range", "{address}");
    }
}

#[tokio::test]
async fn a_ninth_fetch_is_refused() {
    let told = ask(&fetching("https://evil.example.net/", 9, BUDGET_EXHAUSTED)).await;
    assert_eq!(told.expect_err("it says so").kind(), "out-of-range");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_off() {
    let flood = "(loop $again
            (call $log (i32.const 3) (i32.const 1024) (i32.const 9))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const 100000))))
         (i32.store8 (i32.const 64) (i32.const 0)) (i32.store (i32.const 72) (i32.const 0))";
    let begun = Instant::now();
    assert_eq!(ask(&guest(flood, b"\x1b[31mred\n")).await.expect("it is only noisy"), Vec::new());
    // Not a measure of speed: a hundred thousand lines written out would take far longer than this.
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_is_no_region_plugin_is_refused_before_it_runs() {
    let good = answering(&["GB"], &[GOOD]);
    let wasi = wat::parse_str(r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#).expect("well-formed");
    let empty = wat::parse_str("(component)").expect("well-formed");
    let module = wat::parse_str("(module)").expect("well-formed");
    for (what, wasm) in [
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("half a component", good[..good.len() / 2].to_vec()),
        ("a core module", module),
        ("a component that exports nothing", empty),
        ("a component that wants WASI", wasi),
        ("a hundred megabytes", vec![0; 100 << 20]),
    ] {
        let (kind, words) = refused(&wasm).await;
        assert_eq!(kind, "not-a-plugin", "{what}: {words}");
    }
}
