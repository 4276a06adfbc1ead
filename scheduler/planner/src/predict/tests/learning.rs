//! What a prediction learns from a family, and from a job's own epochs when they change.

use super::*;

#[test]
fn a_phase_that_the_family_knows_is_foreseen_from_the_first_epoch() {
    let spec = spec();
    let history = [1.0, 1.01, 0.99].map(|pace| run(None, &two_phases((10, pace), (30, 2.0 * pace))));
    let measured = epochs(&[1.0]);
    let total = predict(&observed(&spec, &measured, Some(40), &history)).duration;
    assert!((total.median.hours() / 70.0 - 1.0).abs() < 0.01, "{total:?}");
    assert!(total.low.hours() < 70.0 && 70.0 < total.high.hours() && total.high.hours() < 90.0, "{total:?}");
}

#[test]
fn of_a_family_of_many_jobs_those_that_began_alike_speak() {
    let spec = spec();
    // One script that trains two things: one goes on as it began, the other takes three times as long from epoch 6 on.
    let even = (0..12).map(|seed| run(None, &noisy(20, 1.0, seed)));
    let growing = (0..12).map(|seed| {
        let lengths = noisy(20, 1.6, seed).into_iter().enumerate();
        run(None, &lengths.map(|(epoch, length)| if epoch < 5 { length } else { 3.0 * length }).collect::<Vec<f64>>())
    });
    let history: Vec<PastRun> = even.zip(growing).flat_map(|(one, other)| [one, other]).collect();
    for (first, truth) in [(1.0, 20.0), (1.6, 1.6 * (5.0 + 45.0))] {
        let measured = epochs(&[first]);
        let total = predict(&observed(&spec, &measured, Some(20), &history)).duration;
        assert!((total.median.hours() / truth - 1.0).abs() < 0.04, "{total:?}, truly {truth}");
        assert!(total.high.hours() < 1.2 * truth, "{total:?}");
    }
}

#[test]
fn a_new_level_is_taken_up_within_two_epochs_and_doubted_for_one() {
    let spec = spec();
    let remaining = |seen: usize| {
        let measured = epochs(&two_phases((10, 1.0), (seen, 2.0)));
        predict(&observed(&spec, &measured, Some(10 + u32::try_from(seen).expect("few") + 10), &[])).remaining
    };
    let (one, two) = (remaining(1), remaining(2));
    assert!((12.0..19.0).contains(&one.median.hours()), "{one:?}");
    assert!(one.low.hours() < 10.5 && 20.0 < one.high.hours(), "both are possible: {one:?}");
    assert!((two.median.hours() - 20.0).abs() < 0.1, "{two:?}");
}

#[test]
fn a_first_epoch_outside_of_all_others_is_none_of_them() {
    let spec = spec();
    for first in [0.85, 1.12] {
        let measured = epochs(&[first, 1.0, 1.01, 0.99, 1.0]);
        let remaining = predict(&observed(&spec, &measured, Some(15), &[])).remaining.median.hours();
        assert!((remaining - 10.0).abs() < 0.01, "{remaining} after {first}");
    }
}

#[test]
fn a_spike_that_went_back_makes_the_next_one_less_of_a_change() {
    let spec = spec();
    let after = |lengths: &[f64]| {
        let measured = epochs(lengths);
        predict(&observed(&spec, &measured, Some(30), &[])).remaining.median.hours() / (30 - lengths.len()) as f64
    };
    let first = after(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0]);
    let again = after(&[1.0, 1.0, 1.0, 3.0, 1.0, 1.0, 3.0, 1.0, 3.0]);
    assert!(again < first, "{again} {first}");
}

#[test]
fn what_comes_back_is_a_habit_and_counts() {
    let spec = spec();
    // Every fifth epoch is followed by a long validation.
    let lengths: Vec<f64> = (1..=22).map(|epoch| if epoch % 5 == 0 { 2.0 } else { 1.0 }).collect();
    let measured = epochs(&lengths);
    let remaining = predict(&observed(&spec, &measured, Some(122), &[])).remaining.median.hours();
    assert!((105.0..122.0).contains(&remaining), "{remaining}, truly 120");
}

#[test]
fn epochs_that_grow_go_on_growing_for_a_while() {
    let spec = spec();
    let lengths: Vec<f64> = (0..20).map(|epoch| 1.01_f64.powi(epoch)).collect();
    let measured = epochs(&lengths);
    let remaining = predict(&observed(&spec, &measured, Some(30), &[])).remaining.median.hours();
    let truth: f64 = (20..30).map(|epoch| 1.01_f64.powi(epoch)).sum();
    assert!((remaining / truth - 1.0).abs() < 0.01, "{remaining} {truth}");
}

#[test]
fn a_family_that_stops_early_tells_how_many_epochs() {
    let spec = spec();
    let counts = [40, 45, 50, 55, 60, 42, 48, 52, 58, 50, 44, 46, 49, 51, 54, 56, 47, 53, 43, 57];
    let history: Vec<PastRun> = counts.map(|count| run(Some(150), &vec![1.0; count])).into();
    let measured = epochs(&[1.0, 1.0]);
    let total = predict(&observed(&spec, &measured, Some(150), &history)).duration;
    assert!((total.median.hours() - 50.0).abs() < 1.0, "{total:?}");
    assert!((39.0..44.0).contains(&total.low.hours()) && (56.0..61.0).contains(&total.high.hours()), "{total:?}");
    // Those that were going to run as many as they did say nothing of an end before the plan.
    let complete: Vec<PastRun> = counts.map(|count| run(u32::try_from(count).ok(), &vec![1.0; count])).into();
    let total = predict(&observed(&spec, &measured, Some(150), &complete)).duration;
    assert!((total.median.hours() - 150.0).abs() < 1.0, "{total:?}");
}

