//! How near joint planning comes to the optimum: `cargo run --release -p lowtide-simulator --example routing -- DATA`, where
//! DATA holds `jobs/pai_1k.csv` and `carbon/electricitymaps/*_2023.csv`.
//!
//! First some hundred small random cases against the exact optimum, then a queue of 200 recorded jobs over 2 to 10 zones against
//! the larger of the flow's and the prices' bound. Everything is planned by `plan()`, with perfect knowledge of the intensity:
//! what is measured is the planning, not the forecast.
#![expect(clippy::print_stdout, reason = "an example prints its table")]

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use lowtide_engine::{self as engine, Engine, Event, Settings};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds, Watts};
use lowtide_model::site::{Resources, Site, Transfer};
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::joint::market::{Case, Place, Task};
use lowtide_planner::joint::{Arranging, Crowd, Inputs, Round, Taken};
use lowtide_planner::oracle::multi::{bound, fewest_grams};
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView};
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::Prediction;
use lowtide_simulator::carbon::CarbonTrace;
use lowtide_simulator::jobs::{JobTrace, Unit};

/// Power of one processor (or GPU) of a job, kW.
const KILOWATTS: f64 = 0.3;
const SMALL_CASES: u64 = 300;
const ROUNDS: usize = 300;
/// Plans made for each job of a large queue beside the first.
const EFFORT: usize = 180;

/// A sequence of numbers that look random and are the same every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// One job: hours, processors, and the site its data lie at.
#[derive(Clone, Copy)]
struct Wish {
    hours: u32,
    cpus: u32,
    home: usize,
}

struct World {
    now: Timestamp,
    hours: usize,
    sites: Vec<(Site, IntensityCurve, Vec<f64>)>,
    jobs: Vec<(Job, Prediction, SiteId, Wish)>,
    policy: Policy,
    pausable: bool,
}

struct Setup<'a> {
    zones: &'a [(String, CarbonTrace)],
    from: usize,
    hours: usize,
    cpus: u32,
    transfer_kwh: f64,
    pausable: bool,
}

impl World {
    fn new(setup: &Setup, wishes: &[Wish]) -> Self {
        let start = setup.zones[0].1.start_s + i64::try_from(setup.from).expect("hours of a year") * 3600;
        let now = Timestamp::from_second(start).expect("a time");
        let sites = setup.zones.iter().map(|(name, trace)| site(setup, name, trace, now)).collect::<Vec<_>>();
        let job = |(number, wish): (usize, &Wish)| {
            let mut spec = JobSpec::of_command(
                vec!["train".into()],
                "/".into(),
                "ada".into(),
                PolicyId::new("joint").expect("a name"),
            );
            spec.resources = Resources { cpus: wish.cpus, gpus: 0 };
            spec.checkpoint = setup.pausable.then_some(Checkpoint { signal: 15, grace_s: 30 });
            spec.deadline = Some(Seconds::from_hours(setup.hours as f64).after(now));
            let number = u64::try_from(number).expect("few jobs");
            let prediction = Prediction::certain(
                Seconds::from_hours(f64::from(wish.hours)),
                Watts::saturating(1e3 * KILOWATTS * f64::from(wish.cpus)),
            );
            (Job::submitted(JobId(number), spec, now), prediction, sites[wish.home].0.id.clone(), *wish)
        };
        let jobs = wishes.iter().enumerate().map(job).collect();
        let neutral = Policy::neutral(PolicyId::new("joint").expect("a name"));
        let policy = Policy { route: true, minimum_saving: 0.0, ..neutral };
        Self { now, hours: setup.hours, sites, jobs, policy, pausable: setup.pausable }
    }

