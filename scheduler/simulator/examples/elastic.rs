//! What elastic workers and power caps are worth: `cargo run --release -p lowtide-simulator --example elastic -- DATA`, where DATA holds
//! `carbon/electricitymaps/*_2023.csv`.
//!
//! A job of twelve hours at one worker (1 kW each), released every 37 hours of a year, is planned once with perfect knowledge of the
//! intensity: with each fixed count of workers and with the count free, in one stretch and with pauses (90 s lost by each), and
//! by CarbonScaler, which loses nothing by a change. The second table has the same job with one worker, whose GPU can be held to less
//! power, beside the same without.
#![expect(clippy::print_stdout, reason = "an example prints its table")]

use std::path::Path;

use jiff::Timestamp;
use lowtide_model::capping::PowerCap;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::scaling::Scaling;
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::baseline::scaler::{Profile, scaled};
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView, plan};
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::Prediction;
use lowtide_simulator::carbon::CarbonTrace;

const HOURS: u32 = 12;
const EVERY: usize = 37;
const ZONES: [&str; 4] = ["US-CAL-CISO", "DE-LU", "GB", "US-TEX-ERCO"];
/// Throughput of 1, 2, … 8 workers: a training that loses to communication, as those CarbonScaler measured.
const THROUGHPUT: [f64; 8] = [1.0, 1.9, 2.75, 3.5, 4.2, 4.85, 5.45, 6.0];

fn profile(counts: &[usize]) -> Scaling {
    let points: Vec<String> = counts.iter().map(|count| format!("{count}:{}", THROUGHPUT[count - 1])).collect();
    points.join(",").parse().expect("a profile")
}

/// A training held to less power: not measured, but of the shape that Zeus measured (You et al., NSDI 2023): the first watts taken away
/// cost hardly any speed, the last ones nearly their share.
const CAPS: &str = "250:0.98:0.9,200:0.93:0.79,150:0.82:0.66";

/// What a job can choose from.
#[derive(Clone, Copy)]
struct Choice<'a> {
    counts: &'a [usize],
    caps: &'a str,
    pauses: bool,
}

/// Grams of the job planned at `from` with this to choose from.
fn planned(trace: &CarbonTrace, from: usize, within: usize, choice: Choice) -> f64 {
    let Choice { counts, caps, pauses } = choice;
    let now = Timestamp::from_second(trace.start_s + i64::try_from(from).expect("hours") * 3600).expect("a time");
    let at = |hour: usize| Seconds::from_hours(hour as f64).after(now);
    let slot = |(hour, level): (usize, &f64)| Slot {
        window: Window::new(at(hour), at(hour + 1)).expect("an hour"),
        intensity: GramsPerKwh::saturating(*level),
        band: None,
        kind: Kind::Measured,
    };
    let zone = ZoneId::new("ZONE").expect("a name");
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };
    let slots = trace.values[from..from + within].iter().enumerate().map(slot).collect();
    let forecast = Forecast::new(zone.clone(), tags, now, now, "recorded".into(), None, slots).expect("in order");
    let horizon = Window::new(now, at(within)).expect("hours");
    let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, now, horizon);
    let mut site = Site::like_the_reference(
        SiteId::new("home").expect("a name"),
        zone,
        Resources { cpus: 8, gpus: 0 },
        GramsPerKwh::ZERO,
    );
    site.power_caps = [250, 200, 150].map(|watts| PowerCap::new(watts).expect("a cap")).to_vec();
    let id = PolicyId::new("free").expect("a name");
    let policy = Policy { minimum_saving: 0.0, ..Policy::neutral(id.clone()) };
    let mut spec = JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), id);
    spec.scaling = profile(counts);
    spec.capping = caps.parse().unwrap_or_default();
    spec.deadline = Some(at(within));
    spec.checkpoint = pauses.then_some(Checkpoint { signal: 15, grace_s: 30 });
    // What is told of a job is told of the fewest workers it may have.
    let (speed, power) = (THROUGHPUT[counts[0] - 1], counts[0] as f64);
    let prediction = Prediction::certain(Seconds::from_hours(f64::from(HOURS) / speed), Watts::saturating(1e3 * power));
    let occupancy = Occupancy::new(site.capacity);
    let view = SiteView::of(&site, &curve, &occupancy);
    let plan = plan(&PlanningInput {
        now,
        job: &Job::submitted(JobId(1), spec, now),
        prediction: &prediction,
        policy: &policy,
        sites: &[view],
        current: None,
        last_site: None,
        overhead: Overhead { stop: Seconds::saturating(30.0), start: Seconds::saturating(60.0) },
        horizon: Seconds::from_hours(within as f64),
        slot: Seconds::from_hours(1.0),
        probing: false,
        comparable: true,
        seed: 0,
    });
    assert!(plan.end <= at(within), "in time");
    plan.footprint.median.get()
}

