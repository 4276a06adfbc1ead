//! How many jobs of how many installations start in one slot, with and without spreading, and what that costs.
//!
//!     cargo run --release -p lowtide-simulator --example herding -- DATA
//!
//! DATA holds `carbon/carboncast/` (Maji et al., CarbonCast, BuildSys 2022). A hundred queues of twenty jobs each read the same curve
//! of a grid, which is known; each queue has a seed of its own, all have room enough. On every 28th day of 2021 the jobs, of one to
//! eight hours, come either all at 18:00 UTC or one each hour from noon on. Every plan is that of the daemon.
#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView, plan};
use lowtide_planner::policy::{Policy, builtin_texts, parse};
use lowtide_planner::predict::Prediction;
use lowtide_simulator::carbon::CarbonTrace;

const REGIONS: [&str; 7] = ["CISO", "DE", "ERCO", "NL", "PJM", "PL", "SE"];
const QUEUES: u64 = 100;
const JOBS: u32 = 20;
const SPREADS: [f64; 7] = [0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
/// Every how many days the jobs come.
const EVERY_DAYS: u32 = 28;
const SLOT_H: f64 = 0.5;
/// Days on which more than this share of the jobs start at once are counted in grams alone.
const MOST_AT_ONCE: f64 = 0.5;
const TAGS: Tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };

/// What a way to plan came to, over all days and grids.
#[derive(Default)]
struct Came {
    /// Days on which jobs waited.
    days: f64,
    /// Sums over days of the largest share of the starts that wait in one slot, and of the largest share of jobs that run in one.
    starts: f64,
    running: f64,
    /// The largest of any day.
    worst: f64,
    grams: f64,
    plans: f64,
    seconds: f64,
}

