//! Predictions held against runs of known epochs.

use proptest::prelude::*;

use super::interval::student_t_95;
use super::*;
use crate::testing::{epochs, spec, window};

fn observed<'a>(spec: &'a JobSpec, epochs: &'a [Epoch], total: Option<u32>, history: &'a [PastRun]) -> Observed<'a> {
    Observed {
        spec,
        epochs,
        epochs_total: total,
        epochs_done: epochs.last().map_or(0, |epoch| epoch.index),
        ran: epochs.iter().map(|epoch| epoch.window.duration()).sum(),
        energy_so_far: epochs.iter().map(|epoch| epoch.energy).sum(),
        history,
        may_stop_early: false,
        progress: None,
    }
}

fn past(hours: f64, kwh: f64, epochs: Option<u32>) -> PastRun {
    let (duration, energy) = (Seconds::from_hours(hours), Joules::from_kwh(kwh).expect("positive"));
    PastRun { duration, energy, epochs, course: Course::default() }
}

fn ordered(prediction: &Prediction) -> bool {
    let times = [prediction.duration, prediction.remaining];
    let energies = [prediction.energy, prediction.remaining_energy];
    times.iter().all(|time| time.low <= time.median && time.median <= time.high)
        && energies.iter().all(|energy| energy.low <= energy.median && energy.median <= energy.high)
}

#[test]
fn before_the_first_epoch_the_best_source_there_is_speaks() {
    let unknown = spec();
    let mut declared = spec();
    declared.declared_duration = Some(Seconds::from_hours(5.0));
    declared.declared_power = Some(Watts::saturating(400.0));
    let history = [past(3.0, 1.5, None), past(3.2, 1.6, None)];
    for (spec, history, source, hours, kwh) in [
        (&declared, &history[..], EstimateSource::Declared, 5.0, 2.0),
        (&unknown, &history[..], EstimateSource::History, 3.098, 1.549),
        (&unknown, &[], EstimateSource::Default, 1.0, 0.01),
    ] {
        let prediction = predict(&observed(spec, &[], None, history));
        assert_eq!(prediction.source, source);
        assert!((prediction.duration.median.hours() - hours).abs() < 1e-3, "{source:?} {prediction:?}");
        assert!((prediction.energy.median.kwh() - kwh).abs() < 1e-3, "{source:?} {prediction:?}");
        assert!(ordered(&prediction) && prediction.duration.low < prediction.duration.high);
    }
}

#[test]
fn a_family_with_another_number_of_epochs_is_scaled() {
    let history = [past(2.0, 1.0, Some(10)), past(2.0, 1.0, Some(10))];
    let spec = spec();
    let prediction = predict(&observed(&spec, &[], Some(30), &history));
    assert!((prediction.duration.median.hours() - 6.0).abs() < 1e-9);
}

#[test]
fn a_slow_first_epoch_counts_in_the_total_and_not_for_the_rest() {
    let spec = spec();
    let measured = epochs(&[3.0, 1.0, 1.0, 1.0]);
    let prediction = predict(&observed(&spec, &measured, Some(10), &[]));
    assert_eq!(prediction.source, EstimateSource::Measured);
    assert!((prediction.remaining.median.hours() - 6.0).abs() < 1e-9, "{:?}", prediction.remaining);
    assert!((prediction.duration.median.hours() - 12.0).abs() < 1e-9);
    assert!((prediction.energy.median.kwh() - 12.0).abs() < 1e-9);
}

#[test]
fn one_outlier_moves_the_rest_little() {
    let spec = spec();
    let measured = epochs(&[1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0]);
    let prediction = predict(&observed(&spec, &measured, Some(17), &[]));
    assert!(prediction.remaining.median.hours() < 10.5, "{:?}", prediction.remaining);
}

#[test]
fn after_a_pause_the_gap_and_the_repeated_epoch_are_not_the_pace() {
    let spec = spec();
    let mut measured = epochs(&[1.0, 1.0, 1.0]);
    let mut again = measured[2].clone();
    again.window = window(20.0, 22.0);
    let mut next = measured[2].clone();
    (next.index, next.window) = (4, window(22.0, 23.0));
    measured.extend([again, next]);
    let prediction = predict(&observed(&spec, &measured, Some(8), &[]));
    assert!((prediction.remaining.median.hours() - 4.0).abs() < 1e-9, "{:?}", prediction.remaining);
}

