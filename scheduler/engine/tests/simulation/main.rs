//! The whole system over simulated worlds: whatever happens in whatever order, no job is lost, none runs twice, no site
//! holds more than it can, and the journal adds up to the state.

mod operating_points;
mod whatever_happens;
mod worlds;

use jiff::Timestamp;
use lowtide_engine::Engine;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_model::estimate::EstimateSource;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, ZoneId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::plan::Reason;
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::state::JobState;
use lowtide_model::window::Window;

use worlds::{day_after_day, hours, night_valley, only, run, site, spec, work, world};

#[test]
fn a_patient_job_waits_for_the_clean_hours() {
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(3.0)), ..spec("patient", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(6, 30.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded);
    let started = job.attempts[0].started_at.expect("it ran");
    assert!(hours(23.5) <= started && started <= hours(27.5), "it started at {started}");
    assert_eq!(job.epochs().count(), 6);
    let review = job.review.as_ref().expect("it is over");
    assert!(0.0 < review.saving_g, "waiting saved {} g", review.saving_g);
    assert_eq!(job.estimates.last().map(|estimate| estimate.source), Some(EstimateSource::Measured));
}

#[test]
fn a_long_first_epoch_is_measured_before_it_ends() {
    let declared = JobSpec { epochs: Some(3), ..spec("run-now", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![(hours(0.0), Happening::Submit(Box::new(declared), work(3, 600.0)))],
    );
    let job = only(&simulation);
    let first = job.estimates.iter().find(|estimate| estimate.source == EstimateSource::Measured).expect("one is");
    assert_eq!(first.after_epoch, 0, "the first of three epochs of ten hours is under way");
    assert!(first.at <= hours(5.1), "told at {}", first.at);
    let (told, truth) = (first.energy.median.get(), job.review.as_ref().expect("it is over").actual.energy.get());
    assert!((told / truth - 1.0).abs() < 0.02, "{told} J told, {truth} J used");
}

#[test]
fn a_job_that_waits_is_not_let_go_just_before_its_window() {
    // From the fifteenth hour on waiting saves less than the policy asks of a decision to wait; this one was made before.
    let last_step = |hour: u32| match hour {
        0..15 => 500.0,
        15..17 => 103.0,
        _ => 100.0,
    };
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec("first", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", last_step)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(4, 30.0))),
            // News of the same: everything is planned anew.
            (hours(15.5), day_after_day("GB", last_step)),
        ],
    );
    let started = only(&simulation).attempts[0].started_at.expect("it ran");
    assert!(hours(17.0) <= started && started < hours(17.6), "it started at {started}");
}

#[test]
fn a_job_that_must_run_now_does() {
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0))),
        ],
    );
    let started = only(&simulation).attempts[0].started_at.expect("it ran");
    assert!(started < hours(12.1), "it started at {started}");
}

#[test]
fn a_job_that_follows_the_tide_goes_to_the_cleaner_site() {
    let declared = JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec("follow-the-tide", false) };
    let simulation = run(
        world(vec![site("home", "DE", 4), site("away", "SE", 4)]),
        vec![
            (hours(0.0), day_after_day("DE", |_| 500.0)),
            (hours(0.0), day_after_day("SE", |_| 30.0)),
            (hours(1.0), Happening::Submit(Box::new(declared), work(4, 30.0))),
        ],
    );
    assert_eq!(only(&simulation).attempts[0].site.as_str(), "away");
}

#[test]
fn a_job_with_checkpoints_is_probed_paused_and_resumed() {
    let mut declared = spec("patient", true);
    declared.epochs = Some(8);
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(declared), work(8, 30.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
    assert!(2 <= job.attempts.len(), "it never paused: {:?}", job.plan);
    let first = job.attempts[0].started_at.expect("it ran");
    assert!(first < hours(12.5), "its probe waited until {first}");
    let indices: Vec<u32> = job.epochs().map(|epoch| epoch.index).collect();
    assert_eq!(indices, (1..=8).collect::<Vec<_>>(), "it went on from its checkpoint");
    let first_plan = job.estimates.first().map(|estimate| estimate.source);
    assert_ne!(first_plan, Some(EstimateSource::Measured));
}

#[test]
fn a_deadline_comes_before_carbon() {
    let mut urgent = spec("patient", false);
    urgent.declared_duration = Some(Seconds::from_hours(3.0));
    urgent.deadline = Some(hours(17.0));
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), day_after_day("GB", night_valley)),
            (hours(12.0), Happening::Submit(Box::new(urgent), work(6, 30.0))),
        ],
    );
    let ended = only(&simulation).attempts[0].ended_at.expect("it ended");
    assert!(ended <= hours(17.0), "it ended at {ended}");
}

#[test]
fn what_waits_for_another_starts_after_it_and_falls_with_it() {
    let after = |job| JobSpec { after: vec![JobId(job)], ..spec("run-now", false) };
    let simulation = run(
        world(vec![site("home", "GB", 4)]),
        vec![
            (hours(0.0), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0))),
            (hours(0.0), Happening::Submit(Box::new(after(1)), TrueWork { exit_code: 3, ..work(1, 10.0) })),
            (hours(0.0), Happening::Submit(Box::new(after(2)), work(1, 10.0))),
        ],
    );
    let job = |id| simulation.engine().job(JobId(id)).expect("submitted");
    assert_eq!(job(1).state, JobState::Succeeded);
    let (ended, started) = (job(1).attempts[0].ended_at, job(2).attempts[0].started_at);
    assert!(ended.is_some() && ended <= started);
    assert_eq!(job(2).state.name(), "failed");
    assert_eq!(job(3).state, JobState::Cancelled);
    assert!(job(3).attempts.is_empty());
}

