//! What plugins cost: starting, calling, refreshing a hundred zones, memory; and what each guest of the hostile catalogue costs
//! the daemon's other work. `cargo bench -p lowtide-plugin-host --bench plugins`
//!
//! The last is held to a limit: the program ends with 1 where the 99th percentile of the delay of other work reaches 50 ms.
#![expect(clippy::print_stdout, reason = "a program that talks to its terminal")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lowtide_model::forecast::Signal;
use lowtide_model::identity::ZoneId;
use lowtide_model::window::Window;
use lowtide_plugin_host::{Broker, Call, Grants, Manifest, NetworkFetcher, PluginHost, Query, RegionPlugin};

#[path = "../tests/hostile/catalogue.rs"]
mod catalogue;
#[path = "../tests/hostile/guest.rs"]
mod guest;
#[path = "../tests/loopback/mod.rs"]
mod loopback;
#[path = "../tests/hostile/network.rs"]
mod network;

use catalogue::{Case, Outcome};
use guest::{GOOD, Point, START, Told, answering};
use loopback::{Answer, Provider};

/// Other work wants to run this often.
const BEAT: Duration = Duration::from_millis(1);
/// The 99th percentile of its lateness must stay below this.
const MOST_LATE: Duration = Duration::from_millis(50);
/// Warm calls that are timed.
const CALLS: usize = 1000;
/// Zones refreshed at once, and how many of them share a call.
const ZONES: u8 = 100;
const ZONES_A_CALL: usize = 4;

fn main() -> ExitCode {
    // The daemon's own runtime has two workers.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        starts();
        let host = PluginHost::new(None).expect("a host");
        calls(&host).await;
        refresh(&host).await;
        println!("peak memory of this process so far: {}\n", peak_memory());
        hostile(&host).await
    })
}

fn starts() {
    let folder = tempfile::tempdir().expect("a folder");
    println!("start of a built-in plugin             compiled      from the cache");
    for builtin in PluginHost::builtins() {
        let id = &builtin.manifest.id;
        let load = || {
            let host = PluginHost::new(Some(folder.path().join("cache"))).expect("a host");
            let begun = Instant::now();
            host.load_builtin(id).expect("it loads");
            begun.elapsed()
        };
        println!("{id:36} {:>10} {:>19}", shown(load()), shown(load()));
    }
    println!();
}

async fn calls(host: &PluginHost) {
    let hours: Vec<Point> = (0..192_i64).map(|n| Point { start: START + 450 * n, duration: 450, ..GOOD }).collect();
    let text = load(host, "", &answering(&[Told::points(&hours)]).assemble());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("series.csv");
    let at = |n: i64| Timestamp::from_second(START + 450 * n).expect("in range");
    let rows: String = (0..192).fold("time,intensity\n".to_owned(), |text, n| format!("{text}{},{}\n", at(n), 100 + n));
    std::fs::write(&file, rows).expect("written");
    let csv = host.load_builtin("csv").expect("it loads");
    let mut reading = call(&[]);
    reading.grants.assets.insert("file".to_owned(), file);
    println!("a call for 192 values, instance included      p50         p99");
    for (name, plugin, call) in
        [("a guest of 70 lines of text", &text, call(&[])), ("csv, a file of 192 rows", &csv, reading)]
    {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begun = Instant::now();
            let told = plugin.series(&query(&["GB"]), &call).await.expect("it answers");
            times.push(begun.elapsed());
            assert!(190 <= told[0].slots().len(), "{name}: {}", told[0].slots().len());
        }
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        println!("{name:38} {:>10} {:>11}", shown(p50), shown(p99));
    }
    println!();
}