#[test]
fn history_draws_a_doubtful_first_epoch_towards_the_familys_pace() {
    let spec = spec();
    let history: Vec<PastRun> = [1.0, 1.02, 0.98, 1.0].map(|pace| past(10.0 * pace, 10.0 * pace, Some(10))).into();
    let measured = epochs(&[2.0]);
    let alone = predict(&observed(&spec, &measured, Some(10), &[]));
    let pooled = predict(&observed(&spec, &measured, Some(10), &history));
    assert!((alone.remaining.median.hours() - 18.0).abs() < 1e-9);
    assert!((9.0..14.0).contains(&pooled.remaining.median.hours()), "{:?}", pooled.remaining);
    assert!(pooled.remaining.high < alone.remaining.high);
}

#[test]
fn epochs_of_unknown_number_give_the_power_and_leave_the_time() {
    let mut spec = spec();
    spec.declared_duration = Some(Seconds::from_hours(8.0));
    let measured = epochs(&[1.0, 1.0]);
    let prediction = predict(&observed(&spec, &measured, None, &[]));
    assert_eq!(prediction.source, EstimateSource::Declared);
    assert!((prediction.remaining.median.hours() - 6.0).abs() < 1e-9);
    assert!((prediction.energy.median.kwh() - 8.0).abs() < 1e-9);
}

#[test]
fn a_job_past_its_declared_time_is_still_expected_to_end_later_than_now() {
    let mut spec = spec();
    spec.declared_duration = Some(Seconds::from_hours(1.0));
    let mut overrun = observed(&spec, &[], None, &[]);
    overrun.ran = Seconds::from_hours(5.0);
    let prediction = predict(&overrun);
    assert!(Seconds::from_hours(0.4) < prediction.remaining.median && ordered(&prediction));
}

#[test]
fn the_t_quantiles_are_those_of_the_tables() {
    for (freedom, quantile) in [(2.0, 2.920), (3.0, 2.353), (5.0, 2.015), (10.0, 1.812), (30.0, 1.697)] {
        assert!((student_t_95(freedom) - quantile).abs() < 0.04, "{freedom}");
    }
}

#[test]
fn an_epoch_from_a_faster_site_is_longer_at_the_reference() {
    let epoch = at_reference(&epochs(&[1.0])[0], 2.0, 4.0);
    assert!((epoch.window.duration().hours() - 2.0).abs() < 1e-9);
    assert!((epoch.energy.kwh() - 0.5).abs() < 1e-9);
}

#[test]
fn epochs_of_a_slow_site_have_no_gaps_at_the_reference() {
    let spec = spec();
    for speed in [0.3, 0.6, 2.0] {
        let measured: Vec<Epoch> =
            epochs(&[3.0, 1.0, 1.0, 1.0]).iter().map(|epoch| at_reference(epoch, speed, 1.0)).collect();
        let remaining = predict(&observed(&spec, &measured, Some(14), &[])).remaining.median.hours();
        assert!((remaining - 10.0 * speed).abs() < 1e-4, "{remaining} at speed {speed}");
    }
}

proptest! {
    #[test]
    fn intervals_hold_their_order_whatever_was_observed(
        lengths in prop::collection::vec(0.001..50.0_f64, 0..20), total in prop::option::of(0_u32..200),
        runs in prop::collection::vec((0.0..100.0_f64, 0.0..100.0_f64, prop::option::of(0_u32..50)), 0..6),
        declared in prop::option::of(0.0..1e6_f64),
    ) {
        let mut spec = spec();
        spec.declared_duration = declared.map(Seconds::saturating);
        let history: Vec<PastRun> = runs.into_iter().map(|(hours, kwh, epochs)| past(hours, kwh, epochs)).collect();
        let measured = epochs(&lengths);
        prop_assert!(ordered(&predict(&observed(&spec, &measured, total, &history))));
    }

    /// Alike epochs make every further prediction of the total at least as narrow, relative to what remains.
    #[test]
    fn the_interval_shrinks_with_every_epoch(length in 0.01..10.0_f64, noise in prop::collection::vec(-0.01..0.01_f64, 12)) {
        let spec = spec();
        let lengths: Vec<f64> = noise.iter().map(|noise| length * (1.0 + noise)).collect();
        let widths: Vec<f64> = (1..=lengths.len()).map(|count| {
            let measured = epochs(&lengths[..count]);
            let total = predict(&observed(&spec, &measured, Some(40), &[])).duration;
            total.high.get() - total.low.get()
        }).collect();
        prop_assert!(widths.windows(2).all(|pair| pair[1] < pair[0]), "{widths:?}");
    }
}