    fn case(&self) -> Case {
        let place = |(site, _, levels): &(Site, IntensityCurve, Vec<f64>)| Place {
            intensities: levels[..self.hours].to_vec(),
            room: vec![site.capacity.cpus.into(); self.hours],
            transfer_kwh: site.transfer.energy.kwh(),
            transfer_slots: 0,
        };
        let task = |(_, _, _, wish): &(Job, Prediction, SiteId, Wish)| Task {
            length: wish.hours as usize,
            width: wish.cpus.into(),
            kilowatts: KILOWATTS * f64::from(wish.cpus),
            earliest: 0,
            end: self.hours,
            pausable: self.pausable,
            home: Some(wish.home),
            places: (0..self.sites.len()).collect(),
        };
        Case {
            slot_h: 1.0,
            places: self.sites.iter().map(place).collect(),
            tasks: self.jobs.iter().map(task).collect(),
        }
    }

    fn empty(&self) -> Taken {
        self.sites.iter().map(|(site, ..)| (site.id.clone(), Occupancy::new(site.capacity))).collect()
    }

    /// First come, first served; arranged; made better by exchanges; and run at once: grams.
    fn measure(&self, effort: usize) -> [f64; 5] {
        let empty = self.empty();
        let views: Vec<SiteView> =
            self.sites.iter().map(|(site, curve, _)| SiteView::of(site, curve, &empty[&site.id])).collect();
        let urgent: Vec<Job> = self.jobs.iter().map(|(job, ..)| Job { run_now: true, ..job.clone() }).collect();
        let input = |job, prediction, last_site| PlanningInput {
            now: self.now,
            job,
            prediction,
            policy: &self.policy,
            sites: &views,
            current: None,
            last_site: Some(last_site),
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(self.hours as f64),
            slot: Seconds::from_hours(1.0),
            probing: false,
            comparable: true,
            seed: 0,
        };
        let inputs: Vec<PlanningInput> =
            self.jobs.iter().map(|(job, prediction, home, _)| input(job, prediction, home)).collect();
        let at_once =
            urgent.iter().zip(&self.jobs).map(|(job, (_, prediction, home, _))| input(job, prediction, home)).collect();
        let order: Vec<usize> = (0..self.jobs.len()).collect();
        let crowd = Inputs::of(inputs);
        let first_come = Round::one_after_the_other(&crowd, self.empty(), &order, 0);
        let first_come_g = first_come.cost();
        let mut plans = first_come.into_plans();
        let mut arranging = Arranging::of(&crowd, self.empty(), plans.clone()).expect("there are jobs");
        while !arranging.is_done() {
            arranging.advance(&crowd, usize::MAX, usize::MAX);
        }
        let arranged = arranging.cost();
        if let Some(better) = arranging.into_better() {
            plans = better;
        }
        let mut round = Round::of(&crowd, self.empty(), plans, effort);
        round.improve();
        let joint = round.cost();
        let engine = self.by_the_engine(&crowd);
        // Lateness of what runs at once is no matter here.
        let at_once = Inputs::of(at_once);
        let now = Round::one_after_the_other(&at_once, self.empty(), &order, 0);
        let now = now.plans().iter().map(|plan| plan.footprint.median.get()).sum();
        [first_come_g, arranged, joint, engine, now]
    }
}

