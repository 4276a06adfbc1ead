//! A cross-check of the choice of windows against published results: "Let's Wait Awhile" (Wiesner et al., Middleware
//! '21), scenario II, 3,387 machine-learning jobs over the year 2020 in half-hour slots with perfect forecasts.
//!
//! The reference numbers are those of the authors' rules with windows of exactly as many slots as they hold; the authors'
//! own program offers one slot more. Emissions are sums over slots of g/kWh for jobs of one unit of power. The job list
//! and the intensities are not part of the repository; without them the test says so and ends.
#![expect(clippy::print_stderr, reason = "a skipped test must be seen")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::{Weekday, time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView, plan};
use lowtide_planner::policy::{self, Policy};
use lowtide_planner::predict::Prediction;

/// Relative tolerance: the references are given to a tenth of some ten millions.
const TOLERANCE: f64 = 1e-6;

const SLOT: SignedDuration = SignedDuration::from_mins(30);

const TAGS: Tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };

struct Trace {
    /// Arrival and duration.
    jobs: Vec<(Timestamp, SignedDuration)>,
    curve: IntensityCurve,
    end: Timestamp,
}

fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: the reference data are not here ({})", folder.display());
    None
}

fn trace(data: &Path, zone: &str) -> Trace {
    let read = |path: &str| fs::read_to_string(data.join(path)).expect("the data are there");
    let slots: Vec<Slot> = read(&format!("carbon/lets-wait-awhile/{zone}_2020.csv"))
        .lines()
        .skip(1)
        .map(|line| {
            let (time, intensity) = line.split_once(',').expect("two columns");
            let start: Timestamp = time.replace('Z', ":00Z").parse().expect("a time");
            Slot {
                window: Window::new(start, start + SLOT).expect("half an hour"),
                intensity: GramsPerKwh::new(intensity.parse().expect("a number")).expect("an intensity"),
                band: None,
                kind: Kind::Measured,
            }
        })
        .collect();
    let (begin, end) = (slots[0].window.start(), slots[slots.len() - 1].window.end());
    let horizon = Window::new(begin, end).expect("a year");
    let zone = ZoneId::new(zone).expect("a name");
    let forecast = Forecast::new(zone, TAGS, begin, begin, "file".into(), None, slots).expect("in order");
    let first: Timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
    let jobs = read("jobs/lwa_ml_3387.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let minutes: Vec<i64> = line.split(',').map(|field| field.parse().expect("a number")).collect();
            (first + SignedDuration::from_mins(minutes[1]), SignedDuration::from_mins(minutes[2]))
        })
        .collect();
    let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, begin, horizon);
    Trace { jobs, curve, end }
}

#[derive(Clone, Copy)]
enum Flexibility {
    NextWorkday,
    SemiWeekly,
}

/// The latest end: nine o'clock of the next workday, or of the next Monday or Thursday, from when the job would have
/// ended on. (Friday evening counts as before a workday, as it does in the original.)
fn deadline(flexibility: Flexibility, end: Timestamp) -> Timestamp {
    let civil = Offset::UTC.to_datetime(end);
    let nine = |days: i64| {
        let day = civil.date().checked_add(days.days()).expect("a date");
        day.to_datetime(time(9, 0, 0, 0)).to_zoned(TimeZone::UTC).expect("a time").timestamp()
    };
    match flexibility {
        Flexibility::NextWorkday => match civil.weekday() {
            Weekday::Saturday => nine(2),
            Weekday::Sunday => nine(1),
            _ if time(17, 0, 0, 0) < civil.time() => nine(1),
            _ if civil.hour() < 9 => nine(0),
            _ => end,
        },
        Flexibility::SemiWeekly => {
            let meets = |days: &i64| {
                let at = nine(*days);
                let weekday = Offset::UTC.to_datetime(at).weekday();
                end <= at && matches!(weekday, Weekday::Monday | Weekday::Thursday)
            };
            nine((0..8).find(meets).expect("there is one in a week"))
        }
    }
}

fn policy() -> Policy {
    policy::parse(PolicyId::new("awhile").expect("a name"), "minimum_saving = 0").expect("a policy")
}

fn site() -> Site {
    Site::like_the_reference(
        SiteId::new("home").expect("a name"),
        ZoneId::new("GB").expect("a name"),
        Resources { cpus: 1, gpus: 0 },
        GramsPerKwh::ZERO,
    )
}

fn job(arrival: Timestamp, deadline: Timestamp, pausable: bool) -> Job {
    let policy = PolicyId::new("awhile").expect("a name");
    let spec = JobSpec {
        deadline: Some(deadline),
        checkpoint: pausable.then_some(Checkpoint { signal: 15, grace_s: 30 }),
        ..JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), policy)
    };
    Job::submitted(JobId(1), spec, arrival)
}

/// The year's emissions, run at once and by plan, in sums of g/kWh over slots.
fn year(trace: &Trace, flexibility: Flexibility, pausable: bool) -> (f64, f64) {
    let (policy, site) = (policy(), site());
    let occupancy = Occupancy::new(site.capacity);
    let sites = [SiteView { tags: Some(TAGS), ..SiteView::of(&site, &trace.curve, &occupancy) }];
    let (mut at_once, mut planned) = (0.0, 0.0);
    for (arrival, duration) in &trace.jobs {
        let end = (*arrival + *duration).min(trace.end);
        let latest = deadline(flexibility, *arrival + *duration).min(trace.end);
        let plan = plan(&PlanningInput {
            now: *arrival,
            job: &job(*arrival, latest, pausable),
            prediction: &Prediction::certain(Seconds::between(*arrival, end), Watts::saturating(1000.0)),
            policy: &policy,
            sites: &sites,
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::between(*arrival, latest),
            slot: Seconds::from_hours(0.5),
            probing: false,
            comparable: false,
            seed: 0,
        });
        // A kilowatt for half an hour is half a kilowatt-hour.
        at_once += plan.run_now.expect("there is room").footprint.get() * 2.0;
        planned += plan.footprint.median.get() * 2.0;
    }
    (at_once, planned)
}

fn check(zone: &str, flexibility: Flexibility, pausable: bool, baseline: f64, expected: f64) {
    let Some(data) = data() else { return };
    let (at_once, planned) = year(&trace(&data, zone), flexibility, pausable);
    assert!((at_once / baseline - 1.0).abs() < TOLERANCE, "{zone} at once: {at_once} instead of {baseline}");
    assert!((planned / expected - 1.0).abs() < TOLERANCE, "{zone} planned: {planned} instead of {expected}");
}

#[test]
fn great_britain_next_workday_in_one_stretch() {
    check("GB", Flexibility::NextWorkday, false, 67_429_418.4, 62_940_657.4);
}

#[test]
fn great_britain_next_workday_with_pauses() {
    check("GB", Flexibility::NextWorkday, true, 67_429_418.4, 61_207_180.5);
}

#[test]
fn great_britain_semi_weekly_in_one_stretch() {
    check("GB", Flexibility::SemiWeekly, false, 67_429_418.4, 57_414_646.7);
}

#[test]
fn great_britain_semi_weekly_with_pauses() {
    check("GB", Flexibility::SemiWeekly, true, 67_429_418.4, 53_884_151.5);
}

#[test]
fn germany_semi_weekly_in_one_stretch() {
    check("DE", Flexibility::SemiWeekly, false, 99_157_812.0, 85_128_611.1);
}

#[test]
fn france_next_workday_in_one_stretch() {
    check("FR", Flexibility::NextWorkday, false, 17_713_892.7, 16_850_633.3);
}
