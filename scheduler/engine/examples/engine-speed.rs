//! What one step of the engine costs while many jobs wait, and what they take of memory:
//! `cargo run --release -p lowtide-engine --example engine-speed -- 100 1000 10000`. With the word `mixed` among the counts, jobs have
//! five priorities and a fifth of them a deadline, so that hardly two that follow one another have the same right.
//!
//! Fifty sites of 256 processors, each in a zone of its own with an hourly forecast of seven days; jobs of 1 to 8 h and 1 to 4
//! processors under three policies, some that can pause. Every figure is of whole calls of `Engine::step`.
#![expect(clippy::print_stdout, reason = "it is run to be read")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts, none negative")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use lowtide_engine::{Effect, Engine, Event, Settings, World};
use lowtide_model::event::AttemptReport;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Role, Signal, Slot, Tags};
use lowtide_model::identity::{AttemptKey, JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, EnergySource, Epoch, Exit, Job, JobSpec};
use lowtide_model::priority::Priority;
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;

const SITES: u64 = 50;
const RUNNING: u64 = 200;
/// How often each kind of event is measured.
const MEASURED: u64 = 200;
/// How long the drain of a forecast is watched at most: behind that its rate is known.
const WATCHED_SECONDS: f64 = 60.0;

fn main() {
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![100, 1_000, 10_000] } else { counts };
    let mixed = std::env::args().any(|argument| argument == "mixed");
    for count in counts {
        measure(count, mixed);
    }
}

fn measure(count: u64, mixed: bool) {
    println!("== {count} jobs wait");
    let mut bench = Bench { mixed, ..Bench::new() };
    let empty = resident();
    let begun = Instant::now();
    for _ in 0..RUNNING {
        bench.submit("run-now");
    }
    bench.settle_down();
    let mut last = Vec::new();
    for number in 0..count {
        let took = bench.submit(POLICIES[(number % POLICIES.len() as u64) as usize]);
        if count - number <= MEASURED {
            last.push(took);
        }
    }
    println!("  built in {:.1} s", begun.elapsed().as_secs_f64());
    tell("submit", last);
    let taken = resident().saturating_sub(empty);
    println!("  memory        {:.1} MB, {:.2} kB a job", taken as f64 / 1e3, taken as f64 / (count + RUNNING) as f64);
    bench.settle_down();
    let waiting = bench.engine.jobs().filter(|job| job.state.awaits_a_window()).count();
    println!("  {waiting} wait, {} run", bench.running.len());

    let ticks: Vec<f64> = (0..MEASURED).map(|_| bench.later(1.0).step(Event::Tick)).collect();
    tell("tick", ticks);
    let epochs: Vec<f64> = (0..MEASURED).map(|turn| bench.later(1.0).epoch(turn)).collect();
    tell("epoch report", epochs);
    let ends: Vec<f64> = (0..MEASURED / 2).filter_map(|_| bench.later(1.0).end()).collect();
    tell("end of a job", ends);
    bench.drain("  after the ends");
    bench.priority = 10;
    let first: Vec<f64> = vec![bench.submit(POLICIES[0])];
    tell("first of priority", first);
    let more: Vec<f64> = (0..MEASURED).map(|_| bench.submit(POLICIES[0])).collect();
    tell("more of priority", more);
    bench.priority = 0;
    let usual: Vec<f64> = (0..MEASURED).map(|_| bench.submit(POLICIES[0])).collect();
    tell("usual after them", usual);
    bench.drain("  after those of priority");
    let forecast = bench.forecast(7, 1);
    let first = bench.step(Event::ForecastArrived(Box::new(forecast)));
    tell("forecast arrives", vec![first]);
    bench.drain("  after a forecast");

    // Restart. What is read from disk is here already.
    let (jobs, told): (Vec<Job>, _) = (bench.engine.jobs().cloned().collect(), bench.told());
    let now = bench.now;
    drop(bench.engine);
    let begun = Instant::now();
    bench.engine = Engine::restore(jobs, told, Vec::new());
    let restored = begun.elapsed().as_secs_f64();
    let configured = bench.step(Event::Configured(Box::new(world())));
    let recovered = bench.step(Event::Recovered);
    println!(
        "  restart       restore {:.1} ms, Configured {configured:.1} ms, Recovered {recovered:.1} ms",
        restored * 1e3
    );
    bench.now = now;
    bench.drain("  after a restart");
}

