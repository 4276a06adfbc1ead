//! Small cases: bound, optimum and what jobs placed one after the other emit, in this order.

use proptest::prelude::*;

use super::*;

fn task(length: usize, width: f64, pausable: bool) -> Task {
    Task { length, width, kilowatts: width, earliest: 0, end: 6, pausable, home: Some(0), places: vec![0] }
}

fn place(intensities: &[f64], room: f64, transfer_kwh: f64) -> Place {
    let room = vec![room; intensities.len()];
    Place { intensities: intensities.to_vec(), room, transfer_kwh, transfer_slots: 0 }
}

#[test]
fn a_job_yields_the_clean_hour_to_one_that_loses_more_without_it() {
    let places = vec![place(&[50.0, 10.0, 20.0], 1.0, 0.0)];
    // The long job can only take hours 1 and 2, or 0 and 1; the short one takes what is left.
    let case = Case { slot_h: 1.0, places, tasks: vec![task(1, 1.0, false), task(2, 1.0, false)] };
    let (grams, courses) = fewest_grams(&case).expect("there is room for three hours");
    assert!((grams - 80.0).abs() < 1e-9);
    assert_eq!(courses, [vec![(0, 0)], vec![(0, 1), (0, 2)]]);
}

#[test]
fn a_transfer_is_paid_at_every_arrival_elsewhere() {
    let places = vec![place(&[100.0, 100.0, 10.0], 1.0, 0.5), place(&[10.0, 10.0, 100.0], 1.0, 0.5)];
    let case = Case { slot_h: 1.0, places, tasks: vec![Task { places: vec![0, 1], ..task(3, 1.0, true) }] };
    // There: 5 g and 20 g; back: 5 g and 10 g.
    assert!((fewest_grams(&case).expect("room").0 - 40.0).abs() < 1e-9);
}

#[test]
fn where_there_is_no_room_there_is_no_optimum_and_the_flow_says_so() {
    let case = Case { slot_h: 1.0, places: vec![place(&[1.0, 1.0], 1.0, 0.0)], tasks: vec![task(2, 1.0, true); 2] };
    assert_eq!(fewest_grams(&case), None);
    assert!(flow_bound(&case).is_infinite());
}

/// Every job takes the cheapest course that is left, in order.
fn one_after_the_other(case: &Case) -> Option<f64> {
    let mut room: Vec<Vec<f64>> = case.places.iter().map(|place| place.room.clone()).collect();
    case.tasks.iter().try_fold(0.0, |sum, task| {
        let mut all = courses(case, task);
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fits = |course: &Course| course.iter().all(|(place, slot)| task.width <= room[*place][*slot]);
        let (grams, course) = all.into_iter().find(|(_, course)| fits(course))?;
        for (place, slot) in &course {
            room[*place][*slot] -= task.width;
        }
        Some(sum + grams)
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let places =
        prop::collection::vec((prop::collection::vec(10.0..500.0_f64, 6), 1_u8..4, 0.0..0.5_f64, 0_usize..2), 1..4);
    let tasks =
        prop::collection::vec((1_usize..4, 1_u8..3, 0.2..2.0_f64, 0_usize..2, any::<bool>(), any::<bool>()), 1..4);
    (places, tasks).prop_map(|(places, tasks)| {
        let everywhere: Vec<usize> = (0..places.len()).collect();
        let place = |(intensities, room, transfer_kwh, transfer_slots): (Vec<f64>, u8, f64, usize)| Place {
            room: vec![room.into(); intensities.len()],
            intensities,
            transfer_kwh,
            transfer_slots,
        };
        let task = |(length, width, kilowatts, earliest, pausable, stays): (usize, u8, f64, usize, bool, bool)| Task {
            kilowatts,
            earliest,
            places: if stays { vec![0] } else { everywhere.clone() },
            ..super::tests::task(length, width.into(), pausable)
        };
        Case {
            slot_h: 0.5,
            places: places.into_iter().map(place).collect(),
            tasks: tasks.into_iter().map(task).collect(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bound_is_above_the_optimum_and_no_plan_below_it(case in cases()) {
        let (flow, prices) = (flow_bound(&case), case.prices(40).bound);
        match fewest_grams(&case) {
            Some((least, courses)) => {
                prop_assert!(flow <= least + 1e-6, "flow {flow}, optimum {least}");
                prop_assert!(prices <= least + 1e-6, "prices {prices}, optimum {least}");
                prop_assert_eq!(courses.len(), case.tasks.len());
                if let Some(grams) = one_after_the_other(&case) {
                    prop_assert!(least <= grams + 1e-6);
                }
            }
            None => prop_assert_eq!(one_after_the_other(&case), None),
        }
    }

    /// Without transfers, in one place, for jobs of width 1 that can be paused, both bounds are the optimum itself.
    #[test]
    fn where_the_relaxation_is_exact_the_bounds_are_tight(
        hours in prop::collection::vec(10.0..500.0_f64, 6), room in 1_u8..4, lengths in prop::collection::vec(1_usize..4, 1..4)
    ) {
        let tasks = lengths.into_iter().map(|length| task(length, 1.0, true)).collect();
        let case = Case { slot_h: 1.0, places: vec![place(&hours, room.into(), 0.0)], tasks };
        if let Some((least, _)) = fewest_grams(&case) {
            prop_assert!((flow_bound(&case) - least).abs() < 1e-6);
            prop_assert!(least * (1.0 - 1e-9) <= case.prices(1).bound, "{} of {least}", case.prices(1).bound);
        }
    }
}