impl World {
    /// What the plans of the daemon's engine come to, in grams: the jobs are submitted one after the other, some minutes before the first
    /// hour, and the forecast comes once more after them.
    fn by_the_engine(&self, crowd: &Inputs) -> f64 {
        let before = Seconds::saturating(600.0);
        let at = before.before(self.now);
        let horizon = Seconds::from_hours(self.hours as f64) + before;
        let name = PolicyId::new("joint").expect("a name");
        let settings = Settings {
            horizon,
            slot: Seconds::from_hours(1.0),
            stop_overhead: Seconds::ZERO,
            start_overhead: Seconds::ZERO,
            comparable: true,
            ..Settings::default()
        };
        let configured = engine::World {
            sites: self.sites.iter().map(|(site, ..)| site.clone()).collect(),
            policies: [(name.clone(), ENGINE_POLICY.to_owned())].into(),
            time_zone: None,
            budgets: Vec::new(),
            fair_share: None,
            settings,
        };
        let mut engine = Engine::new();
        engine.step(at, Event::Configured(Box::new(configured)));
        let tell = |engine: &mut Engine, issued: Timestamp| {
            for (site, _, levels) in &self.sites {
                let told = Event::ForecastArrived(Box::new(forecast(&site.zone, levels, at, self.now, issued)));
                engine.step(issued, told);
            }
            while engine.next_wake(issued).is_some_and(|wake| wake <= issued) {
                engine.step(issued, Event::Tick);
            }
        };
        tell(&mut engine, at);
        for (job, prediction, home, wish) in &self.jobs {
            let mut spec = job.spec.clone();
            spec.policy = name.clone();
            // Up to the deadline, which itself would ask for a reserve: a declared length is no certain one.
            spec.deadline = None;
            spec.max_delay = Some(horizon.minus(Seconds::from_hours(f64::from(wish.hours))));
            spec.declared_duration = Some(prediction.remaining.median);
            spec.declared_power = Some(Watts::saturating(1e3 * KILOWATTS * f64::from(wish.cpus)));
            spec.data_at = Some(home.clone());
            let submitted = Event::Submitted { id: JobId(job.id.0 + 1), spec: Box::new(spec) };
            engine.step(at, submitted);
        }
        tell(&mut engine, Seconds::saturating(60.0).after(at));
        let plan = |member: usize| engine.job(JobId(self.jobs[member].0.id.0 + 1)).and_then(|job| job.plan.clone());
        (0..self.jobs.len()).map(|member| crowd.cost(member, &plan(member).expect("it waits"))).sum()
    }
}

/// Nothing but carbon counts, and nobody is probed.
const ENGINE_POLICY: &str = "delay = true\nroute = true\npausable = true\nminimum_saving = 0\nprobe_epochs = 0\n";

fn site(setup: &Setup, name: &str, trace: &CarbonTrace, now: Timestamp) -> (Site, IntensityCurve, Vec<f64>) {
    let levels = trace.values[setup.from..setup.from + 2 * setup.hours].to_vec();
    let zone = ZoneId::new(name).expect("a name");
    let at = |hour: usize| Seconds::from_hours(hour as f64).after(now);
    let forecast = forecast(&zone, &levels, now, now, now);
    let fallback = GramsPerKwh::saturating(levels.iter().sum::<f64>() / levels.len() as f64);
    let horizon = Window::new(now, at(levels.len())).expect("hours");
    let curve = IntensityCurve::build(Some(&forecast), fallback, now, horizon);
    let site = Site {
        transfer: Transfer { time: Seconds::ZERO, energy: Joules::from_kwh(setup.transfer_kwh).expect("an energy") },
        ..Site::like_the_reference(
            SiteId::new(name.to_lowercase()).expect("a name"),
            zone,
            Resources { cpus: setup.cpus, gpus: 0 },
            fallback,
        )
    };
    (site, curve, levels)
}

/// These hours as a forecast; before the first one it is as dirty as can be, from `since` on.
fn forecast(zone: &ZoneId, levels: &[f64], since: Timestamp, first: Timestamp, issued: Timestamp) -> Forecast {
    let at = |hour: usize| Seconds::from_hours(hour as f64).after(first);
    let slot =
        |window, level| Slot { window, intensity: GramsPerKwh::saturating(level), band: None, kind: Kind::Measured };
    let before = Window::new(since, first).ok().map(|window| slot(window, DIRTIEST));
    let hours = levels.iter().enumerate();
    let hours = hours.map(|(hour, level)| slot(Window::new(at(hour), at(hour + 1)).expect("an hour"), *level));
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };
    let slots = before.into_iter().chain(hours).collect();
    Forecast::new(zone.clone(), tags, issued, issued, "recorded".into(), None, slots).expect("hours in order")
}