fn carbonscaler(trace: &CarbonTrace, from: usize, within: usize) -> f64 {
    let throughput = std::iter::once(0.0).chain(THROUGHPUT).collect();
    let profile = Profile::new(throughput, (0..=8).map(f64::from).collect()).expect("a profile");
    let levels = &trace.values[from..from + within];
    let grams = |part: &lowtide_planner::baseline::scaler::Scaled| levels[part.slot] * part.nodes as f64 * part.share;
    scaled(levels, &profile, f64::from(HOURS)).iter().map(grams).sum()
}

/// Grams of the job begun at once with one worker and no cap.
fn at_once(trace: &CarbonTrace, from: usize) -> f64 {
    trace.values[from..from + HOURS as usize].iter().sum()
}

fn trace(data: &str, zone: &str) -> CarbonTrace {
    let path = Path::new(data).join(format!("carbon/electricitymaps/{zone}_2023.csv"));
    CarbonTrace::read(&[&std::fs::read_to_string(path).expect("the file is there")]).expect("a trace")
}

fn starts(trace: &CarbonTrace, within: usize) -> Vec<usize> {
    (0..trace.values.len() - 2 * within).step_by(EVERY).collect()
}

fn main() {
    let data = std::env::args().nth(1).unwrap_or_else(|| "../shared/data".to_owned());
    workers(&data);
    println!();
    power_caps(&data);
}

fn power_caps(data: &str) {
    println!("| zone | within h | at once | one stretch | with pauses | one stretch, caps | with pauses, caps |");
    println!("|---|---|---|---|---|---|---|");
    for zone in ZONES {
        let trace = trace(data, zone);
        for within in [12, 15, 24, 48] {
            let starts = starts(&trace, within);
            let mean = |of: &dyn Fn(usize) -> f64| {
                starts.iter().map(|from| of(*from)).sum::<f64>() / starts.len() as f64 / 1e3
            };
            let with = |caps: &str, pauses: bool| {
                mean(&|from| planned(&trace, from, within, Choice { counts: &[1], caps, pauses }))
            };
            let columns = [with("", false), with("", true), with(CAPS, false), with(CAPS, true)];
            let columns = columns.map(|kilograms| format!("{kilograms:.2}")).join(" | ");
            println!("| {zone} | {within} | {:.2} | {columns} |", mean(&|from| at_once(&trace, from)));
        }
    }
}

fn workers(data: &str) {
    println!(
        "| zone | within h | 1, at once | 1 | 2 | 4 | 8 | any, one stretch | 1, pauses | any, pauses | CarbonScaler |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for zone in ZONES {
        let trace = trace(data, zone);
        for within in [12, 24, 48] {
            let starts = starts(&trace, within);
            let mean =
                |of: &dyn Fn(usize) -> f64| starts.iter().map(|from| of(*from)).sum::<f64>() / starts.len() as f64;
            let with = |counts: &[usize], pauses: bool| {
                mean(&|from| planned(&trace, from, within, Choice { counts, caps: "", pauses }))
            };
            let at_once = mean(&|from| at_once(&trace, from));
            let all: Vec<usize> = (1..=8).collect();
            let columns = [
                at_once,
                with(&[1], false),
                with(&[2], false),
                with(&[4], false),
                with(&[8], false),
                with(&all, false),
                with(&[1], true),
                with(&all, true),
                mean(&|from| carbonscaler(&trace, from, within)),
            ];
            let columns = columns.map(|grams| format!("{:.2}", grams / 1e3)).join(" | ");
            println!("| {zone} | {within} | {columns} |");
        }
    }
}