/// The first may run anywhere; the others do not route and name a site.
const POLICIES: [&str; 3] = ["follow-the-tide", "patient", "overnight"];

struct Bench {
    engine: Engine,
    now: Timestamp,
    next: u64,
    seed: u64,
    priority: i64,
    /// Whether jobs that are submitted as usual differ in priority and some have a deadline.
    mixed: bool,
    running: BTreeMap<AttemptKey, (Timestamp, u64)>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::from_second(1_700_006_400).expect("in range");
        let mut bench =
            Self { engine: Engine::new(), now, next: 1, seed: 7, priority: 0, mixed: false, running: BTreeMap::new() };
        bench.step(Event::Configured(Box::new(world())));
        for (_, forecast) in bench.told() {
            bench.step(Event::ForecastArrived(Box::new(forecast)));
        }
        bench
    }

    fn told(&self) -> Vec<(Role, Forecast)> {
        (0..SITES).map(|zone| (Role::Main, self.forecast(zone, 0))).collect()
    }

    fn random(&mut self, below: u64) -> u64 {
        // SplitMix64 (Steele, Lea & Flood 2014).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn later(&mut self, seconds: f64) -> &mut Self {
        self.now = Seconds::saturating(seconds).after(self.now);
        self
    }

    /// Takes the event in and does what a daemon does after it: the changed jobs are taken. Milliseconds.
    fn step(&mut self, event: Event) -> f64 {
        let begun = Instant::now();
        let effects = self.engine.step(self.now, event);
        let took = begun.elapsed().as_secs_f64() * 1e3;
        self.engine.take_changed();
        self.engine.take_decided();
        for effect in effects {
            if let Effect::Start { order, .. } = effect {
                self.running.insert(order.key, (self.now, 0));
                let report = AttemptReport::Started { at: self.now };
                self.report(order.key, report);
            }
        }
        took
    }

    fn report(&mut self, key: AttemptKey, report: AttemptReport) -> f64 {
        let Some((_, number)) = self.running.get_mut(&key) else { return 0.0 };
        let this = *number;
        *number += 1;
        self.step(Event::Reported { key, number: this, report })
    }

    fn submit(&mut self, policy: &str) -> f64 {
        let id = JobId(self.next);
        self.next += 1;
        let policy_id = PolicyId::new(policy).expect("a name");
        let spec = JobSpec::of_command(vec!["train".into()], PathBuf::from("/"), "ada".into(), policy_id);
        let site = SiteId::new(format!("site-{}", self.random(SITES))).expect("a name");
        let (priority, deadline) = self.right();
        let spec = JobSpec {
            sites: if policy == POLICIES[0] { Vec::new() } else { vec![site] },
            priority,
            deadline,
            name: format!("model-{}", self.random(200)),
            resources: Resources { cpus: 1 + self.random(4) as u32, gpus: 0 },
            declared_duration: Some(Seconds::from_hours(1.0 + self.random(8) as f64)),
            declared_power: Some(Watts::saturating(300.0)),
            checkpoint: (self.random(3) == 0).then_some(Checkpoint { signal: 15, grace_s: 30 }),
            ..spec
        };
        self.step(Event::Submitted { id, spec: Box::new(spec) })
    }

    /// Priority and deadline of the next job.
    fn right(&mut self) -> (Priority, Option<Timestamp>) {
        let mixed = self.mixed && self.priority == 0;
        let priority = if mixed { 10 * self.random(5).cast_signed() - 20 } else { self.priority };
        let hours = (mixed && self.random(5) == 0).then(|| 12.0 + self.random(60) as f64);
        let deadline = hours.map(|hours| Seconds::from_hours(hours).after(self.now));
        (Priority::new(priority).expect("within bounds"), deadline)
    }

    fn epoch(&mut self, turn: u64) -> f64 {
        let Some(key) = self.running.keys().nth(turn as usize % self.running.len().max(1)).copied() else { return 0.0 };
        let (since, reported) = self.running[&key];
        let Ok(window) = Window::new(since, self.now) else { return 0.0 };
        let energy = Watts::saturating(300.0) * window.duration();
        let index = u32::try_from(reported).unwrap_or(1);
        let epoch = Epoch { index, total: Some(10_000), window, energy, source: EnergySource::Measured };
        if let Some(known) = self.running.get_mut(&key) {
            known.0 = self.now;
        }
        self.report(key, AttemptReport::Epoch(epoch))
    }

    fn end(&mut self) -> Option<f64> {
        let key = self.running.keys().next().copied()?;
        let report =
            AttemptReport::Exited { at: self.now, exit: Exit::Code(0), energy: Joules::ZERO, asked_to_leave: false };
        let took = self.report(key, report);
        self.running.remove(&key);
        Some(took)
    }

    fn settle_down(&mut self) {
        while self.engine.next_wake(self.now).is_some_and(|at| at <= self.now) {
            self.step(Event::Tick);
        }
    }

    /// Ticks until no job waits for a plan.
    fn drain(&mut self, after: &str) {
        let (begun, mut steps) = (Instant::now(), Vec::new());
        while self.engine.next_wake(self.now).is_some_and(|at| at <= self.now) {
            if WATCHED_SECONDS < begun.elapsed().as_secs_f64() {
                println!("{after}: not yet quiet after {WATCHED_SECONDS} s and {} steps", steps.len());
                break;
            }
            steps.push(self.step(Event::Tick));
        }
        if !steps.is_empty() {
            println!("{after}: {} steps, {:.2} s", steps.len(), begun.elapsed().as_secs_f64());
            tell("  each of them", steps);
        }
    }

    fn forecast(&self, zone: u64, issue: u64) -> Forecast {
        let start = Timestamp::from_second(1_700_006_400).expect("in range");
        let hour = |hour: u64| Seconds::from_hours(hour as f64).after(start);
        let slots = (0..168_u64).map(|at| {
            let day = (((at + zone) as f64) / 24.0 * std::f64::consts::TAU).sin();
            let noise = ((at * 7919 + zone * 104_729 + issue * 31) % 97) as f64;
            Slot {
                window: Window::new(hour(at), hour(at + 1)).expect("an hour"),
                intensity: GramsPerKwh::saturating(200.0 + 2.0 * zone as f64 + 80.0 * day + noise),
                band: None,
                kind: Kind::Forecast,
            }
        });
        let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
        let issued = if issue == 0 { start } else { self.now };
        Forecast::new(zone_id(zone), tags, issued, issued, "test".into(), None, slots.collect()).expect("in order")
    }
}

fn zone_id(zone: u64) -> ZoneId {
    ZoneId::new(format!("Z{zone}")).expect("a name")
}

fn world() -> World {
    let policies = builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    let site = |zone: u64| {
        Site::like_the_reference(
            SiteId::new(format!("site-{zone}")).expect("a name"),
            zone_id(zone),
            Resources { cpus: 256, gpus: 0 },
            GramsPerKwh::saturating(400.0),
        )
    };
    let sites = (0..SITES).map(site).collect();
    World { sites, policies, time_zone: None, budgets: Vec::new(), fair_share: None, settings: Settings::default() }
}

fn tell(what: &str, mut milliseconds: Vec<f64>) {
    milliseconds.sort_by(f64::total_cmp);
    let at = |share: f64| milliseconds[((milliseconds.len() - 1) as f64 * share) as usize];
    if !milliseconds.is_empty() {
        println!("  {what:<18} median {:8.2} ms, p99 {:8.2} ms, most {:8.2} ms", at(0.5), at(0.99), at(1.0));
    }
}

/// Resident memory in kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