/// g/kWh; the most that a forecast may say.
const DIRTIEST: f64 = 5000.0;

fn small(zones: &[(String, CarbonTrace)]) {
    println!("Small cases against the exact optimum, {SMALL_CASES} of each kind (gap above the optimum, %)\n");
    println!("| jobs | cases | first come: mean | worst | joint: mean | worst | optimum found | late |");
    println!("|---|---|---|---|---|---|---|---|");
    for pausable in [false, true] {
        for transfer_kwh in [0.0, 0.2] {
            let mut chance = Chance(7);
            let (mut first, mut joint, mut late) = (Vec::new(), Vec::new(), 0);
            for _ in 0..SMALL_CASES {
                let count = 2 + usize::try_from(chance.below(2)).expect("small");
                let offset = usize::try_from(chance.below(zones.len() as u64)).expect("small");
                let chosen: Vec<_> = (0..count).map(|at| zones[(offset + 3 * at) % zones.len()].clone()).collect();
                let from = usize::try_from(chance.below(8000)).expect("small");
                let cpus = 3 + u32::try_from(chance.below(2)).expect("small");
                let setup = Setup { zones: &chosen, from, hours: 9, cpus, transfer_kwh, pausable };
                let jobs = if pausable { 4 } else { 6 };
                let wishes: Vec<Wish> = (0..jobs)
                    .map(|_| Wish {
                        hours: 1 + u32::try_from(chance.below(if pausable { 3 } else { 5 })).expect("small"),
                        cpus: 1 + u32::try_from(chance.below(3)).expect("small"),
                        home: usize::try_from(chance.below(count as u64)).expect("small"),
                    })
                    .collect();
                let world = World::new(&setup, &wishes);
                let case = world.case();
                let Some((least, _)) = fewest_grams(&case) else { continue };
                let [first_g, _, joint_g, _, _] = world.measure(1500);
                if 2.0 * least < joint_g {
                    late += 1;
                    continue;
                }
                first.push(100.0 * (first_g / least - 1.0));
                joint.push(100.0 * (joint_g / least - 1.0));
            }
            let mean = |gaps: &[f64]| gaps.iter().sum::<f64>() / gaps.len() as f64;
            let worst = |gaps: &[f64]| gaps.iter().copied().fold(0.0, f64::max);
            let in_time: Vec<f64> = first.iter().copied().filter(|gap| *gap < 1e4).collect();
            println!(
                "| {}, transfer {transfer_kwh} kWh | {} | {:.2} | {:.1} | {:.3} | {:.2} | {:.0} % | {late} |",
                if pausable { "pausable" } else { "in one stretch" },
                joint.len(),
                mean(&in_time),
                worst(&in_time),
                mean(&joint),
                worst(&joint),
                100.0 * joint.iter().filter(|gap| **gap < 1e-4).count() as f64 / joint.len() as f64,
            );
        }
    }
}

/// A case for a solver of another make: a line for each place with its intensities, one for each task.
fn as_text(case: &Case) -> String {
    let place = |place: &Place| {
        let levels: Vec<String> = place.intensities.iter().map(f64::to_string).collect();
        format!("place,{},{},{}", place.room[0], place.transfer_kwh, levels.join(","))
    };
    let task = |task: &Task| {
        let home = task.home.unwrap_or_default();
        format!("task,{},{},{},{home}", task.length, task.width, task.kilowatts)
    };
    let lines: Vec<String> = case.places.iter().map(place).chain(case.tasks.iter().map(task)).collect();
    lines.join("\n") + "\n"
}