/// The jobs of a day: when each comes and how long it runs, hours.
fn jobs(together: bool) -> impl Iterator<Item = (u64, f64, f64)> {
    (0..JOBS).map(move |job| {
        let at = if together { 18.0 } else { 12.0 + f64::from(job) };
        (u64::from(job) + 1, at, 1.0 + f64::from(job * 7 % 15) * 0.5)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let data = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: herding DATA")?);
    let patient = builtin_texts().into_iter().find(|(id, _)| id.as_str() == "patient").ok_or("no policy `patient`")?;
    let patient = parse(patient.0, patient.1)?;
    let mut curves = Vec::new();
    for region in REGIONS {
        let text = fs::read_to_string(data.join(format!("carbon/carboncast/{region}_2020-2021.csv")))?;
        let carbon = CarbonTrace::read(&[&text])?;
        for day in (0..360).step_by(EVERY_DAYS as usize) {
            let start = Seconds::from_hours(f64::from(day) * 24.0).after("2021-01-01T00:00:00Z".parse()?);
            let series = carbon.series(start, Seconds::from_hours(96.0).after(start))?;
            curves.push(day_of(start, series.values())?);
        }
    }
    for pausable in [false, true] {
        for together in [true, false] {
            let kind = if pausable { "jobs that can pause" } else { "jobs in one stretch" };
            let come = if together { "all at 18:00" } else { "one an hour" };
            println!("\n{kind}, {come}: {} days of grids, {QUEUES} queues of {JOBS}", curves.len());
            println!("spread  starts in one slot  worst day  running in one  grams    a plan");
            let mut without = None;
            for spread in SPREADS {
                let policy = Policy { spread, ..patient.clone() };
                let mut came = Came::default();
                for (start, curve) in &curves {
                    came.day(*start, curve, &policy, together, pausable);
                }
                let least = *without.get_or_insert(came.grams);
                println!(
                    "{:>5.1} %  {:>17.1} %  {:>7.1} %  {:>13.1} %  {:>+6.3} %  {:>4.0} us",
                    spread * 100.0,
                    came.starts / came.days * 100.0,
                    came.worst * 100.0,
                    came.running / came.days * 100.0,
                    (came.grams / least - 1.0) * 100.0,
                    came.seconds / came.plans * 1e6
                );
            }
        }
    }
    Ok(())
}

fn day_of(start: Timestamp, values: &[f64]) -> Result<(Timestamp, IntensityCurve), Box<dyn Error>> {
    let hour = |hour: usize| Seconds::from_hours(hour as f64).after(start);
    let slots = values.iter().enumerate().map(|(at, value)| {
        let window = Window::new(hour(at), hour(at + 1))?;
        Ok(Slot { window, intensity: GramsPerKwh::new(*value)?, band: None, kind: Kind::Forecast })
    });
    let slots = slots.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let whole = Window::new(start, hour(values.len()))?;
    let forecast = Forecast::new(ZoneId::new("GRID")?, TAGS, start, start, "recorded".into(), None, slots)?;
    Ok((start, IntensityCurve::build(Some(&forecast), GramsPerKwh::saturating(400.0), start, whole)))
}

impl Came {
    fn day(&mut self, start: Timestamp, curve: &IntensityCurve, policy: &Policy, together: bool, pausable: bool) {
        let site = Site::like_the_reference(
            SiteId::new("home").expect("a name"),
            ZoneId::new("GRID").expect("a name"),
            Resources { cpus: 64, gpus: 0 },
            GramsPerKwh::saturating(400.0),
        );
        let occupancy = Occupancy::new(site.capacity);
        let views = [SiteView { tags: Some(TAGS), ..SiteView::of(&site, curve, &occupancy) }];
        let slot_of = |at: Timestamp| {
            #[expect(clippy::cast_possible_truncation, reason = "slots of four days")]
            let slot = (Seconds::between(start, at).hours() / SLOT_H).floor() as i64;
            slot
        };
        let (mut starts, mut running): (BTreeMap<i64, f64>, BTreeMap<i64, f64>) = Default::default();
        // Without spreading all queues are the same one.
        let queues = if policy.spread <= 0.0 { 1 } else { QUEUES };
        for seed in 0..queues {
            for (number, at, length) in jobs(together) {
                let now = Seconds::from_hours(at).after(start);
                let directory = "/".into();
                let mut spec = JobSpec::of_command(vec!["train".into()], directory, "ada".into(), policy.id.clone());
                spec.checkpoint = pausable.then_some(Checkpoint { signal: 15, grace_s: 30 });
                let job = Job::submitted(JobId(number), spec, now);
                let prediction = Prediction::certain(Seconds::from_hours(length), Watts::saturating(1000.0));
                let begun = Instant::now();
                let plan = plan(&PlanningInput {
                    now,
                    job: &job,
                    prediction: &prediction,
                    policy,
                    sites: &views,
                    current: None,
                    last_site: None,
                    overhead: Overhead { stop: Seconds::saturating(30.0), start: Seconds::saturating(60.0) },
                    horizon: Seconds::from_hours(48.0),
                    slot: Seconds::from_hours(SLOT_H),
                    probing: false,
                    comparable: false,
                    seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                });
                self.seconds += begun.elapsed().as_secs_f64();
                self.plans += 1.0;
                self.grams += plan.footprint.median.get() / queues as f64;
                let one = 1.0 / queues as f64 / f64::from(JOBS);
                if let Some(start) = plan.start().filter(|start| now < *start) {
                    *starts.entry(slot_of(start)).or_default() += one;
                }
                for segment in &plan.segments {
                    for slot in slot_of(segment.window.start())..slot_of(segment.window.end()) {
                        *running.entry(slot).or_default() += one;
                    }
                }
            }
        }
        let most = |shares: BTreeMap<i64, f64>| shares.into_values().fold(0.0, f64::max);
        // Who starts at once started when it came: only who waits can follow a herd.
        let waiting: f64 = starts.values().sum();
        if MOST_AT_ONCE <= 1.0 - waiting {
            return;
        }
        let starts = most(starts) / waiting;
        self.starts += starts;
        self.worst = self.worst.max(starts);
        self.running += most(running);
        self.days += 1.0;
    }
}
