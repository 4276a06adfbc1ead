//! The demo in the simulator: the same jobs, day, sites, policies and engine, with no process and no waiting.

use std::path::Path;

use jiff::Timestamp;
use lowtide_api::v1::job::JobView;
use lowtide_api::v1::submit::SubmitRequest;
use lowtide_daemon::config::Configuration;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{Settings, World};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;

use super::grid::GridDay;
use super::jobs::{DemoJob, EPOCH_SECONDS, JOBS};
use super::world::{CONFIGURATION, TIME_SCALE, VIRTUAL_START};

fn start() -> Timestamp {
    VIRTUAL_START.parse().expect("a time")
}

fn sites() -> Vec<Site> {
    let configuration = Configuration::parse(CONFIGURATION, Path::new("/")).expect("well-formed");
    let site = |site: lowtide_daemon::config::SiteConfig| Site {
        zone: site.zone.clone().expect("the demo names its zones"),
        executor: "local".to_owned(),
        capacity: site.capacity(Resources { cpus: 1, gpus: 0 }),
        pue: site.pue,
        speed: site.speed,
        power: site.power,
        transfer: site.transfer,
        power_caps: site.power_caps,
        fallback_intensity: GramsPerKwh::saturating(400.0),
        fallback_source: "rehearsal".to_owned(),
        id: site.name,
    };
    configuration.sites.into_iter().map(site).collect()
}

/// What the plugin tells: the day again and again, over the whole horizon.
fn forecast(zone: &ZoneId) -> Happening {
    let day = GridDay::built_in();
    let slot = |hour: u32| {
        let from = Seconds::from_hours(f64::from(hour)).after(start());
        let intensity = day.at(zone.as_str(), from).expect("the day has every zone of the configuration");
        Slot {
            window: Window::new(from, Seconds::from_hours(1.0).after(from)).expect("an hour"),
            intensity: GramsPerKwh::saturating(intensity),
            band: None,
            kind: Kind::Forecast,
        }
    };
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let slots = (0..120).map(slot).collect();
    let forecast = Forecast::new(zone.clone(), tags, start(), start(), "csv".to_owned(), None, slots);
    Happening::Issue(Box::new(forecast.expect("in order")))
}

/// What the daemon makes of the request.
fn spec(job: &DemoJob) -> JobSpec {
    let request = job.request(Path::new("/usr/bin/lowtide"), Path::new("/"), "ada");
    let SubmitRequest { name, command, policy, max_delay_s, sites, duration_s, checkpoint, .. } = request;
    let policy = PolicyId::new(policy.expect("named")).expect("a name");
    JobSpec {
        name: name.expect("named"),
        max_delay: max_delay_s.map(Seconds::saturating),
        sites: sites.into_iter().map(|site| SiteId::new(site).expect("a name")).collect(),
        declared_duration: duration_s.map(Seconds::saturating),
        checkpoint: checkpoint.map(|_| Checkpoint { signal: 15, grace_s: 5 }),
        ..JobSpec::of_command(command, "/".into(), "ada".to_owned(), policy)
    }
}

/// The demo's jobs, submitted when a daemon that took `late` virtual hours to start lets them.
fn rehearse(late: f64) -> Vec<(Seconds, JobView)> {
    let sites = sites();
    let mut happenings: Vec<_> = sites.iter().map(|site| (start(), forecast(&site.zone))).collect();
    let submitted_at = Seconds::from_hours(late).after(start());
    for job in &JOBS {
        let epoch = Seconds::saturating(EPOCH_SECONDS * TIME_SCALE);
        let work = TrueWork { epochs: job.epochs, epoch, power: Watts::saturating(10.0), exit_code: 0 };
        happenings.push((submitted_at, Happening::Submit(Box::new(spec(job)), work)));
    }
    let policies = builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    let world = World {
        sites,
        policies,
        budgets: Vec::new(),
        fair_share: None,
        // Each installation spreads its jobs by a number of its own: the demo has to show its stories by any.
        settings: Settings { seed: late.to_bits(), ..Settings::default() },
        time_zone: None,
    };
    let mut simulation = Simulation::new(start(), world, happenings, Faults::default(), 1);
    simulation.run(Seconds::from_hours(72.0).after(start())).expect("no rule is broken");
    let view = |job| {
        let view = JobView::of(job, 1);
        (Seconds::between(submitted_at, view.state_since), view)
    };
    simulation.engine().jobs().map(view).collect()
}

#[test]
fn each_job_shows_what_it_is_to_show_even_after_a_slow_start() {
    for late in [0.0, 0.5, 1.0, 2.0, 3.0, 4.0] {
        let jobs = rehearse(late);
        assert_eq!(jobs.len(), JOBS.len());
        for (job, (took, view)) in JOBS.iter().zip(&jobs) {
            assert_eq!(job.story.missing(view), None, "{late} h late: {view:#?}");
            let saving = view.review.as_ref().expect("reviewed").saving.expect("it used energy");
            assert!(0.05 < saving, "{late} h late: {} saves {saving}", job.task);
            let real = took.get() / TIME_SCALE;
            assert!(real < 40.0, "{late} h late: {} takes {real} s", job.task);
        }
    }
}