fn large(zones: &[(String, CarbonTrace)], trace: &JobTrace, count: usize, export: Option<&str>) {
    let hours = 48;
    println!("\nA queue of {count} jobs of pai_1k, 48 h, against the bound; gaps above it in %, kg of the queue\n");
    println!(
        "| jobs | zones | filled | transfer kWh | run now kg | first come kg | joint kg | bound kg | first come gap | arranged gap | joint gap | engine gap | s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for pausable in [false, true] {
        for zone_count in [2, 5, 10] {
            for filled in [0.3, 0.6, 0.85] {
                for transfer_kwh in [0.0, 0.5] {
                    let wishes: Vec<Wish> = trace
                        .jobs
                        .iter()
                        .filter(|job| 0.5 < job.length)
                        .take(count)
                        .enumerate()
                        .map(|(at, job)| Wish {
                            hours: whole(job.length.ceil().min(24.0)),
                            cpus: whole(job.cpus.clamp(1.0, 8.0)),
                            home: at % zone_count,
                        })
                        .collect();
                    let work: u32 = wishes.iter().map(|wish| wish.hours * wish.cpus).sum();
                    let cpus = f64::from(work) / (filled * zone_count as f64 * f64::from(hours));
                    let cpus = whole(cpus.ceil().max(8.0));
                    let step = zones.len() / zone_count;
                    let chosen: Vec<_> = zones.iter().step_by(step).take(zone_count).cloned().collect();
                    let setup =
                        Setup { zones: &chosen, from: 4368, hours: hours as usize, cpus, transfer_kwh, pausable };
                    let world = World::new(&setup, &wishes);
                    let case = world.case();
                    if let Some(folder) = export {
                        let kind = if pausable { "pausable" } else { "stretch" };
                        let name = format!("{kind}-{zone_count}-{cpus}-{transfer_kwh}.csv");
                        std::fs::write(Path::new(folder).join(name), as_text(&case))
                            .expect("the folder can be written");
                        continue;
                    }
                    let began = Instant::now();
                    let [first, arranged, joint, engine, now] = world.measure(EFFORT * count);
                    let seconds = began.elapsed().as_secs_f64();
                    let least = bound(&case, 5 * ROUNDS);
                    // Passing the deadline counts as more than any carbon.
                    let gap = |grams: f64| match 100.0 * (grams / least - 1.0) {
                        late if 1e3 < late => "late".to_owned(),
                        gap => format!("{:.2}", gap.max(0.0)),
                    };
                    let kilograms = |grams: f64| {
                        if 10.0 * least < grams { "late".to_owned() } else { format!("{:.1}", grams / 1e3) }
                    };
                    println!(
                        "| {} | {zone_count} | {:.0} % of {cpus} | {transfer_kwh} | {:.1} | {} | {} | {:.1} | {} | {} | {} | {} | {seconds:.1} |",
                        if pausable { "pausable" } else { "in one stretch" },
                        100.0 * f64::from(work) / f64::from(cpus * hours) / zone_count as f64,
                        now / 1e3,
                        kilograms(first),
                        kilograms(joint),
                        least / 1e3,
                        gap(first),
                        gap(arranged),
                        gap(joint),
                        gap(engine),
                    );
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(value: f64) -> u32 {
    value as u32
}

fn main() {
    let data = std::env::args().nth(1).unwrap_or_else(|| "../shared/data".to_owned());
    let count = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(200);
    let read = |path: String| std::fs::read_to_string(Path::new(&data).join(path)).expect("the file is there");
    let names =
        ["GB", "US-CAL-CISO", "DE-LU", "AU-NSW", "CA-ON", "US-TEX-ERCO", "BR-SP", "JP-TK", "US-MIDA-PJM", "IN-WE"];
    let zones: Vec<(String, CarbonTrace)> = names
        .iter()
        .map(|name| {
            let text = read(format!("carbon/electricitymaps/{name}_2023.csv"));
            ((*name).to_owned(), CarbonTrace::read(&[&text]).expect("a trace"))
        })
        .collect();
    let trace = JobTrace::read(&read("jobs/pai_1k.csv".to_owned()), 0, Some(Unit::Seconds)).expect("a trace");
    let export = std::env::args().nth(3);
    if export.is_none() {
        small(&zones);
    }
    large(&zones, &trace, count, export.as_deref());
}