#[test]
fn a_job_that_says_it_may_stop_early_is_believed() {
    let spec = spec();
    let measured = epochs(&[1.0; 10]);
    let mut stopping = observed(&spec, &measured, Some(110), &[]);
    let to_the_end = predict(&stopping).duration;
    stopping.may_stop_early = true;
    let total = predict(&stopping).duration;
    assert!(total.low.hours() < 20.0 && total.median < to_the_end.median && total.high <= to_the_end.high, "{total:?}");
}

#[test]
fn a_job_that_outruns_its_family_is_expected_to_go_on_a_little() {
    let spec = spec();
    let history = [20, 30].map(|count| run(Some(150), &vec![1.0; count]));
    let measured = epochs(&[1.0; 60]);
    let remaining = predict(&observed(&spec, &measured, Some(150), &history)).remaining;
    assert!((1.0..30.0).contains(&remaining.median.hours()) && remaining.high.hours() < 91.0, "{remaining:?}");
}

#[test]
fn without_a_number_of_epochs_that_of_the_family_is_taken() {
    let spec = spec();
    let history = [run(None, &[1.0; 12]), run(None, &[1.0; 12])];
    let measured = epochs(&[1.0; 2]);
    let prediction = predict(&observed(&spec, &measured, None, &history));
    assert_eq!(prediction.source, EstimateSource::Measured);
    assert!((prediction.duration.median.hours() - 12.0).abs() < 0.1, "{prediction:?}");
}

#[test]
fn before_its_first_epoch_a_job_is_expected_to_go_like_its_family() {
    let spec = spec();
    let history = [run(None, &two_phases((2, 1.0), (8, 3.0))), run(None, &two_phases((2, 1.1), (8, 3.3)))];
    let prediction = predict(&observed(&spec, &[], Some(10), &history));
    assert_eq!(prediction.source, EstimateSource::History);
    assert!((26.0..28.6).contains(&prediction.duration.median.hours()), "{prediction:?}");
    assert!((26.0..28.6).contains(&prediction.energy.median.kwh()), "{prediction:?}");
}

#[test]
fn the_epoch_under_way_tells_where_none_is_complete_and_is_not_counted_twice() {
    let spec = spec();
    let hours = Seconds::from_hours;
    let under_way = |share: f64, length: f64| Progress {
        share,
        ran: hours(share * length),
        energy: Joules::from_kwh(share * length).expect("positive"),
    };
    let mut first = observed(&spec, &[], Some(10), &[]);
    (first.progress, first.ran) = (Some(under_way(0.5, 2.0)), hours(1.0));
    let prediction = predict(&first);
    assert_eq!(prediction.source, EstimateSource::Measured);
    assert!((prediction.duration.median.hours() - 20.0).abs() < 1e-6, "{prediction:?}");
    let measured = epochs(&[2.0, 2.0]);
    let mut later = observed(&spec, &measured, Some(10), &[]);
    (later.progress, later.ran) = (Some(under_way(0.25, 2.0)), hours(4.5));
    assert!((predict(&later).duration.median.hours() - 20.0).abs() < 1e-6);
    // A little of an epoch is no measurement of the whole of it.
    first.progress = Some(under_way(0.01, 2.0));
    assert_ne!(predict(&first).source, EstimateSource::Measured);
}

#[test]
fn with_enough_runs_nine_of_ten_intervals_hold_the_one_left_out() {
    let total = |lengths: &[f64]| lengths.iter().sum::<f64>();
    let all: Vec<Vec<f64>> =
        (0..30_usize).map(|at| noisy(20, 1.0 + 0.05 * ((at * at) as f64 * 0.77).sin(), at)).collect();
    let spec = spec();
    let held = (0..all.len()).filter(|left_out| {
        let history: Vec<PastRun> = (0..all.len()).filter(|at| at != left_out).map(|at| run(None, &all[at])).collect();
        let measured = epochs(&all[*left_out][..2]);
        let predicted = predict(&observed(&spec, &measured, Some(20), &history)).duration;
        (predicted.low.hours()..=predicted.high.hours()).contains(&total(&all[*left_out]))
    });
    let held = held.count();
    assert!((25..=29).contains(&held), "{held} of 30");
}

#[test]
fn what_may_still_change_shrinks_with_evidence_and_with_what_is_left() {
    let widths = |alike: f64, ahead: f64| shift::unseen(alike, ahead);
    assert_eq!(widths(5.0, 0.0), Widths::NONE);
    let narrowing: Vec<f64> = [1.0, 5.0, 10.0, 30.0, 60.0].map(|alike| widths(alike, 100.0 - alike).up).into();
    assert!(narrowing.windows(2).all(|pair| pair[1] < pair[0]), "{narrowing:?}");
    assert!(1.0 < narrowing[0].exp() && narrowing[0].exp() < 3.3, "{narrowing:?}");
    let down = widths(1.0, 99.0).down;
    assert!(0.0 < down && down < widths(1.0, 99.0).up, "{down}");
}
