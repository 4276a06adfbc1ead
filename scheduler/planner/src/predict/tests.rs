//! Predictions held against runs of known epochs.

use super::interval::student_t_95;
use super::*;
use crate::testing::{epochs, spec, window};

mod laws;
mod learning;

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
