//! Jobs that pause, of uncertain length, before a deadline; and forecasts that mislead.

use super::*;

/// Three hours of work that may as well take longer: with a chance of one in twenty more than `high`.
fn uncertain(levels: &[f64], deadline: f64, high: f64) -> World {
    let mut world = World::new(3.0, PATIENT, &[levels]);
    world.job.spec.deadline = Some(hour(deadline));
    world.prediction.remaining.high = Seconds::from_hours(high);
    world
}

#[test]
fn a_deadline_that_may_be_missed_anyway_is_no_reason_to_run_in_the_dirtiest_hour() {
    let levels: Vec<f64> = std::iter::once(900.0).chain([100.0; 47]).collect();
    let plan = uncertain(&levels, 14.0, 15.0).plan();
    assert_eq!(plan.start(), Some(hour(1.0)), "an hour adds one in a hundred to the chance to miss: {plan:?}");
    let mut levels = levels;
    levels[1..5].fill(900.0);
    let plan = uncertain(&levels, 14.0, 15.0).plan();
    assert_eq!(plan.start(), Some(hour(0.0)), "four hours add one in twenty: {plan:?}");
}

#[test]
fn a_job_starts_before_the_chance_to_miss_grows_although_the_tide_is_still_to_come() {
    let levels: Vec<f64> = [330.0, 320.0, 310.0, 300.0].into_iter().chain([100.0; 4]).chain([400.0; 40]).collect();
    let mut world = uncertain(&levels, 10.0, 6.0);
    assert!(hour(0.0) < world.plan().start().expect("it runs some time"), "there is time yet");
    world.now = 3.0;
    assert_eq!(world.plan().start(), Some(hour(3.0)), "one in twenty would miss from the fourth hour on");
    world.prediction = certain(3.0);
    assert_eq!(world.plan().start(), Some(hour(4.0)), "of a known length none does");
}

#[test]
fn where_the_intensity_wanders_an_hour_hardly_cleaner_than_one_to_come_is_waited_out() {
    let levels: Vec<f64> = [205.0, 300.0].into_iter().chain([206.0; 30]).chain([400.0; 16]).collect();
    let mut world = World::new(2.0, PATIENT, &[&levels]);
    world.job.spec.deadline = Some(hour(30.0));
    assert_eq!(world.plan().start(), Some(hour(0.0)), "by the curve there is no cleaner hour");
    world.drift = Drift { spread: 60.0, persistence: 0.8 };
    let plan = world.plan();
    assert_eq!(plan.start(), Some(hour(2.0)), "two of 28 hours will be cleaner than foreseen");
    assert!(plan.run_now.is_some_and(|run_now| plan.footprint.median < run_now.footprint));
    world.job.spec.deadline = Some(hour(3.0));
    assert_eq!(world.plan().start(), Some(hour(0.0)), "there is only one to wait for");
}

/// The job of three hours at a site whose forecasts mislead, with the intensity of the hours up to now as measured.
fn misled(present: f64, kind: Kind) -> World {
    let mut world = World::new(3.0, PATIENT, &[&[present; 48]]);
    let told = forecast("GB", &[present; 48]);
    let mut slots = told.slots().to_vec();
    slots[0].kind = kind;
    let told = lowtide_model::forecast::Forecast::new(
        told.zone.clone(),
        told.tags,
        told.issued_at,
        told.fetched_at,
        told.source.clone(),
        None,
        slots,
    )
    .expect("as before");
    world.sites[0].2 = IntensityCurve::build(Some(&told), GramsPerKwh::ZERO, hour(0.0), window(0.0, 48.0));
    world.misled = Some(Misled { least: 100.0, most: 400.0 });
    world
}

#[test]
fn where_forecasts_mislead_the_intensity_of_the_hour_decides_and_the_plan_says_so() {
    let clean = misled(200.0, Kind::Measured).plan();
    assert_eq!(clean.start(), Some(hour(0.0)));
    insta::assert_snapshot!(clean.warnings[0], @"jobs placed by the forecasts of GB would have emitted more than at once, so none is followed: the job runs at up to 200 g/kWh, between the least (100) and the most (400) of 30 days, and it is 200 now");
    let dirty = misled(201.0, Kind::Measured);
    assert_eq!(dirty.plan().start(), Some(hour(1.0)), "it is looked at again in the next slot");
    let running = World { current: Some(site_id("home")), ..misled(201.0, Kind::Measured) };
    assert_eq!(running.plan().start(), Some(hour(1.0)), "a running job pauses");
}

#[test]
fn where_forecasts_mislead_deadline_and_unknown_intensity_let_the_job_run() {
    let mut dirty = misled(390.0, Kind::Measured);
    dirty.job.spec.deadline = Some(hour(3.5));
    assert_eq!(dirty.plan().start(), Some(hour(0.0)), "no slot is left to wait in");
    let unknown = misled(390.0, Kind::Forecast).plan();
    assert_eq!(unknown.start(), Some(hour(0.0)));
    assert!(unknown.warnings[0].contains("nothing is waited for"), "{:?}", unknown.warnings);
    let one_piece = World { policy: World::new(3.0, ONE_PIECE, &[]).policy, ..misled(390.0, Kind::Measured) };
    assert!(!one_piece.plan().warnings.iter().any(|warning| warning.contains("emitted more than at once")));
}
