//! The policy's windows and blackouts.

use super::*;

pub(super) const NIGHT: &str = "\n[[windows]]\ncron = \"0 20 * * *\"\nduration = \"4h\"\nzone = \"UTC\"";

#[test]
fn windows_hold_the_whole_run_where_it_fits_and_its_start_where_it_does_not() {
    let flat = vec![100.0; 60];
    let short = World::new(3.0, &format!("{ONE_PIECE}{NIGHT}"), &[&flat]).plan();
    assert_eq!(shown(&short), [at("home", 20.0, 23.0)]);
    let rising: Vec<f64> = (0..60).map(|hour| 400.0 - 5.0 * f64::from(hour)).collect();
    let cleanest = World::new(3.0, &format!("{ONE_PIECE}\nminimum_saving = 0{NIGHT}"), &[&rising]).plan();
    assert_eq!(shown(&cleanest), [at("home", 21.0, 24.0)]);
    let long = World::new(6.0, &format!("{ONE_PIECE}{NIGHT}"), &[&flat]).plan();
    assert_eq!(shown(&long), [at("home", 20.0, 26.0)]);
}

#[test]
fn a_job_with_checkpoints_leaves_at_the_end_of_a_window() {
    let flat = vec![100.0; 60];
    let plan = World::new(6.0, &format!("max_delay = \"48h\"{NIGHT}"), &[&flat]).plan();
    assert_eq!(shown(&plan), [at("home", 20.0, 24.0), at("home", 44.0, 46.0)]);
}

#[test]
fn windows_give_way_to_a_deadline_and_the_longest_delay_gives_way_to_windows() {
    let flat = vec![100.0; 60];
    let mut world = World::new(3.0, &format!("{ONE_PIECE}{NIGHT}"), &[&flat]);
    world.job.spec.max_delay = Some(Seconds::from_hours(2.0));
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 20.0, 23.0)]);
    assert!(plan.warnings[0].contains("longer than its longest delay"), "{:?}", plan.warnings);
    world.job.spec.deadline = Some(hour(10.0));
    let plan = world.plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 0.0, 3.0)], Reason::Deadline));
    assert!(plan.warnings[0].contains("outside them"), "{:?}", plan.warnings);
}

#[test]
fn a_window_beyond_the_horizon_is_waited_for() {
    let sunday = "\n[[windows]]\ncron = \"0 20 * * SUN\"\nduration = \"4h\"\nzone = \"UTC\"";
    let plan = World::new(3.0, &format!("{ONE_PIECE}{sunday}"), &[&[100.0; 60]]).plan();
    assert_eq!(plan.start(), Some(hour(6.0 * 24.0 + 20.0)));
}

/// Noon to six, each day.
const SIESTA: &str = "\n[[blackouts]]\ncron = \"0 12 * * *\"\nduration = \"6h\"\nzone = \"UTC\"";

#[test]
fn a_job_that_cannot_be_paused_is_not_started_into_a_blackout_it_fits_before_or_after() {
    // The afternoon is clean, and closed.
    let levels: Vec<f64> = (0..72).map(|hour| if (11..18).contains(&(hour % 24)) { 100.0 } else { 300.0 }).collect();
    let plan = World::new(3.0, &format!("{ONE_PIECE}{SIESTA}"), &[&levels]).plan();
    assert_eq!((plan.start(), plan.end), (Some(hour(9.0)), hour(12.0)), "the last start before it: {plan:#?}");
    // What is longer than every gap only begins in one.
    let mut long = World::new(20.0, &format!("{ONE_PIECE}{SIESTA}"), &[&levels]);
    long.policy.max_delay = Some(Seconds::from_hours(30.0));
    let start = long.plan().start().expect("it starts");
    assert!(!(hour(12.0)..hour(18.0)).contains(&start), "{start}");
}

proptest! {
    #[test]
    fn no_stretch_of_a_pausable_job_lies_in_a_blackout_unless_a_deadline_forces_it(
        levels in prop::collection::vec(1.0..900.0_f64, 72), hours in 0.5..30.0_f64, deadline in prop::option::of(1.0..72.0_f64),
        allowed in any::<bool>(),
    ) {
        let windows = if allowed { NIGHT } else { "" };
        let mut world = World::new(hours, &format!("minimum_saving = 0{windows}{SIESTA}"), &[&levels]);
        world.job.spec.deadline = deadline.map(hour);
        let plan = world.plan();
        let closed = |segment: &lowtide_model::plan::Segment| (0..10).any(|day| {
            let siesta = window(f64::from(day) * 24.0 + 12.0, f64::from(day) * 24.0 + 18.0);
            siesta.intersection(&segment.window).is_some()
        });
        let told = plan.warnings.iter().any(|warning| warning.contains("outside them") || warning.contains("missed"));
        prop_assert!(told || !plan.segments.iter().any(closed), "{plan:#?}");
        prop_assert!(deadline.is_some() || !told);
    }
}