#[test]
fn a_full_site_makes_jobs_queue_and_all_end() {
    let submit = |at| (hours(at), Happening::Submit(Box::new(spec("run-now", false)), work(2, 30.0)));
    let simulation = run(world(vec![site("home", "GB", 2)]), (0..7).map(|_| submit(0.0)).collect());
    assert!(simulation.engine().jobs().all(|job| job.state == JobState::Succeeded));
    // Seven hours of work on two processors.
    assert!(simulation.now() < hours(6.0), "the last ended at {}", simulation.now());
}

#[test]
fn a_job_that_came_first_yields_the_clean_hours_to_one_that_loses_more_without_them() {
    let levels = |hour| match hour {
        2 => 10.0,
        3 => 20.0,
        8 => 25.0,
        _ => 300.0,
    };
    let declared = |hours| {
        let spec = spec("patient", false);
        Box::new(JobSpec {
            declared_duration: Some(Seconds::from_hours(hours)),
            declared_power: Some(Watts::saturating(300.0)),
            ..spec
        })
    };
    let simulation = run(
        world(vec![site("here", "A", 1)]),
        vec![
            (hours(0.0), day_after_day("A", levels)),
            (hours(0.1), Happening::Submit(declared(0.9), work(1, 54.0))),
            (hours(0.1), Happening::Submit(declared(1.9), work(1, 114.0))),
            // A forecast that says the same: now both are there when plans are made better together.
            (hours(0.2), day_after_day("A", levels)),
        ],
    );
    let started = |id| {
        let job = simulation.engine().job(JobId(id)).expect("submitted");
        job.attempts[0].started_at.expect("it ran")
    };
    assert!(hours(7.9) <= started(1) && started(1) < hours(9.0), "the short one at {}", started(1));
    assert!(hours(1.9) <= started(2) && started(2) < hours(2.2), "the long one at {}", started(2));
}

#[test]
fn a_job_over_its_limit_waits_for_a_person() {
    let mut heavy = spec("strict-budget", false);
    heavy.declared_duration = Some(Seconds::from_hours(500.0));
    heavy.declared_power = Some(Watts::saturating(5000.0));
    let mut simulation = Simulation::new(
        hours(0.0),
        world(vec![site("home", "GB", 2)]),
        vec![(hours(0.0), Happening::Submit(Box::new(heavy), work(2, 30.0)))],
        Faults::default(),
        1,
    );
    simulation.run(hours(48.0)).expect("no rule is broken");
    assert_eq!(only(&simulation).state.name(), "held", "{:?}", only(&simulation).notes);
    assert!(only(&simulation).attempts.is_empty());
}

#[test]
fn a_plan_without_room_says_so() {
    let mut wide = spec("patient", false);
    wide.resources.cpus = 9;
    let mut engine = Engine::new();
    engine.step(hours(0.0), lowtide_engine::Event::Configured(Box::new(world(vec![site("home", "GB", 2)]))));
    assert!(engine.may_submit(hours(0.0), &wide).is_err());
    wide.resources.cpus = 2;
    let job = engine.dry_run(hours(0.0), wide).expect("it fits");
    assert_ne!(job.plan.map(|plan| plan.reason), Some(Reason::NoCapacity));
}

/// Issues every half hour, four days ahead and with the day before as measured, but not between `from` and `to`.
fn issues_but(from: f64, to: f64) -> Vec<(Timestamp, Happening)> {
    let issue = |half: u32| {
        let (at, first) = (f64::from(half) / 2.0, half / 2 - 24);
        let slots = (first..first + 120)
            .map(|hour| Slot {
                window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
                intensity: GramsPerKwh::saturating(night_valley(hour % 24)),
                band: None,
                kind: if hour < first + 24 { Kind::Measured } else { Kind::Forecast },
            })
            .collect();
        let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
        let zone = ZoneId::new("GB").expect("a name");
        let forecast = Forecast::new(zone, tags, hours(at), hours(at), "test".into(), None, slots);
        (hours(at), Happening::Issue(Box::new(forecast.expect("in order"))))
    };
    (48..240).filter(|half| !(from..to).contains(&(f64::from(*half) / 2.0))).map(issue).collect()
}

#[test]
fn a_day_without_the_provider_changes_no_jobs_fate_but_its_wait() {
    let fates = |outage: (f64, f64)| {
        let mut happenings = issues_but(outage.0, outage.1);
        for (number, policy) in (0..24).zip(["patient", "run-now", "follow-the-tide"].into_iter().cycle()) {
            let declared =
                JobSpec { declared_duration: Some(Seconds::from_hours(2.0)), ..spec(policy, number % 2 == 0) };
            happenings
                .push((hours(48.0 + 2.0 * f64::from(number)), Happening::Submit(Box::new(declared), work(4, 30.0))));
        }
        let simulation = run(world(vec![site("home", "GB", 4)]), happenings);
        let fate = |job: &Job| (job.id, job.state.clone(), job.epochs().count());
        simulation.engine().jobs().map(fate).collect::<Vec<_>>()
    };
    let undisturbed = fates((0.0, 0.0));
    assert!(undisturbed.iter().all(|(_, state, epochs)| *state == JobState::Succeeded && *epochs == 4));
    assert_eq!(fates((60.0, 84.0)), undisturbed);
    // The same where nothing was ever told before.
    assert_eq!(fates((0.0, 84.0)), undisturbed);
}
