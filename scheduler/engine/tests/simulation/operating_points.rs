//! Jobs that can run with several counts of workers, or with their GPUs held to less power.

use lowtide_engine::sim::{Faults, Happening, Simulation};
use lowtide_model::capping::PowerCap;
use lowtide_model::estimate::EstimateSource;
use lowtide_model::identity::JobId;
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::JobState;

use crate::worlds::{day_after_day, hours, only, run, site, spec, work, world};

#[test]
fn an_elastic_job_comes_back_from_a_pause_with_as_many_workers_as_the_hour_is_worth() {
    // Clean from 4 to 6 and from 12 to 13; the deadline leaves no second night.
    let valleys = |hour: u32| match hour {
        4..6 => 20.0,
        6..12 => 300.0,
        12..13 => 60.0,
        _ => 500.0,
    };
    let declared = JobSpec {
        scaling: "1:1,2:1.9,4:3.4".parse().expect("a profile"),
        resources: Resources { cpus: 1, gpus: 1 },
        declared_duration: Some(Seconds::from_hours(8.0)),
        declared_power: Some(Watts::saturating(300.0)),
        deadline: Some(hours(14.0)),
        epochs: Some(32),
        ..spec("patient", true)
    };
    let gpus = Site { capacity: Resources { cpus: 4, gpus: 4 }, ..site("home", "GB", 4) };
    let simulation = run(
        world(vec![gpus]),
        vec![
            (hours(0.0), day_after_day("GB", valleys)),
            (hours(1.0), Happening::Submit(Box::new(declared), work(32, 15.0))),
        ],
    );
    let job = only(&simulation);
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.notes);
    let workers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.point.workers.map_or(0, u32::from)).collect();
    // One to be measured, one for each clean stretch: no more are started than the hours ask for.
    assert_eq!(workers, [4, 4, 2]);
    for attempt in &job.attempts {
        let count = attempt.point.workers.map_or(0, u32::from);
        assert_eq!(attempt.devices.len(), usize::try_from(count).expect("few"), "a GPU for each worker: {attempt:?}");
    }
    // Epochs at four workers count as what they are: all predictions since the first measured ones are near the truth of what ran.
    let truth = job.review.as_ref().expect("it is over").actual.energy.get();
    let told =
        job.estimates.iter().filter(|estimate| 2 < estimate.after_epoch).map(|estimate| estimate.energy.median.get());
    let worst = told.map(|told| (told / truth - 1.0).abs()).fold(0.0, f64::max);
    assert!(worst < 0.03, "{worst} off at the worst");
}

/// Three hours of work without a cap, and who may end in time at 150 W.
fn capped() -> JobSpec {
    JobSpec {
        resources: Resources { cpus: 1, gpus: 1 },
        capping: "250:0.96:0.864,150:0.85:0.663".parse().expect("a profile"),
        declared_duration: Some(Seconds::from_hours(3.0)),
        declared_power: Some(Watts::saturating(300.0)),
        ..spec("patient", false)
    }
}

fn with_caps() -> Site {
    let caps = [250, 150].map(|watts| PowerCap::new(watts).expect("a cap"));
    Site { capacity: Resources { cpus: 4, gpus: 4 }, power_caps: caps.to_vec(), ..site("home", "GB", 4) }
}

fn caps(job: &Job) -> Vec<u32> {
    job.attempts.iter().map(|attempt| attempt.point.power_cap.map_or(0, u32::from)).collect()
}

#[test]
fn a_job_whose_gpus_may_be_held_to_less_uses_less_and_is_predicted_so() {
    let submit = |spec| Happening::Submit(Box::new(spec), work(6, 30.0));
    let told_nothing = JobSpec { declared_duration: None, declared_power: None, ..capped() };
    let flat = (hours(0.0), day_after_day("GB", |_| 300.0));
    let happenings = vec![flat, (hours(1.0), submit(capped())), (hours(8.0), submit(told_nothing))];
    let simulation = run(world(vec![with_caps()]), happenings);
    let job = only(&simulation);
    assert_eq!((&job.state, caps(job)), (&JobState::Succeeded, vec![150]), "{:?}", job.notes);
    let review = job.review.as_ref().expect("it is over");
    let (used, uncapped) = (review.actual.energy.kwh(), 0.9);
    assert!((used / uncapped - 0.78).abs() < 0.01, "{used} kWh");
    assert!((review.actual.duration.hours() * 0.85 - 3.0).abs() < 0.05, "{:?}", review.actual.duration);
    // Its prediction was of the capped job from the first, and what was learnt of it serves the next one.
    for estimate in &job.estimates {
        assert!((estimate.energy.median.kwh() / used - 1.0).abs() < 0.03, "{estimate:?}");
    }
    let next = simulation.engine().job(JobId(2)).expect("it was submitted");
    let first = next.estimates.first().expect("it was planned");
    assert_eq!(first.source, EstimateSource::History);
    assert!((first.energy.median.kwh() / used - 1.0).abs() < 0.03, "{first:?}");
}

#[test]
fn a_refused_cap_costs_a_job_nothing_and_no_plan_counts_on_one_after_it() {
    let submit = || Happening::Submit(Box::new(capped()), work(6, 30.0));
    let flat = (hours(0.0), day_after_day("GB", |_| 300.0));
    let happenings = vec![flat, (hours(1.0), submit()), (hours(8.0), submit())];
    let faults = Faults { refused_power_cap: 1.0, ..Faults::default() };
    let mut simulation = Simulation::new(hours(0.0), world(vec![with_caps()]), happenings, faults, 1);
    simulation.run(hours(48.0)).expect("no rule is broken");
    let job = only(&simulation);
    assert_eq!((&job.state, caps(job)), (&JobState::Succeeded, vec![0]));
    assert!(job.notes.iter().any(|note| note.text.contains("the driver sets no limits today")), "{:?}", job.notes);
    let review = job.review.as_ref().expect("it is over");
    assert!((review.actual.duration.hours() - 3.0).abs() < 0.05, "it was not slowed: {:?}", review.actual.duration);
    let last = job.estimates.last().expect("it was measured");
    assert!((last.energy.median.kwh() - 0.9).abs() < 0.02, "what it uses is told as it is: {last:?}");
    let next = simulation.engine().job(JobId(2)).expect("it was submitted");
    assert_eq!((&next.state, caps(next)), (&JobState::Succeeded, vec![0]));
    assert!(next.notes.iter().all(|note| !note.text.contains("no limits today")), "it was not tried: {:?}", next.notes);
}