/// A finished run of epochs of these lengths in hours, at 1 kW.
fn run(planned: Option<u32>, lengths: &[f64]) -> PastRun {
    let epochs: Vec<(Seconds, Joules)> = lengths
        .iter()
        .map(|hours| (Seconds::from_hours(*hours), Joules::from_kwh(*hours).expect("positive")))
        .collect();
    PastRun {
        duration: epochs.iter().map(|epoch| epoch.0).sum(),
        energy: epochs.iter().map(|epoch| epoch.1).sum(),
        epochs: u32::try_from(epochs.len()).ok(),
        course: Course::of(planned, &epochs),
    }
}

/// Two phases, the second at another level.
fn two_phases(first: (usize, f64), second: (usize, f64)) -> Vec<f64> {
    let mut lengths = vec![first.1; first.0];
    lengths.extend(vec![second.1; second.0]);
    lengths
}

/// Alike epochs with some noise of their own.
fn noisy(count: usize, level: f64, seed: usize) -> Vec<f64> {
    (0..count).map(|epoch| level * (1.0 + 0.03 * ((epoch * 7 + seed * 13) as f64).sin())).collect()
}

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

fn lengths() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.001..50.0_f64, 0..30)
}

proptest! {
    #[test]
    fn intervals_hold_their_order_whatever_the_family_did(
        own in lengths(), family in prop::collection::vec((lengths(), prop::option::of(0_u32..100)), 0..25),
        total in prop::option::of(0_u32..200), may_stop_early: bool,
        progress in prop::option::of((0.0..1.0_f64, 0.0..1e4_f64)), silent: bool,
    ) {
        let spec = spec();
        let mut history: Vec<PastRun> = family.iter().map(|(lengths, planned)| run(*planned, lengths)).collect();
        if silent {
            for run in &mut history {
                run.course.energy.fill(Joules::ZERO);
            }
        }
        let measured = epochs(&own);
        let progress = progress.map(|(share, ran)| {
            Progress { share, ran: Seconds::saturating(ran), energy: Joules::saturating(ran) }
        });
        let seen = Observed { may_stop_early, progress, ..observed(&spec, &measured, total, &history) };
        let prediction = predict(&seen);
        prop_assert!(ordered(&prediction), "{prediction:?}");
        prop_assert!(seen.ran <= prediction.duration.low && prediction.duration.high.get().is_finite());
    }

    /// Hours or seconds, kilowatts or watts: a job ten times as long is predicted ten times as long.
    #[test]
    fn predictions_scale_with_what_was_measured(
        own in prop::collection::vec(0.5..2.0_f64, 1..30), family in prop::collection::vec(lengths(), 0..6),
        total in 30_u32..200, factor in 0.01..100.0_f64,
    ) {
        let spec = spec();
        let of = |factor: f64| {
            let scaled = |lengths: &[f64]| lengths.iter().map(|length| length * factor).collect::<Vec<f64>>();
            let history: Vec<PastRun> = family.iter().map(|lengths| run(None, &scaled(lengths))).collect();
            let measured = epochs(&scaled(&own));
            let Prediction { remaining: time, remaining_energy: energy, .. } =
                predict(&observed(&spec, &measured, Some(total), &history));
            [time.low, time.median, time.high].map(Seconds::hours).into_iter()
                .chain([energy.low, energy.median, energy.high].map(Joules::kwh)).collect::<Vec<f64>>()
        };
        for (one, many) in of(1.0).iter().zip(of(factor)) {
            // Courses are kept to five digits.
            prop_assert!((one * factor - many).abs() <= 1e-3 * many, "{one} {many}");
        }
    }

    /// More work to come is never predicted to take less.
    #[test]
    fn more_epochs_never_take_less(own in prop::collection::vec(0.5..2.0_f64, 1..30), total in 30_u32..200) {
        let spec = spec();
        let measured = epochs(&own);
        let remaining = |total| predict(&observed(&spec, &measured, Some(total), &[])).remaining;
        let (fewer, more) = (remaining(total), remaining(total + 1));
        prop_assert!(fewer.median < more.median && fewer.high < more.high);
    }
}