/// A hundred zones of one plugin, asked as the daemon asks, of a provider on loopback.
async fn refresh(host: &PluginHost) {
    let times: Vec<String> = (0..192).map(|n| (START + 900 * n).to_string()).collect();
    let values: Vec<String> = (0..192).map(|n| (100 + n).to_string()).collect();
    let body =
        format!(r#"{{"unix_seconds":[{}],"co2eq":[],"co2eq_forecast":[{}]}}"#, times.join(","), values.join(","));
    let answer = Answer { path: "/co2eq", status: 200, header: "x-a: b", body: body.into_bytes() };
    let provider = Provider::with(vec![answer]).await;
    let zones: Vec<String> =
        (0..ZONES).map(|n| format!("{}{}", char::from(b'A' + n / 26), char::from(b'A' + n % 26))).collect();
    let plugin = host.load_builtin("energy-charts").expect("it loads");
    let mut call = call(std::slice::from_ref(&provider.base));
    call.config.insert("base-url".to_owned(), provider.base.clone());
    call.fetcher = Arc::new(Broker::new(Arc::new(NetworkFetcher::new().expect("a client")), None));
    let begun = Instant::now();
    let groups: Vec<Vec<&str>> =
        zones.chunks(ZONES_A_CALL).map(|zones| zones.iter().map(String::as_str).collect()).collect();
    let queries: Vec<Query> = groups.iter().map(|zones| query(zones)).collect();
    let told = futures_util::future::join_all(queries.iter().map(|query| plugin.series(query, &call))).await;
    let took = begun.elapsed();
    let zones: usize = told.into_iter().map(|told| told.expect("it answers").len()).sum();
    assert_eq!(zones, usize::from(ZONES));
    println!("{zones} zones of 192 values refreshed in {} calls: {}\n", groups.len(), shown(took));
}

async fn hostile(host: &PluginHost) -> ExitCode {
    let server = network::serve();
    let cases = catalogue::all(&server);
    let mut worst = ("", Duration::ZERO);
    let (idle, _) = lateness(async { tokio::time::sleep(Duration::from_secs(1)).await }).await;
    println!("delay of other work, a beat of 1 ms      p50         p99     longest     the call took");
    println!("{:36} {:>8} {:>11} {:>11}", "(nothing else runs)", shown(idle[0]), shown(idle[1]), shown(idle[2]));
    for case in &cases {
        // Compiling is done in a process of its own; here it is the call that counts.
        let Some(plugin) = loaded(host, case) else {
            assert!(matches!(case.outcome, Outcome::Refused(_)), "{} is refused before it runs", case.name);
            continue;
        };
        let mut call = call(&case.hosts);
        call.config.clone_from(&case.config);
        let asked = async {
            if case.describes {
                let _ = plugin.describe(&call).await;
            } else {
                let _ = plugin.series(&query(&["GB"]), &call).await;
            }
        };
        let ([p50, p99, longest], took) = lateness(asked).await;
        if worst.1 < p99 {
            worst = (&case.name, p99);
        }
        let name: String = case.name.chars().take(36).collect();
        println!("{name:36} {:>8} {:>11} {:>11} {:>17}", shown(p50), shown(p99), shown(longest), shown(took));
    }
    // And all at once, as far as the host lets them.
    let plugins: Vec<(RegionPlugin, &Case)> =
        cases.iter().filter_map(|case| Some((loaded(host, case)?, case))).collect();
    let all = async {
        let asked = plugins.iter().map(|(plugin, case)| async {
            let _ = plugin.series(&query(&["GB"]), &call(&case.hosts)).await;
        });
        futures_util::future::join_all(asked).await;
    };
    let ([p50, p99, longest], took) = lateness(all).await;
    let name = format!("all {} at once", plugins.len());
    println!("{name:36} {:>8} {:>11} {:>11} {:>17}", shown(p50), shown(p99), shown(longest), shown(took));
    let (name, p99) = if worst.1 < p99 { ("all at once", p99) } else { worst };
    println!("\nworst 99th percentile: {} (a guest that {name}); limit {}", shown(p99), shown(MOST_LATE));
    println!("peak memory of this process: {}", peak_memory());
    if p99 < MOST_LATE { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How late a beat on the same runtime is while something runs: median, 99th percentile and most; and how long that took. At
/// least half a second is looked at, so that short calls are repeated into the noise of an idle machine.
async fn lateness(work: impl Future<Output = ()>) -> ([Duration; 3], Duration) {
    let running = Arc::new(AtomicBool::new(true));
    let beats = running.clone();
    let beating = tokio::spawn(async move {
        let mut late = Vec::new();
        let mut due = Instant::now();
        while beats.load(Ordering::Relaxed) || late.len() < 100 {
            due += BEAT;
            tokio::time::sleep_until(due.into()).await;
            late.push(due.elapsed());
            // What was late is counted once, not again for each beat it swallowed.
            due = due.max(Instant::now());
        }
        late
    });
    let begun = Instant::now();
    work.await;
    let took = begun.elapsed();
    running.store(false, Ordering::Relaxed);
    let mut late = beating.await.expect("no panic");
    ([percentile(&mut late, 50), percentile(&mut late, 99), percentile(&mut late, 100)], took)
}

fn loaded(host: &PluginHost, case: &Case) -> Option<RegionPlugin> {
    let text = format!("id = 'hostile'\nversion = '1'\napi = '0.1'\ndescription = 'x'\n{}", case.manifest);
    host.load(Manifest::parse(&text).ok()?, &case.wasm).ok()
}

fn load(host: &PluginHost, manifest: &str, wasm: &[u8]) -> RegionPlugin {
    let text = format!("id = 'text'\nversion = '1'\napi = '0.1'\ndescription = 'x'\n{manifest}");
    host.load(Manifest::parse(&text).expect("a manifest"), wasm).expect("it loads")
}

fn call(hosts: &[String]) -> Call {
    Call {
        now: Timestamp::from_second(START).expect("in range"),
        config: BTreeMap::new(),
        grants: Grants { hosts: hosts.to_vec(), assets: BTreeMap::new() },
        fetcher: Arc::new(NetworkFetcher::with_patience(Duration::from_millis(500)).expect("a client")),
    }
}

fn query(zones: &[&str]) -> Query {
    let at = |second| Timestamp::from_second(second).expect("in range");
    Query {
        zones: zones.iter().map(|zone| ZoneId::new(*zone).expect("a name")).collect(),
        signal: Signal::Average,
        window: Window::new(at(START), at(START + 172_800)).expect("two days"),
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) * percent).div_ceil(100)]
}

fn shown(time: Duration) -> String {
    let microseconds = time.as_secs_f64() * 1e6;
    if microseconds < 1000.0 { format!("{microseconds:.0} us") } else { format!("{:.1} ms", microseconds / 1000.0) }
}

/// The most memory this process ever had, by the kernel.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" unknown");
    peak.trim().to_owned()
}
