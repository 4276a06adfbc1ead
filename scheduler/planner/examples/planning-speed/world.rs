//! A made-up world to plan in: fifty zones, each with a day and a week of its own, and as many jobs as wished.

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Pue, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView};
use lowtide_planner::policy::{self, Policy};
use lowtide_planner::predict::Prediction;

use jiff::Timestamp;

pub(crate) const SITES: u32 = 50;
/// Seven days of quarters of an hour.
pub(crate) const SLOTS: u32 = 672;
const SLOT_HOURS: f64 = 0.25;
/// The part of all processors' hours in the seven days that the jobs ask for.
const LOAD: f64 = 0.6;

/// Sites, what is known of their zones, and what is taken of them.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) sites: Vec<Site>,
    pub(crate) curves: Vec<IntensityCurve>,
    pub(crate) taken: Vec<Occupancy>,
}

/// A job and what is thought of it.
pub(crate) struct Task {
    pub(crate) job: Job,
    pub(crate) prediction: Prediction,
    /// When it can begin at the earliest: a slot within the first two days.
    pub(crate) released: Timestamp,
}

const TAGS: Tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };

/// Even numbers from 0 to 1 that look drawn, the same at every run (splitmix64).
pub(crate) fn drawn(number: u64) -> f64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

impl World {
    /// A world in which these jobs find room: all sites together have `1 / LOAD` of the hours they ask for.
    pub(crate) fn new(tasks: &[Task]) -> Self {
        let now: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
        let hours = |task: &Task| task.prediction.remaining.median.hours() * f64::from(task.job.spec.resources.cpus);
        let asked: f64 = tasks.iter().map(hours).sum();
        let each = asked / LOAD / f64::from(SLOTS) / SLOT_HOURS / f64::from(SITES);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
        let capacity = Resources { cpus: (each.ceil() as u32).max(16), gpus: 0 };
        let sites: Vec<Site> = (0..SITES).map(|number| site(number, capacity)).collect();
        let window = Window::new(now, Seconds::from_hours(14.0 * 24.0).after(now)).expect("in order");
        let curve = |(number, site): (u32, &Site)| {
            let forecast = forecast(site.zone.clone(), number, now);
            IntensityCurve::build(Some(&forecast), site.fallback_intensity, now, window)
        };
        let curves = (0..).zip(&sites).map(curve).collect();
        let policy = policy::parse(PolicyId::new("speed").expect("a name"), "route = true\npausable = false");
        let taken = sites.iter().map(|site| Occupancy::new(site.capacity)).collect();
        Self { now, policy: policy.expect("a policy"), sites, curves, taken }
    }

    pub(crate) fn views(&self) -> Vec<SiteView<'_>> {
        let with = |((site, curve), occupancy)| SiteView { tags: Some(TAGS), ..SiteView::of(site, curve, occupancy) };
        self.sites.iter().zip(&self.curves).zip(&self.taken).map(with).collect()
    }

    pub(crate) fn input<'a>(&'a self, task: &'a Task, views: &'a [SiteView<'a>]) -> PlanningInput<'a> {
        PlanningInput {
            now: task.released,
            job: &task.job,
            prediction: &task.prediction,
            policy: &self.policy,
            sites: views,
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::saturating(30.0), start: Seconds::saturating(60.0) },
            horizon: Seconds::from_hours(f64::from(SLOTS) * SLOT_HOURS),
            slot: Seconds::from_hours(SLOT_HOURS),
            probing: false,
            comparable: false,
            seed: 0,
        }
    }
}

/// Jobs of a quarter of an hour to a day on 1 to 16 processors: of whole slots, or no two of one length.
pub(crate) fn tasks(count: usize, whole_slots: bool) -> Vec<Task> {
    let begin: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
    (0_u64..)
        .take(count)
        .map(|number| {
            let hours = 0.25 * 96.0_f64.powf(drawn(3 * number));
            let hours = if whole_slots { (hours * 4.0).round() / 4.0 } else { hours };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 16")]
            let cpus = 1 << (drawn(3 * number + 1) * 5.0) as u32;
            let policy = PolicyId::new("speed").expect("a name");
            let spec = JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), policy);
            let released = Seconds::from_hours((drawn(5_000_000 + number) * 192.0).floor() / 4.0).after(begin);
            // A third has to end within half a day to three days after the time it takes.
            let patience = Seconds::from_hours(hours + 12.0 + 60.0 * drawn(6_000_000 + number));
            let deadline = (drawn(7_000_000 + number) < 1.0 / 3.0).then(|| patience.after(released));
            let spec = JobSpec { deadline, resources: Resources { cpus, gpus: 0 }, ..spec };
            let prediction = Prediction::certain(Seconds::from_hours(hours), Watts::saturating(20.0 * f64::from(cpus)));
            Task { job: Job::submitted(JobId(number + 1), spec, released), prediction, released }
        })
        .collect()
}

fn site(number: u32, capacity: Resources) -> Site {
    Site {
        pue: Pue::new(1.1 + 0.3 * drawn(u64::from(number) + 1_000_000)).expect("above 1"),
        ..Site::like_the_reference(
            SiteId::new(format!("site-{number:02}")).expect("a name"),
            ZoneId::new(format!("ZONE-{number:02}")).expect("a name"),
            capacity,
            GramsPerKwh::saturating(400.0),
        )
    }
}

/// A mean of 30 to 700 g/kWh, a wave of a day and one of some days, and noise: what matters is that values differ.
fn forecast(zone: ZoneId, number: u32, now: Timestamp) -> Forecast {
    let seed = u64::from(number) * 10_000;
    let (mean, phase) = (30.0 + 670.0 * drawn(seed), drawn(seed + 1));
    let midnight = now;
    let at = |slot: u32| Seconds::from_hours(f64::from(slot) * SLOT_HOURS).after(midnight);
    let level = |slot: u32| {
        let days = f64::from(slot) * SLOT_HOURS / 24.0;
        let wave = 0.3 * ((days + phase) * std::f64::consts::TAU).sin() + 0.2 * (days / 3.7 + phase).cos();
        mean * (1.0 + wave + 0.05 * drawn(seed + 10 + u64::from(slot)))
    };
    let slots = (0..SLOTS).map(|slot| Slot {
        window: Window::new(at(slot), at(slot + 1)).expect("in order"),
        intensity: GramsPerKwh::saturating(level(slot)),
        band: None,
        kind: Kind::Forecast,
    });
    Forecast::new(zone, TAGS, midnight, midnight, "made up".into(), None, slots.collect()).expect("in order")
}
